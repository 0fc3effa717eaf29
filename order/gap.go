package order

import "sort"

// Gaps: below REPEATABLE READ and up, a statement that does not name its row by a
// whole unique key also locks the gaps between the rows that it looks at, and the
// one behind them. A row that is inserted there waits, though no condition tells
// of it. So the two keep their recorded order, where that is proven: a wrong one
// would do no harm to the data, but could make sessions wait for each other.

const (
	// maxGaps is how many accesses before one are looked at for gaps, and of those
	// that came meanwhile.
	maxGaps = 128
	// maxAhead is how many that came later are looked at whether they came meanwhile.
	maxAhead = 1024
)

// locksGaps tells whether an access that locks rows locks gaps, too, or else looks
// at rows between which others may come.
func (a *access) locksGaps(m *member, found bool) (gap, scans bool) {
	if a.mode != exclusive && a.mode != share || a.inserts || found && a.table.isUnique(a) {
		return false, false
	}
	l := m.effective()
	scans = l == readCommitted || l == readUncommitted
	return !scans, scans
}

// isUnique tells whether the access names one row by a whole unique key.
func (t *table) isUnique(a *access) bool {
	if a.exact != 0 {
		return true
	}
	for i := range t.uniques {
		if hasAll(a.domains, t.uniques[i].columns) {
			return true
		}
	}
	return t.schema == nil && len(t.primary) > 0 && hasAll(a.domains, t.primary)
}

// hasAll tells whether each of some columns has a single value.
func hasAll(list []domain, columns []uint8) bool {
	for _, c := range columns {
		found := false
		for i := range list {
			found = found || list[i].column == c && list[i].single()
		}
		if !found {
			return false
		}
	}
	return len(columns) > 0
}

// effective returns the isolation level that holds now.
func (m *member) effective() level {
	if m.next != unset {
		return m.next
	}
	return m.level
}

// looked returns what of an access's conditions decides which rows are locked:
// those on the columns of the index that is likely to be used, or none, when all
// rows are looked at.
func (t *table) looked(list []domain) []domain {
	if t.schema == nil || len(list) == 0 || hasAll(list, t.primary) {
		return list
	}
	best, most := []uint8(nil), 0
	for i := range t.schema.Keys {
		columns := t.places(t.schema.Keys[i].Columns)
		if t.schema.Keys[i].Unique && hasAll(list, columns) {
			return list
		}
		n := 0
		for n < len(columns) && hasAll(list, columns[n:n+1]) {
			n++
		}
		score := 2 * n
		if n < len(columns) && has(list, columns[n]) {
			n++
			score++
		}
		if score > most {
			best, most = columns[:n], score
		}
	}
	kept := make([]domain, 0, len(best))
	for _, d := range list {
		for _, c := range best {
			if d.column == c {
				kept = append(kept, d)
			}
		}
	}
	return kept
}

func has(list []domain, column uint8) bool {
	for i := range list {
		if list[i].column == column {
			return true
		}
	}
	return false
}

// gaps keeps the recorded order of rows that come to a place and gaps that are
// locked there.
func (p *Planner) gaps(a *access) {
	t := a.table
	if a.gap {
		t.inserted.latest(a, func(b *access) {
			if b.again && a.skips && disjoint(b.has().entry, a.domains) {
				return
			}
			a.behind(b)
			if a.cmd.step.Took != nil && a.overlaps(b) {
				a.cmd.step.Took.Loose = true
			}
		})
	}
	if a.enters {
		t.locked.latest(a, func(b *access) {
			if a.isElsewhere(b) {
				return // early it locks what a read that was undone was to lock
			}
			if last := b.last(); last != nil && last.answered <= a.cmd.sent {
				a.cmd.wait(last, Proven, WriteWrite, false)
			} else if last != nil && !a.preceded(b) && b.heldTo() < a.cmd.answered && b.cmd.answered <= a.cmd.sent && b.done() <= a.cmd.answered && !a.group.wasBefore(b.group) {
				b.group.look()
				a.cmd.waitLocks(last, WriteWrite) // it was held up
			}
		})
		t.scanned.latest(a, func(b *access) {
			if !a.isElsewhere(b) {
				p.passes(b, a)
			}
		})
	}
	if a.scans {
		t.inserted.latest(a, func(b *access) {
			if !b.isElsewhere(a) {
				p.passes(a, b)
			}
		})
	}
}

// isElsewhere tells whether the rows that an access moves were locked before, and
// come to none of the places that another one looks at.
func (a *access) isElsewhere(b *access) bool { return a.again && disjoint(a.has().entry, b.domains) }

// passes keeps the recorded order of a command that looks at rows, and locks no
// gaps between them, and a row that comes there while its transaction is open: it
// would have waited for that row, had it met it.
func (p *Planner) passes(scan, row *access) {
	if scan.cmd.sent >= row.cmd.answered || row.cmd.step.Number != 0 || disjoint(scan.domains, row.domains) || p.came(row, scan) {
		return
	}
	s, r := scan.last(), row.last()
	switch {
	case scan.cmd.answered <= row.cmd.sent:
		row.cmd.wait(scan.cmd, Proven, ReadWrite, false)
	case s != nil && s.sent < row.cmd.answered && s != scan.cmd, r == nil, r.sent < scan.cmd.answered:
		// one was over before the other: what they lock tells
	case row.inserts: // a row that moves may have been met at its old place
		scan.cmd.guess(row.cmd, false, row.cmd.answered)
		row.cmd.waitLocks(scan.cmd, ReadWrite)
	}
}

// behind has an access that locks gaps wait for a row that came before: it was
// answered before, or while the gap was locked, or was committed, as their numbers
// tell, before that ended. So it did not wait for the gap.
func (a *access) behind(b *access) {
	last := a.last()
	switch {
	case b.cmd.answered <= a.cmd.sent:
		a.cmd.wait(b.cmd, Proven, WriteWrite, false)
	case a.preceded(b), b.cmd.sent >= a.cmd.answered: // it came later, and so elsewhere
	case a.skips && b.cmd.answered >= a.cmd.answered: // its place is guessed, see skips
	case last == nil || last.sent > b.cmd.answered || b.preceded(a):
		a.cmd.waitLocks(b.cmd, WriteWrite)
	}
}

// overlaps tells whether a row came to its place while an access locked gaps, and
// before these were free again: it may have come before it to one of these gaps.
func (a *access) overlaps(b *access) bool {
	last := a.last()
	return b.cmd.sent < a.cmd.answered && b.cmd.answered > a.cmd.sent && (last == nil || last.sent > b.cmd.answered)
}

// latest calls f with accesses of other sessions, the latest before an access and
// those that came while it was held, or were under way then. A list may have many
// that came after it: transactions are placed in the order in which they end, and
// one that lasts holds up the others.
func (l *list) latest(a *access, f func(b *access)) {
	i, until := len(l.items), a.cmd.answered
	if last := a.last(); last != nil && last.answered != never {
		until = max(until, last.answered)
	}
	if !a.group.live { // of a Live none came after it
		i = l.head + sort.Search(len(l.items)-l.head, func(i int) bool { return l.items[l.head+i].cmd.answered > a.cmd.answered })
	}
	for k, n := i, 0; k < len(l.items) && n < maxGaps && k-i < maxAhead; k++ {
		if b := l.items[k]; b.cmd.sent < until && b.group.session != a.group.session {
			f(b)
			n++
		}
	}
	for k, n := i-1, 0; k >= l.head && n < maxGaps; k, n = k-1, n+1 {
		if b := l.items[k]; b.group.session != a.group.session {
			f(b)
		}
	}
}

// skips keeps the recorded order of all locks of a table around a statement that
// skips what is locked (SKIP LOCKED) or fails for it (NOWAIT): which rows it takes
// leaves no trace but this.
func (p *Planner) skips(a *access) {
	if a.skips {
		a.table.all.locks.latest(a, func(b *access) {
			if b.again || disjoint(a.domains, b.domains) {
				return
			}
			if p.came(b, a) {
				a.cmd.wait(b.last(), Inferred, WriteWrite, false)
				return
			}
			p.sawLock(a.cmd, b.cmd, b.cmd.answered)
			if last := b.last(); last != nil && last != b.cmd && !b.hasMoved(a) {
				p.sawLock(a.cmd, last, b.done())
			}
		})
	}
	if a.again {
		return // its locks were there
	}
	a.table.skipping.latest(a, func(b *access) {
		if disjoint(a.domains, b.domains) || p.came(a, b) {
			return
		}
		p.hidesLock(b.cmd, a.cmd, a.cmd.answered)
		if last := a.last(); last != nil && last != a.cmd && !a.hasMoved(b) {
			p.hidesLock(b.cmd, last, a.done())
		}
	})
}

// sawLock has a statement that skips wait for a command that took or freed locks
// before it, at a time.
func (p *Planner) sawLock(c, on *command, at int64) {
	switch seen, open := p.skipped(c, on, at); {
	case seen && !open:
		c.wait(on, Proven, WriteWrite, false)
	case open:
		c.guess(on, seen, at)
		if seen {
			c.waitLocks(on, WriteWrite)
		}
	}
}

// hidesLock has a command that takes or frees locks wait for a statement that
// skips, which came before.
func (p *Planner) hidesLock(c, on *command, at int64) {
	switch seen, open := p.skipped(c, on, at); {
	case seen:
	case open:
		on.waitLocks(c, WriteWrite)
	default:
		on.wait(c, Proven, WriteWrite, false)
	}
}

// skipped tells whether a statement that skips came after a command that took or
// freed locks, and whether that is open.
func (p *Planner) skipped(c, on *command, at int64) (seen, open bool) {
	switch {
	case on.answered <= c.sent:
		return true, false
	case on.sent >= c.answered:
		return false, false
	}
	if seen, known := p.options.Learned.saw(c, on); known {
		return seen, true
	}
	if seen, known := p.options.Learned.saw(on, c); known {
		return !seen, true
	}
	return at < c.answered || at == c.answered && on.step.Session < c.step.Session, true
}

// done is when the end of what an access holds has taken effect.
func (a *access) done() int64 {
	if a.end != nil {
		return a.end.answered
	}
	return a.group.point()
}

// enters tells whether an UPDATE moves rows to other places of an index.
func (bt *boundTable) enters() bool {
	t := bt.table
	if t.schema == nil {
		return true
	}
	for i := range t.schema.Keys {
		if touches(bt.changes, t.places(t.schema.Keys[i].Columns)) {
			return true
		}
	}
	return false
}
