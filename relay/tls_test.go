package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"myreplay/flow"
	"myreplay/gate"
	"myreplay/tlsmode"
)

var selfSigned = sync.OnceValue(func() *tls.Certificate {
	c, err := tlsmode.SelfSigned(time.Now())
	if err != nil {
		panic(err) // unreachable: the machine has random numbers
	}
	return &c
})

// tlsPair returns both ends of a connection within TLS, after the handshake.
func tlsPair(t testing.TB) (a, b *tls.Conn) {
	accepted := make(chan net.Conn, 1)
	raw := dial(t, listen(t, func(c net.Conn) { accepted <- c }))
	a = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	b = tls.Server(<-accepted, &tls.Config{Certificates: []tls.Certificate{*selfSigned()}})
	shaken := make(chan error)
	go func() { shaken <- b.Handshake() }()
	if err := a.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return a, b
}

// passTLS passes a connection on between two others, as after a gate, and
// returns both ends.
func passTLS(t testing.TB, r *Relay) (client, server *tls.Conn, done chan struct{}) {
	client, ours := tlsPair(t)
	theirs, server := tlsPair(t)
	c := r.begin(ours, theirs)
	done = make(chan struct{})
	go func() {
		defer close(done)
		c.end(c.pass(context.Background(), &gate.Passage{Client: ours, Server: theirs}))
	}()
	return client, server, done
}

// What passes within TLS is told in the clear, whatever the sizes.
func TestPassTLS(t *testing.T) {
	r, err := Listen(Options{Look: true})
	if err != nil {
		t.Fatal(err)
	}
	var wants [][]byte
	for _, n := range []int{1, 100, idleBytes - 1, idleBytes, idleBytes + 1, recordBytes, recordBytes + 1, busyBytes, 3<<20 + 1} {
		client, server, done := passTLS(t, r)
		question, answer := randomBytes(1, n), randomBytes(2, n)
		go func() {
			client.Write(question)
			client.CloseWrite()
		}()
		if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, question) {
			t.Errorf("the server read %d bytes of %d: %v", len(got), n, err)
		}
		go func() {
			server.Write(answer)
			server.Close()
		}()
		if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, answer) {
			t.Errorf("the client read %d bytes of %d: %v", len(got), n, err)
		}
		<-done
		wants = append(wants, question, answer)
	}
	r.queue.end()
	told := collect(t, r)
	for i := range len(wants) / 2 {
		s := told[uint64(i+1)]
		if s == nil || !bytes.Equal(s.sides[0], wants[2*i]) || !bytes.Equal(s.sides[1], wants[2*i+1]) || s.why != flow.Finished {
			t.Errorf("connection %d is told otherwise", i+1)
		}
	}
	r.close()
}

// An idle connection with TLS costs little beyond TLS itself, also after it was
// busy.
func TestIdleTLS(t *testing.T) {
	r, err := Listen(Options{})
	if err != nil {
		t.Fatal(err)
	}
	const conns = 200
	var ends [conns][2]*tls.Conn
	var dones [conns]chan struct{}
	before := heap()
	for i := range ends {
		a, b, done := passTLS(t, r)
		ends[i], dones[i] = [2]*tls.Conn{a, b}, done
		go a.Write(make([]byte, 5000)) // a question, and its answer
		io.ReadFull(b, make([]byte, 5000))
		go b.Write(make([]byte, 50000))
		io.ReadFull(a, make([]byte, 50000))
	}
	// Four ends of TLS, two of them the test's, with our two goroutines and their
	// buffers take 60 to 115 KiB, as pages fill. With the buffers of busy ones it
	// would be 64 more. On a busy machine it takes a while until all are idle.
	const limit = 135 << 10
	used := (heap() - before) / conns
	for end := time.Now().Add(20 * time.Second); used > limit && time.Now().Before(end); used = (heap() - before) / conns {
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d bytes a connection", used)
	if used > limit {
		t.Error("that is too much")
	}
	for i := range ends {
		ends[i][0].Close()
		ends[i][1].Close()
		<-dones[i]
	}
	r.close()
}
