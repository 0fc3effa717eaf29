package tidy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// room is a package's place in the house.
type room struct {
	floor   int
	dir     string // folder below the root of the repository
	imports string // the packages of the project that it may import
	what    string // what it is for: why it needs no others
}

// house is the whole house. Imports go down only and never in a circle. The
// recording wing (packet, decode, relay, capture) and the replaying wing
// (order, replay, target) never import each other: they meet in session (the
// words) and capfile (the paper), and mirror joins them.
var house = []room{
	{0, "wire", "", "integers and strings of the MySQL wire; everything stands on it"},
	{0, "flow", "", "chunks of connections; it knows no protocol and no socket"},
	{0, "session", "", "what a client and a server said; it knows no protocol"},
	{0, "sqltext", "wire", "a scanner of SQL text; it knows no session"},
	{1, "preface", "wire", "what comes before MySQL's bytes or instead of them; it knows no protocol of MySQL's"},
	{0, "schema", "", "what a data dictionary says of tables; it knows no server and no text"},
	{0, "clientip", "", "connects from other addresses than this host's own; it knows no protocol"},
	{0, "tlsmode", "", "TLS as MySQL's clients ask for it; it knows no protocol"},

	{1, "classic", "wire", "messages of the classic protocol; a pure codec"},
	{1, "xproto", "wire", "messages of the X Protocol; a pure codec"},
	{1, "packet", "flow", "packets to chunks; it knows no protocol above TCP"},
	{1, "capfile", "session wire", "events on disk; the same for every protocol"},
	{1, "compare", "session sqltext", "recorded reply against replayed reply; pure"},
	{1, "dialect", "session sqltext", "how each session's text is to be read; shared by capture, replay and report"},
	{2, "feed", "capfile session", "events from one machine to another; it does not care what is done with them"},
	{1, "binlog", "wire", "which connection committed when; from a server's log files alone"},
	{1, "probe", "session schema", "asks a server about itself and its sessions"},

	{2, "outcome", "classic xproto session wire", "reads a reply's frames into a session.Reply; shared by decode and target"},
	{2, "order", "session sqltext dialect schema classic xproto wire", "which command waits for which; from a recording alone"},
	{2, "gate", "flow classic xproto wire tlsmode", "takes a relayed connection through its login, ending TLS; it tells what passes and makes no events"},

	{3, "decode", "flow session classic xproto outcome wire preface", "chunks to events; it does not care where chunks come from"},
	{3, "relay", "flow gate preface clientip", "passes bytes on and tells what passed; it makes no events"},
	{3, "trace", "flow classic xproto sqltext wire preface", "names the messages that pass, for a reader; from chunks alone"},
	{3, "target", "session classic xproto outcome wire tlsmode", "commands to a live server; it does not care where commands come from"},
	{3, "replay", "session order probe sqltext dialect schema", "when, in what order, how many at once; it knows no protocol"},
	{3, "report", "compare session sqltext dialect", "differences and timings for a reader; from two captures alone"},

	{4, "capture", "flow decode probe session sqltext dialect", "source to decoder to sink; it knows neither packets nor files"},
	{5, "mirror", "capture replay compare report session outcome", "a live capture that feeds a replay; the one place that joins the wings"},
	{6, "cmd/myreplay", "*", "flags in, exit code out; it alone wires rooms"},

	{0, "internal/mysqltest", "wire classic", "servers and clients for tests; the tests of every room use it"},
	{0, "internal/netlab", "internal/mysqltest", "network namespaces for tests"},
	{0, "internal/mysqltest/serve", "internal/mysqltest", "a server for people and benchmarks"},
	{0, "internal/fidelity", "internal/mysqltest", "how faithful replays are; it runs myreplay as a user would"},
	{0, "internal/tidy", "", "the rules of the house"},
}

// roomOf returns the room of a folder. A test package "P/Ptest" stands beside
// its room P: it may import P and what P may.
func roomOf(dir string) (room, bool) {
	for _, r := range house {
		if r.dir == dir {
			return r, true
		}
		if dir == r.dir+"/"+path.Base(r.dir)+"test" {
			beside := r
			beside.dir = dir
			beside.imports = strings.TrimSpace(r.imports + " " + r.dir)
			beside.what = "helps the tests of " + r.dir + " and of the rooms above"
			return beside, true
		}
	}
	return room{}, false
}

// testOnly tells whether only tests may use the package in dir.
func testOnly(dir string) bool {
	return strings.HasPrefix(dir, "internal/") || isTestPackage(dir)
}

func isTestPackage(dir string) bool {
	return path.Base(dir) == path.Base(path.Dir(dir))+"test"
}

// mayImport tells whether the room may import the project's package in dir.
func (r room) mayImport(dir string) bool {
	list := strings.Fields(r.imports)
	switch {
	case slices.Contains(list, dir):
		return true
	case isTestPackage(r.dir):
		// The test packages of the rooms that it may use, and the servers.
		return dir == "internal/mysqltest" || isTestPackage(dir) && slices.Contains(list, path.Dir(dir))
	default:
		return r.imports == "*" && !testOnly(dir)
	}
}

// checkFloors checks the project's packages that a file imports.
func (c *checker) checkFloors(r room, f goFile) {
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		dir, ours := strings.CutPrefix(imported, module+"/")
		if err != nil || !ours || r.mayImport(dir) {
			continue
		}
		c.add(f.name, f.line(spec.Pos()), "%s", r.refusal(dir))
	}
}

// refusal tells why the room may not import dir.
func (r room) refusal(dir string) string {
	if testOnly(dir) {
		return fmt.Sprintf("%s must not import %s: only _test.go files and test packages may, since it is for tests", r.dir, dir)
	}
	list := strings.Join(strings.Fields(r.imports), ", ")
	if list == "" {
		list = "nothing of the project"
	}
	return fmt.Sprintf("%s must not import %s: imports go down only, along the arrows of the house; %s (%s) imports %s",
		r.dir, dir, r.dir, r.what, list)
}
