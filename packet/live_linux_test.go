package packet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"myreplay/flow"
)

// ownNamespace puts the test's goroutine into a network namespace of its own, with
// loopback up. It needs root. The goroutine's thread ends with the test, and the
// namespace with it.
func ownNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace and a packet socket")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("cannot make a network namespace: %v", err)
	}
	setUp(t, "lo", true)
}

// setUp brings a device up or down.
func setUp(t *testing.T, name string, up bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	if up {
		req.SetUint16(unix.IFF_UP)
	} else {
		req.SetUint16(0)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatal(err)
	}
}

// echo is a TCP server that answers each byte with its complement.
type echo struct {
	t *testing.T
	l *net.TCPListener
}

func newEcho(t *testing.T, addr string) *echo {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &echo{t, l}
}

func (e *echo) port() uint16 { return uint16(e.l.Addr().(*net.TCPAddr).Port) }

// talk sends questions of various sizes over one connection and returns all that
// either side sent.
func (e *echo) talk(sizes ...int) (sent [2][]byte) {
	e.t.Helper()
	client, err := net.DialTCP("tcp", nil, e.l.Addr().(*net.TCPAddr))
	if err != nil {
		e.t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		e.serve()
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range sizes {
		question := make([]byte, n)
		for i := range question {
			question[i] = byte(rng.Uint32())
		}
		go client.Write(question)
		answer := make([]byte, n)
		if _, err := io.ReadFull(client, answer); err != nil {
			e.t.Fatal(err)
		}
		sent[flow.Client] = append(sent[flow.Client], question...)
		sent[flow.Server] = append(sent[flow.Server], answer...)
	}
	client.Close()
	<-served
	return sent
}

func (e *echo) serve() {
	c, err := e.l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := c.Read(b)
		for i := range b[:n] {
			b[i] = ^b[i]
		}
		if n > 0 {
			c.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

func openLive(t *testing.T, o LiveOptions, devices ...string) *Source {
	t.Helper()
	s, err := OpenLive(devices, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expectStreams compares the streams of all connections with what was sent.
func expectStreams(t *testing.T, got *collected, want [][2][]byte) {
	t.Helper()
	if len(got.streams) != len(want) || len(got.gaps) != 0 || len(got.errs) != 0 {
		t.Fatalf("%d connections, want %d; gaps %v, errors %v", len(got.streams), len(want), got.gaps, got.errs)
	}
	for i := range want {
		for _, side := range []flow.Side{flow.Client, flow.Server} {
			if g := got.streams[uint64(i+1)][side]; !bytes.Equal(g, want[i][side]) {
				t.Errorf("connection %d, %v: %d bytes, want %d", i+1, side, len(g), len(want[i][side]))
			}
		}
	}
}

// On loopback every packet is seen twice by a packet socket; only one counts, and
// packets of other ports do not come at all.
func TestLiveLoopback(t *testing.T) {
	for _, device := range []string{"lo", AnyDevice} {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
			t.Run(device+" "+addr, func(t *testing.T) {
				ownNamespace(t)
				e, aside := newEcho(t, addr), newEcho(t, addr)
				s := openLive(t, LiveOptions{Options: Options{Ports: []uint16{e.port()}}}, device)
				var want [][2][]byte
				for range 3 {
					aside.talk(100)
					want = append(want, e.talk(1, 100, 5000, 300_000))
				}
				s.Close()
				got := collect(t, s)
				expectStreams(t, got, want)
				stats := s.Stats()
				// The stack itself may repeat a few.
				if stats.Retransmitted > stats.Packets/10 || stats.Filtered > 0 || stats.SourceDrops > 0 {
					t.Errorf("not once, or not only our port: %+v", stats)
				}
			})
		}
	}
}

// The server is in another namespace, at the other end of a veth pair. With two
// devices each packet comes twice, over rings of different link types that are
// handed over at different times.
func TestLiveVeth(t *testing.T) {
	for _, devices := range [][]string{{"va"}, {"va", AnyDevice}} {
		t.Run(strings.Join(devices, " and "), func(t *testing.T) {
			ownNamespace(t)
			e := vethEcho(t)
			s := openLive(t, LiveOptions{Options: Options{Ports: []uint16{e.port()}}, Promiscuous: true}, devices...)
			want := e.talk(10, 200_000, 3)
			s.Close()
			expectStreams(t, collect(t, s), [][2][]byte{want})
			if n := s.Stats().Retransmitted; n == 0 && len(devices) > 1 {
				t.Errorf("no packet came twice: %+v", s.Stats())
			}
		})
	}
}

// vethEcho makes a veth pair va and vb, with an echo server in a namespace of its
// own at vb.
func vethEcho(t *testing.T) *echo {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the ip program to make a veth pair")
	}
	ip := func(args string) error {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
		return nil
	}
	type server struct {
		e   *echo
		err error
	}
	thread, moved, listening := make(chan int), make(chan bool), make(chan server)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			thread <- 0
			return
		}
		thread <- unix.Gettid()
		if !<-moved {
			return
		}
		if err := errors.Join(ip("addr add 10.77.0.2/24 dev vb"), ip("link set vb up")); err != nil {
			listening <- server{nil, err}
			return
		}
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(10, 77, 0, 2)})
		listening <- server{&echo{t, l}, err}
	}()
	tid := <-thread
	err := errors.Join(ip("link add va type veth peer name vb"), ip(fmt.Sprintf("link set vb netns %d", tid)),
		ip("addr add 10.77.0.1/24 dev va"), ip("link set va up"))
	moved <- err == nil
	if err != nil {
		t.Skipf("cannot make a veth pair: %v", err)
	}
	s := <-listening
	if s.err != nil {
		t.Fatal(s.err)
	}
	t.Cleanup(func() { s.e.l.Close() })
	return s.e
}

// A ring that is too small for a paused reader: what is told to be dropped is what
// another, larger ring has seen more, and the gaps are not larger than that explains.
func TestLiveDrops(t *testing.T) {
	ownNamespace(t)
	e := newEcho(t, "127.0.0.1:0")
	o := LiveOptions{Options: Options{Ports: []uint16{e.port()}}}
	witness := openLive(t, o, "lo")
	o.RingBytes = 1
	s := openLive(t, o, "lo")
	sent := 0
	for range 8 {
		sent += 2 * len(e.talk(200_000, 200_000)[flow.Client])
	}
	s.Close()
	got := collect(t, s)
	witness.Close()
	collect(t, witness)
	stats, all := s.Stats(), witness.Stats()
	if got.dropped == 0 || stats.SourceDrops != got.dropped || all.SourceDrops != 0 {
		t.Fatalf("dropped %d, stats say %d; the witness lost %d", got.dropped, stats.SourceDrops, all.SourceDrops)
	}
	if stats.Packets+stats.SourceDrops != all.Packets {
		t.Errorf("%d seen and %d dropped of %d", stats.Packets, stats.SourceDrops, all.Packets)
	}
	if told := int(stats.DataBytes + stats.Lost()); told > sent+16 { // FINs may be among the lost
		t.Errorf("%d bytes and gaps, but %d were sent", told, sent)
	}
}

// While the wire is silent there are ticks, with the real time.
func TestLiveTicks(t *testing.T) {
	ownNamespace(t)
	s := openLive(t, LiveOptions{}, "lo")
	var last int64
	for range 3 {
		var c flow.Chunk
		if err := s.Read(&c); err != nil || c.Kind != flow.Tick {
			t.Fatal(c.Kind, err)
		}
		if c.At <= last || time.Since(time.Unix(0, c.At)) > 10*time.Second {
			t.Fatalf("tick at %v after %v", time.Unix(0, c.At), time.Unix(0, last))
		}
		last = c.At
	}
	s.Close()
	if got := collect(t, s); len(got.errs) != 0 {
		t.Fatal(got.errs)
	}
}

// A device that goes down is named once; then the connections are closed.
func TestLiveDeviceDown(t *testing.T) {
	ownNamespace(t)
	e := newEcho(t, "127.0.0.1:0")
	s := openLive(t, LiveOptions{Options: Options{Ports: []uint16{e.port()}}}, "lo")
	want := e.talk(100)
	setUp(t, "lo", false)
	got := collect(t, s)
	var gone *DeviceError
	if len(got.errs) != 1 || !errors.As(got.errs[0], &gone) || gone.Device != "lo" || !errors.Is(gone, unix.ENETDOWN) {
		t.Fatalf("errors %v", got.errs)
	}
	got.errs = nil
	expectStreams(t, got, [][2][]byte{want})
}

func TestLiveErrors(t *testing.T) {
	ownNamespace(t)
	_, err := OpenLive([]string{"nosuch0"}, LiveOptions{})
	if err == nil || !strings.Contains(err.Error(), "nosuch0") || !strings.Contains(err.Error(), "lo, any") {
		t.Errorf("a device that is not there: %v", err)
	}
	setUp(t, "lo", false)
	if _, err := OpenLive([]string{"lo"}, LiveOptions{}); err == nil || !strings.Contains(err.Error(), "down") {
		t.Errorf("a device that is down: %v", err)
	}
	if _, err := OpenLive(nil, LiveOptions{}); err == nil {
		t.Error("no device: no error")
	}
	long := NewFilter(make([]uint16, 4000), nil, nil)
	setUp(t, "lo", true)
	if _, err := OpenLive([]string{"lo"}, LiveOptions{Options: Options{Filter: long}}); err == nil {
		t.Error("a filter that is too long: no error")
	}
	err = openError("eth0", fmt.Errorf("socket: %w", unix.EPERM))
	if !strings.Contains(err.Error(), "setcap cap_net_raw+ep") || !strings.Contains(err.Error(), "sudo") {
		t.Errorf("without the capability: %v", err)
	}
}

// TestRingShape: a ring lasts as long whatever the timeout of its blocks is.
func TestRingShape(t *testing.T) {
	for _, c := range []struct {
		bytes         int
		timeout       time.Duration
		block, blocks int
	}{
		{32 << 20, 40 * time.Millisecond, 1 << 20, 32},
		{32 << 20, 10 * time.Millisecond, 256 << 10, 128},
		{32 << 20, 5 * time.Millisecond, 128 << 10, 256},
		{32 << 20, time.Millisecond, 128 << 10, 256},
		{256 << 10, 40 * time.Millisecond, 128 << 10, 2},
	} {
		if block, blocks := ringShape(c.bytes, c.timeout); block != c.block || blocks != c.blocks {
			t.Errorf("%d bytes, %v: %d blocks of %d, want %d of %d", c.bytes, c.timeout, blocks, block, c.blocks, c.block)
		}
	}
}
