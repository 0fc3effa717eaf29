package replay

import (
	"context"
	"slices"
	"time"

	"myreplay/order"
)

const (
	// heldTicks is how many ticks a command may be at the target, beyond the time
	// that it took when it was recorded, before the target is asked what it waits for.
	heldTicks = 2
	// unsureTicks is the same before somebody is taken to be in its way where the
	// target does not tell who is.
	unsureTicks = 8
	// AskInterval is how long there is between two calls of Options.Blockers, where
	// Options.AskEvery does not say less.
	AskInterval = 110 * time.Millisecond
	// AskSoon is an Options.AskEvery for servers that answer at once.
	AskSoon = 10 * time.Millisecond
	// maxPairs is how many pairs of one answer count.
	maxPairs = 100_000
)

// asking is what is known of the target's own waits. It is guarded by the
// scheduler's lock.
type asking struct {
	next  time.Time     // before that the target is not asked again
	pause time.Duration // between two questions
	// moved is how many commands were at their end when the scheduler looked last.
	moved int64
	// locks are the runners whose locks at the target one waits for; nil: that is
	// not known at this moment.
	locks map[*runner][]*runner
	// unsure: the target tells only who waits, and locks are guessed.
	unsure bool
	// untold are those of which the target tells only that they wait, since not long.
	untold []*runner
	// useful: something was done about what the latest answer told.
	useful bool
}

// mayBeHeld tells whether to ask the target who waits for whose locks: a command
// takes longer than it did, or nothing moves, while sessions wait here. The
// scheduler is locked.
func (s *scheduler) mayBeHeld(now time.Time) bool {
	moved := s.r.stats.Accounted()
	stands := moved == s.asking.moved
	s.asking.moved = moved
	if s.r.options.Blockers == nil || s.r.stats.Blocked.Load() == 0 || now.Before(s.asking.next) {
		return false
	}
	for _, u := range s.runners {
		a := &u.at
		if a.step.Load() == nil || a.n.Load() != a.seen {
			continue
		}
		if stands && a.ticks >= 1 || a.ticks >= heldTicks+int(a.took.Load()/int64(tick)) {
			return true
		}
	}
	return false
}

// askBlockers asks the target who waits for whose locks and does something about
// circles that go through it.
func (s *scheduler) askBlockers(ctx context.Context) {
	s.mu.Lock()
	sent := map[*runner]uint64{}
	waits := map[*runner]*order.Step{}
	for _, u := range s.runners {
		if u.hold.step != nil {
			waits[u] = u.hold.step
		} else if u.at.step.Load() != nil {
			sent[u] = u.at.n.Load()
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	began := time.Now()
	pairs, err := s.r.options.Blockers(ctx)
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking.useful = false
	defer func() { s.asked(took, s.asking.useful) }()
	if err != nil {
		return // what is held up is found by the time that it takes
	}
	s.learnLocks(pairs, sent, waits)
	s.unlock()
	s.guessHolders()
	s.asking.locks, s.asking.unsure, s.asking.untold = nil, false, nil
}

// learnLocks takes note of whose locks at the target commands wait for. What has
// gone on since the target was asked does not count. The scheduler is locked.
func (s *scheduler) learnLocks(pairs [][2]uint64, sent map[*runner]uint64, waits map[*runner]*order.Step) {
	live := make(map[uint64]*runner, len(s.runners))
	for _, u := range s.runners {
		n, isSent := sent[u]
		same := isSent && u.at.n.Load() == n && u.at.step.Load() != nil || waits[u] != nil && u.hold.step == waits[u]
		if id := u.live.Load(); id != 0 && same {
			live[id] = u
		}
	}
	s.asking.locks = map[*runner][]*runner{}
	for _, p := range pairs[:min(len(pairs), maxPairs)] {
		v, u := live[p[0]], live[p[1]]
		switch {
		case v == nil || v.hold.step != nil:
		case u != nil && v != u:
			s.asking.locks[v] = append(s.asking.locks[v], u)
		case p[1] == 0 && v.at.ticks >= unsureTicks:
			s.asking.unsure = true
			s.asking.locks[v] = s.mayHold(v)
		case p[1] == 0:
			s.asking.untold = append(s.asking.untold, v)
		}
	}
}

// mayHold returns the runners that wait here and may have a lock that one waits for
// at the target.
func (s *scheduler) mayHold(v *runner) (list []*runner) {
	for _, u := range s.waiters() {
		if u != v && u.hold.holds {
			list = append(list, u)
		}
	}
	return list
}

// unlock does something about each circle that goes through the target: a session
// waits here, by way of others or not, for a command that waits there for that
// session's locks. The scheduler is locked.
func (s *scheduler) unlock() {
	if s.r.stopped() || len(s.asking.locks) == 0 {
		return
	}
	list := s.waiters()
	for {
		c := s.circle(list)
		if c == nil {
			return
		}
		u, lock := s.holder(c)
		if u == nil { // sessions that wait here alone
			s.asking.locks = nil
			s.untangle(list)
			return
		}
		s.loosen(c, u, lock)
		if s.asking.unsure {
			return // one at a time
		}
	}
}

// holder returns who of a circle waits here and has a lock that the one before it
// waits for at the target: the last to come that can be undone, if there is one.
// lock is that one before it. nil: the circle does not go through the target.
func (s *scheduler) holder(circle []*runner) (u, lock *runner) {
	for i, v := range circle {
		w := circle[(i+1)%len(circle)]
		if v.hold.step != nil || w.hold.step == nil {
			continue
		}
		better := u == nil || !u.hold.yields && w.hold.yields ||
			u.hold.yields == w.hold.yields && u.hold.step.Number < w.hold.step.Number
		if better {
			u, lock = w, v
		}
	}
	return u, lock
}

// loosen opens a circle through the target: it has a transaction undone, to be
// done again later, or else drops waits that are not proven. At the source the
// command that is held up here had its lock first, so what is wrong is that the
// other one has it, not that it waits. Its session does its transaction again when
// what it waits for is over, and so after that command. A command that is held up
// again after that may be on its way through a whole table: then all that wait for
// it are undone, so that it does not meet them one by one. Where nothing can be
// undone, and all is proven, the one that waits here goes first after a time: else
// both would stand until the target gives up, again and again. Until then nothing is
// done, so the next question comes late enough for its answer to be new: an earlier
// one may name a session that has no lock any more. The scheduler is locked.
func (s *scheduler) loosen(circle []*runner, u, lock *runner) {
	s.r.stats.HeldUp.Add(1)
	s.asking.useful = true
	switch n := lock.at.n.Load(); {
	case u.hold.yields:
		s.undo(u)
		if lock.at.helped == n {
			s.undoBehind(lock)
		}
		lock.at.helped = n
	case u.hold.yield:
	case s.cut(circle, onlyLocks) || s.cut(circle, order.Guessed) || s.cut(circle, order.Inferred):
		return
	case !s.asking.unsure && s.isStuck(lock, patience):
		s.part(u, circle[(slices.Index(circle, u)+1)%len(circle)])
		u.hold.open = true
	default:
		s.asking.useful = false
	}
	// Nothing more is to be done about this lock now.
	list := s.asking.locks[lock]
	s.asking.locks[lock] = slices.DeleteFunc(list, func(v *runner) bool { return v == u })
}

// undo has a runner that waits undo its transaction, to do it again later. The
// scheduler is locked.
func (s *scheduler) undo(u *runner) {
	u.hold.yields, u.hold.yield = false, true
	u.wake()
}

// undoBehind has all undo their transactions that wait, by way of others or not, for
// a command that is held up. The scheduler is locked.
func (s *scheduler) undoBehind(lock *runner) {
	s.round++
	for _, u := range s.waiters() {
		if u.hold.yields && s.reaches(u, func(v *runner) bool { return v == lock }) {
			s.undo(u)
		}
	}
}

// lockEdges are those of a runner whose command waits at the target.
func (s *scheduler) lockEdges(u *runner) (list []edge) {
	for _, v := range s.asking.locks[u] {
		list = append(list, edge{v, order.Proven})
	}
	return list
}
