package trace

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/xproto"
)

// xScript writes conversations of the X Protocol as text, one message a line: who
// sends it, its name in the documentation, and what it says.
//
//	C StmtExecute SELECT 1
//	S Column a SINT
//	S Row 1
//	S StmtExecuteOk
//
// Lines between "S pack ALGORITHM" and "S end" are inside one COMPRESSION
// message.
type xScript struct {
	packing  [2][]byte
	inside   [2]bool
	deflater [2]*xproto.Deflater
}

// line makes the bytes of one line; none within a pack.
func (s *xScript) line(line string) (server bool, b []byte, err error) {
	side, rest, _ := strings.Cut(line, " ")
	word, args, _ := strings.Cut(rest, " ")
	server = side == "S"
	i := 0
	if server {
		i = 1
	}
	switch word {
	case "pack":
		if s.deflater[i] == nil {
			s.deflater[i] = xproto.NewDeflater(xproto.AlgorithmNamed(args))
		}
		s.inside[i], s.packing[i] = true, nil
		return server, nil, nil
	case "end":
		s.inside[i] = false
		kind := byte(xproto.ClientCompression)
		if server {
			kind = byte(xproto.ServerCompression)
		}
		b, err = s.deflater[i].Append(nil, kind, s.packing[i])
		return server, b, err
	case "bytes":
		b, err = hex.DecodeString(strings.ReplaceAll(args, " ", ""))
		return server, b, err
	}
	var kind byte
	var payload []byte
	if server {
		kind, payload, err = xServer(word, args)
	} else {
		kind, payload, err = xClient(word, args)
	}
	if err != nil {
		return server, nil, fmt.Errorf("%s: %w", line, err)
	}
	b = xproto.AppendFrame(nil, kind, payload)
	if s.inside[i] {
		s.packing[i] = append(s.packing[i], b...)
		return server, nil, nil
	}
	return server, b, nil
}

// pb makes a protobuf message of field numbers and values.
func pb(list ...any) (b []byte) {
	for i := 0; i < len(list); i += 2 {
		num := protowire.Number(list[i].(int))
		switch v := list[i+1].(type) {
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
		case uint64:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
		}
	}
	return b
}

// anyOf makes an Any of a word: NULL, true, false, an integer, a double (with a
// point), [a,b], {k:v,l:w}, or text.
func anyOf(w string) xproto.Any {
	switch {
	case w == "NULL":
		return xproto.Any{Scalar: &xproto.Scalar{Type: xproto.ScalarNull}}
	case w == "true", w == "false":
		return xproto.Truth(w == "true")
	case strings.HasPrefix(w, "["):
		a := xproto.Any{IsArray: true}
		for _, e := range strings.FieldsFunc(strings.Trim(w, "[]"), func(r rune) bool { return r == ',' }) {
			a.Array = append(a.Array, anyOf(e))
		}
		return a
	case strings.HasPrefix(w, "{"):
		a := xproto.Any{IsObject: true}
		for _, e := range strings.FieldsFunc(strings.Trim(w, "{}"), func(r rune) bool { return r == ',' }) {
			k, v, _ := strings.Cut(e, ":")
			a.Object = append(a.Object, xproto.Field{Key: k, Value: anyOf(v)})
		}
		return a
	}
	if n, err := strconv.ParseInt(w, 10, 64); err == nil {
		return xproto.Any{Scalar: &xproto.Scalar{Type: xproto.ScalarSint, Sint: n}}
	}
	if n, err := strconv.ParseFloat(w, 64); err == nil && !math.IsNaN(n) {
		return xproto.Any{Scalar: &xproto.Scalar{Type: xproto.ScalarDouble, Float: n}}
	}
	return xproto.Text(w)
}

func anys(words []string) (list [][]byte) {
	for _, w := range words {
		a := anyOf(w)
		list = append(list, a.Append(nil))
	}
	return list
}

// capabilities makes Capabilities of name=value words.
func capabilities(args string) (c xproto.Capabilities) {
	for _, w := range strings.Fields(args) {
		k, v, _ := strings.Cut(w, "=")
		c.List = append(c.List, xproto.Field{Key: k, Value: anyOf(v)})
	}
	return c
}

// cut2 cuts " | arguments" from a text.
func cut2(args string) (text string, list [][]byte) {
	text, rest, _ := strings.Cut(args, " | ")
	return text, anys(strings.Fields(rest))
}

// escaped undoes Go's escapes in a text.
func escaped(s string) string {
	if u, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`); err == nil {
		return u
	}
	return s
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func xClient(word, args string) (kind byte, payload []byte, err error) {
	f := append(strings.Fields(args), make([]string, 4)...)
	collection := func(name string) []byte {
		if schema, name, ok := strings.Cut(name, "."); ok {
			return pb(1, name, 2, schema)
		}
		return pb(1, name, 2, "test")
	}
	literal := func(w string) []byte {
		a := anyOf(w)
		return pb(1, 2, 4, a.Scalar.Append(nil))
	}
	member := func(name string) []byte { return pb(1, pb(1, 1, 2, name)) } // ColumnIdentifier
	switch word {
	case "CapabilitiesGet":
		return 1, nil, nil
	case "CapabilitiesSet":
		set := xproto.CapabilitiesSet{Capabilities: capabilities(args)}
		return 2, set.Append(nil), nil
	case "Connection.Close":
		return 3, nil, nil
	case "AuthenticateStart": // MECHANISM [SCHEMA USER PASSWORD]
		a := xproto.AuthenticateStart{Mechanism: f[0]}
		if f[1] != "" {
			a.Data = xproto.PlainData(f[1], f[2], f[3])
		}
		return 4, a.Append(nil), nil
	case "AuthenticateContinue": // SCHEMA USER PASSWORD
		a := xproto.AuthData{Data: xproto.SHA256Data(f[0], f[1], f[2], []byte("a challenge"))}
		return 5, a.Append(nil), nil
	case "Reset":
		return 6, pb(1, number(f[0])), nil
	case "Session.Close":
		return 7, nil, nil
	case "StmtExecute":
		text, list := cut2(args)
		s := xproto.StmtExecute{Stmt: []byte(escaped(text)), Args: list}
		return 12, s.Append(nil), nil
	case "Command":
		text, list := cut2(args)
		s := xproto.StmtExecute{Namespace: "mysqlx", Stmt: []byte(text), Args: list}
		return 12, s.Append(nil), nil
	case "Find":
		return 17, pb(2, collection(f[0]), 3, 1), nil
	case "Insert": // COLLECTION VALUE...: a row of a table
		var row []byte
		for _, w := range strings.Fields(args)[1:] {
			row = append(row, pb(1, literal(w))...)
		}
		return 18, pb(1, collection(f[0]), 2, 2, 4, row), nil
	case "Update": // COLLECTION MEMBER VALUE
		return 19, pb(2, collection(f[0]), 3, 1, 7, pb(1, member(f[1]), 2, 3, 3, literal(f[2]))), nil
	case "Delete":
		return 20, pb(1, collection(f[0]), 2, 1), nil
	case "Expect.Open": // CONDITION [VALUE]
		c := pb(1, number(f[0]))
		if f[1] != "" {
			c = append(c, pb(2, f[1])...)
		}
		return 24, pb(1, 1, 2, c), nil
	case "Expect.Close":
		return 25, nil, nil
	case "CreateView":
		return 30, pb(1, collection(f[0]), 7, pb(2, collection(f[1]), 3, 2)), nil
	case "ModifyView":
		return 31, pb(1, collection(f[0]), 7, pb(2, collection(f[1]), 3, 2)), nil
	case "DropView":
		return 32, pb(1, collection(f[0])), nil
	case "Prepare": // ID SQL
		id, text, _ := strings.Cut(args, " ")
		s := xproto.StmtExecute{Stmt: []byte(text)}
		p := xproto.Prepare{ID: uint32(number(id)), Kind: xproto.PrepareStmt, Body: s.Append(nil)}
		return 40, p.Append(nil), nil
	case "PrepareFind":
		p := xproto.Prepare{ID: uint32(number(f[0])), Kind: xproto.PrepareFind, Body: pb(2, collection(f[1]), 3, 1)}
		return 40, p.Append(nil), nil
	case "Execute": // ID VALUE...
		e := xproto.Execute{ID: uint32(number(f[0])), Args: anys(strings.Fields(args)[1:])}
		return 41, e.Append(nil), nil
	case "Deallocate":
		n := xproto.Numbered{ID: uint32(number(f[0]))}
		return 42, n.Append(nil), nil
	case "Cursor.Open": // CURSOR STATEMENT ROWS VALUE...
		o := xproto.Open{ID: uint32(number(f[0])), Execute: xproto.Execute{ID: uint32(number(f[1])), Args: anys(strings.Fields(args)[3:])}, FetchRows: uint64(number(f[2]))}
		return 43, o.Append(nil), nil
	case "Cursor.Close":
		n := xproto.Numbered{ID: uint32(number(f[0]))}
		return 44, n.Append(nil), nil
	case "Fetch":
		n := xproto.Numbered{ID: uint32(number(f[0])), FetchRows: uint64(number(f[1]))}
		return 45, n.Append(nil), nil
	case "Type": // N [HEX]
		b, err := hex.DecodeString(f[1])
		return byte(number(f[0])), b, err
	}
	return 0, nil, fmt.Errorf("no message %s", word)
}

func xServer(word, args string) (kind byte, payload []byte, err error) {
	f := append(strings.Fields(args), make([]string, 4)...)
	switch word {
	case "Ok":
		if args != "" {
			return 0, pb(1, args), nil
		}
		return 0, nil, nil
	case "Error", "Fatal": // CODE STATE TEXT
		e := xproto.Error{Fatal: word == "Fatal", Code: uint32(number(f[0])), State: f[1]}
		if p := strings.SplitN(args, " ", 3); len(p) == 3 {
			e.Message = []byte(escaped(p[2]))
		}
		return 1, e.Append(nil), nil
	case "Capabilities":
		c := capabilities(args)
		return 2, c.Append(nil), nil
	case "AuthenticateContinue", "AuthenticateOk":
		a := xproto.AuthData{Data: []byte(args)}
		kind = 3
		if word == "AuthenticateOk" {
			kind = 4
		}
		return kind, a.Append(nil), nil
	case "Notice": // hello; warning CODE TEXT; state PARAMETER VALUE...; variable NAME VALUE
		return 11, xNotice(f, args), nil
	case "Column": // NAME TYPE [TABLE]
		types := map[string]int{"SINT": 1, "UINT": 2, "DOUBLE": 5, "FLOAT": 6, "BYTES": 7, "TIME": 10, "DATETIME": 12, "SET": 15, "ENUM": 16, "BIT": 17, "DECIMAL": 18}
		b := pb(1, types[f[1]], 2, f[0])
		if f[2] != "" {
			b = append(b, pb(4, f[2], 6, "test")...)
		}
		return 12, b, nil
	case "Row": // integers as SINT, NULL, text as BYTES
		for _, w := range strings.Fields(args) {
			switch n, err := strconv.ParseInt(w, 10, 64); {
			case w == "NULL":
				payload = append(payload, pb(1, "")...)
			case err == nil:
				payload = append(payload, pb(1, protowire.AppendVarint(nil, protowire.EncodeZigZag(n)))...)
			default:
				payload = append(payload, pb(1, escaped(w)+"\x00")...)
			}
		}
		return 13, payload, nil
	case "FetchDone":
		return 14, nil, nil
	case "FetchSuspended":
		return 15, nil, nil
	case "MoreResultsets":
		return 16, nil, nil
	case "StmtExecuteOk":
		return 17, nil, nil
	case "MoreOutParams":
		return 18, nil, nil
	case "Type":
		b, err := hex.DecodeString(f[1])
		return byte(number(f[0])), b, err
	}
	return 0, nil, fmt.Errorf("no message %s", word)
}

func xNotice(f []string, args string) []byte {
	scalar := func(w string) []byte { a := anyOf(w); return a.Scalar.Append(nil) }
	switch f[0] {
	case "hello":
		return pb(1, 5, 2, 1)
	case "warning":
		p := strings.SplitN(args, " ", 3)
		return pb(1, 1, 2, 2, 3, pb(1, 2, 2, number(f[1]), 3, p[2]))
	case "variable":
		return pb(1, 2, 2, 2, 3, pb(1, f[1], 2, scalar(f[2])))
	case "group":
		return pb(1, 4, 2, 1, 3, pb(1, 1, 2, "view"))
	}
	change := pb(1, number(f[1]))
	for _, w := range strings.Fields(args)[2:] {
		change = append(change, pb(2, scalar(w))...)
	}
	return pb(1, 3, 2, 2, 3, change)
}
