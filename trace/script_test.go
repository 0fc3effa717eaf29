package trace

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/classic/classictest"
	"myreplay/flow"
)

// tester is what *testing.T, *testing.F and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// piece is one step of a conversation as a source sees it.
type piece struct {
	kind flow.Kind
	side flow.Side
	data []byte
	lost uint64
}

// conversation reads a script into pieces: lines of classictest.Script, or of
// xScript when x. A line may begin with what became of its bytes on the way:
//
//	lost ...         all of them are missing
//	lost:A-B ...     bytes A to B (not included) are missing
//	unseen ...       said before the source began
//
// "tls" is where TLS begins that the source ends.
func conversation(t tester, x bool, text string) (list []piece, joined bool) {
	var cs classictest.Script
	var xs xScript
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line == "tls" {
			list = append(list, piece{kind: flow.TLS})
			continue
		}
		fate := ""
		if w, rest, _ := strings.Cut(line, " "); w != "C" && w != "S" {
			fate, line = w, rest
		}
		var server bool
		var b []byte
		var err error
		if x {
			server, b, err = xs.line(line)
		} else {
			var m classictest.Message
			m, err = cs.Line(line)
			server, b = m.Server, m.Bytes
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if fate == "unseen" {
			joined = true
			continue
		}
		side := flow.Client
		if server {
			side = flow.Server
		}
		list = append(list, pieces(t, side, b, fate)...)
	}
	return list, joined
}

// pieces returns what is left of the bytes of a line.
func pieces(t tester, side flow.Side, b []byte, fate string) (list []piece) {
	n := len(b)
	from, to := n, n
	switch {
	case fate == "lost":
		from = 0
	case strings.HasPrefix(fate, "lost:"):
		if _, err := fmt.Sscanf(fate, "lost:%d-%d", &from, &to); err != nil || to > n || from > to {
			t.Fatalf("%s: the message has %d bytes", fate, n)
		}
	}
	if from > 0 {
		list = append(list, piece{flow.Data, side, b[:from], 0})
	}
	if to > from {
		list = append(list, piece{flow.Gap, side, nil, uint64(to - from)})
	}
	if to < n {
		list = append(list, piece{flow.Data, side, b[to:], 0})
	}
	return list
}

// run traces pieces as one connection, data cut into chunks by cut, and hands
// every message to each.
func run(t tester, o Options, list []piece, joined bool, cut func(n int) int, each func(*Message)) {
	conn := &flow.Conn{ID: 7, Joined: joined, Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:3306")}
	tr := New(o)
	const at = 1_700_000_000_123_456_789
	send := func(c flow.Chunk) {
		c.Conn, c.At = conn, at
		if err := tr.Chunk(&c, func(m *Message) error { each(m); return nil }); err != nil {
			t.Fatalf("%v", err)
		}
	}
	send(flow.Chunk{Kind: flow.Open})
	var scratch []byte
	for _, p := range list {
		for data := p.data; len(data) > 0; {
			n := cut(len(data))
			// The tracer may not keep what it borrows: give it memory that changes.
			scratch = append(scratch[:0], data[:n]...)
			send(flow.Chunk{Kind: flow.Data, Side: p.side, Data: scratch})
			for i := range scratch {
				scratch[i] = 0xaa
			}
			data = data[n:]
		}
		switch p.kind {
		case flow.Gap:
			send(flow.Chunk{Kind: flow.Gap, Side: p.side, Lost: p.lost, Reason: flow.Lost})
		case flow.TLS:
			send(flow.Chunk{Kind: flow.TLS})
		}
	}
	send(flow.Chunk{Kind: flow.Close, Reason: flow.Finished})
	if len(tr.conns) != 0 {
		t.Errorf("the connection is still known after its end")
	}
}

func whole(n int) int { return n }

// lines traces pieces and returns the lines.
func lines(t tester, o Options, list []piece, joined, verbose, asJSON bool, cut func(n int) int) []string {
	var out []string
	run(t, o, list, joined, cut, func(m *Message) {
		line := string(m.AppendLine(nil, verbose))
		if asJSON {
			b, err := m.MarshalJSON()
			if err != nil || !json.Valid(b) {
				t.Fatalf("%v: %s", err, b)
			}
			line = string(b)
		}
		checkPrintable(t, line)
		out = append(out, line)
	})
	return out
}

// TestScripts traces the conversations in testdata. The command is the protocol,
// with -v for verbose lines and json for JSON. Every conversation is traced again
// in single bytes and in threes: the lines must be the same.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			verbose, asJSON := td.HasArg("v"), td.HasArg("json")
			o := Options{Detail: verbose || asJSON, Connections: td.HasArg("connections")}
			td.MaybeScanArgs(t, "max", &o.MaxValue)
			var force string
			if td.MaybeScanArgs(t, "protocol", &force); force != "" {
				o.Protocol = map[string]Protocol{"x": X, "classic": Classic}[force]
			}
			list, joined := conversation(t, td.Cmd == "x", td.Input)
			want := strings.Join(lines(t, o, list, joined, verbose, asJSON, whole), "\n")
			for _, n := range []int{1, 3} {
				got := strings.Join(lines(t, o, list, joined, verbose, asJSON, func(left int) int { return min(n, left) }), "\n")
				if got != want {
					t.Errorf("%s: in pieces of %d bytes the lines differ:\n%s\nwhole:\n%s", td.Pos, n, got, want)
				}
			}
			return strings.ReplaceAll(want, "22:13:20.123456  s7  ", "") + "\n"
		})
	})
}
