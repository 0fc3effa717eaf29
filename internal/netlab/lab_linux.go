package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"myreplay/internal/mysqltest"
)

// namesFolder is where ip(8) keeps the names of network namespaces.
const namesFolder = "/run/netns"

// prefix begins the names of all labs' namespaces: prefix-PID-LAB-HOST.
const prefix = "mrlab"

// labs counts the labs of this process.
var labs atomic.Int64

// Lab is a network. Its methods end the test when they fail.
type Lab struct {
	t     testing.TB
	name  string
	hosts map[string]*Host
}

// Available skips a test where no lab can be made, or fails it where nothing may
// be skipped: mysqltest.Required.
func Available(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs network namespaces: not in -short mode")
	}
	if err := available(); err != nil {
		mysqltest.Unavailable(t, err)
	}
}

// available tries it once.
var available = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces take root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("network namespaces take ip(8), of Debian's iproute2: %w", err)
	}
	sweep()
	name := fmt.Sprintf("%s-%d-try", prefix, os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return fmt.Errorf("this machine makes no network namespaces: ip netns add: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return exec.Command("ip", "netns", "delete", name).Run()
})

// sweep removes the namespaces of processes that are gone. What cannot be
// removed stays for the next time.
func sweep() {
	names, _ := filepath.Glob(filepath.Join(namesFolder, prefix+"-*"))
	for _, path := range names {
		name := filepath.Base(path)
		text, _, _ := strings.Cut(strings.TrimPrefix(name, prefix+"-"), "-")
		pid, err := strconv.Atoi(text)
		if err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		_ = exec.Command("ip", "netns", "delete", name).Run()
	}
}

// New makes a lab without hosts, or skips the test: see Available.
func New(t testing.TB) *Lab {
	t.Helper()
	Available(t)
	return &Lab{
		t:     t,
		name:  fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), labs.Add(1)),
		hosts: map[string]*Host{},
	}
}

// Host returns the host of that name, which it makes when it is not there: with
// a loopback of its own, forwarding nothing, and no links.
func (l *Lab) Host(name string) *Host {
	l.t.Helper()
	if h := l.hosts[name]; h != nil {
		return h
	}
	h := &Host{t: l.t, Name: name, namespace: l.name + "-" + name, plugs: map[string]plug{}}
	l.ip("netns", "add", h.namespace)
	// The kernel removes links with the namespace, and the namespace when the
	// last process in it has ended: servers were started later, so they end first.
	l.t.Cleanup(func() { l.ip("netns", "delete", h.namespace) })
	h.IP("link set lo up")
	// Nobody else has the lab's addresses: they need no second of probing.
	h.Sysctl("net.ipv6.conf.all.accept_dad", "0")
	h.Sysctl("net.ipv6.conf.default.accept_dad", "0")
	l.hosts[name] = h
	return h
}

// Switch joins the hosts that are plugged into it to one Ethernet.
type Switch struct {
	host *Host
}

// bridge is the device that makes a switch of a network namespace.
const bridge = "br0"

// Switch makes a switch. Its name is as long as a device's may be, less the
// number of a port: at most 11 bytes.
func (l *Lab) Switch(name string) *Switch {
	l.t.Helper()
	s := &Switch{host: l.Host(name)}
	s.host.IP("link add "+bridge+" type bridge stp_state 0 mcast_snooping 0", "link set "+bridge+" up")
	return s
}

// Plug gives the host a device, without addresses and up, that is plugged into
// the switch.
func (h *Host) Plug(device string, s *Switch) {
	h.t.Helper()
	s.host.ports++
	port := fmt.Sprintf("%s-%d", s.host.Name, s.host.ports)
	mysqltest.Output(h.t, exec.Command("ip", "link", "add", device, "netns", h.namespace,
		"type", "veth", "peer", "name", port, "netns", s.host.namespace))
	// A port that comes up last is used at once; otherwise within a second.
	h.IP("link set " + device + " up")
	s.host.IP("link set "+port+" master "+bridge, "link set "+port+" up")
	h.plugs[device] = plug{s.host, port}
}

// plug is where a device is plugged in.
type plug struct {
	at   *Host
	port string
}

// ip runs ip(8) outside of all hosts.
func (l *Lab) ip(args ...string) {
	l.t.Helper()
	mysqltest.Output(l.t, exec.Command("ip", args...))
}
