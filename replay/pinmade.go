package replay

import (
	"strconv"
	"strings"

	"myreplay/session"
	"myreplay/sqltext"
)

// made is what a text may have the server make up.
type made struct {
	// quiet: nothing, or it reads what a SET would change.
	quiet bool
	// clock: it may read the clock.
	clock bool
	// id tells whether the id in the recorded result is that of its first row.
	id     idRule
	result int
	// setsID: LAST_INSERT_ID(expr) is among it.
	setsID bool
}

// unknownMade is that of a text which is not known.
var unknownMade = made{clock: true}

// idRule tells when the insert id of a result is one that was generated, for the
// first row.
type idRule uint8

const (
	// noID: it is not known.
	noID idRule = iota
	// anyID: whenever there is one.
	anyID
	// oneUpdated: INSERT of one row with ON DUPLICATE KEY UPDATE: if that was
	// inserted.
	oneUpdated
	// manyUpdated: the same of many rows: if any was.
	manyUpdated
)

// read says what a text may have the server make up. current is the default
// schema.
func (p *Pins) read(sql []byte, shapes []*sqltext.Shape, literals []sqltext.LiteralToken, current string) made {
	if len(shapes) == 0 {
		return made{quiet: true}
	}
	if disturbed(sql, shapes[0]) {
		return made{quiet: true}
	}
	m := made{quiet: true}
	generated := false // an id may be, before
	for i, s := range shapes {
		m.clock = m.clock || p.readsClock(s, current)
		harmless := s.Class <= sqltext.Transaction && s.Class != sqltext.Unknown && s.Funcs&sqltext.FuncUnknown == 0
		m.quiet = m.quiet && harmless
		if harmless || generated {
			continue
		}
		generated = true
		switch rule, uses := p.ruleOf(sql, s, literals, current); {
		case rule != noID:
			m.id, m.result, m.setsID = rule, i, s.Funcs&sqltext.FuncSetsInsertID != 0
		case !uses:
			generated = false
		}
	}
	m.quiet = m.quiet && !m.clock
	return m
}

// disturbed tells whether a statement reads what a SET before it would reset.
func disturbed(sql []byte, s *sqltext.Shape) bool {
	switch {
	case s.Verb == sqltext.Show, s.Verb == sqltext.GetDiagnostics:
		return true
	case s.Funcs&sqltext.FuncSession != 0 && mentions(sql, "row_count"):
		return true
	}
	return s.Flags&sqltext.ReadsSysVar != 0 && (mentions(sql, "warning_count") || mentions(sql, "error_count"))
}

// readsClock tells whether a statement may read the clock.
func (p *Pins) readsClock(s *sqltext.Shape, current string) bool {
	if s.Funcs&(sqltext.FuncClock|sqltext.FuncUnknown) != 0 || s.Class == sqltext.Unknown || s.Class == sqltext.DDL {
		return true
	}
	switch s.Verb {
	case sqltext.Call, sqltext.Execute, sqltext.Compound, sqltext.NoVerb:
		return true
	}
	for i := range s.Tables {
		st := &s.Tables[i]
		t := p.table(st, current)
		switch writes := st.Role&sqltext.Writes != 0; {
		case t == nil:
			if writes {
				return true
			}
		case t.view && (writes || t.clock), writes && t.clockOf(s, st):
			return true
		}
	}
	return false
}

// clockOf tells whether a statement that writes the table may read the clock for
// it.
func (t *pinTable) clockOf(s *sqltext.Shape, st *sqltext.ShapeTable) bool {
	switch s.Verb {
	case sqltext.Delete:
		return t.onDelete
	case sqltext.Update:
		return t.clock || t.onUpdate
	case sqltext.Insert:
		return t.clock || t.onInsert || t.onUpdate && st.Insert != nil && st.Insert.Update
	}
	return t.clock || t.onInsert || t.onUpdate || t.onDelete
}

// ruleOf tells when the insert id of a statement's result is one that the server
// generated for its first row, and, where that is not known, whether the
// statement may generate any.
func (p *Pins) ruleOf(sql []byte, s *sqltext.Shape, literals []sqltext.LiteralToken, current string) (rule idRule, uses bool) {
	if s.Funcs&sqltext.FuncUnknown != 0 || s.Flags&sqltext.MoreTables != 0 {
		return noID, true
	}
	switch s.Verb {
	case sqltext.Insert, sqltext.Replace, sqltext.Update, sqltext.Delete:
	default:
		return noID, true
	}
	for i := range s.Tables {
		st := &s.Tables[i]
		if st.Role&sqltext.Writes == 0 && st.Insert == nil {
			continue
		}
		t := p.table(st, current)
		if t == nil || t.view || t.steals {
			return noID, true
		}
		if st.Insert != nil && t.auto != "" && isGenerated(t, st.Insert, literals, sql) {
			return updateRule(st.Insert), true
		}
		uses = uses || st.Insert != nil && t.auto != "" || t.onInsert && st.Insert != nil || t.onUpdate || t.onDelete
	}
	return noID, uses
}

func updateRule(ins *sqltext.Inserted) idRule {
	switch {
	case !ins.Update:
		return anyID
	case len(ins.Rows) == 1:
		return oneUpdated
	}
	return manyUpdated
}

// isGenerated tells whether the ids of some rows are generated, and of none it is
// not known whether they are.
func isGenerated(t *pinTable, ins *sqltext.Inserted, literals []sqltext.LiteralToken, sql []byte) bool {
	at := t.place
	if ins.Columns != nil {
		at = -1
		for i, c := range ins.Columns {
			if c == t.auto {
				at = i
			}
		}
	}
	if at < 0 {
		return true
	}
	some := false
	for _, row := range ins.Rows {
		if len(row) == 0 { // VALUES ()
			some = true
			continue
		}
		if at >= len(row) {
			return false
		}
		switch v := row[at]; v.Kind {
		case sqltext.NullValue, sqltext.DefaultValue:
			some = true
		case sqltext.Literal:
			if v.Index >= len(literals) {
				return false
			}
			n, ok := literals[v.Index].Int(sql)
			if !ok {
				return false
			}
			some = some || n == 0
		default:
			return false
		}
	}
	return some
}

// idOf returns the id that a result says was generated for the first row; 0:
// none, or it is not known. found and changed are the pinner's.
//
// The rules for ON DUPLICATE KEY UPDATE are what MySQL (9.7.4) and MariaDB
// (10.11.18, 11.8.6) answer: a row inserted counts 1, one updated 2, one left as it
// was 0, or, with CLIENT_FOUND_ROWS, 1. Duplicates are the rows updated, with
// CLIENT_FOUND_ROWS those left as they were, too. The id is that of the first row
// inserted, else that of the last one updated, else LAST_INSERT_ID(expr)'s, else 0.
func (m *made) idOf(r *session.Result, found, changed bool) uint64 {
	if r.Outcome != session.OK || r.InsertID == 0 {
		return 0
	}
	inserted := false
	switch m.id {
	case anyID:
		inserted = true
	case oneUpdated:
		inserted = r.Affected == 1 && !(found && m.setsID)
	case manyUpdated:
		records, ok := infoNumber(r.Info, "Records: ")
		duplicates, also := infoNumber(r.Info, "Duplicates: ")
		inserted = ok && also && (!found || records > duplicates) && (!changed || r.Affected > 2*duplicates)
	}
	if !inserted {
		return 0
	}
	return r.InsertID
}

// infoNumber reads a number of an OK's text: "Records: 3  Duplicates: 1 ...".
func infoNumber(info, name string) (uint64, bool) {
	_, rest, ok := strings.Cut(info, name)
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, err == nil
}
