package gate

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"myreplay/classic"
	"myreplay/internal/mysqltest"
	"myreplay/tlsmode"
)

// rawClient is a bare client of the classic protocol.
type rawClient struct {
	t      testing.TB
	c      net.Conn
	state  classic.State
	framer classic.Framer
	frame  classic.Frame
	buf    [32 << 10]byte
	states int // OK packets with session states
}

// dialRaw logs in as a user with mysql_native_password.
func dialRaw(t testing.TB, addr string, useTLS bool, caps classic.Capability) *rawClient {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	r := &rawClient{t: t, c: c}
	r.await()
	l := classic.Login{MaxPacket: 1 << 30, Collation: 45, User: "cap", Schema: "test", Plugin: classic.PluginNative,
		Auth: classic.ScrambleNative("cappw", r.state.Greeting.Nonce),
		Capabilities: classic.Protocol41 | classic.SecureConnection | classic.PluginAuth | classic.ConnectWithDB | classic.LocalFiles |
			classic.MultiStatements | classic.MultiResults | classic.PSMultiResults | classic.LongPassword | caps}
	seq := byte(1)
	if useTLS {
		l.Capabilities |= classic.SSL
		r.send(seq, l.AppendSSLRequest(nil))
		r.c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		r.state.TLSDone()
		seq++
	}
	r.send(seq, l.Append(nil))
	if part := r.await(); part != classic.PartLoginOK {
		t.Fatalf("login: %v %s", part, r.state.ERR.Message)
	}
	return r
}

// send sends a frame, in one piece, or two by two bytes when it is short.
func (r *rawClient) send(seq byte, payload []byte) {
	r.t.Helper()
	b, next := classic.AppendFrames(nil, seq, payload)
	f := classic.Frame{Seq: seq, Last: next - 1, Payload: payload, Size: uint64(len(payload))}
	if _, err := r.state.Client(&f); err != nil {
		r.t.Fatal(err)
	}
	r.write(b)
}

func (r *rawClient) write(b []byte) {
	if len(b) < 100 {
		for i := 0; i < len(b); i += 2 {
			if _, err := r.c.Write(b[i:min(i+2, len(b))]); err != nil {
				r.t.Fatal(err)
			}
		}
		return
	}
	if _, err := r.c.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// await reads a frame.
func (r *rawClient) await() classic.ServerPart {
	part, _ := r.next()
	return part
}

func (r *rawClient) next() (classic.ServerPart, bool) {
	r.t.Helper()
	for {
		ok, err := r.framer.Next(&r.frame)
		if err != nil {
			r.t.Fatal(err)
		}
		if ok {
			part, done, err := r.state.Server(&r.frame)
			if err != nil {
				r.t.Fatal(err)
			}
			if r.state.OK.Status&classic.StatusSessionStateChanged != 0 {
				r.states++
			}
			return part, done
		}
		n, err := r.c.Read(r.buf[:])
		if err != nil {
			r.t.Fatalf("reading: %v", err)
		}
		r.framer.Feed(r.buf[:n])
	}
}

// reply reads to the end of a reply and returns a word about it.
func (r *rawClient) reply() string {
	r.t.Helper()
	rows, size := 0, uint64(0)
	for {
		part, done := r.next()
		switch part {
		case classic.PartRow:
			rows++
			size += r.frame.Size
		case classic.PartError:
			return fmt.Sprintf("error %d", r.state.ERR.Code)
		}
		if done {
			return fmt.Sprintf("%d rows %d bytes", rows, size)
		}
	}
}

func (r *rawClient) query(sql string) string {
	r.t.Helper()
	r.send(0, append([]byte{byte(classic.ComQuery)}, sql...))
	return r.reply()
}

// TestFollow: what is rare passes a gate that understands every frame as it
// passes none: frames over 16 MiB both ways, LOCAL INFILE with over 256 pieces,
// cursors, RESET_CONNECTION, and commands sent without waiting.
func TestFollow(t *testing.T) {
	db := mysqltest.Start(t, mysqltest.MariaDB, mysqltest.Args("--max-allowed-packet=64M", "--local-infile=1"))
	for _, c := range []struct {
		name string
		o    Options
		tls  bool
	}{
		{"none", Options{}, false},
		{"mixed", Options{TLS: Plain, Server: tlsmode.Config{Mode: tlsmode.Required}}, false},
		{"mixed the other way", Options{TLS: End, Certificate: selfSigned(), Server: tlsmode.Config{Mode: tlsmode.Disabled}}, true},
		{"track", Options{Track: true}, false},
		{"track, tls", Options{Track: true, TLS: End, Certificate: selfSigned()}, true},
		{"track, mixed", Options{Track: true, TLS: Plain, Server: tlsmode.Config{Mode: tlsmode.Required}}, false},
	} {
		for _, caps := range []classic.Capability{0, classic.DeprecateEOF} {
			t.Run(fmt.Sprintf("%s %v", c.name, caps), func(t *testing.T) {
				p := listen(t, c.o, db.Addr)
				r := dialRaw(t, p.addr, c.tls, caps)
				r.rare()
				if r.states > 0 {
					t.Errorf("the client saw %d session states", r.states)
				}
				r.send(0, []byte{byte(classic.ComQuit)})
				_, _ = io.Copy(io.Discard, r.c)
				r.c.Close()
				s := story(t, p.take(t))
				if got := strings.Contains(s, "state:0:sql_mode"); got != c.o.Track {
					t.Errorf("session states were told: %v: %s", got, s)
				}
			})
		}
	}
}

func (r *rawClient) rare() {
	t := r.t
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	is("set", r.query("set sql_mode='ANSI_QUOTES'"), "0 rows 0 bytes")
	long := strings.Repeat("x", 17<<20)
	is("17 MiB to the server", r.query("select length('"+long+"')"), "1 rows 9 bytes")
	is("17 MiB from the server", r.query("select repeat('x', 17*1024*1024)"), fmt.Sprintf("1 rows %d bytes", 17<<20+9))
	is("16 MiB less 1 from the server", r.query("select repeat('x', 16777215-4)"), fmt.Sprintf("1 rows %d bytes", 0xffffff))
	is("100 KiB", r.query("select repeat('x', 100000), 1 union all select 2, 3"), "2 rows 100010 bytes")

	is("drop", r.query("create or replace table t (a text)"), "0 rows 0 bytes")
	r.send(0, append([]byte{byte(classic.ComQuery)}, "load data local infile 'f' into table t"...))
	if part := r.await(); part != classic.PartFileRequest {
		t.Fatal(part)
	}
	seq := r.frame.Last
	for i := range 600 {
		seq++
		// Its pieces look like a CHANGE_USER, and like a RESET_CONNECTION.
		r.send(seq, append([]byte{[]byte{byte(classic.ComChangeUser), byte(classic.ComResetConnection)}[i%2]}, " row\n"...))
	}
	r.send(seq+1, nil)
	is("load data", r.reply(), "0 rows 0 bytes")
	is("loaded", r.query("select count(*) from t"), "1 rows 4 bytes")

	r.send(0, append([]byte{byte(classic.ComStmtPrepare)}, "select a from t"...))
	r.reply()
	id := r.state.Prepared.Statement
	execute := []byte{byte(classic.ComStmtExecute), byte(id), byte(id >> 8), 0, 0, 1, 1, 0, 0, 0}
	r.send(0, execute)
	is("cursor", r.reply(), "0 rows 0 bytes")
	r.send(0, []byte{byte(classic.ComStmtFetch), byte(id), byte(id >> 8), 0, 0, 10, 0, 0, 0})
	if got := r.reply(); !strings.HasPrefix(got, "10 rows") {
		t.Error(got)
	}

	// All at once: the third answer must be the first after the reset.
	var all []byte
	for _, payload := range [][]byte{
		append([]byte{byte(classic.ComQuery)}, "set @a = 'x'"...),
		{byte(classic.ComResetConnection)},
		append([]byte{byte(classic.ComQuery)}, "select concat(coalesce(@a, 'gone'), @@sql_mode)"...),
		{byte(classic.ComPing)},
	} {
		b, _ := classic.AppendFrames(nil, 0, payload)
		f := classic.Frame{Payload: payload, Size: uint64(len(payload))}
		if _, err := r.state.Client(&f); err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	r.write(all)
	for range 2 {
		r.reply()
	}
	var row []byte
	for done := false; !done; {
		var part classic.ServerPart
		if part, done = r.next(); part == classic.PartRow {
			row = bytes.Clone(r.frame.Payload)
		}
	}
	if !bytes.Contains(row, []byte("gone")) {
		t.Errorf("after the reset: %q", row)
	}
	r.reply()
	is("set again", r.query("set sql_mode=''"), "0 rows 0 bytes")
	is("wrong", r.query("selec"), "error 1064")
	is("several", r.query("set @b = 1; select 1; set @c = 2"), "1 rows 2 bytes")
}
