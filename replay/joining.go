package replay

import (
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
// which of its commands came before the answer, the source can't tell. So its
// first commands wait for what the recorded replies say: whether they belong to a
// transaction that began before, of which no half is to be done.
type joining struct {
	start *session.Start
	due   int64
	opt   sqltext.Options
	told  int64 // when the source's answer was whole
	// known: a reply has told whether a transaction is open: inTrans.
	known, inTrans bool
	held           []item
	cost           int64
	// waits: among them is one that may be sent.
	waits bool
}

// join begins to wait where that is needed, and tells whether it is.
func (f *Feed) join(s *fed, e *session.Start, due int64) bool {
	if e.State == nil || e.Protocol == session.X {
		return false
	}
	s.joining = &joining{start: e, due: due, opt: f.dialects.Options(e.ID), told: e.State.Told}
	return true
}

// hold keeps an item for later, and tells whether it did. One that has nothing to
// wait for, any more, goes its way.
func (f *Feed) hold(s *fed, i item) bool {
	j := s.joining
	if j == nil {
		return false
	}
	c, ok := i.event.(*session.Command)
	sent := ok && i.skip == session.NotSkipped
	switch {
	case sent && !j.waits && j.known && c.At < j.told:
		f.place(s, j.inTrans)
		return false
	case !ok, // a gap, or the end: nothing more is told
		sent && !j.waits && c.At >= j.told,
		len(j.held) >= maxHeld, j.cost >= maxHeldCost:
		f.place(s, j.inTrans || j.start.State.Transaction)
		return false
	}
	j.held, j.cost, j.waits = append(j.held, i), j.cost+i.cost, j.waits || sent
	return true
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
	start, state := *j.start, *j.start.State
	state.Transaction = half
	start.State = &state
	f.begin(s, &start, j.due, j.opt)
	for _, i := range j.held {
		f.put(s, i)
	}
}
