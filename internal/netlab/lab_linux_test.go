package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"myreplay/internal/mysqltest"
)

// dialWait is how long a connection may take that must come about, or must not.
const (
	dialWait = 10 * time.Second
	noWait   = 300 * time.Millisecond
)

// greeter answers each connection on a host with the address that it comes from.
func greeter(h *Host, address string) {
	l := h.Listen("tcp", address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, c.RemoteAddr().String())
			c.Close()
		}
	}()
}

// seen connects and returns the address that the other side sees, or the error.
func seen(h *Host, from, to string, wait time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	var source netip.AddrPort
	if from != "" {
		source = netip.MustParseAddrPort(from)
	}
	c, err := h.Dialer(source)(ctx, "tcp", to)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Clients reach the online server from any address of theirs, the online server
// reaches all, and without the commands nothing else is reached.
func TestThreeRoles(t *testing.T) {
	r := ThreeRoles(t)
	for _, h := range []*Host{r.Online, r.Assistant, r.Target} {
		greeter(h, ":7000")
	}
	for _, c := range []struct {
		from     *Host
		own, to  string
		want     string
		reaching time.Duration
	}{
		{r.Client, "10.50.7.9:41000", "10.60.0.2:7000", "10.50.7.9:41000", dialWait},
		{r.Client, "10.50.255.1:41000", "10.60.0.2:7000", "10.50.255.1:41000", dialWait},
		{r.Client, "[2001:db8:50::7:9]:41000", "[2001:db8:60::2]:7000", "[2001:db8:50::7:9]:41000", dialWait},
		{r.Client, "", "10.99.1.3:7000", "network is unreachable", dialWait},
		{r.Online, "10.60.0.2:41000", "10.99.1.3:7000", "10.60.0.2:41000", dialWait},
		{r.Online, "10.60.0.2:41000", "10.99.1.2:7000", "10.60.0.2:41000", dialWait},
		{r.Online, "[2001:db8:60::2]:41000", "[2001:db8:99::3]:7000", "[2001:db8:60::2]:41000", dialWait},
		{r.Assistant, "10.99.1.2:41000", "10.99.1.3:7000", "10.99.1.2:41000", dialWait},
		{r.Target, "", "10.50.7.9:7000", "network is unreachable", dialWait},
	} {
		if got := seen(c.from, c.own, c.to, c.reaching); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s %s to %s: %q, want %q", c.from.Name, c.own, c.to, got, c.want)
		}
	}
	// Nothing listens on the machine that the test runs on.
	if c, err := net.DialTimeout("tcp", "127.0.0.1:7000", dialWait); err == nil {
		c.Close()
		t.Error("the lab's servers are on the machine's own loopback")
	}
}

// A link that was cut carries nothing, and after that what it carried before:
// the routes are still there.
func TestCut(t *testing.T) {
	r := ThreeRoles(t)
	greeter(r.Target, ":7000")
	for range 2 {
		for _, to := range []string{"10.99.1.3:7000", "[2001:db8:99::3]:7000"} {
			if got := seen(r.Online, "", to, dialWait); !strings.Contains(got, "60") {
				t.Errorf("link up: %q", got)
			}
		}
		r.Target.Cut("eth0")
		if got := seen(r.Online, "", "10.99.1.3:7000", noWait); !strings.Contains(got, "timeout") && !strings.Contains(got, "no route") {
			t.Errorf("link down: %q", got)
		}
		r.Target.Mend("eth0")
	}
}

// Without offloads no packet is longer than the MTU allows, which is what the
// tests of lost segments need; with them packets are.
func TestOffloads(t *testing.T) {
	r := ThreeRoles(t)
	if err := copyThrough(r); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true} {
		r.Client.Offloads("eth0", on)
		r.Online.Offloads("eth0", on)
		features := r.Online.Sh("cat /sys/class/net/eth0/mtu")
		if strings.TrimSpace(features) != "1500" {
			t.Errorf("MTU %s", features)
		}
		before := packets(t, r.Online)
		if err := copyThrough(r); err != nil {
			t.Fatal(err)
		}
		if n := packets(t, r.Online) - before; on != (n < copied/1500) {
			t.Errorf("offloads %t: %d packets for %d bytes", on, n, copied)
		}
	}
}

// copied is how many bytes copyThrough sends.
const copied = 4 << 20

// copyThrough sends bytes from the client to the online server.
func copyThrough(r *Roles) error {
	l := r.Online.Listen("tcp", "10.60.0.2:0")
	defer l.Close()
	got := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			n := int64(0)
			n, err = io.Copy(io.Discard, c)
			c.Close()
			if err == nil && n != copied {
				err = fmt.Errorf("%d bytes", n)
			}
		}
		got <- err
	}()
	c, err := r.Client.Dialer(netip.AddrPort{})(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		return err
	}
	_, err = c.Write(make([]byte, copied))
	return errors.Join(err, c.Close(), <-got)
}

// packets is how many packets a host has received.
func packets(t *testing.T, h *Host) (n int64) {
	t.Helper()
	if _, err := fmt.Sscan(h.Sh("cat /sys/class/net/eth0/statistics/rx_packets"), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A rate is kept, the emulation is told apart from a kernel without it, and both
// can be taken back.
func TestShape(t *testing.T) {
	r := ThreeRoles(t)
	r.Online.Rate("eth1", 1000)
	if out := r.Online.Sh("tc qdisc show dev eth1"); !strings.Contains(out, "tbf") {
		t.Errorf("rate: %q", out)
	}
	r.Online.Rate("eth1", 0)
	err := r.Online.Netem("eth1", "delay 20ms")
	if errors.Is(err, ErrNoNetem) {
		t.Log(err)
	} else if out := r.Online.Sh("tc qdisc show dev eth1"); !strings.Contains(out, "netem") {
		t.Errorf("delay: %q", out)
	}
	if err := r.Online.Netem("eth1", ""); err != nil {
		t.Error(err)
	}
	if out := r.Online.Sh("tc qdisc show dev eth1"); strings.Contains(out, "tbf") || strings.Contains(out, "netem") {
		t.Errorf("afterwards: %q", out)
	}
}

// A kernel variable is the host's, not the machine's.
func TestSysctl(t *testing.T) {
	l := New(t)
	h := l.Host("alone")
	h.Sysctl("net.ipv4.ip_forward", "1")
	if got := strings.TrimSpace(h.Sh("cat /proc/sys/net/ipv4/ip_forward")); got != "1" {
		t.Errorf("inside: %q", got)
	}
	if got := strings.TrimSpace(l.Host("other").Sh("cat /proc/sys/net/ipv4/ip_forward")); got != "0" {
		t.Errorf("on another host: %q", got)
	}
}

// Servers of both makes listen where the host is, at the usual port; the test
// reaches them for control from outside, clients from inside, and programs run
// on the host.
func TestServers(t *testing.T) {
	r := ThreeRoles(t)
	for _, k := range []mysqltest.Kind{mysqltest.MySQL97, mysqltest.MariaDB} {
		t.Run(k.String(), func(t *testing.T) {
			s := r.Online.Start(k)
			if r.Online.servers == 1 && s.Addr != "10.60.0.2:3306" {
				t.Errorf("it listens at %s", s.Addr)
			}
			s.LogQueries(t)
			for _, host := range []netip.Addr{r.Online.Addr(), r.Online.Addr6()} {
				args := append(s.ClientArgs(k), "-BN", "-e", "SELECT 'from a client'", "--host="+host.String())
				if host.Is6() { // the certificate is for IPv4's
					args = append(args, map[mysqltest.Kind]string{mysqltest.MySQL97: "--ssl-mode=REQUIRED", mysqltest.MariaDB: "--disable-ssl-verify-server-cert"}[k])
				}
				cmd := r.Client.Inside(mysqltest.Client(t, k, "mysql", args...))
				if out := mysqltest.Output(t, cmd); out != "from a client\n" {
					t.Errorf("%s: %q", host, out)
				}
			}
			hosts := map[string]bool{}
			for _, e := range s.GeneralLog(t) {
				hosts[e.Host] = true
			}
			if !hosts["10.50.0.1"] || !hosts["2001:db8:50::1"] || len(hosts) != 2 {
				t.Errorf("the server saw clients of %v", hosts)
			}
			s.Restart(t)
			b := mysqltest.Sysbench{Script: "oltp_read_write", Threads: 2, Tables: 1, TableSize: 100, Events: 10}
			mysqltest.Output(t, r.Client.Inside(b.Command(t, s, "prepare")))
			out := mysqltest.Output(t, r.Client.Inside(b.Command(t, s, "run")))
			if result, err := mysqltest.ParseSysbench(out); err != nil || result.Transactions != 10 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

// Connections from clients' addresses reach the target by the README's commands,
// and do not without them.
func TestCommandsOfTheReadme(t *testing.T) {
	r := ThreeRoles(t)
	greeter(r.Target, ":7000")
	for _, to := range []string{"10.99.1.3:7000", "[2001:db8:99::3]:7000"} {
		from := map[bool]string{true: "10.50.7.9:41000", false: "[2001:db8:50::7:9]:41000"}[strings.HasPrefix(to, "10.")]
		if got := transparently(r.Assistant, from, to, noWait); !strings.Contains(got, "timeout") {
			t.Errorf("without the commands: %q", got)
		}
	}
	r.Route()
	for _, from := range []string{"10.50.7.9:41000", "10.50.200.1:3306"} {
		if got := transparently(r.Assistant, from, "10.99.1.3:7000", dialWait); got != from {
			t.Errorf("from %s: %q", from, got)
		}
	}
	if from := "[2001:db8:50::7:9]:41000"; transparently(r.Assistant, from, "[2001:db8:99::3]:7000", dialWait) != from {
		t.Errorf("not from %s", from)
	}
}

// What processes that were killed left behind is removed; a living one's is not.
func TestSweep(t *testing.T) {
	l := New(t)
	l.Host("kept")
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("%s-%d-1-client", prefix, gone.Process.Pid)
	l.ip("netns", "add", left)
	sweep()
	if _, err := os.Stat(filepath.Join(namesFolder, left)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(namesFolder, l.hosts["kept"].namespace)); err != nil {
		t.Error(err)
	}
}

// A lab is gone with its test, servers included.
func TestGone(t *testing.T) {
	Available(t)
	var names []string
	t.Run("lab", func(t *testing.T) {
		r := ThreeRoles(t)
		greeter(r.Target, ":7000")
		for _, h := range r.hosts {
			names = append(names, h.namespace)
		}
	})
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(namesFolder, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if len(names) != 6 {
		t.Errorf("%d namespaces: %v", len(names), names)
	}
}
