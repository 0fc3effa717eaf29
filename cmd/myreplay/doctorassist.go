package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"myreplay/clientip"
	"myreplay/target"
)

const (
	// clientTable is the routing table that is proposed, mainPriority the priority
	// of the rule for the main table: rules after it come too late.
	clientTable  = 100
	mainPriority = 32766
	// maxTables is how many tables are looked at for a free one.
	maxTables = 50
)

// doctorAssist is `doctor assist`.
type doctorAssist struct {
	doctorArgs
	devices   []string
	targets   []string
	clients   []string
	clientIP  string
	online    []string
	probeFrom string
	listen    string
	writes    bool
}

func doctorAssistCommand(h doctorHost) *cobra.Command {
	a := &doctorAssist{doctorArgs: doctorArgs{host: h}}
	c := &cobra.Command{
		Use:   "assist --target URL --clients NET[,NET] [-i DEVICE]",
		Short: "Check what an assistant server needs",
		Long: `Check, on the assistant server, what it takes to connect to the target from the
clients' addresses: the capability, the rule and the routes here, the reverse path
filter, ARP, the route on the target (by a connection from a client's address),
and the login. It prints the commands for this host and for the target, and what
they cut off.`,
		Example: `  myreplay doctor assist --target mysql://replay@10.99.1.3/ --clients 10.50.0.0/16 --online 10.60.0.2
  myreplay doctor assist --target mysql://replay@10.99.1.3/ --client-ip map:62.135.200.x`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.main(c) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&a.targets, "target", nil, "the target's `URL`, mysql://user@host:3306/ or mysqlx://user@host:33060/")
	f.StringSliceVar(&a.clients, "clients", nil, "the clients' `NET`works: those that are in front of the online server")
	f.StringSliceVarP(&a.devices, "interface", "i", nil, "the `DEVICE`s on which the target's answers come in (default: that of the route to the target)")
	f.StringVar(&a.clientIP, "client-ip", "preserve", "where sessions come from: preserve (the clients' addresses), map:LIST (of these instead), off (this host's)")
	f.StringSliceVar(&a.online, "online", nil, "the `ADDR`esses of the online servers: those that are recorded")
	f.StringVar(&a.probeFrom, "probe-from", "", "the client's `ADDR`ess to try (default: the last but two of each network)")
	f.StringVar(&a.listen, "listen", "", "where the assistant will listen, `ADDR:PORT`")
	f.BoolVar(&a.writes, "writes", false, "writes are to be sent, too")
	a.flags(c)
	return c
}

func (a *doctorAssist) main(c *cobra.Command) error {
	urls, err := parseTargets(a.targets)
	if err != nil {
		return err
	}
	if len(urls) == 0 {
		return errors.New("which target? give --target mysql://user@host:3306/")
	}
	mode, err := a.mode()
	if err != nil {
		return err
	}
	networks, err := a.networks(mode)
	if err != nil {
		return err
	}
	return a.run(c, func(ctx context.Context, d *doctor) error { return a.look(ctx, d, urls, mode, networks) })
}

// mode reads --client-ip.
func (a *doctorAssist) mode() (*clientip.Mode, error) {
	m, err := clientip.Parse(a.clientIP)
	if err != nil {
		return nil, fmt.Errorf("--client-ip %w", err)
	}
	return m, nil
}

// networks are those that connections will come from.
func (a *doctorAssist) networks(m *clientip.Mode) ([]netip.Prefix, error) {
	if m.Kind() != clientip.Preserve {
		return mergeNetworks(m.Networks()), nil
	}
	var list []netip.Prefix
	for _, s := range a.clients {
		n, err := netip.ParsePrefix(s)
		if err != nil {
			var one netip.Addr
			if one, err = netip.ParseAddr(s); err == nil {
				n = netip.PrefixFrom(one, one.BitLen())
			}
		}
		if err != nil || clientip.IsLocal(n.Addr()) {
			return nil, fmt.Errorf("--clients %s: give networks such as 10.50.0.0/16", s)
		}
		list = append(list, n.Masked())
	}
	if len(list) == 0 {
		return nil, errors.New("which addresses do the clients have? give --clients 10.50.0.0/16, or --client-ip off to connect from this host's own")
	}
	return mergeNetworks(list), nil
}

// mergeNetworks leaves out what is in another network of the list.
func mergeNetworks(list []netip.Prefix) []netip.Prefix {
	slices.SortStableFunc(list, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var kept []netip.Prefix
	for _, n := range list {
		if !slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Overlaps(n) }) {
			kept = append(kept, n)
		}
	}
	return kept
}

// look looks at everything.
func (a *doctorAssist) look(ctx context.Context, d *doctor, urls []*target.URL, mode *clientip.Mode, networks []netip.Prefix) error {
	if a.listen != "" {
		d.freePort(a.listen, stateNote, "an assistant may be running already")
	}
	if mode.Kind() == clientip.Off {
		d.note("client-ip", "connections come from this host's own address: no route and no rule is needed")
		return a.doctorArgs.targets(ctx, d, urls, nil, netip.Addr{}, a.writes)
	}
	if err := d.host.Transparent(); err != nil {
		d.wrong("capability", "this program may not connect from other addresses: run as root, or give it CAP_NET_RAW", d.setcap())
	} else {
		d.ok("capability", "this program may connect from other addresses")
	}
	safe := d.spared(ctx, networks, urls, a.online)
	ways := map[string]*returnPath{}
	for _, u := range urls {
		if u.Network != "tcp" {
			d.wrong("target "+u.String(), "a unix socket has no clients' addresses: use its TCP port, or --client-ip off")
			continue
		}
		addrs, err := d.addresses(ctx, u.Address)
		if err != nil {
			d.wrong("target "+u.String(), err.Error())
			continue
		}
		a.toTarget(ctx, d, u, addrs, networks, ways, safe)
	}
	if safe {
		d.advise(ways)
	}
	return nil
}

// toTarget looks at the way to a target and back, and logs in.
func (a *doctorAssist) toTarget(ctx context.Context, d *doctor, u *target.URL, addrs []netip.Addr, networks []netip.Prefix, ways map[string]*returnPath, safe bool) {
	about := "target " + u.String()
	reached := true
	var from netip.Addr
	for _, n := range networks {
		i := slices.IndexFunc(addrs, func(t netip.Addr) bool { return t.Is4() == n.Addr().Is4() })
		if i < 0 {
			d.wrong(about, fmt.Sprintf("clients in %s can't connect to it: it has no address of that kind; map them (--client-ip map:LIST), or give it one", n))
			continue
		}
		w, ok := d.wayTo(addrs[i], a.devices)
		if !ok {
			continue
		}
		if known := ways[w.key()]; known != nil {
			w = known
		} else {
			ways[w.key()] = w
			d.looksAtDevice(w)
		}
		if !safe {
			continue // nobody is to be told commands for it
		}
		here := d.looksAtNetwork(w, n)
		client, err := a.client(n)
		if err != nil {
			d.unknown("probe", err)
			continue
		}
		if spokenX(u) {
			continue
		}
		answers, there := d.probe(ctx, w, u, client, n, here)
		reached = reached && there
		if answers && !from.IsValid() {
			from = client
		}
	}
	if !reached {
		return
	}
	if err := a.doctorArgs.targets(ctx, d, []*target.URL{u}, nil, from, a.writes); err != nil {
		d.unknown(about, err)
	}
	d.notSource(ctx, []*target.URL{u}, onlinePorts(a.online, u))
}

// onlinePorts are the online servers' addresses with the target's port, where
// they name no other.
func onlinePorts(online []string, u *target.URL) []netip.AddrPort {
	_, text, _ := net.SplitHostPort(u.Address)
	port, _ := strconv.ParseUint(text, 10, 16)
	var list []netip.AddrPort
	for _, o := range online {
		if p, err := netip.ParseAddrPort(o); err == nil {
			list = append(list, p)
		} else if a, err := netip.ParseAddr(o); err == nil {
			list = append(list, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return list
}

// client returns the address of a network to try.
func (a *doctorAssist) client(n netip.Prefix) (netip.Addr, error) {
	if a.probeFrom == "" {
		return probeAddr(n), nil
	}
	p, err := netip.ParseAddr(a.probeFrom)
	if err != nil {
		return p, fmt.Errorf("--probe-from %s: give an IP address", a.probeFrom)
	}
	if p.Is4() != n.Addr().Is4() {
		return probeAddr(n), nil
	}
	if !n.Contains(p) {
		return p, fmt.Errorf("--probe-from %s is not in %s", p, n)
	}
	return p, nil
}

// probeAddr chooses an address that is seldom in use: the last but two, since
// the last is the broadcast and the one before often a router.
func probeAddr(n netip.Prefix) netip.Addr {
	b := n.Masked().Addr().AsSlice()
	free := n.Addr().BitLen() - n.Bits()
	for i := len(b) - 1; i >= 0 && free > 0; i-- {
		b[i] |= byte(1<<min(free, 8) - 1)
		free -= 8
	}
	if n.Addr().BitLen()-n.Bits() >= 3 {
		b[len(b)-1] -= 2
	} else {
		b = n.Addr().AsSlice()
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// spared looks for addresses that must not be in the clients' networks: the
// target would answer them by way of this host.
func (d *doctor) spared(ctx context.Context, networks []netip.Prefix, urls []*target.URL, online []string) bool {
	safe := true
	in := func(a netip.Addr, whose string) {
		for _, n := range networks {
			if n.Contains(a) {
				safe = false
				d.wrong("clients", fmt.Sprintf("%s holds %s, %s: the target could not talk to it any longer; name smaller networks, without it", n, a, whose))
			}
		}
	}
	if devices, err := d.host.Devices(); err != nil {
		d.unknown("devices", err)
	} else {
		for _, dev := range devices {
			for _, n := range dev.Networks {
				in(n.Addr(), "this host's own address on "+dev.Name)
			}
		}
	}
	for _, u := range urls {
		if u.Network != "tcp" {
			continue
		}
		addrs, _ := d.addresses(ctx, u.Address) // toTarget says what is wrong with it
		for _, a := range addrs {
			in(a, "the target's address")
		}
	}
	for _, o := range online {
		addrs, err := d.addresses(ctx, o)
		if err != nil {
			safe = false
			d.wrong("online", fmt.Sprintf("--online %s: %v", o, err))
		}
		for _, a := range addrs {
			in(a, "the online server's address")
		}
	}
	if a := d.host.Operator(); a.IsValid() {
		in(a, "from where you are logged in")
	}
	if safe {
		var names []string
		for _, n := range networks {
			names = append(names, n.String())
		}
		d.ok("clients", "no address that is needed here is in %s", strings.Join(names, ", "))
	}
	return safe
}
