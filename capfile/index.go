package capfile

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"myreplay/session"
)

// index is what a Reader knows for random access.
type index struct {
	once   sync.Once
	err    error
	blocks []Block
	segs   map[uint32]placed
	tools  sync.Pool // of *tools
}

// placed is where a segment is and the salt of its blocks.
type placed struct {
	i    int // in library.names
	salt uint64
}

// tools are what reading a block takes.
type tools struct {
	unpack  *unpacker
	dec     decoder
	streams [streamCount][]byte
	buf     []byte
	payload []byte
}

// Blocks returns the blocks of the capture in order, without those that are
// known to be damaged. Segments that were ended have an index; others are
// scanned. The list takes about 100 bytes for each block.
func (r *Reader) Blocks() ([]Block, error) {
	r.index.once.Do(func() { r.index.err = r.buildIndex() })
	return r.index.blocks, r.index.err
}

func (r *Reader) buildIndex() error {
	x := &r.index
	x.segs = map[uint32]placed{}
	for i := range r.lib.names {
		f, s, err := r.lib.open(i)
		var format *FormatError
		if errors.As(err, &format) {
			continue // Next tells of it
		}
		if err != nil {
			return err
		}
		if s.hasMeta && s.meta.ID != r.meta.ID {
			f.Close()
			continue
		}
		x.segs[s.number] = placed{i, s.head.salt}
		if s.closed {
			x.blocks = append(x.blocks, s.blocks...)
		} else {
			err = x.scan(newScanner(f, s), s.number)
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *index) scan(sc *scanner, segment uint32) error {
	for n := 0; ; {
		b, _, damage, err := sc.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case damage == nil:
			b.Segment, b.Number = segment, n
			x.blocks = append(x.blocks, b)
			n++
		}
	}
}

// ReadBlock calls yield for the events of one of Blocks, by its place there,
// until yield returns false. The events belong to the caller. Damage is a
// *DamageError. Several goroutines may read blocks at once.
func (r *Reader) ReadBlock(i int, yield func(session.Event) bool) error {
	blocks, err := r.Blocks()
	if err != nil {
		return err
	}
	if i < 0 || i >= len(blocks) {
		return fmt.Errorf("capture has no block %d of %d", i, len(blocks))
	}
	t, _ := r.index.tools.Get().(*tools)
	if t == nil {
		t = &tools{}
		if t.unpack, err = newUnpacker(); err != nil {
			return err
		}
	}
	defer r.index.tools.Put(t)
	b := &blocks[i]
	file, err := r.fetch(b, t)
	if err != nil {
		return err
	}
	t.dec.begin(&t.streams, b.Events)
	n := uint32(0)
	for ev := t.dec.next(); ev != nil; ev = t.dec.next() {
		n++
		if !yield(ev) {
			return nil
		}
	}
	if t.dec.err != nil {
		return &DamageError{badBlock(file, b, int64(b.Events-n), t.dec.err)}
	}
	return nil
}

// fetch reads and decompresses a block.
func (r *Reader) fetch(b *Block, t *tools) (name string, err error) {
	at, ok := r.index.segs[b.Segment]
	if !ok {
		return "", fmt.Errorf("capture has no segment %d", b.Segment)
	}
	name = r.lib.names[at.i]
	f, err := r.lib.openFile(at.i)
	if err != nil {
		return name, err
	}
	defer f.Close()
	sc := scanner{f: f, name: name, salt: at.salt, offset: b.Offset, end: b.Offset + int64(b.Stored), buf: t.payload}
	got, payload, damage, err := sc.next()
	t.payload = sc.buf
	if err != nil {
		return name, fmt.Errorf("reading %s: %w", name, err)
	}
	if damage == nil && (got.Stored != b.Stored || got.Events != b.Events || got.FirstEvent != b.FirstEvent) {
		damage = &Damage{File: name, Offset: b.Offset, Bytes: int64(b.Stored), Reason: "the block is not the one of the index"}
	}
	if damage == nil {
		if t.buf, err = t.unpack.unpack(payload, got.Raw, t.buf, &t.streams); err != nil {
			d := badBlock(name, b, 0, err)
			damage = &d
		}
	}
	if damage != nil {
		damage.Events = int64(b.Events)
		return name, &DamageError{*damage}
	}
	return name, nil
}

// Totals returns what the capture holds, from the footers of its segments;
// segments without one are counted, which takes reading them.
func (r *Reader) Totals() (Totals, error) {
	var t Totals
	blocks, err := r.Blocks()
	if err != nil {
		return t, err
	}
	if len(blocks) > 0 && blocks[0].Segment != 1 {
		t.Deleted = blocks[0].FirstEvent
	}
	for i := range r.lib.names {
		f, s, err := r.lib.open(i)
		var format *FormatError
		if errors.As(err, &format) {
			continue
		}
		if err != nil {
			return t, err
		}
		f.Close()
		if p, ok := r.index.segs[s.number]; !ok || p.i != i {
			continue
		}
		if s.closed {
			t.Add(&s.totals)
		} else {
			err = r.countSegment(blocks, s.number, &t)
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// countSegment counts the events of a segment without a footer.
func (r *Reader) countSegment(blocks []Block, segment uint32, t *Totals) error {
	for i := range blocks {
		if blocks[i].Segment != segment {
			continue
		}
		err := r.ReadBlock(i, func(ev session.Event) bool {
			t.count(ev)
			return true
		})
		var damage *DamageError
		if err != nil && !errors.As(err, &damage) {
			return err
		}
		t.Blocks++
		t.Raw += uint64(blocks[i].Raw)
		t.Stored += uint64(blocks[i].Stored)
	}
	return nil
}
