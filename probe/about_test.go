package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

func open(t *testing.T, o Options) *Server {
	t.Helper()
	o.Now = now
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func about(t *testing.T, s *Server) *About {
	t.Helper()
	a, err := s.About(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAbout: what servers say of themselves, to somebody with all privileges and
// to somebody without any.
func TestAbout(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(kind.String(), func(t *testing.T) {
			s := mysqltest.Start(t, kind, mysqltest.PerformanceSchema())
			s.Exec(t, "CREATE USER low IDENTIFIED BY 'pw'", "SET GLOBAL read_only = 1")
			all := Options{Network: "unix", Address: s.Socket, User: s.User, Password: s.Password}
			p := open(t, all)
			a := about(t, p)
			if a.Version != s.Version || a.MariaDB != (kind == mysqltest.MariaDB) || a.Comment == "" || a.Port != uint64(s.Port) ||
				a.ServerID != uint64(s.Port) || (a.UUID == "") != a.MariaDB || a.Identity() == "" || a.DataDir == "" {
				t.Errorf("who it is: %+v", a)
			}
			if a.MaxConnections != 300 || a.Connections < 1 || a.MaxPrepared == 0 || !a.ReadOnly || a.SuperReadOnly || a.SQLMode == "" {
				t.Errorf("how it is: %+v", a)
			}
			if !a.PerformanceSchema || !a.Readable || !a.Process || len(a.Grants) == 0 || a.SkipGrantTables || (len(a.Off) > 0) != a.MariaDB {
				t.Errorf("what may be asked: %+v", a)
			}
			if a.Source != "" || a.Replicas != 0 || a.Cipher != "" || a.Sockets == 0 && !a.MariaDB || len(a.Unknown) != 0 {
				t.Errorf("what it is in: %+v", a)
			}
			// It is this machine's clock.
			if ahead, uncertain := a.Skew(); max(ahead, -ahead) > uncertain+int64(time.Millisecond) {
				t.Errorf("the clock is %d ns ahead, of which %d are uncertain", ahead, uncertain)
			}
			if strings.Contains(strings.Join(a.Grants, "\n"), "IDENTIFIED") {
				t.Errorf("grants with passwords: %q", a.Grants)
			}
			low := about(t, open(t, Options{Address: s.Addr, User: "low", Password: "pw"}))
			if low.Process || low.Readable || len(low.Unknown) == 0 || low.Identity() != a.Identity() || low.Account != "'low'@'%'" {
				t.Errorf("an account without privileges: %+v", low)
			}
		})
	}
}

// TestTLS: with a certificate that is verified, with one that is not, and with a
// server that has no TLS.
func TestTLS(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.PerformanceSchema())
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	o := Options{Address: s.Addr, User: s.User, Password: s.Password, Now: now, TLS: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}}
	if a := about(t, open(t, o)); a.Cipher == "" || a.Encrypted != 1 {
		t.Errorf("cipher %q, %d encrypted", a.Cipher, a.Encrypted)
	}
	o.TLS = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	if _, err := Open(context.Background(), o); err == nil {
		t.Error("a certificate of nobody known is accepted")
	}
	clear := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.NoTLS())
	o = Options{Address: clear.Addr, User: clear.User, Password: clear.Password, Now: now, TLS: &tls.Config{InsecureSkipVerify: true}}
	if _, err := Open(context.Background(), o); err == nil {
		t.Error("TLS with a server that has none")
	}
	o.Preferred = true
	if a := about(t, open(t, o)); a.Cipher != "" {
		t.Errorf("cipher %q", a.Cipher)
	}
}

// TestSkipGrantTables: a server without grant tables says so.
func TestSkipGrantTables(t *testing.T) {
	for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		s := mysqltest.Start(t, kind, mysqltest.SkipGrantTables())
		p := open(t, Options{Network: "unix", Address: s.Socket, User: "anybody"})
		if a := about(t, p); !a.SkipGrantTables || !a.Process {
			t.Errorf("%v: %+v", kind, a)
		}
	}
}

// TestRestart: a Server goes on when its server was restarted, and fails while it
// is not there, or does not answer.
func TestRestart(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	o := Options{Network: "unix", Address: s.Socket, User: s.User, Password: s.Password, Timeout: 2 * time.Second}
	p := open(t, o)
	if _, err := p.Sessions(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Sessions(context.Background()); err == nil {
		t.Error("a server that is not there answers")
	}
	s.Restart(t)
	if _, err := p.Sessions(context.Background()); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Sessions(context.Background()); err == nil {
		t.Error("a server that does not answer answers")
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.About(context.Background()); err != nil {
		t.Errorf("after a pause: %v", err)
	}
}

// TestRefused: wrong passwords, no server, no clock.
func TestRefused(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	for name, o := range map[string]Options{
		"password": {Address: s.Addr, User: s.User, Password: "wrong", Now: now},
		"port":     {Address: "127.0.0.1:1", User: s.User, Now: now},
		"clock":    {Address: s.Addr, User: s.User, Password: s.Password},
		"network":  {Network: "carrier pigeon", Address: s.Addr, User: s.User, Now: now},
	} {
		if p, err := Open(context.Background(), o); err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
}

// TestLimits: past the limits the answer ends, and that is told.
func TestLimits(t *testing.T) {
	s := mysqltest.Start(t, mysqltest.MariaDB)
	p := open(t, Options{Network: "unix", Address: s.Socket, User: s.User, Password: s.Password})
	err := p.with(context.Background(), func(a *asker) error {
		n := 0
		if more, err := a.rows("SELECT seq FROM test.seq_1_to_10", 3, func(row) { n++ }); !more || n != 3 || err != nil {
			t.Errorf("%d rows, more %v, %v", n, more, err)
		}
		a.text, n = 5, 0
		if more, err := a.rows("SELECT seq FROM test.seq_1_to_10", 10, func(row) { n++ }); !more || n != 5 || err != nil {
			t.Errorf("%d rows, more %v, %v", n, more, err)
		}
		p.budget.left.Store(1000)
		a.text = MaxText
		_, err := a.rows("SELECT REPEAT('x', 100000)", 10, func(row) { t.Error("a row over the limit") })
		return err
	})
	if err == nil {
		t.Error("more was read than the limit")
	}
	if _, err := p.Sessions(context.Background()); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestHostile: servers that say nothing, garbage, or close.
func TestHostile(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "garbage": "\x05\x00\x00\x00\xff\xff\xff\xff\xff", "long": "\xff\xff\xff\x00" + strings.Repeat("x", 1<<16),
		"text": "SSH-2.0-OpenSSH_9.2\r\n", "error": "\x11\x00\x00\x00\xff\x10\x04Too many conns",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				c.Write([]byte(answer))
				if name != "nothing" {
					c.Close()
				}
			}
		}()
		p, err := Open(context.Background(), Options{Address: l.Addr().String(), User: "u", Timeout: 200 * time.Millisecond, Now: now})
		if err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		}
		l.Close()
	}
}

// TestManySessions takes a snapshot of more sessions than one connection's
// window holds.
func TestManySessions(t *testing.T) {
	const n = 200
	s := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.PerformanceSchema(), mysqltest.MaxConnections(n+20))
	p := people{s: s, open: map[string]*person{}}
	for i := range n {
		c := p.dial(t, "v4", "utf8mb4", mysqltest.Schema)
		if _, err := c.c.ExecContext(context.Background(), "SET @me = "+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		p.open[strconv.Itoa(i)] = c
	}
	all := p.ask(t, "")
	if all.Len() != n {
		t.Errorf("%d sessions, not %d", all.Len(), n)
	}
	for name, c := range p.open {
		if got, want := tell(all, c.at), "user cap, schema \"test\", collation 255\n@me = "+name+"\n"; got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
