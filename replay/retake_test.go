package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"myreplay/order"
	"myreplay/session"
)

// jobs is a target with a queue: "take N" locks the first N rows that nobody has
// locked, and returns them; "update A,B" locks these, waiting for whoever has them;
// "commit" takes the rows that were updated off the queue. "add A" puts a row there.
type jobs struct {
	mu     sync.Mutex
	free   []int          // in their order
	owner  map[int]uint64 // of those that are locked
	gone   map[int]uint64 // who had them
	freed  chan struct{}
	broken int
	wants  map[uint64][]int
}

func newJobs(n int) *jobs {
	k := &jobs{owner: map[int]uint64{}, gone: map[int]uint64{}, freed: make(chan struct{}), wants: map[uint64][]int{}}
	for i := range n {
		k.free = append(k.free, i+1)
	}
	return k
}

func numbers(list string) (rows []int) {
	for _, w := range strings.Split(list, ",") {
		n, _ := strconv.Atoi(w)
		rows = append(rows, n)
	}
	return rows
}

func listed(rows []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(rows), " ", ","), "[]")
}

// keyed makes the result of a read that took some rows.
func keyed(rows []int) session.Result {
	r := session.Result{Outcome: session.Rows, Status: 3, Rows: uint64(len(rows))}
	for _, n := range rows {
		r.Keyed = append(r.Keyed, session.RowHash{Key: uint64(n), Row: uint64(n)})
	}
	return r
}

func (k *jobs) do(c *session.Command, _ File) (Answer, error) {
	verb, arg, _ := strings.Cut(strings.ToLower(string(c.SQL)), " ")
	k.mu.Lock()
	defer k.mu.Unlock()
	switch verb {
	case "take":
		n, _ := strconv.Atoi(arg)
		var rows []int
		for _, row := range k.free {
			if k.owner[row] == 0 && len(rows) < n {
				rows = append(rows, row)
				k.owner[row] = c.ID
			}
		}
		return Answer{Reply: &session.Reply{Seq: c.Seq, Results: []session.Result{keyed(rows)}}}, nil
	case "update":
		return k.update(c, numbers(arg))
	case "add":
		k.free = append(k.free, numbers(arg)...)
		slices.Sort(k.free)
		return Answer{}, nil
	case "begin":
		return inTrans(c), nil
	}
	for row, id := range k.owner {
		if id == c.ID {
			delete(k.owner, row)
			if verb == "commit" && slices.Contains(k.wants[c.ID], row) {
				k.free = slices.DeleteFunc(k.free, func(n int) bool { return n == row })
				k.gone[row] = id
			}
		}
	}
	delete(k.wants, c.ID)
	close(k.freed)
	k.freed = make(chan struct{})
	return Answer{}, nil
}

func (k *jobs) update(c *session.Command, rows []int) (Answer, error) {
	for _, row := range rows {
		for timeout := time.After(time.Minute); k.owner[row] != 0 && k.owner[row] != c.ID; {
			freed := k.freed
			k.mu.Unlock()
			select {
			case <-freed:
				k.mu.Lock()
			case <-timeout:
				k.mu.Lock()
				k.broken++
				return refusal(c, errLockTimeout), nil
			}
		}
		k.owner[row] = c.ID
	}
	k.wants[c.ID] = rows
	return inTrans(c), nil
}

// takes is a session that takes rows, which took a time, and finishes them.
func takes(l *lineup, id uint64, at, took int64, rows ...int) []session.Event {
	events := talk(id, at, ms, "begin", fmt.Sprintf("take %d", len(rows)), "update "+listed(rows), "commit")
	for _, e := range events {
		switch e := e.(type) {
		case *session.Command:
			if e.Seq > 2 {
				e.At, e.End = e.At+took, e.End+took
			}
		case *session.Reply:
			if e.Seq == 2 {
				e.Results[0] = keyed(rows)
			}
			if e.Seq >= 2 {
				e.First, e.Last = e.First+took, e.Last+took
			}
		case *session.End:
			e.At += took
		}
	}
	keys := make([]uint64, len(rows))
	for i, n := range rows {
		keys[i] = uint64(n)
	}
	slices.Sort(keys)
	l.trans(id, 1, 4).step(id, 2).Took = &order.Took{Table: 1, Keys: keys}
	return events
}

// TestRetake: a read that passes over locked rows and takes others than it did when
// it was recorded is undone, and done again after those that took these; where that
// does not help it is undone for good, and what is behind it is done all the same.
func TestRetake(t *testing.T) {
	for _, c := range []struct {
		why  string
		play func(l *lineup) []session.Event
		want string // or the one, or the other, |
		took string // the rows of the runs' answers, by session
	}{
		{"as recorded", func(l *lineup) []session.Event {
			l.wait("2.2", "1.2", order.Guessed)
			return merge(takes(l, 1, 1, 0, 1, 2), takes(l, 2, 50*ms, 0, 3, 4))
		}, "1.1 1.2 1.3 1.4 2.1 2.2 2.3 2.4", "1:1,2 2:3,4"},
		// The guess is the wrong way round.
		{"too early", func(l *lineup) []session.Event {
			l.wait("1.2", "2.2", order.Guessed)
			return merge(takes(l, 1, 1, 90*ms, 1, 2), takes(l, 2, 50*ms, 0, 3, 4))
		}, "", "1:1,2 2:3,4"},
		// Each took a row before the other: no order of the two reads does that again.
		{"by turns", func(l *lineup) []session.Event {
			return merge(takes(l, 1, 1, 90*ms, 1, 4), takes(l, 2, 50*ms, 0, 2, 3))
		}, "", "1:1,4 2:2,3"},
		// A row that somebody else took long after came too early.
		{"of nobody", func(l *lineup) []session.Event {
			l.wait("2.2", "1.4", order.Proven)
			return merge(takes(l, 1, 1, 0, 2, 3), takes(l, 2, 90*ms, 0, 1, 4))
		}, "1.1 1.2 1.rollback 1.1 1.3 1.4 2.1 2.2 2.3 2.4", "1:1,2 2:1,4"},
		// Its rows are locked by their keys at once, and the gaps are not.
		{"rows known", func(l *lineup) []session.Event {
			l.wait("2.2", "1.4", order.Proven)
			events := merge(takes(l, 1, 1, 0, 2, 3), takes(l, 2, 90*ms, 0, 1, 4))
			l.step(1, 2).Took.Lock = "update 2,3"
			return events
		}, "1.1 1.2 1.rollback 1.1 1.update 2,3 1.3 1.4 2.1 2.2 2.3 2.4", "1:1,2 2:1,4"},
		// Locks on them by their keys alone let others lock their entries in an index, as
		// a read does that passes over them: who comes after it waits for the command
		// behind it, too.
		{"rows known, and entries not", func(l *lineup) []session.Event {
			l.wait("2.2", "1.2", order.Proven).wait("1.3", "3.2", order.Proven)
			events := merge(takes(l, 1, 1, 0, 2, 3), takes(l, 2, 50*ms, 0, 1, 4), talk(3, 100*ms, ms, "add 5", "add 6"))
			l.step(1, 2).Took.Lock = "update 2,3"
			return events
		}, "1.1 1.2 1.rollback 1.1 1.update 2,3 2.1 3.1 3.2 1.3 1.4 2.2 2.3 2.4|" +
			"1.1 1.2 1.rollback 1.1 1.update 2,3 2.1 3.1 3.2 1.3 2.2 2.3 2.4 1.4|1.1 1.2 1.rollback 1.1 1.update 2,3 2.1 3.1 3.2 1.3 2.2 1.4 2.3 2.4|" +
			"1.1 1.2 1.rollback 1.1 1.update 2,3 2.1 3.1 3.2 1.3 2.2 2.3 1.4 2.4", "1:1,2 2:1,4"},
		// The command behind it, which locks the rows, has to wait: who comes after the
		// read waits with it.
		{"rows not locked yet", func(l *lineup) []session.Event {
			l.wait("2.2", "1.2", order.Proven).wait("1.3", "3.2", order.Proven)
			return merge(takes(l, 1, 1, 0, 2, 3), takes(l, 2, 50*ms, 0, 1, 4), talk(3, 100*ms, ms, "add 5", "add 6"))
		}, "", "1:1,2 2:1,4"},
		// So it was at the source, but the rows are locked in a circle: the read is
		// given up, and all go on.
		{"rows not locked in a circle", func(l *lineup) []session.Event {
			l.wait("2.2", "1.2", order.Proven).wait("1.3", "2.2", order.Proven)
			return merge(takes(l, 1, 1, 0, 2, 3), takes(l, 2, 50*ms, 0, 1, 4))
		}, "", ""},
		// The gaps that it locks, too, are in others' way.
		{"loose", func(l *lineup) []session.Event {
			events := takes(l, 1, 1, 0, 1, 2)
			l.step(1, 2).Took.Loose = true
			return events
		}, "1.1 1.2 1.rollback 1.1 1.3 1.4", "1:1,2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, k := newLineup(), newJobs(4)
			events := c.play(l)
			f := &fake{do: k.do}
			sink, stats, err := playOrdered(t, f, l, Options{Pace: Pace{Speed: 1}}, events)
			if got := sentBy(f.log); err != nil || c.want != "" && !slices.Contains(strings.Split(c.want, "|"), got) {
				t.Errorf("%s: %s\nwant %s; %v", c.why, got, c.want, err)
			}
			if got := sink.tookBy(); c.took != "" && got != c.took {
				t.Errorf("%s: %s, want %s", c.why, got, c.took)
			}
			if again := stats.Retaken.Load() > 0; again != (c.why != "as recorded") || stats.NotRedone.Load()+int64(k.broken) > 0 {
				t.Errorf("%s: %d times again, %d not, %d timeouts", c.why, stats.Retaken.Load(), stats.NotRedone.Load(), k.broken)
			}
			k.check(t, events)
		})
	}
}

// tookBy lists which rows reads took in the end.
func (r *run) tookBy() string {
	var list []string
	for _, e := range r.events {
		if a, ok := e.(*session.Reply); ok && a.Results[0].Outcome == session.Rows {
			var rows []string
			for _, h := range a.Results[0].Keyed {
				rows = append(rows, strconv.Itoa(int(h.Key)))
			}
			list = append(list, fmt.Sprintf("%d:%s", a.ID, strings.Join(rows, ",")))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// check checks that each row was finished by who did when it was recorded.
func (k *jobs) check(t testing.TB, events []session.Event) {
	t.Helper()
	for _, e := range events {
		c, ok := e.(*session.Command)
		if !ok {
			continue
		}
		if list, ok := strings.CutPrefix(string(c.SQL), "update "); ok {
			for _, row := range numbers(list) {
				if k.gone[row] != c.ID {
					t.Errorf("row %d was finished by %d, not by %d", row, k.gone[row], c.ID)
				}
			}
		}
	}
}

// TestRetakeVain: where the target answers otherwise, time and again, reads are not
// done again any more.
func TestRetakeVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2*maxVain + 10
		l, k := newLineup(), newJobs(n)
		var events []session.Event
		for i := range n {
			e := takes(l, uint64(i+1), int64(i+1)*10*ms, 0, i+1)
			l.step(uint64(i+1), 2).Took.Keys[0] += n // they never are
			if i > 0 {
				l.wait(fmt.Sprintf("%d.1", i+1), fmt.Sprintf("%d.4", i), order.Proven)
			}
			events = merge(events, e)
		}
		_, stats, err := playOrdered(t, &fake{do: k.do}, l, Options{}, events)
		if err != nil || stats.Retaken.Load() != n { // nobody is known to wait for: once each
			t.Errorf("%d times, want %d; %v", stats.Retaken.Load(), n, err)
		}
		k.check(t, events)
	})
}

// TestRetakeLaw: whatever rows sessions took, and whatever was guessed, a replay
// ends, and each row is finished by who did when it was recorded.
func TestRetakeLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 6).Draw(rt, "sessions")
		rows := rapid.Permutation([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}).Draw(rt, "rows")
		l, k := newLineup(), newJobs(12)
		var events []session.Event
		for i := range n {
			id := uint64(i + 1)
			took := rapid.Int64Range(0, 40).Draw(rt, "took") * ms
			at := rapid.Int64Range(1, 30).Draw(rt, "at") * ms
			count := rapid.IntRange(1, 2).Draw(rt, "count")
			events = merge(events, takes(l, id, at, took, rows[2*i:2*i+count]...))
			l.step(id, 2).Took.Loose = rapid.Bool().Draw(rt, "loose")
			if rapid.Bool().Draw(rt, "known") {
				l.step(id, 2).Took.Lock = "update " + listed(rows[2*i:2*i+count])
			}
			for range rapid.IntRange(0, 2).Draw(rt, "guesses") {
				if on := rapid.IntRange(1, n).Draw(rt, "on"); on != i+1 {
					l.wait(fmt.Sprintf("%d.%d", id, rapid.IntRange(2, 4).Draw(rt, "which")), fmt.Sprintf("%d.%d", on, rapid.IntRange(1, 4).Draw(rt, "what")), order.Guessed)
				}
			}
		}
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			_, _, err := playOrdered(t, &fake{do: k.do}, l, Options{}, events)
			if d := time.Since(begin); err != nil || k.broken > 0 || d > 30*time.Second {
				t.Errorf("%v, %d timeouts, after %v", err, k.broken, d)
			}
			k.check(t, events)
		})
	})
}

// TestCutLocks: of a circle's guesses that one is dropped first on which no value
// rests, though it is of the later step.
func TestCutLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("1.1", "2.1", order.Guessed).wait("2.1", "1.1", order.Guessed)
		l.step(2, 1).Waits[0].Locks = true
		f := &fake{}
		_, _, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "a"), talk(2, 2, ms, "b")))
		if got := sentBy(f.log); err != nil || got != "2.1 1.1" {
			t.Errorf("%s, %v", got, err)
		}
	})
}
