package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// mirrorArgs are the flags of mirror.
type mirrorArgs struct {
	targetArgs
	engineArgs
	pairs      pairs
	assistants assistants
	clientIP   string
	copies     copies
	percent    percent
	filter     string
	daemonArgs
	mirrorSource
	mirrorFilter
	targets   []string
	targetTLS string
	targetCA  string
	keys      string
	catchUp   time.Duration
	duration  time.Duration
	same      bool
}

func mirrorCommand() *cobra.Command {
	a := mirrorArgs{}
	c := &cobra.Command{
		Use:   "mirror (-x PORT-IP:PORT | --target URL) (--writes | --read-only) [FILTER]",
		Short: "Copy live sessions to another server as they happen, and compare the answers",
		Long: `Run on the online server: the sessions of its clients are copied to a target server
as they happen, each on a connection of its own that logs in for real, and the
answers are compared. The source is never held up: when the target is too slow, what
waits is limited, then whole sessions are given up and counted.

Sessions that are already open are joined at their next command; with --source the
server is asked for what they had before. TLS can't be read from the wire: with
--relay clients connect to the mirror instead, which passes them on.

With -s an assistant on another machine replays, from the clients' own addresses
(see 'myreplay assist --help').

It ends with Ctrl-C or SIGTERM, and a report. SIGHUP reads the credentials and the
filters again. Exit codes: 0 the same, 1 something differs, 2 could not.`,
		Example: `  myreplay mirror -x 3306-10.110.12.17:3306 --user replay --read-only
  myreplay mirror -i eth0 --port 3306 --target mysql://replay@10.110.12.17:3306/ --writes
  myreplay mirror -x 3306-10.110.12.17:3306 -s 10.110.12.161 --writes
  myreplay mirror --relay :3307 --to 127.0.0.1:3306 --target mysql://replay@10.110.12.17/ --read-only`,
		RunE: func(c *cobra.Command, args []string) error { return a.main(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.VarP(&a.pairs, "copy", "x", "what is copied where: the source's port, and the target")
	f.VarP(&a.assistants, "assistant", "s", "an assistant replays (port 36524), which holds the target's passwords")
	f.StringVarP(&a.clientIP, "client", "c", "", "with -s: the addresses that sessions come from, `LIST` of addresses, networks, or 62.135.200.x (default the clients' own)")
	f.VarP(&a.copies, "copies", "n", "replay each session so many times")
	f.VarP(&a.percent, "sample", "r", "the share of the sessions that is copied, in percent")
	f.StringVarP(&a.filter, "filter", "F", "", "a filter in tcpdump's `LANGUAGE`; also as the last words")
	f.StringSliceVar(&a.targets, "target", nil, "the target's `URL`, mysql://user@host:3306/ (and mysqlx://...), instead of -x")
	a.mirrorSource.flags(c)
	a.engineArgs.decided(c)
	a.engineArgs.flags(c)
	f.DurationVar(&a.catchUp, "catch-up", 10*time.Millisecond, "a session that is later than this sends what waits in one go, of which only the first is timed; 0: never")
	a.mirrorFilter.flags(c)
	a.targetArgs.flags(c)
	f.StringVar(&a.targetTLS, "target-tls", "", "with -x: TLS to the target: disabled, preferred, required, verify-ca, verify-identity")
	f.StringVar(&a.targetCA, "target-ca", "", "with -x: the certificates that may have signed the target's, from a PEM `FILE`")
	f.StringVar(&a.keys, "pair-key", "", "with -s: the `FILE` that 'myreplay pair' made for the mirror (default "+mirrorKeys+")")
	f.DurationVar(&a.duration, "for", 0, "end after this time")
	a.engineArgs.shown(c)
	f.BoolVar(&a.same, "same-server", false, "mirror although the target is the source")
	a.daemonArgs.flags(c)
	f.BoolVarP(&a.gradual, "gradual", "g", false, "TCPCopy's word for --ramp 100s")
	_ = f.MarkHidden("gradual") // fails only for flags that do not exist
	ignored := addIgnored(f, ignoredOfTCPCopy)
	c.PreRun = func(c *cobra.Command, _ []string) { ignored(c.ErrOrStderr()) }
	return c
}

func (a *mirrorArgs) main(c *cobra.Command, args []string) error {
	errs := c.ErrOrStderr()
	to, err := a.routes()
	if err != nil {
		return err
	}
	if len(a.assistants) > 0 { // keys first: without them nothing else is of use
		if _, err := keysFrom(a.keys, mirrorKeys, "mirror.key"); err != nil {
			return err
		}
	}
	if err := notUserPassword(a.targetArgs.user); err != nil {
		return err
	}
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	if err := a.missing(to, terminal); err != nil {
		return err
	}
	if err := a.liveOrder.check(a.readOnly, int(a.copies), len(to)); err != nil {
		return err
	}
	asked := !a.writes && !a.readOnly
	if a.writes, err = writesOrNot(c.InOrStdin(), errs, to.String(), a.writes, a.readOnly, terminal); err != nil {
		return err
	}
	if len(a.assistants) == 0 {
		if err := a.askPassword(to.urls()); err != nil {
			return err
		}
	}
	var more []string
	if asked {
		more = []string{map[bool]string{true: "--writes", false: "--read-only"}[a.writes]}
	}
	if done, err := a.daemonArgs.begin(errs, more...); done || err != nil {
		return err
	}
	err = a.run(c, to, args)
	a.daemonArgs.end(err)
	return err
}

// routes returns where sessions go.
func (a *mirrorArgs) routes() (routes, error) {
	switch {
	case len(a.pairs) > 0 && len(a.targets) > 0:
		return nil, errors.New("-x names the targets already: leave --target out")
	case len(a.pairs) > 0:
		spoken, err := parseProtocol(a.packets.protocol)
		if err != nil {
			return nil, err
		}
		return pairRoutes(a.pairs, spoken, a.targetTLS, a.targetCA)
	case len(a.targets) > 0:
		r, err := newRoute(a.targets)
		return routes{r}, err
	}
	return nil, errors.New("where to? name the source's port and the target, as -x 3306-10.110.12.17:3306, or the target's URL with --target")
}

// run mirrors until it is to end.
func (a *mirrorArgs) run(c *cobra.Command, to routes, args []string) error {
	ctx, stop := context.WithCancel(c.Context())
	if a.duration > 0 {
		ctx, stop = context.WithTimeout(c.Context(), a.duration)
	}
	defer stop()
	tuneRuntime(int64(a.window))
	if err := a.mirrorFilter.begin(a.percent.share()); err != nil {
		return err
	}
	src, err := a.mirrorSource.open(ctx, c, a, to, args)
	if err != nil {
		return err
	}
	defer src.Close()
	e, err := a.engine(ctx, c, to, src)
	if err != nil {
		return err
	}
	// From here on the engine has to be closed, whatever happens.
	w := watched{engine: e, src: src, args: &a.engineArgs, began: time.Now(), daemon: &a.daemonArgs,
		reread: func() (string, error) {
			return "credentials and filters", errors.Join(a.mirrorFilter.read(), e.reload())
		}}
	fmt.Fprintf(c.ErrOrStderr(), "mirroring %s to %s, %s; Ctrl-C ends it\n", src.names, e.name(), a.how())
	return w.run(ctx, stop, c)
}

func (a *mirrorArgs) how() string {
	if a.writes && a.liveOrder.decided(true).Order == "row" {
		return "with writes, in the order of their rows"
	}
	if a.writes {
		return "with writes"
	}
	return "read-only: what may change data is skipped"
}

// engine returns what replays: here, or at the assistants.
func (a *mirrorArgs) engine(ctx context.Context, c *cobra.Command, to routes, src *source) (engine, error) {
	if len(a.assistants) > 0 {
		return a.remote(ctx, c, to, src)
	}
	return a.local(ctx, c, to, src)
}

// settings are what the mirror decides about the replay.
func (a *mirrorArgs) settings(src *source) settings {
	return settings{Source: src.names, Seed: rand.Uint64(), Writes: a.writes, Server: a.global, Copies: max(int(a.copies), 1),
		CatchUp: a.catchUp, ClientIP: a.clientIP, Keep: int(a.keep), Same: a.same, Flushed: src.flushed, liveOrder: a.liveOrder.decided(a.writes)}
}

// local returns the engine of a mirror that replays by itself.
func (a *mirrorArgs) local(ctx context.Context, c *cobra.Command, to routes, src *source) (engine, error) {
	a.engineArgs.choose = a.mirrorFilter.choose
	e, err := a.engineArgs.open(c, to, a.settings(src), &a.targetArgs)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// missing returns an error that names what has to be said besides, and the whole
// command line with it; nil when all is there. terminal: the rest may be asked.
func (a *mirrorArgs) missing(to routes, terminal bool) error {
	var why, words []string
	if len(a.assistants) == 0 {
		for _, u := range to.urls() {
			if _, err := a.targetArgs.users(u, nil); errors.Is(err, errNobody) {
				why, words = append(why, err.Error()), append(words, "--user replay")
				break
			}
		}
	}
	if !a.writes && !a.readOnly && !terminal {
		why, words = append(why, errNoAnswer.Error()), append(words, "--read-only")
	}
	if why == nil {
		return nil
	}
	next := "myreplay " + strings.Join(append(os.Args[1:len(os.Args):len(os.Args)], words...), " ")
	if len(a.assistants) == 0 && words[0] == "--user replay" {
		next += "     # the password in MYSQL_PWD, an option file, or at the prompt"
	}
	return fmt.Errorf("%s\nNext:\n  %s", strings.Join(why, "\n"), next)
}
