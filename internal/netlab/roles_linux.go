package netlab

import "testing"

// Roles is the lab of a mirror with an assistant, as the README draws it:
//
//	client     10.50.x.y, any of them    2001:db8:50::/64
//	   | eth0
//	   | eth0
//	online     10.60.0.2                 2001:db8:60::2
//	   | eth1
//	   +---- eth0 assistant 10.99.1.2    2001:db8:99::2
//	   +---- eth0 target    10.99.1.3    2001:db8:99::3
//
// The clients reach the online server only, the online server reaches all.
// Nothing leads from the target to the clients' network: that takes the commands
// of TargetRoute and AssistantRule.
type Roles struct {
	*Lab
	Client, Online, Assistant, Target *Host
}

// The networks of the clients.
const (
	Clients  = "10.50.0.0/16"
	Clients6 = "2001:db8:50::/64"
)

// The commands that let an assistant connect to the target from the clients'
// addresses, as an administrator types them, to be run by Host.Sh.
var (
	// TargetRoute is for the target: answers to clients go to the assistant.
	TargetRoute = []string{
		"ip route add 10.50.0.0/16 via 10.99.1.2",
	}
	// AssistantRule is for the assistant: what comes for clients on that link is
	// its own.
	AssistantRule = []string{
		"ip rule add iif eth0 lookup 100",
		"ip route add local 10.50.0.0/16 dev lo table 100",
	}
	// TargetRoute6 and AssistantRule6 are the same for clients of IPv6.
	TargetRoute6 = []string{
		"ip -6 route add 2001:db8:50::/64 via 2001:db8:99::2",
	}
	AssistantRule6 = []string{
		"ip -6 rule add iif eth0 lookup 100",
		"ip -6 route add local 2001:db8:50::/64 dev lo table 100",
	}
)

// ThreeRoles makes the lab, without servers and without the commands above.
func ThreeRoles(t testing.TB) *Roles {
	t.Helper()
	l := New(t)
	r := &Roles{Lab: l, Client: l.Host("client"), Online: l.Host("online"), Assistant: l.Host("assistant"), Target: l.Host("target")}
	front, lan := l.Switch("front"), l.Switch("lan")

	r.Client.Plug("eth0", front)
	r.Client.Address("eth0", "10.50.0.1/32", "2001:db8:50::1/128")
	// All addresses of the networks are the one client's.
	r.Client.Sysctl("net.ipv6.ip_nonlocal_bind", "1")
	r.Client.IP("route add local "+Clients+" dev lo", "-6 route add local "+Clients6+" dev lo",
		"route add 10.60.0.2 dev eth0 src 10.50.0.1", "-6 route add 2001:db8:60::2 dev eth0 src 2001:db8:50::1")

	r.Online.Plug("eth0", front)
	r.Online.Plug("eth1", lan)
	r.Online.Address("eth0", "10.60.0.2/24", "2001:db8:60::2/64")
	r.Online.Address("eth1", "2001:db8:99::1/128") // IPv6 answers no neighbour for another device's address
	r.Online.IP("route add 10.50.0.1 dev eth0", "route add "+Clients+" via 10.50.0.1",
		"-6 route add 2001:db8:50::1 dev eth0", "-6 route add "+Clients6+" via 2001:db8:50::1",
		"route add 10.99.1.0/24 dev eth1 src 10.60.0.2", "-6 route add 2001:db8:99::/64 dev eth1 src 2001:db8:60::2")

	for h, last := range map[*Host]string{r.Assistant: "2", r.Target: "3"} {
		h.Plug("eth0", lan)
		h.Address("eth0", "10.99.1."+last+"/24", "2001:db8:99::"+last+"/64")
		h.IP("route add 10.60.0.2 dev eth0", "-6 route add 2001:db8:60::2 via 2001:db8:99::1")
	}
	return r
}

// Route runs the commands that the README prints for an assistant, on both
// machines, for IPv4 and IPv6.
func (r *Roles) Route() {
	r.t.Helper()
	r.Target.Sh(append(TargetRoute, TargetRoute6...)...)
	r.Assistant.Sh(append(AssistantRule, AssistantRule6...)...)
}
