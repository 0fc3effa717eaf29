package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// Scripts of MySQL's own test suite run through "myreplay relay", which stands
// before both protocols of a server. They must end as the suite says, or, where
// they never do so on our servers, as they do without the relay, and print the
// same. testdata/suite names the scripts and says why others are left out.

// suiteVariable chooses the scripts: "" those that run within a minute or so,
// "all" all that are named, else a list of names, with commas.
const suiteVariable = "MYREPLAY_SUITE"

// suiteRelayVariable holds arguments of the relay, "--tls pass", in place of
// those with which it ends TLS and shows the clients the server's certificate.
const suiteRelayVariable = "MYREPLAY_SUITE_RELAY"

const (
	// scriptWait is how long a script may take, longWait the longer ones of
	// "all".
	scriptWait = 20 * time.Second
	longWait   = 90 * time.Second
	// scriptTries is how often a script may end differently: scripts on a busy
	// machine sometimes do so by themselves.
	scriptTries = 3
	// gapsShown is how many gaps of the recordings a lane shows.
	gapsShown = 20
	// suiteLanes is how many scripts run at once, each on servers of its own.
	suiteLanes = 2
)

// variant is a way in which clients connect and ask.
type variant struct {
	name        string
	args, xargs []string // of mysqltest, of mysqlxtest
	every       int      // of the small choice, each how many-th script; 0: the whole choice
}

func TestSuiteX(t *testing.T) {
	runSuite(t, "x",
		variant{name: "as they are"},
		variant{name: "compressed", xargs: []string{"--compression-mode=PREFERRED"}, every: 10})
}

func TestSuiteClassic(t *testing.T) {
	runSuite(t, "classic",
		variant{name: "as they are"},
		variant{name: "TLS", args: []string{"--ssl-mode=REQUIRED"}, every: 15},
		variant{name: "zlib, prepared", args: []string{"--compress", "--ps-protocol"}, every: 15},
		variant{name: "TLS, zstd, prepared", args: []string{"--ssl-mode=REQUIRED", "--compression-algorithms=zstd", "--ps-protocol"}, every: 15})
}

// The tests of MySQL's C API, which a program of their own runs: prepared
// statements, cursors, several results, other users.
func TestSuiteCAPI(t *testing.T) {
	suite := mysqltest.OpenSuite(t)
	const options = "mysql_client_test"
	leftOut := []string{
		"test_wl13075", // a new key of the server's ends TLS sessions, but not the relay's
		"test_wl14839", // the relay does not tell the server which name the client's TLS asked for
	}
	l := &lane{t: t, suite: suite}
	l.begin(options)
	defer l.end()
	o := suite.ClientTest(mysqltest.Place{Server: l.server, Port: l.ports[0]}, runWait, leftOut...)
	if o.Verdict != mysqltest.Passed {
		t.Errorf("%s through the relay: %s", o.Verdict, o.Why)
		l.beginDirect()
		o = suite.ClientTest(mysqltest.Place{Server: l.direct}, runWait, leftOut...)
		t.Logf("%s without: %s", o.Verdict, o.Why)
	}
	t.Log(o.Took, strings.Join(regexp.MustCompile(`All '\d+' tests.*`).FindAllString(o.Output, 1), ""))
}

// runSuite runs the chosen scripts of a list in some lanes.
func runSuite(t *testing.T, list string, variants ...variant) {
	suite := mysqltest.OpenSuite(t)
	for _, v := range variants {
		scripts := chooseScripts(t, list, v)
		t.Run(v.name, func(t *testing.T) {
			for i := range min(suiteLanes, len(scripts)) {
				t.Run(fmt.Sprint("lane ", i+1), func(t *testing.T) {
					t.Parallel()
					l := &lane{t: t, suite: suite, variant: v}
					for at := i; at < len(scripts); at += suiteLanes {
						l.compare(scripts[at])
					}
					l.end()
					t.Log(l.sum())
				})
			}
		})
	}
}

// lane is a row of scripts, one after the other on the same servers.
type lane struct {
	t       *testing.T
	suite   *mysqltest.Suite
	variant variant

	options mysqltest.Script  // the script whose options the servers have
	server  *mysqltest.Server // behind the relay
	relay   *recorder
	ports   [2]int            // of the relay: classic and X
	direct  *mysqltest.Server // without a relay; nil until it is needed

	passed, equal, unequal, again, gone int
	took                                time.Duration
	commands, shown                     int
	gaps                                map[string]int
}

func (l *lane) sum() string {
	return fmt.Sprintf("%d scripts in %v: %d passed, %d more ended as they do without the relay, %d did not; %d took a second try; "+
		"%d are not in this version of the suite; recorded: %d commands, gaps %v",
		l.passed+l.equal+l.unequal, l.took.Round(time.Millisecond), l.passed, l.equal, l.unequal, l.again, l.gone, l.commands, l.gaps)
}

// chosen is a script of a list.
type chosen struct {
	name mysqltest.Script
	own  bool // it runs on servers with the options of its option file
}

// compare runs a script through the relay, and when it does not pass without,
// too.
func (l *lane) compare(c chosen) {
	script := c.name
	if !l.suite.Has(script) {
		l.gone++
		return
	}
	var relayed, direct mysqltest.Outcome
	for try := 1; try <= scriptTries; try++ {
		if try == 2 {
			l.again++
		}
		options := mysqltest.Script("")
		if c.own {
			options = script
		}
		l.begin(options)
		relayed = l.run(script, l.server, l.ports)
		if relayed.Verdict == mysqltest.Passed {
			l.passed++
			return
		}
		l.beginDirect()
		direct = l.run(script, l.direct, [2]int{})
		if relayed.Verdict == direct.Verdict && relayed.Output == direct.Output && direct.Verdict != mysqltest.TimedOut {
			l.equal++
			l.t.Logf("%s: %s with and without the relay (%.200s)", script, direct.Verdict, direct.Why)
			return
		}
		l.end() // the next try has new servers
		l.t.Logf("%s, try %d: %s relayed (%.300s), %s direct (%.300s)", script, try, relayed.Verdict, relayed.Why, direct.Verdict, direct.Why)
	}
	l.unequal++
	l.t.Errorf("%s: %s relayed, %s direct; %s", script, relayed.Verdict, direct.Verdict, firstDifference(relayed.Output, direct.Output))
}

// run runs a script on a server, or on the relay's ports before it.
func (l *lane) run(script mysqltest.Script, s *mysqltest.Server, ports [2]int) mysqltest.Outcome {
	wait := scriptWait
	if os.Getenv(suiteVariable) != "" {
		wait = longWait
	}
	if s == l.server {
		l.relayLives()
	}
	o := l.suite.Run(script, mysqltest.Place{Server: s, Port: ports[0], XPort: ports[1], Args: l.variant.args, XArgs: l.variant.xargs}, wait)
	l.took += o.Took
	if o.Restarted || o.Verdict == mysqltest.Failed || o.Verdict == mysqltest.TimedOut {
		l.stale(s) // what the script left behind would change the next one
	}
	return o
}

// relayLives fails the test when the relay has ended by itself.
func (l *lane) relayLives() {
	select {
	case <-l.relay.process.Done():
		l.t.Fatalf("the relay ended by itself: %v\n%s", l.relay.process.Wait(), l.relay.errs)
	default:
	}
}

// stale ends a server that is not as it was, with the relay before it.
func (l *lane) stale(s *mysqltest.Server) {
	if err := s.Close(); err != nil {
		l.t.Error(err)
	}
	if s == l.direct {
		l.direct = nil
		return
	}
	l.endRelay()
}

// begin sees to it that a server and the relay run; options is the script whose
// options the server has.
func (l *lane) begin(options mysqltest.Script) {
	if l.options != options {
		l.end()
	}
	if l.server != nil {
		return
	}
	l.options = options
	s := l.suite.Server(l.t, l.suite.Options(options))
	args := []string{"relay", "--listen", "127.0.0.1:0", "--to", s.Addr,
		"--listen", "127.0.0.1:0", "--to", fmt.Sprintf("127.0.0.1:%d", s.XPort)}
	cert, key := l.suite.Certificate(options)
	more := []string{"--tls", "end", "--cert", cert, "--key", key}
	if own := os.Getenv(suiteRelayVariable); own != "" {
		more = strings.Fields(own)
	}
	l.server, l.relay = s, startRecorder(l.t, append(args, more...)...)
	l.ports = relayedPorts(l.t, l.relay)
}

func (l *lane) beginDirect() {
	if l.direct == nil {
		l.direct = l.suite.Server(l.t, l.suite.Options(l.options))
	}
}

// end ends the servers and the relay.
func (l *lane) end() {
	if l.server != nil {
		l.stale(l.server)
	}
	if l.direct != nil {
		l.stale(l.direct)
	}
}

// endRelay ends the relay, which must have lived until now and have recorded a
// whole capture.
func (l *lane) endRelay() {
	l.relay.stop()
	l.count(eventsOf(l.t, l.relay.dir))
	os.RemoveAll(l.relay.dir)
	l.server, l.relay = nil, nil
}

// count counts what was recorded, and shows the first gaps with the command
// before each.
func (l *lane) count(events []session.Event) {
	if l.gaps == nil {
		l.gaps = map[string]int{}
	}
	last := map[uint64]string{}
	for _, e := range events {
		switch e := e.(type) {
		case *session.Command:
			l.commands++
			last[e.ID] = fmt.Sprintf("%v %.80q", e.Kind, e.SQL)
		case *session.Gap:
			l.gaps[fmt.Sprint(e.Reason)]++
			if l.shown++; l.shown <= gapsShown {
				l.t.Logf("gap: %v, %s, client %t, after %s", e.Reason, e.Detail, e.Client, last[e.ID])
			}
		}
	}
}

// relayedPorts returns the ports of the relay's two listeners.
func relayedPorts(t *testing.T, r *recorder) [2]int {
	t.Helper()
	var ports [2]int
	found := regexp.MustCompile(`(\S+:\d+) to `).FindAllStringSubmatch(r.errs.String(), -1)
	if len(found) != len(ports) {
		t.Fatalf("no two addresses in %q", r.errs)
	}
	for i, m := range found {
		_, port, err := net.SplitHostPort(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if ports[i], err = strconv.Atoi(port); err != nil {
			t.Fatal(err)
		}
	}
	return ports
}

// listLine is a line of testdata/suite: "+ NAME" is of the small choice, "NAME"
// and "@ NAME" of the whole, the latter with its own options, "- NAME: WHY" of
// neither.
var listLine = regexp.MustCompile(`^([-+@]?) ?([^ :#]+)(: .+)?$`)

// chooseScripts reads a list of testdata/suite.
func chooseScripts(t *testing.T, list string, v variant) []chosen {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "suite", list+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	choice := os.Getenv(suiteVariable)
	named := strings.Split(choice, ",")
	var all []chosen
	small := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := listLine.FindStringSubmatch(line)
		if m == nil || (m[1] == "-") != (m[3] != "") {
			t.Fatalf("%s.txt: bad line %q", list, line)
		}
		mark, name := m[1], m[2]
		take := false
		switch {
		case choice == "all" && v.every == 0:
			take = mark != "-"
		case choice != "" && choice != "all":
			take = slices.Contains(named, name)
		case mark == "+":
			small++
			take = v.every == 0 || choice == "all" || small%v.every == 0
		}
		if take {
			all = append(all, chosen{mysqltest.Script(name), mark == "@"})
		}
	}
	return all
}

// firstDifference shows where two outputs part.
func firstDifference(relayed, direct string) string {
	a, b := strings.Split(relayed, "\n"), strings.Split(direct, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: %.200q relayed, %.200q direct", i+1, a[i], b[i])
		}
	}
	if len(a) == len(b) {
		return "the same output"
	}
	return fmt.Sprintf("%d lines relayed, %d direct", len(a), len(b))
}
