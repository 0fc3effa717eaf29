package capfile

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"myreplay/session"
)

// TestDrop stalls the disk at random while events come in. Write must never
// wait; and then, in what can be read, a session's events that do not follow
// on each other have a Gap of that session between them, all losses are told
// of by a Gap that belongs to nobody, and the account closes.
func TestDrop(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		events := churn(r, 6000)
		d := newMemDisk()
		d.gate = make(chan struct{})
		w, err := create(d, "dir", testMeta, Options{Policy: Drop, Queue: 2, BlockBytes: 2000, FlushEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		for i, ev := range events {
			if err := w.Write(ev); err != nil {
				t.Fatal(err)
			}
			if i > 1000 && i%500 < 250 { // the disk is alive at times
				select {
				case d.gate <- struct{}{}:
				default:
				}
			}
		}
		owed := len(w.debts.sessions)
		close(d.gate) // and in the end for good
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := readAll(t, d.save(t))
		if len(got.damage) > 0 {
			t.Fatal(got.damage)
		}
		if totals := w.Totals(); totals.Dropped.Events() == 0 {
			t.Fatal("nothing was dropped")
		} else {
			checkDropped(t, got.events, events, totals)
		}
		if owed > 200 {
			t.Fatalf("the writer owes Gaps to %d sessions, of which few are alive", owed)
		}
	}
}

// churn makes events of sessions that come and go, some with one command in
// their life and some with many.
func churn(r *rand.Rand, n int) []session.Event {
	var events []session.Event
	type live struct{ id, seq uint64 }
	var alive []live
	var ids uint64
	for at := int64(1e18); len(events) < n; at += 1000 {
		if len(alive) < 5 || len(alive) < 60 && r.IntN(10) == 0 {
			ids++
			alive = append(alive, live{id: ids})
			events = append(events, &session.Start{ID: ids, At: at})
		}
		i := r.IntN(len(alive))
		s := &alive[i]
		if i > 2 && r.IntN(5) == 0 {
			events = append(events, &session.End{ID: s.id, At: at, Reason: session.ClientQuit})
			alive[i] = alive[len(alive)-1]
			alive = alive[:len(alive)-1]
			continue
		}
		s.seq++
		events = append(events,
			&session.Command{ID: s.id, Seq: s.seq, At: at, End: at, Kind: session.Query, Size: 6, Payload: []byte("\x03do 1x")[:6]},
			&session.Reply{ID: s.id, Seq: s.seq, First: at, Last: at + r.Int64N(100), Bytes: 11, Results: []session.Result{{Outcome: session.OK}}})
	}
	return events
}

func checkDropped(t *testing.T, got, events []session.Event, totals Totals) {
	t.Helper()
	bySession := map[uint64][]session.Event{}
	for _, ev := range events {
		id, _ := ev.Key()
		bySession[id] = append(bySession[id], ev)
	}
	gaps := map[uint64]*session.Gap{}
	own, told := 0, uint64(0)
	for _, ev := range got {
		id, _ := ev.Key()
		if g, ok := ev.(*session.Gap); ok && g.Reason == session.QueueFull {
			own++
			gaps[id] = g
			var n uint64
			fmt.Sscanf(g.Detail, "%d events", &n)
			told += n
			continue
		}
		left := bySession[id]
		gap := gaps[id]
		for len(left) > 0 && !reflect.DeepEqual(left[0], ev) {
			if gap == nil {
				t.Fatalf("session %d: %#v follows without a Gap on what was not before it", id, ev)
			}
			left = left[1:]
		}
		if len(left) == 0 {
			t.Fatalf("session %d: %#v was never written, or comes twice", id, ev)
		}
		if c, ok := ev.(*session.Command); ok && gap != nil && c.Seq < gap.Seq {
			t.Fatalf("session %d: command %d follows on a Gap that promises %d", id, c.Seq, gap.Seq)
		}
		bySession[id] = left[1:]
		delete(gaps, id)
	}
	if told != totals.Dropped.Events() {
		t.Fatalf("the Gaps for nobody tell of %d events, %d were dropped", told, totals.Dropped.Events())
	}
	if n := uint64(len(got)-own) + totals.Dropped.Events(); n != uint64(len(events)) {
		t.Fatalf("%d events read and %d dropped are not %d", len(got)-own, totals.Dropped.Events(), len(events))
	}
	if totals.Events != uint64(len(got)) {
		t.Fatalf("%d events counted, %d read", totals.Events, len(got))
	}
	checkMarked(t, got, bySession)
}

// checkMarked demands that a session of which only the last events are lost
// has a Gap too.
func checkMarked(t *testing.T, got []session.Event, left map[uint64][]session.Event) {
	t.Helper()
	last := map[uint64]session.Event{}
	for _, ev := range got {
		id, _ := ev.Key()
		last[id] = ev
	}
	for id, events := range left {
		if len(events) == 0 || last[id] == nil {
			continue // whole, or nothing of it was recorded
		}
		if g, ok := last[id].(*session.Gap); !ok || g.Reason != session.QueueFull {
			t.Fatalf("session %d ends with %#v, and %d more events are lost", id, last[id], len(events))
		}
	}
}

// TestDebts: a session whose whole life was dropped, in one block or in two,
// is owed no Gap, so the debts are bounded by the sessions alive.
func TestDebts(t *testing.T) {
	w := &Writer{queue: make(chan *job), free: make(chan *job, 2), store: &store{}} // whose disk never takes a block
	w.opts, _ = Options{}.complete()
	w.enc.reset()
	write := func(events ...session.Event) {
		for _, ev := range events {
			if err := w.Write(ev); err != nil {
				t.Fatal(err)
			}
		}
		w.flush()
	}
	write(&session.Start{ID: 1, At: 1}, &session.Start{ID: 2, At: 1}, &session.Command{ID: 3, Seq: 8, At: 1}, &session.End{ID: 2, At: 2})
	if len(w.debts.sessions) != 2 || w.debts.sessions[1].seq != 1 || w.debts.sessions[3].seq != 9 {
		t.Fatalf("debts %v", w.debts.sessions)
	}
	write(&session.Command{ID: 1, Seq: 1, At: 3}, &session.End{ID: 1, At: 4}, &session.End{ID: 3, At: 5})
	if len(w.debts.sessions) != 1 || w.debts.sessions[3].seq != 9 {
		t.Fatalf("debts %v", w.debts.sessions)
	}
	if d := w.Totals().Dropped; d != (Dropped{Starts: 2, Commands: 2, Ends: 3}) {
		t.Fatalf("dropped %+v", d)
	}
}

// TestDropCounts: the footer knows what was dropped, also after the last
// block.
func TestDropCounts(t *testing.T) {
	d := newMemDisk()
	d.gate = make(chan struct{})
	w, err := create(d, "dir", testMeta, Options{Queue: 1, BlockBytes: 500, FlushEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range sysbenchEvents(300, false) {
		if err := w.Write(ev); err != nil {
			t.Fatal(err)
		}
	}
	close(d.gate)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(d.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Totals()
	if err != nil {
		t.Fatal(err)
	}
	want := w.Totals()
	if !reflect.DeepEqual(got, want) || got.Dropped.Commands == 0 || got.Dropped.Replies == 0 {
		t.Fatalf("the file says\n%+v\nnot\n%+v", got, want)
	}
}
