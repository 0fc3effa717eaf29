package order

import (
	"bytes"

	"myreplay/session"
	"myreplay/sqltext"
)

// generates tells whether the server generates the ids of all rows of an INSERT.
func (bt *boundTable) generates() bool {
	in, t := bt.ref.Insert, bt.table
	if in == nil || in.Rows == nil || bt.inserted == nil || t.auto < 0 {
		return false
	}
	for _, row := range in.Rows {
		for i, v := range row {
			if i >= len(bt.inserted) || bt.inserted[i] < 0 || int(bt.inserted[i]) == t.auto && isGiven(v) {
				return false
			}
		}
	}
	return true
}

// generated takes note of what LAST_INSERT_ID() is after a statement: the first id
// that it generated. (A reply's id may be another: one that was given, or that of a
// row that was there.) Where it may be something else, it is not known.
func (m *member) generated(c *command, s *sqltext.Shape, b *bound, r *session.Result) {
	switch {
	case m.x || b.coarse || s.Verb == sqltext.Call || s.Funcs&sqltext.FuncSetsInsertID != 0,
		s.Verb == sqltext.Set && mayName(c.what.said().text, "insert_id"):
		m.lastID = 0
		return
	case r != nil && r.Outcome == session.OK && r.InsertID == 0:
		return
	case r != nil && r.Outcome == session.Rows && s.Class == sqltext.Read:
		return
	}
	m.lastID = 0
	if r == nil || r.Outcome != session.OK || r.InsertID > 1<<62 {
		return
	}
	for i := range b.tables {
		bt := &b.tables[i]
		if in := bt.ref.Insert; in != nil && bt.ref.Role&sqltext.Writes != 0 && !in.Update && bt.generates() {
			m.lastID = int64(r.InsertID)
		}
	}
}

// mayName tells whether a text may name a variable, which is in lower case.
func mayName(text []byte, name string) bool {
	return len(text) >= len(name) && bytes.Contains(bytes.ToLower(text), []byte(name))
}
