package order

import (
	"math"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/sqltext"
)

// Spare ids: an INSERT that failed at another key than its id's, or changed the row
// that it met instead, had used up an id that the recording does not tell. Left alone
// at the target it takes the next one, which a row may just get that is told to: then
// it meets that row, and fails otherwise or changes the wrong one. So it is told to
// take an id that was used up at the source, too, and that no row has.

const (
	// maxIDs is of how many ids of a table, up to the latest, those are known that
	// rows have: a power of two.
	maxIDs = 4096
	// maxMarks is for how many moments it is kept which ids were given away by then,
	// markEvery how many ids apart they are.
	maxMarks, markEvery = 64, 8
)

// idsOf are the generated ids of a table's rows.
type idsOf struct {
	// first is the first that is known, latest the highest; 0: none is.
	first, latest uint64
	used          [maxIDs / 64]uint64
	// marks are moments by which all ids up to some were given away, the latest last.
	marks []idMark
	next  uint64 // the one to give next, or one before it
}

type idMark struct {
	id uint64
	at int64
}

// note takes note of ids that rows got, by a time.
func (d *idsOf) note(id, n uint64, at int64) {
	if n == 0 || n > maxIDs || id > math.MaxInt64 {
		return
	}
	if d.first == 0 {
		d.first, d.latest = id, id
	}
	last := id + n - 1
	if last > d.latest {
		if last-d.latest >= maxIDs {
			d.used = [maxIDs / 64]uint64{}
		} else {
			for i := d.latest + 1; i <= last; i++ {
				d.used[i%maxIDs/64] &^= 1 << (i % 64)
			}
		}
		d.latest = last
	}
	for ; id <= last; id++ {
		if d.latest-id < maxIDs {
			d.used[id%maxIDs/64] |= 1 << (id % 64)
		}
	}
	if k := len(d.marks); k == 0 || d.marks[k-1].id+markEvery <= d.latest {
		if k == maxMarks {
			d.marks = d.marks[:copy(d.marks, d.marks[1:])]
		}
		d.marks = append(d.marks, idMark{d.latest, at})
	}
}

// spare returns an id that no row has, or will have, of those that had been given
// away at a time; 0: none is known. They are given in turn.
func (d *idsOf) spare(at int64) uint64 {
	below := uint64(0)
	for i := len(d.marks) - 1; i >= 0 && below == 0; i-- {
		if d.marks[i].at <= at {
			below = d.marks[i].id
		}
	}
	low := d.first
	if d.latest >= maxIDs {
		low = max(low, d.latest-maxIDs+1)
	}
	if d.next >= below || d.next < low {
		d.next = low
	}
	if below <= low {
		return 0
	}
	for range below - low {
		if d.next++; d.next >= below {
			d.next = low
		}
		if d.used[d.next%maxIDs/64]&(1<<(d.next%64)) == 0 {
			return d.next
		}
	}
	return 0
}

// learnIDs takes note of the ids of the rows that a statement inserted, or was to.
func (p *Planner) learnIDs(m *member, c *command, s *sqltext.Shape, b *bound, bt *boundTable, r *session.Result, failed *session.Error) {
	t, in := bt.table, bt.ref.Insert
	if p.live || bt.ref.Role&sqltext.Writes == 0 || bt.temp || t.mixed {
		return
	}
	switch own := len(b.tables) == len(s.Tables); {
	case in == nil && own && (s.Verb == sqltext.Update || s.Verb == sqltext.Delete):
		return
	case in == nil || in.Rows == nil || r == nil && failed == nil || c.event.Kind == session.BulkExecute || !bt.generates() || t.schema == nil || len(t.schema.Triggers) > 0:
		t.ids, t.mixed = nil, true // its rows may have any
		return
	}
	lone := len(in.Rows) == 1
	if failed == nil && r.Outcome == session.OK && r.Affected > 0 && r.InsertID > 0 {
		if t.ids == nil && (!in.Update || lone && r.Affected == 1 && c.group.session.caps&classic.FoundRows == 0) { // it is new
			t.ids = &idsOf{}
		}
		if t.ids != nil {
			t.ids.note(r.InsertID, uint64(len(in.Rows))*p.increment(), c.answered)
		}
	}
	updated := failed == nil && in.Update && r.Affected != 1
	if t.ids != nil && lone && !p.unseen && (updated || failed != nil && isOfRow(failed, m.maria)) {
		c.step.Spare = t.ids.spare(p.sentFirst(c))
	}
}

// increment is how far apart ids are that a server generates.
func (p *Planner) increment() uint64 {
	if s := p.options.Schema; s != nil && s.Increment > 1 {
		return s.Increment
	}
	return 1
}

// isOfRow tells whether an INSERT failed when it had its id: for a missing parent on
// MariaDB (10.11.18), not on MySQL (9.7.4).
func isOfRow(e *session.Error, maria bool) bool {
	return e.Code == errDuplicate || maria && (e.Code == errNoParent || e.Code == errNoParentOld)
}

// sentFirst is when the first of the commands was sent that are not answered yet, but
// for one.
func (p *Planner) sentFirst(c *command) int64 {
	at := c.sent
	for w := range p.awaited() {
		at = min(at, w.sent)
	}
	return at
}
