package xproto

import "strings"

// exprKind tells what an expression is (Mysqlx.Expr.Expr.Type).
type exprKind byte

const (
	exprIdent       exprKind = 1
	exprLiteral     exprKind = 2
	exprVariable    exprKind = 3
	exprCall        exprKind = 4
	exprOperator    exprKind = 5
	exprPlaceholder exprKind = 6
	exprObject      exprKind = 7
	exprArray       exprKind = 8
)

// expression is one level of an expression (Mysqlx.Expr.Expr); what is below is
// undecoded.
type expression struct {
	kind     exprKind
	body     []byte // the field that kind names
	position uint64 // of a placeholder, from 0
}

// exprField is the field that holds the value of each kind.
var exprField = [...]byte{exprIdent: 2, exprLiteral: 4, exprVariable: 3, exprCall: 5, exprOperator: 6, exprPlaceholder: 7, exprObject: 8, exprArray: 9}

func (r *renderer) expression(b []byte) (e expression) {
	f := read("Expr", b)
	var bodies [len(exprField) + 1][]byte
	for f.next() {
		switch {
		case f.num == 1:
			e.kind = exprKind(f.enum())
		case f.num == 7:
			e.position = f.uint64()
		case int(f.num) < len(bodies):
			bodies[f.num] = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	if e.kind == 0 || int(e.kind) >= len(exprField) {
		f.fail("of an unknown type")
	} else if e.body = bodies[exprField[e.kind]]; e.body == nil && e.kind != exprPlaceholder {
		f.fail("without what its type says")
	}
	r.take(&f)
	return e
}

// kindOf returns the kind of an expression, 0 when it is broken.
func (r *renderer) kindOf(b []byte) exprKind {
	if r.err != nil {
		return 0
	}
	return r.expression(b).kind
}

// scalar returns the value of an expression that is a literal, or a placeholder
// whose value the message brings.
func (r *renderer) scalar(b []byte) (s Scalar, ok bool) {
	if r.err != nil {
		return s, false
	}
	switch e := r.expression(b); {
	case e.kind == exprLiteral:
		b = e.body
	case e.kind == exprPlaceholder && e.position < uint64(len(r.args)):
		b = r.args[e.position]
	default:
		return s, false
	}
	r.err = firstError(r.err, s.Decode(b))
	if !s.known() {
		r.fail("Scalar", "of an unknown type")
	}
	return s, r.err == nil
}

func (r *renderer) expr(b []byte) {
	if r.err != nil {
		return
	}
	if r.depth >= maxDepth {
		r.fail("Expr", "nested too deep")
		return
	}
	r.depth++
	defer func() { r.depth-- }()
	e := r.expression(b)
	if r.err != nil {
		return
	}
	switch e.kind {
	case exprIdent:
		r.identifier(e.body)
	case exprLiteral, exprPlaceholder:
		if s, ok := r.scalar(b); ok {
			r.dst = s.AppendSQL(r.dst)
			r.checkLength()
		} else {
			r.add("?")
		}
	case exprVariable:
		r.add("@")
		r.dst = appendIdentifier(r.dst, e.body)
	case exprCall:
		r.call(e.body)
	case exprOperator:
		r.operator(e.body)
	case exprObject:
		r.object(e.body)
	case exprArray:
		r.array(e.body)
	}
}

// checkLength keeps a statement to its limit: one value that the message brings
// may stand in many places.
func (r *renderer) checkLength() {
	if len(r.dst) > r.limit {
		r.fail("Expr", "the same long value in too many places")
	}
}

// text writes an expression as a text: what comes out of a document is JSON and
// loses its quotes.
func (r *renderer) text(b []byte) {
	if r.kindOf(b) != exprIdent || r.columnIdentifier(r.expression(b).body).path.n == 0 {
		r.expr(b)
		return
	}
	r.add("JSON_UNQUOTE(")
	r.expr(b)
	r.add(")")
}

func (r *renderer) object(b []byte) {
	f := read("Object", b)
	r.add("JSON_OBJECT(")
	for n := 0; f.next() && r.err == nil; n++ {
		if f.num != 1 {
			f.fail(unknownField)
			break
		}
		if n > 0 {
			r.add(",")
		}
		r.member(f.bytes())
	}
	r.take(&f)
	r.add(")")
}

// member writes a field of an object.
func (r *renderer) member(b []byte) {
	f := read("Object", b)
	var key, value []byte
	for f.next() {
		switch f.num {
		case 1:
			key = f.bytes()
		case 2:
			value = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	r.dst = append(appendString(r.dst, key), ',')
	r.expr(value)
}

func (r *renderer) array(b []byte) {
	f := read("Array", b)
	var values list
	for f.next() {
		if f.num != 1 {
			f.fail(unknownField)
		}
		values.note(&f, b)
	}
	r.take(&f)
	r.add("JSON_ARRAY(")
	r.each(values, ",", r.expr)
	r.add(")")
}

// named is a name with parameters: FunctionCall or Operator, whose name is a
// message and a string.
func (r *renderer) named(message string, b []byte) (name []byte, params list) {
	f := read(message, b)
	for f.next() {
		switch f.num {
		case 1:
			name = f.bytes()
		case 2:
			params.note(&f, b)
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	return name, params
}

func (r *renderer) call(b []byte) {
	name, params := r.named("FunctionCall", b)
	f := read("Identifier", name)
	var schema []byte
	name = nil
	for f.next() {
		switch f.num {
		case 1:
			name = f.bytes()
		case 2:
			schema = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	if len(name) == 0 {
		f.fail("without a name")
	}
	r.take(&f)
	if len(schema) > 0 {
		r.dst = append(appendIdentifier(r.dst, schema), '.')
		r.dst = appendIdentifier(r.dst, name)
	} else {
		r.function(name)
	}
	r.add("(")
	if len(name) > 5 && strings.EqualFold(string(name[:5]), "json_") {
		r.each(params, ",", r.expr)
	} else {
		r.each(params, ",", r.text)
	}
	r.add(")")
}

// function writes the name of a function that has no schema. Built-in ones are
// known by their bare name only.
func (r *renderer) function(name []byte) {
	if bareWord(name) {
		r.dst = append(r.dst, name...)
	} else {
		r.dst = appendIdentifier(r.dst, name)
	}
}

// bareWord tells whether a name needs no quotes where a function's stands.
func bareWord(name []byte) bool {
	for i, c := range name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(name) > 0
}
