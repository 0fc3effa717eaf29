package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"myreplay/clientip"
	"myreplay/feed"
	"myreplay/target"
)

// assistArgs are the flags of assist.
type assistArgs struct {
	targetArgs
	engineArgs
	daemonArgs
	listen   string
	bind     string
	port     string
	targets  []string
	clientIP string
	keys     string

	mu      sync.Mutex
	engines map[*localEngine]*feed.Stream
	devices []string
}

func assistCommand() *cobra.Command {
	a := assistArgs{}
	c := &cobra.Command{
		Use:   "assist [--listen ADDR:PORT] [-i DEVICE] (--user U | --credentials FILE | --auth any)",
		Short: "The assistant server of mirrors: replays their sessions from the clients' own addresses",
		Long: `Run on the assistant: mirrors (myreplay mirror -s ASSISTANT) send what their clients
say and what the source answers; here it is replayed on the target, and compared.
The target's accounts and passwords are needed here only.

The target sees the production clients: sessions come from each client's address,
and from its port when that is free. The target must send its answers here, and this
host must take them for its own:

  on the target:     ip route add CLIENTS via ASSISTANT
  on the assistant:  ip rule add iif DEVICE lookup 100
                     ip route add local CLIENTS dev lo table 100

'myreplay doctor assist' checks that. It takes CAP_NET_RAW: run as root, or
setcap cap_net_raw+ep. --client-ip off connects from this host's own address.`,
		Example: `  myreplay assist -i eth0 --user replay
  myreplay assist --listen :36524 --credentials users.cnf --client-ip map:62.135.200.0/24`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.main(c) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&a.listen, "listen", "", "`ADDR:PORT` to listen on for mirrors (default any address, port 36524)")
	f.StringVarP(&a.bind, "bind", "b", "", "the `ADDR`ess alone, as intercept takes it")
	f.StringVarP(&a.port, "port", "p", "", "the `PORT` alone, as intercept takes it")
	f.StringSliceVarP(&a.devices, "interface", "i", nil, "the `DEVICE` that the target's answers come in on, for doctor; nothing is sniffed")
	f.StringVar(&a.clientIP, "client-ip", "preserve", "where sessions come from: preserve (the clients' addresses), map:LIST (of these instead), off (this host's)")
	f.StringSliceVar(&a.targets, "target", nil, "the target's `URL`; without it the mirror says which (its -x)")
	a.engineArgs.flags(c)
	a.targetArgs.flags(c)
	f.StringVar(&a.keys, "pair-key", "", "the `FILE` that 'myreplay pair' made for the assistant (default "+assistKeys+")")
	a.daemonArgs.flags(c)
	ignored := addIgnored(f, ignoredOfIntercept)
	c.PreRun = func(c *cobra.Command, _ []string) { ignored(c.ErrOrStderr()) }
	return c
}

// offer is what a mirror tells its assistant when they meet.
type offer struct {
	settings
	// Routes are the targets, as the mirror knows them.
	Routes []offeredRoute `json:"routes"`
}

// offeredRoute is where the sessions of one source go.
type offeredRoute struct {
	Source  string   `json:"source"`
	Targets []string `json:"targets"`
}

func (a *assistArgs) main(c *cobra.Command) error {
	keys, err := keysFrom(a.keys, assistKeys, "assist.key")
	if err != nil {
		return err
	}
	mode, err := clientip.Parse(a.clientIP)
	if err != nil {
		return fmt.Errorf("--client-ip: %w", err)
	}
	if mode.Kind() != clientip.Off {
		if err := clientip.Check(); err != nil {
			return err
		}
	}
	if err := notUserPassword(a.user); err != nil {
		return err
	}
	if err := a.somebody(); err != nil {
		return err
	}
	if a.listen, err = listenAddr(a.listen, a.bind, a.port); err != nil {
		return err
	}
	if done, err := a.daemonArgs.begin(c.ErrOrStderr()); done || err != nil {
		return err
	}
	err = a.run(c, keys, mode)
	a.daemonArgs.end(err)
	return err
}

// somebody sees to it that somebody can log in on the targets.
func (a *assistArgs) somebody() error {
	nobody := &target.URL{}
	for _, raw := range a.targets {
		u, err := target.Parse(raw)
		if err != nil {
			return err
		}
		nobody = u
	}
	if _, err := a.users(nobody, nil); errors.Is(err, errNobody) {
		return fmt.Errorf("%w\nNext:\n  myreplay %s --user replay     # the password in MYSQL_PWD, an option file, or at the prompt", err, strings.Join(os.Args[1:], " "))
	}
	return a.askPassword([]*target.URL{nobody})
}

// run serves mirrors until it is to end.
func (a *assistArgs) run(c *cobra.Command, keys *feed.Keys, mode *clientip.Mode) error {
	errs := c.ErrOrStderr()
	tuneRuntime(noLimit) // each mirror has a window of its own
	l, err := feed.Listen(feed.ListenOptions{Addr: a.listen, Keys: keys,
		Trouble: func(from string, err error) { fmt.Fprintf(errs, "from %s: %v\n", from, err) }})
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintf(errs, "assisting on %s, connecting to targets from %s; Ctrl-C ends it\n", l.Addr(), fromWords(mode))
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	defer a.daemonArgs.onHangup(ctx, errs, stop, func() (string, error) { return "credentials", a.reload() })()
	a.daemonArgs.ready()
	return a.serve(ctx, c, l, mode)
}

func fromWords(m *clientip.Mode) string {
	switch m.Kind() {
	case clientip.Preserve:
		return "the clients' addresses"
	case clientip.Map:
		return strings.TrimPrefix(m.String(), "map:")
	}
	return "this host's address"
}

// serve takes the mirrors that come, until ctx is done.
func (a *assistArgs) serve(ctx context.Context, c *cobra.Command, l *feed.Listener, mode *clientip.Mode) error {
	var streams sync.WaitGroup
	defer streams.Wait()
	for {
		s, err := l.Accept(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		streams.Go(func() {
			if err := a.assist(ctx, c, s, mode); err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "mirror %s: %v\n", s.From(), err)
			}
		})
	}
}

// reportEvery is how often the assistant sends the report so far.
const reportEvery = 10 * time.Second

// assist replays one mirror's sessions.
func (a *assistArgs) assist(ctx context.Context, c *cobra.Command, s *feed.Stream, mode *clientip.Mode) error {
	e, err := a.accept(c, s, mode)
	if err != nil {
		s.Refuse(err.Error())
		return err
	}
	defer a.enter(e, s)()
	s.Accept()
	fmt.Fprintf(c.ErrOrStderr(), "mirror %s: %s to %s\n", s.From(), e.source, e.to)
	quiet := e.tell(s)
	err = e.take(ctx, s)
	rep, closing := e.close(a.drain)
	quiet()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if rep == nil {
		return errors.Join(err, closing)
	}
	told := errors.Join(note(s, noteFigures, e.figures()), note(s, noteReport, rep), s.Done())
	if err == nil {
		err = told // else it says the same
	}
	a.ended(c.ErrOrStderr(), e, s, rep)
	return errors.Join(err, closing)
}

// The kinds of what an assistant tells its mirror.
const (
	noteFigures = "figures"
	noteReport  = "report"
)

// accept readies the replay that a mirror asks for.
func (a *assistArgs) accept(c *cobra.Command, s *feed.Stream, mode *clientip.Mode) (*localEngine, error) {
	var o offer
	if err := json.Unmarshal(s.Hello().Options, &o); err != nil {
		return nil, fmt.Errorf("what the mirror asks for can't be read: %w", err)
	}
	to, err := a.routes(&o)
	if err != nil {
		return nil, err
	}
	if o.ClientIP != "" {
		if mode, err = clientip.ParseList(o.ClientIP); err != nil {
			return nil, fmt.Errorf("-c: %w", err)
		}
		if err := clientip.Check(); err != nil {
			return nil, err
		}
	}
	engine, own := a.engineArgs, a.targetArgs
	engine.client = &clientDialer{mode: mode}
	if engine.record != "" {
		engine.record = unusedName(filepath.Join(expandTime(engine.record, time.Now()), s.Hello().Stream))
	}
	o.Flushed = true
	e, err := engine.open(c, to, o.settings, &own)
	if err == nil {
		e.skew = s.Skew
	}
	return e, err
}

// routes returns where sessions go: as this side was told, else as the mirror
// was.
func (a *assistArgs) routes(o *offer) (routes, error) {
	if len(a.targets) > 0 {
		r, err := newRoute(a.targets)
		return routes{r}, err
	}
	var list routes
	for _, offered := range o.Routes {
		r, err := newRoute(offered.Targets)
		if err != nil {
			return nil, err
		}
		if offered.Source != ":0" {
			if r.source, err = parseSource(strings.TrimPrefix(offered.Source, ":")); err != nil {
				return nil, err
			}
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, errors.New("neither side names a target: start the mirror with -x, or the assistant with --target")
	}
	return list, nil
}

// tickEvery is how often the engine is told the time.
const tickEvery = 200 * time.Millisecond

// take gives the engine what comes, until the mirror has finished or is gone.
func (e *localEngine) take(ctx context.Context, s *feed.Stream) error {
	defer context.AfterFunc(ctx, func() { s.Close("the assistant was stopped") })()
	ticked := int64(0)
	for {
		events, err := s.Read()
		if err != nil {
			return err
		}
		for _, ev := range events {
			if err := e.Write(ev); err != nil {
				return err
			}
		}
		if n := len(events); n > 0 {
			_, at := events[n-1].Key()
			e.Flush()
			if at-ticked > int64(tickEvery) {
				e.Tick(at)
				ticked = at
			}
		}
		s.Ack()
	}
}

// tell tells the mirror how it goes, until the function that it returns is called.
func (e *localEngine) tell(s *feed.Stream) (stop func()) {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		figures, reports := time.NewTicker(figuresEvery), time.NewTicker(reportEvery)
		defer figures.Stop()
		defer reports.Stop()
		for {
			select {
			case <-figures.C:
				note(s, noteFigures, e.figures())
			case <-reports.C:
				note(s, noteReport, e.report())
			case <-quit:
				return
			}
		}
	})
	return func() { close(quit); done.Wait() }
}

// note tells the mirror something.
func note(s *feed.Stream, kind string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return s.Note(kind, text)
}
