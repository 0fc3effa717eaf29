package relay

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"myreplay/flow"
)

// The ways to pass bytes on, as Options.Loops.
var ways = map[string]int{"loop": 1, "loops": 3, "goroutines": -1}

// eachWay runs a test with each way to pass bytes on.
func eachWay(t *testing.T, test func(t *testing.T, loops int)) {
	for name, loops := range ways {
		t.Run(name, func(t *testing.T) { test(t, loops) })
	}
}

// serving is a relay at work.
type serving struct {
	*Relay
	addr   string
	stop   func()
	served chan error
}

// serve starts a relay, which is stopped when the test ends.
func serve(t testing.TB, o Options) *serving {
	t.Helper()
	for i := range o.Pairs {
		if o.Pairs[i].Listen == "" {
			o.Pairs[i].Listen = "127.0.0.1:0"
		}
	}
	r, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &serving{r, r.Addrs()[0].String(), stop, make(chan error, 1)}
	go func() { s.served <- r.Serve(ctx) }()
	t.Cleanup(func() { s.end(t) })
	return s
}

// end stops the relay and waits until it has.
func (s *serving) end(t testing.TB) {
	s.stop()
	if err := <-s.served; err != nil {
		t.Error(err)
	}
	s.served <- nil // for the next to ask
	if n := s.Stats().Open.Load(); n != 0 {
		t.Errorf("%d connections are counted as open", n)
	}
}

// told reads chunks in a goroutine; the function returned waits for the end.
func (s *serving) told(t testing.TB) func() map[uint64]*stream {
	done := make(chan map[uint64]*stream, 1)
	go func() { done <- collect(t, s.Relay) }()
	return func() map[uint64]*stream { s.end(t); return <-done }
}

// listen calls serve for each connection to a new address.
func listen(t testing.TB, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go acceptAll(l, serve)
	return l.Addr().String()
}

func acceptAll(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go serve(c)
		}
	}
}

// echo answers every byte with the same byte plus one.
func echo(c net.Conn) {
	defer c.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := c.Read(b)
		for i := range b[:n] {
			b[i]++
		}
		if _, werr := c.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

func echoServer(t testing.TB) string { return listen(t, echo) }

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// stream is what was told of one connection.
type stream struct {
	sides  [2][]byte
	lost   [2]uint64
	marks  string // "tls" where it was told
	early  bool   // more was answered than asked
	closed bool
	first  flow.Side
	why    flow.Reason
}

// collect reads chunks until the relay ends.
func collect(t testing.TB, r *Relay) map[uint64]*stream {
	conns := map[uint64]*stream{}
	var c flow.Chunk
	for {
		err := r.Read(&c)
		if errors.Is(err, io.EOF) {
			return conns
		}
		if err != nil {
			t.Error(err)
			return conns
		}
		if c.Kind == flow.Tick {
			continue
		}
		if c.Kind == flow.Open {
			conns[c.Conn.ID] = &stream{}
		}
		s := conns[c.Conn.ID]
		if s == nil || s.closed {
			t.Errorf("%v of connection %d, which is not open", c.Kind, c.Conn.ID)
			continue
		}
		s.add(&c)
	}
}

func (s *stream) add(c *flow.Chunk) {
	switch c.Kind {
	case flow.Data:
		s.sides[c.Side] = append(s.sides[c.Side], c.Data...)
		if c.Side == flow.Server && s.lost == [2]uint64{} && len(s.sides[1]) > len(s.sides[0]) {
			s.early = true
		}
	case flow.Gap:
		s.lost[c.Side] += c.Lost
	case flow.Close:
		s.closed, s.first, s.why = true, c.Side, c.Reason
	case flow.TLS:
		s.marks += c.Kind.String()
	}
}

// randomBytes returns bytes that depend on the seed.
func randomBytes(seed uint64, n int) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	b := make([]byte, n)
	random.Read(b)
	return b
}

// talk sends random bytes through the relay and checks what comes back.
func talk(t testing.TB, addr string, seed uint64, total int) []byte {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	sent := randomBytes(seed, total)
	go func() {
		random := rand.New(rand.NewPCG(seed, 1))
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(50000))
			if _, err := c.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || len(got) != total {
		t.Errorf("got %d of %d bytes back: %v", len(got), total, err)
	}
	for i := range got {
		if got[i] != sent[i]+1 {
			t.Errorf("byte %d is not what the server sent", i)
			break
		}
	}
	return sent
}

// talkers lets 20 clients talk at once and returns the sums of what they sent.
func talkers(t testing.TB, addr string) map[[32]byte]bool {
	var clients sync.WaitGroup
	var mu sync.Mutex
	sums := map[[32]byte]bool{}
	for i := range 20 {
		clients.Go(func() {
			sent := talk(t, addr, uint64(i), 10+i*20000)
			mu.Lock()
			defer mu.Unlock()
			sums[sha256.Sum256(sent)] = true
		})
	}
	clients.Wait()
	return sums
}
