package capfile

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"myreplay/session"

	"pgregory.net/rapid"
)

// writeAll makes a capture of events.
func writeAll(t fatal, dir string, o Options, events []session.Event) Totals {
	t.Helper()
	w, err := Create(dir, testMeta, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		if err := w.Write(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Totals()
}

// fatal is what a test, a benchmark and a rapid check have in common.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

var testMeta = Meta{Kind: KindCapture, Tool: "myreplay test", ID: "00112233445566778899aabbccddeeff"}

// reading is what reading a capture gives.
type reading struct {
	events     []session.Event
	damage     []Damage
	unfinished []string
}

// readAll reads a capture to its end.
func readAll(t fatal, path string) reading {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got reading
	for {
		ev, err := r.Next()
		if err == io.EOF {
			got.damage, got.unfinished = r.Damage(), r.Unfinished()
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got.events = append(got.events, ev)
	}
}

// same fails unless two lists of events are equal.
func same(t fatal, got, want []session.Event) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("event %d is\n%#v\nnot\n%#v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("read %d events, not %d", len(got), len(want))
	}
}

// TestPaper is the law: what was written is what is read, whatever the events,
// the size of blocks and of segments, and by every way of reading.
func TestPaper(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(top, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		events := genEvents(t)
		o := Options{Policy: Wait, BlockBytes: rapid.SampledFrom([]int{1, 200, 1 << 16}).Draw(t, "block"),
			RotateBytes: rapid.SampledFrom([]int64{1, 4000, 0}).Draw(t, "rotate")}
		totals := writeAll(t, dir, o, events)
		got := readAll(t, dir)
		same(t, got.events, events)
		if len(got.damage) != 0 || len(got.unfinished) != 0 {
			t.Fatalf("damage %v, unfinished %v", got.damage, got.unfinished)
		}
		checkBlocks(t, dir, events)
		checkTotals(t, dir, events, totals)
		checkVerify(t, dir, len(events))
	})
}

// checkBlocks reads a capture by its index.
func checkBlocks(t fatal, path string, events []session.Event) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	blocks, err := r.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	var got []session.Event
	for i, b := range blocks {
		if b.FirstEvent != uint64(len(got)) {
			t.Fatalf("block %d begins with event %d, not %d", i, b.FirstEvent, len(got))
		}
		if err := r.ReadBlock(i, func(ev session.Event) bool { got = append(got, ev); return true }); err != nil {
			t.Fatal(err)
		}
	}
	same(t, got, events)
}

// checkTotals compares what the Writer counted with the events, and with what
// the file says.
func checkTotals(t fatal, path string, events []session.Event, written Totals) {
	t.Helper()
	var want Totals
	for _, ev := range events {
		want.count(ev)
	}
	want.Blocks, want.Raw, want.Stored = written.Blocks, written.Raw, written.Stored
	if !reflect.DeepEqual(written, want) {
		t.Fatalf("the writer counted\n%+v\nnot\n%+v", written, want)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Totals()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("the file says\n%+v\nnot\n%+v", got, want)
	}
}

func checkVerify(t fatal, path string, events int) {
	t.Helper()
	n := 0
	v, err := Verify(path, func(c Check) bool { n += int(c.Block.Events); return true })
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Damage) != 0 || v.Events != uint64(events) || n != events {
		t.Fatalf("verified %d events of %d: %+v", v.Events, events, v)
	}
}

// TestPaperSysbench: a realistic stream over several full blocks comes back
// equal, and equal column descriptions share one Columns.
func TestPaperSysbench(t *testing.T) {
	for _, prepared := range []bool{false, true} {
		events := sysbenchEvents(8000, prepared)
		dir := filepath.Join(t.TempDir(), "c")
		writeAll(t, dir, Options{Policy: Wait}, events)
		got := readAll(t, dir)
		same(t, got.events, events)
		var shared *session.Columns
		for _, ev := range got.events {
			if r, ok := ev.(*session.Reply); ok && r.Results[0].Columns != nil {
				if shared != nil && r.Results[0].Columns != shared {
					t.Fatal("equal columns are not shared")
				}
				shared = r.Results[0].Columns
			}
		}
		if shared == nil {
			t.Fatal("no columns seen")
		}
	}
}

// TestOwnBytes: what a caller does to an event's bytes reaches no other event.
func TestOwnBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	events := sysbenchEvents(2000, false)
	writeAll(t, dir, Options{Policy: Wait}, events)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, want := range events {
		ev, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(ev, want) {
			t.Fatalf("event is %#v, not %#v", ev, want)
		}
		if c, ok := ev.(*session.Command); ok {
			for i := range c.Payload {
				c.Payload[i] = 0xff
			}
			_ = append(c.Payload, 0xff)
		}
	}
}

// TestManyHeads: more different heads and columns than a block remembers, and
// more sessions than one block may have, come back equal.
func TestManyHeads(t *testing.T) {
	var events []session.Event
	for i := range 3 * MaxHeads {
		id := uint64(i)*7919 + 1
		events = append(events,
			&session.Command{ID: id, Seq: 1, At: int64(i), End: int64(i), Kind: session.Kind(i), Code: byte(i >> 8), Size: 9, Payload: []byte{byte(i), 1}},
			&session.Reply{ID: id, Seq: 1, First: int64(i), Last: int64(i), Bytes: uint64(i), Results: []session.Result{{Outcome: session.OK,
				Affected: uint64(i), Warnings: uint16(i), Status: 3, Columns: &session.Columns{Hash: uint64(i % 5), List: []session.Column{{Length: uint32(i)}}}}}})
	}
	for i := range MaxSessions + 10 {
		events = append(events, &session.End{ID: uint64(i) * 3, At: 1 + int64(i)})
	}
	dir := filepath.Join(t.TempDir(), "c")
	writeAll(t, dir, Options{Policy: Wait, BlockBytes: 2 << 20, FlushEvery: -1}, events)
	same(t, readAll(t, dir).events, events)
}
