package order

// Lists of accesses that stand near each other can be long, and most who ask want
// to know of one row. So a long list leads from each access of one value to the one
// before it of the same value, and from each other one to the one before it: who
// asks for one row walks along two of these lists, and leaves the others alone.

const (
	// rowsFrom is how many accesses a list has before it keeps rows.
	rowsFrom = 16
	// rowCount is for how many values a list leads to the accesses of each; of more,
	// some share a place.
	rowCount = 1 << gridShift
)

// rows are where the latest access of a list is of each value, and, at last, of
// those that are not of one value. They count all that the list ever had.
type rows [rowCount + 1]int

// none is the place of no access.
const none = -1

// row returns the place in rows of a span.
func (s *span) row() int {
	if s.lo != s.hi {
		return rowCount
	}
	return int(uint64(s.lo) % rowCount)
}

// startRows has a list keep rows.
func (l *list) startRows() {
	l.rows, l.dropped = new(rows), 0
	for i := range l.rows {
		l.rows[i] = none
	}
	l.link(0)
}

// link takes note of where the accesses from a place on are.
func (l *list) link(from int) {
	for i := from; i < len(l.items); i++ {
		last := &l.rows[l.marks[i].row()]
		l.marks[i].before, *last = *last, l.dropped+i
	}
}

// unlink has a list lead to no rows any more.
func (l *list) unlink() { l.rows, l.dropped = nil, 0 }

// walk returns the place of the latest access, and of another one that is to be
// looked at later; byRow: of a row, and of those that are not of one value.
func (l *list) walk(at span) (i, other int, byRow bool) {
	if l.rows == nil || at.lo != at.hi {
		return len(l.items) - 1, none, false
	}
	i, other = l.rows[at.row()]-l.dropped, l.rows[rowCount]-l.dropped
	return max(i, other), min(i, other), true
}

// next goes on from a place that walk or next returned.
func (l *list) next(i, other int, byRow bool) (int, int) {
	if !byRow {
		return i - 1, other
	}
	i = l.marks[i].before - l.dropped
	return max(i, other), min(i, other)
}
