package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// The PROXY protocol, version 2, section 2.2 of
// https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyLocal     = 0x20 // version 2, the relay's own connection
	proxyProxy     = 0x21 // version 2, on behalf of another
	proxyUnknown   = 0x00
	proxyTCP4      = 0x11
	proxyTCP6      = 0x21
)

// proxyHeader says to the server who the client is and which address it
// connected to. Addresses that are not TCP's leave both unsaid.
func proxyHeader(client, listener netip.AddrPort) []byte {
	h := []byte(proxySignature)
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

// addrOf returns the address of a TCP end, and the zero AddrPort of any other.
func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
