package order

import (
	"math/rand/v2"
	"testing"

	"myreplay/session"
)

// What the models of servers and their clients have in common.

// takeTurns lets clients act in turns with random delays until none is left.
func takeTurns(r *rand.Rand, clients int, isLeft func(i int) bool, act func(i int, now int64)) {
	now := int64(1_000_000)
	for left := true; left; {
		left = false
		for _, i := range r.Perm(clients) {
			if !isLeft(i) {
				continue
			}
			left = true
			if r.IntN(3) == 0 {
				continue
			}
			now += int64(1+r.IntN(40)) * 1000
			act(i, now)
		}
	}
}

// modelStart is the login of a model's client.
func modelStart(id int) *session.Start {
	return &session.Start{ID: uint64(id), Protocol: session.Classic, ServerVersion: "9.7.0", Login: session.Login{Known: true, Schema: "test", Collation: 255}}
}

// modelQuery is a statement of a model's client.
func modelQuery(id, seq uint64, now int64, sql string) *session.Command {
	c := &session.Command{ID: id, Seq: seq, At: now, End: now, Kind: session.Query, Payload: append([]byte{3}, sql...)}
	c.SQL = c.Payload[1:]
	return c
}

// seeAll has a planner see a recording, and yields its commands in their order.
func seeAll(t testing.TB, p *Planner, events []session.Event, yield func(c *session.Command, s *Step)) {
	t.Helper()
	emit := func(e session.Event, s *Step) error {
		if c, ok := e.(*session.Command); ok {
			yield(c, s)
		}
		return nil
	}
	for _, e := range events {
		if err := p.See(e, emit); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(emit); err != nil {
		t.Fatal(err)
	}
}
