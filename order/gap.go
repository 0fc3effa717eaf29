package order

// Gaps: below REPEATABLE READ and up, a statement that does not name its row by a
// whole unique key also locks the gaps between the rows that it looks at, and the
// one behind them. A row that is inserted there waits, though no condition tells
// of it. So the two keep their recorded order, where that is proven: a wrong one
// would do no harm to the data, but could make sessions wait for each other.

// maxGaps is how many accesses are looked at for gaps.
const maxGaps = 128

// locksGaps tells whether an access that locks rows locks gaps, too.
func (a *access) locksGaps(m *member, found bool) bool {
	if a.mode != exclusive && a.mode != share || a.inserts {
		return false
	}
	if l := m.effective(); l == readCommitted || l == readUncommitted {
		return false
	}
	return !found || !a.table.isUnique(a)
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

// gaps keeps the recorded order of rows that are inserted and gaps that are
// locked.
func (p *Planner) gaps(a *access) {
	t := a.table
	if a.gap {
		for i, n := len(t.inserted.items)-1, 0; i >= t.inserted.head && n < maxGaps; i, n = i-1, n+1 {
			if b := t.inserted.items[i]; b.group.session != a.group.session && b.cmd.answered <= a.cmd.sent {
				a.cmd.wait(b.cmd, Proven, WriteWrite, false)
			}
		}
	}
	if !a.inserts {
		return
	}
	for i, n := len(t.locked.items)-1, 0; i >= t.locked.head && n < maxGaps; i, n = i-1, n+1 {
		b := t.locked.items[i]
		if last := b.last(); b.group.session != a.group.session && last != nil && last.answered <= a.cmd.sent {
			a.cmd.wait(last, Proven, WriteWrite, false)
		}
	}
}
