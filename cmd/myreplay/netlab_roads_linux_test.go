package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/internal/netlab"
	"myreplay/report"
)

// mirrored is what came of a mirror.
type mirrored struct {
	report report.Report
	code   int
	// said is all that the commands wrote to their standard errors.
	said string
}

// road brings the clients' sessions to the target: it begins before they work and
// is stopped when they have.
type road struct {
	name string
	// hosts: the target sees the clients' addresses. live: the sessions that are
	// older are asked of the source.
	hosts, live bool
	begin       func(l *mirrorLab, args ...string) (stop func() *mirrored)
}

// roads are all roads.
var roads = []road{
	{name: "recorded", begin: (*mirrorLab).record},
	{name: "mirror", live: true, begin: (*mirrorLab).mirror},
	{name: "assist", live: true, hosts: true, begin: (*mirrorLab).assist},
}

// allRoads tells whether every case is to go every road. By default those that say
// most are taken: the way by the assistant has all of the mirror's in it.
func allRoads() bool { return os.Getenv("MYREPLAY_ROADS") == "all" }

// taken returns the roads to take; few: where one says what the others would.
func taken(few bool) []road {
	switch {
	case allRoads():
		return roads
	case few:
		return roads[2:]
	}
	return roads[1:]
}

// targetURL is the target for commands on any host.
func (l *mirrorLab) targetURL() string {
	return fmt.Sprintf("mysql://%s@%s/?ca=%s&tls=verify-ca", l.target.User, l.targetAddr(), l.target.CA)
}

// targetAddr is the target's address, of the same family as the clients'.
func (l *mirrorLab) targetAddr() string {
	if l.six {
		return netip.AddrPortFrom(l.Target.Addr6(), uint16(l.target.Port)).String()
	}
	return l.target.Addr
}

// locally is the source for those on its own host.
func (l *mirrorLab) locally() string { return fmt.Sprintf("127.0.0.1:%d", l.source.Port) }

// mirror runs 'myreplay mirror' on the online server, which replays by itself.
func (l *mirrorLab) mirror(args ...string) (stop func() *mirrored) {
	l.t.Helper()
	return l.mirrorTo(append([]string{"--target", l.targetURL()}, args...)...)
}

// assist runs 'myreplay assist' on the assistant, after the README's commands,
// and 'myreplay mirror' on the online server.
func (l *mirrorLab) assist(args ...string) (stop func() *mirrored) {
	l.t.Helper()
	l.Route()
	ours, theirs := l.pair()
	p, errs := l.start(l.Assistant, "assisting", nil, "assist", "--listen", ":36524", "--target", l.targetURL(), "--pair-key", theirs)
	end := l.mirrorTo(append([]string{"-x", fmt.Sprintf("%d-%s", l.source.Port, l.targetAddr()), "-s", l.Assistant.Addr().String(), "--pair-key", ours}, args...)...)
	return func() *mirrored {
		l.t.Helper()
		m := end()
		if err := p.Signal(syscall.SIGTERM); err != nil {
			l.t.Fatal(err)
		}
		l.await(p, "assist", errs)
		m.said += errs.String()
		return m
	}
}

// pair makes the keys of a mirror and its assistant.
func (l *mirrorLab) pair() (mirror, assistant string) {
	l.t.Helper()
	dir := l.t.TempDir()
	mustRun(l.t, "pair", dir)
	return filepath.Join(dir, "mirror.key"), filepath.Join(dir, "assist.key")
}

// mirrorTo runs 'myreplay mirror' on the online server.
func (l *mirrorLab) mirrorTo(args ...string) (stop func() *mirrored) {
	l.t.Helper()
	from := []string{"mirror", "-i", "any", "--port", fmt.Sprint(l.source.Port)}
	if slices.Contains(args, "-x") {
		from = []string{"mirror", "-i", "any"}
	}
	if l.relay {
		from = []string{"mirror", "--relay", l.sourceAddr(), "--to", l.locally()}
	}
	args = append(append(from, "--writes", "--json", "-n", fmt.Sprint(max(l.copies, 1))), args...)
	out := &spoken{}
	p, errs := l.start(l.Online, "mirroring", out, args...)
	return func() *mirrored {
		l.t.Helper()
		if err := p.Signal(syscall.SIGTERM); err != nil {
			l.t.Fatal(err)
		}
		l.await(p, "mirror", errs)
		m := &mirrored{code: p.Cmd.ProcessState.ExitCode(), said: errs.String()}
		if err := json.Unmarshal([]byte(out.String()), &m.report); err != nil {
			l.t.Fatalf("mirror: exit code %d, %v\n%s%s", m.code, err, out, errs)
		}
		return m
	}
}

// record runs 'myreplay capture' on the online server, and when it is stopped
// replays from there, and compares.
func (l *mirrorLab) record(args ...string) (stop func() *mirrored) {
	l.t.Helper()
	dir := filepath.Join(l.t.TempDir(), "capture")
	from, word := []string{"capture", "-i", "any", "--port", fmt.Sprint(l.source.Port), "--ring-buffer", "64M"}, "recording"
	if l.relay {
		from, word = []string{"relay", "--listen", l.sourceAddr(), "--to", l.locally()}, "relaying"
	}
	p, errs := l.start(l.Online, word, nil, append(from, "-q", "-o", dir)...)
	return func() *mirrored {
		l.t.Helper()
		if err := p.Signal(syscall.SIGINT); err != nil {
			l.t.Fatal(err)
		}
		l.await(p, "capture", errs)
		return l.replay(dir, errs.String(), args...)
	}
}

// replay replays a capture from the online server and compares.
func (l *mirrorLab) replay(dir, said string, args ...string) *mirrored {
	l.t.Helper()
	run := filepath.Join(l.t.TempDir(), "run")
	errs := &spoken{}
	cmd := l.Online.Inside(myreplayCommand(l.t, append([]string{"replay", dir, l.targetURL(), "--writes", "--speed", "max", "-q", "-o", run,
		"--copies", fmt.Sprint(max(l.copies, 1))}, args...)...))
	cmd.Stderr = errs
	l.await(mysqltest.Background(l.t, cmd), "replay", errs)
	if cmd.ProcessState.ExitCode() != exitSame {
		l.t.Fatalf("%s: %s", cmd, errs)
	}
	e := myreplay(l.t, "report", dir, run, "--json")
	m := &mirrored{code: e.code, said: said + errs.String()}
	if err := json.Unmarshal([]byte(e.out), &m.report); err != nil {
		l.t.Fatalf("report: exit code %d, %v\n%s%s", e.code, err, e.out, e.errs)
	}
	return m
}

// start starts myreplay on a host and waits until it says that it has begun, in a
// line that begins with a word.
func (l *mirrorLab) start(h *netlab.Host, word string, out *spoken, args ...string) (*mysqltest.Process, *spoken) {
	l.t.Helper()
	errs := &spoken{}
	cmd := h.Inside(myreplayCommand(l.t, args...))
	cmd.Env = append(cmd.Env, "MYREPLAY_SOURCE_PWD="+l.source.Password)
	cmd.Stderr = errs
	if out != nil {
		cmd.Stdout = out
	}
	p := mysqltest.Background(l.t, cmd)
	for began := time.Now(); !strings.Contains("\n"+errs.String(), "\n"+word); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.Done():
			l.t.Fatalf("%s: %v\n%s", cmd, p.Wait(), errs)
		default:
		}
		if time.Since(began) > startWait {
			l.t.Fatalf("%s does not begin: %s", cmd, errs)
		}
	}
	return p, errs
}

// await waits for the end of a command that was told to end.
func (l *mirrorLab) await(p *mysqltest.Process, name string, errs *spoken) {
	l.t.Helper()
	select {
	case <-p.Done():
	case <-time.After(runWait):
		l.t.Fatalf("%s does not end\n%s", name, errs)
	}
}
