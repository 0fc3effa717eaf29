package replay

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"myreplay/order"
)

// CycleError says that commands wait for each other in a circle, and that the
// recording proves each of these waits: so something in it was misread.
type CycleError struct {
	// Commands wait each for the next, the last for the first.
	Commands []CycleCommand
}

// CycleCommand names a recorded command.
type CycleCommand struct{ Session, Seq uint64 }

// maxNamed is how many commands of a circle an error names.
const maxNamed = 20

// Error names the commands as session.number.
func (e *CycleError) Error() string {
	var b strings.Builder
	b.WriteString("the order of the recording contradicts itself: commands wait for each other: ")
	for i, c := range e.Commands {
		if i == maxNamed {
			fmt.Fprintf(&b, "(%d more) -> ", len(e.Commands)-i)
			break
		}
		fmt.Fprintf(&b, "%d.%d -> ", c.Session, c.Seq)
	}
	if len(e.Commands) > 0 {
		fmt.Fprintf(&b, "%d.%d", e.Commands[0].Session, e.Commands[0].Seq)
	}
	return b.String()
}

// edge is that a runner waits for another one: for what that one does now, or is
// to do later.
type edge struct {
	to *runner
	// firm is the surest of the waits.
	firm order.Confidence
}

// onlyLocks is less than guessed: no value rests on the wait.
const onlyLocks = order.Guessed + 1

// firmness returns how firm a wait is.
func firmness(w *order.Wait) order.Confidence {
	if w.Locks {
		return onlyLocks
	}
	return w.Confidence
}

// edges returns whom a runner waits for, here, or at the target as far as that is
// known, each once. The scheduler is locked.
func (s *scheduler) edges(u *runner) (list []edge) {
	h := &u.hold
	if h.step == nil {
		return s.lockEdges(u)
	}
	for i := range h.step.Waits {
		w := &h.step.Waits[i]
		if h.isDropped(i) || s.met(w) {
			continue
		}
		v := s.runners[w.On.Session]
		if v == nil {
			continue
		}
		if k := slices.IndexFunc(list, func(e edge) bool { return e.to == v }); k >= 0 {
			list[k].firm = min(list[k].firm, firmness(w))
			continue
		}
		list = append(list, edge{v, firmness(w)})
	}
	if fence := s.fence(h.step); !h.open && fence > s.low.low.Load() {
		// Of all that it waits for, the first step is enough: while that one is under
		// way, the others can't help.
		if v := s.first; v != nil && v.number() <= fence {
			list = append(list, edge{v, order.Proven})
		}
	}
	return list
}

// number returns the number of the step that a runner waits with, or has sent; 0:
// neither. The scheduler is locked.
func (u *runner) number() uint64 {
	if owed := u.owed.Load(); owed != nil {
		return owed.Number
	}
	if u.hold.step != nil {
		return u.hold.step.Number
	}
	if at := u.at.step.Load(); at != nil {
		return at.Number
	}
	return 0
}

// see sees which runner has the first step of all that wait, or are at the target.
// The scheduler is locked.
func (s *scheduler) see() {
	s.first = nil
	least := uint64(math.MaxUint64)
	for _, u := range s.runners {
		if n := u.number(); n > 0 && n < least {
			s.first, least = u, n
		}
	}
}

// waiters returns the runners that wait, those with the lowest step first, and
// sees which has the first step of all. The scheduler is locked.
func (s *scheduler) waiters() (list []*runner) {
	s.see()
	for _, u := range s.runners {
		if u.hold.step != nil {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b *runner) int { return cmp.Compare(a.hold.step.Number, b.hold.step.Number) })
	return list
}

// circle returns runners of which each waits for the next, and the last for the
// first; nil when there are none. The scheduler is locked.
func (s *scheduler) circle(list []*runner) []*runner {
	s.round++
	var path []*runner
	var follow func(u *runner) []*runner
	follow = func(u *runner) []*runner {
		u.hold.seen, u.hold.found = s.round, onPath
		path = append(path, u)
		for _, e := range s.edges(u) {
			v := e.to
			switch {
			case v.hold.step == nil && len(s.asking.locks[v]) == 0: // it is not waiting
			case v.hold.seen != s.round:
				if c := follow(v); c != nil {
					return c
				}
			case v.hold.found == onPath:
				return path[slices.Index(path, v):]
			}
		}
		path = path[:len(path)-1]
		u.hold.found = deadEnd
		return nil
	}
	for _, u := range list {
		if u.hold.seen != s.round {
			if c := follow(u); c != nil {
				return c
			}
		}
	}
	return nil
}

// untangle drops the waits that make sessions wait for each other in a circle:
// guessed ones, else inferred ones, of the lowest step first. It tells whether it
// did something; where all are proven it ends the replay. The scheduler is locked.
func (s *scheduler) untangle(list []*runner) (done bool) {
	for {
		c := s.circle(list)
		if c == nil {
			return done
		}
		done = true
		s.tangled = s.r.target.Now()
		if !s.cut(c, onlyLocks) && !s.cut(c, order.Guessed) && !pays(c) && !s.cut(c, order.Inferred) && !(s.r.options.Live && s.cut(c, order.Proven)) {
			s.contradiction(c)
			return true
		}
	}
}

// pays has the first of a circle that owes a step finish it.
func pays(circle []*runner) bool {
	return slices.ContainsFunc(circle, (*runner).pay)
}

// cut drops the waits between two runners of a circle if none of them is surer
// than allowed.
func (s *scheduler) cut(circle []*runner, least order.Confidence) bool {
	first, next := -1, 0
	for i, u := range circle {
		j := (i + 1) % len(circle)
		for _, e := range s.edges(u) {
			if e.to == circle[j] && e.firm >= least && (first < 0 || u.isCutBefore(circle[first])) {
				first, next = i, j
			}
		}
	}
	if first < 0 {
		return false
	}
	s.part(circle[first], circle[next])
	return true
}

// isCutBefore tells whether a runner's waits are dropped before another one's: that of
// a read that lets others pass, which of them took longest, or of the lower step.
func (u *runner) isCutBefore(v *runner) bool {
	h, k := &u.hold, &v.hold
	switch {
	case h.lets != k.lets:
		return h.lets
	case h.lets && h.cuts != k.cuts:
		return h.cuts < k.cuts
	case h.lets && h.took != k.took:
		return h.took > k.took
	}
	return h.step.Number < k.step.Number
}

// part has a runner wait for another one no longer.
func (s *scheduler) part(u, v *runner) {
	for i := range u.hold.step.Waits {
		w := &u.hold.step.Waits[i]
		if w.On != nil && w.On.Session == v.start.ID && !u.hold.isDropped(i) && !s.met(w) {
			s.drop(u, i)
		}
	}
	u.wake()
}

// contradiction ends the replay.
func (s *scheduler) contradiction(circle []*runner) {
	e := &CycleError{}
	for _, u := range circle {
		e.Commands = append(e.Commands, CycleCommand{u.hold.step.Session, u.hold.step.Seq})
	}
	if s.err == nil {
		s.err = e
	}
	s.r.fail()
}

// settle makes the replay go on when all that have something to do wait for
// others.
func (s *scheduler) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy.Load() != 0 || s.r.stopped() {
		return
	}
	list := s.waiters()
	if s.untangle(list) {
		return
	}
	for _, u := range list {
		if w, fence := s.next(u); u.hold.timed || w == nil && fence == 0 {
			return // it goes on
		}
	}
	switch {
	case s.feedWaits.Load():
		s.letMore()
	case s.ended:
		s.orphans(list)
	}
}

// orphans drops waits for what the feed never handed on: a step that was lost.
// It has handed on everything, and there is no circle. The scheduler is locked.
func (s *scheduler) orphans(list []*runner) {
	for _, u := range list {
		if len(s.edges(u)) > 0 {
			continue
		}
		for i := range u.hold.step.Waits {
			if !u.hold.isDropped(i) && !s.met(&u.hold.step.Waits[i]) {
				s.drop(u, i)
			}
		}
		u.hold.open = true
		u.wake()
	}
}
