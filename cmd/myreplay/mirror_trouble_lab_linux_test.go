package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// troubleVariable set to "long" makes the tests of trouble as long as the
// promises of the README; else they take seconds.
const troubleVariable = "MYREPLAY_TROUBLE"

// longTrouble tells whether the tests are to be long.
func longTrouble() bool { return os.Getenv(troubleVariable) == "long" }

// lasting is how long something lasts.
func lasting(short, long time.Duration) time.Duration {
	if longTrouble() {
		return long
	}
	return short
}

// strained is a source and a target between which a mirror works.
type strained struct {
	t              testing.TB
	source, target *mysqltest.Server
	rows           atomic.Int64
	record         string   // the folder that captures and runs are kept in
	calm           []string // the source's p99 without a mirror
}

// afresh begins a test on the two servers.
func (x *strained) afresh(t testing.TB) *strained {
	t.Helper()
	y := &strained{t: t, source: x.source, target: x.target, record: filepath.Join(t.TempDir(), "record")}
	y.source.Exec(t, troubleTables...)
	y.target.Exec(t, troubleTables...)
	return y
}

// running is a myreplay that runs.
type running struct {
	t      testing.TB
	name   string
	p      *mysqltest.Process
	out    *spoken
	errs   *spoken
	memory func() int64
	files  int    // open when it began
	admin  string // where it serves its figures, "" is nowhere
	tasks  int    // goroutines when it began
}

// begin starts a myreplay and waits until it says that it has begun.
func (x *strained) begin(word string, args ...string) *running {
	x.t.Helper()
	r := &running{t: x.t, name: args[0], out: &spoken{}, errs: &spoken{}}
	cmd := myreplayCommand(x.t, args...)
	cmd.Env = append(cmd.Env, "MYREPLAY_SOURCE_PWD="+x.source.Password)
	cmd.Stdout, cmd.Stderr = r.out, r.errs
	r.p = mysqltest.Background(x.t, cmd)
	r.memory = watchMemory(r.p)
	r.await("that it has begun", func() bool { return strings.Contains("\n"+r.errs.String(), "\n"+word) })
	if i := slices.Index(args, "--admin"); i >= 0 {
		r.admin = args[i+1]
	}
	r.rest()
	return r
}

// rest notes what a process takes that has nothing to do.
func (r *running) rest() { r.files, r.tasks = descriptors(r.t, r.p.Pid()), r.goroutines() }

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

// goroutines asks a process how many it has; 0 when it can't be asked.
func (r *running) goroutines() int {
	r.t.Helper()
	if r.admin == "" {
		return 0
	}
	var answer *http.Response
	r.await("it serves its figures", func() (ok bool) {
		var err error
		answer, err = http.Get("http://" + r.admin + "/metrics")
		return err == nil
	})
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	m := goroutines.FindSubmatch(text)
	if m == nil {
		r.t.Fatalf("no goroutines in %s", text)
	}
	n, _ := strconv.Atoi(string(m[1])) // digits
	return n
}

// await waits for something of a process.
func (r *running) await(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(runWait); !is(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-r.p.Done():
			r.t.Fatalf("%s has ended: %v\n%s", r.name, r.p.Wait(), r.errs)
		default:
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s: it never was so that %s\n%s", r.name, what, r.errs)
		}
	}
}

// url is the target.
func (x *strained) url() string {
	return fmt.Sprintf("mysql://%s@%s/%s", x.target.User, x.target.Addr, mysqltest.Schema)
}

// mirror starts a mirror that replays on the target by itself.
func (x *strained) mirror(args ...string) *running {
	x.t.Helper()
	return x.begin("mirroring", append([]string{"mirror", "-i", "lo", "--port", strconv.Itoa(x.source.Port), "--target", x.url(), "--writes",
		"--json", "--drain", "20s", "--record", x.record, "--admin", freeAddr(x.t)}, args...)...)
}

// assistant starts an assistant at an address.
func (x *strained) assistant(key, addr string, args ...string) *running {
	x.t.Helper()
	return x.begin("assisting", append([]string{"assist", "--listen", addr, "--pair-key", key, "--client-ip", "off", "--target", x.url(),
		"--drain", "20s", "--record", x.record}, args...)...)
}

// mirrorTo starts a mirror that has an assistant.
func (x *strained) mirrorTo(assistant, key string, args ...string) *running {
	x.t.Helper()
	return x.begin("mirroring", append([]string{"mirror", "-i", "lo", "-x", fmt.Sprintf("%d-%s", x.source.Port, x.target.Addr), "-s", assistant,
		"--pair-key", key, "--writes", "--json", "--drain", "20s", "--admin", freeAddr(x.t)}, args...)...)
}

// keys makes the keys of a mirror and its assistant.
func (x *strained) keys() (mirror, assistant string) {
	x.t.Helper()
	dir := x.t.TempDir()
	mustRun(x.t, "pair", dir)
	return filepath.Join(dir, "mirror.key"), filepath.Join(dir, "assist.key")
}

// settled waits until a process takes no more than when it had nothing to do.
func (r *running) settled() {
	r.t.Helper()
	r.await(fmt.Sprintf("it has as few open files as at its begin (%d)", r.files), func() bool { return descriptors(r.t, r.p.Pid()) <= r.files+spare })
	r.await(fmt.Sprintf("it has as few goroutines as at its begin (%d)", r.tasks), func() bool { return r.goroutines() <= r.tasks+spare })
}

// spare is how many files and goroutines a process may take for itself while it
// works.
const spare = 6

// end ends a process in good order and returns the most memory that it held.
func (r *running) end() int64 {
	r.t.Helper()
	if err := r.p.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.p.Done():
	case <-time.After(runWait):
		r.p.Signal(syscall.SIGQUIT)
		<-r.p.Done()
		r.t.Fatalf("%s does not end\n%s", r.name, r.errs)
	}
	return r.memory()
}

// report ends a mirror and returns its report, whose account must close.
func (r *running) report() (*report.Report, int64) {
	r.t.Helper()
	memory := r.end()
	rep, err := report.ReadJSON(strings.NewReader(r.out.String()))
	if err != nil {
		r.t.Fatalf("%s: exit code %d, %v\n%s%s", r.name, r.p.Cmd.ProcessState.ExitCode(), err, r.out, r.errs)
	}
	if a := &rep.Account; !a.Closes || a.Recorded != a.Sent+a.SkippedTotal()+a.FailedToSend+a.NotReached || a.UnderWay != 0 {
		r.t.Errorf("the account does not close: %s", jsonOf(a))
	}
	r.t.Logf("%s", r.errs)
	return rep, memory
}

// number finds a number in what a process said; 0 when it is not there.
func (r *running) number(pattern string) int {
	r.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(r.errs.String())
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// What a mirror says at its end.
const (
	connectionsLost = `([\d,]+) connections? to the target lost`
	eventsLost      = `([\d,]+) events? never arrived`
	sessionsEnded   = `([\d,]+) sessions? could not be resumed`
	startedAgain    = `the assistant was started again ([\d,]+) time`
)

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// The memory that a process may hold: Go's collector lets the heap grow to twice
// what is in use, which is at most what --memory says and what the report holds
// of commands of which one side is missing.
const (
	baseMemory   = 96 << 20 // the program, its threads and sessions' buffers
	reportMemory = 64 << 20
)

// within checks the memory of a process, by its --memory.
func within(t testing.TB, name string, held, memory int64) {
	t.Helper()
	limit := baseMemory + 2*(memory+reportMemory)
	t.Logf("memory of %s: %d MiB at most, limit %d MiB", name, held>>20, limit>>20)
	if held > limit {
		t.Errorf("%s held %d MiB, more than %d", name, held>>20, limit>>20)
	}
}
