package order

import "myreplay/sqltext"

// Some commands do nothing but wait until they are answered: LOCK TABLES, GET_LOCK,
// and definitions as far as others are concerned. However long that takes, they came
// after all that was answered meanwhile. So nobody is held back for them, and their
// place is not settled before it is known: handed on early they would have at once at
// the target what they waited for at the source, and bar all others.

// awaits has an open group begin anew whose only command waits; false: it is none, or
// did so just now.
func (p *Planner) awaits(g *group) bool {
	if g.begun == p.events || len(g.events) != 1 || len(g.session.waiting) != 1 || !g.first.isWait(p.options.HoldTime > 0) {
		return false
	}
	p.open.remove(g)
	g.begun, g.low, g.at, g.first.stood = p.events, p.numbers, p.now, p.now
	p.open.add(g)
	return true
}

// isWait tells whether a command takes no effect before it is answered, and does little
// else than wait. At a pace a definition is to begin in time: it may build an index.
func (c *command) isWait(paced bool) bool {
	if len(c.what.shapes) != 1 {
		return false
	}
	switch s := c.what.shapes[0]; {
	case s.Verb == sqltext.Lock:
		return true
	case s.Class == sqltext.DDL:
		return !paced && len(s.Tables) > 0
	case s.UserLock.Kind != sqltext.Absent:
		return !s.Frees && len(s.Tables) == 0
	}
	return false
}
