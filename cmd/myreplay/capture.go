package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/flow"
	"myreplay/packet"
	"myreplay/session"
)

// captureArgs are the flags of capture.
type captureArgs struct {
	recording
	devices     []string
	files       []string
	follow      bool
	packets     packetArgs
	bpf         string
	ringBuffer  size
	promiscuous bool
}

// packetArgs choose packets and say how they are put together; capture, show
// and replay share them.
type packetArgs struct {
	ports   []string
	hosts   []string
	nets    []string
	gapWait time.Duration
	// protocol is what is spoken: auto, classic or x.
	protocol string
}

func (p *packetArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&p.ports, "port", nil, "server `PORT`s to look at (default 3306; the X Protocol's is 33060)")
	f.StringSliceVar(&p.hosts, "host", nil, "only connections with one of these `ADDR`esses")
	f.StringSliceVar(&p.nets, "net", nil, "only connections with an address in one of these networks (`CIDR`)")
	f.StringVar(&p.protocol, "protocol", "auto", "auto, classic or x: what is spoken; auto goes by the first bytes, and by port 33060 where they were not seen")
	f.DurationVar(&p.gapWait, "gap-wait", packet.DefaultGapWait, "how long acknowledged but missing bytes are waited for")
}

// parseProtocol reads --protocol; auto is session.Unknown.
func parseProtocol(name string) (session.Protocol, error) {
	switch name {
	case "auto", "":
		return session.Unknown, nil
	case "classic":
		return session.Classic, nil
	case "x":
		return session.X, nil
	}
	return 0, fmt.Errorf("--protocol %s: there are auto, classic, x", name)
}

// alwaysSpoken is what decode.Options.Protocol says where one protocol is spoken
// on all connections.
func alwaysSpoken(p session.Protocol) func(netip.AddrPort) session.Protocol {
	if p == session.Unknown {
		return nil
	}
	return func(netip.AddrPort) session.Protocol { return p }
}

// options returns the packet options, with a further filter expression.
func (p *packetArgs) options(expr []string) (packet.Options, error) {
	o := packet.Options{GapWait: p.gapWait}
	ports := p.ports
	if len(ports) == 0 {
		ports = []string{"3306"}
	}
	for _, s := range ports {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return o, fmt.Errorf("--port %s: not a port", s)
		}
		o.Ports = append(o.Ports, uint16(n))
	}
	var hosts []netip.Addr
	for _, s := range p.hosts {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return o, fmt.Errorf("--host %s: give an IP address", s)
		}
		hosts = append(hosts, a)
	}
	var nets []netip.Prefix
	for _, s := range p.nets {
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return o, fmt.Errorf("--net %s: give a network such as 10.0.0.0/8", s)
		}
		nets = append(nets, n)
	}
	o.Filter = packet.NewFilter(o.Ports, hosts, nets)
	if len(expr) > 0 {
		f, err := packet.ParseFilter(strings.Join(expr, " "))
		if err != nil {
			return o, err
		}
		o.Filter = o.Filter.And(f)
	}
	return o, nil
}

func captureCommand() *cobra.Command {
	a := captureArgs{ringBuffer: packet.DefaultRing}
	c := &cobra.Command{
		Use:   "capture (-i DEVICE | --read FILE) -o DIR [FILTER]",
		Short: "Record sessions from the wire or from a packet file",
		Long: `Record sessions from a network device or from pcap and pcapng files (plain, gzip
or zstd; - is stdin) into a new directory. FILTER is an expression in tcpdump's
language, such as 'src net 10.0.0.0/8 and not host 10.0.0.9'.

A device takes CAP_NET_RAW: run as root, or setcap cap_net_raw+ep. Sessions in
TLS can't be read from the wire. Sessions that are open already are joined in
mid-life; with --source the server is asked for what they had before, and for its
schema. Ctrl-C ends the recording.`,
		Example: `  myreplay capture -i eth0 --port 3306 -o prod
  myreplay capture -i any --for 10m -o 'prod-%Y%m%dT%H%M%S'
  myreplay capture -i eth0 --source mysql://monitor@localhost/ -o prod
  tcpdump -i eth0 -w - port 3306 | myreplay capture --read - -o prod`,
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVarP(&a.devices, "interface", "i", nil, "network `DEVICE`s to listen on; any stands for all")
	f.StringArrayVarP(&a.files, "read", "r", nil, "packet `FILE`s to read, in order; - is stdin")
	f.BoolVar(&a.follow, "follow", false, "with --read: wait for the last file to grow, until Ctrl-C")
	a.packets.flags(c)
	f.StringVar(&a.bpf, "bpf-ddd", "", "a filter program as 'tcpdump -ddd' prints it, from `FILE`")
	f.Var(&a.ringBuffer, "ring-buffer", "memory that the kernel fills, for each device")
	f.BoolVar(&a.promiscuous, "promiscuous", false, "also take packets that are not for this host")
	a.recording.flags(c)
	return c
}

func (a *captureArgs) run(c *cobra.Command, args []string) error {
	if (len(a.devices) == 0) == (len(a.files) == 0) {
		return errors.New("what from? give a device with -i or a file with --read")
	}
	o, err := a.packets.options(args)
	if err != nil {
		return err
	}
	if a.spoken, err = parseProtocol(a.packets.protocol); err != nil {
		return err
	}
	a.live = len(a.devices) > 0 || a.follow
	if a.source.url != "" && !a.live && !slices.Contains(a.files, "-") {
		return errors.New("--source tells what sessions have now: those in a file may be over; it is for -i, --follow and --read -")
	}
	if a.from, err = a.source.begin(c.Context(), c); err != nil {
		return err
	}
	defer a.from.close()
	src, described, err := a.open(o)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := a.from.sessions(c.Context(), c.ErrOrStderr(), &described, len(o.Ports) > 1); err != nil {
		return err
	}
	w, err := a.create(described)
	if err != nil {
		return err
	}
	if a.live {
		fmt.Fprintf(c.ErrOrStderr(), "recording %s from %s to %s; Ctrl-C ends it\n", o.Filter, strings.Join(described.Names, ", "), a.dir)
	}
	tolerant := &tolerantSource{src: src}
	err = a.record(c.Context(), c, tolerant, w, func(out io.Writer) { packetRemarks(out, src.Stats(), o.Ports) })
	return errors.Join(err, errors.Join(tolerant.errs...))
}

// open opens the source of packets and describes it.
func (a *captureArgs) open(o packet.Options) (*packet.Source, capfile.Source, error) {
	d := capfile.Source{From: "file", Names: a.files, Filter: o.Filter.String(), Ports: o.Ports}
	if len(a.files) > 0 {
		o.Follow = a.follow
		src, err := packet.OpenFiles(a.files, o)
		return src, d, err
	}
	d.From, d.Names = "device", a.devices
	l := packet.LiveOptions{Options: o, Promiscuous: a.promiscuous, RingBytes: int(a.ringBuffer)}
	if a.bpf != "" {
		file, err := os.Open(a.bpf)
		if err != nil {
			return nil, d, err
		}
		defer file.Close()
		if l.BPF, err = packet.LoadBPF(file); err != nil {
			return nil, d, fmt.Errorf("--bpf-ddd %s: %w", a.bpf, err)
		}
	}
	src, err := packet.OpenLive(a.devices, l)
	return src, d, err
}

// tolerantSource keeps the errors of one file or device of several, and goes
// on with the others: what was recorded is kept, and the command fails in the
// end.
type tolerantSource struct {
	src  *packet.Source
	errs []error
}

// Read implements capture.Source.
func (s *tolerantSource) Read(c *flow.Chunk) error {
	for {
		err := s.src.Read(c)
		var file *packet.FileError
		var device *packet.DeviceError
		if err == nil || errors.Is(err, io.EOF) && !errors.As(err, &file) || !errors.As(err, &file) && !errors.As(err, &device) {
			return err
		}
		s.errs = append(s.errs, err)
	}
}

// Close implements io.Closer.
func (s *tolerantSource) Close() error { return s.src.Close() }

// packetRemarks say what a reader should know about the packets.
func packetRemarks(out io.Writer, s packet.Stats, ports []uint16) {
	remark(out, s.Cut, count(s.Cut, "packet")+" recorded too short for their headers: capture with -s 0")
	remark(out, s.UnknownLink, count(s.UnknownLink, "packet")+" of a link type that is not understood")
	remark(out, s.Malformed, count(s.Malformed, "packet")+" malformed")
	remark(out, s.Conflicts, count(s.Conflicts, "overlapping segment")+" with other bytes than their first copy: the first was taken")
	if s.Opened == 0 {
		remark(out, s.Packets, fmt.Sprintf("no connection on port %v was seen in %s: is it the right --port?", ports, count(s.Packets, "packet")))
	}
}
