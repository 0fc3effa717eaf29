package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"myreplay/flow"
)

// echoServer answers every byte with the same byte plus one.
func echoServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
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
			}()
		}
	}()
	return l.Addr().String()
}

// stream is what was told of one connection.
type stream struct {
	sides  [2][]byte
	lost   [2]uint64
	closed bool
}

// collect reads chunks until the relay ends.
func collect(t *testing.T, r *Relay, pause func()) map[uint64]*stream {
	conns := map[uint64]*stream{}
	var c flow.Chunk
	for {
		pause()
		err := r.Read(&c)
		if errors.Is(err, io.EOF) {
			return conns
		}
		if err != nil {
			t.Error(err)
			return conns
		}
		switch c.Kind {
		case flow.Open:
			conns[c.Conn.ID] = &stream{}
		case flow.Data:
			s := conns[c.Conn.ID]
			s.sides[c.Side] = append(s.sides[c.Side], c.Data...)
			if c.Side == flow.Server && s.lost == [2]uint64{} && len(s.sides[1]) > len(s.sides[0]) {
				t.Error("the answer was told before the question")
			}
		case flow.Gap:
			conns[c.Conn.ID].lost[c.Side] += c.Lost
		case flow.Close:
			conns[c.Conn.ID].closed = true
		}
	}
}

// talk sends random bytes through the relay and checks what comes back.
func talk(t *testing.T, addr string, seed uint64, total int) []byte {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(seed, 1))
	sent := make([]byte, total)
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	go func() {
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
			t.Fatalf("byte %d is not what the server sent", i)
		}
	}
	return sent
}

// TestPass: what passes is told, both sides, the question before the answer.
func TestPass(t *testing.T) {
	r, err := Listen([]Pair{{"127.0.0.1:0", echoServer(t)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- r.Serve(ctx) }()
	told := make(chan map[uint64]*stream)
	go func() { told <- collect(t, r, func() {}) }()

	var clients sync.WaitGroup
	var mu sync.Mutex
	sums := map[[32]byte]bool{}
	for i := range 20 {
		clients.Go(func() {
			sent := talk(t, r.Addrs()[0].String(), uint64(i), 1+i*20000)
			mu.Lock()
			sums[sha256.Sum256(sent)] = true
			mu.Unlock()
		})
	}
	clients.Wait()
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	conns := <-told
	if len(conns) != 20 {
		t.Errorf("told of %d connections", len(conns))
	}
	for id, s := range conns {
		if !sums[sha256.Sum256(s.sides[0])] || len(s.sides[1]) != len(s.sides[0]) || !s.closed || s.lost != [2]uint64{} {
			t.Errorf("connection %d: %d and %d bytes, closed %v, lost %v", id, len(s.sides[0]), len(s.sides[1]), s.closed, s.lost)
		}
	}
}

// TestSlowRecorder: while nobody reads the chunks, clients are served as ever;
// what did not fit is told as gaps of exactly the missing length.
func TestSlowRecorder(t *testing.T) {
	r, err := Listen([]Pair{{"127.0.0.1:0", echoServer(t)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- r.Serve(ctx) }()
	const total = QueueBytes // and as much comes back
	talked := make(chan []byte)
	go func() { talked <- talk(t, r.Addrs()[0].String(), 1, total) }()
	sent := <-talked // before anything was read
	told := make(chan map[uint64]*stream)
	go func() { told <- collect(t, r, func() {}) }()
	stop()
	<-served
	s := (<-told)[1]
	if s == nil || !bytes.HasPrefix(sent, s.sides[0][:1000]) {
		t.Fatal("the connection was not told of")
	}
	if len(s.sides[0]) >= total {
		t.Error("the queue has no limit")
	}
	if told := uint64(len(s.sides[0])) + s.lost[0]; told != total || !s.closed {
		t.Errorf("%d of %d bytes told or lost, closed %v", told, total, s.closed)
	}
}

// TestServerGone: a server that does not accept is counted, and the client sees
// its connection end.
func TestServerGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	r, err := Listen([]Pair{{"127.0.0.1:0", gone}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go r.Serve(ctx)
	go collect(t, r, func() {})
	c, err := net.Dial("tcp", r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("read something")
	}
	for r.Refused() == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
}

// TestListenFails names the address that can't be listened on.
func TestListenFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Listen([]Pair{{"127.0.0.1:0", "127.0.0.1:1"}, {taken.Addr().String(), "127.0.0.1:1"}})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte(taken.Addr().String())) {
		t.Errorf("got %v", err)
	}
}
