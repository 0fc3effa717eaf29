package main

import (
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// TestMirrorReadOnly: a mirror that leaves writes out says so. What reads find
// missing for that reason is told apart and does not count; a row that is another
// one on the target, in a table that nobody writes, does.
func TestMirrorReadOnly(t *testing.T) {
	s, u := startPlain(t, mysqltest.MySQL97), mysqltest.Start(t, mysqltest.MariaDB)
	for _, each := range []*mysqltest.Server{s, u} {
		each.Exec(t, "CREATE TABLE orders (id INT PRIMARY KEY, v VARCHAR(20))", "CREATE TABLE prices (id INT PRIMARY KEY, v INT)",
			"INSERT INTO orders VALUES (1, 'old')", "INSERT INTO prices VALUES (1, 100), (2, 200)")
	}
	before := u.Rows(t, "SELECT * FROM orders")
	work := func() (writes, reads uint64) {
		c := (&client{t, s, s.Addr}).driver("interpolateParams=false")
		defer c.Close()
		c.exec("INSERT INTO orders VALUES (2, 'new')")
		c.exec("UPDATE orders SET v = ? WHERE id = ?", "changed", 1)
		c.read("SELECT * FROM orders ORDER BY id")
		c.read("SELECT v FROM orders WHERE id = ?", 1)
		c.read("SELECT * FROM prices ORDER BY id")
		c.read("SELECT v FROM prices WHERE id = ?", 1)
		c.exec("DELETE FROM orders WHERE id = 2")
		c.exec("UPDATE orders SET v = 'old' WHERE id = 1")
		return 4, 2
	}
	begin := func() *mirroring {
		return startMirror(t, append(atPorts(s.Port), "--read-only", "--target", classicURL(u))...)
	}

	t.Run("same but for the writes", func(t *testing.T) {
		m := begin()
		writes, excused := work()
		r := m.stop()
		v := r.report.Verdict
		if v.Result != report.Same || r.code != exitSame || v.Excused != excused || v.LeftOut < writes || v.Different > 0 {
			t.Errorf("exit code %d, %+v\n%s", r.code, v, r.differences())
		}
		if !strings.Contains(v.Reason, "left out") {
			t.Errorf("the verdict does not say that writes were left out: %s", v.Reason)
		}
		r.remarked(t, "read-only")
	})
	t.Run("a row is another one", func(t *testing.T) {
		u.Exec(t, "UPDATE prices SET v = 101 WHERE id = 1")
		m := begin()
		_, excused := work()
		r := m.stop()
		v := r.report.Verdict
		if v.Result != report.Differs || r.code != exitDiffers || v.Different != 2 || v.Excused != excused {
			t.Errorf("exit code %d, %+v\n%s", r.code, v, r.differences())
		}
		for _, c := range r.report.Classes {
			for _, d := range c.Differences {
				if d.Counted > 0 != strings.Contains(c.Fingerprint, "prices") {
					t.Errorf("%s: %s (%s) %d", c.Fingerprint, d.Class, d.Cause, d.Counted)
				}
			}
		}
	})
	if after := u.Rows(t, "SELECT * FROM orders"); len(after) != len(before) {
		t.Errorf("the target was written to: %v", after)
	}
}

// TestMirrorRecord: what --record writes, reported afterwards, has the verdict and
// the account of the mirror's own report, and can be shown.
func TestMirrorRecord(t *testing.T) {
	s, u := startPlain(t, mysqltest.MariaDB), mysqltest.Start(t, mysqltest.MariaDB)
	for _, each := range []*mysqltest.Server{s, u} {
		each.Exec(t, "CREATE TABLE orders (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO orders VALUES (1, 'old')")
	}
	for _, word := range []string{"--writes", "--read-only"} {
		t.Run(word, func(t *testing.T) {
			dir := t.TempDir()
			m := startMirror(t, append(atPorts(s.Port), word, "--copies", "1", "--record", dir, "--target", classicURL(u))...)
			c := (&client{t, s, s.Addr}).driver("")
			c.exec("INSERT INTO orders VALUES (?, ?)", 2, "new")
			c.exec("INSERT INTO orders VALUES (3, 'newer')")
			c.read("SELECT * FROM orders WHERE id = ?", 2)
			c.read("SELECT * FROM orders ORDER BY id")
			c.read("SELECT @@port")
			c.exec("DELETE FROM orders WHERE id > 1")
			c.Close()
			r := m.stop()
			again := &comparison{capture: dir + "/capture", run: dir + "/run"}
			again.read(t)
			if again.code != r.code {
				t.Errorf("exit code %d, and %d afterwards", r.code, again.code)
			}
			equalJSON(t, "verdict", r.report.Verdict, again.report.Verdict)
			equalJSON(t, "account", r.report.Account, again.report.Account)
			equalJSON(t, "differences", r.report.Differences, again.report.Differences)
			equalJSON(t, "unknown", r.report.Unknown, again.report.Unknown)
			for i := range r.report.Classes {
				equalJSON(t, "class", classFigures(&r.report.Classes[i]), classFigures(&again.report.Classes[i]))
			}
			if out := myreplay(t, "show", dir+"/capture"); out.code != exitSame || !strings.Contains(out.out, "SELECT @@port") {
				t.Errorf("show: exit code %d\n%s%s", out.code, out.out, out.errs)
			}
		})
	}
}
