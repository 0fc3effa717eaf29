package trace

import (
	"bytes"
	"slices"

	"myreplay/sqltext"
)

// secrets is what a connection has that is secret. (capture masks what is
// recorded in the same way.)
type secrets struct {
	// any: a statement with a secret has passed.
	any bool
	// named: PREPARE prepared a statement whose parameters are secret. They come
	// in user variables, or as literals of MariaDB's EXECUTE.
	named bool
	// shown: PREPARE prepared a statement whose rows may hold secrets.
	shown bool
}

// question is what is remembered of a client's message until its answer is
// complete, for the fields.
type question struct {
	// quiet: what the server says to it may quote a secret: only numbers are
	// shown. blind: its rows may hold secrets.
	quiet, blind bool
	// statement is of the classic protocol's PREPARE, EXECUTE and FETCH.
	statement *classicStatement
	// binary: its rows are in the binary format.
	binary bool
	// cursor is of the X Protocol's CURSOR_OPEN and CURSOR_FETCH.
	cursor *xCursor
}

// push appends a question to a queue whose oldest is at first.
func push(queue []question, first int, q question) ([]question, int) {
	if first == len(queue) {
		queue, first = queue[:0], 0
	}
	return append(queue, q), first
}

// secretRows are words of statements whose rows hold password hashes, or the
// text or the variables of sessions, in lower case.
var secretRows = words("mysql.user", "create user", "grants", "authentication_string", "global_priv",
	"slave_master_info", "mysql.servers", "processlist", "general_log", "slow_log", "events_statements",
	"performance_schema", "user_variables", "innodb status", "innodb_trx", "statement_analysis")

// quotingRows are those of statements whose rows may quote the session's own
// statement with a secret, or a variable with one.
var quotingRows = words("warnings", "errors", "@", "variables")

// executing are words of statements that run what PREPARE prepared.
var executing = words("execute")

func words(list ...string) (out [][]byte) {
	for _, w := range list {
		out = append(out, []byte(w))
	}
	return out
}

// statement masks a statement's text and tells what follows from it. text is
// the part of a longer one when cut. The result is valid until the next call.
func (c *conn) statement(text []byte, maria, cut bool) (masked []byte, found sqltext.Secret, q question) {
	s := &c.secrets
	lower := bytes.ToLower(text)
	has := func(list [][]byte) bool {
		return slices.ContainsFunc(list, func(w []byte) bool { return bytes.Contains(lower, w) })
	}
	executes, variables := has(executing), bytes.IndexByte(text, '@') >= 0
	// The PREPARE may be among what was lost.
	named := s.named && (executes || variables) ||
		c.shifted && (executes || variables && bytes.HasPrefix(bytes.TrimSpace(lower), []byte("set")))
	mask := sqltext.Mask
	if named {
		mask = sqltext.MaskLiterals
	}
	// How the session's server reads quotes is not followed: the mask that holds
	// for every way is taken.
	masked, found = mask(c.t.scratch[:0], text, sqltext.Options{MariaDB: maria, Guessed: true})
	c.t.scratch = masked
	q.quiet = found.Any() || cut || named
	secret := has(secretRows)
	q.blind = secret || (s.any || c.shifted) && has(quotingRows) || (s.shown || c.shifted) && executes
	s.shown = s.shown || secret && bytes.Contains(lower, []byte("prepare"))
	s.any = s.any || found.Any() || cut
	return masked, found, q
}

// secretColumn tells whether a column of this schema and with this name of its
// own may hold secrets, whatever the statement's text says.
func secretColumn(schema, name []byte) bool {
	return bytes.EqualFold(schema, []byte("mysql")) || bytes.EqualFold(name, []byte("authentication_string"))
}

// muted tells whether the texts of an answer must be left out. q is nil where
// nothing was asked.
func (c *conn) muted(q *question) bool {
	if q == nil {
		return c.shifted
	}
	return q.quiet || c.shifted && c.secrets.any
}
