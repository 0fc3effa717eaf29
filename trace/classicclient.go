package trace

import (
	"slices"

	"myreplay/classic"
	"myreplay/wire"
)

// classicStatement is a prepared statement of the classic protocol.
type classicStatement struct {
	quiet, blind bool
	// params is the number of its parameters, -1 before the server has said it.
	params  int
	types   []classic.ParamType
	long    map[uint16]bool // parameters that were sent ahead
	columns []classicColumn // of its rows
}

// longParams limits how many parameters of a statement that were sent ahead are
// remembered.
const longParams = 1024

// clientFields adds what a client's frame says, and returns what is to be
// remembered of it.
func (p *classicConn) clientFields(m *Message, part classic.ClientPart, f *classic.Frame) (q question) {
	switch part {
	case classic.ClientSSLRequest:
		r := wire.NewReader(f.Payload)
		m.add("capabilities", shortCapabilities(classic.Capability(r.Uint32())))
	case classic.ClientLogin:
		p.loginFields(m)
	case classic.ClientCommand:
		return p.commandFields(m, f)
	}
	return q
}

func (p *classicConn) loginFields(m *Message) {
	l := &p.state.Login
	c := p.c
	c.text(m, "user", []byte(l.User))
	c.text(m, "schema", []byte(l.Schema))
	c.text(m, "plugin", []byte(l.Plugin))
	m.add("capabilities", shortCapabilities(l.Capabilities))
	p.attributes(m, l.Attributes)
}

func (p *classicConn) attributes(m *Message, attributes []classic.Attribute) {
	var object []Field
	for i, a := range attributes {
		if i == maxItems {
			break
		}
		object = append(object, Field{p.c.cut([]byte(a.Name), len(a.Name)), p.c.value([]byte(a.Value))})
	}
	if object != nil {
		m.add("attributes", object)
	}
}

// shown are the capabilities that decide about what follows, or about what a
// client may do.
const shown = classic.Compress | classic.LocalFiles | classic.SSL | classic.MultiStatements | classic.SessionTrack |
	classic.DeprecateEOF | classic.OptionalMetadata | classic.ZstdCompression | classic.QueryAttributes |
	classic.MultiFactorAuth | classic.FoundRows | classic.IgnoreSpace | classic.Interactive | classic.MariaProgress |
	classic.MariaBulkOperations | classic.MariaExtMetadata | classic.MariaCacheMetadata | classic.MariaBulkUnitResults

// shortCapabilities returns the names of the capabilities that matter.
func shortCapabilities(caps classic.Capability) []any {
	list := []any{}
	for i := range 64 {
		if bit := classic.Capability(1) << i; caps&shown&bit != 0 {
			list = append(list, bit.String())
		}
	}
	return list
}

// commandFields adds what a command says. What is not listed may hold secrets,
// as COM_REGISTER_SLAVE does.
func (p *classicConn) commandFields(m *Message, f *classic.Frame) (q question) {
	if f.Holed {
		p.c.secrets.any = true // it may hold one
		return question{quiet: true}
	}
	c := p.c
	r := wire.NewReader(f.Payload)
	switch classic.Code(r.Uint8()) {
	case classic.ComQuery:
		return p.query(m, f)
	case classic.ComStmtPrepare:
		return p.prepare(m, f)
	case classic.ComStmtExecute:
		return p.execute(m, f)
	case classic.ComStmtBulkExecute, classic.ComStmtFetch, classic.ComStmtSendLongData, classic.ComStmtReset, classic.ComStmtClose:
		return p.onStatement(m, f)
	case classic.ComInitDB:
		c.text(m, "schema", r.Rest())
	case classic.ComFieldList:
		c.text(m, "table", r.NulString())
	case classic.ComProcessKill:
		m.add("connection", uint64(r.Uint32()))
	case classic.ComSetOption:
		m.add("option", uint64(r.Uint16()))
	case classic.ComChangeUser:
		p.changeUser(m, f)
	case classic.ComResetConnection:
		p.statements, p.latest = nil, nil
	}
	return q
}

func (p *classicConn) changeUser(m *Message, f *classic.Frame) {
	p.statements, p.latest = nil, nil
	var u classic.ChangeUser
	if !p.state.Known || u.Decode(f.Payload, p.state.Caps) != nil {
		// Where the authentication data end is not certain.
		r := wire.NewReader(f.Payload)
		r.Skip(1)
		p.c.text(m, "user", r.NulString())
		return
	}
	p.c.text(m, "user", []byte(u.User))
	p.c.text(m, "schema", []byte(u.Schema))
	p.c.text(m, "plugin", []byte(u.Plugin))
	p.attributes(m, u.Attributes)
}

// sql adds a statement's text.
func (p *classicConn) sql(m *Message, text []byte, f *classic.Frame) (q question, secretParams bool) {
	masked, found, q := p.c.statement(text, p.state.Greeting.Maria(), f.Cut)
	n := len(masked)
	if f.Cut {
		n = int(f.Size)
	}
	m.add("sql", p.c.cut(masked, n))
	return q, found.Params
}

func (p *classicConn) query(m *Message, f *classic.Frame) (q question) {
	var query classic.Query
	if err := query.Decode(f.Payload, p.state.Caps); err != nil && !f.Cut {
		return question{quiet: true}
	}
	q, params := p.sql(m, query.SQL, f)
	p.c.secrets.named = p.c.secrets.named || params
	if len(query.Attributes) > 0 {
		if q.quiet {
			m.add("attributes", Hidden)
		} else {
			var object []Field
			for _, a := range query.Attributes[:min(len(query.Attributes), maxItems)] {
				object = append(object, Field{p.c.cut(a.Name, len(a.Name)), p.param(a)})
			}
			m.add("attributes", object)
		}
	}
	return q
}

func (p *classicConn) prepare(m *Message, f *classic.Frame) (q question) {
	q, _ = p.sql(m, f.Payload[1:], f)
	s := &classicStatement{quiet: q.quiet, blind: q.blind, params: -1}
	q.statement, p.latest = s, s
	return q
}

// lastPrepared is MariaDB's id of the statement that was prepared last.
const lastPrepared = 0xffffffff

// of returns the statement with an id; nil when it is not known.
func (p *classicConn) of(id uint32) *classicStatement {
	if id == lastPrepared {
		return p.latest
	}
	return p.statements[id]
}

// asked is what is remembered of a command on a statement.
func asked(s *classicStatement) question {
	if s == nil {
		return question{quiet: true, binary: true} // it may hold a secret
	}
	return question{quiet: s.quiet, blind: s.blind, statement: s, binary: true}
}

// Where arguments can't be read there is why.
const (
	unknownStatement = "of a statement that was not seen"
	unknownLogin     = "of a session whose login was not seen"
)

func (p *classicConn) execute(m *Message, f *classic.Frame) question {
	id, err := classic.StatementID(f.Payload)
	if err != nil {
		return question{quiet: true, binary: true}
	}
	s := p.of(id)
	q := asked(s)
	m.add("statement", uint64(id))
	if len(f.Payload) > 5 && f.Payload[5]&(classic.ExecuteCursorReadOnly|classic.ExecuteCursorUpdate|classic.ExecuteScrollable) != 0 {
		m.add("cursor", true)
	}
	switch {
	case s == nil || s.params < 0:
		m.add("args", unknownStatement)
	case !p.state.Known:
		m.add("args", unknownLogin)
	case s.quiet:
		m.add("args", Hidden)
		s.long = nil
	case f.Cut:
	default:
		p.args(m, f, s)
	}
	return q
}

// args adds the arguments of an EXECUTE.
func (p *classicConn) args(m *Message, f *classic.Frame, s *classicStatement) {
	var e classic.Execute
	if e.Decode(f.Payload, p.state.Caps, s.params) != nil {
		return
	}
	params, err := e.Params(s.types, func(i int) bool { return s.long[uint16(i)] })
	s.long = nil
	if e.Typed {
		s.types = slices.Clone(e.Types)
		for i := range s.types {
			s.types[i].Name = nil // borrowed
		}
	}
	if err != nil || len(params) == 0 {
		return
	}
	var args list
	for _, v := range params {
		if args.full() {
			args.skip()
			continue
		}
		args.add(p.param(v))
	}
	m.add("args", args.value())
}

// param returns a parameter's value.
func (p *classicConn) param(v classic.Param) any {
	switch {
	case v.Null:
		return nil
	case v.Long:
		return "sent ahead"
	}
	return p.binary(v.Value, v.Type, v.Unsigned)
}

// binary returns a binary value.
func (p *classicConn) binary(b []byte, t classic.Type, unsigned bool) any {
	switch {
	case t.IsInteger() && (unsigned || t == classic.TypeYear):
		return classic.Integer(b, true)
	case t.IsInteger():
		return int64(classic.Integer(b, false))
	}
	return p.c.value(classic.AppendText(nil, b, t, unsigned))
}

// onStatement adds what the other commands on a statement say.
func (p *classicConn) onStatement(m *Message, f *classic.Frame) question {
	id, err := classic.StatementID(f.Payload)
	if err != nil {
		return question{quiet: true, binary: true}
	}
	s := p.of(id)
	q := asked(s)
	m.add("statement", uint64(id))
	switch classic.Code(f.Payload[0]) {
	case classic.ComStmtFetch:
		var fetch classic.Fetch
		if fetch.Decode(f.Payload) == nil {
			m.add("rows", uint64(fetch.Rows))
		}
	case classic.ComStmtSendLongData:
		p.longData(m, f, s)
	case classic.ComStmtReset:
		if s != nil {
			s.long = nil
		}
	case classic.ComStmtClose:
		delete(p.statements, id)
	}
	return q
}

// longData adds which parameter is sent ahead, and how much of it; the data are
// mostly long, and of no use in pieces.
func (p *classicConn) longData(m *Message, f *classic.Frame, s *classicStatement) {
	var d classic.LongData
	if d.Decode(f.Payload) != nil {
		return
	}
	m.add("param", uint64(d.Param))
	const head = 7
	m.add("bytes", f.Size-head)
	if s == nil || len(s.long) >= longParams {
		return
	}
	if s.long == nil {
		s.long = map[uint16]bool{}
	}
	s.long[d.Param] = true
}
