package replay

import (
	"slices"
	"sync"
	"sync/atomic"

	"myreplay/order"
	"myreplay/session"
)

// A read that passes over what is locked (SKIP LOCKED) takes what others have left.
// Where its answer has rows that it did not take when it was recorded it came too
// early: its transaction is undone, and done again once those reads were answered
// that took these rows then. Until then its step is not finished, so nobody who
// is to come after it takes what is left of its rows.

const (
	// maxRetakes is how often a read is done again for its rows.
	maxRetakes = 20
	// maxCuts is how often it waits for others that wait for it.
	maxCuts = 1
	// maxVain is after how many reads in a row that were done again in vain no more
	// are: the target answers otherwise.
	maxVain = 50
	// fewTakers is how many entries takers has at least before it is swept.
	fewTakers = 4096
)

// rowID names a row.
type rowID struct{ table, key uint64 }

// taker is a step that took a row when it was recorded, sent at a recorded time.
type taker struct {
	step *order.Step
	sent int64
}

// takers are the steps that are to take rows, by these. Any goroutine may call its
// methods.
type takers struct {
	mu     sync.Mutex
	byRow  map[rowID][]taker
	size   int          // entries
	least  int          // entries when it is swept
	active atomic.Int32 // that wait for others
	vain   atomic.Int32 // done again in vain, in a row
}

// add takes note of a command that is handed on.
func (t *takers) add(i *item) {
	c, ok := i.event.(*session.Command)
	if !ok || i.step == nil || i.step.Took == nil {
		return
	}
	t.put(i.step.Took, taker{i.step, c.End})
}

// put takes note of who takes rows.
func (t *takers) put(rows *order.Took, by taker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byRow == nil {
		t.byRow = map[rowID][]taker{}
	}
	if t.size > max(t.least, fewTakers) {
		t.sweep()
	}
	for _, k := range rows.Keys {
		id := rowID{rows.Table, k}
		t.byRow[id] = append(t.byRow[id], by)
		t.size++
	}
}

// sweep forgets those that are finished.
func (t *takers) sweep() {
	t.size = 0
	for id, list := range t.byRow {
		list = slices.DeleteFunc(list, func(k taker) bool { return k.step.Finished() })
		if t.size += len(list); len(list) == 0 {
			delete(t.byRow, id)
		} else {
			t.byRow[id] = list
		}
	}
	t.least = 2 * t.size
}

// before returns the waits for those that took some rows, were sent before a
// recorded time, and are not finished.
func (t *takers) before(table uint64, keys []uint64, at int64, self *order.Step) (list []order.Wait) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		for _, o := range t.byRow[rowID{table, k}] {
			if o.step != self && o.sent < at && !o.step.Finished() &&
				!slices.ContainsFunc(list, func(w order.Wait) bool { return w.On == o.step }) {
				list = append(list, order.Wait{On: o.step, Confidence: order.Inferred, Reason: order.WriteWrite})
			}
		}
	}
	return list
}

// otherRows returns the keys of rows that an answer has and the recorded one has
// not. differs: there are such, or rows are missing.
func (r *ruled) otherRows(a *Answer) (list []uint64, differs bool) {
	if a.Reply == nil || len(a.Reply.Results) != 1 || a.Reply.Err() != nil {
		return nil, false
	}
	res := &a.Reply.Results[0]
	if uint64(len(res.Keyed)) != res.Rows {
		return nil, false
	}
	took := r.item.step.Took
	for _, h := range res.Keyed {
		if _, found := slices.BinarySearch(took.Keys, h.Key); !found {
			list = append(list, h.Key)
		}
	}
	return list, len(list) > 0 || len(res.Keyed) != len(took.Keys)
}

// tookOthers is otherRows of a read that passes over locked rows; another one took
// none.
func (r *ruled) tookOthers(a *Answer) (keys []uint64, differs bool) {
	if r.item.step == nil || r.item.step.Took == nil {
		return nil, false
	}
	return r.otherRows(a)
}

// retake does a read again, after all of its transaction before it, that took
// other rows than it did when it was recorded. Where that does not help, since it
// and others took rows by turns, it is undone for good: what it took is in the way
// of others, and what it was to take is locked by the statements behind it. It
// returns the last answer; an error means that the connection is lost.
func (u *runner) retake(r *ruled, a Answer) (Answer, error) {
	took := r.item.step.Took
	for try := 1; ; try++ {
		keys, differs := r.otherRows(&a)
		if !differs {
			u.r.scheduler.takers.vain.Store(0)
			if took.Loose && u.mayRepeat(r, &a) {
				return u.letGo(r, a)
			}
			return a, nil
		}
		if !u.mayRepeat(r, &a) || u.r.stopped() || u.box.behind.Load() {
			return a, nil
		}
		waits := u.r.scheduler.takers.before(took.Table, keys, r.command.At+r.item.took, r.item.step)
		give := try > maxRetakes || u.tx.redone >= MaxRedo || u.hold.cuts >= maxCuts || len(waits) == 0 ||
			u.r.scheduler.takers.vain.Load() > maxVain
		if give {
			u.owes(r, waits)
			return u.letGo(r, a)
		}
		if ok, err := u.stepBack(r, waits); err != nil || !ok {
			u.r.stats.NotRedone.Add(1)
			u.cutOff(r)
			return a, err
		}
		over := func(w order.Wait) bool { return w.On.Finished() }
		if u.hold.cuts >= maxCuts && u.tx.open && !slices.ContainsFunc(waits, over) { // it would take the same again
			u.owes(r, waits)
			return u.lockRows(r, a, true, nil)
		}
		b, err := u.do(r, nil)
		if err == nil && r.refused(&b) {
			b, err = u.insist(r, b)
		}
		if err != nil {
			return a, err
		}
		a = b
	}
}

// owes takes note that a read is undone for good. It may be had yet when others, that
// took its rows, have theirs.
func (u *runner) owes(r *ruled, waits []order.Wait) {
	r.dropped++ // it stands where the order can't have it
	if len(waits) > 0 && u.tx.open {
		u.tx.second = &second{len(u.tx.list), waits}
		return
	}
	u.r.scheduler.takers.vain.Add(1)
}

// letGo undoes a read that took other rows for good. The rows that it was to take
// are locked by their keys, as far as they are known.
func (u *runner) letGo(r *ruled, a Answer) (Answer, error) {
	if !u.tx.open {
		return a, nil // it has no locks any more
	}
	ok, err := u.stepBack(r, nil)
	return u.lockRows(r, a, ok, err)
}

// lockRows locks the rows of a read that was undone for good, once its transaction was
// done again up to it. ok and err say how that ended.
func (u *runner) lockRows(r *ruled, a Answer, ok bool, err error) (Answer, error) {
	r.freed = true
	for ok && err == nil && r.item.step.Took.Lock != "" {
		if r.locked, err = u.relock(r); r.locked || err != nil {
			break
		}
		ok, err = u.redo()
	}
	if err != nil || !ok {
		u.r.stats.NotRedone.Add(1)
		u.cutOff(r)
	}
	return a, err
}

// relock locks the rows of a read that was undone for good. It returns false when
// the target refuses that.
func (u *runner) relock(r *ruled) (ok bool, err error) {
	sql := append([]byte{rollbackQuery[0]}, r.item.step.Took.Lock...)
	c := session.Command{ID: u.start.ID, Kind: session.Query, Code: sql[0], Payload: sql, SQL: sql[1:], Size: uint64(len(sql))}
	a, err := u.do(&ruled{item: item{step: r.item.step, took: r.item.took}, command: &c}, nil)
	return err == nil && a.Reply != nil && (a.Reply.Err() == nil || !isLockError(a.Reply.Err().Code)), err
}

// stepBack undoes the transaction, waits, and does it again as far as it had come
// before a read. It returns false when that can't be.
func (u *runner) stepBack(r *ruled, waits []order.Wait) (ok bool, err error) {
	u.r.stats.Retaken.Add(1)
	if u.tx.open {
		u.tx.redone++
		if err := u.rollback(); err != nil {
			return false, err
		}
		u.inTrans = false
	} else {
		r.redone++
	}
	if ok = len(waits) == 0; !ok {
		ok = u.letPass(r, waits)
	}
	if !ok || !u.tx.open {
		return ok, nil
	}
	if ok, err = u.repeat(); ok || err != nil {
		return ok, err
	}
	return u.redo()
}

// letPass waits for others, as a command does, in the place of one that was
// undone.
func (u *runner) letPass(r *ruled, waits []order.Wait) bool {
	s, step := u.r.scheduler, r.item.step
	w := ruled{item: item{step: &order.Step{Session: step.Session, Seq: step.Seq, Number: step.Number, Waits: waits}}}
	h := &u.hold
	s.mu.Lock()
	h.lets, h.took = true, r.item.took
	s.mu.Unlock()
	s.takers.active.Add(1)
	ok := u.await(&w)
	s.takers.active.Add(-1)
	s.mu.Lock()
	h.lets = false
	if w.dropped > 0 {
		h.cuts++
	}
	s.mu.Unlock()
	r.waited += w.waited
	return ok
}

// pay finishes the step of a read that was undone for good, once the command behind
// it has locked the rows, or others wait in a circle for it. It tells whether there
// was one. Any goroutine may call it.
func (u *runner) pay() bool {
	step := u.owed.Swap(nil)
	u.r.scheduler.finish(step)
	return step != nil
}
