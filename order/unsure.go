package order

import (
	"slices"

	"myreplay/session"
	"myreplay/sqltext"
)

// Unsure rows: where it is a guess which of two writes of a row came first, all that
// finds the row later rests on that guess, though its own place is certain.

const (
	// maxUnsureRows is how many such rows of a table are told apart, maxUnsureParts
	// how many parts of it that are more than a row. Beyond it the whole table is meant.
	maxUnsureRows  = 1 << 16
	maxUnsureParts = 1 << 10
	// maxUnsureLooks is with how many rows a command is compared that does not name one.
	maxUnsureLooks = 1 << 12
)

// unsure are the rows of a table whose writers were put in order by a guess. The
// zero value has none.
type unsure struct {
	rows  []*part
	at    map[uint64]int // where a row is among them, by access.exact
	parts []*part
	whole *part
}

// part is a row of a table, or several, with the guess that they rest on.
type part struct {
	domains []domain
	columns uint64 // that may have other values
	// since is when the first of the two writes was sent.
	since int64
	// writes are the two. Each has a guess of its own, or the other one has.
	writes [2]session.Guess
	// seen: the first of them was taken to come first.
	seen bool
}

// unsureBetween takes note of two writes whose order is a guess; first: b was taken to
// come first. Definitions that come in another order say so in their answers.
func (p *Planner) unsureBetween(a, b *access, first bool) {
	if p.live || !a.wrote || !b.wrote || a.mode == define && b.mode == define {
		return
	}
	n := &part{columns: a.columns | b.columns, since: min(a.cmd.sent, b.cmd.sent), writes: [2]session.Guess{b.cmd.named(), a.cmd.named()}, seen: first}
	if a.mode == define || b.mode != define && b.exact != 0 {
		a, b = b, a // the one that tells more of the rows
	}
	a.table.unsure.add(a, n)
}

// named returns a guess that names a command on whose place others rest.
func (c *command) named() session.Guess {
	return session.Guess{Session: c.step.Session, Seq: c.step.Seq, Seen: true, Rests: true}
}

// add makes the rows of an access unsure.
func (u *unsure) add(a *access, n *part) {
	i, known := u.at[a.exact]
	n.domains = slices.Clone(a.domains)
	switch {
	case u.whole != nil:
	case a.exact != 0 && known:
		old := u.rows[i]
		n.columns, n.since = n.columns|old.columns, min(n.since, old.since)
		u.rows[i] = n
	case a.exact != 0 && len(u.rows) < maxUnsureRows:
		if u.at == nil {
			u.at = map[uint64]int{}
		}
		u.at[a.exact] = len(u.rows)
		u.rows = append(u.rows, n)
	case a.exact == 0 && len(u.parts) < maxUnsureParts:
		u.parts = append(u.parts, n)
	default:
		n.domains, n.columns = nil, allColumns
		*u = unsure{whole: n}
	}
}

// found returns what an access finds of the rows, nil: nothing.
func (u *unsure) found(a *access) *part {
	if u.whole != nil {
		return u.whole
	}
	for _, n := range u.parts {
		if n.meets(a) {
			return n
		}
	}
	if a.exact != 0 {
		if i, known := u.at[a.exact]; known && u.rows[i].meets(a) {
			return u.rows[i]
		}
		return nil
	}
	for i, n := range u.rows {
		if n.meets(a) || i == maxUnsureLooks {
			return n
		}
	}
	return nil
}

// meets tells whether an access finds some of the rows, and what was written there.
// Who refers to a row asks for nothing but its key.
func (n *part) meets(a *access) bool {
	if n.since >= snapshotOf(a).answered || disjoint(a.domains, n.domains) {
		return false
	}
	switch {
	case a.mode == snapshot:
		return a.columns&n.columns != 0
	case a.mode == share && a.sure:
		return touches(n.columns, a.table.primary)
	}
	return true
}

// rest takes note of what the commands of a group find that rests on a guess. Rows
// that they bring themselves are none.
func (p *Planner) rest(g *group) {
	if p.live {
		return
	}
	for _, a := range g.accesses {
		if a.cmd.has().rests != nil || a.mode == define || a.inserts && a.fresh {
			continue
		}
		if found := a.table.unsure.found(a); found != nil {
			a.cmd.gets().rests = found
		}
	}
}

// pass has what a command writes rest on what it finds, where it makes its rows of
// those of another table, or takes as many as a LIMIT says. What leaves a table empty
// leaves nothing unsure.
func (p *Planner) pass(g *group) {
	if p.live {
		return
	}
	for _, a := range g.accesses {
		c := a.cmd
		if !a.wrote || len(c.what.shapes) != 1 {
			continue
		}
		rests := c.has().rests
		switch s := c.what.shapes[0]; {
		case a.mode != define && rests != nil && (len(s.Tables) > 1 || s.Limit):
			a.table.unsure.add(a, &part{columns: allColumns, since: rests.since, writes: rests.writes, seen: rests.seen})
		case a.mode == define && len(c.has().guesses) == 0 && (s.Verb == sqltext.Truncate || s.Verb == sqltext.Drop && c.isOfTables()):
			a.table.unsure = unsure{}
		}
	}
}
