package clientip

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"
	"sync/atomic"
)

// Kind is the way in which a Mode chooses addresses.
type Kind uint8

// The kinds.
const (
	// Off: this host's own address.
	Off Kind = iota
	// Preserve: the client's own address, and its port when that is free.
	Preserve
	// Map: an address of a list, the same client always the same one.
	Map
)

// Mode says which address each client's sessions come from. It may be used by
// many goroutines. The zero Mode is Off.
type Mode struct {
	kind   Kind
	list   string // as it was given
	v4, v6 pool

	local, noAddress atomic.Uint64
}

// Counts are what a Mode had no client's address for.
type Counts struct {
	// Local counts connections for clients whose address means nothing to other
	// hosts (IsLocal), NoAddress those for clients whose kind of address (IPv4 or
	// IPv6) the list has none of. All of them came from this host's own address.
	Local, NoAddress uint64
}

// Parse reads a mode: "preserve", "off", or "map:LIST" with a list as ParseList
// takes it.
func Parse(s string) (*Mode, error) {
	switch list, ok := strings.CutPrefix(s, "map:"); {
	case ok:
		return ParseList(list)
	case s == "preserve":
		return &Mode{kind: Preserve}, nil
	case s == "off":
		return &Mode{}, nil
	}
	return nil, fmt.Errorf("%q: there are preserve, off, and map:LIST with addresses and networks, such as map:10.50.0.0/16", s)
}

// ParseList reads the list of a Map mode: addresses, networks (10.50.0.0/16,
// 2001:db8::/64) and TCPCopy's form 62.135.200.x, with commas between.
// A network's first and last addresses are left out, and of larger networks than
// MaxNetwork only the first addresses are taken.
func ParseList(s string) (*Mode, error) {
	m := &Mode{kind: Map, list: s}
	items := strings.Split(s, ",")
	if len(items) > MaxItems {
		return nil, fmt.Errorf("%d addresses and networks: at most %d", len(items), MaxItems)
	}
	for _, item := range items {
		r, err := parseSpan(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		if r.first.Is4() {
			m.v4.add(r)
		} else {
			m.v6.add(r)
		}
	}
	return m, nil
}

// Kind returns the kind.
func (m *Mode) Kind() Kind { return m.kind }

// String returns what Parse reads.
func (m *Mode) String() string {
	switch m.kind {
	case Preserve:
		return "preserve"
	case Map:
		return "map:" + m.list
	default:
		return "off"
	}
}

// Map returns the address that a client's sessions come from; the zero Addr is
// this host's own. Of a list, the same client always gets the same address, also
// in another process.
func (m *Mode) Map(client netip.Addr) netip.Addr {
	client = client.Unmap()
	if m.kind == Off {
		return netip.Addr{}
	}
	if IsLocal(client) {
		m.local.Add(1)
		return netip.Addr{}
	}
	if m.kind == Preserve {
		return client
	}
	p := &m.v4
	if client.Is6() {
		p = &m.v6
	}
	if p.size == 0 {
		m.noAddress.Add(1)
		return netip.Addr{}
	}
	return p.at(spread(client) % p.size)
}

// Request returns from where to connect on behalf of a client, without
// Request.KeepAlive. other: not from the client's own port (Request.OtherPort).
// Where addresses are mapped the kernel chooses the port, because two clients
// may share an address.
func (m *Mode) Request(client netip.AddrPort, to string, other bool) Request {
	r := Request{To: to}
	from := m.Map(client.Addr())
	switch {
	case !from.IsValid():
	case m.kind == Map:
		r.From = netip.AddrPortFrom(from, 0)
	default:
		r.From, r.OtherPort = netip.AddrPortFrom(from, client.Port()), other
	}
	return r
}

// Counts returns the counts so far.
func (m *Mode) Counts() Counts {
	return Counts{Local: m.local.Load(), NoAddress: m.noAddress.Load()}
}

// Networks returns the networks that the list's addresses are in: those that
// must be routed to this host. Only a Map has some.
func (m *Mode) Networks() []netip.Prefix {
	var list []netip.Prefix
	for _, p := range []*pool{&m.v4, &m.v6} {
		for _, s := range p.spans {
			list = append(list, s.network)
		}
	}
	return list
}

// spread returns a number that depends on every bit of the address, and on
// nothing else.
func spread(a netip.Addr) uint64 {
	h := fnv.New64a()
	b := a.As16()
	h.Write(b[:])
	// FNV's low bits are weak for inputs that differ in their last byte only.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// plus returns the address n further on; n is at most MaxNetwork.
func plus(a netip.Addr, n uint64) netip.Addr {
	if a.Is4() {
		b := a.As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+n)
	return netip.AddrFrom16(b)
}
