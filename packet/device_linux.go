package packet

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"time"

	"github.com/gopacket/gopacket/afpacket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// device is one ring.
type device struct {
	name string
	fd   int // owned by ring
	ring *afpacket.TPacket
	link LinkType

	ready bool // the fields below hold a packet, borrowed until read is called
	empty bool // the ring had nothing when it was read last
	at    int64
	data  []byte
	wire  int

	failed   error     // the device is gone, but the ring may not be empty
	failedAt time.Time // when that was noticed

	dropped uint32 // the kernel's count when it was asked last
}

// The ring is made of blocks that the kernel hands over when they are full or old:
// large ones mean few wake-ups, many ones that a reader may pause for longer
// (blockTimeout for each) when there is little traffic. A packet must fit in.
const (
	maxBlockBytes = 1 << 20
	minBlockBytes = 128 << 10
	minBlocks     = 2
	goodBlocks    = 16
)

// openDevice opens a ring with a timeout for its blocks. The socket is bound to no protocol until the filter is
// set, so that nothing comes before.
func openDevice(name string, o *LiveOptions, timeout time.Duration) (*device, error) {
	bindTo, index, hardware := name, 0, -1
	if name == AnyDevice {
		bindTo = ""
	} else {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, noDevice(name)
		}
		if i.Flags&net.FlagUp == 0 {
			return nil, &DeviceError{Device: name, Reason: "the device is down"}
		}
		index = i.Index
		if hardware, err = hardwareType(name); err != nil {
			return nil, &DeviceError{Device: name, Reason: "cannot ask for its type", Err: err}
		}
	}
	d := &device{name: name, link: LinkRaw}
	kind := afpacket.SocketDgram
	if hardware == unix.ARPHRD_ETHER || hardware == unix.ARPHRD_LOOPBACK {
		d.link, kind = LinkEthernet, afpacket.SocketRaw
	}
	block, blocks := ringShape(o.RingBytes, timeout)
	ring, err := afpacket.NewTPacket(afpacket.OptInterface(bindTo), kind, afpacket.TPacketVersion3,
		afpacket.OptProtocol(0), afpacket.OptBlockSize(block), afpacket.OptNumBlocks(blocks),
		afpacket.OptBlockTimeout(timeout), afpacket.OptPollTimeout(0))
	if err != nil {
		return nil, openError(name, err)
	}
	d.ring = ring
	if err := d.start(index, hardware, o); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// openError explains why a ring could not be made.
func openError(name string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &DeviceError{
			Device: name,
			Reason: "capturing needs the capability CAP_NET_RAW: use sudo, or once \"sudo setcap cap_net_raw+ep\" on the program",
			Err:    err,
		}
	}
	return &DeviceError{Device: name, Reason: "cannot make a packet ring", Err: err}
}

// start sets the filter and lets packets in.
func (d *device) start(index, hardware int, o *LiveOptions) error {
	fail := func(reason string, err error) error {
		return &DeviceError{Device: d.name, Reason: reason, Err: err}
	}
	var err error
	if d.fd, err = socketOf(d.ring); err != nil {
		return fail("cannot reach its socket", err)
	}
	prog, err := d.program(hardware, o)
	if err != nil {
		return fail("cannot make its filter", err)
	}
	if err := d.ring.SetBPF(prog); err != nil {
		return fail("the kernel does not take the filter", err)
	}
	if hardware == unix.ARPHRD_LOOPBACK {
		// An older kernel says no; the program drops them too.
		_ = unix.SetsockoptInt(d.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if o.Promiscuous && d.name != AnyDevice {
		if err := d.ring.SetPromiscuous(true); err != nil {
			return fail("cannot make it promiscuous", err)
		}
	}
	all := uint16(unix.ETH_P_ALL)
	to := &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: index}
	if err := unix.Bind(d.fd, to); err != nil {
		return fail("cannot bind to it", err)
	}
	return nil
}

// program returns the program for the kernel.
func (d *device) program(hardware int, o *LiveOptions) ([]bpf.RawInstruction, error) {
	prog := o.BPF
	if prog == nil {
		filter := o.Filter
		if filter == nil {
			filter = NewFilter(nil, nil, nil)
		}
		var err error
		if prog, err = filter.Compile(d.link); err != nil {
			return nil, err
		}
	}
	if hardware == unix.ARPHRD_LOOPBACK || d.name == AnyDevice {
		once, err := bpf.Assemble(loopbackOnce)
		if err != nil {
			return nil, err
		}
		prog = append(once, prog...)
	}
	return prog, nil
}

// loopbackOnce goes before a program: a packet on a loopback device is seen twice,
// going out and coming in; the first is dropped. Each of its jumps ends within it
// or behind it, at the program.
var loopbackOnce = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtLinkLayerType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ARPHRD_LOOPBACK, SkipFalse: 3},
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipFalse: 1},
	bpf.RetConstant{Val: 0},
}

// ringShape returns the size and number of the ring's blocks. Blocks that are
// handed over sooner hold less: they are smaller, so that the ring lasts as long
// for a reader that pauses.
func ringShape(bytes int, timeout time.Duration) (block, blocks int) {
	block = maxBlockBytes
	for whole := blockTimeout; block > minBlockBytes && (bytes/block < goodBlocks || timeout < whole); whole /= 2 {
		block /= 2
	}
	return block, max(bytes/block, minBlocks)
}

// hardwareType returns the ARPHRD_ number of a device.
func hardwareType(name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return 0, err
	}
	return int(req.Uint16()), nil
}

// socketOf returns the socket of a ring, which afpacket does not hand out. It is
// needed to bind after the filter is set, to wait for several rings at once, and
// to ask why a device failed.
func socketOf(ring *afpacket.TPacket) (int, error) {
	field := reflect.ValueOf(ring).Elem().FieldByName("fd")
	if !field.IsValid() || !field.CanInt() {
		return 0, errors.New("afpacket.TPacket has no field fd")
	}
	fd := int(field.Int())
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return 0, err
	}
	if domain != unix.AF_PACKET {
		return 0, fmt.Errorf("its socket is of family %d", domain)
	}
	return fd, nil
}

// read takes the next packet out of the ring, if there is one. When the device has
// failed, the error is returned after the kernel has handed over the last block.
func (d *device) read() error {
	data, info, err := d.ring.ZeroCopyReadPacketData()
	switch {
	case err == nil:
		d.ready, d.empty = true, false
		d.at, d.data, d.wire = info.Timestamp.UnixNano(), data, max(info.Length, len(data))
		return nil
	case err != afpacket.ErrTimeout && d.failed == nil:
		d.failed, d.failedAt = d.failure(err), time.Now()
	case d.failed != nil && time.Since(d.failedAt) > 2*blockTimeout:
		return d.failed
	}
	d.empty = true
	return nil
}

// failure asks what is wrong with a device, and so takes the error off its socket.
func (d *device) failure(err error) error {
	if n, serr := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_ERROR); serr == nil && n != 0 {
		err = unix.Errno(n)
	}
	reason := "it failed"
	if d.name != AnyDevice {
		if i, ierr := net.InterfaceByName(d.name); ierr != nil {
			reason = "the device is gone"
		} else if i.Flags&net.FlagUp == 0 {
			reason = "the device went down"
		}
	}
	return &DeviceError{Device: d.name, Reason: reason, Err: err}
}

// drops returns how many packets the kernel dropped since it was asked last.
func (d *device) drops() uint64 {
	_, stats, err := d.ring.SocketStats()
	if err != nil {
		return 0
	}
	now := uint32(stats.Drops())
	n := uint64(now - d.dropped)
	d.dropped = now
	return n
}

func (d *device) close() { d.ring.Close() }
