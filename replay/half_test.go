package replay

import (
	"context"
	"testing"

	"myreplay/session"
)

// TestHalfByReply: a transaction that was open when the source was asked, by the
// reply before, is left out to its end, although the state does not tell of it.
func TestHalfByReply(t *testing.T) {
	insert := "insert into t values (1)"
	for _, c := range []struct {
		why    string
		events []session.Event
		want   string
	}{
		{"begun before", []session.Event{query(1, 1, 50, "begin"), said(1, 51, 3), query(1, 2, 60, insert), said(2, 61, 3),
			query(1, 3, 200, insert), said(3, 201, 3), query(1, 4, 202, "commit"), said(4, 203, 2), query(1, 5, 204, insert)},
			"1:part of the state 2:part of the state 3:transaction begun before 4:transaction begun before"},
		{"its reply came later", []session.Event{query(1, 1, 50, "begin"), said(1, 150, 3), query(1, 2, 200, insert), said(2, 201, 3), query(1, 3, 202, "commit"), said(3, 203, 2),
			query(1, 4, 204, insert)}, "1:part of the state 2:transaction begun before 3:transaction begun before"},
		{"over by then", []session.Event{query(1, 1, 50, "begin"), said(1, 51, 3), query(1, 2, 60, "commit"), said(2, 61, 2), query(1, 3, 200, insert), said(3, 201, 2)},
			"1:part of the state 2:part of the state"},
		{"ended by a statement of another kind", []session.Event{query(1, 1, 50, "begin"), said(1, 51, 3), query(1, 2, 200, "create table x (i int)"), said(2, 201, 2), query(1, 3, 202, insert)},
			"1:part of the state 2:transaction begun before"},
	} {
		events := append([]session.Event{joined(session.State{})}, c.events...)
		sink, _ := play(t, context.Background(), &fake{}, Options{Live: true, Policy: Policy{Writes: true}}, append(events, &session.End{ID: 1, At: 300}))
		if got := skips(sink); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// TestHalfUntold: of a session that was open before, and of which nobody told
// anything, the first reply tells whether a transaction is open.
func TestHalfUntold(t *testing.T) {
	insert := "insert into t values (1)"
	for _, c := range []struct {
		why    string
		events []session.Event
		want   string
	}{
		{"open", []session.Event{query(1, 1, 200, insert), said(1, 201, 3), query(1, 2, 202, "commit"), said(2, 203, 2), query(1, 3, 204, insert)},
			"1:transaction begun before 2:transaction begun before"},
		{"none", []session.Event{query(1, 1, 200, insert), said(1, 201, 2), query(1, 2, 202, insert)}, "1:transaction begun before"},
	} {
		start := joined(session.State{})
		start.State = nil
		events := append([]session.Event{start}, c.events...)
		sink, _ := play(t, context.Background(), &fake{}, Options{Live: true, Policy: Policy{Writes: true}}, append(events, &session.End{ID: 1, At: 300}))
		if got := skips(sink); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}
