package xproto

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestState tells a State the messages of the lines, "C NAME what" and "S NAME
// what", and shows what it makes of them.
func TestState(t *testing.T) {
	datadriven.RunTest(t, "testdata/state", func(t *testing.T, d *datadriven.TestData) string {
		var s State
		var out strings.Builder
		for line := range strings.Lines(d.Input) {
			words := strings.Fields(line)
			before := s
			before.queue = slices.Clone(s.queue)
			told, err := tell(&s, words)
			switch {
			case err != nil:
				told = "error: " + err.Error()
				if s.Phase != before.Phase || s.Waiting() != before.Waiting() {
					told += " AND CHANGED"
				}
			case told != "":
			default:
				told = "waits"
			}
			fmt.Fprintf(&out, "%s: %s; %s, %d waiting%s%s%s\n", strings.TrimSpace(line), told, phaseName(s.Phase), s.Waiting(),
				mark(s.Known, ", known"), mark(s.Encrypted, ", encrypted"), mark(s.Compressed != 0, ", "+s.Compressed.String()))
		}
		return out.String()
	})
}

func tell(s *State, words []string) (string, error) {
	switch words[0] {
	case "TLSDone":
		s.TLSDone()
		return "done", nil
	case "Join":
		s.Join()
		return "done", nil
	case "Resync":
		s.Resync()
		return "done", nil
	case "C":
		f := clientFrame(words[1], words[2:])
		return "", s.Client(&f)
	}
	f := serverFrame(words[1], words[2:])
	to, done, answers, err := s.Server(&f)
	switch {
	case err != nil:
		return "", err
	case !answers:
		return "by itself", nil
	case done:
		return "ends the reply to " + to.String(), nil
	}
	return "in the reply to " + to.String(), nil
}

func clientFrame(name string, what []string) (f Frame) {
	for kind := range 256 {
		if ClientMessage(kind).String() == name {
			f.Type = byte(kind)
		}
	}
	var set CapabilitiesSet
	for _, w := range what {
		switch {
		case w == "broken":
			f.Payload = []byte{0xff}
		case w == "cut":
			f.Cut = true
		case w == "keep":
			f.Payload = (&Reset{KeepOpen: true}).Append(nil)
		case w == "tls":
			set.Capabilities.List = append(set.Capabilities.List, Field{CapabilityTLS, Truth(true)})
		case w == "tls=off":
			set.Capabilities.List = append(set.Capabilities.List, Field{CapabilityTLS, Truth(false)})
		default:
			v := Any{IsObject: true, Object: []Field{{"algorithm", Text(w)}}}
			set.Capabilities.List = append(set.Capabilities.List, Field{CapabilityCompression, v})
		}
	}
	if len(set.Capabilities.List) > 0 {
		f.Payload = set.Append(nil)
	}
	return f
}

func serverFrame(name string, what []string) (f Frame) {
	f.Type = 250
	for kind := range 250 {
		if ServerMessage(kind).String() == name {
			f.Type = byte(kind)
		}
	}
	switch {
	case name == "NOTICE" && len(what) > 0:
		f.Payload = pb{}.num(1, uint64(NoticeServerHello))
	case name == "NOTICE":
		f.Payload = pb{}.num(1, uint64(NoticeWarning)).num(2, 2)
	case name == "ERROR":
		e := Error{Fatal: len(what) > 0, Code: 1, State: "HY000"}
		f.Payload = e.Append(nil)
	}
	return f
}

// TestStateQueue is about memory: a connection on which something always waits
// does not grow, and one on which nobody answers is given up.
func TestStateQueue(t *testing.T) {
	var s State
	s.Join()
	ask := Frame{Type: byte(SQLStmtExecute)}
	ok := Frame{Type: byte(StmtExecuteOK)}
	if err := s.Client(&ask); err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		if err := s.Client(&ask); err != nil {
			t.Fatal(err)
		}
		if _, done, _, err := s.Server(&ok); !done || err != nil {
			t.Fatal(done, err)
		}
	}
	if s.Waiting() != 1 || cap(s.queue) > 16 {
		t.Errorf("%d waiting in a queue of %d", s.Waiting(), cap(s.queue))
	}
	for range maxPending - 1 {
		if err := s.Client(&ask); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Client(&ask); err == nil {
		t.Error("no limit")
	}
}

// FuzzState feeds both sides of a connection, the first byte of each piece saying
// whose it is.
func FuzzState(f *testing.F) {
	hello := AppendFrame([]byte{1}, byte(Notice), pb{}.num(1, 5))
	get := AppendFrame([]byte{0}, byte(ConCapabilitiesGet), nil)
	f.Add(hello, get, AppendFrame([]byte{1}, byte(ConnCapabilities), nil))
	set := clientFrame("CON_CAPABILITIES_SET", []string{"lz4_message"})
	f.Add(AppendFrame([]byte{0}, set.Type, set.Payload), AppendFrame([]byte{1}, byte(OK), nil), get)
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		var s State
		framers := [2]Framer{{Limit: 1 << 16}, {Limit: 1 << 16}}
		compressed := Uncompressed
		for _, piece := range [][]byte{a, b, c} {
			if len(piece) == 0 {
				continue
			}
			side := piece[0] & 1
			framers[side].Feed(piece[1:])
			var x Frame
			for n := 0; n < 1000; n++ {
				ok, err := framers[side].Next(&x)
				if err != nil || !ok {
					break
				}
				if side == 0 {
					err = s.Client(&x)
				} else {
					_, _, _, err = s.Server(&x)
				}
				if err != nil {
					s.Resync()
				}
				if s.Phase == InTLS {
					s.TLSDone()
				}
				if s.Compressed != compressed {
					compressed = s.Compressed
					framers[0].SetCompression(compressed, byte(ClientCompression))
					framers[1].SetCompression(compressed, byte(ServerCompression))
				}
			}
		}
		if s.Waiting() < 0 || s.Waiting() > maxPending {
			t.Fatalf("%d waiting", s.Waiting())
		}
	})
}
