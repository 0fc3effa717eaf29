package order

import "slices"

// Most accesses that are near another change nothing: they lie elsewhere, they are
// of other columns, or the session has waited for their transaction, or for a later
// one of the same session, in an earlier transaction of its own. Lists have marks,
// by which such are passed over without a look. What a plan says is the same.

// mark is what is known of an access without a look at it. It fills a line of a
// processor's cache.
type mark struct {
	// span is where its rows are in the last column of a lens (near).
	span
	// from is from when on it changes nothing for what was done before (near,
	// glance.until).
	from int64
	// session and begun name its group; begun is never where what it holds does not
	// end with its group.
	session, begun uint64
	answered       int64 // never: look
	// exact is half of the access's hash of one row that it locks; columns are those
	// that it reads or changes.
	exact   uint32
	columns columnSet
	// before is the place of the one before it in its row.
	before int
}

// fromOf returns from when on an access is surely behind what was done before: what
// it locks was not locked yet, what it changes was not changed, its snapshot was not
// taken.
func fromOf(a *access) int64 {
	switch a.mode {
	case snapshot:
		return snapshotOf(a).sent
	case exclusive:
		if a.bars == barsAll {
			return -never
		}
	case define: // it has no snapshot, and bars those that have an older one
		return -never
	}
	return a.cmd.sent
}

// far bounds what marks have of times and values, so that the difference of two is
// a number, too.
const far = int64(1) << 62

// near returns a number, or the nearest one within the bounds. Numbers keep their
// order, though beyond the bounds they are all alike.
func near(v int64) int64 { return max(-far, min(v, far-1)) }

// near is the same of both ends.
func (s span) near() span { return span{near(s.lo), near(s.hi)} }

// columnSet is a set of columns, several to a bit.
type columnSet uint32

const (
	setBits = 30
	// definition is the bit of the table itself.
	definition columnSet = 1 << 31
	// ranged, in a mark, tells that its span is all numbers between its ends.
	ranged columnSet = 1 << 30
)

func setOf(columns uint64) columnSet {
	return columnSet(columns|columns>>setBits|columns>>(2*setBits)) &^ (definition | ranged)
}

// markOf returns the mark of an access.
func markOf(a *access) mark {
	m := mark{span: anywhere.near(), from: near(fromOf(a)), session: a.group.session.id, begun: a.group.begun, answered: a.cmd.answered, exact: uint32(a.exact), columns: setOf(a.columns)}
	switch {
	case a.mode == snapshot:
		m.exact = 0
	case a.isWhole():
		m.columns = definition
	case !a.wrote:
		m.columns = 0
	}
	if a.end != nil || a.isWhole() {
		m.begun = uint64(never)
	}
	return m
}

// glance tells of marks which accesses change nothing for one.
type glance struct {
	span
	// until is when the access was done with those of a list: those that began later
	// are behind it.
	until   int64
	columns columnSet
	// exact is that of the access's row, whose latest writer counts even if it was
	// waited for.
	exact uint32
	// done is before when what was answered of a list changes nothing, nor does what is
	// before it in the list: the session has waited for it, whose ever it is.
	done int64
	// all: columns do not count. alone: nothing but the span tells of its rows, so that
	// it meets what is ranged and lies there.
	all, alone bool
	// self is the access's own session.
	self uint64
	// trust is 0 where nothing but its place lets an access be passed over, else -1.
	trust   int64
	reached []reached
	settled *settlement // nil: none
}

// glance returns what passes over accesses that change nothing for a.
func (p *Planner) glance(a *access) glance {
	g := glance{span: a.table.span.near(), trust: -1, columns: setOf(a.columns) | definition, exact: noRow, self: a.group.session.id, reached: a.group.session.reached}
	if a.exact != 0 {
		g.exact = uint32(a.exact)
	}
	if p.looks {
		g.trust = 0
	}
	if len(a.domains) == 1 && -far < g.lo && g.hi < far-1 {
		g.alone = a.domains[0].set == nil
	}
	if a.mode != snapshot && !a.wrote {
		g.columns = 0
	}
	if a.mode == snapshot && (p.options.Doubts || p.live && snapshotOf(a) != a.cmd) {
		g.reached = nil // what was guessed of what it sees is of use
	}
	return g
}

// glanceAt readies a glance for a list, whose accesses all read snapshots, or lock.
func (p *Planner) glanceAt(g *glance, a *access, l *list) {
	locks := l.len() > 0 && l.items[l.head].mode != snapshot
	late := a.cmd.finished || a.last() != nil && a.last().finished // its waits were told before
	if late {
		g.reached = nil
	}
	g.all = a.isWhole() || a.mode != snapshot && locks
	g.settled, g.until, g.done = nil, near(p.until(a, locks)), -never
	if g.reached != nil && !p.live && !p.looks && (!locks || g.exact == noRow) && !l.ends && l.len() >= len(p.roster) { // else it is not worth while
		if done := p.doneBy(a.group.session); done > -never {
			g.done = near(done) - l.slack
		}
	}
	switch {
	case p.live || late || a.end != nil || a.isWhole():
	case a.mode != snapshot && !locks:
		g.settled = p.hid.of(a.last())
	case a.mode == snapshot && locks && !p.options.Doubts:
		g.settled = p.saw.of(snapshotOf(a))
	}
}

// until is by when an access was had: its snapshot was taken; it had its lock, before
// others; or others saw what it changed, and their snapshots need not be hidden from
// it.
func (p *Planner) until(a *access, locks bool) int64 {
	last := a.last()
	switch {
	case p.live || p.looks || a.isWhole() || last == nil:
		return never
	case a.mode == snapshot:
		return snapshotOf(a).answered
	case locks:
		return a.cmd.answered
	case a.end == nil:
		return a.group.effective()
	}
	return last.answered
}

// noneReached and noneSettled stand for what there is none of.
var (
	noneReached = []reached{{}}
	noneSettled = []settled{{epoch: 1<<64 - 1}}
)

// pass goes on from a place of a list to the latest mark that is to be looked at; a
// place before the list's head: there is none. low is as of relateTo.
//
// What lets a mark be passed over is as good as random, so that a processor would take
// most branches wrongly. There is but one: what is asked of a mark is below zero where
// it is so.
func (g *glance) pass(l *list, i, other int, byRow bool, low int64) (int, int) {
	reached, settled, epoch := noneReached, noneSettled, uint64(0)
	if len(g.reached) > 0 {
		reached = g.reached
	}
	if g.settled != nil && len(g.settled.list) > 0 {
		settled, epoch = g.settled.list, g.settled.epoch
	}
	stop, first, all := max(low, g.done), int64(0), columnSet(0)
	if low == 0 {
		first = -1
	}
	if g.all {
		all = definition
	}
	marks, head := l.marks, l.head
	for ; i >= head; i, other = l.next(i, other, byRow) {
		m := &marks[i]
		apart := (g.until - m.from) | (m.hi - g.lo) | (g.hi - m.lo) // it is behind the access, or lies elsewhere
		r, s := &reached[m.session&uint64(len(reached)-1)], &settled[m.session&uint64(len(settled)-1)]
		waited := ^(differ(m.session, r.session) | int64(r.upTo-m.begun))
		told := ^(differ(m.session, s.session) | differ(epoch, s.epoch) | int64(s.upTo-m.begun)&differ(m.begun, s.also))
		row := -int64(m.exact ^ g.exact) // it is another one
		known := (int64(m.columns&g.columns|all) - 1) | row&(waited|told)
		answered := ^(m.answered - stop) & (m.answered - never | first)
		if apart|known&answered&g.trust >= 0 {
			break
		}
	}
	return i, other
}

// differ is below zero where two numbers are not the same.
func differ(a, b uint64) int64 { return int64(a^b) | -int64(a^b) }

// noRow is a mark's exact for one that names no row: those of rows are odd.
const noRow = 2

// doneBy is before when all that was answered of other sessions was waited for by a
// session, of what is not old.
func (p *Planner) doneBy(m *member) int64 {
	if p.doneKnown {
		return p.done
	}
	p.done, p.doneKnown = never, true
	for _, other := range p.roster {
		if other == m {
			continue
		}
		r := m.reachedOf(other.id)
		if r == nil || r.at == -never {
			p.done = -never
			break
		}
		p.done = min(p.done, r.at)
	}
	return p.done
}

// enroll takes note that a session has a group that others may wait for.
func (p *Planner) enroll(g *group) {
	m := g.session
	if m.newest == nil {
		p.roster = append(p.roster, m)
	}
	m.newest = g
}

// strike forgets the sessions of which nothing is left that is not old.
func (p *Planner) strike() {
	p.roster = slices.DeleteFunc(p.roster, func(m *member) bool {
		old := m.newest.number != 0 && m.newest.number+keptFor < p.old
		if old {
			m.newest = nil
		}
		return old
	})
}

// settlement tells of other sessions' groups, by when they began, how they stand to
// the end of a transaction, or to a snapshot: what is said of one of their accesses
// holds for all.
type settlement struct {
	command *command
	epoch   uint64
	list    []settled
}

// settled is up to which of a session's groups nothing is to be said any more, and
// another one.
type settled struct{ session, epoch, upTo, also uint64 }

// of returns the settlement of a command.
func (s *settlement) of(c *command) *settlement {
	if s.command != c {
		s.command = c
		s.epoch++
	}
	return s
}

// note takes note of a group, or of all up to it.
func (s *settlement) note(g *group, upTo, also uint64, sessions int) {
	s.list = grown(s.list, sessions, func(e *settled) uint64 { return e.session })
	id := g.session.id
	e := &s.list[id&uint64(len(s.list)-1)]
	if e.session != id || e.epoch != s.epoch {
		*e = settled{session: id, epoch: s.epoch}
	}
	e.upTo = max(e.upTo, upTo)
	if also != 0 {
		e.also = also
	}
}

// hidden takes note that the end of a transaction was placed next to a snapshot that
// did not see it, or did.
func (p *Planner) hidden(a, b *access, f *command, seen bool, conf Confidence) {
	if p.live || a.end != nil || b.end != nil || p.hid.command != a.last() {
		return
	}
	upTo, also := uint64(0), uint64(0)
	if b.group.repeatable && b.group.snap == f { // and so do all its reads
		also = b.group.begun
	}
	if conf == Proven && !seen && f.answered != never {
		upTo, also = max(also, b.group.begun-1), 0
	}
	p.hid.note(b.group, upTo, also, len(p.members))
}

// seen takes note that a snapshot was placed next to the end of a transaction.
func (p *Planner) seen(f *command, b *access, seen bool, conf Confidence) {
	switch {
	case p.live || b.end != nil || conf != Proven || p.saw.command != f:
	case seen:
		p.saw.note(b.group, b.group.begun, 0, len(p.members))
	default:
		p.saw.note(b.group, 0, b.group.begun, len(p.members))
	}
}
