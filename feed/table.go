package feed

import (
	"bytes"
	"maps"
	"slices"

	"myreplay/session"
)

// table knows the sessions that are open: enough to introduce them anew to an
// assistant that has never heard of them.
type table struct {
	sessions map[uint64]*open
	texts    int // bytes of prepared statements
}

// open is a session that has begun and not ended.
type open struct {
	start  *session.Start
	login  *session.Login // as of the latest ChangeUser
	schema string
	at     int64  // when its latest command was, or it began
	seq    uint64 // of its latest command
	query  uint64 // of its latest command that is not file data
	status uint16 // of its latest result that has one
	doubt  bool   // the schema is not certain

	prepared map[uint32]statement
	shared   bool // prepared belongs to a snapshot, too
	awaited  []awaited

	// lost: the session was given up, its events are dropped.
	lost bool
	// since: the assistant has not seen the commands up to this one, nor may it see
	// their replies.
	since uint64
}

// statement is an open prepared statement.
type statement struct {
	text []byte // nil: not known
	long bool   // parts of parameters were sent ahead
}

// awaited is a command that changes what the table knows when it succeeds.
type awaited struct {
	seq       uint64
	kind      session.Kind
	statement uint32
	text      []byte // statement, schema
	login     *session.Login
}

// The status flags of a classic server that matter here (the MySQL manual's
// "Status Flags").
const (
	statusInTransaction         = 0x0001
	statusAutocommit            = 0x0002
	statusInReadOnlyTransaction = 0x2000
)

// see takes note of an event and returns its session; nil when that is not
// followed.
func (t *table) see(ev session.Event) *open {
	id, _ := ev.Key()
	if s, ok := ev.(*session.Start); ok {
		return t.start(s)
	}
	o := t.sessions[id]
	if o == nil {
		return nil
	}
	switch ev := ev.(type) {
	case *session.Command:
		if !o.lost {
			t.command(o, ev)
		}
	case *session.Reply:
		if !o.lost {
			t.reply(o, ev)
		}
	case *session.End:
		t.forget(o)
		delete(t.sessions, id)
	}
	return o
}

func (t *table) start(s *session.Start) *open {
	if t.sessions == nil {
		t.sessions = map[uint64]*open{}
	}
	if old := t.sessions[s.ID]; old != nil {
		t.forget(old)
	} else if len(t.sessions) >= MaxSessions {
		return nil
	}
	// A server without a status seen has autocommit on.
	o := &open{start: s, login: &s.Login, schema: s.Login.Schema, at: s.At, status: statusAutocommit}
	if s.State != nil {
		o.doubt = slices.Contains(s.State.Unknown, unknownSchema)
		for _, p := range s.State.Prepared {
			if p.Name == "" {
				t.keep(o, p.Statement, p.SQL)
			}
		}
	}
	t.sessions[s.ID] = o
	return o
}

// command notes what a command may change.
func (t *table) command(o *open, c *session.Command) {
	o.seq, o.at = c.Seq, c.At
	if c.Kind == session.FileData {
		return
	}
	o.query = c.Seq
	a := awaited{seq: c.Seq, kind: c.Kind, statement: c.Statement}
	switch c.Kind {
	case session.Query:
		schema, ok := useOf(c.SQL)
		if !ok {
			return
		}
		a.kind, a.text = session.UseSchema, schema
	case session.UseSchema:
		if len(c.Payload) > 0 {
			a.text = bytes.Clone(c.Payload[1:])
		}
	case session.Prepare:
		if !c.Masked && !c.Cut && t.texts+len(c.SQL) <= maxTexts {
			a.text = bytes.Clone(c.SQL)
		}
	case session.ChangeUser:
		a.login = c.Login
	case session.ResetConnection, session.CloseSession, session.Deallocate:
	case session.LongData, session.Execute, session.BulkExecute, session.ResetStatement, session.CloseStatement:
		t.onStatement(o, c)
		return
	default:
		return
	}
	if len(o.awaited) >= maxAwaited {
		o.awaited = slices.Delete(o.awaited, 0, 1)
	}
	o.awaited = append(o.awaited, a)
}

// onStatement notes what becomes of a prepared statement without an answer.
func (t *table) onStatement(o *open, c *session.Command) {
	p, ok := o.prepared[c.Statement]
	switch {
	case !ok:
	case c.Kind == session.CloseStatement:
		t.drop(o, c.Statement)
	case p.long != (c.Kind == session.LongData):
		p.long = !p.long
		o.unshare()
		o.prepared[c.Statement] = p
	}
}

// reply notes what a command has changed.
func (t *table) reply(o *open, r *session.Reply) {
	if n := len(r.Results); n > 0 {
		last := &r.Results[n-1]
		switch last.Outcome {
		case session.OK, session.Rows, session.Opened:
			if !r.Lost {
				o.status = last.Status
			}
		}
		for _, c := range last.Changes {
			if c.Kind == session.SchemaChange {
				o.schema, o.doubt = c.Value, false
			}
		}
	}
	for len(o.awaited) > 0 && o.awaited[0].seq <= r.Seq {
		if a := &o.awaited[0]; a.seq == r.Seq {
			t.done(o, a, r)
		}
		o.awaited = o.awaited[1:]
	}
	if len(o.awaited) == 0 {
		o.awaited = nil
	}
}

// done notes the effect of an answered command.
func (t *table) done(o *open, a *awaited, r *session.Reply) {
	if r.Err() != nil {
		return
	}
	switch a.kind {
	case session.UseSchema:
		o.schema, o.doubt = string(a.text), len(a.text) == 0 || r.Lost
	case session.Prepare:
		switch {
		case r.Prepared != nil:
			t.keep(o, r.Prepared.Statement, a.text)
		case o.start.Protocol == session.X:
			t.keep(o, a.statement, nil) // its text alone would not do
		}
	case session.Deallocate:
		t.drop(o, a.statement)
	case session.ChangeUser:
		t.forget(o)
		o.status = statusAutocommit
		if a.login != nil {
			o.login, o.schema, o.doubt = a.login, a.login.Schema, false
		}
	case session.ResetConnection, session.CloseSession:
		t.forget(o)
		o.status = statusAutocommit
	}
}

// keep remembers a prepared statement.
func (t *table) keep(o *open, id uint32, text []byte) {
	t.drop(o, id)
	o.unshare()
	if o.prepared == nil {
		o.prepared = map[uint32]statement{}
	}
	if len(o.prepared) >= maxPrepared {
		return // unknown to a new assistant
	}
	if t.texts+len(text) > maxTexts {
		text = nil
	}
	t.texts += len(text)
	o.prepared[id] = statement{text: text}
}

func (t *table) drop(o *open, id uint32) {
	if p, ok := o.prepared[id]; ok {
		t.texts -= len(p.text)
		o.unshare()
		delete(o.prepared, id)
	}
}

// unshare makes prepared the session's own, before it is changed.
func (o *open) unshare() {
	if o.shared {
		o.prepared, o.shared = maps.Clone(o.prepared), false
	}
}

// forget forgets the prepared statements of a session.
func (t *table) forget(o *open) {
	for _, p := range o.prepared {
		t.texts -= len(p.text)
	}
	o.prepared, o.shared = nil, false
}

// copy returns the sessions that were not given up, as they are now.
func (t *table) copy() map[uint64]*open {
	m := make(map[uint64]*open, len(t.sessions))
	for id, o := range t.sessions {
		if !o.lost {
			o.shared = o.prepared != nil
			c := *o
			c.awaited = nil
			m[id] = &c
		}
	}
	return m
}

// What a session's State says of what the events do not tell.
const (
	unknownVariables = "session variables"
	unknownUser      = "user variables"
	unknownNames     = "statements prepared by name"
	unknownSchema    = "default schema"
	unknownTrx       = "open transaction"
)

// again returns a Start that introduces the session to an assistant that has
// not seen its beginning.
func (o *open) again() *session.Start {
	s := *o.start
	s.Joined = true
	s.Login = *o.login
	s.Login.Schema = o.schema
	state := &session.State{Asked: o.at, Told: o.at, Unknown: []string{unknownVariables, unknownUser, unknownNames}}
	if o.doubt {
		state.Unknown = append(state.Unknown, unknownSchema)
	}
	if o.start.Protocol == session.Classic {
		state.Transaction = o.status&(statusInTransaction|statusInReadOnlyTransaction) != 0
		if o.status&statusAutocommit == 0 {
			state.Variables = []session.Variable{{Name: "autocommit", Value: "0", Number: true}}
		}
	} else {
		state.Unknown = append(state.Unknown, unknownTrx)
	}
	for _, id := range slices.Sorted(maps.Keys(o.prepared)) {
		p := session.PreparedState{Statement: id}
		if st := o.prepared[id]; !st.long {
			p.SQL = st.text
		}
		state.Prepared = append(state.Prepared, p)
	}
	s.State = state
	return &s
}

// useOf tells whether a text may change the default schema, and to which; nil
// where that is not certain.
func useOf(sql []byte) (schema []byte, ok bool) {
	if len(sql) < 4 || !bytes.EqualFold(sql[:3], []byte("use")) {
		return nil, false
	}
	name := bytes.TrimSpace(sql[3:])
	if len(name)+3 == len(sql) && name[0] != '`' {
		return nil, false // user..., useful
	}
	name = bytes.TrimRight(name, "; \t\r\n")
	if len(name) > 2 && name[0] == '`' && name[len(name)-1] == '`' {
		name = name[1 : len(name)-1]
	}
	for _, c := range name {
		if c < 0x80 && c != '_' && c != '$' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return nil, true
		}
	}
	return bytes.Clone(name), true
}
