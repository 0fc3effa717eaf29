package order

import (
	"sync"
	"sync/atomic"
	"time"
)

// SentPause is how long ago a command must have been sent for a Wait with Sent.
const SentPause = 5 * time.Millisecond

// latch tells those that wait for a step when it is sent and when it is
// finished. Its methods may be called by any goroutine.
type latch struct {
	at   atomic.Int64
	over atomic.Bool

	mu      sync.Mutex
	waiters []waiter
}

// waiter is a function to be called.
type waiter struct {
	f    func()
	sent bool // once the step is sent, or else finished
}

// Sent tells that the command is being sent, at a time by the caller's clock, in
// nanoseconds, and calls those that wait for that. A second call does nothing.
func (s *latch) Sent(at int64) {
	s.mu.Lock()
	if s.at.Load() != 0 || s.over.Load() {
		s.mu.Unlock()
		return
	}
	s.at.Store(at)
	var first []func()
	left := s.waiters[:0]
	for _, w := range s.waiters {
		if w.sent {
			first = append(first, w.f)
		} else {
			left = append(left, w)
		}
	}
	clear(s.waiters[len(left):])
	s.waiters = left
	s.mu.Unlock()
	for _, f := range first {
		f()
	}
}

// SentAt returns what Sent was told; 0: it was not called yet.
func (s *latch) SentAt() int64 { return s.at.Load() }

// Finished tells whether Finish was called.
func (s *latch) Finished() bool { return s.over.Load() }

// Finish tells that the command was answered, or is not sent at all, and calls
// those that wait for it. A second call does nothing.
func (s *latch) Finish() {
	s.mu.Lock()
	list := s.waiters
	s.waiters = nil
	s.over.Store(true)
	s.mu.Unlock()
	for _, w := range list {
		w.f()
	}
}

// After has f called once the step is finished, and returns true; it returns
// false, and does not call f, when it is finished already. f must not block, and
// is called in the goroutine that calls Finish.
func (s *latch) After(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over.Load() {
		return false
	}
	s.waiters = append(s.waiters, waiter{f, false})
	return true
}

// AfterSent is as After, but f is called as soon as the step is sent; it returns
// false when it was sent, or finished, already.
func (s *latch) AfterSent(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over.Load() || s.at.Load() != 0 {
		return false
	}
	s.waiters = append(s.waiters, waiter{f, true})
	return true
}

// Forget gives up what the step waited for, so that the steps before it can be
// freed. It is called once the step is finished; nobody may look at Waits then.
func (s *Step) Forget() { s.Waits = nil }
