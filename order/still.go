package order

import "myreplay/sqltext"

// elsewhere are flags of statements whose answer may rest on more than tables.
const elsewhere = sqltext.MoreTables | sqltext.SetsUserVar | sqltext.ReadsUserVar

// isStill tells whether a command of one statement that only reads, reads nothing but
// tables that the schema has and that no command seen so far has changed: neither by
// itself, nor by a view, a trigger, a routine or a foreign key. Where there was what
// nobody could read, nothing is still.
func (p *Planner) isStill(c *command) bool {
	if p.live || p.unseen {
		return false
	}
	s := c.what.shapes[0]
	b := p.bind(s, c.what.said().schema)
	if b.coarse || s.Flags&elsewhere != 0 || s.Funcs != 0 {
		return false
	}
	for i := range b.tables {
		if t := b.tables[i].table; b.tables[i].temp || t.schema == nil || t.changed {
			return false
		}
	}
	return len(b.tables) > 0
}
