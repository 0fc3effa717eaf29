package order

import (
	"fmt"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// TestLongSnapshot: a transaction reads from a snapshot that was taken beside a
// COMMIT, long after: more commands were handed on meanwhile than a command looks
// back at. What it finds is guessed all the same, and it waits for what it is taken to
// have seen.
func TestLongSnapshot(t *testing.T) {
	var b strings.Builder
	b.WriteString("3 1-2 SELECT v FROM t WHERE id=1000\n1 1-2 BEGIN\n2 3-4 BEGIN\n2 5-6 UPDATE t SET v=1 WHERE id=7\n1 10-20 SELECT v FROM t WHERE id=1\n2 11-13 COMMIT\n")
	b.WriteString("4 21-22 UPDATE t SET v=2 WHERE id=8\n")
	for i := range 400 {
		fmt.Fprintf(&b, "3 %d-%d SELECT v FROM t WHERE id=1000\n", 30+2*i, 31+2*i)
	}
	b.WriteString("1 2000-2001 SELECT v FROM t WHERE id BETWEEN 5 AND 9\n1 2002-2003 COMMIT\n")
	tables, err := schema.Read(strings.NewReader(`{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB",
		"columns":[{"name":"id","type":"int"},{"name":"v","type":"int"}],"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlanner(Options{Mode: Row, Schema: tables, Window: 1})
	var lines []string
	seeAll(t, p, script(t, b.String()), func(c *session.Command, s *Step) {
		if s.Session != 3 {
			lines = append(lines, stepLine(c, s))
		}
	})
	got := strings.Join(lines, "")
	for _, want := range []string{"1.2 SELECT v FROM t WHERE id=1\n    after 2.3 guessed write-read", "1.3 SELECT v FROM t WHERE id BETWEEN 5 AND 9\n    guess 2.3 seen=true"} {
		if !strings.Contains(got, want) {
			t.Errorf("not there: %s\nin\n%s", want, got)
		}
	}
}
