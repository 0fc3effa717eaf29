package order

import (
	"math"
	"slices"

	"myreplay/session"
	"myreplay/sqltext"
)

// verdict is what a read tells of a turn, once that is asked for its place.
type verdict struct {
	turn        *turn
	seen, known bool
}

// turn is a row that came (INSERT), with a new id that the server had generated,
// or went (DELETE).
type turn struct {
	access *access
	id     int64
	key    uint64
	came   bool
}

// maxNearTurn is how many accesses are looked at for what else was done to a row.
const maxNearTurn = 1024

// learnCame takes note of the first row of an INSERT, if the server generated its id.
// (Those of the others may be apart as a session wants it.)
func (p *Planner) learnCame(a *access, bt *boundTable, r *session.Result) {
	t, in := a.table, bt.ref.Insert
	if in.Update || in.Replace || in.Ignore || r == nil || r.InsertID == 0 || r.Affected != uint64(len(in.Rows)) || t.auto < 0 || t.key1() != t.auto {
		return
	}
	if !bt.generates() || len(t.schema.Triggers) > 0 {
		return
	}
	if d := a.find(uint8(t.auto)); d != nil && d.single() && d.lo == int64(r.InsertID) && t.defined <= a.cmd.sent {
		t.latest = max(t.latest, d.lo)
		if a.born = true; !p.options.Digests {
			return
		}
		p.turned(a, &turn{a, d.lo, 0, true}, r)
	}
}

// learnGone takes note of a row that a DELETE names by its key.
func (p *Planner) learnGone(a *access, s *sqltext.Shape, r *session.Result) {
	k := a.table.key1()
	if !p.options.Digests || s.Verb != sqltext.Delete || len(s.Tables) != 1 || a.exact == 0 || k < 0 || r == nil || r.Affected != 1 {
		return
	}
	if d := a.find(uint8(k)); d != nil && d.kind == number && d.single() {
		p.turned(a, &turn{a, d.lo, 0, false}, r)
	}
}

// turned takes note of a row that came or went.
func (p *Planner) turned(a *access, n *turn, r *session.Result) {
	t, g := a.table, a.group
	m := g.session
	if p.live || m.x || m.xa || m.locked || r.Outcome != session.OK || len(a.cmd.what.shapes) != 1 || len(t.schema.Triggers) > 0 || len(g.turns) >= maxFacts {
		return
	}
	n.key = p.keyOf(n.id)
	for _, o := range t.turns.items { // it went after it had come
		switch {
		case o.key != n.key || o.access.group == g || o.came == n.came || t.defined > o.access.cmd.sent:
		case n.came:
			follow(g, o.access.group)
		case o.access.group.over != rolledBack:
			follow(o.access.group, g)
		}
	}
	g.turns = append(g.turns, n)
	t.turns.add(n)
	for _, read := range t.returns.items {
		p.narrow(read, n, false)
	}
}

// narrow has what a read tells of a turn bound when its transaction's end took
// effect. Until all is answered that was under way with the read, only a row that it
// returned tells for certain.
func (p *Planner) narrow(read *keyedRead, n *turn, all bool) {
	g, f := n.access.group, snapshotOf(read.access)
	if g.session == f.group.session || g.over == rolledBack || g.earliest() >= f.answered || g.ended != 0 && g.effective() <= f.sent {
		return
	}
	if _, there := slices.BinarySearch(read.keys, n.key); !all && !(there && n.came) {
		return
	}
	if seen, known := p.tellsOf(read, n); known {
		if f.group.repeatable {
			read = f.group.returns[0]
		}
		read.beside(g, seen)
	}
}

// settleReads narrows by the reads that were answered before any of what goes on had
// begun. It tells whether those are among them beside which a group ended, which has
// no place before.
func (p *Planner) settleReads(g *group) bool {
	for len(p.unsettled) > 0 {
		read := p.unsettled[0]
		if first := p.open.first; first != nil && read.number > first.begun {
			return g.ended < read.cmd.group.begun
		}
		p.unsettled[0] = nil
		p.unsettled = p.unsettled[1:]
		for _, n := range read.table.turns.items {
			p.narrow(read, n, true)
		}
	}
	return true
}

// tellsTurn tells whether a read saw that a row had come, or gone.
func (p *Planner) tellsTurn(read *keyedRead, n *turn) (seen, known bool) {
	f := snapshotOf(read.access)
	if read.table.defined > min(f.sent, n.access.cmd.sent) { // ids may have come again
		return false, false
	}
	if _, there := slices.BinarySearch(read.keys, n.key); there {
		return n.came, n.came || !n.access.group.undone && !p.touched(read, n, n.access.cmd.sent)
	}
	switch {
	case n.access.group.undone || !read.covers(n):
		return false, false
	case n.came:
		return false, !p.touched(read, n, n.access.cmd.sent)
	}
	return true, !p.touched(read, n, f.sent)
}

// covers tells whether a read returns the row of a turn, where it is there.
func (read *keyedRead) covers(n *turn) bool {
	if n.id < read.low || n.id > read.high {
		return false
	}
	key := read.table.primary[0]
	for i := range read.conditions {
		d := &read.conditions[i]
		e := n.access.find(d.column)
		if e == nil || !d.surely(e) || d.column != key && !isWhole(read.table.schema.Columns[d.column].Type) {
			return false
		}
	}
	return true
}

// surely tells whether a value fulfils a condition. The ends of a range may or may
// not; a value that a column may not hold as it is does not.
func (d *domain) surely(e *domain) bool {
	switch {
	case d.kind != number || e.kind != number || !e.single() || e.lo < 0 || e.lo > math.MaxInt32:
		return false
	case d.set != nil:
		_, ok := slices.BinarySearch(d.set, e.lo)
		return ok
	case d.single():
		return d.lo == e.lo
	}
	return d.lo < e.lo && e.lo < d.hi
}

// touched tells whether another command may have brought, moved or taken the row of
// a turn, in what took effect after some time, and may have been seen by a read.
func (p *Planner) touched(read *keyedRead, n *turn, since int64) bool {
	f := snapshotOf(read.access)
	return p.anyNear(read.table, n.access, setOf(read.needs)|definition, func(b *access) bool {
		if b == n.access || !b.wrote || b.columns&read.needs == 0 || b.group.over == rolledBack && b.end == nil || disjoint(b.domains, n.access.domains) {
			return false
		}
		last := b.last()
		if last == nil {
			return true
		}
		from, done := b.heldTo(), last.answered
		if b.end == nil {
			done = b.group.effective()
		}
		return done > since && (!n.came || from < f.answered)
	})
}

// anyNear tells whether something holds for one of the accesses that may meet another
// and whose marks have one of some columns, 0: any. Where there are too many to look
// at, it may.
func (p *Planner) anyNear(t *table, a *access, columns columnSet, holds func(b *access) bool) bool {
	p.beside = t.near(a, p.beside[:0], p.old, false)
	looked := 0
	for _, l := range p.beside {
		for i := len(l.items) - 1; i >= l.head; i-- {
			if looked++; looked > maxNearTurn {
				return true
			}
			if l.marks != nil && columns != 0 && l.marks[i].columns&columns == 0 {
				continue
			}
			if holds(l.items[i]) {
				return true
			}
		}
	}
	return false
}

// tellsOf is tellsTurn for a transaction that has ended. What was told once is told
// always.
func (p *Planner) tellsOf(read *keyedRead, n *turn) (seen, known bool) {
	if n.access.table != read.table {
		return false, false
	}
	for i := range read.told {
		if v := &read.told[i]; v.turn == n {
			return v.seen, v.known
		}
	}
	seen, known = p.tellsTurn(read, n)
	read.told = append(read.told, verdict{n, seen, known})
	return seen, known
}

// saysOf tells whether a read is one of a snapshot.
func (read *keyedRead) saysOf(f *command) bool { return f.group.repeatable || read.cmd == f }

// returnedWith tells by the rows that were returned whether a snapshot saw what a
// group did.
func (p *Planner) returnedWith(f *command, g *group) (seen, known bool) {
	for _, read := range f.group.returns {
		if !read.saysOf(f) {
			continue
		}
		for _, n := range g.turns {
			if seen, known := p.tellsOf(read, n); known {
				return seen, true
			}
		}
	}
	return false, false
}

// returnedBounds narrows the bounds of the point of a snapshot by what its reads
// returned. Where the points of commits contradict that, the later it is.
func (p *Planner) returnedBounds(f *command, lo, hi int64) (after, before int64) {
	for _, read := range f.group.returns {
		if !read.saysOf(f) {
			continue
		}
		for _, n := range read.table.turns.items {
			g := n.access.group
			if g.session == f.group.session || g.ended == 0 || g.over != committed || g.effective() <= f.sent || g.earliest() >= f.answered {
				continue
			}
			switch seen, known := p.tellsOf(read, n); {
			case !known:
			case seen:
				g.look()
				lo = max(lo, g.point())
			default:
				g.look()
				hi = min(hi, g.point())
			}
		}
	}
	return lo, max(hi, lo+1)
}
