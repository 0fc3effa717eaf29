package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// The whole road with sysbench's load: recorded live, replayed on a server with
// the same data, compared.

// load is the workload of the road's tests.
func load(script, psMode string) mysqltest.Sysbench {
	return mysqltest.Sysbench{Script: script, Threads: 1, Tables: 2, TableSize: 2000, PSMode: psMode}
}

// startSame starts two servers with the same tables, without TLS, whose sessions
// can be read on the wire.
func startSame(t testing.TB, source, target mysqltest.Kind) (s, u *mysqltest.Server) {
	t.Helper()
	s, u = startPlain(t, source), startPlain(t, target)
	for _, each := range []*mysqltest.Server{s, u} {
		load("oltp_read_only", "").Prepare(t, each)
		for _, table := range loadTables {
			each.Exec(t, fmt.Sprintf(fill, table))
		}
	}
	sameTables(t, s, u)
	return s, u
}

// loadTables are sysbench's tables; fill gives them rows that depend on nothing
// but the key, where sysbench's own are random.
var loadTables = []string{"sbtest1", "sbtest2"}

const fill = "UPDATE %s SET k = 1 + id * 7919 %% 2000, c = RPAD(SHA2(id, 256), 119, id), pad = LEFT(SHA2(-id, 256), 59)"

func startPlain(t testing.TB, kind mysqltest.Kind) *mysqltest.Server {
	t.Helper()
	return mysqltest.Start(t, kind, mysqltest.NoTLS(), mysqltest.MaxConnections(1000))
}

// sameTables checks that sysbench's tables are equal on both servers.
func sameTables(t testing.TB, s, u *mysqltest.Server) {
	t.Helper()
	for _, table := range loadTables {
		sum := fmt.Sprintf("SELECT CONCAT(COUNT(*), ' rows, ', SUM(CRC32(CONCAT_WS('#', id, k, c, pad)))) FROM %s", table)
		if a, b := s.Value(t, sum), u.Value(t, sum); a != b {
			t.Errorf("%s: %s on the source, %s on the target", table, a, b)
		}
	}
}

// TestRoad: everything that sysbench says is recorded, as many statements as the
// server counted, and everything is sent again; a server with the same data
// answers the same.
func TestRoad(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			s, u := startSame(t, kind, kind)
			for _, mode := range []string{"auto", "disable"} {
				t.Run(mode, func(t *testing.T) {
					w := load("oltp_read_only", mode)
					w.Threads, w.Events = 8, 200
					c := replayOn(t, recordCounted(t, s, w), u)
					c.same(t)
				})
			}
		})
	}
}

// recordCounted records a workload and compares the statements with what the
// server counted: its status variable Questions has goodbyes in it, and neither
// prepares nor closes.
func recordCounted(t *testing.T, s *mysqltest.Server, w mysqltest.Sysbench) (capture string) {
	t.Helper()
	r := recordLive(t, s)
	before := s.Status(t, "Questions")
	w.Run(t, s)
	said := r.stop()
	n := kindsOf(eventsOf(t, r.dir))
	got, counted := int64(n[session.Query]+n[session.Execute]+n[session.Quit]), int64(0)
	for own := range int64(50) { // it counts the last goodbye a moment later
		if counted = s.Status(t, "Questions") - before - own - 1; counted >= got {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got != counted {
		t.Errorf("recorded %d statements, the server counted %d\n%s", got, counted, said)
	}
	return r.dir
}

// TestRoadWrites: one client's writes, replayed, leave the same tables.
func TestRoadWrites(t *testing.T) {
	s, u := startSame(t, mysqltest.MariaDB, mysqltest.MySQL97)
	w := load("oltp_read_write", "disable")
	w.Events = 100
	replayOn(t, recordCounted(t, s, w), u).same(t)
	sameTables(t, s, u)
}

// TestRoadReadOnly: without --writes nothing changes, and what was not sent is
// named.
func TestRoadReadOnly(t *testing.T) {
	s, u := startSame(t, mysqltest.MariaDB, mysqltest.MariaDB)
	before := u.Value(t, "SELECT SUM(CRC32(CONCAT_WS('#', id, k, c, pad))) FROM sbtest1")
	w := load("oltp_read_write", "auto")
	w.Events = 50
	capture := recordCounted(t, s, w)
	run := t.TempDir() + "/run"
	said := mustRun(t, "replay", capture, "mysql://"+u.User+"@"+u.Addr+"/", "--speed", "max", "-q", "-o", run)
	if !strings.Contains(said, "write") {
		t.Errorf("not named: %s", said)
	}
	if after := u.Value(t, "SELECT SUM(CRC32(CONCAT_WS('#', id, k, c, pad))) FROM sbtest1"); after != before {
		t.Error("the target's data changed")
	}
	if n := pick[*session.Command](eventsOf(t, run)); len(n) == 0 {
		t.Error("an empty run")
	}
}

// TestRoadAcross: MariaDB's sessions on MySQL 9.7. Prepared transaction control
// is the one thing that MySQL refuses (error 1295); everything else is the same.
func TestRoadAcross(t *testing.T) {
	s, u := startSame(t, mysqltest.MariaDB, mysqltest.MySQL97)
	w := load("oltp_read_only", "auto")
	w.Threads, w.Events = 4, 100
	c := replayOn(t, recordCounted(t, s, w), u)
	for _, class := range c.report.Classes {
		for _, d := range class.Differences {
			if d.Class != "new_error" || class.Kind != "prepare" || class.Fingerprint != "begin" {
				t.Errorf("%s %s: %s", class.Kind, class.Fingerprint, d.Class)
			}
		}
	}
	want := uint64(w.Threads) // each prepares it once
	if c.report.Verdict.Different != want {
		t.Errorf("%d commands differ, want %d\n%s", c.report.Verdict.Different, want, c.text(t))
	}
}

// TestRoadHighIDs: connections before the recording have made statement ids that
// the target does not have: each Execute still runs on its own statement.
func TestRoadHighIDs(t *testing.T) {
	s, u := startSame(t, mysqltest.MySQL97, mysqltest.MySQL97)
	db := s.DB()
	for range 50 { // statements of other sessions, still open
		st, err := db.Prepare("SELECT ?")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
	}
	w := load("oltp_read_only", "auto")
	w.Threads, w.Events = 4, 50
	replayOn(t, recordCounted(t, s, w), u).same(t)
}

// TestRoadMidway: a recording that begins in the middle of the work. Text
// sessions replay from the first command that was seen; executions of statements
// whose Prepare was not seen are named and counted, and none is sent.
func TestRoadMidway(t *testing.T) {
	s, u := startSame(t, mysqltest.MariaDB, mysqltest.MariaDB)
	for mode, check := range map[string]func(*testing.T, *comparison){"disable": midwayText, "auto": midwayPrepared} {
		t.Run(mode, func(t *testing.T) {
			w := load("oltp_read_only", mode)
			w.Threads, w.Rate, w.Time = 4, 50, 5*time.Second
			work := mysqltest.Background(t, w.Command(t, s, "run"))
			time.Sleep(2 * time.Second) // in the middle
			r := recordLive(t, s)
			if err := work.Wait(); err != nil {
				t.Fatal(err)
			}
			r.stop()
			c := replayOn(t, r.dir, u)
			for _, start := range pick[*session.Start](c.recorded) {
				if !start.Joined {
					t.Errorf("session %d began after the recording", start.ID)
				}
			}
			check(t, c)
		})
	}
}

func midwayText(t *testing.T, c *comparison) {
	if n := kindsOf(c.recorded)[session.Query]; n < 1000 {
		t.Errorf("only %d statements", n)
	}
	a := c.report.Account
	half := uint64(0) // of transactions that began before the recording, or in the command whose middle it began in
	for _, k := range a.Skipped {
		if k.Name != session.SkipHalf.String() && k.Name != session.SkipTorn.String() {
			t.Errorf("skipped %v", k)
		}
		half += k.Count
	}
	if a.Sent+half != a.Recorded || half > a.Recorded/10 || c.report.Verdict.Result != report.Same {
		t.Errorf("sent %d, left out %d of %d: %s", a.Sent, half, a.Recorded, c.report.Verdict.Reason)
	}
}

func midwayPrepared(t *testing.T, c *comparison) {
	n := kindsOf(c.recorded)
	a := c.report.Account
	if n[session.Prepare] != 0 || n[session.Execute] < 1000 {
		t.Fatalf("recorded %v", n)
	}
	skipped := uint64(0) // as unknown, or as part of a transaction whose begin is not known as a whole
	for _, k := range a.Skipped {
		switch k.Name {
		case session.SkipUnknownStatement.String(), session.SkipHalf.String(), session.SkipTorn.String():
			skipped += k.Count
		}
	}
	if want := uint64(n[session.Execute] + n[session.CloseStatement]); skipped < want {
		t.Errorf("want %d skipped, got %v", want, a.Skipped)
	}
	if len(c.report.Differences) > 0 || c.report.Verdict.Result == report.Differs {
		t.Errorf("%s\n%s", c.report.Verdict.Reason, c.text(t))
	}
}
