package order

import (
	"math"
	"slices"
)

// The points of commits and of snapshots lie on one timeline. A read that saw one
// commit, and not another, has the one lie before it and the other behind it: what
// bounds one of them bounds the others. So wherever a guess takes a point to lie
// within its bounds, there are places for all others.

const (
	// maxBeside is how many commits are remembered of a read, and how many reads of a
	// commit.
	maxBeside = 128
	// maxSteps is how far a bound is carried.
	maxSteps = 64
)

// beside takes note that a snapshot saw the end of a group, or did not.
func (read *keyedRead) beside(g *group, seen bool) {
	groups, reads := &read.saw, &g.sawBy
	if !seen {
		groups, reads = &read.missed, &g.missedBy
	}
	if len(*groups) >= maxBeside || len(*reads) >= maxBeside || slices.Contains(*groups, g) {
		return
	}
	*groups, *reads = append(*groups, g), append(*reads, read)
	if seen {
		g.notAfter(read.before, 0)
		read.notBefore(g.from(), 0)
	} else {
		g.notBefore(read.after, 0)
		read.notAfter(g.to(), 0)
	}
}

// follow takes note that a group's end came before that of another.
func follow(g, next *group) {
	between := &keyedRead{after: math.MinInt64, before: never}
	between.beside(g, true)
	between.beside(next, false)
}

// from and to are bounds of the group's point.
func (g *group) from() int64 {
	if g.isFixed() {
		return g.point()
	}
	return max(g.earliest(), g.likelyAfter)
}

func (g *group) to() int64 {
	switch {
	case g.isFixed():
		return g.point()
	case g.ended == 0 && g.likelyBy == 0:
		return never
	case g.ended == 0:
		return g.likelyBy
	}
	return sooner(g.effective(), g.likelyBy)
}

// notAfter has the group's point lie before a time, and that of the snapshots that
// did not see it.
func (g *group) notAfter(at int64, steps int) {
	if g.isFixed() || at == never || g.isLikelyBy(at) || steps > maxSteps {
		return
	}
	g.likelyBy = at
	for _, r := range g.missedBy {
		r.notAfter(at, steps+1)
	}
}

// isLikelyBy tells whether there is a guess that the group's point lies before a time.
// One that is too early, since then the group goes on, is of no use.
func (g *group) isLikelyBy(at int64) bool {
	return g.likelyBy != 0 && g.likelyBy <= at && (g.last == nil || g.likelyBy > max(g.earliest(), g.likelyAfter))
}

// notBefore has the group's point lie behind a time, and that of the snapshots that
// saw it.
func (g *group) notBefore(at int64, steps int) {
	if g.isFixed() || g.likelyAfter >= at || steps > maxSteps {
		return
	}
	g.likelyAfter = at
	for _, r := range g.sawBy {
		r.notBefore(at, steps+1)
	}
}

func (read *keyedRead) notAfter(at int64, steps int) {
	if read.before <= at || steps > maxSteps {
		return
	}
	read.before = at
	for _, g := range read.saw {
		g.notAfter(at, steps+1)
	}
}

func (read *keyedRead) notBefore(at int64, steps int) {
	if read.after >= at || steps > maxSteps {
		return
	}
	read.after = at
	for _, g := range read.missed {
		g.notBefore(at, steps+1)
	}
}

// look takes note that guesses rest on where the group's point lies: it stays
// there.
func (g *group) look() {
	if g.looked {
		return
	}
	if g.looked = true; g.ended != 0 {
		g.bind(g.point(), g.point())
	}
}

// isFixed tells whether the group's point stays where it is.
func (g *group) isFixed() bool { return g.looked && g.ended != 0 }

// bind carries bounds of the group's point to the snapshots beside it.
func (g *group) bind(from, to int64) {
	for _, r := range g.sawBy {
		r.notBefore(from, 0)
	}
	for _, r := range g.missedBy {
		r.notAfter(to, 0)
	}
}

// wasBefore tells whether the end of a group came before that of another: some read
// saw the one, and not the other.
func (g *group) wasBefore(o *group) bool {
	if len(g.sawBy) == 0 {
		return false
	}
	for _, r := range o.missedBy {
		if slices.Contains(g.sawBy, r) {
			return true
		}
	}
	return false
}

// shownBy is when some read had seen what an access's transaction did; never: none has.
func (a *access) shownBy() int64 {
	at := never
	for _, r := range a.group.sawBy {
		if r.access == nil {
			continue
		}
		at = min(at, snapshotOf(r.access).answered)
	}
	return at
}
