package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// assisted is an assistant and its mirror.
type assisted struct {
	*strained
	a, m         *running
	ours, theirs string // keys
	addr         string // of the assistant
	memory       int64  // of either, for what waits
}

// assist starts both; the mirror connects to at, "" is the assistant.
func (x *strained) assist(memory int64, at func(addr string) string) *assisted {
	x.t.Helper()
	y := &assisted{strained: x, addr: freeAddr(x.t), memory: memory}
	y.ours, y.theirs = x.keys()
	y.startAssistant()
	y.startMirror(at(y.addr))
	y.attended()
	return y
}

// directly has a mirror connect to its assistant itself.
func directly(addr string) string { return addr }

func (y *assisted) startAssistant() {
	y.t.Helper()
	y.a = y.assistant(y.theirs, y.addr, "--memory", strconv.FormatInt(y.memory, 10))
}

func (y *assisted) startMirror(at string, args ...string) {
	y.t.Helper()
	y.m = y.mirrorTo(at, y.ours, append([]string{"--memory", strconv.FormatInt(y.memory, 10)}, args...)...)
}

// attended waits until the assistant has the mirror.
func (y *assisted) attended() {
	y.t.Helper()
	y.a.await("it has a mirror", func() bool { return strings.Contains(y.a.errs.String(), "mirror 127.0.0.1") })
	y.a.rest()
}

// kill kills one of the two.
func (y *assisted) kill(r *running) {
	y.t.Helper()
	r.p.Kill()
	within(y.t, "the killed "+r.name, r.memory(), y.memory)
}

// end ends both, and checks what came of it.
func (y *assisted) end(killed bool) (missing map[fate]int) {
	y.t.Helper()
	y.a.settled()
	y.m.settled()
	rep, held := y.m.report()
	within(y.t, "the mirror", held, y.memory)
	within(y.t, "the assistant", y.a.end(), y.memory)
	y.t.Logf("%s", y.a.errs)
	y.t.Logf("account of the report: %s", jsonOf(rep.Account.KindAccount))
	return fatesIn(y.t, y.record).check(y.t, y.source, y.target, killed)
}

// TestMirrorTroubleAssist: the assistant, the mirror and the link between them
// are in trouble.
func TestMirrorTroubleAssist(t *testing.T) {
	x := newStrained(t, mysqltest.MariaDB)
	for _, c := range []struct {
		name string
		work work
		run  func(x *strained) *clients
	}{
		{"assistant killed", steady, (*strained).assistantKilled},
		{"mirror killed", steady, (*strained).mirrorKilled},
		{"link held", steady, func(x *strained) *clients { return x.linkCut(steady, muchMemory, false) }},
		{"link cut", steady, func(x *strained) *clients { return x.linkCut(steady, muchMemory, true) }},
		{"link cut, little memory", heavy, func(x *strained) *clients { return x.linkCut(heavy, littleMemory, true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := x.afresh(t)
			x.beside(c.work, func() *clients { return c.run(x) })
		})
	}
}

// assistantKilled kills the assistant and starts it again. What was under way to
// it is lost, and counted; the sessions go on.
func (x *strained) assistantKilled() *clients {
	t := x.t
	y := x.assist(muchMemory, directly)
	k := startWork(t, x.source, &x.rows, steady)
	time.Sleep(1500 * time.Millisecond)
	y.kill(y.a)
	time.Sleep(away() / 2)
	y.startAssistant()
	y.attended()
	time.Sleep(away() / 2)
	k.stop(t)
	missing := y.end(true)
	// Each row is one event or more.
	if lost := y.m.number(eventsLost); missing[notRecorded]+missing[unsaid] > lost {
		t.Errorf("rows that did not arrive: %v; the mirror speaks of %d events", missing, lost)
	}
	if y.m.number(startedAgain) != 1 {
		t.Error("it was not said that the report begins anew")
	}
	return k
}

// mirrorKilled kills the mirror and starts another one, which joins the sessions.
// The assistant ends what the first one had.
func (x *strained) mirrorKilled() *clients {
	t := x.t
	y := x.assist(muchMemory, directly)
	k := startWork(t, x.source, &x.rows, steady)
	time.Sleep(time.Second)
	y.kill(y.m)
	time.Sleep(200 * time.Millisecond)
	y.startMirror(y.addr, "--source", fmt.Sprintf("mysql://%s@%s/?tls=disabled", x.source.User, x.source.Addr))
	y.a.await("it ended the first mirror's sessions", func() bool { return strings.Contains(y.a.errs.String(), "came in its place") })
	time.Sleep(away())
	k.stop(t)
	y.end(true)
	if y.m.number(`([\d,]+) sessions? joined in mid-life`) == 0 {
		t.Error("no session was joined")
	}
	return k
}

// linkCut cuts the link for a while: what waits arrives later, once, as far as
// there is memory for it; else whole sessions are given up. reset: connections
// break, else nothing passes.
func (x *strained) linkCut(w work, memory int64, reset bool) *clients {
	t := x.t
	var link *sluice
	y := x.assist(memory, func(addr string) string {
		link = newSluice(t, addr)
		return link.l.Addr().String()
	})
	k := startWork(t, x.source, &x.rows, w)
	time.Sleep(500 * time.Millisecond)
	link.hold()
	if reset {
		link.cut()
	}
	time.Sleep(lasting(3*time.Second, 10*time.Second))
	if reset {
		link.cut()
	}
	link.open()
	time.Sleep(time.Second)
	k.stop(t)
	missing := y.end(memory == littleMemory)
	lost, ended := y.m.number(eventsLost), y.m.number(sessionsEnded)
	if little := memory == littleMemory; little != (lost > 0 && ended > 0) {
		t.Errorf("the mirror speaks of %d events and %d sessions lost", lost, ended)
	}
	if n := missing[notRecorded] + missing[unsaid] + missing[notSent]; n > lost {
		t.Errorf("rows that did not arrive: %v; the mirror speaks of %d events", missing, lost)
	}
	return k
}

// TestMirrorTroubleChurn: many sessions at once that come and go.
func TestMirrorTroubleChurn(t *testing.T) {
	x := newStrained(t, mysqltest.MariaDB).afresh(t)
	crowd := work{long: 100, short: 100, pause: 300 * time.Millisecond, filler: 50}
	if longTrouble() {
		crowd = work{long: 1000, short: 1000, pause: 5 * time.Second, filler: 50}
	}
	x.beside(crowd, func() *clients {
		y := x.assist(muchMemory, directly)
		k := startWork(t, x.source, &x.rows, crowd)
		time.Sleep(lasting(8*time.Second, 5*time.Minute))
		k.stop(t)
		if missing := y.end(false); len(missing) > 0 {
			t.Errorf("not all arrived: %v", missing)
		}
		return k
	})
}
