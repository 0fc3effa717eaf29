package order

import (
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// logOf is a binary log of commits: a place by connection and moment.
type logOf map[uint32][2]uint64

func (l logOf) Find(connection uint32, from, to int64) (uint64, bool) {
	e, ok := l[connection]
	return e[1], ok && int64(e[0]) >= from && int64(e[0]) <= to
}

// Of two writes that overlap the binary log tells which came first, whatever the
// order of their answers; what it has at another time is another commit.
func TestCommits(t *testing.T) {
	tables, err := schema.Read(strings.NewReader(`{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB",
		"columns":[{"name":"id","type":"int"},{"name":"v","type":"int"}],"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	login := session.Login{Schema: "test"}
	for _, c := range []struct {
		why   string
		log   logOf
		first uint64
		sure  Confidence
	}{
		{"the one answered last came first", logOf{71: {15_000, 8}, 72: {18_000, 9}}, 1, Proven},
		{"the order of the answers", logOf{71: {15_000, 9}, 72: {14_000, 8}}, 2, Proven},
		{"at another time", logOf{71: {5_000_000, 8}, 72: {6_000_000, 9}}, 2, Guessed},
		{"only one of them", logOf{71: {15_000, 8}}, 2, Guessed},
		{"nothing", nil, 2, Guessed},
	} {
		p := NewPlanner(Options{Mode: Row, Schema: tables, Commits: c.log})
		events := []session.Event{
			&session.Start{ID: 1, ConnectionID: 71, Login: login}, &session.Start{ID: 2, ConnectionID: 72, Login: login},
			&session.Command{ID: 1, Seq: 1, At: 10_000, End: 10_000, Kind: session.Query, SQL: []byte("UPDATE t SET v=v*3 WHERE id=1")},
			&session.Command{ID: 2, Seq: 1, At: 11_000, End: 11_000, Kind: session.Query, SQL: []byte("UPDATE t SET v=v*5 WHERE id=1")},
			&session.Reply{ID: 2, Seq: 1, First: 20_000, Last: 20_000, Results: []session.Result{{Outcome: session.OK, Affected: 1, Status: 2}}},
			&session.Reply{ID: 1, Seq: 1, First: 30_000, Last: 30_000, Results: []session.Result{{Outcome: session.OK, Affected: 1, Status: 2}}},
		}
		waits := 0
		seeAll(t, p, events, func(_ *session.Command, s *Step) {
			for _, w := range s.Waits {
				waits++
				if w.On.Session != c.first || w.Confidence != c.sure {
					t.Errorf("%s: %d waits for %d, %v; want %d first, %v", c.why, s.Session, w.On.Session, w.Confidence, c.first, c.sure)
				}
			}
		})
		if waits != 1 {
			t.Errorf("%s: %d waits", c.why, waits)
		}
	}
}
