package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/relay"
)

// relayArgs are the flags of relay.
type relayArgs struct {
	recording
	listen, to []string
}

func relayCommand() *cobra.Command {
	a := relayArgs{recording: recording{live: true}}
	c := &cobra.Command{
		Use:   "relay --listen ADDR --to ADDR -o DIR | relay PORT HOST PORT -o DIR",
		Short: "Record sessions by standing between client and server",
		Long: `Listen on one address, pass every connection on to a server, and record what
passes. No privilege is needed: clients connect to the relay instead. The bytes
pass as they are; sessions that switch to TLS pass too, but can't be read.

A slow disk never holds a client up: what can't be recorded is counted.`,
		Example: `  myreplay relay --listen 127.0.0.1:3307 --to 127.0.0.1:3306 -o prod
  myreplay relay 3307 db.example 3306 -o prod`,
		Args: cobra.MaximumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&a.listen, "listen", nil, "`ADDR`ess to listen on, host:port; once for each --to")
	f.StringSliceVar(&a.to, "to", nil, "`ADDR`ess of the server, host:port or the path of a socket")
	a.recording.flags(c)
	return c
}

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
	var pairs []relay.Pair
	for i := range a.listen {
		pairs = append(pairs, relay.Pair{Listen: a.listen[i], To: a.to[i]})
	}
	return pairs, nil
}

func (a *relayArgs) run(c *cobra.Command, args []string) error {
	pairs, err := a.pairs(args)
	if err != nil {
		return err
	}
	r, err := relay.Listen(pairs)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	if a.duration > 0 {
		ctx, stop = context.WithTimeout(c.Context(), a.duration)
	}
	defer stop()
	names := a.addrs(r)
	w, err := a.create(capfile.Source{From: "relay", Names: names})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "relaying %s, recording to %s; Ctrl-C ends it\n", strings.Join(names, ", "), a.dir)
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx) }()
	// The relay ends itself when ctx does; then Read says so.
	a.duration = 0
	err = a.record(context.WithoutCancel(ctx), c, r, w, func(out io.Writer) {
		remark(out, r.Refused(), count(r.Refused(), "connection")+" that the server did not accept")
		remark(out, r.Untold(), count(r.Untold(), "connection")+" passed on without being recorded, because recording was too slow")
	})
	stop()
	return errors.Join(err, <-served)
}

// addrs says what is relayed where.
func (a *relayArgs) addrs(r *relay.Relay) []string {
	var list []string
	for i, l := range r.Addrs() {
		list = append(list, l.String()+" to "+a.to[i])
	}
	return list
}
