package order

import (
	"myreplay/session"
	"myreplay/sqltext"
)

// userLocks is the table of the locks that have a name (GET_LOCK).
const userLocks = "GET_LOCK"

// userLock takes note of GET_LOCK and RELEASE_LOCK.
func (p *Planner) userLock(m *member, c *command, s *sqltext.Shape, r *session.Result) {
	t := p.tables[userLocks]
	if t == nil {
		t = newTable(userLocks, nil)
		t.primary = []uint8{0}
		t.addLens(t.primary)
		p.tables[userLocks] = t
	}
	d, known := c.value(0, folded, s.UserLock)
	if s.Frees {
		m.free(d, known, c)
		return
	}
	a := &access{group: c.group, cmd: c, table: t, mode: exclusive, end: &command{step: c.step, id: c.id, sent: never, answered: never, group: c.group}}
	if known {
		a.domains = []domain{d}
	}
	if m.locks == nil {
		m.locks = map[string]*access{}
	}
	if len(m.locks) < maxStatements {
		m.locks[d.name()] = a
	}
	p.keep(a)
}

// free ends the locks of a name, or all.
func (m *member) free(d domain, known bool, c *command) {
	for name, a := range m.locks {
		if !known || name == d.name() {
			a.end = c
			delete(m.locks, name)
		}
	}
}

// name names a lock's value.
func (d *domain) name() string {
	if d.kind == 0 {
		return ""
	}
	return string([]byte{byte(d.kind), byte(d.lo), byte(d.lo >> 8), byte(d.lo >> 16), byte(d.lo >> 24), byte(d.lo >> 32), byte(d.lo >> 40), byte(d.lo >> 48), byte(d.lo >> 56)})
}
