package probe

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// contest is two or three sessions in each other's way.
type contest struct {
	why   string
	tells string      // on which servers it is told
	do    [][2]string // session and statement; "&" before one: it is to be held up
	want  []string    // "b<a": b waits for a
	free  []string    // who says ROLLBACK first
}

var contests = []contest{
	{"a row", "mysql mariadb", [][2]string{{"a", "BEGIN"}, {"a", "UPDATE t SET v = 2 WHERE id = 10"}, {"b", "&UPDATE t SET v = 3 WHERE id = 10"}}, []string{"b<a"}, []string{"a", "b"}},
	{"a row that was only read", "mysql mariadb", [][2]string{{"a", "BEGIN"}, {"a", "SELECT * FROM t WHERE id = 10 FOR UPDATE"}, {"b", "&UPDATE t SET v = 3 WHERE id = 10"}}, []string{"b<a"}, []string{"a", "b"}},
	// Its lock is made by the first that waits for it.
	{"a new row", "mysql mariadb", [][2]string{{"a", "BEGIN"}, {"a", "INSERT INTO t VALUES (40, 1)"}, {"b", "&DELETE FROM t WHERE id = 40"}, {"c", "&DELETE FROM t WHERE id = 40"}},
		[]string{"b<a", "c<a", "c<b"}, []string{"a", "b", "c"}},
	{"a gap, and an insert intention", "mysql mariadb", [][2]string{{"a", "BEGIN"}, {"a", "SELECT * FROM t WHERE id BETWEEN 15 AND 20 FOR UPDATE"}, {"b", "&INSERT INTO t VALUES (17, 1)"}},
		[]string{"b<a"}, []string{"a", "b"}},
	{"one behind the other", "mysql mariadb", [][2]string{{"a", "BEGIN"}, {"a", "SELECT * FROM t WHERE id = 10 FOR UPDATE"}, {"b", "BEGIN"}, {"b", "SELECT * FROM t WHERE id = 20 FOR UPDATE"},
		{"b", "&UPDATE t SET v = 3 WHERE id = 10"}, {"c", "&UPDATE t SET v = 3 WHERE id = 20"}}, []string{"b<a", "c<b"}, []string{"a", "b", "c"}},
	// The page is split: the one who does that makes the lock anew that waits.
	{"a lock that was moved", "mysql mariadb", [][2]string{{"a", "BEGIN"}, {"a", "SELECT id FROM wide WHERE id = 40 FOR UPDATE"}, {"b", "&UPDATE wide SET v = 3 WHERE id = 40"},
		{"c", "INSERT INTO wide SELECT id + 1, 1, pad FROM wide WHERE id = 20"}, {"c", "INSERT INTO wide SELECT id + 2, 1, pad FROM wide WHERE id = 20"},
		{"c", "INSERT INTO wide SELECT id + 3, 1, pad FROM wide WHERE id = 20"}}, []string{"b<a"}, []string{"a", "b"}},
	{"a table's definition", "mysql", [][2]string{{"a", "BEGIN"}, {"a", "SELECT * FROM t"}, {"b", "&ALTER TABLE t ADD w INT"}, {"c", "&SELECT * FROM t"}},
		[]string{"b<a", "c<b"}, []string{"a", "b", "c"}},
	// Who comes behind a LOCK TABLES that waits stands behind it, though it has nothing yet.
	{"LOCK TABLES", "mysql", [][2]string{{"a", "BEGIN"}, {"a", "SELECT * FROM t"}, {"b", "&LOCK TABLES t WRITE"}, {"c", "&SELECT * FROM t"}},
		[]string{"b<a", "c<b"}, []string{"a", "b", "c"}},
	{"a named lock", "mysql", [][2]string{{"a", "DO GET_LOCK('x', 1)"}, {"b", "&DO GET_LOCK('x', 1)"}}, []string{"b<a"}, nil},
}

// TestLockWaits: real servers tell who waits for whom.
func TestLockWaits(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB105, mysqltest.MariaDB118} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			s := mysqltest.Start(t, kind, mysqltest.PerformanceSchema())
			s.Exec(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB", "INSERT INTO t VALUES (10, 1), (20, 1), (30, 1)")
			s.Exec(t, "CREATE TABLE wide (id INT PRIMARY KEY, v INT, pad VARCHAR(3000)) ENGINE=InnoDB",
				"INSERT INTO wide SELECT id, 1, REPEAT('x', 3000) FROM t UNION SELECT 40, 1, REPEAT('x', 3000)")
			asked := ask(t, s)
			for _, c := range contests {
				if strings.Contains(c.tells, strings.TrimRight(kind.String(), "0123456789")) {
					t.Run(c.why, func(t *testing.T) { c.run(t, s, asked) })
				}
			}
		})
	}
}

func ask(t *testing.T, s *mysqltest.Server) *Server {
	t.Helper()
	asked, err := Open(context.Background(), Options{Address: s.Addr, User: s.User, Password: s.Password, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { asked.Close() })
	return asked
}

// run has the sessions do what they do, and waits until the server tells what it
// should.
func (c *contest) run(t *testing.T, s *mysqltest.Server, asked *Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conns, names := map[string]*sql.Conn{}, map[uint64]string{}
	ended := map[string]chan error{}
	for _, d := range c.do {
		name := d[0]
		if conns[name] == nil {
			k, err := s.DB().Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			var id uint64
			if err := k.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id); err != nil {
				t.Fatal(err)
			}
			conns[name], names[id] = k, name
		}
		text, held := strings.CutPrefix(d[1], "&")
		if !held {
			if _, err := conns[name].ExecContext(ctx, text); err != nil {
				t.Fatal(err)
			}
			continue
		}
		done := make(chan error, 1)
		ended[name] = done
		go func() { _, err := conns[name].ExecContext(ctx, text); done <- err }()
		c.await(t, ctx, asked, names, name+"<")
	}
	c.await(t, ctx, asked, names, strings.Join(c.want, " "))
	for _, name := range c.free {
		if done := ended[name]; done != nil {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, text := range []string{"ROLLBACK", "UNLOCK TABLES"} {
			if _, err := conns[name].ExecContext(ctx, text); err != nil {
				t.Error(err)
			}
		}
	}
	if c.free == nil {
		for _, done := range ended {
			<-done
		}
	}
}

// await asks until the answer has what is wanted.
func (c *contest) await(t *testing.T, ctx context.Context, asked *Server, names map[uint64]string, want string) {
	t.Helper()
	got := ""
	for ctx.Err() == nil {
		list, err := asked.LockWaits(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, w := range list {
			all = append(all, names[w.Waiting]+"<"+names[w.Blocking])
		}
		slices.Sort(all)
		if got = strings.Join(all, " "); got == want || strings.HasSuffix(want, "<") && strings.Contains(got, want) {
			return
		}
		time.Sleep(LockInterval)
	}
	t.Fatalf("%s, want %s", got, want)
}

// TestLockWaitsUntold: without its performance schema MySQL tells who waits, and
// an account without privileges is told nothing, with an error.
func TestLockWaitsUntold(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97)
	s.Exec(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (10, 1)", "CREATE USER nobody IDENTIFIED BY 'x'")
	c := contest{do: contests[0].do, want: []string{"b<"}, free: contests[0].free}
	c.run(t, s, ask(t, s))
	nobody, err := Open(context.Background(), Options{Address: s.Addr, User: "nobody", Password: "x", Preferred: true, Now: now})
	if err != nil {
		t.Skip(err)
	}
	defer nobody.Close()
	if list, err := nobody.LockWaits(context.Background()); err == nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}
