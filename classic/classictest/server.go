package classictest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"myreplay/classic"
	"myreplay/wire"
)

// server makes a server's message.
func (s *Script) server(word, args string) ([]byte, error) {
	switch word {
	case "raw":
		return hex.DecodeString(strings.ReplaceAll(args, " ", ""))
	case "greeting":
		return s.greet(fields(args))
	case "ok":
		return s.ok(fields(args), 0x00), nil
	case "eof":
		return s.end(fields(args)), nil
	case "err":
		return s.err(args)
	case "switch":
		sw := classic.AuthSwitch{Plugin: args, Data: append([]byte("switched-nonce-12345"), 0)}
		return s.frame(nil, sw.Append(nil)), nil
	case "more":
		return s.frame(nil, append([]byte{1}, text(args)...)), nil
	case "file":
		return s.frame(nil, append([]byte{0xfb}, args...)), nil
	case "text":
		return s.frame(nil, []byte(args)), nil
	case "rows":
		return s.rows(args)
	case "morerows":
		return s.moreRows(args)
	case "cursor":
		return s.cursor(args)
	case "prepared":
		return s.prepared(args)
	case "fields":
		return s.fieldList(args)
	case "progress":
		return s.frame(nil, []byte{0xff, 0xff, 0xff, 1, 1, 1, 0, 0, 0, 0}), nil
	}
	return nil, fmt.Errorf("no message %s", word)
}

func (s *Script) greet(f map[string]string) ([]byte, error) {
	id, _ := strconv.ParseUint(f["id"], 0, 32)
	s.greeting = classic.Greeting{Version: f["version"], ConnectionID: uint32(id), Nonce: []byte("nonce-of-20-bytes-ab"),
		Capabilities: DefaultCaps | classic.ConnectWithDB | classic.SSL | classic.Compress | classic.ZstdCompression |
			classic.QueryAttributes | classic.OptionalMetadata | classic.FoundRows | classic.ConnectAttrs,
		Collation: 45, Status: classic.StatusAutocommit, Plugin: "mysql_native_password"}
	if s.greeting.Version == "" {
		s.greeting.Version = "8.4.0"
	}
	if err := adjust(&s.greeting.Capabilities, f); err != nil {
		return nil, err
	}
	s.seq = 0
	return s.frame(nil, s.greeting.Append(nil)), nil
}

// okOf reads an OK packet's fields.
func (s *Script) okOf(f map[string]string) classic.OK {
	num := func(k string) uint64 { n, _ := strconv.ParseUint(f[k], 0, 64); return n }
	o := classic.OK{Affected: num("affected"), InsertID: num("id"), Warnings: uint16(num("warnings")),
		Status: classic.StatusAutocommit | uint16(num("status")), Info: []byte(strings.ReplaceAll(f["info"], "_", " "))}
	if _, more := f["more"]; more {
		o.Status |= classic.StatusMoreResults
	}
	if v, ok := f["trackschema"]; ok {
		o.Status |= classic.StatusSessionStateChanged
		o.Changes = append([]byte{1}, wire.AppendLenencBytes(nil, wire.AppendLenencBytes(nil, v))...)
	}
	return o
}

// ok makes an OK packet. seq= gives its sequence id, for the second of two
// replies to pipelined commands.
func (s *Script) ok(f map[string]string, head byte) []byte {
	o := s.okOf(f)
	if n, err := strconv.ParseUint(f["seq"], 10, 8); err == nil {
		s.seq = byte(n)
	}
	return s.frame(nil, o.Append(nil, head, s.caps))
}

// end makes what ends rows: an EOF packet, or an OK packet under DEPRECATE_EOF.
func (s *Script) end(f map[string]string) []byte {
	o := s.okOf(f)
	o.EOF = !s.caps.Has(classic.DeprecateEOF)
	return s.frame(nil, o.Append(nil, 0xfe, s.caps))
}

// betweenEOF makes the EOF packet after definitions, if there is one.
func (s *Script) betweenEOF(dst []byte, status uint16) []byte {
	if s.caps.Has(classic.DeprecateEOF) {
		return dst
	}
	o := classic.OK{EOF: true, Status: classic.StatusAutocommit | status}
	return s.frame(dst, o.Append(nil, 0xfe, s.caps))
}

func (s *Script) err(args string) ([]byte, error) {
	f := strings.SplitN(args, " ", 3)
	if len(f) < 3 {
		return nil, fmt.Errorf("err CODE SQLSTATE TEXT")
	}
	code, err := strconv.ParseUint(f[0], 10, 16)
	e := classic.ERR{Code: uint16(code), State: []byte(f[1]), Message: []byte(f[2])}
	return s.frame(nil, e.Append(nil)), err
}

var types = map[string]classic.Type{"int": classic.TypeLong, "bigint": classic.TypeLongLong, "tinyint": classic.TypeTiny,
	"varchar": classic.TypeVarString, "double": classic.TypeDouble, "blob": classic.TypeBlob, "datetime": classic.TypeDateTime}

// parseColumns reads "name:type[:pk]" or "table.name:type" words.
func parseColumns(words string) ([]column, error) {
	var list []column
	for _, w := range strings.Fields(words) {
		f := strings.Split(w, ":")
		if len(f) < 2 || types[f[1]] == 0 {
			return nil, fmt.Errorf("column %q: name:type", w)
		}
		c := column{name: f[0], table: "t", typ: types[f[1]]}
		if t, n, ok := strings.Cut(f[0], "."); ok {
			c.table, c.name = t, n
		}
		if len(f) > 2 && f[2] == "pk" {
			c.flags |= classic.FlagPrimaryKey | classic.FlagNotNull
		}
		list = append(list, c)
	}
	return list, nil
}

func (s *Script) definition(c column) []byte {
	d := classic.Column{Schema: []byte("shop"), Table: []byte(c.table), OrgTable: []byte(c.table), Name: []byte(c.name),
		OrgName: []byte(c.name), Collation: 45, Length: 80, Type: c.typ, Flags: c.flags}
	return d.Append(nil)
}

// rows makes a whole result: COLUMNS | VALUES | VALUES ... [; field=value ...],
// the fields being those of the OK that ends it.
func (s *Script) rows(args string) ([]byte, error) {
	body, tail, _ := strings.Cut(args, ";")
	parts := strings.Split(body, "|")
	columns, err := parseColumns(parts[0])
	if err != nil {
		return nil, err
	}
	s.columns = columns
	out := s.frame(nil, wire.AppendLenenc(nil, uint64(len(columns))))
	for _, c := range columns {
		out = s.frame(out, s.definition(c))
	}
	out = s.betweenEOF(out, 0)
	return s.values(out, parts[1:], fields(tail))
}

// moreRows makes the answer to a Fetch: VALUES | VALUES [; fields].
func (s *Script) moreRows(args string) ([]byte, error) {
	body, tail, _ := strings.Cut(args, ";")
	var rows []string
	if strings.TrimSpace(body) != "" {
		rows = strings.Split(body, "|")
	}
	return s.values(nil, rows, fields(tail))
}

func (s *Script) values(out []byte, rows []string, tail map[string]string) ([]byte, error) {
	for _, r := range rows {
		v := strings.Fields(r)
		if len(v) != len(s.columns) {
			return nil, fmt.Errorf("row %q has %d values for %d columns", r, len(v), len(s.columns))
		}
		out = s.frame(out, s.row(v))
	}
	return append(out, s.end(tail)...), nil
}

func (s *Script) row(values []string) []byte {
	if s.binary {
		return s.binaryRow(values)
	}
	var b []byte
	for _, v := range values {
		if v == "NULL" {
			b = append(b, 0xfb)
		} else {
			b = wire.AppendLenencBytes(b, text(v))
		}
	}
	return b
}

func (s *Script) binaryRow(values []string) []byte {
	nulls := make([]byte, (len(values)+2+7)/8)
	var b []byte
	for i, v := range values {
		if v == "NULL" {
			nulls[(i+2)/8] |= 1 << ((i + 2) % 8)
			continue
		}
		n, _ := strconv.ParseInt(v, 0, 64)
		switch s.columns[i].typ {
		case classic.TypeTiny:
			b = append(b, byte(n))
		case classic.TypeLong:
			b = wire.AppendUint32(b, uint32(n))
		case classic.TypeLongLong, classic.TypeDouble:
			b = wire.AppendUint64(b, uint64(n))
		default:
			b = wire.AppendLenencBytes(b, text(v))
		}
	}
	return append(append([]byte{0}, nulls...), b...)
}

// cursor makes the answer to an Execute that opens a cursor: COLUMNS.
func (s *Script) cursor(args string) ([]byte, error) {
	columns, err := parseColumns(args)
	if err != nil {
		return nil, err
	}
	s.columns = columns
	out := s.frame(nil, wire.AppendLenenc(nil, uint64(len(columns))))
	for _, c := range columns {
		out = s.frame(out, s.definition(c))
	}
	o := classic.OK{EOF: !s.caps.Has(classic.DeprecateEOF), Status: classic.StatusAutocommit | classic.StatusCursorExists}
	return s.frame(out, o.Append(nil, 0xfe, s.caps)), nil
}

// prepared makes the answer to a Prepare: STATEMENT PARAMS COLUMNS...
func (s *Script) prepared(args string) ([]byte, error) {
	f := strings.SplitN(args, " ", 3)
	if len(f) < 2 {
		return nil, fmt.Errorf("prepared %q: want STATEMENT PARAMS COLUMN..., at least two words", args)
	}
	id, err := strconv.ParseUint(f[0], 0, 32)
	if err != nil {
		return nil, err
	}
	params, err := strconv.ParseUint(f[1], 0, 16)
	if err != nil {
		return nil, err
	}
	var columns []column
	if len(f) == 3 {
		if columns, err = parseColumns(f[2]); err != nil {
			return nil, err
		}
	}
	p := classic.PrepareOK{Statement: uint32(id), Params: uint16(params), Columns: uint16(len(columns))}
	out := s.frame(nil, p.Append(nil))
	for range params {
		out = s.frame(out, s.definition(column{name: "?", typ: classic.TypeVarString}))
	}
	if params > 0 {
		out = s.betweenEOF(out, 0)
	}
	for _, c := range columns {
		out = s.frame(out, s.definition(c))
	}
	if len(columns) > 0 {
		out = s.betweenEOF(out, 0)
	}
	return out, nil
}

func (s *Script) fieldList(args string) ([]byte, error) {
	columns, err := parseColumns(args)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, c := range columns {
		out = s.frame(out, append(s.definition(c), 0xfb))
	}
	return append(out, s.end(nil)...), nil
}
