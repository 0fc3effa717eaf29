package replay

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"myreplay/dialect"
	"myreplay/session"
)

// eventCost is what an event takes in memory besides its payload, about.
const eventCost = 256

// stallTime is how long nothing may move before a session is begun although
// more are open than in the recording.
const stallTime = time.Second

// feeder reads a recording and hands its events to the runners.
type feeder struct {
	r        *Replayer
	src      Source
	schedule schedule
	dialects dialect.Tracker
	sessions map[uint64]*fed
	open     int // sessions open in the recording
}

// fed is a session as the feeder sees it.
type fed struct {
	runners []*runner // nil: filtered out
	// answered is when the recording's latest reply came.
	answered int64
	// change is the number of a ChangeUser whose reply is awaited.
	change uint64
	ids    []uint64 // of the run, one for each copy, when filtered
	// x: the X Protocol; waiting counts its commands without a reply so far.
	x       bool
	waiting int
}

func newFeeder(r *Replayer, src Source) *feeder {
	begin := r.target.Now()
	if !r.options.Pace.unpaced() {
		begin += int64(lead)
	}
	return &feeder{r: r, src: src, sessions: map[uint64]*fed{}, schedule: schedule{pace: r.options.Pace, begin: begin}}
}

// feed hands out all events, until the end or until the replay is to stop.
func (f *feeder) feed() error {
	for !f.r.stopped() {
		e, err := f.src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.event(e); err != nil {
			return err
		}
	}
	return nil
}

// end tells all runners that nothing more comes.
func (f *feeder) end() {
	for _, s := range f.sessions {
		for _, u := range s.runners {
			u.box.close()
		}
	}
	clear(f.sessions)
}

func (f *feeder) event(e session.Event) error {
	id, at := e.Key()
	stats := &f.r.stats
	if at != 0 {
		stats.First.CompareAndSwap(0, at)
		stats.At.Store(at)
	}
	f.dialects.See(e)
	if start, ok := e.(*session.Start); ok {
		return f.start(start)
	}
	s := f.sessions[id]
	if s == nil {
		return nil // a gap of nobody's, or of a session whose Start is missing
	}
	switch e := e.(type) {
	case *session.Command:
		f.command(s, e)
	case *session.Reply:
		s.answered = e.Last
		s.waiting = max(s.waiting-1, 0)
		if e.Prepared != nil || s.change == e.Seq || s.x && tells(e) {
			f.put(s, item{event: e, cost: eventCost})
		}
	case *session.Gap:
		s.waiting = 0 // a reply may be among what is lost
		f.put(s, item{event: e, cost: eventCost})
	case *session.End:
		f.put(s, item{event: e, due: f.schedule.due(e.At), cost: eventCost})
		for _, u := range s.runners {
			u.box.close()
		}
		for _, id := range s.ids {
			f.r.write(&session.End{ID: id, At: f.r.target.Now(), Reason: session.Finished})
		}
		delete(f.sessions, e.ID)
		f.open--
	}
	return nil
}

func (f *feeder) command(s *fed, c *session.Command) {
	f.r.stats.Commands.Add(int64(f.r.options.Copies))
	if c.Kind == session.ChangeUser {
		s.change = c.Seq
	}
	if s.runners == nil {
		f.r.stats.Skipped[session.SkipFilter].Add(int64(len(s.ids)))
		for _, id := range s.ids {
			f.r.write(skipped(id, c, session.SkipFilter, 0))
		}
		return
	}
	i := item{event: c, due: f.schedule.due(c.At), opt: f.dialects.Options(c.ID), cost: eventCost + int64(len(c.Payload))}
	if s.x && c.Kind.HasReply() {
		i.piped = s.waiting > 0
		s.waiting++
	}
	if s.answered > 0 {
		i.think = f.schedule.scale(max(c.At-s.answered, 0))
	}
	f.put(s, i)
}

// tells tells whether a reply of the X Protocol may say what later commands hang
// on: ids that the server made for documents, whether a statement was prepared or
// given up. All do but rows.
func tells(r *session.Reply) bool {
	return len(r.Results) == 0 || r.Results[0].Outcome == session.OK || r.Results[0].Outcome == session.Failed
}

// put hands an item to all copies of a session.
func (f *feeder) put(s *fed, i item) {
	for _, u := range s.runners {
		if !f.r.window.enter(i.cost, f.r.soft) {
			f.r.window.used.Add(i.cost) // it is handed over all the same, to be accounted for
		}
		u.box.put(i)
	}
}

// start begins the runners of a session.
func (f *feeder) start(e *session.Start) error {
	r := f.r
	if err := r.check(e.Server); err != nil {
		return err
	}
	r.stats.Sessions.Add(1)
	s := &fed{x: e.Protocol == session.X}
	f.sessions[e.ID] = s
	due := f.schedule.due(e.At)
	if !r.options.Filter.takes(e) {
		r.stats.Filtered.Add(1)
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
	for n := range r.options.Copies {
		copied := *e
		copied.Copy = r.copy(n)
		u := newRunner(r, &copied, due)
		s.runners = append(s.runners, u)
		r.stats.Open.Add(1)
		r.runners.Add(1)
		go u.run()
	}
	return nil
}

// crowd keeps an unpaced replay from opening more sessions at once than the
// recording had open: it waits for sessions that had ended by now. A session
// may be unable to end because it waits for one that has not begun; so when
// nothing moves, it waits no longer.
func (f *feeder) crowd() {
	r := f.r
	if !r.options.Pace.unpaced() {
		return
	}
	most := int64(f.open * r.options.Copies)
	timer := time.NewTimer(stallTime)
	defer timer.Stop()
	moved := r.stats.Accounted()
	for r.stats.Open.Load() > most {
		select {
		case <-r.finished:
		case <-r.soft:
			return
		case <-timer.C:
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
