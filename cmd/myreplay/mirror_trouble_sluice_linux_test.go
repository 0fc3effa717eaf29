package main

import (
	"net"
	"sync"
	"testing"
)

// sluice is a TCP proxy of a link that can be cut.
type sluice struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	held  chan struct{} // closed when bytes may pass
	conns map[net.Conn]bool
}

// newSluice starts a proxy.
func newSluice(t testing.TB, to string) *sluice {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &sluice{l: l, to: to, held: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(g.held)
	t.Cleanup(func() { l.Close(); g.open(); g.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c)
		}
	}()
	return g
}

// hold stops all bytes, also those of new connections.
func (g *sluice) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = make(chan struct{})
}

// open lets bytes pass again.
func (g *sluice) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.held:
	default:
		close(g.held)
	}
}

// cut resets all connections; what was under way is lost.
func (g *sluice) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(g.conns)
}

func (g *sluice) may() {
	g.mu.Lock()
	held := g.held
	g.mu.Unlock()
	<-held
}

// pass passes a connection on.
func (g *sluice) pass(client net.Conn) {
	g.enter(client)
	g.may()
	server, err := net.Dial("tcp", g.to)
	if err != nil {
		client.Close()
		return
	}
	g.enter(server)
	var both sync.WaitGroup
	copied := func(to, from net.Conn) {
		defer to.Close()
		b := make([]byte, 32<<10)
		for {
			n, err := from.Read(b)
			g.may()
			if _, failed := to.Write(b[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	both.Go(func() { copied(server, client) })
	both.Go(func() { copied(client, server) })
	both.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, client)
	delete(g.conns, server)
}

func (g *sluice) enter(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = true
}
