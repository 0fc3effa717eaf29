package probe

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// innodbStatus is what MariaDB 10.11 says, with a deadlock of old, and a statement whose
// text looks like what is read.
const innodbStatus = `=====================================
LATEST DETECTED DEADLOCK
------------------------
---TRANSACTION 9, ACTIVE 0 sec starting index read
LOCK WAIT 2 lock struct(s), heap size 1128, 1 row lock(s)
MariaDB thread id 99, OS thread handle 1, query id 1 localhost cap Updating
------------
TRANSACTIONS
------------
LIST OF TRANSACTIONS FOR EACH SESSION:
---TRANSACTION (0x7f7b5a803180), not started
0 lock struct(s), heap size 1128, 0 row lock(s)
---TRANSACTION 41, ACTIVE 1 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 2 lock struct(s), heap size 1128, 1 row lock(s)
MariaDB thread id 12, OS thread handle 140167, query id 50 127.0.0.1 cap Updating
update t set v = '
LOCK WAIT 2 lock struct(s)
MariaDB thread id 77, OS thread handle 1' where id = 10
------- TRX HAS BEEN WAITING 1000 us FOR THIS LOCK TO BE GRANTED:
RECORD LOCKS space id 6 page no 3 n bits 8 index PRIMARY of table ` + "`test`.`t`" + ` trx id 41 lock_mode X locks rec but not gap waiting
---TRANSACTION 40, ACTIVE 2 sec
2 lock struct(s), heap size 1128, 1 row lock(s), undo log entries 1
MariaDB thread id 11, OS thread handle 140168, query id 48 127.0.0.1 cap
---TRANSACTION 42, ACTIVE 1 sec inserting
LOCK WAIT 3 lock struct(s), heap size 1128, 1 row lock(s)
MariaDB thread id 13, OS thread handle 140169, query id 51 127.0.0.1 cap Update
insert into t values (11, 1)
`

// TestReadWaiters: of InnoDB's status those count that wait now, whatever their
// statements say.
func TestReadWaiters(t *testing.T) {
	if got := fmt.Sprint(readWaiters([]byte(innodbStatus))); got != "[{12 0} {13 0}]" {
		t.Error(got)
	}
}

// FuzzReadWaiters: the text may hold anything.
func FuzzReadWaiters(f *testing.F) {
	f.Add(innodbStatus)
	f.Fuzz(func(t *testing.T, text string) {
		list := readWaiters([]byte(text))
		if len(list) > strings.Count(text, " thread id ") {
			t.Errorf("%d of %q", len(list), text)
		}
		for _, w := range list {
			if w.Waiting == 0 || w.Blocking != 0 {
				t.Errorf("%+v of %q", w, text)
			}
		}
	})
}

// TestLockWaitsTooSoon: asked again at once, MariaDB tells at least who waits.
func TestLockWaitsTooSoon(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MariaDB105, mysqltest.MariaDB118} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			s := mysqltest.Start(t, kind)
			s.Exec(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (10, 1)")
			asked := ask(t, s)
			asked.now = func() int64 { return 1 } // no time passes
			if _, err := asked.LockWaits(context.Background()); err != nil {
				t.Fatal(err)
			}
			c := contest{do: contests[0].do, want: []string{"b<"}, free: contests[0].free}
			c.run(t, s, asked)
		})
	}
}
