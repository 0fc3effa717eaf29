package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/order"
	"myreplay/session"
)

// lineup is an Orderer that hands everything on as it comes, with steps that were
// made beforehand.
type lineup struct {
	steps map[[2]uint64]*order.Step
	all   []*order.Step // handed on
	// unused is how many numbers are left out.
	unused int
}

func newLineup() *lineup {
	return &lineup{steps: map[[2]uint64]*order.Step{}}
}

func (l *lineup) step(id, seq uint64) *order.Step {
	k := [2]uint64{id, seq}
	if l.steps[k] == nil {
		l.steps[k] = &order.Step{Session: id, Seq: seq}
	}
	return l.steps[k]
}

// wait has command a wait for b, each "session.seq".
func (l *lineup) wait(a, b string, c order.Confidence) *lineup {
	s := l.named(a)
	s.Waits = append(s.Waits, order.Wait{On: l.named(b), Confidence: c})
	return l
}

func (l *lineup) named(s string) *order.Step {
	var id, seq uint64
	if _, err := fmt.Sscanf(s, "%d.%d", &id, &seq); err != nil {
		panic(err)
	}
	return l.step(id, seq)
}

// trans makes the commands from..to of a session a transaction.
func (l *lineup) trans(id, from, to uint64) *lineup {
	for n := from; n <= to; n++ {
		s := l.step(id, n)
		s.Begins, s.Ends, s.Inside = n == from, n == to, n > from && n < to
	}
	return l
}

func (l *lineup) See(e session.Event, emit func(session.Event, *order.Step) error) error {
	c, ok := e.(*session.Command)
	if !ok {
		return emit(e, nil)
	}
	s := l.step(c.ID, c.Seq)
	s.Number = uint64(len(l.all) + 1 + l.unused)
	l.all = append(l.all, s)
	return emit(e, s)
}

func (l *lineup) Flush(func(session.Event, *order.Step) error) error { return nil }

// finished checks that all steps that were handed on are finished.
func (l *lineup) finished(t testing.TB) {
	t.Helper()
	for _, s := range l.all {
		if !s.Finished() {
			t.Errorf("step %d.%d is not finished", s.Session, s.Seq)
		}
	}
}

// playOrdered replays with an order and checks what holds for every such replay.
func playOrdered(t testing.TB, target Target, l *lineup, o Options, events []session.Event) (*run, *Stats, error) {
	t.Helper()
	return playOrderedIn(t, context.Background(), target, l, o, events)
}

func playOrderedIn(t testing.TB, ctx context.Context, target Target, l *lineup, o Options, events []session.Event) (*run, *Stats, error) {
	t.Helper()
	o.Order, o.Policy.Writes = l, true
	o.Temporary = func(err error) bool { return errors.Is(err, errPasses) }
	o.Unsent = func(err error) bool { return errors.Is(err, errUnsent) }
	sink := &run{}
	r := New(target, sink, o)
	err := r.Run(ctx, &recording{events})
	account(t, sink, r.Stats())
	l.finished(t)
	if n := r.Stats().Blocked.Load(); n != 0 {
		t.Errorf("%d sessions are blocked", n)
	}
	if n := r.kept.Load(); n != 0 {
		t.Errorf("%d bytes are kept", n)
	}
	return sink, r.Stats(), err
}

// sentBy lists what a fake's log says was sent, as "session.seq" or
// "session:text" of what the replay made.
func sentBy(log []string) string {
	var list []string
	for _, line := range log {
		name, rest, ok := strings.Cut(line, " query ")
		switch {
		case !ok:
		case strings.HasSuffix(name, ".0"):
			list = append(list, strings.TrimSuffix(name, "0")+strings.ToLower(rest))
		default:
			list = append(list, name)
		}
	}
	return strings.Join(list, " ")
}

// order of a run's command.
func (r *run) orderOf(of, seq uint64) *session.Order {
	ids := map[uint64]uint64{}
	for _, e := range r.events {
		switch e := e.(type) {
		case *session.Start:
			ids[e.ID] = e.Of
		case *session.Command:
			if ids[e.ID] == of && e.Seq == seq {
				return e.Order
			}
		}
	}
	return nil
}

// TestOrder: commands wait for those of other sessions, and for all up to a
// fence; the time that takes is told apart from how late they are.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("2.1", "1.1", order.Proven).wait("3.1", "2.1", order.Guessed)
		l.named("4.1").Fence = 3
		l.named("3.1").Guesses = []session.Guess{{Session: 2, Seq: 1, Seen: true}}
		f := &fake{took: 100 * time.Millisecond}
		events := merge(talk(1, 1, 10*ms, "a"), talk(2, 2, 10*ms, "b", "c"), talk(3, 3, 10*ms, "d"), talk(4, 4, 10*ms, "e"))
		sink, stats, err := playOrdered(t, f, l, Options{Pace: Pace{Speed: 1}}, events)
		if got := sentBy(f.log); err != nil || got != "1.1 2.1 3.1 2.2 4.1" && got != "1.1 2.1 2.2 3.1 4.1" {
			t.Errorf("%s, %v", got, err)
		}
		for _, c := range []struct{ id, waited uint64 }{{2, 100}, {3, 200}, {4, 300}} {
			o := sink.orderOf(c.id, 1)
			if o == nil || (o.Waited+ms/2)/ms != int64(c.waited) {
				t.Errorf("%d waited: %+v", c.id, o)
			}
		}
		if o := sink.orderOf(1, 1); o != nil {
			t.Errorf("%+v", o)
		}
		if o := sink.orderOf(3, 1); len(o.Guesses) != 1 {
			t.Errorf("%+v", o)
		}
		if stats.SyncWaits.Load() != 3 || (stats.SyncWait.Load()+ms/2)/ms != 600 || stats.Late.Load() > 200*ms {
			t.Errorf("%d waits of %v, late %v", stats.SyncWaits.Load(), time.Duration(stats.SyncWait.Load()), time.Duration(stats.Late.Load()))
		}
	})
}

// TestOrderSent: for some it is enough that the other was sent a moment ago,
// however long its answer takes; or that it is answered.
func TestOrderSent(t *testing.T) {
	for _, took := range []time.Duration{time.Millisecond, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			l := newLineup()
			l.named("2.1").Waits = []order.Wait{{On: l.named("1.1"), Sent: true}}
			f := &fake{do: func(c *session.Command, _ File) (Answer, error) {
				if c.ID == 1 {
					time.Sleep(took)
				}
				return Answer{}, nil
			}}
			sink, _, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 1, ms, "b")))
			if got, want := sink.orderOf(2, 1), min(took, order.SentPause); err != nil || got == nil || got.Waited != int64(want) {
				t.Errorf("%+v, want %v; %v", got, want, err)
			}
		})
	}
}

// TestOrderSkipped: what is not sent keeps its place all the same: others count on
// what it waits for. So do sessions that are filtered out.
func TestOrderSkipped(t *testing.T) {
	for _, o := range []Options{{Policy: Policy{}}, {Filter: Filter{Sessions: map[uint64]bool{1: true, 3: true}}}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLineup().wait("2.1", "1.1", order.Proven).wait("3.1", "2.2", order.Proven)
			f := &fake{took: 100 * time.Millisecond}
			sink, stats, err := playOrdered(t, f, l, o, merge(talk(1, 1, ms, "a"), talk(2, 1, ms, "shutdown", "shutdown"), talk(3, 1, ms, "c")))
			if got := sentBy(f.log); err != nil || got != "1.1 3.1" || len(skips(sink)) == 0 || stats.Open.Load() != 0 {
				t.Errorf("%s, %v, %s", got, err, skips(sink))
			}
		})
	}
}

// TestCircle: waits in a circle are dropped, the guessed first; what is proven
// never is, and ends the replay with an error.
func TestCircle(t *testing.T) {
	p, i, g := order.Proven, order.Inferred, order.Guessed
	for _, c := range []struct {
		why     string
		waits   [3]order.Confidence // 1.1 -> 2.1 -> 3.1 -> 1.1
		dropped string              // whose
		want    string
	}{
		{"the lowest of the guessed", [3]order.Confidence{p, g, g}, "2.1", "2.1 1.1 3.1"},
		{"guessed before inferred", [3]order.Confidence{i, p, g}, "3.1", "3.1 2.1 1.1"},
		{"an inferred one", [3]order.Confidence{p, i, p}, "2.1", "2.1 1.1 3.1"},
		{"none but proven", [3]order.Confidence{p, p, p}, "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLineup().wait("1.1", "2.1", c.waits[0]).wait("2.1", "3.1", c.waits[1]).wait("3.1", "1.1", c.waits[2])
			f := &fake{took: 10 * time.Millisecond}
			begin := time.Now()
			sink, stats, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 2, ms, "b"), talk(3, 3, ms, "c")))
			if got := sentBy(f.log); got != c.want {
				t.Errorf("%s: %s, want %s", c.why, got, c.want)
			}
			var cycle *CycleError
			if c.dropped == "" {
				if !errors.As(err, &cycle) || len(cycle.Commands) != 3 || !strings.Contains(err.Error(), "1.1") || stats.Skipped[session.NotReached].Load() != 3 {
					t.Errorf("%s: %v", c.why, err)
				}
				return
			}
			s := l.named(c.dropped)
			if o := sink.orderOf(s.Session, s.Seq); err != nil || o == nil || o.Dropped != 1 || time.Since(begin) > slowly*tick {
				t.Errorf("%s: %+v, %v after %v", c.why, o, err, time.Since(begin))
			}
		})
	}
}

// TestCircleAtWork: a circle is found although another session is at work.
func TestCircleAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("1.1", "2.1", order.Guessed).wait("2.1", "1.1", order.Proven)
		f := &fake{do: func(c *session.Command, _ File) (Answer, error) {
			if c.ID == 3 {
				time.Sleep(time.Minute)
			}
			return Answer{}, nil
		}}
		sink, _, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 2, ms, "b"), talk(3, 1, ms, "c")))
		if o := sink.orderOf(1, 1); err != nil || o == nil || o.Waited > int64(2*slowly*tick) {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

// TestOrphan: what waits for something that never comes does not wait for ever.
func TestOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("1.1", "9.9", order.Proven)
		l.named("2.1").Fence, l.unused = 5, 5
		f := &fake{}
		_, stats, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 2, ms, "b")))
		if err != nil || stats.Sent.Load() != 2 || stats.Dropped[order.Proven].Load() != 1 {
			t.Errorf("%v, %d sent", err, stats.Sent.Load())
		}
	})
}

// TestLetIn: where all that was read waits for what was not, more is read than
// the window holds.
func TestLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("1.1", "2.1", order.Proven)
		queries := make([]string, 100)
		for i := range queries {
			queries[i] = "select 1"
		}
		_, stats, err := playOrdered(t, &fake{}, l, Options{Window: 2000}, append(talk(1, 1, ms, queries...), talk(2, 10_000*ms, ms, "b")...))
		if err != nil || stats.Sent.Load() != 101 || stats.LetIn.Load() == 0 {
			t.Errorf("%v, %d sent, %d let in", err, stats.Sent.Load(), stats.LetIn.Load())
		}
	})
}

// TestOrderBatch: a client's own pipeline is sent together, up to a command that
// waits for others.
func TestOrderBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("1.5", "2.1", order.Proven)
		l.step(1, 8).Force = order.ForceSkip
		var events []session.Event
		all := pipelined(10, "SELECT 1")
		events = append(events, all[0])
		for i := range 10 { // as a planner hands them on
			events = append(events, all[1+i], all[11+i])
		}
		events = append(events, all[21])
		p := &pipes{fake: &fake{took: 10 * time.Millisecond}}
		sink, stats, err := playOrdered(t, p, l, Options{}, append(events, talk(2, 5, ms, "b")...))
		if err != nil || stats.Sent.Load() != 10 || skips(sink) != "8:lock timeout as recorded" {
			t.Fatalf("%v, %d sent, %s", err, stats.Sent.Load(), skips(sink))
		}
		at := func(line string) int { return slices.Index(p.log, line) }
		if at("1.5 query SELECT 1") < at("2.1 query b") || !strings.Contains(strings.Join(p.log, "\n"), "together") {
			t.Error(strings.Join(p.log, "\n"))
		}
	})
}

// TestForce: a recorded deadlock is a ROLLBACK, a recorded lock timeout nothing.
func TestForce(t *testing.T) {
	for _, protocol := range []session.Protocol{session.Classic, session.X} {
		l := newLineup().trans(1, 1, 4)
		l.step(1, 2).Force, l.step(1, 4).Force = order.ForceSkip, order.ForceRollback
		events := talk(1, 1, ms, "begin", "update a", "update b", "update c", "update d")
		events[0].(*session.Start).Protocol = protocol
		f := &fake{}
		sink, _, err := playOrdered(t, f, l, Options{}, events)
		if got := sentBy(f.log); err != nil || got != "1.1 1.3 1.rollback 1.5" || skips(sink) != "2:lock timeout as recorded 4:deadlock as recorded" {
			t.Errorf("%s; %s; %v", got, skips(sink), err)
		}
	}
}

// TestStopWaiting: a replay that is told to stop does not wait on.
func TestStopWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("2.1", "1.1", order.Proven).wait("3.1", "2.1", order.Guessed)
		f := &fake{took: time.Hour}
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		begin := time.Now()
		sink, stats, err := playOrderedIn(t, ctx, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 1, ms, "b", "c"), talk(3, 1, ms, "d")))
		if err != nil || stats.Skipped[session.NotReached].Load() != 3 || time.Since(begin) > time.Second+grace+time.Second {
			t.Errorf("%v, %s after %v", err, skips(sink), time.Since(begin))
		}
	})
}

// TestLostWaiting: a session that has no connection keeps its place.
func TestLostWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("2.1", "1.1", order.Proven).wait("3.1", "2.2", order.Proven)
		f := &fake{took: 10 * time.Millisecond, connect: func(_ int, s *session.Start) error {
			if s.ID == 2 {
				return errRefuses
			}
			return nil
		}}
		sink, _, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 1, ms, "b", "c"), talk(3, 1, ms, "d")))
		if got := sentBy(f.log); err != nil || got != "1.1 3.1" || skips(sink) != "1:no login 2:no login" {
			t.Errorf("%s, %s, %v", got, skips(sink), err)
		}
	})
}

// TestOrderCopies: the order is one of single sessions.
func TestOrderCopies(t *testing.T) {
	f := &fake{}
	r := New(f, &run{}, Options{Order: newLineup(), Copies: 2})
	if err := r.Run(context.Background(), &recording{talk(1, 1, ms, "a")}); !errors.Is(err, ErrOrderCopies) || f.opened > 0 {
		t.Error(err)
	}
	r = New(f, &run{}, Options{Order: newLineup()})
	for _, want := range []error{nil, ErrOrderCopies} {
		if err := r.Run(context.Background(), &recording{talk(1, 1, ms, "a")}); !errors.Is(err, want) {
			t.Error(err)
		}
	}
}

// TestLiveOrder: a live replay that keeps an order gives up sessions that wait too
// long, as others, and those that wait for them go on.
func TestLiveOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("2.1", "1.1", order.Proven).wait("3.1", "2.2", order.Proven)
		f := &fake{hangs: func(id uint64, c *session.Command) bool { return id == 1 && c != nil }}
		ctx, stop := context.WithCancel(context.Background())
		live := begin(t, ctx, f, Options{Order: l, MaxLag: 2 * time.Second, Policy: Policy{Writes: true}})
		for id := range uint64(3) {
			live.say(start(id+1), query(id+1, 1, 0, "update a"), said(1, 0, 2), query(id+1, 2, 0, "update b"))
		}
		time.Sleep(3 * time.Second)
		live.feed.Tick(time.Now().UnixNano())
		time.Sleep(time.Second)
		live.say(start(4), query(4, 1, 0, "select 1"))
		time.Sleep(time.Second)
		stop()
		live.end()
		l.finished(t)
		if got := sentBy(f.log); !strings.Contains(got, "4.1") || live.r.Stats().Behind.Load() == 0 {
			t.Errorf("%s, %d behind", got, live.r.Stats().Behind.Load())
		}
	})
}
