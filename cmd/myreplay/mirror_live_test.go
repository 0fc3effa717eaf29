package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/report"
)

// mirroring is a `myreplay mirror` that runs while a test makes traffic.
type mirroring struct {
	t         testing.TB
	process   *mysqltest.Process
	out, errs *spoken
}

// startMirror starts a mirror on this host and waits until it works. Its report
// is JSON.
func startMirror(t testing.TB, args ...string) *mirroring {
	t.Helper()
	if os.Geteuid() != 0 && !slices.Contains(args, "--relay") {
		mysqltest.Unavailable(t, errors.New("capturing takes root"))
	}
	m := &mirroring{t: t, out: &spoken{}, errs: &spoken{}}
	cmd := myreplayCommand(t, append([]string{"mirror", "--json", "-q"}, args...)...)
	cmd.Env = append(cmd.Env, "MYREPLAY_SOURCE_PWD="+mysqltest.AdminPassword)
	cmd.Stdout, cmd.Stderr = m.out, m.errs
	m.process = mysqltest.Background(t, cmd)
	m.says("Ctrl-C ends it")
	return m
}

// says waits until the mirror has said something.
func (m *mirroring) says(words string) {
	m.t.Helper()
	awaitWords(m.t, m.process, m.errs, words)
}

// stop ends the mirror as Ctrl-C does, and returns what came of it.
func (m *mirroring) stop() *liveReport {
	m.t.Helper()
	if err := m.process.Signal(os.Interrupt); err != nil {
		m.t.Fatal(err)
	}
	return m.ended()
}

// ended waits for the end of a mirror that ends by itself, or was told to.
func (m *mirroring) ended() *liveReport {
	m.t.Helper()
	select {
	case <-m.process.Done():
	case <-time.After(runWait):
		m.t.Fatalf("the mirror does not end\n%s", m.errs)
	}
	r := &liveReport{code: m.process.Cmd.ProcessState.ExitCode(), said: m.errs.String()}
	if err := json.Unmarshal([]byte(m.out.String()), &r.report); err != nil {
		m.t.Fatalf("mirror: exit code %d, %v\n%s%s", r.code, err, m.out, m.errs)
	}
	if a := &r.report.Account; !a.Closes || a.Missing+a.Extra > 0 {
		m.t.Errorf("the account does not close: %+v\n%s", a, r.said)
	}
	return r
}

// hangup sends SIGHUP and waits until the mirror has answered for the n-th time.
func (m *mirroring) hangup(n int) {
	m.t.Helper()
	if err := m.process.Signal(syscall.SIGHUP); err != nil {
		m.t.Fatal(err)
	}
	for began := time.Now(); strings.Count(m.errs.String(), "SIGHUP: ") < n; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > startWait {
			m.t.Fatalf("SIGHUP is not answered: %s", m.errs)
		}
	}
}

// liveReport is what came of a mirror.
type liveReport struct {
	report report.Report
	code   int
	said   string
}

// same checks that everything was sent and answered the same, but for classes of
// differences that do not count.
func (r *liveReport) same(t testing.TB, but ...string) {
	t.Helper()
	v, a := r.report.Verdict, r.report.Account
	others := slices.ContainsFunc(r.report.Differences, func(d report.DifferenceTotal) bool {
		return d.Counted > 0 || !slices.Contains(but, d.Class)
	})
	if v.Result != report.Same || r.code != exitSame || others || a.Compared == 0 {
		t.Errorf("exit code %d, %s\n%s\n%s", r.code, v.Reason, r.differences(), r.said)
	}
	if a.Sent != a.Recorded || len(a.NotCompared) > 0 {
		t.Errorf("not all was sent and compared: %+v, not compared %v\n%s", a.KindAccount, a.NotCompared, r.said)
	}
}

// differences lists what differs, with an example of each.
func (r *liveReport) differences() string {
	b := &strings.Builder{}
	for _, c := range r.report.Classes {
		for _, d := range c.Differences {
			fmt.Fprintf(b, "%s (%s) %d, counted %d: %s %s\n", d.Class, d.Cause, d.Commands, d.Counted, c.Kind, c.Fingerprint)
			for _, e := range d.Examples[:min(1, len(d.Examples))] {
				fmt.Fprintf(b, "  recorded %s\n  replayed %s\n  %q\n", e.Recorded, e.Replayed, e.Evidence)
			}
		}
	}
	return b.String()
}

// skipped returns how many commands were not sent for a reason.
func (r *liveReport) skipped(why string) uint64 {
	for _, c := range r.report.Account.Skipped {
		if c.Name == why {
			return c.Count
		}
	}
	return 0
}

// remarked checks that the mirror said something.
func (r *liveReport) remarked(t testing.TB, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(r.said, w) {
			t.Errorf("it does not say %q:\n%s", w, r.said)
		}
	}
}

// freeAddr is an address on which a relay may listen.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// atPorts are the flags that have a mirror look at ports of the loopback.
func atPorts(ports ...int) []string {
	args := []string{"-i", "lo", "--ring-buffer", "64M"}
	for _, p := range ports {
		args = append(args, "--port", fmt.Sprint(p))
	}
	return args
}

// classicURL is a server as a mirror's target.
func classicURL(s *mysqltest.Server) string {
	return fmt.Sprintf("mysql://%s@%s/%s", s.User, s.Addr, mysqltest.Schema)
}

// xURL is a server as a mirror's target for the X Protocol, by TLS.
func xURL(s *mysqltest.Server) string {
	return fmt.Sprintf("mysqlx://%s@%s/%s?tls=required", s.User, xAddr(s), mysqltest.Schema)
}

// sameRows checks that queries are answered the same by both servers.
func sameRows(t testing.TB, s, u *mysqltest.Server, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if a, b := s.Rows(t, q), u.Rows(t, q); !slices.EqualFunc(a, b, slices.Equal) || len(a) == 0 {
			t.Errorf("%s\n%q on the source\n%q on the target", q, a, b)
		}
	}
}

// equalJSON compares two parts of reports.
func equalJSON(t testing.TB, what string, a, b any) {
	t.Helper()
	x, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Errorf("%s:\n%s\nafterwards\n%s", what, x, y)
	}
}

// classFigures are those of a query class that do not hang on when it was looked
// at.
func classFigures(c *report.Class) any {
	return []any{c.ID, c.Fingerprint, c.Compared, c.Different, c.NotCompared, c.Recorded.Commands, c.Recorded.Took, c.Replayed.Took, len(c.Differences)}
}
