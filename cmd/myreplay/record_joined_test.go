package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"myreplay/capfile"
	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// capture begins to record sessions of the lab's source, which is asked.
func (l *joinedLab) capture() *recorder {
	l.t.Helper()
	return recordPort(l.t, l.s.Addr, fmt.Sprint(l.s.Port), l.ask(l.s.User)...)
}

// left counts the commands that a replay left out for a reason.
func (c *comparison) left(why session.Skip) uint64 {
	n := uint64(0)
	for _, s := range c.report.Account.Skipped {
		if s.Name == why.String() {
			n += s.Count
		}
	}
	return n
}

// metaOf returns a capture's description.
func metaOf(t testing.TB, dir string) capfile.Meta {
	t.Helper()
	r, err := capfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.Meta()
}

// TestCaptureJoined: sessions that were open before a capture began go on in a
// replay as they were: the source told. Half a transaction is left out, and so is
// a statement whose text the source may have cut.
func TestCaptureJoined(t *testing.T) {
	l := newJoinedLab(t, mysqltest.MySQL97, mysqltest.PerformanceSchema(), mysqltest.Args("--gtid-mode=ON", "--enforce-gtid-consistency", "--log-bin"))
	o := l.older()
	half := l.client.driver("")
	half.exec("START TRANSACTION")
	half.exec("INSERT INTO items VALUES (100, 'first half')")
	t.Setenv("MYREPLAY_SOURCE_PWD", mysqltest.AdminPassword)
	position := l.s.Value(t, "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")
	rec := l.capture()
	sent := o.work(10)
	o.ask(o.long, 1)
	half.exec("INSERT INTO items VALUES (101, 'second half')")
	half.exec("UPDATE items SET v = 'half' WHERE id = 2")
	half.exec("COMMIT")
	half.exec("INSERT INTO items VALUES (102, 'behind')")
	said := rec.stop()
	c := replayOn(t, rec.dir, l.u)
	if v := c.report.Verdict; v.Result != report.Same || v.Different > 0 {
		t.Errorf("%s\n%s\n%s", v.Reason, c.text(t), said)
	}
	if a := c.report.Account; c.left(session.SkipHalf) != 3 || c.left(session.SkipUnknownStatement) != 1 || a.Sent != uint64(sent)+1 {
		t.Errorf("%+v, left out: %+v\n%s", a.KindAccount, a.Skipped, said)
	}
	l.s.Exec(t, "DELETE FROM test.items WHERE id IN (100, 101)", "UPDATE test.items SET v = 'two' WHERE id = 2")
	sameRows(t, l.s, l.u, itemTables...)

	meta := metaOf(t, rec.dir)
	if meta.Source.GTID != position || position == "" || meta.Source.ServerUUID != l.s.Value(t, "SELECT @@server_uuid") {
		t.Errorf("%+v, position %q", meta.Source, position)
	}
	s, err := recordedSchema(filepath.Join(rec.dir, "000001.myr"))
	if err == nil {
		s, err = recordedSchema(rec.dir)
	}
	if err != nil || s.Table("other", "items") == nil || s.Table("other", "items").Primary()[0] != "id" {
		t.Errorf("%v, %+v", err, s)
	}
	if shown := myreplay(t, "show", rec.dir, "--sessions", "1-9"); !strings.Contains(shown.out, "state: ") || !strings.Contains(shown.out, "transaction open") {
		t.Error(shown.out)
	}
	mustRun(t, "show", "--verify", rec.dir)
	starts := pick[*session.Start](c.recorded)
	if len(starts) != 2 || strings.Contains(said, "encrypted") || !strings.Contains(said, "2 sessions joined in mid-life; what was set up before, the source told of 2") {
		t.Errorf("%d sessions\n%s", len(starts), said)
	}
}

// TestCaptureJoinedUnasked: without --source the first reply tells whether a
// transaction is open: its half is left out, and nothing else that can be told.
func TestCaptureJoinedUnasked(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			l := newJoinedLab(t, kind)
			half, whole := l.client.driver(""), l.client.driver("")
			half.exec("BEGIN")
			half.exec("INSERT INTO items VALUES (100, 'first half')")
			rec := recordPort(t, l.s.Addr, fmt.Sprint(l.s.Port))
			for _, c := range []*connection{half, whole} { // their first commands show where commands begin
				c.read("SELECT * FROM test.items WHERE id = 1")
			}
			half.exec("INSERT INTO test.items VALUES (101, 'second half')")
			half.exec("COMMIT")
			half.exec("INSERT INTO test.items VALUES (102, 'behind')")
			whole.exec("INSERT INTO test.items VALUES (103, 'no half')")
			rec.stop()
			c := replayOn(t, rec.dir, l.u)
			if c.report.Verdict.Different > 0 || c.left(session.SkipHalf) == 0 {
				t.Errorf("%s\n%s", c.report.Verdict.Reason, c.text(t))
			}
			l.s.Exec(t, "DELETE FROM test.items WHERE id IN (100, 101)")
			sameRows(t, l.s, l.u, itemTables...)
		})
	}
}

// TestCaptureJoinedMariaDB: MariaDB tells what it can, and its own position.
func TestCaptureJoinedMariaDB(t *testing.T) {
	l := newJoinedLab(t, mysqltest.MariaDB, mysqltest.PerformanceSchema(), mysqltest.Args("--log-bin=binlog"))
	c := l.client.driver("")
	c.exec("USE other")
	c.exec("SET @number = 41")
	c.exec("PREPARE named FROM 'INSERT INTO items VALUES (?, ''named'')'")
	o := &older{connection: c, insert: l.prepare(c, "INSERT INTO items VALUES (?, ?)")}
	half := l.client.driver("")
	half.exec("BEGIN")
	half.exec("INSERT INTO items VALUES (100, 'first half')")
	t.Setenv("MYREPLAY_SOURCE_PWD", mysqltest.AdminPassword)
	position := l.s.Value(t, "SELECT @@GLOBAL.gtid_binlog_pos")
	rec := l.capture()
	o.run(o.insert, 10, "prepared")
	o.exec("EXECUTE named USING @number")
	o.read1("SELECT @number + 1")
	half.exec("INSERT INTO items VALUES (101, 'second half')")
	half.exec("ROLLBACK")
	said := rec.stop()
	r := replayOn(t, rec.dir, l.u)
	if v := r.report.Verdict; v.Different > 0 || r.left(session.SkipHalf) != 2 || r.report.Account.Sent != 3 {
		t.Errorf("%s\n%s\n%s", v.Reason, r.text(t), said)
	}
	if !strings.Contains(said, "MariaDB does not tell the session variables") {
		t.Error(said)
	}
	if meta := metaOf(t, rec.dir); meta.Source.GTID != position || position == "" {
		t.Errorf("%+v, position %q", meta.Source, position)
	}
	if s, err := recordedSchema(rec.dir); err != nil || s.Table("other", "items") == nil {
		t.Errorf("%v, %+v", err, s)
	}
	sameRows(t, l.s, l.u, itemTables...)
}

// TestRelaySource: a relay records its server's position and schema, without the
// secrets that programs have.
func TestRelaySource(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.Args("--log-bin=binlog"))
	s.Exec(t, "CREATE TABLE items (id INT PRIMARY KEY)", "CREATE PROCEDURE known() SELECT 1",
		"CREATE PROCEDURE secret() CREATE USER x IDENTIFIED BY 'CANARY'", "CREATE PROCEDURE deep() BEGIN IF 1 THEN SET PASSWORD FOR x = PASSWORD('CANARY'); END IF; END")
	t.Setenv("MYREPLAY_SOURCE_PWD", mysqltest.AdminPassword)
	rec := startRecorder(t, "relay", "--listen", "127.0.0.1:0", "--to", s.Addr, "--source", classicURL(s))
	_, rest, _ := strings.Cut(rec.errs.String(), "relaying ")
	rec.addr, _, _ = strings.Cut(rest, " ")
	c := (&client{t, s, rec.addr}).driver("")
	c.read("SELECT * FROM items")
	c.Close()
	said := rec.stop()
	if n := len(pick[*session.Start](eventsOf(t, rec.dir))); n != 1 {
		t.Errorf("%d sessions\n%s", n, said)
	}
	text, err := os.ReadFile(filepath.Join(rec.dir, schemaFile))
	if err != nil || strings.Contains(string(text), "CANARY") || !strings.Contains(said, "with a secret") {
		t.Errorf("%v\n%s\n%s", err, text, said)
	}
	d, err := recordedSchema(rec.dir)
	if err != nil || d.Table(mysqltest.Schema, "items") == nil || d.Routine(mysqltest.Schema, "known", false).Body == "" || metaOf(t, rec.dir).Source.GTID == "" {
		t.Errorf("%v, %+v, %+v", err, d, metaOf(t, rec.dir).Source)
	}
}

// TestSourceRefused: where the source was to be asked and can't be, nothing is
// recorded; nor is it asked about sessions that are over.
func TestSourceRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "capture")
	for want, args := range map[string][]string{
		"connection refused": {"capture", "-i", "lo", "--source", "mysql://u@127.0.0.1:1/"},
		"who asks":           {"relay", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--source", "mysql://127.0.0.1:1/"},
		"may be over":        {"capture", "--read", "old.pcap", "--source", "mysql://u@127.0.0.1:1/"},
		"is for recording":   {"relay", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--source", "mysql://u@127.0.0.1:1/"},
	} {
		if !slices.Contains(args, "--to") || want == "who asks" {
			args = append(args, "-o", dir)
		}
		e := myreplay(t, args...)
		if e.code == 0 || !strings.Contains(e.errs, want) {
			t.Errorf("%v: exit code %d, %s", args, e.code, e.errs)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%v: a capture was begun", args)
		}
	}
}
