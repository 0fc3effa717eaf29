package packet

import (
	"encoding/binary"
	"strconv"
)

// LinkType is the LINKTYPE_ number of a capture file: what a frame begins with.
type LinkType uint16

// The link types that are understood.
const (
	linkNull     LinkType = 0   // BSD loopback, family in the byte order of the writer
	LinkEthernet LinkType = 1   //
	linkRaw12    LinkType = 12  // raw IP, as some systems number it
	linkRaw14    LinkType = 14  // the same on OpenBSD
	LinkRaw      LinkType = 101 // raw IP, either version
	linkLoop     LinkType = 108 // OpenBSD loopback, family in network order
	LinkCooked   LinkType = 113 // Linux "cooked" capture
	linkIPv4     LinkType = 228
	linkIPv6     LinkType = 229
	LinkCooked2  LinkType = 276 // Linux "cooked" capture, version 2
)

// EtherTypes.
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherQinQ1 = 0x9100 // what 802.1ad was before it was a standard
	etherQinQ2 = 0x9200
)

// Lengths of link headers.
const (
	ethernetLen = 14
	vlanLen     = 4
	cookedLen   = 16
	cooked2Len  = 20
	familyLen   = 4
	maxVLANTags = 4
)

// known tells whether frames of this type can be decoded.
func (l LinkType) known() bool {
	switch l {
	case linkNull, LinkEthernet, linkRaw12, linkRaw14, LinkRaw, linkLoop, LinkCooked, linkIPv4, linkIPv6, LinkCooked2:
		return true
	}
	return false
}

// String returns the number.
func (l LinkType) String() string { return strconv.Itoa(int(l)) }

// decode returns the IP version that the frame carries and where its header
// begins; version 0 is something else.
func (l LinkType) decode(b []byte) (version, off int, v verdict) {
	switch l {
	case LinkEthernet:
		return etherPayload(b, ethernetLen-2, ethernetLen)
	case LinkCooked:
		return etherPayload(b, cookedLen-2, cookedLen)
	case LinkCooked2:
		return etherPayload(b, 0, cooked2Len)
	case LinkRaw, linkRaw12, linkRaw14:
		if len(b) == 0 {
			return 0, 0, isMalformed
		}
		return int(b[0] >> 4), 0, isTCP
	case linkIPv4:
		return 4, 0, isTCP
	case linkIPv6:
		return 6, 0, isTCP
	case linkNull, linkLoop:
		return loopPayload(b)
	}
	return 0, 0, isBadLink
}

// etherPayload reads the EtherType at typeOff and steps over VLAN tags, the
// first of which is at off.
func etherPayload(b []byte, typeOff, off int) (version, at int, v verdict) {
	for range maxVLANTags + 1 {
		if len(b) < off {
			return 0, 0, isMalformed
		}
		switch binary.BigEndian.Uint16(b[typeOff:]) {
		case etherIPv4:
			return 4, off, isTCP
		case etherIPv6:
			return 6, off, isTCP
		case etherVLAN, etherQinQ, etherQinQ1, etherQinQ2:
			typeOff, off = off+2, off+vlanLen
		default:
			return 0, 0, isOther
		}
	}
	return 0, 0, isOther
}

// loopPayload reads the address family of a BSD loopback header, in either byte
// order. The number for IPv6 differs between systems.
func loopPayload(b []byte) (version, off int, v verdict) {
	if len(b) < familyLen {
		return 0, 0, isMalformed
	}
	family := binary.BigEndian.Uint32(b)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(b)
	}
	switch family {
	case 2:
		return 4, familyLen, isTCP
	case 10, 24, 28, 30:
		return 6, familyLen, isTCP
	}
	return 0, 0, isOther
}
