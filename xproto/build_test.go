package xproto

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// pb is a message being built, for tests alone.
type pb []byte

func (b pb) str(n protowire.Number, s string) pb { return appendBytes(b, n, s) }
func (b pb) msg(n protowire.Number, m pb) pb     { return appendBytes(b, n, m) }
func (b pb) num(n protowire.Number, v uint64) pb { return appendVarint(b, n, v) }

// The test scripts write messages in a notation of their own:
//
//	find|insert|update|delete [schema.]name [table]     and a line for each part:
//	  where E | project E [as NAME] | order E [desc] | limit N [OFFSET] | limitexpr E [E]
//	  group E | having E | arg E | lock N [WAIT] | row E... | column NAME | upsert
//	  op N IDENT [E] | raw FIELD VALUE
//	view|modifyview|dropview [schema.]name              and
//	  definer S | algorithm N | security N | check N | column NAME | replace | exists | find ... (to the end)
//
// An expression is a number, 'a string', json'octets', hex'octets', true, false,
// null, ?0, @variable, a name like column, table.column or $.path or column$.path,
// or a form: (operator E...), (call NAME E...), (object KEY E...), (array E...).
type notation struct {
	in  string
	err error
}

var crudMessages = map[string]ClientMessage{"find": CrudFind, "insert": CrudInsert, "update": CrudUpdate, "delete": CrudDelete,
	"view": CrudCreateView, "modifyview": CrudModifyView, "dropview": CrudDropView}

// message builds the message that the lines say.
func message(name string, args []string, lines string) (m ClientMessage, payload pb, err error) {
	m, ok := crudMessages[name]
	if !ok || len(args) == 0 {
		return 0, nil, fmt.Errorf("%s: no such message", name)
	}
	target := pb{}
	schema, coll, ok := strings.Cut(args[0], ".")
	if !ok {
		schema, coll = "", schema
	}
	target = target.str(1, coll)
	if schema != "" {
		target = target.str(2, schema)
	}
	field := protowire.Number(1)
	if m == CrudFind || m == CrudUpdate {
		field = 2
	}
	payload = payload.msg(field, target)
	if m >= CrudCreateView {
		payload, err = viewLines(m, payload, lines)
		return m, payload, err
	}
	model := uint64(1)
	if len(args) > 1 && args[1] == "table" {
		model = 2
	}
	payload, err = crudLines(m, payload.num(field+1, model), lines)
	return m, payload, err
}

// partFields is the inverse of crudFields.
func partField(m ClientMessage, p part) protowire.Number {
	for i, q := range crudFields[m] {
		if p == q {
			return protowire.Number(i)
		}
	}
	return 99
}

func crudLines(m ClientMessage, b pb, lines string) (pb, error) {
	for line := range strings.Lines(lines) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		n := &notation{in: rest}
		field := func(p part) protowire.Number { return partField(m, p) }
		switch word {
		case "":
		case "where":
			b = b.msg(field(criteriaPart), n.expr())
		case "project":
			p := pb{}.msg(1, n.expr())
			if n.word("as") {
				p = p.str(2, n.token())
			}
			b = b.msg(field(projectionPart), p)
		case "column":
			b = b.msg(field(projectionPart), pb{}.str(1, n.token()))
		case "order":
			o := pb{}.msg(1, n.expr())
			if n.word("desc") {
				o = o.num(2, 2)
			}
			b = b.msg(field(orderPart), o)
		case "limit":
			l := pb{}.num(1, n.number())
			if n.more() {
				l = l.num(2, n.number())
			}
			b = b.msg(field(limitPart), l)
		case "limitexpr":
			l := pb{}.msg(1, n.expr())
			if n.more() {
				l = l.msg(2, n.expr())
			}
			b = b.msg(field(limitExprPart), l)
		case "group":
			b = b.msg(field(groupingPart), n.expr())
		case "having":
			b = b.msg(field(havingPart), n.expr())
		case "arg":
			b = b.msg(field(argsPart), n.scalar(n.token()))
		case "lock":
			b = b.num(field(lockPart), n.number())
			if n.more() {
				b = b.num(field(lockWaitPart), n.number())
			}
		case "row":
			row := pb{}
			for n.more() {
				row = row.msg(1, n.expr())
			}
			b = b.msg(field(rowsPart), row)
		case "upsert":
			b = b.num(field(upsertPart), 1)
		case "op":
			o := pb{}.num(2, n.number()).msg(1, n.ident(n.token()))
			if n.more() {
				o = o.msg(3, n.expr())
			}
			b = b.msg(field(operationsPart), o)
		case "raw":
			b = b.num(protowire.Number(n.number()), n.number())
		default:
			return b, fmt.Errorf("%s: no such part", word)
		}
		if n.err != nil || n.more() {
			return b, fmt.Errorf("%s: %v, left: %q", line, n.err, n.in)
		}
	}
	return b, nil
}

func viewLines(m ClientMessage, b pb, lines string) (pb, error) {
	for lines != "" {
		line, rest, _ := strings.Cut(lines, "\n")
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n := &notation{in: value}
		switch word {
		case "definer":
			b = b.str(2, value)
		case "algorithm":
			b = b.num(3, n.number())
		case "security":
			b = b.num(4, n.number())
		case "check":
			b = b.num(5, n.number())
		case "column":
			b = b.str(6, value)
		case "replace":
			b = b.num(8, 1)
		case "exists":
			b = b.num(2, 1)
		case "find":
			_, find, err := message("find", strings.Fields(value), rest)
			return b.msg(7, find), err
		default:
			return b, fmt.Errorf("%s: no such part of a view", word)
		}
		lines = rest
	}
	return b, nil
}

func (n *notation) more() bool {
	n.in = strings.TrimLeft(n.in, " ")
	return n.in != ""
}

func (n *notation) word(w string) bool {
	n.more()
	rest, ok := strings.CutPrefix(n.in, w)
	if ok {
		n.in = rest
	}
	return ok
}

// token takes the next token: a parenthesis, or what stands up to a space or a
// parenthesis outside of quotes.
func (n *notation) token() string {
	n.more()
	quote := byte(0)
	end := len(n.in)
	for i := range len(n.in) {
		c := n.in[i]
		if quote != 0 {
			if c == quote && n.in[i-1] != '\\' {
				quote = 0
			}
			continue
		}
		if c == '\'' || c == '"' {
			quote = c
			continue
		}
		if c == ' ' || c == '(' || c == ')' {
			end = max(i, 1)
			break
		}
	}
	if end == 0 {
		n.err = fmt.Errorf("nothing left")
		return ""
	}
	t := n.in[:end]
	n.in = n.in[end:]
	return t
}

func (n *notation) number() uint64 {
	v, err := strconv.ParseUint(n.token(), 10, 64)
	if err != nil {
		n.err = err
	}
	return v
}

func (n *notation) expr() pb {
	t := n.token()
	switch {
	case t == "(":
		return n.form()
	case strings.HasPrefix(t, "?"):
		v, err := strconv.Atoi(t[1:])
		if err != nil {
			n.err = err
		}
		return pb{}.num(1, uint64(exprPlaceholder)).num(7, uint64(v))
	case strings.HasPrefix(t, "@"):
		return pb{}.num(1, uint64(exprVariable)).str(3, t[1:])
	}
	if s := n.scalar(t); s != nil {
		return pb{}.num(1, uint64(exprLiteral)).msg(4, s)
	}
	return pb{}.num(1, uint64(exprIdent)).msg(2, n.ident(t))
}

func (n *notation) form() pb {
	name := n.token()
	var b pb
	switch name {
	case "call":
		id := n.token()
		f := pb{}.str(1, id)
		if schema, function, ok := strings.Cut(id, "."); ok {
			f = pb{}.str(1, function).str(2, schema)
		}
		b = pb{}.num(1, uint64(exprCall)).msg(5, n.params(pb{}.msg(1, f), 2))
	case "object":
		o := pb{}
		for !n.closing() {
			o = o.msg(1, pb{}.str(1, n.token()).msg(2, n.expr()))
		}
		return pb{}.num(1, uint64(exprObject)).msg(8, o)
	case "array":
		b = pb{}.num(1, uint64(exprArray)).msg(9, n.params(nil, 1))
	default:
		b = pb{}.num(1, uint64(exprOperator)).msg(6, n.params(pb{}.str(1, name), 2))
	}
	return b
}

// closing takes a closing parenthesis, or the end, which is an error.
func (n *notation) closing() bool {
	if n.err == nil && !n.more() {
		n.err = fmt.Errorf("no closing parenthesis")
	}
	return n.err != nil || n.word(")")
}

func (n *notation) params(b pb, field protowire.Number) pb {
	for !n.closing() {
		b = b.msg(field, n.expr())
	}
	return b
}

// scalar builds a Scalar, nil when the token is none.
func (n *notation) scalar(t string) pb {
	s := Scalar{}
	inner := func(prefix string) (string, bool) {
		v, ok := strings.CutPrefix(t, prefix+"'")
		return strings.TrimSuffix(v, "'"), ok
	}
	switch t {
	case "null":
		s.Type = ScalarNull
	case "true", "false":
		s.Type, s.Bool = ScalarBool, t == "true"
	}
	if v, ok := inner(""); ok {
		s.Type, s.Bytes = ScalarString, unescape(v)
	} else if v, ok := inner("json"); ok {
		s.Type, s.Bytes, s.ContentType = ScalarOctets, unescape(v), ContentJSON
	} else if v, ok := inner("wkb"); ok {
		s.Type, s.Bytes, s.ContentType = ScalarOctets, unescape(v), ContentGeometry
	} else if v, ok := inner("octets"); ok {
		s.Type, s.Bytes = ScalarOctets, unescape(v)
	} else if v, err := strconv.ParseInt(t, 10, 64); err == nil {
		s.Type, s.Sint = ScalarSint, v
	} else if v, err := strconv.ParseUint(strings.TrimSuffix(t, "u"), 10, 64); err == nil {
		s.Type, s.Uint = ScalarUint, v
	} else if v, err := strconv.ParseFloat(strings.TrimSuffix(t, "f"), 64); err == nil {
		s.Type, s.Float = ScalarDouble, v
		if strings.HasSuffix(t, "f") && t != "inf" {
			s.Type = ScalarFloat
		}
	}
	if s.Type == 0 {
		return nil
	}
	return s.Append(nil)
}

// unescape reads Go's escapes, so that a script may hold any byte.
func unescape(s string) []byte {
	if v, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`); err == nil {
		return []byte(v)
	}
	return []byte(s)
}

// ident builds a ColumnIdentifier: schema.table.column, with $ and a path.
func (n *notation) ident(t string) pb {
	name, path, hasPath := strings.Cut(t, "$")
	b := pb{}
	for hasPath && path != "" {
		var item pb
		if item, path = pathItem(path); item == nil {
			n.err = fmt.Errorf("path of %s", t)
			return b
		}
		b = b.msg(1, item)
	}
	parts := strings.Split(name, ".")
	if name != "" {
		b = b.str(2, parts[len(parts)-1])
	}
	if len(parts) > 1 {
		b = b.str(3, parts[len(parts)-2])
	}
	if len(parts) > 2 {
		b = b.str(4, parts[len(parts)-3])
	}
	return b
}

func pathItem(s string) (item pb, rest string) {
	switch {
	case strings.HasPrefix(s, "**"):
		return pb{}.num(1, 5), s[2:]
	case strings.HasPrefix(s, ".*"):
		return pb{}.num(1, 2), s[2:]
	case strings.HasPrefix(s, "[*]"):
		return pb{}.num(1, 4), s[3:]
	case strings.HasPrefix(s, "["):
		number, rest, _ := strings.Cut(s[1:], "]")
		v, err := strconv.Atoi(number)
		if err != nil {
			return nil, ""
		}
		return pb{}.num(1, 3).num(3, uint64(v)), rest
	case strings.HasPrefix(s, `."`):
		name, rest, _ := strings.Cut(s[2:], `"`)
		return pb{}.num(1, 1).str(2, name), rest
	case strings.HasPrefix(s, "."):
		end := strings.IndexAny(s[1:], ".[*")
		if end < 0 {
			end = len(s) - 1
		}
		return pb{}.num(1, 1).str(2, s[1:1+end]), s[1+end:]
	}
	return nil, ""
}
