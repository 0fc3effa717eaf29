package trace

import "myreplay/classic"

// classicColumn is what is remembered of a column, to read binary rows.
type classicColumn struct {
	typ      classic.Type
	unsigned bool
}

// maxColumns is how many columns are remembered; servers allow 4096.
const maxColumns = 4096

// asking returns the question that the server answers, nil for none.
func (p *classicConn) asking() *question {
	if p.first < len(p.queue) {
		return &p.queue[p.first]
	}
	return nil
}

// serverFields adds what a server's frame says.
func (p *classicConn) serverFields(m *Message, part classic.ServerPart, f *classic.Frame) {
	q := p.asking()
	c := p.c
	switch part {
	case classic.PartGreeting:
		p.greetingFields(m)
	case classic.PartAuthSwitch:
		c.text(m, "plugin", []byte(p.state.Switch.Plugin))
	case classic.PartAuthMore:
		authMore(m, f.Payload)
	case classic.PartLoginError, classic.PartError, classic.PartNotice:
		p.errorFields(m, &p.state.ERR, q)
	case classic.PartLoginOK, classic.PartOK, classic.PartRowsEnd, classic.PartColumnsEnd:
		p.okFields(m, part, q)
	case classic.PartFileRequest:
		c.said(m, "file", f.Payload[1:], q)
	case classic.PartColumnCount:
		m.add("columns", uint64(p.state.Columns))
		p.columns = p.columns[:0]
	case classic.PartPrepared:
		p.preparedFields(m, q)
	case classic.PartColumn, classic.PartPreparedColumn, classic.PartParam, classic.PartField:
		p.columnFields(m, part, f, q)
	case classic.PartRow:
		p.rowFields(m, f, q)
	case classic.PartText:
		c.said(m, "text", f.Payload, q)
	case classic.PartStream:
		if len(f.Payload) > 0 && f.Payload[0] == 0xff {
			var e classic.ERR
			if e.Decode(f.Payload) == nil {
				p.errorFields(m, &e, q)
			}
		}
	}
}

func (p *classicConn) greetingFields(m *Message) {
	g := &p.state.Greeting
	p.c.text(m, "version", []byte(g.Version))
	m.add("connection", uint64(g.ConnectionID))
	p.c.text(m, "plugin", []byte(g.Plugin))
	m.add("capabilities", shortCapabilities(g.Capabilities))
}

// authMore adds what caching_sha2_password says about the way to go on; all else
// is keys and nonces.
func authMore(m *Message, payload []byte) {
	if len(payload) != 2 {
		return
	}
	switch payload[1] {
	case classic.CachingFastOK:
		m.add("says", "fast authentication succeeded")
	case classic.CachingFull:
		m.add("says", "full authentication is needed")
	}
}

func (p *classicConn) errorFields(m *Message, e *classic.ERR, q *question) {
	m.add("code", uint64(e.Code))
	if len(e.State) > 0 {
		m.add("state", p.c.value(e.State))
	}
	p.c.said(m, "text", e.Message, q)
}

func (p *classicConn) okFields(m *Message, part classic.ServerPart, q *question) {
	o := &p.state.OK
	if part == classic.PartColumnsEnd && o.Status&classic.StatusCursorExists != 0 {
		p.keepColumns(q)
	}
	if !o.EOF {
		if part != classic.PartRowsEnd || o.Affected != 0 {
			m.add("affected", o.Affected)
		}
		m.number("insert_id", o.InsertID)
	}
	m.number("warnings", uint64(o.Warnings))
	if o.Status != 0 {
		m.add("status", statusWords(o.Status))
	}
	p.c.said(m, "info", o.Info, q)
	p.changes(m, o, q)
	if part == classic.PartRowsEnd {
		p.keepColumns(q)
	}
}

// keepColumns keeps the columns of a statement for its next FETCH, or its next
// execution without definitions.
func (p *classicConn) keepColumns(q *question) {
	if q != nil && q.statement != nil && len(p.columns) > 0 {
		q.statement.columns = append(q.statement.columns[:0], p.columns...)
	}
}

var statusNames = [...]string{0: "IN_TRANS", 1: "AUTOCOMMIT", 3: "MORE_RESULTS", 4: "NO_GOOD_INDEX", 5: "NO_INDEX",
	6: "CURSOR_EXISTS", 7: "LAST_ROW_SENT", 8: "DB_DROPPED", 9: "NO_BACKSLASH_ESCAPES", 10: "METADATA_CHANGED",
	11: "SLOW", 12: "PS_OUT_PARAMS", 13: "IN_TRANS_READONLY", 14: "SESSION_STATE_CHANGED", 15: "ANSI_QUOTES"}

func statusWords(status uint16) []any {
	list := []any{}
	for i, n := range statusNames {
		if n != "" && status&(1<<i) != 0 {
			list = append(list, n)
		}
	}
	return list
}

var changeNames = [...]string{"", "schema", "state", "gtid", "transaction", "transaction_state"}

// changes adds the session's state changes.
func (p *classicConn) changes(m *Message, o *classic.OK, q *question) {
	if len(o.Changes) == 0 {
		return
	}
	if p.c.muted(q) {
		m.add("changes", Hidden)
		return
	}
	var object []Field
	_ = o.StateChanges(func(s classic.StateChange) { // what could be read is shown
		name := "?"
		switch {
		case len(s.Name) > 0:
			name = p.c.cut(s.Name, len(s.Name))
		case int(s.Kind) < len(changeNames) && s.Kind > 0:
			name = changeNames[s.Kind]
		}
		if len(object) < maxItems {
			object = append(object, Field{name, p.c.value(s.Value)})
		}
	})
	if object != nil {
		m.add("changes", object)
	}
}

func (p *classicConn) preparedFields(m *Message, q *question) {
	r := &p.state.Prepared
	m.add("statement", uint64(r.Statement))
	m.add("params", uint64(r.Params))
	m.add("columns", uint64(r.Columns))
	m.number("warnings", uint64(r.Warnings))
	if q == nil || q.statement == nil {
		return
	}
	q.statement.params = int(r.Params)
	if p.statements == nil {
		p.statements = map[uint32]*classicStatement{}
	}
	if len(p.statements) < maxStatements || p.statements[r.Statement] != nil {
		p.statements[r.Statement] = q.statement
	}
}

func (p *classicConn) columnFields(m *Message, part classic.ServerPart, f *classic.Frame, q *question) {
	var col classic.Column
	if f.Cut || f.Holed || col.Decode(f.Payload) != nil {
		return
	}
	if part != classic.PartParam {
		p.c.said(m, "name", col.Name, q)
	}
	if q != nil && secretColumn(col.Schema, col.OrgName) {
		q.blind = true
	}
	unsigned := col.Flags&classic.FlagUnsigned != 0
	typ := col.Type.String()
	if unsigned {
		typ += " unsigned"
	}
	m.add("type", typ)
	if len(col.Table) > 0 {
		p.c.said(m, "table", col.Table, q)
		p.c.said(m, "schema", col.Schema, q)
	}
	p.remember(part, classicColumn{col.Type, unsigned}, q)
}

// remember remembers the columns of rows that follow, or may follow.
func (p *classicConn) remember(part classic.ServerPart, col classicColumn, q *question) {
	switch {
	case part == classic.PartColumn && len(p.columns) < maxColumns:
		p.columns = append(p.columns, col)
	case part == classic.PartPreparedColumn && q != nil && q.statement != nil && len(q.statement.columns) < maxColumns:
		q.statement.columns = append(q.statement.columns, col)
	}
}

// rowFields adds the values of a row.
func (p *classicConn) rowFields(m *Message, f *classic.Frame, q *question) {
	if f.Cut || f.Holed || q == nil {
		return
	}
	if q.blind || p.c.muted(q) {
		m.add("values", Hidden)
		return
	}
	columns := p.columns
	if len(columns) == 0 && q.statement != nil { // of a FETCH, or the definitions are left out
		columns = q.statement.columns
	}
	var values list
	take := func(i int, b []byte, null bool) {
		switch {
		case values.full():
			values.skip()
		case null:
			values.add(nil)
		case q.binary:
			values.add(p.binary(b, columns[i].typ, columns[i].unsigned))
		default:
			values.add(p.c.value(b))
		}
	}
	var err error
	if q.binary {
		err = classic.BinaryRow(f.Payload, len(columns), func(i int) classic.Type { return columns[i].typ }, take)
	} else {
		err = classic.TextRow(f.Payload, p.state.Columns, take)
	}
	if err == nil {
		m.add("values", values.value())
	}
}
