package packet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

// one decodes a frame and describes the segment in it.
func one(link LinkType, frame []byte, wire int) string {
	var stats Stats
	d := newDecoder(&Options{Limits: DefaultLimits}, &stats)
	var p tcpPacket
	v := d.decode(&rawPacket{data: frame, wire: max(wire, len(frame)), link: link}, &p)
	return segmentLine(v, &p)
}

func segmentLine(v verdict, p *tcpPacket) string {
	names := []string{isOther: "other", isFragment: "fragment", isBadLink: "bad link", isMalformed: "malformed", isCut: "cut", isUnfiltered: "unfiltered"}
	if v != isTCP {
		return names[v]
	}
	src, dst := netip.AddrPortFrom(p.src.netip(), p.srcPort), netip.AddrPortFrom(p.dst.netip(), p.dstPort)
	return fmt.Sprintf("%v > %v seq %d ack %d flags %#x %q of %d", src, dst, p.seq, p.ack, p.flags, p.data, p.size)
}

// testPackets are the same segment over IPv4 and IPv6, and what decoding makes of
// them.
func testPackets() (v4, v6 []byte, want4, want6 string) {
	s := packettest.Segment{Seq: 7, Ack: 9, Flags: packettest.ACK | packettest.PSH, Data: []byte("hello")}
	from4, to4 := netip.MustParseAddrPort("192.0.2.7:4000"), netip.MustParseAddrPort("192.0.2.1:3306")
	from6, to6 := netip.MustParseAddrPort("[2001:db8::7]:4000"), netip.MustParseAddrPort("[2001:db8::1]:3306")
	v4, v6 = packettest.AppendIP(nil, from4, to4, &s), packettest.AppendIP(nil, from6, to6, &s)
	const rest = ` seq 7 ack 9 flags 0x18 "hello" of 5`
	return v4, v6, "192.0.2.7:4000 > 192.0.2.1:3306" + rest, "[2001:db8::7]:4000 > [2001:db8::1]:3306" + rest
}

// Every link type brings the packet as it is; Ethernet's padding is not data.
func TestLinkTypes(t *testing.T) {
	v4, v6, want4, want6 := testPackets()
	head := func(parts ...any) []byte {
		var b []byte
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				b = append(b, make([]byte, p)...)
			case uint16:
				b = binary.BigEndian.AppendUint16(b, p)
			case []byte:
				b = append(b, p...)
			}
		}
		return b
	}
	for _, c := range []struct {
		name string
		link LinkType
		head func(ip []byte) []byte
		only byte // IP version
	}{
		{"Ethernet", LinkEthernet, func(ip []byte) []byte { return packettest.AppendEthernet(nil, nil, ip) }, 0},
		{"one VLAN tag", LinkEthernet, func(ip []byte) []byte { return packettest.AppendEthernet(nil, []uint16{5}, ip) }, 0},
		{"QinQ", LinkEthernet, func(ip []byte) []byte { return packettest.AppendEthernet(nil, []uint16{5, 6}, ip) }, 0},
		{"four tags", LinkEthernet, func(ip []byte) []byte { return packettest.AppendEthernet(nil, []uint16{5, 6, 7, 8}, ip) }, 0},
		{"the tag of before 802.1ad", LinkEthernet, func(ip []byte) []byte {
			return head(12, uint16(etherQinQ1), uint16(5), packettest.EtherType(ip), ip)
		}, 0},
		{"cooked", LinkCooked, func(ip []byte) []byte { return head(14, packettest.EtherType(ip), ip) }, 0},
		{"cooked with a tag", LinkCooked, func(ip []byte) []byte {
			return head(14, uint16(etherVLAN), uint16(3), packettest.EtherType(ip), ip)
		}, 0},
		{"cooked 2", LinkCooked2, func(ip []byte) []byte { return head(packettest.EtherType(ip), 18, ip) }, 0},
		{"raw", LinkRaw, func(ip []byte) []byte { return ip }, 0},
		{"raw 12", linkRaw12, func(ip []byte) []byte { return ip }, 0},
		{"raw 14", linkRaw14, func(ip []byte) []byte { return ip }, 0},
		{"IPv4 only", linkIPv4, func(ip []byte) []byte { return ip }, 4},
		{"IPv6 only", linkIPv6, func(ip []byte) []byte { return ip }, 6},
		{"BSD, little-endian", linkNull, func(ip []byte) []byte { return head([]byte{family(ip, 30), 0, 0, 0}, ip) }, 0},
		{"BSD, big-endian", linkNull, func(ip []byte) []byte { return head([]byte{0, 0, 0, family(ip, 24)}, ip) }, 0},
		{"OpenBSD", linkLoop, func(ip []byte) []byte { return head([]byte{0, 0, 0, family(ip, 28)}, ip) }, 0},
	} {
		if c.only != 6 {
			if got := one(c.link, c.head(v4), 0); got != want4 {
				t.Errorf("%s: %s", c.name, got)
			}
		}
		if c.only != 4 {
			if got := one(c.link, c.head(v6), 0); got != want6 {
				t.Errorf("%s: %s", c.name, got)
			}
		}
	}
}

func family(ip []byte, v6 byte) byte {
	if ip[0]>>4 == 6 {
		return v6
	}
	return 2
}

// Odd and broken IP and TCP headers, each one fault in a good packet.
func TestHeaders(t *testing.T) {
	v4, v6, want4, want6 := testPackets()
	set := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	extended := func(next byte, headers ...[]byte) []byte {
		b := bytes.Clone(v6[:40])
		b[6] = next
		all := bytes.Join(append(headers, v6[40:]), nil)
		binary.BigEndian.PutUint16(b[4:], uint16(len(all)))
		return append(b, all...)
	}
	options4 := append(append(set(v4[:20], 0, 0x47), 1, 1, 1, 1, 1, 1, 1, 0), v4[20:]...)
	options4[3] += 8
	optionsTCP := append(append(set(v4, 32, 7<<4)[:40], make([]byte, 8)...), "hello"...)
	optionsTCP[3] += 8
	hop := []byte{extDestination, 0, 1, 4, 0, 0, 0, 0}
	toTCP := func(h []byte) []byte { return set(h, 0, protoTCP) }
	for _, c := range []struct {
		name string
		ip   []byte
		wire int
		want string
	}{
		{"padding", append(bytes.Clone(v4), 1, 2, 3), 0, want4},
		{"padding of IPv6", append(bytes.Clone(v6), 1, 2, 3), 0, want6},
		{"IPv4 options", options4, 0, want4},
		{"TCP options", optionsTCP, 0, want4},
		{"no total length (segmentation offload)", set(v4, 2, 0, 0), 0, want4},
		{"no payload length", set(v6, 4, 0, 0), 0, want6},
		{"cut by the snap length", v4[:42], len(v4), strings.Replace(want4, "hello", "he", 1)},
		{"cut, without a total length", set(v4, 2, 0, 0)[:42], len(v4), strings.Replace(want4, "hello", "he", 1)},
		{"cut in the TCP options", optionsTCP[:43], len(optionsTCP), strings.Replace(want4, "hello", "", 1)},
		{"cut in the TCP header", v4[:35], len(v4), "cut"},
		{"cut in the IPv4 header", v4[:19], len(v4), "cut"},
		{"cut in the IPv6 header", v6[:39], len(v6), "cut"},
		{"two extension headers", extended(extHopByHop, hop, toTCP(hop)), 0, want6},
		{"an authentication header", extended(extAuth, append([]byte{protoTCP, 1}, make([]byte, 10)...)), 0, want6},
		{"a fragment header of the whole", extended(extFragment, []byte{protoTCP, 0, 0, 0, 1, 2, 3, 4}), 0, want6},
		{"an extension header behind the end", extended(extHopByHop, []byte{protoTCP, 200, 0, 0, 0, 0, 0, 0}), 0, "malformed"},
		{"extension headers without end", extended(extHopByHop, bytes.Repeat([]byte{0, 0, 1, 4, 0, 0, 0, 0}, 20)), 0, "malformed"},
		{"UDP", set(v4, 9, 17), 0, "other"},
		{"UDP over IPv6", set(v6, 6, 17), 0, "other"},
		{"ESP", set(v6, 6, 50), 0, "other"},
		{"version 5", set(v4, 0, 0x55), 0, "other"},
		{"a short IPv4 header", set(v4, 0, 0x44), 0, "malformed"},
		{"an IPv4 header longer than the packet", set(v4, 2, 0, 19), 0, "malformed"},
		{"a short TCP header", set(v4, 32, 4<<4), 0, "malformed"},
		{"a TCP header longer than the packet", set(v4, 32, 15<<4), 0, "malformed"},
		{"nothing", nil, 0, "malformed"},
	} {
		if got := one(LinkRaw, c.ip, c.wire); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
	if got := one(LinkEthernet, packettest.AppendEthernet(nil, []uint16{1, 2, 3, 4, 5}, v4), 0); got != "other" {
		t.Errorf("five VLAN tags: %s", got)
	}
	if got := one(LinkEthernet, make([]byte, 13), 0); got != "malformed" {
		t.Errorf("a short frame: %s", got)
	}
	if got := one(9999, v4, 0); got != "bad link" {
		t.Errorf("an unknown link type: %s", got)
	}
}

// fragmentWorld feeds fragments, given as a number of milliseconds and a packet,
// and returns the last segment that came out.
type fragmentWorld struct {
	stats Stats
	d     decoder
	got   string
}

func newFragmentWorld(l Limits) *fragmentWorld {
	w := &fragmentWorld{}
	o := Options{Limits: l}.withDefaults()
	w.d = newDecoder(&o, &w.stats)
	return w
}

func (w *fragmentWorld) feed(at time.Duration, ip []byte) {
	var p tcpPacket
	v := w.d.decode(&rawPacket{at: int64(at), data: ip, wire: len(ip), link: LinkRaw}, &p)
	if v == isTCP {
		w.got = segmentLine(v, &p)
	}
}

// big returns a packet with 100 bytes of payload over IPv4 or IPv6.
func big(v6 bool) (ip []byte, want string) {
	s := packettest.Segment{Seq: 7, Flags: packettest.ACK, Data: bytes.Repeat([]byte("0123456789"), 10)}
	c := dialogue(v6)
	ip = packettest.AppendIP(nil, c.Client, c.Server, &s)
	return ip, one(LinkRaw, ip, 0)
}

// Law: fragments in any order, some of them twice, make up the packet.
func TestFragmentsLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip, want := big(rapid.Bool().Draw(t, "v6"))
		w := newFragmentWorld(DefaultLimits)
		pieces := packettest.Fragments(ip, 8*rapid.IntRange(1, 10).Draw(t, "size"), 77)
		order := rapid.Permutation(pieces).Draw(t, "order")
		for i, f := range order {
			w.feed(0, f)
			if w.got != "" && i < len(order)-1 {
				t.Fatalf("whole after %d of %d", i+1, len(order))
			}
			if i < len(order)-1 && rapid.Bool().Draw(t, "twice") {
				w.feed(0, f)
			}
		}
		if w.got != want {
			t.Fatalf("%s\nwant %s", w.got, want)
		}
		if w.d.fragments.bytes != 0 || len(w.d.fragments.table) != 0 {
			t.Fatalf("%d bytes are left", w.d.fragments.bytes)
		}
	})
}

// What fragments may do wrong, and what becomes of them.
func TestFragmentFaults(t *testing.T) {
	ip, want := big(false)
	pieces := func() [][]byte { return packettest.Fragments(ip, 40, 77) }
	for _, c := range []struct {
		name   string
		limits Limits
		feed   func(w *fragmentWorld)
		want   string
		count  func(s *Stats) uint64
	}{
		{"an overlap", DefaultLimits, func(w *fragmentWorld) {
			p := pieces()
			w.feed(0, p[0])
			evil := packettest.Fragments(append(bytes.Clone(ip[:60]), bytes.Repeat([]byte("evil"), 10)...), 32, 77)
			w.feed(0, evil[1]) // bytes 32 to 64, other ones
			for _, f := range p[1:] {
				w.feed(0, f)
			}
		}, "", func(s *Stats) uint64 { return s.FragmentsOverlap }},
		{"two different ends", DefaultLimits, func(w *fragmentWorld) {
			p := pieces()
			w.feed(0, p[2])
			short := packettest.Fragments(ip[:70], 40, 77)
			w.feed(0, short[1])
		}, "", func(s *Stats) uint64 { return s.FragmentsOverlap }},
		{"too late", DefaultLimits, func(w *fragmentWorld) {
			p := pieces()
			w.feed(0, p[0])
			w.feed(31*time.Second, p[1])
			w.feed(31*time.Second, p[2])
		}, "", func(s *Stats) uint64 { return s.FragmentsTimedOut }},
		{"late, but not too late", DefaultLimits, func(w *fragmentWorld) {
			for i, f := range pieces() {
				w.feed(time.Duration(i)*10*time.Second, f)
			}
		}, want, func(s *Stats) uint64 { return s.Reassembled }},
		{"recorded short", DefaultLimits, func(w *fragmentWorld) {
			p := pieces()
			w.feed(0, p[0][:50])
			w.feed(0, p[1])
			w.feed(0, p[2])
		}, "", func(s *Stats) uint64 { return s.FragmentsCut }},
		{"an odd size in the middle", DefaultLimits, func(w *fragmentWorld) {
			p := pieces()
			odd := bytes.Clone(p[0])
			odd[3] -= 3
			w.feed(0, odd)
		}, "", func(s *Stats) uint64 { return s.FragmentsBad }},
		{"beyond 64 KiB", DefaultLimits, func(w *fragmentWorld) {
			p := pieces()
			far := bytes.Clone(p[2])
			far[6], far[7] = 0x1f, 0xff
			w.feed(0, far)
		}, "", func(s *Stats) uint64 { return s.FragmentsBad }},
		{"too many datagrams", Limits{Fragments: 2}, func(w *fragmentWorld) {
			p := pieces()
			w.feed(0, p[0])
			for id := uint32(1); id < 3; id++ {
				w.feed(0, packettest.Fragments(ip, 40, id)[0])
			}
			w.feed(0, p[1])
			w.feed(0, p[2])
		}, "", func(s *Stats) uint64 { return s.FragmentsNoMemory }},
		{"too many bytes", Limits{FragmentBytes: 100}, func(w *fragmentWorld) {
			for _, f := range pieces() {
				w.feed(0, f)
			}
		}, "", func(s *Stats) uint64 { return s.FragmentsNoMemory }},
	} {
		w := newFragmentWorld(c.limits)
		c.feed(w)
		if w.got != c.want || c.count(&w.stats) == 0 {
			t.Errorf("%s: got %q, %+v", c.name, w.got, w.stats)
		}
		if f := &w.d.fragments; f.bytes > f.maxBytes || len(f.table) > f.maxCount {
			t.Errorf("%s: %d bytes, %d datagrams", c.name, f.bytes, len(f.table))
		}
	}
}

// A segment that came in fragments is a segment like others.
func TestFragmentedFile(t *testing.T) {
	c := dialogue(true)
	var out bytes.Buffer
	w := packettest.NewWriter(&out, packettest.Format{Link: packettest.LinkRaw})
	for i := range c.Segments {
		for _, f := range packettest.Fragments(c.IP(&c.Segments[i]), 256, uint32(i)) {
			w.Packet(c.Segments[i].At, f)
		}
	}
	want := told(t, memorySource(capture(t, c, packettest.Format{}), Options{}))
	s := memorySource(out.Bytes(), Options{Ports: []uint16{3306}})
	if got := told(t, s); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if stats := s.Stats(); stats.Reassembled == 0 || stats.DataBytes != 8+5+3500+1 {
		t.Errorf("%+v", stats)
	}
}

// Packets that were recorded short leave gaps of the right size.
func TestSnapped(t *testing.T) {
	c := dialogue(false)
	file := capture(t, c, packettest.Format{Snaplen: 14 + 40 + 100})
	s := memorySource(file, Options{})
	got := told(t, s)
	if !strings.Contains(got, "gap server 1360 snapped") || !strings.Contains(got, `data client "q"`) {
		t.Error(got)
	}
	if stats := s.Stats(); stats.DataBytes+stats.Lost() != 8+5+3500+1 || stats.Gaps[flow.Lost] != 0 {
		t.Errorf("%+v", stats)
	}
}
