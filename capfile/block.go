package capfile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"myreplay/wire"

	"github.com/klauspost/compress/zstd"
)

// Block describes one block of a segment.
type Block struct {
	// Segment is the number of the segment, Number the block's number within
	// it, from 0, and Offset where it begins.
	Segment uint32
	Number  int
	Offset  int64
	// Stored is the block's size in the file with its header, Raw its size
	// before compression.
	Stored, Raw uint32
	// Events counts its events; FirstEvent is the number of the first within
	// the capture, from 0.
	Events     uint32
	FirstEvent uint64
	// First and Last are the times of its events, 0 when none has one; Low and
	// High their session ids.
	First, Last int64
	Low, High   uint64
}

const (
	blockMagic  = "\xb1MYRBLK\n"
	blockHeader = 80
	codecRaw    = 0
	codecZstd   = 1
	// minCompress is the length from which a stream is compressed.
	minCompress = 48
)

// appendHeader appends the header of a block with the given stored bytes.
func (b *Block) appendHeader(dst, payload []byte, salt uint64) []byte {
	start := len(dst)
	dst = append(dst, blockMagic...)
	dst = wire.AppendUint32(dst, uint32(len(payload)))
	dst = wire.AppendUint32(dst, b.Raw)
	dst = wire.AppendUint64(dst, b.FirstEvent)
	dst = wire.AppendUint32(dst, b.Events)
	dst = wire.AppendUint32(dst, 0) // reserved
	dst = wire.AppendUint64(dst, uint64(b.First))
	dst = wire.AppendUint64(dst, uint64(b.Last))
	dst = wire.AppendUint64(dst, b.Low)
	dst = wire.AppendUint64(dst, b.High)
	dst = wire.AppendUint64(dst, salt)
	dst = wire.AppendUint32(dst, checksum(payload))
	return wire.AppendUint32(dst, checksum(dst[start:]))
}

// parseHeader reads a block's header from the beginning of b. It fails for
// bytes that are no header of this segment.
func parseHeader(b []byte, salt uint64) (h Block, sum uint32, ok bool) {
	if len(b) < blockHeader || string(b[:8]) != blockMagic {
		return h, 0, false
	}
	if binary.LittleEndian.Uint32(b[76:]) != checksum(b[:76]) || binary.LittleEndian.Uint64(b[64:]) != salt {
		return h, 0, false
	}
	r := wire.NewReader(b[8:blockHeader])
	h.Stored = r.Uint32()
	h.Raw = r.Uint32()
	h.FirstEvent = r.Uint64()
	h.Events = r.Uint32()
	r.Uint32()
	h.First, h.Last = int64(r.Uint64()), int64(r.Uint64())
	h.Low, h.High = r.Uint64(), r.Uint64()
	r.Uint64()
	sum = r.Uint32()
	if h.Raw > MaxBlock || h.Stored > h.Raw+blockTable {
		return h, 0, false
	}
	h.Stored += blockHeader
	return h, sum, true
}

// blockTable is the highest length of a block's table of streams.
const blockTable = 1 + 256*(2+2*binary.MaxVarintLen32)

// packer compresses the streams of blocks.
type packer struct {
	zstd  *zstd.Encoder
	table []byte
	data  []byte
}

func newPacker() (*packer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true), zstd.WithWindowSize(1<<19))
	if err != nil {
		return nil, fmt.Errorf("setting up zstd: %w", err)
	}
	return &packer{zstd: z}, nil
}

// pack returns the payload of a block: a table of its streams and their
// bytes. It is valid until the next call.
func (p *packer) pack(streams *[streamCount][]byte) (payload []byte, raw int) {
	p.table, p.data = append(emptied(p.table), 0), emptied(p.data)
	for i := range streams {
		s := streams[i]
		if len(s) == 0 {
			continue
		}
		codec := byte(codecRaw)
		start := len(p.data)
		if len(s) >= minCompress && stream(i) != stHashes {
			p.data = p.zstd.EncodeAll(s, p.data)
			codec = codecZstd
		}
		if codec == codecRaw || len(p.data)-start >= len(s) {
			p.data = append(p.data[:start], s...)
			codec = codecRaw
		}
		raw += len(s)
		p.table[0]++
		p.table = append(p.table, byte(i), codec)
		p.table = wire.AppendUvarint(p.table, uint64(len(s)))
		p.table = wire.AppendUvarint(p.table, uint64(len(p.data)-start))
	}
	p.table = append(p.table, p.data...)
	return p.table, raw
}

// emptied returns b without its bytes, or nil when a large event has made it
// so large that it should not be kept.
func emptied(b []byte) []byte {
	const much = 2 << 20
	if cap(b) > much {
		return nil
	}
	return b[:0]
}

// streamSize is the size of one stream of a block.
type streamSize struct {
	number, codec byte
	raw, stored   int
}

// errBlock: the contents of a block do not follow the format.
var errBlock = errors.New("contents do not follow the format")

// parseTable reads the table of streams. The sizes add up to raw and to the
// rest of the payload, which it returns.
func parseTable(payload []byte, raw uint32) (sizes []streamSize, data []byte, err error) {
	r := wire.NewReader(payload)
	n := int(r.Uint8())
	rawLeft, storedLeft := uint64(raw), uint64(len(payload))
	for i := 0; i < n && r.Err() == nil; i++ {
		s := streamSize{number: r.Uint8(), codec: r.Uint8()}
		rawSize, stored := r.Uvarint(), r.Uvarint()
		if rawSize > rawLeft || stored > storedLeft || i > 0 && s.number <= sizes[i-1].number {
			return nil, nil, errBlock
		}
		rawLeft -= rawSize
		storedLeft -= stored
		s.raw, s.stored = int(rawSize), int(stored)
		sizes = append(sizes, s)
	}
	data = r.Rest()
	if r.Err() != nil || rawLeft != 0 || uint64(len(payload)-len(data)) != storedLeft {
		return nil, nil, errBlock
	}
	return sizes, data, nil
}

// unpacker decompresses the streams of blocks.
type unpacker struct{ zstd *zstd.Decoder }

func newUnpacker() (*unpacker, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(MaxBlock))
	if err != nil {
		return nil, fmt.Errorf("setting up zstd: %w", err)
	}
	return &unpacker{zstd: z}, nil
}

// unpack decompresses a block's payload into buf, which it may replace, and
// sets the streams that this version knows; they alias buf.
func (u *unpacker) unpack(payload []byte, raw uint32, buf []byte, streams *[streamCount][]byte) ([]byte, error) {
	clear(streams[:])
	sizes, data, err := parseTable(payload, raw)
	if err != nil {
		return buf, err
	}
	if buf = emptied(buf); cap(buf) < int(raw) {
		buf = make([]byte, 0, raw)
	}
	for _, s := range sizes {
		stored := data[:s.stored]
		data = data[s.stored:]
		if s.number >= byte(streamCount) {
			continue
		}
		start, end := len(buf), len(buf)+s.raw
		switch s.codec {
		case codecRaw:
			if s.stored != s.raw {
				return buf, errBlock
			}
			buf = append(buf, stored...)
		case codecZstd:
			out, err := u.zstd.DecodeAll(stored, buf[start:start:end])
			if err != nil || len(out) != s.raw {
				return buf, errBlock
			}
			buf = buf[:end]
			copy(buf[start:], out) // no more than a check when out is there already
		default:
			return buf, fmt.Errorf("stream %d is compressed by method %d, which this version does not know", s.number, s.codec)
		}
		streams[s.number] = buf[start:end:end]
	}
	return buf, nil
}
