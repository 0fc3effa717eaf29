package report

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	"myreplay/session"
)

// load makes a stream like sysbench's and its replay, without holding it: turn
// by turn, each session runs a command. The run is behind by skew sessions'
// worth of commands.
type load struct {
	sessions, commands int
	texts              int // query classes
	at                 int
	run                bool
	pending            session.Event
	columns            *session.Columns
	slow               func(i int) int64
}

func (l *load) next() (session.Event, error) {
	if l.pending != nil {
		e := l.pending
		l.pending = nil
		return e, nil
	}
	i := l.at
	l.at++
	if i < l.sessions {
		if l.run {
			return &session.Start{ID: uint64(i + 1), Of: uint64(i + 1), At: 1e18}, nil
		}
		return &session.Start{ID: uint64(i + 1), At: 1e18, Login: session.Login{Known: true, User: "app", Schema: "shop"}}, nil
	}
	i -= l.sessions
	if i >= l.commands {
		return nil, io.EOF
	}
	id, seq := uint64(i%l.sessions+1), uint64(i/l.sessions+1)
	c := &session.Command{ID: id, Seq: seq, At: 1e18 + int64(i)*1e5, Kind: session.Query}
	if l.run {
		c.Due = c.At
	} else {
		c.SQL = fmt.Appendf(nil, "select c from t%d where id = %d order by id", i%l.texts, i)
	}
	took := int64(1e6)
	if l.slow != nil {
		took = l.slow(i)
	}
	l.pending = &session.Reply{ID: id, Seq: seq, First: c.At + took/2, Last: c.At + took, Bytes: 300,
		Results: []session.Result{{Outcome: session.Rows, Rows: 1, Columns: l.columns, Digest: session.Digest{Ordered: uint64(i), Unordered: uint64(i), Valid: true}}}}
	return c, nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemorySkew: a run that lags by far more than the limit allows does not
// make the builder grow beyond it, and everything is accounted for.
func TestMemorySkew(t *testing.T) {
	const commands, limit = 30_000, 4 << 20
	before := heap()
	b := New(Options{Memory: limit})
	recordedSide := &load{sessions: 10, commands: commands, texts: 20}
	for {
		e, err := recordedSide.next()
		if err != nil {
			break
		}
		b.Recorded(e)
		if b.entries.bytes > limit {
			t.Fatalf("%d bytes are held, the limit is %d", b.entries.bytes, limit)
		}
	}
	if grown := heap() - before; grown > 3*limit {
		t.Errorf("the heap grew by %d MiB, the limit is %d", grown>>20, limit>>20)
	}
	replayedSide := &load{sessions: 10, commands: commands, texts: 20, run: true}
	for {
		e, err := replayedSide.next()
		if err != nil {
			break
		}
		b.Replayed(e)
	}
	r := b.Finish()
	if !r.Account.Closes || r.Account.Compared == 0 || r.Account.Compared+sum(r.Account.NotCompared) != commands {
		t.Errorf("%+v", r.Account)
	}
	if r.Verdict.Result != Incomparable {
		t.Errorf("a report that gave up most commands says %s", r.Verdict.String())
	}
}

// TestMemoryMerge: told by Merge, two streams of equal pace hold next to nothing.
func TestMemoryMerge(t *testing.T) {
	b := New(Options{Memory: 100 * entryCost})
	x, y := &load{sessions: 50, commands: 20_000, texts: 20}, &load{sessions: 50, commands: 20_000, texts: 20, run: true}
	if err := b.Merge(nil, x.next, y.next); err != nil {
		t.Fatal(err)
	}
	if r := b.Finish(); r.Verdict.Result != Same || r.Account.Compared != 20_000 {
		t.Errorf("%s %+v", r.Verdict.String(), r.Account)
	}
}

// TestManyClasses: more texts than classes are told apart.
func TestManyClasses(t *testing.T) {
	b := New(Options{MaxClasses: 1000})
	x, y := &load{sessions: 8, commands: 30_000, texts: 5000}, &load{sessions: 8, commands: 30_000, texts: 5000, run: true}
	if err := b.Merge(nil, x.next, y.next); err != nil {
		t.Fatal(err)
	}
	r := b.Finish()
	if len(r.Classes) != 1001 || !r.Folded || r.Verdict.Result != Same {
		t.Errorf("%d classes, folded %v, %s", len(r.Classes), r.Folded, r.Verdict.String())
	}
}

// TestManySessions: recorded sessions that never come in the run do not pile up.
func TestManySessions(t *testing.T) {
	const limit, n = 1000, 5000
	b := New(Options{})
	b.maxIdle = limit
	for id := uint64(1); id <= n; id++ {
		b.Recorded(&session.Start{ID: id, At: 1})
		b.Recorded(&session.Command{ID: id, Seq: 1, At: 1, Kind: session.Quit})
		b.Recorded(&session.End{ID: id, At: 2})
	}
	if len(b.joins) > limit {
		t.Errorf("%d sessions are held", len(b.joins))
	}
	r := b.Finish()
	if r.Account.Missing != n || r.Account.Closes || b.forgotten == 0 {
		t.Errorf("%+v, %d forgotten", r.Account, b.forgotten)
	}
}

// BenchmarkBuilder tells a recording and its run; an op is one command with its
// reply, on both sides.
func BenchmarkBuilder(b *testing.B) {
	for _, bench := range []struct {
		name  string
		texts int
	}{{"text", 20}, {"5000classes", 5000}} {
		b.Run(bench.name, func(b *testing.B) {
			const commands = 200_000
			var x, y []session.Event
			for _, l := range []struct {
				load *load
				to   *[]session.Event
			}{{&load{sessions: 8, commands: commands, texts: bench.texts}, &x}, {&load{sessions: 8, commands: commands, texts: bench.texts, run: true}, &y}} {
				for e, err := l.load.next(); err == nil; e, err = l.load.next() {
					*l.to = append(*l.to, e)
				}
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				builder := New(Options{})
				if err := builder.Merge(nil, nextOf(x), nextOf(y)); err != nil {
					b.Fatal(err)
				}
				if builder.Finish().Verdict.Result != Same {
					b.Fatal("not the same")
				}
				n += commands
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/pair")
			b.ReportMetric(2*float64(n)/b.Elapsed().Seconds(), "replies/s")
		})
	}
}

// TestMemoryLive: thousands of short sessions come and go while the run is
// seconds behind: what is held stays within the limit, on the heap too, the
// account closes, and nothing is left of the sessions.
func TestMemoryLive(t *testing.T) {
	const sessions, each, behind, limit = 20_000, 5, 2500, 4 << 20
	before := heap()
	b := New(Options{Memory: limit})
	text := []byte("select c from t where id = 1 order by id")
	tell := func(id uint64, begin int64, tell func(session.Event), run bool) {
		tell(&session.Start{ID: id, Of: id, At: begin, Login: session.Login{Known: true, User: "app"}})
		for seq := uint64(1); seq <= each; seq++ {
			at := begin + int64(seq)*1e6
			c := &session.Command{ID: id, Seq: seq, At: at, Kind: session.Query}
			switch {
			case !run:
				c.SQL = text
			case id%7 == 0 && seq > 2: // a session that was given up
				c.Skipped = session.SkipBehind
				tell(c)
				continue
			}
			tell(c)
			tell(&session.Reply{ID: id, Seq: seq, First: at, Last: at + 1e5, Results: []session.Result{rowOf(1)}})
		}
		tell(&session.End{ID: id, At: begin + 1e9})
	}
	grown := int64(0)
	for i := uint64(1); i <= sessions+behind; i++ {
		if i <= sessions {
			tell(i, 1e18+int64(i)*1e6, b.Recorded, false)
		}
		if i > behind {
			tell(i-behind, 1e18+int64(i)*1e6, b.Replayed, true)
		}
		if i%2000 == 0 {
			grown = max(grown, heap()-before)
			if r := b.Snapshot(); !r.Account.Closes || b.entries.bytes > limit {
				t.Fatalf("%d bytes are held; %+v", b.entries.bytes, r.Account)
			}
		}
	}
	if grown > 3*limit {
		t.Errorf("the heap grew by %d MiB, the limit is %d", grown>>20, limit>>20)
	}
	if len(b.joins)+len(b.sources)+len(b.runs[replayed]) > 0 {
		t.Errorf("%d and %d sessions are held", len(b.joins), len(b.sources))
	}
	r := b.Finish()
	if a := &r.Account; !a.Closes || a.Recorded != sessions*each || a.Compared == 0 || r.Verdict.Result != Incomparable {
		t.Errorf("%s %+v", r.Verdict.String(), r.Account)
	}
	t.Logf("the heap grew by %d KiB; %s", grown>>10, r.Verdict.String())
}

// TestBegunAgain: a replay that begins sessions again when the recording is done
// with them leaves nothing behind for ever.
func TestBegunAgain(t *testing.T) {
	b := New(Options{})
	b.maxIdle = 1000
	for id := uint64(1); id <= 5000; id++ {
		for _, e := range []session.Event{&session.Start{ID: id}, &session.Command{ID: id, Seq: 1, Kind: session.Quit}, &session.End{ID: id}} {
			b.Recorded(e)
		}
		for _, e := range []session.Event{&session.Start{ID: id, Of: id}, &session.Command{ID: id, Seq: 1, Kind: session.Quit}, &session.End{ID: id},
			&session.Start{ID: id, Of: id}, &session.End{ID: id}} {
			b.Replayed(e)
		}
	}
	if len(b.joins) > 1000 || b.forgotten > 0 {
		t.Errorf("%d sessions are held, %d forgotten", len(b.joins), b.forgotten)
	}
	if r := b.Finish(); !r.Account.Closes || r.Account.Recorded != 5000 {
		t.Errorf("%+v", r.Account)
	}
}
