package trace

import (
	"strconv"

	"myreplay/xproto"
)

// xCursor is an open cursor.
type xCursor struct {
	quiet, blind bool
	columns      []xColumn
}

// xColumn is what is remembered of a column, to read rows: without its names.
type xColumn = xproto.Column

// serverFields adds what a server's message says. q is what it answers, nil when
// that is not known.
func (p *xConn) serverFields(m *Message, f *xproto.Frame, q *question) {
	kind := xproto.ServerMessage(f.Type)
	if kind != xproto.ResultsetColumnMetaData {
		p.defining = false
	}
	if f.Cut || f.Holed {
		return
	}
	switch kind {
	case xproto.OK:
		if text, err := xproto.OKText(f.Payload); err == nil {
			p.said(m, "text", text, q)
		}
	case xproto.ServerError:
		p.errorFields(m, f.Payload, q)
	case xproto.ConnCapabilities:
		var list xproto.Capabilities
		if list.Decode(f.Payload) == nil {
			p.capabilities(m, &list)
		}
	case xproto.Notice:
		p.notice(m, f.Payload, q)
	case xproto.ResultsetColumnMetaData:
		p.column(m, f.Payload, q)
	case xproto.ResultsetRow:
		p.row(m, f.Payload, q)
	case xproto.StmtExecuteOK:
		p.columns = p.columns[:0]
	}
}

// muted tells whether the server's texts must be left out.
func (p *xConn) muted(q *question) bool { return p.unsure || p.c.muted(q) }

// said adds a text of the server's.
func (p *xConn) said(m *Message, name string, b []byte, q *question) {
	if len(b) > 0 && p.unsure {
		m.add(name, Hidden)
		return
	}
	p.c.said(m, name, b, q)
}

func (p *xConn) errorFields(m *Message, payload []byte, q *question) {
	var e xproto.Error
	if e.Decode(payload) != nil {
		return
	}
	m.flag("fatal", e.Fatal)
	m.add("code", uint64(e.Code))
	p.c.text(m, "state", []byte(e.State))
	p.said(m, "text", e.Message, q)
}

var noticeNames = map[xproto.NoticeType]string{
	xproto.NoticeWarning: "WARNING", xproto.NoticeSessionVariableChanged: "SESSION_VARIABLE_CHANGED",
	xproto.NoticeSessionStateChanged: "SESSION_STATE_CHANGED", xproto.NoticeGroupReplication: "GROUP_REPLICATION_STATE_CHANGED",
	xproto.NoticeServerHello: "SERVER_HELLO",
}

var levels = [...]string{1: "note", 2: "warning", 3: "error"}

func (p *xConn) notice(m *Message, payload []byte, q *question) {
	var n xproto.NoticeFrame
	if n.Decode(payload) != nil {
		return
	}
	name := noticeNames[n.Type]
	if name == "" {
		name = "UNKNOWN_" + strconv.FormatUint(uint64(n.Type), 10)
	}
	m.add("type", name)
	switch n.Type {
	case xproto.NoticeWarning:
		var w xproto.Warning
		if w.Decode(n.Payload) == nil {
			if int(w.Level) < len(levels) && w.Level > 0 {
				m.add("level", levels[w.Level])
			}
			m.add("code", uint64(w.Code))
			p.said(m, "text", w.Message, q)
		}
	case xproto.NoticeSessionVariableChanged:
		var v xproto.VariableChange
		if v.Decode(n.Payload) == nil {
			p.said(m, "variable", v.Name, q)
			p.scalarSaid(m, &v.Value, q)
		}
	case xproto.NoticeSessionStateChanged:
		p.stateChange(m, n.Payload, q)
	}
}

// scalarSaid adds a value of the server's.
func (p *xConn) scalarSaid(m *Message, s *xproto.Scalar, q *question) {
	if p.muted(q) && (s.Type == xproto.ScalarString || s.Type == xproto.ScalarOctets) {
		m.add("value", Hidden)
		return
	}
	m.add("value", p.scalar(s))
}

func (p *xConn) stateChange(m *Message, payload []byte, q *question) {
	var s xproto.StateChange
	if s.Decode(payload) != nil {
		return
	}
	m.add("param", s.Parameter.String())
	if len(s.Values) == 1 {
		p.scalarSaid(m, &s.Values[0], q)
		return
	}
	var l list
	for i := range s.Values {
		switch {
		case l.full():
			l.skip()
		case p.muted(q):
			l.add(Hidden)
		default:
			l.add(p.scalar(&s.Values[i]))
		}
	}
	if l.n > 0 {
		m.add("values", l.value())
	}
}

var fieldTypeNames = map[xproto.FieldType]string{xproto.TypeSint: "SINT", xproto.TypeUint: "UINT", xproto.TypeDouble: "DOUBLE",
	xproto.TypeFloat: "FLOAT", xproto.TypeBytes: "BYTES", xproto.TypeTime: "TIME", xproto.TypeDatetime: "DATETIME",
	xproto.TypeSet: "SET", xproto.TypeEnum: "ENUM", xproto.TypeBit: "BIT", xproto.TypeDecimal: "DECIMAL"}

var contentNames = map[uint32]string{xproto.ContentGeometry: " geometry", xproto.ContentJSON: " json", xproto.ContentXML: " xml"}

// column adds a column's name and type.
func (p *xConn) column(m *Message, payload []byte, q *question) {
	var col xproto.Column
	if col.Decode(payload) != nil {
		return
	}
	if q != nil && secretColumn(col.Schema, col.OriginalName) {
		q.blind = true
		if q.cursor != nil {
			q.cursor.blind = true
		}
	}
	p.said(m, "name", col.Name, q)
	typ := fieldTypeNames[col.Type]
	if typ == "" {
		typ = "UNKNOWN_" + strconv.Itoa(int(col.Type))
	}
	if col.Type == xproto.TypeBytes {
		typ += contentNames[col.ContentType]
	}
	m.add("type", typ)
	p.said(m, "table", col.Table, q)
	p.said(m, "schema", col.Schema, q)
	p.remember(col, q)
}

// remember remembers the columns of the rows that follow.
func (p *xConn) remember(col xproto.Column, q *question) {
	columns := &p.columns
	if q != nil && q.cursor != nil {
		columns = &q.cursor.columns
	}
	if !p.defining {
		*columns, p.defining = (*columns)[:0], true
	}
	col.Name, col.OriginalName, col.Table, col.OriginalTable, col.Schema, col.Catalog = nil, nil, nil, nil, nil, nil
	if len(*columns) < maxColumns {
		*columns = append(*columns, col)
	}
}

// row adds the values of a row.
func (p *xConn) row(m *Message, payload []byte, q *question) {
	if q == nil || q.blind || p.muted(q) {
		m.add("values", Hidden)
		return
	}
	columns := p.columns
	if q.cursor != nil {
		columns = q.cursor.columns
	}
	if len(columns) == 0 {
		return
	}
	var values list
	var text []byte
	err := xproto.Row(payload, len(columns), func(i int, v []byte) {
		switch {
		case values.full():
			values.skip()
		case len(v) == 0:
			values.add(nil)
		default:
			var err error
			if text, err = columns[i].AppendText(text[:0], v); err != nil {
				values.add("?")
			} else {
				values.add(p.c.value(text))
			}
		}
	})
	if err == nil {
		m.add("values", values.value())
	}
}

// scalar returns a value.
func (p *xConn) scalar(s *xproto.Scalar) any {
	switch s.Type {
	case xproto.ScalarSint:
		return s.Sint
	case xproto.ScalarUint:
		return s.Uint
	case xproto.ScalarDouble, xproto.ScalarFloat:
		return s.Float
	case xproto.ScalarBool:
		return s.Bool
	case xproto.ScalarString, xproto.ScalarOctets:
		return p.c.value(s.Bytes)
	}
	return nil
}

// any returns a value of at most depth levels.
func (p *xConn) any(a *xproto.Any, depth int) any {
	switch {
	case depth == 0:
		return "..."
	case a.Scalar != nil:
		return p.scalar(a.Scalar)
	case a.IsObject:
		object := []Field{}
		for i := range a.Object {
			if i == maxItems {
				break
			}
			f := &a.Object[i]
			object = append(object, Field{p.name(f.Key), p.any(&f.Value, depth-1)})
		}
		return object
	case a.IsArray:
		var l list
		for i := range a.Array {
			if l.full() {
				l.skip()
			} else {
				l.add(p.any(&a.Array[i], depth-1))
			}
		}
		return l.value()
	}
	return nil
}

// name returns a key as it is shown.
func (p *xConn) name(key string) string { return p.c.cut([]byte(key), len(key)) }

// packedFields adds what a COMPRESSION message says of itself.
func packedFields(m *Message, z xproto.Algorithm, payload []byte) {
	if z != xproto.Uncompressed {
		m.add("algorithm", z.String())
	}
	var c xproto.Compressed
	if c.Decode(payload) == nil {
		m.add("uncompressed", c.Size)
	}
}
