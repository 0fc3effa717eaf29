package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/packet"
	"myreplay/target"
)

// What a mirror should have.
const (
	lowMemory = 512 << 20
	lowDisk   = 1 << 30
)

// doctorMirror is `doctor mirror`.
type doctorMirror struct {
	doctorArgs
	devices    []string
	pairs      pairs
	ports      []string
	targets    []string
	asked      sourceArgs
	targetTLS  string
	targetCA   string
	assistants assistants
	record     string
	writes     bool
}

func doctorMirrorCommand(h doctorHost) *cobra.Command {
	a := &doctorMirror{doctorArgs: doctorArgs{host: h}}
	c := &cobra.Command{
		Use:   "mirror (-x PORT-HOST:PORT | --target URL) [-i DEVICE] [--source URL]",
		Short: "Check what a mirror needs, on the online server",
		Long: `Check, on the online server, what it takes to mirror it: the capability to see
packets, the devices, that the port is listened on, whether clients speak TLS,
memory and disk; that the target is reached, lets the user in, grants enough and is
not the source; what the source can tell of its sessions.

With -s the assistant connects to the target: 'doctor assist' there checks that.`,
		Example: `  myreplay doctor mirror -x 3306-10.110.12.17:3306 -u replay --source mysql://monitor@127.0.0.1/
  myreplay doctor mirror -i eth0 --port 3306 --target mysql://replay@10.110.12.17:3306/ --writes`,
		RunE: func(c *cobra.Command, args []string) error { return a.main(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.VarP(&a.pairs, "copy", "x", "what is copied where: the source's port, and the target")
	f.StringSliceVarP(&a.devices, "interface", "i", nil, "network `DEVICE`s to listen on (default: any)")
	f.StringSliceVar(&a.ports, "port", nil, "server `PORT`s to look at (default 3306)")
	f.StringArrayVar(&a.targets, "target", nil, "the target's `URL`, mysql://user@host:3306/ or mysqlx://user@host:33060/")
	a.asked.flags(c)
	f.VarP(&a.assistants, "assistant", "s", "an assistant replays, which connects to the target")
	f.BoolVar(&a.writes, "writes", false, "writes are to be sent, too")
	f.StringVar(&a.record, "record", "", "where captures are to be written: `DIR`")
	f.StringVar(&a.targetTLS, "target-tls", "", "with -x: TLS to the target: disabled, preferred, required, verify-ca, verify-identity")
	f.StringVar(&a.targetCA, "target-ca", "", "with -x: the certificates that may have signed the target's, from a PEM `FILE`")
	a.flags(c)
	return c
}

func (a *doctorMirror) main(c *cobra.Command, filter []string) error {
	if f, _ := c.Flags().GetString("filter"); f != "" {
		filter = append(filter, f)
	}
	if len(filter) > 0 {
		if _, err := packet.ParseFilter(strings.Join(filter, " ")); err != nil {
			return err
		}
	}
	raw := slices.Clone(a.targets)
	protocol, _ := c.Flags().GetString("protocol") // mirror's
	spoken, err := parseProtocol(protocol)
	if err != nil {
		return err
	}
	for _, p := range a.pairs {
		raw = append(raw, pairURL(p, spoken, a.targetTLS, a.targetCA))
	}
	var urls []*target.URL
	for _, r := range raw {
		u, err := target.Parse(r)
		if err != nil {
			return err
		}
		urls = append(urls, u)
	}
	if len(urls) == 0 && len(a.assistants) == 0 {
		return errors.New("which target? give -x 3306-HOST:3306, --target mysql://user@host:3306/, or an assistant with -s")
	}
	sources, err := a.sources()
	if err != nil {
		return err
	}
	return a.run(c, func(ctx context.Context, d *doctor) error {
		if listen, _ := c.Flags().GetStringSlice("relay"); len(listen) > 0 {
			a.relay(ctx, c, d, listen)
		} else {
			a.packets(d)
			for _, s := range sources {
				d.listens(ctx, s)
			}
		}
		a.atSource(ctx, d)
		if len(a.assistants) > 0 {
			d.assistantsReached(ctx, a.assistants)
		} else if err := a.doctorArgs.targets(ctx, d, urls, a.recordedUsers(d), netip.Addr{}, a.writes); err != nil {
			return err
		}
		d.notSource(ctx, urls, d.ownPorts(sources))
		a.room(d)
		return nil
	})
}

// sources are the servers that are looked at; the zero Addr stands for each
// address of this host.
func (a *doctorMirror) sources() ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for _, p := range a.pairs {
		list = append(list, p.Source)
	}
	for _, s := range a.ports {
		port, err := parsePort(s)
		if err != nil {
			return nil, fmt.Errorf("--port %w", err)
		}
		list = append(list, netip.AddrPortFrom(netip.Addr{}, port))
	}
	if len(list) == 0 {
		list = append(list, netip.AddrPortFrom(netip.Addr{}, 3306))
	}
	return list, nil
}

// packets looks whether packets can be seen.
func (a *doctorMirror) packets(d *doctor) {
	switch may, err := d.host.NetRaw(); {
	case err != nil:
		d.unknown("capability", err)
	case !may:
		d.wrong("capability", "CAP_NET_RAW is missing: this program may not see packets; run as root, or give it the capability", d.setcap())
	default:
		d.ok("capability", "CAP_NET_RAW")
		if err := d.host.PacketSocket(); err != nil {
			d.wrong("packets", "no packet socket opens although the capability is there: "+err.Error()+"; a container or its seccomp profile may forbid it: run on the host")
		} else {
			d.ok("packets", "a packet socket opens")
		}
	}
	for _, name := range a.devices {
		if name != "any" {
			d.deviceUp(name)
		}
	}
}

// relay looks at what a mirror needs that clients connect to.
func (a *doctorMirror) relay(ctx context.Context, c *cobra.Command, d *doctor, listen []string) {
	for _, addr := range listen {
		d.freePort(addr, stateWrong, "take another one for --relay")
	}
	to, _ := c.Flags().GetStringSlice("to")
	for _, addr := range to {
		f, err := d.host.Greet(ctx, addr, netip.Addr{})
		if err != nil {
			d.wrong("source "+addr, err.Error())
		} else {
			d.ok("source "+addr, "a server is there, %s", f.Version)
		}
	}
}

// setcap is the command that gives this program the capability.
func (d *doctor) setcap() string {
	return commandLine("setcap cap_net_raw+ep %s", d.host.Program())
}

// listens looks for the source on this host, and what it offers.
func (d *doctor) listens(ctx context.Context, s netip.AddrPort) {
	about := fmt.Sprintf("source port %d", s.Port())
	list, err := d.host.Listening(s.Port())
	if err != nil {
		d.unknown(about, err)
		return
	}
	found := slices.ContainsFunc(list, func(a netip.Addr) bool { return !s.Addr().IsValid() || a.IsUnspecified() || a == s.Addr() })
	switch {
	case len(list) == 0:
		d.wrong(about, "nothing listens on it here: is it the right port? Unless the server is elsewhere and its packets pass here; to see what listens", "ss -ltn")
		return
	case !found:
		d.wrong(about, fmt.Sprintf("it is listened on at %s, not at %s", list[0], s.Addr()))
		return
	}
	at := s.Addr()
	if !at.IsValid() {
		if at = list[0]; at.IsUnspecified() {
			at = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	f, err := d.host.Greet(ctx, netip.AddrPortFrom(at, s.Port()).String(), netip.Addr{})
	switch {
	case err != nil && s.Port() == 33060:
		d.ok(about, "it is listened on; what speaks the X Protocol there is not asked")
	case err != nil:
		d.note(about, "it is listened on, but there is no greeting at %s: %v", at, err)
	case f.TLS:
		d.ok(about, "a server is there, %s", f.Version)
		d.note("TLS", "the source offers it, and clients use it where they are not told otherwise (ssl-mode=PREFERRED): such sessions can't be read from the wire, only by 'mirror --relay' or 'relay'")
	default:
		d.ok(about, "a server is there, %s; it offers no TLS, so all sessions can be read", f.Version)
	}
}

// ownPorts writes out what "each address of this host" stands for.
func (d *doctor) ownPorts(sources []netip.AddrPort) []netip.AddrPort {
	devices, _ := d.host.Devices()
	var list []netip.AddrPort
	for _, s := range sources {
		if s.Addr().IsValid() {
			list = append(list, s)
			continue
		}
		for _, dev := range devices {
			for _, n := range dev.Networks {
				list = append(list, netip.AddrPortFrom(n.Addr().WithZone(""), s.Port()))
			}
		}
	}
	return list
}

// assistantsReached looks whether assistants listen.
func (d *doctor) assistantsReached(ctx context.Context, list []string) {
	for _, addr := range list {
		if err := d.host.Dial(ctx, addr); err != nil {
			d.wrong("assistant "+addr, err.Error()+"; on the assistant, 'myreplay assist' must run, and no firewall may be between")
		} else {
			d.ok("assistant "+addr, "something listens there")
		}
	}
}

// recordedUsers are the users that the file of --credentials names.
func (a *doctorArgs) recordedUsers(d *doctor) []string {
	if a.credentials == "" {
		return nil
	}
	names, err := credentialNames(a.credentials)
	if err != nil {
		return nil // users says what is wrong with it
	}
	if len(names) > maxUsers {
		d.note("credentials", "only the first %d of %d users are tried", maxUsers, len(names))
		names = names[:maxUsers]
	}
	return names
}

// room looks at memory and disk.
func (a *doctorMirror) room(d *doctor) {
	switch n, err := d.host.Memory(); {
	case err != nil:
		d.unknown("memory", err)
	case n < lowMemory:
		d.wrong("memory", fmt.Sprintf("%s are left: a mirror beside the server may need %s", bytesText(n), bytesText(lowMemory)))
	default:
		d.ok("memory", "%s are left", bytesText(n))
	}
	if a.record != "" {
		d.disk("--record "+a.record, a.record)
	}
}

// disk looks at the room for what is to be written.
func (d *doctor) disk(about, dir string) {
	switch n, err := d.host.Free(dir); {
	case err != nil:
		d.wrong(about, "nothing can be written there: "+err.Error())
	case n < lowDisk:
		d.wrong(about, fmt.Sprintf("%s are left", bytesText(n)))
	default:
		d.ok(about, "%s are left", bytesText(n))
	}
}

// atSource asks the source what it can tell of its sessions.
func (a *doctorMirror) atSource(ctx context.Context, d *doctor) {
	if a.asked.url == "" {
		d.note("source", "without --source URL nothing is known of sessions that are open when the mirror begins: their statements and variables are missing on the target")
		return
	}
	f := d.host.Source(ctx, &a.asked)
	if f.Err != nil {
		d.wrong("source", f.Err.Error())
		return
	}
	b := f.About
	d.source = identity(b.Hostname, b.DataDir, strconv.FormatUint(b.Port, 10), strconv.FormatUint(b.ServerID, 10))
	d.ok("source", "%s answers as %s, and knows %s", b.Account, b.Version, count(f.Sessions, "open session"))
	for _, r := range f.Remarks {
		d.note("source", "%s", r)
	}
	for _, u := range b.Unknown {
		d.note("source", "it does not tell: %s", u)
	}
	if b.Encrypted > 0 {
		d.note("TLS", "%s of %s are encrypted: they can't be read from the wire, only by 'mirror --relay' or 'relay'", thousands(uint64(b.Encrypted)),
			count(b.Encrypted+b.Clear, "open session"))
	}
	ahead, uncertain := b.Skew()
	if b.UTC != 0 {
		d.clock("source", time.Duration(ahead), time.Duration(uncertain))
	}
}
