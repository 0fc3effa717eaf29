package sqltext

import (
	"strings"
	"unicode/utf8"
)

// Limits of what is told of a statement.
const (
	// maxShapeTables: with more tables MoreTables is set.
	maxShapeTables = 256
	// maxShapeTerms: more of one table are left out.
	maxShapeTerms = 64
	// maxShapeAssigns: an UPDATE of more, times its tables, is not understood.
	maxShapeAssigns = 1 << 14
	// maxShapeColumns: with more columns Star is set.
	maxShapeColumns = 512
)

// shapeToken is a token of a statement, and what surrounds it.
type shapeToken struct {
	Token
	// num is the number of a literal or placeholder in the text.
	num int32
	// match is the place of the parenthesis that belongs to this one, or -1.
	match int32
	// lead is the place of the first token behind this one that opens no
	// parenthesis; of opening parentheses only.
	lead int32
	// target: a name that is no column that is looked at: a table's, an alias, or a
	// column that is assigned or inserted.
	target bool
}

// shapeReader reads statements by descent. What it does not understand it leaves
// out: the Analyzer knows all tables, the reader only says more of them. It
// takes linear time: each token is looked at a fixed number of times.
type shapeReader struct {
	text  []byte
	opt   Options
	all   []shapeToken // of the text
	toks  []shapeToken // of the statement
	shape *Shape
	found []foundTable
	ctes  []string
	depth int
	// correlated counts the queries around in whose expressions this one stands: a
	// name may be theirs.
	correlated int
	// scopes counts the lists of tables in the statement; unqualified are the
	// conditions without a table's name of the last.
	scopes      int
	unqualified []Term
	// doubtful: where literals end is not certain. hinted: the text has hints.
	doubtful, hinted bool
}

// foundTable is a table that the reader found.
type foundTable struct {
	ShapeTable
	start int // of its name in the text
	// drop: it is no table, but names one that stands elsewhere. sure: Role is
	// known. lost: what stands around it was not understood.
	drop, sure, lost bool
}

// read makes the shapes of a text that was analyzed. long: it has too many
// tokens.
func (r *shapeReader) read(text []byte, opt Options, a *Result, long bool) []*Shape {
	r.text, r.opt = text, opt
	r.doubtful = hasDoubtfulEscapes(text, opt)
	r.all = r.all[:0]
	if !long {
		r.lex()
	}
	var list []*Shape
	rest := r.all
	for i := range a.Statements {
		st := &a.Statements[i]
		for len(rest) > 0 && rest[0].Start < st.Start {
			rest = rest[1:]
		}
		n := 0
		for n < len(rest) && rest[n].End <= st.End {
			n++
		}
		r.toks = rest[:n:n]
		list = append(list, r.statement(st))
		rest = rest[n:]
	}
	if cap(r.all) > maxKept/64 {
		r.all = nil
	}
	r.text, r.toks, r.shape = nil, nil, nil
	return list
}

// lex lists the text's tokens but for those of hints.
func (r *shapeReader) lex() {
	s := NewScanner(r.text, r.opt)
	literals, params, hint := int32(0), int32(0), false
	r.hinted = false
	for t := s.Next(); t.Kind != EOF; t = s.Next() {
		st := shapeToken{Token: t, match: -1}
		switch t.Kind {
		case HintStart, HintEnd:
			hint = t.Kind == HintStart
			r.hinted = true
			continue
		case String, Int, Decimal, Float, Hex, Bits:
			st.num = literals
			literals++
		case Param:
			st.num = params
			params++
		}
		if !hint {
			r.all = append(r.all, st)
		}
	}
}

// statement makes the shape of a statement, whose tokens are in toks.
func (r *shapeReader) statement(st *Statement) *Shape {
	r.shape = &Shape{Verb: st.Verb, Class: st.Class, Flags: st.Flags, Funcs: st.Funcs,
		Name: r.spanName(st.Name), Schema: r.spanName(st.Schema)}
	r.found, r.ctes, r.unqualified = r.found[:0], r.ctes[:0], nil
	r.depth, r.correlated, r.scopes = 0, 0, 0
	// A conditional comment may hold what is no part of the condition there.
	understood := st.Flags&Conditional == 0 && !r.doubtful && r.link() && r.dispatch()
	if !understood {
		r.found = r.found[:0]
		r.shape.Star = true
	}
	r.collect()
	r.tables(st)
	if s := r.shape; understood && s.Verb == Select && s.Class == Read && len(s.Tables) == 1 && s.Flags&MoreTables == 0 {
		r.plain()
	}
	return r.shape
}

func (r *shapeReader) spanName(s Span) string {
	if s.Empty() {
		return ""
	}
	return string(AppendName(nil, s.Of(r.text)))
}

// link finds the parentheses that belong together; false when some do not.
func (r *shapeReader) link() bool {
	open := int32(-1) // the innermost; match holds the one around it
	for k := range r.toks {
		switch {
		case r.op(k, '('):
			r.toks[k].match = open
			open = int32(k)
		case r.op(k, ')'):
			if open < 0 {
				return false
			}
			r.toks[k].match = open
			open, r.toks[open].match = r.toks[open].match, int32(k)
		}
	}
	for k := len(r.toks) - 1; k >= 0; k-- {
		if r.op(k, '(') {
			r.toks[k].lead = int32(k + 1)
			if r.op(k+1, '(') {
				r.toks[k].lead = r.toks[k+1].lead
			}
		}
	}
	return open < 0 && len(r.toks) > 0
}

// dispatch reads the statement by its first word; false when it is not one that
// is read here.
func (r *shapeReader) dispatch() bool {
	n := len(r.toks)
	switch r.shape.Verb {
	case Select, Table, Values:
		if !r.startsQuery(0) {
			return false
		}
		r.query(0, n)
	case Insert, Replace, Update, Delete:
		k := r.with(0, n)
		switch r.word(k) {
		case wInsert, wReplace:
			return r.insert(k+1, n)
		case wUpdate:
			return r.update(k+1, n)
		case wDelete:
			return r.delete(k+1, n)
		}
		return false
	case Load:
		r.load(n)
	case Begin, Commit, Rollback, Savepoint, Release, XA, Set:
		r.transaction()
		return r.shape.Verb != Set
	default:
		return false
	}
	return true
}

// The tokens.

// op tells whether token k is the operator c, a single character.
func (r *shapeReader) op(k int, c Operator) bool {
	return k >= 0 && k < len(r.toks) && r.toks[k].Kind == Op && r.toks[k].Op == c
}

// word returns the Word of token k if it is an identifier without quotes, and
// not behind a point.
func (r *shapeReader) word(k int) Word {
	if k < 0 || k >= len(r.toks) || r.toks[k].Kind != Ident || r.op(k-1, '.') {
		return wNone
	}
	return r.toks[k].Word
}

func (r *shapeReader) kind(k int) Kind {
	if k < 0 || k >= len(r.toks) {
		return EOF
	}
	return r.toks[k].Kind
}

// past returns the place behind token k, or behind the parenthesis it opens.
func (r *shapeReader) past(k int) int {
	if m := r.toks[k].match; m > int32(k) {
		return int(m) + 1
	}
	return k + 1
}

// isName tells whether token k can be a name.
func (r *shapeReader) isName(k int) bool {
	switch r.kind(k) {
	case Quoted:
		return true
	case Ident:
		return r.op(k-1, '.') || wordInfos[r.toks[k].Word].traits&(isReserved|isBare) == 0
	}
	return false
}

// name returns the name that token k is, without quotes.
func (r *shapeReader) name(k int) string {
	return string(AppendName(nil, r.toks[k].Of(r.text)))
}

// column returns the name that token k is, in lower case.
func (r *shapeReader) column(k int) string { return lowerName(r.name(k)) }

func lowerName(s string) string {
	if utf8.ValidString(s) {
		return strings.ToLower(s)
	}
	return string(appendLower(nil, []byte(s)))
}

// startsQuery tells whether a query begins at k, perhaps in parentheses.
func (r *shapeReader) startsQuery(k int) bool {
	if r.op(k, '(') {
		k = int(r.toks[k].lead)
	}
	switch r.word(k) {
	case wSelect, wWith:
		return true
	case wTable:
		return r.isName(k + 1)
	case wValues:
		return r.word(k+1) == wRow || r.op(k+1, '(') && (k == 0 || r.op(k-1, '('))
	}
	return false
}
