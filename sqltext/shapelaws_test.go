package sqltext

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The law of shapes: a query over only those rows that satisfy the Terms (and
// those of Maybe whose column the table has), and have those that the Links tell, gives
// what it gives over all rows.
// A small evaluator of queries says what they give.

// null is NULL, as a value and as a truth.
const null = -99

// model is a table: its columns, and rows.
type model struct {
	name    string
	columns []string
	rows    [][]int
}

func models() []*model {
	list := []*model{{name: "a", columns: []string{"x", "y"}}, {name: "b", columns: []string{"x", "z"}},
		{name: "c", columns: []string{"w", "x"}}, {name: "d", columns: []string{"v", "x"}}}
	for _, m := range list {
		for _, p := range []int{null, 0, 1, 2} {
			for _, q := range []int{null, 0, 1, 2} {
				m.rows = append(m.rows, []int{p, q})
			}
		}
	}
	return list
}

// env are the rows that names stand for; a nil row is all NULL.
type env map[*model][]int

// node is an expression: its text, how tight it binds, its value.
type node struct {
	text string
	prec int
	eval func(env) int
}

const (
	precOr = iota + 1
	precXor
	precAnd
	precNot
	precCompare
	precValue
)

// gen makes expressions over some tables.
type gen struct {
	*rapid.T
	tables []*model
	inner  *model // for subqueries; nil: none
}

func (g gen) pick(n int) int { return rapid.IntRange(0, n-1).Draw(g.T, "n") }

// in renders a child of an operator.
func (g gen) in(n node, prec int) string {
	if n.prec < prec || g.pick(4) == 0 {
		return "(" + n.text + ")"
	}
	return n.text
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func not(v int) int {
	if v == null {
		return null
	}
	return truth(v == 0)
}

func and(p, q int) int {
	switch {
	case p == 0 || q == 0:
		return 0
	case p == null || q == null:
		return null
	}
	return 1
}

func or(p, q int) int { return not(and(not(p), not(q))) }

func (g gen) column() node {
	m := g.tables[g.pick(len(g.tables))]
	i := g.pick(len(m.columns))
	name := m.columns[i]
	if name == "x" || g.pick(2) == 0 {
		name = []string{m.name + "." + name, "`" + m.name + "`.`" + name + "`", m.name + " . " + strings.ToUpper(name)}[g.pick(3)]
	}
	return node{name, precValue, func(e env) int {
		if e[m] == nil {
			return null
		}
		return e[m][i]
	}}
}

func (g gen) literal() node {
	v := []int{-1, 0, 1, 1, 2, null}[g.pick(6)]
	text := strconv.Itoa(v)
	if v == null {
		text = "NULL"
	}
	return node{text, precValue, func(env) int { return v }}
}

func (g gen) value() node {
	switch g.pick(8) {
	case 0, 1, 2:
		return g.literal()
	case 3:
		c := g.column()
		return node{"(" + c.text + " + 1)", precValue, func(e env) int {
			if v := c.eval(e); v != null {
				return v + 1
			}
			return null
		}}
	}
	return g.column()
}

var comparisons = []struct {
	text string
	eval func(p, q int) bool
}{
	{"=", func(p, q int) bool { return p == q }}, {"=", func(p, q int) bool { return p == q }},
	{"<", func(p, q int) bool { return p < q }}, {">=", func(p, q int) bool { return p >= q }},
	{"<>", func(p, q int) bool { return p != q }},
}

func compare(f func(p, q int) bool, p, q int) int {
	if p == null || q == null {
		return null
	}
	return truth(f(p, q))
}

func equals(p, q int) int { return compare(comparisons[0].eval, p, q) }

// test makes a comparison.
func (g gen) test() node {
	p, q, r := g.value(), g.value(), g.value()
	make := func(text string, eval func(e env) int) node { return node{text, precCompare, eval} }
	switch g.pick(8) {
	case 0:
		return make(p.text+" IS NULL", func(e env) int { return truth(p.eval(e) == null) })
	case 1:
		return make(p.text+" IS NOT NULL", func(e env) int { return truth(p.eval(e) != null) })
	case 2:
		return make(p.text+" <=> "+q.text, func(e env) int { return truth(p.eval(e) == q.eval(e)) })
	case 3:
		return make(p.text+" IN ("+q.text+", "+r.text+")", func(e env) int {
			return or(equals(p.eval(e), q.eval(e)), equals(p.eval(e), r.eval(e)))
		})
	case 4:
		return make(p.text+" BETWEEN "+q.text+" AND "+r.text, func(e env) int {
			return and(compare(comparisons[3].eval, p.eval(e), q.eval(e)), compare(comparisons[3].eval, r.eval(e), p.eval(e)))
		})
	case 5:
		s := g.value()
		row := func(e env) int { return and(equals(p.eval(e), r.eval(e)), equals(q.eval(e), s.eval(e))) }
		if g.pick(2) == 0 {
			return make(fmt.Sprintf("(%s, %s) = (%s, %s)", p.text, q.text, r.text, s.text), row)
		}
		return make(fmt.Sprintf("(%s, %s) IN ((%s, %s), ROW(1, 2))", p.text, q.text, r.text, s.text), func(e env) int {
			return or(row(e), and(equals(p.eval(e), 1), equals(q.eval(e), 2)))
		})
	}
	c := comparisons[g.pick(len(comparisons))]
	return make(p.text+" "+c.text+" "+q.text, func(e env) int { return compare(c.eval, p.eval(e), q.eval(e)) })
}

// condition makes a condition.
func (g gen) condition(depth int) node {
	if depth == 0 {
		return g.test()
	}
	binary := func(ops []string, prec int, f func(p, q int) int) node {
		p, q := g.condition(depth-1), g.condition(depth-1)
		return node{g.in(p, prec) + " " + ops[g.pick(len(ops))] + " " + g.in(q, prec+1), prec,
			func(e env) int { return f(p.eval(e), q.eval(e)) }}
	}
	switch g.pick(10) {
	case 0, 1, 2, 3:
		return binary([]string{"AND", "and", "&&"}, precAnd, and)
	case 4, 5:
		return binary([]string{"OR", "or", "||"}, precOr, or)
	case 6:
		return binary([]string{"XOR"}, precXor, func(p, q int) int {
			if p == null || q == null {
				return null
			}
			return truth((p == 0) != (q == 0))
		})
	case 7:
		p := g.condition(depth - 1)
		return node{"NOT " + g.in(p, precNot), precNot, func(e env) int { return not(p.eval(e)) }}
	case 8:
		if g.inner != nil {
			return g.exists(depth)
		}
	}
	return g.test()
}

// exists makes EXISTS with a subquery that may name the tables around.
func (g gen) exists(depth int) node {
	m := g.inner
	p := gen{T: g.T, tables: append(slices.Clone(g.tables), m, m)}.condition(depth - 1)
	return node{"EXISTS (SELECT 1 FROM " + m.name + " WHERE " + p.text + ")", precValue, func(e env) int {
		for _, row := range m.rows {
			e[m] = row
			if p.eval(e) == 1 {
				return 1
			}
		}
		return 0
	}}
}

// source is a list of joined tables: its text and the combinations of rows.
type source struct {
	text   string
	tables []*model
	rows   func() []env
}

func single(m *model) source {
	return source{m.name, []*model{m}, func() (out []env) {
		for _, row := range m.rows {
			out = append(out, env{m: row})
		}
		return out
	}}
}

// join joins two sources in some way.
func (g gen) join(l, r source) source {
	tables := append(slices.Clone(l.tables), r.tables...)
	on := gen{T: g.T, tables: tables}.condition(g.pick(3))
	kind := g.pick(4)
	words := []string{" JOIN ", " LEFT JOIN ", " RIGHT OUTER JOIN ", " CROSS JOIN "}[kind]
	right := r.text
	if len(r.tables) > 1 {
		right = "(" + right + ")"
	}
	text := l.text + words + right + " ON " + on.text
	return source{text, tables, func() []env { return joinRows(l, r, kind, on.eval) }}
}

func joinRows(l, r source, kind int, on func(env) int) (out []env) {
	left, right := l.rows(), r.rows()
	matched := make([]bool, len(right))
	for _, p := range left {
		any := false
		for i, q := range right {
			e := env{}
			for m, row := range p {
				e[m] = row
			}
			for m, row := range q {
				e[m] = row
			}
			if on(e) == 1 {
				any, matched[i] = true, true
				out = append(out, e)
			}
		}
		if !any && kind == 1 {
			out = append(out, p)
		}
	}
	for i, q := range right {
		if !matched[i] && kind == 2 {
			out = append(out, q)
		}
	}
	return out
}

// answer is what a query gives, as text.
func answer(s source, where func(env) int) string {
	var out []string
	for _, e := range s.rows() {
		if where(e) == 1 {
			line := ""
			for _, m := range s.tables {
				line += fmt.Sprint(e[m])
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// holds tells whether a row may satisfy a table's terms.
func holds(m *model, row []int, table *ShapeTable, text []byte, literals []LiteralToken) bool {
	for _, term := range append(slices.Clone(table.Terms), table.Maybe...) {
		i := slices.Index(m.columns, term.Column)
		if i < 0 {
			continue
		}
		if !holdsTerm(row[i], term, text, literals) {
			return false
		}
	}
	return true
}

func holdsTerm(v int, term Term, text []byte, literals []LiteralToken) bool {
	var values []int
	for _, w := range term.Values {
		n, _ := literals[w.Index].Int(text)
		if w.Negative {
			n = -n
		}
		values = append(values, int(n))
	}
	switch term.Op {
	case IsNull:
		return v == null
	case Equal:
		return v != null && slices.Contains(values, v)
	case AtLeast:
		return v != null && v >= values[0]
	case AtMost:
		return v != null && v <= values[0]
	}
	return v != null && v >= values[0] && v <= values[1]
}

// checkTerms checks the law for one query.
func checkTerms(t *rapid.T, s source, where node, all []*model) (dropped, linked int) {
	text := []byte("SELECT * FROM " + s.text + " WHERE " + where.text)
	var shaper Shaper
	list, literals := shaper.Shapes(text, Options{})
	if len(list) != 1 {
		t.Fatalf("%s: %d shapes", text, len(list))
	}
	full := answer(s, where.eval)
	var of []*model // the tables', and the rows that they have
	var rows [][][]int
	for i := range list[0].Tables {
		table := &list[0].Tables[i]
		m := all[slices.IndexFunc(all, func(m *model) bool { return m.name == table.Name })]
		kept := slices.DeleteFunc(slices.Clone(m.rows), func(row []int) bool { return !holds(m, row, table, text, literals) })
		of, rows = append(of, m), append(rows, kept)
	}
	for n := 1; n > 0; linked += n {
		n = follow(list[0].Tables, of, rows)
	}
	// A table that is named several times is read as all of them say.
	for _, m := range all {
		n := len(m.rows)
		if !slices.Contains(of, m) {
			continue
		}
		m.rows = slices.DeleteFunc(m.rows, func(row []int) bool {
			for i, kept := range rows {
				if of[i] == m && slices.ContainsFunc(kept, func(o []int) bool { return &o[0] == &row[0] }) {
					return false
				}
			}
			return true
		})
		dropped += n - len(m.rows)
	}
	if part := answer(s, where.eval); part != full {
		t.Fatalf("%s\n%s\nall rows:\n%s\nthose of the terms:\n%s", text, printShapes(list), full, part)
	}
	return dropped, linked
}

// follow leaves out rows that have no equal in the table of a link.
func follow(tables []ShapeTable, of []*model, rows [][][]int) (dropped int) {
	for i := range tables {
		for _, l := range tables[i].Links {
			c, o := slices.Index(of[i].columns, l.Column), slices.Index(of[l.Table].columns, l.Other)
			if c < 0 || o < 0 {
				continue // no such column
			}
			n := len(rows[i])
			rows[i] = slices.DeleteFunc(rows[i], func(row []int) bool {
				return !slices.ContainsFunc(rows[l.Table], func(other []int) bool { return equals(row[c], other[o]) == 1 })
			})
			dropped += n - len(rows[i])
		}
	}
	return dropped
}

// TestTermsAreSound: the law of shapes, for one table and for joins.
func TestTermsAreSound(t *testing.T) {
	dropped, joined, linked := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		all := models()
		g := gen{T: t, tables: all[:1], inner: all[3]}
		n, _ := checkTerms(t, single(all[0]), g.condition(g.pick(4)), all)
		dropped += n
	})
	rapid.Check(t, func(t *rapid.T) {
		all := models()
		g := gen{T: t, inner: all[3]}
		s := single(all[0])
		switch g.pick(3) {
		case 0:
			s = g.join(s, single(all[1]))
		case 1:
			s = g.join(g.join(s, single(all[1])), single(all[2]))
		case 2:
			s = g.join(s, g.join(single(all[1]), single(all[2])))
		}
		g.tables = s.tables
		n, k := checkTerms(t, s, g.condition(g.pick(4)), all)
		joined, linked = joined+n, linked+k
	})
	t.Logf("%d rows left out of one table, %d of joins, %d by links", dropped, joined, linked)
	if dropped == 0 || joined == 0 {
		t.Errorf("the terms leave no row out: %d, %d", dropped, joined)
	}
}

// TestShapeOfLiterals: texts that differ in their literals only have the same
// Shape, and the literals are those of the text.
func TestShapeOfLiterals(t *testing.T) {
	texts := []string{
		"select c from t where id = 1 and d in (2, 'x', 3.5) limit 7",
		"insert into t (a, b) values (1, 'x'), (2, 'y') on duplicate key update b = 'z'",
		"update t set a = 'x', b = b + 1 where c between 1 and 2",
		"select get_lock('x', 1)",
	}
	var s Shaper
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.SampledFrom(texts).Draw(t, "text"))
		list, literals := s.Shapes(text, Options{})
		shape := list[0]
		var other []byte
		var want []string
		end := 0
		for _, l := range literals {
			v := strconv.Itoa(rapid.IntRange(0, 1<<40).Draw(t, "int"))
			switch l.Kind {
			case Decimal:
				v += ".25"
			case String:
				v = "'" + strings.ReplaceAll(rapid.StringMatching(`[a-z'$._ ;()=]*`).Draw(t, "string"), "'", "''") + "'"
				if v == "'$._id'" || v == "'_id'" {
					v = "'id'"
				}
			}
			other = append(append(other, text[end:l.Span.Start]...), v...)
			want = append(want, v)
			end = l.Span.End
		}
		other = append(other, text[end:]...)
		list, literals = s.Shapes(other, Options{})
		if len(list) != 1 || list[0] != shape {
			t.Fatalf("%s has another shape than %s", other, text)
		}
		for i, l := range literals {
			if got := string(l.Span.Of(other)); got != want[i] {
				t.Fatalf("%s: literal %d is %s", other, i, got)
			}
		}
	})
}
