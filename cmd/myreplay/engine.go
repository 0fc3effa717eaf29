package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/mirror"
	"myreplay/outcome"
	"myreplay/replay"
	"myreplay/report"
	"myreplay/session"
	"myreplay/target"
)

// engine replays and compares what is recorded, here or elsewhere. It is told
// events as a capture.Sink.
type engine interface {
	capture.Sink
	// name names the target.
	name() string
	// seed is what recorded rows are to be digested with.
	seed() uint64
	// figures returns the figures but those of the source.
	figures() mirror.Figures
	// report returns the report so far, nil when there is none yet.
	report() *report.Report
	// close ends it: what waits is replayed within drain.
	close(drain time.Duration) (*report.Report, error)
	// flush tells that the next event may be long in coming.
	flush()
	// reload reads the credentials again.
	reload() error
	// remarks says what a reader should know at the end.
	remarks(io.Writer)
}

// engineArgs are the flags of what replays live: mirror and assist have those of
// flags, mirror those of shown, too.
type engineArgs struct {
	writes, readOnly, global bool
	window                   size
	maxLag                   time.Duration
	record                   string
	keep                     rows
	reconnect                time.Duration
	json                     bool
	output                   string
	examples                 int
	quiet                    bool
	page                     adminArgs
	drain                    time.Duration
	liveOrder                liveOrderArgs
	params                   params
	choose                   func(*session.Start) bool // nil: all
	client                   *clientDialer             // nil: from this host's address
}

func (a *engineArgs) flags(c *cobra.Command) {
	a.window = mirror.DefaultWindow
	f := c.Flags()
	f.Var(&a.window, "memory", "memory for what waits for the target; beyond it whole sessions are given up")
	f.DurationVar(&a.maxLag, "give-up", 0, "give up sessions that are later than this; 0: only when the memory is full")
	f.DurationVar(&a.reconnect, "reconnect", replay.DefaultReconnect, "how long a session tries to reach the target again")
	f.StringVar(&a.record, "record", "", "also write what was recorded and what the target answered, to `DIR`/capture and DIR/run")
	f.DurationVar(&a.drain, "drain", 3*time.Second, "at the end: how long what waits may still be replayed")
	f.IntVar(&a.examples, "examples", report.DefaultMaxExamples, "examples of each difference in the report")
}

// decided are the flags for what the mirror decides, wherever it is replayed.
func (a *engineArgs) decided(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&a.writes, "writes", false, "copy writes, too: they change data on the target")
	f.BoolVar(&a.readOnly, "read-only", false, "leave out what may change data; reads that differ for that reason are told apart")
	f.BoolVar(&a.global, "server-statements", false, "also copy what changes the server: accounts, global variables")
	a.liveOrder.flags(c)
	f.Var(&a.keep, "rows", "keep the first N rows of each result, or all, for the report's examples (they may hold personal data)")
}

// shown are the flags for what an operator sees.
func (a *engineArgs) shown(c *cobra.Command) {
	f := c.Flags()
	a.page.flags(c)
	f.BoolVar(&a.json, "json", false, "print the report as JSON")
	f.StringVar(&a.output, "report", "", "write the report to `FILE` instead of stdout")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "show no progress")
}

// settings are what a mirror decides about the replay, also of one that happens
// at its assistant.
type settings struct {
	Source   string        `json:"source"`
	Seed     uint64        `json:"seed"`
	Writes   bool          `json:"writes"`
	Server   bool          `json:"server_statements"`
	Copies   int           `json:"copies"`
	CatchUp  time.Duration `json:"catch_up"`
	ClientIP string        `json:"client_ip,omitempty"`
	Keep     int           `json:"keep"`
	Same     bool          `json:"same_server"`
	liveOrder
	// Flushed: flush is called.
	Flushed bool `json:"-"`
}

// localEngine replays on this machine.
type localEngine struct {
	*mirror.Mirror
	to     routes
	source string
	seeded uint64
	began  int64
	client *clientDialer
	order  *faithful
	// skew is how far this machine's clock is ahead of the recorder's; nil: they
	// are one.
	skew    func() int64
	users   func(*target.URL) (target.Users, error)
	capture *capfile.Writer
	run     *capfile.Writer
	runDir  string
}

// open begins to replay on this machine.
func (a *engineArgs) open(c *cobra.Command, to routes, s settings, t *targetArgs) (*localEngine, error) {
	if a.client != nil {
		t.dial = a.client.to
	}
	t.values = s.Values
	if err := to.open(t, outcome.Options{Seed: s.Seed, Keep: s.Keep}, 0, passwordPrompt()); err != nil {
		return nil, err
	}
	remark := func(text string) { fmt.Fprintln(c.ErrOrStderr(), text) }
	if err := to.preflight(c.Context(), t.oneUser(), remark); err != nil {
		return nil, err
	}
	e := &localEngine{to: to, source: s.Source, seeded: s.Seed, began: time.Now().UnixNano(), client: a.client,
		users: func(u *target.URL) (target.Users, error) { return t.users(u, nil) }}
	o, err := a.options(c.Context(), to, s)
	if err != nil {
		return nil, err
	}
	if e.order, err = s.apply(c, to, t, &o.Replay); err != nil {
		return nil, err
	}
	if a.record != "" {
		if err := e.keep(a.record, s, to); err != nil {
			return nil, err
		}
		o.Capture, o.Run = e.capture, e.run
	}
	e.Mirror = mirror.New(to, o)
	return e, nil
}

// options returns how the engine replays and compares.
func (a *engineArgs) options(ctx context.Context, to routes, s settings) (mirror.Options, error) {
	o := mirror.Options{
		Replay: replay.Options{
			Policy: replay.Policy{Writes: s.Writes, Admin: s.Server}, Copies: s.Copies, Window: int64(a.window), MaxLag: a.maxLag,
			CatchUp: s.CatchUp, Flushed: s.Flushed, Reconnect: a.reconnect, Temporary: temporary, Unsent: unsent, Choose: a.choose,
		},
		Report: report.Options{RecordedName: s.Source, ReplayedName: to.String(), MaxExamples: a.examples, AllowIncomplete: true,
			Words: wordsOf, Params: a.params.text, LeavesWrites: !s.Writes},
		Seen: a.params.see,
	}
	if a.examples == 0 {
		o.Report.MaxExamples = -1
	}
	if !s.Same {
		check, err := noneTheSource(ctx, to.urls())
		if err != nil {
			return o, err
		}
		o.Replay.Check = check
	}
	return o, nil
}

// keep begins the capture and the run that --record asks for.
func (e *localEngine) keep(dir string, s settings, to routes) error {
	meta := capfile.Meta{Kind: capfile.KindCapture, Created: time.Now().UTC(), Tool: tool(), Seed: s.Seed,
		Source: capfile.Source{From: "mirror", Names: []string{s.Source}}}
	var err error
	dir = expandTime(dir, time.Now())
	if e.capture, err = capfile.Create(filepath.Join(dir, "capture"), meta, capfile.Options{}); err != nil {
		return err
	}
	run := capfile.Meta{Kind: capfile.KindRun, Created: meta.Created, Tool: tool(), Seed: s.Seed, Of: e.capture.Meta().ID,
		OfPath: filepath.Join(dir, "capture"), Target: to.String(), Source: capfile.Source{From: "replay"},
		Options: map[string]string{"speed": "live", "writes": fmt.Sprint(s.Writes), "copies": fmt.Sprint(s.Copies), "order": e.order.mode.String()}}
	e.runDir = filepath.Join(dir, "run")
	e.run, err = capfile.Create(e.runDir, run, capfile.Options{})
	return err
}

func (e *localEngine) flush()                 { e.Mirror.Flush() }
func (e *localEngine) name() string           { return e.to.String() }
func (e *localEngine) seed() uint64           { return e.seeded }
func (e *localEngine) report() *report.Report { return e.Mirror.Report() }

// drift is how far the target's clock, which never steps back, has come away from
// that of this machine.
func (e *localEngine) drift() int64 { return e.to.Now() - time.Now().UnixNano() }

// figures implements engine.
func (e *localEngine) figures() mirror.Figures {
	skew := e.drift()
	if e.skew != nil {
		skew += e.skew()
	}
	e.SetSkew(skew)
	f := e.Mirror.Figures(e.to.Now())
	f.Began = e.began
	e.client.figures(&f.Target)
	e.order.figures(f.Target.Order)
	return f
}

// close implements engine.
func (e *localEngine) close(drain time.Duration) (*report.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	r, err := e.Mirror.Close(ctx)
	e.order.close()
	for _, w := range []*capfile.Writer{e.capture, e.run} {
		if w != nil {
			err = errors.Join(err, w.Close())
		}
	}
	if e.run != nil && e.order.planner != nil {
		err = errors.Join(err, e.order.write(e.runDir, e.Stats()))
	}
	return r, err
}

// remarks implements engine.
func (e *localEngine) remarks(out io.Writer) {
	for _, s := range e.to.servers() {
		targetRemarks(out, s.Stats(), schemaBySource)
	}
}

// reload implements engine.
func (e *localEngine) reload() error {
	for _, r := range e.to {
		for i, u := range r.urls {
			users, err := e.users(u)
			if err != nil {
				return err
			}
			r.to.servers[i].SetUsers(users)
		}
	}
	return nil
}
