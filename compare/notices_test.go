package compare

import (
	"testing"

	"myreplay/session"
)

func ids(kind session.ChangeKind, name, value string) session.Change {
	return session.Change{Kind: kind, Name: name, Value: value}
}

// TestNotices: what the X Protocol tells in notices is compared by number and
// code, whatever ids and texts they hold.
func TestNotices(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []session.Change
		want []Class
	}{
		{"the ids are the server's own", []session.Change{ids(session.DocumentIDs, "", "00aa,00ab")}, []session.Change{ids(session.DocumentIDs, "", "11aa,11ab")}, nil},
		{"one id less", []session.Change{ids(session.DocumentIDs, "", "00aa,00ab")}, []session.Change{ids(session.DocumentIDs, "", "11aa")}, []Class{InsertID}},
		{"none at all", []session.Change{ids(session.DocumentIDs, "", "00aa")}, nil, []Class{InsertID}},
		{"another text of a warning", []session.Change{ids(session.WarningNotice, "1366", "a")}, []session.Change{ids(session.WarningNotice, "1366", "b")}, nil},
		{"another warning", []session.Change{ids(session.WarningNotice, "1366", "a")}, []session.Change{ids(session.WarningNotice, "1265", "a")}, []Class{WarningCount}},
		{"another number of rows matched", []session.Change{ids(session.RowsMatched, "", "3")}, []session.Change{ids(session.RowsMatched, "", "4")}, []Class{Affected}},
		{"what is not compared", []session.Change{ids(session.TransactionEnd, "", "committed")}, []session.Change{ids(session.OtherNotice, "7", "x")}, nil},
	} {
		reply := func(changes []session.Change) *session.Reply {
			return &session.Reply{Results: []session.Result{{Outcome: session.OK, Changes: Counting(changes)}}}
		}
		list, missing := Replies(nil, reply(c.a), reply(c.b), Statement{}, &Rules{})
		if missing != Compared || len(list) != len(c.want) {
			t.Errorf("%s: %v, %v", c.name, list, missing)
			continue
		}
		for i, d := range list {
			if d.Class != c.want[i] || !d.Counts {
				t.Errorf("%s: %v", c.name, d)
			}
		}
	}
}
