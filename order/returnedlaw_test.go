package order

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

var keySchema = `{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB",
"columns":[{"name":"id","type":"int","auto_increment":true},{"name":"p","type":"int"}],"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]},{"name":"p","columns":["p"]}]}]}`

// ends returns which command ends the transaction of each.
func (k *keyTruth) ends(clients []*keyClient) map[place]place {
	of := map[place]place{}
	for _, c := range clients {
		for i := range c.ops {
			j := i
			for in := false; ; j++ {
				b := c.ops[j].kind == 'b'
				if in = in || b || inside(c.ops, i); !in || c.ops[j].kind == 'c' || c.ops[j].kind == 'a' {
					break
				}
			}
			of[place{session: uint64(c.id), seq: uint64(i + 1)}] = place{session: uint64(c.id), seq: uint64(j + 1)}
		}
	}
	return of
}

// inside tells whether a statement stands in a transaction.
func inside(ops []keyOp, i int) bool {
	for ; i >= 0; i-- {
		switch ops[i].kind {
		case 'b':
			return true
		case 'c', 'a':
			return false
		}
	}
	return false
}

// plan plans what was recorded.
func (k *keyTruth) plan(t *testing.T) (map[place]*Step, Stats) {
	tables, err := schema.Read(strings.NewReader(keySchema))
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlanner(Options{Mode: Row, Schema: tables, Digests: true})
	steps := map[place]*Step{}
	seeAll(t, p, k.events, func(_ *session.Command, s *Step) { steps[place{session: s.Session, seq: s.Seq}] = s })
	return steps, p.Stats()
}

// denies tells whether a wait that is no guess contradicts what was.
func (k *keyTruth) denies(ends map[place]place, at place, w Wait) bool {
	on := place{session: w.On.Session, seq: w.On.Seq}
	switch {
	case w.Confidence == Guessed || w.Reason == Barrier:
	case w.Reason == WriteRead:
		snapshot, is := k.snapshots[at]
		return is && k.commits[on] > snapshot
	case w.Reason == ReadWrite:
		snapshot, is := k.snapshots[on]
		return is && k.commits[at] > 0 && k.commits[at] <= snapshot
	case w.Confidence == Inferred:
		mine, other := k.commits[ends[at]], k.commits[ends[on]]
		return mine > 0 && other > mine
	}
	return false
}

// What is inferred from the rows that reads returned is true, whatever came and went,
// in transactions or not, with commits answered in another order than they took effect:
// who is said to be seen was, who is said not to be was not. A replay in any order that
// the steps allow returns the same rows, but for reads that are told to be guesses.
func TestLawReturned(t *testing.T) {
	reads, ambiguous, inferred, differ := 0, 0, 0, 0
	for seed := range uint64(600) {
		k := recordKeys(seed)
		steps, st := k.plan(t)
		ends := k.ends(k.again())
		for at, s := range steps {
			for _, wt := range s.Waits {
				if wt.Confidence == Inferred {
					inferred++
				}
				if k.denies(ends, at, wt) {
					t.Fatalf("seed %d: %d.%d is said to come after %d.%d (%v %v)", seed, s.Session, s.Seq, wt.On.Session, wt.On.Seq, wt.Confidence, wt.Reason)
				}
			}
		}
		for try := range uint64(3) {
			differs, final := replayKeys(t, seed, try, k, steps)
			if final != k.final {
				t.Fatalf("seed %d: other rows: %s, %s", seed, final, k.final)
			}
			for _, s := range differs {
				if len(s.Guesses) == 0 {
					t.Fatalf("seed %d: %d.%d differs, and was no guess", seed, s.Session, s.Seq)
				}
			}
			differ += len(differs)
		}
		reads, ambiguous = reads+int(st.Reads), ambiguous+int(st.Ambiguous)
	}
	t.Logf("%d reads, %d ambiguous, %d differ in 3 replays, %d waits inferred", reads, ambiguous, differ, inferred)
	if inferred < reads/5 || ambiguous > reads/2 {
		t.Error("the model proves nothing")
	}
}

// replayKeys replays in some order that the steps allow, and returns the reads that
// differ and the rows at the end.
func replayKeys(t *testing.T, seed, try uint64, k *keyTruth, steps map[place]*Step) (differs []*Step, final string) {
	r := rand.New(rand.NewPCG(seed, 5+try))
	clients := k.again()
	w := &keyWorld{rows: map[int]*keyRow{}}
	done := map[*Step]bool{}
	for left, idle := true, 0; left; idle++ {
		if idle > 1000 {
			for _, c := range clients {
				if c.next < len(c.ops) {
					for _, w := range steps[c.place()].Waits {
						if !done[w.On] {
							t.Errorf("%d.%d waits for %d.%d: %v %v", c.id, c.next+1, w.On.Session, w.On.Seq, w.Confidence, w.Reason)
						}
					}
				}
			}
			t.Fatalf("seed %d: sessions wait for each other", seed)
		}
		left = false
		for _, i := range r.Perm(len(clients)) {
			c := clients[i]
			if c.next >= len(c.ops) {
				continue
			}
			left = true
			at := c.place()
			s := steps[at]
			if r.IntN(2) == 0 || slices.ContainsFunc(s.Waits, func(w Wait) bool { return !done[w.On] }) {
				continue
			}
			w.do(c, k.ids[at])
			if fmt.Sprint(c.rows, c.affected) != k.results[at] {
				differs = append(differs, s)
			}
			done[s] = true
			c.next++
			idle = 0
		}
	}
	return differs, w.final()
}
