package order

import (
	"fmt"
	"strings"
	"testing"

	"myreplay/schema"
	"myreplay/session"
)

// size counts what a planner remembers of what it handed on.
func (p *Planner) size() (n int) {
	lists := func(b *bucket) (n int) {
		for _, l := range []*list{&b.locks, &b.reads} {
			if n += cap(l.items) + cap(l.marks); l.rows != nil {
				n += len(l.rows)
			}
		}
		return n
	}
	n = cap(p.queue) + cap(p.ends) + cap(p.longs) + cap(p.enders) + cap(p.roster) + len(p.members) + len(p.bindings) + len(p.least) + len(p.tables)
	for _, m := range p.members {
		n += len(m.waited) + len(m.reached)
	}
	for _, t := range p.tables {
		n += lists(&t.all) + cap(t.inserted.items) + cap(t.locked.items) + cap(t.scanned.items) + cap(t.skipping.items) + cap(t.kept)
		for i := range t.lenses {
			l := &t.lenses[i]
			n += lists(&l.loose) + len(l.buckets) + len(l.spare)
			for _, b := range l.buckets {
				n += lists(b)
			}
			for _, b := range l.spare {
				n += lists(b)
			}
		}
	}
	return n
}

// ever is a recording of some sessions that insert, read and change rows that
// nobody touched before, transaction by transaction.
func ever(sessions int, see func(session.Event), transactions int) {
	now, row := int64(1_000_000), 0
	seq := make([]uint64, sessions)
	for i := range sessions {
		see(modelStart(i + 1))
	}
	for n := range transactions {
		i := n % sessions
		row += 100
		for k, text := range []string{"BEGIN", fmt.Sprintf("INSERT INTO sbtest1 (id, k, c) VALUES (%d, %d, 'x')", row, row), fmt.Sprintf("SELECT c FROM sbtest1 WHERE id=%d", row-100*sessions),
			fmt.Sprintf("SELECT c FROM sbtest1 WHERE id BETWEEN %d AND %d", row-100, row), fmt.Sprintf("UPDATE sbtest1 SET k=k+1 WHERE k=%d", row), "COMMIT"} {
			now += 20_000
			seq[i]++
			see(modelQuery(uint64(i+1), seq[i], now, text))
			now += 20_000
			res := session.Result{Outcome: session.OK, Affected: 1, Status: 1}
			switch {
			case text[0] == 'S':
				res = session.Result{Outcome: session.Rows, Status: 1}
			case k == 5:
				res.Status = 0
			}
			see(&session.Reply{ID: uint64(i + 1), Seq: seq[i], First: now, Last: now, Results: []session.Result{res}})
		}
	}
}

// What is remembered is bounded by the window, however long the recording is: on
// ever new rows it does not grow.
func TestLawBounded(t *testing.T) {
	transactions := 8000
	if testing.Short() {
		transactions = 5000
	}
	for _, sessions := range []int{1, 16} {
		tables, err := schema.Read(strings.NewReader(benchSchema))
		if err != nil {
			t.Fatal(err)
		}
		p := NewPlanner(Options{Mode: Row, Schema: tables})
		emit := func(_ session.Event, s *Step) error {
			if s != nil {
				s.Forget()
			}
			return nil
		}
		most, seen := [4]int{}, 0
		ever(sessions, func(e session.Event) {
			if err := p.See(e, emit); err != nil {
				t.Fatal(err)
			}
			if seen++; seen%1000 == 0 {
				quarter := min(seen*4/(transactions*12), 3)
				most[quarter] = max(most[quarter], p.size())
			}
		}, transactions)
		t.Logf("%d sessions, %d statements: %d things are remembered at most", sessions, transactions*6, most)
		if most[3] > most[2]*11/10 {
			t.Errorf("%d sessions: it grows with the recording: %d", sessions, most)
		}
	}
}

// A Live whose steps are finished remembers no more after many of them.
func TestLawLiveBounded(t *testing.T) {
	tables, err := schema.Read(strings.NewReader(benchSchema))
	if err != nil {
		t.Fatal(err)
	}
	l := NewLive(Options{Mode: Row, Schema: tables}, 0)
	emit := func(_ session.Event, s *Step) error {
		if s != nil {
			s.Finish()
			s.Forget()
		}
		return nil
	}
	const transactions = 5000
	most, seen := [4]int{}, 0
	ever(16, func(e session.Event) {
		if err := l.See(e, emit); err != nil {
			t.Fatal(err)
		}
		if seen++; seen%1000 == 0 {
			quarter := min(seen*4/(transactions*12), 3)
			most[quarter] = max(most[quarter], l.p.size()+cap(l.ends)+cap(l.snaps))
		}
	}, transactions)
	t.Logf("%d things are remembered at most", most)
	if most[3] > most[2]*11/10 {
		t.Errorf("it grows with the recording: %d", most)
	}
}
