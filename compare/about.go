package compare

import (
	"bytes"

	"myreplay/sqltext"
)

// ownSchemas are the schemas in which a server describes itself.
var ownSchemas = [][]byte{[]byte("information_schema"), []byte("performance_schema"), []byte("sys")}

// passing are words after SHOW that ask for a state which is another one at any
// time and on any server.
var passing = [][]byte{[]byte("status"), []byte("variables"), []byte("processlist"), []byte("engine"),
	[]byte("open"), []byte("profile"), []byte("profiles"), []byte("events"), []byte("relaylog"), []byte("master"),
	[]byte("slave"), []byte("slaves"), []byte("replica"), []byte("replicas"), []byte("binary"), []byte("binlog")}

// beforeNames are words after SHOW that names follow.
var beforeNames = [][]byte{[]byte("from"), []byte("in"), []byte("like"), []byte("where"), []byte("create")}

// maxShowWords is how many words of a SHOW statement are looked at.
const maxShowWords = 5

// About returns what a text says about the cause of differences; r is the
// Analyzer's result for it. Of several statements each counts for all.
func About(text []byte, r *sqltext.Result) Statement {
	a := Statement{OrderBy: true}
	for i := range r.Statements {
		st := &r.Statements[i]
		a.OrderBy = a.OrderBy && st.Flags&sqltext.OrderBy != 0
		a.OpenLimit = a.OpenLimit || st.Flags&sqltext.LimitNoOrder != 0
		made := madeBy(text, st)
		a.Made |= made
		a.MadeRows = a.MadeRows || made != 0 && decidesRows(text, st)
	}
	a.Generated = a.Made != 0
	a.OrderBy = a.OrderBy && len(r.Statements) > 0
	return a
}

// showsPassing tells whether a SHOW statement asks for a passing state.
func showsPassing(sql []byte) bool {
	words := bytes.Fields(sql[:min(len(sql), 200)])
	for _, w := range words[:min(len(words), maxShowWords)] {
		if contains(passing, w) {
			return true
		}
		if contains(beforeNames, w) {
			return false
		}
	}
	return false
}

func contains(list [][]byte, name []byte) bool {
	name = bytes.Trim(name, "`\"")
	for _, n := range list {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}
