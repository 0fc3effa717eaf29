package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"myreplay/classic"
	"myreplay/flow"
	"myreplay/tlsmode"
)

// selfSigned is the certificate of the tests' gates.
var selfSigned = sync.OnceValue(func() *tls.Certificate {
	c, err := tlsmode.SelfSigned(time.Now())
	if err != nil {
		panic(err) // unreachable: the machine has random numbers
	}
	return &c
})

// told is what a gate told of one connection.
type told struct {
	mu     sync.Mutex
	pieces []piece
	opaque bool
	follow bool
	err    error
	done   chan struct{}
}

type piece struct {
	tls  bool
	side flow.Side
	b    []byte
}

func (t *told) Data(side flow.Side, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pieces = append(t.pieces, piece{side: side, b: append([]byte(nil), b...)})
}

func (t *told) TLS() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pieces = append(t.pieces, piece{tls: true})
}

// passer is a relay of the tests: it opens each connection through a gate and
// copies the rest.
type passer struct {
	addr  string
	mu    sync.Mutex
	conns []*told
}

// listen runs a passer to an address, a path being a unix socket's.
func listen(t testing.TB, o Options, to string) *passer {
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &passer{addr: l.Addr().String()}
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w := &told{done: make(chan struct{})}
			p.mu.Lock()
			p.conns = append(p.conns, w)
			p.mu.Unlock()
			all.Go(func() { defer close(w.done); w.err = relay(ctx, g, c, to, w) })
		}
	})
	return p
}

func relay(ctx context.Context, g *Gate, client net.Conn, to string, w *told) error {
	defer client.Close()
	network := "tcp"
	if strings.HasPrefix(to, "/") {
		network = "unix"
	}
	server, err := net.Dial(network, to)
	if err != nil {
		return err
	}
	defer server.Close()
	p, err := g.Open(ctx, client, server, w)
	if err != nil {
		return err
	}
	w.opaque, w.follow = p.Opaque, p.Follow != nil
	if p.Follow != nil {
		return p.Follow(ctx)
	}
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	var both sync.WaitGroup
	half := func(side flow.Side, from, to net.Conn) {
		b := make([]byte, 4096)
		for {
			n, err := from.Read(b)
			if n > 0 && !p.Opaque {
				w.Data(side, b[:n])
			}
			if _, e := to.Write(b[:n]); err != nil || e != nil {
				break
			}
		}
		if h, ok := to.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
	}
	both.Go(func() { half(flow.Client, p.Client, p.Server) })
	half(flow.Server, p.Server, p.Client)
	both.Wait()
	return nil
}

// take returns what was told since the last call, once those connections have
// ended.
func (p *passer) take(t testing.TB) []*told {
	p.mu.Lock()
	list := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, w := range list {
		select {
		case <-w.done:
		case <-time.After(20 * time.Second):
			t.Fatal("a relayed connection does not end")
		}
	}
	return list
}

func (p *passer) port() string {
	_, port, _ := net.SplitHostPort(p.addr)
	return port
}

// read decodes what was told of a classic connection to its end and returns a
// word for each message that matters.
func (t *told) read() (words []string, err error) {
	var s classic.State
	framers := [2]classic.Framer{}
	for _, p := range t.pieces {
		if p.tls {
			s.TLSDone()
			words = append(words, "tls")
			continue
		}
		framers[p.side].Feed(p.b)
		for {
			var f classic.Frame
			ok, err := framers[p.side].Next(&f)
			if err != nil {
				return words, err
			}
			if !ok {
				break
			}
			w, err := word(&s, p.side, &f, &framers)
			if err != nil {
				return words, fmt.Errorf("%v: %w", p.side, err)
			}
			if w != "" {
				words = append(words, w)
			}
		}
	}
	for side := range framers {
		if !framers[side].Between() {
			return words, errors.New("ends within a frame")
		}
	}
	return words, nil
}

func word(s *classic.State, side flow.Side, f *classic.Frame, framers *[2]classic.Framer) (string, error) {
	if side == flow.Client {
		part, err := s.Client(f)
		switch part {
		case classic.ClientSSLRequest:
			return "sslrequest", err
		case classic.ClientLogin:
			return "login", err
		case classic.ClientAuthData:
			return "auth", err
		case classic.ClientCommand:
			if classic.Code(f.Payload[0]) == classic.ComQuery {
				return "", err
			}
			return classic.Code(f.Payload[0]).String(), err
		}
		return "", err
	}
	part, _, err := s.Server(f)
	switch part {
	case classic.PartAuthSwitch:
		return "switch:" + s.Switch.Plugin, err
	case classic.PartAuthMore:
		if len(f.Payload) == 2 {
			return fmt.Sprintf("more:%d", f.Payload[1]), err
		}
		return "more", err
	case classic.PartLoginOK:
		if s.Compressed != classic.Uncompressed {
			for i := range framers {
				framers[i].SetCompression(s.Compressed)
			}
		}
		return "ok", err
	case classic.PartLoginError, classic.PartError:
		return "error", err
	case classic.PartOK, classic.PartRowsEnd:
		var out []string
		e := s.OK.StateChanges(func(c classic.StateChange) {
			out = append(out, fmt.Sprintf("state:%d:%s=%s", c.Kind, c.Name, c.Value))
		})
		return strings.Join(out, " "), errors.Join(err, e)
	}
	return "", err
}

// story returns the words of the only connection of a list.
func story(t testing.TB, list []*told) string {
	t.Helper()
	if len(list) != 1 {
		t.Fatalf("%d connections", len(list))
	}
	words, err := list[0].read()
	if err != nil {
		t.Errorf("what was told can't be read: %v (after %v)", err, words)
	}
	return strings.Join(words, " ")
}
