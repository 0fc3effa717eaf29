package main

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"myreplay/classic"
	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// joinedLab is a source with sessions that are open before a mirror begins, and
// its target.
type joinedLab struct {
	t      testing.TB
	s, u   *mysqltest.Server
	client *client
}

// newJoinedLab starts the servers. Both have the table items in two schemas, with
// other rows in each.
func newJoinedLab(t testing.TB, kind mysqltest.Kind, opts ...mysqltest.Option) *joinedLab {
	t.Helper()
	l := &joinedLab{t: t, s: mysqltest.Start(t, kind, append(opts, mysqltest.NoTLS())...), u: mysqltest.Start(t, kind)}
	for _, each := range []*mysqltest.Server{l.s, l.u} {
		each.Exec(t, "CREATE DATABASE other")
		for _, schema := range []string{mysqltest.Schema, "other"} {
			each.Exec(t, fmt.Sprintf("CREATE TABLE %s.items (id INT PRIMARY KEY, v VARCHAR(2000)) ENGINE=InnoDB", schema),
				fmt.Sprintf("INSERT INTO %[1]s.items VALUES (1, '%[1]s'), (2, 'two')", schema))
		}
	}
	l.client = &client{t, l.s, l.s.Addr}
	return l
}

// mirror begins to mirror; the target's URL names no schema.
func (l *joinedLab) mirror(args ...string) *mirroring {
	l.t.Helper()
	args = append(append(atPorts(l.s.Port), "--writes", "--target", fmt.Sprintf("mysql://%s@%s/", l.u.User, l.u.Addr)), args...)
	return startMirror(l.t, args...)
}

// ask are the flags that have a user ask the source.
func (l *joinedLab) ask(user string) []string {
	return []string{"--source", fmt.Sprintf("mysql://%s@%s/", user, l.s.Addr)}
}

// items are the tables.
var itemTables = []string{"SELECT * FROM test.items ORDER BY id", "SELECT * FROM other.items ORDER BY id"}

// older is a session that did a lot before the mirror began.
type older struct {
	*connection
	insert, read, long *sql.Stmt
}

// keptText is a statement of exactly as many bytes as the server keeps: nobody can
// tell whether that is all of it.
const keptText = 1024

// older opens a session and gives it a state.
func (l *joinedLab) older() *older {
	l.t.Helper()
	for range 50 { // so that ids begin high
		l.prepare(l.client.driver(""), "SELECT ?")
	}
	o := &older{connection: l.client.driver("")}
	o.exec("USE other")
	o.exec("SET NAMES latin1")
	o.exec("SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', SESSION sort_buffer_size = 65536")
	o.exec("SET @number = 41, @text = 'it''s', @binary = x'00ff'")
	o.insert = l.prepare(o.connection, "INSERT INTO items VALUES (?, ?)")
	o.read = l.prepare(o.connection, "SELECT v FROM items WHERE id = ?")
	long := "SELECT v, '' AS x FROM items WHERE id = ?"
	o.long = l.prepare(o.connection, strings.Replace(long, "''", "'"+strings.Repeat("x", keptText-len(long))+"'", 1))
	for _, st := range []*sql.Stmt{o.read, o.long} {
		o.ask(st, 1)
	}
	return o
}

func (l *joinedLab) prepare(c *connection, query string) *sql.Stmt {
	l.t.Helper()
	st, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		l.t.Fatal(err)
	}
	return st
}

// ask executes a prepared query and reads its row.
func (o *older) ask(st *sql.Stmt, arg any) {
	o.t.Helper()
	rows, err := st.Query(arg)
	if err != nil {
		o.t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		o.t.Errorf("no row: %v", rows.Err())
	}
}

// run executes a prepared statement.
func (o *older) run(st *sql.Stmt, args ...any) {
	o.t.Helper()
	if _, err := st.Exec(args...); err != nil {
		o.t.Error(err)
	}
}

// work uses all of the state: everything that it does is answered in another way
// by a session that has none of it.
func (o *older) work(id int) (commands int) {
	o.run(o.insert, id, fmt.Sprintf("prepared %d", id))
	o.ask(o.read, id)
	o.ask(o.read, 1)
	o.exec(fmt.Sprintf(`INSERT INTO "items" VALUES (%d, 'a\b')`, id+1))
	o.read1("SELECT v, HEX(v), @number + 1, @text, HEX(@binary), @@sort_buffer_size, @@character_set_client, @@sql_mode, DATABASE() FROM items")
	return 5
}

func (o *older) read1(query string) {
	o.t.Helper()
	if o.connection.read(query) == 0 {
		o.t.Errorf("no row: %s", query)
	}
}

// TestMirrorJoined: a session that was open before, with its schema, variables,
// character set and prepared statements, goes on at the target as it was: the
// source tells. A statement whose text the source may have cut is not executed.
func TestMirrorJoined(t *testing.T) {
	l := newJoinedLab(t, mysqltest.MySQL97, mysqltest.PerformanceSchema())
	o := l.older()
	half := l.client.driver("")
	half.exec("START TRANSACTION")
	half.exec("INSERT INTO items VALUES (100, 'first half')")
	m := l.mirror(l.ask(l.s.User)...)
	sent := o.work(10)
	o.ask(o.long, 1)
	half.exec("INSERT INTO items VALUES (101, 'second half')")
	half.exec("UPDATE items SET v = 'half' WHERE id = 2")
	half.exec("COMMIT")
	half.exec("INSERT INTO items VALUES (102, 'behind')")
	r := m.stop()
	a, v := r.report.Account, r.report.Verdict
	if v.Result != report.Same || v.Different > 0 || len(r.report.Differences) > 0 {
		t.Errorf("%s\n%s", v.Reason, r.differences())
	}
	if n := r.skipped(session.SkipUnknownStatement.String()); n != 1 {
		t.Errorf("%d executions of the long statement skipped: %v", n, a.Skipped)
	}
	if n := r.skipped(session.SkipHalf.String()); n != 3 {
		t.Errorf("%d commands of half a transaction skipped: %v", n, a.Skipped)
	}
	if a.Recorded != uint64(sent)+1+4 || a.Sent != uint64(sent)+1 {
		t.Errorf("%+v\n%s", a.KindAccount, r.said)
	}
	r.remarked(t, "without a certain text", "joined")
	l.s.Exec(t, "DELETE FROM test.items WHERE id IN (100, 101)", "UPDATE test.items SET v = 'two' WHERE id = 2")
	sameRows(t, l.s, l.u, itemTables...)
}

// TestMirrorJoinedUnasked: without --source the same session is joined with what
// the wire tells. Its prepared statements and its schema are not known: nothing
// is executed that may be another statement, and nothing lands in another schema.
func TestMirrorJoinedUnasked(t *testing.T) {
	l := newJoinedLab(t, mysqltest.MySQL97)
	o := l.older()
	before := l.u.Rows(t, itemTables[0])
	m := l.mirror()
	o.work(10)
	r := m.stop()
	// The first command's reply tells that no transaction is open.
	if n := r.skipped(session.SkipUnknownStatement.String()) + r.skipped(session.SkipHalf.String()); n != 3 {
		t.Errorf("%d executions skipped: %v", n, r.report.Account.Skipped)
	}
	for _, q := range itemTables {
		if after := l.u.Rows(t, q); len(after) != len(before) {
			t.Errorf("%s: %v", q, after)
		}
	}
	if r.code != exitDiffers {
		t.Errorf("exit code %d", r.code)
	}
	r.remarked(t, "--source")
}

// TestMirrorJoinedMariaDB: MariaDB tells schemas, user variables and prepared
// statements, but no session variables; without its performance schema not even
// these. What is not told is said.
func TestMirrorJoinedMariaDB(t *testing.T) {
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprintf("performance_schema=%t", on), func(t *testing.T) {
			var opts []mysqltest.Option
			if on {
				opts = append(opts, mysqltest.PerformanceSchema())
			}
			l := newJoinedLab(t, mysqltest.MariaDB, opts...)
			c := l.client.driver("")
			c.exec("USE other")
			c.exec("SET @number = 41")
			o := &older{connection: c, insert: l.prepare(c, "INSERT INTO items VALUES (?, ?)")}
			half := l.client.driver("")
			half.exec("BEGIN")
			half.exec("INSERT INTO items VALUES (100, 'first half')")
			m := l.mirror(l.ask(l.s.User)...)
			o.run(o.insert, 10, "prepared")
			o.exec("INSERT INTO items VALUES (11, 'text')")
			half.exec("INSERT INTO items VALUES (101, 'second half')")
			half.exec("COMMIT")
			if on {
				o.read1("SELECT @number + 1")
			}
			r := m.stop()
			if r.report.Verdict.Different > 0 {
				t.Errorf("%s\n%s", r.report.Verdict.Reason, r.differences())
			}
			if n := r.skipped(session.SkipHalf.String()); n != 2 {
				t.Errorf("half a transaction: %v", r.report.Account.Skipped)
			}
			l.s.Exec(t, "DELETE FROM test.items WHERE id IN (100, 101)")
			if on {
				r.remarked(t, "MariaDB does not tell the session variables")
			} else {
				r.remarked(t, "performance_schema is off")
				if n := r.skipped(session.SkipUnknownStatement.String()); n != 1 {
					t.Errorf("an execution: %v", r.report.Account.Skipped)
				}
				l.s.Exec(t, "DELETE FROM other.items WHERE id = 10")
			}
			sameRows(t, l.s, l.u, itemTables...)
		})
	}
}

// TestMirrorJoinedGrants: an account that may not see what it is asked for: the
// mirror says what to grant, and goes on with what the wire tells.
func TestMirrorJoinedGrants(t *testing.T) {
	l := newJoinedLab(t, mysqltest.MySQL97, mysqltest.PerformanceSchema(), mysqltest.Users(mysqltest.User{Name: "few", Password: mysqltest.AdminPassword}))
	l.s.Exec(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM few@'%'")
	o := l.older()
	m := l.mirror(l.ask("few")...)
	o.read1("SELECT v FROM other.items") // its reply tells that no transaction is open
	o.read1("SELECT v FROM other.items")
	r := m.stop()
	if a := r.report.Account; a.Sent != 1 || r.skipped(session.SkipHalf.String()) != 1 || r.report.Verdict.Different > 0 {
		t.Errorf("%+v\n%s", a.KindAccount, r.said)
	}
	r.remarked(t, "GRANT PROCESS ON *.* TO", "GRANT SELECT ON performance_schema.* TO")
	if !slices.ContainsFunc(strings.Split(r.said, "\n"), func(line string) bool { return strings.Contains(line, "joined") }) {
		t.Error(r.said)
	}
}

// TestMirrorJoinedWhole: sessions that are at work while the mirror begins move
// money in transactions. None is done by half: the sum stays what it was. Asking
// the source takes time, in which they go on.
func TestMirrorJoinedWhole(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			l := newJoinedLab(t, kind, mysqltest.PerformanceSchema())
			for _, each := range []*mysqltest.Server{l.s, l.u} {
				each.Exec(t, "CREATE TABLE accounts (id INT PRIMARY KEY, n INT) ENGINE=InnoDB",
					"INSERT INTO accounts VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0)")
			}
			var all sync.WaitGroup
			stop := make(chan struct{})
			for i := range 8 {
				c := l.client.driver("")
				think := time.Duration(1+40*(i%3)) * time.Millisecond
				all.Go(func() { move(c, i+1, think, stop) })
			}
			args := append(l.ask(l.s.User), "--drain", "20s")
			m := l.mirror(args...)
			time.Sleep(300 * time.Millisecond)
			close(stop)
			all.Wait()
			r := m.stop()
			for _, each := range []*mysqltest.Server{l.s, l.u} {
				if sum := each.Value(t, "SELECT SUM(n) FROM test.accounts"); sum != "0" {
					t.Errorf("the sum is %s\n%v\n%s", sum, each.Rows(t, "SELECT * FROM test.accounts"), r.said)
				}
			}
			if r.report.Account.Sent < 100 {
				t.Errorf("only %d commands sent\n%s", r.report.Account.Sent, r.said)
			}
		})
	}
}

// move moves money from a session's own account to one that all share.
func move(c *connection, id int, think time.Duration, stop chan struct{}) {
	for {
		c.exec("BEGIN")
		c.exec(fmt.Sprintf("UPDATE accounts SET n = n - 1 WHERE id = %d", id))
		time.Sleep(think)
		c.exec("UPDATE accounts SET n = n + 1 WHERE id = 9")
		c.exec("COMMIT")
		select {
		case <-stop:
			return
		case <-time.After(think):
		}
	}
}

// TestMirrorJoinedTypes: a client sends the types of its parameters with the first
// execution only, which was before the mirror began. No server tells them, so the
// execution is left out, and named; the next one that brings them is sent.
func TestMirrorJoinedTypes(t *testing.T) {
	l := newJoinedLab(t, mysqltest.MariaDB, mysqltest.PerformanceSchema())
	c := l.client.raw(0)
	id := c.prepare("SELECT v FROM test.items WHERE id = ?")
	execute := func(types ...byte) {
		head := binary.LittleEndian.AppendUint32(nil, id)
		head = append(head, 0, 1, 0, 0, 0, 0)
		typed := byte(0)
		if len(types) > 0 {
			typed = 1
		}
		c.do(classic.ComStmtExecute, append(append(append(head, typed), types...), 2, 0, 0, 0, 0, 0, 0, 0)...)
	}
	bigint := []byte{8, 0}
	execute(bigint...)
	m := l.mirror(l.ask(l.s.User)...)
	execute()
	execute(bigint...)
	execute()
	c.Close()
	r := m.stop()
	if a := r.report.Account; a.Recorded != 4 || a.Sent != 3 || r.skipped(session.SkipUnknownTypes.String()) != 1 || r.report.Verdict.Result != report.Same {
		t.Errorf("%s %+v\n%s", r.report.Verdict.Reason, a, r.said)
	}
}

// TestMirrorOwnQuestions: the session that asks the source is not mirrored, nor
// counted, also where it is encrypted.
func TestMirrorOwnQuestions(t *testing.T) {
	for _, opts := range [][]mysqltest.Option{nil, {mysqltest.NoTLS()}} {
		s, u := mysqltest.Start(t, mysqltest.MariaDB, opts...), mysqltest.Start(t, mysqltest.MariaDB)
		m := startMirror(t, append(atPorts(s.Port), "--writes", "--target", classicURL(u), "--source", classicURL(s))...)
		c := (&client{t, s, s.Addr}).driver("")
		c.read("SELECT 1")
		c.Close()
		r := m.stop()
		r.same(t)
		if n := r.report.Recorded.Sessions; n != 1 || r.report.Recorded.Encrypted != 0 || strings.Contains(r.said, "encrypted") {
			t.Errorf("%d sessions\n%s", n, r.said)
		}
	}
}
