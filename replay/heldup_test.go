package replay

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/order"
	"myreplay/session"
)

// blockers tells who waits for whose locks, by the target's connection ids.
func (k *locks) blockers(context.Context) (pairs [][2]uint64, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, owner := range k.waits {
		pairs = append(pairs, [2]uint64{liveID + id, liveID + owner})
	}
	return pairs, nil
}

// TestBlockers: where the target tells who blocks whom, a circle through it is
// opened at once: the transaction that has the lock too early is undone and done
// again after the command that it held up; where that can't be, a guess is
// dropped. So it is when sessions wait for each other at the target, or here, in
// between.
func TestBlockers(t *testing.T) {
	p, g := order.Proven, order.Guessed
	for _, c := range []struct {
		why     string
		lineup  *lineup
		third   []string // what session 3 does
		unsure  bool     // the target tells only who waits
		want    string
		undone  int64
		dropped int64
	}{
		{"proven", newLineup().trans(1, 1, 4).wait("1.3", "2.3", p), nil, false, "1.1 1.2 2.1 2.2 1.rollback 2.3 1.1 1.2 1.3 1.4", 1, 0},
		{"guessed", newLineup().trans(1, 1, 4).wait("1.3", "2.3", g), nil, false, "1.1 1.2 2.1 2.2 1.rollback 2.3 1.1 1.2 1.3 1.4", 1, 0},
		{"guessed, and can't be undone", newLineup().wait("1.3", "2.2", g), nil, false, "1.1 1.2 2.1 2.2 1.3 1.4 2.3", 0, 1},
		{"who blocks is not told", newLineup().trans(1, 1, 4).wait("1.3", "2.3", p), nil, true, "1.1 1.2 2.1 2.2 1.rollback 2.3 1.1 1.2 1.3 1.4", 1, 0},
		// 1 waits here for 3, which waits here for 2, which waits at the target for 1.
		{"by way of a session here", newLineup().trans(1, 1, 4).wait("1.3", "3.1", p).wait("3.1", "2.3", p), []string{"select 1"}, false,
			"1.1 1.2 2.1 2.2 1.rollback 2.3 3.1 1.1 1.2 1.3 1.4", 1, 0},
		// 1 waits here for 3, which waits at the target for 2, and that for 1.
		{"by way of a session at the target", newLineup().trans(1, 1, 4).wait("1.3", "3.1", p).wait("3.1", "2.1", p), []string{"update c"}, false,
			"1.1 1.2 2.1 2.2 3.1 1.rollback 2.3 1.1 1.2 1.3 1.4", 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			second := []string{"begin", "update a", "commit"}
			if c.third != nil && c.third[0] == "update c" {
				second[0] = "update c"
			}
			c.lineup.wait("2.2", "1.2", g)
			k := newLocks()
			f := &fake{do: k.do}
			o := Options{Blockers: k.blockers, Pace: Pace{Speed: 1}}
			if c.unsure {
				o.Blockers = func(ctx context.Context) ([][2]uint64, error) {
					pairs, err := k.blockers(ctx)
					for i := range pairs {
						pairs[i][1] = 0
					}
					return pairs, err
				}
			}
			events := merge(talk(1, 1, ms, "begin", "update a", "update b", "commit"), talk(2, 20*ms, ms, second...))
			if c.third != nil {
				events = merge(events, talk(3, 40*ms, ms, c.third...))
			}
			begin := time.Now()
			sink, stats, err := playOrdered(t, f, c.lineup, o, events)
			if d := time.Since(begin); err != nil || k.broken > 0 || d > DefaultStall {
				t.Errorf("%s: %v, %d timeouts, after %v", c.why, err, k.broken, d)
			}
			if got := sentBy(f.log); got != c.want {
				t.Errorf("%s: %s\nwant %s; %s", c.why, got, c.want, skips(sink))
			}
			if stats.Undone.Load() != c.undone || stats.HeldUp.Load() == 0 || stats.Dropped[g].Load() != c.dropped || stats.Dropped[p].Load() != 0 {
				t.Errorf("%s: %d undone, %d held up, %d dropped", c.why, stats.Undone.Load(), stats.HeldUp.Load(), stats.Dropped[g].Load())
			}
		})
	}
}

// TestBlockersNotInTheWay: who blocks and does not wait for what is blocked is
// left alone, and so is everybody where nobody can tell.
func TestBlockersNotInTheWay(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			// 1 has the lock and waits here for 3, which takes its time; 2 waits for 1.
			l := newLineup().trans(1, 1, 4).wait("1.3", "3.1", order.Guessed).wait("2.2", "1.2", order.Guessed)
			k := newLocks()
			asked := 0
			o := Options{Stall: time.Minute, Blockers: func(ctx context.Context) ([][2]uint64, error) {
				if asked++; fails {
					return nil, errors.New("no privilege")
				}
				return k.blockers(ctx)
			}}
			f := &fake{do: func(c *session.Command, file File) (Answer, error) {
				if c.ID == 3 {
					time.Sleep(5 * time.Second)
				}
				return k.do(c, file)
			}}
			_, stats, err := playOrdered(t, f, l, o, merge(talk(1, 1, ms, "begin", "update a", "update b", "commit"),
				talk(2, 1, ms, "begin", "update a", "commit"), talk(3, 1, ms, "select sleep(5)")))
			if err != nil || stats.Undone.Load()+stats.HeldUp.Load()+stats.Dropped[order.Guessed].Load() != 0 {
				t.Errorf("%v, %d undone, %d held up, %s", err, stats.Undone.Load(), stats.HeldUp.Load(), sentBy(f.log))
			}
			if most := int(5*time.Second/AskInterval) + 1; asked == 0 || asked > most {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// TestBlockersMany: a command that is held up once more after somebody was undone
// for it is on its way through rows that others have too early. Then all that wait
// for it are undone at once, not one at a time.
func TestBlockersMany(t *testing.T) {
	const n = 10
	synctest.Test(t, func(t *testing.T) {
		// Sessions 2..n have a row each and wait here for session 1, which wants all of
		// these rows, one after the other.
		l, k := newLineup(), newLocks()
		f := &fake{do: func(c *session.Command, file File) (a Answer, err error) {
			if string(c.SQL) != "update all" {
				return k.do(c, file)
			}
			for id := range n - 1 {
				row := *c
				row.SQL = fmt.Appendf(nil, "update %d", id+2)
				if a, err = k.do(&row, file); err != nil {
					return a, err
				}
			}
			return a, nil
		}}
		events := talk(1, 20*ms, ms, "begin", "update all", "commit")
		l.trans(1, 1, 3)
		for id := uint64(2); id <= n; id++ {
			events = merge(events, talk(id, 1, ms, "begin", fmt.Sprintf("update %d", id), "update x", "commit"))
			l.trans(id, 1, 4).wait(fmt.Sprintf("%d.3", id), "1.3", order.Proven).wait("1.2", fmt.Sprintf("%d.2", id), order.Guessed)
		}
		begin := time.Now()
		_, stats, err := playOrdered(t, f, l, Options{Blockers: k.blockers, Pace: Pace{Speed: 1}}, events)
		if d := time.Since(begin); err != nil || k.broken > 0 || d > DefaultStall {
			t.Errorf("%v, %d timeouts, after %v", err, k.broken, d)
		}
		if stats.Undone.Load() != n-1 || stats.HeldUp.Load() != 2 {
			t.Errorf("%d undone, %d held up", stats.Undone.Load(), stats.HeldUp.Load())
		}
	})
}

// TestBlockersFixed: where the transaction that has the lock too early can't be
// undone, and all waits are proven, it goes first after a time: the target would
// refuse the lock again and again.
func TestBlockersFixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().wait("1.3", "2.2", order.Proven).wait("2.2", "1.2", order.Guessed)
		k := newLocks()
		begin := time.Now()
		_, stats, err := playOrdered(t, &fake{do: k.do}, l, Options{Blockers: k.blockers, Pace: Pace{Speed: 1}},
			merge(talk(1, 1, ms, "begin", "update a", "update b", "commit"), talk(2, 20*ms, ms, "update a", "update a", "commit")))
		if d := time.Since(begin); err != nil || k.broken > 0 || d < patience*DefaultStall || d > 2*patience*DefaultStall {
			t.Errorf("%v, %d timeouts, after %v", err, k.broken, d)
		}
		if stats.Dropped[order.Proven].Load() != 1 || stats.Undone.Load() != 0 {
			t.Errorf("%d dropped, %d undone", stats.Dropped[order.Proven].Load(), stats.Undone.Load())
		}
	})
}

// TestBlockersStale: a target may go on to name who had a lock before, to whoever asks
// again soon. Where nothing can be done about an answer, the next question comes late
// enough for a new one; no proven wait is given up for an old one.
func TestBlockersStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 1 has the lock; 3, which has none, is told to have it.
		l := newLineup().trans(1, 1, 4).wait("1.3", "2.3", order.Proven).wait("2.2", "1.2", order.Guessed).wait("3.1", "2.3", order.Proven)
		k := newLocks()
		begin, asked := time.Now(), time.Time{}
		o := Options{AskEvery: AskSoon, Pace: Pace{Speed: 1}, Blockers: func(ctx context.Context) ([][2]uint64, error) {
			pairs, err := k.blockers(ctx)
			if asked.IsZero() || time.Since(asked) < 100*time.Millisecond {
				for i := range pairs {
					pairs[i][1] = liveID + 3
				}
			}
			asked = time.Now()
			return pairs, err
		}}
		_, stats, err := playOrdered(t, &fake{do: k.do}, l, o, merge(talk(1, 1, ms, "begin", "update a", "update b", "commit"),
			talk(2, 20*ms, ms, "begin", "update a", "commit"), talk(3, 1, ms, "select 1")))
		if d := time.Since(begin); err != nil || k.broken > 0 || d > DefaultStall/2 {
			t.Errorf("%v, %d timeouts, after %v", err, k.broken, d)
		}
		if stats.Dropped[order.Proven].Load() != 0 || stats.Undone.Load() != 1 {
			t.Errorf("%d dropped, %d undone", stats.Dropped[order.Proven].Load(), stats.Undone.Load())
		}
	})
}
