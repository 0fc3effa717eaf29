package target

import (
	"slices"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// BenchmarkPin is an insert alone, one with an id and a time that go ahead in the
// same write, the same statements where the SET is waited for, and batches of 16
// with and without. The ways take turns, in another order each time, so that all
// see the same machine; what is told are medians of the turns.
func BenchmarkPin(b *testing.B) {
	for _, kind := range []mysqltest.Kind{mysqltest.MariaDB, mysqltest.MySQL97} {
		db := mysqltest.Start(b, kind)
		db.Exec(b, "CREATE TABLE pt (id BIGINT AUTO_INCREMENT PRIMARY KEY, k INT, d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6))")
		b.Run(kind.String(), func(b *testing.B) { benchPin(b, pinConn(b, db, "")) })
	}
}

func benchPin(b *testing.B, c *Conn) {
	const turns, each = 15, 64
	list := make([]*session.Command, perBatch)
	for i := range list {
		list[i] = query("insert into pt (k) values (1)")
	}
	next := uint64(0)
	pins := make([]Pin, perBatch)
	pin := func(n int) {
		for i := range n {
			next++
			pins[i] = Pin{InsertID: next, Time: 1700000000e9 + int64(next)*1000}
		}
		c.Pin(pins[:n])
	}
	one := func(q *session.Command) error { _, err := c.Do(q, nil); return err }
	all := func() error { _, err := c.DoAll(list); return err }
	ways := []struct {
		name string
		n    int
		f    func() error
	}{
		{"plain", 1, func() error { return one(list[0]) }},
		{"pinned", 1, func() error { pin(1); return one(list[0]) }},
		{"waited", 1, func() error {
			pin(1)
			c.Pin(nil)
			set := query(string(c.pins.plan(nil, session.Query, pins[0], false)))
			c.pins.time = pins[0].Time / 1000
			if err := one(set); err != nil {
				return err
			}
			return one(list[0])
		}},
		{"plain16", perBatch, all},
		{"pinned16", perBatch, func() error { pin(perBatch); return all() }},
	}
	took := make([][]float64, len(ways))
	for b.Loop() {
		for turn := range turns {
			for k := range ways {
				w := (k + turn) % len(ways)
				ask(b, c, "begin") // no commit among the costs
				began := time.Now()
				for range each / ways[w].n {
					if err := ways[w].f(); err != nil {
						b.Fatal(err)
					}
				}
				took[w] = append(took[w], float64(time.Since(began).Nanoseconds())/each)
				ask(b, c, "rollback")
			}
		}
	}
	median := make([]float64, len(ways))
	for w := range ways {
		slices.Sort(took[w])
		median[w] = took[w][len(took[w])/2]
		b.ReportMetric(median[w]/1000, ways[w].name+"-us")
	}
	b.ReportMetric(median[1]/median[0], "pinned/plain")
	b.ReportMetric(median[2]/median[0], "waited/plain")
	b.ReportMetric(median[4]/median[3], "pinned16/plain16")
}
