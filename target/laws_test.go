package target

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/session"
)

// talk draws a conversation, as a script for the recording and one for the
// target, which names its prepared statements otherwise.
type talk struct {
	t            *rapid.T
	source, fake strings.Builder
	open         []uint32 // statements
	next         uint32
}

// both adds lines to both scripts; # stands for the statement's id.
func (k *talk) both(id uint32, lines ...string) {
	for _, l := range lines {
		fmt.Fprintln(&k.source, strings.ReplaceAll(l, "#", fmt.Sprint(id)))
		fmt.Fprintln(&k.fake, strings.ReplaceAll(l, "#", fmt.Sprint(id*7+100)))
	}
}

func (k *talk) exchange(n int) {
	kind := rapid.IntRange(0, 13).Draw(k.t, "exchange")
	if len(k.open) == 0 && kind > 8 {
		kind = 0
	}
	id := uint32(0)
	if len(k.open) > 0 {
		id = rapid.SampledFrom(k.open).Draw(k.t, "statement")
	}
	switch kind {
	case 0:
		k.next++
		k.open = append(k.open, k.next)
		k.both(k.next, fmt.Sprintf("C prepare select a, b from t where a = ? and %d", n), "S prepared # 1 a:int b:varchar")
	case 1:
		k.both(0, fmt.Sprintf("C query update t set a = %d", n), "S ok affected=1 info=Rows_matched:_1")
	case 2:
		k.both(0, fmt.Sprintf("C query select nosuch%d", n), "S err 1054 42S22 Unknown column")
	case 3:
		k.both(0, fmt.Sprintf("C query load data local infile '%d' into table t", n), "S file x", fmt.Sprintf("C data %d", n), "C data", "S ok affected=2")
	case 4:
		k.both(0, fmt.Sprintf("C query select a, b from t where a > %d", n), fmt.Sprintf("S rows a:int:pk b:varchar | 1 %s | 2 NULL", strings.Repeat("y", n*31%5000+1)))
	case 5:
		k.both(0, fmt.Sprintf("C query call p(%d)", n), "S rows a:int | 1 ; more=1", "S rows b:varchar | x ; status=0x8", "S ok warnings=2")
	case 6:
		k.both(0, fmt.Sprintf("C use schema%d", n), "S ok trackschema=x")
	case 7:
		k.both(0, "C resetconnection", "S ok")
		k.open = nil
	case 8:
		k.both(0, "C statistics", fmt.Sprintf("S text Uptime: %d", n))
	case 9:
		k.both(id, fmt.Sprintf("C execute # %d", n), "S rows a:int b:varchar | 1 x | 2 NULL")
	case 10:
		k.both(id, "C longdata # 0 abcdefghij*500", "C execute # LONG", "S ok affected=1")
	case 11:
		// A statement of its own: see Stats.CursorFirst.
		k.next++
		k.both(k.next, fmt.Sprintf("C prepare select a, b from t where %d", n), "S prepared # 0 a:int b:varchar",
			"C execute # cursor", "S cursor a:int b:varchar", "C fetch # 2", "S morerows 1 x | 2 y ; status=0x80")
	case 12:
		k.both(id, "C reset #", "S ok")
	case 13:
		k.both(id, "C close #")
		k.open = remove(k.open, id)
	}
}

func remove(list []uint32, id uint32) (kept []uint32) {
	for _, v := range list {
		if v != id {
			kept = append(kept, v)
		}
	}
	return kept
}

// TestLawEcho: replayed against a server that answers as the recorded one did,
// every reply is the recorded one, digests and all.
func TestLawEcho(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := talk{t: r}
		login := rapid.SampledFrom([]string{"", " with=QUERY_ATTRIBUTES", " with=COMPRESS", " without=DEPRECATE_EOF,SESSION_TRACK",
			" with=ZSTD_COMPRESSION_ALGORITHM"}).Draw(r, "login")
		k.source.WriteString("S greeting id=3\nC login user=app" + login + "\nS ok\n")
		k.fake.WriteString(rapid.SampledFrom([]string{"S greeting\n", "S greeting without=DEPRECATE_EOF\n"}).Draw(r, "target"))
		for n := range rapid.IntRange(1, 12).Draw(r, "exchanges") {
			k.exchange(n)
		}
		k.source.WriteString("C quit\n")
		echo(r, t, k.source.String(), k.fake.String())
	})
}

func echo(r *rapid.T, t *testing.T, source, fake string) {
	u := &URL{Network: "tcp", Host: "localhost"}
	u.Compression = rapid.SampledFrom([]Compression{CompressOff, CompressZlib, CompressZstd, CompressRecorded}).Draw(r, "compression")
	server := &classictest.Server{Script: fake}
	s, err := New(u, pipeTo(server, Options{Users: OneUser("replay", "")}))
	if err != nil {
		r.Fatal(err)
	}
	events := recorded(t, source)
	replies := map[uint64]string{}
	for _, e := range events {
		if reply, ok := e.(*session.Reply); ok {
			replies[reply.Seq] = session.Line(reply)
		}
	}
	p := player{}
	p.each = func(cmd *session.Command, a Answer) {
		if cmd.Kind == session.Prepare {
			return // its id is another one
		}
		got := ""
		if a.Reply != nil {
			got = session.Line(a.Reply)
		}
		if got != replies[cmd.Seq] {
			r.Errorf("%s:\nreplayed %s\nrecorded %s", session.Line(cmd), got, replies[cmd.Seq])
		}
	}
	p.play(t.Context(), s, events)
	if out := p.out.String(); strings.Contains(out, "skipped") || strings.Contains(out, "lost") || strings.Contains(out, "no connection") {
		r.Errorf("not all was sent:\n%s", out)
	}
}

// canned is a connection whose other side says what it says, whatever it hears.
type canned struct {
	net.Conn
	say *bytes.Reader
	cut int
}

func (c *canned) Read(b []byte) (int, error)       { return c.say.Read(b[:min(len(b), c.cut)]) }
func (c *canned) Write(b []byte) (int, error)      { return len(b), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// connTo returns a connection in the state after a login, to a server that says
// what it says.
func connTo(t testing.TB, say []byte, cut int, live classic.Capability) *Conn {
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, Options{Users: OneUser("replay", "pw")})
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(t.Context(), s, &session.Start{ID: 1})
	c.nc = &canned{say: bytes.NewReader(say), cut: cut}
	c.raw = c.nc
	c.nonce = make([]byte, 20)
	c.state.Join()
	c.state.Known, c.state.Caps = true, live
	c.framer.Limit = 1 << 16
	return c
}

// FuzzServer lets a server say anything: in the greeting, in the login, in the
// replies to commands of every kind. Whatever it says ends, without a panic, in
// replies or an error.
func FuzzServer(f *testing.F) {
	var script classictest.Script
	list, err := script.Parse("S greeting\nC login user=a\nS switch caching_sha2_password\nC auth x\nS more x\nC auth y\nS ok\n" +
		"C query select 1\nS rows a:int:pk b:varchar | 1 x | 2 y ; more=1\nS file x\nC data\nS ok affected=1\n" +
		"C prepare select ?\nS prepared 1 1 a:int\nC execute 1 5\nS rows a:int | 1\nC fetch 1 1\nS morerows 1\nC changeuser user=a\nS switch mysql_native_password\nC auth x\nS ok")
	if err != nil {
		f.Fatal(err)
	}
	var all, replies []byte
	for i, m := range list {
		if m.Server {
			all = append(all, m.Bytes...)
			if i > 6 {
				replies = append(replies, m.Bytes...)
			}
		}
	}
	f.Add(all, true, false, byte(255))
	f.Add(replies, false, false, byte(255))
	f.Add(replies, false, true, byte(99))
	f.Add(replies, false, false, byte(1))
	prepare := []byte("\x16select ?")
	commands := []*session.Command{query("select 1"),
		{Seq: 2, Kind: session.Prepare, Payload: prepare, SQL: prepare[1:]},
		{Seq: 3, Kind: session.Execute, Statement: session.LastPrepared, Payload: []byte("\x17\x01\x00\x00\x00\x01\x01\x00\x00\x00\x00\x01\x03\x00\x05\x00\x00\x00")},
		{Seq: 4, Kind: session.Fetch, Statement: session.LastPrepared, Payload: []byte("\x1c\x01\x00\x00\x00\x01\x00\x00\x00")},
		{Seq: 5, Kind: session.Statistics, Payload: []byte{9}}, {Seq: 6, Kind: session.FieldList, Payload: []byte("\x04t\x00")},
		{Seq: 7, Kind: session.ChangeUser, Login: &session.Login{User: "b"}}, query("select 2"), {Seq: 9, Kind: session.Quit, Payload: []byte{1}}}
	f.Fuzz(func(t *testing.T, say []byte, login, batch bool, cut byte) {
		c := connTo(t, say, int(cut)+1, classictest.DefaultCaps)
		if login {
			c.server.options.Dial = nil
			if err := c.logIn(t.Context(), &session.Login{User: "a"}, account{"a", "pw"}); err != nil {
				return
			}
		}
		if batch {
			answers, err := c.DoAll(commands)
			whole := 0
			for _, a := range answers {
				if a.Skip != 0 || a.At != 0 || a.Reply != nil && !a.Reply.Lost {
					whole++
				}
			}
			if err == nil && whole < len(answers) {
				t.Fatalf("%d of %d commands and no error", whole, len(answers))
			}
			return
		}
		for _, cmd := range commands {
			a, err := c.Do(cmd, nil)
			if err != nil && a.Reply != nil && !a.Reply.Lost {
				t.Fatalf("a whole reply and an error: %s, %v", session.Line(a.Reply), err)
			}
		}
	})
}

// FuzzExecute: whatever an execution holds, the target reads the parameters
// that the source read, or nothing is sent.
func FuzzExecute(f *testing.F) {
	add := func(caps classic.Capability, n int, list ...classic.Param) {
		f.Add(classic.AppendExecute(nil, caps, 7, 0, list), byte(n), caps != 0, caps == 0)
	}
	number := classic.Param{ParamType: classic.ParamType{Type: classic.TypeLongLong}, Value: make([]byte, 8)}
	text := classic.Param{ParamType: classic.ParamType{Type: classic.TypeVarString}, Value: []byte("x")}
	add(0, 2, number, text)
	add(classic.QueryAttributes, 2, number, text)
	add(classic.QueryAttributes, 1, number, text)
	add(classic.QueryAttributes, 0, text)
	f.Fuzz(func(t *testing.T, payload []byte, n byte, from, to bool) {
		c := connTo(t, nil, 1, capsOf(to)|classic.Protocol41)
		c.source.begin(capsOf(from) | classic.Protocol41)
		st := &statement{live: 1, params: int(n % 9), learned: n&0x40 == 0, cursorFirst: n&0x80 != 0}
		c.source.set(7, st)
		cmd := &session.Command{Kind: session.Execute, Statement: 7, Payload: payload}
		if unsendable(cmd) != 0 {
			return
		}
		m, why := c.execute(cmd)
		if why != 0 {
			return
		}
		sent := append(bytes.Clone(m.head), m.rest...)
		want, err1 := readExecute(payload, capsOf(from), st)
		got, err2 := readExecute(sent, capsOf(to), st)
		if err1 != nil { // the source could not read it either
			return
		}
		if err2 != nil || want != got {
			t.Fatalf("recorded %x\nsent     %x\nrecorded %s\nsent     %s %v", payload, sent, want, got, err2)
		}
	})
}

func readExecute(payload []byte, caps classic.Capability, st *statement) (string, error) {
	var e classic.Execute
	if err := e.Decode(payload, caps, st.params); err != nil {
		return "", err
	}
	list, err := e.Params(st.types, nil)
	if err != nil {
		return "", err
	}
	if len(list) < st.params {
		return "", io.ErrUnexpectedEOF
	}
	out := fmt.Sprintf("flags %d typed %t", e.Flags&^classic.ExecuteParamCount, e.Typed && st.params > 0)
	for _, p := range list[:st.params] {
		p.Name = nil
		out += fmt.Sprintf(" %+v", p)
	}
	return out, nil
}
