package order

import (
	"iter"
	"slices"
	"strings"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/sqltext"
)

// Stood: a new row that met a duplicate key came after the row with that key, and
// one that met none came before it; a DELETE that found its row came after it; a
// child whose parent was missing came before the parent, or after it had gone. So
// what a statement found at a key, and what it left there, tells which of two came
// first whose locks were free before they were answered: only in one order does the
// second find what the first left.

// presence tells whether a row is there.
type presence uint8

const (
	unknownPresence presence = iota
	absent
	there
)

// What an access may do to rows.
const (
	brings uint8 = 1 << iota
	takes
)

// The errors that tell of rows (MySQL's "Server Error Message Reference"); the older
// ones are for users who may not read the other table.
const (
	errDuplicate   = 1062
	errNoParent    = 1452
	errNoParentOld = 1216
	errHasChild    = 1451
	errHasChildOld = 1217
)

// stood tells by what two accesses found at a key, and left there, whether b had its
// lock before a. Nothing is told where a third one may have come in between.
func (p *Planner) stood(a, b *access) (first, known bool) {
	if p.live || a.left == unknownPresence || b.left == unknownPresence {
		return false, false
	}
	x, y, at := a.stands(), b.stands(), a
	switch {
	case a.exact != 0 && a.exact == b.exact:
	case a.names(b):
		y = y.ofAll()
	case b.names(a):
		x, at = x.ofAll(), b
	default:
		return false, false
	}
	before, behind := y.denies(x), x.denies(y)
	if before == behind {
		return false, false
	}
	if before { // b is not before a, unless somebody made what a found of what b left
		return false, !p.isBetween(b, a, at, x.was)
	}
	return true, !p.isBetween(a, b, at, y.was)
}

// state is what an access found and left.
type state struct{ was, left presence }

// stands returns what an access found and left; of a transaction that was rolled back,
// or in part, only what it did not change is known.
func (a *access) stands() state {
	if a.was != a.left && (a.group.over != committed || a.group.undone) {
		return state{was: a.was}
	}
	return state{a.was, a.left}
}

// ofAll returns what a row that was there, or is, tells of rows that it is one of.
func (s state) ofAll() state {
	if s.was == absent {
		s.was = unknownPresence
	}
	if s.left == absent {
		s.left = unknownPresence
	}
	return s
}

// denies tells whether another access can't have come next: it found what this one
// did not leave.
func (s state) denies(next state) bool {
	return s.left != unknownPresence && next.was != unknownPresence && s.left != next.was
}

// names tells whether an access names all rows with some values, and the row of
// another is one of them.
func (a *access) names(b *access) bool {
	if !a.all || b.all || !b.inserts {
		return false
	}
	for i := range a.domains {
		d := &a.domains[i]
		e := b.find(d.column)
		switch {
		case e == nil || !e.single() || d.kind != e.kind:
			return false
		case d.single() && d.lo == e.lo:
		case d.single() || !d.surely(e) || !isWhole(a.table.schema.Columns[d.column].Type):
			return false
		}
	}
	return true
}

// isBetween tells whether a third access, or another of their own transactions, may
// have come after one and before another, and have made what that needs of the rows of
// at, one of the two.
func (p *Planner) isBetween(a, b, at *access, need presence) bool {
	from, to := a.cmd.sent, b.cmd.answered
	does, key := brings, uint64(0)
	if need == absent {
		does = takes
	}
	for i := range at.domains {
		key |= columnBit(int(at.domains[i].column))
	}
	stood := p.anyNear(at.table, at, 0, func(z *access) bool {
		switch {
		case z == a || z == b || z.mode != define && (z.turns == 0 || z.columns&key == 0) || disjoint(z.domains, at.domains):
			return false
		case z.group == a.group || z.group == b.group:
			return true
		case z.mode != define && z.turns&does == 0 || z.group.over == rolledBack && z.end == nil || z.cmd.sent > to:
			return false
		}
		last := z.last()
		return last == nil || last.answered >= from
	})
	return stood || p.isUnderWay(at.table, to, need)
}

// isUnderWay tells whether a command that was sent before a time, and not answered
// yet, may bring or take rows of a table, or of a unique key.
func (p *Planner) isUnderWay(t *table, until int64, need presence) bool {
	if t.of != nil {
		t = t.of
	}
	for c := range p.awaited() {
		if c.sent < until && slices.ContainsFunc(c.what.shapes, func(s *sqltext.Shape) bool { return p.mayTurn(t, s, c.what.said().schema, need) }) {
			return true
		}
	}
	return false
}

// awaited are the commands that are not answered yet.
func (p *Planner) awaited() iter.Seq[*command] {
	return func(yield func(*command) bool) {
		for g := p.open.first; g != nil; g = g.next {
			for _, c := range g.session.waiting {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// mayTurn tells whether a statement may bring rows to a table, or take them.
func (p *Planner) mayTurn(t *table, s *sqltext.Shape, schema string, need presence) bool {
	if s.Verb == sqltext.Delete && need == there || s.Class == sqltext.Read {
		return false
	}
	b := p.bind(s, schema)
	for i := range b.tables {
		bt := &b.tables[i]
		if bt.ref.Role&sqltext.Writes == 0 || bt.turns(s)&takes == 0 && need == absent {
			continue
		}
		if bt.table == t || slices.ContainsFunc(bt.table.children, func(f relation) bool { return f.other == t && f.changes }) {
			return true
		}
	}
	return b.coarse
}

// turns tells what a statement may do to the rows of a table that it writes.
func (bt *boundTable) turns(s *sqltext.Shape) uint8 {
	switch in := bt.ref.Insert; {
	case s.Verb == sqltext.Delete:
		return takes
	case s.Verb == sqltext.Insert && in != nil && !in.Replace && !in.Update:
		return brings
	}
	return brings | takes
}

// learnRow takes note of what an INSERT found and left where it puts a row. lone: it
// is the only one.
func (p *Planner) learnRow(a *access, bt *boundTable, r *session.Result, lone bool) {
	in, e := bt.ref.Insert, a.cmd.err()
	if !a.isTelling() {
		return
	}
	switch {
	case e != nil:
		if e.Code == errDuplicate && lone && a.fresh {
			p.learnDuplicate(a, e)
		}
	case r == nil || r.Outcome != session.OK || in.Replace || in.Ignore:
	case !in.Update && r.Affected == uint64(len(in.Rows)), in.Update && lone && r.Affected == 1 && a.group.session.caps&classic.FoundRows == 0:
		a.was, a.left = absent, there
	case in.Update && lone && r.Affected == 2 && a.made && len(a.table.uniques) == 1:
		a.was, a.left = there, there
	}
}

// learnDuplicate takes note of the key at which a new row met another: it has locked
// that row, whatever else there is in it.
func (p *Planner) learnDuplicate(a *access, e *session.Error) {
	if isOfKey(e, "PRIMARY") {
		if a.was, a.left = there, there; a.exact == 0 {
			a.was, a.left = unknownPresence, unknownPresence
		}
		return
	}
	for i := range a.table.uniques {
		u := &a.table.uniques[i]
		if list := carry(a, u.columns, u.columns); isOfKey(e, u.name) && len(list) == len(u.columns) {
			a.was, a.left = there, there
			a.domains, a.exact = p.slabs.keepDomains(list), 0
		}
	}
}

// isOfKey tells whether an error says that it is about a key: it ends with the name,
// behind that of the table (MySQL 8.0.19 and later) or not.
func isOfKey(e *session.Error, key string) bool {
	return strings.HasSuffix(e.Message, "'"+key+"'") || strings.HasSuffix(e.Message, "."+key+"'")
}

// err returns the error of a command; nil: it had none, or that is not known.
func (c *command) err() *session.Error {
	if c.reply == nil {
		return nil
	}
	return c.reply.Err()
}

// isTelling tells whether what a command did to a row of its table is just what it
// says.
func (a *access) isTelling() bool {
	s := a.table.schema
	return len(a.cmd.what.shapes) == 1 && a.cmd.reply != nil && s != nil && len(s.Triggers) == 0 && !a.table.autocommits && !a.group.session.x
}

// learnChanged takes note of what an UPDATE or DELETE found and left of the rows that
// it names.
func (a *access) learnChanged(s *sqltext.Shape, r *session.Result) {
	e := a.cmd.err()
	if !a.isTelling() || len(s.Tables) != 1 || s.Limit {
		return
	}
	known := e == nil && r != nil && r.Outcome == session.OK
	switch s.Verb {
	case sqltext.Update:
		if known && r.Affected > 0 && a.exact != 0 && !touches(a.columns, a.table.primary) {
			a.was, a.left = there, there
		}
	case sqltext.Delete:
		a.all = a.namesAll(s)
		switch {
		case known && r.Affected > 0 && (a.exact != 0 || a.all):
			a.was, a.left = there, absent
		case known && r.Affected == 0 && a.all:
			a.was, a.left = absent, absent
		case e != nil && (e.Code == errHasChild || e.Code == errHasChildOld) && a.exact != 0:
			a.was, a.left = there, there
		}
	}
}

// namesAll tells whether a statement's conditions are single values of columns, and
// ranges with two ends, and nothing else: so many values it has.
func (a *access) namesAll(s *sqltext.Shape) bool {
	if len(s.Columns) == 0 || len(a.domains) != len(s.Columns) || s.Funcs != 0 {
		return false
	}
	n := 0
	for i := range a.domains {
		switch d := &a.domains[i]; {
		case d.single():
			n++
		case d.kind == number && d.set == nil && d.lo != anywhere.lo && d.hi != anywhere.hi:
			n += 2
		default:
			return false
		}
	}
	w := a.cmd.what.said()
	return len(w.literals)+len(w.params) == n
}

// tellParent takes note of whether a new row's parent was there.
func (a *access) tellParent(parent *access, key *relation) {
	e := a.cmd.err()
	switch {
	case a.was == absent && a.left == there:
		parent.was, parent.left, parent.via = there, there, key
	case e != nil && a.lone && a.isTelling() && (e.Code == errNoParent && key.isNamedIn(e) || e.Code == errNoParentOld && len(a.table.parents) == 1):
		parent.was, parent.left = absent, absent
	}
}

// tellEntry takes note of what stood at an entry of a unique key.
func (a *access) tellEntry(entry *access, u *unique, k writeKind) {
	entry.turns, entry.inserts = a.turns, a.inserts
	switch {
	case k == inserts && a.wrote:
		entry.was, entry.left = a.was, a.left
	case k == inserts && a.was == there && a.exact == 0 && isOfKey(a.cmd.err(), u.name):
		entry.was, entry.left = there, there
	case k == deletes && a.all && len(entry.domains) == len(a.domains):
		entry.was, entry.left, entry.all = a.was, a.left, true
	}
}

// isApart tells whether two accesses that may be of one row meet elsewhere: a new row
// and what was done to its parent at the parent; two new rows whose primary keys the
// server makes up at their other unique keys, if one did not come and has no known key;
// a row that did not come since its parent was missing at that parent and these keys.
func (a *access) isApart(b *access) bool {
	if a.ofParent && b.inserts || b.ofParent && a.inserts || a.isOrphan() || b.isOrphan() {
		return true
	}
	return a.inserts && b.inserts && a.made && b.made && (a.exact == 0 || b.exact == 0) && a.table.isNumbered()
}

// isNumbered tells whether the ids that the server makes up are the table's primary key.
func (t *table) isNumbered() bool {
	return t.schema != nil && slices.Equal(t.primary, []uint8{uint8(t.auto)})
}

// isOrphan tells whether an access was to bring a row, with an id that the server makes
// up, and its parent was missing: nobody else can have met it.
func (a *access) isOrphan() bool {
	if !a.inserts || !a.made || a.exact != 0 || !a.table.isNumbered() {
		return false
	}
	e := a.cmd.err()
	return e != nil && (e.Code == errNoParent || e.Code == errNoParentOld)
}

// wasKept tells whether an access was to delete a row, and found a child of the sort
// that another one made.
func (a *access) wasKept(b *access) bool {
	e := a.cmd.err()
	return b.via != nil && e != nil && e.Code == errHasChild && b.via.isNamedIn(e)
}
