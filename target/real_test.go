package target

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"myreplay/classic"
	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// realKinds are the servers of the tests in testdata/real.
var realKinds = []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB118, mysqltest.MariaDB105}

// realServers starts one server of each kind.
func realServers(t *testing.T, opts ...mysqltest.Option) []*mysqltest.Server {
	var list []*mysqltest.Server
	for _, k := range realKinds {
		list = append(list, mysqltest.Start(t, k, opts...))
	}
	return list
}

// TestReal replays conversations on real servers.
//
//	setup               statements, one a line, run on each server beforehand
//	replay [options]    the recorded conversation; prints each command with the
//	                    target's reply, once for the servers that answer alike
//
// Options: compress=..., tls=....
func TestReal(t *testing.T) {
	servers := realServers(t, mysqltest.Args("--max-allowed-packet=64M"),
		mysqltest.Users(mysqltest.User{Name: "other", Password: "other"}))
	datadriven.Walk(t, "testdata/real", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "setup" {
				for _, s := range servers {
					s.Exec(t, strings.Split(strings.TrimSpace(td.Input), "\n")...)
				}
				return ""
			}
			var answers, by []string
			for _, s := range servers {
				a := realCase(t, td, s)
				if i := slices.Index(answers, a); i >= 0 {
					by[i] += ", " + s.Kind.String()
					continue
				}
				answers, by = append(answers, a), append(by, s.Kind.String())
			}
			var out strings.Builder
			for i := range answers {
				fmt.Fprintf(&out, "%s:\n%s", by[i], answers[i])
			}
			return out.String()
		})
	})
}

func realCase(t *testing.T, td *datadriven.TestData, db *mysqltest.Server) string {
	url := "mysql://" + db.Addr + "/" + mysqltest.Schema + "?"
	for _, arg := range td.CmdArgs {
		url += arg.Key + "=" + arg.Vals[0] + "&"
	}
	users, err := ParseCredentials(strings.NewReader("[other]\npassword=other\n[*]\nuser=" + db.User + "\npassword=" + db.Password + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Users: users, Schemas: map[string]string{"shop": mysqltest.Schema}, ReplyTimeout: 10 * time.Second}
	o.Outcome.Seed = 1
	s := realTarget(t, strings.TrimRight(url, "&?"), o)
	p := player{}
	p.play(t.Context(), s, recorded(t, td.Input))
	if st := statsLine(s.Stats()); st != "" {
		fmt.Fprintf(&p.out, "counted: %s\n", st)
	}
	return ids.ReplaceAllString(p.out.String(), "$1")
}

// ids are the target's statement ids, which MariaDB goes on counting when it
// uses a thread again.
var ids = regexp.MustCompile(`(prepared|The statement) (#\d+|\(\d+\))`)

func realTarget(t testing.TB, url string, o Options) *Server {
	t.Helper()
	u, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	o.Threads = 1 // the first connection does, others don't
	s, err := New(u, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// query is a Query as a recording has it.
func query(sql string) *session.Command {
	p := classic.AppendQuery(nil, 0, sql)
	return &session.Command{Seq: 1, Kind: session.Query, Code: p[0], Payload: p, SQL: p[1:], Size: uint64(len(p))}
}

// ask sends a query and returns the first value of its reply, or the error.
func ask(t testing.TB, c *Conn, sql string) string {
	t.Helper()
	a, err := c.Do(query(sql), nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	r := a.Reply.Results[0]
	switch {
	case r.Error != nil:
		return r.Error.Error()
	case len(r.Kept) == 0:
		return r.Outcome.String()
	}
	value := ""
	if err := classic.TextRow(r.Kept[0], len(r.Columns.List), func(i int, v []byte, null bool) {
		if i == 0 {
			value = string(v)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestRealAuthentication logs in with every plugin over every transport, twice:
// the first time the server does not know the password's hash yet.
func TestRealAuthentication(t *testing.T) {
	for kind, plugins := range map[mysqltest.Kind][]mysqltest.Plugin{
		mysqltest.MySQL97: {mysqltest.CachingSHA2, mysqltest.SHA256},
		mysqltest.MariaDB: {mysqltest.Native, mysqltest.Ed25519},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			var users []mysqltest.User
			for _, p := range plugins {
				for _, transport := range []string{"tcp", "tls", "unix", "zlib", "zstd"} {
					users = append(users, mysqltest.User{Name: string(p[:3]) + "_" + transport, Password: testPassword, Plugin: p})
				}
				if p != mysqltest.Ed25519 { // which has no empty passwords
					users = append(users, mysqltest.User{Name: string(p[:3]) + "_empty", Plugin: p})
				}
			}
			db := mysqltest.Start(t, kind, mysqltest.Users(users...))
			for _, u := range users {
				_, transport, _ := strings.Cut(u.Name, "_")
				url := "mysql://" + db.Addr + "/"
				switch transport {
				case "tls":
					url += "?tls=verify-identity&ca=" + db.CA
				case "unix":
					url = "mysql:///?socket=" + db.Socket
				case "zlib":
					url += "?compress=zlib"
				case "zstd":
					if kind != mysqltest.MySQL97 {
						continue
					}
					url += "?compress=zstd"
				}
				realLogins(t, url, u)
			}
		})
	}
}

func realLogins(t *testing.T, url string, u mysqltest.User) {
	o := Options{Users: OneUser(u.Name, u.Password)}
	o.Outcome.Keep = 1
	s := realTarget(t, url, o)
	for try := range 2 {
		c, err := s.Connect(t.Context(), &session.Start{})
		if err != nil {
			t.Errorf("%s, try %d: %v", u.Name, try, err)
			return
		}
		if got := ask(t, c, "select current_user()"); got != u.Name+"@%" {
			t.Errorf("%s: logged in as %s", u.Name, got)
		}
		if got := c.Start().Login.Plugin; !strings.Contains(got, string(u.Plugin)) {
			t.Errorf("%s: plugin %s", u.Name, got)
		}
		if strings.Contains(url, "tls=") != c.Start().Encrypted {
			t.Errorf("%s: encrypted %t", u.Name, c.Start().Encrypted)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	bad := realTarget(t, url, Options{Users: OneUser(u.Name, "wrong")})
	if _, err := bad.Connect(t.Context(), &session.Start{}); refusedCode(err) != errAccessDenied {
		t.Errorf("%s with a wrong password: %v", u.Name, err)
	}
}

// TestRealChangeUser goes from each account to each other on one connection.
func TestRealChangeUser(t *testing.T) {
	for kind, plugins := range map[mysqltest.Kind][]mysqltest.Plugin{
		mysqltest.MySQL97: {mysqltest.CachingSHA2, mysqltest.SHA256},
		mysqltest.MariaDB: {mysqltest.Native, mysqltest.Ed25519},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			var users []mysqltest.User
			file := ""
			for i, p := range append(plugins, plugins...) {
				u := mysqltest.User{Name: fmt.Sprintf("u%d", i), Password: fmt.Sprintf("pw %d", i), Plugin: p}
				users = append(users, u)
				file += fmt.Sprintf("[%s]\npassword=%s\n", u.Name, u.Password)
			}
			db := mysqltest.Start(t, kind, mysqltest.Users(users...))
			creds, err := ParseCredentials(strings.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{"", "?tls=required", "?compress=zlib"} {
				realChanges(t, realTarget(t, "mysql://"+db.Addr+"/"+query, keepOne(Options{Users: creds})), users)
			}
		})
	}
}

func keepOne(o Options) Options {
	o.Outcome.Keep = 1
	return o
}

func realChanges(t *testing.T, s *Server, users []mysqltest.User) {
	c, err := s.Connect(t.Context(), &session.Start{Login: session.Login{User: users[0].Name}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		for _, i := range []int{1, 2, 0, 3, 1, 0} {
			cmd := &session.Command{Seq: 5, Kind: session.ChangeUser, Login: &session.Login{User: users[i].Name, Schema: mysqltest.Schema, Collation: 45}}
			a, err := c.Do(cmd, nil)
			if err != nil {
				t.Fatal(err)
			}
			if e := a.Reply.Err(); e != nil {
				t.Fatalf("to %s (%s): %v", users[i].Name, users[i].Plugin, e)
			}
			if got := ask(t, c, "select current_user()"); got != users[i].Name+"@%" {
				t.Errorf("now %s, want %s", got, users[i].Name)
			}
		}
	}
}

// TestRealNoGrants replays on a server without grant tables, over its socket on
// MySQL: any user, and a CHANGE_USER that would crash it.
func TestRealNoGrants(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind, mysqltest.SkipGrantTables())
			s := realTarget(t, "mysql:///?socket="+db.Socket, keepOne(Options{Users: AnyUser()}))
			start := &session.Start{ConnectionID: 7, Login: session.Login{User: "whoever", Schema: mysqltest.Schema, Known: true}}
			c, err := s.Connect(t.Context(), start)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got := ask(t, c, "select user()"); got != "whoever@" {
				t.Errorf("user %s", got)
			}
			before := c.ConnectionID()
			cmd := &session.Command{Seq: 2, Kind: session.ChangeUser, Login: &session.Login{User: "another"}}
			a, err := c.Do(cmd, nil)
			if err != nil || a.Reply.Err() != nil {
				t.Fatal(err, a.Reply)
			}
			if got := ask(t, c, "select user()"); got != "another@" {
				t.Errorf("user %s", got)
			}
			if live, ok := s.Live(0, 7); !ok || live != c.ConnectionID() || live == before {
				t.Errorf("connection %d before, now %d, for KILL %d", before, c.ConnectionID(), live)
			}
			if got := ask(t, c, "select connection_id()"); got != fmt.Sprint(c.ConnectionID()) {
				t.Errorf("connection %s", got)
			}
		})
	}
}

// TestRealExpired: an account whose password has expired, for a client that can
// and one that can't do with it.
func TestRealExpired(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind, mysqltest.Users(mysqltest.User{Name: "old", Password: "old"}))
			db.Exec(t, "ALTER USER 'old'@'%' PASSWORD EXPIRE")
			if kind == mysqltest.MariaDB { // MySQL has it on
				db.Exec(t, "SET GLOBAL disconnect_on_expired_password = ON")
			}
			s := realTarget(t, "mysql://"+db.Addr+"/", Options{Users: OneUser("old", "old")})
			_, err := s.Connect(t.Context(), &session.Start{Login: session.Login{Known: true, Capabilities: uint64(classic.Protocol41)}})
			if err == nil || !strings.Contains(err.Error(), ErrPasswordExpired.Error()) {
				t.Error(err)
			}
			able := session.Login{Known: true, Capabilities: uint64(classic.Protocol41 | classic.ExpiredPasswords)}
			c, err := s.Connect(t.Context(), &session.Start{Login: able})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got := ask(t, c, "select 1"); !strings.HasPrefix(got, "ERROR 1820 ") {
				t.Error(got)
			}
		})
	}
}

// TestRealLongStatements: 17 MB in one statement; one that is too long for the
// server; both ways with compression.
func TestRealLongStatements(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		db := mysqltest.Start(t, kind, mysqltest.Args("--max-allowed-packet=32M"))
		for _, params := range []string{"", "?compress=zlib", "?tls=required"} {
			t.Run(kind.String()+params, func(t *testing.T) {
				o := keepOne(Options{Users: OneUser(db.User, db.Password)})
				c, err := realTarget(t, "mysql://"+db.Addr+"/"+params, o).Connect(t.Context(), &session.Start{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				const n = 17 << 20
				if got := ask(t, c, "select length('"+strings.Repeat("x", n)+"')"); got != fmt.Sprint(n) {
					t.Errorf("length %s", got)
				}
				// Whole frames need an empty one behind them.
				sql := "select length('') -- "
				sql += strings.Repeat("x", classic.MaxFrame-1-len("\x00\x01")-len(sql))
				for _, text := range []string{sql[:len(sql)-1], sql, sql + "x", sql + "xx", sql + "xxx"} {
					if got := ask(t, c, text); got != "0" {
						t.Errorf("%d bytes: %s", len(text), got)
					}
				}
				a, err := c.Do(query("select length('"+strings.Repeat("x", 40<<20)+"')"), nil)
				if err != nil {
					t.Logf("too long: %v", err) // the server's error was lost with the connection
				} else if e := a.Reply.Err(); e == nil || e.Code != 1153 {
					t.Errorf("too long: %v", session.Line(a.Reply))
				}
				if _, err := c.Do(query("select 1"), nil); err == nil {
					t.Error("the connection lives on")
				}
			})
		}
	}
}

// TestRealKill: a recorded KILL finds the connection that replays its victim,
// and the victim's session ends with what the server said.
func TestRealKill(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind)
			s := realTarget(t, "mysql://"+db.Addr+"/", keepOne(Options{Users: OneUser(db.User, db.Password)}))
			connect := func(id uint32) *Conn {
				c, err := s.Connect(t.Context(), &session.Start{ID: uint64(id), ConnectionID: id})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c
			}
			victim, killer := connect(70), connect(71)
			payload := []byte{byte(classic.ComProcessKill), 70, 0, 0, 0}
			kill := &session.Command{Seq: 1, Kind: session.KillProcess, Payload: payload}
			a, err := killer.Do(kill, nil)
			if err != nil || a.Reply.Err() != nil {
				t.Fatal(err, session.Line(a.Reply))
			}
			_, err = victim.Do(query("select 1"), nil)
			if err == nil {
				t.Fatal("the victim lives")
			}
			t.Log(err)
			if a, err := killer.Do(kill, nil); err != nil || a.Skip != session.SkipKill {
				t.Errorf("killed again: %v %v", a.Skip, err)
			}
		})
	}
}

// TestRealIdle: a connection that the server closed because it was idle was not
// sent its command.
func TestRealIdle(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			db := mysqltest.Start(t, kind)
			s := realTarget(t, "mysql://"+db.Addr+"/", keepOne(Options{Users: OneUser(db.User, db.Password)}))
			for _, params := range []string{"", "zlib"} {
				s.url.Compression = CompressOff
				if params != "" {
					s.url.Compression = CompressZlib
				}
				c, err := s.Connect(t.Context(), &session.Start{})
				if err != nil {
					t.Fatal(err)
				}
				aborted := db.Status(t, "Aborted_clients")
				ask(t, c, "set wait_timeout = 1")
				waitAborted(t, db, aborted)
				_, err = c.Do(query("select 1"), nil)
				t.Logf("%s: %v", params, err)
				if err == nil {
					t.Error("the connection lives")
				}
			}
		})
	}
}

// waitAborted waits until the server has given up more clients than before. (To
// look for the connection in MariaDB's process list while it ends crashes some
// of its releases.)
func waitAborted(t *testing.T, db *mysqltest.Server, before int64) {
	for db.Status(t, "Aborted_clients") == before {
		if t.Context().Err() != nil {
			t.Fatal("the connection is still there")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestRealRestart: a server that goes away and comes back. Connections are lost,
// new ones can be made.
func TestRealRestart(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MariaDB)
	s := realTarget(t, "mysql://"+db.Addr+"/", keepOne(Options{Users: OneUser(db.User, db.Password)}))
	c, err := s.Connect(t.Context(), &session.Start{})
	if err != nil {
		t.Fatal(err)
	}
	db.Kill()
	if _, err := c.Do(query("select 1"), nil); err == nil {
		t.Error("an answer of a dead server")
	}
	if _, err := s.Connect(context.Background(), &session.Start{}); err == nil {
		t.Error("a connection to a dead server")
	} else if _, ok := err.(*ConnectError); !ok {
		t.Errorf("%T %v", err, err)
	}
	db.Restart(t)
	c, err = s.Connect(t.Context(), &session.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, c, "select 1"); got != "1" {
		t.Error(got)
	}
	c.Close()
}
