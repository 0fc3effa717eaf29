package gate

import (
	"database/sql"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the driver under test

	"myreplay/internal/mysqltest"
	"myreplay/tlsmode"
)

// way is a way to relay, and what the clients use.
type way struct {
	name    string
	handle  Handling
	server  tlsmode.Mode
	tls     bool // the client asks for TLS
	inside  bool // TLS ends here
	follows bool
	opaque  bool
}

var ways = []way{
	{name: "pass clear"},
	{name: "pass tls", tls: true, opaque: true},
	{name: "end clear", handle: End},
	{name: "end tls", handle: End, tls: true, inside: true},
	{name: "end, required, client tls", handle: End, server: tlsmode.Required, tls: true, inside: true},
	{name: "end, required, client clear", handle: End, server: tlsmode.Required, follows: true},
	{name: "end, preferred, client clear", handle: End, server: tlsmode.Preferred, follows: true},
	{name: "end, disabled, client tls", handle: End, server: tlsmode.Disabled, tls: true, inside: true, follows: true},
	{name: "plain", handle: Plain},
	{name: "plain, required", handle: Plain, server: tlsmode.Required, follows: true},
}

func (w way) options() Options {
	o := Options{TLS: w.handle, Server: tlsmode.Config{Mode: w.server}}
	if w.handle == End {
		o.Certificate = selfSigned()
	}
	return o
}

const bigQuery = "select repeat('x', 300000)"

// runs runs a client program and returns what it printed.
func runs(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	b, err := cmd.CombinedOutput()
	out := warning.ReplaceAllString(string(b), "")
	if err != nil {
		return "FAILED: " + out
	}
	return out
}

// warning is what MySQL's client says about a password on its command line.
var warning = regexp.MustCompile(`(?m)^mysql: \[Warning\].*\n`)

func program(t *testing.T, kind mysqltest.Kind, port, user, password string, useTLS bool, sql string, more ...string) *exec.Cmd {
	args := []string{"-h127.0.0.1", "-P" + port, "-u" + user, "-p" + password, "-N", "-B"}
	switch {
	case kind == mysqltest.MySQL97 && useTLS:
		args = append(args, "--ssl-mode=REQUIRED")
	case kind == mysqltest.MySQL97:
		args = append(args, "--ssl-mode=DISABLED", "--get-server-public-key")
	case useTLS:
		args = append(args, "--ssl", "--disable-ssl-verify-server-cert")
	default:
		args = append(args, "--skip-ssl")
	}
	args = append(args, more...)
	return mysqltest.Client(t, kind, "mysql", append(args, "-e", sql)...)
}

// check checks what was told of one connection.
func (w way) check(t *testing.T, p *passer) string {
	t.Helper()
	list := p.take(t)
	if len(list) != 1 {
		t.Fatalf("%d connections", len(list))
	}
	c := list[0]
	if c.err != nil {
		t.Errorf("the gate: %v", c.err)
	}
	if c.opaque != w.opaque || c.follow != w.follows {
		t.Errorf("opaque=%v follow=%v, want %v %v", c.opaque, c.follow, w.opaque, w.follows)
	}
	if w.opaque {
		return ""
	}
	s := story(t, list)
	if strings.Contains(s, "tls") != w.inside {
		t.Errorf("told %q, want TLS: %v", s, w.inside)
	}
	return s
}

// TestMySQL: each way, with MySQL's and MariaDB's clients and go-sql-driver,
// each with a cold cache first; caching_sha2_password and sha256_password.
func TestMySQL(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Users(
		mysqltest.User{Name: "sha", Password: "shapw", Plugin: mysqltest.SHA256},
		mysqltest.User{Name: "nopw"}, mysqltest.User{Name: "shanopw", Plugin: mysqltest.SHA256}))
	users := []struct{ name, password string }{{db.User, db.Password}, {"sha", "shapw"}, {"nopw", ""}, {"shanopw", ""}}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			p := listen(t, w.options(), db.Addr)
			for _, u := range users {
				for i, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB, mysqltest.MariaDB118} {
					db.Exec(t, "FLUSH PRIVILEGES")
					for _, cache := range []string{"cold", "warm"} {
						if i > 0 && cache == "warm" {
							continue
						}
						out := runs(t, program(t, kind, p.port(), u.name, u.password, w.tls, "select user(), 1+1; "+bigQuery+"; select 'end'"))
						if !strings.Contains(out, "\t2\n") || !strings.HasSuffix(out, "x\nend\n") {
							t.Errorf("%v as %s, %s: %.500s", kind, u.name, cache, out)
						}
						w.check(t, p)
					}
				}
			}
		})
	}
}

// TestGoDriver: go-sql-driver through each way.
func TestGoDriver(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Users(mysqltest.User{Name: "sha", Password: "shapw", Plugin: mysqltest.SHA256}))
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			p := listen(t, w.options(), db.Addr)
			for _, user := range []string{"cap:cappw", "sha:shapw"} {
				db.Exec(t, "FLUSH PRIVILEGES")
				for range 2 {
					dsn := user + "@tcp(" + p.addr + ")/test?tls="
					if w.tls {
						dsn += "skip-verify"
					} else {
						dsn += "false"
					}
					c, err := sql.Open("mysql", dsn)
					if err != nil {
						t.Fatal(err)
					}
					var n int
					if err := c.QueryRow("select ? + 1", 41).Scan(&n); err != nil || n != 42 {
						t.Errorf("%s: %d, %v", user, n, err)
					}
					c.Close()
					w.check(t, p)
				}
			}
		})
	}
}

const changeUser = `
const mysql = require('mysql2/promise');
(async () => {
  const [port, tls, user, password, user2, password2] = process.argv.slice(-6);
  const o = {host: '127.0.0.1', port: +port, user, password, database: 'test'};
  if (tls === '1') o.ssl = {rejectUnauthorized: false};
  const c = await mysql.createConnection(o);
  const one = async () => { const [r] = await c.query("select substring_index(user(), '@', 1) u"); console.log(r[0].u); };
  await one();
  await c.changeUser({user: user2, password: password2, database: 'test'});
  await one();
  await c.changeUser({user, password, database: 'test'});
  await one();
  const [r] = await c.execute('select ? x', ['y']);
  console.log(r[0].x);
  try { await c.changeUser({user: user2, password: 'wrong'}); console.log('?'); } catch (e) { console.log(e.errno); }
  c.destroy();
})().catch(e => { console.log('FAILED', e); process.exit(1); });
`

// TestChangeUser: mysql2 changes users, of other plugins too.
func TestChangeUser(t *testing.T) {
	my := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Users(
		mysqltest.User{Name: "sha", Password: "shapw", Plugin: mysqltest.SHA256},
		mysqltest.User{Name: "other", Password: "otherpw"}))
	maria := mysqltest.Start(t, mysqltest.MariaDB118, mysqltest.Users(
		mysqltest.User{Name: "other", Password: "otherpw"}))
	pairs := []struct {
		db             *mysqltest.Server
		user, password string
	}{{my, "other", "otherpw"}, {my, "sha", "shapw"}, {maria, "other", "otherpw"}}
	for _, w := range ways {
		if w.opaque || w.server == tlsmode.Preferred {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			for _, c := range pairs {
				p := listen(t, w.options(), c.db.Addr)
				c.db.Exec(t, "FLUSH PRIVILEGES")
				useTLS := "0"
				if w.tls {
					useTLS = "1"
				}
				out := runs(t, mysqltest.Node(t, changeUser, p.port(), useTLS, "cap", "cappw", c.user, c.password))
				if want := "cap\n" + c.user + "\ncap\ny\n1045\n"; out != want {
					t.Errorf("%v as %s: %.500s", c.db.Kind, c.user, out)
				}
				w.check(t, p)
			}
		})
	}
}

// TestMariaDB: each way with MariaDB's servers, native and ed25519.
func TestMariaDB(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB105, mysqltest.MariaDB118} {
		db := mysqltest.Start(t, kind, mysqltest.Users(mysqltest.User{Name: "ed", Password: "edpw", Plugin: mysqltest.Ed25519}))
		for _, w := range ways {
			t.Run(kind.String()+" "+w.name, func(t *testing.T) {
				p := listen(t, w.options(), db.Addr)
				for _, client := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MariaDB118} {
					for _, u := range []struct{ name, password string }{{db.User, db.Password}, {"ed", "edpw"}} {
						out := runs(t, program(t, client, p.port(), u.name, u.password, w.tls, "select user(), 1+1; "+bigQuery+"; select 'end'"))
						if !strings.Contains(out, "\t2\n") || !strings.HasSuffix(out, "x\nend\n") {
							t.Errorf("%v as %s: %.500s", client, u.name, out)
						}
						w.check(t, p)
					}
				}
			})
		}
	}
}
