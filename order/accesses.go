package order

import (
	"cmp"
	"slices"

	"myreplay/session"
	"myreplay/sqltext"
)

// accesses takes note of what a command that was answered did to rows.
func (p *Planner) accesses(m *member, c *command, failed *session.Error) {
	if c.noted {
		return
	}
	c.noted = true
	for i, s := range c.what.shapes {
		c.freeTables(s, failed)
		b := p.bind(s, c.what.said().schema)
		r := c.result(i, failed)
		if b.any {
			p.statementAccesses(m, c, s, b, r, failed)
			c.still = len(b.tables) > 0 && !b.tables[0].table.changed && s.Class == sqltext.Read && len(c.what.shapes) == 1 && len(m.temp) == 0
		} else if s.Verb == sqltext.Begin && s.Snapshot {
			m.open.snap = c
		}
		if !p.live {
			m.generated(c, s, b, r)
		}
	}
}

// result returns the result of the i-th statement of a command's text; nil when
// that is not known.
func (c *command) result(i int, failed *session.Error) *session.Result {
	if c.reply == nil {
		return nil
	}
	list := c.reply.Results
	if len(list) != len(c.what.shapes) || c.reply.Lost {
		return nil
	}
	return &list[i]
}

// statementAccesses takes note of what one statement did. r is nil where it is
// not known how it ended.
func (p *Planner) statementAccesses(m *member, c *command, s *sqltext.Shape, b *bound, r *session.Result, failed *session.Error) {
	if b.coarse && failed == nil {
		p.stats.Barriers++
		p.barrier, p.unseen = c, true
		c.barrier = true
		return
	}
	if s.UserLock.Kind != sqltext.Absent || s.Frees {
		p.userLock(m, c, s, r)
	}
	if isLockError(failed) {
		return // it got no locks
	}
	g := c.group
	lvl := m.effective()
	g.repeatable = lvl == repeatableRead
	g.serial = lvl == serializable && (m.inTrans || m.manual)
	for i := range b.tables {
		bt := &b.tables[i]
		if m.temp[bt.table.name] {
			continue
		}
		if bt.temp {
			m.temporary(bt.table.name, s)
			continue
		}
		p.learnIDs(m, c, s, b, bt, r, failed)
		p.tableAccess(m, c, s, bt, r, failed)
	}
}

// temporary takes note of a temporary table that was made or dropped.
func (m *member) temporary(name string, s *sqltext.Shape) {
	if m.temp == nil {
		m.temp = map[string]bool{}
	}
	if s.Verb == sqltext.Create && len(m.temp) < maxStatements {
		m.temp[name] = true
	} else if s.Verb == sqltext.Drop {
		delete(m.temp, name)
	}
}

func isLockError(e *session.Error) bool {
	return e != nil && (e.Code == errDeadlock || e.Code == errLockTimeout)
}

// tableAccess takes note of what a statement did to one table.
func (p *Planner) tableAccess(m *member, c *command, s *sqltext.Shape, bt *boundTable, r *session.Result, failed *session.Error) {
	a := &take(&p.slabs.accesses, 1, slabAccesses)[0] // all zero
	a.group, a.cmd, a.table, a.columns = c.group, c, bt.table, bt.changes
	writes := bt.ref.Role&sqltext.Writes != 0
	switch {
	case s.Class == sqltext.DDL:
		a.mode, a.wrote = define, failed == nil
		a.end = c
		a.table.defined, a.table.latest, a.table.ids = max(a.table.defined, c.answered), 0, nil
		p.keep(a)
		return
	case s.Verb == sqltext.Lock:
		a.mode = exclusive
		if bt.ref.Lock == sqltext.ShareLock {
			a.mode = share
		}
		p.bar(a, failed)
		p.keep(a)
		return
	case writes:
		a.mode = exclusive
		a.wrote = failed == nil && (r == nil || r.Affected > 0 || r.Outcome != session.OK || s.Verb == sqltext.Call)
	case bt.lock != sqltext.NoLock || c.group.serial:
		a.mode = exclusive
		if bt.lock != sqltext.UpdateLock {
			a.mode = share
		}
	case s.Class == sqltext.Write && !c.group.isLoose(m):
		a.mode = share // INSERT ... SELECT and its kind lock what they read
	default:
		a.mode, a.columns = snapshot, bt.reads
		p.reads(c, s)
	}
	if a.wrote {
		a.turns = bt.turns(s)
	}
	a.opens = bt.direct && failed == nil && !p.live
	if bt.table.autocommits {
		a.end = c
	}
	if bt.ref.Insert != nil && writes {
		a.inserts, a.enters = true, true
		a.fresh, a.deletes = !bt.ref.Insert.Replace && !bt.ref.Insert.Update && !bt.ref.Insert.Ignore, bt.ref.Insert.Replace
		p.inserted(c, bt, a, r)
		return
	}
	var room [8]domain
	a.domains = p.slabs.keepDomains(c.domains(room[:0], bt))
	if a.mode != snapshot {
		a.domains = bt.table.looked(a.domains)
	}
	bt.table.key(a)
	a.enters = a.wrote && len(bt.assigned) > 0 && bt.enters()
	a.skips = a.mode != snapshot && (s.NoWait || s.Flags&sqltext.SkipLocked != 0)
	a.gap, a.scans = a.locksGaps(m, r == nil || r.Outcome != session.OK || r.Affected > 0)
	if a.mode == snapshot {
		p.learnRead(a, r)
		p.learnReturned(m, a, bt, s, r)
	} else if !writes {
		p.learnKeys(a, r)
		p.learnTook(a, s)
	}
	if writes && r != nil {
		a.learnFound(s, r.Affected)
	}
	if writes && c.reply != nil {
		a.learnChanged(s, r)
	}
	a.deletes = writes && s.Verb != sqltext.Update
	if a.mode == exclusive {
		p.lockedBefore(a, bt)
	}
	p.keep(a)
	if a.wrote {
		p.learnAssigned(c, bt, a)
		p.learnGone(a, s, r)
		p.follow(a, kindOf(s))
	} else if writes {
		p.keptBy(a)
	}
}

// isLoose tells whether reads within writes lock nothing (READ COMMITTED).
func (g *group) isLoose(m *member) bool {
	return m.level == readCommitted || m.level == readUncommitted
}

func kindOf(s *sqltext.Shape) writeKind {
	if s.Verb == sqltext.Update {
		return updates
	}
	return deletes
}

// reads takes note of a command that reads a snapshot.
func (p *Planner) reads(c *command, s *sqltext.Shape) {
	if c.snaps {
		return
	}
	c.snaps = true
	p.stats.Reads++
	took := c.answered - c.sent
	if least, ok := p.least[s]; (!ok || took < least) && c.answered != never {
		if len(p.least) >= maxBindings {
			clear(p.least)
		}
		p.least[s] = took
	}
	c.takes = p.least[s]
	if c.group.repeatable && c.group.snap == nil {
		c.group.snap = c
	}
}

// keep takes note of an access.
func (p *Planner) keep(a *access) {
	if p.options.Mode == Table {
		a.domains = nil
	}
	if p.asked != nil {
		a.table.key(a)
		*p.asked = append(*p.asked, a)
		return
	}
	a.group.accesses = append(a.group.accesses, a)
	a.group.wrote = a.group.wrote || a.wrote
	a.table.changed = a.table.changed || a.wrote || a.mode == define
	a.table.key(a)
	if a.mode != snapshot && a.cmd.answered != never {
		p.tighten(a)
	}
	if a.group.live && len(a.group.accesses) > maxRemembered {
		return // the locks at the target must do
	}
	p.enroll(a.group)
	a.table.add(a)
}

// inserted takes note of each row of an INSERT.
func (p *Planner) inserted(c *command, bt *boundTable, all *access, r *session.Result) {
	in := bt.ref.Insert
	if in.Rows == nil || bt.inserted == nil || len(in.Rows) > maxValues {
		p.keep(all)
		p.follow(all, inserts)
		return
	}
	made, step := uint64(0), p.increment()
	if r != nil {
		made = r.InsertID
	}
	var room [16]domain
	for n, row := range in.Rows {
		a := *all
		list := room[:0]
		given := false
		for i, v := range row {
			if i >= len(bt.inserted) || bt.inserted[i] < 0 {
				continue
			}
			col := uint8(bt.inserted[i])
			given = given || int(col) == bt.table.auto && isGiven(v)
			if d, ok := c.value(col, classOf(bt.table.schema, col), v); ok {
				list = append(list, d)
			}
		}
		if bt.table.auto >= 0 && !given && made > 0 && made < 1<<62 {
			list = slices.DeleteFunc(list, func(d domain) bool { return int(d.column) == bt.table.auto })
			list = append(list, one(uint8(bt.table.auto), number, int64(made)))
			made += step
		}
		sortDomains(list)
		a.columns, a.domains = allColumns, p.slabs.keepDomains(list)
		a.made, a.lone = bt.table.auto >= 0 && !given, len(in.Rows) == 1
		b := p.slabs.access(a)
		bt.table.key(b)
		p.learnRow(b, bt, r, a.lone)
		p.keep(b)
		if p.options.Digests && b.exact != 0 && b.wrote {
			for i, v := range row {
				if i < len(bt.inserted) && bt.inserted[i] >= 0 {
					p.literal(c, b, uint8(bt.inserted[i]), v)
				}
			}
		}
		p.follow(b, inserts)
		if n == 0 && b.wrote {
			p.learnCame(b, bt, r)
		}
	}
}

// isGiven tells whether a value in an AUTO_INCREMENT column may be used as it is.
func isGiven(v sqltext.Value) bool {
	return v.Kind != sqltext.NullValue && v.Kind != sqltext.DefaultValue && v.Kind != sqltext.Absent
}

func sortDomains(list []domain) {
	slices.SortFunc(list, func(a, b domain) int { return cmp.Compare(a.column, b.column) })
}
