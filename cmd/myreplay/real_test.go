package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"myreplay/capfile"
	"myreplay/internal/mysqltest"
	"myreplay/report"
	"myreplay/session"
)

// The tests on real servers run the command as a process of its own, which
// TestMain has put into $PATH.

const (
	// startWait is how long a recorder may take to say that it records.
	startWait = 20 * time.Second
	// runWait is how long a command may run that ends by itself.
	runWait = 2 * time.Minute
)

// ended is a command that has run to its end.
type ended struct {
	out, errs string
	code      int
	memory    int64 // the most that it held at once, in bytes
}

// myreplayCommand returns the command, not started. Its password on servers is
// that of mysqltest's user.
func myreplayCommand(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("myreplay", args...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+mysqltest.AdminPassword, "TZ=UTC")
	return cmd
}

// myreplay runs the command to its end.
func myreplay(t testing.TB, args ...string) ended {
	t.Helper()
	cmd := myreplayCommand(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	p := mysqltest.Background(t, cmd)
	memory, end := int64(0), time.Now().Add(runWait)
	for running := true; running; memory = max(memory, maxMemory(p.Pid())) {
		select {
		case <-p.Done():
			running = false
		case <-time.After(2 * time.Millisecond):
			if time.Now().After(end) {
				p.Kill()
				t.Fatalf("%s does not end\n%s", cmd, errs.String())
			}
		}
	}
	return ended{out.String(), errs.String(), cmd.ProcessState.ExitCode(), memory}
}

// maxMemory is the most that a running process has held at once, in bytes; 0
// when it has ended. Its rusage would not do: that counts what the test held
// when it started the process.
func maxMemory(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	kib := int64(0)
	fmt.Sscan(line, &kib)
	return kib << 10
}

// mustRun runs the command, which must end with exit code 0, and returns what
// it wrote to its standard error.
func mustRun(t testing.TB, args ...string) string {
	t.Helper()
	e := myreplay(t, args...)
	if e.code != exitSame {
		t.Fatalf("myreplay %s: exit code %d\n%s%s", strings.Join(args, " "), e.code, e.out, e.errs)
	}
	return e.errs
}

// recorder is a myreplay that records while a test makes traffic.
type recorder struct {
	t       testing.TB
	process *mysqltest.Process
	errs    *spoken
	// dir is the capture, addr where clients connect to.
	dir, addr string
}

// recordLive records what passes on loopback to and from a server.
func recordLive(t testing.TB, s *mysqltest.Server, args ...string) *recorder {
	t.Helper()
	return recordPort(t, s.Addr, fmt.Sprint(s.Port), args...)
}

// recordPort records what passes on loopback to and from an address.
func recordPort(t testing.TB, addr, port string, args ...string) *recorder {
	t.Helper()
	if os.Geteuid() != 0 {
		mysqltest.Unavailable(t, errors.New("capturing takes root"))
	}
	r := startRecorder(t, append([]string{"capture", "-i", "lo", "--port", port, "--ring-buffer", "64M"}, args...)...)
	r.addr = addr
	return r
}

// recordRelay records what passes through a relay to a server.
func recordRelay(t testing.TB, s *mysqltest.Server, args ...string) *recorder {
	t.Helper()
	r := startRecorder(t, append([]string{"relay", "--listen", "127.0.0.1:0", "--to", s.Addr}, args...)...)
	if _, err := fmt.Sscanf(r.errs.String(), "relaying %s to", &r.addr); err != nil {
		t.Fatalf("no address in %q: %v", r.errs, err)
	}
	return r
}

// startRecorder starts a recording and waits until it records.
func startRecorder(t testing.TB, args ...string) *recorder {
	t.Helper()
	r := &recorder{t: t, dir: filepath.Join(t.TempDir(), "capture"), errs: &spoken{}}
	cmd := myreplayCommand(t, append(args, "-q", "-o", r.dir)...)
	cmd.Stderr = r.errs
	r.process = mysqltest.Background(t, cmd)
	awaitWords(t, r.process, r.errs, "Ctrl-C ends it")
	return r
}

// awaitWords waits until a process has said something.
func awaitWords(t testing.TB, p *mysqltest.Process, errs *spoken, words string) {
	t.Helper()
	for began := time.Now(); !strings.Contains(errs.String(), words); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.Done():
			t.Fatalf("%s: %v, and did not say %q\n%s", p.Cmd, p.Wait(), words, errs)
		default:
		}
		if time.Since(began) > startWait {
			t.Fatalf("%s did not say %q: %s", p.Cmd, words, errs)
		}
	}
}

// stop ends the recording as Ctrl-C does, and returns what it said.
func (r *recorder) stop() string {
	r.t.Helper()
	if err := r.process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
	if err := r.process.Wait(); err != nil {
		r.t.Fatalf("the recorder: %v\n%s", err, r.errs)
	}
	return r.errs.String()
}

// spoken keeps what a process that still runs has written.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *spoken) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// String returns all that was written.
func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// eventsOf reads a capture or a run, which must be whole.
func eventsOf(t testing.TB, dir string) []session.Event {
	t.Helper()
	list, r := readEvents(t, dir)
	if len(r.Damage()) > 0 || len(r.Unfinished()) > 0 {
		t.Fatalf("%s: damage %v, unfinished %v", dir, r.Damage(), r.Unfinished())
	}
	return list
}

// readEvents reads what can be read of a capture.
func readEvents(t testing.TB, dir string) ([]session.Event, *capfile.Reader) {
	t.Helper()
	r, err := capfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var list []session.Event
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
}

// pick returns the events of one type.
func pick[E session.Event](events []session.Event) []E {
	var list []E
	for _, e := range events {
		if e, ok := e.(E); ok {
			list = append(list, e)
		}
	}
	return list
}

// kindsOf counts the commands by kind.
func kindsOf(events []session.Event) map[session.Kind]int {
	n := map[session.Kind]int{}
	for _, c := range pick[*session.Command](events) {
		n[c.Kind]++
	}
	return n
}

// comparison is a recording, its replay on another server, and the report of
// the two.
type comparison struct {
	capture, run string
	recorded     []session.Event
	said         string // by the recorder; not set by replayOn
	summary      string // of the replay
	report       report.Report
	code         int // the report's exit code
}

// replayOn replays a capture, writes included, and compares. The account of the
// replay must close, whatever differs.
func replayOn(t testing.TB, capture string, s *mysqltest.Server, args ...string) *comparison {
	t.Helper()
	c := &comparison{capture: capture, run: filepath.Join(t.TempDir(), "run"), recorded: eventsOf(t, capture)}
	url := fmt.Sprintf("mysql://%s@%s/%s", s.User, s.Addr, mysqltest.Schema) // of sessions whose own is not known
	c.summary = mustRun(t, append([]string{"replay", capture, url, "--writes", "--speed", "max", "-q", "-o", c.run}, args...)...)
	c.read(t)
	c.closes(t)
	return c
}

// read makes the report.
func (c *comparison) read(t testing.TB) {
	t.Helper()
	e := myreplay(t, "report", c.capture, c.run, "--json")
	if err := json.Unmarshal([]byte(e.out), &c.report); err != nil {
		t.Fatalf("report: exit code %d, %v\n%s%s", e.code, err, e.out, e.errs)
	}
	c.code = e.code
}

// closes checks that every recorded command was sent, skipped, failed to send
// or not reached.
func (c *comparison) closes(t testing.TB) {
	t.Helper()
	a := &c.report.Account
	if n := len(pick[*session.Command](c.recorded)); uint64(n) != a.Recorded {
		t.Errorf("the report knows of %d commands, the capture has %d", a.Recorded, n)
	}
	if !a.Closes || a.Recorded != a.Sent+a.SkippedTotal()+a.FailedToSend+a.NotReached {
		t.Errorf("the account does not close: %+v", a.KindAccount)
	}
}

// same checks that all was sent and nothing differs, but in classes of
// differences that do not count.
func (c *comparison) same(t testing.TB, but ...string) {
	t.Helper()
	v, a := c.report.Verdict, c.report.Account
	others := slices.ContainsFunc(c.report.Differences, func(d report.DifferenceTotal) bool {
		return d.Counted > 0 || !slices.Contains(but, d.Class)
	})
	if v.Result != report.Same || c.code != exitSame || others {
		t.Errorf("exit code %d, %s\n%s", c.code, v.Reason, c.text(t))
	}
	if a.Sent != a.Recorded || a.Compared == 0 || len(a.NotCompared) > 0 {
		t.Errorf("not all was sent and compared: %+v, not compared %v\n%s", a.KindAccount, a.NotCompared, c.summary)
	}
}

// text is the report for a reader.
func (c *comparison) text(t testing.TB) string {
	return myreplay(t, "report", c.capture, c.run).out
}
