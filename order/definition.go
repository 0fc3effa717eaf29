package order

import (
	"slices"

	"myreplay/sqltext"
)

// Definitions change a table, or make or drop it, and commit by themselves. Others'
// commands on the table come before it, or wait for it; while one builds an index
// they may go on, and come before its end.

const (
	// errNoTable: there is no such table.
	errNoTable = 1146
	// errUnknownTable is what DROP TABLE says of one.
	errUnknownTable = 1051
	// answerDelay is by how much answers of a definition, and of a command that had
	// waited for it, may come in the other order, in nanoseconds.
	answerDelay = 300_000
	// objectWords is within how many words a definition says what it makes.
	objectWords = 5
)

// isNear tells whether two accesses, of which one at least is of a definition, were
// answered so close to each other that this does not tell which was first. What is
// answered after a definition came after it, since that takes longer than an answer.
func (a *access) isNear(b *access) bool {
	aBy, bBy := a.hadBy(), b.hadBy()
	if a.mode != b.mode && (a.mode == define) != (bBy < aBy) {
		return false
	}
	return max(aBy-bBy, bBy-aBy) <= answerDelay
}

// isVain tells whether an access is of a definition that failed, whatever the rows
// are, for which another one, that is of none, need not wait. One of several tables
// may have changed some.
func (a *access) isVain(b *access) bool {
	if a.mode != define || a.wrote || b.mode == define || a.cmd.reply == nil {
		return false
	}
	list, e := a.cmd.what.shapes, a.cmd.reply.Err()
	return e != nil && len(list) == 1 && len(list[0].Tables) == 1 && slices.Contains(defined[:], e.Code)
}

// defined are errors that only other definitions make or mend: a table, column or
// index is there, or is not (MySQL's "Server Error Message Reference").
var defined = [...]uint16{1050, errUnknownTable, 1054, 1060, 1061, 1072, 1091, errNoTable}

// existed tells by whether the other found the table if a definition, CREATE or
// DROP, came before it.
func existed(d, other *access) (before, known bool) {
	if d.mode != define || !d.cmd.isOfTables() {
		return false, false
	}
	there, known := other.foundTable()
	switch d.cmd.what.shapes[0].Verb {
	case sqltext.Create:
		before = there
	case sqltext.Drop:
		before, known = !there, known && (!there || other.mode == define)
	default:
		return false, false
	}
	if !known || d.isUndone(other, before) {
		return false, false
	}
	return before, true
}

// foundTable tells whether an access found its table to be there. What made or
// dropped it tells nothing: it may have been made or dropped before.
func (a *access) foundTable() (there, known bool) {
	c := a.cmd
	list := c.what.shapes
	if c.reply == nil || a.mode == define && (len(list) != 1 || len(list[0].Tables) != 1) {
		return false, false // one of several tables may be another one
	}
	err := c.reply.Err()
	switch {
	case err != nil && (err.Code == errNoTable || err.Code == errUnknownTable):
		return false, true
	case a.mode != define:
		return true, err == nil
	case err != nil:
		return true, slices.Contains(defined[:], err.Code)
	case c.isOfTables():
		return false, false
	}
	r := c.result(0, nil)
	did := r == nil || r.Warnings == 0
	switch list[0].Verb {
	case sqltext.Create:
		return true, true // IF NOT EXISTS, or an index
	case sqltext.Drop:
		return did, did || c.namesTables() // IF EXISTS, or an index
	case sqltext.Alter, sqltext.Truncate:
		return true, did
	}
	return false, false
}

// isUndone tells whether what another access found may be the doing of a definition
// that is the opposite of one: of a CREATE a DROP. before: it would come after the
// one else.
func (d *access) isUndone(other *access, before bool) (undone bool) {
	verb, met := d.cmd.what.shapes[0].Verb, other.cmd.answered
	d.table.all.locks.latest(d, func(x *access) {
		at := x.cmd.answered
		likely := at > d.cmd.answered && at <= met+answerDelay
		if before { // it would be before both
			likely = at < d.cmd.answered && at >= met-answerDelay
		}
		if likely && x.mode == define && x.cmd.isOfTables() && x.cmd.what.shapes[0].Verb != verb {
			undone = true
		}
	})
	return undone
}

// isOfTables tells whether a command has made or dropped tables, not their indexes:
// IF EXISTS and IF NOT EXISTS that did nothing warn.
func (c *command) isOfTables() bool {
	if len(c.what.shapes) != 1 || c.reply == nil || c.reply.Err() != nil {
		return false
	}
	if r := c.result(0, nil); r != nil && r.Warnings > 0 {
		return false
	}
	return c.namesTables()
}

// namesTables tells whether a definition is one of tables or views by its first words.
func (c *command) namesTables() bool {
	text := c.what.said().text
	s := sqltext.NewScanner(text, sqltext.Options{})
	for range objectWords {
		t := s.Next()
		if t.Kind != sqltext.Ident {
			return false
		}
		if w := lower(string(t.Span.Of(text))); w == "table" || w == "tables" || w == "view" {
			return true
		}
	}
	return false
}
