package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"myreplay/clientip"
)

// thisHost is the host that this program runs on.
type thisHost struct{}

// Program implements doctorHost.
func (thisHost) Program() string {
	path, err := os.Executable()
	if err != nil {
		return "myreplay"
	}
	return path
}

// NetRaw implements doctorHost.
func (thisHost) NetRaw() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, err
	}
	return data[0].Effective&(1<<unix.CAP_NET_RAW) != 0, nil
}

// Transparent implements doctorHost.
func (thisHost) Transparent() error { return clientip.Check() }

// PacketSocket implements doctorHost. The socket is bound to no protocol: it
// gets no packets.
func (thisHost) PacketSocket() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// Devices implements doctorHost.
func (thisHost) Devices() ([]netDevice, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netDevice
	for _, i := range all {
		d := netDevice{Name: i.Name, Up: i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if n, ok := prefixOf(a.(*net.IPNet)); ok {
				d.Networks = append(d.Networks, n)
			}
		}
		list = append(list, d)
	}
	return list, nil
}

// prefixOf translates a network; false for none.
func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if !ok || size == 0 {
		return netip.Prefix{}, false
	}
	if size == 32 {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits), true
}

func family(v6 bool) int {
	if v6 {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// Rules implements doctorHost.
func (thisHost) Rules(v6 bool) ([]netRule, error) {
	all, err := netlink.RuleList(family(v6))
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	var list []netRule
	for _, r := range all {
		list = append(list, netRule{Priority: r.Priority, Device: r.IifName, Mark: r.Mark, Table: r.Table,
			Narrow: r.Src != nil || r.Dst != nil || r.OifName != "" || r.Invert || r.IPProto != 0 || r.Sport != nil || r.Dport != nil || r.UIDRange != nil || r.Tos != 0})
	}
	return list, nil
}

// Routes implements doctorHost.
func (thisHost) Routes(table int, v6 bool) ([]netRoute, error) {
	all, err := netlink.RouteListFiltered(family(v6), &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, err
	}
	var list []netRoute
	for _, r := range all {
		list = append(list, routeOf(r))
	}
	return list, nil
}

// routeOf translates a route. One for everything has the network 0/0.
func routeOf(r netlink.Route) netRoute {
	n := netRoute{Local: r.Type == unix.RTN_LOCAL}
	n.To, _ = prefixOf(r.Dst)
	if from, ok := netip.AddrFromSlice(r.Src); ok {
		n.From = from.Unmap()
	}
	if via, ok := netip.AddrFromSlice(r.Gw); ok {
		n.Via = via.Unmap()
	}
	if i, err := net.InterfaceByIndex(r.LinkIndex); err == nil {
		n.Device = i.Name
	}
	return n
}

// RouteTo implements doctorHost.
func (thisHost) RouteTo(to netip.Addr) (netRoute, error) {
	return oneRoute(netlink.RouteGet(to.AsSlice()))
}

// Arriving implements doctorHost. It is the kernel's own reckoning, rules and
// reverse path filter included.
func (thisHost) Arriving(device string, from, to netip.Addr) (netRoute, error) {
	return oneRoute(netlink.RouteGetWithOptions(to.AsSlice(), &netlink.RouteGetOptions{Iif: device, SrcAddr: from.AsSlice()}))
}

func oneRoute(list []netlink.Route, err error) (netRoute, error) {
	if err != nil {
		return netRoute{}, err
	}
	if len(list) == 0 {
		return netRoute{}, errors.New("the kernel names no route")
	}
	return routeOf(list[0]), nil
}

// Sysctl implements doctorHost.
func (thisHost) Sysctl(path string) (int, error) {
	b, err := os.ReadFile(filepath.Join("/proc/sys", path))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// Listening implements doctorHost.
func (thisHost) Listening(port uint16) ([]netip.Addr, error) {
	var list []netip.Addr
	err := eachListener("self", func(at, _ string) {
		if a, ok := procAddr(at); ok && a.Port() == port {
			list = append(list, a.Addr())
		}
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// procAddr reads an address of /proc/net/tcp and tcp6: words of 32 bits in the
// host's byte order, then the port.
func procAddr(text string) (netip.AddrPort, bool) {
	hexAddr, hexPort, ok := strings.Cut(text, ":")
	port, err := strconv.ParseUint(hexPort, 16, 16)
	if !ok || err != nil || len(hexAddr) != 8 && len(hexAddr) != 32 {
		return netip.AddrPort{}, false
	}
	var b []byte
	for ; hexAddr != ""; hexAddr = hexAddr[8:] {
		word, err := strconv.ParseUint(hexAddr[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(word))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), true
}

// Free implements doctorHost. The folder need not be there yet.
func (thisHost) Free(dir string) (uint64, error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if err == nil {
			return s.Bavail * uint64(s.Bsize), unix.Access(dir, unix.W_OK)
		}
		if up := filepath.Dir(dir); errors.Is(err, unix.ENOENT) && up != dir {
			dir = up
			continue
		}
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
}

// Memory implements doctorHost.
func (thisHost) Memory() (uint64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if w := strings.Fields(line); len(w) >= 2 && w[0] == "MemAvailable:" {
			n, err := strconv.ParseUint(w[1], 10, 54)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo does not say MemAvailable")
}

// maxAncestors limits how far Operator looks up.
const maxAncestors = 32

// Operator implements doctorHost: sshd says it in SSH_CONNECTION, which sudo
// takes away, but not from the shell that it was called in.
func (thisHost) Operator() netip.Addr {
	env := os.Environ()
	pid := os.Getpid()
	for range maxAncestors {
		for _, e := range env {
			if v, ok := strings.CutPrefix(e, "SSH_CONNECTION="); ok {
				client, _, _ := strings.Cut(v, " ")
				a, _ := netip.ParseAddr(client)
				return a.Unmap().WithZone("")
			}
		}
		if pid = parentOf(pid); pid <= 1 {
			break
		}
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		env = strings.Split(string(b), "\x00")
	}
	return netip.Addr{}
}

// parentOf returns a process's parent; 0 when that is not known.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// pid (name) state ppid: the name may hold anything.
	at := strings.LastIndexByte(string(b), ')')
	if w := strings.Fields(string(b[at+1:])); len(w) > 1 {
		n, _ := strconv.Atoi(w[1])
		return n
	}
	return 0
}
