package replay

import (
	"math"

	"myreplay/session"
	"myreplay/sqltext"
)

// The limits of what waits for the word whether a transaction is open: commands,
// and their cost.
const (
	maxHeld     = 64
	maxHeldCost = 1 << 20
)

// joining is a session that was at work while the source was asked for its state:
// which of its commands came before the answer, the source can't tell. Or one of
// a recording that nobody was asked about. So its first commands wait for what the
// recorded replies say: whether they belong to a transaction that began before,
// of which no half is to be done.
type joining struct {
	start *session.Start
	due   int64
	opt   sqltext.Options
	told  int64 // when the source's answer was whole; the highest number: never
	// known: a reply has told whether a transaction is open: inTrans.
	known, inTrans bool
	held           []item
	cost           int64
	// waits: among them is one that may be sent.
	waits bool
}

// join begins to wait where that is needed, and tells whether it is.
func (f *Feed) join(s *fed, e *session.Start, due int64) bool {
	j := &joining{start: e, due: due, opt: f.dialects.Options(e.ID), told: math.MaxInt64}
	switch {
	case e.Protocol == session.X:
		return false
	case e.State != nil:
		j.told = e.State.Told
	case !e.Joined, f.r.options.Live, !f.r.options.Policy.Writes:
		return false
	}
	s.joining = j
	return true
}

// hold keeps an item for later, and tells whether it did. With one that has
// nothing to wait for, any more, the session begins.
func (f *Feed) hold(s *fed, i item) bool {
	j := s.joining
	if j == nil {
		return false
	}
	c, ok := i.event.(*session.Command)
	sent := ok && i.skip == session.NotSkipped
	_, gap := i.event.(*session.Gap)
	waited := j.waits
	j.held, j.cost, j.waits = append(j.held, i), j.cost+i.cost, j.waits || sent
	switch {
	case sent && !waited && j.known && c.At < j.told:
		f.place(s, j.inTrans)
	case gap && !waited && j.start.State == nil: // the first reply after it tells
	case !ok, // a gap, or the end: nothing more is told
		sent && !waited && c.At >= j.told,
		len(j.held) > maxHeld, j.cost >= maxHeldCost:
		f.place(s, f.half(j))
	}
	return true
}

// half tells whether a session is taken to be in a transaction, where no reply
// tells: as the source said. Where nobody could, none is done by half.
func (f *Feed) half(j *joining) bool {
	if j.start.State == nil {
		return j.inTrans || !j.known && !f.r.options.Halves
	}
	return j.inTrans || j.start.State.Transaction
}

// tell takes note of a recorded reply.
func (f *Feed) tell(s *fed, e *session.Reply) {
	j, n := s.joining, len(e.Results)
	if j == nil || n == 0 || e.Lost {
		return
	}
	if r := &e.Results[n-1]; r.Error == nil && (r.Outcome == session.OK || r.Outcome == session.Rows) {
		j.known, j.inTrans = true, r.Status&statusInTrans != 0
	}
	if j.known && j.waits {
		f.place(s, j.inTrans)
	}
}

// place begins the session, with what waits. half: a transaction is open.
func (f *Feed) place(s *fed, half bool) {
	j := s.joining
	s.joining = nil
	start := *j.start
	if start.State != nil {
		state := *start.State
		state.Transaction = half
		start.State = &state
	}
	f.begin(s, &start, j.due, j.opt)
	if half && (start.State == nil || f.r.options.Halves) {
		f.halve(s, j)
	}
	for _, i := range j.held {
		f.put(s, i)
	}
}

// halve marks the first command that may be sent: it stands in a transaction that
// was open before.
func (f *Feed) halve(s *fed, j *joining) {
	for i := range j.held {
		if _, ok := j.held[i].event.(*session.Command); !ok || j.held[i].skip != session.NotSkipped {
			continue
		}
		j.held[i].half = true
		for _, u := range s.runners {
			u.severed.Store(true) // the replies from here on tell when it ends
		}
		return
	}
}
