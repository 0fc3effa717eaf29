package order

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/sqltext"
	"myreplay/wire"
)

// Keyed: where the rows that a locking read returned carry their primary keys, the
// recording tells by the hashes of these which rows were locked, whatever the
// statement's conditions are.

// maxKeys is of how many rows hashes are compared.
const maxKeys = 100

// learnKeys takes note of which rows a locking read returned.
func (p *Planner) learnKeys(a *access, r *session.Result) {
	t := a.table
	if !p.options.Digests || r == nil || r.Error != nil || r.Columns == nil || a.exact != 0 || a.cmd.group.session.x ||
		r.Rows > maxKeys || uint64(len(r.Keyed)) != r.Rows || len(t.primary) == 0 || len(a.cmd.what.shapes[0].Tables) != 1 {
		return
	}
	n := 0
	for i := range r.Columns.List {
		c := &r.Columns.List[i]
		if c.Flags&classic.FlagPrimaryKey == 0 {
			continue
		}
		if at, ok := t.columns[strings.ToLower(c.OrgName)]; !ok || n >= len(t.primary) || t.primary[n] != at {
			return
		}
		n++
	}
	if n != len(t.primary) {
		return
	}
	keyed := make([]uint64, 0, len(r.Keyed))
	for _, k := range r.Keyed {
		keyed = append(keyed, k.Key)
	}
	slices.Sort(keyed)
	a.isKeyed, a.gets().keyed = true, keyed
}

// learnTook has the step of a read that passes over what is locked tell which rows
// it took.
func (p *Planner) learnTook(a *access, s *sqltext.Shape) {
	if a.isKeyed && a.skips && !p.live && s.Flags&sqltext.SkipLocked != 0 {
		a.cmd.step.Took = &Took{Table: xxh3.HashString(a.table.name), Keys: a.has().keyed}
		if p.options.Doubts && len(p.takers) < maxDoubting {
			p.takers[commandID{a.cmd.step.Session, a.cmd.step.Seq}] = true
		}
	}
}

// lockedBefore takes note that a read of the same transaction has returned, and so
// locked, all rows that an access names.
func (p *Planner) lockedBefore(a *access, bt *boundTable) {
	for _, b := range a.group.accesses {
		if b.table != a.table || !b.isKeyed || b.mode != exclusive {
			continue
		}
		keys, ok := p.keys(a)
		if !ok || !isWithin(keys, b.has().keyed) {
			return
		}
		a.again, a.gap = true, false
		p.relock(b, a)
		entry := a.cmd.entry(bt)
		a.gets().entry = entry
		if a.wrote {
			all := len(keys) == len(b.has().keyed) && !b.moves
			if b.moves, b.gets().moved = true, nil; all {
				b.besides.moved = entry
			}
		}
		return
	}
}

// hasMoved tells whether the rows that an access had locked are none of another
// one's any more when they are free.
func (b *access) hasMoved(a *access) bool {
	moved := b.has().moved
	return len(moved) > 0 && b.group.over == committed && disjoint(moved, a.domains)
}

// isWithin tells whether all of some sorted values are among others, sorted, too.
func isWithin(list, all []uint64) bool {
	for _, v := range list {
		if _, found := slices.BinarySearch(all, v); !found {
			return false
		}
	}
	return true
}

// keys returns the hashes of the keys of the rows that an access names; false: it
// does not name them.
func (p *Planner) keys(a *access) ([]uint64, bool) {
	if keyed := a.has().keyed; a.isKeyed || keyed != nil {
		return keyed, true
	}
	t := a.table
	if len(t.primary) == 1 {
		d := a.find(t.primary[0])
		if d == nil || d.kind != number || d.set == nil && !d.single() || len(d.set) > maxKeys {
			return nil, false
		}
		var keyed []uint64
		for _, v := range d.values() {
			keyed = append(keyed, p.keyOf(v))
		}
		slices.Sort(keyed)
		a.gets().keyed = keyed
		return keyed, true
	}
	if a.exact == 0 {
		return nil, false
	}
	values := make([]int64, 0, 4)
	for _, c := range t.primary {
		d := a.find(c)
		if d.kind != number {
			return nil, false
		}
		values = append(values, d.lo)
	}
	keyed := []uint64{p.keyOf(values...)}
	a.gets().keyed = keyed
	return keyed, true
}

// keyOf returns the hash of a key as a recording has it.
func (p *Planner) keyOf(values ...int64) uint64 {
	var buf [128]byte
	b := buf[:0]
	for _, v := range values {
		var text [20]byte
		b = wire.AppendLenencBytes(b, strconv.AppendInt(text[:0], v, 10))
	}
	return xxh3.HashSeed(b, p.options.Seed)
}

// byKeys tells whether two accesses locked the same row, where the keys of rows
// that were returned tell.
func (p *Planner) byKeys(a, b *access) (met, known bool) {
	if !a.isKeyed && !b.isKeyed {
		return false, false
	}
	x, ok := p.keys(a)
	if !ok {
		return false, false
	}
	y, ok := p.keys(b)
	if !ok {
		return false, false
	}
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case x[i] == y[j]:
			return true, true
		case x[i] < y[j]:
			i++
		default:
			j++
		}
	}
	return false, true
}
