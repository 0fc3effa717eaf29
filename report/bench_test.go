package report

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"myreplay/session"
)

// sysbench makes the events of a session that runs sysbench's oltp_read_write,
// as text or with prepared statements: for each command the recorded one, its
// reply, and what a mirror's run has of both. Texts differ in their numbers.
type sysbench struct {
	prepared bool
	sessions int
	at       int64
	number   int
	columns  *session.Columns
	events   [][4]session.Event // by command
}

const sysbenchText = "68487932199-96439406143-93774651418-41631865787-96406072701-20604855487-25459966574-28203206787-41238978918-19503783441"

var sysbenchTexts = []string{
	"BEGIN",
	"SELECT c FROM sbtest1 WHERE id=%d", "SELECT c FROM sbtest1 WHERE id=%d", "SELECT c FROM sbtest1 WHERE id=%d",
	"SELECT c FROM sbtest1 WHERE id=%d", "SELECT c FROM sbtest1 WHERE id=%d", "SELECT c FROM sbtest1 WHERE id=%d",
	"SELECT c FROM sbtest1 WHERE id=%d", "SELECT c FROM sbtest1 WHERE id=%d", "SELECT c FROM sbtest1 WHERE id=%d",
	"SELECT c FROM sbtest1 WHERE id=%d",
	"SELECT c FROM sbtest1 WHERE id BETWEEN %d AND 504400", "SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN %d AND 504400",
	"SELECT c FROM sbtest1 WHERE id BETWEEN %d AND 504400 ORDER BY c",
	"SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN %d AND 504400 ORDER BY c",
	"UPDATE sbtest1 SET k=k+1 WHERE id=%d", "UPDATE sbtest1 SET c='" + sysbenchText + "' WHERE id=%d",
	"DELETE FROM sbtest1 WHERE id=%d",
	"INSERT INTO sbtest1 (id, k, c, pad) VALUES (%d, 497665, '" + sysbenchText + "', '" + sysbenchText[:59] + "')",
	"COMMIT",
}

// make makes n commands, turn by turn of the sessions.
func (s *sysbench) make(n int) {
	for i := range n {
		s.at += 20_000
		turn := i/s.sessions + 1
		c := session.Command{ID: uint64(i%s.sessions + 1), Seq: uint64(turn), At: s.at, Kind: session.Query}
		which := (turn - 1) % len(sysbenchTexts)
		s.number++
		text := sysbenchTexts[which]
		switch {
		case !s.prepared && which != 0 && which != len(sysbenchTexts)-1:
			c.SQL = fmt.Appendf(nil, text, 400_000+s.number%100_000)
		case s.prepared && turn <= len(sysbenchTexts):
			c.Kind, c.SQL = session.Prepare, []byte(text)
		case s.prepared:
			c.Kind, c.Statement = session.Execute, uint32(which+1)
		default:
			c.SQL = []byte(text)
		}
		c.Payload = append([]byte{3}, c.SQL...)
		s.events = append(s.events, s.answered(&c, which))
	}
}

// answered returns a command's four events.
func (s *sysbench) answered(c *session.Command, which int) [4]session.Event {
	r := session.Reply{ID: c.ID, Seq: c.Seq, First: c.At + 9000, Last: c.At + 10_000, Bytes: 200,
		Results: []session.Result{{Outcome: session.OK, Status: 3}}}
	if 0 < which && which < 15 {
		d := uint64(s.number)
		r.Results = []session.Result{{Outcome: session.Rows, Rows: 1, Columns: s.columns, Digest: session.Digest{Ordered: d, Unordered: d, Valid: true}}}
	}
	if c.Kind == session.Prepare {
		r.Results, r.Prepared = nil, &session.Prepared{Statement: uint32(which + 1), Params: 1}
	}
	sent := &session.Command{ID: c.ID, Seq: c.Seq, At: c.At + 1e6, End: c.At + 1e6, Due: c.At + 1e6, Kind: c.Kind}
	again := r
	again.First, again.Last = r.First+1e6, r.Last+1e6
	return [4]session.Event{c, &r, sent, &again}
}

// begin tells a Builder that the sessions begin.
func (s *sysbench) begin(b *Builder) {
	for id := uint64(1); id <= uint64(s.sessions); id++ {
		b.Recorded(&session.Start{ID: id, At: 1, Protocol: session.Classic, ServerVersion: "8.4.0",
			Login: session.Login{Known: true, User: "sbtest", Schema: "sbtest"}})
		b.Replayed(&session.Start{ID: id, Of: id, At: 1, Protocol: session.Classic, ServerVersion: "9.7.0"})
	}
}

// tell tells a Builder the events; the run follows lag commands behind.
func (s *sysbench) tell(b *Builder, lag int) {
	for i := range len(s.events) + lag {
		if i < len(s.events) {
			b.Recorded(s.events[i][0])
			b.Recorded(s.events[i][1])
		}
		if i >= lag {
			b.Replayed(s.events[i-lag][2])
			b.Replayed(s.events[i-lag][3])
		}
	}
}

// BenchmarkLive tells both sides of a mirror; an op is one command with its
// reply on both sides.
func BenchmarkLive(b *testing.B) {
	for _, bench := range []struct {
		name     string
		prepared bool
		lag      int
	}{{"text", false, 0}, {"prepared", true, 0}, {"text-behind", false, 5000}, {"prepared-behind", true, 5000}} {
		b.Run(bench.name, func(b *testing.B) {
			s := &sysbench{prepared: bench.prepared, sessions: 8, columns: &session.Columns{Hash: 1, List: []session.Column{{Name: "c"}}}}
			s.make(100_000)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				builder := New(Options{Memory: 64 << 20})
				s.begin(builder)
				s.tell(builder, bench.lag)
				if r := builder.Finish(); r.Verdict.Result != Same {
					b.Fatal(r.Verdict.String())
				}
				n += len(s.events)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/command")
		})
	}
}

// BenchmarkSnapshot takes snapshots of a Builder with 400 classes, each with
// many commands, and thousands of commands under way; and the live figures.
func BenchmarkSnapshot(b *testing.B) {
	builder := New(Options{Memory: 64 << 20})
	r := rand.New(rand.NewPCG(1, 1))
	slow := func(int) int64 { return 200_000 + r.Int64N(3e6) }
	recordedSide := &load{sessions: 100, commands: 400_000, texts: 400, slow: slow}
	replayedSide := &load{sessions: 100, commands: 400_000 - 20_000, texts: 400, run: true, slow: slow}
	for {
		x, err := recordedSide.next()
		if err != nil {
			break
		}
		builder.Recorded(x)
		if y, err := replayedSide.next(); err == nil {
			builder.Replayed(y)
		}
	}
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r := builder.Snapshot(); !r.Account.Closes || r.Account.UnderWay == 0 {
				b.Fatalf("%+v", r.Account)
			}
		}
	})
	b.Run("live", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			builder.Live()
		}
	})
}
