package order

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/schema"
)

// TestGapsHeld: a transaction that lasts holds up the placing of others. What came
// long after a read that skips locked rows, and is known by then, does not hide what
// was before it.
func TestGapsHeld(t *testing.T) {
	var b strings.Builder
	b.WriteString("9 1-2 BEGIN\n9 3-4 rows=900 SELECT id FROM other WHERE id=900 FOR UPDATE\n")
	b.WriteString("1 10-11 BEGIN\n1 12-14 affected=1 UPDATE t SET v=1 WHERE id=5\n")
	b.WriteString("2 15-16 BEGIN\n2 20-22 rows=2 SELECT id FROM t WHERE state=0 LIMIT 1 FOR UPDATE SKIP LOCKED\n")
	for i := range 2 * maxGaps {
		fmt.Fprintf(&b, "3 %d-%d affected=1 INSERT INTO t VALUES (%d,0,0)\n", 100+10*i, 105+10*i, 1000+i)
	}
	b.WriteString("1 90000-90002 COMMIT\n2 90003-90004 COMMIT\n9 90010-90012 COMMIT\n")
	tables, err := schema.Read(strings.NewReader(`{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB","columns":[{"name":"id","type":"int"},
		{"name":"state","type":"int"},{"name":"v","type":"int"}],"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]},{"name":"state","columns":["state"]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	out := plan(t, &datadriven.TestData{Cmd: "plan", Input: strings.TrimSpace(b.String())}, tables)
	if want := "2.2 SELECT id FROM t WHERE state=0 LIMIT 1 FOR UPDATE SKIP LOCKED\n    after 1.2 proven write-write\n"; !strings.Contains(out, want) {
		t.Errorf("%s\nwant %s", out[:min(len(out), 2000)], want)
	}
}

// TestRelock: what locks the rows of a read that skips locked ones names those that
// later commands of its transaction name, and no others.
func TestRelock(t *testing.T) {
	tables, err := schema.Read(strings.NewReader(`{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB","columns":[{"name":"id","type":"int"},
		{"name":"state","type":"int"}],"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ later, want string }{
		{"1 30-32 affected=2 UPDATE t SET state=1 WHERE id IN (1,2)", "SELECT 1 FROM `t` WHERE `id` IN (1,2) FOR UPDATE"},
		{"1 30-32 affected=1 UPDATE t SET state=1 WHERE id=2\n1 33-34 affected=1 DELETE FROM t WHERE id=1", "SELECT 1 FROM `t` WHERE `id` IN (2,1) FOR UPDATE"},
		{"1 30-32 affected=1 UPDATE t SET state=1 WHERE id=7", ""},
		{"1 30-32 affected=5 UPDATE t SET state=1 WHERE state=0", ""},
	} {
		text := "1 10-11 BEGIN\n1 12-14 rows=1,2,3 SELECT id FROM t WHERE state=0 LIMIT 3 FOR UPDATE SKIP LOCKED\n" + c.later + "\n1 40-41 COMMIT"
		out := plan(t, &datadriven.TestData{Cmd: "plan", Input: text}, tables)
		_, got, _ := strings.Cut(out, "took 3 rows")
		got, _, _ = strings.Cut(got, "\n")
		if got = strings.TrimPrefix(got, ", lock: "); got != c.want {
			t.Errorf("%s: %q, want %q", c.later, got, c.want)
		}
	}
}

// TestWaitLocks: of waits on one session that become one, it rests on locks alone
// when all do.
func TestWaitLocks(t *testing.T) {
	for _, c := range []struct {
		kinds string // in their order; l: on locks
		want  bool
	}{{"l", true}, {"ll", true}, {"lg", false}, {"gl", false}} {
		on := &command{group: &group{session: &member{}}, step: &Step{Session: 2}, answered: never}
		w := &command{group: &group{session: &member{room: &room[pendingWait]{}}}, step: &Step{Session: 1}}
		for i, k := range c.kinds {
			next := *on
			next.step, next.id = &Step{Session: 2, Seq: uint64(i + 1)}, commandID{2, uint64(i + 1)}
			if k == 'l' {
				w.waitLocks(&next, WriteWrite)
			} else {
				w.wait(&next, Guessed, WriteWrite, false)
			}
		}
		if len(w.waits) != 1 || w.waits[0].Locks != c.want {
			t.Errorf("%s: %+v", c.kinds, w.waits)
		}
	}
}
