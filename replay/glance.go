package replay

import (
	"context"
	"time"
)

const (
	// glance is how often the scheduler looks whether anything moves.
	glance = 2 * time.Millisecond
	// standTime is how long nothing moves, at least, before the target is asked who
	// waits for whose locks; a standPart-th of Options.AskEvery comes to it, since an
	// answer to a needless question keeps the next waiting for that long.
	standTime = 4 * time.Millisecond
	standPart = 20
	// askGrowth is how many times longer there is to the next question after an
	// answer that told of no circle, askShare how many times longer than an answer
	// took.
	askGrowth = 4
	askShare  = 10
)

// standing is what the scheduler knows of whether anything moves. It belongs to
// the goroutine that watches.
type standing struct {
	accounted int64     // commands, as far as they were at their end at the latest glance
	sent      uint64    // what was sent until then
	since     time.Time // when either was another
}

// stands tells, at little cost, whether to ask the target who waits for whose locks
// since nothing moves: no command came to its end, and none was sent, while some are
// at the target and others wait here. So it is most often when one of those that wait
// here has the lock that all the others wait for, here or there.
func (s *scheduler) stands(now time.Time) bool {
	g := &s.standing
	if n := s.r.stats.Accounted(); n != g.accounted {
		g.accounted, g.since = n, now
		return false
	}
	if s.r.stats.Blocked.Load() == 0 || now.Sub(g.since) < glance {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var sent uint64
	away := false
	for _, u := range s.runners {
		sent += u.at.n.Load()
		away = away || u.at.step.Load() != nil
	}
	if sent != g.sent {
		g.sent, g.since = sent, now
		return false
	}
	return away && now.Sub(g.since) >= standTime+s.r.options.askEvery()/standPart && !now.Before(s.asking.next) && !s.r.stopped()
}

// asked takes note of an answer of Options.Blockers: when to ask next. A target under
// load, where nothing moves since all is slow, is asked seldom; where it told of a
// circle there may be more. The scheduler is locked.
func (s *scheduler) asked(took time.Duration, useful bool) {
	a, least := &s.asking, s.r.options.askEvery()
	if useful {
		a.pause = least
	} else {
		a.pause = min(max(a.pause, least)*askGrowth, max(AskInterval, least))
	}
	a.next = time.Now().Add(max(a.pause, min(askShare*took, AskInterval)))
}

// askEvery returns Options.AskEvery.
func (o *Options) askEvery() time.Duration {
	if o.AskEvery > 0 {
		return o.AskEvery
	}
	return AskInterval
}

// glances returns a channel that has a token when it is time for a glance, and
// what ends it; nil when nobody can be asked.
func (s *scheduler) glances() (c <-chan time.Time, stop func()) {
	if s.r.options.Blockers == nil {
		return nil, func() {}
	}
	t := time.NewTicker(glance)
	return t.C, t.Stop
}

// glanceAt asks the target if nothing moves.
func (s *scheduler) glanceAt(ctx context.Context, now time.Time) {
	if s.stands(now) {
		s.askBlockers(ctx)
	}
}
