package replay

import (
	"context"
	"testing"

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

// TestTorn: a transaction of which bytes were lost is rolled back, and left out
// until the session is surely outside of any.
func TestTorn(t *testing.T) {
	update, failed := "update t set a = 1", &session.Reply{ID: 1, Seq: 3, Results: []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: 1062}}}}
	const torn = "transaction with lost bytes"
	for _, c := range []struct {
		why    string
		events []session.Event
		want   string
		skips  string
	}{
		{"the reply says that none is open", []session.Event{query(1, 3, 30, update), said(3, 31, 2), query(1, 4, 40, "select 1"), said(4, 41, 2)}, "update; select", ""},
		{"the next begins", []session.Event{query(1, 3, 30, "begin"), said(3, 31, 3), query(1, 4, 40, "commit"), said(4, 41, 2)}, "begin; commit", ""},
		{"one is open", []session.Event{query(1, 3, 30, update), said(3, 31, 3), query(1, 4, 40, "commit"), said(4, 41, 2), query(1, 5, 50, update), said(5, 51, 2)},
			"update", "3:" + torn + " 4:" + torn},
		{"its end is seen", []session.Event{query(1, 3, 30, "commit"), said(3, 31, 2), query(1, 4, 40, update), said(4, 41, 2)}, "update", "3:" + torn},
		{"an error tells nothing", []session.Event{query(1, 3, 30, update), failed, query(1, 4, 40, update), said(4, 41, 2)}, "update", "3:" + torn},
		{"lost twice", []session.Event{hole, query(1, 3, 30, update), said(3, 31, 2)}, "update", ""},
		{"what sets up the session", []session.Event{query(1, 3, 30, "set @a = 1"), said(3, 31, 3), query(1, 4, 40, "rollback"), said(4, 41, 2)}, "set", "4:" + torn},
	} {
		for _, o := range []Options{{}, {Live: true}, {Order: newLineup()}} {
			o.Policy.Writes = true
			f := following()
			events := []session.Event{start(1), query(1, 1, 10, "begin"), said(1, 11, 3), query(1, 2, 20, update), said(2, 21, 3), hole}
			sink, stats := play(t, context.Background(), f, o, append(append(events, c.events...), &session.End{ID: 1, At: 300}))
			want := "begin; update; rollback; " + c.want
			if got := verbs(f.log); got != want || stats.Torn.Load() != 1 || skips(sink) != c.skips {
				t.Errorf("%s, live %t: %s, %d torn, %s; want %s", c.why, o.Live, got, stats.Torn.Load(), skips(sink), want)
			}
		}
	}
}

// TestTornOutside: where no transaction was open, one may be that began in the
// hole. The server's bytes are nothing that a transaction lacks. What only reads
// does not hang on it.
func TestTornOutside(t *testing.T) {
	update := "update t set a = 1"
	answers := *hole
	answers.Client = false
	for _, c := range []struct {
		why    string
		gap    *session.Gap
		status uint16
		reads  bool
		want   string
	}{
		{"begun in the hole", hole, 3, false, "select; insert"},
		{"none", hole, 2, false, "select; update; commit; insert"},
		{"the server's bytes", &answers, 3, false, "select; update; commit; insert"},
		{"reads only", hole, 3, true, "select; commit"},
	} {
		f := following()
		events := []session.Event{start(1), query(1, 1, 10, "select 1"), said(1, 11, 2), c.gap, query(1, 2, 20, update), said(2, 21, c.status),
			query(1, 3, 30, "commit"), said(3, 31, 2), query(1, 4, 40, "insert into t values (1)"), said(4, 41, 2), &session.End{ID: 1, At: 300}}
		sink, stats := play(t, context.Background(), f, Options{Policy: Policy{Writes: !c.reads}, Order: newLineup()}, events)
		if got := verbs(f.log); got != c.want || stats.Torn.Load() != 0 {
			t.Errorf("%s: %s, want %s; %s", c.why, got, c.want, skips(sink))
		}
	}
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
