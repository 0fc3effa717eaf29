package target

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"slices"
	"testing"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/session"
	"myreplay/wire"
)

// What the recorded login said and means something goes out again: connection
// attributes, the collation, unless the target has no such one.
func TestLoginCarries(t *testing.T) {
	fake := &classictest.Server{Script: "S greeting version=10.11.6-MariaDB without=LONG_PASSWORD with=MARIADB_STMT_BULK_OPERATIONS"}
	u := &URL{Network: "tcp", Host: "localhost"}
	s, err := New(u, pipeTo(fake, Options{Users: OneUser("", "")}))
	if err != nil {
		t.Fatal(err)
	}
	login := session.Login{Known: true, User: "app", Collation: 255, Attributes: []session.Attribute{{Name: "program_name", Value: "shop"}},
		Capabilities: uint64(classictest.DefaultCaps | classic.ConnectAttrs | classic.MariaBulkOperations)}
	for _, collation := range []uint16{255, 33} {
		login.Collation = collation
		c, err := s.Connect(t.Context(), &session.Start{ID: 5, Copy: 2, Login: login})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		st := c.Start()
		if st.Of != 5 || st.Copy != 2 || st.Login.User != "app" || !st.Login.Known || st.Protocol != session.Classic {
			t.Errorf("start %+v", st)
		}
	}
	got := fake.Logins()
	for i, want := range []byte{45, 33} {
		l := got[i]
		if l.Collation != want || !slices.Equal(l.Attributes, []classic.Attribute{{Name: "program_name", Value: "shop"}}) ||
			!l.Capabilities.Has(classic.MariaBulkOperations) || l.User != "app" {
			t.Errorf("login %+v", l)
		}
	}
	if n := s.Stats().Collations; n != 1 {
		t.Errorf("%d collations counted", n)
	}
}

// Copies of a session have counterparts of their own, as long as they live.
func TestLive(t *testing.T) {
	id := 100
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(&classictest.Server{}, Options{Users: OneUser("a", "")}))
	if err != nil {
		t.Fatal(err)
	}
	connect := func(copy uint32) *Conn {
		id++
		fake := &classictest.Server{Script: fmt.Sprintf("S greeting id=%d", id)}
		s.options.Dial = pipeTo(fake, Options{}).Dial
		c, err := s.Connect(t.Context(), &session.Start{Copy: copy, ConnectionID: 7})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second, again := connect(0), connect(1), connect(0)
	check := func(copy, want uint32) {
		t.Helper()
		if got, ok := s.Live(copy, 7); got != want || ok != (want != 0) {
			t.Errorf("copy %d: connection %d %t, want %d", copy, got, ok, want)
		}
	}
	check(0, 103)
	check(1, 102)
	check(2, 0)
	first.Close() // it is not the counterpart any more
	check(0, 103)
	again.Close()
	second.Close()
	check(0, 0)
	check(1, 0)
	if _, ok := s.Live(0, 0); ok {
		t.Error("a connection without a recorded id")
	}
}

// A connection that was closed says so.
func TestClosed(t *testing.T) {
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(&classictest.Server{}, Options{Users: OneUser("a", "")}))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(t.Context(), &session.Start{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	var lost *LostError
	if _, err := c.Do(query("select 1"), nil); !errors.As(err, &lost) || !errors.Is(err, ErrClosed) || lost.Sent != NotSent {
		t.Error(err)
	}
}

// Compressed frames that hold more than they say, or as much as can be: an
// error, and no more memory than a frame may have.
func TestBombs(t *testing.T) {
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(make([]byte, 17<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, declared := range []uint32{10, 0xffffff} {
		frame := append(wire.AppendUint24(nil, uint32(packed.Len())), 1)
		frame = append(wire.AppendUint24(frame, declared), packed.Bytes()...)
		c := connTo(t, frame, 1<<16, classictest.DefaultCaps|classic.Compress)
		c.framer.SetCompression(classic.Zlib)
		c.deflater = &classic.Deflater{Algorithm: classic.Zlib}
		var format *classic.FormatError
		if _, err := c.Do(query("select 1"), nil); !errors.As(err, &format) {
			t.Errorf("declared as %d bytes: %v", declared, err)
		}
	}
}

// Results without end.
func TestTooManyResults(t *testing.T) {
	ok := classic.OK{Status: classic.StatusMoreResults}
	payload := ok.Append(nil, 0, classictest.DefaultCaps)
	var say []byte
	seq := byte(1)
	for range maxResults + 1 {
		say, seq = classic.AppendFrames(say, seq, payload)
	}
	c := connTo(t, say, 1<<16, classictest.DefaultCaps)
	if _, err := c.Do(query("select 1"), nil); !errors.Is(err, ErrTooManyResults) {
		t.Error(err)
	}
}

// A command is what its payload says, not what its kind says: where they differ
// nothing is sent. So it is where the text that was judged is not the text in
// the payload.
func TestKindAndPayload(t *testing.T) {
	drop := []byte("\x03drop table t")
	for _, cmd := range []*session.Command{
		{Kind: session.Ping, Payload: drop, SQL: drop[1:]},
		{Kind: session.Statistics, Payload: []byte{byte(classic.ComShutdown)}},
		{Kind: session.Query, Payload: drop},
		{Kind: session.Query, Payload: drop, SQL: []byte("select 1")},
		{Kind: session.Query, Payload: drop, SQL: []byte("select 1 from a_longer_text")},
		{Kind: session.Prepare, Payload: []byte("\x16drop table t"), SQL: []byte("select 1")},
		{Kind: session.Execute, Payload: []byte{byte(classic.ComStmtExecute)}},
		{Kind: session.KillProcess, Payload: []byte{byte(classic.ComProcessKill), 1}},
		{Kind: session.Ping},
		{Kind: session.Kind(200), Payload: []byte{1}},
	} {
		c := connTo(t, nil, 1, classictest.DefaultCaps)
		a, err := c.Do(cmd, nil)
		if err != nil || a.Skip == 0 {
			t.Errorf("%s: %v %v", session.Line(cmd), a, err)
		}
	}
	// What is sent is the text that was judged, in the payload's place.
	same := []byte("select 1 -- same")
	c := connTo(t, nil, 1, classictest.DefaultCaps)
	m, why := c.query(&session.Command{Kind: session.Query, Payload: append([]byte{3}, "drop table t --!"...), SQL: same})
	if why != 0 || string(m.rest) != string(same) || len(m.head) != 1 {
		t.Errorf("sent %q %q, %v", m.head, m.rest, why)
	}
}

// A command that was masked or cut is not sent, for that reason.
func TestMaskedAndCut(t *testing.T) {
	for want, change := range map[session.Skip]func(*session.Command){
		session.SkipSecret: func(c *session.Command) { c.Masked = true },
		session.SkipCut:    func(c *session.Command) { c.Cut = true },
	} {
		c := connTo(t, nil, 1, classictest.DefaultCaps)
		cmd := query("select 1")
		change(cmd)
		if a, err := c.Do(cmd, nil); err != nil || a.Skip != want {
			t.Errorf("%v: %v %v", want, a.Skip, err)
		}
		// A prepare that was not sent takes its executions with it.
		p := []byte("\x16select ?")
		prepare := &session.Command{Seq: 2, Kind: session.Prepare, Payload: p, SQL: p[1:]}
		change(prepare)
		if a, err := c.Do(prepare, nil); err != nil || a.Skip != want {
			t.Errorf("%v: %v %v", want, a.Skip, err)
		}
		c.Learn(&session.Reply{Seq: 2, Prepared: &session.Prepared{Statement: 1, Params: 1}})
		if a, err := c.Do(execute(1, 5), nil); err != nil || a.Skip != session.SkipStatement {
			t.Errorf("%v: %v %v", want, a.Skip, err)
		}
	}
}
