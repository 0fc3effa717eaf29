package order

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

var modelSchema = `{"server":"9.7.0","tables":[{"schema":"test","name":"t","kind":"table","engine":"InnoDB",
"columns":[{"name":"id","type":"int"},{"name":"v","type":"int"},{"name":"w","type":"int"}],"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]}]}]}`

// planModel plans a recording of the model.
func planModel(t *testing.T, rec *modelRecording, o Options) (map[uint64][]*Step, Stats) {
	t.Helper()
	tables, err := schema.Read(strings.NewReader(modelSchema))
	if err != nil {
		t.Fatal(err)
	}
	o.Schema = tables
	p := NewPlanner(o)
	steps := map[uint64][]*Step{}
	seeAll(t, p, rec.events, func(_ *session.Command, s *Step) { steps[s.Session] = append(steps[s.Session], s) })
	return steps, p.Stats()
}

// fresh returns clients that run the statements that were recorded.
func fresh(clients []*client) (list []*client) {
	for _, c := range clients {
		list = append(list, newClient(c.id, slices.Clone(c.ops)))
	}
	return list
}

// However sessions raced when they were recorded, a replay in any order that the
// steps allow ends with the same rows, never waits for ever, and reads what was
// read, but where a read is told to be a guess.
func TestLawOrder(t *testing.T) {
	for _, o := range []Options{{Mode: Row}, {Mode: Table}, {Mode: Row, Hold: 12}, {Mode: Row, Window: 8}} {
		reads, ambiguous, differ := 0, 0, 0
		for seed := range uint64(300) {
			out, rec, stats := runModel(t, seed, o, true)
			if out.hung != "" {
				t.Fatalf("%v, seed %d: it hangs:\n%s", o, seed, out.hung)
			}
			if out.final != rec.final {
				t.Fatalf("%v, seed %d: other rows:\n%s\n%s", o, seed, out.final, rec.final)
			}
			for _, s := range out.differs {
				if len(s.Guesses) == 0 && o.Hold == 0 {
					t.Fatalf("%v, seed %d: %d.%d differs, and was no guess", o, seed, s.Session, s.Seq)
				}
			}
			if out.dropped > 0 {
				t.Fatalf("%v, seed %d: %d guesses contradict each other", o, seed, out.dropped)
			}
			reads, ambiguous, differ = reads+int(stats.Reads), ambiguous+int(stats.Ambiguous), differ+len(out.differs)
		}
		t.Logf("%s, hold %d, window %d: %d reads, %d ambiguous, %d differ", o.Mode, o.Hold, o.Window, reads, ambiguous, differ)
		if ambiguous > reads/2 || differ == 0 {
			t.Errorf("%v: the model proves nothing", o)
		}
	}
}

// runModel records with the model, plans, and replays.
func runModel(t *testing.T, seed uint64, o Options, locks bool) (modelOutcome, *modelRecording, Stats) {
	r := rand.New(rand.NewPCG(seed, 1))
	rows, clients := someClients(r, locks)
	rec := record(r, rows, clients)
	steps, stats := planModel(t, rec, o)
	return replayModel(r, rows, rec, steps, fresh(clients)), rec, stats
}

// Writes outside of transactions overlap, and nothing tells which was first: the
// replay never waits for ever even so, and where nothing was a guess it is right.
func TestLawAutocommit(t *testing.T) {
	same := 0
	for seed := range uint64(300) {
		out, rec, _ := runModel(t, seed, Options{Mode: Row}, false)
		if out.hung != "" {
			t.Fatalf("seed %d: it hangs:\n%s", seed, out.hung)
		}
		if out.final == rec.final {
			same++
		}
	}
	t.Logf("%d of 300 end with the same rows", same)
	if same < 100 {
		t.Error("guesses are worse than none")
	}
}
