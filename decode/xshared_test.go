package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"myreplay/flow"
	"myreplay/packet"
	"myreplay/session"
	"myreplay/xproto"
)

// sharedX is where the recordings of real clients and servers are, with the port
// of their servers, and what is known of them: how many messages another decoder
// read in the last connection (0: not known; in the first of x_raw_plain, before
// TLS, there are 3), and the commands of that connection by their kinds.
var sharedX = []struct {
	name     string
	messages int
	commands map[session.Kind]int
}{
	{"x_xdevapi_plain", 1172, map[session.Kind]int{session.Query: 18, session.PluginCommand: 2, session.Find: 3, session.Insert: 2,
		session.Update: 3, session.Delete: 2, session.Prepare: 1, session.Execute: 3, session.CloseConnection: 1}},
	{"x_raw_plain", 228 - 3, map[session.Kind]int{session.Query: 20, session.PluginCommand: 7, session.Prepare: 2, session.Execute: 2,
		session.Deallocate: 3, session.OpenCursor: 1, session.FetchCursor: 3, session.CloseCursor: 1, session.OpenExpect: 4,
		session.CloseExpect: 4, session.ResetConnection: 1, session.Other: 1, session.CloseSession: 1, session.ChangeUser: 1,
		session.CloseConnection: 1}},
	{"x_raw_deflate_stream", 0, map[session.Kind]int{session.Query: 2, session.CloseConnection: 1}},
	{"x_raw_zstd_stream", 0, map[session.Kind]int{session.Query: 1, session.CloseConnection: 1}},
	{"x_raw_lz4_message", 0, map[session.Kind]int{session.Query: 1, session.CloseConnection: 1}},
	{"x_xdevapi_tls", 0, nil},
}

// connections reads a recording into the pieces of each connection.
func connections(t *testing.T, name string) (list [][]piece) {
	path := filepath.Join("..", "..", "shared", "captures", "own", name+".pcap")
	if found, _ := filepath.Glob(path); len(found) == 0 {
		t.Skip("the recordings of real clients are not beside the project")
	}
	src, err := packet.OpenFiles([]string{path}, packet.Options{Ports: []uint16{23060, 23072}})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	numbers := map[*flow.Conn]int{}
	var c flow.Chunk
	for {
		switch err := src.Read(&c); {
		case errors.Is(err, io.EOF):
			return list
		case err != nil:
			t.Fatal(err)
		}
		switch c.Kind {
		case flow.Open:
			numbers[c.Conn] = len(list)
			list = append(list, nil)
		case flow.Data:
			n := numbers[c.Conn]
			list[n] = append(list[n], piece{kind: flow.Data, side: c.Side, data: bytes.Clone(c.Data), at: c.At})
		case flow.Gap:
			t.Fatalf("%s has a gap", name)
		}
	}
}

// TestXShared decodes recordings of real clients with a real server.
func TestXShared(t *testing.T) {
	for _, s := range sharedX {
		t.Run(s.name, func(t *testing.T) {
			var last []session.Event
			list := connections(t, s.name)
			for _, c := range list {
				last = events(t, c, xConn(false))
			}
			kinds := map[session.Kind]int{}
			replies := 0
			for _, e := range last {
				switch e := e.(type) {
				case *session.Command:
					kinds[e.Kind]++
					if slices.Contains([]session.Kind{session.Query, session.Find, session.Insert, session.Update, session.Delete,
						session.PluginCommand, session.Prepare}, e.Kind) && e.SQL == nil {
						t.Errorf("no SQL: %s", session.Line(e))
					}
				case *session.Reply:
					replies++
					for _, r := range e.Results {
						if r.Outcome == session.Rows && !r.Digest.Valid {
							t.Errorf("rows that can't be read: %s", session.Line(e))
						}
					}
				case *session.Gap:
					if s.commands != nil || e.Reason != session.Encrypted {
						t.Errorf("%s", session.Line(e))
					}
				}
			}
			for k := range session.KindCount {
				if kind := session.Kind(k); kinds[kind] != s.commands[kind] {
					t.Errorf("%d commands %s, want %d", kinds[kind], kind, s.commands[kind])
				}
			}
			sum := 0
			for _, n := range kinds {
				sum += n
			}
			if replies != sum {
				t.Errorf("%d replies to %d commands", replies, sum)
			}
			if n := messages(t, list[len(list)-1]); s.messages > 0 && n != s.messages {
				t.Errorf("%d messages, another decoder reads %d", n, s.messages)
			}
		})
	}
}

// messages counts the messages of a connection that is neither compressed nor
// encrypted, and checks that they have the fields that the table has.
func messages(t *testing.T, list []piece) (n int) {
	var framers [2]xproto.Framer
	for _, p := range list {
		framers[p.side].Feed(p.data)
		for {
			var f xproto.Frame
			more, err := framers[p.side].Next(&f)
			if err != nil || !more {
				break
			}
			n++
			body, known := clientBodies[xproto.ClientMessage(f.Type)]
			if p.side == flow.Server {
				body, known = serverBodies[xproto.ServerMessage(f.Type)]
			}
			if known && !strict(body, f.Payload, false) {
				t.Errorf("%s's message %d has other fields: %x", p.side, f.Type, f.Payload)
			}
		}
	}
	return n
}

// TestXSharedLoss loses every piece of real conversations, whole and in part, and
// begins to read at every one.
func TestXSharedLoss(t *testing.T) {
	for _, s := range sharedX {
		t.Run(s.name, func(t *testing.T) {
			all := connections(t, s.name)
			list := all[len(all)-1]
			want := events(t, list, xConn(false))
			total, kept, tries, most := len(pick(want)), 0, 0, 0
			for i, p := range list {
				n := len(p.data)
				for _, cut := range [][2]int{{0, n}, {0, 1}, {n / 2, n/2 + 1}, {n / 3, n}} {
					damaged := slices.Concat(list[:i], p.without(cut[0], cut[1]), list[i+1:])
					got := events(t, damaged, xConn(false))
					check(fatal{t, fmt.Sprintf("piece %d without %v", i, cut)}, got, want)
					kept += len(pick(got))
					tries++
				}
				if i > 0 {
					got := events(t, list[i:], xConn(true))
					check(fatal{t, fmt.Sprintf("from piece %d on", i)}, got, want)
					most = max(most, len(pick(got)))
				}
			}
			if total > 0 {
				t.Logf("%d pieces, %d commands; %.1f%% of them are left when one is damaged; at most %d when joined", len(list), total, 100*float64(kept)/float64(tries*total), most)
			}
			if kept < tries*total*8/10 && total > 5 {
				t.Errorf("of %d commands only %d are left on average", total, kept/tries)
			}
		})
	}
}

// pick returns the commands among events.
func pick(list []session.Event) (commands []*session.Command) {
	for _, e := range list {
		if c, ok := e.(*session.Command); ok {
			commands = append(commands, c)
		}
	}
	return commands
}

// fatal says what was lost before what is wrong.
type fatal struct {
	t    *testing.T
	what string
}

func (f fatal) Fatalf(format string, args ...any) {
	f.t.Helper()
	f.t.Fatalf(f.what+": "+format, args...)
}
