package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/session"
)

// live begins a live replay on f. The Replayer's Stats and the sink's account
// are to be looked at after end.
type live struct {
	t    testing.TB
	f    Target
	r    *Replayer
	feed *Feed
	sink *run
}

func begin(t testing.TB, ctx context.Context, f Target, o Options) *live {
	o.Live = true
	o.Temporary = func(err error) bool { return errors.Is(err, errPasses) }
	o.Unsent = func(err error) bool { return errors.Is(err, errUnsent) }
	l := &live{t: t, f: f, sink: &run{}}
	l.r = New(f, l.sink, o)
	l.feed = l.r.Begin(ctx)
	return l
}

// say feeds events, whose times become those of now, and checks that it takes no
// time.
func (l *live) say(events ...session.Event) {
	l.t.Helper()
	for _, e := range events {
		before := time.Now()
		if err := l.feed.Event(at(e, before.UnixNano())); err != nil {
			l.t.Fatal(err)
		}
		if time.Since(before) != 0 {
			l.t.Errorf("%s: Event took %v", session.Line(e), time.Since(before))
		}
	}
}

// at returns an event that happens at a time.
func at(e session.Event, now int64) session.Event {
	switch e := e.(type) {
	case *session.Start:
		c := *e
		c.At = now
		return &c
	case *session.Command:
		c := *e
		c.At, c.End = now, now
		return &c
	case *session.Reply:
		c := *e
		c.First, c.Last = now, now
		return &c
	case *session.End:
		c := *e
		c.At = now
		return &c
	}
	return e
}

// end ends the recording and checks the account.
func (l *live) end() {
	l.t.Helper()
	if err := l.feed.End(); err != nil {
		l.t.Fatal(err)
	}
	account(l.t, l.sink, l.r.Stats())
	if held := l.r.Held(); held != 0 {
		l.t.Errorf("%d bytes are still held", held)
	}
	if lag := l.r.Lag(); lag != 0 {
		l.t.Errorf("a lag of %d when all is over", lag)
	}
	if open := l.r.Stats().Open.Load(); open != 0 {
		l.t.Errorf("%d sessions are open", open)
	}
}

// fates lists what became of each command, by recorded session.
func (l *live) fates() string {
	of := map[uint64]uint64{}
	var list []string
	for _, e := range l.sink.events {
		switch e := e.(type) {
		case *session.Start:
			of[e.ID] = e.Of
		case *session.Command:
			fate := "sent"
			if e.Skipped != session.NotSkipped {
				fate = e.Skipped.String()
			}
			list = append(list, fmt.Sprintf("%d.%d %s", of[e.ID], e.Seq, fate))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

func start(id uint64) *session.Start {
	return &session.Start{ID: id, Protocol: session.Classic, Login: session.Login{Known: true, User: "app"}}
}

// TestLive: commands are sent as they come, and are due when they were recorded
// by the target's clock.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		l := begin(t, context.Background(), f, Options{Pace: Pace{Speed: 0.5}, Choose: func(s *session.Start) bool { return s.ID != 2 }})
		l.r.SetSkew(-3 * ms)
		l.say(start(1), start(2))
		time.Sleep(time.Second)
		recorded := time.Now().UnixNano()
		l.say(query(1, 1, 0, "select 1"), query(2, 1, 0, "select 2"))
		synctest.Wait()
		if got := f.log[len(f.log)-1]; got != "1.1 query select 1" {
			t.Errorf("not sent at once: %s", got)
		}
		l.say(&session.End{ID: 1}, &session.End{ID: 2})
		l.end()
		if got := l.fates(); got != "1.1 sent; 2.1 filtered" {
			t.Error(got)
		}
		for _, e := range l.sink.events {
			if c, ok := e.(*session.Command); ok && c.Skipped == 0 && (c.Due != recorded-3*ms || c.At != recorded) {
				t.Errorf("due %d, sent %d after it was recorded", c.Due-recorded, c.At-recorded)
			}
		}
		if got := l.r.Stats().Late.Load(); got != 3*ms {
			t.Errorf("most lag %d", got)
		}
	})
}

// TestShed: when the window is full, sessions are given up in the order of how
// long their oldest command has waited, as many as make room; a session that
// only waits for an answer is not behind. A target that hangs holds nothing.
func TestShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hangs: func(id uint64, c *session.Command) bool { return c != nil && id <= 5 && c.Seq == 1 }}
		cost := eventCost + int64(len("select 1")+1)
		l := begin(t, context.Background(), f, Options{Window: 17 * cost})
		for id := range uint64(6) {
			l.say(start(id+1), query(id+1, 1, 0, "select 1"))
			synctest.Wait()
		}
		for _, id := range []uint64{4, 2, 5, 1} { // 3 has nothing that waits, 6 does not hang
			time.Sleep(time.Millisecond)
			l.say(query(id, 2, 0, "select 2"))
		}
		time.Sleep(time.Second)
		if lag := l.r.Lag(); lag != 1003*ms {
			t.Errorf("a lag of %d", lag)
		}
		l.say(query(6, 2, 0, "select 2"))
		synctest.Wait()
		// 9 are held. The window takes 17, and is emptied to 12.
		for seq := range uint64(9) {
			l.say(query(1, seq+3, 0, "select 3"))
		}
		synctest.Wait()
		if n := l.r.Stats().Behind.Load(); n != 3 || l.r.Stats().Open.Load() != 3 {
			t.Errorf("%d given up, %d open", n, l.r.Stats().Open.Load())
		}
		l.say(query(2, 3, 0, "select 3"), query(3, 2, 0, "select 2"), &session.End{ID: 2}, query(6, 3, 0, "select 3"))
		synctest.Wait()
		if held := l.r.Held(); held > l.r.options.Window {
			t.Errorf("%d bytes are held", held)
		}
		f.mu.Lock()
		open := f.open
		f.mu.Unlock()
		if open != 3 {
			t.Errorf("%d connections are open", open)
		}
		l.r.fail() // 1 and 3 hang
		l.feedEnd()
		var behind []string
		for _, s := range strings.Split(l.fates(), "; ") {
			if strings.HasSuffix(s, "too far behind") {
				behind = append(behind, s[:3])
			}
		}
		if got := strings.Join(behind, " "); got != "2.2 2.3 4.2 5.2" {
			t.Errorf("given up: %s\n%s", got, l.fates())
		}
	})
}

func (l *live) feedEnd() {
	l.t.Helper()
	if err := l.feed.End(); err != nil {
		l.t.Fatal(err)
	}
	account(l.t, l.sink, l.r.Stats())
}

// TestShedHuge: one event that the window has no room for gives its own session
// up, no other.
func TestShedHuge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, context.Background(), &fake{}, Options{Window: 8000})
		l.say(start(1), start(2), query(1, 1, 0, "select 1"), query(2, 1, 0, "select '"+strings.Repeat("x", 7000)+"'"))
		synctest.Wait()
		l.say(query(1, 2, 0, "select 1"), query(2, 2, 0, "select 1"), &session.End{ID: 2}, &session.End{ID: 1})
		l.end()
		if got := l.fates(); got != "1.1 sent; 1.2 sent; 2.1 too far behind; 2.2 too far behind" {
			t.Error(got)
		}
	})
}

// TestShedConnecting: a session that is not let in, and one that waits for the
// target to come back, are behind as others are.
func TestShedConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hangs: func(id uint64, c *session.Command) bool { return id == 1 && c == nil }}
		f.connect = func(_ int, s *session.Start) error {
			if s.ID == 2 {
				return errPasses
			}
			return nil
		}
		l := begin(t, context.Background(), f, Options{MaxLag: time.Second, Reconnect: time.Second})
		l.say(start(1), start(2), query(1, 1, 0, "select 1"), query(2, 1, 0, "select 1"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if l.r.Stats().Behind.Load() != 0 {
			t.Error("given up without having been asked")
		}
		l.feed.Tick(time.Now().UnixNano())
		l.say(&session.End{ID: 1}, &session.End{ID: 2})
		l.end()
		if got := l.fates(); got != "1.1 too far behind; 2.1 too far behind" {
			t.Error(got)
		}
		if s := l.r.Stats(); s.Behind.Load() != 2 || s.Refused.Load() != 0 || s.Late.Load() < int64(time.Minute) {
			t.Errorf("%d given up, %d refused, most lag %d", s.Behind.Load(), s.Refused.Load(), s.Late.Load())
		}
	})
}

// TestMaxLagAtTheEnd: sessions that get too late when the recording has ended are
// given up, too, so that the replay ends.
func TestMaxLagAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hangs: func(_ uint64, c *session.Command) bool { return c != nil && c.Seq == 1 }}
		l := begin(t, context.Background(), f, Options{MaxLag: 10 * time.Second})
		l.say(start(1), query(1, 1, 0, "select 1"), query(1, 2, 0, "select 2"), &session.End{ID: 1})
		began := time.Now()
		l.end()
		if d := time.Since(began); d < 10*time.Second || d > 12*time.Second {
			t.Errorf("took %v", d)
		}
		if got := l.fates(); got != "1.1 sent; 1.2 too far behind" {
			t.Error(got)
		}
	})
}

// TestTargetStops: a target that is gone for 20 s: a session goes on where it
// was, but for the transaction that was cut; one that sent nothing meanwhile does
// not notice; one that began meanwhile connects.
func TestTargetStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var down bool
		lost := map[uint64]bool{}
		f := &fake{}
		f.connect = func(_ int, s *session.Start) error {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return errPasses
			}
			delete(lost, s.ID)
			return nil
		}
		f.do = func(c *session.Command, _ File) (Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			if lost[c.ID] {
				return Answer{}, errUnsent
			}
			a := Answer{Reply: &session.Reply{Seq: c.Seq, Results: []session.Result{{Outcome: session.OK, Status: 2}}}}
			if strings.HasPrefix(string(c.SQL), "insert") || string(c.SQL) == "begin" {
				a.Reply.Results[0].Status = 3
			}
			return a, nil
		}
		l := begin(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Reconnect: time.Second})
		l.say(start(1), start(2), query(1, 1, 0, "begin"), query(1, 2, 0, "insert 1"), query(2, 1, 0, "select 1"))
		synctest.Wait()
		mu.Lock()
		down, lost[1], lost[2] = true, true, true
		mu.Unlock()
		l.say(query(1, 3, 0, "insert 2"), start(3), query(3, 1, 0, "select 1"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		mu.Lock()
		down = false
		mu.Unlock()
		l.say(query(1, 4, 0, "commit"), query(1, 5, 0, "select 1"), query(2, 2, 0, "select 2"))
		time.Sleep(3 * time.Second)
		l.say(&session.End{ID: 1}, &session.End{ID: 2}, &session.End{ID: 3})
		l.end()
		if got, want := l.fates(), "1.1 sent; 1.2 sent; 1.3 failed to send; 1.4 failed to send; 1.5 sent; 2.1 sent; 2.2 sent; 3.1 sent"; got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		if s := l.r.Stats(); s.Lost.Load() != 2 || s.Reconnects.Load() != 2 || s.Refused.Load() != 0 {
			t.Errorf("%d lost, %d reconnects, %d refused", s.Lost.Load(), s.Reconnects.Load(), s.Refused.Load())
		}
	})
}

// TestStopped: a replay that is told to stop takes no more events.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		f := &fake{hangs: func(_ uint64, c *session.Command) bool { return c != nil }}
		l := begin(t, ctx, f, Options{})
		l.say(start(1), query(1, 1, 0, "select 1"), query(1, 2, 0, "select 1"))
		synctest.Wait()
		stop()
		if err := l.feed.Event(query(1, 3, 0, "select 1")); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		began := time.Now()
		l.end()
		if d := time.Since(began); d > grace+time.Second {
			t.Errorf("took %v", d)
		}
		if got := l.fates(); got != "1.1 sent; 1.2 not reached" {
			t.Error(got)
		}
	})
}

// heirs is a Target whose connections take over what those before them knew.
type heirs struct{ *fake }

type heirConn struct{ *fakeConn }

func (h *heirs) Connect(ctx context.Context, s *session.Start) (Conn, error) {
	c, err := h.fake.Connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return &heirConn{c.(*fakeConn)}, nil
}

func (c *heirConn) Inherit(lost Conn) { c.f.say("inherit %v", lost.(*heirConn) != c) }

// TestHeir: a new connection inherits from the one that was lost when it has
// prepared what that had.
func TestHeir(t *testing.T) {
	lost := false
	f := &fake{do: func(c *session.Command, _ File) (Answer, error) {
		if c.Seq == 2 && !lost {
			lost = true
			return Answer{}, errSent
		}
		return Answer{}, nil
	}}
	l := begin(t, context.Background(), &heirs{f}, Options{})
	events := append([]session.Event{start(1)}, prepares(1, 0, 7, "select ?")...)
	for _, e := range append(events, query(1, 2, 0, "select 2"), query(1, 3, 0, "select 3"), &session.End{ID: 1}) {
		if err := l.feed.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	l.end()
	want := "connect 1; 1.1 prepare select ?; learn 1.1; 1.2 query select 2; connect 1; 1.1 prepare select ?; learn 1.1; inherit true; 1.3 query select 3"
	if got := strings.Join(f.log, "; "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
