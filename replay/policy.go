package replay

import (
	"bytes"
	"regexp"
	"slices"
	"sync"

	"myreplay/session"
	"myreplay/sqltext"
)

// Policy says which commands may reach the target.
type Policy struct {
	// Writes lets commands through that change data, take locks or define
	// schema objects, and those whose text does not tell what they do: CALL,
	// EXECUTE, compound statements. Without it only what surely changes nothing
	// is sent, and KILL: it reaches no connection but the replay's own.
	Writes bool
	// Admin lets statements through that change the server itself: accounts,
	// global variables, files on the server. Never let through, whatever is
	// said here, are shutdown, replication and clone commands (unless a CALL or
	// an EXECUTE hides them: the target account's privileges are the last guard).
	Admin bool
	// Match, when set, lets only statements through whose text matches. What
	// sets up a session (SET, USE, transactions, prepared statements' upkeep)
	// passes.
	Match *regexp.Regexp
}

// judge decides about the commands of one session: it remembers what became of
// its prepared statements. It serves one goroutine.
type judge struct {
	policy  Policy
	pending map[uint64]verdict // by Seq of the Prepare
	open    map[uint32]verdict // by the recorded statement id
	last    verdict            // of the statement prepared last
	file    session.Skip       // what became of the Query that file data belongs to
	names   names
	// x: statement ids are chosen by the client.
	x bool
	// asked is when the source was asked for its state; 0: it was not.
	asked int64
	// state is what a new connection begins with of what the source told; nil:
	// nothing.
	state *session.State
}

// newJudge returns the judge of a recorded session; opt tells how the text of
// its statements is to be read.
func newJudge(p Policy, s *session.Start, opt sqltext.Options) *judge {
	j := &judge{policy: p, names: names{partial: s.Joined}, x: s.Protocol == session.X}
	if s.State != nil {
		j.restore(s.State, opt)
	}
	return j
}

// gap takes note of what was lost in the recording.
func (j *judge) gap(g *session.Gap) {
	if g.Client {
		j.names.forget()
	}
}

// analyzers are shared among sessions: each needs one only for a moment.
var analyzers = sync.Pool{New: func() any { return new(sqltext.Analyzer) }}

// verdict is what was decided about a statement's text.
type verdict struct {
	skip session.Skip
	verb sqltext.Verb // of a text with one statement
	// setup: all statements set up the session (SET, USE).
	setup bool
	// alone: it is not sent together with commands that the client sent later: it
	// may ask for a file, or what it does is not known yet.
	alone bool
	// kill is set for KILL of a connection.
	kill *sqltext.KillTarget
}

// rule decides about a command. opt tells how its text is to be read.
func (j *judge) rule(c *session.Command, opt sqltext.Options) verdict {
	v := j.decide(c, opt)
	switch c.Kind {
	case session.Prepare:
		j.note(c.Seq, v)
		if j.x {
			j.opened(c.Statement, v) // its Execute may come before the reply
		}
	case session.Query:
		j.file = v.skip
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		clear(j.pending)
		clear(j.open)
		j.names.reset()
		j.state = nil
	case session.CloseStatement, session.Deallocate:
		delete(j.open, c.Statement)
		j.forgetState(c.Statement, "")
	}
	return v
}

func (j *judge) decide(c *session.Command, opt sqltext.Options) verdict {
	switch {
	case c.Masked:
		return j.unsendable(c, opt, session.SkipSecret)
	case c.Cut:
		j.names.forget() // what was cut off may have prepared something
		return verdict{skip: session.SkipCut}
	}
	switch c.Kind {
	case session.Query, session.Prepare:
		if j.x {
			return j.crud(c, opt)
		}
		return j.text(c.SQL, opt)
	case session.Find, session.Insert, session.Update, session.Delete, session.View:
		return j.crud(c, opt)
	case session.PluginCommand:
		if harmless(c.SQL) {
			return verdict{}
		}
		return j.crud(c, opt)
	case session.Execute, session.BulkExecute, session.Fetch, session.LongData, session.ResetStatement, session.CloseStatement,
		session.Deallocate, session.OpenCursor, session.FetchCursor, session.CloseCursor:
		return j.statement(c)
	case session.FileData:
		if j.file != session.NotSkipped {
			return verdict{skip: j.file}
		}
		// The target did not ask for it while its Query was under way.
		return verdict{skip: session.SkipNotAsked}
	case session.Admin, session.Replication:
		return verdict{skip: session.SkipAdmin}
	case session.Other:
		return verdict{skip: session.SkipUnsupported}
	}
	return verdict{}
}

// crud decides about an X message as about its text, or the statement that says
// the same.
func (j *judge) crud(c *session.Command, opt sqltext.Options) verdict {
	if c.SQL != nil {
		return j.text(c.SQL, opt)
	}
	if !j.policy.Writes { // what it does could not be read
		return verdict{skip: session.SkipWrite}
	}
	return verdict{}
}

// harmlessCommands are the commands of the X Plugin that change nothing but the
// session; kill_client reaches no connection but the replay's own.
var harmlessCommands = [...]string{"ping", "list_clients", "list_objects", "list_notices", "enable_notices", "disable_notices",
	"get_collection_options", "kill_client"}

// harmless tells whether a text calls one of them.
func harmless(sql []byte) bool {
	name, _, _ := bytes.Cut(bytes.TrimPrefix(sql, []byte("CALL mysqlx.")), []byte("("))
	return slices.Contains(harmlessCommands[:], string(name))
}

// unsendable returns the verdict on a command that can't be sent; what its text
// would have prepared is remembered.
func (j *judge) unsendable(c *session.Command, opt sqltext.Options, why session.Skip) verdict {
	if c.Kind == session.Query {
		a := analyzers.Get().(*sqltext.Analyzer)
		defer analyzers.Put(a)
		j.names.note(c.SQL, a.Analyze(c.SQL, opt).Statements, why)
	}
	return verdict{skip: why}
}

// statement decides about a command on a prepared statement: as was decided
// about the statement.
func (j *judge) statement(c *session.Command) verdict {
	v, known := j.open[c.Statement]
	if c.Statement == session.LastPrepared {
		v, known = j.last, true
	}
	switch {
	case !known || c.Statement == session.LastPrepared:
		v.alone = true
	case v.skip == session.SkipUnknownStatement:
		return v
	}
	if v.skip != session.NotSkipped {
		return verdict{skip: session.SkipStatement}
	}
	return v // of one that is not known the target will say so
}

// learn takes note of which id the source gave to a prepared statement.
func (j *judge) learn(r *session.Reply) {
	v, ok := j.pending[r.Seq]
	delete(j.pending, r.Seq)
	if ok && r.Prepared != nil {
		j.forgetState(r.Prepared.Statement, "")
		j.opened(r.Prepared.Statement, v)
	}
}

func (j *judge) opened(id uint32, v verdict) {
	if j.open == nil {
		j.open = map[uint32]verdict{}
	}
	j.open[id] = v
}

func (j *judge) note(seq uint64, v verdict) {
	if j.pending == nil {
		j.pending = map[uint64]verdict{}
	}
	j.pending[seq] = v
	j.last = v
}

// text decides about a statement text. All statements of a text go or stay
// together.
func (j *judge) text(sql []byte, opt sqltext.Options) verdict {
	a := analyzers.Get().(*sqltext.Analyzer)
	defer analyzers.Put(a)
	r := a.Analyze(sql, opt)
	v := verdict{setup: len(r.Statements) > 0}
	passes := true // whatever Match says
	for i := range r.Statements {
		st := &r.Statements[i]
		v.verb = st.Verb
		v.alone = v.alone || st.Flags&sqltext.Local != 0 || asks(st.Verb)
		v.setup = v.setup && st.Class == sqltext.Session
		passes = passes && (st.Class == sqltext.Session || st.Class == sqltext.Transaction)
		if s := j.policy.skips(st); s > v.skip {
			v.skip = s
		}
		if st.Verb == sqltext.Kill && (st.Kill.Kind == sqltext.KillConnection || st.Kill.Kind == sqltext.KillQuery) {
			k := st.Kill
			v.kill, v.alone = &k, true
		}
	}
	if v.kill != nil {
		v.skip = killable(r, v.kill)
	}
	if v.skip == session.NotSkipped {
		v.skip = j.names.refuses(sql, r.Statements)
	}
	if len(r.Statements) != 1 || goesOn(sql, v.verb) {
		v.verb = sqltext.NoVerb
	}
	if len(r.Statements) == 0 {
		return v // an empty text, or a comment: the server answers with an error
	}
	if m := j.policy.Match; m != nil && !passes && v.skip == session.NotSkipped && !m.Match(sql) {
		v.skip = session.SkipFilter
	}
	j.names.note(sql, r.Statements, v.skip)
	for i := range r.Statements {
		j.forgetState(0, renames(sql, &r.Statements[i]))
	}
	return v
}

// asks tells whether a statement may ask the client for a file.
func asks(v sqltext.Verb) bool {
	switch v {
	case sqltext.Load, sqltext.Execute, sqltext.Compound, sqltext.NoVerb:
		return true
	}
	return false
}

// goesOn tells whether a COMMIT or ROLLBACK leaves a transaction open: it goes
// back to a savepoint, or begins the next.
func goesOn(sql []byte, v sqltext.Verb) bool {
	if v != sqltext.Commit && v != sqltext.Rollback || len(sql) <= len("rollback;") {
		return false
	}
	no := false
	for _, word := range bytes.FieldsFunc(sql, func(r rune) bool { return r <= ' ' || r == ';' || r == '/' || r == '*' }) {
		switch {
		case bytes.EqualFold(word, []byte("to")), bytes.EqualFold(word, []byte("chain")) && !no:
			return true
		}
		no = bytes.EqualFold(word, []byte("no"))
	}
	return false
}

// killable lets KILL through only alone, and only with a number: it is then
// sent with the number of the replayed connection.
func killable(r *sqltext.Result, k *sqltext.KillTarget) session.Skip {
	if len(r.Statements) == 1 && k.Known {
		return session.NotSkipped
	}
	return session.SkipKill
}

// skips tells whether a statement may not be sent, and why.
func (p *Policy) skips(st *sqltext.Statement) session.Skip {
	if st.Flags&sqltext.IntoFile != 0 && !p.Admin {
		return session.SkipAdmin
	}
	switch st.Class {
	case sqltext.Read, sqltext.Session:
		return session.NotSkipped
	case sqltext.Transaction:
		if st.Verb == sqltext.XA && !p.Writes {
			return session.SkipWrite
		}
		return session.NotSkipped
	case sqltext.Admin:
		if !p.Admin || never(st.Verb) {
			return session.SkipAdmin
		}
		return session.NotSkipped
	}
	if p.Writes {
		return session.NotSkipped
	}
	return session.SkipWrite
}

// never tells whether statements with a verb are not replayed whatever the
// policy: they would end the target, or change what it replicates.
func never(v sqltext.Verb) bool {
	switch v {
	case sqltext.Shutdown, sqltext.Restart, sqltext.Clone, sqltext.Change, sqltext.Purge, sqltext.Start, sqltext.Stop,
		sqltext.Reset, sqltext.Binlog, sqltext.Backup, sqltext.Import, sqltext.Install, sqltext.Uninstall:
		return true
	}
	return false
}
