package decode

import (
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/classic/classictest"
	"myreplay/xproto"
)

// xConversation reads a script of the X Protocol into pieces. A line is what one
// side sends at one moment: messages separated by " ; ". A line that begins with
// "C packed" or "S packed" puts them into one COMPRESSION message. {N:text}
// stands for N times the text. What became of a line's bytes is told as in
// conversation.
func xConversation(t testing.TB, text string) (list []piece, joined bool) {
	var s xScript
	return pieces(t, text, s.Line)
}

// xScript turns lines into messages.
type xScript struct {
	algorithm xproto.Algorithm
	deflaters [2]*xproto.Deflater
	columns   []xproto.FieldType
}

var repeated = regexp.MustCompile(`\{(\d+):([^}]*)\}`)

// Line turns one line into the bytes of its messages.
func (s *xScript) Line(line string) (m classictest.Message, err error) {
	line = repeated.ReplaceAllStringFunc(line, func(r string) string {
		p := repeated.FindStringSubmatch(r)
		n, _ := strconv.Atoi(p[1])
		return strings.Repeat(p[2], n)
	})
	m.Line = line
	side, rest, _ := strings.Cut(line, " ")
	m.Server = side == "S"
	rest, packed := strings.CutPrefix(rest, "packed ")
	for _, one := range strings.Split(rest, " ; ") {
		if h, ok := strings.CutPrefix(one, "raw "); ok {
			b, err := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
			if err != nil {
				return m, err
			}
			m.Bytes = append(m.Bytes, b...)
			continue
		}
		word, args, _ := strings.Cut(one, " ")
		kind, payload, err := s.client(word, args)
		if m.Server {
			kind, payload, err = s.server(word, args)
		}
		if err != nil {
			return m, err
		}
		m.Bytes = xproto.AppendFrame(m.Bytes, kind, payload)
	}
	if !packed {
		return m, nil
	}
	n, kind := 0, byte(xproto.ClientCompression)
	if m.Server {
		n, kind = 1, byte(xproto.ServerCompression)
	}
	if s.deflaters[n] == nil {
		s.deflaters[n] = xproto.NewDeflater(s.algorithm)
	}
	m.Bytes, err = s.deflaters[n].Append(nil, kind, m.Bytes)
	return m, err
}

// pb is a protobuf message being built.
type pb []byte

func (b pb) num(n protowire.Number, v int) pb {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
}

func (b pb) str(n protowire.Number, s string) pb {
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// words returns the words of args, at least n.
func words(args string, n int) []string {
	return append(strings.Fields(args), make([]string, n)...)
}

func (s *xScript) client(word, args string) (byte, []byte, error) {
	w := words(args, 3)
	simple := map[string]xproto.ClientMessage{"getcaps": xproto.ConCapabilitiesGet, "close": xproto.ConClose,
		"closesession": xproto.SessClose, "endexpect": xproto.ExpectClose}
	if m, ok := simple[word]; ok {
		return byte(m), nil, nil
	}
	switch word {
	case "caps":
		return byte(xproto.ConCapabilitiesSet), s.capabilities(strings.Fields(args)), nil
	case "auth":
		a := xproto.AuthenticateStart{Mechanism: w[0]}
		if w[0] == xproto.MechanismPlain {
			a.Data = xproto.PlainData(strings.Trim(w[1], "-"), w[2], "CANARY")
		}
		return byte(xproto.SessAuthenticateStart), a.Append(nil), nil
	case "answer":
		a := xproto.AuthData{Data: []byte(strings.Trim(w[0], "-") + "\x00" + w[1] + "\x00CANARY")}
		return byte(xproto.SessAuthenticateContinue), a.Append(nil), nil
	case "reset":
		r := xproto.Reset{KeepOpen: args == "keep"}
		return byte(xproto.SessReset), r.Append(nil), nil
	case "message":
		b, err := hex.DecodeString(w[1])
		return byte(number(w[0])), b, err
	case "expect":
		return byte(xproto.ExpectOpen), pb(nil).str(2, string(pb(nil).num(1, 1))), nil
	}
	return s.statement(word, args, w)
}

func (s *xScript) statement(word, args string, w []string) (byte, []byte, error) {
	collection := func(field protowire.Number) []byte {
		return pb(nil).str(field, string(pb(nil).str(1, w[0]))).num(field+1, 1)
	}
	_, text, _ := strings.Cut(args, " ")
	switch word {
	case "sql":
		m := xproto.StmtExecute{Stmt: []byte(args)}
		return byte(xproto.SQLStmtExecute), m.Append(nil), nil
	case "sqlargs":
		arg := xproto.Text(w[0])
		m := xproto.StmtExecute{Stmt: []byte(text), Args: [][]byte{arg.Append(nil)}, CompactMetadata: true}
		return byte(xproto.SQLStmtExecute), m.Append(nil), nil
	case "plugin":
		m := xproto.StmtExecute{Namespace: xproto.NamespacePlugin, Stmt: []byte(args)}
		return byte(xproto.SQLStmtExecute), m.Append(nil), nil
	case "find":
		return byte(xproto.CrudFind), collection(2), nil
	case "update":
		five := xproto.Scalar{Type: xproto.ScalarSint, Sint: 5}
		value := pb(nil).num(1, 2).str(4, string(five.Append(nil)))
		member := pb(nil).num(1, 1).str(2, "a")
		set := pb(nil).str(1, string(pb(nil).str(1, string(member)))).num(2, 3).str(3, string(value))
		return byte(xproto.CrudUpdate), append(collection(2), pb(nil).str(7, string(set))...), nil
	case "delete":
		return byte(xproto.CrudDelete), collection(1), nil
	case "dropview":
		return byte(xproto.CrudDropView), pb(nil).str(1, string(pb(nil).str(1, w[0]))), nil
	case "prepare":
		m := xproto.StmtExecute{Stmt: []byte(text)}
		p := xproto.Prepare{ID: uint32(number(w[0])), Kind: xproto.PrepareStmt, Body: m.Append(nil)}
		return byte(xproto.PreparePrepare), p.Append(nil), nil
	case "preparefind":
		p := xproto.Prepare{ID: uint32(number(w[0])), Kind: xproto.PrepareFind, Body: pb(nil).str(2, string(pb(nil).str(1, w[1])))}
		return byte(xproto.PreparePrepare), p.Append(nil), nil
	case "execute":
		arg := xproto.Text(text)
		e := xproto.Execute{ID: uint32(number(w[0])), Args: [][]byte{arg.Append(nil)}}
		return byte(xproto.PrepareExecute), e.Append(nil), nil
	case "open":
		o := xproto.Open{ID: uint32(number(w[0])), Execute: xproto.Execute{ID: uint32(number(w[1]))}, FetchRows: uint64(number(w[2]))}
		return byte(xproto.CursorOpen), o.Append(nil), nil
	}
	numbered := map[string]xproto.ClientMessage{"deallocate": xproto.PrepareDeallocate, "fetch": xproto.CursorFetch, "closecursor": xproto.CursorClose}
	if m, ok := numbered[word]; ok {
		n := xproto.Numbered{ID: uint32(number(w[0])), FetchRows: uint64(number(w[1]))}
		return byte(m), n.Append(nil), nil
	}
	return 0, nil, fmt.Errorf("no such message: %s", word)
}

func (s *xScript) capabilities(list []string) []byte {
	var m xproto.CapabilitiesSet
	add := func(name string, v xproto.Any) {
		m.Capabilities.List = append(m.Capabilities.List, xproto.Field{Key: name, Value: v})
	}
	for _, c := range list {
		name, value, _ := strings.Cut(c, "=")
		switch name {
		case xproto.CapabilityCompression:
			s.algorithm = xproto.AlgorithmNamed(value)
			add(name, xproto.Any{IsObject: true, Object: []xproto.Field{{Key: "algorithm", Value: xproto.Text(value)}}})
		case "attribute":
			n, v, _ := strings.Cut(value, ":")
			add(xproto.CapabilityAttributes, xproto.Any{IsObject: true, Object: []xproto.Field{{Key: n, Value: xproto.Text(v)}}})
		default:
			add(name, xproto.Truth(value == "true"))
		}
	}
	return m.Append(nil)
}

func (s *xScript) server(word, args string) (byte, []byte, error) {
	w := words(args, 3)
	simple := map[string]xproto.ServerMessage{"caps": xproto.ConnCapabilities, "done": xproto.ResultsetFetchDone,
		"suspended": xproto.ResultsetFetchSuspended, "more": xproto.ResultsetMoreResultsets, "out": xproto.ResultsetMoreOutParams,
		"stmtok": xproto.StmtExecuteOK, "authok": xproto.AuthenticateOK}
	if m, ok := simple[word]; ok {
		return byte(m), nil, nil
	}
	switch word {
	case "ok":
		if args == "" {
			return byte(xproto.OK), nil, nil
		}
		return byte(xproto.OK), pb(nil).str(1, args), nil
	case "error", "fatal":
		e := xproto.Error{Fatal: word == "fatal", Code: uint32(number(w[0])), State: w[1]}
		e.Message = []byte(strings.TrimPrefix(args, w[0]+" "+w[1]+" "))
		return byte(xproto.ServerError), e.Append(nil), nil
	case "challenge":
		a := xproto.AuthData{Data: []byte("CANARY")}
		return byte(xproto.AuthenticateContinue), a.Append(nil), nil
	case "message":
		b, err := hex.DecodeString(w[1])
		return byte(number(w[0])), b, err
	case "meta":
		return s.metadata(w[0])
	case "row":
		return byte(xproto.ResultsetRow), s.row(strings.Fields(args)), nil
	}
	return s.notice(word, args, w)
}

// notice makes a notice.
func (s *xScript) notice(word, args string, w []string) (byte, []byte, error) {
	frame := func(t int, payload []byte) (byte, []byte, error) {
		return byte(xproto.Notice), pb(nil).num(1, t).num(2, 2).str(3, string(payload)), nil
	}
	state := func(p xproto.StateParameter, values ...xproto.Scalar) (byte, []byte, error) {
		b := pb(nil).num(1, int(p))
		for i := range values {
			b = b.str(2, string(values[i].Append(nil)))
		}
		return frame(3, b)
	}
	text := xproto.Scalar{Type: xproto.ScalarString, Bytes: []byte(args)}
	count := xproto.Scalar{Type: xproto.ScalarUint, Uint: uint64(number(w[0]))}
	switch word {
	case "hello":
		return byte(xproto.Notice), pb(nil).num(1, 5).num(2, 1), nil
	case "warning":
		_, text, _ := strings.Cut(args, " ")
		return frame(1, pb(nil).num(1, 2).num(2, number(w[0])).str(3, text))
	case "variable":
		v := xproto.Scalar{Type: xproto.ScalarString, Bytes: []byte(w[1])}
		return frame(2, pb(nil).str(1, w[0]).str(2, string(v.Append(nil))))
	case "group":
		return frame(4, pb(nil).num(1, 3).str(2, "view"))
	case "documents":
		var ids []xproto.Scalar
		for _, id := range strings.Fields(args) {
			ids = append(ids, xproto.Scalar{Type: xproto.ScalarOctets, Bytes: []byte(id)})
		}
		return state(xproto.GeneratedDocumentIDs, ids...)
	case "info":
		return state(xproto.ProducedMessage, text)
	case "schema":
		return state(xproto.CurrentSchema, text)
	case "committed":
		return state(xproto.TrxCommitted)
	case "rolledback":
		return state(xproto.TrxRolledBack)
	case "expired":
		return state(xproto.AccountExpired)
	}
	numbers := map[string]xproto.StateParameter{"id": xproto.ClientIDAssigned, "affected": xproto.RowsAffected, "insertid": xproto.GeneratedInsertID,
		"found": xproto.RowsFound, "matched": xproto.RowsMatched}
	if p, ok := numbers[word]; ok {
		return state(p, count)
	}
	return 0, nil, fmt.Errorf("no such message: %s", word)
}

var xTypes = map[string]xproto.FieldType{"int": xproto.TypeSint, "uint": xproto.TypeUint, "text": xproto.TypeBytes, "double": xproto.TypeDouble}

// metadata describes a column: name:type, or :type (compact), and :key.
func (s *xScript) metadata(column string) (byte, []byte, error) {
	p := append(strings.Split(column, ":"), "", "")
	t := xTypes[p[1]]
	b := pb(nil).num(1, int(t))
	if p[0] != "" {
		b = b.str(2, p[0]).str(3, p[0]).str(4, "t").str(5, "t").str(6, "test")
	}
	if p[2] == "key" {
		b = b.num(11, xproto.FlagPrimaryKey)
	}
	if n := len(s.columns); n > 0 && s.columns[n-1] == 0 { // a row was since
		s.columns = nil
	}
	s.columns = append(s.columns, t)
	return byte(xproto.ResultsetColumnMetaData), b, nil
}

// row makes a row of the columns described last.
func (s *xScript) row(values []string) []byte {
	if n := len(s.columns); n > 0 && s.columns[n-1] != 0 {
		s.columns = append(s.columns, 0)
	}
	var b pb
	for i, v := range values {
		t := xproto.TypeBytes
		if i < len(s.columns)-1 {
			t = s.columns[i]
		}
		var field []byte
		switch {
		case v == "NULL":
		case t == xproto.TypeSint:
			field = protowire.AppendVarint(nil, protowire.EncodeZigZag(int64(number(v))))
		case t == xproto.TypeUint:
			field = protowire.AppendVarint(nil, uint64(number(v)))
		case t == xproto.TypeDouble:
			x, _ := strconv.ParseFloat(v, 64)
			field = protowire.AppendFixed64(nil, math.Float64bits(x))
		default:
			field = append([]byte(v), 0)
		}
		b = b.str(1, string(field))
	}
	return b
}
