package fidelity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// Limits of the harness.
const (
	startWait  = 20 * time.Second // until a recorder records
	drainWait  = 500 * time.Millisecond
	resetWait  = 2 * time.Minute
	dumpWait   = 5 * time.Minute
	replayWait = 10 * time.Minute // a replay that takes longer is said to hang
)

// pair is a source and a target of one kind with the data of one workload.
type pair struct {
	t              testing.TB
	w              Workload
	source, target *mysqltest.Server
	pristine       string // a data directory; both begin with copies of it
}

// options are those of both servers. Locks are given up after 10 s, so that a
// replay in bad order ends.
func options(w Workload, kind mysqltest.Kind) []mysqltest.Option {
	list := []mysqltest.Option{mysqltest.NoTLS(), mysqltest.BufferPool("256M"), mysqltest.MaxConnections(400),
		mysqltest.Args("--innodb-lock-wait-timeout=10")}
	if kind == mysqltest.MySQL97 { // as it is by default
		list = append(list, mysqltest.PerformanceSchema())
	}
	switch {
	case !w.GTIDs:
	case kind == mysqltest.MySQL97:
		list = append(list, mysqltest.Args("--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--session-track-gtids=OWN_GTID"))
	default:
		list = append(list, mysqltest.Args("--log-bin", "--session-track-system-variables=autocommit,character_set_client,character_set_connection,character_set_results,time_zone,last_gtid"))
	}
	return list
}

// newPair loads a workload's data into a source, once, and keeps the data
// directory.
func newPair(t testing.TB, w Workload, kind mysqltest.Kind) *pair {
	p := &pair{t: t, w: w, source: mysqltest.Start(t, kind, options(w, kind)...), target: mysqltest.Start(t, kind, options(w, kind)...)}
	p.prepare()
	p.analyze()
	if kind == mysqltest.MySQL97 {
		p.source.Exec(t, "RESET BINARY LOGS AND GTIDS") // the load's, which no replay needs
	}
	if err := p.source.Stop(); err != nil {
		t.Fatal(err)
	}
	p.pristine = filepath.Join(p.source.Dir, "pristine")
	copyData(t, dataOf(p.source), p.pristine)
	// Servers with one identity would be taken for one server.
	if err := os.RemoveAll(filepath.Join(p.pristine, "auto.cnf")); err != nil {
		t.Fatal(err)
	}
	return p
}

func dataOf(s *mysqltest.Server) string { return filepath.Join(s.Dir, "data") }

// copyData copies a data directory as cheaply as the file system can.
func copyData(t testing.TB, from, to string) {
	t.Helper()
	mysqltest.Output(t, exec.Command("cp", "-a", "--reflink=auto", "--sparse=always", from, to))
}

// reset gives a server the pristine data and starts it. It returns how long that took.
func (p *pair) reset(s *mysqltest.Server) time.Duration {
	p.t.Helper()
	began := time.Now()
	s.Kill()
	if err := os.RemoveAll(dataOf(s)); err != nil {
		p.t.Fatal(err)
	}
	copyData(p.t, p.pristine, dataOf(s))
	s.Restart(p.t)
	if p.w.X {
		mysqltest.Output(p.t, p.node("login", s)) // replays without TLS need the cached hash
	}
	return time.Since(began)
}

// tables reads what a server holds.
func (p *pair) tables(s *mysqltest.Server) Tables {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), dumpWait)
	defer cancel()
	all, err := ReadTables(ctx, s.DB(), mysqltest.Schema, p.w.Instead)
	if err != nil {
		p.t.Fatalf("%v: %v", s.Kind, err)
	}
	return all
}

func (p *pair) prepare() {
	p.t.Helper()
	if p.w.X {
		mysqltest.Output(p.t, p.node("prepare", p.source))
		return
	}
	cmd := p.sysbench(1).Command(p.t, p.source, "prepare")
	cmd.Dir = Folder
	mysqltest.Output(p.t, cmd)
}

// analyze has the optimizer know the tables. Loaded and at once stopped, a server may take
// them for empty: then it reads, and locks, whole tables where there is an index, until
// at some moment a thread in the background counts the rows, at another one on the source
// than on the target.
func (p *pair) analyze() {
	p.t.Helper()
	for _, row := range p.source.Rows(p.t, "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = ?", mysqltest.Schema) {
		p.source.Exec(p.t, "ANALYZE NO_WRITE_TO_BINLOG TABLE `"+mysqltest.Schema+"`.`"+row[0]+"`")
	}
}

// load is the command that runs the workload on the source.
func (p *pair) load(sessions, seconds int) *exec.Cmd {
	p.t.Helper()
	if p.w.X {
		return p.node("run", p.source, strconv.Itoa(p.source.XPort), strconv.Itoa(sessions), strconv.Itoa(seconds), strconv.Itoa(Seed))
	}
	b := p.sysbench(sessions)
	b.Time = time.Duration(seconds) * time.Second
	cmd := b.Command(p.t, p.source, "run")
	cmd.Dir = Folder
	return cmd
}

func (p *pair) sysbench(threads int) mysqltest.Sysbench {
	args := append([]string{"--rand-seed=" + strconv.Itoa(Seed)}, p.w.Options...)
	if p.w.Errors != "" {
		args = append(args, "--mysql-ignore-errors="+p.w.Errors)
	}
	return mysqltest.Sysbench{Script: p.w.Script, Threads: threads, PSMode: p.w.PSMode, Args: args}
}

func (p *pair) node(step string, s *mysqltest.Server, args ...string) *exec.Cmd {
	p.t.Helper()
	script, err := os.ReadFile(filepath.Join(Folder, p.w.Script))
	if err != nil {
		p.t.Fatal(err)
	}
	return mysqltest.Node(p.t, string(script), append([]string{step, s.XSocket, s.User, s.Password}, args...)...)
}

// port is where the workload's clients go.
func (p *pair) port(s *mysqltest.Server) int {
	if p.w.X {
		return s.XPort
	}
	return s.Port
}

// urls are the targets of a replay. That of the classic protocol tells the schema.
func (p *pair) urls() []string {
	classic := fmt.Sprintf("mysql://%s@127.0.0.1:%d/%s", p.target.User, p.target.Port, mysqltest.Schema)
	if !p.w.X {
		return []string{classic}
	}
	return []string{fmt.Sprintf("mysqlx://%s@127.0.0.1:%d/%s?tls=disabled", p.target.User, p.target.XPort, mysqltest.Schema), classic}
}

// said collects what a process says.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// myreplay is the command under test: FIDELITY_MYREPLAY, or the one in $PATH.
func myreplay(args ...string) *exec.Cmd {
	name := os.Getenv("FIDELITY_MYREPLAY")
	if name == "" {
		name = "myreplay"
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+mysqltest.AdminPassword, "MYREPLAY_SOURCE_PWD="+mysqltest.AdminPassword, "TZ=UTC")
	return cmd
}

// recording is a capture and what the source held at its end.
type recording struct {
	dir    string
	known  Recording
	tables Tables
	// binlogs are the source's binary logs, until it is reset.
	binlogs []string
}

// folder returns a new folder for a capture or a run, in FIDELITY_KEEP if it is to
// stay.
func (p *pair) folder() string {
	p.t.Helper()
	keep := os.Getenv("FIDELITY_KEEP")
	if keep == "" {
		return p.t.TempDir()
	}
	name, err := os.MkdirTemp(keep, strings.ReplaceAll(p.t.Name(), "/", "-")+"-")
	if err != nil {
		p.t.Fatal(err)
	}
	return name
}

// record resets the source and records the workload by a passive tap, in a
// session of its own, as the kernel shares the time by sessions.
func (p *pair) record(sessions, seconds int, arguments ...string) recording {
	p.t.Helper()
	p.reset(p.source)
	r := recording{dir: filepath.Join(p.folder(), "capture")}
	args := append([]string{"capture", "-i", "lo", "--port", strconv.Itoa(p.port(p.source)), "--ring-buffer", "256M", "-q", "-o", r.dir}, arguments...)
	cmd := myreplay(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	words := &said{}
	cmd.Stderr = words
	recorder := mysqltest.Background(p.t, cmd)
	for began := time.Now(); !strings.Contains(words.String(), "Ctrl-C ends it"); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > startWait {
			p.t.Fatalf("the recorder does not record: %s", words)
		}
	}
	out := mysqltest.Output(p.t, p.load(sessions, seconds))
	time.Sleep(drainWait)
	if err := recorder.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	if err := recorder.Wait(); err != nil {
		p.t.Fatalf("the recorder: %v\n%s", err, words)
	}
	r.tables = p.tables(p.source)
	p.source.Kill() // the replays have the machine for themselves
	binlogs, err := filepath.Glob(filepath.Join(dataOf(p.source), "binlog.0*"))
	if err != nil {
		p.t.Fatal(err)
	}
	r.binlogs = binlogs
	profile, err := myreplay("report", r.dir, "--json").Output()
	if err != nil {
		p.t.Fatalf("report: %v", err)
	}
	if r.known, err = ParseProfile(profile); err != nil {
		p.t.Fatal(err)
	}
	if strings.Contains(words.String(), "dropped") {
		r.known.Lost = max(r.known.Lost, 1)
	}
	p.t.Logf("recorded %+v\n%s%s", r.known, lastLine(out), words)
	return r
}

func lastLine(s string) string {
	if strings.HasPrefix(s, "{") {
		return s
	}
	return ""
}

// replay replays a recording in a mode onto the pristine data and returns what
// came of it.
func (p *pair) replay(r recording, m Mode, plant ...string) (res Result) {
	p.t.Helper()
	res.Reset = p.reset(p.target).Seconds()
	p.target.Exec(p.t, plant...)
	run := filepath.Join(p.folder(), "run")
	args := slices.Concat([]string{"replay", r.dir}, p.urls(), []string{"--writes", "--speed", "max", "-q", "-o", run}, m.Args)
	if m.Binlog {
		for _, name := range r.binlogs {
			args = append(args, "--binlog", name)
		}
	}
	asked := make(chan net.Conn)
	if m.Resets {
		args = append(args, "--reset", resetCommand(p.t, asked))
	}
	words := &said{}
	cmd := myreplay(args...)
	cmd.Stdout, cmd.Stderr = words, words
	began := time.Now()
	process := mysqltest.Background(p.t, cmd)
	limit := time.After(replayWait)
	for running := true; running; {
		select {
		case <-process.Done():
			running = false
		case c := <-asked:
			p.reset(p.target)
			p.target.Exec(p.t, plant...)
			c.Close()
		case <-limit:
			process.Kill()
			res.Failed = fmt.Sprintf("no end after %v", replayWait)
		}
	}
	res.Took = time.Since(began).Seconds()
	if err := process.Wait(); err != nil && res.Failed == "" {
		res.Failed = failure(words.String(), err)
	}
	res.Rows = DiffTables(r.tables, p.tables(p.target))
	res.Version = p.target.Version
	text, err := myreplay("report", r.dir, run, "--json", "--count-generated").Output()
	if len(text) > 0 {
		if res.Replay, err = ParseReport(text); err != nil {
			p.t.Fatal(err)
		}
		if len(plant) > 0 {
			if res.Found, err = CheckPlanted(text); err != nil {
				p.t.Fatal(err)
			}
		}
	} else if res.Failed == "" {
		res.Failed = fmt.Sprintf("report: %v", err)
	}
	if order, err := os.ReadFile(filepath.Join(run, "order.json")); err == nil {
		var line bytes.Buffer
		if json.Compact(&line, order) == nil {
			res.Order = line.Bytes()
		}
	}
	return res
}

// failure is what a command said last, on one line.
func failure(words string, err error) string {
	lines := strings.Split(strings.TrimSpace(words), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}
