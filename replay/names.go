package replay

import (
	"strings"

	"myreplay/session"
	"myreplay/sqltext"
)

// names remembers what became of a session's prepared statements that have a
// name ("PREPARE name FROM ..."). Where one was not sent, its EXECUTE would run
// an older one of that name.
type names struct {
	known map[string]session.Skip
	// partial: others may exist that were not seen, or are not on the target.
	partial bool
}

// nameOf returns the statement's name in PREPARE, EXECUTE and DEALLOCATE, ""
// elsewhere. Names do not depend on case.
func nameOf(sql []byte, st *sqltext.Statement) string {
	switch st.Verb {
	case sqltext.Prepare, sqltext.Execute, sqltext.Deallocate:
		return strings.ToLower(string(sqltext.AppendName(nil, st.Name.Of(sql))))
	}
	return ""
}

// refuses tells whether a text uses a name that the target has otherwise than
// the source, and why.
func (n *names) refuses(sql []byte, list []sqltext.Statement) session.Skip {
	var within map[string]bool // prepared by the text itself
	for i := range list {
		st := &list[i]
		name := nameOf(sql, st)
		if name == "" || within[name] {
			continue
		}
		if st.Verb == sqltext.Prepare {
			if within == nil {
				within = map[string]bool{}
			}
			within[name] = true
			continue
		}
		switch why, known := n.known[name]; {
		case known && why == session.SkipUnknownStatement:
			return why
		case known && why != session.NotSkipped:
			return session.SkipStatement
		case !known && n.partial:
			return session.SkipUnknownStatement
		}
	}
	return session.NotSkipped
}

// note takes note of the names that a text makes and drops, and of whether it
// was sent.
func (n *names) note(sql []byte, list []sqltext.Statement, why session.Skip) {
	for i := range list {
		name := nameOf(sql, &list[i])
		switch {
		case name == "":
		case list[i].Verb == sqltext.Prepare:
			n.set(name, why)
		case list[i].Verb == sqltext.Deallocate && why == session.NotSkipped:
			delete(n.known, name)
		}
	}
}

// renames returns the name that a statement gives to another statement, or
// drops; "" when it does neither.
func renames(sql []byte, st *sqltext.Statement) string {
	if st.Verb == sqltext.Execute {
		return ""
	}
	return nameOf(sql, st)
}

// maxNames is how many names of one session are remembered.
const maxNames = 1 << 14

// set notes what became of a statement with a name.
func (n *names) set(name string, why session.Skip) {
	if n.known == nil {
		n.known = map[string]session.Skip{}
	}
	n.known[name] = why
	if len(n.known) > maxNames {
		n.forget()
	}
}

// forget gives up what is known: commands were lost, or the connection was.
func (n *names) forget() {
	clear(n.known)
	n.partial = true
}

// reset begins anew: neither side has any.
func (n *names) reset() { *n = names{} }
