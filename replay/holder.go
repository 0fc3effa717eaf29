package replay

import "slices"

// maxNear is how many sessions may stand between a command that is held up and
// one that is guessed to hold it up.
const maxNear = 4

// guessHolders has transactions undone that may have the locks for which commands
// wait at the target, where it tells only that they wait, and nothing moves: those
// of the sessions that wait here for such a command; when there are none, or they
// were undone in vain, those of the sessions that wait for these, and so on. The
// scheduler is locked.
func (s *scheduler) guessHolders() {
	if len(s.asking.untold) == 0 || s.r.stopped() || s.r.stats.Accounted() != s.standing.accounted || s.mayMove() {
		return
	}
	list := s.waiters()
	for _, v := range s.asking.untold {
		for _, u := range s.nearest(v, list) {
			s.r.stats.HeldUp.Add(1)
			s.asking.useful = true
			s.undo(u)
		}
	}
}

// mayMove tells whether a command is at the target that waits for no lock there: it
// will be answered, and may be what others wait for. The scheduler is locked.
func (s *scheduler) mayMove() bool {
	for _, u := range s.runners {
		if u.hold.step == nil && u.at.step.Load() != nil && s.asking.locks[u] == nil && !slices.Contains(s.asking.untold, u) {
			return true
		}
	}
	return false
}

// nearest returns those of the runners nearest to one, of all that wait for it here,
// whose transactions can be undone; nil, too, while one is on its way to do that. The
// scheduler is locked.
func (s *scheduler) nearest(v *runner, list []*runner) (found []*runner) {
	seen := map[*runner]bool{v: true}
	for range maxNear {
		var next []*runner
		for _, u := range list {
			if seen[u] {
				continue
			}
			for _, e := range s.edges(u) {
				if seen[e.to] {
					next = append(next, u)
					break
				}
			}
		}
		for _, u := range next {
			seen[u] = true
			switch h := &u.hold; {
			case h.yield:
				return nil
			case h.yields && h.locks:
				found = append(found, u)
			}
		}
		if len(found) > 0 || len(next) == 0 {
			return found
		}
	}
	return nil
}
