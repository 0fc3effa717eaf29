package mirror

import (
	"sync"
	"testing"

	"myreplay/report"
	"myreplay/session"
)

// kept is a Sink that counts sessions and sees whether events are in order.
type kept struct {
	t    *testing.T
	last map[uint64]int64
	n    int
}

func (k *kept) Write(e session.Event) error {
	id, at := e.Key()
	if at <= k.last[id] {
		k.t.Errorf("session %d: %d after %d", id, at, k.last[id])
	}
	k.last[id] = at
	k.n++
	return nil
}

func (k *kept) Tick(int64) error { return nil }

// TestLedger: what several bring is booked once, each session's events in the
// order in which they were brought.
func TestLedger(t *testing.T) {
	const sessions, events = 8, 20_000
	run := &kept{t: t, last: map[uint64]int64{}}
	l := ledger{builder: report.New(report.Options{}), run: keeper{sink: run}}
	var all sync.WaitGroup
	for id := uint64(1); id <= sessions; id++ {
		all.Go(func() {
			for at := int64(1); at <= events; at++ {
				l.bring(&session.Gap{ID: id, At: at}, true)
			}
		})
	}
	all.Wait()
	l.with(func() {
		if run.n != sessions*events {
			t.Errorf("%d events booked, %d brought", run.n, sessions*events)
		}
	})
}
