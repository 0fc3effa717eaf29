package probe

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/session"

	"github.com/cockroachdb/datadriven"
	"github.com/go-sql-driver/mysql"
)

func now() int64 { return time.Now().UnixNano() }

// TestServers asks real servers about real sessions. In the scripts:
//
//	open NAME [from=v4|v6|socket] [charset=latin1] [schema=no]  a session
//	do NAME            statements, a line each
//	run NAME           a statement that goes on until the script ends; awaits its beginning
//	prepare NAME       statements by the protocol, a line each; repeat=N: an x is repeated up to N bytes
//	account NAME       makes an account and grants it the privileges of the lines
//	tell NAME [as=ACCOUNT]   what the server tells of the session
//	remarks [as=ACCOUNT]
//
// Ports and ids are left out, so that what is told is the same every time.
func TestServers(t *testing.T) {
	for _, c := range []struct {
		script string
		kind   mysqltest.Kind
		opts   []mysqltest.Option
	}{
		{"mysql", mysqltest.MySQL97, []mysqltest.Option{mysqltest.PerformanceSchema(), mysqltest.Args("--bind-address=127.0.0.1,::1")}},
		{"mysql-off", mysqltest.MySQL97, nil},
		{"mysql-short", mysqltest.MySQL97, []mysqltest.Option{mysqltest.PerformanceSchema(),
			mysqltest.Args("--performance-schema-max-sql-text-length=512")}},
		{"mysql-long", mysqltest.MySQL97, []mysqltest.Option{mysqltest.PerformanceSchema(),
			mysqltest.Args("--performance-schema-max-sql-text-length=4096")}},
		{"mariadb", mysqltest.MariaDB, []mysqltest.Option{mysqltest.PerformanceSchema()}},
		{"mariadb", mysqltest.MariaDB105, []mysqltest.Option{mysqltest.PerformanceSchema()}},
		{"mariadb", mysqltest.MariaDB118, []mysqltest.Option{mysqltest.PerformanceSchema()}},
		{"mariadb-off", mysqltest.MariaDB, []mysqltest.Option{mysqltest.Args("--skip-name-resolve=OFF")}},
	} {
		t.Run(fmt.Sprint(c.script, " on ", c.kind), func(t *testing.T) {
			s := mysqltest.Start(t, c.kind, c.opts...)
			s.Exec(t, "CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB", "INSERT INTO t VALUES (1), (2)", "CREATE DATABASE other")
			p := &people{s: s, open: map[string]*person{}}
			datadriven.RunTest(t, "testdata/"+c.script, func(t *testing.T, td *datadriven.TestData) string { return p.run(t, td) })
		})
	}
}

// people are the sessions of a script.
type people struct {
	s    *mysqltest.Server
	open map[string]*person
}

type person struct {
	c  *sql.Conn
	at netip.AddrPort
}

func arg(td *datadriven.TestData, key, otherwise string) string {
	for _, a := range td.CmdArgs {
		if a.Key == key && len(a.Vals) == 1 {
			return a.Vals[0]
		}
	}
	return otherwise
}

func (p *people) run(t *testing.T, td *datadriven.TestData) string {
	ctx := context.Background()
	name := ""
	if len(td.CmdArgs) > 0 && len(td.CmdArgs[0].Vals) == 0 {
		name = td.CmdArgs[0].Key
	}
	switch td.Cmd {
	case "open":
		p.open[name] = p.dial(t, arg(td, "from", "v4"), arg(td, "charset", "utf8mb4"), arg(td, "schema", mysqltest.Schema))
	case "do":
		for q := range strings.SplitSeq(td.Input, "\n") {
			if _, err := p.open[name].c.ExecContext(ctx, unquote(t, q)); err != nil {
				t.Fatal(err)
			}
		}
	case "run":
		go p.open[name].c.ExecContext(ctx, td.Input)
		for p.s.Value(t, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = ?", td.Input) == "0" {
			time.Sleep(5 * time.Millisecond)
		}
	case "prepare":
		n, err := strconv.Atoi(arg(td, "repeat", "0"))
		if err != nil {
			t.Fatal(err)
		}
		for q := range strings.SplitSeq(td.Input, "\n") {
			q = unquote(t, q)
			if n > 0 {
				q = strings.Replace(q, "x", strings.Repeat("x", n-len(q)+1), 1)
			}
			if _, err := p.open[name].c.PrepareContext(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
	case "account":
		p.s.Exec(t, fmt.Sprintf("CREATE USER %s IDENTIFIED BY 'pw'", name))
		for privilege := range strings.SplitSeq(td.Input, "\n") {
			if privilege != "" {
				p.s.Exec(t, fmt.Sprintf("GRANT %s TO %s", privilege, name))
			}
		}
	case "tell":
		return tell(p.ask(t, arg(td, "as", "")), p.open[name].at)
	case "remarks":
		return p.remarks(t, td)
	default:
		t.Fatalf("unknown command %s", td.Cmd)
	}
	return ""
}

// remarks returns what is remarked. A server may show a session for a moment that
// was closed before: then it is asked again.
func (p *people) remarks(t *testing.T, td *datadriven.TestData) (out string) {
	for range 50 {
		out = strings.Join(append(p.ask(t, arg(td, "as", "")).Remarks(), ""), "\n")
		if out == td.Expected {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return out
}

// unquote reads a line with escapes when it begins with a quote.
func unquote(t *testing.T, q string) string {
	if !strings.HasPrefix(q, `"`) {
		return q
	}
	s, err := strconv.Unquote(q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return s
}

// dial opens a session and remembers where it comes from.
func (p *people) dial(t *testing.T, from, charset, schema string) *person {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = p.s.User, p.s.Password, "tcp", p.s.Addr
	switch from {
	case "v6":
		c.Addr = net.JoinHostPort("::1", strconv.Itoa(p.s.Port))
	case "socket":
		c.Net, c.Addr = "unix", p.s.Socket
	}
	if schema != "no" {
		c.DBName = schema
	}
	if err := c.Apply(mysql.Charset(charset, "")); err != nil {
		t.Fatal(err)
	}
	c.Logger = &mysql.NopLogger{}
	out := &person{}
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil && network == "tcp" {
			out.at = conn.LocalAddr().(*net.TCPAddr).AddrPort()
		}
		return conn, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	if out.c, err = db.Conn(context.Background()); err != nil {
		t.Fatal(err)
	}
	return out
}

// ask asks as the server's own user on its socket, or as an account by TCP.
func (p *people) ask(t *testing.T, account string) *Sessions {
	o := Options{Network: "unix", Address: p.s.Socket, User: p.s.User, Password: p.s.Password, Now: now}
	if account != "" {
		o = Options{Address: p.s.Addr, User: account, Password: "pw", Now: now}
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := now()
	out, err := s.Sessions(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if asked, told := out.When(); asked < before || told < asked || told > now() {
		t.Errorf("asked at %d, told at %d", asked, told)
	}
	return out
}

// tell writes what is told of a client's session.
func tell(s *Sessions, client netip.AddrPort) string {
	l, state, ok := s.Find(client, session.Classic)
	start := session.Start{ID: 1, Protocol: session.Classic, Joined: true, Client: client}
	if noted := s.Note(&start); noted != ok {
		return "Note and Find differ"
	}
	if !ok {
		return "not known\n"
	}
	if start.ConnectionID == 0 || start.ServerVersion == "" || start.State != state || start.Login.User != l.User {
		return "Note noted not all"
	}
	if asked, told := s.When(); state.Asked != asked || state.Told != told {
		return "wrong times"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "user %s, schema %q, collation %d\n", l.User, l.Schema, l.Collation)
	for _, v := range state.Variables {
		fmt.Fprintf(&b, "%s = %s\n", v.Name, valueText(v))
	}
	for _, v := range state.UserVariables {
		fmt.Fprintf(&b, "@%s = %s\n", v.Name, valueText(v))
	}
	for _, p := range state.Prepared {
		fmt.Fprintf(&b, "prepared #%d %s: %s\n", p.Statement, p.Name, sqlText(p.SQL))
	}
	if state.Transaction {
		b.WriteString("transaction open\n")
	}
	for _, what := range state.Unknown {
		fmt.Fprintf(&b, "unknown: %s\n", what)
	}
	return b.String()
}

func valueText(v session.Variable) string {
	switch {
	case v.Null:
		return "NULL"
	case v.Number:
		return v.Value
	}
	return strconv.Quote(v.Value)
}

func sqlText(sql []byte) string {
	switch {
	case sql == nil:
		return "text not known"
	case len(sql) > 80:
		return fmt.Sprintf("%q... %d bytes", sql[:20], len(sql))
	}
	return strconv.Quote(string(sql))
}

// TestXSession: a session of the X Protocol is told from a classic one, and its
// prepared statements, whose ids are the client's, are not taken for known.
func TestXSession(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.PerformanceSchema())
	cmd := mysqltest.XTest(t, fmt.Sprintf("127.0.0.1:%d", s.XPort), "", "--ssl-mode=REQUIRED")
	in, script := io.Pipe()
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { script.Close(); in.Close(); cmd.Wait() })
	if _, err := io.WriteString(script, xScript); err != nil {
		t.Fatal(err)
	}
	p := people{s: s}
	for range 500 {
		for _, list := range p.ask(t, "").known {
			k := list[0]
			if k.protocol != session.X || len(k.state.UserVariables) == 0 {
				continue
			}
			if want := []session.Variable{{Name: "x", Value: "17", Number: true}}; !slices.Equal(k.state.UserVariables, want) {
				t.Errorf("user variables %v", k.state.UserVariables)
			}
			if len(k.state.Prepared) != 0 || !slices.ContainsFunc(k.state.Unknown, func(s string) bool { return strings.HasPrefix(s, preparedStatements) }) {
				t.Errorf("prepared %v, unknown %q", k.state.Prepared, k.state.Unknown)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("no session of the X Protocol with a user variable is told")
}

// xScript prepares a statement and then sets a variable.
const xScript = `
Mysqlx.Prepare.Prepare {
  stmt_id: 5
  stmt { type: STMT stmt_execute { stmt: "SELECT ?" } }
}
-->recvok
-->stmtsql SET @x = 17
-->recvresult
`
