package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"myreplay/session"
)

// pair returns a new pair of keys.
func pair(t testing.TB) (assistant, mirror *Keys) {
	t.Helper()
	a, m, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	if assistant, err = LoadKeys(a); err != nil {
		t.Fatal(err)
	}
	if mirror, err = LoadKeys(m); err != nil {
		t.Fatal(err)
	}
	return assistant, mirror
}

// listen listens on a free port of the loopback until the test ends.
func listen(t testing.TB, o ListenOptions) *Listener {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	l, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// noLeaks fails the test when goroutines of this package are left at its end.
func noLeaks(t testing.TB) {
	t.Cleanup(func() {
		var left string
		for range 500 {
			buf := make([]byte, 1<<20)
			left = ""
			for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
				if strings.Contains(g, "myreplay/feed.") && !strings.Contains(g, "testing.") {
					left += g + "\n\n"
				}
			}
			if left == "" {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("goroutines are left:\n%s", left)
	})
}

// source makes events of sessions as a recorder does.
type source struct {
	rand *rand.Rand
	at   int64
	ids  uint64
	open []*life
}

// life is an open session of a source.
type life struct {
	id, seq   uint64
	statement uint32
	asked     uint64
	waits     bool // for a reply to asked
	prepare   bool // asked is a Prepare
	load      bool // asked is a LOAD DATA LOCAL
}

func newSource(seed uint64) *source {
	return &source{rand: rand.New(rand.NewPCG(seed, 1)), at: 1763697000_000000000}
}

// next returns the next event. No more than most sessions are open at once.
func (s *source) next(most int) session.Event {
	s.at += int64(s.rand.IntN(100)) * 1000
	if len(s.open) == 0 || len(s.open) < most && s.rand.IntN(40) == 0 {
		s.ids++
		s.open = append(s.open, &life{id: s.ids})
		return &session.Start{ID: s.ids, At: s.at, Protocol: session.Classic, Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(s.ids >> 8), byte(s.ids)}), 40000),
			Login: session.Login{Known: true, User: "cap", Schema: "test"}}
	}
	i := s.rand.IntN(len(s.open))
	l := s.open[i]
	switch {
	case !l.waits && s.rand.IntN(30) == 0, l.waits && s.rand.IntN(400) == 0:
		s.open = append(s.open[:i], s.open[i+1:]...)
		return &session.End{ID: l.id, At: s.at, Reason: session.ClientQuit}
	case l.waits && l.load && s.rand.IntN(4) > 0:
		l.seq++
		return &session.Command{ID: l.id, Seq: l.seq, At: s.at, End: s.at, Kind: session.FileData, Payload: []byte("a,b\n"), Size: 4}
	case l.waits:
		l.waits = false
		r := &session.Reply{ID: l.id, Seq: l.asked, First: s.at, Last: s.at, Bytes: 11,
			Results: []session.Result{{Outcome: session.OK, Status: statusAutocommit}}}
		if l.prepare {
			l.statement++
			r.Prepared, r.Results = &session.Prepared{Statement: l.statement}, nil
		}
		return r
	}
	l.seq++
	l.asked = l.seq
	l.waits, l.prepare, l.load = true, s.rand.IntN(10) == 0, false
	if !l.prepare {
		l.load = s.rand.IntN(10) == 0
	}
	c := &session.Command{ID: l.id, Seq: l.seq, At: s.at, End: s.at, Kind: session.Query, Code: 3}
	if l.prepare {
		c.Kind, c.Code = session.Prepare, 0x16
	}
	c.Payload = append([]byte{c.Code}, fmt.Sprintf("select %d /* %d.%d %s */", s.rand.IntN(1000), l.id, l.seq, strings.Repeat("x", s.rand.IntN(60)))...)
	c.SQL = c.Payload[1:]
	c.Size = uint64(len(c.Payload))
	return c
}

// rest ends the sessions that are open.
func (s *source) rest() (list []session.Event) {
	for _, l := range s.open {
		list = append(list, &session.End{ID: l.id, At: s.at, Reason: session.RecordingEnded})
	}
	s.open = nil
	return list
}

// same compares events one by one.
func same(t testing.TB, got, want []session.Event) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("event %d is\n%s, and not\n%s", i, session.Line(got[i]), session.Line(want[i]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d events were read, and %d written", len(got), len(want))
	}
}

// reader is an assistant that keeps what it reads.
type reader struct {
	stream *Stream
	mu     sync.Mutex
	events []session.Event
	err    error
	ended  chan struct{}
}

// read accepts a stream and reads it until it ends, with pause before each Ack.
func (r *reader) read(s *Stream, pause func()) {
	r.stream, r.ended = s, make(chan struct{})
	s.Accept()
	go func() {
		defer close(r.ended)
		for {
			list, err := s.Read()
			r.mu.Lock()
			r.events = append(r.events, list...)
			r.err = err
			r.mu.Unlock()
			if err != nil {
				return
			}
			if pause != nil {
				pause()
			}
			s.Ack()
		}
	}()
}

func (r *reader) all() []session.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]session.Event{}, r.events...)
}

// accept accepts the next stream and reads it.
func accept(t testing.TB, l *Listener, pause func()) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{}
	r.read(s, pause)
	return r
}

// finish ends a feed in good order, and returns what was read.
func finish(t testing.TB, c *Client, r *reader) []session.Event {
	t.Helper()
	go func() {
		<-r.ended
		if r.err == io.EOF {
			r.stream.Done()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	if r.err != io.EOF {
		t.Fatal(r.err)
	}
	return r.all()
}

// proxy passes connections on, and cuts each after some bytes.
type proxy struct {
	listener net.Listener
	target   func() string
	cut      func() int // bytes until the next connection is cut; 0: never

	mu    sync.Mutex
	conns []net.Conn
	wait  sync.WaitGroup
}

func newProxy(t testing.TB, target func() string, cut func() int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, cut: cut}
	p.wait.Add(1)
	go p.run()
	t.Cleanup(func() {
		l.Close()
		p.drop()
		p.wait.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// drop cuts all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) run() {
	defer p.wait.Done()
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target())
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		left := &budget{n: p.cut()}
		p.wait.Add(2)
		go p.pass(in, out, left)
		go p.pass(out, in, left)
	}
}

// budget is how many bytes may pass, in both directions.
type budget struct {
	mu sync.Mutex
	n  int
}

// take returns how many of n bytes may pass.
func (b *budget) take(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.n == 0:
		return n
	case b.n <= n:
		n = b.n - 1
		b.n = 1
		return n
	}
	b.n -= n
	return n
}

func (p *proxy) pass(from, to net.Conn, left *budget) {
	defer p.wait.Done()
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		k := left.take(n)
		if _, e := to.Write(buf[:k]); e != nil || err != nil || k < n {
			return
		}
	}
}

// figures is a note's payload.
func figures(n int) []byte {
	b, _ := json.Marshal(map[string]int{"n": n})
	return b
}

// countingDial dials addr and counts the bytes of both directions.
func countingDial(addr string, n *atomic.Int64) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		return &countingConn{c, n}, err
	}
}

type countingConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}
