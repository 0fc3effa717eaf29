package relay

import (
	"net"
	"net/netip"
)

// addrOf returns the address of a TCP end, and the zero AddrPort of any other.
func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
