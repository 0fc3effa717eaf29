package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// returnPath is how connections go to a target, and what its answers need here.
type returnPath struct {
	// device is where the answers come in, own this host's address there, to the
	// target's.
	device  string
	own, to netip.Addr
	// via is the first router on the way; the zero Addr on a shared network.
	via netip.Addr
	// table is the routing table for them; rule: the rule for it is there.
	table int
	rule  bool
	// routed are the client networks that it delivers, missing those that it does
	// not.
	routed, missing []netip.Prefix
}

// key names what the ways to several targets may share.
func (w *returnPath) key() string { return fmt.Sprint(w.device, " ", w.to) }

// ip begins a command of ip(8).
func (w *returnPath) ip() string {
	if w.to.Is6() {
		return "ip -6"
	}
	return "ip"
}

func (w *returnPath) ruleCommand() string {
	return commandLine("%s rule add iif %s lookup %d", w.ip(), w.device, w.table)
}

func (w *returnPath) routeCommand(n netip.Prefix) string {
	return commandLine("%s route add local %s dev lo table %d", w.ip(), n, w.table)
}

// targetCommand is the route that the target needs.
func (w *returnPath) targetCommand(n netip.Prefix) string {
	if w.via.IsValid() {
		return commandLine("%s route add %s via ITS-ROUTER", w.ip(), n)
	}
	return commandLine("%s route add %s via %s", w.ip(), n, w.own)
}

// wayTo finds the way to a target. devices are where its answers are said to
// come in.
func (d *doctor) wayTo(to netip.Addr, devices []string) (*returnPath, bool) {
	about := "route to " + to.String()
	r, err := d.host.RouteTo(to)
	switch {
	case err != nil:
		d.wrong(about, "there is none: "+err.Error())
		return nil, false
	case r.Local || to.IsLoopback():
		d.wrong(about, "the target is on this host: its answers to the clients' addresses would leave to the clients; use --client-ip off")
		return nil, false
	}
	w := &returnPath{device: r.Device, own: r.From, to: to, via: r.Via}
	if len(devices) > 0 && devices[0] != "any" && !slices.Contains(devices, r.Device) {
		w.device = devices[0]
		d.note(about, "it leaves by %s, not by %s: is -i %s where its answers come in?", r.Device, strings.Join(devices, ", "), w.device)
	} else {
		d.ok(about, "by %s, from %s", r.Device, r.From)
	}
	if r.Via.IsValid() {
		d.note(about, "the target is behind the router %s: its route for the clients must lead there, and each router between must send them to %s", r.Via, w.own)
	}
	return w, true
}

// looksAtDevice looks at the device on which answers come in.
func (d *doctor) looksAtDevice(w *returnPath) {
	d.deviceUp(w.device)
	if w.to.Is6() {
		return // neither of the following is known to IPv6
	}
	all, err := d.host.Sysctl("net/ipv4/conf/all/rp_filter")
	dev, err2 := d.host.Sysctl("net/ipv4/conf/" + w.device + "/rp_filter")
	if err := errors.Join(err, err2); err != nil {
		d.unknown("rp_filter", err)
		return
	}
	d.note("rp_filter", "%d on %s: either value will do where the target's answers come in on the device by which it is reached", max(all, dev), w.device)
}

// deviceUp tells whether a device is there and up.
func (d *doctor) deviceUp(name string) {
	devices, err := d.host.Devices()
	if err != nil {
		d.unknown("device "+name, err)
		return
	}
	var names []string
	for _, dev := range devices {
		names = append(names, dev.Name)
		if dev.Name != name {
			continue
		}
		if dev.Up {
			d.ok("device "+name, "up, %s", addressesText(dev.Networks))
		} else {
			d.wrong("device "+name, "it is down", commandLine("ip link set %s up", name))
		}
		return
	}
	d.wrong("device "+name, "there is none of that name: there are "+strings.Join(names, ", "))
}

func addressesText(list []netip.Prefix) string {
	if len(list) == 0 {
		return "without an address"
	}
	var names []string
	for _, n := range list {
		names = append(names, n.String())
	}
	return strings.Join(names, ", ")
}

// looksAtNetwork looks at what becomes here of answers to a client network, and
// tells whether they reach this host's sockets, as far as can be told.
func (d *doctor) looksAtNetwork(w *returnPath, n netip.Prefix) bool {
	d.arp(w, n)
	marked, err := d.findTable(w, n)
	if err != nil {
		d.unknown("rule", err)
		return false
	}
	covered, err := d.delivers(w.table, n)
	if err != nil {
		d.unknown("route", err)
		return false
	}
	if covered {
		w.routed = append(w.routed, n)
		d.ok("route", "%s is delivered here by table %d", n, w.table)
	} else {
		w.missing = append(w.missing, n)
		d.wrong("route", fmt.Sprintf("%s is not delivered to this host's sockets by table %d", n, w.table), w.routeCommand(n))
	}
	if marked {
		return covered
	}
	return d.arriving(w, n, covered)
}

// arriving asks the kernel about an answer of the target's.
func (d *doctor) arriving(w *returnPath, n netip.Prefix, covered bool) bool {
	r, err := d.host.Arriving(w.device, w.to, probeAddr(n))
	switch {
	case err == nil && r.Local:
		d.ok("answers", "what %s sends to %s is delivered here", w.to, n)
		return true
	case !covered || !w.rule:
		return false // it was said before
	case (errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EINVAL)) && d.strict(w.device): // older and newer kernels
		d.wrong("answers", fmt.Sprintf("the reverse path filter drops what %s sends to %s: it comes in on %s, which is not the way back", w.to, n, w.device),
			commandLine("sysctl -w net.ipv4.conf.all.rp_filter=2"), commandLine("sysctl -w net.ipv4.conf.%s.rp_filter=2", w.device))
	case err != nil:
		d.wrong("answers", fmt.Sprintf("what %s sends to %s is dropped: %v", w.to, n, err))
	default:
		d.wrong("answers", fmt.Sprintf("what %s sends to %s is not delivered here although table %d says so: another rule comes first (ip rule)", w.to, n, w.table))
	}
	return false
}

// strict tells whether the reverse path filter lets only those packets in that
// come in where their senders are reached.
func (d *doctor) strict(device string) bool {
	all, _ := d.host.Sysctl("net/ipv4/conf/all/rp_filter") // looksAtDevice says what is wrong
	own, _ := d.host.Sysctl("net/ipv4/conf/" + device + "/rp_filter")
	return max(all, own) == 1
}

// findTable finds the table that answers are looked up in. marked: packets come
// to it by a mark, of which no more can be told here.
func (d *doctor) findTable(w *returnPath, n netip.Prefix) (marked bool, err error) {
	if w.table != 0 {
		return false, nil // known from the network before
	}
	rules, err := d.host.Rules(w.to.Is6())
	if err != nil {
		return false, err
	}
	for _, r := range rules {
		switch {
		case r.Narrow || r.Device != w.device || r.Mark != 0 || r.Table == 0:
		case r.Priority >= mainPriority:
			w.table = r.Table
			d.wrong("rule", fmt.Sprintf("that for what comes in on %s comes after the main table's", w.device),
				commandLine("%s rule del iif %s lookup %d", w.ip(), w.device, r.Table), w.ruleCommand())
			return false, nil
		default:
			w.table, w.rule = r.Table, true
			d.ok("rule", "what comes in on %s is looked up in table %d", w.device, r.Table)
			return false, nil
		}
	}
	for _, r := range rules {
		if r.Mark == 0 || r.Device != "" {
			continue
		}
		if covered, err := d.delivers(r.Table, n); err == nil && covered {
			w.table, w.rule = r.Table, true
			d.note("rule", "packets with the mark %d are looked up in table %d: whether answers get that mark (nft, socket transparent) only a connection tells", r.Mark, r.Table)
			return true, nil
		}
	}
	if w.table, err = d.freeTable(w, n); err != nil {
		return false, err
	}
	d.wrong("rule", fmt.Sprintf("what comes in on %s is looked up in no table of its own", w.device), w.ruleCommand())
	return false, nil
}

// delivers tells whether a table delivers a network to this host's sockets.
func (d *doctor) delivers(table int, n netip.Prefix) (bool, error) {
	routes, err := d.host.Routes(table, n.Addr().Is6())
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(routes, func(r netRoute) bool {
		return r.Local && r.To.IsValid() && r.To.Bits() <= n.Bits() && r.To.Contains(n.Addr())
	}), nil
}

// freeTable proposes a table: one that is empty, or prepared already.
func (d *doctor) freeTable(w *returnPath, n netip.Prefix) (int, error) {
	for table := clientTable; table < clientTable+maxTables; table++ {
		routes, err := d.host.Routes(table, w.to.Is6())
		if err != nil {
			return 0, err
		}
		if !slices.ContainsFunc(routes, func(r netRoute) bool { return !r.Local }) {
			return table, nil
		}
	}
	return 0, fmt.Errorf("the tables %d to %d are all in use", clientTable, clientTable+maxTables-1)
}

// arp looks for the danger that this host takes over the addresses of its
// neighbours: it answers ARP for what it delivers to itself.
func (d *doctor) arp(w *returnPath, n netip.Prefix) {
	devices, err := d.host.Devices()
	if err != nil || w.to.Is6() {
		return
	}
	for _, dev := range devices {
		for _, near := range dev.Networks {
			if dev.Name != w.device || !near.Overlaps(n) {
				continue
			}
			all, err := d.host.Sysctl("net/ipv4/conf/all/arp_ignore")
			own, err2 := d.host.Sysctl("net/ipv4/conf/" + dev.Name + "/arp_ignore")
			about := fmt.Sprintf("%s overlaps this host's own network %s on %s", n, near.Masked(), dev.Name)
			switch {
			case errors.Join(err, err2) != nil:
				d.unknown("ARP", errors.Join(err, err2))
			case max(all, own) == 0:
				d.wrong("ARP", about+": with the local route it would answer ARP for the clients and take their connections; before the rule and the route", commandLine("sysctl -w net.ipv4.conf.%s.arp_ignore=1", dev.Name))
			default:
				d.ok("ARP", "%s, and this host answers ARP for its own addresses only", about)
			}
			return
		}
	}
}

// advise names the commands for both hosts, and what they cut off.
func (d *doctor) advise(ways map[string]*returnPath) {
	for _, key := range slices.Sorted(maps.Keys(ways)) {
		w := ways[key]
		var there, here []string
		networks := append(slices.Clone(w.routed), w.missing...)
		slices.SortFunc(networks, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
		for _, n := range networks {
			there = append(there, w.targetCommand(n))
			d.note("cut off", "with the route on %s, hosts in %s can no longer reach it directly: its answers to them come to this host", w.to, n)
		}
		if !w.rule {
			here = append(here, w.ruleCommand())
		}
		for _, n := range w.missing {
			here = append(here, w.routeCommand(n))
		}
		if len(here) > 0 {
			d.advices = append(d.advices, advice{"on this host", here})
		}
		if len(there) > 0 {
			d.advices = append(d.advices, advice{"on the target " + w.to.String() + " (unless it has them; until its next start)", there})
		}
	}
}

// freePort looks whether a port is free; state and otherwise are what it means
// that it is not.
func (d *doctor) freePort(addr, state, otherwise string) {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		text = addr
	}
	port, err := parsePort(text)
	if err != nil {
		d.wrong("listen", err.Error())
		return
	}
	switch list, err := d.host.Listening(port); {
	case err != nil:
		d.unknown("listen", err)
	case len(list) > 0:
		d.add(finding{State: state, About: "listen", Text: fmt.Sprintf("port %d is in use: %s", port, otherwise)})
	default:
		d.ok("listen", "port %d is free", port)
	}
}
