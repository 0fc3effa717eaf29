package replay

import (
	"context"
	"testing"

	"myreplay/session"
)

// TestJoining: sessions go on while the source is asked for their state: from 100
// on, with the answer whole at 110. Whether the first command in that time belongs
// to a transaction that began before, the reply to it tells; the state may be
// older or newer.
func TestJoining(t *testing.T) {
	const insert = "insert into t values (1)"
	failed := func(seq uint64, at int64) *session.Reply {
		return &session.Reply{ID: 1, Seq: seq, First: at, Last: at, Results: []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: 1062}}}}
	}
	for _, c := range []struct {
		why    string
		told   bool // a transaction
		events []session.Event
		want   string
	}{
		{"it ended before the answer", false, []session.Event{query(1, 1, 102, insert), said(1, 103, 3), query(1, 2, 104, "commit"), said(2, 105, 2),
			query(1, 3, 120, insert), said(3, 121, 2)}, "1:transaction begun before 2:transaction begun before"},
		{"it began after the question", true, []session.Event{query(1, 1, 102, insert), said(1, 103, 2), query(1, 2, 104, "begin"), said(2, 105, 3),
			query(1, 3, 120, insert), said(3, 121, 3)}, ""},
		{"begun at once", true, []session.Event{query(1, 1, 102, "begin"), said(1, 103, 3), query(1, 2, 104, insert), said(2, 105, 3)}, ""},
		{"its end is seen first", true, []session.Event{query(1, 1, 102, "commit"), said(1, 103, 2), query(1, 2, 104, insert), said(2, 105, 2)}, ""},
		{"an error tells nothing", false, []session.Event{query(1, 1, 102, insert), failed(1, 103), query(1, 2, 104, insert), said(2, 105, 3),
			query(1, 3, 106, "commit"), said(3, 107, 2)}, "1:transaction begun before 2:transaction begun before 3:transaction begun before"},
		{"nothing tells", true, []session.Event{query(1, 1, 102, insert), failed(1, 103)}, "1:transaction begun before"},
		{"nothing more is seen", false, []session.Event{query(1, 1, 102, insert), &session.Gap{ID: 1, At: 104}, query(1, 2, 106, insert), said(2, 107, 2)}, ""},
	} {
		events := append([]session.Event{joined(session.State{Transaction: c.told})}, c.events...)
		sink, stats := play(t, context.Background(), &fake{}, Options{Live: true, Policy: Policy{Writes: true}}, append(events, &session.End{ID: 1, At: 300}))
		if got := skips(sink); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
		if stats.Open.Load() != 0 || stats.Accounted() != stats.Commands.Load() {
			t.Errorf("%s: %d open, %d of %d commands accounted for", c.why, stats.Open.Load(), stats.Accounted(), stats.Commands.Load())
		}
	}
}

// TestJoiningLimit: what waits for a reply is limited; then the state counts. A
// recording that ends meanwhile leaves nothing behind.
func TestJoiningLimit(t *testing.T) {
	for _, half := range []bool{true, false} {
		events := []session.Event{joined(session.State{Transaction: half})}
		for i := range uint64(3 * maxHeld) {
			events = append(events, query(1, i+1, 102, "insert into t values (1)"))
		}
		for _, n := range []int{maxHeld / 2, len(events)} {
			sink, stats := play(t, context.Background(), &fake{}, Options{Live: true, Policy: Policy{Writes: true}}, events[:n])
			if stats.Accounted() != int64(n-1) || (stats.Skipped[session.SkipHalf].Load() > 0) != half {
				t.Errorf("half %t: %d of %d commands accounted for, %s", half, stats.Accounted(), n-1, skips(sink))
			}
		}
	}
}
