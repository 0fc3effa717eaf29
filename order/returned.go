package order

import (
	"math"
	"slices"
	"strings"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/sqltext"
)

// Returned: where the rows that a read of committed rows returned carry their
// primary keys, the recording tells which rows that came or went meanwhile it saw: a
// row that was there is in the answer, if the statement has to return it.

// keyedRead is a read that returned all rows of its conditions between two ids.
type keyedRead struct {
	cmd    *command
	access *access
	table  *table
	// keys are the hashes of the primary keys, sorted.
	keys []uint64
	// All rows of the conditions from low to high were returned; none: low is above
	// high.
	low, high int64
	// needs are the columns that decide whether a row is returned.
	needs uint64
	// conditions are those of the statement.
	conditions []domain
	told       []verdict
	number     uint64 // when it was answered, in events
	// Its snapshot's point lies between after and before, those of saw before it, those
	// of missed behind it. Of reads that share one, only the first has these.
	after, before int64
	saw, missed   []*group
}

const (
	// maxRecent is how many turns, and how many reads, of a table are looked at.
	maxRecent = 128
	// maxGuessed is how many ids are tried to find out which a read returned.
	maxGuessed = 128
	// flagZerofill: numbers are shown with leading zeros (MySQL's "Column Definition
	// Flags").
	flagZerofill = 0x0040
	// selectLimit is a variable that limits the rows of a SELECT without LIMIT;
	// noSelectLimit is its value where it does not.
	selectLimit   = "sql_select_limit"
	noSelectLimit = "18446744073709551615"
)

// ring holds the latest of some things.
type ring[T any] struct {
	items []T
	next  int
}

func (r *ring[T]) add(v T) {
	if len(r.items) < maxRecent {
		r.items = append(r.items, v)
		return
	}
	r.items[r.next] = v
	r.next = (r.next + 1) % maxRecent
}

// keep gives up the items that are not to be kept.
func (r *ring[T]) keep(is func(T) bool) {
	if slices.ContainsFunc(r.items, func(v T) bool { return !is(v) }) {
		ordered := slices.Concat(r.items[r.next:], r.items[:r.next])
		r.items, r.next = slices.DeleteFunc(ordered, func(v T) bool { return !is(v) }), 0
	}
}

// key1 is the column that is the primary key alone and has whole numbers, as servers
// write them; -1: there is none.
func (t *table) key1() int {
	if t.schema == nil || len(t.primary) != 1 || t.autocommits {
		return -1
	}
	if c := int(t.primary[0]); isWhole(t.schema.Columns[c].Type) {
		return c
	}
	return -1
}

// isWhole tells whether a type holds all numbers that are compared here.
func isWhole(name string) bool { return name == "int" || name == "integer" || name == "bigint" }

// learnReturned takes note of which rows a read returned.
func (p *Planner) learnReturned(m *member, a *access, bt *boundTable, s *sqltext.Shape, r *session.Result) {
	g, t := a.group, a.table
	if !p.options.Digests || p.live || !bt.plain || m.x || r == nil || r.Error != nil || r.Outcome != session.Rows || r.Rows > maxKeys ||
		uint64(len(r.Keyed)) != r.Rows || r.Rows > 0 && !hasKey(t, r.Columns) || len(a.cmd.what.shapes) != 1 ||
		m.effective() == readUncommitted || m.limited && !s.Limit || len(g.returns) >= maxFacts {
		return
	}
	for _, b := range g.accesses {
		if b.table == t && b.wrote {
			return // it sees its own
		}
	}
	read := &keyedRead{cmd: a.cmd, access: a, table: t, low: math.MinInt64, high: math.MaxInt64, needs: columnBit(t.key1()), conditions: a.domains}
	f := snapshotOf(a)
	read.after, read.before = f.sent, f.answered
	for _, k := range r.Keyed {
		read.keys = append(read.keys, k.Key)
	}
	slices.Sort(read.keys)
	for i := range a.domains {
		read.needs |= columnBit(int(a.domains[i].column))
	}
	switch {
	case !bt.isTold(a.domains): // not all conditions are known
		read.low, read.high = 1, 0
	case s.Limit:
		p.reach(read, s)
	}
	g.returns = append(g.returns, read)
	t.returns.add(read)
	for _, turn := range t.turns.items {
		p.narrow(read, turn, false)
	}
	read.number = p.events
	p.unsettled = append(p.unsettled, read)
}

// isTold tells whether domains say what the conditions do, each one of its own column.
func (bt *boundTable) isTold(domains []domain) bool {
	if len(domains) != len(bt.terms) {
		return false
	}
	for i := range bt.terms {
		t := &bt.terms[i]
		at := slices.IndexFunc(domains, func(d domain) bool { return d.column == t.column })
		if at < 0 || t.term.Op != sqltext.Equal && domains[at].single() { // it may allow nothing
			return false
		}
	}
	return true
}

// hasKey tells whether columns have the primary key as it is hashed here.
func hasKey(t *table, c *session.Columns) bool {
	if c == nil {
		return false
	}
	n := 0
	for i := range c.List {
		col := &c.List[i]
		if col.Flags&classic.FlagPrimaryKey == 0 {
			continue
		}
		n++
		if at, ok := t.columns[strings.ToLower(col.OrgName)]; !ok || int(at) != t.key1() || col.Flags&flagZerofill != 0 || !classic.Type(col.Type).IsInteger() {
			return false
		}
	}
	return n == 1
}

// reach finds out between which ids a read with a LIMIT returned all rows: those in
// its order up to the last that it returned. Ids are tried until all are known.
func (p *Planner) reach(read *keyedRead, s *sqltext.Shape) {
	t := read.table
	from, step := t.latest, int64(-1)
	d := read.access.find(t.primary[0])
	if d != nil && d.kind != number {
		d = nil
	}
	if !s.Descending {
		from, step = 1, 1
		if d != nil {
			from = max(from, d.lo)
		}
	} else if d != nil {
		from = min(from, d.hi)
	}
	read.low, read.high = 1, 0
	if at, ok := t.columns[s.OrderBy]; !ok || at != t.primary[0] {
		return
	}
	last, found := int64(0), 0
	for id, n := from, 0; n < maxGuessed && found < len(read.keys) && id > 0 && id < math.MaxInt64; id, n = id+step, n+1 {
		if _, ok := slices.BinarySearch(read.keys, p.keyOf(id)); ok {
			last = id
			found++
		}
	}
	switch {
	case found == 0:
		return
	case s.Descending:
		read.low, read.high = last, math.MaxInt64
	default:
		read.low, read.high = math.MinInt64, last
	}
	if n, ok := read.cmd.value(0, integers, s.Most); ok && found == len(read.keys) && n.kind == number && n.lo == int64(found) {
		p.confine(read)
	}
}

// confine has a read that returned as many rows as its LIMIT allows look at no others
// than those up to the last.
func (p *Planner) confine(read *keyedRead) {
	key := read.table.primary[0]
	d := domain{column: key, kind: number, lo: read.low, hi: read.high}
	list := append(make([]domain, 0, len(read.conditions)+1), read.conditions...)
	if i := slices.IndexFunc(list, func(e domain) bool { return e.column == key }); i < 0 {
		list = append(list, d)
	} else if e := &list[i]; e.set == nil {
		e.lo, e.hi = max(e.lo, d.lo), min(e.hi, d.hi)
	}
	sortDomains(list)
	read.access.domains = p.slabs.keepDomains(list)
}
