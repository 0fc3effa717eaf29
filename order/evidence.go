package order

import (
	"strings"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/sqltext"
	"myreplay/wire"
)

// Evidence: a read of one column of one row says by the digest of its answer
// whether it saw a value that somebody wrote there as a literal.

// fact is what a read of one value tells.
type fact struct {
	cmd    *command
	access *access
	table  *table
	exact  uint64
	column uint8
	binary bool
	digest uint64
}

// written is a literal that was written to one column of one row: what the digest
// of a read of it is, in the text and in the binary protocol.
type written struct {
	table        *table
	exact        uint64
	column       uint8
	text, binary uint64
}

const (
	// maxFacts limits what is kept of a transaction.
	maxFacts = 256
	// maxLiteral is how long a literal may be to serve as evidence.
	maxLiteral = 1024
)

// learnRead takes note of a read that tells a value.
func (p *Planner) learnRead(a *access, r *session.Result) {
	g := a.group
	if !p.options.Digests || a.exact == 0 || r == nil || r.Rows != 1 || !r.Digest.Valid || r.Columns == nil || len(r.Columns.List) != 1 ||
		a.cmd.group.session.x || len(g.facts) >= maxFacts || len(a.cmd.what.shapes) != 1 || len(a.cmd.what.shapes[0].Tables) != 1 {
		return
	}
	c := &r.Columns.List[0]
	i, ok := a.table.columns[strings.ToLower(c.OrgName)]
	if !ok || c.OrgTable == "" || !isText(classic.Type(c.Type)) {
		return
	}
	for _, w := range g.literals {
		if w.table == a.table && w.exact == a.exact {
			return // its own
		}
	}
	for _, b := range g.accesses {
		if b.table == a.table && b.mode == exclusive && b.wrote && !disjoint(a.domains, b.domains) {
			return
		}
	}
	g.facts = append(g.facts, fact{a.cmd, a, a.table, a.exact, i, r.Binary, r.Digest.Unordered})
}

// isText tells whether values of a type are sent as they were written.
func isText(t classic.Type) bool {
	return t == classic.TypeVarString || t == classic.TypeString || t == classic.TypeVarchar
}

// learnAssigned takes note of literals that an UPDATE sets.
func (p *Planner) learnAssigned(c *command, bt *boundTable, a *access) {
	if !p.options.Digests || a.exact == 0 || !a.wrote {
		return
	}
	for i := range bt.assigned {
		p.literal(c, a, bt.assigned[i].column, bt.assigned[i].value)
	}
}

// literal takes note of a literal that is written to a column.
func (p *Planner) literal(c *command, a *access, column uint8, v sqltext.Value) {
	g := a.group
	s, ok := c.plain(v)
	if !ok || len(g.literals) >= maxFacts {
		return
	}
	var buf [maxLiteral + 16]byte
	row := wire.AppendLenencBytes(append(buf[:0], 0), s)
	g.literals = append(g.literals, written{a.table, a.exact, column, xxh3.HashSeed(row[1:], p.options.Seed), xxh3.HashSeed(row, p.options.Seed)})
}

// plain returns the bytes of a text literal or parameter that reads alike in every
// character set, and does not end with a space.
func (c *command) plain(v sqltext.Value) (s []byte, ok bool) {
	switch w := c.what.said(); {
	case v.Kind == sqltext.Literal && v.Index < len(w.literals) && w.literals[v.Index].Kind == sqltext.String:
		s = sqltext.AppendString(nil, w.literals[v.Index].Span.Of(w.text), sqltext.Options{})
	case v.Kind == sqltext.Placeholder && v.Index < len(w.params) && isText(w.params[v.Index].Type) && !w.params[v.Index].Null && !w.params[v.Index].Long:
		s = w.params[v.Index].Value
	default:
		return nil, false
	}
	if len(s) == 0 || len(s) > maxLiteral || s[len(s)-1] == ' ' {
		return nil, false
	}
	for _, b := range s {
		if b >= 0x80 {
			return nil, false
		}
	}
	return s, true
}

// tells returns the read of a snapshot that tells whether it found what a group
// wrote, and whether it did; nil: none does.
func (f *command) tells(g *group) (r *fact, seen bool) {
	if len(f.group.facts) == 0 || len(g.literals) == 0 {
		return nil, false
	}
	for i := range f.group.facts {
		r := &f.group.facts[i]
		if !f.group.repeatable && r.cmd != f {
			continue
		}
		if seen, known := r.tells(g); known {
			return r, seen
		}
	}
	return nil, false
}

// overwritten tells whether a read that did not find what a group wrote found what
// another wrote there after it. It returns nil where that can't be told: somebody
// wrote there after it who knows what.
func (p *Planner) overwritten(r *fact, g *group) (told *fact, found bool) {
	told = r
	p.writers(r, func(b *access) {
		o := b.group
		if b.columns&r.access.columns == 0 || o == g || o.point() < g.point() || o.earliest() >= r.cmd.answered {
			return
		}
		switch seen, known := r.tells(o); {
		case seen:
			found = true
		case !known:
			told = nil
		}
	})
	if found {
		return r, true
	}
	return told, false
}

// writers calls yield for the accesses of committed groups that wrote the row that a
// read is of.
func (p *Planner) writers(r *fact, yield func(b *access)) {
	p.beside = r.table.near(r.access, p.beside[:0], p.old, false)
	for _, l := range p.beside {
		for _, b := range l.items[l.head:] {
			if b.exact == r.exact && b.wrote && b.group.over == committed && b.end == nil {
				yield(b)
			}
		}
	}
}

// tells tells whether a read found what a group wrote last to its value.
func (r *fact) tells(g *group) (seen, known bool) {
	for k := len(g.literals) - 1; k >= 0; k-- {
		w := &g.literals[k]
		if w.exact != r.exact || w.column != r.column || w.table != r.table {
			continue
		}
		if r.binary {
			return w.binary == r.digest, true
		}
		return w.text == r.digest, true
	}
	return false, false
}

// between returns the bounds of the point of a snapshot that evidence and lessons
// set: so that what is guessed does not contradict them.
func (p *Planner) between(f *command) (after, before int64) {
	known := f.gets()
	if known.bounded {
		return known.after, known.before
	}
	known.bounded = true
	after, before = p.options.Learned.between(f)
	lo, hi := after, before
	for _, below := range []bool{false, true} {
		for i := range f.group.facts {
			if r := &f.group.facts[i]; f.group.repeatable || r.cmd == f {
				lo, hi = p.bound(f, r, lo, hi, below)
			}
		}
	}
	if lo < hi {
		after, before = lo, hi
	}
	if lo, hi = p.returnedBounds(f, after, before); lo < hi {
		after, before = lo, hi
	}
	known.after, known.before = after, before
	return after, before
}

// bound narrows the bounds by what one read found: the lower ones, or those below
// which the snapshot lies.
func (p *Planner) bound(f *command, r *fact, lo, hi int64, below bool) (after, before int64) {
	p.writers(r, func(b *access) {
		g := b.group
		if g.session == f.group.session || g.effective() <= f.sent || g.earliest() >= f.answered {
			return
		}
		g.look()
		switch seen, known := r.tells(g); {
		case known && seen && !below:
			lo = max(lo, g.point())
		case known && !seen && below && g.point() > lo: // what came before was overwritten
			hi = min(hi, g.point())
		}
	})
	return lo, hi
}
