package probe

import (
	"net/netip"
	"strconv"
	"strings"
)

// place is where a session comes from, as the processlist's HOST tells it.
type place struct {
	addr netip.AddrPort // the client's, when its address is told
	name string         // its name, when the server resolves names
	port uint16
}

// parseHost reads a HOST: "10.0.0.1:41000", "::1:41000", "[::1]:41000",
// "name:41000"; "localhost" for a socket. It fails when there is no port.
func parseHost(host string) (p place, ok bool) {
	i := strings.LastIndexByte(host, ':')
	if i <= 0 {
		return p, false
	}
	port, err := strconv.ParseUint(host[i+1:], 10, 16)
	if err != nil || port == 0 || host[i+1] == '+' {
		return p, false
	}
	p.port = uint16(port)
	name := host[:i]
	if inner, found := strings.CutPrefix(name, "["); found {
		if name, found = strings.CutSuffix(inner, "]"); !found {
			return place{}, false
		}
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		p.addr = plain(netip.AddrPortFrom(ip, p.port))
		return p, true
	}
	if strings.Contains(name, ":") {
		return place{}, false
	}
	p.name = strings.ToLower(name)
	return p, true
}

// plain writes an address in the form in which two that are the same are equal.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// mayBe tells whether a session with a host name may be the client's.
func (p place) mayBe(client netip.AddrPort) bool {
	return p.name != "" && p.port == client.Port() && (client.Addr().Unmap().IsLoopback() || p.name != "localhost")
}
