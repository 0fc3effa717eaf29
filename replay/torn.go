package replay

import (
	"time"

	"myreplay/session"
	"myreplay/sqltext"
)

// tornTime is how long a transaction of which bytes were lost stays open at the
// target while nothing is seen of its session.
const tornTime = time.Second

// statusAutocommit is the classic protocol's SERVER_STATUS_AUTOCOMMIT.
const statusAutocommit = 2

// torn tells what a runner knows of its transaction after bytes of the client
// were lost. Whether the source's is over the next reply tells; until then the
// target's goes on. Nobody knows how it ended: it is rolled back.
type torn uint8

const (
	whole torn = iota // nothing was lost, or a reply has told since
	// unsure: a transaction was open, here, or not; now nobody knows.
	unsure
)

// tear takes note of a gap. Replies of the X Protocol do not tell whether a
// transaction is open: it is rolled back at once.
func (u *runner) tear(g *session.Gap) {
	switch {
	case !g.Client || u.conn == nil:
	case u.start.Protocol != session.X:
		u.torn = unsure
		u.severed.Store(true) // so that replies are told
	case u.inTrans:
		u.abandon()
	}
}

// abandon rolls back the transaction that is open at the target: the source's has
// ended in a way that was not seen.
func (u *runner) abandon() {
	u.torn = whole
	if !u.inTrans || u.conn == nil {
		return
	}
	u.inTrans = false
	u.r.stats.Torn.Add(1)
	if err := u.rollback(); err != nil {
		u.lost()
	}
}

// untear looks at a command after lost bytes, before it is sent: at what it says,
// and what the source's reply tells of transactions.
func (u *runner) untear(r *ruled) {
	verb := r.verdict.verb
	ends := verb == sqltext.Commit || verb == sqltext.Rollback
	if u.memory.cut == session.SkipTorn && r.item.over && isPlain(r) {
		u.rejoin() // it was over before
	}
	if u.torn == whole {
		return
	}
	switch r.command.Kind {
	case session.ResetConnection, session.ChangeUser, session.CloseSession, session.Quit:
		u.abandon()
		return
	}
	switch {
	case verb == sqltext.Begin, r.item.over && !ends:
		u.abandon()
	case ends:
		u.torn = whole
	case r.item.within:
		u.torn = whole
		if !u.inTrans { // its BEGIN is lost
			u.sever(session.SkipTorn)
		}
	}
	if u.torn == whole && u.memory.cut == session.NotSkipped {
		u.severed.Store(false)
	}
}

// isPlain tells whether a command surely ends no transaction that its client had
// begun: with DDL it does not matter.
func isPlain(r *ruled) bool {
	switch r.verdict.verb {
	case sqltext.Commit, sqltext.Rollback, sqltext.XA, sqltext.Call, sqltext.Execute, sqltext.Compound, sqltext.NoVerb, sqltext.Set:
		return false
	}
	return true
}

// mend takes note of a recorded reply after lost bytes, to a command that was sent
// before it was seen.
func (u *runner) mend(e *session.Reply) {
	switch {
	case u.torn == whole:
		return
	case isOver(e):
		u.abandon()
	case isIn(e):
		u.torn = whole
	default:
		return
	}
	if u.memory.cut == session.NotSkipped {
		u.severed.Store(false)
	}
}

// grow has the runner hear of it when nothing comes for so long that a torn
// transaction is not to be left open any more. What it returns ends that.
func (u *runner) grow() func() {
	if u.torn == whole || !u.inTrans || u.box.some() {
		return func() {}
	}
	t := time.AfterFunc(tornTime, func() { u.box.put(item{tired: true}) })
	return func() { t.Stop() }
}

// tire rolls back a torn transaction of which nothing was seen for long: it holds
// locks that the source's may not hold any more. What may come of it is not sent.
func (u *runner) tire() {
	if u.torn == whole || !u.inTrans {
		return
	}
	u.abandon()
	u.sever(session.SkipTorn)
}

// isWithin tells whether a reply says that a transaction is open, by a BEGIN: where
// autocommit is off, any statement opens one.
func isWithin(e *session.Reply) bool {
	return isIn(e) && e.Results[len(e.Results)-1].Status&statusAutocommit != 0
}
