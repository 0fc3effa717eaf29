package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"myreplay/classic"
	"myreplay/classic/classictest"
	"myreplay/flow"
	"myreplay/packet/packettest"
	"myreplay/session"
)

// memoryBound is what a capture may hold at once, whatever comes.
const memoryBound = 150 << 20

// bounded checks that a command did not panic and what it held at once.
func (e ended) bounded(t testing.TB, memory int64) {
	t.Helper()
	if strings.Contains(e.errs, "panic") || strings.Contains(e.errs, "goroutine ") {
		t.Errorf("panic: %s", e.errs)
	}
	if e.memory > memory {
		t.Errorf("it held %d MiB", e.memory>>20)
	}
}

// TestOtherProtocols captures live what is not MySQL: HTTP, HTTPS, and a
// protocol of random bytes. Nothing of it becomes a command, and it is told.
func TestOtherProtocols(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("hello ", 1000)) })
	plain, secure, random := httptest.NewServer(answer), httptest.NewTLSServer(answer), listenRandom(t)
	defer plain.Close()
	defer secure.Close()
	var ports []string
	for _, a := range []net.Addr{plain.Listener.Addr(), secure.Listener.Addr(), random} {
		_, port, _ := net.SplitHostPort(a.String())
		ports = append(ports, port)
	}
	r := recordPort(t, "", strings.Join(ports, ","))
	fetch(t, plain.Client(), plain.URL)
	fetch(t, secure.Client(), secure.URL)
	talkRandom(t, random.String())
	plain.CloseClientConnections()
	secure.CloseClientConnections()
	memory := maxMemory(r.process.Pid())
	summary := r.stop()
	events := eventsOf(t, r.dir)
	if n := len(pick[*session.Command](events)); n != 0 {
		t.Errorf("%d commands in what is not MySQL: %s", n, session.Line(pick[*session.Command](events)[0]))
	}
	if !strings.Contains(summary, "3 connections without a readable session") {
		t.Errorf("the summary does not tell of three other protocols:\n%s", summary)
	}
	ended{errs: summary, memory: memory}.bounded(t, memoryBound)
}

func fetch(t *testing.T, c *http.Client, url string) {
	t.Helper()
	for range 3 {
		resp, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// listenRandom starts a server that answers every read with random bytes.
func listenRandom(t *testing.T) net.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for b := make([]byte, 4096); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
			c.Write(randomBytes(2, 900))
		}
	}()
	return l.Addr()
}

func talkRandom(t *testing.T, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 20 {
		c.Write(randomBytes(1, 700))
		if _, err := io.ReadFull(c, make([]byte, 900)); err != nil {
			t.Fatal(err)
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// TestBadPacketFiles captures from files that are not what they should be: exit
// code 2, and the file is named.
func TestBadPacketFiles(t *testing.T) {
	good := pcapOf(t, said("S greeting", "C login user=app", "S ok", "C query select 1", "S rows a:int | 1", "C quit"))
	huge := binary.LittleEndian.AppendUint64(make([]byte, 0, recordHead), 1)
	huge = binary.LittleEndian.AppendUint32(huge, 1<<32-1)
	huge = append(binary.LittleEndian.AppendUint32(huge, 1<<32-1), good...)
	block := binary.LittleEndian.AppendUint32(nil, 0x0a0d0d0a)
	block = binary.LittleEndian.AppendUint32(block, 1<<32-4)
	block = append(binary.LittleEndian.AppendUint32(block, 0x1a2b3c4d), good...)
	for name, c := range map[string]struct {
		bytes []byte
		// commands are those before the fault.
		commands int
	}{
		"empty":                    {nil, 0},
		"shorter than its head":    {good[:10], 0},
		"text":                     {[]byte(strings.Repeat("this is no packet file\n", 100)), 0},
		"cut in a packet":          {good[:len(good)-20], 2},
		"a packet of 2^32-1 bytes": {append(good[:len(good):len(good)], huge...), 2},
		"a first packet of 2^32-1": {append(good[:pcapHead:pcapHead], huge...), 0},
		"a block of 2^32-4 bytes":  {block, 0},
		"gzip of nothing":          {[]byte{0x1f, 0x8b, 8, 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			file, dir := filepath.Join(t.TempDir(), "bad.pcap"), filepath.Join(t.TempDir(), "capture")
			if err := os.WriteFile(file, c.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			e := myreplay(t, "capture", "--read", file, "-o", dir)
			e.bounded(t, memoryBound)
			if e.code != exitFailed || !strings.Contains(e.errs, "bad.pcap") {
				t.Errorf("exit code %d, %s", e.code, e.errs)
			}
			if _, err := os.Stat(dir); err == nil {
				if n := len(pick[*session.Command](eventsOf(t, dir))); n != c.commands {
					t.Errorf("%d commands were read before the fault, want %d", n, c.commands)
				}
			} else if c.commands > 0 {
				t.Error("what was whole was not recorded")
			}
		})
	}
}

// TestHostileSessions captures sessions in which one side lies about lengths.
// The rest of the recording is not harmed, and no memory is spent on it.
func TestHostileSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory, which the race detector multiplies: not in -short mode")
	}
	login := said("S greeting", "C login user=app", "S ok")
	packed := said("S greeting", "C login user=app with=COMPRESS", "S ok")
	for name, c := range map[string]struct {
		script string
		// more is sent by the client after the script.
		more []byte
	}{
		// A frame of 9 bytes: the lenenc integer 2^32 as a number of columns.
		"2^32 columns": {login + said("C query select 1", "S raw 09 00 00 01 fe 00 00 00 00 01 00 00 00", "S raw 01 00 00 02 00"), nil},
		// A column definition whose names claim 2^62 bytes.
		"a name of 2^62 bytes": {login + said("C query select 1", "S raw 01 00 00 01 01", "S raw 0c 00 00 02 03 64 65 66 fe 00 00 00 00 00 00 40"), nil},
		// A row whose value claims 2^63 bytes.
		"a value of 2^63 bytes": {login + said("C query select 1", "S rows a:int | 1", "C query select 2", "S raw 09 00 00 01 fe 00 00 00 00 00 00 00 80"), nil},
		// A frame that promises 16 MiB and does not come.
		"a frame that does not come": {login + said("C raw ff ff ff 00 03 41 42"), nil},
		"inflates to more than said": {packed, liar(t, 128<<20, 100)},
		"inflates to less than said": {packed, liar(t, 100, 1<<24-1)},
		"is not zlib":                {packed, append([]byte{0xe8, 3, 0, 0, 0xff, 0xff, 0xff}, randomBytes(3, 1000)...)},
	} {
		t.Run(name, func(t *testing.T) {
			e, events := captureHostile(t, c.script, c.more)
			e.bounded(t, memoryBound)
			checkHostile(t, e, events)
		})
	}
}

// TestBombs captures statements that take little on the wire and much once they
// are inflated. What is kept of them is bounded by --max-statement.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory, which the race detector multiplies: not in -short mode")
	}
	packed := said("S greeting", "C login user=app with=COMPRESS", "S ok")
	const frames = 6 // of 16 MiB: more than the default of --max-statement
	for name, c := range map[string]struct {
		more  []byte
		flags []string
		bound int64
	}{
		"with an end":           {bomb(t, frames, true), []string{"--max-statement", "4M"}, memoryBound},
		"without end":           {bomb(t, frames, false), []string{"--max-statement", "4M"}, memoryBound},
		"at the default limits": {bomb(t, frames, true), nil, 3 * memoryBound},
	} {
		t.Run(name, func(t *testing.T) {
			e, events := captureHostile(t, packed, c.more, c.flags...)
			e.bounded(t, c.bound)
			checkHostile(t, e, events)
			for _, cmd := range pick[*session.Command](events) {
				if cmd.Cut && (cmd.Size != frames*classic.MaxFrame || !strings.Contains(e.errs, "1 command longer than --max-statement")) {
					t.Errorf("a command of %d bytes was cut; %s", cmd.Size, e.errs)
				}
				if len(cmd.Payload) > 64<<10 {
					t.Errorf("%d bytes are kept of a command that can't be replayed", len(cmd.Payload))
				}
			}
		})
	}
}

// captureHostile captures a session of the script, after which the client sends
// more, and then a good session.
func captureHostile(t *testing.T, script string, more []byte, flags ...string) (ended, []session.Event) {
	t.Helper()
	good := said("S greeting", "C login user=good", "S ok", "C query select 'unharmed'", "S rows a:int | 1", "C quit")
	file, dir := filepath.Join(t.TempDir(), "hostile.pcap"), filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(file, pcapOf(t, script, string(more), good, ""), 0o600); err != nil {
		t.Fatal(err)
	}
	e := myreplay(t, append([]string{"capture", "--read", file, "-o", dir}, flags...)...)
	return e, eventsOf(t, dir)
}

// checkHostile checks that the good session is whole, and that something is
// said of the other one.
func checkHostile(t *testing.T, e ended, events []session.Event) {
	t.Helper()
	if e.code != exitSame {
		t.Errorf("exit code %d, %s", e.code, e.errs)
	}
	told, good := false, 0
	for _, e := range events {
		id, _ := e.Key()
		switch e := e.(type) {
		case *session.Gap:
			told = true
			if id == 2 {
				t.Errorf("a gap in the good session: %s", session.Line(e))
			}
		case *session.Reply:
			told = told || e.Lost
			good += len(e.Results) * int(id/2)
		case *session.Command:
			told = told || e.Cut
		}
	}
	if !told || good != 1 {
		t.Errorf("told of the hostile session: %v; %d results in the good one", told, good)
	}
}

// zlibFrame appends a compressed frame that holds plain and claims that it
// holds another number of bytes.
func zlibFrame(t *testing.T, dst []byte, seq byte, plain []byte, claimed int) []byte {
	t.Helper()
	var body bytes.Buffer
	z := zlib.NewWriter(&body)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(body.Len())|uint32(seq)<<24)
	dst = append(dst, byte(claimed), byte(claimed>>8), byte(claimed>>16))
	return append(dst, body.Bytes()...)
}

// liar is a query in a compressed frame that claims another length than n, that
// of what it holds.
func liar(t *testing.T, n, claimed int) []byte {
	plain := bytes.Repeat([]byte("a"), n)
	copy(plain, "\xff\xff\xff\x00\x03select")
	return zlibFrame(t, nil, 0, plain, claimed)
}

// bomb is a query that begins, and goes on for n frames of 16 MiB, of which
// each takes 16 KiB on the wire. A last frame ends it if ends is true.
func bomb(t *testing.T, n int, ends bool) []byte {
	body := bytes.Repeat([]byte("a"), classic.MaxFrame)
	body[0] = byte(classic.ComQuery)
	var out []byte
	for i := range n {
		out = zlibFrame(t, out, byte(2*i), []byte{0xff, 0xff, 0xff, byte(i)}, 4)
		out = zlibFrame(t, out, byte(2*i+1), body, len(body))
	}
	if ends {
		out = zlibFrame(t, out, byte(2*n), []byte{0, 0, 0, byte(n)}, 4)
	}
	return out
}

// said joins the lines of a conversation.
func said(list ...string) string { return strings.Join(list, "\n") + "\n" }

// pcapOf makes a packet file of conversations. Each is a script, and bytes that
// the client sends after it.
func pcapOf(t *testing.T, scripts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := packettest.NewWriter(&out, packettest.Format{})
	for i := 0; i < len(scripts); i += 2 {
		var script classictest.Script
		messages, err := script.Parse(scripts[i])
		if err != nil {
			t.Fatal(err)
		}
		if i+1 < len(scripts) && scripts[i+1] != "" {
			messages = append(messages, classictest.Message{Bytes: []byte(scripts[i+1])})
		}
		c := packettest.NewConversation(netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:40000", i+1)), netip.MustParseAddrPort("10.0.9.9:3306"))
		c.MSS = 60_000
		c.Open()
		for _, m := range messages {
			side := flow.Client
			if m.Server {
				side = flow.Server
			}
			c.Send(side, m.Bytes)
		}
		c.Ack(flow.Server)
		c.Close(flow.Client)
		if err := c.Write(w); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
