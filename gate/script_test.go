package gate

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"myreplay/classic"
	"myreplay/flow"
	"myreplay/tlsmode"
	"myreplay/xproto"
)

// TestExchange: authentications where a password may go in clear on one leg
// only.
//
//	exchange client=tls|clear|unix server=... plugin=...
//	begin "data"    the client's login with its data
//	client "..."    the client's next message
//	server "..."    the server's next message
//
// Messages are Go strings; KEY is the server's key, secret("pw") a password
// encrypted with the relay's key, other("pw") one with the server's.
func TestExchange(t *testing.T) {
	x := exchangeScript{t: t, nonce: []byte("abcdefghijklmnopqrst")}
	var err error
	if x.server, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&x.server.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	x.public = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	datadriven.RunTest(t, "testdata/exchange", x.run)
}

type exchangeScript struct {
	t      *testing.T
	nonce  []byte
	server *rsa.PrivateKey
	public []byte
}

func (s *exchangeScript) run(t *testing.T, td *datadriven.TestData) string {
	legs := both{{side: flow.Client}, {side: flow.Server}}
	var plugin string
	for _, a := range td.CmdArgs {
		switch a.Key {
		case "client", "server":
			l := legs[flow.Client]
			if a.Key == "server" {
				l = legs[flow.Server]
			}
			l.encrypted, l.unix = a.Vals[0] == "tls", a.Vals[0] == "unix"
		case "plugin":
			plugin = a.Vals[0]
		}
	}
	x := &exchange{legs: &legs, plugin: plugin, nonce: s.nonce, shared: s.nonce}
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(td.Input), "\n") {
		verb, text, _ := strings.Cut(line, " ")
		b := s.message(text)
		var toServer, toClient []byte
		var err error
		switch verb {
		case "begin":
			l := classic.Login{User: "u", Auth: b, Plugin: plugin, Capabilities: classic.Protocol41 | classic.SecureConnection | classic.PluginAuth | classic.PluginAuthLenenc}
			toServer, toClient, err = x.begin(loginOpener(l.Append(nil)))
		case "client":
			toServer, toClient, err = x.client(b)
		case "server":
			toClient, toServer, err = x.server(b)
		}
		fmt.Fprintf(&out, "%s\n", line)
		if toServer != nil {
			var l classic.Login
			if verb == "begin" || l.Decode(toServer) == nil && l.User == "u" {
				if err := l.Decode(toServer); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&out, "  to the server: login with %s\n", s.show(l.Auth))
			} else {
				fmt.Fprintf(&out, "  to the server: %s\n", s.show(toServer))
			}
		}
		if toClient != nil {
			fmt.Fprintf(&out, "  to the client: %s\n", s.show(toClient))
		}
		if err != nil {
			fmt.Fprintf(&out, "  refused: %v\n", err)
		}
	}
	return out.String()
}

func (s *exchangeScript) message(text string) []byte {
	k, err := relayKey()
	if err != nil {
		s.t.Fatal(err)
	}
	encrypt := func(quoted string, key []byte) []byte {
		b, err := classic.EncryptPassword(unquote(s.t, quoted), s.nonce, key)
		if err != nil {
			s.t.Fatal(err)
		}
		return b
	}
	switch name, quoted, _ := strings.Cut(strings.TrimSuffix(text, ")"), "("); name {
	case "KEY":
		return append([]byte{authMore}, s.public...)
	case "secret":
		return encrypt(quoted, k.public)
	case "other":
		return encrypt(quoted, s.public)
	}
	return []byte(unquote(s.t, text))
}

func unquote(t testing.TB, s string) string {
	text, err := strconv.Unquote(strings.TrimSpace(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return text
}

func (s *exchangeScript) show(b []byte) string {
	k, err := relayKey()
	if err != nil {
		s.t.Fatal(err)
	}
	if len(b) == 256 {
		plain, err := rsa.DecryptOAEP(sha1.New(), nil, s.server, b, nil)
		if err == nil {
			for i := range plain {
				plain[i] ^= s.nonce[i%len(s.nonce)]
			}
			return fmt.Sprintf("encrypted with the server's key %q", plain)
		}
	}
	quoted := func(b []byte) string { return strings.Trim(fmt.Sprintf("%q", b), `"`) }
	return strings.NewReplacer(quoted(k.public), "<the relay's key>", quoted(s.public), "<the server's key>").Replace(fmt.Sprintf("%q", b))
}

// TestOpen: how connections begin, with both ends played by the script.
//
//	open [tls=end|plain] [mode=...] [protocol=classic|x] [track]
//
// Each line is "S" or "C" (who) and what is sent: greeting [FLAG...] (without
// these), error CODE "text", sslrequest, login PLUGIN "data", frame SEQ "payload",
// x TYPE "payload", raw "bytes", close; or "wait DURATION". What arrives at the
// ends is printed after each line.
func TestOpen(t *testing.T) {
	datadriven.RunTest(t, "testdata/open", func(t *testing.T, td *datadriven.TestData) string {
		var out string
		synctest.Test(t, func(t *testing.T) { out = openScript(t, td) })
		return out
	})
}

// end is one end of a scripted connection.
type end struct {
	net.Conn
	mu     sync.Mutex
	got    []byte
	closed bool
	say    chan []byte // one write at a time: the bubble must see who waits
}

func newEnd() (*end, net.Conn) {
	a, b := net.Pipe()
	e := &end{Conn: a, say: make(chan []byte, 16)}
	go func() {
		for b := range e.say {
			_, _ = e.Write(b)
		}
	}()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := a.Read(buf)
			e.mu.Lock()
			e.got = append(e.got, buf[:n]...)
			e.closed = err != nil
			e.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return e, b
}

func (e *end) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.got
	e.got = nil
	if len(b) == 0 {
		return ""
	}
	if len(b) > 300 {
		return fmt.Sprintf("%q... (%d bytes)", b[:60], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func openScript(t *testing.T, td *datadriven.TestData) string {
	o := Options{Protocol: Detect}
	for _, a := range td.CmdArgs {
		switch a.Key {
		case "tls":
			o.TLS = map[string]Handling{"end": End, "plain": Plain}[a.Vals[0]]
			o.Certificate = selfSigned()
		case "mode":
			for i, n := range tlsmode.Names {
				if n == a.Vals[0] {
					o.Server.Mode = tlsmode.Mode(i)
				}
			}
		case "protocol":
			o.Protocol = map[string]Protocol{"classic": Classic, "x": X}[a.Vals[0]]
		case "track":
			o.Track = true
		}
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	client, clientLeg := newEnd()
	server, serverLeg := newEnd()
	w := &told{}
	var result string
	done := make(chan struct{})
	go func() {
		defer close(done)
		p, err := g.Open(context.Background(), clientLeg, serverLeg, w)
		switch {
		case err != nil:
			result = "error: " + err.Error()
			clientLeg.Close()
			serverLeg.Close()
		case p.Opaque:
			result = "passes, opaque"
		case p.Follow != nil:
			result = "followed"
		default:
			result = "passes"
		}
	}()
	var out strings.Builder
	report := func() {
		synctest.Wait()
		if s := client.take(); s != "" {
			fmt.Fprintf(&out, "  client gets %s\n", s)
		}
		if s := server.take(); s != "" {
			fmt.Fprintf(&out, "  server gets %s\n", s)
		}
		select {
		case <-done:
			if result != "" {
				fmt.Fprintf(&out, "  %s\n", result)
				result = ""
			}
		default:
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(td.Input), "\n") {
		fmt.Fprintf(&out, "%s\n", line)
		f := strings.Fields(line)
		switch {
		case f[0] == "wait":
			d, err := time.ParseDuration(f[1])
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
		case f[1] == "close":
			map[string]*end{"C": client, "S": server}[f[0]].Close()
		default:
			e := map[string]*end{"C": client, "S": server}[f[0]]
			b := scripted(t, strings.TrimPrefix(line, f[0]+" "))
			e.say <- b
		}
		report()
	}
	time.Sleep(2 * time.Second) // past lingering
	report()
	client.Close()
	server.Close()
	close(client.say)
	close(server.say)
	<-done
	fmt.Fprintf(&out, "told: %s\n", toldText(w))
	return out.String()
}

// toldText returns how much was told of each side.
func toldText(w *told) string {
	var n [2]int
	for _, p := range w.pieces {
		n[p.side] += len(p.b)
	}
	return fmt.Sprintf("%d bytes of the client, %d of the server", n[flow.Client], n[flow.Server])
}

const loginCaps = classic.Protocol41 | classic.SecureConnection | classic.PluginAuth | classic.LongPassword

func scripted(t *testing.T, line string) []byte {
	f := strings.Fields(line)
	frame := func(seq byte, payload []byte) []byte {
		b, _ := classic.AppendFrames(nil, seq, payload)
		return b
	}
	rest := func(n int) []byte { return []byte(unquote(t, strings.Join(f[n:], " "))) }
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	switch f[0] {
	case "greeting":
		g := classic.Greeting{Version: "8.0", Nonce: []byte("abcdefghijklmnopqrst"), Plugin: classic.PluginCaching,
			Capabilities: loginCaps | classic.SSL | classic.Compress | classic.SessionTrack}
		for _, flag := range f[1:] {
			g.Capabilities &^= map[string]classic.Capability{"SSL": classic.SSL, "TRACK": classic.SessionTrack}[flag]
		}
		return frame(0, g.Append(nil))
	case "error":
		e := classic.ERR{Code: uint16(number(f[1])), Message: rest(2)}
		return frame(0, e.Append(nil))
	case "sslrequest":
		l := classic.Login{Capabilities: loginCaps | classic.SSL}
		return frame(1, l.AppendSSLRequest(nil))
	case "login":
		l := classic.Login{Capabilities: loginCaps, User: "u", Plugin: f[1], Auth: rest(2)}
		return frame(1, l.Append(nil))
	case "frame":
		return frame(byte(number(f[1])), rest(2))
	case "x":
		return xproto.AppendFrame(nil, byte(number(f[1])), rest(2))
	case "raw":
		return rest(1)
	}
	t.Fatalf("%q", line)
	return nil
}

// FuzzOpen: whatever both ends say before a login, Open ends, reads no more than
// it may, and passes on all that it told.
func FuzzOpen(f *testing.F) {
	greeting := classic.Greeting{Version: "8.0", Nonce: []byte("abcdefghijklmnopqrst"), Plugin: classic.PluginCaching, Capabilities: loginCaps | classic.SSL}
	g, _ := classic.AppendFrames(nil, 0, greeting.Append(nil))
	login := classic.Login{Capabilities: loginCaps, User: "u", Plugin: classic.PluginSHA256, Auth: []byte{1}}
	l, _ := classic.AppendFrames(nil, 1, login.Append(nil))
	ok, _ := classic.AppendFrames(nil, 2, []byte{0, 0, 0, 2, 0, 0, 0})
	f.Add(g, l, byte(0))
	f.Add(append(g, ok...), l, byte(1))
	f.Add(append(g, ok...), l, byte(2))
	f.Add(append(g, ok...), append(l, l...), byte(6))
	set := xproto.CapabilitiesSet{Capabilities: xproto.Capabilities{List: []xproto.Field{{Key: "tls", Value: xproto.Truth(true)}}}}
	x := xproto.AppendFrame(nil, byte(xproto.ConCapabilitiesSet), set.Append(nil))
	f.Add(append(xproto.AppendFrame(nil, 11, nil), xproto.AppendFrame(nil, 0, nil)...), x, byte(0))
	f.Add([]byte{}, x, byte(2))
	f.Fuzz(func(t *testing.T, server, client []byte, how byte) {
		o := Options{TLS: []Handling{Pass, Plain, Plain, End}[how&3], Certificate: selfSigned(), Track: how&4 != 0}
		if how&3 == 2 {
			o.Server.Mode = tlsmode.Preferred
		}
		gate, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		c, s := &fake{in: client}, &fake{in: server}
		w := &told{}
		p, err := gate.Open(context.Background(), c, s, w)
		if err != nil || p.Follow != nil || o.TLS != Pass || o.Track {
			return
		}
		var n [2]int
		for _, piece := range w.pieces {
			n[piece.side] += len(piece.b)
		}
		if n[flow.Client] != len(s.out) || n[flow.Server] != len(c.out) {
			t.Fatalf("told %v, passed %d and %d", n, len(s.out), len(c.out))
		}
		if n[flow.Client]+len(c.in) != len(client) || n[flow.Server]+len(s.in) != len(server) {
			t.Fatal("bytes were read that were not passed on")
		}
	})
}

// fake is a connection that has said all it will say.
type fake struct {
	net.Conn
	mu      sync.Mutex
	in, out []byte
}

func (f *fake) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, f.in)
	f.in = f.in[n:]
	return n, nil
}

func (f *fake) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out = append(f.out, b...)
	return len(b), nil
}

func (f *fake) Close() error                     { return nil }
func (f *fake) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (f *fake) SetDeadline(time.Time) error      { return nil }
func (f *fake) SetReadDeadline(time.Time) error  { return nil }
func (f *fake) SetWriteDeadline(time.Time) error { return nil }
