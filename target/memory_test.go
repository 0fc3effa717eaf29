package target

import (
	"context"
	"net"
	"runtime"
	"testing"

	"myreplay/classic/classictest"
	"myreplay/session"
)

// maxIdle is how much memory a connection may hold that waits for its next
// command, without what the network and TLS need.
const maxIdle = 16 << 10

// TestIdleMemory: connections that have been busy and now wait hold
// little each, also after a big reply and a big command.
func TestIdleMemory(t *testing.T) {
	var script classictest.Script
	list, err := script.Parse("S greeting\nC login user=a\nS ok\nC query x\nS rows a:int b:varchar | 1 abcdefghij*20000 | 2 y\nC query x\nS ok")
	if err != nil {
		t.Fatal(err)
	}
	var say [][]byte
	for _, m := range list {
		if m.Server {
			say = append(say, m.Bytes)
		}
	}
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, Options{Users: OneUser("a", ""),
		Dial: func(context.Context, *session.Start) (net.Conn, error) {
			return &turns{say: say}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	big := query("select '" + string(make([]byte, 200<<10)) + "'")
	conns := make([]*Conn, n)
	before := heap()
	for i := range conns {
		c, err := s.Connect(t.Context(), &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		for _, cmd := range []*session.Command{query("select 1"), big} {
			if a, err := c.Do(cmd, nil); err != nil || a.Reply.Err() != nil {
				t.Fatal(err)
			}
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

// turns is a connection that says one thing after the other, each until it was
// read to its end.
type turns struct {
	canned
	say [][]byte
	at  int
}

func (c *turns) Read(b []byte) (int, error) {
	n := copy(b, c.say[0][c.at:])
	if c.at += n; c.at == len(c.say[0]) {
		c.say, c.at = c.say[1:], 0
	}
	return n, nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
