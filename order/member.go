package order

import (
	"strings"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/sqltext"
)

// member is a session as the planner sees it.
type member struct {
	id uint64
	// connection is the server's id for it; 0: not known.
	connection uint32
	x          bool
	caps       classic.Capability
	schema     string
	login      string // its schema at login
	open       *group
	waiting    []*command // sent, not answered
	inTrans    bool
	xa         bool
	locked     bool // LOCK TABLES
	manual     bool // X: autocommit is off
	limited    bool // sql_select_limit may be set
	// lastID is LAST_INSERT_ID(); 0: not known. (Of a Planner.)
	lastID int64
	// torn: bytes of the client were lost, and no reply has told yet whether a
	// transaction is open.
	torn     bool
	maria    bool
	level    level
	next     level // of the next transaction; unset: level
	server   level // the level at login
	prepared map[uint32]*statement
	named    map[string]*statement // PREPARE name FROM 'text'
	pending  map[uint64]*statement // by Seq
	latest   *statement
	temp     map[string]bool
	// locks are the named locks that it holds.
	locks map[string]*access
	// reached is what it has waited for of other sessions, waited the latest command of
	// those that have no place there.
	reached []reached
	waited  map[uint64]uint64
	newest  *group             // that others may wait for; nil: none
	room    *room[pendingWait] // the planner's
	line    line               // of a Live
}

// level is a transaction isolation level.
type level uint8

const (
	unset level = iota
	readUncommitted
	readCommitted
	repeatableRead
	serializable
)

// levelOf reads a level's name, with hyphens or spaces.
func levelOf(name string) level {
	switch strings.ReplaceAll(strings.ToLower(name), " ", "-") {
	case "read-uncommitted":
		return readUncommitted
	case "read-committed":
		return readCommitted
	case "serializable":
		return serializable
	case "repeatable-read":
		return repeatableRead
	}
	return unset
}

// statement is a prepared statement.
type statement struct {
	text     []byte
	shapes   []*sqltext.Shape
	literals []sqltext.LiteralToken
	params   int
	types    []classic.ParamType
	long     bool // parameters were sent ahead
}

func (p *Planner) start(e *session.Start) *member {
	m := &member{id: e.ID, connection: e.ConnectionID, x: e.Protocol == session.X, caps: classic.Capability(e.Login.Capabilities),
		schema: e.Login.Schema, login: e.Login.Schema, maria: strings.Contains(e.ServerVersion, "MariaDB"), server: p.level, room: &p.waits}
	m.level = m.server
	if e.State != nil {
		m.restore(p, e.State)
	}
	p.members[e.ID] = m
	return m
}

// restore takes over what the server told of a session.
func (m *member) restore(p *Planner, s *session.State) {
	for i := range s.Variables {
		switch strings.ToLower(s.Variables[i].Name) {
		case "transaction_isolation", "tx_isolation":
			if l := levelOf(s.Variables[i].Value); l != unset {
				m.level = l
			}
		case selectLimit:
			m.limited = s.Variables[i].Value != noSelectLimit
		}
	}
	for i := range s.Prepared {
		st := &s.Prepared[i]
		if st.SQL == nil {
			continue
		}
		made := p.statement(st.SQL, p.dialects.Options(m.id))
		made.params = placeholders(st.SQL, p.dialects.Options(m.id))
		if st.Name == "" {
			m.keep(st.Statement, made)
		} else {
			m.name(st.Name, made)
		}
	}
	m.inTrans = s.Transaction
}

func placeholders(sql []byte, opt sqltext.Options) (n int) {
	s := sqltext.NewScanner(sql, opt)
	for t := s.Next(); t.Kind != sqltext.EOF; t = s.Next() {
		if t.Kind == sqltext.Param {
			n++
		}
	}
	return n
}

// statement reads the text of a prepared statement.
func (p *Planner) statement(sql []byte, opt sqltext.Options) *statement {
	shapes, literals := p.shaper.Shapes(sql, opt)
	return &statement{text: sql, shapes: append([]*sqltext.Shape(nil), shapes...), literals: append([]sqltext.LiteralToken(nil), literals...)}
}

// maxStatements is how many prepared statements are remembered of a session.
const maxStatements = 1 << 14

func (m *member) keep(id uint32, s *statement) {
	if m.prepared == nil {
		m.prepared = map[uint32]*statement{}
	}
	if len(m.prepared) < maxStatements {
		m.prepared[id] = s
	}
}

func (m *member) name(name string, s *statement) {
	if m.named == nil {
		m.named = map[string]*statement{}
	}
	if len(m.named) < maxStatements {
		m.named[strings.ToLower(name)] = s
	}
}

// forget gives the session its first state back.
func (m *member) forget() {
	clear(m.prepared)
	clear(m.named)
	clear(m.temp)
	m.latest, m.lastID = nil, 0
	m.schema, m.level, m.next = m.login, m.server, unset
	m.inTrans, m.xa, m.locked, m.manual, m.torn, m.limited = false, false, false, false, false, false
}

// of returns the prepared statement that a command is about, or nil.
func (m *member) of(c *session.Command) *statement {
	if c.Statement == session.LastPrepared {
		return m.latest
	}
	return m.prepared[c.Statement]
}

// params reads the parameters of an execution; nil when they can't be read.
func (m *member) params(st *statement, c *session.Command) []classic.Param {
	if c.Kind != session.Execute || m.x || c.Masked || c.Cut {
		return nil
	}
	var e classic.Execute
	if e.Decode(c.Payload, m.caps, st.params) != nil {
		return nil
	}
	if e.Typed {
		st.types = append(st.types[:0], e.Types...)
	}
	if st.long {
		st.long = false
		return nil
	}
	list, err := e.Params(st.types, nil)
	if err != nil {
		return nil
	}
	return list
}
