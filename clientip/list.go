package clientip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const (
	// MaxItems is how many addresses and networks a list may have, as TCPCopy's.
	MaxItems = 4096
	// MaxNetwork is how many addresses of one network are used.
	MaxNetwork = 1 << 16
	// widest4 and widest6 are the fewest bits that a network may have.
	widest4, widest6 = 16, 32
)

// span is a row of addresses.
type span struct {
	network netip.Prefix
	first   netip.Addr
	size    uint64
	before  uint64 // addresses of the spans before it in the pool
}

// pool is all addresses of a list that are of one kind.
type pool struct {
	spans []span
	size  uint64
}

func (p *pool) add(s span) {
	s.before = p.size
	p.size += s.size
	p.spans = append(p.spans, s)
}

// at returns the nth address, from 0; n is below p.size.
func (p *pool) at(n uint64) netip.Addr {
	i, found := slices.BinarySearchFunc(p.spans, n, func(s span, n uint64) int {
		switch {
		case s.before < n:
			return -1
		case s.before > n:
			return 1
		default:
			return 0
		}
	})
	if !found {
		i--
	}
	s := &p.spans[i]
	return plus(s.first, n-s.before)
}

// parseSpan reads an address or a network.
func parseSpan(s string) (span, error) {
	n, err := parseNetwork(s)
	if err != nil {
		return span{}, err
	}
	if a := n.Addr(); IsLocal(a) {
		return span{}, fmt.Errorf("%q: such addresses mean nothing to another host", s)
	}
	widest := widest6
	if n.Addr().Is4() {
		widest = widest4
	}
	if n.Bits() < widest {
		return span{}, fmt.Errorf("%q: a network of at least /%d", s, widest)
	}
	free := n.Addr().BitLen() - n.Bits()
	sp := span{network: n, first: n.Addr(), size: MaxNetwork}
	if free < 16 {
		sp.size = 1 << free
	}
	if free >= 2 {
		// The first address is the network's own. The last one of an IPv4 network is
		// its broadcast; where only a part of a network is used it is one less too.
		sp.first = plus(sp.first, 1)
		sp.size -= 2
	}
	return sp, nil
}

// parseNetwork reads an address, a network, or TCPCopy's a.b.c.x.
func parseNetwork(s string) (netip.Prefix, error) {
	bad := fmt.Errorf("%q: give an address, a network such as 10.50.0.0/16, or 62.135.200.x", s)
	if head, ok := strings.CutSuffix(s, ".x"); ok {
		bits, tail := 24, ".0"
		if short, more := strings.CutSuffix(head, ".x"); more {
			head, bits, tail = short, 16, ".0.0"
		}
		a, err := netip.ParseAddr(head + tail)
		if err != nil {
			return netip.Prefix{}, bad
		}
		return netip.PrefixFrom(a, bits), nil
	}
	if strings.Contains(s, "/") {
		n, err := netip.ParsePrefix(s)
		if err != nil || n.Addr().Is4In6() {
			return netip.Prefix{}, bad
		}
		return n.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, bad
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
