package sqltext

import (
	"fmt"
	"strings"
	"testing"
)

// TestShapeOfHostileTexts: texts made to be slow or large are read (quadratic time
// would be noticed) and what is told of them stays small.
func TestShapeOfHostileTexts(t *testing.T) {
	const n = 20_000
	rep := strings.Repeat
	var names strings.Builder
	for i := range n {
		fmt.Fprintf(&names, ", n%d as (select 1 from m%d)", i, i)
	}
	for _, text := range []string{
		"select 1 from t where " + rep("(", n) + "id = 1" + rep(")", n),
		"select " + rep("(", n) + "1" + rep(")", n) + " from t where id = 1",
		rep("(", n) + "select 1 from t" + rep(")", n),
		"select 1 from " + rep("(", n) + "t" + rep(")", n),
		rep("(select 1 from t where id = ", n/4) + "1" + rep(")", n/4),
		"select 1 from t where id = 1" + rep(" and id = 1", n),
		"select 1 from t where id = 1" + rep(" or id = 1", n),
		"select 1 from t where " + rep("(id = 1 or ", n/2) + "id = 1" + rep(")", n/2),
		"select 1 from t" + rep(", t", n) + " where id = 1" + rep(" and id = 1", 1000),
		"select 1 from t" + rep(" join t on id = 1", n) + " where id = 1",
		"select 1 from t" + rep(" left join (t", n) + rep(") on id = 1", n),
		"select 1 from t where " + rep("json_unquote(", n) + "doc" + rep(")", n) + " = 1",
		"select 1 from t where id in (" + rep("1, ", n) + "1)",
		"select 1 from t where (a, b) in (" + rep("(1, 2), ", n/2) + "(1, 2))",
		"select 1 from t where " + rep("case ", n) + rep("end ", n),
		"select 1 from t" + rep(" union select 1 from t where id = 1", n/4),
		"select 1 from t" + rep(" for update of t", n),
		"select 1 from t for update of t" + rep(", t", n),
		"with x as (select 1)" + names.String() + " select 1 from t",
		"select 1 from t where window" + rep(" = window", n),
		"insert into t values (1)" + rep(", (1)", n),
		"insert into t values (" + rep("json_object(", n) + rep(")", n) + ")",
		"insert into t values " + rep("(", n) + rep(")", n),
		"update t set a = 1" + rep(", a = 1", n),
		"update t" + rep(", t", 200) + " set a = 1" + rep(", a = 1", n/4),
		"delete t" + rep(", t", n) + " from t",
		"set autocommit = 1" + rep(", autocommit = 1", n),
		rep("set autocommit = 1;", n),
		"select get_lock(" + rep("get_lock(", n) + rep(")", n) + ")",
		"xa start '" + rep("x", n) + "'" + rep(", 'x'", n),
		rep("select 1 from t where id = ?;", n/4),
		"select " + rep("a.", n) + "b from t",
		"lock tables t read" + rep(", t write", n),
		"select 1 from t where " + rep("not ", n) + "id = 1",
		"select 1 from t where id = " + rep("-", n) + "1",
	} {
		var s Shaper
		list, _ := s.Shapes([]byte(text), Options{})
		for _, shape := range list {
			if len(shape.Tables) > maxShapeTables+MaxTables || len(shape.Columns) > maxShapeColumns {
				t.Errorf("%.60s: %d tables, %d columns", text, len(shape.Tables), len(shape.Columns))
			}
			for i := range shape.Tables {
				if n := len(shape.Tables[i].Terms) + len(shape.Tables[i].Maybe); n > 2*maxShapeTerms {
					t.Errorf("%.60s: %d terms", text, n)
				}
			}
		}
	}
}

// TestShaperForgets: what a Shaper remembers is bounded, and a text of too many
// tokens still has its tables.
func TestShaperForgets(t *testing.T) {
	var s Shaper
	for i := range 2*maxYoungShapes + 10 {
		s.Shapes(fmt.Appendf(nil, "select c%d from t where id = 1", i), Options{})
	}
	if len(s.young) > maxYoungShapes || len(s.old) > maxYoungShapes {
		t.Errorf("%d and %d entries", len(s.young), len(s.old))
	}
	for i := range 2000 {
		s.Shapes([]byte("insert into t values (1"+strings.Repeat(", 1", i%1000)+")"+strings.Repeat(", (2)", i/1000)), Options{})
	}
	if s.weight > maxYoungWeight+1<<16 {
		t.Errorf("%d bytes", s.weight)
	}
	list, literals := s.Shapes([]byte("insert into t values (1)"+strings.Repeat(", (1)", maxShapeTokens/4)), Options{})
	if got, want := printShapes(list), "insert/write [*]\n  w t insert rows? update\n"; got != want || len(literals) != 0 {
		t.Errorf("%s with %d literals", got, len(literals))
	}
}

// TestIntOfLiteral: the bounds of what a literal's value may be.
func TestIntOfLiteral(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "007": 7, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "99999999999999999999": -1,
		"1.5": -1, "'5'": -1, "0x5": -1, "1e3": -1,
	} {
		var s Shaper
		_, literals := s.Shapes([]byte("select "+text), Options{})
		n, ok := literals[0].Int([]byte("select " + text))
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s is %d", text, n)
		}
	}
	if _, ok := (LiteralToken{Int, Span{0, 9}}).Int([]byte("1")); ok {
		t.Error("a literal outside of its text")
	}
}
