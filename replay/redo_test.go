package replay

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"myreplay/order"
	"myreplay/session"
)

// refusal makes a reply with an error.
func refusal(c *session.Command, code uint16) Answer {
	return Answer{Reply: &session.Reply{Seq: c.Seq, Results: []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: code}}}}}
}

func inTrans(c *session.Command) Answer {
	return Answer{Reply: &session.Reply{Seq: c.Seq, Results: []session.Result{{Outcome: session.OK, Status: 3}}}}
}

// open has the recorded replies from..to say that a transaction is open.
func open(events []session.Event, from, to uint64) {
	for _, e := range events {
		if a, ok := e.(*session.Reply); ok && a.Seq >= from && a.Seq <= to {
			a.Results[0].Status = 3
		}
	}
}

// TestRedo: a transaction that the target rolls back is done again from its
// beginning, and the run holds what came of it in the end; so is a command by
// itself. What the recording has, too, is left as it is.
func TestRedo(t *testing.T) {
	for _, c := range []struct {
		why      string
		code     uint16
		recorded uint16
		fails    int // how often
		want     string
		redone   int64
		not      int64
		errors   int64
	}{
		{"once", errDeadlock, 0, 1, "1.1 1.2 1.3 1.rollback 1.1 1.2 1.3 1.4 1.5", 1, 0, 0},
		{"twice", errLockTimeout, 0, 2, "1.1 1.2 1.3 1.rollback 1.1 1.2 1.3 1.rollback 1.1 1.2 1.3 1.4 1.5", 2, 0, 0},
		{"as recorded", errDeadlock, errDeadlock, 1, "1.1 1.2 1.3 1.4 1.5", 0, 0, 1},
		{"another error", 1062, 0, 1, "1.1 1.2 1.3 1.4 1.5", 0, 0, 1},
		{"for ever", errCheckRead, 0, 1000, "1.1 1.2 1.3 " + strings.Repeat("1.rollback 1.1 1.2 1.3 ", MaxRedo) + "1.4 1.5", MaxRedo, 1, 1},
		{"for ever, rolled back", errDeadlock, 0, 1000, "1.1 1.2 1.3 " + strings.Repeat("1.rollback 1.1 1.2 1.3 ", MaxRedo) + "1.5", MaxRedo, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLineup().trans(1, 1, 4)
			left := c.fails
			f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
				if cmd.Seq == 3 && left > 0 {
					left--
					return refusal(cmd, c.code), nil
				}
				if cmd.Seq < 4 && cmd.Seq > 0 {
					return inTrans(cmd), nil
				}
				return Answer{}, nil
			}}
			events := talk(1, 1, ms, "begin", "update a", "update b", "commit", "select 1")
			open(events, 1, 3)
			if c.recorded != 0 {
				events[6].(*session.Reply).Results = refusal(&session.Command{}, c.recorded).Reply.Results
			}
			sink, stats, err := playOrdered(t, f, l, Options{}, events)
			if got := sentBy(f.log); err != nil || got != c.want {
				t.Errorf("%s: %s\nwant %s; %v", c.why, got, c.want, err)
			}
			if stats.Redone.Load() != c.redone || stats.NotRedone.Load() != c.not || stats.Errors.Load() != c.errors {
				t.Errorf("%s: %d redone, %d not, %d errors", c.why, stats.Redone.Load(), stats.NotRedone.Load(), stats.Errors.Load())
			}
			if o := sink.orderOf(1, 2); c.redone > 0 && (o == nil || int64(o.Redone) != c.redone) {
				t.Errorf("%s: %+v", c.why, o)
			}
		})
	}
}

// TestRedoClosed: a prepared statement that is closed within a transaction is
// closed when the transaction has ended: it may be needed once more. Clients that
// prepare, execute and close each statement are many.
func TestRedoClosed(t *testing.T) {
	for _, c := range []struct {
		fails, at int // how often, which command
		lost      bool
		want      string
	}{
		{0, 4, false, "1.1 1.2 1.4 1.5 1.3 1.6"},
		{1, 4, false, "1.1 1.2 1.4 1.rollback 1.1 1.2 1.4 1.5 1.3 1.6"},
		{1, 4, true, "1.1 1.2 1.4 1.6"}, // it went with the connection
	} {
		synctest.Test(t, func(t *testing.T) {
			var log []string
			left := c.fails
			f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
				name := "1." + strconv.FormatUint(cmd.Seq, 10)
				if cmd.Seq == 0 {
					name = "1.rollback"
				}
				if log = append(log, name); int(cmd.Seq) == c.at && left > 0 {
					left--
					if c.lost {
						return Answer{}, errSent
					}
					return refusal(cmd, errDeadlock), nil
				}
				if cmd.Seq > 0 && cmd.Seq < 5 && cmd.Kind.HasReply() {
					return inTrans(cmd), nil
				}
				return Answer{}, nil
			}}
			events := talk(1, 1, ms, "begin", "execute a", "close a", "update b", "commit", "update c")
			events = slices.Delete(events, 6, 7) // to close brings no reply
			for i, k := range map[int]session.Kind{3: session.Execute, 5: session.CloseStatement} {
				e := events[i].(*session.Command)
				e.Kind, e.Statement = k, 7
			}
			sink, stats, err := playOrdered(t, f, newLineup().trans(1, 1, 5), Options{}, events)
			got, skipped := strings.Join(log, " "), ""
			if c.lost {
				skipped = "3:failed to send 5:failed to send"
			}
			if err != nil || got != c.want || skips(sink) != skipped || stats.NotRedone.Load() != 0 {
				t.Errorf("%s\nwant %s; skipped %s; %v", got, c.want, skips(sink), err)
			}
		})
	}
}

// TestRedoAlone: a statement that is a transaction by itself is sent again, one
// that may have done something before is not.
func TestRedoAlone(t *testing.T) {
	for _, c := range []struct {
		sql, want string
	}{
		{"update a", "1.1 1.1 1.1"},
		{"call p()", "1.1"},
		{"update a; update b", "1.1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			left := 2
			f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
				if left--; left >= 0 {
					return refusal(cmd, errDeadlock), nil
				}
				return Answer{}, nil
			}}
			_, stats, err := playOrdered(t, f, newLineup(), Options{}, talk(1, 1, ms, c.sql))
			if got := sentBy(f.log); err != nil || got != c.want || stats.Redone.Load()+stats.NotRedone.Load() == 0 {
				t.Errorf("%s: %s, %v", c.sql, got, err)
			}
		})
	}
}

// TestRedoLost: a connection that is lost while a transaction is done again.
func TestRedoLost(t *testing.T) {
	for _, at := range []string{"ROLLBACK", "begin", "update b"} {
		synctest.Test(t, func(t *testing.T) {
			refused := false
			f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
				switch {
				case refused && string(cmd.SQL) == at:
					at = ""
					return Answer{}, errUnsent
				case string(cmd.SQL) == "update b":
					refused = true
					return refusal(cmd, errDeadlock), nil
				case cmd.Seq < 4:
					return inTrans(cmd), nil
				}
				return Answer{}, nil
			}}
			l := newLineup().trans(1, 1, 4)
			events := talk(1, 1, ms, "begin", "update a", "update b", "commit", "begin", "update c")
			open(events, 1, 3)
			sink, stats, err := playOrdered(t, f, l, Options{}, events)
			if err != nil || skips(sink) != "4:failed to send" || stats.Lost.Load() != 1 || stats.Reconnects.Load() != 1 {
				t.Errorf("%s, %d lost, %v", skips(sink), stats.Lost.Load(), err)
			}
		})
	}
}

// locks is a target with row locks, as far as these tests need them: "update NAME"
// waits until no other session has it, COMMIT and ROLLBACK free what a session has.
type locks struct {
	mu     sync.Mutex
	owner  map[string]uint64
	freed  chan struct{}
	broken int // waits that ended otherwise
	// deadlocks: sessions that wait for each other's locks are told so.
	deadlocks bool
	waits     map[uint64]uint64 // whose lock a session waits for
}

// deadlocked tells whether a session that waits for another one's lock would wait
// for itself.
func (k *locks) deadlocked(id, owner uint64) bool {
	for range len(k.waits) + 1 {
		if owner == id {
			return true
		}
		next, ok := k.waits[owner]
		if !ok {
			return false
		}
		owner = next
	}
	return false
}

// free frees what a session has locked.
func (k *locks) free(session uint64) {
	for name, id := range k.owner {
		if id == session {
			delete(k.owner, name)
		}
	}
	close(k.freed)
	k.freed = make(chan struct{})
}

func newLocks() *locks {
	return &locks{owner: map[string]uint64{}, waits: map[uint64]uint64{}, freed: make(chan struct{})}
}

func (k *locks) do(c *session.Command, _ File) (Answer, error) {
	sql := strings.ToLower(string(c.SQL))
	if sql == "commit" || sql == "rollback" {
		k.mu.Lock()
		k.free(c.ID)
		k.mu.Unlock()
		return Answer{}, nil
	}
	name, ok := strings.CutPrefix(sql, "update ")
	if !ok {
		return inTrans(c), nil
	}
	timeout := time.After(50 * time.Second)
	for {
		k.mu.Lock()
		id, taken := k.owner[name]
		if !taken || id == c.ID {
			k.owner[name] = c.ID
			delete(k.waits, c.ID)
			k.mu.Unlock()
			return inTrans(c), nil
		}
		if k.waits[c.ID] = id; k.deadlocks && k.deadlocked(c.ID, id) {
			delete(k.waits, c.ID)
			k.free(c.ID)
			k.mu.Unlock()
			return refusal(c, errDeadlock), nil
		}
		freed := k.freed
		k.mu.Unlock()
		select {
		case <-freed:
		case <-timeout:
			k.broken++
			return refusal(c, errLockTimeout), nil
		}
	}
}

// TestHeldUp: a command waits at the target for a lock of a session that waits
// here for that command. A guessed wait is dropped; for a proven one the
// transaction that holds the lock gives way and is done again later. Nothing is
// done while the target does not answer at all.
func TestHeldUp(t *testing.T) {
	for _, c := range []struct {
		confidence order.Confidence
		want       string
		least      time.Duration
		redone     int64
	}{
		{order.Guessed, "1.1 1.2 1.3 1.4 2.2 2.3", time.Second, 0},
		{order.Inferred, "1.1 1.2 1.3 1.4 2.2 2.3", time.Second, 0},
		{order.Proven, "1.rollback 2.2 1.rollback 2.3 1.1 1.2 1.3 1.4", 3 * time.Second, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			// At the source 2.2 had the lock before 1.2; here it does not get it.
			l := newLineup().trans(1, 1, 4).trans(2, 1, 3).wait("2.2", "1.2", order.Guessed).wait("1.3", "2.2", c.confidence)
			k := newLocks()
			f := &fake{do: k.do}
			asked := 0
			alive := func(context.Context) bool { asked++; return asked > 3 }
			begin := time.Now()
			sink, stats, err := playOrdered(t, f, l, Options{Alive: alive},
				merge(talk(1, 1, ms, "begin", "update a", "update b", "commit"), talk(2, 1, ms, "begin", "update a", "commit")))
			d := time.Since(begin)
			if err != nil || k.broken > 0 || d > 20*time.Second || d < c.least+3*time.Second {
				t.Errorf("%v: %v, %d timeouts, after %v; %s", c.confidence, err, k.broken, d, sentBy(f.log))
			}
			if stats.Redone.Load() != c.redone || stats.Undone.Load() != c.redone || stats.Sent.Load() != 7 {
				t.Errorf("%v: %d redone, %d sent: %s %s", c.confidence, stats.Redone.Load(), stats.Sent.Load(), sentBy(f.log), skips(sink))
			}
			if c.confidence != order.Proven && sink.orderOf(1, 3).Dropped != 1 {
				t.Errorf("%+v", sink.orderOf(1, 3))
			}
		})
	}
}

// TestSlow: a command that took long at the source may take long.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineup().trans(1, 1, 3).wait("1.3", "2.1", order.Guessed)
		f := &fake{do: func(c *session.Command, _ File) (Answer, error) {
			if c.ID == 2 {
				time.Sleep(8 * time.Second)
			}
			return inTrans(c), nil
		}}
		events := talk(2, 1, ms, "select sleep(10)")
		events[2].(*session.Reply).Last += 10_000 * ms
		events[3].(*session.End).At += 10_000 * ms
		sink, stats, err := playOrdered(t, f, l, Options{}, merge(talk(1, 1, ms, "begin", "update a", "commit"), events))
		if o := sink.orderOf(1, 3); err != nil || stats.Dropped[order.Guessed].Load() != 0 || o == nil || (o.Waited+ms/2)/ms != 8000 {
			t.Errorf("%v, %+v", err, o)
		}
	})
}
