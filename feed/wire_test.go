package feed

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"myreplay/capfile"
	"myreplay/session"
)

// rawMirror speaks the protocol by hand.
type rawMirror struct {
	t    *testing.T
	conn *tls.Conn
	r    *messageReader
	w    *messageWriter
}

func dialRaw(t *testing.T, l *Listener, keys *Keys) *rawMirror {
	t.Helper()
	conn, err := tls.Dial("tcp", l.Addr().String(), keys.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &rawMirror{t, conn, newMessageReader(conn), newMessageWriter(conn)}
}

func (m *rawMirror) send(typ message, body []byte) {
	m.w.write(typ, nil, body)
	m.w.flush()
}

// greet introduces a stream and returns the answer.
func (m *rawMirror) greet(stream string) helloReply {
	m.t.Helper()
	m.w.preamble()
	m.w.json(msgHello, Hello{Version: Version, Stream: stream})
	m.w.flush()
	if err := m.r.preamble(); err != nil {
		m.t.Fatal(err)
	}
	typ, body, err := m.r.next()
	if err != nil || typ != msgReply {
		m.t.Fatal(typ, err)
	}
	var r helloReply
	if err := json.Unmarshal(body, &r); err != nil {
		m.t.Fatal(err)
	}
	return r
}

// block sends a block with one event.
func (m *rawMirror) block(number uint64) {
	enc := capfile.NewBlockEncoder()
	enc.Add(&session.Gap{Lost: number})
	m.send(msgBlock, enc.Append(numbers(number)))
}

// ends reads until the assistant ends the connection, and returns why.
func (m *rawMirror) ends() string {
	for {
		typ, body, err := m.r.next()
		if err != nil {
			return err.Error()
		}
		if typ == msgBye {
			return string(body)
		}
	}
}

// TestWire: a mirror that repeats blocks is understood; one that leaves some
// out, or says nonsense, is sent away, told why, and may go on from where it was.
func TestWire(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	id := newID()
	readers := make(chan *reader, 1)
	go func() { readers <- accept(t, l, nil) }()
	next := uint64(1)
	for i, c := range []struct {
		name string
		do   func(m *rawMirror)
		want string
		adds uint64
	}{
		{"a hole", func(m *rawMirror) { m.block(1); m.block(2); m.block(4) }, "block 4 in place of 3", 2},
		{"again", func(m *rawMirror) { m.block(2); m.block(3); m.block(3); m.block(1); m.send(msgDone, nil) }, "a done from the mirror", 1},
		{"a short block", func(m *rawMirror) { m.send(msgBlock, []byte("1234567")) }, "a block of 7 bytes", 0},
		{"a short ping", func(m *rawMirror) { m.send(msgPing, []byte("1")) }, "a ping of 1 bytes", 0},
		{"a second hello", func(m *rawMirror) { m.send(msgHello, nil) }, "a hello from the mirror", 0},
		{"an end before the end", func(m *rawMirror) { m.send(msgFinish, numbers(9)) }, "the end after block 9", 0},
		{"more after the end", func(m *rawMirror) { m.send(msgFinish, numbers(3)); m.block(4) }, "block 4 after the end", 0},
	} {
		m := dialRaw(t, l, mk)
		r := m.greet(id)
		if r.Error != "" || r.Known != (i > 0) || r.Next != next || r.Instance != l.Instance() {
			t.Fatalf("%s: %+v", c.name, r)
		}
		c.do(m)
		if why := m.ends(); !strings.Contains(why, c.want) {
			t.Fatalf("%s: %s", c.name, why)
		}
		next += c.adds
	}
	r := <-readers
	<-r.ended
	same(t, r.all(), []session.Event{&session.Gap{Lost: 1}, &session.Gap{Lost: 2}, &session.Gap{Lost: 3}})
	if r.err != io.EOF {
		t.Fatal(r.err)
	}
}

// TestBadGreetings: what is no greeting is answered with what is wrong.
func TestBadGreetings(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	for want, do := range map[string]func(m *rawMirror){
		"does not begin as a feed": func(m *rawMirror) { m.conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
		"version 9 of the feed":    func(m *rawMirror) { m.conn.Write([]byte(magic + "\x09")) },
		"a ping in place":          func(m *rawMirror) { m.w.preamble(); m.send(msgPing, numbers(1, 2, 3)) },
		"hello: ":                  func(m *rawMirror) { m.w.preamble(); m.send(msgHello, []byte("{")) },
		"a stream called":          func(m *rawMirror) { m.w.preamble(); m.send(msgHello, []byte(`{"stream":"../../etc"}`)) },
		"a frame of":               func(m *rawMirror) { m.w.preamble(); m.w.flush(); m.conn.Write([]byte("\x01\xff\xff\xff\xff")) },
	} {
		m := dialRaw(t, l, mk)
		do(m)
		if err := m.r.preamble(); err != nil {
			t.Fatal(err)
		}
		if why := m.ends(); !strings.Contains(why, want) {
			t.Errorf("%q: %s", want, why)
		}
	}
}

// TestBadBlock: a block that can't be read ends the stream.
func TestBadBlock(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	readers := make(chan *reader, 1)
	go func() { readers <- accept(t, l, nil) }()
	m := dialRaw(t, l, mk)
	id := newID()
	m.greet(id)
	m.block(1)
	m.send(msgBlock, append(numbers(2), "nonsense"...))
	if why := m.ends(); !strings.Contains(why, "block 2: contents do not follow the format") {
		t.Fatal(why)
	}
	r := <-readers
	<-r.ended
	if !errors.Is(r.err, errProtocol) {
		t.Fatal(r.err)
	}
	go func() { readers <- accept(t, l, nil) }()
	if r := dialRaw(t, l, mk).greet(id); r.Known || r.Next != 1 {
		t.Fatalf("a stream that was ended is known: %+v", r)
	}
	(<-readers).stream.Close("")
}

// TestWindow: a mirror that sends more than it was told is sent away; one block
// may be larger.
func TestWindow(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	go func() {
		if s, err := l.Accept(context.Background()); err == nil {
			s.Accept() // and does not read
		}
	}()
	m := dialRaw(t, l, mk)
	m.greet(newID())
	m.send(msgBlock, append(numbers(1), make([]byte, 2*window)...))
	m.send(msgBlock, append(numbers(2), 1))
	if why := m.ends(); !strings.Contains(why, "over the window") {
		t.Fatal(why)
	}
}

// TestNewer: of two connections for a stream the newer one counts, and what the
// older one has yet to say does not.
func TestNewer(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	readers := make(chan *reader, 1)
	go func() { readers <- accept(t, l, nil) }()
	id := newID()
	a := dialRaw(t, l, mk)
	a.greet(id)
	a.block(1)
	r := <-readers
	for len(r.all()) < 1 {
		time.Sleep(time.Millisecond)
	}
	b := dialRaw(t, l, mk)
	if h := b.greet(id); !h.Known || h.Next != 2 {
		t.Fatalf("%+v", h)
	}
	a.block(2)
	if why := a.ends(); why == "" {
		t.Fatal("the older connection goes on")
	}
	b.block(2)
	b.block(3)
	b.send(msgFinish, numbers(3))
	<-r.ended
	same(t, r.all(), []session.Event{&session.Gap{Lost: 1}, &session.Gap{Lost: 2}, &session.Gap{Lost: 3}})
}
