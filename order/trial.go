package order

import (
	"cmp"
	"math/bits"
	"slices"

	"myreplay/session"
)

// trial is what was tried for one snapshot, or one command that is guessed next to
// others.
type trial struct {
	// guesses are the effects of which some read did not know whether they were
	// there, at most maxUnknown; answers say what is right and what is wrong.
	guesses []unknown
	answers []answer
	// doubts are the guesses about the writes that it sees; the first doubted of
	// them have been tried.
	doubts  []Lesson
	doubted int
	pending bool // something differed in this pass
	over    bool
}

// unknown is the effect of a command, and when that was; first: it was seen in the
// first pass.
type unknown struct {
	on    commandID
	at    int64
	first bool
}

// answer is what one answer tells: those of the guesses that it rests on, a bit
// each, and which of them were seen. wrong: it differed, so not all of these were
// as they were at the source.
type answer struct {
	on, seen uint64
	wrong    bool
}

const (
	// maxUnknown is how many guesses there are of a snapshot; of maxTried all
	// combinations are tried, of more those that one moment in time explains.
	maxUnknown, maxTried = 64, 10
	// maxAnswers is how many answers count: those of eight reads to all combinations;
	// maxTrialDoubts is how many doubts.
	maxAnswers, maxTrialDoubts = 8 << maxTried, 32
)

// saw takes note of an answer.
func (t *trial) saw(guesses []session.Guess, differs bool, p *Planner) {
	a := answer{wrong: differs}
	for _, g := range guesses {
		on := commandID{g.Session, g.Seq}
		i := slices.IndexFunc(t.guesses, func(u unknown) bool { return u.on == on })
		if i < 0 {
			if i = len(t.guesses); i == maxUnknown {
				continue
			}
			t.guesses = append(t.guesses, unknown{on, p.Point(g.Session, g.Seq), g.Seen})
		}
		a.on |= 1 << i
		if g.Seen {
			a.seen |= 1 << i
		}
	}
	if a.on != 0 && len(t.answers) < maxAnswers && !slices.Contains(t.answers, a) {
		t.answers = append(t.answers, a)
	}
}

// doubt takes note of doubts.
func (t *trial) doubt(list []Lesson) {
	for _, n := range list {
		known := slices.ContainsFunc(t.doubts, func(o Lesson) bool { return o.place() == n.place() })
		if !known && len(t.doubts) < maxTrialDoubts {
			t.doubts = append(t.doubts, n)
		}
	}
}

// first returns what was seen in the first pass.
func (t *trial) first() (seen uint64) {
	for i, g := range t.guesses {
		if g.first {
			seen |= 1 << i
		}
	}
	return seen
}

// next returns what is to be seen in the next try: of what no answer rules out
// that which the fewest answers speak against that were right, which is most like
// one moment in time, and nearest to what was seen first.
func (t *trial) next() (seen uint64, ok bool) {
	order := t.inTime()
	first, least := t.first(), 0
	for _, c := range t.candidates(order) {
		against, possible := t.judge(c)
		if !possible {
			continue
		}
		cost := (against*len(order)*len(order)+inversions(c, order))*(len(order)+1) + bits.OnesCount64(c^first)
		if !ok || cost < least {
			seen, least, ok = c, cost, true
		}
	}
	return seen, ok
}

// inTime returns the places of the guesses in the order of time.
func (t *trial) inTime() []int {
	order := make([]int, len(t.guesses))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(t.guesses[a].at, t.guesses[b].at) })
	return order
}

// candidates returns what may be seen.
func (t *trial) candidates(order []int) (list []uint64) {
	if len(order) <= maxTried {
		for c := range uint64(1) << len(order) {
			list = append(list, c)
		}
		return list
	}
	seen := uint64(0)
	list = append(list, seen)
	for _, i := range order {
		seen |= 1 << i
		list = append(list, seen)
	}
	return list
}

// judge tells how many answers that were right speak against something, and
// whether no wrong one does.
func (t *trial) judge(seen uint64) (against int, possible bool) {
	for _, a := range t.answers {
		same := (seen^a.seen)&a.on == 0
		switch {
		case a.wrong && same:
			return 0, false
		case !a.wrong && !same:
			against++
		}
	}
	return against, true
}

// inversions counts what is seen after something that is not, in the order of
// time.
func inversions(seen uint64, order []int) (n int) {
	unseen := 0
	for _, i := range order {
		if seen>>i&1 == 0 {
			unseen++
		} else {
			n += unseen
		}
	}
	return n
}
