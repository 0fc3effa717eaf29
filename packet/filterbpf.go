package packet

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// acceptLen is what a program returns for a packet that it chooses: how many
// bytes are wanted.
const acceptLen = 256 << 10

// maxProgram is the kernel's limit of instructions (BPF_MAXINSNS).
const maxProgram = 4096

// Compile returns a classic BPF program that chooses the same packets in frames
// of the given type: Ethernet (also with one VLAN tag within the frame), Linux
// cooked or raw IP. Two kinds of packets are chosen when their addresses and IP
// version allow it, whatever the filter says about ports, so that reassembly and
// the filter in user space can judge them: IP fragments that are not the first,
// and IPv6 packets with extension headers.
func (f *Filter) Compile(link LinkType) ([]bpf.RawInstruction, error) {
	var g codegen
	if err := g.program(f.root, link); err != nil {
		return nil, err
	}
	if len(g.code) > maxProgram {
		return nil, fmt.Errorf("compile filter: %d instructions, the kernel takes %d", len(g.code), maxProgram)
	}
	slices.Reverse(g.code)
	prog, err := bpf.Assemble(g.code)
	if err != nil {
		return nil, fmt.Errorf("compile filter: %w", err)
	}
	return prog, nil
}

// label is a place in the program: the number of instructions from there to the
// end.
type label int

// codegen writes a program from its end to its beginning, so that the targets of
// all jumps are known.
type codegen struct {
	code           []bpf.Instruction // the last one first
	accept, reject label
	// v6 and maybe say what is being compiled: for which IP version, and whether
	// the ports cannot be seen.
	v6, maybe bool
}

// Scratch memory: where the IP header is, and where IPv4's payload is.
const (
	memIP = iota
	memTCP
)

func (g *codegen) here() label { return label(len(g.code)) }

func (g *codegen) emit(i bpf.Instruction) label {
	g.code = append(g.code, i)
	return g.here()
}

// maxSkip is how far a conditional jump reaches.
const maxSkip = 255

// jump writes a conditional jump.
func (g *codegen) jump(cond bpf.JumpTest, val uint32, yes, no label) label {
	if g.here()-no > maxSkip-1 { // the other jump may need an instruction too
		no = g.emit(bpf.Jump{Skip: uint32(g.here() - no)})
	}
	if g.here()-yes > maxSkip {
		yes = g.emit(bpf.Jump{Skip: uint32(g.here() - yes)})
	}
	return g.emit(bpf.JumpIf{Cond: cond, Val: val, SkipTrue: uint8(g.here() - yes), SkipFalse: uint8(g.here() - no)})
}

// ja writes a jump, unless the target follows.
func (g *codegen) ja(to label) label {
	if to == g.here() {
		return to
	}
	return g.emit(bpf.Jump{Skip: uint32(g.here() - to)})
}

func (g *codegen) program(root *node, link LinkType) error {
	g.accept = g.emit(bpf.RetConstant{Val: acceptLen})
	g.reject = g.emit(bpf.RetConstant{Val: 0})
	v6 := g.ipv6(root)
	v4 := g.ipv4(root)
	switch link {
	case LinkEthernet:
		g.ethernet(v4, v6)
	case LinkCooked:
		g.fixed(v4, v6, cookedLen-2, cookedLen)
	case LinkCooked2:
		g.fixed(v4, v6, 0, cooked2Len)
	case LinkRaw:
		v6 = g.at(0, v6)
		v4 = g.at(0, v4)
		no := g.jump(bpf.JumpEqual, 0x60, v6, g.reject)
		g.jump(bpf.JumpEqual, 0x40, v4, no)
		g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
		g.emit(bpf.LoadAbsolute{Off: 0, Size: 1})
	default:
		return fmt.Errorf("compile filter: link type %s is not supported", link)
	}
	return nil
}

// at stores where the IP header is and goes on at next.
func (g *codegen) at(off uint32, next label) label {
	g.ja(next)
	g.emit(bpf.StoreScratch{Src: bpf.RegA, N: memIP})
	return g.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: off})
}

// fixed writes the beginning for a link header with an EtherType at typeOff.
func (g *codegen) fixed(v4, v6 label, typeOff, off uint32) label {
	v6 = g.at(off, v6)
	v4 = g.at(off, v4)
	no := g.jump(bpf.JumpEqual, etherIPv6, v6, g.reject)
	g.jump(bpf.JumpEqual, etherIPv4, v4, no)
	return g.emit(bpf.LoadAbsolute{Off: typeOff, Size: 2})
}

func (g *codegen) ethernet(v4, v6 label) {
	tagged := g.fixed(v4, v6, ethernetLen+2, ethernetLen+vlanLen)
	p6 := g.at(ethernetLen, v6)
	p4 := g.at(ethernetLen, v4)
	no := g.reject
	for _, t := range []uint32{etherQinQ1, etherQinQ, etherVLAN} {
		no = g.jump(bpf.JumpEqual, t, tagged, no)
	}
	no = g.jump(bpf.JumpEqual, etherIPv6, p6, no)
	g.jump(bpf.JumpEqual, etherIPv4, p4, no)
	g.emit(bpf.LoadAbsolute{Off: ethernetLen - 2, Size: 2})
}

// ipv4 writes the test of an IPv4 packet.
func (g *codegen) ipv4(root *node) label {
	g.v6 = false
	tcp, part := g.both(root)
	if root.hasPorts() {
		g.jump(bpf.JumpBitsSet, 0x1fff, part, tcp)
		g.load(memIP, 6, 2)
		g.emit(bpf.StoreScratch{Src: bpf.RegA, N: memTCP})
		g.emit(bpf.ALUOpX{Op: bpf.ALUOpAdd})
		g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2})
		g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 15})
		tcp = g.emit(bpf.LoadIndirect{Off: 0, Size: 1})
	}
	g.jump(bpf.JumpEqual, protoTCP, tcp, g.reject)
	return g.load(memIP, 9, 1)
}

// ipv6 writes the test of an IPv6 packet.
func (g *codegen) ipv6(root *node) label {
	g.v6 = true
	whole, part := g.both(root)
	no := g.reject
	for _, ext := range []uint32{extMobility, extAuth, extRouting, extHopByHop, extDestination, extFragment} {
		no = g.jump(bpf.JumpEqual, ext, part, no)
	}
	g.jump(bpf.JumpEqual, protoTCP, whole, no)
	return g.load(memIP, 6, 1)
}

// both writes the expression twice when it looks at ports: for packets whose ports
// can be seen, and for others.
func (g *codegen) both(root *node) (whole, part label) {
	g.maybe = true
	part = g.expr(root, g.accept, g.reject, true)
	if !root.hasPorts() {
		return part, part
	}
	g.maybe = false
	whole = g.expr(root, g.accept, g.reject, true)
	return whole, part
}

// expr writes an expression that goes on at yes or no. positive is false within
// an odd number of nots.
func (g *codegen) expr(n *node, yes, no label, positive bool) label {
	switch n.op {
	case opAnd:
		return g.expr(n.left, g.expr(n.right, yes, no, positive), no, positive)
	case opOr:
		return g.expr(n.left, yes, g.expr(n.right, yes, no, positive), positive)
	case opNot:
		return g.expr(n.left, no, yes, !positive)
	case opIP, opIP6:
		if (n.op == opIP6) == g.v6 {
			return yes
		}
		return no
	case opNet:
		return g.net(n, yes, no)
	case opPort:
		if g.maybe && positive {
			return yes
		} else if g.maybe {
			return no
		}
		return g.port(n, yes, no)
	}
	return yes
}

// ends writes a test of the source, the destination, or both.
func (g *codegen) ends(d direction, yes, no label, test func(dst bool, yes, no label) label) label {
	switch d {
	case source:
		return test(false, yes, no)
	case destination:
		return test(true, yes, no)
	case both:
		return test(false, test(true, yes, no), no)
	}
	return test(false, yes, test(true, yes, no))
}

func (g *codegen) net(n *node, yes, no label) label {
	if n.net.Addr().Is6() != g.v6 {
		return no
	}
	src, dst := uint32(12), uint32(16)
	if g.v6 {
		src, dst = 8, 24
	}
	return g.ends(n.dir, yes, no, func(toDst bool, yes, no label) label {
		off := src
		if toDst {
			off = dst
		}
		words := n.words()
		for _, w := range slices.Backward(words) {
			g.jump(bpf.JumpEqual, w.value, yes, no)
			if !w.whole() {
				g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: w.mask})
			}
			yes = g.load(memIP, off+w.off, 4)
		}
		return yes
	})
}

func (g *codegen) port(n *node, yes, no label) label {
	base, off := memTCP, uint32(0)
	if g.v6 {
		base, off = memIP, ipv6Len
	}
	return g.ends(n.dir, yes, no, func(toDst bool, yes, no label) label {
		off := off
		if toDst {
			off += 2
		}
		if n.low == n.high {
			g.jump(bpf.JumpEqual, uint32(n.low), yes, no)
		} else {
			low := g.jump(bpf.JumpGreaterThan, uint32(n.high), no, yes)
			g.jump(bpf.JumpGreaterOrEqual, uint32(n.low), low, no)
		}
		return g.load(base, off, 2)
	})
}

// load writes a load relative to a place in scratch memory.
func (g *codegen) load(base int, off uint32, size int) label {
	g.emit(bpf.LoadIndirect{Off: off, Size: size})
	return g.emit(bpf.LoadScratch{Dst: bpf.RegX, N: base})
}
