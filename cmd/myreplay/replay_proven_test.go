package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/capfile"
	"myreplay/internal/mysqltest"
	"myreplay/order"
	"myreplay/schema"
	"myreplay/session"
)

// TestProvenOrder: a source numbers its commits, and the plan is made without these
// numbers. Then no wait for the end of another transaction that the plan calls proven or
// inferred contradicts them: what is called certain is.
func TestProvenOrder(t *testing.T) {
	options := map[mysqltest.Kind]string{
		mysqltest.MySQL97: "--gtid-mode=ON --enforce-gtid-consistency=ON --session-track-gtids=OWN_GTID",
		mysqltest.MariaDB: "--log-bin --session-track-system-variables=autocommit,last_gtid",
	}
	for kind, args := range options {
		t.Run(kind.String(), func(t *testing.T) {
			s := mysqltest.Start(t, kind, mysqltest.NoTLS(), mysqltest.Args(strings.Fields(args)...))
			for script, ignored := range map[string]string{"fkids.lua": "1213,1205,1020,1062,1451,1452", "queue.lua": "1213,1205,1020"} {
				t.Run(script, func(t *testing.T) { checkProven(t, s, script, ignored) })
			}
		})
	}
}

// checkProven records a workload and checks its plan.
func checkProven(t *testing.T, s *mysqltest.Server, script, ignored string) {
	s.Exec(t, "DROP DATABASE "+mysqltest.Schema, "CREATE DATABASE "+mysqltest.Schema)
	w := mysqltest.Sysbench{Script: script, Threads: 12, Time: 1500 * time.Millisecond, PSMode: "disable", Args: []string{"--mysql-ignore-errors=" + ignored}}
	run := func(step string) {
		cmd := w.Command(t, s, step)
		cmd.Dir = filepath.Join("..", "..", "internal", "fidelity", "workload")
		mysqltest.Output(t, cmd)
	}
	run("prepare")
	t.Setenv("MYREPLAY_SOURCE_PWD", s.Password)
	r := recordLive(t, s, "--source", "mysql://"+s.User+"@"+s.Addr+"/")
	run("run")
	r.stop()
	p := &provenPlan{numbers: map[stepID]uint64{}, ends: map[uint64][]*order.Step{}, last: map[uint64]uint64{}}
	p.read(t, r.dir)
	sure, wrong, guessed, misguessed := p.check(t)
	t.Logf("%d waits proven or inferred, %d wrong; %d guessed, %d wrong", sure, wrong, guessed, misguessed)
	if sure < 200 {
		t.Error("too few to tell anything")
	}
}

type stepID struct{ session, seq uint64 }

// provenPlan is a plan, and the numbers of the commits that it does not know.
type provenPlan struct {
	numbers map[stepID]uint64
	last    map[uint64]uint64 // of a session
	ends    map[uint64][]*order.Step
}

// read plans a capture.
func (p *provenPlan) read(t *testing.T, dir string) {
	f, err := os.Open(filepath.Join(dir, "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tables, err := schema.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	c, err := capfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	planner := order.NewPlanner(order.Options{Mode: order.Row, Schema: tables, Digests: true, Seed: c.Meta().Seed})
	emit := func(_ session.Event, s *order.Step) error {
		if s != nil {
			p.ends[s.Session] = append(p.ends[s.Session], s)
		}
		return nil
	}
	for {
		e, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			if r, ok := e.(*session.Reply); ok {
				p.take(r)
			}
			err = planner.See(e, emit)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := planner.Flush(emit); err != nil {
		t.Fatal(err)
	}
}

// take takes the number of a commit out of a reply. MariaDB also tells an old one.
func (p *provenPlan) take(r *session.Reply) {
	for i := range r.Results {
		res := &r.Results[i]
		res.Changes = slices.DeleteFunc(slices.Clone(res.Changes), func(c session.Change) bool {
			if c.Kind != session.GTIDs && c.Name != "last_gtid" {
				return false
			}
			n, err := strconv.ParseUint(c.Value[strings.LastIndexAny(c.Value, ":-")+1:], 10, 64)
			if err == nil && n != p.last[r.ID] {
				p.numbers[stepID{r.ID, r.Seq}], p.last[r.ID] = n, n
			}
			return true
		})
	}
}

// commits returns the numbers of the transactions of all steps; 0: it has none.
func (p *provenPlan) commits() map[*order.Step]uint64 {
	of := map[*order.Step]uint64{}
	for _, list := range p.ends {
		var open []*order.Step
		for _, s := range list {
			if open = append(open, s); s.Inside && !s.Ends {
				continue
			}
			for _, o := range open {
				of[o] = p.numbers[stepID{s.Session, s.Seq}]
			}
			open = nil
		}
	}
	return of
}

// check counts the waits for the end of a transaction that has a number.
func (p *provenPlan) check(t *testing.T) (sure, wrong, guessed, misguessed int) {
	of := p.commits()
	for s, mine := range of {
		for _, w := range s.Waits {
			other := of[w.On]
			if w.Reason != order.WriteWrite || w.On.Inside && !w.On.Ends || mine == 0 || other == 0 || mine == other {
				continue
			}
			switch {
			case w.Confidence == order.Guessed && other > mine:
				misguessed++
				fallthrough
			case w.Confidence == order.Guessed:
				guessed++
			default:
				if sure++; other > mine {
					wrong++
					t.Errorf("%d.%d is said to come after %d.%d (%v): commits %d and %d", s.Session, s.Seq, w.On.Session, w.On.Seq, w.Confidence, mine, other)
				}
			}
		}
	}
	return sure, wrong, guessed, misguessed
}
