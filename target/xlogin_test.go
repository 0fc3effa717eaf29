package target

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"myreplay/session"
	"myreplay/tlsmode"
	"myreplay/xproto"
)

// letsIn plays a server's side of a login: it knows the password, and of the
// hashes only those that it remembers.
func letsIn(remembers ...string) func(mechanism, schema, user, answer string, challenge []byte) string {
	return func(mechanism, schema, user, answer string, challenge []byte) string {
		want := "*" // never
		switch mechanism {
		case xproto.MechanismPlain:
			want = testPassword
		case xproto.MechanismSHA256:
			want = strings.Split(string(xproto.SHA256Data(schema, user, testPassword, challenge)), "\x00")[2]
		case xproto.MechanismNative:
			want = strings.Split(string(xproto.NativeData(schema, user, testPassword, challenge)), "\x00")[2]
		}
		if mechanism != xproto.MechanismPlain && !slices.Contains(remembers, mechanism) || answer != want {
			return "err 1045 Access denied"
		}
		return ""
	}
}

func connectX(t *testing.T, fake *fakeX, url string, start *session.Start) (*XConn, error) {
	t.Helper()
	u, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(u, fake.options(Options{Users: OneUser("", testPassword)}))
	if err != nil {
		t.Fatal(err)
	}
	if start == nil {
		start = &session.Start{Login: session.Login{Known: true, User: "app", Schema: "shop"}}
	}
	c, err := s.ConnectX(t.Context(), start)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// Which mechanisms are tried, in which order, and what is said when none works.
func TestXMechanisms(t *testing.T) {
	for _, test := range []struct {
		name      string
		offers    string
		socket    bool
		remembers string
		want      string // logins tried
		err       error
	}{
		{"the hash is known", "SHA256_MEMORY", false, "SHA256_MEMORY", "SHA256_MEMORY", nil},
		{"it is not", "SHA256_MEMORY", false, "", "SHA256_MEMORY", ErrHashUnknown},
		{"an account with the older hash", "MYSQL41 SHA256_MEMORY", false, "MYSQL41", "SHA256_MEMORY MYSQL41", nil},
		{"neither", "MYSQL41 SHA256_MEMORY", false, "", "SHA256_MEMORY MYSQL41", ErrHashUnknown},
		{"5.7", "MYSQL41", false, "MYSQL41", "MYSQL41", nil},
		{"the password in clear is never sent in the clear", "PLAIN", false, "", "", ErrMechanism},
		{"a socket", "PLAIN SHA256_MEMORY", true, "", "PLAIN", nil},
		{"a socket that takes no password", "MYSQL41", true, "MYSQL41", "MYSQL41", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := &fakeX{offers: strings.Fields(test.offers), socket: test.socket, lets: letsIn(strings.Fields(test.remembers)...)}
			c, err := connectX(t, fake, "mysqlx://127.0.0.1/", nil)
			if !errors.Is(err, test.err) {
				t.Fatalf("%v, want %v", err, test.err)
			}
			var ce *ConnectError
			if test.err != nil && (!errors.As(err, &ce) || ce.User != "app" || test.err == ErrHashUnknown && (ce.Refused == nil || ce.Refused.Code != errAccessDenied)) {
				t.Errorf("%#v", err)
			}
			var tried []string
			for _, w := range fake.who {
				mechanism, rest, _ := strings.Cut(w, " ")
				if !strings.HasPrefix(rest, "app@shop") {
					t.Errorf("login %q", w)
				}
				tried = append(tried, mechanism)
			}
			if got := strings.Join(tried, " "); got != test.want {
				t.Errorf("tried %s, want %s", got, test.want)
			}
			if err == nil && c.Start().Login.Plugin != tried[len(tried)-1] {
				t.Errorf("start %+v", c.Start())
			}
		})
	}
}

// A wrong password where the password itself is sent is just that.
func TestXWrongPassword(t *testing.T) {
	fake := &fakeX{socket: true, lets: func(_, _, _, _ string, _ []byte) string { return "err 1045 Access denied" }}
	_, err := connectX(t, fake, "mysqlx://127.0.0.1/", nil)
	var ce *ConnectError
	if !errors.As(err, &ce) || ce.Step != "login" || ce.Refused == nil || ce.Err != error(ce.Refused) {
		t.Error(err)
	}
	fake = &fakeX{socket: true, lets: func(_, _, _, _ string, _ []byte) string { return "err 1862 Your password has expired" }}
	if _, err := connectX(t, fake, "mysqlx://127.0.0.1/", nil); !errors.Is(err, ErrPasswordExpired) {
		t.Error(err)
	}
}

// What the recorded session had set goes out again, each by itself: what an old
// server does not know is left out.
func TestXCapabilities(t *testing.T) {
	start := &session.Start{ID: 5, Copy: 2, Protocol: session.X, Login: session.Login{Known: true, User: "app", Compression: "zstd_stream",
		Capabilities: xproto.Interactive | xproto.ExpiredPasswordOK, Attributes: []session.Attribute{{Name: "program_name", Value: "shop"}}}}
	fake := &fakeX{refuses: map[string]string{xproto.CapabilityAttributes: "5002 Capability 'session_connect_attrs' doesn't exist"}}
	c, err := connectX(t, fake, "mysqlx://127.0.0.1/?compress=as-recorded", start)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"set client.interactive", "set client.pwd_expire_ok", "set compression", "SHA256_MEMORY app@"}; !slices.Equal(fake.who, want) {
		t.Errorf("%q", fake.who)
	}
	if n := c.server.Stats().NotOffered; n != 1 {
		t.Errorf("%d counted", n)
	}
	got := c.Start()
	if got.Of != 5 || got.Copy != 2 || got.Protocol != session.X || got.ConnectionID != 42 || !got.Login.Known ||
		got.Login.User != "app" || got.Login.Compression != "zstd_stream" || got.Encrypted {
		t.Errorf("start %+v", got)
	}
}

// A session that was joined in mid-life gets the URL's schema.
func TestXUnknownSchema(t *testing.T) {
	for url, want := range map[string]string{"mysqlx://127.0.0.1/shop": "shop", "mysqlx://127.0.0.1": ""} {
		fake := &fakeX{}
		c, err := connectX(t, fake, url, &session.Start{Joined: true})
		if err != nil {
			t.Fatal(err)
		}
		if c.Start().Login.Schema != want || c.server.Stats().SchemasUnknown != map[string]uint64{"shop": 0, "": 1}[want] {
			t.Errorf("%s: %+v %+v", url, c.Start(), c.server.Stats())
		}
	}
}

// Compression that was asked for by name must be there; as recorded, it is left
// out where it is not.
func TestXCompressionRefused(t *testing.T) {
	refuses := map[string]string{xproto.CapabilityCompression: "5175 Invalid or unsupported value"}
	if _, err := connectX(t, &fakeX{refuses: refuses}, "mysqlx://127.0.0.1/?compress=lz4_message", nil); !errors.Is(err, ErrNoXCompression) {
		t.Error(err)
	}
	start := &session.Start{Login: session.Login{Compression: "deflate_stream"}}
	c, err := connectX(t, &fakeX{refuses: refuses}, "mysqlx://127.0.0.1/?compress=as-recorded", start)
	if err != nil || c.Start().Login.Compression != "" || c.server.Stats().Uncompressed != 1 {
		t.Error(err)
	}
}

// TLS that must be is refused, or not there; TLS that may be goes without.
func TestXNoTLS(t *testing.T) {
	refuses := map[string]string{xproto.CapabilityTLS: "5001 Capability prepare failed for 'tls'"}
	for _, fake := range []*fakeX{{}, {tls: true, refuses: refuses}} {
		if _, err := connectX(t, fake, "mysqlx://127.0.0.1/?tls=required", nil); !errors.Is(err, ErrNoTLS) {
			t.Error(err)
		}
	}
	for _, fake := range []*fakeX{{}, {tls: true, refuses: refuses}} {
		if c, err := connectX(t, fake, "mysqlx://127.0.0.1/?tls=preferred", nil); err != nil || c.Start().Encrypted {
			t.Error(err)
		}
	}
}

// says is a server that says something, whatever it hears.
func says(say []byte) func(context.Context, *session.Start) (net.Conn, error) {
	return func(context.Context, *session.Start) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			if _, err := server.Write(say); err != nil {
				return
			}
			buf := make([]byte, 1<<12)
			for {
				if _, err := server.Read(buf); err != nil {
					return
				}
			}
		}()
		// The client speaks first.
		return &eager{Conn: client}, nil
	}
}

// eager is a connection whose writes go nowhere.
type eager struct{ net.Conn }

func (*eager) Write(b []byte) (int, error) { return len(b), nil }

// What is no server of the X Protocol is named at once.
func TestXOtherServer(t *testing.T) {
	greeting, err := hex.DecodeString("4a0000000a382e302e333000")
	if err != nil {
		t.Fatal(err)
	}
	bytesAfter := xproto.AppendFrame(nil, byte(xproto.ConnCapabilities),
		(&xproto.Capabilities{List: []xproto.Field{{Key: xproto.CapabilityTLS, Value: xproto.Truth(true)}}}).Append(nil))
	bytesAfter = xproto.AppendFrame(bytesAfter, byte(xproto.OK), nil)
	bytesAfter = xproto.AppendFrame(bytesAfter, byte(xproto.Notice), nil)
	fatal := (&xproto.Error{Fatal: true, Code: 1040, Message: []byte("Too many connections")}).Append(nil)
	for _, test := range []struct {
		name, say, step, want string
	}{
		{"classic", string(greeting), "greeting", "the classic protocol's port"},
		{"classic, with an error", "\x10\x00\x00\x00\xff\x69\x04Host is blocked", "greeting", "the classic protocol's port"},
		{"another", "SSH-2.0-OpenSSH\r\n", "greeting", "not a server of the X Protocol"},
		{"busy", string(xproto.AppendFrame(nil, byte(xproto.ServerError), fatal)), "greeting", "Too many connections"},
		{"words put in before TLS", string(bytesAfter), "TLS", "bytes after it, before TLS"},
	} {
		u, err := Parse("mysqlx://127.0.0.1/?tls=required")
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(u, Options{Users: OneUser("a", "b"), Dial: says([]byte(test.say))})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.ConnectX(t.Context(), &session.Start{})
		var ce *ConnectError
		if !errors.As(err, &ce) || ce.Step != test.step || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// A session is replayed where its protocol is spoken.
func TestProtocol(t *testing.T) {
	for _, test := range []struct {
		url string
		p   session.Protocol
		x   bool // asked as X
		ok  bool
	}{
		{"mysql://127.0.0.1", session.Classic, false, true},
		{"mysql://127.0.0.1", session.X, false, false},
		{"mysql://127.0.0.1", session.X, true, false},
		{"mysqlx://127.0.0.1", session.X, true, true},
		{"mysqlx://127.0.0.1", session.Unknown, true, true},
		{"mysqlx://127.0.0.1", session.Classic, true, false},
		{"mysqlx://127.0.0.1", session.Classic, false, false},
	} {
		u, err := Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Users: OneUser("a", ""), Dial: func(context.Context, *session.Start) (net.Conn, error) { return nil, errTest }}
		s, err := New(u, o)
		if err != nil {
			t.Fatal(err)
		}
		start := &session.Start{Protocol: test.p}
		if test.x {
			_, err = s.ConnectX(t.Context(), start)
		} else {
			_, err = s.Connect(t.Context(), start)
		}
		if errors.Is(err, ErrProtocol) == test.ok {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// In the X Protocol an id of KILL names nobody.
func TestXLive(t *testing.T) {
	c, err := connectX(t, &fakeX{}, "mysqlx://127.0.0.1", &session.Start{ConnectionID: 7})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.server.Live(0, 7); ok {
		t.Error("KILL would find it")
	}
	if id, ok := c.server.counterpart(0, 7); !ok || id != 42 {
		t.Error("kill_client would not find it")
	}
	c.Close()
	if _, ok := c.server.counterpart(0, 7); ok {
		t.Error("kill_client would find it")
	}
}

// The mode of TLS is that of the classic protocol.
func TestXTLSMode(t *testing.T) {
	u, err := Parse("mysqlx://db.example")
	if err != nil || u.tlsMode() != tlsmode.VerifyIdentity {
		t.Error(err, u)
	}
}
