package replay

import (
	"math/rand/v2"

	"myreplay/session"
	"myreplay/sqltext"
)

// Errors that say that a lock could not be had.
const (
	errCheckRead   = 1020 // MariaDB: the row changed since the snapshot
	errLockTimeout = 1205
	errDeadlock    = 1213
	errLockNoWait  = 3572
)

// isLockError tells whether an error says that a lock could not be had.
func isLockError(code uint16) bool {
	switch code {
	case errCheckRead, errLockTimeout, errDeadlock, errLockNoWait:
		return true
	}
	return false
}

// refused tells whether the target refused a command a lock that it had when it
// was recorded.
func (r *ruled) refused(a *Answer) bool {
	if r.item.step == nil || a.Reply == nil {
		return false
	}
	e := a.Reply.Err()
	return e != nil && isLockError(e.Code) && e.Code != r.item.recorded
}

// insist sends a command again that the target refused a lock, after all of its
// transaction before it. It returns the last answer; an error means that the
// connection is lost.
func (u *runner) insist(r *ruled, a Answer) (Answer, error) {
	for try := 0; r.refused(&a); try++ {
		if !u.mayRepeat(r, &a) || try >= MaxRedo || u.tx.redone >= MaxRedo || u.r.stopped() || u.box.behind.Load() {
			u.r.stats.NotRedone.Add(1)
			if a.Reply.Err().Code == errDeadlock && u.inTrans { // the target rolled back all of it
				u.cutOff(r)
			}
			return a, nil
		}
		if u.tx.open {
			if ok, err := u.redo(); err != nil || !ok {
				u.r.stats.NotRedone.Add(1)
				u.cutOff(r)
				return a, err
			}
		} else {
			u.r.stats.Redone.Add(1)
			r.redone++
			u.pause()
		}
		b, err := u.do(r, nil)
		if err != nil {
			return a, err
		}
		a = b
	}
	return a, nil
}

// mayRepeat tells whether a command that was refused a lock can be sent again.
func (u *runner) mayRepeat(r *ruled, a *Answer) bool {
	if len(u.pieces) > 0 || !repeatable(r) {
		return false
	}
	if u.tx.open {
		return !u.tx.fixed
	}
	switch r.verdict.verb {
	case sqltext.Call, sqltext.Compound, sqltext.Execute, sqltext.NoVerb: // what it did before may be there to stay
		return false
	}
	return !u.inTrans && len(a.Reply.Results) == 1
}

// cutOff takes note that a transaction is rolled back on the target, and not done
// again: what follows the command is not sent, so that no half of it is done.
func (u *runner) cutOff(r *ruled) {
	u.inTrans = false
	if !r.item.over && !r.item.step.Ends {
		u.sever(session.FailedSend)
	}
}

// redo rolls the transaction back and does it again as far as it had come, as
// often as it takes. It returns false when the target goes on refusing it; an
// error means that the connection is lost.
func (u *runner) redo() (ok bool, err error) {
	t := &u.tx
	for t.redone < MaxRedo {
		t.redone++
		u.r.stats.Redone.Add(1)
		if err := u.rollback(); err != nil {
			return false, err
		}
		if !u.pause() {
			return false, nil
		}
		if ok, err = u.repeat(); ok || err != nil {
			t.undone = false
			return ok, err
		}
	}
	return false, nil
}

// repeat sends what the transaction has sent before.
func (u *runner) repeat() (ok bool, err error) {
	for i := range u.tx.list {
		e := &u.tx.list[i]
		if e.ruled.locked {
			if ok, err := u.relock(&e.ruled); err != nil || !ok {
				return false, err
			}
		}
		if !e.sent {
			continue
		}
		a, err := u.do(&e.ruled, nil)
		if err != nil {
			return false, err
		}
		if a.Skip != session.NotSkipped || a.Reply == nil {
			continue // as it was before: the target has not changed its mind
		}
		if keys, differs := e.ruled.tookOthers(&a); differs {
			u.tx.others = keys
			e.sent, e.ruled.freed = false, true
			e.ruled.locked = e.ruled.item.step.Took.Lock != "" // else the statements behind it lock its rows
			return false, nil
		}
		e.done = u.outcome(&e.ruled, &a)
		if e.reply != nil {
			u.r.stats.Errors.Add(failures(a.Reply) - failures(e.reply))
		}
		e.reply = a.Reply
		u.note(a.Reply, e.ruled.verdict)
		if e.ruled.refused(&a) {
			return false, nil
		}
	}
	return true, nil
}

// failures counts the errors of a reply: one, or none.
func failures(a *session.Reply) int64 {
	if a.Err() != nil {
		return 1
	}
	return 0
}

// pause waits a moment, so that those that were in each other's way are not again.
func (u *runner) pause() bool {
	return u.wait(u.r.target.Now() + leastPause + rand.Int64N(mostPause-leastPause))
}

// anew does a transaction again that was rolled back to give way. What was to come
// first is over, so there is no pause before it.
func (u *runner) anew() (ok bool, err error) {
	u.tx.redone++
	u.r.stats.Redone.Add(1)
	if ok, err = u.repeat(); ok || err != nil {
		return ok, err
	}
	return u.redo()
}

// doAgain does a transaction again that gave way. It leaves the session without it
// when that can't be.
func (u *runner) doAgain() {
	if !u.tx.undone {
		return
	}
	u.tx.undone = false
	u.wasRedone(u.anew())
}

// wasRedone returns whether a transaction was done again; else it leaves the session
// without it, or takes note that the connection is lost.
func (u *runner) wasRedone(ok bool, err error) bool {
	switch {
	case err != nil:
		u.lost()
	case !ok:
		u.r.stats.NotRedone.Add(1)
		u.inTrans = false
		u.sever(session.FailedSend)
	}
	return ok && err == nil
}
