package replay

import (
	"myreplay/order"
	"myreplay/session"
	"myreplay/sqltext"
)

// The limits of a transaction that may be done again.
const (
	// MaxRedo is how often it is.
	MaxRedo = 100
	// maxEntries and maxEntryBytes limit what is kept of it until it ends. Beyond
	// them it is written, and not done again.
	maxEntries    = 1000
	maxEntryBytes = 1 << 20
	// mostPause is the longest pause before it is done again, 20 ms, leastPause the
	// shortest.
	leastPause = 1_000_000
	mostPause  = 20_000_000
)

// transaction is what a runner keeps of one that the recording has whole, so that
// it can be done again where the target can't do it at once: the run is told of
// it when it ends.
type transaction struct {
	open bool
	// fixed: it can't be done again; what comes of it is written at once.
	fixed  bool
	undone bool // at the target; it is to be done again
	redone uint32
	// second is of a read among list, others are the keys of the rows that such a one took
	// of others when it was done again.
	second *second
	others []uint64
	list   []entry
	size   int64
}

// entry is a command of a transaction and what became of it.
type entry struct {
	ruled ruled
	sent  bool // it has an effect that ends with ROLLBACK
	done  *session.Command
	reply *session.Reply // nil: none
}

// rollbackQuery and rollbackX say ROLLBACK in the two protocols: a COM_QUERY, and
// a StmtExecute with the text as its field 1.
var (
	rollbackQuery = []byte("\x03ROLLBACK")
	rollbackX     = []byte("\x0c\x0a\x08ROLLBACK")
)

// rollback says ROLLBACK to the target. An error means that the connection is
// lost.
func (u *runner) rollback() error {
	c := session.Command{ID: u.start.ID, Kind: session.Query, Code: rollbackQuery[0], Payload: rollbackQuery, SQL: rollbackQuery[1:]}
	if u.start.Protocol == session.X {
		c.Code, c.Payload, c.SQL = rollbackX[0], rollbackX, rollbackX[3:]
	}
	c.Size = uint64(len(c.Payload))
	_, err := u.conn.Do(&c, nil)
	return err
}

// enter takes note of which transaction a command belongs to.
func (u *runner) enter(step *order.Step) {
	switch {
	case step == nil:
	case step.Begins:
		u.flush()
		u.tx.open, u.tx.fixed = true, false
	case !step.Inside && !step.Ends:
		u.flush()
	}
}

// flush ends the transaction: the run is told what became of it.
func (u *runner) flush() {
	if !u.tx.open {
		return
	}
	u.fix()
	u.tx = transaction{list: u.tx.list}
}

// fix writes what is kept of the transaction, which can't be done again then.
func (u *runner) fix() {
	t := &u.tx
	if !t.open || t.fixed {
		return
	}
	t.fixed = true
	for i := range t.list {
		e := &t.list[i]
		e.done.Order = e.ruled.order() // guesses may have been added
		if e.ruled.late {
			u.sendLate(e)
		}
		if t.redone > 0 {
			o := session.Order{}
			if e.done.Order != nil {
				o = *e.done.Order
			}
			o.Redone = t.redone
			e.done.Order = &o
		}
		if e.reply == nil {
			u.r.write(e.done)
		} else {
			u.r.write(e.done, e.reply)
		}
	}
	clear(t.list)
	t.list = t.list[:0]
	if cap(t.list) > maxKeptList {
		t.list = nil
	}
	u.r.kept.Add(-t.size)
	t.size = 0
}

// tell tells the run what became of a command, now or when its transaction ends.
func (u *runner) tell(r *ruled, done *session.Command, reply *session.Reply, sent bool) {
	t, step := &u.tx, r.item.step
	if !t.open || t.fixed || step == nil {
		if reply == nil {
			u.r.write(done)
		} else {
			u.r.write(done, reply)
		}
	} else {
		size := eventCost + int64(len(r.command.Payload)) + costOf(reply)
		t.list = append(t.list, entry{*r, sent && hasEffect(r.command.Kind), done, reply})
		t.size += size
		if kept := u.r.kept.Add(size); len(t.list) >= maxEntries || t.size > maxEntryBytes || kept > u.r.window.limit || sent && !repeatable(r) {
			u.fix()
		}
	}
	if step != nil && step.Ends {
		u.flush()
	}
}

// putOff keeps back the closing of a prepared statement until the transaction has
// ended, which may have to be done again with it. It tells whether it did.
func (u *runner) putOff(r *ruled) bool {
	t, step, c := &u.tx, r.item.step, r.command
	if c.Kind != session.CloseStatement || c.Statement == session.LastPrepared || step == nil || step.Ends || !t.open || t.fixed || u.conn == nil {
		return false
	}
	r.late = true
	u.r.scheduler.finish(step)
	u.tell(r, u.outcome(r, &Answer{}), nil, false)
	return true
}

// sendLate sends what was put off. An error will be the next command's, too.
func (u *runner) sendLate(e *entry) {
	c, a, err := e.ruled.command, Answer{}, error(nil)
	u.memory.sent(c, e.ruled.verdict)
	if u.conn != nil {
		a, err = u.conn.Do(c, nil)
	}
	e.done.At, e.done.End = a.At, a.End
	switch {
	case u.conn == nil || err != nil:
		e.done.Skipped = session.FailedSend
	case a.Skip != session.NotSkipped:
		e.done.Skipped = a.Skip
	default:
		u.r.stats.Sent.Add(1)
		return
	}
	u.r.stats.Skipped[e.done.Skipped].Add(1)
}

// costOf is what a reply takes in memory, about.
func costOf(a *session.Reply) int64 {
	if a == nil {
		return 0
	}
	n := int64(eventCost)
	for i := range a.Results {
		n += int64(eventCost + 16*len(a.Results[i].Keyed))
		for _, row := range a.Results[i].Kept {
			n += int64(len(row))
		}
	}
	return n
}

// hasEffect tells whether ROLLBACK ends the effect of commands of a kind, or may,
// so that they are to be sent again after it.
func hasEffect(k session.Kind) bool {
	switch k {
	case session.Prepare, session.Ping:
		return false
	}
	return true
}

// repeatable tells whether a command may surely be sent twice: it is whole in
// itself, and what it does to the session is the same again.
func repeatable(r *ruled) bool {
	switch r.command.Kind {
	case session.Query, session.Execute, session.BulkExecute, session.Find, session.Insert, session.Update, session.Delete:
		return r.verdict.verb != sqltext.Load && r.verdict.kill == nil
	case session.UseSchema, session.Ping, session.Prepare:
		return true
	}
	return false
}

// canYield tells whether the transaction that is open at the target can be undone
// and done again later.
func (u *runner) canYield() bool {
	return u.tx.open && !u.tx.fixed && !u.tx.undone && u.inTrans && u.conn != nil && u.tx.redone < MaxRedo && len(u.tx.list) > 0
}

// locks tells whether the transaction may have locks.
func (t *transaction) locks() bool {
	return len(t.list) > 1 || len(t.list) == 1 && t.list[0].ruled.verdict.verb != sqltext.Begin
}

// giveWay undoes the transaction because its locks are in the way of what it
// waits for.
func (u *runner) giveWay() {
	if err := u.rollback(); err != nil {
		u.lost()
		return
	}
	u.tx.undone = true
	u.r.stats.Undone.Add(1)
}

// forced does what the recording's own deadlocks and lock timeouts ask for in
// place of a command, and tells whether it did.
func (u *runner) forced(r *ruled) bool {
	if r.item.step == nil || r.item.step.Force == order.NoForce {
		return false
	}
	why := session.SkipLockTimeout
	var err error
	if r.item.step.Force == order.ForceRollback {
		why = session.SkipDeadlock
		if u.conn != nil {
			err = u.rollback()
		}
		u.inTrans = false
	}
	r.verdict.skip = why
	u.skipRuled(r)
	if why == session.SkipDeadlock {
		u.flush()
	}
	if err != nil {
		u.lost()
	}
	return true
}
