package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"database/sql"
	"net"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"myreplay/flow"
	"myreplay/gate"
	"myreplay/internal/mysqltest"
)

// open returns connections to a server by way of a relay, from an address of
// the loopback net.
func open(t testing.TB, s *mysqltest.Server, relay, from string, tlsConfig *tls.Config) *sql.DB {
	t.Helper()
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName, c.Net, c.Addr = s.User, s.Password, mysqltest.Schema, "tcp", relay
	c.TLS, c.Logger = tlsConfig, &mysql.NopLogger{}
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		return d.DialContext(ctx, network, addr)
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func ask(t testing.TB, db *sql.DB, question string) (answer string) {
	t.Helper()
	if err := db.QueryRow(question).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return answer
}

// A server that expects PROXY headers sees the clients' addresses, and so does
// one to which the relay connects from them.
func TestClientIPReal(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.Args("--proxy-protocol-networks=127.0.0.1", "--skip-name-resolve"))
	for _, c := range []struct {
		how  ClientIP
		want string
	}{{Off, "127.0.0.1"}, {Proxy, "127.0.0.7"}, {Preserve, "127.0.0.7"}} {
		if err := c.how.check(); err != nil {
			t.Log(err)
			continue
		}
		for _, look := range []bool{false, true} {
			r := serve(t, Options{Pairs: []Pair{{To: s.Addr}}, ClientIP: c.how, Look: look})
			db := open(t, s, r.addr, "127.0.0.7", nil)
			if user := ask(t, db, "SELECT USER()"); user != s.User+"@"+c.want {
				t.Errorf("how %d: %s", c.how, user)
			}
			host := ask(t, db, "SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()")
			if !strings.HasPrefix(host, c.want+":") {
				t.Errorf("how %d: the list of processes has %s", c.how, host)
			}
			db.Close()
		}
	}
}

// TLS that ends here is read, TLS that passes is not, and without Look neither
// matters; every client gets its answers.
func TestTLSReal(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		t.Run(kind.String(), func(t *testing.T) {
			s := mysqltest.Start(t, kind)
			trusting := &tls.Config{InsecureSkipVerify: true}
			for _, c := range []struct {
				handling gate.Handling
				look     bool
				tls      *tls.Config
				seen     bool
				marks    string
			}{
				{gate.Pass, false, trusting, false, ""},
				{gate.Pass, true, trusting, false, ""},
				{gate.Pass, true, nil, true, ""},
				{gate.End, true, trusting, true, "tls"},
				{gate.End, false, trusting, false, ""},
				{gate.Plain, true, nil, true, ""},
			} {
				o := gate.Options{TLS: c.handling, Certificate: selfSigned()}
				r := serve(t, Options{Pairs: []Pair{{To: s.Addr, Gate: o}}, Look: c.look})
				told := r.told(t)
				db := open(t, s, r.addr, "127.0.0.1", c.tls)
				if n := ask(t, db, "SELECT 'nobody said this' LIKE 'nobody%'"); n != "1" {
					t.Errorf("the answer is %q", n)
				}
				if n := len(ask(t, db, "SELECT REPEAT('x', 200000)")); n != 200000 {
					t.Errorf("the answer has %d bytes", n)
				}
				db.Close()
				conns := told()
				if (len(conns) > 0) != c.look {
					t.Errorf("%+v: told of %d connections", c, len(conns))
				}
				for _, conn := range conns {
					seen := bytes.Contains(conn.sides[flow.Client], []byte("nobody said this"))
					if seen != c.seen || conn.marks != c.marks || conn.why != flow.Finished {
						t.Errorf("handling %d: seen %v, marks %q, ended %v", c.handling, seen, conn.marks, conn.why)
					}
				}
				opaque, ended := r.Stats().Opaque.Load() > 0, r.Stats().EndedTLS.Load() > 0
				if ended != (c.handling == gate.End) || opaque != (c.look && c.handling == gate.Pass && c.tls != nil) {
					t.Errorf("handling %d: counted as opaque %v, as ended %v", c.handling, opaque, ended)
				}
			}
		})
	}
}

// A server that is killed takes its connections along, and nobody else's; a new
// one is found again.
func TestKilledReal(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	other := mysqltest.Start(t, mysqltest.MariaDB)
	r := serve(t, Options{Pairs: []Pair{{To: s.Addr}, {To: other.Addr}}, Look: true})
	told := r.told(t)
	bystander := open(t, other, r.Addrs()[1].String(), "127.0.0.1", nil)
	ask(t, bystander, "SELECT 1")
	db := open(t, s, r.addr, "127.0.0.1", nil)
	ask(t, db, "SELECT 1")
	s.Kill()
	if err := db.Ping(); err == nil {
		t.Error("the server answers")
	}
	eventually(t, "only the other server's connection is open", func() bool { return r.Stats().Open.Load() == 1 })
	ask(t, bystander, "SELECT 1")
	s.Restart(t)
	if s.Addr == r.options.Pairs[0].To {
		ask(t, db, "SELECT 1")
	}
	db.Close()
	bystander.Close()
	for id, c := range told() {
		if !c.closed {
			t.Errorf("connection %d is not told to be closed", id)
		}
	}
}
