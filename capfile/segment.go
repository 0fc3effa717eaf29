package capfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"myreplay/wire"
)

const (
	segmentMagic = "\x89MYR\r\n\x1a\n"
	footerMagic  = "\x89MYRIDX\n"
	trailerMagic = "\x89MYREND\n"

	headSize    = 32
	trailerSize = 64
	indexRow    = 64
	footerFixed = 16 // magic, number of rows, length of the totals
)

// head is the fixed beginning of a segment.
type head struct {
	version  uint16
	optional uint16 // features that a reader may ignore
	required uint32 // features that a reader must know
	salt     uint64 // repeated in every block of the segment
	meta     uint32 // length of the meta JSON
}

func (h *head) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = wire.AppendUint16(dst, h.version)
	dst = wire.AppendUint16(dst, h.optional)
	dst = wire.AppendUint32(dst, h.required)
	dst = wire.AppendUint64(dst, h.salt)
	dst = wire.AppendUint32(dst, h.meta)
	return wire.AppendUint32(dst, checksum(dst[start:]))
}

// parseHead reads a head; ok tells whether its magic and checksum are right.
func parseHead(b []byte) (h head, ok bool) {
	if len(b) < headSize || string(b[:8]) != segmentMagic || binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return h, false
	}
	r := wire.NewReader(b[8:28])
	h = head{version: r.Uint16(), optional: r.Uint16(), required: r.Uint32(), salt: r.Uint64(), meta: r.Uint32()}
	return h, h.meta <= MaxMeta
}

// start returns where the first block begins.
func (h *head) start() int64 { return headSize + int64(h.meta) + 4 }

// appendSegment appends the beginning of a segment: head, meta, checksum.
func appendSegment(dst []byte, h head, meta []byte) []byte {
	h.meta = uint32(len(meta))
	dst = h.append(dst)
	dst = append(dst, meta...)
	return wire.AppendUint32(dst, checksum(meta))
}

// appendFooter appends the index, the totals and the trailer that end a
// segment of which offset bytes are written.
func appendFooter(dst []byte, h head, blocks []Block, totals *Totals, offset int64) ([]byte, error) {
	start := len(dst)
	js, err := json.Marshal(totals)
	if err != nil {
		return dst, fmt.Errorf("encoding totals: %w", err)
	}
	dst = append(dst, footerMagic...)
	dst = wire.AppendUint32(dst, uint32(len(blocks)))
	dst = wire.AppendUint32(dst, uint32(len(js)))
	for i := range blocks {
		b := &blocks[i]
		dst = wire.AppendUint64(dst, uint64(b.Offset))
		dst = wire.AppendUint32(dst, b.Stored)
		dst = wire.AppendUint32(dst, b.Raw)
		dst = wire.AppendUint32(dst, b.Events)
		dst = wire.AppendUint32(dst, 0) // reserved
		dst = wire.AppendUint64(dst, b.FirstEvent)
		dst = wire.AppendUint64(dst, uint64(b.First))
		dst = wire.AppendUint64(dst, uint64(b.Last))
		dst = wire.AppendUint64(dst, b.Low)
		dst = wire.AppendUint64(dst, b.High)
	}
	dst = append(dst, js...)
	footer := dst[start:]
	end := len(dst)
	dst = append(dst, trailerMagic...)
	dst = wire.AppendUint64(dst, uint64(offset))
	dst = wire.AppendUint32(dst, uint32(len(footer)))
	dst = wire.AppendUint32(dst, checksum(footer))
	dst = h.append(dst)
	dst = wire.AppendUint32(dst, 0) // reserved
	return wire.AppendUint32(dst, checksum(dst[end:])), nil
}

// trailer is the fixed end of a segment that was closed.
type trailer struct {
	offset int64 // of the footer
	length uint32
	sum    uint32
	head   head
}

// parseTrailer reads the trailer of a segment of size bytes; ok tells whether
// it is one.
func parseTrailer(b []byte, size int64) (t trailer, ok bool) {
	if len(b) < trailerSize || string(b[:8]) != trailerMagic || binary.LittleEndian.Uint32(b[60:]) != checksum(b[:60]) {
		return t, false
	}
	r := wire.NewReader(b[8:24])
	t = trailer{offset: int64(r.Uint64()), length: r.Uint32(), sum: r.Uint32()}
	t.head, ok = parseHead(b[24:56])
	return t, ok && t.offset >= headSize && t.length <= maxFooter && t.offset+int64(t.length)+trailerSize == size
}

// parseFooter reads a footer whose checksum is right.
func parseFooter(b []byte, segment uint32, t *trailer) (blocks []Block, totals Totals, err error) {
	r := wire.NewReader(b)
	magic := string(r.Bytes(8))
	n, js := int64(r.Uint32()), int64(r.Uint32())
	if magic != footerMagic || footerFixed+n*indexRow+js != int64(len(b)) {
		return nil, totals, errBlock
	}
	blocks = make([]Block, n)
	for i := range blocks {
		k := &blocks[i]
		k.Segment, k.Number = segment, i
		k.Offset = int64(r.Uint64())
		k.Stored, k.Raw, k.Events = r.Uint32(), r.Uint32(), r.Uint32()
		r.Uint32()
		k.FirstEvent = r.Uint64()
		k.First, k.Last = int64(r.Uint64()), int64(r.Uint64())
		k.Low, k.High = r.Uint64(), r.Uint64()
		if k.Offset < headSize || k.Offset > t.offset-int64(k.Stored) || k.Stored < blockHeader || k.Raw > MaxBlock {
			return nil, totals, errBlock
		}
	}
	if err := json.Unmarshal(r.Rest(), &totals); err != nil {
		return nil, totals, errBlock
	}
	return blocks, totals, nil
}

// IsSegment tells whether a file that begins with head (8 bytes are enough) is
// a segment of a capture.
func IsSegment(head []byte) bool { return bytes.HasPrefix(head, []byte(segmentMagic)) }
