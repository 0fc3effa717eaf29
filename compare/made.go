package compare

import (
	"bytes"
	"strings"

	"myreplay/sqltext"
)

// Made is a set of kinds of values that a server makes up.
type Made uint16

// The kinds.
const (
	// MadeClock: the time of the statement (NOW), which a replay can pin.
	MadeClock Made = 1 << iota
	// MadeSysdate: the time when it is asked for (SYSDATE).
	MadeSysdate
	// MadeRandom: random numbers without a seed.
	MadeRandom
	// MadeUUID: unique ids.
	MadeUUID
	// MadeIdentity: who is connected, and as which connection.
	MadeIdentity
	// MadeServer: which server answers: its version, system variables, dictionary.
	MadeServer
	// MadeSession: what the session did before (LAST_INSERT_ID, ROW_COUNT).
	MadeSession
	// MadeLocks: who holds a named lock.
	MadeLocks
	// MadeSequence: a sequence's next number.
	MadeSequence
	// MadeFile: a file on the server's host.
	MadeFile
	// MadeState: the server's passing state: counters, plans, lists of sessions.
	MadeState
)

var madeNames = [...]string{"the clock", "the clock at the moment (SYSDATE)", "random numbers", "unique ids", "who is connected",
	"which server it is", "what the session did before", "who holds a named lock", "a sequence", "a file of the server's",
	"the server's state"}

// String names the kinds, joined by commas; "" for none.
func (m Made) String() string {
	var names []string
	for i, name := range madeNames {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// madeFuncs are the functions whose values a server makes up. Functions that are
// not known are not among them: their answers are held to be the data's.
var madeFuncs = [...]struct {
	funcs sqltext.Funcs
	made  Made
}{
	{sqltext.FuncClock, MadeClock}, {sqltext.FuncSysdate, MadeSysdate}, {sqltext.FuncRandom, MadeRandom},
	{sqltext.FuncUUID, MadeUUID}, {sqltext.FuncIdentity, MadeIdentity}, {sqltext.FuncServer, MadeServer},
	{sqltext.FuncSession, MadeSession}, {sqltext.FuncLockState, MadeLocks}, {sqltext.FuncSequence, MadeSequence},
	{sqltext.FuncFile, MadeFile},
}

// madeBy returns what of a statement's answer a server makes up.
func madeBy(text []byte, st *sqltext.Statement) (m Made) {
	for _, f := range madeFuncs {
		if st.Funcs&f.funcs != 0 {
			m |= f.made
		}
	}
	if st.Flags&sqltext.ReadsSysVar != 0 {
		m |= MadeServer
	}
	switch st.Verb {
	case sqltext.Explain, sqltext.Help, sqltext.GetDiagnostics:
		m |= MadeState
	case sqltext.Show:
		if showsPassing(st.Of(text)) {
			m |= MadeState
		}
		return m
	}
	if st.Verb == sqltext.Call && bytes.HasPrefix(st.Of(text), []byte("CALL mysqlx.list_clients(")) {
		m |= MadeState // the X Plugin's list of connections
	}
	for _, t := range st.Tables {
		if contains(ownSchemas, t.Schema.Of(text)) {
			m |= MadeServer
		}
	}
	return m
}

// decidesRows tells whether what a server makes up for a statement may decide
// which rows it finds or changes, not only what it shows of them or writes into
// them.
func decidesRows(text []byte, st *sqltext.Statement) bool {
	sql := st.Of(text)
	var rest []byte
	switch st.Verb {
	case sqltext.Select: // what stands before FROM is shown
		from := place(sql, "from")
		if from < 0 || !startsWith(sql, "select") {
			return from >= 0 || !startsWith(sql, "select")
		}
		rest = append([]byte("select 1 "), sql[from:]...)
	case sqltext.Update: // what stands between SET and WHERE is written
		set, where := place(sql, "set"), place(sql, "where")
		if set < 0 || where >= 0 && where < set || !startsWith(sql, "update") {
			return true
		}
		rest = append(append(rest, sql[:set]...), "set x = 1 "...)
		if where >= 0 {
			rest = append(rest, sql[where:]...)
		}
	case sqltext.Insert, sqltext.Replace:
		return has(sql, "select") || has(sql, "table")
	default:
		return true
	}
	var a sqltext.Analyzer
	list := a.Analyze(rest, sqltext.Options{}).Statements
	return len(list) != 1 || madeBy(rest, &list[0]) != 0
}

// has tells whether a word stands somewhere in a text.
func has(sql []byte, word string) bool {
	found := false
	words(sql, func(_ int, w []byte, _ int) bool {
		found = bytes.EqualFold(w, []byte(word))
		return !found
	})
	return found
}

// startsWith tells whether a statement begins with a word.
func startsWith(sql []byte, word string) bool {
	first := false
	words(sql, func(_ int, w []byte, _ int) bool {
		first = bytes.EqualFold(w, []byte(word))
		return false
	})
	return first
}

// place returns where a word stands outside parentheses first; -1: nowhere.
func place(sql []byte, word string) int {
	at := -1
	words(sql, func(depth int, w []byte, start int) bool {
		if depth == 0 && bytes.EqualFold(w, []byte(word)) {
			at = start
		}
		return at < 0
	})
	return at
}

// words calls yield for the words of a text, with how many parentheses are open
// and where they begin, until it returns false.
func words(sql []byte, yield func(depth int, word []byte, start int) bool) {
	s := sqltext.NewScanner(sql, sqltext.Options{})
	depth := 0
	for t := s.Next(); t.Kind != sqltext.EOF; t = s.Next() {
		switch {
		case t.Op == '(':
			depth++
		case t.Op == ')':
			depth--
		case t.Kind == sqltext.Ident && !yield(depth, t.Of(sql), t.Start):
			return
		}
	}
}
