package replay

import (
	"sync/atomic"
	"time"

	"myreplay/order"
)

// waiting is what a runner that waits for others tells of it. Its fields are
// guarded by the scheduler's lock, but for the atomic ones.
type waiting struct {
	step *order.Step // of the command that waits; nil: none does
	// dropped are those of its Waits that count no longer; nil: none. open: neither
	// does its Fence.
	dropped []bool
	open    bool
	drops   uint32
	// timed: it goes on by itself soon.
	timed bool
	// holds: a transaction is open at the target, whose locks may be in others'
	// way. yields: it can be undone, and done again later.
	holds, yields bool
	// locks: more than BEGIN was done in that transaction.
	locks bool
	// yield: it is to be undone now.
	yield bool
	// lets: a read that was undone, and took a time when it was recorded, lets
	// others pass. cuts is how often it did that in vain.
	lets bool
	took int64
	cuts int
	// seen is the scheduler's round in which the runner was looked at, found what
	// was found.
	seen  uint64
	found mark

	asleep atomic.Bool
	wakes  chan struct{} // one token when asleep was ended by somebody else
}

// mark is what a search knows of a runner.
type mark uint8

const (
	onPath  mark = iota // it is on the path that is being followed
	deadEnd             // nothing is to be found behind it
	reaches             // it waits, by way of others or not, for what is looked for
)

// wake has the runner look again. It is counted as at work from here on.
func (u *runner) wake() {
	if u.hold.asleep.CompareAndSwap(true, false) {
		u.r.scheduler.enter()
		u.hold.wakes <- struct{}{}
	}
}

// await waits until what a command is to wait for is over. It returns false when
// the replay stops, or the session was given up.
func (u *runner) await(r *ruled) bool {
	s := u.r.scheduler
	if s == nil || s.ready(r.item.step) {
		return true
	}
	begin := u.r.target.Now()
	if u.owed.Load() != nil { // others may wait for it, and this for them
		s.takers.active.Add(1)
		defer s.takers.active.Add(-1)
	}
	s.mu.Lock()
	h := &u.hold
	h.step, h.dropped, h.open, h.drops = r.item.step, nil, false, 0
	h.holds, h.yields, h.yield = u.inTrans, u.canYield(), false
	h.locks = u.tx.locks()
	if s.takers.active.Load() > 0 || begin-s.tangled < int64(tangledTime) {
		s.see()
		s.untangle([]*runner{u}) // one that was undone stands where the order does not tell
	}
	s.mu.Unlock()
	stats := &u.r.stats
	stats.Blocked.Add(1)
	if u.r.options.Live { // it counts as late
		u.box.stuck(true)
		defer u.box.stuck(false)
	}
	ok := true
	for more := true; ok && more; {
		more, ok = u.sleep()
	}
	s.mu.Lock()
	r.dropped += h.drops
	h.step, h.dropped = nil, nil
	s.mu.Unlock()
	stats.Blocked.Add(-1)
	waited := u.r.target.Now() - begin
	r.waited += waited
	stats.SyncWait.Add(waited)
	stats.SyncWaits.Add(1)
	return ok
}

// sleep waits until something has happened. It returns more, false when there is
// nothing left to wait for; ok is false when the runner is to stop waiting.
func (u *runner) sleep() (more, ok bool) {
	s, h := u.r.scheduler, &u.hold
	s.mu.Lock()
	if h.yield { // until it is undone it stays known that it will be
		s.mu.Unlock()
		u.giveWay()
		s.mu.Lock()
		h.yield, h.holds, h.yields = false, false, false
		s.mu.Unlock()
		return true, true
	}
	w, fence := s.next(u)
	if w == nil && fence == 0 {
		s.mu.Unlock()
		return false, true
	}
	pause := time.Duration(0)
	if w != nil && w.Sent && w.On.SentAt() != 0 {
		pause = time.Duration(w.On.SentAt()-u.r.target.Now()) + order.SentPause
		pause = min(max(pause, 1), order.SentPause)
	}
	h.timed = pause > 0
	h.asleep.Store(true)
	s.mu.Unlock()
	registered := false
	switch {
	case w == nil:
		registered = s.low.after(fence, u.rouse)
	case w.Sent && pause == 0:
		registered = w.On.AfterSent(u.rouse)
	default:
		registered = w.On.After(u.rouse)
	}
	if !registered {
		u.awake(false)
		return true, true
	}
	return true, u.rest(pause)
}

// rest sleeps until the runner is woken, or for a time.
func (u *runner) rest(pause time.Duration) bool {
	var timeout <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		timeout = timer.C
	}
	u.r.scheduler.leave()
	select {
	case <-u.hold.wakes:
		return true
	case <-timeout:
		u.awake(true)
		return true
	case <-u.r.soft:
	case <-u.ctx.Done():
	}
	u.awake(true)
	return false
}

// awake ends the sleep of a runner that nobody woke, or takes the token of who
// did at this moment. left: it was counted as waiting.
func (u *runner) awake(left bool) {
	s := u.r.scheduler
	if u.hold.asleep.CompareAndSwap(true, false) {
		if left {
			s.enter()
		}
		return
	}
	<-u.hold.wakes // it was counted by who woke it
	if !left {
		s.leave()
	}
}

// next returns what a runner's command waits for: one of its waits, or a fence.
// The scheduler is locked.
func (s *scheduler) next(u *runner) (w *order.Wait, fence uint64) {
	h := &u.hold
	for i := range h.step.Waits {
		if w = &h.step.Waits[i]; !h.isDropped(i) && !s.met(w) {
			return w, 0
		}
	}
	if fence = s.fence(h.step); !h.open && fence > s.low.low.Load() {
		return nil, fence
	}
	return nil, 0
}

func (h *waiting) isDropped(i int) bool { return h.dropped != nil && h.dropped[i] }

// drop has a wait count no longer. The scheduler is locked.
func (s *scheduler) drop(u *runner, i int) {
	h := &u.hold
	if h.dropped == nil {
		h.dropped = make([]bool, len(h.step.Waits))
	}
	h.dropped[i] = true
	h.drops++
	if h.lets {
		return // no wait of the order's
	}
	s.r.stats.Dropped[h.step.Waits[i].Confidence].Add(1)
}
