package order

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// planned plans a recording and tells of each event what it waits for.
func planned(t *testing.T, events []session.Event, keys string, o Options, looks, isLive bool) (list []string) {
	t.Helper()
	tables, err := schema.Read(strings.NewReader(keys))
	if err != nil {
		t.Fatal(err)
	}
	o.Schema = tables
	var steps []*Step
	last := map[uint64]uint64{}
	emit := func(e session.Event, s *Step) error {
		if s == nil {
			return nil
		}
		if s.Seq < last[s.Session] {
			t.Fatalf("%+v: %d.%d comes behind %d", o, s.Session, s.Seq, last[s.Session])
		}
		last[s.Session] = s.Seq
		steps = append(steps, s)
		return nil
	}
	tell := func(s *Step) {
		slices.SortFunc(s.Waits, func(a, b Wait) int {
			return cmp.Or(cmp.Compare(a.On.Session, b.On.Session), cmp.Compare(a.On.Seq, b.On.Seq), cmp.Compare(a.Confidence, b.Confidence))
		})
		text := fmt.Sprintf("%d.%d: %d fence %d guesses %v waits", s.Session, s.Seq, s.Number, s.Fence, s.Guesses)
		for _, w := range s.Waits {
			text += fmt.Sprintf(" %d.%d %v %v %v", w.On.Session, w.On.Seq, w.Confidence, w.Reason, w.Sent)
		}
		list = append(list, text)
	}
	p, see, flush := (*Planner)(nil), (func(session.Event, Emit) error)(nil), (func(Emit) error)(nil)
	if isLive {
		l := NewLive(o, 0)
		p, see, flush = l.p, l.See, l.Flush
	} else {
		p = NewPlanner(o)
		see, flush = p.See, p.Flush
	}
	p.looks = looks
	for _, e := range events {
		if err := see(e, emit); err != nil {
			t.Fatal(err)
		}
	}
	if err := flush(emit); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		tell(s)
	}
	return append(list, fmt.Sprintf("%+v", p.stats))
}

// What is passed over by its mark would have changed nothing: a planner that looks
// at everything says the same, and the commands of a session keep their order.
func TestLawPass(t *testing.T) {
	same := func(name string, events []session.Event, keys string, o Options, isLive bool) {
		fast, slow := planned(t, events, keys, o, false, isLive), planned(t, events, keys, o, true, isLive)
		for i := range slow {
			if fast[i] != slow[i] {
				t.Fatalf("%s, %+v, live %v:\n%s\n%s", name, o, isLive, fast[i], slow[i])
			}
		}
	}
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows, clients := someClients(r, seed%2 == 0)
		rec := record(r, rows, clients)
		name := fmt.Sprintf("seed %d", seed)
		for _, o := range []Options{{Mode: Row, Doubts: true}, {Mode: Row}, {Mode: Table}, {Mode: Row, Hold: 12}, {Mode: Row, Window: 8}, {Mode: Row, HoldBytes: 3000}, {Mode: Row, HoldTime: 20}} {
			same(name, rec.events, modelSchema, o, false)
		}
		same(name, rec.events, modelSchema, Options{Mode: Row}, true)
	}
	for _, sessions := range []int{16, 64} {
		events, _ := benchEvents(sessions, 3*sessions, 1000)
		for _, o := range []Options{{Mode: Row}, {Mode: Row, Hold: 300}, {Mode: Row, HoldBytes: 30_000, Window: 64}} {
			same("sysbench", events, benchSchema, o, false)
		}
		same("sysbench", events, benchSchema, Options{Mode: Row}, true)
	}
}

// What a session has waited for is told however many others there are, with a place of
// their own or without.
func TestReach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	m, want := &member{id: 7}, map[uint64]uint64{}
	for i := range uint64(50_000) {
		sessions := 2 + int(i/20)
		on := uint64(r.IntN(sessions))
		if on == m.id {
			continue
		}
		if got := m.waitedFor(on); got != want[on] {
			t.Fatalf("after %d: %d of %d, want %d", i, got, on, want[on])
		}
		m.reach(&pendingWait{on: commandID{on, i + 1}}, sessions)
		want[on] = i + 1
	}
}
