package order

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"myreplay/schema"
	"myreplay/session"
)

// liveRun replays a recording of the model while it is being made.
type liveRun struct {
	r       *rand.Rand
	m       *model
	rec     *modelRecording
	l       *Live
	steps   map[uint64][]*Step
	clients []*client
	sent    map[*Step]bool // took effect
	out     modelOutcome
	fed     int
}

func (v *liveRun) emit(e session.Event, s *Step) error {
	if c, ok := e.(*session.Command); ok {
		if want := uint64(len(v.steps[c.ID]) + 1); c.Seq != want || s.Seq != want {
			return fmt.Errorf("%d.%d where %d comes next", c.ID, c.Seq, want)
		}
		v.steps[c.ID] = append(v.steps[c.ID], s)
	}
	return nil
}

// feed lets the next thing be recorded; false: that was all.
func (v *liveRun) feed(t *testing.T) bool {
	if v.fed > len(v.rec.events) {
		return false
	}
	var err error
	if v.fed == len(v.rec.events) {
		err = v.l.Flush(v.emit)
	} else {
		err = v.l.See(v.rec.events[v.fed], v.emit)
	}
	v.fed++
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// run replays; lag says how slow that is.
func (v *liveRun) run(t *testing.T, lag int) {
	for {
		moved := false
		if v.r.IntN(lag) == 0 || lag == 1 {
			moved = v.feed(t)
		}
		left := v.fed <= len(v.rec.events)
		for _, i := range v.r.Perm(len(v.clients)) {
			c := v.clients[i]
			if c.next >= len(c.ops) {
				continue
			}
			left = true
			if c.next >= len(v.steps[uint64(c.id)]) {
				continue
			}
			if v.r.IntN(3) == 0 || v.act(c) {
				moved = true
			}
		}
		if !left {
			break
		}
		if !moved && !v.feed(t) && !v.out.drop(v.clients, v.steps, v.done()) {
			return
		}
	}
	v.out.final = v.m.final()
}

func (v *liveRun) done() map[*Step]bool {
	done := map[*Step]bool{}
	for _, list := range v.steps {
		for _, s := range list {
			done[s] = s.Finished()
		}
	}
	return done
}

// act takes a client's next action; false: it has to wait.
func (v *liveRun) act(c *client) bool {
	s, o := v.steps[uint64(c.id)][c.next], c.ops[c.next]
	switch c.state {
	case 0:
		if slices.ContainsFunc(s.Waits, func(w Wait) bool { return !w.On.Finished() && !(w.Sent && v.sent[w.On]) }) {
			return false
		}
		c.state = 1
	case 1:
		if s.Force == ForceRollback {
			o = op{kind: 'a'}
		}
		if !c.do(v.m, o) {
			if c.failed {
				v.out.hung = fmt.Sprintf("deadlock at %d.%d", s.Session, s.Seq)
			}
			return false
		}
		v.sent[s] = true
		c.state = 2
	case 2:
		if o.kind == 'r' && s.Force == NoForce && c.result != v.rec.results[place{session: s.Session, seq: s.Seq}] {
			v.out.differs = append(v.out.differs, s)
		}
		s.Finish()
		c.state = 0
		c.next++
	}
	return true
}

// modelTimes returns when each command was sent and answered.
func modelTimes(rec *modelRecording) map[commandID][2]int64 {
	times := map[commandID][2]int64{}
	for _, e := range rec.events {
		switch e := e.(type) {
		case *session.Command:
			times[commandID{e.ID, e.Seq}] = [2]int64{e.At, never}
		case *session.Reply:
			times[commandID{e.ID, e.Seq}] = [2]int64{times[commandID{e.ID, e.Seq}][0], e.First}
		}
	}
	return times
}

// isAmbiguous tells whether the snapshot that a command read was taken while
// another session's change was being committed.
func isAmbiguous(s *Step, clients []*client, times map[commandID][2]int64) bool {
	ops := clients[s.Session-1].ops
	first := int(s.Seq) - 1
	for i := first; i >= 0 && ops[i].kind != 'c' && ops[i].kind != 'a'; i-- {
		if ops[i].kind == 'b' {
			for first = i; ops[first].kind != 'r'; first++ {
			}
			break
		}
	}
	read := times[commandID{s.Session, uint64(first + 1)}]
	auto := make([]bool, len(clients))
	for i, c := range clients {
		auto[i] = true
		for k, o := range c.ops {
			ends := o.kind == 'c' || o.kind == 'u' && auto[i]
			if o.kind == 'b' || o.kind == 'c' || o.kind == 'a' {
				auto[i] = o.kind != 'b'
			}
			at, ok := times[commandID{uint64(c.id), uint64(k + 1)}]
			if ok && ends && c.id != int(s.Session) && at[0] < read[1] && read[0] < at[1] {
				return true
			}
		}
	}
	return false
}

func runLiveModel(t *testing.T, seed uint64, locks bool, window time.Duration, lag int) (modelOutcome, *modelRecording, Stats, []*client) {
	r := rand.New(rand.NewPCG(seed, 2))
	rows, clients := someClients(r, locks)
	rec := record(r, rows, clients)
	tables, err := schema.Read(strings.NewReader(modelSchema))
	if err != nil {
		t.Fatal(err)
	}
	v := liveRun{r: r, m: newModel(rows), rec: rec, l: NewLive(Options{Mode: Row, Schema: tables}, window),
		steps: map[uint64][]*Step{}, clients: fresh(clients), sent: map[*Step]bool{}}
	v.l.every = 5 // so that it forgets
	v.run(t, lag)
	return v.out, rec, v.l.Stats(), clients
}

// A live replay, fast or slow, ends with the same rows when all that changes rows
// stands in transactions, never waits for ever, and reads what was read, but where
// the snapshot overlapped with a commit.
func TestLawLive(t *testing.T) {
	for _, lag := range []int{1, 4, 40} {
		reads, differ := 0, 0
		for seed := range uint64(200) {
			out, rec, stats, clients := runLiveModel(t, seed, true, time.Hour, lag)
			if out.hung != "" {
				t.Fatalf("lag %d, seed %d: it hangs:\n%s", lag, seed, out.hung)
			}
			if out.final != rec.final {
				t.Fatalf("lag %d, seed %d: other rows:\n%s\n%s", lag, seed, out.final, rec.final)
			}
			if out.dropped > 0 {
				t.Fatalf("lag %d, seed %d: %d guesses contradict each other", lag, seed, out.dropped)
			}
			times := modelTimes(rec)
			for _, s := range out.differs {
				if !isAmbiguous(s, clients, times) {
					t.Fatalf("lag %d, seed %d: %d.%d differs, and nothing was committed meanwhile", lag, seed, s.Session, s.Seq)
				}
			}
			if stats.Late != 0 {
				t.Fatalf("lag %d, seed %d: %d late", lag, seed, stats.Late)
			}
			reads, differ = reads+int(stats.Reads), differ+len(out.differs)
		}
		t.Logf("lag %d: %d reads, %d differ", lag, reads, differ)
		if differ == 0 {
			t.Error("the model proves nothing")
		}
	}
}

// Whatever has to be guessed, since replies are long in coming or writes stand
// alone, each command is handed on once, and none waits for ever but for a lock
// that a wrong guess took too early: package replay frees these.
func TestLawLiveLate(t *testing.T) {
	for _, locks := range []bool{true, false} {
		same, late, locked := 0, int64(0), 0
		for seed := range uint64(200) {
			out, rec, stats, clients := runLiveModel(t, seed, locks, 1000*time.Microsecond, 1+int(seed%5))
			switch {
			case strings.HasPrefix(out.hung, "deadlock"), strings.Contains(out.hung, "state 1"):
				locked++
			case out.hung != "":
				t.Fatalf("seed %d: it hangs:\n%s", seed, out.hung)
			case out.final == rec.final:
				same++
			}
			late += stats.Late
			commands := 0
			for _, c := range clients {
				commands += len(c.ops)
			}
			if stats.Steps != int64(commands) {
				t.Fatalf("seed %d: %d of %d commands were handed on", seed, stats.Steps, commands)
			}
		}
		t.Logf("%d of 200 end with the same rows, %d wait for a lock, %d commands were late", same, locked, late)
		if late == 0 || locked > 60 {
			t.Error("guesses are worse than none")
		}
	}
}
