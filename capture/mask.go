package capture

import (
	"bytes"
	"slices"

	"myreplay/dialect"
	"myreplay/session"
	"myreplay/sqltext"
)

// masker takes secrets out of events. What follows from a statement with a
// secret is masked too: the parameters of a prepared one, and the text of an
// error, which may quote it.
type masker struct {
	dialects dialect.Tracker
	scratch  []byte
	// keepRows: rows are recorded; those that hold secrets are not.
	keepRows bool
	// sessions holds what is known of sessions with secrets; most have none.
	sessions map[uint64]*secrets
	// x are the sessions of the X Protocol.
	x map[uint64]bool
}

// secrets is what a session has that is secret.
type secrets struct {
	prepares map[uint64]bool // by Seq: the statement has a secret or asks for one
	open     map[uint32]bool // by statement id
	last     bool            // the statement prepared last
	replies  map[uint64]bool // by Seq: the reply may quote a secret
	// named: the SQL statement PREPARE prepared one whose parameters are secret.
	// They come in user variables, or as literals of MariaDB's EXECUTE.
	named bool
}

// mask returns the event without its secrets: the same event, or a changed copy.
func (m *masker) mask(e session.Event) session.Event {
	m.dialects.See(e)
	switch e := e.(type) {
	case *session.Start:
		if e.Protocol == session.X {
			if m.x == nil {
				m.x = map[uint64]bool{}
			}
			m.x[e.ID] = true
		}
	case *session.Command:
		return m.command(e)
	case *session.Reply:
		return m.reply(e)
	case *session.End:
		delete(m.sessions, e.ID)
		delete(m.x, e.ID)
	}
	return e
}

func (m *masker) command(c *session.Command) session.Event {
	switch {
	case c.SQL != nil:
		return m.text(c)
	case m.x[c.ID] && hasText(c.Kind):
		return withPayload(c, c.Payload[:min(1, len(c.Payload))], nil) // it could not be read
	case c.Kind == session.Replication:
		// COM_REGISTER_SLAVE carries a password.
		return withPayload(c, c.Payload[:1], nil)
	case c.Kind.OnStatement():
		return m.onStatement(c)
	case c.Kind == session.ResetConnection || c.Kind == session.ChangeUser || c.Kind == session.CloseSession:
		delete(m.sessions, c.ID)
	}
	return c
}

// hasText tells whether commands of a kind have a text where they can be read.
func hasText(k session.Kind) bool {
	switch k {
	case session.Query, session.Prepare, session.PluginCommand, session.View,
		session.Find, session.Insert, session.Update, session.Delete:
		return true
	}
	return false
}

// text masks a statement's text.
func (m *masker) text(c *session.Command) session.Event {
	mask := sqltext.Mask
	if s := m.sessions[c.ID]; s != nil && s.named && usesVariables(c.SQL) {
		mask = sqltext.MaskLiterals
	}
	var found sqltext.Secret
	m.scratch, found = mask(m.scratch[:0], c.SQL, m.dialects.Options(c.ID))
	hideRows := m.showsSecrets(c) || m.sessions[c.ID] != nil && m.sessions[c.ID].named && usesVariables(c.SQL)
	if !found.Any() && !hideRows {
		if c.Kind == session.Prepare {
			if s := m.sessions[c.ID]; s != nil {
				s.last = false
			}
		}
		return c
	}
	s := m.session(c.ID)
	s.replies[c.Seq] = true
	if c.Kind == session.Prepare { // a reply to its execution may quote it, too
		s.prepares[c.Seq] = true
		s.last = true
		if m.x[c.ID] { // the client chose the id, and may use it before the reply
			s.open[c.Statement] = true
		}
	}
	s.named = s.named || c.Kind == session.Query && found.Params
	if m.x[c.ID] {
		if !found.Any() {
			return c
		}
		// The text stands within a message that has its length, and arguments.
		return withPayload(c, c.Payload[:1], bytes.Clone(m.scratch))
	}
	if !found.Found {
		return c
	}
	head := len(c.Payload) - len(c.SQL)
	payload := append(bytes.Clone(c.Payload[:head]), m.scratch...)
	return withPayload(c, payload, payload[head:])
}

// usesVariables tells whether a text may set a user variable, or execute a
// statement that was prepared in SQL.
func usesVariables(sql []byte) bool {
	return bytes.IndexByte(sql, '@') >= 0 || bytes.Contains(bytes.ToLower(sql), []byte("execute"))
}

// onStatement leaves out the parameters of a statement where they are secret.
func (m *masker) onStatement(c *session.Command) session.Event {
	s := m.sessions[c.ID]
	if s == nil {
		return c
	}
	secret := s.open[c.Statement]
	if c.Statement == session.LastPrepared {
		secret = s.last
	}
	if !secret {
		return c
	}
	switch c.Kind {
	case session.CloseStatement, session.Deallocate:
		delete(s.open, c.Statement)
		return c
	case session.OpenCursor:
		s.replies[c.Seq] = true
		return withPayload(c, c.Payload[:min(1, len(c.Payload))], nil)
	case session.Execute, session.BulkExecute, session.LongData:
		s.replies[c.Seq] = c.Kind.HasReply()
		head := 5 // with the statement's id
		if m.x[c.ID] {
			head = 1
		}
		return withPayload(c, c.Payload[:min(head, len(c.Payload))], nil)
	}
	return c
}

// withPayload returns a masked copy of c.
func withPayload(c *session.Command, payload, sql []byte) *session.Command {
	masked := *c
	masked.Payload, masked.SQL, masked.Masked = payload, sql, true
	return &masked
}

func (m *masker) reply(r *session.Reply) session.Event {
	if m.keepRows && fromSystemTables(r) {
		r = withoutRows(r)
	}
	s := m.sessions[r.ID]
	if s == nil {
		return r
	}
	if s.prepares[r.Seq] {
		delete(s.prepares, r.Seq)
		if r.Prepared != nil {
			s.open[r.Prepared.Statement] = true
		}
	}
	if !s.replies[r.Seq] {
		return r
	}
	delete(s.replies, r.Seq)
	return quiet(r)
}

// systemSchema has the accounts and their secrets.
const systemSchema = "mysql"

// fromSystemTables tells whether rows that were kept come from the system
// schema, whatever the statement's text said.
func fromSystemTables(r *session.Reply) bool {
	for i := range r.Results {
		if c := r.Results[i].Columns; c != nil && len(r.Results[i].Kept) > 0 &&
			slices.ContainsFunc(c.List, func(c session.Column) bool { return c.Schema == systemSchema }) {
			return true
		}
	}
	return false
}

// withoutRows returns a copy of a reply without its kept rows.
func withoutRows(r *session.Reply) *session.Reply {
	bare := *r
	bare.Results = slices.Clone(r.Results)
	for i := range bare.Results {
		bare.Results[i].Kept = nil
	}
	return &bare
}

// quiet returns a copy of a reply without what may quote a secret: the text of
// errors, rows, and hashes of rows.
func quiet(r *session.Reply) *session.Reply {
	masked := *r
	masked.Results = make([]session.Result, len(r.Results))
	for i, res := range r.Results {
		if res.Error != nil {
			res.Error = &session.Error{Code: res.Error.Code, State: res.Error.State, Message: "***"}
		}
		res.Kept, res.Keyed, res.Changes = nil, nil, nil
		masked.Results[i] = res
	}
	return &masked
}

func (m *masker) session(id uint64) *secrets {
	if m.sessions == nil {
		m.sessions = map[uint64]*secrets{}
	}
	s := m.sessions[id]
	if s == nil {
		s = &secrets{prepares: map[uint64]bool{}, open: map[uint32]bool{}, replies: map[uint64]bool{}}
		m.sessions[id] = s
	}
	return s
}

// secretRows are words of statements whose rows hold password hashes, or the
// text of other sessions' statements, in lower case.
var secretRows = [][]byte{[]byte("mysql.user"), []byte("create user"), []byte("grants"), []byte("authentication_string"),
	[]byte("global_priv"), []byte("slave_master_info"), []byte("mysql.servers"), []byte("processlist"),
	[]byte("general_log"), []byte("slow_log"), []byte("events_statements")}

// quotingRows are those of statements whose rows may quote the session's own
// statement with a secret.
var quotingRows = [][]byte{[]byte("warnings"), []byte("errors")}

// showsSecrets tells whether the rows that a statement brings may hold secrets.
func (m *masker) showsSecrets(c *session.Command) bool {
	if !m.keepRows {
		return false
	}
	lower := bytes.ToLower(c.SQL)
	has := func(word []byte) bool { return bytes.Contains(lower, word) }
	return slices.ContainsFunc(secretRows, has) || m.sessions[c.ID] != nil && slices.ContainsFunc(quotingRows, has)
}
