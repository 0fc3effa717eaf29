package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// Block types of pcapng.
const (
	blockInterface  = 1
	blockOldPacket  = 2
	blockSimple     = 3
	blockStatistics = 5
	blockPacket     = 6
	blockSection    = magicNG
)

// Option codes, each with its block.
const (
	optEnd            = 0
	optTimeResolution = 9  // interface
	optTimeOffset     = 14 // interface
	optDropCount      = 4  // packet
	optReceiverDrops  = 5  // statistics: by the interface
	optSystemDrops    = 7  // statistics: by the operating system
)

const (
	blockHead     = 8  // type, length
	blockAround   = 12 // head, and the length again at the end
	sectionMin    = 16
	packetHead    = 20      // of a packet block
	maxInterfaces = 1 << 16 // in one section
	maxBlock      = maxRecord + 64<<10
	byteOrderMark = 0x1a2b3c4d
)

// errDrops: the file says that packets are missing here.
var errDrops = errors.New("packets were dropped")

// pcapngReader reads the pcapng format.
type pcapngReader struct {
	in         *input
	order      byteOrder
	interfaces []captured
	lastAt     int64  // for packets without a time
	toSkip     int64  // what is left of a block that is not looked at
	drops      uint64 // to be told now
	told       int64  // the end of the packet block whose drops were told
}

// captured is an interface that packets were captured on.
type captured struct {
	link    LinkType
	snaplen uint32
	base10  bool  // the unit of time is 10^-exp seconds, else 2^-exp
	exp     uint8 // at most 127
	offset  int64 // seconds
	drops   uint64
}

// next reads blocks up to the next packet.
func (r *pcapngReader) next(p *rawPacket) error {
	for {
		found, err := r.block(p)
		if err != nil {
			return err
		}
		if r.drops > 0 {
			p.at, p.drops, r.drops = r.lastAt, r.drops, 0
			return errDrops
		}
		if found {
			return nil
		}
	}
}

// block reads one block and tells whether it was a packet.
func (r *pcapngReader) block(p *rawPacket) (bool, error) {
	in := r.in
	if r.toSkip > 0 {
		var err error
		if r.toSkip, err = in.discard(r.toSkip); err != nil {
			return false, in.torn(err, "a block")
		}
	}
	if err := in.need(blockAround); err == io.EOF {
		return false, io.EOF
	} else if err != nil {
		return false, in.torn(err, "a block")
	}
	b := in.bytes(blockAround)
	if binary.LittleEndian.Uint32(b) == blockSection {
		return false, r.section(b)
	}
	if r.order == nil {
		return false, in.fail("the file does not begin with a section", nil)
	}
	kind, size := r.order.Uint32(b), r.order.Uint32(b[4:])
	if size < blockAround || size%4 != 0 {
		return false, in.fail(fmt.Sprintf("a block claims to be %d bytes long", size), nil)
	}
	switch kind {
	case blockInterface, blockOldPacket, blockSimple, blockPacket, blockStatistics:
	default:
		r.toSkip = int64(size)
		return false, nil
	}
	body, err := r.body(size)
	if err != nil {
		return false, err
	}
	return r.known(kind, size, body, p)
}

// body makes a block of a known type available and returns what is in it.
func (r *pcapngReader) body(size uint32) ([]byte, error) {
	in := r.in
	if size > maxBlock {
		return nil, in.fail(fmt.Sprintf("a block claims to be %d bytes long, more than %d", size, maxBlock), nil)
	}
	if err := in.need(int(size)); err != nil {
		return nil, in.torn(err, "a block")
	}
	b := in.bytes(int(size))
	if again := r.order.Uint32(b[size-4:]); again != size {
		return nil, in.fail(fmt.Sprintf("a block's length is %d at its beginning and %d at its end", size, again), nil)
	}
	return b[blockHead : size-4], nil
}

// known reads a block of a known type.
func (r *pcapngReader) known(kind, size uint32, body []byte, p *rawPacket) (found bool, err error) {
	reason := ""
	switch kind {
	case blockInterface:
		reason = r.addInterface(body)
	case blockStatistics:
		reason = r.statistics(body)
	case blockSimple:
		found, reason = true, r.simple(body, p)
	default:
		found, reason = r.packet(kind, size, body, p)
		if reason == "" && !found {
			return false, nil
		}
	}
	if reason != "" {
		return false, r.in.fail(reason, nil)
	}
	r.in.skip(int(size))
	return found, nil
}

// section reads a section header, of which b is the beginning.
func (r *pcapngReader) section(b []byte) error {
	in := r.in
	var order byteOrder
	switch {
	case binary.LittleEndian.Uint32(b[8:]) == byteOrderMark:
		order = binary.LittleEndian
	case binary.BigEndian.Uint32(b[8:]) == byteOrderMark:
		order = binary.BigEndian
	default:
		return in.fail(fmt.Sprintf("a section without a byte order: % x", b[8:12]), nil)
	}
	size := order.Uint32(b[4:])
	if size < sectionMin+blockAround || size%4 != 0 {
		return in.fail(fmt.Sprintf("a section header claims to be %d bytes long", size), nil)
	}
	r.order = order
	body, err := r.body(size)
	if err != nil {
		return err
	}
	if major := order.Uint16(body[4:]); major != 1 {
		return in.fail(fmt.Sprintf("pcapng version %d.%d is not known", major, order.Uint16(body[6:])), nil)
	}
	r.interfaces = r.interfaces[:0]
	in.skip(int(size))
	return nil
}

// addInterface reads an interface description block. It returns what is wrong.
func (r *pcapngReader) addInterface(body []byte) string {
	if len(body) < 8 {
		return "an interface description is too short"
	}
	if len(r.interfaces) == maxInterfaces {
		return fmt.Sprintf("more than %d interfaces", maxInterfaces)
	}
	i := captured{link: LinkType(r.order.Uint16(body)), snaplen: r.order.Uint32(body[4:]), base10: true, exp: 6}
	r.options(body[8:], func(code uint16, v []byte) {
		switch {
		case code == optTimeResolution && len(v) >= 1:
			i.base10, i.exp = v[0]&0x80 == 0, v[0]&0x7f
		case code == optTimeOffset && len(v) >= 8:
			i.offset = int64(r.order.Uint64(v))
		}
	})
	r.interfaces = append(r.interfaces, i)
	return ""
}

// options calls f with each option; what does not fit is ignored.
func (r *pcapngReader) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if code == optEnd || n > len(b)-4 {
			return
		}
		f(code, b[4:4+n:4+n])
		b = b[min(4+(n+3)&^3, len(b)):]
	}
}

// packet reads a packet block, the old or the new kind. When packets were lost
// before it, it is left where it is until that was told. It returns what is wrong.
func (r *pcapngReader) packet(kind, size uint32, body []byte, p *rawPacket) (found bool, reason string) {
	if len(body) < packetHead {
		return false, "a packet block is too short"
	}
	id, drops := r.order.Uint32(body), uint64(0)
	if kind == blockOldPacket {
		id = uint32(r.order.Uint16(body))
		if n := r.order.Uint16(body[2:]); n != math.MaxUint16 { // that is "unknown"
			drops = uint64(n)
		}
	}
	have, wire := r.order.Uint32(body[12:]), r.order.Uint32(body[16:])
	if int64(have) > int64(len(body)-packetHead) || have > maxRecord {
		return false, fmt.Sprintf("a packet claims to be %d bytes long in a block of %d", have, len(body))
	}
	if int64(id) >= int64(len(r.interfaces)) {
		return false, fmt.Sprintf("a packet of interface %d, which is not described", id)
	}
	i := &r.interfaces[id]
	p.at = i.time(uint64(r.order.Uint32(body[4:]))<<32 | uint64(r.order.Uint32(body[8:])))
	p.data = body[packetHead : packetHead+have : packetHead+have]
	p.wire, p.link = wireLen(wire, int(have)), i.link
	r.lastAt = p.at
	if options := packetHead + int(have+3)&^3; kind == blockPacket && options < len(body) {
		r.options(body[options:], func(code uint16, v []byte) {
			if code == optDropCount && len(v) >= 8 {
				drops = r.order.Uint64(v)
			}
		})
	}
	if end := r.in.off + int64(size); drops > 0 && r.told != end {
		r.told, r.drops = end, drops
		i.drops += drops
		return false, ""
	}
	return true, ""
}

// simple reads a simple packet block, which has no time: it gets the time of the
// packet before it.
func (r *pcapngReader) simple(body []byte, p *rawPacket) string {
	if len(body) < 4 {
		return "a packet block is too short"
	}
	if len(r.interfaces) == 0 {
		return "a packet of interface 0, which is not described"
	}
	i := &r.interfaces[0]
	wire := r.order.Uint32(body)
	have := min(int64(wire), int64(len(body)-4), maxRecord)
	if i.snaplen > 0 {
		have = min(have, int64(i.snaplen))
	}
	p.at = r.lastAt
	p.data = body[4 : 4+have : 4+have]
	p.wire, p.link = wireLen(wire, int(have)), i.link
	return ""
}

// statistics reads the recorder's own counts of lost packets. What was told
// before is taken off.
func (r *pcapngReader) statistics(body []byte) string {
	if len(body) < 12 {
		return "an interface statistics block is too short"
	}
	id := r.order.Uint32(body)
	if int64(id) >= int64(len(r.interfaces)) {
		return fmt.Sprintf("statistics of interface %d, which is not described", id)
	}
	i := &r.interfaces[id]
	var total uint64
	r.options(body[12:], func(code uint16, v []byte) {
		if (code == optReceiverDrops || code == optSystemDrops) && len(v) >= 8 {
			total += r.order.Uint64(v)
		}
	})
	if total > i.drops {
		r.drops += total - i.drops
		i.drops = total
	}
	return ""
}

// time returns a time stamp in nanoseconds since the Unix epoch, or the nearest
// that fits.
func (i *captured) time(ts uint64) int64 {
	var ns uint64
	switch {
	case i.base10 && i.exp <= 9:
		hi, lo := bits.Mul64(ts, pow10(9-i.exp))
		if hi != 0 {
			return math.MaxInt64
		}
		ns = lo
	case i.base10:
		ns = ts
		for range min(i.exp-9, 20) {
			ns /= 10
		}
	case i.exp > 63:
		ns = 0
	default:
		sec, frac := ts>>i.exp, ts&(1<<i.exp-1)
		hi, lo := bits.Mul64(frac, 1e9)
		part := lo >> i.exp
		if i.exp > 0 {
			part |= hi << (64 - i.exp)
		}
		if sec >= maxSeconds {
			return math.MaxInt64
		}
		ns = sec*1e9 + part
	}
	return shift(ns, i.offset)
}

// maxSeconds is how many seconds fit in nanoseconds.
const maxSeconds = math.MaxInt64 / 1_000_000_000

func pow10(n uint8) uint64 {
	v := uint64(1)
	for range n {
		v *= 10
	}
	return v
}

// shift adds seconds to ns, or returns the nearest value that fits.
func shift(ns uint64, seconds int64) int64 {
	ns = min(ns, math.MaxInt64)
	seconds = max(min(seconds, maxSeconds), -maxSeconds)
	if seconds > 0 && int64(ns) > math.MaxInt64-seconds*1e9 {
		return math.MaxInt64
	}
	return int64(ns) + seconds*1e9
}
