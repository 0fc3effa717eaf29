package replay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/session"
)

// hole is a gap in what the client sent.
var hole = &session.Gap{ID: 1, Client: true, Reason: session.LostBytes}

// following is a fake that knows transactions.
func following() *fake {
	in, f := false, &fake{}
	f.do = func(c *session.Command, _ File) (Answer, error) {
		switch string(c.SQL) {
		case "begin":
			in = true
		case "commit", "ROLLBACK":
			in = false
		}
		status := uint16(2)
		if in {
			status = 3
		}
		if !c.Kind.HasReply() {
			return Answer{}, nil
		}
		return Answer{Reply: &session.Reply{Seq: c.Seq, Results: []session.Result{{Outcome: session.OK, Status: status}}}}, nil
	}
	return f
}

// TestTorn: a transaction of which bytes were lost ends on the target when the
// source's is known to be over: rolled back, since nobody knows how it ended. Else
// it goes on.
func TestTorn(t *testing.T) {
	update, failed := "update t set a = 1", &session.Reply{ID: 1, Seq: 3, Results: []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: 1062}}}}
	for _, c := range []struct {
		why    string
		events []session.Event
		want   string
		torn   int64
		skips  string
	}{
		{"the reply says that none is open", []session.Event{query(1, 3, 30, update), said(3, 31, 2), query(1, 4, 40, "select 1"), said(4, 41, 2)},
			"begin; update; rollback; update; select", 1, ""},
		{"the next begins", []session.Event{query(1, 3, 30, "begin"), said(3, 31, 3), query(1, 4, 40, "commit"), said(4, 41, 2)},
			"begin; update; rollback; begin; commit", 1, ""},
		{"it goes on", []session.Event{query(1, 3, 30, update), said(3, 31, 3), query(1, 4, 40, "commit"), said(4, 41, 2)}, "begin; update; update; commit", 0, ""},
		{"its end is seen", []session.Event{query(1, 3, 30, "commit"), said(3, 31, 2), query(1, 4, 40, update), said(4, 41, 2)}, "begin; update; commit; update", 0, ""},
		{"an error tells nothing", []session.Event{query(1, 3, 30, update), failed, query(1, 4, 40, update), said(4, 41, 2)}, "begin; update; update; rollback; update", 1, ""},
		{"lost twice", []session.Event{hole, query(1, 3, 30, update), said(3, 31, 2)}, "begin; update; rollback; update", 1, ""},
	} {
		for _, o := range []Options{{}, {Live: true}, {Order: newLineup()}} {
			o.Policy.Writes = true
			f := following()
			events := []session.Event{start(1), query(1, 1, 10, "begin"), said(1, 11, 3), query(1, 2, 20, update), said(2, 21, 3), hole}
			sink, stats := play(t, context.Background(), f, o, append(append(events, c.events...), &session.End{ID: 1, At: 300}))
			if got := verbs(f.log); got != c.want || stats.Torn.Load() != c.torn || skips(sink) != c.skips {
				t.Errorf("%s, live %t: %s, %d torn, %s; want %s", c.why, o.Live, got, stats.Torn.Load(), skips(sink), c.want)
			}
		}
	}
}

// TestTornBegin: of a transaction whose BEGIN was lost nothing is sent: it would be
// no transaction. Without autocommit there is no BEGIN.
func TestTornBegin(t *testing.T) {
	for status, want := range map[uint16]string{3: "select; insert", 1: "select; update; commit; insert"} {
		f := following()
		events := []session.Event{start(1), query(1, 1, 10, "select 1"), said(1, 11, 2), hole, query(1, 2, 20, "update t set a = 1"), said(2, 21, status),
			query(1, 3, 30, "commit"), said(3, 31, 2), query(1, 4, 40, "insert into t values (1)"), said(4, 41, 2), &session.End{ID: 1, At: 300}}
		sink, _ := play(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Order: newLineup()}, events)
		if got := verbs(f.log); got != want {
			t.Errorf("status %d: %s, want %s; %s", status, got, want, skips(sink))
		}
	}
}

// TestTornIdle: where nothing is seen of the session after lost bytes, its
// transaction is rolled back after a second: others may wait for its locks. If it
// goes on after all its rest is left out.
func TestTornIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := following()
		l := begin(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Order: newLineup()})
		l.say(start(1), query(1, 1, 0, "begin"), said(1, 0, 3), query(1, 2, 0, "update t set a = 1"), said(2, 0, 3), hole)
		time.Sleep(tornTime / 2)
		synctest.Wait()
		if n := l.r.Stats().Torn.Load(); n != 0 {
			t.Error("it was rolled back at once")
		}
		time.Sleep(tornTime)
		synctest.Wait()
		if got, want := verbs(f.log), "begin; update; rollback"; got != want || l.r.Stats().Torn.Load() != 1 {
			t.Errorf("%s, want %s", got, want)
		}
		l.say(query(1, 3, 0, "update t set a = 2"), said(3, 0, 3), query(1, 4, 0, "commit"), said(4, 0, 2), query(1, 5, 0, "delete from t"), said(5, 0, 2), &session.End{ID: 1})
		l.end()
		if got, want := verbs(f.log), "begin; update; rollback; delete"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestTornX: replies of the X Protocol do not tell whether a transaction is open.
func TestTornX(t *testing.T) {
	f := following()
	s := start(1)
	s.Protocol = session.X
	events := []session.Event{s, query(1, 1, 10, "begin"), said(1, 11, 0), query(1, 2, 20, "update t set a = 1"), said(2, 21, 0), hole,
		query(1, 3, 30, "insert into t values (1)"), said(3, 31, 0), &session.End{ID: 1, At: 300}}
	_, stats := play(t, context.Background(), f, Options{Policy: Policy{Writes: true}, Order: newLineup()}, events)
	if got, want := verbs(f.log), "begin; update; rollback; insert"; got != want || stats.Torn.Load() != 1 {
		t.Errorf("%s, want %s", got, want)
	}
}
