package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

const (
	// chaosRuns is how many replays TestReplayChaos makes by default, half of them on
	// each kind of server, chaosEach how many of one recording at the most.
	chaosRuns = 4
	chaosEach = 5
	// wildOf is of how many recordings one of each kind of server is wild.
	wildOf = 8
	// chaosBound is after what time without anything done at the target a replay is
	// said to hang, chaosSlow after what time it takes too long.
	chaosBound = time.Minute
	chaosSlow  = 2 * time.Minute
)

// lockWaits are lock wait timeouts of targets, in seconds; the source's is 1.
var lockWaits = [...]int{50, 1, 5}

// chaos is one run of the test.
type chaos struct {
	t     *testing.T
	pairs []*chaosPair
	keep  string // a folder for the recordings of runs that failed
	sum   chaosSummary
}

// chaosPair is a source and a target of one kind.
type chaosPair struct {
	kind           mysqltest.Kind
	source, target *mysqltest.Server
}

// chaosSummary is what the test tells at its end.
type chaosSummary struct {
	runs, failed, hangs, slow, recordings int
	commands, deadlocks, timeouts         int // recorded
	redone, notRedone, dropped, undone    uint64
	different                             int
	replayed, rolledBack, waits           uint64
	hit                                   misfortunes
	slowest                               time.Duration
	slowestSeed                           uint64
	causes                                map[string]uint64
}

// TestReplayChaos replays recordings of sessions that are in each other's way,
// with deadlocks and lock timeouts among what they saw, while the target, the
// replay, the machine stand still at random times. Every replay must end, and
// leave the data that the source had.
//
// MYREPLAY_CHAOS is the number of replays (200: six minutes or more),
// MYREPLAY_CHAOS_SEED the first seed, MYREPLAY_CHAOS_KEEP the folder for the
// recordings of replays that failed, MYREPLAY_CHAOS_CAPTURE one of those, which
// is replayed instead of new ones, with the pauses of MYREPLAY_CHAOS_SEED and those after.
func TestReplayChaos(t *testing.T) {
	runs, seed := chaosNumber(t, "MYREPLAY_CHAOS", chaosRuns), uint64(chaosNumber(t, "MYREPLAY_CHAOS_SEED", 1))
	if testing.Short() || runs == 0 {
		t.Skip("needs servers")
	}
	t.Logf("%d replays from seed %d on", runs, seed)
	c := &chaos{t: t, keep: os.Getenv("MYREPLAY_CHAOS_KEEP"), sum: chaosSummary{causes: map[string]uint64{}}}
	if c.keep == "" {
		c.keep = filepath.Join(os.TempDir(), "myreplay-chaos")
	}
	if dir := os.Getenv("MYREPLAY_CHAOS_CAPTURE"); dir != "" {
		c.again(dir, runs, seed)
	} else {
		for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
			c.pairs = append(c.pairs, newChaosPair(t, kind, true))
		}
		each := min(chaosEach, (runs+1)/2)
		for ; runs > 0; runs -= each {
			p := c.pairs[c.sum.recordings%len(c.pairs)]
			c.replays(p, c.record(p, seed), min(each, runs), seed)
			seed += chaosEach
		}
	}
	t.Logf("%s", c.sum.text())
}

// chaosNumber reads a number from the environment.
func chaosNumber(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%s: not a number", name, text)
	}
	return n
}

func newChaosPair(t *testing.T, kind mysqltest.Kind, source bool) *chaosPair {
	options := []mysqltest.Option{mysqltest.NoTLS(), mysqltest.Args("--innodb-lock-wait-timeout=1")}
	p := &chaosPair{kind: kind, target: mysqltest.Start(t, kind, options...)}
	if source {
		p.source = mysqltest.Start(t, kind, options...)
	}
	return p
}

// chaosRecording is a capture, and what the source held in the end.
type chaosRecording struct {
	dir   string // of capture and Final
	kept  string // where it stays; "": it does not yet
	Kind  string
	Seed  uint64
	Wild  bool // no order is proven that leaves Final
	Final map[string][][]string
}

func (r *chaosRecording) capture() string { return filepath.Join(r.dir, "capture") }

// chaosFile has a chaosRecording, beside the capture.
const chaosFile = "recording.json"

// record has the source do the work of a seed, and records it by a relay.
func (c *chaos) record(p *chaosPair, seed uint64) *chaosRecording {
	c.t.Helper()
	p.source.Exec(c.t, chaosData()...)
	live := recordRelay(c.t, p.source)
	wild := c.sum.recordings%wildOf >= wildOf-len(c.pairs)
	if err := chaosLoad(p.source, live.addr, seed, wild); err != nil {
		c.t.Fatalf("the work of seed %d on %v: %v", seed, p.kind, err)
	}
	live.stop()
	r := &chaosRecording{dir: filepath.Dir(live.dir), Kind: p.kind.String(), Seed: seed, Wild: wild, Final: readChaos(c.t, p.source)}
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(r.dir, chaosFile), text, 0o644)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	events := eventsOf(c.t, r.capture())
	commands, deadlocks, timeouts := len(pick[*session.Command](events)), 0, 0
	for _, a := range pick[*session.Reply](events) {
		if e := a.Err(); e != nil && e.Code == 1213 {
			deadlocks++
		} else if e != nil && e.Code == 1205 {
			timeouts++
		}
	}
	s := &c.sum
	s.recordings, s.commands, s.deadlocks, s.timeouts = s.recordings+1, s.commands+commands, s.deadlocks+deadlocks, s.timeouts+timeouts
	c.t.Logf("%s: %v, seed %d (wild %t): %d commands, %d deadlocks, %d lock timeouts", time.Now().Format(time.TimeOnly), p.kind, seed, wild, commands, deadlocks, timeouts)
	return r
}

// again replays a recording that was kept.
func (c *chaos) again(dir string, runs int, seed uint64) {
	c.t.Helper()
	r := &chaosRecording{dir: dir, kept: dir}
	text, err := os.ReadFile(filepath.Join(dir, chaosFile))
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	kind, err := mysqltest.ParseKind(r.Kind)
	if err != nil {
		c.t.Fatal(err)
	}
	c.replays(newChaosPair(c.t, kind, false), r, runs, seed)
}

// replays replays a recording with the pauses of some seeds.
func (c *chaos) replays(p *chaosPair, r *chaosRecording, runs int, seed uint64) {
	c.t.Helper()
	for i := range uint64(runs) {
		began := time.Now()
		run := filepath.Join(c.t.TempDir(), "run")
		faults := c.replay(p, r, run, seed+i)
		c.sum.runs++
		took := time.Since(began)
		if took > c.sum.slowest {
			c.sum.slowest, c.sum.slowestSeed = took, seed+i
		}
		c.t.Logf("%s: %v, pauses of seed %d: %.1f s, %d faults", time.Now().Format(time.TimeOnly), p.kind, seed+i, took.Seconds(), len(faults))
		if len(faults) > 0 {
			c.sum.failed++
			c.keepRecording(r)
			c.t.Errorf("%v, recording of seed %d, pauses of seed %d; again: MYREPLAY_CHAOS=1 MYREPLAY_CHAOS_SEED=%d MYREPLAY_CHAOS_CAPTURE=%s go test -run TestReplayChaos ./cmd/myreplay\n%s",
				p.kind, r.Seed, seed+i, seed+i, r.kept, strings.Join(faults, "\n"))
			at := filepath.Join(r.kept, fmt.Sprintf("run%d-%d", seed+i, began.Unix()))
			if err := os.CopyFS(at, os.DirFS(run)); err != nil {
				c.t.Log(err) // a replay that failed at once has no run
			}
		}
		os.RemoveAll(run)
	}
}

// keepRecording copies a recording to where it stays.
func (c *chaos) keepRecording(r *chaosRecording) string {
	c.t.Helper()
	if r.kept != "" {
		return r.kept
	}
	dir, err := filepath.Abs(filepath.Join(c.keep, fmt.Sprintf("%s-%d-%d", r.Kind, r.Seed, time.Now().Unix())))
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(r.dir))
	}
	if err != nil {
		c.t.Error(err)
	}
	r.kept = dir
	return dir
}

// replay replays a recording under the pauses of a seed, and returns what is
// wrong with what came of it.
func (c *chaos) replay(p *chaosPair, r *chaosRecording, run string, seed uint64) (faults []string) {
	c.t.Helper()
	p.target.Exec(c.t, append(chaosData(), fmt.Sprintf("SET GLOBAL innodb_lock_wait_timeout = %d", lockWaits[seed%uint64(len(lockWaits))]))...)
	url := fmt.Sprintf("mysql://%s@%s/%s", p.target.User, p.target.Addr, mysqltest.Schema)
	cmd := myreplayCommand(c.t, "replay", r.capture(), url, "--order", "row", "--writes", "--speed", "max", "-q", "-o", run)
	words := &spoken{}
	cmd.Stdout, cmd.Stderr = words, words
	process := mysqltest.Background(c.t, cmd)
	hit, err := disturb(p.target, process, seed)
	c.sum.hit.add(hit)
	if errors.Is(err, errHangs) || errors.Is(err, errSlow) {
		if errors.Is(err, errHangs) {
			c.sum.hangs++
		} else {
			c.sum.slow++
		}
		process.Signal(syscall.SIGQUIT) // it tells what its goroutines do
		process.Wait()
		dump := filepath.Join(c.keepRecording(r), fmt.Sprintf("goroutines%d", seed))
		if err := os.WriteFile(dump, []byte(words.String()), 0o644); err != nil {
			c.t.Log(err)
		}
		return []string{fmt.Sprintf("%v; what its goroutines did is in %s", err, dump)}
	}
	if err != nil {
		faults = append(faults, fmt.Sprintf("the pauses: %v", err))
	}
	if err := process.Wait(); err != nil {
		return append(faults, fmt.Sprintf("%v\n%s", err, words))
	}
	if apart := rowsApart(r.Final, readChaos(c.t, p.target)); len(apart) > 0 {
		c.sum.different++
		if r.Wild {
			c.t.Logf("wild: %d rows or more differ", len(apart))
		} else {
			faults = append(faults, append([]string{"rows differ:"}, apart...)...)
		}
	}
	faults = append(faults, c.compare(r, run)...)
	if len(faults) > 0 {
		faults = append(faults, words.String())
	}
	return faults
}

// compare looks at the report of a run, and at the totals of its order.
func (c *chaos) compare(r *chaosRecording, run string) (faults []string) {
	c.t.Helper()
	e := myreplay(c.t, "report", r.capture(), run, "--json")
	var got report.Report
	if err := json.Unmarshal([]byte(e.out), &got); err != nil {
		return []string{fmt.Sprintf("report: exit code %d, %v\n%s", e.code, err, e.errs)}
	}
	if a := &got.Account; !a.Closes || a.Recorded != a.Sent+a.SkippedTotal() {
		faults = append(faults, fmt.Sprintf("not all commands were sent: %+v", a.KindAccount))
	}
	s := &c.sum
	for _, d := range got.Differences {
		s.causes[d.Cause] += d.Commands
		if d.Cause == "" || d.Cause == "real" && d.Counted > 0 {
			fault := fmt.Sprintf("%d differences (%s) of equal servers have no cause: %s", d.Counted, d.Class, d.Most)
			if isLongChaos() && !r.Wild { // of wild ones writes whose order nothing proves are below it
				faults = append(faults, fault)
			} else {
				c.t.Log(fault)
			}
		}
	}
	if got.Order == nil || got.Order.Totals == nil {
		return append(faults, "the run has no totals of its order")
	}
	o := got.Order.Totals
	s.replayed += got.Account.Sent
	s.waits += o.Waits.Proven + o.Waits.Inferred + o.Waits.Guessed
	s.redone, s.notRedone, s.dropped, s.undone = s.redone+o.Redone, s.notRedone+o.NotRedone, s.dropped+o.Dropped, s.undone+o.Stalls
	s.rolledBack += o.AsRecorded.Deadlocks
	return faults
}

// isLongChaos tells whether replays with a read without a cause fail. Some in a
// hundred have one that is taken for certain and is not: a run of many fails of it,
// the few that are made always tell of it.
func isLongChaos() bool { return os.Getenv("MYREPLAY_CHAOS") != "" }

func (m *misfortunes) add(n misfortunes) {
	m.target, m.replayer, m.machine, m.starved = m.target+n.target, m.replayer+n.replayer, m.machine+n.machine, m.starved+n.starved
}

// text is the summary for a reader.
func (s *chaosSummary) text() string {
	return fmt.Sprintf("%d runs of %d recordings (%d commands, %d deadlocks, %d lock timeouts recorded): %d failed, %d hangs, %d too slow, %d with other data\n"+
		"replayed %d commands, %d waits; redone %d, not redone %d, waits dropped %d, undone %d\n"+
		"stood still: target %d, replay %d, machine %d times; starved %d times\n"+
		"slowest %.1f s (seed %d); differences by cause %v",
		s.runs, s.recordings, s.commands, s.deadlocks, s.timeouts, s.failed, s.hangs, s.slow, s.different,
		s.replayed, s.waits, s.redone, s.notRedone, s.dropped, s.undone,
		s.hit.target, s.hit.replayer, s.hit.machine, s.hit.starved, s.slowest.Seconds(), s.slowestSeed, s.causes)
}
