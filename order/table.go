package order

import (
	"slices"
	"strings"

	"myreplay/schema"
)

const (
	maxLenses = 4
	// maxColumns is how many columns of a table can tell rows apart.
	maxColumns = 255
	// keptFor is for how many steps more than others those are remembered that no
	// fence waits for.
	keptFor = 20_000
)

// table is what was done to a table of late.
type table struct {
	name    string
	schema  *schema.Table // nil: not known
	columns map[string]uint8
	primary []uint8
	// auto is the AUTO_INCREMENT column; -1: none.
	auto int
	// clocks are the columns that an UPDATE may set by itself: the time, generated
	// ones.
	clocks uint64
	// generated are the generated columns.
	generated uint64
	uniques   []unique
	parents   []relation
	children  []relation
	related   bool // the four above are made
	// ids are those that rows got from the server; mixed: or others, which are not
	// known.
	ids   *idsOf
	mixed bool
	// of, of the entries of a unique key, is the table.
	of *table
	// autocommits: the table's engine knows no transactions.
	autocommits bool

	all    bucket
	lenses []lens
	// inserted are the accesses that bring rows to a place, locked those that lock
	// gaps, scanned those that look at rows and don't, skipping those that depend on
	// what is locked.
	inserted, locked, scanned, skipping list
	// span is where the access lies that near was asked about last, in what the lists
	// are marked by.
	span span
	// turns are rows that came and went of late, returns reads of rows by their keys.
	turns   ring[*turn]
	returns ring[*keyedRead]
	// latest is the highest id that was generated since the table was defined, which was
	// done at the time defined.
	latest, defined int64
	unsure          unsure
	// changed: a command has changed its rows, or its definition.
	changed bool
	// kept are the accesses of groups that are not held to their end.
	kept []*access
}

// unique is a unique key besides the primary one; its entries are the rows of a
// table of their own.
type unique struct {
	name    string
	columns []uint8
	entries *table
}

// relation is a foreign key, seen from one of its tables: other's column
// theirs[i] has the values of column ours[i].
type relation struct {
	name         string
	other        *table
	ours, theirs []uint8
	// changes: what is done to the parent changes the child, too.
	changes bool
}

func newTable(name string, s *schema.Table) *table {
	t := &table{name: name, schema: s, columns: map[string]uint8{}, auto: -1}
	if s == nil {
		return t
	}
	for i := range s.Columns {
		if i >= maxColumns {
			break
		}
		c := &s.Columns[i]
		t.columns[strings.ToLower(c.Name)] = uint8(i)
		if c.AutoIncrement {
			t.auto = i
		}
		if c.Clock || c.Generated != "" {
			t.clocks |= columnBit(i)
		}
		if c.Generated != "" {
			t.generated |= columnBit(i)
		}
	}
	t.primary = t.places(s.Primary())
	t.autocommits = isPlainEngine(s.Engine)
	if len(t.primary) > 0 {
		t.addLens(t.primary)
	}
	return t
}

// isPlainEngine tells whether a storage engine knows no transactions.
func isPlainEngine(engine string) bool {
	switch strings.ToLower(engine) {
	case "myisam", "aria", "memory", "csv", "archive", "blackhole":
		return true
	}
	return false
}

// places returns the places of columns by their names; nil when one is not known.
func (t *table) places(names []string) (list []uint8) {
	for _, n := range names {
		i, ok := t.columns[strings.ToLower(n)]
		if !ok {
			return nil
		}
		list = append(list, i)
	}
	return list
}

// column returns the place of a column. Of a table that is not known it gets
// one.
func (t *table) column(name string) (uint8, bool) {
	i, ok := t.columns[name]
	if !ok && t.schema == nil && len(t.columns) < maxColumns {
		i, ok = uint8(len(t.columns)), true
		t.columns[name] = i
	}
	return i, ok
}

// columnBit is the bit of a column in a set.
func columnBit(i int) uint64 { return 1 << min(i, 63) }

// find returns an access's domain of a column, or nil.
func (a *access) find(column uint8) *domain {
	for i := range a.domains {
		if d := &a.domains[i]; d.column == column {
			return d
		}
	}
	return nil
}

// key sets exact where the access names one row by its primary key.
func (t *table) key(a *access) {
	if len(t.primary) == 0 {
		return
	}
	h := uint64(1)
	for _, c := range t.primary {
		d := a.find(c)
		if d == nil || !d.single() {
			return
		}
		h = mix(h, uint64(d.lo)+uint64(d.kind))
	}
	a.exact = h | 1
}

// mix adds a value to a hash.
func mix(h, v uint64) uint64 {
	h ^= v
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// add takes note of an access.
func (t *table) add(a *access) {
	if a.enters {
		t.inserted.add(a)
	}
	if a.gap {
		t.locked.add(a)
	}
	if a.scans {
		t.scanned.add(a)
	}
	if a.skips {
		t.skipping.add(a)
	}
	if a.group.long {
		t.kept = append(t.kept, a)
		return
	}
	t.all.add(a)
	if a.exact == 0 {
		t.suggest(a)
	}
	var cells [maxCells]uint64
	m := markOf(a)
	for i := range t.lenses {
		t.lenses[i].add(a, &m, cells[:0])
	}
}

// suggest adds a lens where an access has values that none of the lenses looks
// at.
func (t *table) suggest(a *access) {
	if len(t.lenses) >= maxLenses || len(a.domains) == 0 {
		return
	}
	var cells [maxCells]uint64
	for i := range t.lenses {
		if _, ok := t.lenses[i].cells(a, cells[:0]); ok {
			return
		}
	}
	var columns []uint8
	for i := range a.domains {
		if d := &a.domains[i]; d.single() && len(columns) < 4 {
			columns = append(columns, d.column)
		}
	}
	for i := range a.domains { // or a few values, or a range
		if d := &a.domains[i]; len(columns) == 0 && d.kind != null {
			columns = append(columns, d.column)
		}
	}
	if len(columns) > 0 {
		t.addLens(columns)
	}
}

// addLens adds a lens, and shows it what is there.
func (t *table) addLens(columns []uint8) {
	for i := range t.lenses {
		if slices.Equal(t.lenses[i].columns, columns) {
			return
		}
	}
	t.lenses = append(t.lenses, lens{columns: columns, buckets: map[uint64]*bucket{}})
	l := &t.lenses[len(t.lenses)-1]
	var cells [maxCells]uint64
	for _, from := range []*list{&t.all.locks, &t.all.reads} {
		for _, a := range from.items[from.head:] {
			m := markOf(a)
			l.add(a, &m, cells[:0])
		}
	}
}

// near appends the lists in which all accesses are that may meet a; reads: those
// that only read, too. What is older than a number is left out.
func (t *table) near(a *access, dst []*list, old uint64, reads bool) []*list {
	if len(t.kept) > 0 {
		dst = append(dst, &list{items: t.kept})
	}
	t.all.trim(old)
	t.span = anywhere
	best, least := -1, t.all.len(reads)
	var cells [maxCells]uint64
	var room, chosen [maxCells]*bucket
	n := 0
	for i := range t.lenses {
		list, ok := t.lenses[i].cells(a, cells[:0])
		if !ok {
			continue
		}
		if buckets, size := t.lenses[i].open(list, room[:0], old, reads); size <= least {
			best, least = i, size
			n = copy(chosen[:], buckets)
		}
	}
	if best < 0 {
		return t.all.append(dst, reads)
	}
	l := &t.lenses[best]
	t.span = l.span(a)
	for _, b := range chosen[:n] {
		dst = b.append(dst, reads)
	}
	return l.loose.append(dst, reads)
}

// sweep forgets what is old.
func (t *table) sweep(old uint64) {
	t.kept = slices.DeleteFunc(t.kept, func(a *access) bool { return a.group.number != 0 && a.group.number+keptFor < old })
	t.all.trim(old)
	t.inserted.trim(old)
	t.locked.trim(old)
	t.scanned.trim(old)
	t.skipping.trim(old)
	t.turns.keep(func(n *turn) bool { return !n.access.isOlder(old) })
	t.returns.keep(func(r *keyedRead) bool { return !r.access.isOlder(old) })
	for i := range t.lenses {
		l := &t.lenses[i]
		l.loose.trim(old)
		for c, b := range l.buckets {
			if b.trim(old); b.len(true) == 0 {
				l.drop(c, b)
			}
		}
	}
}
