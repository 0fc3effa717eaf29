package replay

import (
	"sync"
	"sync/atomic"

	"myreplay/order"
)

// scheduler keeps the order between the sessions of one pass. A command waits in
// its runner until those are finished that it is to wait for; whoever finishes
// one wakes the runners that wait for it.
//
// That sessions wait for each other in a circle is known exactly, without a
// clock: busy counts the runners, and the feed, that do not wait for others. When
// it falls to 0, nothing will happen any more unless settle makes it. A nil
// scheduler keeps no order.
type scheduler struct {
	r    *Replayer
	busy atomic.Int64
	low  watermark
	// feedWaits: the feed waits for room, or for sessions to end. more tells it
	// not to.
	feedWaits atomic.Bool
	more      chan struct{}

	mu       sync.Mutex
	runners  map[uint64]*runner // by recorded session
	round    uint64             // marks which runners a search has seen
	ended    bool               // the feed has: nothing more comes
	first    *runner            // of those that wait, or are at the target, as waiters saw it
	err      error
	stall    stall
	asking   asking
	standing standing
	looks    uint64
	tangled  int64 // when the latest circle was found, by the target's clock
	takers   takers
}

func newScheduler(r *Replayer) *scheduler {
	s := &scheduler{r: r, more: make(chan struct{}, 1), runners: map[uint64]*runner{}}
	s.busy.Store(1) // the feed
	return s
}

// enter counts one that is at work.
func (s *scheduler) enter() {
	if s != nil {
		s.busy.Add(1)
	}
}

// leave counts one that is at work no longer: it waits for others, or is gone.
func (s *scheduler) leave() {
	if s != nil && s.busy.Add(-1) == 0 {
		s.settle()
	}
}

// began takes note of a session's runner, which is at work.
func (s *scheduler) began(u *runner) {
	if s == nil {
		return
	}
	s.enter()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runners[u.start.ID] = u
}

// gone takes note that a session's runner has ended.
func (s *scheduler) gone(u *runner) {
	if s == nil {
		return
	}
	s.mu.Lock()
	if s.runners[u.start.ID] == u {
		delete(s.runners, u.start.ID)
	}
	s.mu.Unlock()
	s.leave()
}

// end takes note that the feed has handed on all there is.
func (s *scheduler) end() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.leave()
}

// failure returns why the order can't be kept, or nil.
func (s *scheduler) failure() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// finish tells that a step's command was answered, or is not sent. A second
// call does nothing.
func (s *scheduler) finish(step *order.Step) {
	if step == nil || step.Finished() {
		return
	}
	step.Forget()
	step.Finish()
	s.low.finish(step.Number)
}

// ready tells whether a step need not wait.
func (s *scheduler) ready(step *order.Step) bool {
	if step == nil {
		return true
	}
	if s.fence(step) > s.low.low.Load() {
		return false
	}
	for i := range step.Waits {
		if !s.met(&step.Waits[i]) {
			return false
		}
	}
	return true
}

// fence returns up to which number all steps are to be finished before one. It
// never waits for itself.
func (s *scheduler) fence(step *order.Step) uint64 {
	if step.Fence >= step.Number {
		return max(step.Number, 1) - 1
	}
	return step.Fence
}

// met tells whether a wait is over.
func (s *scheduler) met(w *order.Wait) bool {
	switch {
	case w.On == nil, w.On.Finished():
		return true
	case !w.Sent:
		return false
	}
	at := w.On.SentAt()
	return at != 0 && s.r.target.Now()-at >= int64(order.SentPause)
}

// letMore lets the feed go on although there is no room. The scheduler is
// locked.
func (s *scheduler) letMore() {
	s.r.stats.LetIn.Add(1)
	s.r.window.grow()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// feedPauses counts the feed as one that waits, until feedResumes.
func (s *scheduler) feedPauses() {
	if s != nil {
		s.feedWaits.Store(true)
		s.leave()
	}
}

func (s *scheduler) feedResumes() {
	if s != nil {
		s.enter()
		s.feedWaits.Store(false)
	}
}

// moreRoom is told when the feed is to go on, whatever it waits for.
func (s *scheduler) moreRoom() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.more
}
