package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"myreplay/order"
	"myreplay/session"
)

// trials is what a property test of ordered replays draws.
type trials struct {
	events   []session.Event
	lineup   *lineup
	options  Options
	deeds    []string
	refusals []error
	stop     time.Duration // 0: never
}

// drawTrials draws sessions that wait for each other: for what comes before only,
// so that there are no circles, or for anything.
func drawTrials(rt *rapid.T, circles bool) *trials {
	c := &trials{lineup: newLineup()}
	var sessions [][]session.Event
	for id := range uint64(rapid.IntRange(1, 6).Draw(rt, "sessions")) {
		var queries []string
		for range rapid.IntRange(0, 10).Draw(rt, "queries") {
			queries = append(queries, rapid.SampledFrom([]string{"select 1", "select 1", "update a", "begin", "commit", "shutdown"}).Draw(rt, "query"))
		}
		sessions = append(sessions, talk(id+1, rapid.Int64Range(1, 50).Draw(rt, "at"), rapid.Int64Range(0, 9).Draw(rt, "step")*ms, queries...))
	}
	c.events = merge(sessions...)
	var before []*order.Step
	for _, e := range c.events {
		if q, ok := e.(*session.Command); ok {
			before = append(before, c.lineup.step(q.ID, q.Seq))
		}
	}
	for i, s := range before {
		drawStep(rt, s, before, i, circles)
	}
	for k := 1; k < len(before); k++ {
		drawTransaction(rt, c.lineup, before[k])
	}
	c.deeds = rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "ok", "ok", "slow", "deadlock", "lost", "unsent"}), 1, 40).Draw(rt, "deeds")
	c.refusals = rapid.SliceOfN(rapid.SampledFrom([]error{nil, nil, nil, nil, errRefuses, errPasses}), 1, 20).Draw(rt, "refusals")
	c.options = Options{Window: rapid.Int64Range(1, 6000).Draw(rt, "window"), Pace: Pace{Speed: rapid.SampledFrom([]float64{0, 0, 1}).Draw(rt, "speed")},
		Filter: Filter{Share: rapid.SampledFrom([]float64{0, 0, 0.5}).Draw(rt, "share")}}
	c.stop = time.Duration(rapid.SampledFrom([]int64{0, 0, 0, 1, 50, 300}).Draw(rt, "stop")) * time.Millisecond
	return c
}

func drawStep(rt *rapid.T, s *order.Step, all []*order.Step, i int, circles bool) {
	n := i
	if circles {
		n = len(all)
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(rt, "waits") {
		if n == 0 {
			break
		}
		on := all[rapid.IntRange(0, n-1).Draw(rt, "on")]
		confidence := rapid.SampledFrom([]order.Confidence{order.Guessed, order.Guessed, order.Inferred, order.Proven}).Draw(rt, "confidence")
		s.Waits = append(s.Waits, order.Wait{On: on, Confidence: confidence, Sent: rapid.IntRange(0, 7).Draw(rt, "sent") == 0})
	}
	if rapid.IntRange(0, 9).Draw(rt, "fenced") == 0 {
		s.Fence = uint64(rapid.IntRange(0, i).Draw(rt, "fence"))
	}
	s.Force = rapid.SampledFrom([]order.Force{0, 0, 0, 0, 0, 0, order.ForceRollback, order.ForceSkip}).Draw(rt, "force")
}

// drawTransaction has a step go on with a transaction, begin one, or neither.
func drawTransaction(rt *rapid.T, l *lineup, s *order.Step) {
	last := l.steps[[2]uint64{s.Session, s.Seq - 1}]
	within := last != nil && (last.Begins || last.Inside)
	switch rapid.IntRange(0, 2).Draw(rt, "transaction") {
	case 0:
		s.Begins = !within
		s.Inside = within
	case 1:
		s.Ends = within
	default:
		s.Inside = within
	}
}

// judged is a fake that notes what was sent before what it waits for was
// finished.
type judged struct {
	*fake
	mu    sync.Mutex
	waits map[[2]uint64][]order.Wait
	fence map[[2]uint64]uint64
	low   func() uint64
	bad   []string
}

func newJudged(c *trials) *judged {
	j := &judged{fake: &fake{}, waits: map[[2]uint64][]order.Wait{}, fence: map[[2]uint64]uint64{}}
	for k, s := range c.lineup.steps {
		j.waits[k], j.fence[k] = slices.Clone(s.Waits), s.Fence
	}
	n := 0
	j.do = func(q *session.Command, _ File) (Answer, error) {
		j.mu.Lock()
		n++
		deed := c.deeds[n%len(c.deeds)]
		if q.Seq > 0 {
			j.check(q)
		}
		j.mu.Unlock()
		time.Sleep(time.Millisecond)
		switch deed {
		case "slow":
			time.Sleep(200 * time.Millisecond)
		case "deadlock":
			return refusal(q, errDeadlock), nil
		case "lost":
			return Answer{}, errSent
		case "unsent":
			return Answer{}, errUnsent
		}
		if string(q.SQL) == "begin" || string(q.SQL) == "update a" {
			return inTrans(q), nil
		}
		return Answer{}, nil
	}
	j.connect = func(n int, _ *session.Start) error { return c.refusals[n%len(c.refusals)] }
	return j
}

func (j *judged) check(q *session.Command) {
	k := [2]uint64{q.ID, q.Seq}
	for _, w := range j.waits[k] {
		if !w.On.Finished() && !(w.Sent && w.On.SentAt() != 0) {
			j.bad = append(j.bad, fmt.Sprintf("%v before %d.%d", k, w.On.Session, w.On.Seq))
		}
	}
	if low := j.low(); low < j.fence[k] {
		j.bad = append(j.bad, fmt.Sprintf("%v with fence %d at %d", k, j.fence[k], low))
	}
}

// try replays in virtual time, an hour at most.
func (c *trials) try(t *testing.T) (stats *Stats, bad []string, err error) {
	j := newJudged(c)
	ctx, hung := context.WithTimeout(context.Background(), time.Hour)
	defer hung()
	if c.stop > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.stop)
		defer stop()
	}
	begin := time.Now()
	c.options.Order, c.options.Policy.Writes = c.lineup, true
	c.options.Temporary = func(err error) bool { return errors.Is(err, errPasses) }
	c.options.Unsent = func(err error) bool { return errors.Is(err, errUnsent) }
	sink := &run{}
	r := New(j, sink, c.options)
	j.low = func() uint64 { return r.scheduler.low.low.Load() }
	err = r.Run(ctx, &recording{slices.Clone(c.events)})
	account(t, sink, r.Stats())
	c.lineup.finished(t)
	if time.Since(begin) >= 50*time.Minute {
		t.Error("it hung")
	}
	if n := r.scheduler.busy.Load(); n != 0 {
		t.Errorf("%d are said to be at work", n)
	}
	if n := r.kept.Load() + r.stats.Blocked.Load() + r.Held(); n != 0 {
		t.Errorf("%d kept, blocked or held", n)
	}
	return r.Stats(), j.bad, err
}

// TestLawOrder: whatever fails, and however little is read ahead, no command is
// sent before those that it waits for are finished; all are in the end.
func TestLawOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawTrials(rt, false)
		synctest.Test(t, func(t *testing.T) {
			stats, bad, err := c.try(t)
			dropped := stats.Dropped[0].Load() + stats.Dropped[1].Load() + stats.Dropped[2].Load()
			if err != nil || dropped > 0 || len(bad) > 0 {
				t.Errorf("%v, %d dropped, %v", err, dropped, bad)
			}
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// TestLawCircles: whatever waits for whatever, a replay comes to its end, or to an
// error that names a circle; nothing that is proven is dropped.
func TestLawCircles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawTrials(rt, true)
		synctest.Test(t, func(t *testing.T) {
			stats, _, err := c.try(t)
			var circle *CycleError
			if err != nil && !errors.As(err, &circle) || stats.Dropped[order.Proven].Load() > 0 {
				t.Errorf("%v, %d dropped", err, stats.Dropped[order.Proven].Load())
			}
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// TestLawHeldUp: sessions that lock rows at the target, in any order, while they
// wait for each other here, come to an end; without a lock that times out there.
func TestLawHeldUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLineup()
		var sessions [][]session.Event
		for id := range uint64(rapid.IntRange(2, 5).Draw(rt, "sessions")) {
			var queries []string
			for range rapid.IntRange(1, 3).Draw(rt, "transactions") {
				from := uint64(len(queries) + 1)
				queries = append(queries, "begin")
				for range rapid.IntRange(1, 3).Draw(rt, "rows") {
					queries = append(queries, "update "+rapid.StringMatching("[abc]").Draw(rt, "row"))
				}
				queries = append(queries, "commit")
				l.trans(id+1, from, uint64(len(queries)))
			}
			sessions = append(sessions, talk(id+1, rapid.Int64Range(1, 50).Draw(rt, "at"), rapid.Int64Range(0, 9).Draw(rt, "step")*ms, queries...))
		}
		events := merge(sessions...)
		var before []*order.Step
		for _, e := range events {
			if q, ok := e.(*session.Command); ok {
				s := l.step(q.ID, q.Seq)
				drawStep(rt, s, append(before, s), len(before), false)
				s.Force = order.NoForce
				before = append(before, s)
			}
		}
		told := rapid.Bool().Draw(rt, "told who blocks whom")
		synctest.Test(t, func(t *testing.T) {
			k := newLocks()
			k.deadlocks = true
			o := Options{}
			if told {
				o.Blockers = k.blockers
			}
			begin := time.Now()
			_, stats, err := playOrdered(t, &fake{do: k.do}, l, o, events)
			if err != nil || k.broken > 0 || stats.Dropped[order.Proven].Load() > 0 {
				t.Errorf("%v, %d lock timeouts, after %v", err, k.broken, time.Since(begin))
			}
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// TestLawWatermark: it is the largest number up to which all are finished, and
// calls those that wait for it once it has come to their number.
func TestLawWatermark(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var w watermark
		n := rapid.IntRange(1, 3000).Draw(rt, "n")
		done := make([]bool, n+2)
		called := map[uint64]int{}
		waits := map[uint64]int{}
		numbers := rapid.Permutation(numbersTo(n)).Draw(rt, "order")
		if rapid.Bool().Draw(rt, "nearly sorted") {
			numbers = numbersTo(n)
			for range 20 {
				a, b := rapid.IntRange(0, n-1).Draw(rt, "a"), rapid.IntRange(0, n-1).Draw(rt, "b")
				numbers[a], numbers[b] = numbers[b], numbers[a]
			}
		}
		low := uint64(0)
		for i, k := range numbers {
			if i%7 == 0 {
				at := uint64(rapid.IntRange(1, n).Draw(rt, "wait"))
				if w.after(at, func() { called[at]++ }) != (at > low) {
					rt.Fatalf("after(%d) at %d", at, low)
				}
				if at > low {
					waits[at]++
				}
			}
			w.finish(k)
			w.finish(k)
			done[k] = true
			for done[low+1] {
				low++
			}
			if w.low.Load() != low {
				rt.Fatalf("%d, want %d", w.low.Load(), low)
			}
			for at, c := range waits {
				if at <= low && called[at] != c || at > low && called[at] != 0 {
					rt.Fatalf("%d was called %d times at %d", at, called[at], low)
				}
			}
		}
	})
}

func numbersTo(n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i + 1)
	}
	return list
}

// idle is a Target that costs next to nothing, and its only Conn.
type idle struct{}

func (d *idle) Connect(context.Context, *session.Start) (Conn, error) { return d, nil }
func (d *idle) Live(_, _ uint32) (uint32, bool)                       { return 0, false }
func (d *idle) Now() int64                                            { return time.Now().UnixNano() }
func (d *idle) Learn(*session.Reply)                                  {}
func (d *idle) Skipped(*session.Command, session.Skip)                {}
func (d *idle) Gap(*session.Gap)                                      {}
func (d *idle) Start() session.Start                                  { return session.Start{} }
func (d *idle) Close() error                                          { return nil }
func (d *idle) Do(c *session.Command, _ File) (Answer, error) {
	return Answer{At: 1, End: 1, Reply: &session.Reply{Seq: c.Seq, Results: make([]session.Result, 1)}}, nil
}

// void is a Sink.
type void struct{}

func (void) Write(session.Event) error { return nil }

// BenchmarkScheduler is what a command costs without an order, with one where it
// waits for none, for two that are finished mostly, and for the one before it.
func BenchmarkScheduler(b *testing.B) {
	const sessions, each = 8, 4000
	queries := make([]string, each)
	for i := range queries {
		queries[i] = "select c from sbtest1 where id = 5012"
	}
	var list [][]session.Event
	for id := range uint64(sessions) {
		list = append(list, talk(id+1, 1, ms, queries...))
	}
	events := merge(list...)
	for _, c := range []struct {
		name  string
		waits func(id, seq uint64) [][2]uint64
	}{
		{"none", nil},
		{"0 waits", func(id, seq uint64) [][2]uint64 { return nil }},
		{"2 waits", func(id, seq uint64) [][2]uint64 {
			return [][2]uint64{{id%sessions + 1, seq - min(seq, 500)}, {(id+1)%sessions + 1, seq - min(seq, 500)}}
		}},
		{"in turn", func(id, seq uint64) [][2]uint64 {
			if id == 1 {
				return [][2]uint64{{sessions, seq - 1}}
			}
			return [][2]uint64{{id - 1, seq}}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			n := int64(0)
			for b.Loop() {
				o := Options{}
				if c.waits != nil {
					b.StopTimer()
					l := newLineup()
					for id := uint64(1); id <= sessions; id++ {
						for seq := uint64(1); seq <= each; seq++ {
							s := l.step(id, seq)
							for _, on := range c.waits(id, seq) {
								if on[1] > 0 {
									s.Waits = append(s.Waits, order.Wait{On: l.step(on[0], on[1])})
								}
							}
						}
					}
					o.Order = l
					b.StartTimer()
				}
				r := New(&idle{}, void{}, o)
				if err := r.Run(context.Background(), &recording{events}); err != nil {
					b.Fatal(err)
				}
				n += r.Stats().Sent.Load()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/command")
		})
	}
}
