package relay

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
)

// A client, a relay and a server on three hosts, as far as their network is
// concerned: with the routes that the hint names, the server sees the client's
// address. Without them there is no connection.
func TestPreserveAcrossHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes network namespaces, and waits for a timeout")
	}
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("network namespaces need root and the program ip")
	}
	name := func(host string) string { return fmt.Sprintf("relaytest-%d-%s", os.Getpid(), host) }
	in := func(host string) []string { return []string{"ip", "netns", "exec", name(host)} }
	ip := func(line string) {
		t.Helper()
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v: %s", line, err, out)
		}
	}
	for _, host := range []string{"client", "relay", "server"} {
		ip("netns add " + name(host))
		t.Cleanup(func() { exec.Command("ip", "netns", "del", name(host)).Run() })
		ip("-n " + name(host) + " link set lo up")
	}
	join := func(a, addrA, b, addrB string) {
		ip(fmt.Sprintf("-n %s link add to-%s type veth peer name to-%s netns %s", name(a), b, a, name(b)))
		for host, addr := range map[string][2]string{a: {b, addrA}, b: {a, addrB}} {
			ip(fmt.Sprintf("-n %s addr add %s/24 dev to-%s", name(host), addr[1], addr[0]))
			ip(fmt.Sprintf("-n %s link set to-%s up", name(host), addr[0]))
		}
	}
	join("client", "10.99.1.2", "relay", "10.99.1.1")
	join("relay", "10.99.2.1", "server", "10.99.2.3")
	firstLine(t, helper(t, in("server"), "who", "10.99.2.3:3306"))
	firstLine(t, helper(t, in("relay"), "relay", fmt.Sprint(int(Preserve)), "10.99.1.1:3306", "10.99.2.3:3306"))
	ask := func() string {
		return strings.TrimSpace(mysqltest.Output(t, helper(t, in("client"), "client", "10.99.1.1:3306")))
	}
	if said := ask(); strings.Contains(said, " ") {
		t.Errorf("without routes: %q", said)
	}
	// What clientip.RouteHint says.
	ip("-n " + name("server") + " route add 10.99.1.0/24 via 10.99.2.1")
	ip("-n " + name("relay") + " rule add iif to-server lookup 100")
	ip("-n " + name("relay") + " route add local 10.99.1.0/24 dev lo table 100")
	for range 3 {
		own, seen, _ := strings.Cut(ask(), " ")
		client, err := netip.ParseAddrPort(own)
		if err != nil || seen != client.String() {
			t.Errorf("the client is %s, the server sees %q", own, seen)
		}
	}
}
