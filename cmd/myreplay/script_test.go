package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"myreplay/classic/classictest"
	"myreplay/flow"
	"myreplay/packet/packettest"
)

// rewriting tells whether the expected outputs are written anew. The flag is
// datadriven's.
func rewriting() bool {
	f := flag.Lookup("rewrite")
	return f != nil && f.Value.String() == "true"
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"myreplay": main,
	})
}

// TestScripts runs the command as a user would; testdata/script has a file a
// verb. Besides testscript's commands there are:
//
//	pcap FILE [join=N] [lose=N,...] SCRIPT...
//	    writes packets of conversations in classictest's language, one
//	    connection a script, all at once; without the first N messages, or
//	    without the packets with these numbers
//	fake NAME SCRIPT
//	    starts a fake server that plays a script; $NAME is its address
//	cut FILE N
//	    cuts N bytes off the end of a file
//	damage FILE AT
//	    changes the byte at a place
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: rewriting(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("MYSQL_PWD", "")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TZ", "UTC")
			e.Values["t"] = e.T()
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pcap": pcapCommand,
			"fake": func(ts *testscript.TestScript, _ bool, args []string) {
				s := &classictest.Server{Script: ts.ReadFile(args[1])}
				ts.Setenv(args[0], s.Listen(t))
			},
			"cut": func(ts *testscript.TestScript, _ bool, args []string) {
				b, n := ts.ReadFile(args[0]), 0
				fmt.Sscan(args[1], &n)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b[:len(b)-n]), 0o600))
			},
			"damage": func(ts *testscript.TestScript, _ bool, args []string) {
				b, n := []byte(ts.ReadFile(args[0])), 0
				fmt.Sscan(args[1], &n)
				b[n] ^= 0x55
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
			},
		},
	})
}

func pcapCommand(ts *testscript.TestScript, _ bool, args []string) {
	file := args[0]
	join, lose := 0, map[int]bool{}
	var scripts []string
	for _, a := range args[1:] {
		switch {
		case strings.HasPrefix(a, "join="):
			fmt.Sscanf(a, "join=%d", &join)
		case strings.HasPrefix(a, "lose="):
			for _, s := range strings.Split(a[5:], ",") {
				n := 0
				fmt.Sscan(s, &n)
				lose[n] = true
			}
		default:
			scripts = append(scripts, a)
		}
	}
	f, err := os.Create(ts.MkAbs(file))
	ts.Check(err)
	defer f.Close()
	w := packettest.NewWriter(f, packettest.Format{})
	var all []*packettest.Conversation
	for i, s := range scripts {
		all = append(all, conversationOf(ts, ts.ReadFile(s), i, join))
	}
	// The connections take turns, a packet each.
	for n := 0; ; n++ {
		done := true
		for _, c := range all {
			if n < len(c.Segments) {
				done = false
				if !lose[n] {
					ts.Check(w.Packet(c.Segments[n].At, c.Frame(&c.Segments[n])))
				}
			}
		}
		if done {
			break
		}
	}
	ts.Check(w.Flush())
}

// conversationOf makes the packets of a script.
func conversationOf(ts *testscript.TestScript, text string, n, join int) *packettest.Conversation {
	var script classictest.Script
	messages, err := script.Parse(text)
	ts.Check(err)
	c := packettest.NewConversation(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}), 40000), netip.MustParseAddrPort("10.0.9.9:3306"))
	c.Step = time.Millisecond
	c.At = c.At.Add(time.Duration(n) * 100 * time.Microsecond)
	if join == 0 {
		c.Open()
	}
	for i, m := range messages {
		side := flow.Client
		if m.Server {
			side = flow.Server
		}
		if i < join {
			c.Seq[side] += uint32(len(m.Bytes))
			continue
		}
		c.Send(side, m.Bytes)
	}
	c.Close(flow.Client)
	return c
}
