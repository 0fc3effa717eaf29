package order

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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

// benchEvents are those of sysbench's oltp_read_write by some sessions at once. Who
// changes a row has it until the COMMIT, as on a server, and others wait for it.
func benchEvents(sessions, transactions, rows int) (list []session.Event, statements int) {
	r := rand.New(rand.NewPCG(1, 2))
	b := benchServer{owners: map[int]int{}, all: make([]benchSession, sessions)}
	for i := range b.all {
		list = append(list, modelStart(i+1))
	}
	now := int64(1_000_000)
	for done := 0; done < transactions; {
		i := r.IntN(sessions)
		s := &b.all[i]
		now += 20_000
		if !s.sent {
			if len(s.todo) == 0 {
				s.todo = benchTransaction(r, rows)
			}
			s.seq++
			list = append(list, modelQuery(uint64(i+1), s.seq, now, s.todo[0].text))
			s.sent = true
			statements++
			continue
		}
		if !b.lock(i, s.todo[0].row) {
			continue
		}
		res := session.Result{Outcome: session.OK, Affected: 1, Status: 1}
		switch s.todo[0].text[0] {
		case 'S':
			res = session.Result{Outcome: session.Rows, Status: 1}
		case 'C':
			res.Status = 0
			b.release(i)
			done++
		}
		list = append(list, &session.Reply{ID: uint64(i + 1), Seq: s.seq, First: now, Last: now, Results: []session.Result{res}})
		s.todo, s.sent = s.todo[1:], false
	}
	return list, statements
}

// benchTransaction is one of oltp_read_write's. It locks its rows in their order, so
// that none ends in a deadlock.
func benchTransaction(r *rand.Rand, rows int) (t []benchStatement) {
	text := strings.Repeat("0123456789-", 10)
	id := func() int { return 1 + r.IntN(rows) }
	read := func(format string, args ...any) { t = append(t, benchStatement{text: fmt.Sprintf(format, args...)}) }
	read("BEGIN")
	for range 10 {
		read("SELECT c FROM sbtest1 WHERE id=%d", id())
	}
	for _, f := range []string{"SELECT c FROM sbtest1 WHERE id BETWEEN %d AND %d", "SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN %d AND %d",
		"SELECT c FROM sbtest1 WHERE id BETWEEN %d AND %d ORDER BY c", "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN %d AND %d ORDER BY c"} {
		from := id()
		read(f, from, from+99)
	}
	three := []int{id(), id(), id()}
	slices.Sort(three)
	for i, f := range []string{"UPDATE sbtest1 SET k=k+1 WHERE id=%d", "UPDATE sbtest1 SET c='" + text + "' WHERE id=%d", "DELETE FROM sbtest1 WHERE id=%d"} {
		t = append(t, benchStatement{fmt.Sprintf(f, three[i]), three[i]})
	}
	read("INSERT INTO sbtest1 (id, k, c, pad) VALUES (%d, %d, '%s', '%s')", three[2], id(), text, text)
	read("COMMIT")
	return t
}

// benchStatement is a statement, and the row that it locks; 0: none.
type benchStatement struct {
	text string
	row  int
}

// benchSession is what a session of the benchmark has before it.
type benchSession struct {
	todo []benchStatement
	seq  uint64
	sent bool
}

// benchServer has the locks of the benchmark's rows.
type benchServer struct {
	all    []benchSession
	owners map[int]int
}

// lock tells whether a session has the row now; row 0: it wants none.
func (b *benchServer) lock(i, row int) bool {
	if row == 0 {
		return true
	}
	if _, taken := b.owners[row]; !taken {
		b.owners[row] = i
	}
	return b.owners[row] == i
}

func (b *benchServer) release(i int) {
	maps.DeleteFunc(b.owners, func(_, owner int) bool { return owner == i })
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
