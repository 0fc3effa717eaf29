package replay

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"myreplay/order"
)

const (
	// DefaultStall is how long a command may be at the target, beyond the time that
	// it took when it was recorded, before it is taken to be held up by a lock.
	DefaultStall = time.Second
	// tick is how often the scheduler looks, slowly how many ticks it takes until it
	// looks at everything.
	tick   = 25 * time.Millisecond
	slowly = 4
	// tangledTime is for how long after a circle each session that begins to wait
	// looks for one: where there is one there are more, and others should not wait
	// for the next look.
	tangledTime = time.Second
	// lateTick is how late a look is of no use: this process, or the machine, stood
	// still.
	lateTick = 300 * time.Millisecond
	// aliveTime is how long the target may take to say that it is alive.
	aliveTime = 2 * time.Second
	// patience is after how many Stalls proven waits are taken to be in the way of a
	// lock, and after how many sessions that have no transaction open.
	patience     = 3
	morePatience = 10
)

// atTarget is what a runner has sent and awaits the answer to. The runner sets
// it; who looks may see the fields of two moments.
type atTarget struct {
	step atomic.Pointer[order.Step] // nil: nothing
	took atomic.Int64               // how long it took at the source, in nanoseconds
	n    atomic.Uint64              // counts what was sent
	// seen is n when the scheduler looked last, ticks how often it was the same.
	// Guarded by the scheduler's lock.
	seen  uint64
	ticks int
	// helped is n when somebody was undone for it last.
	helped uint64
}

// stall is what the scheduler knows of commands that are held up at the target.
// It is guarded by the scheduler's lock.
type stall struct {
	rest   int // ticks until something may be done again
	rounds int // how often something was done since nothing was held up
}

// stallTicks returns Options.Stall in ticks.
func (s *scheduler) stallTicks() int { return int((s.r.options.Stall + tick - 1) / tick) }

// watch looks, until done is closed, for circles that include sessions at work,
// and for commands that are held up at the target by the locks of sessions that
// wait here. The second needs time; only ticks that come in time count.
func (s *scheduler) watch(ctx context.Context, done <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	glances, stop := s.glances()
	defer stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-glances:
			s.glanceAt(ctx, time.Now())
			continue
		case <-ticker.C:
		}
		now := time.Now()
		inTime := now.Sub(last) < lateTick
		last = now
		if !inTime {
			continue
		}
		stuck, maybe := s.look(now)
		if maybe {
			s.askBlockers(ctx)
		}
		if stuck {
			alive := s.alive(ctx)
			s.mu.Lock()
			if alive {
				s.relieve()
			} else {
				s.forget()
			}
			s.mu.Unlock()
		}
	}
}

// forget begins to count anew: the target stood still. The scheduler is locked.
func (s *scheduler) forget() {
	for _, u := range s.runners {
		u.at.ticks = 0
	}
}

// alive asks whether the target answers at all.
func (s *scheduler) alive(ctx context.Context) bool {
	if s.r.options.Alive == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	return s.r.options.Alive(ctx)
}

// look counts a tick, and tells whether something is to be done about commands
// that are held up at the target, and whether they may be.
func (s *scheduler) look(now time.Time) (held, maybe bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.runners {
		a := &u.at
		if n := a.n.Load(); n == a.seen && a.step.Load() != nil {
			a.ticks++
		} else {
			a.seen, a.ticks = n, 0
		}
	}
	if s.stall.rest > 0 {
		s.stall.rest--
	}
	if s.r.stopped() {
		return false, false
	}
	maybe = s.mayBeHeld(now)
	if s.looks++; s.looks%slowly > 0 {
		return false, maybe
	}
	list := s.waiters()
	if s.untangle(list) {
		return false, false
	}
	stuck := s.stuck(1)
	if stuck && s.feedWaits.Load() {
		s.letMore() // what frees it may not be read yet
	}
	if !stuck {
		s.stall = stall{}
	}
	return stuck && len(list) > 0 && s.stall.rest == 0, maybe
}

// stuck tells whether a command is at the target for n Stalls longer than it
// should.
func (s *scheduler) stuck(n int) bool {
	for _, u := range s.runners {
		if s.isStuck(u, n) {
			return true
		}
	}
	return false
}

func (s *scheduler) isStuck(u *runner, n int) bool {
	a := &u.at
	return a.step.Load() != nil && a.n.Load() == a.seen && a.ticks >= n*s.stallTicks()+int(a.took.Load()/int64(tick))
}

// relieve does something for commands that are held up at the target, since
// transactions may hold the locks whose sessions wait here for those commands:
// it drops guessed waits of such sessions, then inferred ones; when there are
// none, it has a transaction undone, to be done again later. Proven waits stay, but
// in a live replay, where a place may have been guessed wrongly that they rest on,
// and nobody may wait for ever. The scheduler is locked.
func (s *scheduler) relieve() {
	if !s.stuck(1) || s.r.stopped() {
		return
	}
	list := s.holders()
	if len(list) == 0 {
		return
	}
	done := s.ease(list, order.Guessed) || s.ease(list, order.Inferred) || s.stuck(patience) && (s.yield(list) || s.r.options.Live && s.ease(list, order.Proven))
	if done {
		s.stall.rest = s.stallTicks()
		s.stall.rounds++
	}
}

// holders returns the runners that may hold a lock and wait, by way of others or
// not, for a command that is held up, those with the lowest step first.
func (s *scheduler) holders() (list []*runner) {
	s.round++
	all := s.stuck(morePatience)
	for _, u := range s.waiters() {
		if (u.hold.holds || all) && s.reaches(u, s.isHeldUp) {
			list = append(list, u)
		}
	}
	return list
}

// isHeldUp tells whether a runner's command is held up at the target.
func (s *scheduler) isHeldUp(u *runner) bool { return s.isStuck(u, 1) }

// reaches tells whether a runner waits, by way of others or not, for one that has
// sent what is looked for, or is such a one.
func (s *scheduler) reaches(u *runner, sought func(*runner) bool) bool {
	h := &u.hold
	switch {
	case h.step == nil:
		return sought(u)
	case h.seen == s.round:
		return h.found == reaches
	}
	h.seen, h.found = s.round, deadEnd
	for _, e := range s.edges(u) {
		if s.reaches(e.to, sought) {
			h.found = reaches
			return true
		}
	}
	return false
}

// ease drops waits of the first runners that it helps: of one, later of more at
// once.
func (s *scheduler) ease(list []*runner, least order.Confidence) (done bool) {
	n := 1 << min(s.stall.rounds, 16)
	for _, u := range list {
		var ways []*runner
		for _, e := range s.edges(u) {
			if !s.reaches(e.to, s.isHeldUp) {
				continue
			}
			if e.firm < least {
				ways = nil
				break
			}
			ways = append(ways, e.to)
		}
		for _, v := range ways {
			s.part(u, v)
		}
		if len(ways) > 0 {
			done = true
			if n--; n == 0 {
				return true
			}
		}
	}
	return done
}

// yield has the last of the transactions that can be undone give way.
func (s *scheduler) yield(list []*runner) bool {
	for _, u := range slices.Backward(list) {
		if u.hold.yields {
			s.undo(u)
			return true
		}
	}
	return false
}
