package mysqltest

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// versions tells how SELECT VERSION() begins, "" where it depends on the
// machine's own suite.
var versions = map[Kind]string{MySQL97: "9.7.", MariaDB118: "11.8.", MariaDB105: "10.5."}

// The life of a server, for each kind: start, restart, crash, stop.
func TestLife(t *testing.T) {
	for _, k := range Kinds {
		t.Run(k.String(), func(t *testing.T) {
			s := Start(t, k)
			if v := s.Value(t, "SELECT VERSION()"); v != s.Version || !strings.HasPrefix(v, versions[k]) {
				t.Errorf("version %q, Version %q", v, s.Version)
			}
			if isMariaDB := strings.Contains(s.Version, "MariaDB"); isMariaDB == k.mysql() {
				t.Errorf("version %q of %v", s.Version, k)
			}
			port, socket := s.Port, s.Socket
			s.Exec(t, "CREATE TABLE kept (id INT PRIMARY KEY)", "INSERT INTO kept VALUES (1), (2)")

			s.Restart(t)
			if s.Port != port || s.Socket != socket {
				t.Errorf("restart moved the server to %d, %s", s.Port, s.Socket)
			}
			if n := s.Value(t, "SELECT COUNT(*) FROM kept"); n != "2" {
				t.Errorf("%s rows after a restart", n)
			}

			s.Kill()
			if listens(s.Addr) {
				t.Error("the server listens after Kill")
			}
			s.Restart(t)
			if n := s.Value(t, "SELECT COUNT(*) FROM kept"); n != "2" {
				t.Errorf("%s rows after a crash", n)
			}

			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			if listens(s.Addr) || alive(s.Pid) {
				t.Error("the server is there after Stop")
			}
			if err := s.Close(); err != nil || exists(s.Dir) {
				t.Errorf("Close: %v, folder is there: %t", err, exists(s.Dir))
			}
		})
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func listens(addr string) bool {
	c, err := net.Dial("tcp4", addr)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// The ready account and the protocols, over TCP, with TLS verified and without.
func TestConnect(t *testing.T) {
	for _, k := range Kinds {
		for _, tls := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v/tls=%t", k, tls), func(t *testing.T) {
				opts := []Option{MaxConnections(20)}
				if !tls {
					opts = append(opts, NoTLS())
				}
				s := Start(t, k, opts...)
				rows, err := dsnRows(s.DSN(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
				if err != nil || rows[0][1] != "" {
					t.Errorf("clear connection: %q, %v", rows, err)
				}
				args := append(s.ClientArgs(k), "-BN", "-e", "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
				out := strings.Fields(Output(t, Client(t, k, "mysql", args...)))
				if encrypted := len(out) == 2; encrypted != tls {
					t.Errorf("the client's connection: %q", out)
				}
				if _, err := dsnRows(s.DSN()+"?tls=skip-verify", "SELECT 1"); (err == nil) != tls {
					t.Errorf("a connection that insists on TLS: %v", err)
				}
				if k.mysql() && xOffersTLS(t, s) != tls {
					t.Errorf("the X Protocol offers TLS: %t", !tls)
				}
			})
		}
	}
}

// dsnRows asks on a connection of its own.
func dsnRows(dsn, query string) ([][]string, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return queryRows(db, query)
}

// xOffersTLS asks for the capabilities on the X Protocol: a message without a
// body of type 1, whose answer names them.
func xOffersTLS(t *testing.T, s *Server) bool {
	t.Helper()
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", s.XPort))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{1, 0, 0, 0, 1}); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for buf := make([]byte, 4096); !bytes.Contains(got, []byte("authentication.mechanisms")); {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	return bytes.Contains(got, []byte("\x0a\x03tls"))
}

// Accounts of every plugin that a kind has can log in over TCP without TLS.
func TestUsers(t *testing.T) {
	plugins := map[bool][]Plugin{
		true:  {"", CachingSHA2, SHA256},
		false: {"", Native, Ed25519},
	}
	for _, k := range []Kind{MySQL97, MariaDB, MariaDB118, MariaDB105} {
		t.Run(k.String(), func(t *testing.T) {
			var users []User
			for i, p := range plugins[k.mysql()] {
				users = append(users, User{Name: fmt.Sprintf("u%d", i), Password: `p'a"s\w`, Plugin: p})
				if p != Ed25519 { // MariaDB before 11 lets nobody in with an empty password
					users = append(users, User{Name: fmt.Sprintf("e%d", i), Plugin: p})
				}
			}
			s := Start(t, k, NoTLS(), Users(users...))
			for _, u := range users {
				c := mysql.NewConfig()
				c.User, c.Passwd, c.Net, c.Addr = u.Name, u.Password, "tcp", s.Addr
				rows, err := dsnRows(c.FormatDSN(), "SELECT CURRENT_USER()")
				for range 2 { // the driver takes some nonces for malformed
					if errors.Is(err, mysql.ErrMalformPkt) {
						rows, err = dsnRows(c.FormatDSN(), "SELECT CURRENT_USER()")
					}
				}
				if err != nil || rows[0][0] != u.Name+"@%" {
					t.Errorf("%q with %q: %q, %v", u.Name, u.Plugin, rows, err)
				}
				if u.Plugin == "" {
					continue
				}
				if got := s.Value(t, "SELECT plugin FROM mysql.user WHERE user = ?", u.Name); got != string(u.Plugin) {
					t.Errorf("%q has the plugin %q", u.Name, got)
				}
			}
		})
	}
}

// A plugin that the server does not have is an error of the start.
func TestUnknownPlugin(t *testing.T) {
	notShort(t)
	s, err := Launch(MySQL97, Users(User{Name: "old", Plugin: Native}))
	if errors.Is(err, ErrUnavailable) {
		Unavailable(t, err)
	}
	if err == nil {
		s.Close()
		t.Fatal("MySQL 9.7 made an account with mysql_native_password")
	}
	if !strings.Contains(err.Error(), "user old") {
		t.Error(err)
	}
}

// Without grant tables MySQL is on its sockets only, MariaDB on TCP too. A
// restart can switch to it, and what is asked as anybody is answered.
func TestSkipGrantTables(t *testing.T) {
	for _, k := range Kinds {
		t.Run(k.String(), func(t *testing.T) {
			s := Start(t, k, Users(User{Name: "u"}))
			s.Restart(t, SkipGrantTables())
			if k.mysql() != (s.Port == 0) || k.mysql() != (s.Addr == "") || s.XPort != 0 {
				t.Errorf("Port %d, Addr %q, XPort %d", s.Port, s.Addr, s.XPort)
			}
			addr := map[bool]string{true: "unix(" + s.Socket + ")", false: "tcp(" + s.Addr + ")"}[k.mysql()]
			if _, err := dsnRows("nobody:nothing@"+addr+"/test", "SELECT 1"); err != nil {
				t.Error(err)
			}
			for _, socket := range []string{s.Socket, s.XSocket} {
				if socket != "" && !exists(socket) {
					t.Errorf("no socket %s", socket)
				}
			}
		})
	}
}

func TestStatusAndLog(t *testing.T) {
	for _, k := range Kinds {
		t.Run(k.String(), func(t *testing.T) {
			s := Start(t, k)
			s.LogQueries(t)
			before := s.Status(t, "Com_select")
			awkward := "SELECT 'a\tb\nc\\\\\"', 0x00ff, 'é'"
			for range 3 {
				if _, err := dsnRows(s.DSN(), awkward); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.Status(t, "Com_select") - before; n != 3 {
				t.Errorf("%d selects counted, not 3", n)
			}
			log := s.GeneralLog(t)
			for len(log) < 9 { // the last Quit may be on its way
				time.Sleep(10 * time.Millisecond)
				log = s.GeneralLog(t)
			}
			got := map[int64]string{} // commands by session
			for _, e := range log {
				got[e.Session] += e.Command + " "
				if e.Command == "Query" && e.Argument != awkward || e.Host != "127.0.0.1" {
					t.Errorf("logged: %+v", e)
				}
			}
			for id, commands := range got {
				if commands != "Connect Query Quit " {
					t.Errorf("session %d: %s", id, commands)
				}
			}
			if len(got) != 3 {
				t.Errorf("%d sessions logged", len(got))
			}
		})
	}
}

// A frozen server keeps its connections and answers later.
func TestFreeze(t *testing.T) {
	s := Start(t, MariaDB)
	c, err := s.DB().Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error)
	go func() {
		_, err := c.ExecContext(context.Background(), "DO 1")
		answer <- err
	}()
	// The query reaches the server's socket while this waits.
	select {
	case <-answer:
		t.Fatal("a frozen server answered")
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Error(err)
	}
	// Stop thaws first: otherwise it would wait for ever.
	if err := errors.Join(s.Freeze(), s.Stop()); err != nil {
		t.Error(err)
	}
}

// A start that cannot be is an error with the server's own words, and leaves
// nothing behind.
func TestBadArgument(t *testing.T) {
	notShort(t)
	s, err := Launch(MariaDB, Args("--no-such-option"))
	if errors.Is(err, ErrUnavailable) {
		Unavailable(t, err)
	}
	if err == nil {
		s.Close()
		t.Fatal("the server took --no-such-option")
	}
	if !strings.Contains(err.Error(), "no-such-option") {
		t.Error(err)
	}
}

// A taken port is found out for both protocols, so that another one is tried.
func TestPortTaken(t *testing.T) {
	for _, arg := range []string{"--port", "--mysqlx-port"} {
		t.Run(arg, func(t *testing.T) {
			notShort(t)
			taken, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			port := taken.Addr().(*net.TCPAddr).Port
			s, err := Launch(MySQL97, Args(fmt.Sprintf("%s=%d", arg, port)))
			if errors.Is(err, ErrUnavailable) {
				Unavailable(t, err)
			}
			if !errors.Is(err, errPortTaken) {
				t.Errorf("Launch: %v", err)
			}
			if err == nil {
				s.Close()
			}
		})
	}
}

// A server ends with the process that launched it, also when that is killed;
// what it left is removed by the next one.
func TestKilledProcess(t *testing.T) {
	Start(t, MariaDB).Kill() // skips where there are no servers
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cmd := helper(t, "forever", cache)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := Background(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	if _, err := fmt.Sscan(line, &pid, &dir); err != nil {
		t.Fatal(err)
	}
	if !alive(pid) || !exists(dir) {
		t.Fatalf("no server %d in %s", pid, dir)
	}
	p.Kill()
	for alive(pid) {
		time.Sleep(10 * time.Millisecond) // the test's time limit ends a wait in vain
	}
	sweep(filepath.Dir(dir))
	if exists(dir) {
		t.Errorf("%s is still there", dir)
	}
}

// Background's process ends with the test.
func TestBackground(t *testing.T) {
	var p *Process
	t.Run("inner", func(t *testing.T) {
		p = Background(t, exec.Command("sleep", "1000"))
		if !alive(p.Pid()) {
			t.Error("not running")
		}
	})
	if alive(p.Pid()) {
		t.Error("it outlived its test")
	}
	if err := p.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
}

// died tells a crash from an end that was asked for.
func TestDied(t *testing.T) {
	s := Start(t, MariaDB)
	if _, died := s.died(); died {
		t.Error("a running server has died")
	}
	s.proc.Kill()
	if tail, died := s.died(); !died || tail == "" {
		t.Errorf("a killed server: died %t, log %q", died, tail)
	}
	s.Restart(t)
	s.Kill()
	if _, died := s.died(); died {
		t.Error("a server that was to end has died")
	}
}
