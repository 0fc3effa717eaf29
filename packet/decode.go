package packet

import (
	"encoding/binary"
	"net/netip"
)

// rawPacket is one record of a source: a frame and what the source says of it.
type rawPacket struct {
	at   int64    // nanoseconds since the Unix epoch
	data []byte   // as captured, borrowed until the next record is read
	wire int      // length on the wire, at least len(data)
	link LinkType // what data begins with

	drops uint64 // with errDrops: how many packets are missing
}

// addr is an IPv4 (as ::ffff:a.b.c.d) or IPv6 address as two numbers.
type addr struct{ hi, lo uint64 }

const v4Mapped = 0xffff << 32

func addr4(b []byte) addr { return addr{0, v4Mapped | uint64(binary.BigEndian.Uint32(b))} }
func addr16(b []byte) addr {
	return addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func addrOf(a netip.Addr) addr {
	b := a.As16()
	return addr16(b[:])
}

// netip returns the address in the standard library's form.
func (a addr) netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b).Unmap()
}

// TCP flags.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// tcpPacket is one decoded TCP segment. data is borrowed from the record.
type tcpPacket struct {
	at               int64
	src, dst         addr
	srcPort, dstPort uint16
	v6               bool
	flags            uint8
	seq, ack         uint32
	data             []byte // payload as captured
	size             uint32 // payload on the wire, at least len(data)
}

// verdict tells what decoding made of a packet.
type verdict uint8

const (
	isTCP        verdict = iota
	isOther              // not IP, or not TCP
	isFragment           // kept, waiting for the other fragments
	isBadLink            // a link type that we do not know
	isMalformed          // headers contradict themselves
	isCut                // recorded too short for its headers
	isUnfiltered         // not chosen by the filter
)

// decoder turns records into TCP segments.
type decoder struct {
	filter    *Filter
	fragments defragmenter
}

func newDecoder(o *Options, stats *Stats) decoder {
	return decoder{filter: o.Filter, fragments: defragmenter{
		maxBytes: o.Limits.FragmentBytes, maxCount: o.Limits.Fragments, stats: stats,
	}}
}

// decode decodes one record into p.
func (d *decoder) decode(raw *rawPacket, p *tcpPacket) verdict {
	version, off, v := raw.link.decode(raw.data)
	if v != isTCP {
		return v
	}
	p.at = raw.at
	switch version {
	case 4:
		v = d.ipv4(raw.data[off:], raw.wire-off, p)
	case 6:
		v = d.ipv6(raw.data[off:], raw.wire-off, p)
	default:
		return isOther
	}
	if v == isTCP && d.filter != nil && !d.filter.match(p) {
		return isUnfiltered
	}
	return v
}

const (
	protoTCP     = 6
	ipv4MinLen   = 20
	ipv6Len      = 40
	tcpMinLen    = 20
	maxIPv6Heads = 8 // extension headers of one packet
)

// ipv4 decodes b, of which wire bytes were on the wire.
func (d *decoder) ipv4(b []byte, wire int, p *tcpPacket) verdict {
	if len(b) < ipv4MinLen {
		return short(len(b), wire)
	}
	head := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // segmentation offload: the length was not filled in yet
		total = wire
	}
	if b[0]>>4 != 4 || head < ipv4MinLen || total < head {
		return isMalformed
	}
	if b[9] != protoTCP {
		return isOther
	}
	p.src, p.dst, p.v6 = addr4(b[12:]), addr4(b[16:]), false
	if len(b) > total {
		b = b[:total] // padding of short Ethernet frames
	}
	if len(b) < head {
		return short(len(b), wire)
	}
	if frag := binary.BigEndian.Uint16(b[6:]); frag&0x3fff != 0 {
		f := fragment{
			key:    fragmentKey{p.src, p.dst, uint32(binary.BigEndian.Uint16(b[4:]))},
			offset: int(frag&0x1fff) * 8,
			more:   frag&0x2000 != 0,
			data:   b[head:],
			size:   total - head,
		}
		return d.fragment(f, p)
	}
	return decodeTCP(b[head:], total-head, p)
}

// ipv6 decodes b, of which wire bytes were on the wire.
func (d *decoder) ipv6(b []byte, wire int, p *tcpPacket) verdict {
	if len(b) < ipv6Len {
		return short(len(b), wire)
	}
	if b[0]>>4 != 6 {
		return isMalformed
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size == 0 { // a jumbogram, or segmentation offload
		size = max(wire-ipv6Len, 0)
	}
	p.src, p.dst, p.v6 = addr16(b[8:]), addr16(b[24:]), true
	next := b[6]
	b = b[ipv6Len:]
	if len(b) > size {
		b = b[:size]
	}
	return d.ipv6Next(next, b, size, p)
}

// Numbers of IPv6 extension headers.
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAuth        = 51
	extDestination = 60
	extMobility    = 135
)

// ipv6Next walks the extension headers to the TCP header.
func (d *decoder) ipv6Next(next uint8, b []byte, size int, p *tcpPacket) verdict {
	for range maxIPv6Heads {
		if next == protoTCP {
			return decodeTCP(b, size, p)
		}
		if !isExtension(next) {
			return isOther
		}
		if len(b) < 8 {
			return short(len(b), size)
		}
		head := 8 + int(b[1])*8
		switch next {
		case extFragment:
			head = 8
			frag := binary.BigEndian.Uint16(b[2:])
			if frag&^6 != 0 { // a fragment that is the whole needs no waiting
				if b[0] != protoTCP {
					return isOther
				}
				f := fragment{
					key:    fragmentKey{p.src, p.dst, binary.BigEndian.Uint32(b[4:])},
					offset: int(frag &^ 7),
					more:   frag&1 != 0,
					data:   b[head:],
					size:   size - head,
				}
				return d.fragment(f, p)
			}
		case extAuth:
			head = 8 + int(b[1])*4
		}
		if size < head {
			return isMalformed
		}
		if len(b) < head {
			return isCut
		}
		next, b, size = b[0], b[head:], size-head
	}
	return isMalformed
}

// isExtension tells whether an IPv6 header of this number is walked over.
func isExtension(next uint8) bool {
	switch next {
	case extHopByHop, extRouting, extFragment, extAuth, extDestination, extMobility:
		return true
	}
	return false
}

// fragment keeps a fragment, and decodes the datagram when it was the last one
// missing.
func (d *decoder) fragment(f fragment, p *tcpPacket) verdict {
	whole := d.fragments.add(&f, p.at)
	if whole == nil {
		return isFragment
	}
	return decodeTCP(whole, len(whole), p)
}

// decodeTCP decodes the segment b, of which size bytes were on the wire. When the
// record ends within the options, only the size of the payload is known.
func decodeTCP(b []byte, size int, p *tcpPacket) verdict {
	if len(b) < tcpMinLen {
		return short(len(b), size)
	}
	head := int(b[12]>>4) * 4
	if head < tcpMinLen || size < head {
		return isMalformed
	}
	p.srcPort = binary.BigEndian.Uint16(b)
	p.dstPort = binary.BigEndian.Uint16(b[2:])
	p.seq = binary.BigEndian.Uint32(b[4:])
	p.ack = binary.BigEndian.Uint32(b[8:])
	p.flags = b[13]
	p.data = b[min(head, len(b)):]
	p.size = uint32(size - head)
	return isTCP
}

// short tells a record that was cut from a packet that is too small.
func short(have, wire int) verdict {
	if have < wire {
		return isCut
	}
	return isMalformed
}
