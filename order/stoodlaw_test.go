package order

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// A model of a table with a unique key: rows come, are changed instead, and go, in
// transactions or not. What a statement found stays locked until its transaction ends.

var stoodSchema = `{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB",
"columns":[{"name":"id","type":"int","auto_increment":true},{"name":"p","type":"int"},{"name":"v","type":"int"}],
"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]},{"name":"p","unique":true,"columns":["p"]}]}]}`

type stoodClient struct {
	id, next, state int
	ops             []string
	in              bool
	locks           []int
	before          map[int]int // rows as they were before its transaction
	result          session.Result
}

type stoodWorld struct {
	rows   map[int]int // by key: their ids; 0: there is none
	locked map[int]*stoodClient
	ids    int
}

// do lets a statement take effect; false: it has to wait.
func (w *stoodWorld) do(c *stoodClient) bool {
	op, key := c.ops[c.next], 0
	c.result = session.Result{Outcome: session.OK}
	switch op {
	case "BEGIN":
		c.in = true
	case "COMMIT", "ROLLBACK":
		for k, id := range c.before {
			if op == "ROLLBACK" {
				w.rows[k] = id
			}
		}
		for _, k := range c.locks {
			w.locked[k] = nil
		}
		c.in, c.locks, c.before = false, nil, nil
	default:
		if i := strings.Index(op, "VALUES ("); i > 0 {
			_, _ = fmt.Sscanf(op[i:], "VALUES (%d", &key)
		} else {
			_, _ = fmt.Sscanf(op, "DELETE FROM t WHERE p = %d", &key)
		}
		if by := w.locked[key]; by != nil && by != c {
			return false
		}
		if c.in {
			w.locked[key] = c
			c.locks = append(c.locks, key)
			if c.before == nil {
				c.before = map[int]int{}
			}
			if _, known := c.before[key]; !known {
				c.before[key] = w.rows[key]
			}
		}
		w.change(c, op, key)
	}
	if c.in {
		c.result.Status = 1
	}
	return true
}

func (w *stoodWorld) change(c *stoodClient, op string, key int) {
	r := &c.result
	switch there := w.rows[key] != 0; {
	case op[0] == 'D':
		if there {
			r.Affected, w.rows[key] = 1, 0
		}
	case !there:
		w.ids++
		r.Affected, r.InsertID, w.rows[key] = 1, uint64(w.ids), w.ids
	case strings.Contains(op, "DUPLICATE"):
		w.ids++
		r.Affected, r.InsertID = 2, uint64(w.rows[key])
	default:
		w.ids++
		r.Outcome, r.Error = session.Failed, &session.Error{Code: errDuplicate, Message: fmt.Sprintf("Duplicate entry '%d' for key 't.p'", key)}
	}
}

func stoodOps(r *rand.Rand) (list []string) {
	one := func(key int) string {
		switch r.IntN(5) {
		case 0:
			return fmt.Sprintf("INSERT INTO t (p, v) VALUES (%d, 1) ON DUPLICATE KEY UPDATE v = v + 1", key)
		case 1, 2:
			return fmt.Sprintf("DELETE FROM t WHERE p = %d", key)
		}
		return fmt.Sprintf("INSERT INTO t (p, v) VALUES (%d, 1)", key)
	}
	for range 8 {
		if r.IntN(3) > 0 {
			list = append(list, one(1+r.IntN(3)))
			continue
		}
		list = append(list, "BEGIN")
		for k := 1 + r.IntN(3); k <= 3; k += r.IntN(3) { // in one order, so that none waits for ever
			list = append(list, one(k))
		}
		list = append(list, []string{"COMMIT", "COMMIT", "ROLLBACK"}[r.IntN(3)])
	}
	return list
}

// recordStood returns what was recorded, and the order in which it took effect.
func recordStood(seed uint64) (events []session.Event, effects map[place]int) {
	r := rand.New(rand.NewPCG(seed, 11))
	w := &stoodWorld{rows: map[int]int{}, locked: map[int]*stoodClient{}}
	var clients []*stoodClient
	for i := range 2 + r.IntN(4) {
		clients = append(clients, &stoodClient{id: i + 1, ops: stoodOps(r)})
		events = append(events, modelStart(i+1))
	}
	effects = map[place]int{}
	isLeft := func(i int) bool { return clients[i].next < len(clients[i].ops) }
	takeTurns(r, len(clients), isLeft, func(i int, now int64) {
		c := clients[i]
		id, seq := uint64(c.id), uint64(c.next+1)
		switch c.state {
		case 0:
			events = append(events, modelQuery(id, seq, now, c.ops[c.next]))
		case 1:
			if !w.do(c) {
				return
			}
			effects[place{session: id, seq: seq}] = len(effects) + 1
		case 2:
			events = append(events, &session.Reply{ID: id, Seq: seq, First: now, Last: now, Results: []session.Result{c.result}})
			c.next++
		}
		c.state = (c.state + 1) % 3
	})
	return events, effects
}

// What is inferred from duplicate keys and affected rows is true: who is said to come
// after another's end took effect after it. A spare id is one that no row got.
func TestLawStood(t *testing.T) {
	tables, err := schema.Read(strings.NewReader(stoodSchema))
	if err != nil {
		t.Fatal(err)
	}
	inferred, guessed, spares := 0, 0, 0
	for seed := range uint64(1500) {
		events, effects := recordStood(seed)
		p := NewPlanner(Options{Mode: Row, Schema: tables, Digests: true})
		got := map[uint64]bool{}
		var taken []uint64
		for _, e := range events {
			if r, ok := e.(*session.Reply); ok && r.Results[0].Affected == 1 && r.Results[0].InsertID > 0 {
				got[r.Results[0].InsertID] = true
			}
		}
		seeAll(t, p, events, func(_ *session.Command, s *Step) {
			if s.Spare != 0 {
				taken = append(taken, s.Spare)
			}
			for _, wt := range s.Waits {
				if wt.Confidence == Guessed || wt.Reason != WriteWrite {
					guessed++
					continue
				}
				if wt.Confidence == Inferred {
					inferred++
				}
				if effects[place{session: wt.On.Session, seq: wt.On.Seq}] > effects[place{session: s.Session, seq: s.Seq}] {
					t.Fatalf("seed %d: %d.%d is said to come after %d.%d (%v)", seed, s.Session, s.Seq, wt.On.Session, wt.On.Seq, wt.Confidence)
				}
			}
		})
		for _, id := range taken {
			if spares++; got[id] {
				t.Fatalf("seed %d: a row got the spare id %d", seed, id)
			}
		}
	}
	t.Logf("%d waits inferred, %d guessed, %d spare ids", inferred, guessed, spares)
	if inferred < 1000 || spares < 100 {
		t.Error("the model proves nothing")
	}
}
