package packettest

import (
	"encoding/binary"
	"net/netip"
)

// AppendEthernet appends an Ethernet frame with the VLAN tags (outermost first)
// and the IP packet. Short frames are padded to 60 bytes, as on the wire.
func AppendEthernet(dst []byte, vlans []uint16, ip []byte) []byte {
	start := len(dst)
	dst = append(dst, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	for i, id := range vlans {
		tag := uint16(0x8100)
		if i < len(vlans)-1 {
			tag = 0x88a8
		}
		dst = binary.BigEndian.AppendUint16(dst, tag)
		dst = binary.BigEndian.AppendUint16(dst, id)
	}
	dst = binary.BigEndian.AppendUint16(dst, EtherType(ip))
	dst = append(dst, ip...)
	for len(dst)-start < 60 {
		dst = append(dst, 0xee)
	}
	return dst
}

// EtherType returns the EtherType of an IP packet.
func EtherType(ip []byte) uint16 {
	if len(ip) > 0 && ip[0]>>4 == 6 {
		return 0x86dd
	}
	return 0x0800
}

// AppendIP appends an IP packet, of the version of the addresses, with the
// segment.
func AppendIP(dst []byte, from, to netip.AddrPort, s *Segment) []byte {
	tcp := AppendTCP(nil, from, to, s)
	if from.Addr().Is4() {
		return append(appendIPv4(dst, from.Addr(), to.Addr(), len(tcp)), tcp...)
	}
	dst = append(dst, 0x60, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(tcp)))
	dst = append(dst, 6, 64)
	dst = append(dst, from.Addr().AsSlice()...)
	dst = append(dst, to.Addr().AsSlice()...)
	return append(dst, tcp...)
}

func appendIPv4(dst []byte, from, to netip.Addr, payload int) []byte {
	h := make([]byte, 20)
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(20+payload))
	h[6] = 0x40 // do not fragment
	h[8], h[9] = 64, 6
	copy(h[12:], from.AsSlice())
	copy(h[16:], to.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(0, h))
	return append(dst, h...)
}

// AppendTCP appends the TCP segment.
func AppendTCP(dst []byte, from, to netip.AddrPort, s *Segment) []byte {
	h := make([]byte, 20, 20+len(s.Data))
	binary.BigEndian.PutUint16(h, from.Port())
	binary.BigEndian.PutUint16(h[2:], to.Port())
	binary.BigEndian.PutUint32(h[4:], s.Seq)
	binary.BigEndian.PutUint32(h[8:], s.Ack)
	h[12], h[13] = 5<<4, s.Flags
	binary.BigEndian.PutUint16(h[14:], 0xffff)
	h = append(h, s.Data...)
	sum := sum16(0, from.Addr().AsSlice())
	sum = sum16(sum, to.Addr().AsSlice()) + 6 + uint32(len(h))
	binary.BigEndian.PutUint16(h[16:], checksum(sum, h))
	return append(dst, h...)
}

// checksum returns the Internet checksum of b, begun with sum.
func checksum(sum uint32, b []byte) uint16 {
	sum = sum16(sum, b)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func sum16(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// Fragments cuts an IPv4 or IPv6 packet into fragments with up to size bytes of
// payload; size must be a multiple of 8.
func Fragments(ip []byte, size int, id uint32) [][]byte {
	head := 40
	if ip[0]>>4 == 4 {
		head = int(ip[0]&15) * 4
	}
	payload := ip[head:]
	var out [][]byte
	for off := 0; off < len(payload); off += size {
		end := min(off+size, len(payload))
		out = append(out, fragment(ip[:head], payload[off:end], off, end < len(payload), id))
	}
	return out
}

// fragment makes one fragment.
func fragment(head, data []byte, off int, more bool, id uint32) []byte {
	f := append([]byte(nil), head...)
	if head[0]>>4 == 4 {
		binary.BigEndian.PutUint16(f[2:], uint16(len(head)+len(data)))
		binary.BigEndian.PutUint16(f[4:], uint16(id))
		frag := uint16(off / 8)
		if more {
			frag |= 0x2000
		}
		binary.BigEndian.PutUint16(f[6:], frag)
		f[10], f[11] = 0, 0
		binary.BigEndian.PutUint16(f[10:], checksum(0, f))
		return append(f, data...)
	}
	binary.BigEndian.PutUint16(f[4:], uint16(8+len(data)))
	next := f[6]
	f[6] = 44
	frag := uint16(off)
	if more {
		frag |= 1
	}
	f = append(f, next, 0, byte(frag>>8), byte(frag))
	f = binary.BigEndian.AppendUint32(f, id)
	return append(f, data...)
}
