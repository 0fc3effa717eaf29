package sqltext

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/internal/mysqltest"
)

// TestShapesOnServers asks real servers whether the evaluator of the law of
// shapes gives what they give, and what SET means for whom.
func TestShapesOnServers(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB118} {
		t.Run(kind.String(), func(t *testing.T) {
			c := connect(t, mysqltest.Start(t, kind))
			fillModels(t, c)
			rapid.Check(t, func(t *rapid.T) { checkEvaluator(t, c) })
			checkIsolation(t, c, kind)
		})
	}
}

func run(t *testing.T, c *sql.Conn, query string) {
	t.Helper()
	if _, err := c.ExecContext(context.Background(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func fillModels(t *testing.T, c *sql.Conn) {
	for _, m := range models() {
		run(t, c, fmt.Sprintf("create table %s (%s int, %s int)", m.name, m.columns[0], m.columns[1]))
		var rows []string
		for _, row := range m.rows {
			rows = append(rows, strings.ReplaceAll(fmt.Sprintf("(%d, %d)", row[0], row[1]), fmt.Sprint(null), "null"))
		}
		run(t, c, "insert into "+m.name+" values "+strings.Join(rows, ", "))
	}
}

func checkEvaluator(t *rapid.T, c *sql.Conn) {
	all := models()
	g := gen{T: t, inner: all[3]}
	s := single(all[0])
	if g.pick(2) == 0 {
		s = g.join(s, single(all[1]))
	}
	g.tables = s.tables
	where := g.condition(g.pick(4))
	want := 0
	for _, e := range s.rows() {
		if where.eval(e) == 1 {
			want++
		}
	}
	// Not by WHERE: MariaDB 11.8 takes NOT ((1, a.x) = (b.x, 2)) for a condition that no
	// missing row of b meets, and its outer join for an inner one.
	query := "SELECT COALESCE(SUM((" + where.text + ") IS TRUE), 0) FROM " + s.text
	if got, err := asked(c, query); err != nil || got != fmt.Sprint(want) {
		t.Fatalf("%s: %s rows, not %d (%v)", query, got, want, err)
	}
}

// checkIsolation sets the isolation level in all ways, and sees whether the
// session's has changed.
func checkIsolation(t *testing.T, c *sql.Conn, kind mysqltest.Kind) {
	variable := "transaction_isolation"
	if _, err := asked(c, "select @@transaction_isolation"); err != nil {
		variable = "tx_isolation"
	}
	for _, set := range []string{
		"set transaction isolation level serializable", "set session transaction isolation level serializable",
		"set " + variable + " = 'SERIALIZABLE'", "set session " + variable + " = 'serializable'",
		"set @@" + variable + " = serializable", "set @@session." + variable + " = 'SERIALIZABLE'", "set local " + variable + " = serializable",
	} {
		run(t, c, "set session transaction isolation level repeatable read")
		run(t, c, set)
		got, err := asked(c, "select @@session."+variable)
		if err != nil {
			t.Fatal(err)
		}
		var s Shaper
		list, _ := s.Shapes([]byte(set), Options{MariaDB: kind != mysqltest.MySQL97})
		next := got != "SERIALIZABLE"
		if list[0].Isolation != "serializable" || list[0].NextOnly != next {
			t.Errorf("%s: the session's level is %s, the shape says %s, next only: %t", set, got, list[0].Isolation, list[0].NextOnly)
		}
		run(t, c, "commit")
	}
}
