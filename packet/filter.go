package packet

import (
	"fmt"
	"math/bits"
	"net/netip"
)

// Filter chooses TCP packets by address and port. It runs in user space on
// decoded packets and can be compiled for the kernel. It does not change after
// it was made.
type Filter struct {
	root *node
	text string
}

// String returns the expression.
func (f *Filter) String() string { return f.text }

// NewFilter makes a filter for packets from or to one of ports, and from or to
// one of hosts or nets. An empty list does not restrict; with no lists at all
// every TCP packet is chosen.
func NewFilter(ports []uint16, hosts []netip.Addr, nets []netip.Prefix) *Filter {
	var byPort, byAddr *node
	for _, p := range ports {
		byPort = join(opOr, byPort, &node{op: opPort, low: p, high: p})
	}
	for _, h := range hosts {
		h = h.Unmap()
		byAddr = join(opOr, byAddr, netNode(netip.PrefixFrom(h, h.BitLen())))
	}
	for _, n := range nets {
		byAddr = join(opOr, byAddr, netNode(unmapPrefix(n)))
	}
	root := join(opAnd, byAddr, byPort)
	if root == nil {
		root = &node{op: opTCP}
	}
	return &Filter{root: root, text: root.String()}
}

// And returns a filter for the packets that both f and g choose. Either may be
// nil, which chooses all.
func (f *Filter) And(g *Filter) *Filter {
	switch {
	case f == nil:
		return g
	case g == nil:
		return f
	}
	return &Filter{join(opAnd, f.root, g.root), fmt.Sprintf("(%s) and (%s)", f.text, g.text)}
}

func (f *Filter) match(p *tcpPacket) bool { return f.root.match(p) }

// op is what a node of an expression does.
type op uint8

const (
	opTCP op = iota // true: only TCP is looked at
	opIP
	opIP6
	opNet
	opPort
	opAnd
	opOr
	opNot
)

// direction tells which end of a packet an address or port is compared with.
type direction uint8

const (
	either direction = iota
	source
	destination
	both
)

// node is an expression.
type node struct {
	op          op
	dir         direction // opNet, opPort
	left, right *node     // opAnd, opOr; opNot has only left

	net       netip.Prefix // opNet
	addr      addr         // net's address
	mask      addr         // net's mask
	low, high uint16       // opPort
}

// join combines two nodes, of which either may be nil.
func join(op op, l, r *node) *node {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	}
	return &node{op: op, left: l, right: r}
}

// unmapPrefix turns a prefix of IPv4-mapped addresses into an IPv4 one.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func netNode(p netip.Prefix) *node {
	p = p.Masked()
	n := p.Bits()
	if p.Addr().Is4() {
		n += 96
	}
	mask := addr{hi: ^uint64(0) << max(64-n, 0), lo: ^uint64(0)}
	if n <= 64 {
		mask.lo = 0
	} else {
		mask.lo <<= 128 - n
	}
	return &node{op: opNet, net: p, addr: addrOf(p.Addr()), mask: mask}
}

// match evaluates the expression.
func (n *node) match(p *tcpPacket) bool {
	switch n.op {
	case opAnd:
		return n.left.match(p) && n.right.match(p)
	case opOr:
		return n.left.match(p) || n.right.match(p)
	case opNot:
		return !n.left.match(p)
	case opIP:
		return !p.v6
	case opIP6:
		return p.v6
	case opNet:
		return n.net.Addr().Is6() == p.v6 && n.dir.holds(n.contains(p.src), n.contains(p.dst))
	case opPort:
		return n.dir.holds(n.low <= p.srcPort && p.srcPort <= n.high, n.low <= p.dstPort && p.dstPort <= n.high)
	}
	return true
}

// hasPorts tells whether the expression looks at ports.
func (n *node) hasPorts() bool {
	return n != nil && (n.op == opPort || n.left.hasPorts() || n.right.hasPorts())
}

func (n *node) contains(a addr) bool {
	return a.hi&n.mask.hi == n.addr.hi && a.lo&n.mask.lo == n.addr.lo
}

// holds combines what is true of the source and of the destination.
func (d direction) holds(src, dst bool) bool {
	switch d {
	case source:
		return src
	case destination:
		return dst
	case both:
		return src && dst
	}
	return src || dst
}

var directionWords = [...]string{either: "", source: "src ", destination: "dst ", both: "src and dst "}

// String returns the expression in tcpdump's language.
func (n *node) String() string {
	switch n.op {
	case opAnd, opOr:
		word := "and"
		if n.op == opOr {
			word = "or"
		}
		return fmt.Sprintf("%s %s %s", n.left, word, n.right.operand())
	case opNot:
		return "not " + n.left.operand()
	case opIP:
		return "ip"
	case opIP6:
		return "ip6"
	case opNet:
		if n.net.IsSingleIP() {
			return fmt.Sprintf("%shost %s", directionWords[n.dir], n.net.Addr())
		}
		return fmt.Sprintf("%snet %s", directionWords[n.dir], n.net)
	case opPort:
		if n.low == n.high {
			return fmt.Sprintf("%sport %d", directionWords[n.dir], n.low)
		}
		return fmt.Sprintf("%sportrange %d-%d", directionWords[n.dir], n.low, n.high)
	}
	return "tcp"
}

// operand returns the expression in parentheses when it needs them: "and" and
// "or" bind equally and from the left.
func (n *node) operand() string {
	if n.op == opAnd || n.op == opOr {
		return "(" + n.String() + ")"
	}
	return n.String()
}

// words returns the address's 32-bit words that the mask looks at, with their
// offsets in the address on the wire.
func (n *node) words() (w []maskedWord) {
	a, m := [2]uint64{n.addr.hi, n.addr.lo}, [2]uint64{n.mask.hi, n.mask.lo}
	first := 0
	if n.net.Addr().Is4() {
		first = 3
	}
	for i := first; i < 4; i++ {
		shift := 32 - i%2*32
		if mask := uint32(m[i/2] >> shift); mask != 0 {
			w = append(w, maskedWord{uint32(i-first) * 4, uint32(a[i/2] >> shift), mask})
		}
	}
	return w
}

// maskedWord is a part of an address to compare.
type maskedWord struct{ off, value, mask uint32 }

// whole tells whether all bits are compared.
func (w maskedWord) whole() bool { return bits.OnesCount32(w.mask) == 32 }
