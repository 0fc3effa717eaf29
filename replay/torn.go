package replay

import (
	"myreplay/session"
	"myreplay/sqltext"
)

// tear takes note of a gap. Among what the client sent and nobody saw may be the
// end of a transaction, and the beginning of the next: its locks can't be held
// until the recording tells. So the target's is rolled back, and nothing of the
// session's is sent until it is surely outside of any, as in a session that was
// joined in mid-life. The replies of the X Protocol do not tell that.
func (u *runner) tear(g *session.Gap) {
	if !u.r.options.Policy.Writes || !g.HidesCommands() {
		return
	}
	if u.inTrans && u.conn != nil {
		u.inTrans = false
		u.r.stats.Torn.Add(1)
		if err := u.rollback(); err != nil {
			u.lost()
		}
	}
	if u.start.Protocol != session.X && u.memory.cut == session.NotSkipped {
		u.sever(session.SkipTorn)
	}
}

// untear sends what is surely no part of a transaction of which bytes were lost:
// none was open after it, and it is not what ended it.
func (u *runner) untear(r *ruled) {
	if u.memory.cut == session.SkipTorn && r.item.over && !mayEnd(r.verdict.verb) {
		u.rejoin()
	}
}

// mayEnd tells whether a statement may have ended a transaction. With DDL it does
// not matter: it is none of the transaction's.
func mayEnd(v sqltext.Verb) bool {
	switch v {
	case sqltext.Commit, sqltext.Rollback, sqltext.XA, sqltext.Call, sqltext.Execute, sqltext.Compound, sqltext.NoVerb:
		return true
	}
	return false
}
