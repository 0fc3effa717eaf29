package capfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"myreplay/session"

	"github.com/cockroachdb/datadriven"
)

// TestDamage runs testdata/damage: captures are damaged, and what reading them
// gives is shown. Events are Ends of sessions 1, 2, 3 ..., five to a block,
// ten to a segment; such blocks are not compressed, so offsets are stable.
//
//	build segments=N           a new capture
//	flip F block=N byte=N      changes a byte of a block
//	cut F block=N byte=N       cuts the file within a block
//	cut F tail=N               cuts N bytes off the end
//	zero F block=N             overwrites a block with zeros
//	drop F block=N             takes a block out of the file
//	twice F block=N            puts a block into the file twice
//	remove F | empty F | other F | rename F to=F
//	read [one=F] [strict]      shows what Next gives
//	verify                     shows what Verify says
//	blocks                     shows the index
func TestDamage(t *testing.T) {
	datadriven.Walk(t, "testdata/damage", func(t *testing.T, path string) {
		s := &damageScript{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := s.run(t, d)
			if err != nil {
				return "error: " + strings.ReplaceAll(err.Error(), s.dir, "DIR") + "\n"
			}
			return out
		})
	})
}

type damageScript struct {
	dir    string
	events []session.Event
	blocks []Block
}

func (s *damageScript) run(t *testing.T, d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "build":
		n := 2
		d.MaybeScanArgs(t, "segments", &n)
		s.build(t, n)
		return "ok\n", nil
	case "read":
		path := s.dir
		var one string
		if d.MaybeScanArgs(t, "one", &one); one != "" {
			path = filepath.Join(s.dir, one)
		}
		return s.read(path, d.HasArg("strict"))
	case "verify":
		return s.verify()
	case "blocks":
		return s.index()
	}
	return "ok\n", s.harm(t, d)
}

// build makes a capture with two blocks of five events in each segment.
func (s *damageScript) build(t *testing.T, segments int) {
	s.dir = filepath.Join(t.TempDir(), "c")
	s.events = nil
	w, err := Create(s.dir, testMeta, Options{Policy: Wait, RotateEvery: 10 * time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := range segments * 10 {
		ev := &session.End{ID: uint64(i + 1), At: int64(i+1) * 1000, Reason: session.ClientQuit}
		s.events = append(s.events, ev)
		if err := w.Write(ev); err != nil {
			t.Fatal(err)
		}
		if i%5 == 4 {
			w.flush()
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if s.blocks, err = r.Blocks(); err != nil {
		t.Fatal(err)
	}
}

// harm does one of the verbs that damage a file.
func (s *damageScript) harm(t *testing.T, d *datadriven.TestData) error {
	name := d.CmdArgs[0].Key
	file := filepath.Join(s.dir, name)
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	block, at, tail := -1, 0, 0
	d.MaybeScanArgs(t, "block", &block)
	d.MaybeScanArgs(t, "byte", &at)
	d.MaybeScanArgs(t, "tail", &tail)
	var part []byte // the block
	from := len(data) - tail
	if block >= 0 {
		number, _ := segmentNumber(name)
		i := slices.IndexFunc(s.blocks, func(b Block) bool { return b.Segment == number && b.Number == block })
		from = int(s.blocks[i].Offset)
		part = data[from : from+int(s.blocks[i].Stored)]
	}
	switch d.Cmd {
	case "flip":
		part[at] ^= 0x10
	case "cut":
		data = data[:from+at]
	case "zero":
		clear(part)
	case "drop":
		data = slices.Delete(data, from, from+len(part))
	case "twice":
		data = slices.Insert(data, from, slices.Clone(part)...)
	case "remove":
		return os.Remove(file)
	case "empty":
		data = nil
	case "other":
		data = []byte("INSERT INTO t VALUES (1)\n")
	case "rename":
		var to string
		d.ScanArgs(t, "to", &to)
		return os.Rename(file, filepath.Join(s.dir, to))
	default:
		t.Fatalf("%s: what is %q?", d.Pos, d.Cmd)
	}
	return os.WriteFile(file, data, 0o600)
}

// read shows what Next gives, with runs of events that follow on each other in
// one line.
func (s *damageScript) read(path string, strict bool) (string, error) {
	r, err := Open(path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	r.Strict = strict
	var b strings.Builder
	var first, last uint64
	flush := func() {
		if first > 0 {
			fmt.Fprintf(&b, "events %d-%d\n", first, last)
		}
		first = 0
	}
	for {
		ev, err := r.Next()
		if err != nil {
			flush()
			if !errors.Is(err, io.EOF) {
				fmt.Fprintf(&b, "error: %v\n", err)
			}
			break
		}
		if g, ok := ev.(*session.Gap); ok {
			flush()
			fmt.Fprintf(&b, "gap %d at %d, %s: %s\n", g.ID, g.At, g.Reason, g.Detail)
			continue
		}
		id, _ := ev.Key()
		if first > 0 && id != last+1 {
			flush()
		}
		if first == 0 {
			first = id
		}
		last = id
	}
	for _, d := range r.Damage() {
		fmt.Fprintf(&b, "damage %s\n", d)
	}
	for _, u := range r.Unfinished() {
		fmt.Fprintf(&b, "unfinished %s\n", u)
	}
	return b.String(), nil
}

func (s *damageScript) verify() (string, error) {
	var b strings.Builder
	v, err := Verify(s.dir, func(c Check) bool {
		fmt.Fprintf(&b, "%s block %d: %d events from %d, times %d-%d, sessions %d-%d, %d bytes, raw %d:", c.File, c.Block.Number,
			c.Block.Events, c.Block.FirstEvent, c.Block.First, c.Block.Last, c.Block.Low, c.Block.High, c.Block.Stored, c.Block.Raw)
		for _, s := range c.Streams {
			fmt.Fprintf(&b, " %s %d", s.Name, s.Stored)
		}
		b.WriteString("\n")
		return true
	})
	fmt.Fprintf(&b, "%d segments, %d blocks, %d events, %d unknown\n", v.Segments, v.Blocks, v.Events, v.Unknown)
	for _, d := range v.Damage {
		fmt.Fprintf(&b, "damage %s\n", d)
	}
	for _, u := range v.Unfinished {
		fmt.Fprintf(&b, "unfinished %s\n", u)
	}
	return b.String(), err
}

func (s *damageScript) index() (string, error) {
	r, err := Open(s.dir)
	if err != nil {
		return "", err
	}
	defer r.Close()
	blocks, err := r.Blocks()
	var b strings.Builder
	for i, k := range blocks {
		n := 0
		err := r.ReadBlock(i, func(session.Event) bool { n++; return true })
		fmt.Fprintf(&b, "segment %d block %d at %d: %d events from %d, read %d", k.Segment, k.Number, k.Offset, k.Events, k.FirstEvent, n)
		if err != nil {
			fmt.Fprintf(&b, ", error: %v", err)
		}
		b.WriteString("\n")
	}
	return b.String(), err
}
