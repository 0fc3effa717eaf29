package replay

import (
	"net/netip"
	"time"

	"myreplay/session"
	"myreplay/sqltext"
)

// stallTime is how long nothing may move before a session is begun although
// more are open than in the recording.
const stallTime = time.Second

// start begins a session.
func (f *Feed) start(e *session.Start) error {
	r := f.r
	if err := r.check(e.Server); err != nil {
		return err
	}
	r.stats.Sessions.Add(1)
	s := &fed{x: e.Protocol == session.X, pinner: newPinner(r.options.Pins, e)}
	if e.State != nil {
		s.asked = e.State.Asked
	}
	f.sessions[e.ID] = s
	due := f.schedule.due(e.At)
	if !r.options.takes(e) {
		r.stats.Filtered.Add(1)
		if r.scheduler != nil {
			s.mute = true
			f.crowd()
			f.open++
			f.begin(s, e, due, f.dialects.Options(e.ID))
			return nil
		}
		for n := range r.options.Copies {
			id := r.nextID()
			s.ids = append(s.ids, id)
			r.write(&session.Start{ID: id, At: r.target.Now(), Of: e.ID, Copy: r.copy(n), Protocol: e.Protocol})
		}
		f.open++
		return nil
	}
	f.crowd()
	f.open++
	if !f.join(s, e, due) {
		f.begin(s, e, due, f.dialects.Options(e.ID))
	}
	return nil
}

// begin begins the runners of a session, one for each copy.
func (f *Feed) begin(s *fed, e *session.Start, due int64, opt sqltext.Options) {
	r := f.r
	for n := range r.options.Copies {
		copied := *e
		copied.Copy = r.copy(n)
		u := newRunner(r, &copied, due, opt)
		s.runners = append(s.runners, u)
		if u.mute, u.left = s.mute, s.mute; !s.mute {
			r.stats.Open.Add(1)
		}
		r.runners.Add(1)
		r.roster.add(u)
		r.scheduler.began(u)
		go u.run()
	}
}

// crowd keeps an unpaced replay from opening more sessions at once than the
// recording had open: it waits for sessions that had ended by now. A session
// may be unable to end because it waits for one that has not begun; so when
// nothing moves, it waits no longer.
func (f *Feed) crowd() {
	r := f.r
	if r.options.Live || !r.options.Pace.unpaced() {
		return
	}
	most := int64(f.open * r.options.Copies)
	timer := time.NewTimer(stallTime)
	defer timer.Stop()
	moved := r.stats.Accounted()
	select {
	case <-r.scheduler.moreRoom(): // of an earlier time
	default:
	}
	for r.stats.Open.Load() > most {
		r.scheduler.feedPauses()
		select {
		case <-r.finished:
			r.scheduler.feedResumes()
		case <-r.scheduler.moreRoom():
			r.scheduler.feedResumes()
			r.stats.Overtaken.Add(1)
			return
		case <-r.soft:
			r.scheduler.feedResumes()
			return
		case <-timer.C:
			r.scheduler.feedResumes()
			now := r.stats.Accounted()
			if now == moved {
				r.stats.Overtaken.Add(1)
				return
			}
			moved = now
			timer.Reset(stallTime)
		}
	}
}

// copy returns the number of a session's n-th copy in this pass.
func (r *Replayer) copy(n int) uint32 { return r.pass*uint32(r.options.Copies) + uint32(n) }

// check asks, once for each address, whether a recorded server may be replayed.
func (r *Replayer) check(server netip.AddrPort) error {
	if r.options.Check == nil || r.checked[server] {
		return nil
	}
	r.checked[server] = true
	return r.options.Check(server)
}
