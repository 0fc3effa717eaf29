package replay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"myreplay/session"
)

// step is what happens next at the source.
type step struct {
	pause time.Duration
	id    uint64
	sql   string // "": the session ends
}

// executed notes what a target executed.
type executed struct {
	mu   sync.Mutex
	last map[uint64]uint64
	bad  []string
}

func (x *executed) note(c *session.Command) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.Seq <= x.last[c.ID] {
		x.bad = append(x.bad, fmt.Sprintf("%d.%d after %d", c.ID, c.Seq, x.last[c.ID]))
	}
	x.last[c.ID] = c.Seq
}

// TestLawLive: whatever the target does, the source is never held up, what is
// held stays within the window, each session's commands are executed in order and
// none twice, and the account closes.
func TestLawLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{pause: time.Duration(rapid.SampledFrom([]int64{0, 0, 0, ms, 50 * ms, 900 * ms}).Draw(rt, "pause")), id: rapid.Uint64Range(1, 6).Draw(rt, "id"),
				sql: rapid.SampledFrom([]string{"select 1", "select 2", "begin", "insert into t values (1)", "commit", ""}).Draw(rt, "sql")}
		}), 1, 120).Draw(rt, "steps")
		deeds := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "slow", "hang", "lost", "unsent"}), 1, 30).Draw(rt, "deeds")
		doors := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "hang", "passes", "refuses"}), 1, 30).Draw(rt, "doors")
		o := Options{Window: rapid.Int64Range(2000, 9000).Draw(rt, "window"), Copies: rapid.IntRange(1, 2).Draw(rt, "copies"), Policy: Policy{Writes: true},
			MaxLag:  rapid.SampledFrom([]time.Duration{0, 2 * time.Second}).Draw(rt, "max lag"),
			CatchUp: rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond}).Draw(rt, "catch up")}
		synctest.Test(t, func(t *testing.T) {
			p := moody(deeds, doors)
			all := [2]executed{{last: map[uint64]uint64{}}, {last: map[uint64]uint64{}}}
			p.executed = all[:o.Copies]
			ctx, stop := context.WithCancel(context.Background())
			l := begin(t, ctx, p, o)
			seqs, begun := map[uint64]uint64{}, uint64(0)
			ids := map[uint64]uint64{}
			for _, s := range steps {
				time.Sleep(s.pause)
				id, open := ids[s.id]
				if s.sql == "" {
					if open {
						l.say(&session.End{ID: id})
						delete(ids, s.id)
					}
					continue
				}
				if !open {
					begun++
					id, ids[s.id] = begun, begun
					l.say(start(id))
				}
				seqs[id]++
				l.say(query(id, seqs[id], 0, s.sql))
				if held := l.r.Held(); held > o.Window {
					t.Errorf("%d bytes are held", held)
				}
			}
			time.Sleep(time.Second)
			stop()
			began := time.Now()
			l.end()
			if d := time.Since(began); d > grace+time.Second {
				t.Errorf("the end took %v", d)
			}
			for i := range all {
				if len(all[i].bad) > 0 {
					t.Error(all[i].bad)
				}
			}
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// moodyTarget does this and that.
type moodyTarget struct {
	fake         *fake
	mu           sync.Mutex
	deeds, doors []string
	executed     []executed
}

func moody(deeds, doors []string) *moodyTarget {
	return &moodyTarget{fake: &fake{}, deeds: deeds, doors: doors}
}

func (m *moodyTarget) Now() int64                      { return m.fake.Now() }
func (m *moodyTarget) Live(a, b uint32) (uint32, bool) { return m.fake.Live(a, b) }
func (m *moodyTarget) next(list *[]string) (first string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first = (*list)[0]
	*list = append((*list)[1:], first)
	return first
}

func (m *moodyTarget) Connect(ctx context.Context, s *session.Start) (Conn, error) {
	switch m.next(&m.doors) {
	case "hang":
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case "passes":
		return nil, errPasses
	case "refuses":
		return nil, errRefuses
	}
	return &moodyConn{&fakeConn{m.fake, s, ctx}, m, ctx, s.Copy}, nil
}

type moodyConn struct {
	*fakeConn
	m    *moodyTarget
	ctx  context.Context
	copy uint32
}

// Close counts nothing.
func (c *moodyConn) Close() error { return nil }

func (c *moodyConn) Do(cmd *session.Command, _ File) (Answer, error) {
	a := Answer{At: c.m.Now()}
	if c.ctx.Err() != nil {
		return Answer{}, errUnsent
	}
	deed := c.m.next(&c.m.deeds)
	if deed == "unsent" {
		return Answer{}, errUnsent
	}
	c.m.executed[c.copy].note(cmd)
	switch deed {
	case "slow":
		select {
		case <-time.After(700 * time.Millisecond):
		case <-c.ctx.Done():
			return a, errSent
		}
	case "hang":
		<-c.ctx.Done()
		return a, errSent
	case "lost":
		return a, errSent
	}
	status := uint16(2)
	if sql := string(cmd.SQL); sql == "begin" || strings.HasPrefix(sql, "insert") {
		status = 3
	}
	a.Reply = said(cmd.Seq, c.m.Now(), status)
	return a, nil
}

func (c *moodyConn) DoAll(cmds []*session.Command) (answers []Answer, err error) {
	answers = make([]Answer, len(cmds))
	for i, cmd := range cmds {
		if answers[i], err = c.Do(cmd, nil); err != nil {
			break
		}
	}
	return answers, err
}

// TestLawOldestFirst: no session that was given up had waited for less than one
// that was not.
func TestLawOldestFirst(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(rt, "sessions")
		order := rapid.Permutation(make([]int, n)).Draw(rt, "none")
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(rt, "order")
		cost := eventCost + int64(len("select 1")+1)
		window := int64(rapid.IntRange(n, 2*n).Draw(rt, "window")+4) * cost
		more := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3*n).Draw(rt, "more")
		synctest.Test(t, func(t *testing.T) {
			f := &fake{hangs: func(_ uint64, c *session.Command) bool { return c != nil }}
			ctx, stop := context.WithCancel(context.Background())
			l := begin(t, ctx, f, Options{Window: window})
			seqs, waits := make([]uint64, n), make([]time.Time, n)
			for i := range n {
				l.say(start(uint64(i+1)), query(uint64(i+1), 1, 0, "select 1"))
				seqs[i] = 1
			}
			synctest.Wait()
			for _, i := range append(order, more...) {
				time.Sleep(time.Millisecond)
				before := l.r.roster.aged()
				behind := l.r.Stats().Behind.Load()
				seqs[i]++
				l.say(query(uint64(i+1), seqs[i], 0, "select 1"))
				if waits[i].IsZero() {
					waits[i] = time.Now()
				}
				if gone := l.r.Stats().Behind.Load() - behind; gone > 0 {
					l.inOrder(before, int(gone))
				}
			}
			stop()
			l.feedEnd()
		})
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// inOrder checks that those of the sessions that were given up since had waited
// longest.
func (l *live) inOrder(before []aged, gone int) {
	before = slices.DeleteFunc(before, func(a aged) bool { return !a.waiting })
	slices.SortFunc(before, func(a, b aged) int { return cmp.Compare(a.due, b.due) })
	for i, a := range before {
		if behind := a.runner.box.behind.Load(); behind != (i < gone) {
			l.t.Errorf("session %d, the %d. by age, given up: %v (of %d)", a.runner.start.ID, i, behind, gone)
		}
	}
}

// BenchmarkOverload feeds 10,000 sessions whose target hangs.
func BenchmarkOverload(b *testing.B) {
	const sessions = 10000
	f := &fake{hangs: func(_ uint64, c *session.Command) bool { return true }}
	ctx, stop := context.WithCancel(context.Background())
	r := New(f, discard{}, Options{Live: true, Window: sessions * 1000, Temporary: func(error) bool { return false }})
	feed := r.Begin(ctx)
	for id := range uint64(sessions) {
		_ = feed.Event(start(id + 1))
	}
	now, n := time.Now().UnixNano(), uint64(0)
	for b.Loop() {
		n++
		id := n%sessions + 1
		if r.Stats().Behind.Load() >= sessions-10 { // begin again with other sessions
			b.StopTimer()
			for id := range uint64(sessions) {
				_ = feed.Event(&session.End{ID: id + 1, At: now})
			}
			r.stats.Behind.Store(0)
			for id := range uint64(sessions) {
				_ = feed.Event(start(id + 1))
			}
			b.StartTimer()
		}
		_ = feed.Event(query(id, n, now+int64(n), "select 1"))
	}
	stop()
	_ = feed.End()
}

type discard struct{}

func (discard) Write(session.Event) error { return nil }

// BenchmarkLive replays a session whose client waits for each answer, on a
// target that costs nothing.
func BenchmarkLive(b *testing.B) {
	answered := make(chan struct{})
	r := New(&instant{answered: answered}, discard{}, Options{Live: true, MaxLag: time.Minute, CatchUp: time.Millisecond})
	feed := r.Begin(context.Background())
	_ = feed.Event(start(1))
	commands := make([]*session.Command, 1024)
	for i := range commands {
		commands[i] = query(1, 1, 0, "select c from sbtest1 where id = 5012")
	}
	reply := said(1, 0, 2)
	b.ReportAllocs()
	n, now := uint64(0), time.Now().UnixNano()
	for b.Loop() {
		c := commands[n%1024]
		n++
		c.Seq, c.At, reply.Seq, reply.Last = n, now+int64(n), n, now+int64(n)
		_ = feed.Event(c)
		<-answered
		_ = feed.Event(reply)
	}
	_ = feed.End()
}

// instant is a Target that says OK at once.
type instant struct {
	fake
	answered chan struct{}
	reply    session.Reply
}

type instantConn struct {
	*fakeConn
	i *instant
}

func (i *instant) Connect(ctx context.Context, s *session.Start) (Conn, error) {
	i.reply.Results = []session.Result{{Outcome: session.OK}}
	return &instantConn{&fakeConn{&i.fake, s, ctx}, i}, nil
}

func (c *instantConn) Do(*session.Command, File) (Answer, error) {
	c.i.answered <- struct{}{}
	return Answer{Reply: &c.i.reply}, nil
}

func (c *instantConn) DoAll([]*session.Command) ([]Answer, error) { return nil, nil }
