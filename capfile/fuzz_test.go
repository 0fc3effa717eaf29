package capfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"myreplay/session"

	"github.com/klauspost/compress/zstd"
)

// seedVectors gives the files of all vectors to a fuzz target.
func seedVectors(f *testing.F, add func(data []byte)) {
	files, err := os.ReadDir("testdata/vectors")
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range files {
		add(readVector(f, filepath.Join("testdata", "vectors", v.Name())).data)
	}
}

// FuzzBlock decodes the payload of a block. Whatever it is: no panic, and what
// is read can be written and read again as the same.
func FuzzBlock(f *testing.F) {
	seedVectors(f, func(data []byte) {
		s, err := loadSegment(bytes.NewReader(data), "seed", int64(len(data)))
		if err != nil {
			return
		}
		for sc := newScanner(bytes.NewReader(data), s); ; {
			b, payload, damage, err := sc.next()
			if err != nil {
				return
			}
			if damage == nil {
				f.Add(bytes.Clone(payload), b.Raw, b.Events)
			}
		}
	})
	unpack, err := newUnpacker()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte, raw, events uint32) {
		if raw > 1<<20 {
			return
		}
		var streams [streamCount][]byte
		if _, err := unpack.unpack(payload, raw, nil, &streams); err != nil {
			return
		}
		got := decodeAll(&streams, events)
		var e encoder
		e.reset()
		for _, ev := range got {
			if n := e.cost(ev); n > MaxEvent {
				t.Fatalf("read an event that costs %d", n)
			}
			if err := e.add(ev); err != nil {
				t.Fatal(err)
			}
		}
		same(t, decodeAll(&e.b, uint32(len(got))), got)
	})
}

// decodeAll returns the events of a block up to the first that is wrong.
func decodeAll(streams *[streamCount][]byte, n uint32) (events []session.Event) {
	var d decoder
	d.begin(streams, n)
	for ev := d.next(); ev != nil; ev = d.next() {
		events = append(events, ev)
	}
	return events
}

// FuzzFile reads bytes as a segment: its ends, its blocks and their events.
// The file is in memory and there is no goroutine, so that what is covered
// depends on the bytes alone.
func FuzzFile(f *testing.F) {
	seedVectors(f, func(data []byte) { f.Add(data) })
	unpack, err := newUnpacker()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := bytes.NewReader(data)
		s, err := loadSegment(file, "fuzz", int64(len(data)))
		if err != nil {
			return
		}
		w := walker{lib: &library{}, seg: s, scan: newScanner(file, s), begun: s.number == 1}
		c := checker{unpack: unpack}
		for n := 0; ; n++ {
			it, err := w.next()
			if err == io.EOF {
				break
			}
			if err != nil || n > 2*len(data)+10 {
				t.Fatalf("item %d of %d bytes: %v", n, len(data), err)
			}
			if d := it.damage; d != nil && (d.Offset < 0 || d.Bytes < 0 || d.Offset+d.Bytes > int64(len(data))) {
				t.Fatalf("damage outside of the file: %+v", d)
			}
			if it.file != "" && it.block.Raw < 1<<20 {
				c.check(&it)
			}
		}
	})
}

// FuzzEnds reads bytes as the parts of a segment that have checksums, which
// are made right first.
func FuzzEnds(f *testing.F) {
	seedVectors(f, func(data []byte) {
		if len(data) > trailerSize {
			f.Add(data, uint16(headSize), uint16(trailerSize))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte, meta, footer uint16) {
		if len(data) < headSize+4+trailerSize {
			return
		}
		data = bytes.Clone(data)
		put := func(at, from, to int) { binary.LittleEndian.PutUint32(data[at:], checksum(data[from:to])) }
		copy(data, segmentMagic)
		n := int(meta) % (len(data) - headSize - 3 - trailerSize)
		binary.LittleEndian.PutUint32(data[24:], uint32(n))
		put(28, 0, 28)
		put(headSize+n, headSize, headSize+n)
		end := len(data) - trailerSize
		from := end - int(footer)%(end+1)
		copy(data[end:], trailerMagic)
		binary.LittleEndian.PutUint64(data[end+8:], uint64(from))
		binary.LittleEndian.PutUint32(data[end+16:], uint32(end-from))
		put(end+20, from, end)
		copy(data[end+24:], data[:headSize])
		put(end+60, end, end+60)
		s, err := loadSegment(bytes.NewReader(data), "fuzz", int64(len(data)))
		if err != nil {
			return
		}
		for sc := newScanner(bytes.NewReader(data), s); ; {
			if _, _, _, err := sc.next(); err != nil {
				break
			}
		}
	})
}

// TestBombs: small files that promise much cost little.
func TestBombs(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zeros := z.EncodeAll(make([]byte, MaxBlock-100), nil)
	overfull := z.EncodeAll(make([]byte, MaxBlock+32<<20), nil)
	for name, edit := range map[string]func(d *draft){
		// The first stream unpacks to all that a block may have, and to more.
		"large": func(d *draft) { d.blocks = append(d.blocks, bomb(zeros, MaxBlock-100)) },
		"over":  func(d *draft) { d.blocks = append(d.blocks, bomb(overfull, MaxBlock+32<<20)) },
		"lie":   func(d *draft) { d.blocks = append(d.blocks, bomb(zeros, 1000)) },
		// A reply of many results, each of which takes one byte.
		"results": func(d *draft) {
			b := d.blocks[1]
			b.streams[stTypes] = []byte{typeReply | flagList}
			b.streams[stResults] = make([]byte, 32<<20)
			b.streams[stRest] = append([]byte{2}, binary.AppendUvarint(nil, 32<<21)...)
		},
	} {
		d := newDraft(vectorEvents())
		edit(d)
		d.open = true
		file := filepath.Join(t.TempDir(), "000001.myr")
		if err := os.WriteFile(file, d.bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := readAll(t, file)
		runtime.ReadMemStats(&after)
		if len(got.damage) == 0 {
			t.Fatalf("%s: no damage", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > MaxBlock+16<<20 {
			t.Fatalf("%s: %d MiB were allocated", name, n>>20)
		}
	}
}

// bomb makes a block of one compressed stream.
func bomb(stored []byte, raw uint32) *draftBlock {
	b := &draftBlock{salt: 0x1122334455667788}
	b.block = Block{Events: 1, FirstEvent: 11, Raw: raw}
	row := binary.AppendUvarint(binary.AppendUvarint([]byte{1, byte(stTypes), codecZstd}, uint64(raw)), uint64(len(stored)))
	b.replace = append(row, stored...)
	return b
}
