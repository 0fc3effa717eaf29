package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// as opens a session of one user on a server.
func as(t testing.TB, s *mysqltest.Server, user string) *connection {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName = user, mysqltest.AdminPassword, "tcp", s.Addr, mysqltest.Schema
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return &connection{t, db, conn}
}

// person is a user with the password of all.
func person(name string) mysqltest.User {
	return mysqltest.User{Name: name, Password: mysqltest.AdminPassword}
}

// startLanding starts two servers of MariaDB, whose table landed says which
// session of the source was copied.
func startLanding(t testing.TB, users ...mysqltest.User) (s, u *mysqltest.Server) {
	t.Helper()
	s = mysqltest.Start(t, mysqltest.MariaDB, mysqltest.NoTLS(), mysqltest.Users(users...))
	u = mysqltest.Start(t, mysqltest.MariaDB, mysqltest.Users(users...))
	for _, each := range []*mysqltest.Server{s, u} {
		each.Exec(t, "CREATE TABLE landed (n INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(50))")
	}
	return s, u
}

// land is a short session that says who it is.
func land(t testing.TB, s *mysqltest.Server, user, who string) {
	t.Helper()
	c := as(t, s, user)
	c.exec("INSERT INTO landed (who) VALUES ('" + who + "')")
	c.Close()
}

// whoLanded lists those who have landed, in the order of their names.
func whoLanded(t testing.TB, u *mysqltest.Server) string {
	t.Helper()
	return u.Value(t, "SELECT COALESCE(GROUP_CONCAT(who ORDER BY who, n), '') FROM landed")
}

// TestMirrorCopies: -n 2 sends each session twice, -r 50 about half of them, and
// what is not copied is counted.
func TestMirrorCopies(t *testing.T) {
	s, u := startLanding(t)
	m := startMirror(t, append(atPorts(s.Port), "--writes", "-n", "2", "-r", "50", "--target", classicURL(u))...)
	const sessions = 60
	for i := range sessions {
		land(t, s, s.User, fmt.Sprint("s", i))
	}
	r := m.stop()
	rows, twice := u.Value(t, "SELECT COUNT(*) FROM landed"), u.Value(t, "SELECT COUNT(DISTINCT who) FROM landed")
	n, err := strconv.Atoi(twice)
	if err != nil || rows != fmt.Sprint(2*n) || n < sessions/5 || n > sessions*4/5 {
		t.Errorf("%s rows of %s sessions, %v\n%s", rows, twice, err, r.said)
	}
	a := r.report.Account
	const each = 2 // INSERT and Quit
	if want := uint64(2 * each * n); a.Copies != 2 || a.Sent != want || r.skipped(session.SkipFilter.String()) != uint64(2*each*sessions)-want {
		t.Errorf("%+v\n%s", a, r.said)
	}
}

// TestMirrorBegins: --full-sessions copies no session that was open before, --ramp
// begins with few.
func TestMirrorBegins(t *testing.T) {
	s, u := startLanding(t)
	old := as(t, s, s.User)
	m := startMirror(t, append(atPorts(s.Port), "--writes", "--full-sessions", "--target", classicURL(u))...)
	old.exec("INSERT INTO landed (who) VALUES ('old')")
	old.Close()
	land(t, s, s.User, "new")
	r := m.stop()
	if who := whoLanded(t, u); who != "new" || r.skipped(session.SkipFilter.String()) != 2 {
		t.Errorf("landed: %s\n%v\n%s", who, r.report.Account.Skipped, r.said)
	}
	m = startMirror(t, append(atPorts(s.Port), "--writes", "--ramp", "100h", "--target", classicURL(u))...)
	for range 20 {
		land(t, s, s.User, "early")
	}
	r = m.stop()
	if n := r.skipped(session.SkipFilter.String()); n < 38 {
		t.Errorf("%d skipped of 40\n%s", n, r.said)
	}
}

// TestMirrorHangup: SIGHUP reads the filter and the credentials again, for sessions
// that begin afterwards; a file that can't be read changes nothing.
func TestMirrorHangup(t *testing.T) {
	s, u := startLanding(t, person("alice"), person("bob"))
	dir := t.TempDir()
	filter, credentials := filepath.Join(dir, "filter"), filepath.Join(dir, "credentials")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	both := func(step string) {
		land(t, s, "bob", step+"-bob")
		land(t, s, "alice", step+"-alice") // when she has landed, bob has been seen
	}
	write(filter, "[filter]\nusers = alice\n")
	write(credentials, "[alice]\npassword = "+mysqltest.AdminPassword+"\n")
	m := startMirror(t, append(atPorts(s.Port), "--writes", "--filter-file", filter, "--credentials", credentials,
		"--target", fmt.Sprintf("mysql://%s/", u.Addr))...)
	both("1")
	awaitLanded(t, u, "1-alice")
	write(filter, "[filter]\nusers = alice,bob\n")
	m.hangup(1)
	both("2") // nobody has bob's password yet
	awaitLanded(t, u, "1-alice,2-alice")
	write(credentials, "[*]\nuser = "+u.User+"\npassword = "+mysqltest.AdminPassword+"\n")
	m.hangup(2)
	both("3")
	awaitLanded(t, u, "1-alice,2-alice,3-alice,3-bob")
	write(filter, "[filter]\nusers: nonsense\n")
	m.hangup(3)
	both("4")
	awaitLanded(t, u, "1-alice,2-alice,3-alice,3-bob,4-alice,4-bob")
	r := m.stop()
	r.remarked(t, "SIGHUP: read again", "SIGHUP: nothing changed: "+filter, "1 session could not be opened")
	if r.skipped(session.SkipFilter.String()) != 2 || r.skipped(session.SkipNoLogin.String()) != 2 {
		t.Errorf("%+v\n%s", r.report.Account.Skipped, r.said)
	}
}

// awaitLanded waits until those have landed.
func awaitLanded(t testing.TB, u *mysqltest.Server, want string) {
	t.Helper()
	got := ""
	for began := time.Now(); time.Since(began) < startWait; time.Sleep(10 * time.Millisecond) {
		if got = whoLanded(t, u); got == want {
			return
		}
	}
	t.Fatalf("landed: %s, want %s", got, want)
}

// TestMirrorPairs: several pairs of -x bring each source to its own target, and a
// mirror that is to run for some time ends by itself.
func TestMirrorPairs(t *testing.T) {
	s1, u1 := startLanding(t)
	s2, u2 := startLanding(t)
	m := startMirror(t, "-i", "lo", "--writes", "--user", u1.User, "--target-tls", "preferred", "--for", "2s",
		"-x", fmt.Sprintf("%d-%s,127.0.0.1:%d-%s", s1.Port, u1.Addr, s2.Port, u2.Addr))
	for i := range 5 {
		land(t, s1, s1.User, fmt.Sprint("one", i))
		land(t, s2, s2.User, fmt.Sprint("two", i))
	}
	m.ended().same(t, "insert_id") // two sessions may land in another order
	for u, want := range map[*mysqltest.Server]string{u1: "one0,one1,one2,one3,one4", u2: "two0,two1,two2,two3,two4"} {
		if got := whoLanded(t, u); got != want {
			t.Errorf("landed: %s, want %s", got, want)
		}
	}
}

// TestMirrorCannot: where nothing can be mirrored, or nothing was, the exit code is
// 2 and the reason is said.
func TestMirrorCannot(t *testing.T) {
	s, u := startLanding(t)
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"the target is the source", []string{"--target", classicURL(s), "--port", fmt.Sprint(s.Port)}, "--same-server"},
		{"the pair is one server", []string{"-x", fmt.Sprintf("127.0.0.1:%d-localhost:%[1]d", s.Port), "--user", s.User}, "--same-server"},
		{"nothing was seen", []string{"--target", classicURL(u), "--port", fmt.Sprint(s.Port), "--for", "100ms"}, "no session was seen"},
		{"no such device", []string{"--target", classicURL(u), "-i", "nosuch0"}, "nosuch0"},
		{"the user is not let in", []string{"--target", fmt.Sprintf("mysql://nobody@%s/", u.Addr), "--port", fmt.Sprint(s.Port)}, "Access denied"},
	} {
		args := append([]string{"mirror", "-i", "lo", "--writes"}, c.args...)
		if e := myreplay(t, args...); e.code != exitFailed || !strings.Contains(e.errs, c.want) {
			t.Errorf("%s: exit code %d\n%s", c.why, e.code, e.errs)
		}
	}
}

// TestMirrorDaemon: -d returns once the mirror works; it goes on in the
// background, writes its log and its process id, and ends with a report.
func TestMirrorDaemon(t *testing.T) {
	s, u := startLanding(t)
	dir := t.TempDir()
	log, pidFile := filepath.Join(dir, "log"), filepath.Join(dir, "pid")
	said := mustRun(t, append(append([]string{"mirror", "--json"}, atPorts(s.Port)...), "--writes", "--target", classicURL(u),
		"-d", "-l", log, "-P", pidFile)...)
	pid := readPID(pidFile)
	if pid == 0 {
		t.Fatalf("no process: %s", said)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	land(t, s, s.User, "x")
	awaitLanded(t, u, "x")
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); readPID(pidFile) != 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > startWait {
			t.Fatal("it does not end")
		}
	}
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "mirrored 1 session") || !strings.Contains(string(text), `"result": "`+report.Same) {
		t.Errorf("%v\n%s", err, text)
	}
}
