package gate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"myreplay/flow"
	"myreplay/internal/mysqltest"
	"myreplay/tlsmode"
	"myreplay/xproto"
)

const xdevapi = `
const x = require('@mysql/xdevapi');
(async () => {
  const [port, user, password, auth] = process.argv.slice(-4);
  const s = await x.getSession({host: '127.0.0.1', port: +port, user, password, schema: 'test', tls: {enabled: true}, auth: auth === '-' ? undefined : auth});
  const r = await s.sql("select 6*7, repeat('x', 100000)").execute();
  const row = r.fetchOne();
  console.log(Number(row[0]), row[1].length);
  await s.close();
})().catch(e => { console.log('FAILED', e.message, e.info && e.info.code); process.exit(1); });
`

// readX decodes what was told of an X connection and returns the names of the
// messages up to the login's end.
func (t *told) readX() (words []string, err error) {
	var s xproto.State
	framers := [2]xproto.Framer{}
	for _, p := range t.pieces {
		if p.tls {
			s.TLSDone()
			words = append(words, "tls")
			continue
		}
		framers[p.side].Feed(p.b)
		for {
			var f xproto.Frame
			ok, err := framers[p.side].Next(&f)
			if err != nil {
				return words, err
			}
			if !ok {
				break
			}
			before := s.Phase
			name := "C:" + xproto.ClientMessage(f.Type).String()
			if p.side == flow.Client {
				err = s.Client(&f)
			} else {
				_, _, _, err = s.Server(&f)
				name = "S:" + xproto.ServerMessage(f.Type).String()
			}
			if err != nil {
				return words, fmt.Errorf("%v: %w", p.side, err)
			}
			if before != xproto.Ready {
				words = append(words, name)
			}
		}
	}
	for side := range framers {
		if !framers[side].Between() {
			return words, errors.New("ends within a frame")
		}
	}
	return words, nil
}

func xStory(t testing.TB, list []*told) string {
	t.Helper()
	if len(list) != 1 {
		t.Fatalf("%d connections", len(list))
	}
	words, err := list[0].readX()
	if err != nil {
		t.Errorf("what was told can't be read: %v (after %v)", err, words)
	}
	return strings.Join(words, " ")
}

// TestXdevapi: the real client of the X Protocol, which uses TLS.
func TestXdevapi(t *testing.T) {
	hello := mysqltest.Start(t, mysqltest.MySQL97)
	silent := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.Args("--mysqlx-enable-hello-notice=OFF"))
	for _, w := range ways {
		if !w.tls {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			for _, db := range []*mysqltest.Server{hello, silent} {
				for _, protocol := range []Protocol{Detect, X} {
					o := w.options()
					o.Protocol = protocol
					p := listen(t, o, fmt.Sprintf("127.0.0.1:%d", db.XPort))
					db.Exec(t, "FLUSH PRIVILEGES")
					run := func(auth string) string {
						return runs(t, mysqltest.Node(t, xdevapi, p.port(), db.User, db.Password, auth))
					}
					if w.server == tlsmode.Disabled {
						// Nothing but a hash can go to the server, which has to know one.
						out := run("PLAIN")
						if !strings.Contains(out, "FAILED") || !strings.Contains(out, "let the relay use TLS") {
							t.Error(out)
						}
						p.take(t)
						warmX(t, db)
					}
					if out := run("PLAIN"); out != "42 100000\n" {
						t.Error(out)
					}
					list := p.take(t)
					if list[0].opaque != w.opaque || list[0].follow {
						t.Errorf("opaque=%v follow=%v", list[0].opaque, list[0].follow)
					}
					if !w.opaque {
						s := xStory(t, list)
						if !strings.Contains(s, "S:OK tls C:") {
							t.Error(s)
						}
					}
				}
			}
		})
	}
}

// warmX logs in over TLS, so that the server knows the hash of the password.
func warmX(t *testing.T, db *mysqltest.Server) {
	t.Helper()
	if out := runs(t, mysqltest.Node(t, xdevapi, fmt.Sprint(db.XPort), db.User, db.Password, "PLAIN")); out != "42 100000\n" {
		t.Fatal(out)
	}
}

// xClient is a bare client of the X Protocol.
type xClient struct {
	t      testing.TB
	c      net.Conn
	framer xproto.Framer
	buf    [4096]byte
}

func dialX(t testing.TB, addr string) *xClient {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &xClient{t: t, c: c}
}

func (x *xClient) send(kind xproto.ClientMessage, payload []byte) {
	if _, err := x.c.Write(xproto.AppendFrame(nil, byte(kind), payload)); err != nil {
		x.t.Fatal(err)
	}
}

// answer returns the next message that is no notice.
func (x *xClient) answer() (xproto.ServerMessage, []byte) {
	for {
		var f xproto.Frame
		ok, err := x.framer.Next(&f)
		if err != nil {
			x.t.Fatal(err)
		}
		if ok && f.Type != byte(xproto.Notice) {
			return xproto.ServerMessage(f.Type), append([]byte(nil), f.Payload...)
		}
		if ok {
			continue
		}
		n, err := x.c.Read(x.buf[:])
		if err != nil {
			x.t.Fatalf("the connection: %v", err)
		}
		x.framer.Feed(x.buf[:n])
	}
}

func (x *xClient) set(name string, v xproto.Any) (xproto.ServerMessage, []byte) {
	s := xproto.CapabilitiesSet{Capabilities: xproto.Capabilities{List: []xproto.Field{{Key: name, Value: v}}}}
	x.send(xproto.ConCapabilitiesSet, s.Append(nil))
	return x.answer()
}

func (x *xClient) login(user, password string) (xproto.ServerMessage, []byte) {
	start := xproto.AuthenticateStart{Mechanism: xproto.MechanismSHA256}
	x.send(xproto.SessAuthenticateStart, start.Append(nil))
	m, b := x.answer()
	if m != xproto.AuthenticateContinue {
		return m, b
	}
	var challenge xproto.AuthData
	if err := challenge.Decode(b); err != nil {
		x.t.Fatal(err)
	}
	data := xproto.AuthData{Data: xproto.SHA256Data("test", user, password, challenge.Data)}
	x.send(xproto.SessAuthenticateContinue, data.Append(nil))
	return x.answer()
}

// errorOf returns the words of an Error.
func errorOf(b []byte) string {
	var e xproto.Error
	if err := e.Decode(b); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s fatal=%v", e.Code, e.Message, e.Fatal)
}

// TestXClear: a client that stays in the clear.
func TestXClear(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97)
	for _, w := range ways {
		if w.tls {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			warmX(t, db)
			p := listen(t, w.options(), fmt.Sprintf("127.0.0.1:%d", db.XPort))
			x := dialX(t, p.addr)
			x.send(xproto.ConCapabilitiesGet, nil)
			m, b := x.answer()
			var caps xproto.Capabilities
			if err := caps.Decode(b); m != xproto.ConnCapabilities || err != nil {
				t.Fatal(m, err)
			}
			if has := caps.Get(xproto.CapabilityTLS) != nil; has != (w.handle != Plain) {
				t.Errorf("TLS is offered: %v", has)
			}
			if w.handle == Plain {
				if m, b := x.set(xproto.CapabilityTLS, xproto.Truth(true)); m != xproto.ServerError || errorOf(b) != "5001 Capability prepare failed for 'tls' fatal=false" {
					t.Error(m, errorOf(b))
				}
			}
			if m, _ := x.set(xproto.CapabilityExpired, xproto.Truth(true)); m != xproto.OK {
				t.Error(m)
			}
			if m, b := x.login(db.User, db.Password); m != xproto.AuthenticateOK {
				t.Error(m, errorOf(b))
			}
			x.send(xproto.ConClose, nil)
			if m, _ := x.answer(); m != xproto.OK {
				t.Error(m)
			}
			x.c.Close()
			xStory(t, p.take(t))
		})
	}
}

// TestXVerify: what a client reads when the server is not to be trusted.
func TestXVerify(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MySQL97)
	bare := mysqltest.Start(t, mysqltest.MySQL97, mysqltest.NoTLS())
	for _, c := range []struct {
		what   string
		db     *mysqltest.Server
		mode   tlsmode.Mode
		handle Handling
		tls    bool
		want   string
	}{
		{"untrusted", db, tlsmode.VerifyCA, End, true, "name the certificates to trust"},
		{"untrusted, client clear", db, tlsmode.VerifyCA, Plain, false, "name the certificates to trust"},
		{"no TLS", bare, tlsmode.Required, End, true, "the server offers no TLS"},
		{"no TLS, client clear", bare, tlsmode.Required, Plain, false, "the server offers no TLS"},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := Options{TLS: c.handle, Certificate: selfSigned(), Server: tlsmode.Config{Mode: c.mode}}
			p := listen(t, o, fmt.Sprintf("127.0.0.1:%d", c.db.XPort))
			x := dialX(t, p.addr)
			var m xproto.ServerMessage
			var b []byte
			if c.tls {
				if m, b = x.set(xproto.CapabilityTLS, xproto.Truth(true)); m == xproto.OK {
					x.c = tls.Client(x.c, &tls.Config{InsecureSkipVerify: true})
					x.send(xproto.ConCapabilitiesGet, nil)
					m, b = x.answer()
				}
			} else {
				m, b = x.login("cap", "cappw")
			}
			if m != xproto.ServerError || !strings.Contains(errorOf(b), c.want) || !strings.Contains(errorOf(b), "fatal=true") {
				t.Error(m, errorOf(b))
			}
			if list := p.take(t); list[0].err == nil || !strings.Contains(list[0].err.Error(), c.want) {
				t.Error(list[0].err)
			}
		})
	}
}
