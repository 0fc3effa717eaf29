package replay

import (
	"slices"

	"myreplay/order"
)

// Two reads that pass over locked rows, and took their rows by turns, can't both be had
// again: whichever comes first takes some of the other's. So one is undone for good, and
// its rows are locked in its place. Once the other one has its own, the first can be had
// after all: it passes over the rows of the other, as it did when it was recorded.

// second is a read that was undone for good and may be had yet.
type second struct {
	at    int          // in the transaction's list
	waits []order.Wait // for those that took the rows that it had taken
}

// maxSeconds is how often it is tried.
const maxSeconds = 4

// hadYet does a transaction again from its first statement for the sake of a read
// that was undone for good, before a command behind the one that has locked the read's
// rows. It returns false when the session can't go on.
func (u *runner) hadYet(r *ruled) bool {
	t := &u.tx
	s := t.second
	if s == nil || len(t.list) < s.at+2 && !r.item.step.Ends {
		return true
	}
	t.second = nil
	takers := &u.r.scheduler.takers
	takers.vain.Add(1)
	if !u.canYield() || len(t.list) < s.at+2 {
		return true
	}
	e := &t.list[s.at]
	took, until := e.ruled.item.step.Took, e.ruled.command.At+e.ruled.item.took
	for try := 0; try < maxSeconds && len(s.waits) > 0 && u.conn != nil; try++ {
		if !u.letPass(r, s.waits) {
			return false
		}
		if slices.ContainsFunc(s.waits, func(w order.Wait) bool { return !w.On.Finished() }) {
			break // it waits for this transaction
		}
		keys, ok, err := u.readAlone(e, r.item.step.Number)
		if !u.wasRedone(ok, err) || len(keys) == 0 {
			return true
		}
		s.waits = takers.before(took.Table, keys, until, e.ruled.item.step)
	}
	u.doAgain() // it may have given way meanwhile
	return true
}

// readAlone is readAgain, while others that are to come to the read's rows wait. It
// returns the keys of the rows that it took of others.
func (u *runner) readAlone(e *entry, number uint64) (keys []uint64, ok bool, err error) {
	free := &order.Step{Session: u.start.ID, Seq: e.ruled.command.Seq, Number: number}
	defer free.Finish()
	u.r.scheduler.takers.put(e.ruled.item.step.Took, taker{free, e.ruled.command.End})
	u.tx.others = nil
	ok, err = u.readAgain(e)
	return u.tx.others, ok, err
}

// readAgain does the transaction again with a read that had been undone for good. Where
// that takes other rows still, or gaps that may not be its own, it is undone as before.
func (u *runner) readAgain(e *entry) (ok bool, err error) {
	r := &e.ruled
	e.sent, r.freed, r.locked = true, false, false
	for {
		u.r.stats.Retaken.Add(1)
		ok, err = u.afresh()
		switch {
		case err != nil:
			return false, err
		case ok && e.sent:
			u.r.scheduler.takers.vain.Store(0)
			u.tx.others = nil
			if r.dropped = max(r.dropped, 1) - 1; !r.item.step.Took.Loose {
				return true, nil
			}
			e.sent, r.freed, r.locked = false, true, r.item.step.Took.Lock != ""
		case ok:
			return true, nil
		case e.sent || u.tx.redone >= MaxRedo: // else it took others, and is undone
			return u.redo()
		}
	}
}

// afresh does the transaction again once.
func (u *runner) afresh() (ok bool, err error) {
	t := &u.tx
	t.redone++
	if !t.undone {
		if err := u.rollback(); err != nil {
			return false, err
		}
	}
	t.undone = false
	return u.repeat()
}
