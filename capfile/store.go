package capfile

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"
	"sync/atomic"
)

// store writes blocks into segments, for the Writer's second goroutine.
type store struct {
	disk disk
	dir  string
	meta Meta
	opts Options
	pack *packer
	buf  []byte

	file      file
	number    uint32
	name      string
	head      head
	offset    int64 // where the next block goes: all before it is good
	allocated int64 // up to where disk space is set aside
	blocks    []Block
	totals    Totals
	began     int64 // time of the segment's first block

	events  uint64       // in all segments
	deleted uint64       // of them, in segments that were deleted
	older   []olderOne   // segments that were ended, oldest first
	size    int64        // of older
	dirty   atomic.Int64 // time of the oldest block that was not synced, 0: none
}

// olderOne is a segment that was ended.
type olderOne struct {
	name   string
	size   int64
	events uint64
}

const (
	// totalsRoom is more than the JSON of Totals can need.
	totalsRoom = 8 << 10
	// allocateStep is how much disk space is set aside at once.
	allocateStep = 1 << 20
)

func newStore(d disk, dir string, meta Meta, opts Options) (*store, error) {
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	s := &store{disk: d, dir: dir, meta: meta, opts: opts, pack: p}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// problem makes an error that names the segment.
func (s *store) problem(op string, err error) error {
	return &WriteError{Op: op, File: filepath.Join(s.dir, s.name), Err: err}
}

// open begins the next segment.
func (s *store) open() error {
	s.number++
	s.name = segmentName(s.number)
	meta, err := s.meta.encode(s.number)
	if err != nil {
		return err
	}
	f, err := s.disk.create(s.name)
	if err != nil {
		if s.number == 1 && errors.Is(err, fs.ErrExist) {
			return &ExistsError{Dir: s.dir, File: s.name}
		}
		return s.problem("create", err)
	}
	var salt [8]byte
	rand.Read(salt[:]) // never fails
	s.head = head{version: Version, salt: binary.LittleEndian.Uint64(salt[:]), meta: uint32(len(meta))}
	s.file, s.allocated, s.blocks, s.totals, s.began = f, 0, s.blocks[:0], Totals{}, 0
	s.buf = appendSegment(emptied(s.buf), s.head, meta)
	s.offset = int64(len(s.buf))
	op := "allocate"
	if err = s.reserve(0); err == nil {
		op, err = "write", f.write(s.buf, 0)
	}
	if err == nil {
		op, err = "sync", f.sync() // blocks are nothing without the head
	}
	if err == nil {
		op, err = "sync directory", s.disk.sync()
	}
	if err != nil {
		f.close()
		s.disk.remove(s.name) // it holds no event
		s.file = nil
		return s.problem(op, err)
	}
	return nil
}

// footerSize returns what the footer and trailer of the segment will need,
// with one block more than there is.
func (s *store) footerSize() int64 {
	return footerFixed + int64(len(s.blocks)+1)*indexRow + totalsRoom + trailerSize
}

// reserve sets space aside for n bytes and for the footer after them, so that
// a full disk leaves room to end the segment.
func (s *store) reserve(n int64) error {
	need := s.offset + n + s.footerSize()
	if need <= s.allocated {
		return nil
	}
	err := s.file.allocate(s.allocated, need+allocateStep-s.allocated)
	if err == nil {
		s.allocated = need + allocateStep
		return nil
	}
	if err = s.file.allocate(s.allocated, need-s.allocated); err == nil {
		s.allocated = need
	}
	return err
}

// put writes a block. After an error the segment is ended and nothing more can
// be put.
func (s *store) put(j *job) error {
	payload, raw := s.pack.pack(&j.streams)
	b := j.block
	b.Raw, b.Stored = uint32(raw), uint32(blockHeader+len(payload))
	if err := s.place(&b); err != nil {
		return err
	}
	b.Segment, b.Number, b.Offset, b.FirstEvent = s.number, len(s.blocks), s.offset, s.events
	s.buf = b.appendHeader(emptied(s.buf), payload, s.head.salt)
	s.buf = append(s.buf, payload...)
	if err := s.reserve(int64(len(s.buf))); err != nil {
		return s.rescue("allocate", err)
	}
	if err := s.file.write(s.buf, s.offset); err != nil {
		return s.rescue("write", err)
	}
	s.offset += int64(len(s.buf))
	s.events += uint64(b.Events)
	s.blocks = append(s.blocks, b)
	j.totals.Blocks, j.totals.Raw, j.totals.Stored = 1, uint64(b.Raw), uint64(b.Stored)
	s.totals.Add(&j.totals)
	if s.began == 0 {
		s.began = b.First
	}
	return s.syncIfDue(&b)
}

// place makes room for a block: in this segment, or in the next one.
func (s *store) place(b *Block) error {
	full := s.offset+int64(b.Stored) > s.opts.RotateBytes || len(s.blocks) >= MaxBlocks ||
		s.began != 0 && b.First-s.began >= int64(s.opts.RotateEvery)
	if full && len(s.blocks) > 0 {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	for s.opts.MaxTotal > 0 && s.size+s.offset+int64(b.Stored)+s.footerSize() > s.opts.MaxTotal {
		if err := s.makeRoom(); err != nil {
			return err
		}
	}
	return nil
}

// rotate ends the segment and begins the next one.
func (s *store) rotate() error {
	if err := s.finish(); err != nil {
		return err
	}
	return s.open()
}

// makeRoom deletes the oldest segment, or ends the capture.
func (s *store) makeRoom() error {
	if s.opts.Ring && len(s.older) == 0 && len(s.blocks) > 0 {
		return s.rotate()
	}
	if !s.opts.Ring || len(s.older) == 0 {
		if err := s.finish(); err != nil {
			return err
		}
		return &LimitError{Dir: s.dir, Limit: s.opts.MaxTotal}
	}
	o := s.older[0]
	if err := s.disk.remove(o.name); err != nil {
		s.finish()
		s.name = o.name
		return s.problem("delete", err)
	}
	s.older = s.older[1:]
	s.size -= o.size
	s.deleted += o.events
	return nil
}

// syncIfDue syncs when a written block has waited for long.
func (s *store) syncIfDue(b *Block) error {
	if s.dirty.Load() == 0 {
		s.dirty.Store(b.First)
	}
	if since := s.dirty.Load(); since != 0 && b.Last-since >= int64(s.opts.SyncEvery) {
		return s.sync()
	}
	return nil
}

// sync makes all blocks last.
func (s *store) sync() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.sync(); err != nil {
		return s.rescue("sync", err)
	}
	s.dirty.Store(0)
	return nil
}

// drops counts dropped events in the segment.
func (s *store) drops(d Dropped) { s.totals.Dropped.add(&d) }

// finish ends the segment: footer, trailer, sync.
func (s *store) finish() error {
	if s.file == nil {
		return nil
	}
	var err error
	if s.buf, err = appendFooter(emptied(s.buf), s.head, s.blocks, &s.totals, s.offset); err != nil {
		return err
	}
	f := s.file
	s.file = nil
	size := s.offset + int64(len(s.buf))
	op := "write"
	if err = f.write(s.buf, s.offset); err != nil {
		f.truncate(s.offset) // a torn footer is worse than none
	} else {
		op, err = "truncate", f.truncate(size) // gives back what was set aside
	}
	if err == nil {
		op, err = "sync", f.sync()
	}
	if cerr := f.close(); err == nil {
		op, err = "close", cerr
	}
	if err != nil {
		return s.problem(op, err)
	}
	s.dirty.Store(0)
	s.older = append(s.older, olderOne{s.name, size, s.totals.Events})
	s.size += size
	return nil
}

// rescue ends the segment after an error as well as the disk allows. The
// footer takes the place of a block that was written in part, on space that
// was set aside. It returns the error.
func (s *store) rescue(op string, err error) error {
	err = s.problem(op, err)
	s.finish()
	return err
}

// abort closes the segment as it is.
func (s *store) abort() {
	if s.file != nil {
		s.file.close()
		s.file = nil
	}
}
