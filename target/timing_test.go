package target

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/session"
)

// inBubble connects to a fake server in virtual time.
func inBubble(t *testing.T, ctx context.Context, script string, o Options) *Conn {
	t.Helper()
	o.Users = OneUser("replay", "")
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(&classictest.Server{Script: script}, o))
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(ctx, &session.Start{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A reply that takes too long ends the connection, within a second of the limit;
// a connection that waits for its next command does not.
func TestReplyTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inBubble(t, t.Context(), "C query select 1\nS ok\nC query select sleep(1000)\nS silence", Options{ReplyTimeout: time.Minute})
		if _, err := c.Do(query("select 1"), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		if _, err := c.Do(query("select 1"), nil); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		_, err := c.Do(query("select sleep(1000)"), nil)
		took := time.Since(before)
		var lost *LostError
		if !errors.Is(err, ErrTimeout) || !errors.As(err, &lost) || lost.Sent != WhollySent {
			t.Error(err)
		}
		if took < time.Minute || took > time.Minute+2*watchEvery {
			t.Errorf("it took %v", took)
		}
		if _, err := c.Do(query("select 1"), nil); !errors.As(err, &lost) || lost.Sent != NotSent {
			t.Error(err)
		}
	})
}

// endlessRows answers with a row a second, for ever.
func endlessRows(p *classictest.Peer, _ []byte) error {
	column := classic.Column{Name: []byte("a"), Type: classic.TypeVarString}
	b, seq := classic.AppendFrames(nil, 1, []byte{1})
	b, seq = classic.AppendFrames(b, seq, column.Append(nil))
	for {
		if err := p.SendBytes(b); err != nil {
			return err
		}
		if err := p.Flush(); err != nil {
			return err
		}
		time.Sleep(time.Second)
		b, seq = classic.AppendFrames(nil, seq, []byte("\x01x"))
	}
}

// Rows that come for ever, one by one, are a reply that takes too long.
func TestEndlessRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{ReplyTimeout: time.Hour, Users: OneUser("a", "")}
		fake := &classictest.Server{Answer: endlessRows}
		defer fake.Wait()
		s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(fake, o))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connect(t.Context(), &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Do(query("select 1"), nil)
		if !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if a.Reply == nil || !a.Reply.Lost {
			t.Errorf("reply %+v", a.Reply)
		}
	})
}

// When the context is done, whatever goes on ends at once: a reply that is
// waited for, a login, a dial.
func TestCancel(t *testing.T) {
	reason := errors.New("enough")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := inBubble(t, ctx, "C query select sleep(1000)\nS silence", Options{})
		time.AfterFunc(time.Minute, func() { cancel(reason) })
		before := time.Now()
		if _, err := c.Do(query("select sleep(1000)"), nil); !errors.Is(err, reason) {
			t.Error(err)
		}
		if took := time.Since(before); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(reason) })
		fake := &classictest.Server{Script: "S greeting\nC login\nS silence"}
		s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(fake, Options{Users: OneUser("a", "")}))
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		if _, err := s.Connect(ctx, &session.Start{}); !errors.Is(err, reason) {
			t.Error(err)
		}
		if took := time.Since(before); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Between commands, too, a done context closes the connection: the server sees
// its end although nobody calls Close.
func TestCancelIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &classictest.Server{}
		ctx, cancel := context.WithCancel(t.Context())
		s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(fake, Options{Users: OneUser("a", "")}))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connect(ctx, &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		fake.Wait()
		if _, err := c.Do(query("select 1"), nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// In a batch each reply has the time that one may take: many of them may take
// longer. What was answered before one that takes too long is kept.
func TestBatchTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &classictest.Server{Answer: func(p *classictest.Peer, command []byte) error {
			if command[len(command)-1] == '9' {
				time.Sleep(time.Hour)
			}
			time.Sleep(4 * time.Second)
			return p.Send("ok")
		}}
		s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(fake, Options{Users: OneUser("a", ""), ReplyTimeout: 10 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Connect(t.Context(), &session.Start{})
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		answers, err := c.DoAll([]*session.Command{query("1"), query("2"), query("3"), query("4"), query("9"), query("5")})
		if !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if took := time.Since(before); took < 26*time.Second || took > 28*time.Second {
			t.Errorf("it took %v", took)
		}
		for i, a := range answers {
			if (a.Reply != nil) != (i < 4) || a.At == 0 {
				t.Errorf("command %d: %v at %d", i, a.Reply, a.At)
			}
		}
		for i := range 3 {
			if d := time.Duration(answers[i+1].Reply.First - answers[i].Reply.Last); d < 4*time.Second || d > 5*time.Second {
				t.Errorf("reply %d came %v after the one before it", i+1, d)
			}
		}
		fake.Wait()
	})
}

// A server that says nothing, or not enough, does not hold a login for ever.
func TestConnectTimeout(t *testing.T) {
	for _, script := range []string{"S raw 00\nS silence", "S greeting\nC login\nS silence",
		"S greeting\nC login\nS cut 5 ok\nS silence", "S raw 4a0000000a\nS silence"} {
		synctest.Test(t, func(t *testing.T) {
			fake := &classictest.Server{Script: script}
			s, err := New(&URL{Network: "tcp", Host: "localhost"}, pipeTo(fake, Options{Users: OneUser("a", "")}))
			if err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			_, err = s.Connect(t.Context(), &session.Start{})
			if strings.Contains(script, "cut") { // it closes
				if !errors.Is(err, ErrServerClosed) {
					t.Errorf("%q: %v", script, err)
				}
				return
			}
			if took := time.Since(before); took != DefaultConnectTimeout || !errors.Is(err, ErrConnectTimeout) {
				t.Errorf("%q: it took %v: %v", script, took, err)
			}
		})
	}
}

// A dial that fails is told as such, with its cause.
func TestDialError(t *testing.T) {
	s, err := New(&URL{Network: "tcp", Host: "localhost"}, Options{Users: OneUser("a", ""),
		Dial: func(context.Context, *session.Start) (net.Conn, error) { return nil, errTest }})
	if err != nil {
		t.Fatal(err)
	}
	var ce *ConnectError
	if _, err := s.Connect(t.Context(), &session.Start{}); !errors.As(err, &ce) || ce.Step != "dial" || !errors.Is(err, errTest) {
		t.Error(err)
	}
}

var errTest = errors.New("test")

// Times come from one clock: a command ends before its reply begins, the next
// command begins after it.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inBubble(t, t.Context(), "C query select 1\nS slow rows a:int | 1 | 2\nC *\nS ok", Options{})
		a, err := c.Do(query("select 1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := a.Reply
		if a.At > a.End || a.End > r.First || r.First >= r.Last {
			t.Errorf("sent %d to %d, reply %d to %d", a.At, a.End, r.First, r.Last)
		}
		time.Sleep(time.Second)
		b, err := c.Do(query("select 2"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Duration(b.At - r.Last); d < time.Second || d > time.Second+10*time.Millisecond {
			t.Errorf("%v after a pause of one second", d)
		}
		if d := time.Until(time.Unix(0, b.At)); d > 0 || d < -time.Second {
			t.Errorf("%v from now", d)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
