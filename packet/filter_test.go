package packet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"
	"golang.org/x/net/bpf"
	"pgregory.net/rapid"

	"myreplay/internal/mysqltest"
	"myreplay/packet/packettest"
)

// TestParseFilter runs testdata/filter: an expression a line, its meaning or its
// error, and the size of its program for Ethernet.
func TestParseFilter(t *testing.T) {
	datadriven.RunTest(t, "testdata/filter", func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		for expr := range strings.Lines(d.Input) {
			f, err := ParseFilter(strings.TrimSuffix(expr, "\n"))
			if err != nil {
				fmt.Fprintln(&out, err)
				continue
			}
			prog, err := f.Compile(LinkEthernet)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s (%d)\n", f.root, len(prog))
		}
		return out.String()
	})
}

func TestNewFilter(t *testing.T) {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	for _, c := range []struct {
		f    *Filter
		want string
	}{
		{NewFilter(nil, nil, nil), "tcp"},
		{NewFilter([]uint16{3306}, nil, nil), "port 3306"},
		{NewFilter([]uint16{3306, 33060}, []netip.Addr{addr("10.0.0.1")}, []netip.Prefix{prefix("fd00::/8")}),
			"host 10.0.0.1 or net fd00::/8 and (port 3306 or port 33060)"},
		{NewFilter(nil, []netip.Addr{addr("::ffff:10.0.0.1")}, []netip.Prefix{prefix("::ffff:10.0.0.0/104"), prefix("10.9.8.7/8")}),
			"host 10.0.0.1 or net 10.0.0.0/8 or net 10.0.0.0/8"},
		{(*Filter)(nil).And(NewFilter([]uint16{1}, nil, nil)), "port 1"},
		{NewFilter([]uint16{1}, nil, nil).And(nil), "port 1"},
		{NewFilter([]uint16{1, 2}, nil, nil).And(NewFilter([]uint16{3}, nil, nil)), "(port 1 or port 2) and (port 3)"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		again, err := ParseFilter(c.f.String())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := again.root.String(), c.f.root.String(); got != want {
			t.Errorf("%q is understood as %q", want, got)
		}
	}
}

// filterWords make up expressions and packets that have a chance to agree.
var (
	filterPorts = []uint16{0, 1, 3305, 3306, 3307, 33060, 65535}
	filterAddrs = []string{"10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.7.7", "255.255.255.255", "0.0.0.0",
		"fd00::1", "fd00::2", "fd00:0:0:1::1", "2001:db8:1:2:3:4:5:6", "::", "::1"}
	filterNets = []string{"10.0.0.0/8", "10.0.0.0/30", "0.0.0.0/0", "10.0.0.1/32", "192.168.0.0/17",
		"fd00::/8", "fd00::/64", "fd00::/65", "::/0", "2001:db8::/33", "fd00::1/128", "fd00::/126", "fd00:0:0:1::/96"}
)

// drawExpr draws an expression that tcpdump and we understand alike.
func drawExpr(t *rapid.T, depth int) string {
	dir := rapid.SampledFrom([]string{"", "", "src ", "dst ", "src or dst ", "src and dst "}).Draw(t, "dir")
	if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]string{"ip", "ip6", "tcp"}).Draw(t, "proto")
		case 1:
			return dir + "host " + rapid.SampledFrom(filterAddrs).Draw(t, "addr")
		case 2:
			return dir + "net " + rapid.SampledFrom(filterNets).Draw(t, "net")
		case 3:
			a, b := rapid.SampledFrom(filterPorts).Draw(t, "port"), rapid.SampledFrom(filterPorts).Draw(t, "port")
			return fmt.Sprintf("%sportrange %d-%d", dir, min(a, b), max(a, b))
		default:
			return fmt.Sprintf("%sport %d", dir, rapid.SampledFrom(filterPorts).Draw(t, "port"))
		}
	}
	switch rapid.IntRange(0, 4).Draw(t, "op") {
	case 0:
		return "not " + drawExpr(t, 0)
	case 1:
		return "(" + drawExpr(t, depth-1) + ")"
	case 2:
		return "! ( " + drawExpr(t, depth-1) + ")"
	case 3:
		return drawExpr(t, depth-1) + rapid.SampledFrom([]string{" and ", " && "}).Draw(t, "and") + drawExpr(t, depth-1)
	}
	return drawExpr(t, depth-1) + rapid.SampledFrom([]string{" or ", " || "}).Draw(t, "or") + drawExpr(t, depth-1)
}

// shape is what is special about a packet.
type shape int

const (
	plain     shape = iota
	notTCP          // UDP
	laterFrag       // a fragment that is not the first
	firstFrag
	extension // an IPv6 extension header
	options   // IPv4 options
	shapes
)

// drawPacket draws a packet of one shape.
func drawPacket(t *rapid.T) ([]byte, shape) {
	kind := shape(rapid.IntRange(0, int(shapes)-1).Draw(t, "shape"))
	return shapedPacket(kind, rapid.SampledFrom(filterAddrs).Draw(t, "src"), rapid.SampledFrom(filterAddrs).Draw(t, "dst"),
		rapid.SampledFrom(filterPorts).Draw(t, "src port"), rapid.SampledFrom(filterPorts).Draw(t, "dst port"))
}

func shapedPacket(kind shape, src, dst string, srcPort, dstPort uint16) ([]byte, shape) {
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if from.Is4() != to.Is4() {
		to = from
	}
	s := packettest.Segment{Seq: 1, Flags: packettest.ACK, Data: bytes.Repeat([]byte("x"), 40)}
	ip := packettest.AppendIP(nil, netip.AddrPortFrom(from, srcPort), netip.AddrPortFrom(to, dstPort), &s)
	v6 := !from.Is4()
	switch kind {
	case notTCP:
		if v6 {
			ip[6] = 17
		} else {
			ip[9] = 17
		}
	case laterFrag:
		return packettest.Fragments(ip, 32, 5)[1], kind
	case firstFrag:
		return packettest.Fragments(ip, 32, 5)[0], kind
	case extension:
		if !v6 {
			return ip, plain
		}
		ip[6] = extDestination
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40+8))
		ip = append(ip[:40:40], append([]byte{protoTCP, 0, 1, 4, 0, 0, 0, 0}, ip[40:]...)...)
	case options:
		if v6 {
			return ip, plain
		}
		ip[0] = 0x47
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+8))
		ip = append(ip[:20:20], append(make([]byte, 8), ip[20:]...)...)
	}
	return ip, kind
}

// frameOf puts a packet behind the header of a link type.
func frameOf(link LinkType, vlans []uint16, ip []byte) []byte {
	switch link {
	case LinkCooked:
		return append(binary.BigEndian.AppendUint16(make([]byte, 14), packettest.EtherType(ip)), ip...)
	case LinkCooked2:
		return append(append(binary.BigEndian.AppendUint16(nil, packettest.EtherType(ip)), make([]byte, 18)...), ip...)
	case LinkRaw:
		return ip
	}
	return packettest.AppendEthernet(nil, vlans, ip)
}

func newVM(t interface{ Fatal(...any) }, raw []bpf.RawInstruction) *bpf.VM {
	prog, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("a program with unknown instructions")
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func chosen(t interface{ Fatal(...any) }, vm *bpf.VM, frame []byte) bool {
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

var filterLinks = []LinkType{LinkEthernet, LinkCooked, LinkCooked2, LinkRaw}

// Law: the program chooses what the filter chooses in user space, for every link
// type, and lets through in addition only what it cannot see.
func TestCompileLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := ParseFilter(drawExpr(t, 4))
		if err != nil {
			t.Fatal(err)
		}
		var vlans []uint16
		link := rapid.SampledFrom(filterLinks).Draw(t, "link")
		if link == LinkEthernet && rapid.Bool().Draw(t, "tagged") {
			vlans = []uint16{7}
		}
		prog, err := f.Compile(link)
		if err != nil {
			t.Fatal(err)
		}
		vm := newVM(t, prog)
		for range 20 {
			ip, kind := drawPacket(t)
			got := chosen(t, vm, frameOf(link, vlans, ip))
			var p tcpPacket
			var stats Stats
			d := newDecoder(&Options{Filter: f, Limits: DefaultLimits}, &stats)
			v := d.decode(&rawPacket{data: ip, wire: len(ip), link: LinkRaw}, &p)
			switch kind {
			case plain, options, notTCP:
				if want := v == isTCP; got != want {
					t.Fatalf("%s: %x: %v, want %v", f, ip, got, want)
				}
			case extension:
				if v == isTCP && !got {
					t.Fatalf("%s: %x is not chosen", f, ip)
				}
			}
		}
	})
}

// A fragment passes when some ports would make it pass, whatever else is said.
func TestCompileFragments(t *testing.T) {
	for _, c := range []struct {
		expr string
		want bool
	}{
		{"port 1", true},
		{"not port 1", true},
		{"host 10.0.0.1 and port 1", true},
		{"host 10.0.0.9 and port 1", false},
		{"not (host 10.0.0.1 or port 1)", false},
		{"not (host 10.0.0.9 or port 1)", true},
		{"not host 10.0.0.1", false},
		{"ip6 or port 1", true},
		{"ip6 and port 1", false},
	} {
		f, err := ParseFilter(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := f.Compile(LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		ip, _ := shapedPacket(laterFrag, "10.0.0.1", "10.0.0.2", 5000, 6000)
		if got := chosen(t, newVM(t, prog), frameOf(LinkEthernet, nil, ip)); got != c.want {
			t.Errorf("%s: %v", c.expr, got)
		}
	}
}

// Long expressions need jumps over more than 255 instructions, and there is an end
// to what the kernel takes.
func TestCompileLong(t *testing.T) {
	var ports []uint16
	for i := range 250 {
		ports = append(ports, uint16(2*i))
	}
	f := NewFilter(ports, []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}, nil)
	for _, link := range filterLinks {
		prog, err := f.Compile(link)
		if err != nil {
			t.Fatal(err)
		}
		vm := newVM(t, prog)
		for _, port := range []uint16{0, 1, 250, 251, 498, 499, 500} {
			for _, src := range []string{"10.0.0.1", "fd00::1", "10.0.0.2"} {
				ip, _ := shapedPacket(plain, src, src, port, 9999)
				if got, want := chosen(t, vm, frameOf(link, nil, ip)), port%2 == 0 && port < 500 && src != "10.0.0.2"; got != want {
					t.Errorf("link %s, %s port %d: %v", link, src, port, got)
				}
			}
		}
	}
	if _, err := NewFilter(make([]uint16, 1000), nil, nil).Compile(LinkEthernet); err == nil {
		t.Error("1000 ports: no error")
	}
	if _, err := f.Compile(linkNull); err == nil {
		t.Error("BSD loopback: no error")
	}
}

var tcpdumpLinks = map[LinkType]string{LinkEthernet: "EN10MB", LinkCooked: "LINUX_SLL", LinkCooked2: "LINUX_SLL2", LinkRaw: "RAW"}

// tcpdumpProgram asks tcpdump for its program; programs are kept. Not for its
// optimised one: libpcap 1.10.3 turns "not src net fd00::/126 or not src net
// fd00::/126" into a program that accepts all.
func tcpdumpProgram(link LinkType, expr string) ([]bpf.RawInstruction, error) {
	key := link.String() + expr
	if prog, ok := tcpdumpCache.Load(key); ok {
		return prog.([]bpf.RawInstruction), nil
	}
	out, err := exec.Command("tcpdump", "-y", tcpdumpLinks[link], "-O", "-ddd", expr).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("tcpdump %q: %s", expr, exit.Stderr)
		}
		return nil, err
	}
	prog, err := LoadBPF(bytes.NewReader(out))
	if err == nil {
		tcpdumpCache.Store(key, prog)
	}
	return prog, err
}

var tcpdumpCache sync.Map

// Law: our program and tcpdump's for "tcp and (EXPR)" choose the same packets;
// with a VLAN tag, tcpdump's for "vlan and tcp and (EXPR)". We choose more where
// Compile's comment says so: fragments that are not the first, and IPv6 packets
// with extension headers.
func TestCompileLikeTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		mysqltest.Unavailable(t, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		expr := drawExpr(t, 3)
		f, err := ParseFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		link := rapid.SampledFrom(filterLinks).Draw(t, "link")
		full, vlans := fmt.Sprintf("tcp and (%s)", expr), []uint16(nil)
		if link == LinkEthernet && rapid.Bool().Draw(t, "tagged") {
			full, vlans = "vlan and "+full, []uint16{7}
		}
		theirs, err := tcpdumpProgram(link, full)
		if err != nil {
			if strings.Contains(err.Error(), "expression rejects all packets") {
				t.Skip(err)
			}
			t.Fatal(err)
		}
		ours, err := f.Compile(link)
		if err != nil {
			t.Fatal(err)
		}
		vm, oracle := newVM(t, ours), newVM(t, theirs)
		for range 100 {
			ip, kind := drawPacket(t)
			frame := frameOf(link, vlans, ip)
			got, want := chosen(t, vm, frame), chosen(t, oracle, frame)
			more := kind == laterFrag || kind == extension || kind == firstFrag && ip[0]>>4 == 6
			if got != want && !(more && got) {
				t.Fatalf("%s, link %s: %x: %v, tcpdump says %v", expr, link, ip, got, want)
			}
		}
	})
}

// Programs that tcpdump writes are taken; others are refused with what is wrong.
func TestLoadBPF(t *testing.T) {
	const good = "3\n40 0 0 12\n21 0 0 2048\n6 0 0 262144\n"
	if prog, err := LoadBPF(strings.NewReader(good)); err != nil || len(prog) != 3 {
		t.Errorf("%v, %v", prog, err)
	}
	for _, c := range []struct{ text, want string }{
		{"", "it is empty"},
		{"x\n", `"x" is not a number`},
		{"0\n", "0 instructions, not 1 to 4096"},
		{"5000\n", "5000 instructions, not 1 to 4096"},
		{"2\n6 0 0 0\n", "it says 2 instructions and has 1"},
		{"1\n6 0 0 0\n6 0 0 0\n", "it says 1 instructions and has 2"},
		{"1\n6 0 0\n", "instruction 0"},
		{"1\n6 0 0 99999999999\n", "instruction 0"},
		{"1\n6 0 300 0\n", "instruction 0"},
		{"1\n-6 0 0 0\n", "instruction 0"},
		{"2\n21 1 0 1\n6 0 0 0\n", "instruction 0: jumps out of the program"},
		{"2\n5 0 0 4294967295\n6 0 0 0\n", "instruction 0: jumps out of the program"},
		{"2\n52 0 0 0\n6 0 0 0\n", "instruction 0: divides by zero"},
		{"2\n100 0 0 40\n6 0 0 0\n", "instruction 0: shifts by 40 bits"},
		{"2\n2 0 0 16\n6 0 0 0\n", "instruction 0: unknown operation 0x2 with 16"},
		{"2\n96 0 0 16\n6 0 0 0\n", "instruction 0: unknown operation 0x60 with 16"},
		{"2\n255 0 0 0\n6 0 0 0\n", "instruction 0: unknown operation 0xff"},
		{"1\n0 0 0 5\n", "the last instruction is not a return"},
		{"1\n" + strings.Repeat("6", 300) + "\n", "token too long"},
	} {
		if _, err := LoadBPF(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	data, err := os.ReadFile("testdata/filter")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(strings.TrimSpace(line))
	}
	f.Fuzz(func(t *testing.T, expr string) {
		filter, err := ParseFilter(expr)
		if err != nil {
			var bad *FilterError
			if !errors.As(err, &bad) || bad.Pos < 1 || bad.Pos > len(expr)+1 {
				t.Fatalf("%q: %v", expr, err)
			}
			return
		}
		again, err := ParseFilter(filter.root.String())
		if err != nil {
			if strings.Contains(err.Error(), "nested") {
				return
			}
			t.Fatalf("%q: %q: %v", expr, filter.root, err)
		}
		if a, b := again.root.String(), filter.root.String(); a != b {
			t.Fatalf("%q: %q is understood as %q", expr, b, a)
		}
		prog, err := filter.Compile(LinkEthernet)
		if err != nil {
			return
		}
		vm := newVM(t, prog)
		for kind := range shapes {
			for _, src := range []string{"10.0.0.1", "fd00::1"} {
				ip, kind := shapedPacket(kind, src, src, 3306, 40000)
				if got := chosen(t, vm, frameOf(LinkEthernet, nil, ip)); kind == plain {
					var p tcpPacket
					d := newDecoder(&Options{Limits: DefaultLimits}, new(Stats))
					d.decode(&rawPacket{data: ip, wire: len(ip), link: LinkRaw}, &p)
					if got != filter.match(&p) {
						t.Fatalf("%q: %x: %v", expr, ip, got)
					}
				}
			}
		}
	})
}

func FuzzLoadBPF(f *testing.F) {
	f.Add("3\n40 0 0 12\n21 0 0 2048\n6 0 0 262144\n")
	f.Add("2\n5 0 0 4294967295\n6 0 0 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		prog, err := LoadBPF(strings.NewReader(text))
		if err != nil {
			return
		}
		if ins, ok := bpf.Disassemble(prog); ok {
			if vm, err := bpf.NewVM(ins); err == nil { // it refuses extensions
				vm.Run(make([]byte, 100))
			}
		}
	})
}
