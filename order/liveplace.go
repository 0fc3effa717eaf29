package order

import (
	"slices"

	"myreplay/session"
	"myreplay/sqltext"
)

// needsReply tells whether a command's place is known by its reply only.
func (p *Planner) needsReply(m *member, c *command) bool {
	switch c.event.Kind {
	case session.Query, session.Execute, session.BulkExecute, session.OpenCursor, session.Find, session.Insert, session.Update, session.Delete, session.View:
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		return c.group.locks() // it ends the transaction
	default:
		return false
	}
	if len(c.what.shapes) == 0 {
		return !c.event.Masked
	}
	for _, s := range c.what.shapes {
		if !p.goesAtOnce(m, c, s) {
			return true
		}
	}
	return false
}

// goesAtOnce tells whether a statement has its place when it is sent.
func (p *Planner) goesAtOnce(m *member, c *command, s *sqltext.Shape) bool {
	b := p.bind(s, c.what.said().schema)
	if b.coarse || s.UserLock.Kind != sqltext.Absent || s.Frees {
		return false
	}
	switch s.Verb {
	case sqltext.Begin, sqltext.Commit, sqltext.Rollback:
		return !m.xa && !m.locked && (s.To || !c.group.locks())
	case sqltext.Savepoint, sqltext.Release:
		return true
	case sqltext.Set:
		return s.Autocommit.Kind == sqltext.Absent || !m.inTrans
	}
	switch s.Class {
	case sqltext.Session:
		return true
	case sqltext.Read:
		locked := m.effective() == serializable && (m.inTrans || m.manual)
		return s.Lock == sqltext.NoLock && !locked
	}
	return false
}

// locks tells whether a transaction holds more than a snapshot.
func (g *group) locks() bool {
	return slices.ContainsFunc(g.accesses, func(a *access) bool { return a.mode != snapshot })
}

// hand hands on a command, with what it waits for.
func (l *Live) hand(m *member, c *command) error {
	p, g := l.p, c.group
	if !c.noted {
		p.accesses(m, c, nil)
	}
	l.relate(m, c)
	if n := len(g.accesses); n > maxRemembered {
		clear(g.accesses[maxRemembered:])
		g.accesses = g.accesses[:maxRemembered]
	}
	p.finishStep(c)
	p.numbers++
	p.stats.Steps++
	ends := g.inside && c == g.last && (g.ended != 0 || c.isEnd())
	s := c.step
	s.Number, s.Answered, s.Free = p.numbers, c.reply != nil, !c.holds
	s.Begins, s.Inside, s.Ends = g.inside && c == g.first && !g.torn, g.inside, ends
	c.handed, c.handedAt, m.line.last = true, p.now, c
	if err := l.emit(c.event, s); err != nil {
		return err
	}
	if g.ended != 0 && g.last == c {
		l.over(g)
	}
	if p.numbers-p.swept > l.every {
		l.sweep()
	}
	if c.reply == nil {
		return nil
	}
	r := c.reply
	c.forget()
	return l.emit(r, nil)
}

// maxRemembered is how many rows and ranges are remembered of a transaction that is
// open.
const maxRemembered = 1 << 16

// liveSweep is after how many steps what is finished is forgotten.
const liveSweep = 2048

// relate finds what a command waits for.
func (l *Live) relate(m *member, c *command) {
	p, g := l.p, c.group
	if p.options.Mode < Table {
		return
	}
	own := 0
	for i := len(g.accesses); i > 0 && g.accesses[i-1].cmd == c; i-- {
		own++
	}
	for _, a := range g.accesses[len(g.accesses)-own:] {
		p.relate(a, 0)
	}
	if c == g.snap && g.inside {
		l.seesAll(c)
		l.snaps = append(l.snaps, g)
	}
	if g.wrote && c == g.last && (g.ended != 0 && g.over == committed || g.ended == 0 && (c.isEnd() || !g.inside)) {
		for _, a := range g.accesses {
			p.hideFromAll(a)
		}
		l.afterSnaps(g, c)
	}
	if b := p.barrier; b != nil && b != c && b.handed && (c.sent >= b.answered || b.answered == never) {
		conf := Proven
		if b.answered == never {
			conf = Guessed
		}
		c.wait(b, conf, Barrier, false)
	}
	if c.barrier {
		for _, o := range p.members {
			if last := o.line.last; o != m && last != nil && last.answered <= c.sent && !last.step.Finished() {
				c.wait(last, Proven, Barrier, false)
			}
		}
	}
}

// hideFromAll has the end of a transaction wait for the snapshots that do not see
// what it changed.
func (p *Planner) hideFromAll(a *access) {
	if !a.wrote || a.end != nil {
		return
	}
	p.visits++
	p.lists = a.table.near(a, p.lists[:0], 0, true)
	for _, list := range p.lists {
		for _, b := range list.items[list.head:] {
			if b.mode != snapshot || b.visit == p.visits || b.group.session == a.group.session {
				continue
			}
			b.visit = p.visits
			if a.columns&b.columns != 0 && !disjoint(a.domains, b.domains) {
				p.hide(a, b)
			}
		}
	}
}

// seesAll has the snapshot of a transaction wait for all that had ended before it:
// what it will read is not known.
func (l *Live) seesAll(c *command) {
	left := l.ends[:0]
	for _, m := range l.ends {
		if m.line.end.step.Finished() {
			m.line.listed, m.line.end = false, nil
			continue
		}
		left = append(left, m)
		if m != c.group.session {
			c.wait(m.line.end, Proven, WriteRead, false)
		}
	}
	clear(l.ends[len(left):])
	l.ends = left
	for _, g := range l.p.enders {
		if g.session == c.group.session || !g.wrote {
			continue
		}
		if seen, conf, _ := l.p.seesLive(c, &access{group: g}); seen {
			c.wait(g.last, conf, WriteRead, false)
		}
	}
}

// afterSnaps has the end of a transaction wait for the snapshots of those that go
// on, and may yet read what it changed.
func (l *Live) afterSnaps(g *group, c *command) {
	left := l.snaps[:0]
	for _, o := range l.snaps {
		if o.ended != 0 || o.snap.step.Finished() {
			continue
		}
		left = append(left, o)
		if o.session == g.session {
			continue
		}
		if seen, conf, _ := l.p.seesLive(o.snap, &access{group: g}); !seen {
			c.wait(o.snap, conf, ReadWrite, hidesBriefly(o.snap, c))
		}
	}
	clear(l.snaps[len(left):])
	l.snaps = left
}

// sweep forgets what is finished.
func (l *Live) sweep() {
	p := l.p
	p.swept = p.numbers
	for name, t := range p.tables {
		t.forget()
		if t.schema == nil && len(p.tables) > maxLiveTables && t.all.len(true) == 0 {
			delete(p.tables, name)
			clear(p.bindings)
		}
	}
	for _, m := range p.members {
		if len(m.waited) > maxWaited {
			clear(m.waited)
			m.reached = nil
		}
	}
}

// maxLiveTables is how many tables are remembered that the schema does not have.
const maxLiveTables = 1 << 14

// forget gives up the accesses that are finished.
func (t *table) forget() {
	t.all.forget()
	t.inserted.forget()
	t.locked.forget()
	t.scanned.forget()
	for i := range t.lenses {
		l := &t.lenses[i]
		l.loose.forget()
		for c, b := range l.buckets {
			if b.forget(); b.len(true) == 0 {
				l.drop(c, b)
			}
		}
	}
}

func (b *bucket) forget() {
	b.locks.forget()
	b.reads.forget()
}

func (l *list) forget() {
	n := 0
	for i := l.head; i < len(l.items); i++ {
		if l.items[i].isOlder(0) {
			continue
		}
		l.items[n] = l.items[i]
		if l.marks != nil {
			l.marks[n] = l.marks[i]
		}
		n++
	}
	clear(l.items[n:])
	l.items, l.head = l.items[:n], 0
	if l.marks != nil {
		l.marks = l.marks[:n]
		l.unlink() // the next that is added links all anew
	}
	if cap(l.items) > 64 && cap(l.items) > 4*n {
		l.items, l.marks = slices.Clone(l.items), slices.Clone(l.marks)
	}
}

// seesLive is sees for a Live, which decides when the snapshot is taken: what it
// says then must hold later, when more is known.
func (p *Planner) seesLive(f *command, b *access) (seen bool, conf Confidence, at int64) {
	last := b.last()
	done, likely := last.answered, int64(0)
	if b.end == nil {
		done, likely = b.group.effective(), b.group.likely()
	}
	switch {
	case done <= f.sent:
		return true, Proven, done
	case last.sent >= f.answered:
		return false, Proven, done
	case likely != 0 && likely <= f.sent, last.late && last.handed && last.handedAt <= f.sent:
		return true, Guessed, done
	}
	return false, Guessed, done
}

// isHeld tells whether a transaction may hold its locks still, as far as is known
// when an access is placed in a Live: its end was not sent.
func (b *access) isHeld(a *access) bool {
	if !b.group.live || b.end != nil || b.group.ended != 0 {
		return false
	}
	last := b.group.last
	if last == b.cmd || last.answered != never {
		return true
	}
	return !last.isEnd() && (a.exact == 0 || a.exact != b.exact)
}

// isEnding tells whether a transaction of a Live that goes on, as far as is known,
// is about to end: its end was sent.
func (g *group) isEnding() bool {
	last := g.last
	return g.live && last.answered == never && (last.isEnd() || last.late && !g.inside)
}

// isBlocked tells whether a command that was not answered is surely held up by
// the lock of a transaction that is open: so nothing of it has happened yet.
func (p *Planner) isBlocked(c *command) bool {
	for _, s := range c.what.shapes {
		if b := p.bind(s, c.what.said().schema); b.coarse || s.Class == sqltext.DDL || s.UserLock.Kind != sqltext.Absent || s.Frees {
			return false
		}
	}
	var list []*access
	p.asked = &list
	p.accesses(c.group.session, c, nil)
	p.asked, c.noted = nil, false
	return slices.ContainsFunc(list, p.isTaken)
}

// isRecent tells whether a transaction of a Live is open, or was a window ago: who
// waited for its locks may not have been answered yet.
func (p *Planner) isRecent(g *group) bool {
	return g.ended == 0 || g.last.answered > p.now-p.liveWindow && g.last.answered != never
}

// isTaken tells whether the row of an access is surely locked by another
// transaction, or was a window ago.
func (p *Planner) isTaken(a *access) bool {
	if a.exact == 0 || a.mode == snapshot {
		return false
	}
	p.lists = a.table.near(a, p.lists[:0], 0, false)
	for _, list := range p.lists {
		for _, b := range list.items[list.head:] {
			g := b.group
			if b.exact == a.exact && a.locks(b) && b.end == nil && g.session != a.group.session && g.inside && b.cmd.answered != never && p.isRecent(g) {
				return true
			}
		}
	}
	return false
}
