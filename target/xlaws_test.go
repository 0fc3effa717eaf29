package target

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/outcome"
	"myreplay/session"
	"myreplay/xproto"
)

// slowReader is a connection of which few bytes are read at once.
type slowReader struct {
	net.Conn
	most int
}

func (c *slowReader) Read(b []byte) (int, error) { return c.Conn.Read(b[:min(len(b), c.most)]) }

// xTalk draws commands and what the target replies to them.
type xTalk struct {
	t       *rapid.T
	lines   []string
	replies []string
}

func (k *xTalk) add() {
	text := rapid.StringMatching(`[a-z]([a-z ]{0,20}[a-z])?`).Draw(k.t, "text")
	if rapid.IntRange(0, 9).Draw(k.t, "long") == 0 {
		text = strings.Repeat("x", rapid.IntRange(900, 30<<10).Draw(k.t, "length"))
	}
	var line string
	var replies []string
	failure := "err 1146 no such table"
	rows := fmt.Sprintf("cols a:sint ; cols b:bytes ; row 1 & %s ; row 2 & y ; end ; affected 0 ; done", text)
	switch rapid.IntRange(0, 6).Draw(k.t, "command") {
	case 0:
		line, replies = "query "+text, []string{rows, "affected 3 ; warn 1 x ; done", failure, "cols a:sint ; row 1 ; more ; cols b:bytes ; end ; done"}
	case 1:
		line, replies = "find "+text, []string{rows, failure, "cols a:sint ; row 1 ; err 1317 interrupted"}
	case 2:
		line, replies = "insert "+text, []string{"affected 1 ; ids 000068aa00010000000000000001 ; done", failure}
	case 3:
		line, replies = "prepare 1 "+text, []string{"ok", "warn 1 deprecated ; ok"}
	case 4:
		line, replies = "execute 1", []string{rows, failure}
	case 5:
		line, replies = "open 2 1", []string{"cols a:sint ; row 1 ; suspended ; done", "cols a:sint ; end ; done"}
	case 6:
		line, replies = "fetch 2", []string{"row 2 ; suspended ; done", "row 3 ; end ; done", failure}
	}
	k.lines = append(k.lines, line)
	k.replies = append(k.replies, rapid.SampledFrom(replies).Draw(k.t, "reply"))
}

// expected reads the replies as the recorder would.
func (k *xTalk) expected(cmds []*session.Command) (lines []string) {
	build := outcome.NewXBuilder(outcome.Options{Seed: 1}, outcome.NewInterner(), new(outcome.Slab))
	for i, cmd := range cmds {
		x := outcome.XCommand{Message: xproto.ClientMessage(cmd.Code), Statement: cmd.Statement}
		if strings.HasPrefix(k.lines[i], "open") || strings.HasPrefix(k.lines[i], "fetch") {
			x.HasCursor, x.Cursor = true, 2
		}
		build.Begin(cmd.ID, cmd.Seq, x)
		for _, one := range strings.Split(k.replies[i], " ; ") {
			word, rest, _ := strings.Cut(one, " ")
			kind, payload, err := message1(word, rest)
			if err == nil {
				err = build.Frame(&xproto.Frame{Type: byte(kind), Payload: payload, Size: uint64(len(payload))}, 1)
			}
			if err != nil {
				k.t.Fatal(err)
			}
		}
		r := build.Take(false)
		lines = append(lines, fmt.Sprint(session.Line(r), " ", r.Bytes))
	}
	return lines
}

// TestLawXEcho: however commands are put into pipelines, however few bytes come
// at once and whatever is compressed, replies are what the recorder makes of the
// same messages.
func TestLawXEcho(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := xTalk{t: r, lines: []string{"prepare 1 select 1", "open 2 1"}, replies: []string{"ok", "cols a:sint ; row 1 ; suspended ; done"}}
		for range rapid.IntRange(0, 12).Draw(r, "commands") {
			k.add()
		}
		fake := &fakeX{replies: append([]string(nil), k.replies...), patient: rapid.Bool().Draw(r, "patient")}
		s, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost",
			Compression: rapid.SampledFrom([]Compression{CompressOff, CompressDeflateStream, CompressZstdStream, CompressLZ4Message}).Draw(r, "compression")},
			fake.options(Options{Users: OneUser("replay", "")}))
		if err != nil {
			r.Fatal(err)
		}
		most := rapid.SampledFrom([]int{1, 7, 4096, 1 << 20}).Draw(r, "most")
		s.options.Dial = func(ctx context.Context, start *session.Start) (net.Conn, error) {
			nc, err := fake.dial(ctx, start)
			return &slowReader{nc, most}, err
		}
		c, err := s.ConnectX(t.Context(), &session.Start{ID: 1})
		if err != nil {
			r.Fatal(err)
		}
		cmds := xCommands(t, k.lines...)
		want := k.expected(cmds)
		for at := 0; at < len(cmds); {
			n := rapid.IntRange(1, len(cmds)-at).Draw(r, "pipeline")
			answers, err := c.DoAll(cmds[at : at+n])
			if err != nil {
				r.Fatal(err)
			}
			for i, a := range answers {
				if got := fmt.Sprint(session.Line(a.Reply), " ", a.Reply.Bytes); got != want[at+i] {
					r.Errorf("%s:\ngot  %s\nwant %s", k.lines[at+i], got, want[at+i])
				}
			}
			at += n
		}
		if err := c.Close(); err != nil {
			r.Error(err)
		}
		fake.wait.Wait()
	})
}

// xConnTo returns a connection in the state after a login, to a server that says
// what it says.
func xConnTo(t testing.TB, say []byte, cut int) *XConn {
	s, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost"}, Options{Users: OneUser("replay", "pw")})
	if err != nil {
		t.Fatal(err)
	}
	c := newXConn(t.Context(), s, &session.Start{ID: 1})
	c.nc = &canned{say: bytes.NewReader(say), cut: cut}
	c.raw = c.nc
	c.state.Join()
	c.framer.Limit = 1 << 16
	return c
}

// say makes the bytes of replies.
func say(t testing.TB, scripts ...string) (b []byte) {
	for _, script := range scripts {
		for _, one := range strings.Split(script, " ; ") {
			word, rest, _ := strings.Cut(one, " ")
			kind, payload, err := message1(word, rest)
			if err != nil {
				t.Fatal(err)
			}
			b = xproto.AppendFrame(b, byte(kind), payload)
		}
	}
	return b
}

// FuzzXServer lets a server say anything: in the hello, in the login, in the
// replies to commands of every kind, with and without compression. Whatever it
// says ends, without a panic, in replies or an error.
func FuzzXServer(f *testing.F) {
	challenge := xproto.AuthData{Data: testChallenge}
	caps := xproto.Capabilities{List: []xproto.Field{{Key: xproto.CapabilityMechanisms,
		Value: xproto.Any{IsArray: true, Array: []xproto.Any{xproto.Text(xproto.MechanismSHA256)}}}}}
	login := xproto.AppendFrame(nil, byte(xproto.ConnCapabilities), caps.Append(nil))
	login = xproto.AppendFrame(login, byte(xproto.AuthenticateContinue), challenge.Append(nil))
	login = xproto.AppendFrame(login, byte(xproto.Notice), stateChange(xproto.ClientIDAssigned, number(3)))
	login = xproto.AppendFrame(login, byte(xproto.AuthenticateOK), nil)
	replies := say(f, "cols a:sint ; row 1 ; more ; cols b:bytes ; row x ; end ; affected 1 ; warn 3 x ; done", "ok", "cols a:sint ; row 1 ; end ; done",
		"cols a:sint ; row 1 ; suspended ; done", "row 2 ; end ; done", "ids 000068aa00010000000000000001 ; done", "ok", "err 5159 failed", "ok", "ok",
		"goodbye 3169 killed")
	f.Add(append(login, replies...), true, byte(255), byte(0))
	f.Add(replies, false, byte(255), byte(0))
	f.Add(replies, false, byte(1), byte(0))
	for _, a := range []xproto.Algorithm{xproto.Deflate, xproto.Zstd, xproto.LZ4} {
		packed, err := xproto.NewDeflater(a).Append(nil, byte(xproto.ServerCompression), replies)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed, false, byte(100), byte(a))
	}
	lines := []string{"query select 1", "prepare 1 select 1", "execute 1", "open 2 1", "fetch 2", "insert x", "closecursor 2",
		"find 000068aa00010000000000000001", "deallocate 1", "reset keep", "expect", "closeexpect", "plugin ping", "reset", "get", "login a b", "query select 1", "close"}
	f.Fuzz(func(t *testing.T, say []byte, login bool, cut, compressed byte) {
		c := xConnTo(t, say, int(cut)+1)
		if login {
			c.state = xproto.State{}
			if _, err := c.logIn(t.Context(), &session.Login{User: "a"}, account{"a", "pw"}); err != nil {
				return
			}
		} else if compressed > 0 {
			c.framer.SetCompression(xproto.Algorithm(compressed%4), byte(xproto.ServerCompression))
		}
		cmds := xCommands(t, lines...)
		for len(cmds) > 0 {
			n := min(len(cmds), 1+int(cut)%5)
			answers, err := c.DoAll(cmds[:n])
			for i, a := range answers {
				if err == nil && a.Skip == 0 && (a.Reply == nil || a.Reply.Lost) {
					t.Fatalf("no reply and no error: %s", session.Line(cmds[i]))
				}
				if a.Reply != nil {
					c.Learn(a.Reply)
				}
			}
			cmds = cmds[n:]
		}
	})
}

// A command is what its payload says, not what its kind says: where they differ
// nothing is sent.
func TestXKindAndPayload(t *testing.T) {
	drop := xCommand(t, "query drop table t")
	admin := xCommand(t, "plugin drop_collection")
	broken := []byte{byte(xproto.SQLStmtExecute), 0x0a, 0x7f}
	prepare := func() *session.Command { return xCommand(t, "prepare 1 drop table t") }
	wrong := []*session.Command{
		{Kind: session.Find, Payload: drop.Payload, SQL: drop.SQL},
		{Kind: session.Query, Payload: drop.Payload},
		{Kind: session.PluginCommand, Payload: drop.Payload, SQL: drop.SQL},
		{Kind: session.Query, Payload: admin.Payload, SQL: []byte("select 1")},
		{Kind: session.Query, Payload: broken, SQL: []byte("select 1")},
		{Kind: session.Ping, Payload: drop.Payload},
		{Kind: session.Query},
		{Kind: session.Other, Payload: []byte{99}},
		{Kind: session.Kind(200), Payload: []byte{12}},
		{Kind: session.ChangeUser, Payload: drop.Payload},
		prepare(), prepare(), prepare(),
	}
	wrong[len(wrong)-3].SQL = []byte("select 1")
	wrong[len(wrong)-2].Statement = 7
	p := xproto.Prepare{ID: 1, Kind: 3, Body: []byte("x")}
	wrong[len(wrong)-1].Payload = p.Append([]byte{byte(xproto.PreparePrepare)})
	for _, cmd := range wrong {
		c := xConnTo(t, nil, 1)
		a, err := c.Do(cmd, nil)
		if err != nil || a.Skip == 0 {
			t.Errorf("%s: %v %v", session.Line(cmd), a, err)
		}
	}
	// What is sent is the text that was judged, in the payload's place: so a KILL
	// is aimed.
	drop.SQL = []byte("kill 77")
	m := xMessage{cmd: drop}
	if why := xConnTo(t, nil, 1).translate(&m); why != 0 || string(m.payload) != "\x0a\x07kill 77" {
		t.Errorf("sent %q, %v", m.payload, why)
	}
}

// Results without end, and statements.
func TestXTooMany(t *testing.T) {
	c := xConnTo(t, bytes.Repeat(say(t, "more"), maxResults+1), 1<<16)
	if _, err := c.Do(xCommand(t, "query select 1"), nil); err == nil {
		t.Error("results without end")
	}
	c = xConnTo(t, nil, 1)
	for id := range uint32(maxStatements) {
		c.Skipped(&session.Command{Kind: session.Prepare, Statement: id}, session.SkipWrite)
	}
	if a, err := c.Do(xCommand(t, fmt.Sprintf("prepare %d select 1", maxStatements)), nil); err != nil || a.Skip != session.SkipUnsupported {
		t.Error(a, err)
	}
}

// TestXIdleMemory: connections that have been busy and now wait hold little
// each, also after a big reply, a big command and a long pipeline.
func TestXIdleMemory(t *testing.T) {
	challenge := xproto.AuthData{Data: testChallenge}
	caps := xproto.Capabilities{List: []xproto.Field{{Key: xproto.CapabilityMechanisms,
		Value: xproto.Any{IsArray: true, Array: []xproto.Any{xproto.Text(xproto.MechanismSHA256)}}}}}
	big := "row " + strings.Repeat("x", 200<<10)
	steps := [][]byte{xproto.AppendFrame(nil, byte(xproto.ConnCapabilities), caps.Append(nil)),
		xproto.AppendFrame(nil, byte(xproto.AuthenticateContinue), challenge.Append(nil)), xproto.AppendFrame(nil, byte(xproto.AuthenticateOK), nil),
		say(t, "cols a:bytes ; "+big+" ; end ; done"), bytes.Repeat(say(t, "done"), 100)}
	s, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost"}, Options{Users: OneUser("a", ""),
		Dial: func(context.Context, *session.Start) (net.Conn, error) { return &turns{say: steps}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	one := xCommand(t, "find "+strings.Repeat("y", 100<<10))
	many := make([]*session.Command, 100)
	for i := range many {
		many[i] = xCommand(t, "query select 1")
	}
	conns := make([]*XConn, n)
	before := heap()
	for i := range conns {
		c, err := s.ConnectX(t.Context(), &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(one, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.DoAll(many); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	each := (heap() - before) / n
	t.Logf("%d bytes a connection", each)
	if each > maxIdle {
		t.Errorf("%d bytes a connection, at most %d", each, maxIdle)
	}
	for _, c := range conns {
		c.Close()
	}
}
