package replay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/order"
	"myreplay/session"
)

// ticking is a lineup that is told the time, and keeps an event until then.
type ticking struct {
	*lineup
	kept  session.Event
	until int64
}

func (l *ticking) See(e session.Event, emit func(session.Event, *order.Step) error) error {
	if c, ok := e.(*session.Command); ok && string(c.SQL) == "keep" {
		l.kept, l.until = e, c.At+int64(time.Second)
		return nil
	}
	return l.lineup.See(e, emit)
}

func (l *ticking) Tick(at int64, emit func(session.Event, *order.Step) error) error {
	if l.kept == nil || at < l.until {
		return nil
	}
	e := l.kept
	l.kept = nil
	return l.lineup.See(e, emit)
}

// TestLiveTick: an orderer learns of time that passes without events.
func TestLiveTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, context.Background(), &fake{}, Options{Policy: Policy{Writes: true}, Order: &ticking{lineup: newLineup()}})
		l.say(start(1), query(1, 1, 0, "keep"))
		for range 10 {
			if n := l.r.Stats().Commands.Load(); n != 0 {
				t.Fatal("it was handed on at once")
			}
			time.Sleep(100 * time.Millisecond)
			l.feed.Tick(time.Now().UnixNano())
		}
		l.say(&session.End{ID: 1})
		l.end()
		if got := l.fates(); got != "1.1 sent" {
			t.Error(got)
		}
	})
}

// TestLiveWaits: a session that waits for another, which the target holds up, is
// late, and given up in the end; others go on.
func TestLiveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hangs: func(id uint64, c *session.Command) bool { return id == 1 && c != nil }}
		o := newLineup().wait("2.1", "1.1", order.Proven)
		l := begin(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Order: o, MaxLag: 2 * time.Second})
		l.say(start(1), start(2), start(3), query(1, 1, 0, "hangs"), query(2, 1, 0, "waits"))
		for n := range uint64(40) {
			time.Sleep(100 * time.Millisecond)
			l.say(query(3, n+1, 0, "select 1"))
			if lag := l.r.Lag(); n == 9 && lag < int64(time.Second) {
				t.Errorf("the lag is %v", time.Duration(lag))
			}
		}
		if n := l.r.Stats().Behind.Load(); n != 1 {
			t.Errorf("%d sessions were given up", n)
		}
		l.say(&session.End{ID: 2}, &session.End{ID: 3}, &session.End{ID: 1})
		synctest.Wait()
		if n := l.r.Stats().Sent.Load(); n != 40 {
			t.Errorf("%d commands were sent", n)
		}
		l.feed.fail(nil) // so that what hangs ends
		l.end()
		o.finished(t)
	})
}

// TestLiveCircle: where proven waits make a circle, something was misread: a live
// replay gives one of them up, and goes on.
func TestLiveCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newLineup().wait("1.1", "2.1", order.Proven).wait("2.1", "1.1", order.Proven)
		l := begin(t, context.Background(), &fake{}, Options{Policy: Policy{Writes: true}, Order: o})
		l.say(start(1), start(2), query(1, 1, 0, "a"), query(2, 1, 0, "b"))
		time.Sleep(time.Second)
		l.say(query(1, 2, 0, "c"), &session.End{ID: 1}, &session.End{ID: 2})
		l.end()
		if got := l.fates(); got != "1.1 sent; 1.2 sent; 2.1 sent" {
			t.Error(got)
		}
		if n := l.r.Stats().Dropped[order.Proven].Load(); n != 1 {
			t.Errorf("%d waits were given up", n)
		}
	})
}

// TestLiveAnswered: a command whose recorded reply is known waits for that, so that
// it is known what happened; another does not.
func TestLiveAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, o := &fake{}, newLineup()
		o.step(1, 1).Answered = true
		l := begin(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Order: o})
		l.say(start(1), start(2), query(1, 1, 0, "a"), query(2, 1, 0, "b"))
		synctest.Wait()
		if got := sentBy(f.log); got != "2.1" {
			t.Errorf("sent %s", got)
		}
		time.Sleep(time.Second)
		l.say(&session.Reply{ID: 1, Seq: 1, Results: []session.Result{{Outcome: session.OK}}}, &session.End{ID: 1}, &session.End{ID: 2})
		l.end()
		if late := l.r.Stats().Late.Load(); late != 0 {
			t.Errorf("it counts as %v late", time.Duration(late))
		}
	})
}

// TestLiveCircleAtTarget: where a command waits at the target for a lock of a session that
// waits for it here, and that can't be undone, a place was guessed wrongly or
// misread: a live replay gives the wait up, and goes on.
func TestLiveCircleAtTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, committed := following(), make(chan struct{})
		said := f.do
		f.do = func(c *session.Command, file File) (Answer, error) {
			switch string(c.SQL) {
			case "held up":
				<-committed
				return Answer{}, nil
			case "commit":
				close(committed)
			}
			return said(c, file)
		}
		o := newLineup().wait("2.2", "1.1", order.Proven)
		l := begin(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Order: o})
		l.say(start(1), start(2), query(2, 1, 0, "begin"))
		time.Sleep(time.Second)
		l.say(query(1, 1, 0, "held up"))
		time.Sleep(time.Second)
		l.say(query(2, 2, 0, "commit"), &session.End{ID: 1}, &session.End{ID: 2})
		l.end()
		if got := l.fates(); got != "1.1 sent; 2.1 sent; 2.2 sent" {
			t.Error(got)
		}
		if n := l.r.Stats().Dropped[order.Proven].Load(); n != 1 {
			t.Errorf("%d waits were given up", n)
		}
	})
}
