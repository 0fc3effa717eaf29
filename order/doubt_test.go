package order

import (
	"slices"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// A locking read that finds what two writes of guessed order left can show that the
// guess was wrong, though its own place is proven.
func TestDoubtLocking(t *testing.T) {
	tables, err := schema.Read(strings.NewReader(stoodSchema))
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlanner(Options{Mode: Row, Schema: tables, Doubts: true})
	events := script(t, `
1 20-30 UPDATE t SET v = v * 3 WHERE id = 1
2 21-31 UPDATE t SET v = v + 1 WHERE id = 1
3 40-41 rows=1 SELECT id, v FROM t WHERE id = 1 FOR UPDATE`)
	seeAll(t, p, events, func(*session.Command, *Step) {})
	if got := p.Doubts(3, 1); !slices.ContainsFunc(got, func(n Lesson) bool { return n.Session == 2 && n.Other == 1 && n.Seen }) {
		t.Errorf("doubts %+v", got)
	}
}
