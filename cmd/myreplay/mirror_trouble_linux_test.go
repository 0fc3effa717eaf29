package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/mirror"
)

// The tests of a mirror in trouble: whatever happens to the target, the
// assistant, the link or the mirror itself, the source's clients see no error,
// nothing is executed twice, no half of a transaction is, memory stays within its
// limit, and of each statement it is known what became of it.

// newStrained starts a source and a target.
func newStrained(t *testing.T, target mysqltest.Kind) *strained {
	t.Helper()
	connections := mysqltest.MaxConnections(600)
	if longTrouble() {
		connections = mysqltest.MaxConnections(4500)
	}
	return &strained{t: t, source: mysqltest.Start(t, mysqltest.MariaDB, mysqltest.NoTLS(), mysqltest.PerformanceSchema(), connections),
		target: mysqltest.Start(t, target, connections)}
}

// steady is the work that goes on while something else is in trouble.
var steady = work{long: 12, short: 4, pause: 20 * time.Millisecond, filler: 100}

// quietly works without a mirror, for comparison.
func (x *strained) quietly(w work) {
	x.t.Helper()
	c := startWork(x.t, x.source, &x.rows, w)
	time.Sleep(lasting(time.Second, 10*time.Second))
	c.stop(x.t)
	x.calm = append(x.calm, c.p99().String())
}

// beside runs a test of a mirror between two times without one, and prints what
// it meant to the source's clients.
func (x *strained) beside(w work, with func() *clients) {
	x.t.Helper()
	x.quietly(w)
	x.source.Exec(x.t, "TRUNCATE TABLE landed")
	k := with()
	x.quietly(w)
	x.t.Logf("the source's clients: p99 %v with the mirror, %s without; %v", k.p99(), strings.Join(x.calm, " and "), k)
}

// heavy is work whose rows soon fill a small memory.
var heavy = work{long: 12, short: 4, pause: 10 * time.Millisecond, filler: 5_000}

// The memory for what waits: what a mirror has unless it is told otherwise, and a
// small one.
const (
	muchMemory   = mirror.DefaultWindow
	littleMemory = 2 << 20
)

// away is how long the target, or the assistant, is away.
func away() time.Duration { return lasting(2*time.Second, 20*time.Second) }

// stopTarget has the target stand still for a while.
func (x *strained) stopTarget() {
	x.t.Helper()
	x.freeze(away())
}

func (x *strained) freeze(d time.Duration) {
	x.t.Helper()
	if err := x.target.Freeze(); err != nil {
		x.t.Fatal(err)
	}
	time.Sleep(d)
	if err := x.target.Thaw(); err != nil {
		x.t.Fatal(err)
	}
}

// killTarget kills the target and starts it again after a while.
func (x *strained) killTarget() {
	x.t.Helper()
	x.target.Kill()
	time.Sleep(away())
	x.target.Restart(x.t)
}

// slowTarget lets the target work half of the time.
func (x *strained) slowTarget() {
	x.t.Helper()
	const turn = 20 * time.Millisecond
	for end := time.Now().Add(lasting(4*time.Second, time.Minute)); time.Now().Before(end); time.Sleep(turn) {
		x.freeze(turn)
	}
}

// targetTrouble is a case of a target in trouble.
type targetTrouble struct {
	name    string
	work    work
	memory  int64
	trouble func(x *strained)
	// whole: all arrives, late; givenUp: sessions are given up. Neither: as the
	// machine's speed has it.
	whole, givenUp bool
}

// TestMirrorTroubleTarget: the target stands still for a while, ends and comes
// back, or is slow. What there is memory for arrives late; else whole sessions are
// given up.
func TestMirrorTroubleTarget(t *testing.T) {
	x := newStrained(t, mysqltest.MariaDB)
	for _, c := range []targetTrouble{
		{"stopped", steady, muchMemory, (*strained).stopTarget, true, false},
		{"stopped, little memory", heavy, littleMemory, (*strained).stopTarget, false, true},
		{"killed", steady, muchMemory, (*strained).killTarget, true, false},
		{"killed, little memory", heavy, littleMemory, (*strained).killTarget, false, true},
		{"half the speed", work{long: 8, short: 4, filler: 100}, littleMemory, (*strained).slowTarget, false, false},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(x.afresh(t)) })
	}
}

// TestMirrorTroubleMySQL: the same of a MySQL server that is killed.
func TestMirrorTroubleMySQL(t *testing.T) {
	c := targetTrouble{"killed", steady, muchMemory, (*strained).killTarget, true, false}
	c.run(newStrained(t, mysqltest.MySQL97).afresh(t))
}

// run runs the case.
func (c *targetTrouble) run(x *strained) {
	t := x.t
	x.beside(c.work, func() *clients {
		m := x.mirror("--memory", strconv.FormatInt(c.memory, 10))
		k := startWork(t, x.source, &x.rows, c.work)
		time.Sleep(500 * time.Millisecond)
		c.trouble(x)
		time.Sleep(500 * time.Millisecond)
		k.stop(t)
		m.settled()
		rep, held := m.report()
		within(t, "the mirror", held, c.memory)
		f := fatesIn(t, x.record)
		missing := f.check(t, x.source, x.target, false)
		if uint64(f.commands) != rep.Account.Recorded {
			t.Errorf("the report knows of %d commands, the capture has %d", rep.Account.Recorded, f.commands)
		}
		// Of a transaction that lost its connection the rest is not sent.
		if n := missing[notSent]; c.whole && n > m.number(connectionsLost) {
			t.Errorf("%d rows were not sent", n)
		}
		if said := strings.Contains(m.errs.String(), "given up because the target was too slow"); c.givenUp && !said || c.whole && said {
			t.Errorf("that sessions were given up was said: %v", said)
		}
		return k
	})
}
