package preface

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"myreplay/wire"
)

const (
	// maxProxyV1 is the longest header of PROXY protocol version 1, its CRLF
	// included.
	maxProxyV1 = 107
	proxyV1    = "PROXY "
	proxyV2    = "\r\n\r\n\x00\r\nQUIT\n"
)

// ErrNoProxy tells that bytes are no PROXY protocol header.
var ErrNoProxy = errors.New("no PROXY protocol header")

// ReadProxy reads a PROXY protocol header (version 1 or 2, as HAProxy's
// specification describes them) from the beginning of b. It returns the
// client's address (not valid when the header names none) and the header's
// length in bytes; 0 when more bytes are needed. The only error is ErrNoProxy.
func ReadProxy(b []byte) (src netip.AddrPort, n int, err error) {
	switch {
	case isPrefix(b, proxyV1):
		return proxyHeaderV1(b)
	case isPrefix(b, proxyV2):
		return proxyHeaderV2(b)
	}
	return src, 0, ErrNoProxy
}

// isPrefix tells whether b begins with s, as far as it goes.
func isPrefix(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

func proxyHeaderV1(b []byte) (src netip.AddrPort, n int, err error) {
	end := bytes.Index(b, []byte("\r\n"))
	if end < 0 {
		if len(b) >= maxProxyV1 {
			return src, 0, ErrNoProxy
		}
		return src, 0, nil
	}
	// PROXY TCP4 source destination sourceport destinationport
	if f := strings.Fields(string(b[:end])); len(f) == 6 {
		src, _ = netip.ParseAddrPort(netipJoin(f[2], f[4]))
	}
	return src, end + 2, nil
}

func netipJoin(addr, port string) string {
	if strings.Contains(addr, ":") {
		return "[" + addr + "]:" + port
	}
	return addr + ":" + port
}

func proxyHeaderV2(b []byte) (src netip.AddrPort, n int, err error) {
	const fixed = len(proxyV2) + 4
	if len(b) < fixed {
		return src, 0, nil
	}
	family := b[len(proxyV2)+1]
	n = fixed + (int(b[fixed-2])<<8 | int(b[fixed-1]))
	if len(b) < n {
		return src, 0, nil
	}
	r := wire.NewReader(b[fixed:n])
	size := 4
	if family>>4 == 2 {
		size = 16
	}
	addr, ok := netip.AddrFromSlice(r.Bytes(size))
	r.Skip(size)
	port := r.Bytes(2)
	if ok && r.Err() == nil && (family>>4 == 1 || family>>4 == 2) {
		src = netip.AddrPortFrom(addr, uint16(port[0])<<8|uint16(port[1]))
	}
	return src, n, nil
}

// The PROXY protocol, version 2, section 2.2 of
// https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
const (
	proxyLocal   = 0x20 // version 2, the relay's own connection
	proxyProxy   = 0x21 // version 2, on behalf of another
	proxyUnknown = 0x00
	proxyTCP4    = 0x11
	proxyTCP6    = 0x21
)

// Proxy returns a PROXY protocol header, version 2, that says to a server who the
// client is and which address it connected to. Addresses that are not valid
// leave both unsaid.
func Proxy(client, listener netip.AddrPort) []byte {
	h := []byte(proxyV2)
	if !client.IsValid() || !listener.IsValid() {
		return append(h, proxyLocal, proxyUnknown, 0, 0)
	}
	from, to := client.Addr().Unmap(), listener.Addr().Unmap()
	family := byte(proxyTCP4)
	if !from.Is4() || !to.Is4() {
		family = proxyTCP6
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	addresses := append(from.AsSlice(), to.AsSlice()...)
	addresses = binary.BigEndian.AppendUint16(addresses, client.Port())
	addresses = binary.BigEndian.AppendUint16(addresses, listener.Port())
	h = append(h, proxyProxy, family)
	h = binary.BigEndian.AppendUint16(h, uint16(len(addresses)))
	return append(h, addresses...)
}
