package trace

import (
	"strings"

	"myreplay/xproto"
)

// clientFields adds what a client's message says, and returns what is to be
// remembered of it.
func (p *xConn) clientFields(m *Message, f *xproto.Frame) (q question) {
	kind := xproto.ClientMessage(f.Type)
	if f.Cut || f.Holed {
		p.c.secrets.any = true // it may hold one
		return question{quiet: true}
	}
	var err error
	switch kind {
	case xproto.ConCapabilitiesSet:
		var set xproto.CapabilitiesSet
		if err = set.Decode(f.Payload); err == nil {
			p.capabilities(m, &set.Capabilities)
		}
	case xproto.SessAuthenticateStart, xproto.SessAuthenticateContinue:
		err = p.login(m, kind, f.Payload)
	case xproto.SessReset:
		var r xproto.Reset
		err = r.Decode(f.Payload)
		m.flag("keep_open", r.KeepOpen)
	case xproto.SQLStmtExecute:
		q, err = p.stmt(m, f.Payload)
	case xproto.CrudFind, xproto.CrudInsert, xproto.CrudUpdate, xproto.CrudDelete,
		xproto.CrudCreateView, xproto.CrudModifyView, xproto.CrudDropView:
		q = p.crud(m, kind, f.Payload)
	case xproto.ExpectOpen:
		err = p.expect(m, f.Payload)
	case xproto.PreparePrepare:
		q, err = p.prepare(m, f.Payload)
	default:
		q, err = p.numbered(m, kind, f.Payload)
	}
	q.quiet = q.quiet || err != nil
	return q
}

// login adds who logs in. All else in the message is a secret, or an answer made
// from it.
func (p *xConn) login(m *Message, kind xproto.ClientMessage, payload []byte) error {
	var data []byte
	if kind == xproto.SessAuthenticateStart {
		var a xproto.AuthenticateStart
		if err := a.Decode(payload); err != nil {
			return err
		}
		p.mechanism = strings.ToUpper(a.Mechanism)
		p.statements, p.cursors = nil, nil
		p.c.text(m, "mechanism", []byte(a.Mechanism))
		if p.mechanism != xproto.MechanismPlain {
			return nil
		}
		data = a.Data
	} else {
		if p.mechanism != xproto.MechanismNative && p.mechanism != xproto.MechanismSHA256 {
			return nil
		}
		var a xproto.AuthData
		if err := a.Decode(payload); err != nil {
			return err
		}
		data = a.Data
	}
	if schema, user, ok := xproto.Who(data); ok {
		p.c.text(m, "user", []byte(user))
		p.c.text(m, "schema", []byte(schema))
	}
	return nil
}

func (p *xConn) capabilities(m *Message, list *xproto.Capabilities) {
	var object []Field
	for i := range list.List {
		if i == maxItems {
			break
		}
		f := &list.List[i]
		object = append(object, Field{p.name(f.Key), p.any(&f.Value, maxDepth)})
	}
	if object != nil {
		m.add("capabilities", object)
	}
}

// sql adds a statement's text.
func (p *xConn) sql(m *Message, text []byte) (q question, secretParams bool) {
	masked, found, q := p.c.statement(text, false, false)
	m.add("sql", p.c.cut(masked, len(masked)))
	return q, found.Params
}

// stmt adds a StmtExecute.
func (p *xConn) stmt(m *Message, payload []byte) (q question, err error) {
	var s xproto.StmtExecute
	if err := s.Decode(payload); err != nil {
		return q, err
	}
	if s.Namespace == xproto.NamespaceSQL {
		var params bool
		q, params = p.sql(m, s.Stmt)
		p.c.secrets.named = p.c.secrets.named || params
	} else {
		p.c.text(m, "namespace", []byte(s.Namespace))
		p.c.text(m, "command", s.Stmt)
	}
	p.args(m, s.Args, q.quiet)
	m.flag("compact_metadata", s.CompactMetadata)
	return q, nil
}

// args adds arguments.
func (p *xConn) args(m *Message, args [][]byte, hidden bool) {
	switch {
	case len(args) == 0:
		return
	case hidden:
		m.add("args", Hidden)
		return
	}
	var l list
	for _, b := range args {
		var a xproto.Any
		if l.full() {
			l.skip()
		} else if a.Decode(b) == nil {
			l.add(p.any(&a, maxDepth))
		} else {
			l.add("?")
		}
	}
	m.add("args", l.value())
}

// crud adds the statement that says the same as a CRUD or view message.
func (p *xConn) crud(m *Message, kind xproto.ClientMessage, payload []byte) question {
	sql, err := xproto.AppendSQL(nil, kind, payload)
	if err != nil {
		schema, name := xproto.Target(kind, payload)
		p.c.text(m, "schema", []byte(schema))
		p.c.text(m, "collection", []byte(name))
		p.c.secrets.any = true // what it says is not known
		return question{quiet: true}
	}
	q, _ := p.sql(m, sql)
	return q
}

// prepare adds a Prepare: the client has chosen the number of the statement, and
// may use it at once.
func (p *xConn) prepare(m *Message, payload []byte) (q question, err error) {
	var r xproto.Prepare
	if err := r.Decode(payload); err != nil {
		return q, err
	}
	m.add("statement", uint64(r.ID))
	if r.Kind == xproto.PrepareStmt {
		if q, err = p.preparedStmt(m, r.Body); err != nil {
			return q, err
		}
	} else {
		q = p.crud(m, r.Kind.Message(), r.Body)
	}
	if p.statements == nil {
		p.statements = map[uint32]question{}
	}
	delete(p.statements, r.ID)
	if len(p.statements) < maxStatements {
		p.statements[r.ID] = q
	}
	return q, nil
}

func (p *xConn) preparedStmt(m *Message, body []byte) (q question, err error) {
	var s xproto.StmtExecute
	if err := s.Decode(body); err != nil {
		return q, err
	}
	if s.Namespace != xproto.NamespaceSQL {
		p.c.text(m, "namespace", []byte(s.Namespace))
	}
	q, _ = p.sql(m, s.Stmt)
	p.args(m, s.Args, q.quiet)
	return q, nil
}

// execute adds the arguments of a prepared statement.
func (p *xConn) execute(m *Message, e *xproto.Execute) question {
	q, known := p.statements[e.ID]
	m.add("statement", uint64(e.ID))
	if !known {
		if len(e.Args) > 0 {
			m.add("args", unknownStatement)
		}
		return question{quiet: true} // it may hold a secret
	}
	p.args(m, e.Args, q.quiet)
	m.flag("compact_metadata", e.CompactMetadata)
	return q
}

// numbered adds what messages about statements and cursors say.
func (p *xConn) numbered(m *Message, kind xproto.ClientMessage, payload []byte) (q question, err error) {
	var n xproto.Numbered
	switch kind {
	case xproto.PrepareExecute:
		var e xproto.Execute
		if err := e.Decode(payload); err != nil {
			return q, err
		}
		return p.execute(m, &e), nil
	case xproto.PrepareDeallocate:
		err = n.Decode(payload)
		m.add("statement", uint64(n.ID))
		delete(p.statements, n.ID)
	case xproto.CursorOpen:
		var o xproto.Open
		if err := o.Decode(payload); err != nil {
			return q, err
		}
		m.add("cursor", uint64(o.ID))
		q = p.execute(m, &o.Execute)
		m.number("fetch_rows", o.FetchRows)
		p.openCursor(o.ID, &q)
	case xproto.CursorFetch:
		err = n.Decode(payload)
		m.add("cursor", uint64(n.ID))
		m.number("fetch_rows", n.FetchRows)
		if cursor := p.cursors[n.ID]; cursor != nil {
			q = question{quiet: cursor.quiet, blind: cursor.blind, cursor: cursor}
		} else {
			q.quiet = true
		}
	case xproto.CursorClose:
		err = n.Decode(payload)
		m.add("cursor", uint64(n.ID))
		delete(p.cursors, n.ID)
	}
	return q, err
}

// openCursor remembers a cursor.
func (p *xConn) openCursor(id uint32, q *question) {
	if p.cursors == nil || len(p.cursors) >= maxCursors {
		p.cursors = map[uint32]*xCursor{}
	}
	q.cursor = &xCursor{quiet: q.quiet, blind: q.blind}
	p.cursors[id] = q.cursor
}

var conditions = map[uint32]string{1: "no_error", 2: "field_exists", 3: "docid_generated"}

// expect adds the conditions of an ExpectOpen.
func (p *xConn) expect(m *Message, payload []byte) error {
	var e xproto.Expectations
	if err := e.Decode(payload); err != nil {
		return err
	}
	var l list
	for _, c := range e.Conditions {
		if l.full() {
			l.skip()
			continue
		}
		name := conditions[c.Key]
		if name == "" {
			name = "unknown condition"
		}
		if c.Unset {
			name = "not " + name
		}
		if len(c.Value) > 0 {
			l.add([]Field{{name, p.c.value(c.Value)}})
		} else {
			l.add(name)
		}
	}
	if l.n > 0 {
		m.add("conditions", l.value())
	}
	m.flag("copy_previous", e.CopyPrevious)
	return nil
}
