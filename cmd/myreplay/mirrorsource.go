package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capture"
	"myreplay/mirror"
	"myreplay/packet"
	"myreplay/relay"
)

// mirrorSource are the flags that say where a mirror sees the sessions: on
// devices, or in a relay.
type mirrorSource struct {
	relayTLS
	packets packetArgs
	devices []string
	ring    size
	listen  []string
	to      []string
	asked   sourceArgs
}

// mirrorRing is the kernel's memory for packets: a mirror shares the processors
// with the source, and must outlast a second without one.
const mirrorRing = 64 << 20

// handOver is after how long the kernel hands over packets to a mirror: its lag
// begins with that.
const handOver = 5 * time.Millisecond

func (m *mirrorSource) flags(c *cobra.Command) {
	m.ring = mirrorRing
	f := c.Flags()
	f.StringSliceVarP(&m.devices, "interface", "i", nil, "network `DEVICE`s to listen on (default any: all)")
	m.packets.flags(c)
	f.Var(&m.ring, "ring-buffer", "memory that the kernel fills, for each device")
	m.asked.flags(c)
	f.StringSliceVar(&m.listen, "relay", nil, "`ADDR`ess to listen on instead: clients connect there, and are passed on to --to; reads TLS")
	f.StringSliceVar(&m.to, "to", nil, "with --relay: `ADDR`ess of the source")
	m.relayTLS.flags(c)
	f.Lookup("tls").Usage = "with --relay: end: TLS ends here when the client asks for it; plain: none is offered (default end)"
}

// source is where the sessions come from.
type source struct {
	capture.Source
	names   string
	several bool // servers are looked at
	once    sync.Once
	closing func() error
	// waits is called before Read waits, where flushed says so.
	waits   func()
	flushed bool
	asked   *askedSource // nil: the source is not asked
	options func(seed uint64) capture.Options
	remarks func(io.Writer, *mirror.Figures)
}

// waiting is called before Read waits for more.
func (s *source) waiting() {
	if s.waits != nil {
		s.waits()
	}
}

// Close ends the source; Read then returns what is left, and io.EOF.
func (s *source) Close() (err error) {
	s.once.Do(func() { err = s.closing() })
	return err
}

// noting returns a sink that passes events on with what the source told of the
// sessions.
func (s *source) noting(to capture.Sink) capture.Sink {
	if s.asked == nil {
		return to
	}
	return newNotingSink(to, s.asked)
}

// open begins to listen.
func (m *mirrorSource) open(ctx context.Context, c *cobra.Command, a *mirrorArgs, to routes, args []string) (*source, error) {
	spoken, err := parseProtocol(m.packets.protocol)
	if err != nil {
		return nil, err
	}
	r := recording{keep: a.keep, spoken: spoken}
	s := &source{options: r.options}
	if len(m.listen) > 0 {
		err = m.openRelay(ctx, s)
	} else {
		err = m.openDevices(ctx, c, s, a, to, args)
	}
	if err != nil {
		return nil, err
	}
	if s.asked, err = m.asked.ask(ctx, c, s.several); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openDevices listens on network devices.
func (m *mirrorSource) openDevices(ctx context.Context, c *cobra.Command, s *source, a *mirrorArgs, to routes, args []string) error {
	if len(m.to) > 0 {
		return errors.New("--to is for --relay")
	}
	p := m.packets
	for _, pair := range a.pairs {
		p.ports = append(p.ports, strconv.Itoa(int(pair.Source.Port())))
	}
	if a.filter != "" {
		filter, changed := bothWays(a.filter)
		if changed {
			fmt.Fprintf(c.ErrOrStderr(), "-F: the answers are looked at, too: taken as %q\n", filter)
		}
		args = append(args, filter)
	}
	o, err := p.options(args)
	if err != nil {
		return err
	}
	if anywhere := len(p.hosts)+len(p.nets)+len(args) == 0; !a.same {
		if err = notLooked(ctx, to, o.Ports, anywhere); err != nil {
			return err
		}
	}
	if o.Filter, err = withoutTargets(ctx, o.Filter, to); err != nil {
		return err
	}
	if len(m.devices) == 0 {
		m.devices = []string{packet.AnyDevice}
	}
	s.flushed = true
	src, err := packet.OpenLive(m.devices, packet.LiveOptions{Options: o, RingBytes: int(m.ring), HandOver: handOver, Waits: s.waiting})
	if err != nil {
		return err
	}
	s.names = fmt.Sprintf("port %s on %s", strings.Join(portNames(o.Ports), ", "), strings.Join(m.devices, ", "))
	s.Source, s.closing = &tolerantSource{src: src}, src.Close
	s.several = len(o.Ports) > 1
	s.remarks = func(out io.Writer, f *mirror.Figures) {
		s.sourceRemarks(out, f)
		packetRemarks(out, src.Stats(), o.Ports)
	}
	return nil
}

func portNames(ports []uint16) (names []string) {
	for _, p := range ports {
		names = append(names, strconv.Itoa(int(p)))
	}
	return names
}

// notLooked makes sure that no target is a server of this host whose sessions are
// looked at: they could not be told from the mirror's own. anywhere: sessions of
// all servers are.
func notLooked(ctx context.Context, to routes, ports []uint16, anywhere bool) error {
	for _, r := range to {
		check, err := noneTheSource(ctx, r.urls)
		if err != nil {
			return err
		}
		for _, p := range ports {
			server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p)
			switch {
			case !r.source.IsValid() && r.source.Port() == 0 && !anywhere,
				r.source.Port() != 0 && r.source.Port() != p:
				continue
			case r.source.IsValid():
				server = r.source
			}
			if err := check(server); err != nil {
				return fmt.Errorf("%w; where the sessions of another host's server are seen here, name it (-x ADDR:PORT-..., or --host ADDR)", err)
			}
		}
	}
	return nil
}

// withoutTargets leaves out the mirror's own connections to its targets: they
// would be taken for sessions and mirrored once more.
func withoutTargets(ctx context.Context, f *packet.Filter, to routes) (*packet.Filter, error) {
	for _, u := range to.urls() {
		if u.Network != "tcp" {
			continue
		}
		host, port, err := net.SplitHostPort(u.Address)
		if err != nil {
			return nil, err
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", host, err)
		}
		for _, addr := range addrs {
			g, err := packet.ParseFilter(fmt.Sprintf("not (host %s and port %s)", addr.Unmap().WithZone(""), port))
			if err != nil {
				return nil, err
			}
			f = f.And(g)
		}
	}
	return f, nil
}

// openRelay listens for clients and passes them on.
func (m *mirrorSource) openRelay(ctx context.Context, s *source) error {
	a := relayArgs{relayTLS: m.relayTLS, listen: m.listen, to: m.to, protocol: m.packets.protocol, recording: recording{dir: "-"}}
	pairs, err := a.pairs(nil)
	if err != nil {
		return err
	}
	r, err := relay.Listen(relay.Options{Pairs: pairs, Look: true})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx) }()
	s.names = "relay " + strings.Join(a.addrs(r), ", ") + a.tlsWords(pairs)
	s.Source = r
	s.closing = func() error { stop(); return <-served }
	s.remarks = func(out io.Writer, f *mirror.Figures) { s.sourceRemarks(out, f); relayRemarks(out, r.Stats()) }
	return nil
}

// sourceRemarks say what a reader should know about what was seen.
func (s *source) sourceRemarks(out io.Writer, figures *mirror.Figures) {
	f := &figures.Source
	if f.Sessions == 0 {
		fmt.Fprintf(out, "  no session was seen (%s): do clients connect there?\n", s.names)
	}
	remark(out, f.Dropped, count(f.Dropped, "packet")+" dropped by the kernel: a larger --ring-buffer helps, a narrower filter, or (on a host without idle CPU) a start as a service")
	if s.asked == nil {
		remark(out, f.Joined, count(f.Joined, "session")+" joined in mid-life, without what they had set up before: --source asks the source server for it")
	} else {
		found := s.asked.found.Load()
		remark(out, f.Joined, fmt.Sprintf("%s joined in mid-life; what was set up before, the source told of %s", count(f.Joined, "session"), thousands(uint64(found))))
	}
	remark(out, f.Encrypted, count(f.Encrypted, "session")+" encrypted (TLS), so not readable from the wire: let these clients connect to --relay")
	remark(out, f.Masked, count(f.Masked, "command")+" with a secret, not copied")
}
