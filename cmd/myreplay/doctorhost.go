package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"myreplay/clientip"
	"myreplay/outcome"
	"myreplay/probe"
	"myreplay/target"
)

// doctorHost is what a doctor asks of its host, and of servers from there.
type doctorHost interface {
	// Program is this program's path.
	Program() string
	// NetRaw tells whether this program has CAP_NET_RAW.
	NetRaw() (bool, error)
	// Transparent tells why this program may not connect from other addresses.
	Transparent() error
	// PacketSocket tells why it may not see packets.
	PacketSocket() error
	Devices() ([]netDevice, error)
	Rules(v6 bool) ([]netRule, error)
	// Routes returns the routes of a table.
	Routes(table int, v6 bool) ([]netRoute, error)
	// RouteTo tells how packets of this host's own go to an address.
	RouteTo(to netip.Addr) (netRoute, error)
	// Arriving tells what becomes of a packet that comes in on a device.
	Arriving(device string, from, to netip.Addr) (netRoute, error)
	// Sysctl reads a setting, such as "net/ipv4/conf/all/rp_filter".
	Sysctl(path string) (int, error)
	// Listening returns the addresses that are listened on at a port.
	Listening(port uint16) ([]netip.Addr, error)
	// Free returns how many bytes may be written to a folder.
	Free(dir string) (uint64, error)
	// Memory returns how many bytes of memory are to be had.
	Memory() (uint64, error)
	// Operator returns the address that whoever runs this is logged in from; the
	// zero Addr when that is not known.
	Operator() netip.Addr
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial tells why nothing listens at an address.
	Dial(ctx context.Context, addr string) error
	// Greet reads a server's greeting, and asks for no login. from is the address
	// to connect from; the zero Addr is this host's own.
	Greet(ctx context.Context, addr string, from netip.Addr) (greetingFacts, error)
	// Ask logs in and asks the server about itself.
	Ask(ctx context.Context, r serverRequest) serverFacts
	// Source asks a source as a mirror does.
	Source(ctx context.Context, a *sourceArgs) sourceFacts
}

// netDevice is a network device of a host.
type netDevice struct {
	Name     string
	Up       bool
	Networks []netip.Prefix // its addresses with their networks
}

// netRule is a policy rule (ip-rule(8)) that looks up a table.
type netRule struct {
	Priority int
	Device   string // iif; "" for all
	Mark     uint32
	Table    int
	// Narrow: it applies to some packets only, by other marks than these.
	Narrow bool
}

// netRoute is a route, or what one was found for a packet.
type netRoute struct {
	// To is the zero Prefix where a single way was asked for.
	To     netip.Prefix
	Device string
	// From is the address of this host that packets have, Via the router.
	From, Via netip.Addr
	// Local: delivered to this host's own sockets.
	Local bool
}

// greetingFacts are what a server says before a login.
type greetingFacts struct {
	Version string
	TLS     bool
	// From is the address that the connection came from.
	From netip.AddrPort
}

// serverRequest says how to log in.
type serverRequest struct {
	URL   *target.URL
	Users target.Users
	// User is the recorded user to log in for, From as in Greet.
	User string
	From netip.Addr
}

// serverFacts are what a server says of itself.
type serverFacts struct {
	// Err is why there was no login.
	Err error
	// Version is set when the server was reached.
	Version string
	// Account is who was logged in.
	Account string
	// Values are variables by name; Asked tells why there are none.
	Values map[string]string
	Asked  error
	// Identity names the server; "" when it did not tell.
	Identity string
	// Grants is nil when the server did not tell.
	Grants []string
	// Clock is the server's clock minus this host's.
	Clock time.Duration
}

// sourceFacts are what a source tells.
type sourceFacts struct {
	// Err is why it could not be asked.
	Err error
	// About is nil when it did not tell; Remarks is what it does not tell of its
	// sessions, and what mends it.
	About    *probe.About
	Sessions int
	Remarks  []string
}

// requests returns the logins that a replay would make: of the one user, or of
// each that the credentials file names.
func (a *doctorArgs) requests(u *target.URL, names []string) ([]serverRequest, error) {
	users, err := a.users(u, passwordPrompt())
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = []string{""}
	}
	var list []serverRequest
	for _, name := range names {
		list = append(list, serverRequest{URL: u, Users: users, User: name})
	}
	return list, nil
}

// server returns what connects as the request says.
func (r serverRequest) server() (*target.Server, error) {
	o := target.Options{Users: r.Users, ConnectTimeout: doctorTimeout, ReplyTimeout: doctorTimeout, Outcome: outcome.Options{Keep: maxAsked}}
	if r.From.IsValid() {
		o.Dial = dialFrom(r.URL.Address, r.From)
	}
	return target.New(r.URL, o)
}

// commandLine writes a shell command.
func commandLine(format string, a ...any) string { return fmt.Sprintf(format, a...) }

// probeFrom is a request to connect from a client's address.
func probeFrom(from netip.Addr, to string) clientip.Request {
	if !from.IsValid() {
		return clientip.Request{To: to}
	}
	return clientip.Request{From: netip.AddrPortFrom(from, 0), To: to}
}
