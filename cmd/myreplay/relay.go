package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/gate"
	"myreplay/relay"
	"myreplay/session"
	"myreplay/trace"
)

// relayArgs are the flags of relay.
type relayArgs struct {
	recording
	relayTLS
	listen, to []string
	protocol   string
	print      bool
	printing   printArgs
	track      bool
	clientIP   string
	drain      time.Duration
}

func relayCommand() *cobra.Command {
	a := relayArgs{recording: recording{live: true}}
	c := &cobra.Command{
		Use:   "relay (--listen ADDR --to ADDR | PORT HOST PORT) [--print] [-o DIR]",
		Short: "Stand between client and server: show messages, record sessions",
		Long: `Listen on one address and pass every connection on to a server, of the classic
protocol or of the X Protocol: which one is told from the first bytes. Name each
message as it passes (--print), record sessions (-o DIR), or both. No privilege is
needed: clients connect to the relay instead.

Where messages are shown or recorded, TLS ends here when a client asks for it, and
is opened anew to the server: clients see the relay's certificate (--cert and
--key, or one made at start). --tls pass lets TLS pass unread, --tls plain offers
none to the clients.

A slow disk or a slow reader never holds a client up: what can't be recorded is
counted.`,
		Example: `  myreplay relay 33061 127.0.0.1 33060                      # name the messages of X sessions
  myreplay relay --listen 127.0.0.1:3307 --to 127.0.0.1:3306 --print -v
  myreplay relay --listen :3307 --to db.example:3306 -o prod --server-ca ca.pem
  myreplay relay --listen :3307 --to db:3306 --listen :33061 --to db:33060 -o prod`,
		Args: cobra.MaximumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&a.listen, "listen", nil, "`ADDR`ess to listen on, host:port or the path of a socket; once for each --to")
	f.StringSliceVar(&a.to, "to", nil, "`ADDR`ess of the server, host:port or the path of a socket")
	f.StringVar(&a.protocol, "protocol", "auto", "auto, classic or x: what is spoken")
	f.BoolVar(&a.print, "print", false, "one line a message to stdout, C: from the client, S: from the server")
	a.printing.flags(c)
	a.relayTLS.flags(c)
	f.BoolVar(&a.track, "track", false, "classic: record what sessions change of their state also where clients don't ask for it (hidden from them)")
	f.StringVar(&a.clientIP, "client-ip", "off", "how the server learns the clients' addresses: off, preserve (connect from them), proxy (PROXY protocol 2)")
	f.DurationVar(&a.drain, "drain", relay.DefaultDrain, "how long open connections may go on after Ctrl-C")
	a.recording.flags(c)
	return c
}

// pairs returns what is relayed where.
func (a *relayArgs) pairs(args []string) ([]relay.Pair, error) {
	if len(args) == 3 {
		a.listen = append(a.listen, net.JoinHostPort("127.0.0.1", args[0]))
		a.to = append(a.to, net.JoinHostPort(args[1], args[2]))
	} else if len(args) != 0 {
		return nil, errors.New("the short form is: relay LISTENPORT HOST PORT")
	}
	if len(a.listen) == 0 || len(a.listen) != len(a.to) {
		return nil, errors.New("give as many --to as --listen, at least one of each")
	}
	if len(args) == 3 && a.dir == "" {
		a.print = true // the short form is for seeing
	}
	var err error
	if a.spoken, err = parseProtocol(a.protocol); err != nil {
		return nil, err
	}
	var pairs []relay.Pair
	for i := range a.listen {
		g, err := a.gate(a.to[i], a.print || a.dir != "")
		if err != nil {
			return nil, err
		}
		g.Protocol, g.Track = gateProtocols[a.spoken], a.track
		pairs = append(pairs, relay.Pair{Listen: a.listen[i], To: a.to[i], Gate: g})
	}
	return pairs, nil
}

// The protocols, as gate and trace name them.
var (
	gateProtocols  = map[session.Protocol]gate.Protocol{session.Unknown: gate.Detect, session.Classic: gate.Classic, session.X: gate.X}
	traceProtocols = map[session.Protocol]trace.Protocol{session.Unknown: trace.Detect, session.Classic: trace.Classic, session.X: trace.X}
)

// clientIPs are the values of --client-ip.
var clientIPs = map[string]relay.ClientIP{"off": relay.Off, "preserve": relay.Preserve, "proxy": relay.Proxy}

func (a *relayArgs) run(c *cobra.Command, args []string) error {
	pairs, err := a.pairs(args)
	if err != nil {
		return err
	}
	ip, ok := clientIPs[a.clientIP]
	if !ok {
		return fmt.Errorf("--client-ip %s: there are off, preserve, proxy", a.clientIP)
	}
	if err := a.printing.check(a.print); err != nil {
		return err
	}
	look := a.print || a.dir != ""
	if a.track && !look {
		return errors.New("--track is for recording or showing: say -o DIR or --print, too")
	}
	if a.source.url != "" && a.dir == "" {
		return errors.New("--source is for recording: say -o DIR, too")
	}
	if a.drain == 0 {
		a.drain = -1
	}
	if a.from, err = a.source.begin(c.Context(), c); err != nil {
		return err
	}
	defer a.from.close()
	r, err := relay.Listen(relay.Options{Pairs: pairs, Look: look, ClientIP: ip, Drain: a.drain})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	if a.duration > 0 {
		ctx, stop = context.WithTimeout(c.Context(), a.duration)
	}
	defer stop()
	a.duration = 0 // the relay ends itself when ctx does; then Read says so
	served := make(chan error, 1)
	serve := func() { go func() { served <- r.Serve(ctx) }() }
	err = a.watch(ctx, c, r, pairs, serve)
	stop()
	return errors.Join(err, <-served)
}

// watch starts serving and does with the connections what was asked for, until
// they have ended.
func (a *relayArgs) watch(ctx context.Context, c *cobra.Command, r *relay.Relay, pairs []relay.Pair, serve func()) error {
	names := a.addrs(r)
	errs := c.ErrOrStderr()
	begin := time.Now()
	if a.dir == "" {
		fmt.Fprintf(errs, "relaying %s%s; Ctrl-C ends it\n", strings.Join(names, ", "), a.tlsWords(pairs))
		serve()
		err := a.look(ctx, c, r)
		a.passed(errs, r.Stats(), time.Since(begin))
		return err
	}
	described := capfile.Source{From: "relay", Names: names}
	var w *capfile.Writer
	// A relay sees all sessions from their beginning: nothing has to be told of them.
	err := a.from.sessions(ctx, io.Discard, &described, len(pairs) > 1)
	if err == nil {
		w, err = a.create(described)
	}
	if err != nil {
		serve() // so that it ends
		return err
	}
	fmt.Fprintf(errs, "relaying %s%s, recording to %s; Ctrl-C ends it\n", strings.Join(names, ", "), a.tlsWords(pairs), a.dir)
	serve()
	var src capture.Source = r
	if a.print {
		p := a.printing.printer(c.OutOrStdout(), r, a.spoken)
		defer p.end()
		src, a.quiet = p, true
	}
	return a.record(context.WithoutCancel(ctx), c, src, w, func(out io.Writer) { relayRemarks(out, r.Stats()) })
}

// look shows what passes, or waits until the relay has ended.
func (a *relayArgs) look(ctx context.Context, c *cobra.Command, r *relay.Relay) error {
	if a.print {
		p := a.printing.printer(c.OutOrStdout(), r, a.spoken)
		return errors.Join(p.all(), p.end())
	}
	begin := time.Now()
	shown := showProgress(c.ErrOrStderr(), a.quiet, func() string { return relayLine(r.Stats(), time.Since(begin)) })
	<-ctx.Done()
	shown.Stop()
	return nil
}

// relayLine is the progress of a relay that only passes on.
func relayLine(s *relay.Stats, d time.Duration) string {
	return fmt.Sprintf("%s  %s open  %s passed on", duration(d), count(s.Open.Load(), "connection"), bytesText(uint64(s.Bytes[0].Load()+s.Bytes[1].Load())))
}

// passed is the last line of a relay that records nothing.
func (a *relayArgs) passed(out io.Writer, s *relay.Stats, d time.Duration) {
	fmt.Fprintf(out, "passed on %s in %s: %s from clients, %s from servers\n", count(s.Connections.Load(), "connection"), duration(d),
		bytesText(uint64(s.Bytes[0].Load())), bytesText(uint64(s.Bytes[1].Load())))
	relayRemarks(out, s)
}

// relayRemarks says what did not go as wished.
func relayRemarks(out io.Writer, s *relay.Stats) {
	remark(out, s.Untold.Load(), count(s.Untold.Load(), "connection")+" passed on without being recorded, because recording was too slow")
	remark(out, s.Gaps.Load(), fmt.Sprintf("%s passed on without being recorded, because recording was too slow", bytesText(uint64(s.LostBytes.Load()))))
	remark(out, s.EndedTLS.Load(), count(s.EndedTLS.Load(), "connection")+" whose TLS ended here")
	remark(out, s.Opaque.Load(), count(s.Opaque.Load(), "connection")+" whose TLS passed unread: --tls end reads them")
	for _, f := range s.Failures() {
		remark(out, f.Count, count(f.Count, "connection")+" failed: "+f.Text)
	}
}

// addrs says what is relayed where.
func (a *relayArgs) addrs(r *relay.Relay) []string {
	var list []string
	for i, l := range r.Addrs() {
		list = append(list, l.String()+" to "+a.to[i])
	}
	return list
}
