package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/outcome"
	"myreplay/replay"
	"myreplay/session"
	"myreplay/target"
)

// replayArgs are the flags of replay.
type replayArgs struct {
	targetArgs
	packets  packetArgs
	run      string
	record   string
	speed    speed
	maxPause time.Duration
	think    bool
	writes   bool
	admin    bool
	match    string
	sessions []string
	users    []string
	schemas  []string
	sample   share
	copies   int
	repeat   int
	orderArgs
	prompt     func() (string, error) // for the password; nil: there is no terminal
	about      described
	sameServer bool
	dryRun     bool
	keep       rows
	window     size
	reconnect  time.Duration
	quiet      bool
}

func replayCommand() *cobra.Command {
	a := replayArgs{speed: 1, copies: 1, repeat: 1, window: replay.DefaultWindow}
	c := &cobra.Command{
		Use:   "replay CAPTURE TARGET [TARGET]",
		Short: "Replay a recording on another server",
		Long: `Replay the sessions of a capture on a target server: one connection for each
recorded session, opened and closed when the client did, every command sent as
it was, with statement ids and KILL ids mapped. What the target answers is
written as a run, which 'report' compares with the capture.

CAPTURE may also be a pcap file, which is decoded on the way. TARGET is a URL,
mysql://user@host:3306/ or mysql:///?socket=/run/mysqld/mysqld.sock, with
parameters tls, ca, cert, key, server-name, server-key, compress; for sessions of
the X Protocol mysqlx://user@host:33060/. A capture with both takes both. Passwords
come from MYSQL_PWD, an option file or the prompt, never from the command line.

Without --writes only statements are sent that surely change nothing.`,
		Example: `  myreplay replay prod mysql://replay@10.0.0.5/
  myreplay replay prod mysql://root@127.0.0.1:3307/ --writes --speed max -o run1
  myreplay replay prod mysql:///?socket=/run/mysqld/mysqld.sock --auth any --dry-run`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(c *cobra.Command, args []string) error { return a.main(c, args[0], args[1:]) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&a.run, "output", "o", "", "the run: a new `DIR` (default: CAPTURE.run-TIME beside the capture)")
	f.BoolVar(&a.writes, "writes", false, "also send what changes data, locks or defines; without it that is skipped and counted")
	f.BoolVar(&a.admin, "admin", false, "also send what changes the server: accounts, global variables, files on the server")
	f.Var(&a.speed, "speed", "1: as recorded; 2.5: faster; max: as fast as the target answers")
	f.DurationVar(&a.maxPause, "max-pause", 0, "shorten pauses in which no session sent anything to this length")
	f.BoolVar(&a.think, "think", false, "keep each client's think time also when its session is late, instead of catching up")
	a.orderArgs.flags(c)
	f.StringSliceVar(&a.sessions, "sessions", nil, "only these sessions, as `1,5-9`")
	f.StringSliceVar(&a.users, "users", nil, "only sessions of these recorded users")
	f.StringSliceVar(&a.schemas, "schemas", nil, "only sessions with these default schemas at login")
	f.StringVar(&a.match, "match", "", "only statements whose text matches `REGEXP`; what sets up sessions and transactions passes")
	f.Var(&a.sample, "sample", "only this share of the sessions, such as 10%; the same ones each time")
	f.IntVar(&a.copies, "copies", 1, "replay each session `N` times at once")
	f.IntVar(&a.repeat, "repeat", 1, "replay the whole recording `N` times, one after the other")
	f.BoolVar(&a.dryRun, "dry-run", false, "print what would be done, and do not connect")
	f.BoolVar(&a.sameServer, "same-server", false, "replay although the target is the server that was recorded")
	a.targetArgs.flags(c)
	f.Var(&a.keep, "rows", "keep the first N rows of each result in the run, or all")
	f.Var(&a.window, "window", "memory for what is read ahead of the sessions")
	f.DurationVar(&a.reconnect, "reconnect", replay.DefaultReconnect, "how long a session tries to reach the target again")
	f.StringVar(&a.record, "record", "", "with a pcap: also write the capture to `DIR`, for a report")
	a.packets.flags(c)
	f.BoolVarP(&a.quiet, "quiet", "q", false, "show no progress")
	return c
}

// options returns how to replay.
func (a *replayArgs) options() (replay.Options, error) {
	o := replay.Options{
		Pace:   replay.Pace{Speed: float64(a.speed), MaxPause: a.maxPause, Think: a.think},
		Policy: replay.Policy{Writes: a.writes, Admin: a.admin},
		Filter: replay.Filter{Users: set(a.users), Schemas: set(a.schemas), Share: float64(a.sample)},
		Copies: a.copies, Window: int64(a.window), Reconnect: a.reconnect, Temporary: temporary, Unsent: unsent,
	}
	switch a.halves {
	case "skip":
	case "replay":
		o.Halves = true
	default:
		return o, fmt.Errorf("--open-transactions %s: there are skip and replay", a.halves)
	}
	if a.copies < 1 || a.repeat < 1 {
		return o, errors.New("--copies and --repeat are at least 1")
	}
	if _, err := a.mode(); err != nil {
		return o, err
	}
	if _, err := a.pins(); err != nil {
		return o, err
	}
	if a.match != "" {
		re, err := regexp.Compile(a.match)
		if err != nil {
			return o, fmt.Errorf("--match: %w", err)
		}
		o.Policy.Match = re
	}
	var err error
	o.Filter.Sessions, err = sessionIDs(a.sessions)
	return o, err
}

func set(list []string) map[string]bool {
	if list == nil {
		return nil
	}
	m := map[string]bool{}
	for _, s := range list {
		m[s] = true
	}
	return m
}

// maxSessionRange limits what "1-9" may stand for.
const maxSessionRange = 10_000_000

// sessionIDs reads "1,5-9".
func sessionIDs(list []string) (map[uint64]bool, error) {
	if list == nil {
		return nil, nil
	}
	m := map[uint64]bool{}
	for _, s := range list {
		from, to, isRange := strings.Cut(s, "-")
		a, err := strconv.ParseUint(from, 10, 64)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(to, 10, 64)
		}
		if err != nil || b < a || b-a > maxSessionRange {
			return nil, fmt.Errorf("--sessions %s: write numbers and ranges, as 1,5-9", s)
		}
		for ; a <= b; a++ {
			m[a] = true
		}
	}
	return m, nil
}

func (a *replayArgs) main(c *cobra.Command, path string, rawURLs []string) error {
	o, err := a.options()
	if err != nil {
		return err
	}
	urls, err := parseTargets(rawURLs)
	if err != nil {
		return err
	}
	if a.dryRun {
		return a.plan(c, path, urls, o)
	}
	if !a.sameServer {
		if o.Check, err = noneTheSource(c.Context(), urls); err != nil {
			return err
		}
	}
	if a.run == "" {
		a.run = strings.TrimRight(path, "/") + ".run-%Y%m%dT%H%M%S"
	}
	a.run = expandTime(a.run, time.Now())
	a.prompt = askedOnce(passwordPrompt())
	if a.about, err = describe(path); err != nil {
		return err
	}
	f, err := a.faithful(c, path, urls)
	if err != nil {
		return err
	}
	defer f.close()
	switch {
	case a.check:
		return a.checkTwice(c, path, urls, f, o)
	case a.refine > 0:
		return a.refineRuns(c, path, urls, f, o)
	}
	return a.pass(c, path, urls, a.run, f, o)
}

// pass replays once, and writes the run.
func (a *replayArgs) pass(c *cobra.Command, path string, urls []*target.URL, run string, f *faithful, o replay.Options) error {
	meta := a.about.meta
	meta.Created = time.Now().UTC()
	var err error
	var record *capfile.Writer
	if a.record != "" {
		if record, err = a.recorder(path, &meta); err != nil {
			return err
		}
		defer record.Close() // where it does not come to a replay
	}
	threads := 0
	if a.speed == 0 { // max: no timers to be in time for
		threads = maxThreads
	}
	p, err := a.pins()
	if err != nil {
		return err
	}
	a.values = p.values
	server, err := a.target(urls, outcome.Options{Seed: meta.Seed, Keep: int(a.keep)}, threads, a.prompt)
	if err != nil {
		return err
	}
	if err := f.apply(a, &meta, &o); err != nil {
		return err
	}
	meta.Target = server.String()
	meta.Options = map[string]string{"speed": a.speed.String(), "writes": strconv.FormatBool(a.writes), "order": f.mode.String(),
		"copies": strconv.Itoa(a.copies), "repeat": strconv.Itoa(a.repeat), "sample": a.sample.String(), "rows": a.keep.String()}
	w, err := capfile.Create(run, meta, capfile.Options{Policy: capfile.Wait})
	if err != nil {
		return err
	}
	return a.replay(c, path, server, w, record, int64(a.about.totals.CommandCount())*int64(a.copies*a.repeat), run, f, o)
}

// described is what is known of a recording before it is replayed.
type described struct {
	meta   capfile.Meta // of a run of it
	totals capfile.Totals
	why    error // why a capture's totals are not known
}

// describe looks at a recording. Packet files have no totals.
func describe(path string) (d described, err error) {
	d.meta = capfile.Meta{Kind: capfile.KindRun, Tool: tool(), Source: capfile.Source{From: "replay"}, OfPath: path, Seed: rand.Uint64()}
	is, err := isCapture(path)
	if err != nil || !is {
		return d, err
	}
	r, err := capfile.Open(path)
	if err != nil {
		return d, err
	}
	defer r.Close()
	m := r.Meta()
	if m.Kind == capfile.KindRun {
		return d, fmt.Errorf("%s is a run: replay the capture that it was made from", path)
	}
	d.meta.Seed, d.meta.Of = m.Seed, m.ID
	if t, err := r.Totals(); err == nil {
		d.totals = t
	} else {
		d.why = err
	}
	return d, nil
}

// recorder begins the capture that --record asks for, and makes meta that of a
// run of it.
func (a *replayArgs) recorder(path string, meta *capfile.Meta) (*capfile.Writer, error) {
	if is, err := isCapture(path); err != nil || is {
		return nil, errors.Join(err, errors.New("--record is for packet files: a capture is one already"))
	}
	po, err := a.packets.options(nil)
	if err != nil {
		return nil, err
	}
	r := recording{dir: a.record}
	w, err := r.create(capfile.Source{From: "file", Names: []string{path}, Filter: po.Filter.String(), Ports: po.Ports})
	if err != nil {
		return nil, err
	}
	meta.Seed, meta.Of, meta.OfPath = w.Meta().Seed, w.Meta().ID, r.dir
	return w, nil
}

// replay replays all passes and prints how it went. total is how many commands
// there are, 0 when that is not known; record, when not nil, gets those of the
// first pass.
func (a *replayArgs) replay(c *cobra.Command, path string, server *replayTarget, w, record *capfile.Writer, total int64, run string, f *faithful, o replay.Options) error {
	ctx, errs := c.Context(), c.ErrOrStderr()
	fmt.Fprintln(errs, a.intro(path, server, total))
	r := replay.New(server, w, o)
	begin := time.Now()
	shown := showProgress(errs, a.quiet, func() string { return progressLine(r.Stats(), total, time.Since(begin), a.speed != 0) })
	if a.speed == 0 {
		defer matchProcessors(server.threads, func() int { return int(r.Stats().Blocked.Load()) })()
	}
	var err error
	for n := 0; n < a.repeat && err == nil && ctx.Err() == nil; n++ {
		var src recorded
		var also capture.Sink
		if record != nil && n == 0 {
			also = record
		}
		if src, err = openRecorded(ctx, path, &a.packets, capture.Options{Decode: decodeSeed(w.Meta().Seed)}, also); err != nil {
			break
		}
		err = r.Run(ctx, src)
		err = errors.Join(err, src.Close())
		if also != nil {
			err = errors.Join(err, record.Close())
		}
		if n == 0 {
			damageNote(errs, src)
		}
	}
	shown.Stop()
	err = errors.Join(err, w.Close())
	s := r.Stats()
	a.summary(errs, s, total, time.Since(begin), ctx.Err() != nil)
	f.line(errs, s)
	err = errors.Join(err, f.write(run, s))
	for _, s := range server.servers {
		targetRemarks(errs, s.Stats(), schemaByURL)
	}
	if err == nil && s.Sent.Load() == 0 && s.Refused.Load() > 0 {
		err = fmt.Errorf("nothing was replayed: %w", s.Refusal())
	}
	return err
}

// plan prints what a replay would do.
func (a *replayArgs) plan(c *cobra.Command, path string, urls []*target.URL, o replay.Options) error {
	src, err := openRecorded(c.Context(), path, &a.packets, capture.Options{}, nil)
	if err != nil {
		return err
	}
	p, err := replay.MakePlan(src, o)
	if err = errors.Join(err, src.Close()); err != nil {
		return err
	}
	out := c.OutOrStdout()
	n := int64(a.copies * a.repeat)
	fmt.Fprintf(out, "plan: replay %s on %s\n", path, targetNames(urls))
	fmt.Fprintf(out, "  %s over %s, at most %s at once\n", count(p.Sessions, "session"), duration(time.Duration(p.Last-p.First)), count(p.Most, "session"))
	if a.speed != 0 {
		fmt.Fprintf(out, "  at speed %s it takes about %s\n", a.speed.String(), duration(time.Duration(p.Length*int64(a.repeat))))
	}
	if n > 1 {
		fmt.Fprintf(out, "  %d copies, %s: all figures below are for one of them\n", a.copies, count(a.repeat, "pass"))
	}
	fmt.Fprintf(out, "  %s: %s to send, %s to skip\n", count(p.Commands, "command"), thousands(uint64(p.Send)), thousands(uint64(p.Commands-p.Send)))
	for i, k := range p.Skipped {
		if k > 0 {
			fmt.Fprintf(out, "    %12s  %s%s\n", thousands(uint64(k)), session.Skip(i), skipHint[session.Skip(i)])
		}
	}
	remark(out, p.Joined, count(p.Joined, "session")+" joined in mid-life")
	remark(out, p.Encrypted, count(p.Encrypted, "session")+" encrypted")
	remark(out, p.NotUnderstood, count(p.NotUnderstood, "session")+" not readable")
	remark(out, p.Filtered, count(p.Filtered, "session")+" filtered out")
	remark(out, p.Gaps, count(p.Gaps, "gap")+" in the recording")
	damageNote(out, src)
	if check, err := noneTheSource(c.Context(), urls); err == nil && !a.sameServer {
		for _, server := range slices.SortedFunc(maps.Keys(p.Servers), netip.AddrPort.Compare) {
			if err := check(server); err != nil {
				fmt.Fprintln(out, "  would be refused:", err)
			}
		}
	}
	return nil
}

var skipHint = map[session.Skip]string{
	session.SkipWrite:  " (--writes sends them)",
	session.SkipAdmin:  " (some of them are sent with --admin)",
	session.SkipSecret: " (the recording does not have the secret)",
}
