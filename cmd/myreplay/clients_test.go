package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"myreplay/classic"
	"myreplay/internal/mysqltest"
)

// client makes clients of one address, behind which is a server.
type client struct {
	t      testing.TB
	server *mysqltest.Server
	addr   string
}

// driver returns one connection of go-sql-driver, closed when the test's
// traffic calls its Close. parameters are those of its DSN.
func (c *client) driver(parameters string) *connection {
	c.t.Helper()
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/%s?%s", c.server.User, c.server.Password, c.addr, mysqltest.Schema, parameters)
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		c.t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	return &connection{c.t, db, conn}
}

// connection is one connection of go-sql-driver.
type connection struct {
	t    testing.TB
	db   *sql.DB
	conn *sql.Conn
}

// exec runs a statement that must succeed, prepared if it has arguments.
func (c *connection) exec(query string, args ...any) {
	c.t.Helper()
	if _, err := c.conn.ExecContext(context.Background(), query, args...); err != nil {
		c.t.Errorf("%.100s: %v", query, err)
	}
}

// fails runs a statement that must fail with an error number.
func (c *connection) fails(code uint16, query string, args ...any) {
	c.t.Helper()
	_, err := c.conn.ExecContext(context.Background(), query, args...)
	if e, ok := err.(*mysql.MySQLError); !ok || e.Number != code {
		c.t.Errorf("%.100s: %v, want error %d", query, err, code)
	}
}

// read runs a query and reads all of its results; it returns how many rows
// there were.
func (c *connection) read(query string, args ...any) int {
	c.t.Helper()
	rows, err := c.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		c.t.Errorf("%.100s: %v", query, err)
		return 0
	}
	defer rows.Close()
	n := 0
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			n++
		}
	}
	if err := rows.Err(); err != nil {
		c.t.Errorf("%.100s: %v", query, err)
	}
	return n
}

// Close says goodbye.
func (c *connection) Close() {
	c.conn.Close()
	c.db.Close()
}

// program runs a real command-line client ("mysql", "mysqladmin") of the
// server's own kind and returns what it printed.
func (c *client) program(name string, args ...string) string {
	c.t.Helper()
	return mysqltest.Output(c.t, mysqltest.Client(c.t, c.server.Kind, name, append(c.plainArgs(), args...)...))
}

// plainArgs lets a command-line client log in without TLS.
func (c *client) plainArgs() []string {
	host, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	args := []string{"--protocol=tcp", "--host=" + host, "--port=" + port, "--user=" + c.server.User, "--password=" + c.server.Password}
	if c.server.Kind == mysqltest.MySQL97 {
		return append(args, "--ssl-mode=DISABLED", "--get-server-public-key")
	}
	return append(args, "--skip-ssl")
}

// node runs a script with npm mysql2, in which "config" is where to connect
// to and "mysql" is mysql2/promise.
func (c *client) node(script string) {
	c.t.Helper()
	host, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	head := fmt.Sprintf("const mysql = require('mysql2/promise');\nconst config = {host: %q, port: %s, user: %q, password: %q, database: %q};\n",
		host, port, c.server.User, c.server.Password, mysqltest.Schema)
	tail := "\nmain().catch(e => { console.error(e); process.exit(1); });\n"
	mysqltest.Output(c.t, mysqltest.Node(c.t, head+script+tail))
}

// raw logs in with a client that sends any command, made of package classic's
// codec.
func (c *client) raw(more classic.Capability) *rawClient {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	r := &rawClient{t: c.t, conn: conn}
	r.receive() // the greeting
	r.login(c.server, more)
	return r
}

// rawClient is a client that sends any command.
type rawClient struct {
	t      testing.TB
	conn   net.Conn
	framer classic.Framer
	state  classic.State
}

// login logs in with the server's default plugin, the password in its hashed
// form: caching_sha2_password's server has seen mysqltest's user before.
func (r *rawClient) login(s *mysqltest.Server, more classic.Capability) {
	r.t.Helper()
	g := r.state.Greeting
	l := classic.Login{Capabilities: classic.LongPassword | classic.Protocol41 | classic.SecureConnection | classic.PluginAuth |
		classic.PluginAuthLenenc | classic.Transactions | classic.MultiResults | classic.PSMultiResults | classic.ConnectWithDB | more,
		MaxPacket: 1 << 24, Collation: 45, User: s.User, Schema: mysqltest.Schema, Plugin: g.Plugin}
	l.Auth = classic.ScrambleNative(s.Password, g.Nonce)
	if g.Plugin == classic.PluginCaching {
		l.Auth = classic.ScrambleCaching(s.Password, g.Nonce)
	}
	r.send(1, l.Append(nil))
	for r.state.Phase != classic.Ready {
		if part := r.receive(); part == classic.PartLoginError {
			r.t.Fatalf("login: %d %s", r.state.ERR.Code, r.state.ERR.Message)
		}
	}
}

// send sends a message.
func (r *rawClient) send(seq byte, payload []byte) {
	r.t.Helper()
	b, next := classic.AppendFrames(nil, seq, payload)
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.state.Client(&classic.Frame{Seq: seq, Last: next - 1, Size: uint64(len(payload)), Payload: payload}); err != nil {
		r.t.Fatal(err)
	}
}

// receive waits for the server's next frame.
func (r *rawClient) receive() classic.ServerPart {
	r.t.Helper()
	part, _ := r.next()
	return part
}

func (r *rawClient) next() (part classic.ServerPart, done bool) {
	r.t.Helper()
	b := make([]byte, 4096)
	for {
		var f classic.Frame
		ok, err := r.framer.Next(&f)
		if err != nil {
			r.t.Fatal(err)
		}
		if ok {
			if part, done, err = r.state.Server(&f); err != nil {
				r.t.Fatal(err)
			}
			return part, done
		}
		n, err := r.conn.Read(b)
		if err != nil {
			r.t.Fatal(err)
		}
		r.framer.Feed(b[:n])
	}
}

// do sends a command and reads its answer to the end. It returns the meaning
// of each frame.
func (r *rawClient) do(code classic.Code, rest ...byte) []classic.ServerPart {
	r.t.Helper()
	r.send(0, append([]byte{byte(code)}, rest...))
	var parts []classic.ServerPart
	for r.state.Waiting() > 0 {
		part, _ := r.next()
		parts = append(parts, part)
	}
	return parts
}

// query runs a text.
func (r *rawClient) query(sql string) []classic.ServerPart {
	r.t.Helper()
	return r.do(classic.ComQuery, []byte(sql)...)
}

// prepare makes a statement and returns its id.
func (r *rawClient) prepare(sql string) uint32 {
	r.t.Helper()
	r.do(classic.ComStmtPrepare, []byte(sql)...)
	return r.state.Prepared.Statement
}

// Close says goodbye.
func (r *rawClient) Close() {
	r.do(classic.ComQuit)
	r.conn.Close()
}

// countParts returns how often a part is among parts.
func countParts(parts []classic.ServerPart, p classic.ServerPart) int {
	n := 0
	for _, q := range parts {
		if q == p {
			n++
		}
	}
	return n
}

// longText returns n printable bytes without a quote, that do not repeat soon.
func longText(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var b strings.Builder
	b.Grow(n)
	for x := uint32(1); b.Len() < n; {
		x = x*1664525 + 1013904223
		b.WriteByte(letters[x>>16%uint32(len(letters))])
	}
	return b.String()
}
