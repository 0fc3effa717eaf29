package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"myreplay/internal/mysqltest"
)

// The ports of a host's first server; the next one has the numbers that follow.
const (
	FirstPort  = 3306
	FirstXPort = 33060
)

// Host is a machine of a lab: a network namespace. Files, users and processes
// are those of the machine that the test runs on.
type Host struct {
	t         testing.TB
	Name      string          // in the lab
	namespace string          // of the kernel
	servers   int             // that were started
	ports     int             // of a switch
	plugs     map[string]plug // by device

	mu   sync.Mutex
	addr []netip.Addr
}

// Inside makes a command run on the host. It replaces the command's program by
// ip(8), which then becomes that program: same process, same environment.
func (h *Host) Inside(cmd *exec.Cmd) *exec.Cmd {
	h.t.Helper()
	if cmd.Err != nil {
		h.t.Fatalf("%s: %v", h.Name, cmd.Err)
	}
	program, err := filepath.Abs(cmd.Path)
	if err != nil {
		h.t.Fatal(err)
	}
	words := append(h.enter(), program)
	cmd.Path, cmd.Args = words[0], append(words, cmd.Args[min(1, len(cmd.Args)):]...)
	return cmd
}

// enter returns the words that run a command on the host.
func (h *Host) enter() []string {
	h.t.Helper()
	ip, err := exec.LookPath("ip")
	if err != nil {
		h.t.Fatal(err)
	}
	return []string{ip, "netns", "exec", h.namespace}
}

// Command returns a command that runs on the host, to be started by
// mysqltest.Background or mysqltest.Output: then it cannot outlive the test.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	h.t.Helper()
	return h.Inside(exec.CommandContext(ctx, name, args...))
}

// Sh runs lines of shell commands on the host, one after the other, as an
// administrator would type them. Each must succeed. It returns what they print.
func (h *Host) Sh(lines ...string) string {
	h.t.Helper()
	out := ""
	for _, line := range lines {
		out += mysqltest.Output(h.t, h.Command(context.Background(), "sh", "-c", line))
	}
	return out
}

// IP runs lines of ip(8) on the host, without the word "ip".
func (h *Host) IP(lines ...string) {
	h.t.Helper()
	for _, line := range lines {
		mysqltest.Output(h.t, exec.Command("ip", append([]string{"-n", h.namespace}, strings.Fields(line)...)...))
	}
}

// Sysctl sets a kernel variable of the host's network, such as
// "net.ipv4.ip_forward".
func (h *Host) Sysctl(name, value string) {
	h.t.Helper()
	h.Do(func() error {
		// The thread's network is what /proc/sys/net shows.
		return os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")), []byte(value), 0o644)
	})
}

// Address gives a device addresses, "10.60.0.2/24" or "2001:db8:60::2/64", that
// can be used at once. The first one of all is the host's: see Addr.
func (h *Host) Address(device string, addresses ...string) {
	h.t.Helper()
	for _, text := range addresses {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			h.t.Fatal(err)
		}
		line := "address add " + text + " dev " + device
		if p.Addr().Is6() {
			line += " nodad"
		}
		h.IP(line)
		h.mu.Lock()
		h.addr = append(h.addr, p.Addr())
		h.mu.Unlock()
	}
}

// Addr returns the host's first address of IPv4, or its first of all.
func (h *Host) Addr() netip.Addr {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.addr {
		if a.Is4() {
			return a
		}
	}
	if len(h.addr) == 0 {
		h.t.Fatalf("%s has no address", h.Name)
	}
	return h.addr[0]
}

// Addr6 returns the host's first address of IPv6.
func (h *Host) Addr6() netip.Addr {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.addr {
		if a.Is6() {
			return a
		}
	}
	h.t.Fatalf("%s has no address of IPv6", h.Name)
	return netip.Addr{}
}

// Start starts a private server on the host, at the host's Addr and the ports
// FirstPort and FirstXPort, or those that follow. It listens on all of the host's
// addresses. Its control connections work from outside of the lab.
func (h *Host) Start(kind mysqltest.Kind, opts ...mysqltest.Option) *mysqltest.Server {
	h.t.Helper()
	at := mysqltest.At(h.Addr(), FirstPort+h.servers, FirstXPort+h.servers)
	h.servers++
	return mysqltest.Start(h.t, kind, append([]mysqltest.Option{mysqltest.In(h.enter()...), at}, opts...)...)
}

// Do runs f on the host: connections that f itself makes and sockets that it
// opens are the host's, and stay so. Goroutines that f starts are not on the
// host. An error of f ends the test; f must not.
func (h *Host) Do(f func() error) {
	h.t.Helper()
	if err := h.try(f); err != nil {
		h.t.Fatalf("%s: %v", h.Name, err)
	}
}

// try is Do for every goroutine.
func (h *Host) try(f func() error) error {
	done := make(chan error)
	go onThread(func() {
		done <- h.within(f)
	})
	return <-done
}

// within runs f on this thread, which it leaves in the host's network.
func (h *Host) within(f func() error) error {
	ns, err := netns.GetFromName(h.namespace)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer ns.Close()
	if err := netns.Set(ns); err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	return f()
}

// onThread runs f on a thread that ends with it. That is never the process's
// first one: it cannot end, and stands for the process in /proc.
func onThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return // with the thread, since it is locked
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() {
		defer close(done)
		onThread(f)
	}()
	<-done
}

// Dialer returns a function that connects from the host, for go-sql-driver's
// DialFunc and its like: from an address and port of the host; an invalid
// address, or port 0, leaves the choice to the kernel. A port whose connection
// was closed a moment ago (TIME_WAIT) is used again where the kernel lets it be:
// the variable net.ipv4.tcp_tw_reuse. Addresses to connect to are numbers: names
// would be asked of the machine's own resolver.
func (h *Host) Dialer(from netip.AddrPort) func(ctx context.Context, network, to string) (net.Conn, error) {
	return func(ctx context.Context, network, to string) (c net.Conn, err error) {
		if _, err := netip.ParseAddrPort(to); err != nil {
			return nil, fmt.Errorf("dial from %s: %w", h.Name, err)
		}
		d := net.Dialer{Control: reuse}
		if from.Addr().IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
		failed := h.try(func() error {
			c, err = d.DialContext(ctx, network, to)
			return nil
		})
		return c, errors.Join(failed, err)
	}
}

// reuse lets a socket have a port that a closed connection of the host still
// has.
func reuse(_, _ string, raw syscall.RawConn) (err error) {
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	return errors.Join(failed, err)
}

// Listen returns a listener on the host; the address is as net.Listen wants it.
func (h *Host) Listen(network, address string) net.Listener {
	h.t.Helper()
	var l net.Listener
	h.Do(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	h.t.Cleanup(func() { l.Close() })
	return l
}
