package compare

import (
	"slices"
	"testing"

	"myreplay/session"
)

// TestOnlyMade: a difference is laid to made-up values only where nothing else can
// differ.
func TestOnlyMade(t *testing.T) {
	result := func(others uint64, rows ...session.MadeRow) *session.Result {
		r := &session.Result{Outcome: session.Rows, Rows: uint64(len(rows)) + 1}
		r.Digest = session.Digest{Unordered: others, Valid: true}
		var packed []byte
		for i := range rows {
			r.Digest.Unordered += rows[i].Row
			packed = session.AppendMade(packed, &rows[i])
		}
		r.Digest.Ordered = r.Digest.Unordered + 1
		r.Changes = []session.Change{{Kind: session.MadeValues, Value: string(packed)}}
		return r
	}
	row := func(row, rest uint64) session.MadeRow {
		return session.MadeRow{Row: row, Rest: rest, Cells: []session.MadeCell{{Column: 1, Hash: row}}}
	}
	recorded := result(9, row(1, 5), row(2, 6))
	for _, c := range []struct {
		why      string
		replayed *session.Result
		cause    Cause
	}{
		{"other values", result(9, row(3, 5), row(4, 6)), Generated},
		{"in another order", result(9, row(4, 6), row(3, 5)), Generated},
		{"a row beside them differs", result(8, row(3, 5), row(4, 6)), Real},
		{"another value of such a row differs", result(9, row(3, 5), row(4, 7)), Real},
		{"the made-up value of one row is not made up here", result(9+3, row(4, 6)), Real},
	} {
		c.replayed.Rows = recorded.Rows
		list, _ := Replies(nil, &session.Reply{Results: []session.Result{*recorded}}, &session.Reply{Results: []session.Result{*c.replayed}}, Statement{}, &Rules{})
		if len(list) != 1 || list[0].Class != RowData || list[0].Cause != c.cause {
			t.Errorf("%s: %v", c.why, list)
		}
	}
	if !slices.ContainsFunc(Counting(recorded.Changes), func(c session.Change) bool { return c.Kind == session.MadeValues }) {
		t.Error("a report does not keep the notes")
	}
}
