package order

import (
	"myreplay/session"
	"myreplay/sqltext"
)

// LOCK TABLES waits for all transactions that have the table in a way that it bars,
// whatever their rows are, and whoever comes later waits for its end: each statement
// has the tables that it names to the end of its transaction (measured, and MySQL's
// "Metadata Locking"). So their order is that of the answers, and certain. Sessions
// that came behind it would stand at the target behind the lock that waits there
// itself.

// bars is what LOCK TABLES keeps others from doing with a table.
type bars uint8

const (
	barsNone   bars = iota
	barsWrites      // READ: to change rows, or to lock them for that
	barsAll         // WRITE
)

// bar takes note of what a LOCK TABLES bars. One that failed has nothing.
func (p *Planner) bar(a *access, failed *session.Error) {
	switch {
	case p.live || failed != nil:
	case a.mode == exclusive:
		a.bars = barsAll
	default:
		a.bars = barsWrites
	}
}

// freeTables ends what LOCK TABLES of the same session locked before, where a
// statement does: another one, UNLOCK TABLES, and the begin of a transaction.
func (c *command) freeTables(s *sqltext.Shape, failed *session.Error) {
	if failed != nil || s.Verb != sqltext.Lock && s.Verb != sqltext.Unlock && s.Verb != sqltext.Begin {
		return
	}
	for _, a := range c.group.accesses {
		if a.bars != barsNone && a.end == nil && a.cmd != c {
			a.end = c
		}
	}
}

// isWhole tells whether an access and others on the same table are never held at
// once, those of who only reads what was committed among them.
func (a *access) isWhole() bool { return a.mode == define || a.bars == barsAll }

// meetsTable tells whether two accesses that can't be held at once certainly met at
// the table: one is of LOCK TABLES, and the other has the table. A transaction that went
// back to a savepoint may have let go of it.
func (a *access) meetsTable(b *access) bool {
	if a.bars == barsNone && b.bars == barsNone {
		return false
	}
	return a.hasTable() && b.hasTable()
}

func (a *access) hasTable() bool {
	return a.bars != barsNone || a.mode == define || a.opens && !a.group.undone && !a.group.long
}
