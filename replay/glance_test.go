package replay

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/order"
	"myreplay/session"
)

// timed is a target with locks that knows when a session was rolled back first, and
// when the command was sent that is held up.
type timed struct {
	*locks
	sent, undone time.Time
	slow         time.Duration // of each command that begins with "slow"
	rested       time.Time     // when the latest of these ended
}

func (k *timed) do(c *session.Command, file File) (Answer, error) {
	switch sql := strings.ToLower(string(c.SQL)); {
	case sql == "rollback" && k.undone.IsZero():
		k.undone = time.Now()
	case sql == "update a" && c.ID == 2:
		k.sent = time.Now()
	case strings.HasPrefix(sql, "slow"):
		time.Sleep(k.slow)
		k.rested = time.Now()
	}
	return k.locks.do(c, file)
}

// untold tells only who waits.
func (k *timed) untold(ctx context.Context) ([][2]uint64, error) {
	pairs, err := k.blockers(ctx)
	for i := range pairs {
		pairs[i][1] = 0
	}
	return pairs, err
}

// held is what 2 waits for at the target: 1 has the lock, and waits here for 2; 3
// has another one, and waits here for 1.
func held() (*lineup, []session.Event) {
	l := newLineup().trans(1, 1, 4).trans(3, 1, 4).wait("1.3", "2.3", order.Proven).wait("3.3", "1.4", order.Proven).wait("2.2", "1.2", order.Guessed)
	return l, merge(talk(1, 1, ms, "begin", "update a", "update b", "commit"), talk(2, 20*ms, ms, "begin", "update a", "commit"),
		talk(3, 1, ms, "begin", "update c", "update d", "commit"))
}

// TestStandsSoon: where nothing moves the target is asked within milliseconds, and
// who is in the way gives way at once; the same where it tells only who waits: then
// those are undone that wait here for what waits there, and not those behind them.
func TestStandsSoon(t *testing.T) {
	for _, untold := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, events := held()
			k := &timed{locks: newLocks()}
			o := Options{Blockers: k.blockers, AskEvery: AskSoon, Pace: Pace{Speed: 1}}
			if untold {
				o.Blockers = k.untold
			}
			_, stats, err := playOrdered(t, &fake{do: k.do}, l, o, events)
			if err != nil || k.broken > 0 || stats.Undone.Load() != 1 || stats.Dropped[order.Proven].Load() != 0 {
				t.Errorf("untold %v: %v, %d timeouts, %d undone", untold, err, k.broken, stats.Undone.Load())
			}
			if d, most := k.undone.Sub(k.sent), standTime+AskSoon/standPart+2*glance; d <= 0 || d > most {
				t.Errorf("untold %v: undone after %v, want %v at most", untold, d, most)
			}
		})
	}
}

// TestStandsAtWork: while a command is at the target that waits for no lock there, it
// may be what the others wait for: nobody is taken to be in the way.
func TestStandsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, events := held()
		k := &timed{locks: newLocks(), slow: 100 * time.Millisecond}
		_, stats, err := playOrdered(t, &fake{do: k.do}, l, Options{Blockers: k.untold, AskEvery: AskSoon, Pace: Pace{Speed: 1}},
			merge(events, talk(4, 1, ms, "slow")))
		if err != nil || k.broken > 0 || stats.Undone.Load() != 1 {
			t.Errorf("%v, %d timeouts, %d undone", err, k.broken, stats.Undone.Load())
		}
		if d := k.undone.Sub(k.rested); d <= 0 || d > AskInterval+2*tick {
			t.Errorf("undone %v after the slow one", d)
		}
	})
}

// TestAskSeldom: a target where nothing moves for long, again and again, since all is
// slow, is not asked more often than every AskInterval, however soon it may be asked.
func TestAskSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup()
		k := &timed{locks: newLocks(), slow: 30 * time.Millisecond}
		var slow []string
		for range 100 {
			slow = append(slow, "slow")
		}
		l.wait("2.1", "1.100", order.Proven)
		asked := 0
		o := Options{AskEvery: AskSoon, Pace: Pace{Speed: 1}, Blockers: func(context.Context) ([][2]uint64, error) {
			asked++
			return nil, nil
		}}
		begin := time.Now()
		_, stats, err := playOrdered(t, &fake{do: k.do}, l, o, merge(talk(1, 1, ms, slow...), talk(2, 1, ms, "select 1")))
		if err != nil || stats.Undone.Load() > 0 {
			t.Errorf("%v, %d undone", err, stats.Undone.Load())
		}
		if most := int(time.Since(begin)/AskInterval) + 2; asked == 0 || asked > most {
			t.Errorf("asked %d times, want %d at most", asked, most)
		}
	})
}

// TestAskCostly: a target that takes long to answer is asked no more often than
// before, even where its answers are of use.
func TestAskCostly(t *testing.T) {
	for _, c := range []struct {
		took   time.Duration
		useful bool
		want   time.Duration
	}{
		{0, true, AskSoon},
		{0, false, askGrowth * AskSoon},
		{5 * time.Millisecond, true, 50 * time.Millisecond},
		{time.Second, true, AskInterval},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scheduler{r: &Replayer{options: Options{AskEvery: AskSoon}}}
			if s.asked(c.took, c.useful); time.Until(s.asking.next) != c.want {
				t.Errorf("took %v, useful %v: again in %v, want %v", c.took, c.useful, time.Until(s.asking.next), c.want)
			}
			for range 5 {
				s.asked(0, false)
			}
			if got := time.Until(s.asking.next); got != AskInterval {
				t.Errorf("again in %v", got)
			}
		})
	}
}
