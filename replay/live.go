package replay

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"myreplay/session"
)

// The pauses between two looks for sessions that are later than MaxLag: an
// eighth of it, within these limits.
const (
	leastCheck = 50 * time.Millisecond
	mostCheck  = time.Second
)

// roster lists the runners of sessions that have not ended.
type roster struct {
	mu   sync.Mutex
	list []*runner
}

func (l *roster) add(u *runner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u.place = len(l.list)
	l.list = append(l.list, u)
}

func (l *roster) remove(u *runner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.list) - 1
	l.list[u.place] = l.list[last]
	l.list[u.place].place = u.place
	l.list[last] = nil
	l.list = l.list[:last]
}

// wake has all runners look whether the replay is to stop.
func (l *roster) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range l.list {
		u.box.signal()
	}
}

// aged is a session that holds events. Of one that has none to be sent, which
// is not late, due tells since when the target has been at it.
type aged struct {
	runner  *runner
	due     int64
	waiting bool
}

// aged returns the sessions that hold events.
func (l *roster) aged() []aged {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []aged
	for _, u := range l.list {
		if due, waiting, held := u.box.age(); held || waiting {
			list = append(list, aged{u, due, waiting})
		}
	}
	return list
}

// putLive hands an item over without waiting.
func (f *Feed) putLive(u *runner, i item) {
	w := f.r.window
	if !u.behind && i.cost > w.low() {
		f.giveUp(u, true)
	}
	if u.behind {
		if u.bare(&i) {
			u.box.put(i)
		}
		return
	}
	w.used.Add(i.cost)
	if u.box.add(i) {
		f.rouse(u.box)
	}
	if w.used.Load() > w.limit {
		f.shed()
	}
}

// mostRoused is how many sessions may wait for Flush, and for how many events.
const (
	mostRoused = 64
	mostUnsent = 256
)

// rouse has a session's runner look into its mailbox, now or with Flush.
func (f *Feed) rouse(m *mailbox) {
	if !f.r.options.Flushed {
		m.signal()
		return
	}
	if f.roused = append(f.roused, m); len(f.roused) >= mostRoused {
		f.Flush()
	}
}

// Flush tells that the next event may be long in coming: what was taken is sent.
// It is of use with Options.Flushed only.
func (f *Feed) Flush() {
	for i, m := range f.roused {
		m.signal()
		f.roused[i] = nil
	}
	f.roused, f.unsent = f.roused[:0], 0
}

// shed gives up sessions until a quarter of the window is free: those first
// that have waited longest; those that only wait for an answer last.
func (f *Feed) shed() {
	list := f.r.roster.aged()
	slices.SortFunc(list, func(a, b aged) int {
		if a.waiting != b.waiting {
			if a.waiting {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.due, b.due)
	})
	w := f.r.window
	for _, s := range list {
		if w.used.Load() <= w.low() {
			return
		}
		f.giveUp(s.runner, false)
	}
}

// giveUp gives a session up, unless it has come to its end (and is not forced):
// its connection is closed, and what is left of it is skipped.
func (f *Feed) giveUp(u *runner, force bool) {
	due, waiting, _ := u.box.age()
	if !u.box.giveUp(u.bare, force) {
		return
	}
	u.behind = true
	u.kill()
	f.r.stats.Behind.Add(1)
	if waiting {
		f.r.stats.late(f.r.target.Now() - due)
	}
}

// bare makes of an item what is needed to account for it; false: nothing.
func (u *runner) bare(i *item) bool {
	switch e := i.event.(type) {
	case *session.Command:
		if i.skip == session.NotSkipped {
			i.event, i.skip = outcome(u.id, e, 0), session.SkipBehind
		}
	case *session.End:
	default:
		return false
	}
	i.cost = 0
	return true
}

// Tick tells a live replay that nothing was recorded up to the time at by the
// recorder's clock. Event does so, too.
func (f *Feed) Tick(at int64) {
	if o, ok := f.r.options.Order.(Ticker); ok && f.err == nil && at != 0 && !f.r.stopped() {
		if err := o.Tick(at, f.emit); err != nil {
			f.fail(err)
			return
		}
	}
	pause := int64(f.r.options.checkPause())
	if pause == 0 || at == 0 || at < f.check && at > f.check-2*pause {
		return
	}
	f.check = at + pause
	f.overdue()
}

// checkPause is how often to look for overdue sessions; 0: never.
func (o *Options) checkPause() time.Duration {
	if !o.Live || o.MaxLag <= 0 {
		return 0
	}
	return min(max(o.MaxLag/8, leastCheck), mostCheck)
}

// overdue gives up the sessions that are later than MaxLag.
func (f *Feed) overdue() {
	before := f.r.target.Now() - int64(f.r.options.MaxLag)
	for _, s := range f.r.roster.aged() {
		if s.waiting && s.due < before {
			f.giveUp(s.runner, false)
		}
	}
}

// wait waits for all runners; those of a live replay may yet be late.
func (f *Feed) wait() {
	pause := f.r.options.checkPause()
	if pause == 0 {
		f.r.runners.Wait()
		return
	}
	ended := make(chan struct{})
	go func() {
		f.r.runners.Wait()
		close(ended)
	}()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			f.overdue()
		}
	}
}

// Lag returns how long ago the oldest command was due that has not been sent, in
// nanoseconds; 0 when none waits. It may be called at any time.
func (r *Replayer) Lag() int64 {
	now, lag := r.target.Now(), int64(0)
	for _, s := range r.roster.aged() {
		if s.waiting && s.due > 0 {
			lag = max(lag, now-s.due)
		}
	}
	r.stats.late(lag)
	return lag
}

// Held returns the bytes of events that wait or are being replayed. It may be
// called at any time.
func (r *Replayer) Held() int64 { return r.window.used.Load() }
