package xproto

import (
	"bytes"
	"strings"
)

// prefixes, infixes are the operators that stand before their parameter, and
// between two, as SQL writes them.
var (
	prefixes = map[string]string{"!": "!", "sign_plus": "+", "sign_minus": "-", "~": "~", "not": "NOT "}
	infixes  = map[string]string{
		"&&": " AND ", "and": " AND ", "||": " OR ", "or": " OR ", "xor": " XOR ",
		"==": " = ", "=": " = ", "!=": " != ", "<>": " != ", "<": " < ", "<=": " <= ", ">": " > ", ">=": " >= ",
		"&": " & ", "|": " | ", "^": " ^ ", "<<": " << ", ">>": " >> ",
		"+": " + ", "-": " - ", "*": " * ", "/": " / ", "div": " DIV ", "%": " % ",
		"is": " IS ", "is_not": " IS NOT ", "regexp": " REGEXP ", "not_regexp": " NOT REGEXP ",
	}
	// negated are the operators that deny what another says.
	negated = map[string]string{
		"not_like": "like", "not_in": "in", "between_not": "between", "not_between": "between",
		"not_cont_in": "cont_in", "not_overlaps": "overlaps",
	}
)

// operator writes an Operator (Mysqlx.Expr.Operator), in parentheses where it
// may stand beside another. One that is not known, or has another number of
// parameters than usual, is written like a function.
func (r *renderer) operator(b []byte) {
	raw, params := r.named("Operator", b)
	name := strings.ToLower(string(raw))
	not := ""
	if positive := negated[name]; positive != "" {
		name, not = positive, "NOT "
	}
	switch n := params.n; {
	case n == 0 && name == "*":
		r.add("*")
	case n == 0 && name == "default":
		r.add("DEFAULT")
	case n == 1 && prefixes[name] != "":
		r.add("(" + prefixes[name])
		r.expr(params.at(0))
		r.add(")")
	case n == 2 && (name == "regexp" || name == "not_regexp"):
		r.infix(infixes[name], params, r.text)
	case n == 2 && infixes[name] != "" && strings.Trim(infixes[name], " =<>!") == "":
		r.infix(infixes[name], params, r.operand)
	case n == 2 && infixes[name] != "":
		r.infix(infixes[name], params, r.expr)
	case r.special(name, not, params):
	case len(raw) == 0:
		r.fail("Operator", "without a name")
	default:
		r.function(raw)
		r.add("(")
		r.each(params, ",", r.expr)
		r.add(")")
	}
}

func (r *renderer) infix(operator string, params list, write func([]byte)) {
	r.add("(")
	r.each(params, operator, write)
	r.add(")")
}

// operand writes an expression that is compared. Only a document's id is a text
// there.
func (r *renderer) operand(b []byte) {
	if r.kindOf(b) == exprIdent {
		id := r.columnIdentifier(r.expression(b).body)
		if id.path.n == 1 && string(id.path.at(0)) == idPath {
			r.text(b)
			return
		}
	}
	r.expr(b)
}

// idPath is the DocumentPathItem of a document's id.
const idPath = "\x08\x01\x12\x03_id"

// special writes the operators with a form of their own; false when it is none
// of them.
func (r *renderer) special(name, not string, params list) bool {
	switch n := params.n; {
	case name == "like" && n == 2:
		r.infix(" "+not+"LIKE ", params, r.text)
	case name == "like" && n == 3:
		r.add("(")
		r.text(params.at(0))
		r.add(" " + not + "LIKE ")
		r.text(params.at(1))
		r.add(" ESCAPE ")
		r.text(params.at(2))
		r.add(")")
	case name == "between" && n == 3:
		r.add("(")
		r.text(params.at(0))
		r.add(" " + not + "BETWEEN ")
		r.text(params.at(1))
		r.add(" AND ")
		r.text(params.at(2))
		r.add(")")
	case name == "in" && n == 2 && r.kindOf(params.at(1)) == exprArray, name == "cont_in" && n == 2:
		r.json(not+"JSON_CONTAINS(", params.at(1), params.at(0))
	case name == "in" && n >= 2:
		r.add("(")
		r.text(params.at(0))
		r.add(" " + not + "IN (")
		params.each(func(i int, b []byte) bool {
			if i > 1 {
				r.add(",")
			}
			if i > 0 {
				r.text(b)
			}
			return r.err == nil
		})
		r.add("))")
	case name == "overlaps" && n == 2:
		r.json(not+"JSON_OVERLAPS(", params.at(0), params.at(1))
	case name == "cast" && n == 2:
		r.add("CAST(")
		r.text(params.at(0))
		r.add(" AS ")
		r.words("cast", params.at(1))
		r.add(")")
	case (name == "date_add" || name == "date_sub") && n == 3:
		r.add(strings.ToUpper(name) + "(")
		r.text(params.at(0))
		r.add(", INTERVAL ")
		r.text(params.at(1))
		r.add(" ")
		r.words("interval", params.at(2))
		r.add(")")
	default:
		return false
	}
	return true
}

// json writes a function of two JSON values.
func (r *renderer) json(open string, a, b []byte) {
	r.add(open)
	r.value(a)
	r.add(",")
	r.value(b)
	r.add(")")
}

// value writes an expression as a JSON value: a literal is none yet.
func (r *renderer) value(b []byte) {
	s, ok := r.scalar(b)
	switch {
	case !ok || s.Type == ScalarOctets && s.ContentType == ContentJSON:
		r.expr(b)
	case s.Type == ScalarString || s.Type == ScalarOctets:
		r.add("JSON_QUOTE(")
		r.dst = appendBinary(r.dst, s.Bytes)
		r.add(")")
	case s.Type == ScalarNull:
		r.add("CAST('null' AS JSON)")
	default:
		r.add("CAST(")
		r.dst = s.AppendSQL(r.dst)
		r.add(" AS JSON)")
	}
	r.checkLength()
}

// words writes a literal that stands for words of SQL, such as a type or a unit,
// which are taken only when they look like some: letters and digits, and once
// numbers in parentheses, as in DECIMAL(10,2).
func (r *renderer) words(what string, b []byte) {
	s, _ := r.scalar(b)
	plain := s.Bytes
	if i := bytes.IndexByte(plain, '('); i >= 0 {
		n, rest, closed := bytes.Cut(plain[i+1:], []byte{')'})
		if !closed || len(bytes.Trim(n, "0123456789, ")) > 0 {
			r.fail("Operator", what+" with what is no word")
		}
		plain = append(bytes.Clone(plain[:i]), rest...)
	}
	for _, c := range plain {
		if !bareWord([]byte{'a', c}) && c != ' ' {
			r.fail("Operator", what+" with what is no word")
			return
		}
	}
	if len(bytes.TrimSpace(plain)) == 0 {
		r.fail("Operator", what+" without its word")
	}
	r.dst = append(r.dst, s.Bytes...)
}
