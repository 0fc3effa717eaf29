package decode

import (
	"bytes"
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

var errNoProxy = errors.New("no PROXY protocol header")

// proxyHeader reads a PROXY protocol header (version 1 or 2, as HAProxy's
// specification describes them) from the beginning of b. It returns the
// client's address (not valid when the header names none) and the header's
// length; 0 when more bytes are needed.
func proxyHeader(b []byte) (src netip.AddrPort, n int, err error) {
	switch {
	case isPrefix(b, proxyV1):
		return proxyHeaderV1(b)
	case isPrefix(b, proxyV2):
		return proxyHeaderV2(b)
	}
	return src, 0, errNoProxy
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
			return src, 0, errNoProxy
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

// looksTLS tells whether b begins as a TLS record does.
func looksTLS(b []byte) bool {
	return len(b) >= 3 && b[0] >= 0x14 && b[0] <= 0x17 && b[1] == 3 && b[2] <= 4
}

// tlsRecords tells whether b consists of whole TLS records.
func tlsRecords(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 5 || !looksTLS(b) {
			return false
		}
		n := 5 + (int(b[3])<<8 | int(b[4]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
