package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/session"
)

// tellLive tells the builder both streams as a mirror does: each session is
// replayed at its own pace, and never a command before it was recorded. check is
// called now and then.
func tellLive(t *rapid.T, b *Builder, k *talk, check func()) {
	recordedSide := k.recorded
	run := map[uint64][]session.Event{} // by the recorded session
	var ids []uint64
	for _, e := range k.replayed {
		id, _ := e.Key()
		if run[id-100] == nil {
			ids = append(ids, id-100)
		}
		run[id-100] = append(run[id-100], e)
	}
	told := map[uint64]uint64{}
	for len(recordedSide)+len(ids) > 0 {
		at := rapid.IntRange(-1, len(ids)-1).Draw(t, "turn")
		if at < 0 {
			if len(recordedSide) == 0 {
				continue
			}
			if c, ok := recordedSide[0].(*session.Command); ok {
				told[c.ID] = c.Seq
			}
			b.Recorded(recordedSide[0])
			recordedSide = recordedSide[1:]
		} else if id := ids[at]; len(run[id]) == 0 {
			ids = slices.Delete(ids, at, at+1)
		} else if c, ok := run[id][0].(*session.Command); !ok || c.Seq <= told[id] {
			b.Replayed(run[id][0])
			run[id] = run[id][1:]
		}
		if rapid.IntRange(0, 9).Draw(t, "check") == 0 {
			check()
		}
	}
}

// drawLive draws a talk in which some sessions are given up, and some answers
// differ.
func drawLive(t *rapid.T) *talk {
	givenUp := map[uint64]bool{}
	k := drawTalk(t, func(c *session.Command) session.Skip {
		if givenUp[c.ID] {
			return session.SkipBehind
		}
		switch rapid.IntRange(0, 19).Draw(t, "fate") {
		case 0:
			givenUp[c.ID] = true
			return session.SkipBehind
		case 1:
			return session.Skip(rapid.IntRange(1, session.SkipCount-1).Draw(t, "skip"))
		}
		return session.NotSkipped
	})
	for _, e := range k.replayed {
		if r, ok := e.(*session.Reply); ok && rapid.IntRange(0, 9).Draw(t, "differs") == 0 {
			r.Results = []session.Result{{Outcome: session.OK, Affected: 77}}
		}
	}
	return k
}

// TestLiveLaw: told live, in whatever order, with whatever memory: the account of
// every snapshot closes, what is under way is neither missing nor counted
// otherwise, a snapshot changes nothing, and the figures are those of the
// snapshot.
func TestLiveLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawLive(t)
		o := Options{Memory: rapid.SampledFrom([]int{2 * entryCost, 10 * entryCost, 64 << 20}).Draw(t, "memory")}
		b, quiet := New(o), New(o)
		check := func() {
			if b.entries.bytes > o.Memory {
				t.Fatalf("%d bytes are held, the limit is %d", b.entries.bytes, o.Memory)
			}
			checkSnapshot(t, b)
		}
		tellLive(t, b, k, check)
		check()
		r := b.Finish()
		a := &r.Account
		if !a.Closes || a.UnderWay != 0 || a.Recorded != uint64(k.commands) || accounted(a) != a.Recorded {
			t.Fatalf("%+v", a)
		}
		if b.entries.first != nil || len(b.joins) != 0 || b.open != [2]uint64{} {
			t.Fatalf("%d bytes, %d sessions and %v commands are still held", b.entries.bytes, len(b.joins), b.open)
		}
		if o.Memory < 64<<20 {
			return
		}
		for _, e := range k.recorded {
			quiet.Recorded(e)
		}
		for _, e := range k.replayed {
			quiet.Replayed(e)
		}
		q := quiet.Finish()
		if q.Verdict.Compared != r.Verdict.Compared || fmt.Sprint(q.Account) != fmt.Sprint(*a) {
			t.Fatalf("live %+v %+v, one after the other %+v %+v", r.Verdict, *a, q.Verdict, q.Account)
		}
	})
}

func checkSnapshot(t *rapid.T, b *Builder) {
	r, l := b.Snapshot(), b.Live()
	a := &r.Account
	if !a.Closes || a.Recorded != a.inRun()+a.UnderWay {
		t.Fatalf("does not close: %+v", a)
	}
	if accounted(a)+a.UnderWay != a.Recorded {
		t.Fatalf("%d compared, %d without reply, %d not compared, %d under way, of %d", a.Compared, a.NoReply, sum(a.NotCompared), a.UnderWay, a.Recorded)
	}
	if fmt.Sprint(*a) != fmt.Sprint(b.Snapshot().Account) {
		t.Fatalf("another account at once after %+v", a)
	}
	if l.Compared != r.Verdict.Compared || l.Different != r.Verdict.Different || l.Recorded.Commands != r.Recorded.Commands || l.Held != b.entries.bytes {
		t.Fatalf("%+v, but the snapshot says %+v", l, r.Verdict)
	}
	if got, want := totalsOf(l.Differences), totalsOf(r.Differences); !slices.Equal(got, want) {
		t.Fatalf("the differences are %v, in the snapshot %v", got, want)
	}
	written(t, r)
}

func totalsOf(list []DifferenceTotal) (out []string) {
	for _, d := range list {
		out = append(out, fmt.Sprint(d.Class, d.Cause, d.Commands, d.Counted, d.Classes))
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// TestSnapshotChangesNothing: with snapshots or without, the report is the same,
// byte for byte.
func TestSnapshotChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawLive(t)
		b, quiet := New(Options{}), New(Options{})
		for i, e := range k.recorded {
			b.Recorded(e)
			quiet.Recorded(e)
			if i < len(k.replayed) {
				b.Replayed(k.replayed[i])
				quiet.Replayed(k.replayed[i])
			}
			if rapid.IntRange(0, 4).Draw(t, "snapshot") == 0 {
				b.Snapshot()
				b.Live()
			}
		}
		if written(t, b.Finish()) != written(t, quiet.Finish()) {
			t.Fatal("another report")
		}
	})
}

// TestRecent: the quantiles of the figures are right to 6 %.
func TestRecent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exponents := rapid.SliceOfN(rapid.Float64Range(0, 14.5), 1, 300).Draw(t, "exponents")
		var r recent
		var list []int64
		for _, e := range exponents {
			v := int64(math.Pow(10, e))
			r.add(v)
			list = append(list, us(v))
		}
		slices.Sort(list)
		for _, q := range []float64{0.5, 0.99, 1} {
			want := float64(list[int(math.Ceil(q*float64(len(list))))-1])
			if got := float64(r.quantile(q)); math.Abs(got-want) > 0.06*want {
				t.Fatalf("quantile %v is %v, not %v", q, got, want)
			}
		}
	})
	var none recent
	if none.quantile(0.5) != 0 {
		t.Error("a time without any")
	}
}

// drawChained draws a talk in which some answers differ, writes among them, and
// some commands have a guessed place.
func drawChained(t *rapid.T) *talk {
	k := drawTalk(t, func(*session.Command) session.Skip {
		return rapid.SampledFrom([]session.Skip{0, 0, 0, 0, 0, 0, session.FailedSend, session.SkipDeadlock}).Draw(t, "fate")
	})
	for _, e := range k.replayed {
		switch e := e.(type) {
		case *session.Command:
			if rapid.IntRange(0, 4).Draw(t, "order") == 0 {
				e.Order = &session.Order{Waited: 5, Dropped: uint32(rapid.IntRange(0, 1).Draw(t, "dropped")), Guesses: []session.Guess{{Session: 1, Seq: 2}}}
			}
		case *session.Reply:
			switch rapid.IntRange(0, 4).Draw(t, "differs") {
			case 0:
				e.Results = []session.Result{{Outcome: session.OK, Affected: 77, Status: 1}}
			case 1:
				e.Results = []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: rapid.SampledFrom([]uint16{1062, 1064, 1213, 1205}).Draw(t, "code")}}}
			}
		}
	}
	return k
}

// TestTurns: the report does not depend on how the two streams are mixed, byte for
// byte: which difference follows from which is decided by the order of the run.
// Each chain's followers add up.
func TestTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawChained(t)
		mixed, apart, merged := New(Options{}), New(Options{}), New(Options{})
		interleave(t, mixed, k)
		for _, e := range k.recorded {
			apart.Recorded(e)
		}
		for _, e := range k.replayed {
			apart.Replayed(e)
		}
		if err := merged.Merge(nil, nextOf(k.recorded), nextOf(k.replayed)); err != nil {
			t.Fatal(err)
		}
		r := mixed.Finish()
		want := written(t, r)
		if got := written(t, apart.Finish()); got != want {
			t.Fatalf("mixed:\n%s\none after the other:\n%s", want, got)
		}
		if got := written(t, merged.Finish()); got != want {
			t.Fatalf("mixed:\n%s\nmerged:\n%s", want, got)
		}
		follow := uint64(0)
		if r.Chains != nil {
			for _, c := range r.Chains.List {
				follow += c.Followers
			}
			if r.Chains.Follow > follow || r.Chains.First > len(r.Chains.List) && len(r.Chains.List) < MaxChains {
				t.Fatalf("%+v", r.Chains)
			}
		}
		if n := r.Noise(); n.Different < r.Verdict.Different || n.Different > n.Compared+n.NotCompared || n.String() == "" {
			t.Fatalf("%+v", n)
		}
	})
}

// TestOrderTotals: what is written is read again; what is no JSON leaves it alone.
func TestOrderTotals(t *testing.T) {
	o := OrderTotals{Mode: "row", Steps: 3, Waits: OrderWaits{1, 2, 3}, Reasons: OrderReasons{1, 2, 3, 4}, Reads: 5, Ambiguous: 1, Dropped: 1,
		Redone: 2, NotRedone: 3, SyncWait: 4, Stalls: 5, WindowForced: 6, AsRecorded: AsRecorded{7, 8}}
	var file strings.Builder
	if err := o.Write(&file); err != nil {
		t.Fatal(err)
	}
	var again OrderTotals
	if err := again.Read(strings.NewReader(file.String())); err != nil || again != o {
		t.Fatalf("%+v, %v", again, err)
	}
	if err := again.Read(strings.NewReader("{")); err == nil || again != o {
		t.Fatalf("%+v, %v", again, err)
	}
}
