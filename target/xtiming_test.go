package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/session"
	"myreplay/xproto"
)

// xInBubble connects to a fake server in virtual time.
func xInBubble(t *testing.T, ctx context.Context, fake *fakeX, o Options) *XConn {
	t.Helper()
	o.Users = OneUser("replay", "")
	s, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost"}, fake.options(o))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.ConnectX(ctx, &session.Start{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func xCommands(t testing.TB, lines ...string) (list []*session.Command) {
	for i, l := range lines {
		c := xCommand(t, l)
		c.Seq = uint64(i + 1)
		list = append(list, c)
	}
	return list
}

// A reply that takes too long ends the connection. Each reply of a pipeline has
// the time for itself, and a session may wait as long as it likes.
func TestXReplyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeX{replies: []string{"done", "done", "pause 40 ; done", "pause 40 ; done", "pause 40 ; done", "hang"}}
		c := xInBubble(t, t.Context(), fake, Options{ReplyTimeout: time.Minute})
		for range 2 {
			if _, err := c.Do(xCommand(t, "query select 1"), nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Hour)
		}
		cmds := xCommands(t, "query 1", "query 2", "query 3")
		if _, err := c.DoAll(cmds); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		_, err := c.Do(cmds[0], nil)
		took := time.Since(before)
		var lost *LostError
		if !errors.Is(err, ErrTimeout) || !errors.As(err, &lost) || lost.Sent != WhollySent {
			t.Error(err)
		}
		if took < time.Minute || took > time.Minute+2*watchEvery {
			t.Errorf("it took %v", took)
		}
	})
}

// Rows that come for ever, one by one, are a reply that takes too long; so are
// notices.
func TestXEndless(t *testing.T) {
	for _, script := range []string{"cols a:sint ; endless row 1", "endless warn 1 text"} {
		synctest.Test(t, func(t *testing.T) {
			fake := &fakeX{replies: []string{script}}
			defer fake.wait.Wait()
			c := xInBubble(t, t.Context(), fake, Options{ReplyTimeout: time.Hour})
			a, err := c.Do(xCommand(t, "query select 1"), nil)
			if !errors.Is(err, ErrTimeout) {
				t.Error(err)
			}
			if a.Reply == nil || !a.Reply.Lost {
				t.Errorf("reply %+v", a.Reply)
			}
		})
	}
}

// A server that begins a login and says no more, or talks without end.
func TestXConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeX{lets: func(_, _, _, _ string, _ []byte) string { return "hang" }}
		o := fake.options(Options{Users: OneUser("a", "")})
		s, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost"}, o)
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		_, err = s.ConnectX(t.Context(), &session.Start{})
		if took := time.Since(before); took != DefaultConnectTimeout || !errors.Is(err, ErrConnectTimeout) {
			t.Errorf("it took %v: %v", took, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeX{lets: func(_, _, _, _ string, _ []byte) string { return strings.Repeat("warn 1 x ; ", maxLoginFrames) + "ok" }}
		s, err := New(&URL{Protocol: session.X, Network: "tcp", Host: "localhost"}, fake.options(Options{Users: OneUser("a", "")}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ConnectX(t.Context(), &session.Start{}); !errors.Is(err, ErrTooManyExchanges) {
			t.Error(err)
		}
	})
}

// When the context is done, whatever goes on ends at once: a reply that is
// waited for, a pipeline that is being written.
func TestXCancel(t *testing.T) {
	reason := errors.New("enough")
	long := "query " + strings.Repeat("x", 20<<10)
	for _, lines := range [][]string{{"query select 1"}, {"query select 1", "query select 2"}, {long, long}} {
		for _, patient := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				fake := &fakeX{replies: []string{"hang"}, patient: patient}
				c := xInBubble(t, ctx, fake, Options{})
				time.AfterFunc(time.Minute, func() { cancel(reason) })
				before := time.Now()
				answers, err := c.DoAll(xCommands(t, lines...))
				if !errors.Is(err, reason) || len(answers) != len(lines) || answers[0].Reply != nil {
					t.Error(answers, err)
				}
				if took := time.Since(before); took != time.Minute {
					t.Errorf("it took %v", took)
				}
				fake.wait.Wait()
			})
		}
	}
}

// A server that does not read on before its replies are read gets a pipeline of
// any length.
func TestXLongPipeline(t *testing.T) {
	const n = 3000
	row := "cols a:bytes ; row " + strings.Repeat("y", 3000) + " ; end ; done"
	for _, u := range []*URL{{}, {Compression: CompressLZ4Message}} {
		fake := &fakeX{patient: true}
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("find %d%s", i, strings.Repeat("x", i)))
			fake.replies = append(fake.replies, row)
		}
		u.Protocol, u.Network, u.Host = session.X, "tcp", "localhost"
		s, err := New(u, fake.options(Options{Users: OneUser("replay", "")}))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.ConnectX(t.Context(), &session.Start{ID: 1})
		if err != nil {
			t.Fatal(err)
		}
		answers, err := c.DoAll(xCommands(t, lines...))
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			if a.Reply == nil || a.Reply.Seq != uint64(i+1) || a.Reply.Results[0].Rows != 1 || a.At == 0 || a.End == 0 {
				t.Fatalf("%d: %+v", i, a)
			}
		}
		c.Close()
		fake.wait.Wait()
	}
}

// cutOff is a connection that takes only so many bytes.
type cutOff struct {
	net.Conn
	left int
}

func (c *cutOff) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:c.left])
	c.left = 0
	if err == nil {
		err = net.ErrClosed
	}
	return n, err
}

// A connection that breaks while a pipeline is written: what went out whole may
// have been executed, and is answered where the server did; the rest was not.
func TestXCutOff(t *testing.T) {
	for _, size := range []int{100, 20 << 10} { // written at once, and by a goroutine
		synctest.Test(t, func(t *testing.T) {
			fake := &fakeX{replies: []string{"affected 1 ; done", "hang"}}
			c := xInBubble(t, t.Context(), fake, Options{})
			line := "find " + strings.Repeat("x", size)
			c.nc = &cutOff{c.nc, 3*(size+xproto.HeaderLen) + 1}
			answers, err := c.DoAll(xCommands(t, line, line, line, line, line))
			var lost *LostError
			if !errors.As(err, &lost) || lost.Sent != WhollySent {
				t.Fatal(err)
			}
			if answers[0].Reply == nil || answers[0].Reply.Lost {
				t.Errorf("first %+v", answers[0])
			}
			for i, a := range answers[1:] {
				if a.Reply != nil || (a.At != 0) != (i < 2) {
					t.Errorf("%d: %+v", i+2, a)
				}
			}
			fake.wait.Wait()
		})
	}
}

// Times come from one clock, and a command's reply comes after it.
func TestXTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := xInBubble(t, t.Context(), &fakeX{replies: []string{"done", "pause 60 ; cols a:sint ; pause 60 ; row 1 ; end ; done"}}, Options{})
		answers, err := c.DoAll(xCommands(t, "query select 1", "query select 2"))
		if err != nil {
			t.Fatal(err)
		}
		first, second := answers[0].Reply, answers[1].Reply
		if a := answers[0]; a.At > a.End || a.End > first.First || first.First > first.Last {
			t.Errorf("sent %d to %d, reply %d to %d", a.At, a.End, first.First, first.Last)
		}
		if d := time.Duration(second.First - first.Last); d != time.Minute {
			t.Errorf("the second reply begins %v after the first", d)
		}
		if d := time.Duration(second.Last - second.First); d != time.Minute {
			t.Errorf("the second reply takes %v", d)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}
