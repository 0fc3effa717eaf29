package capfile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"myreplay/session"
)

// specimen is a small capture of one segment and several blocks.
type specimen struct {
	events []session.Event
	data   []byte
	blocks []Block
	footer int64
}

func newSpecimen(t testing.TB) *specimen {
	t.Helper()
	s := &specimen{events: sysbenchEvents(13, false)}
	dir := filepath.Join(t.TempDir(), "c")
	writeAll(t, dir, Options{Policy: Wait, BlockBytes: 200}, s.events)
	var err error
	if s.data, err = os.ReadFile(filepath.Join(dir, "000001.myr")); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if s.blocks, err = r.Blocks(); err != nil {
		t.Fatal(err)
	}
	if len(s.blocks) < 3 {
		t.Fatalf("only %d blocks", len(s.blocks))
	}
	last := s.blocks[len(s.blocks)-1]
	s.footer = last.Offset + int64(last.Stored)
	return s
}

// without returns the events with a Gap in place of those of one block, and
// how many those are; with -1 all events.
func (s *specimen) without(block int) (before, after []session.Event, lost int64) {
	if block < 0 {
		return s.events, nil, 0
	}
	b := s.blocks[block]
	return s.events[:b.FirstEvent], s.events[b.FirstEvent+uint64(b.Events):], int64(b.Events)
}

// TestCut cuts a capture at every byte. All whole blocks must be read, nothing
// else, and the rest be named for what it is.
func TestCut(t *testing.T) {
	s := newSpecimen(t)
	file := filepath.Join(t.TempDir(), "000001.myr")
	for cut := range len(s.data) {
		if err := os.WriteFile(file, s.data[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if cut < headSize {
			if _, err := Open(file); !errors.As(err, new(*FormatError)) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			continue
		}
		s.checkCut(t, readAll(t, file), int64(cut))
	}
}

func (s *specimen) checkCut(t *testing.T, got reading, cut int64) {
	t.Helper()
	whole, at := 0, s.blocks[0].Offset
	for _, b := range s.blocks {
		if b.Offset+int64(b.Stored) <= cut {
			whole += int(b.Events)
			at = b.Offset + int64(b.Stored)
		}
	}
	if len(got.unfinished) != 1 {
		t.Fatalf("cut at %d: unfinished %v", cut, got.unfinished)
	}
	events := got.events
	switch {
	case cut < at: // within the description
		if len(got.damage) != 1 || got.damage[0].Events != 0 {
			t.Fatalf("cut at %d: damage %v", cut, got.damage)
		}
	case cut == at: // between blocks
		if len(got.damage) != 0 {
			t.Fatalf("cut at %d: damage %v", cut, got.damage)
		}
	default:
		want := Damage{File: "000001.myr", Offset: at, Bytes: cut - at, Events: -1, Reason: "a block is cut short"}
		if at == s.footer {
			want.Events, want.Reason = 0, "the footer is cut short, or its trailer damaged"
		} else {
			g, ok := events[len(events)-1].(*session.Gap)
			if !ok || g.ID != 0 || g.Reason != session.LostBytes {
				t.Fatalf("cut at %d: the last event is %#v", cut, events[len(events)-1])
			}
			events = events[:len(events)-1]
		}
		if !slices.Equal(got.damage, []Damage{want}) {
			t.Fatalf("cut at %d: damage %v, not %v", cut, got.damage, want)
		}
	}
	same(t, events, s.events[:whole])
}

// TestFlip flips a bit of every byte. At most the block that holds it may be
// lost, and no flip may pass unseen.
func TestFlip(t *testing.T) {
	s := newSpecimen(t)
	file := filepath.Join(t.TempDir(), "000001.myr")
	for i := range s.data {
		data := slices.Clone(s.data)
		data[i] ^= 1 << (i % 8)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got := readAll(t, file)
		hit := slices.IndexFunc(s.blocks, func(b Block) bool {
			return int64(i) >= b.Offset && int64(i) < b.Offset+int64(b.Stored)
		})
		before, after, lost := s.without(hit)
		if len(got.damage) != 1 || got.damage[0].Events != lost {
			t.Fatalf("flip at %d: damage %v, not of %d events", i, got.damage, lost)
		}
		if d := got.damage[0]; int64(i) < d.Offset || int64(i) >= d.Offset+d.Bytes && i < len(data)-trailerSize {
			t.Fatalf("flip at %d: damage is said to be elsewhere: %v", i, d)
		}
		same(t, got.events[:len(before)], before)
		rest := got.events[len(before):]
		if lost > 0 {
			if g, ok := rest[0].(*session.Gap); !ok || g.ID != 0 || g.Reason != session.LostBytes {
				t.Fatalf("flip at %d: in place of what is lost stands %#v", i, rest[0])
			}
			rest = rest[1:]
		}
		same(t, rest, after)
	}
}

// TestStrict: with Strict the first damage ends the reading with an error.
func TestStrict(t *testing.T) {
	s := newSpecimen(t)
	b := s.blocks[1]
	s.data[b.Offset+100] ^= 1
	file := filepath.Join(t.TempDir(), "000001.myr")
	if err := os.WriteFile(file, s.data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Strict = true
	for n := 0; ; n++ {
		_, err := r.Next()
		if err == nil {
			continue
		}
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Damage.Offset != b.Offset || n != int(b.FirstEvent) {
			t.Fatalf("after %d events: %v", n, err)
		}
		if _, again := r.Next(); again != err {
			t.Fatalf("and then: %v", again)
		}
		break
	}
	blocks, err := r.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	for i := range blocks {
		err := r.ReadBlock(i, func(session.Event) bool { return true })
		if (err != nil) != (i == 1) || err != nil && !errors.As(err, new(*DamageError)) {
			t.Fatalf("block %d: %v", i, err)
		}
	}
}

// TestForged: a whole block of another segment within the text of a statement
// is not taken for a block when the block around it is damaged.
func TestForged(t *testing.T) {
	s := newSpecimen(t)
	evil := make([]byte, 8192) // noise, so that it is stored as it is
	r := rand.New(rand.NewPCG(5, 6))
	for i := range evil {
		evil[i] = byte(r.Uint32())
	}
	copy(evil[4000:], s.data[s.blocks[0].Offset:][:s.blocks[0].Stored])
	events := []session.Event{
		&session.Command{ID: 9, Seq: 1, At: 1, End: 1, Payload: evil, Size: uint64(len(evil))},
		&session.End{ID: 9, At: 2},
	}
	dir := filepath.Join(t.TempDir(), "c")
	writeAll(t, dir, Options{Policy: Wait, BlockBytes: 1}, events)
	file := filepath.Join(dir, "000001.myr")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte(blockMagic)); n != 3 {
		t.Fatalf("the forged block does not stand in the file: %d heads", n)
	}
	for i := range data { // the head of the first block
		if string(data[i:i+8]) == blockMagic {
			data[i+9] ^= 1
			break
		}
	}
	os.WriteFile(file, data, 0o600)
	got := readAll(t, file)
	if len(got.events) != 2 || len(got.damage) != 1 || got.damage[0].Events != 1 {
		t.Fatalf("events %v, damage %v", got.events, got.damage)
	}
	same(t, got.events[1:], events[1:])
}

// TestFormatErrors: the error for a file that can't be read says what the file
// is, and which program wrote it if that is known.
func TestFormatErrors(t *testing.T) {
	later := newDraft()
	later.head.version = 7
	needs := newDraft()
	needs.head.required = 6
	for want, data := range map[string][]byte{
		"is a pcap file: use --read":   []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00"),
		"is a pcapng file: use --read": []byte("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00"),
		"is empty":                     nil,
		"is cut within its head":       []byte(segmentMagic)[:5],
		`begins with "# Time: ", not`:  []byte("# Time: 2025-11-21T03:50:00Z\n"),
		"has format version 7 (written by myreplay vectors); this program reads up to version 1":  later.bytes(),
		"needs features that this program does not know (bits 0x6) (written by myreplay vectors)": needs.bytes(),
	} {
		file := filepath.Join(t.TempDir(), "x.myr")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(file)
		if !errors.As(err, new(*FormatError)) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("error is %v, not: %s", err, want)
		}
	}
}
