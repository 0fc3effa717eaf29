package main

import (
	"fmt"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// TestOpenTransactions: half a transaction is left out, or replayed from the first
// statement seen, as chosen; one that is rolled back leaves nothing behind.
func TestOpenTransactions(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		for _, asked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v asked=%t", kind, asked), func(t *testing.T) {
				l := newJoinedLab(t, kind, mysqltest.PerformanceSchema())
				t.Setenv("MYREPLAY_SOURCE_PWD", mysqltest.AdminPassword)
				kept, undone := l.client.driver(""), l.client.driver("")
				for i, c := range []*connection{kept, undone} {
					c.exec("BEGIN")
					c.exec(fmt.Sprintf("INSERT INTO items VALUES (%d, 'first half')", 100+10*i))
				}
				var args []string
				if asked {
					args = l.ask(l.s.User)
				}
				rec := recordPort(t, l.s.Addr, fmt.Sprint(l.s.Port), args...)
				for i, c := range []*connection{kept, undone} {
					c.exec(fmt.Sprintf("INSERT INTO items VALUES (%d, 'second half')", 101+10*i))
					c.exec(fmt.Sprintf("INSERT INTO items VALUES (%d, 'second half')", 102+10*i))
				}
				kept.exec("COMMIT")
				undone.exec("ROLLBACK")
				kept.exec("INSERT INTO items VALUES (103, 'behind')")
				undone.exec("INSERT INTO items VALUES (113, 'behind')")
				rec.stop()
				c := replayOn(t, rec.dir, l.u, "--open-transactions", "replay")
				if c.report.Verdict.Result != report.Same || c.left(session.SkipHalf) != 0 {
					t.Errorf("%s\n%s", c.report.Verdict.Reason, c.text(t))
				}
				l.s.Exec(t, "DELETE FROM test.items WHERE id IN (100)")
				sameRows(t, l.s, l.u, itemTables...)
			})
		}
	}
}
