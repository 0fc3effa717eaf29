package feed

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/session"
)

// pipes is a network of pipes: a listener, and how to reach it.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	rate   int // of the connections, bytes a second; 0: no limit

	mu    sync.Mutex
	deaf  bool // connections pass nothing, and do not tell
	alive []*pipeConn
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial connects, unless the listener is away.
func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	a, b := net.Pipe()
	c := &pipeConn{Conn: a, rate: p.rate}
	p.mu.Lock()
	deaf := p.deaf
	p.alive = append(p.alive, c)
	p.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case p.conns <- b:
		return c, nil
	case <-p.closed:
		return nil, io.ErrClosedPipe
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// setDeaf makes all connections, and those to come, pass nothing.
func (p *pipes) setDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
	for _, c := range p.alive {
		c.mu.Lock()
		c.deaf = c.deaf || deaf
		c.mu.Unlock()
	}
}

// pipeConn swallows what is written when it is deaf.
type pipeConn struct {
	net.Conn
	rate int // bytes a second; 0: no limit
	mu   sync.Mutex
	deaf bool
}

func (c *pipeConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	deaf := c.deaf
	c.mu.Unlock()
	if deaf {
		return len(b), nil
	}
	if c.rate > 0 {
		time.Sleep(time.Second * time.Duration(len(b)) / time.Duration(c.rate))
	}
	return c.Conn.Write(b)
}

// inBubble runs f in virtual time with a Listener and Options for its mirrors.
func inBubble(t *testing.T, f func(t *testing.T, p *pipes, l *Listener, o Options)) {
	synctest.Test(t, func(t *testing.T) {
		ak, mk := pair(t)
		p := newPipes()
		l := listen(t, ListenOptions{Keys: ak, Listen: func() (net.Listener, error) { return p, nil }})
		f(t, p, l, Options{Addr: "pipe", Keys: mk, Dial: p.dial})
		l.Close()
	})
}

// TestLatency: an event that comes alone is sent after two milliseconds, one
// before a Tick at once.
func TestLatency(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		c, _ := NewClient(o)
		r := accept(t, l, nil)
		synctest.Wait()
		c.Write(&session.Gap{Lost: 1})
		synctest.Wait()
		if len(r.all()) != 0 {
			t.Fatal("it was not waited for more events")
		}
		time.Sleep(blockWait)
		synctest.Wait()
		if len(r.all()) != 1 {
			t.Fatal("the event did not come in time")
		}
		c.Write(&session.Gap{Lost: 2})
		c.Tick(0)
		synctest.Wait()
		if len(r.all()) != 2 {
			t.Fatal("a Tick does not send")
		}
		time.Sleep(ackWait)
		synctest.Wait()
		if s := c.Stats(); s.Waiting != 0 {
			t.Fatalf("%+v", s)
		}
		finish(t, c, r)
	})
}

// TestDeafLink: a connection that passes nothing any more, and does not say so,
// is given up by both sides, and the stream goes on with another.
func TestDeafLink(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		c, _ := NewClient(o)
		r := accept(t, l, nil)
		c.Write(&session.Gap{Lost: 1})
		time.Sleep(time.Second)
		p.setDeaf(true)
		c.Write(&session.Gap{Lost: 2})
		time.Sleep(deadAfter + 2*pingEvery)
		synctest.Wait()
		if c.Stats().Up || c.Stats().Broken != 1 || r.stream.Up() {
			t.Fatalf("%+v, %v", c.Stats(), r.stream.Up())
		}
		c.Write(&session.Gap{Lost: 3})
		p.setDeaf(false)
		time.Sleep(handshakeTime + maxPause)
		same(t, finish(t, c, r), []session.Event{&session.Gap{Lost: 1}, &session.Gap{Lost: 2}, &session.Gap{Lost: 3}})
	})
}

// TestLinger: a stream whose mirror does not come back ends after Linger, and is
// another one when it comes back later.
func TestLinger(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		c, _ := NewClient(o)
		r := accept(t, l, nil)
		c.Write(&session.Start{ID: 1, At: 5, Protocol: session.Classic, Login: session.Login{User: "cap"}})
		time.Sleep(time.Second)
		p.setDeaf(true)
		began := time.Now()
		<-r.ended
		if took := time.Since(began); !errors.Is(r.err, ErrGone) || took < DefaultLinger || took > DefaultLinger+2*deadAfter {
			t.Fatalf("after %v: %v", took, r.err)
		}
		p.setDeaf(false)
		r = accept(t, l, nil)
		got := finish(t, c, r)
		if len(got) != 1 || !got[0].(*session.Start).Joined || !r.stream.Hello().Again {
			t.Fatalf("%v", got)
		}
	})
}

// TestUndecided: an assistant whose caller does not answer refuses, and a mirror
// that waits for it is told.
func TestUndecided(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		_, err := Dial(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), "did not decide in time") {
			t.Fatal(err)
		}
	})
}

// TestSilentStranger: who connects and says nothing is sent away.
func TestSilentStranger(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		conn, err := p.dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		io.Copy(io.Discard, conn)
		if took := time.Since(began); took > handshakeTime+2*drainTime {
			t.Fatalf("after %v", took)
		}
		conn.Close()
	})
}

// TestSkewOfFeed: both sides learn how far the assistant's clock is ahead; here
// both have one clock.
func TestSkewOfFeed(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		c, _ := NewClient(o)
		r := accept(t, l, nil)
		time.Sleep(3 * pingEvery)
		synctest.Wait()
		if s := c.Stats(); s.Skew != 0 || r.stream.Skew() != 0 || !s.Up || s.Instance != l.Instance() {
			t.Fatalf("%+v", s)
		}
		finish(t, c, r)
	})
}

// TestNoWait: writing never waits for the connection, whatever it does.
func TestNoWait(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		o.Buffer = 100 << 10
		c, _ := NewClient(o)
		s, err := l.Accept(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		s.Accept() // and never reads
		src := newSource(1)
		began := time.Now()
		n := 0
		for range 20000 {
			c.Write(src.next(30))
			n++
		}
		if time.Since(began) != 0 {
			t.Fatal("Write waited")
		}
		if st := c.Stats(); st.Lost == 0 || st.Waiting > int64(o.Buffer)+1<<10 {
			t.Fatalf("%+v", st)
		}
		c.Close()
		if time.Since(began) > drainTime {
			t.Fatal("Close waited")
		}
	})
}

// TestSlowLink: a command that takes a minute to arrive breaks no connection.
func TestSlowLink(t *testing.T) {
	inBubble(t, func(t *testing.T, p *pipes, l *Listener, o Options) {
		p.rate = 100 << 10
		c, _ := NewClient(o)
		r := accept(t, l, nil)
		big := &session.Command{ID: 1, Seq: 1, Kind: session.Query, Payload: make([]byte, 6<<20), Size: 6 << 20}
		wrote := []session.Event{&session.Start{ID: 1}, big, &session.End{ID: 1}}
		for _, ev := range wrote {
			c.Write(ev)
		}
		time.Sleep(2 * time.Minute)
		same(t, finish(t, c, r), wrote)
		if s := c.Stats(); s.Broken != 0 {
			t.Fatalf("%+v", s)
		}
	})
}
