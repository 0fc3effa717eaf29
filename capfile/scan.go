package capfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// segment is what is known of a segment before its blocks are read.
type segment struct {
	name    string
	number  uint32
	size    int64
	head    head
	meta    Meta
	hasMeta bool
	closed  bool // it has a footer
	blocks  []Block
	totals  Totals
	end     int64 // where the blocks end
	seen    int   // blocks that a walk has passed
	damage  []Damage
}

// loadSegment reads a segment's head, meta, trailer and footer. It fails with
// a *FormatError when the file can't be read at all.
func loadSegment(f io.ReaderAt, name string, size int64) (*segment, error) {
	s := &segment{name: name, size: size, end: size}
	begin, err := readUpTo(f, 0, min(size, headSize))
	if err != nil {
		return nil, err
	}
	trailer, hasTrailer, err := readTrailer(f, size)
	if err != nil {
		return nil, err
	}
	ok := false
	if s.head, ok = parseHead(begin); !ok {
		if !hasTrailer {
			return nil, &FormatError{Path: name, Found: sniff(begin)}
		}
		s.head = trailer.head
		s.harmless(0, headSize, "the head does not match its checksum; its copy at the end does")
	}
	if err := s.loadMeta(f); err != nil {
		return nil, err
	}
	if err := s.understood(); err != nil {
		return nil, err
	}
	if hasTrailer {
		return s, s.loadFooter(f, &trailer)
	}
	return s, nil
}

// harmless notes damage that costs no event.
func (s *segment) harmless(offset, n int64, reason string) {
	s.damage = append(s.damage, Damage{File: s.name, Offset: offset, Bytes: n, Reason: reason})
}

func (s *segment) loadMeta(f io.ReaderAt) error {
	n := int64(s.head.meta)
	b, err := readUpTo(f, headSize, max(0, min(n+4, s.size-headSize)))
	if err != nil {
		return err
	}
	switch {
	case int64(len(b)) < n+4:
		s.harmless(headSize, int64(len(b)), "the file ends within its description")
	case binary.LittleEndian.Uint32(b[n:]) != checksum(b[:n]):
		s.harmless(headSize, n+4, "the description does not match its checksum")
	case json.Unmarshal(b[:n], &s.meta) != nil:
		s.harmless(headSize, n+4, "the description is not the JSON that it should be")
	default:
		s.hasMeta = true
		s.number = s.meta.Segment
	}
	return nil
}

// understood tells whether this version can read the segment.
func (s *segment) understood() error {
	by := ""
	if s.hasMeta && s.meta.Tool != "" {
		by = fmt.Sprintf(" (written by %s)", s.meta.Tool)
	}
	if s.head.version == 0 || s.head.version > Version {
		return &FormatError{Path: s.name,
			Found: fmt.Sprintf("has format version %d%s; this program reads up to version %d", s.head.version, by, Version)}
	}
	if s.head.required != 0 {
		return &FormatError{Path: s.name,
			Found: fmt.Sprintf("needs features that this program does not know (bits %#x)%s", s.head.required, by)}
	}
	return nil
}

func readTrailer(f io.ReaderAt, size int64) (t trailer, ok bool, err error) {
	if size < headSize+trailerSize {
		return t, false, nil
	}
	b, err := readUpTo(f, size-trailerSize, trailerSize)
	if err != nil {
		return t, false, err
	}
	t, ok = parseTrailer(b, size)
	return t, ok, nil
}

// loadFooter reads the footer that a trailer names. A damaged one costs no
// event: the blocks are found without it.
func (s *segment) loadFooter(f io.ReaderAt, t *trailer) error {
	b, err := readUpTo(f, t.offset, int64(t.length))
	if err != nil {
		return err
	}
	s.end = t.offset
	if checksum(b) == t.sum {
		s.blocks, s.totals, err = parseFooter(b, s.number, t)
		s.closed = err == nil
	}
	if !s.closed {
		s.harmless(t.offset, int64(t.length), "the footer does not match its checksum")
	}
	return nil
}

// readUpTo reads n bytes, or what there is of them.
func readUpTo(f io.ReaderAt, offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	got, err := f.ReadAt(b, offset)
	if err == io.EOF {
		err = nil
	}
	return b[:got], err
}

// sniff says what a file is that is not a segment.
func sniff(b []byte) string {
	for _, k := range []struct{ magic, found string }{
		{"\xd4\xc3\xb2\xa1", "is a pcap file: use --read"},
		{"\xa1\xb2\xc3\xd4", "is a pcap file: use --read"},
		{"\x4d\x3c\xb2\xa1", "is a pcap file: use --read"},
		{"\xa1\xb2\x3c\x4d", "is a pcap file: use --read"},
		{"\x0a\x0d\x0d\x0a", "is a pcapng file: use --read"},
		{"\x1f\x8b", "is a gzip file"},
		{"\x28\xb5\x2f\xfd", "is a zstd file"},
		{"\xfebin", "is a MySQL binary log"},
		{segmentMagic, "begins as a capture segment, but its head does not match its checksum, and it has no trailer"},
	} {
		if strings.HasPrefix(string(b), k.magic) {
			return k.found
		}
	}
	switch {
	case len(b) == 0:
		return "is empty"
	case len(b) < headSize && strings.HasPrefix(segmentMagic, string(b[:min(8, len(b))])):
		return "is cut within its head"
	}
	return fmt.Sprintf("begins with %q, not as a capture segment", b[:min(8, len(b))])
}

// scanner finds the blocks of one segment, and says what is wrong between
// them.
type scanner struct {
	f      io.ReaderAt
	name   string
	salt   uint64
	offset int64
	end    int64
	closed bool // the end is known from the footer
	buf    []byte
}

func newScanner(f io.ReaderAt, s *segment) *scanner {
	return &scanner{f: f, name: s.name, salt: s.head.salt, offset: s.head.start(), end: s.end, closed: s.closed || s.end < s.size}
}

// next returns the next block and its payload, which is valid until the next
// call, or a damage, or io.EOF.
func (s *scanner) next() (b Block, payload []byte, damage *Damage, err error) {
	if s.offset >= s.end {
		return b, nil, nil, io.EOF
	}
	begin := s.read(s.offset, blockHeader, &err)
	if err != nil {
		return b, nil, nil, err
	}
	b, sum, ok := parseHeader(begin, s.salt)
	if !ok {
		return b, nil, s.noBlock(begin, &err), err
	}
	b.Offset = s.offset
	if int64(b.Stored) > s.end-s.offset {
		return b, nil, s.bad(s.end, "a block is cut short"), nil
	}
	payload = s.read(s.offset+blockHeader, int64(b.Stored)-blockHeader, &err)
	if err != nil {
		return b, nil, nil, err
	}
	if checksum(payload) != sum {
		return b, nil, s.bad(s.offset+int64(b.Stored), "a block does not match its checksum"), nil
	}
	s.offset += int64(b.Stored)
	return b, payload, nil, nil
}

// read reads n bytes, or what there is before the end, into the buffer.
func (s *scanner) read(offset, n int64, err *error) []byte {
	n = min(n, s.end-offset)
	if s.buf = emptied(s.buf); int64(cap(s.buf)) < n {
		s.buf = make([]byte, n)
	}
	got, rerr := s.f.ReadAt(s.buf[:n], offset)
	if rerr != nil && rerr != io.EOF {
		*err = fmt.Errorf("reading %s: %w", s.name, rerr)
	}
	return s.buf[:got]
}

// bad makes a damage of the bytes up to an offset, and goes on there.
func (s *scanner) bad(to int64, reason string) *Damage {
	d := &Damage{File: s.name, Offset: s.offset, Bytes: to - s.offset, Events: -1, Reason: reason}
	s.offset = to
	return d
}

// noBlock says what stands where a block should begin.
func (s *scanner) noBlock(begin []byte, err *error) *Damage {
	if !s.closed && (bytes.HasPrefix(begin, []byte(footerMagic)) || strings.HasPrefix(footerMagic, string(begin))) {
		d := s.bad(s.end, "the footer is cut short, or its trailer damaged")
		d.Events = 0
		return d
	}
	cut := len(begin) < blockHeader
	to := s.resync(s.offset+1, err)
	if cut {
		return s.bad(to, "a block is cut short")
	}
	return s.bad(to, "the head of a block is damaged")
}

// resync returns where the next block begins, or the end. A block is known by
// its magic, its checksum and the segment's salt, which bytes from the wire
// can't have guessed.
func (s *scanner) resync(from int64, err *error) int64 {
	const window = 64 << 10
	for from < s.end {
		b := s.read(from, window, err)
		if i := s.find(b); i >= 0 {
			return from + int64(i)
		}
		if *err != nil || len(b) == 0 || from+int64(len(b)) >= s.end {
			return s.end
		}
		from += int64(max(1, len(b)-blockHeader+1))
	}
	return s.end
}

// find returns where in b the header of a block begins, or -1.
func (s *scanner) find(b []byte) int {
	for i := 0; ; i++ {
		j := bytes.Index(b[i:], []byte(blockMagic))
		if j < 0 {
			return -1
		}
		i += j
		if _, _, ok := parseHeader(b[i:], s.salt); ok {
			return i
		}
	}
}
