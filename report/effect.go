package report

import (
	"bytes"
	"strings"

	"myreplay/session"
	"myreplay/sqltext"
)

// effect is what the statements of a query class write and what their answers
// rest on, as far as the text tells. Tables are those of the class's first text.
type effect struct {
	// reads are the tables named, written those that are changed. Schemas and
	// names are in lower case; a schema of "" is the session's.
	reads, written []table
	// readsAny and writesAny: the text does not tell which tables.
	readsAny, writesAny bool
	// writes: it changes data; defines: and definitions. undone: it changes
	// nothing when it fails.
	writes, defines, undone bool
	// sure is the same without doubts: what the statement writes if functions that
	// are not known write nothing.
	sure struct{ writes, writesAny, defines bool }
	// shows: it asks for definitions of no table in particular.
	shows bool
	// setsVars and readsVars are about the user's variables, asks about the
	// statement before (LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT()), sets about
	// the session's settings, uses about its schema.
	setsVars, readsVars, asks, sets, uses bool
	// ends: it ends a transaction. inserts: it is an INSERT that names one table.
	ends, inserts bool
	// unsure: the text is not known, or not that of all in the class. It may do
	// anything.
	unsure bool
}

// unsureEffect is that of commands whose text is not known.
var unsureEffect = func() effect {
	f := effect{readsAny: true, writesAny: true, setsVars: true, unsure: true}
	f.sure.writesAny, f.sure.defines = true, true
	return f
}()

// effectOfKind returns the effect of a command that has no text.
func effectOfKind(k session.Kind) effect {
	switch {
	case groupOf(k) == runs:
		return unsureEffect
	case groupOf(k) != commands, k == session.FieldList, k == session.UseSchema:
		return effect{readsAny: true}
	}
	return effect{}
}

// effectOf returns the effect of a text; r is the Analyzer's result for it.
func effectOf(g group, sql []byte, r *sqltext.Result) effect {
	f := effect{undone: len(r.Statements) == 1}
	if f.undone {
		st := &r.Statements[0]
		f.inserts = (st.Verb == sqltext.Insert || st.Verb == sqltext.Replace) && len(st.Tables) == 1 && st.Flags&sqltext.MoreTables == 0
	}
	for i := range r.Statements {
		f.add(sql, &r.Statements[i])
	}
	if g != runs {
		f.writes, f.defines, f.writesAny, f.written = false, false, false, nil
		f.sure.writes, f.sure.writesAny, f.sure.defines = false, false, false
		f.setsVars, f.sets, f.uses, f.ends = false, false, false, false
	}
	return f
}

func (f *effect) add(sql []byte, st *sqltext.Statement) {
	named := make([]table, 0, len(st.Tables))
	var changed []table
	for _, t := range st.Tables {
		n := table{lowerName(t.Schema.Of(sql)), lowerName(t.Name.Of(sql))}
		named = append(named, n)
		if t.Role&sqltext.Writes != 0 {
			changed = append(changed, n)
		}
	}
	more := st.Flags&sqltext.MoreTables != 0
	unclear := st.Class == sqltext.Unknown || st.Verb == sqltext.Call || st.Funcs&sqltext.FuncUnknown != 0
	f.reads = append(f.reads, named...)
	f.readsAny = f.readsAny || unclear || more || len(f.reads) > maxClassTables
	f.asks = f.asks || st.Funcs&sqltext.FuncSession != 0
	f.setsVars = f.setsVars || unclear || st.Flags&sqltext.SetsUserVar != 0
	f.readsVars = f.readsVars || st.Flags&sqltext.ReadsUserVar != 0
	switch st.Verb {
	case sqltext.Set:
		f.sets = f.sets || st.Class == sqltext.Session && st.Flags&sqltext.SetsUserVar == 0
	case sqltext.Use:
		f.uses = true
	case sqltext.Commit, sqltext.Rollback, sqltext.XA:
		f.ends = true
	case sqltext.Show:
		f.shows = f.shows || len(named) == 0
		f.readsAny = f.readsAny || showsRows(st.Of(sql))
	}
	if unclear {
		f.writes, f.defines, f.writesAny = true, true, true
		f.undone = f.undone && st.Verb != sqltext.Call && st.Verb != sqltext.Execute && st.Verb != sqltext.Compound
	}
	f.write(st, named, changed, unclear && !onlyFunction(st))
}

// write adds what a statement writes; named are its tables, changed those of them
// that it changes. unclear: it may be anything.
func (f *effect) write(st *sqltext.Statement, named, changed []table, unclear bool) {
	more := st.Flags&sqltext.MoreTables != 0
	sure := &f.sure
	switch {
	case unclear:
		sure.writes, sure.writesAny, sure.defines = true, true, true
	case st.Class == sqltext.DDL:
		sure.writes, sure.defines = true, true
		f.written = append(f.written, named...)
		sure.writesAny = sure.writesAny || more || len(named) == 0
	case len(changed) > 0 || changes(st.Verb):
		sure.writes = true
		f.written = append(f.written, changed...)
		sure.writesAny = sure.writesAny || more || len(changed) == 0
	}
	f.writes, f.writesAny, f.defines = f.writes || sure.writes, f.writesAny || sure.writesAny, f.defines || sure.defines
}

// onlyFunction tells whether nothing of a statement is unclear but what a
// function does that it calls.
func onlyFunction(st *sqltext.Statement) bool {
	switch st.Verb {
	case sqltext.Select, sqltext.Do, sqltext.Set:
		return st.Funcs&sqltext.FuncUnknown != 0
	}
	return st.Class != sqltext.Unknown && st.Verb != sqltext.Call
}

// changes tells whether statements with a verb change tables.
func changes(v sqltext.Verb) bool {
	switch v {
	case sqltext.Insert, sqltext.Replace, sqltext.Update, sqltext.Delete, sqltext.Load:
		return true
	}
	return false
}

// showsRows tells whether a SHOW statement tells of a table's rows: SHOW TABLE
// STATUS, SHOW INDEX.
func showsRows(sql []byte) bool {
	words := bytes.Fields(sql[:min(len(sql), 64)])
	if len(words) < 2 {
		return false
	}
	switch strings.ToLower(string(words[1])) {
	case "table", "index", "indexes", "keys":
		return true
	}
	return false
}

// lowerName returns a name without its quotes, in lower case, cut at
// maxNameBytes.
func lowerName(quoted []byte) string {
	return strings.ToLower(keep(string(sqltext.AppendName(nil, quoted)), maxNameBytes))
}

// used returns the schema that a text with USE changes to, "" when it is not
// known.
func (s *statements) used(sql []byte, opt sqltext.Options) (schema string) {
	r := s.analyzer.Analyze(sql, opt)
	for i := range r.Statements {
		if st := &r.Statements[i]; st.Verb == sqltext.Use {
			schema = keep(string(sqltext.AppendName(nil, st.Name.Of(sql))), maxNameBytes)
		}
	}
	return schema
}
