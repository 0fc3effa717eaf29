package replay

import "myreplay/session"

// startTransaction is a COM_QUERY of the classic protocol.
const startTransaction = "\x03START TRANSACTION"

// resume begins a transaction at the target, in place of the one that the session
// was in. Where that can't be done, the rest of the transaction is left out.
func (u *runner) resume() {
	u.severed.Store(false)
	if u.inTrans {
		return
	}
	if u.conn == nil {
		u.sever(session.FailedSend)
		return
	}
	p := []byte(startTransaction)
	u.inTrans = true
	if _, err := u.conn.Do(&session.Command{Kind: session.Query, Code: p[0], Payload: p, SQL: p[1:], Size: uint64(len(p))}, nil); err != nil {
		u.lost()
	}
}
