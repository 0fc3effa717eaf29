package packet

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

// dialogue is a short connection from its first SYN to its last FIN.
func dialogue(v6 bool) *packettest.Conversation {
	client, server := "192.0.2.7:40001", "192.0.2.1:3306"
	if v6 {
		client, server = "[2001:db8::7]:40001", "[2001:db8::1]:3306"
	}
	c := packettest.NewConversation(netip.MustParseAddrPort(client), netip.MustParseAddrPort(server))
	c.Open()
	c.Send(flow.Server, []byte("greeting"))
	c.Send(flow.Client, []byte("login"))
	c.Send(flow.Server, bytes.Repeat([]byte("rows "), 700))
	c.Send(flow.Client, []byte("q"))
	c.Close(flow.Client)
	return c
}

// capture writes a conversation to a file in memory.
func capture(t testing.TB, c *packettest.Conversation, f packettest.Format) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := c.Write(packettest.NewWriter(&out, f)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// told reads a source to its end and describes what it told; errors too.
func told(t testing.TB, s *Source) string {
	t.Helper()
	var out strings.Builder
	for errs := 0; ; {
		var c flow.Chunk
		switch err := s.Read(&c); {
		case err == io.EOF:
			return out.String()
		case err != nil:
			fmt.Fprintln(&out, "error:", err)
			if errs++; errs > 100 {
				t.Fatal("too many errors")
			}
		case c.Kind != flow.Tick:
			c.At -= time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
			fmt.Fprintln(&out, chunkLine(&c))
		}
	}
}

// collected is what a source told.
type collected struct {
	streams map[uint64]*[2][]byte
	gaps    []flow.Chunk
	kinds   map[flow.Kind]int
	dropped uint64
	errs    []error
}

// collect reads a source to its end.
func collect(t *testing.T, s *Source) *collected {
	t.Helper()
	all := &collected{streams: map[uint64]*[2][]byte{}, kinds: map[flow.Kind]int{}}
	for {
		var c flow.Chunk
		err := s.Read(&c)
		if err == io.EOF {
			return all
		}
		if err != nil {
			all.errs = append(all.errs, err)
			continue
		}
		all.kinds[c.Kind]++
		switch c.Kind {
		case flow.Open:
			all.streams[c.Conn.ID] = new([2][]byte)
		case flow.Data:
			s := &all.streams[c.Conn.ID][c.Side]
			*s = append(*s, c.Data...)
		case flow.Gap:
			all.gaps = append(all.gaps, c)
		case flow.Drop:
			all.dropped += c.Lost
		}
	}
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openFiles(t testing.TB, o Options, paths ...string) *Source {
	t.Helper()
	s, err := OpenFiles(paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

// Every format, byte order, resolution and compression tells the same.
func TestFormats(t *testing.T) {
	want := told(t, memorySource(capture(t, dialogue(false), packettest.Format{}), Options{}))
	if n := strings.Count(want, "\n"); n != 8 || !strings.Contains(want, "close client finished") {
		t.Fatalf("the plain file:\n%s", want)
	}
	pack := map[string]func([]byte) []byte{
		"plain": func(b []byte) []byte { return b }, "gzip": gzipped, "zstd": zstded,
		"gzip in two members": func(b []byte) []byte { return append(gzipped(b[:100]), gzipped(b[100:])...) },
	}
	for bits := range 8 {
		f := packettest.Format{NG: bits&1 != 0, BigEndian: bits&2 != 0, Nanos: bits&4 != 0}
		file := capture(t, dialogue(false), f)
		for name, pack := range pack {
			packed := pack(file)
			if got := told(t, openFiles(t, Options{}, writeFile(t, "f", packed))); got != want {
				t.Errorf("%+v, %s: file:\n%s\nwant\n%s", f, name, got, want)
			}
			if got := told(t, OpenReader("r", bytes.NewReader(packed), Options{})); got != want {
				t.Errorf("%+v, %s: reader:\n%s\nwant\n%s", f, name, got, want)
			}
		}
	}
}

// Several files are read as one: connections go on from one to the next.
func TestSeveralFiles(t *testing.T) {
	c := dialogue(false)
	want := told(t, memorySource(capture(t, c, packettest.Format{}), Options{}))
	all := c.Segments
	c.Segments = all[:5]
	first := writeFile(t, "first", capture(t, c, packettest.Format{}))
	c.Segments = all[5:]
	second := writeFile(t, "second", zstded(capture(t, c, packettest.Format{NG: true, Nanos: true})))
	if got := told(t, openFiles(t, Options{}, first, second)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// One that is missing in the middle is named, and the others are read.
	s := openFiles(t, Options{}, first, "/nonexistent/middle.pcap", second)
	got := told(t, s)
	if !strings.Contains(got, "error: read /nonexistent/middle.pcap") || !strings.Contains(got, "close client finished") {
		t.Errorf("with a missing file:\n%s", got)
	}
	if n := s.Stats().FileErrors; n != 1 {
		t.Errorf("%d file errors", n)
	}

	// One that is torn in the middle is named where it is torn.
	b, _ := os.ReadFile(first)
	torn := writeFile(t, "torn", b[:len(b)-3])
	got = told(t, openFiles(t, Options{}, torn, second))
	if !strings.Contains(got, "ends in the middle of a record") || !strings.Contains(got, `data client "q"`) {
		t.Errorf("with a torn file:\n%s", got)
	}

	for _, paths := range [][]string{nil, {"/nonexistent/a", "/nonexistent/b"}} {
		if _, err := OpenFiles(paths, Options{}); err == nil {
			t.Errorf("%v: no error", paths)
		}
	}
	if got := told(t, openFiles(t, Options{}, t.TempDir())); !strings.Contains(got, "it is a directory") {
		t.Errorf("a directory: %s", got)
	}
}

// Cut anywhere: all packets that are whole come, then one error that says where
// the file is torn; nothing when it ends between two packets.
// A packed file that is cut: what could be unpacked is read, and the error names
// the file.
// Any byte changed: no panic, an end, and never more data than there was.
// Files that are no capture files, or lie, each with one fault.
// Blocks of pcapng beside the usual: several sections and interfaces with their
// own times and link types, drop counts, blocks that are skipped.
// A pipe that is written slowly: ticks while nothing comes, and Close ends it
// though the pipe stays open.
func TestPipe(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	file := capture(t, dialogue(false), packettest.Format{})
	s := OpenReader("pipe", r, Options{})
	go w.Write(file[:400])
	ticks, data := 0, 0
	for ticks < 2 {
		var c flow.Chunk
		if err := s.Read(&c); err != nil {
			t.Fatal(err)
		}
		switch c.Kind {
		case flow.Tick:
			ticks++
		case flow.Data:
			data++
		}
	}
	s.Close()
	if got := told(t, s); data == 0 || !strings.Contains(got, "close client source ended") || strings.Contains(got, "error") {
		t.Errorf("%d chunks, then %s", data, got)
	}
}

// A FIFO that nobody writes to can be closed; one that is written to is read.
func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no FIFO: %v", err)
	}
	s := openFiles(t, Options{}, path)
	file := capture(t, dialogue(false), packettest.Format{})
	go os.WriteFile(path, file, 0o600)
	if got, want := told(t, s), told(t, memorySource(file, Options{})); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	s = openFiles(t, Options{}, path)
	time.AfterFunc(50*time.Millisecond, func() { s.Close() })
	if got := told(t, s); got != "" {
		t.Error(got)
	}
}

// A small file that unpacks to a large one takes no memory.
// A growing file is followed over a torn record, its replacement, its removal and
// its return, and its truncation.
func TestFollow(t *testing.T) {
	c := dialogue(false)
	header := capture(t, &packettest.Conversation{}, packettest.Format{})
	if len(header) != 0 {
		t.Fatal("a conversation without segments was written")
	}
	file := capture(t, c, packettest.Format{})
	path := writeFile(t, "live.pcap", file[:10])
	grow := func(b []byte) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	s := openFiles(t, Options{Follow: true}, path)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for {
			var c flow.Chunk
			err := s.Read(&c)
			switch {
			case err == io.EOF:
				return
			case err != nil:
				lines <- err.Error()
			case c.Kind == flow.Data:
				lines <- fmt.Sprintf("%v %.8s", c.Side, c.Data)
			case c.Kind == flow.Close:
				lines <- "close " + c.Reason.String()
			}
		}
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-lines:
			if !strings.Contains(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %q", want)
		}
	}
	greeting := 24 + 3*(16+60)
	grow(file[10 : greeting+20])
	grow(file[greeting+20 : greeting+16+62]) // the whole greeting, in two pieces
	expect("server greeting")
	grow(file[greeting+16+62 : greeting+16+62+30]) // a torn login

	// Rotation: the old file goes away with a torn record, a new one takes its place.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	expect("removed while it was followed")
	c.Segments = c.Segments[4:]
	rest := capture(t, c, packettest.Format{NG: true})
	grow(rest)
	expect("ends in the middle of a record")
	expect("client login")
	for range 3 {
		expect("server rows")
	}
	expect("client q")
	expect("close finished")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	expect("truncated while it was read")
	grow(file[:greeting+16+62])
	s.Close()
	for range lines {
	}

	packed := writeFile(t, "packed", gzipped(file))
	if got := told(t, openFiles(t, Options{Follow: true}, packed)); !strings.Contains(got, "cannot be followed") {
		t.Errorf("a compressed file: %s", got)
	}
}

// Ports choose packets, unless a filter does.
func TestOptionsFilter(t *testing.T) {
	file := capture(t, dialogue(false), packettest.Format{})
	other, err := ParseFilter("host 192.0.2.7 and not port 3307")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o      Options
		opened uint64
	}{
		{Options{}, 1},
		{Options{Ports: []uint16{3306, 1}}, 1},
		{Options{Ports: []uint16{3307}}, 0},
		{Options{Ports: []uint16{3307}, Filter: other}, 1},
		{Options{Filter: NewFilter([]uint16{3306}, []netip.Addr{netip.MustParseAddr("192.0.2.8")}, nil)}, 0},
	} {
		s := memorySource(file, c.o)
		told(t, s)
		if stats := s.Stats(); stats.Opened != c.opened || stats.Filtered != 12*(1-c.opened) || stats.Segments != 12*c.opened {
			t.Errorf("%+v: %+v", c.o, stats)
		}
	}
}

// Where there should be ticks, packets that make no chunk make some.
func TestTicksBetweenPackets(t *testing.T) {
	c := dialogue(false)
	c.Segments = c.Segments[:5]
	for range 100 {
		c.Ack(flow.Client)
		c.At = c.At.Add(10 * time.Millisecond)
	}
	s := memorySource(capture(t, c, packettest.Format{}), Options{})
	s.silence = int64(tickEvery)
	if got := collect(t, s).kinds[flow.Tick]; got != 1+4 { // one with the first SYN
		t.Errorf("%d ticks in a second", got)
	}
}

// The statistics can be asked for while the source is read.
func TestStatsWhileReading(t *testing.T) {
	s := memorySource(capture(t, dialogue(false), packettest.Format{}), Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			s.Stats()
		}
	}()
	told(t, s)
	<-done
	if stats := s.Stats(); stats.Packets != 12 || stats.Opened != 1 || stats.Connections != 1 {
		t.Errorf("%+v", stats)
	}
}

// All captures at hand are read without an error and without a gap, but for the one
// that was made to have one.
func TestSharedCaptures(t *testing.T) {
	paths, _ := filepath.Glob("../../shared/captures/*/*.pcap")
	if len(paths) == 0 {
		t.Skip("no ../shared/captures")
	}
	lost := map[string]uint64{"mysql_with_gap.pcap": 13032}
	for _, path := range paths {
		s := openFiles(t, Options{}, path)
		got := told(t, s)
		stats := s.Stats()
		odd := stats.Malformed + stats.Cut + stats.UnknownLink + stats.Implausible + stats.Conflicts + stats.Forced
		if strings.Contains(got, "error:") || odd > 0 || stats.Opened == 0 || stats.DataBytes == 0 {
			t.Errorf("%s: %+v\n%s", path, stats, got)
		}
		if stats.Lost() != lost[filepath.Base(path)] {
			t.Errorf("%s: %d bytes lost", path, stats.Lost())
		}
	}
}
