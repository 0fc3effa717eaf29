package classictest

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"myreplay/classic"
)

// client is the least that talks to a Server.
type client struct {
	t      *testing.T
	conn   net.Conn
	script Script
	framer classic.Framer
}

// say sends a client's line.
func (c *client) say(line string) {
	c.t.Helper()
	m, err := c.script.Line("C " + line)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(m.Bytes); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the payload of the server's next frame, or how the connection
// ended.
func (c *client) hear() string {
	buf := make([]byte, 4096)
	for {
		var f classic.Frame
		if ok, err := c.framer.Next(&f); err != nil {
			return err.Error()
		} else if ok {
			return string(f.Payload)
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			return err.Error()
		}
		c.framer.Feed(buf[:n])
	}
}

func dial(t *testing.T, s *Server) *client {
	c := &client{t: t, conn: s.Pipe()}
	t.Cleanup(func() { c.conn.Close() })
	if greeting := c.hear(); !strings.HasPrefix(greeting, "\n") {
		t.Fatalf("greeting %q", greeting)
	}
	if _, err := c.script.Line("S greeting"); err != nil {
		t.Fatal(err)
	}
	c.say("login user=app schema=shop")
	if ok := c.hear(); ok[0] != 0 {
		t.Fatalf("login: %q", ok)
	}
	return c
}

// Commands are answered by their bytes: each entry once, then the last one
// again; what is not in the script gets an error that repeats it.
func TestServerAnswers(t *testing.T) {
	s := &Server{Script: "C query a\nS ok affected=1\nC query a\nS ok affected=2\nC prepare select ?\nS prepared 3 1\nC execute 3 5\nS ok affected=3"}
	c := dial(t, s)
	for _, step := range []struct{ say, want string }{
		{"query a", "\x00\x01\x00\x02\x00\x00\x00"},
		{"query a", "\x00\x02\x00\x02\x00\x00\x00"},
		{"query a", "\x00\x02\x00\x02\x00\x00\x00"},
		{"query b", "\xff\x28\x04#42000not in the script: query b"},
		{"prepare select ?", "\x00\x03\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"},
	} {
		c.say(step.say)
		if got := c.hear(); got != step.want {
			t.Errorf("%s: %q, want %q", step.say, got, step.want)
		}
	}
	c.hear() // the placeholder's definition
	c.say("execute 3 5")
	if got := c.hear(); got[1] != 3 {
		t.Errorf("execute: %q", got)
	}
	c.say("quit")
	s.Wait()
	want := []string{"query a", "query a", "query a", "query b", "prepare select ?", "execute 3 5", "quit"}
	if got := s.Got(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if l := s.Logins(); len(l) != 1 || l[0].User != "app" || l[0].Schema != "shop" {
		t.Errorf("logins %+v", l)
	}
}

// Misbehaviour is played as written.
func TestServerMisbehaves(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"C *\nS close", io.EOF.Error()},
		{"C *\nS cut 6 ok", io.EOF.Error()},
		{"C *\nS seq 9 ok affected=7", "\x00\x07\x00\x02\x00\x00\x00"},
		{"C *\nS slow ok affected=7", "\x00\x07\x00\x02\x00\x00\x00"},
		{"C *\nS raw 02 00 00 01 ab cd", "\xab\xcd"},
	} {
		client := dial(t, &Server{Script: c.script})
		client.say("query x")
		if got := client.hear(); got != c.want {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
}
