package main

import (
	"fmt"
	"syscall"
	"testing"

	"myreplay/internal/mysqltest"
)

// TestFailuresOfTCPCopy: what went wrong with TCPCopy arrives whole, in order and
// with the same answers.
func TestFailuresOfTCPCopy(t *testing.T) {
	for _, w := range taken(true) {
		t.Run(w.name, func(t *testing.T) {
			for _, c := range failures {
				if c.live && !w.live {
					continue
				}
				t.Run(c.name, func(t *testing.T) { c.run(t, w) })
			}
		})
	}
}

// run runs the case.
func (c mirrorCase) run(t *testing.T, w road) {
	source, target := c.source, c.target
	if source == 0 {
		source = mysqltest.MariaDB
	}
	if target == 0 {
		target = mysqltest.MariaDB
	}
	l := newMirrorLab(t, source, target, c.opts...)
	l.both(c.setup...)
	l.before, l.traffic = c.before, c.traffic
	if c.prepare != nil {
		c.prepare(l)
	}
	l.log() // first: MariaDB logs parameters of what is prepared from now on
	if l.before != nil {
		l.before(l)
	}
	var args []string
	if c.args != nil {
		args = c.args(l)
	}
	stop := w.begin(l, args...)
	l.traffic(l)
	m := stop()
	arrival := c.arrival
	arrival.hosts = w.hosts && !l.relay // the source sees the relay
	if n := l.arrived(t, arrival); n == 0 && c.check == nil {
		t.Error("the source saw no session")
	}
	l.sameRows(t, c.tables...)
	if c.check != nil {
		c.check(t, l, m)
	} else {
		m.same(t)
	}
}

// shortSessions is how many sessions the target must see, each with its own
// texts.
const shortSessions = 1000

// TestMirrorSessions: 1,000 short sessions, of as many clients, arrive complete
// and in order, and leave the same rows.
func TestMirrorSessions(t *testing.T) {
	for _, w := range taken(false) {
		t.Run(w.name, func(t *testing.T) {
			l := newMirrorLab(t, mysqltest.MariaDB, mysqltest.MySQL97)
			l.both(landed+" ENGINE=InnoDB", "ALTER TABLE landed ADD INDEX (session)")
			l.log()
			stop := w.begin(l)
			l.sessions(shortSessions, 0, writeAndRead)
			m := stop()
			if n := l.arrived(t, arrival{hosts: w.hosts}); n != shortSessions {
				t.Errorf("the source saw %d sessions", n)
			}
			l.sameRows(t, "landed")
			m.same(t)
		})
	}
}

// TestMirrorSysbench: oltp_read_write with 8 threads, as text and prepared,
// arrives complete and in order.
func TestMirrorSysbench(t *testing.T) {
	for _, w := range taken(true) {
		t.Run(w.name, func(t *testing.T) {
			for _, mode := range []string{"disable", "auto"} {
				t.Run(mode, func(t *testing.T) {
					l := newMirrorLab(t, mysqltest.MariaDB, mysqltest.MariaDB)
					work := load("oltp_read_write", mode)
					for _, s := range []*mysqltest.Server{l.source, l.target} {
						mysqltest.Output(t, l.Online.Inside(work.Command(t, s, "prepare")))
						for _, table := range loadTables {
							s.Exec(t, fmt.Sprintf(fill, table))
						}
					}
					l.log()
					stop := w.begin(l)
					work.Threads, work.Events = 8, 400
					l.sysbench(work)
					m := stop()
					if n := l.arrived(t, arrival{hosts: w.hosts}); n < 8 {
						t.Errorf("the source saw %d sessions", n)
					}
					if a := m.report.Account; !a.Closes || a.Sent != a.Recorded {
						t.Errorf("not all was sent: %+v\n%s", a.KindAccount, m.said)
					}
				})
			}
		})
	}
}

// TestAssistantsAddresses: the target sees each client's own address and, as far
// as it is free, its port.
func TestAssistantsAddresses(t *testing.T) {
	for _, w := range roads {
		if !w.hosts {
			continue
		}
		for _, six := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/six=%t", w.name, six), func(t *testing.T) {
				l := newMirrorLab(t, mysqltest.MariaDB, mysqltest.MariaDB)
				l.six = six
				l.both(landed)
				l.log()
				stop := w.begin(l)
				l.sessions(100, 0, func(n int, c *connection) {
					c.exec(fmt.Sprintf("INSERT INTO landed SELECT %d, 1, host FROM information_schema.processlist WHERE id = CONNECTION_ID()", n))
				})
				m := stop()
				l.arrived(t, arrival{hosts: true})
				l.sameRows(t, "landed")
				m.same(t)
			})
		}
	}
}

// TestReplayTwice: a recording is replayed twice in a row, from the same host.
// TCPCopy's second time reached no session.
func TestReplayTwice(t *testing.T) {
	l := newMirrorLab(t, mysqltest.MariaDB, mysqltest.MariaDB)
	l.both(landed)
	l.log()
	dir := t.TempDir() + "/capture"
	p, errs := l.start(l.Online, "recording", nil, "capture", "-i", "any", "--port", fmt.Sprint(l.source.Port), "-q", "-o", dir)
	l.sessions(200, 0, writeAndRead)
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	l.await(p, "capture", errs)
	for range 2 {
		l.target.Exec(t, "TRUNCATE TABLE landed")
		l.target.LogQueries(t)
		m := l.replay(dir, errs.String())
		l.arrived(t, arrival{})
		l.sameRows(t, "landed")
		m.same(t)
	}
}
