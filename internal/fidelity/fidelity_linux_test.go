package fidelity

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// plan is what a run of TestFidelity measures, from the environment:
// FIDELITY is quick (1 s, 16 sessions) or full (20 s, 16 and 64 sessions), without
// it nothing is measured. FIDELITY_TIME is another number of seconds.
// FIDELITY_CELLS is a regular expression that picks cells by their names, such as
// "tpcc/mariadb/16/row". FIDELITY_RESULTS is the file of results (cells that it
// has are not measured again), FIDELITY_DOC a document to put the tables into.
// FIDELITY_MACHINE is what the results say of the machine.
// After the cells come those of planted differences, "tpcc/mariadb/16/row/all". A
// quick run has quickCells when FIDELITY_CELLS is not given.
type plan struct {
	seconds  int
	planted  int // seconds for planted differences, 0: none
	sessions []int
	pick     *regexp.Regexp
	results  string
	document string
}

// quickCells are those of a quick run: every workload on every server, refined on
// the server that is reset sooner. They take less than 10 minutes on two busy cores.
const quickCells = `/(none|row)$|/mariadb/16/row\+refine$`

func readPlan(t *testing.T) plan {
	p := plan{results: os.Getenv("FIDELITY_RESULTS"), document: os.Getenv("FIDELITY_DOC")}
	cells := os.Getenv("FIDELITY_CELLS")
	switch how := os.Getenv("FIDELITY"); how {
	case "":
		t.Skip(`takes an hour or more: "make fidelity", or FIDELITY=quick`)
	case "quick":
		p.seconds, p.planted, p.sessions = 1, plantedSeconds, []int{16}
		if cells == "" {
			cells = quickCells
		}
	case "full":
		p.seconds, p.planted, p.sessions = 20, plantedSeconds, []int{16, 64}
	default:
		t.Fatalf("FIDELITY is quick or full, not %q", how)
	}
	if text := os.Getenv("FIDELITY_TIME"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("FIDELITY_TIME=%s: not a number of seconds", text)
		}
		p.seconds, p.planted = n, min(n, p.planted)
	}
	if p.results == "" {
		t.Fatal("FIDELITY_RESULTS names no file")
	}
	var err error
	if p.pick, err = regexp.Compile(cells); err != nil {
		t.Fatalf("FIDELITY_CELLS: %v", err)
	}
	if os.Geteuid() != 0 {
		mysqltest.Unavailable(t, errors.New("capturing takes root"))
	}
	return p
}

// missing returns the modes of a workload that are to be measured. A cell's
// speed is told as a share of the first mode's with the same recording, so that
// one is measured again with the others.
func (p plan) missing(have []Result, w Workload, c Cell) (modes []Mode) {
	done := map[Cell]bool{}
	for _, r := range have {
		done[r.Cell] = r.Replay.Commands > 0 // else the mode did not exist
	}
	for _, m := range Modes {
		c.Mode = m.Name
		if p.pick.MatchString(c.String()) && !done[c] && (!m.Binlog || w.HasBinlog(c.Server)) {
			modes = append(modes, m)
		}
	}
	if len(modes) > 0 && modes[0].Name != Modes[0].Name {
		modes = append([]Mode{Modes[0]}, modes...)
	}
	return modes
}

// TestFidelity is "make fidelity".
func TestFidelity(t *testing.T) {
	p := readPlan(t)
	stopWithSignals(t)
	for _, w := range Workloads {
		for _, kind := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
			if kind == mysqltest.MariaDB && !w.OnMariaDB() {
				continue
			}
			t.Run(w.Name+"/"+kind.String(), func(t *testing.T) {
				p.measure(t, w, kind)
				p.measurePlanted(t, w, kind)
			})
		}
	}
	have, err := ReadResults(p.results)
	if err != nil {
		t.Fatal(err)
	}
	text := Render(have)
	if p.document == "" {
		fmt.Print(text)
		return
	}
	document, err := os.ReadFile(p.document)
	if err == nil {
		document, err = Insert(document, text)
	}
	if err == nil {
		err = os.WriteFile(p.document, document, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// measure measures what is missing of a workload on a kind of server.
func (p plan) measure(t *testing.T, w Workload, kind mysqltest.Kind) {
	have, err := ReadResults(p.results)
	if err != nil {
		t.Fatal(err)
	}
	var servers *pair
	for _, sessions := range p.sessions {
		cell := Cell{Workload: w.Name, Server: kind.String(), Sessions: sessions, Seconds: p.seconds}
		modes := p.missing(have, w, cell)
		if len(modes) == 0 {
			continue
		}
		if servers == nil {
			servers = newPair(t, w, kind)
		}
		servers.measure(cell, modes, p)
	}
}

// recordings is how often a recording is made that is of no use: packets are missing.
const recordings = 3

// measure records once and replays in each mode.
func (p *pair) measure(cell Cell, modes []Mode, plan plan) {
	p.t.Helper()
	r := p.recordWhole(cell)
	for _, m := range modes {
		cell.Mode = m.Name
		p.keep(plan, cell, r, p.replay(r, m))
	}
}

// recordWhole records, and again when packets are missing. arguments are more of
// the recorder's.
func (p *pair) recordWhole(cell Cell, arguments ...string) (r recording) {
	p.t.Helper()
	for try := 1; ; try++ {
		r = p.record(cell.Sessions, cell.Seconds, arguments...)
		if r.known.Lost == 0 || try == recordings {
			return r
		}
		p.t.Logf("%v: %d packets or more are missing; recording again", cell, r.known.Lost)
	}
}

// keep adds a cell's result to the file.
func (p *pair) keep(plan plan, cell Cell, r recording, res Result) {
	p.t.Helper()
	whileRunning()
	res.Cell = cell
	res.Recording = r.known
	res.Tool = toolVersion(p.t)
	res.Machine = os.Getenv("FIDELITY_MACHINE")
	res.At = time.Now().UTC().Format(time.RFC3339)
	p.t.Logf("%v: %d of %d calls diverge %v %v, %d of %d rows differ %v, %.0f/s of %.0f/s, reset %.1f s, took %.1f s %s", res.Cell, res.Replay.Diverging,
		res.Replay.Compared, res.Replay.Classes, res.Replay.Causes, res.Rows.Sum(), res.Rows.Rows, res.Rows.Tables, res.Replay.PerSecond, r.known.PerSecond, res.Reset, res.Took, res.Failed)
	if err := AppendResult(plan.results, res); err != nil {
		p.t.Fatal(err)
	}
}

func toolVersion(t testing.TB) string {
	t.Helper()
	out, err := myreplay("--version").Output()
	if err != nil {
		t.Fatalf("myreplay --version: %v", err)
	}
	return string(out[:len(out)-1])
}
