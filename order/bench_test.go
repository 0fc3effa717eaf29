package order

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"myreplay/schema"
	"myreplay/session"
)

const benchSchema = `{"server":"9.7.0","tables":[{"schema":"test","name":"sbtest1","kind":"table","engine":"InnoDB",
"columns":[{"name":"id","type":"int","auto_increment":true},{"name":"k","type":"int"},{"name":"c","type":"char","collation":"utf8mb4_0900_ai_ci"},{"name":"pad","type":"char","collation":"utf8mb4_0900_ai_ci"}],
"keys":[{"name":"PRIMARY","primary":true,"unique":true,"columns":["id"]},{"name":"k_1","columns":["k"]}]}]}`

// benchEvents are those of sysbench's oltp_read_write by some sessions at once.
func benchEvents(sessions, transactions, rows int) (list []session.Event, statements int) {
	r := rand.New(rand.NewPCG(1, 2))
	type state struct {
		texts []string
		seq   uint64
		sent  bool
	}
	all := make([]state, sessions)
	for i := range all {
		list = append(list, &session.Start{ID: uint64(i + 1), Protocol: session.Classic, ServerVersion: "9.7.0", Login: session.Login{Known: true, Schema: "test", Collation: 255}})
	}
	text := strings.Repeat("0123456789-", 10)
	fill := func() (t []string) {
		id := func() int { return 1 + r.IntN(rows) }
		t = append(t, "BEGIN")
		for range 10 {
			t = append(t, fmt.Sprintf("SELECT c FROM sbtest1 WHERE id=%d", id()))
		}
		for _, f := range []string{"SELECT c FROM sbtest1 WHERE id BETWEEN %d AND %d", "SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN %d AND %d",
			"SELECT c FROM sbtest1 WHERE id BETWEEN %d AND %d ORDER BY c", "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN %d AND %d ORDER BY c"} {
			from := id()
			t = append(t, fmt.Sprintf(f, from, from+99))
		}
		del := id()
		return append(t, fmt.Sprintf("UPDATE sbtest1 SET k=k+1 WHERE id=%d", id()), fmt.Sprintf("UPDATE sbtest1 SET c='%s' WHERE id=%d", text, id()),
			fmt.Sprintf("DELETE FROM sbtest1 WHERE id=%d", del), fmt.Sprintf("INSERT INTO sbtest1 (id, k, c, pad) VALUES (%d, %d, '%s', '%s')", del, id(), text, text), "COMMIT")
	}
	now := int64(1_000_000)
	for done := 0; done < transactions; {
		i := r.IntN(sessions)
		s := &all[i]
		now += 20_000
		if !s.sent {
			if len(s.texts) == 0 {
				s.texts = fill()
			}
			s.seq++
			c := &session.Command{ID: uint64(i + 1), Seq: s.seq, At: now, End: now, Kind: session.Query, Payload: append([]byte{3}, s.texts[0]...)}
			c.SQL = c.Payload[1:]
			list = append(list, c)
			s.sent = true
			statements++
			continue
		}
		res := session.Result{Outcome: session.OK, Affected: 1, Status: 1}
		if s.texts[0][0] == 'S' {
			res = session.Result{Outcome: session.Rows, Status: 1}
		}
		if s.texts[0] == "COMMIT" {
			res.Status = 0
			done++
		}
		list = append(list, &session.Reply{ID: uint64(i + 1), Seq: s.seq, First: now, Last: now, Results: []session.Result{res}})
		s.texts, s.sent = s.texts[1:], false
	}
	return list, statements
}

// cpuTime is how long the process has used processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPlan gives the cost of planning a statement.
func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct{ sessions, rows int }{{16, 1000}, {16, 100_000}, {64, 1000}, {64, 100_000}} {
		events, statements := benchEvents(c.sessions, 5000, c.rows)
		b.Run(fmt.Sprintf("%dsessions/%drows", c.sessions, c.rows), func(b *testing.B) {
			b.ReportAllocs()
			var stats Stats
			before := cpuTime()
			for b.Loop() {
				tables, _ := schema.Read(strings.NewReader(benchSchema))
				p := NewPlanner(Options{Mode: Row, Schema: tables})
				emit := func(session.Event, *Step) error { return nil }
				for _, e := range events {
					if err := p.See(e, emit); err != nil {
						b.Fatal(err)
					}
				}
				if err := p.Flush(emit); err != nil {
					b.Fatal(err)
				}
				stats = p.Stats()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*statements), "ns/statement")
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N*statements), "cpu-ns/statement")
			b.ReportMetric(float64(stats.Waits[Proven]+stats.Waits[Guessed])/float64(statements), "waits/statement")
		})
	}
}
