package capfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"myreplay/session"
	"myreplay/wire"

	"github.com/klauspost/compress/zstd"
)

// MaxCarried is the highest length of a block that is carried (BlockEncoder).
const MaxCarried = MaxBlock + carriedHead

const (
	// maxCarriedCost is the highest cost (MaxEvent) of all events of a carried
	// block: that of one event, and of some small ones before it.
	maxCarriedCost = MaxEvent + 8<<20
	// carriedHead is the highest length of what stands before the streams.
	carriedHead = 1 + (2+int(streamCount))*binary.MaxVarintLen64

	// The first byte of a carried block.
	carriedPlain  = 0
	carriedPacked = 1
)

// ErrBlockFull tells that an event does not fit into the block at hand: begin a
// new one and add it there.
var ErrBlockFull = errors.New("the block is full")

// BlockEncoder encodes events into blocks as a capture has them, for carrying
// them in another way than by a file. A block stands alone. It is for one
// goroutine.
type BlockEncoder struct {
	enc  encoder
	cost int
}

// NewBlockEncoder returns an encoder with an empty block.
func NewBlockEncoder() *BlockEncoder {
	b := &BlockEncoder{}
	b.enc.reset()
	return b
}

// Add encodes an event into the block at hand. It keeps nothing of the event but
// its Columns and Info strings. ErrBlockFull asks for a new block; any other
// error means that the event can never be carried (MaxEvent).
func (b *BlockEncoder) Add(ev session.Event) error {
	n := b.enc.cost(ev)
	if n > MaxEvent {
		return fmt.Errorf("an event of %d bytes is over the capture format's limit of %d", n, MaxEvent)
	}
	if b.cost+n > maxCarriedCost || len(b.enc.sessions) >= MaxSessions {
		return ErrBlockFull
	}
	if err := b.enc.add(ev); err != nil {
		return err
	}
	b.cost += n
	return nil
}

// Events returns how many events the block at hand has.
func (b *BlockEncoder) Events() int { return int(b.enc.events) }

// Size returns about how many bytes the block at hand takes.
func (b *BlockEncoder) Size() int { return b.enc.size() }

// Append appends the block at hand to dst, and begins a new one.
func (b *BlockEncoder) Append(dst []byte) []byte {
	e := &b.enc
	dst = append(dst, carriedPlain)
	dst = wire.AppendUvarint(dst, uint64(e.events))
	mask := uint64(0)
	for i := range e.b {
		if len(e.b[i]) > 0 {
			mask |= 1 << i
		}
	}
	dst = wire.AppendUvarint(dst, mask)
	for i := range e.b {
		if len(e.b[i]) > 0 {
			dst = wire.AppendUvarint(dst, uint64(len(e.b[i])))
		}
	}
	for i := range e.b {
		dst = append(dst, e.b[i]...)
		e.b[i] = emptied(e.b[i])
	}
	e.reset()
	b.cost = 0
	return dst
}

// BlockPacker compresses blocks of a BlockEncoder. It is for one goroutine.
type BlockPacker struct{ zstd *zstd.Encoder }

// NewBlockPacker returns a BlockPacker.
func NewBlockPacker() (*BlockPacker, error) {
	p, err := newPacker()
	if err != nil {
		return nil, err
	}
	return &BlockPacker{zstd: p.zstd}, nil
}

// Append appends the compressed block to dst, or the block as it is where that
// is not shorter.
func (p *BlockPacker) Append(dst, block []byte) []byte {
	const tooSmall = 256 // not worth the time
	start := len(dst)
	if len(block) > tooSmall {
		dst = append(dst, carriedPacked)
		dst = wire.AppendUvarint(dst, uint64(len(block)))
		dst = p.zstd.EncodeAll(block, dst)
		if len(dst)-start < len(block) {
			return dst
		}
	}
	return append(dst[:start], block...)
}

// BlockDecoder decodes blocks of a BlockEncoder. It is for one goroutine.
type BlockDecoder struct {
	dec     decoder
	unpack  *unpacker
	buf     []byte
	streams [streamCount][]byte
}

// Decode returns the events of a block, which own their bytes. An error means
// that the block does not follow the format; then there are no events. Whatever
// the block says, no more is allocated than a small multiple of MaxEvent.
func (b *BlockDecoder) Decode(block []byte) ([]session.Event, error) {
	if len(block) > 0 && block[0] == carriedPacked {
		plain, err := b.inflate(block[1:])
		if err != nil {
			return nil, err
		}
		block = plain
	}
	if len(block) == 0 || len(block) > MaxCarried || block[0] != carriedPlain {
		return nil, errBlock
	}
	events, err := b.split(block[1:])
	if err != nil {
		return nil, err
	}
	list, err := b.read(events)
	clear(b.streams[:])
	b.buf = emptied(b.buf)
	return list, err
}

// inflate decompresses a block.
func (b *BlockDecoder) inflate(block []byte) ([]byte, error) {
	r := wire.NewReader(block)
	n := r.Uvarint()
	if r.Err() != nil || n > uint64(MaxCarried) {
		return nil, errBlock
	}
	if b.unpack == nil {
		var err error
		if b.unpack, err = newUnpacker(); err != nil {
			return nil, err
		}
	}
	if b.buf = emptied(b.buf); cap(b.buf) < int(n) {
		b.buf = make([]byte, 0, n)
	}
	plain, err := b.unpack.zstd.DecodeAll(r.Rest(), b.buf[:0:n])
	if err != nil || len(plain) != int(n) {
		return nil, errBlock
	}
	return plain, nil
}

// split finds the streams of a block, which alias it.
func (b *BlockDecoder) split(block []byte) (events uint32, err error) {
	clear(b.streams[:])
	r := wire.NewReader(block)
	n, mask := r.Uvarint(), r.Uvarint()
	if r.Err() != nil || bits.Len64(mask) > int(streamCount) {
		return 0, errBlock
	}
	var sizes [streamCount]uint64
	for i := range sizes {
		if mask&(1<<i) != 0 {
			sizes[i] = r.Uvarint()
		}
	}
	for i, size := range sizes {
		if size > uint64(r.Len()) {
			return 0, errBlock
		}
		b.streams[i] = r.Bytes(int(size))
	}
	if r.Err() != nil || r.Len() != 0 || n > uint64(len(b.streams[stTypes])) {
		return 0, errBlock
	}
	return uint32(n), nil
}

// read decodes the events of the streams.
func (b *BlockDecoder) read(events uint32) ([]session.Event, error) {
	const most = 1 << 12 // events that there is room for before they are read
	d := &b.dec
	d.begin(&b.streams, events)
	unknown, cost := d.unknown, 0
	list := make([]session.Event, 0, min(events, most))
	for ev := d.next(); ev != nil; ev = d.next() {
		list = append(list, ev)
		if cost += MaxEvent - d.budget; cost > maxCarriedCost {
			return nil, errBlock
		}
	}
	switch {
	case d.err != nil:
		return nil, d.err
	case d.unknown != unknown:
		return nil, fmt.Errorf("%d events of types that this version does not know", d.unknown-unknown)
	}
	return list, nil
}
