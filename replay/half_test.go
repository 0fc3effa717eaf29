package replay

import (
	"context"
	"strings"
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

// TestHalfRecorded: in a recording the first reply tells it before anything is
// sent: so nothing is left out where no transaction was open. Where nothing tells,
// no half is done. Only writes make that necessary.
func TestHalfRecorded(t *testing.T) {
	insert := "insert into t values (1)"
	failed := &session.Reply{ID: 1, Seq: 1, First: 201, Last: 201, Results: []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: 1062}}}}
	open := []session.Event{query(1, 1, 200, insert), said(1, 201, 3), query(1, 2, 202, "commit"), said(2, 203, 2), query(1, 3, 204, insert), said(3, 205, 2)}
	for _, c := range []struct {
		why      string
		events   []session.Event
		skipped  string
		replayed string // with Halves
	}{
		{"open", open, "1:transaction begun before 2:transaction begun before", "start transaction; insert; commit; insert"},
		{"open, behind a gap", append([]session.Event{&session.Gap{ID: 1, At: 199, Reason: session.JoinedLate}}, open...),
			"1:transaction begun before 2:transaction begun before", "start transaction; insert; commit; insert"},
		{"none", []session.Event{query(1, 1, 200, insert), said(1, 201, 2), query(1, 2, 202, insert), said(2, 203, 2)}, "", "insert; insert"},
		{"begun now", []session.Event{query(1, 1, 200, "begin"), said(1, 201, 3), query(1, 2, 202, insert), said(2, 203, 3)}, "", "start transaction; begin; insert"},
		{"nothing tells", []session.Event{query(1, 1, 200, insert)}, "1:transaction begun before", "insert"},
		{"an error, then the end", []session.Event{query(1, 1, 200, insert), failed}, "1:transaction begun before", "insert"},
		{"an error, then a reply", []session.Event{query(1, 1, 200, insert), failed, query(1, 2, 202, insert), said(2, 203, 3), query(1, 3, 204, "commit"), said(3, 205, 2)},
			"1:transaction begun before 2:transaction begun before 3:transaction begun before", "start transaction; insert; insert; commit"},
	} {
		for _, halves := range []bool{false, true} {
			start := joined(session.State{})
			start.State = nil
			events := append(append([]session.Event{start}, c.events...), &session.End{ID: 1, At: 300})
			f := &fake{}
			sink, stats := play(t, context.Background(), f, Options{Halves: halves, Policy: Policy{Writes: true}}, events)
			if got := skips(sink); !halves && got != c.skipped || halves && got != "" {
				t.Errorf("%s, halves %t: %s, want %s", c.why, halves, got, c.skipped)
			}
			if stats.Accounted() != stats.Commands.Load() {
				t.Errorf("%s: %d of %d accounted for", c.why, stats.Accounted(), stats.Commands.Load())
			}
			if got := verbs(f.log); halves && got != c.replayed {
				t.Errorf("%s: %s, want %s", c.why, got, c.replayed)
			}
			// What only reads does not hang on it.
			sink, _ = play(t, context.Background(), &fake{}, Options{Halves: halves}, []session.Event{start, query(1, 1, 200, "select 1"), said(1, 201, 3), &session.End{ID: 1, At: 300}})
			if got := skips(sink); got != "" {
				t.Errorf("%s: reads: %s", c.why, got)
			}
		}
	}
}

// TestHalfResumed: a transaction that the source told of is replayed from the
// first statement seen, where that is chosen, and left out where it is not.
func TestHalfResumed(t *testing.T) {
	for _, halves := range []bool{false, true} {
		f := &fake{}
		events := []session.Event{joined(session.State{Transaction: true}), query(1, 1, 200, "update t set a = 1"), said(1, 201, 3),
			query(1, 2, 202, "commit"), said(2, 203, 2), query(1, 3, 204, "insert into t values (1)"), said(3, 205, 2), &session.End{ID: 1, At: 300}}
		sink, _ := play(t, context.Background(), f, Options{Halves: halves, Policy: Policy{Writes: true}}, events)
		want := map[bool]string{false: "insert", true: "start transaction; update; commit; insert"}[halves]
		if got := verbs(f.log); got != want {
			t.Errorf("halves %t: %s, want %s; %s", halves, got, want, skips(sink))
		}
	}
}

// verbs are the statements of a fake's log, by their first words.
func verbs(log []string) string {
	var list []string
	for _, line := range log {
		_, sql, ok := strings.Cut(line, " query ")
		if !ok {
			continue
		}
		if !strings.HasPrefix(strings.ToLower(sql), "start ") {
			sql, _, _ = strings.Cut(sql, " ")
		}
		list = append(list, strings.ToLower(sql))
	}
	return strings.Join(list, "; ")
}
