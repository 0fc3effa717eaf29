package decode

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/classic/classictest"
	"myreplay/flow"
	"myreplay/session"
)

// piece is one step of a conversation as a source sees it.
type piece struct {
	kind flow.Kind
	side flow.Side
	data []byte
	lost uint64
	at   int64
}

// without returns the pieces that are left of p when its bytes from..to are lost.
func (p piece) without(from, to int) (list []piece) {
	if from > 0 {
		list = append(list, piece{side: p.side, kind: flow.Data, data: p.data[:from], at: p.at})
	}
	if to > from {
		list = append(list, piece{side: p.side, kind: flow.Gap, lost: uint64(to - from), at: p.at})
	}
	if to < len(p.data) {
		list = append(list, piece{side: p.side, kind: flow.Data, data: p.data[to:], at: p.at})
	}
	return list
}

// conversation reads a script of classictest lines into pieces. A line may
// begin with what became of its bytes on the way to us:
//
//	lost ...         all of them are missing
//	lost:A-B ...     bytes A to B (not included) are missing
//	unseen ...       said before the recording began
func conversation(t testing.TB, text string) (list []piece, joined bool) {
	var s classictest.Script
	return pieces(t, text, s.Line)
}

// pieces reads lines into pieces; message makes one of them into bytes. A line
// "tls" stands for flow.TLS.
func pieces(t testing.TB, text string, message func(line string) (classictest.Message, error)) (list []piece, joined bool) {
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
		m, err := message(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		side := flow.Client
		if m.Server {
			side = flow.Server
		}
		n := len(m.Bytes)
		from, to := n, n
		switch {
		case fate == "unseen":
			joined = true
			continue
		case fate == "lost":
			from = 0
		case strings.HasPrefix(fate, "lost:"):
			if _, err := fmt.Sscanf(fate, "lost:%d-%d", &from, &to); err != nil || to > n || from > to {
				t.Fatalf("%s: message has %d bytes", fate, n)
			}
		}
		list = append(list, piece{side: side, data: m.Bytes, at: int64(len(list))}.without(from, to)...)
	}
	return list, joined
}

// run decodes pieces, cutting data into chunks of at most cut bytes (0: as they
// are), and returns the events as lines.
func run(t testing.TB, o Options, list []piece, conn *flow.Conn, cut func(n int) int) []string {
	d := New(NewShared(o))
	var lines []string
	emit := func(e session.Event) error {
		if all := fmt.Sprintf("%+v", e) + everything(e); strings.Contains(all, "CANARY") {
			t.Errorf("a secret is in %s", all)
		}
		lines = append(lines, session.Line(e))
		return nil
	}
	at := int64(0)
	send := func(c flow.Chunk) {
		c.Conn, c.At = conn, at
		at += 1000
		if err := d.Decode(&c, emit); err != nil {
			t.Fatal(err)
		}
	}
	send(flow.Chunk{Kind: flow.Open})
	var scratch []byte
	for _, p := range list {
		for data := p.data; len(data) > 0; {
			n := cut(len(data))
			// The decoder may not keep what it borrows: give it memory that changes.
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
	return lines
}

// everything returns the bytes of an event that Sprintf hides behind pointers.
func everything(e session.Event) string {
	switch e := e.(type) {
	case *session.Start:
		return fmt.Sprintf("%+v", e.Refused)
	case *session.Command:
		return string(e.Payload) + string(e.SQL) + fmt.Sprintf("%+v", e.Login)
	case *session.Reply:
		s := ""
		for _, r := range e.Results {
			s += fmt.Sprintf("%+v%s", r.Error, r.Kept)
		}
		return s
	}
	return ""
}

// classicConn and xConn are connections to the ports of the two protocols.
func classicConn(joined bool) *flow.Conn { return &flow.Conn{ID: 1, Joined: joined} }

func xConn(joined bool) *flow.Conn {
	return &flow.Conn{ID: 1, Joined: joined, Server: netip.MustParseAddrPort("127.0.0.1:33060")}
}

func whole(n int) int { return n }

// TestScripts decodes the conversations in testdata. Every one is decoded again
// cut into single bytes and into threes: the events must be the same (the law
// "split").
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			o := Options{}
			o.Seed = 1
			td.MaybeScanArgs(t, "limit", &o.CommandLimit)
			td.MaybeScanArgs(t, "memory", &o.Memory)
			read, conn := conversation, classicConn
			if td.Cmd == "decode-x" {
				read, conn = xConversation, xConn
			}
			list, joined := read(t, td.Input)
			lines := run(t, o, list, conn(joined), whole)
			if o.Memory == 0 {
				for _, n := range []int{1, 3} {
					cut := run(t, o, list, conn(joined), func(left int) int { return min(n, left) })
					if got, want := strings.Join(cut, "\n"), strings.Join(lines, "\n"); got != want {
						t.Errorf("%s: cut into pieces of %d bytes the events differ:\n%s\nwhole:\n%s", td.Pos, n, got, want)
					}
				}
			}
			return strings.Join(lines, "\n") + "\n"
		})
	})
}
