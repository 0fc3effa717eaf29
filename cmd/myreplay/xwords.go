package main

import (
	"encoding/json"
	"strconv"

	"myreplay/session"
	"myreplay/xproto"
)

// xArgs returns the arguments that a command of the X Protocol carries.
func xArgs(c *session.Command) []xproto.Any {
	if len(c.Payload) == 0 || c.Masked || c.Cut {
		return nil
	}
	var raw [][]byte
	var err error
	switch payload := c.Payload[1:]; c.Kind {
	case session.Query:
		var m xproto.StmtExecute
		err = m.Decode(payload)
		raw = m.Args
	case session.Execute:
		var m xproto.Execute
		err = m.Decode(payload)
		raw = m.Args
	case session.OpenCursor:
		var m xproto.Open
		err = m.Decode(payload)
		raw = m.Execute.Args
	}
	if err != nil {
		return nil
	}
	var list []xproto.Any
	for _, b := range raw {
		var a xproto.Any
		if a.Decode(b) != nil {
			return nil
		}
		list = append(list, a)
	}
	return list
}

// xArgTexts writes arguments as SQL would, each of limited length.
func xArgTexts(list []xproto.Any) []string {
	var texts []string
	for i := range list {
		text := list[i].AppendSQL(nil)
		if n := len(text); n > maxValueText {
			text = append(text[:maxValueText:maxValueText], "... ("+strconv.Itoa(n)+" bytes)"...)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// xArgsJSON returns arguments as JSON has them.
func xArgsJSON(list []xproto.Any) []any {
	var values []any
	for i := range list {
		if text := list[i].AppendJSON(nil); json.Valid(text) {
			values = append(values, json.RawMessage(text))
		} else {
			values = append(values, string(text))
		}
	}
	return values
}

// xRowValues reads a kept row of the X Protocol, as rowValues does.
func xRowValues(r *session.Result, row []byte) ([]*string, bool) {
	if r.Columns == nil {
		return nil, false
	}
	columns := r.Columns.List
	values := make([]*string, len(columns))
	readable := true
	err := xproto.Row(row, len(columns), func(i int, v []byte) {
		if len(v) == 0 {
			return
		}
		c := xColumn(&columns[i])
		text, err := c.AppendText(nil, v)
		readable = readable && err == nil
		s := string(text)
		values[i] = &s
	})
	return values, readable && err == nil
}

// xColumn returns what a column's values are read by.
func xColumn(c *session.Column) xproto.Column {
	return xproto.Column{Type: xproto.FieldType(c.Type), Flags: uint32(c.Flags & 0xfff), ContentType: uint32(c.Flags >> 12),
		FractionalDigits: uint32(c.Decimals), Length: c.Length}
}

// isXNumber tells whether values of a column are shown without quotes.
func isXNumber(c *session.Column) bool {
	switch xproto.FieldType(c.Type) {
	case xproto.TypeSint, xproto.TypeUint, xproto.TypeDouble, xproto.TypeFloat, xproto.TypeDecimal, xproto.TypeBit:
		return true
	}
	return false
}

var xTypeNames = map[xproto.FieldType]string{xproto.TypeSint: "SINT", xproto.TypeUint: "UINT", xproto.TypeDouble: "DOUBLE",
	xproto.TypeFloat: "FLOAT", xproto.TypeBytes: "BYTES", xproto.TypeTime: "TIME", xproto.TypeDatetime: "DATETIME",
	xproto.TypeSet: "SET", xproto.TypeEnum: "ENUM", xproto.TypeBit: "BIT", xproto.TypeDecimal: "DECIMAL"}

func xTypeName(c *session.Column) string {
	if n := xTypeNames[xproto.FieldType(c.Type)]; n != "" {
		return n
	}
	return "type " + strconv.Itoa(int(c.Type))
}
