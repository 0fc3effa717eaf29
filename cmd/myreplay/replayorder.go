package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/binlog"
	"myreplay/capfile"
	"myreplay/order"
	"myreplay/probe"
	"myreplay/replay"
	"myreplay/report"
	"myreplay/schema"
	"myreplay/session"
	"myreplay/target"
	"myreplay/tlsmode"
)

// orderFile lies beside a run's segments: what the order between sessions did.
// learnedFile lies beside a capture's: what --refine has learned of it.
const (
	orderFile   = "order.json"
	learnedFile = "learned.json"
)

// orderArgs are the flags that say how faithful a replay is.
type orderArgs struct {
	order   string
	pin     string
	schema  string
	stall   time.Duration
	binlogs []string
	halves  string
	refine  int
	reset   string
	check   bool
	relearn bool
}

func (a *orderArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.order, "order", "", "order between sessions: none, commit, table or row (default: row with --writes, else none)")
	f.StringVar(&a.pin, "pin", "", "values that the target is to make up as the source did: ids,time, values that it makes up and later commands name are mapped: values, or none (default: ids,time,values with --writes)")
	f.StringVar(&a.schema, "schema", "", "tables, keys and foreign keys from `FILE` (schema.json of a capture made with --source) instead of the target's")
	f.StringArrayVar(&a.binlogs, "binlog", nil, "a binary log `FILE` of the recorded MySQL server, for the true order of its commits; again for each, in their order")
	f.DurationVar(&a.stall, "stall", replay.DefaultStall, "how long a command may be at the target beyond its recorded time before a session that holds its lock is sought")
	f.StringVar(&a.halves, "open-transactions", "skip", "transactions that were open before the recording of their session began: skip, or replay what was seen of them")
	f.IntVar(&a.refine, "refine", 0, "replay up to `N` more times, each time with other guesses where answers differed, and keep what was learned beside the capture")
	f.StringVar(&a.reset, "reset", "", "a `COMMAND` for the shell that gives the target its data back, between passes")
	f.BoolVar(&a.check, "check", false, "replay twice, on two targets or on one that --reset gives its data back, and print how much differs by itself")
	f.BoolVar(&a.relearn, "relearn", false, "do not use what was learned before")
}

// mode returns the order that is kept.
func (a *replayArgs) mode() (order.Mode, error) {
	given := a.order != ""
	name := a.order
	switch {
	case given:
	case a.writes && a.copies == 1 && a.repeat == 1:
		name = "row"
	default:
		name = "none"
	}
	m, err := order.ParseMode(name)
	if err != nil {
		return 0, fmt.Errorf("--order: %w", err)
	}
	if m != order.None && (a.copies > 1 || a.repeat > 1) {
		return 0, fmt.Errorf("--order %s: with --copies or --repeat there is no order between sessions but none", name)
	}
	if m < order.Table && len(a.binlogs) > 0 {
		return 0, fmt.Errorf("--order %s: --binlog is for --order table and row", name)
	}
	if m == order.None && a.refine > 0 {
		return 0, errors.New("--refine changes guesses about the order between sessions: it needs --order row or table")
	}
	return m, nil
}

// pins returns which values are pinned.
func (a *replayArgs) pins() (pinWords, error) {
	list := a.pin
	if list == "" {
		list = "none"
		if a.writes {
			list = "ids,time,values"
		}
	}
	return parsePins(list)
}

// pinWords says what becomes of values that a server makes up: ids and times are set,
// other values are mapped.
type pinWords struct{ ids, times, values bool }

// parsePins reads the words of --pin.
func parsePins(list string) (p pinWords, err error) {
	for _, word := range strings.Split(list, ",") {
		switch strings.TrimSpace(word) {
		case "ids":
			p.ids = true
		case "time":
			p.times = true
		case "values":
			p.values = true
		case "none", "":
		default:
			return pinWords{}, fmt.Errorf("--pin %s: there are ids, time, values and none", word)
		}
	}
	return p, nil
}

// faithful is what a pass needs to keep order and values.
type faithful struct {
	mode    order.Mode
	schema  *schema.Schema
	commits *binlog.Index // nil: not known
	learned *order.Learned
	planner planner       // nil: no order is kept
	server  *probe.Server // asked whether the target answers; nil: nobody
}

// planner plans an order, of a recording or live.
type planner interface {
	replay.Orderer
	Stats() order.Stats
}

// close ends the connection.
func (f *faithful) close() {
	if f.server != nil {
		f.server.Close()
	}
}

// faithful finds what keeps order and values: the schema, what was learned, and
// who is asked whether the target answers.
func (a *replayArgs) faithful(c *cobra.Command, path string, urls []*target.URL) (*faithful, error) {
	m, err := a.mode()
	if err != nil {
		return nil, err
	}
	if a.about.meta.Of == "" && (a.refine > 0 || a.check) {
		return nil, errors.New("--refine and --check compare with a capture: myreplay capture -r FILE -o DIR makes one of packet files")
	}
	f := &faithful{mode: m}
	p, err := a.pins()
	if err != nil || m == order.None && !p.ids {
		return f, err
	}
	var why error
	if u := classicTarget(urls); u != nil {
		f.server, why = a.control(c.Context(), u, a.prompt)
	} else {
		why = errors.New("only a mysql:// target can be asked")
	}
	f.schema, err = a.tables(c.Context(), path, f.server)
	if no := new(untold); errors.As(err, &no) {
		why, err = no, nil
	}
	if err != nil {
		return f, err
	}
	if f.schema == nil && m >= order.Table {
		fmt.Fprintf(c.ErrOrStderr(), "order: keys are not known (%v): rows are told apart by the statements' texts alone; --schema FILE tells\n", why)
	}
	if m == order.None {
		return f, nil
	}
	if f.commits, err = a.commits(&a.about); err != nil {
		return f, err
	}
	f.learned, err = a.lessons(path, a.about.meta.Of)
	return f, err
}

func classicTarget(urls []*target.URL) *target.URL {
	for _, u := range urls {
		if u.Protocol != session.X {
			return u
		}
	}
	return nil
}

// control connects to the target to ask it about itself.
func (a *targetArgs) control(ctx context.Context, u *target.URL, prompt func() (string, error)) (*probe.Server, error) {
	if a.auth != "" || a.credentials != "" {
		return nil, errors.New("no one account asks")
	}
	user, password, err := a.account(u, prompt)
	if err != nil {
		return nil, err
	}
	return openProbe(ctx, u, user, password)
}

// openProbe connects to a server to ask it about itself.
func openProbe(ctx context.Context, u *target.URL, user, password string) (*probe.Server, error) {
	tls, err := u.TLSConfig()
	if err != nil {
		return nil, err
	}
	return probe.Open(ctx, probe.Options{Network: u.Network, Address: u.Address, User: user, Password: password,
		TLS: tls, Preferred: u.TLS == tlsmode.Preferred, Now: func() int64 { return time.Now().UnixNano() }})
}

// tables returns the schema: from a file, the target, or the capture; nil when
// nobody knows it.
func (a *replayArgs) tables(ctx context.Context, path string, server *probe.Server) (*schema.Schema, error) {
	if a.schema != "" {
		s, err := readSchema(a.schema)
		if err != nil {
			return nil, fmt.Errorf("--schema: %w", err)
		}
		return s, nil
	}
	if s, err := recordedSchema(path); err != nil || s != nil {
		return s, err
	}
	if server == nil {
		return nil, nil
	}
	found, err := server.Schema(ctx, nil)
	if err != nil {
		return nil, &untold{err}
	}
	return found, nil
}

// untold is why a server did not tell its schema: a replay goes on without it.
type untold struct{ err error }

// Error implements error.
func (e *untold) Error() string { return e.err.Error() }

// Unwrap returns the server's error.
func (e *untold) Unwrap() error { return e.err }

// lessons returns what was learned of a capture before. id is the capture's.
func (a *replayArgs) lessons(path, id string) (*order.Learned, error) {
	if a.relearn {
		return &order.Learned{Capture: id}, nil
	}
	file := beside(path, learnedFile)
	r, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return &order.Learned{Capture: id}, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l, err := order.ReadLearned(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if l.Capture != id {
		return nil, fmt.Errorf("%s: it was learned from another capture: --relearn begins anew", file)
	}
	return l, nil
}

// beside returns the path of a file in a capture's directory, or next to a file.
func beside(path, name string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, name)
	}
	return path + "." + name
}

// apply readies a pass.
func (f *faithful) apply(a *replayArgs, meta *capfile.Meta, o *replay.Options) error {
	p, err := a.pins()
	if err != nil {
		return err
	}
	if o.Values = p.values; p.ids || p.times {
		o.Pins = replay.NewPins(p.ids, p.times, f.schema)
	}
	if f.mode == order.None {
		return nil
	}
	po := order.Options{Mode: f.mode, Schema: f.schema, Learned: f.learned, Digests: meta.Of != "", Seed: meta.Seed, Doubts: a.refine > 0}
	if f.commits != nil {
		po.Commits = f.commits
	}
	if a.speed != 0 {
		po.HoldTime = int64(time.Second) // what is held back must still be on time
	}
	f.planner = order.NewPlanner(po)
	o.Order, o.Stall = f.planner, a.stall
	f.asks(o)
	return nil
}

// asks has a replay ask the target whether it answers, and who blocks whom.
func (f *faithful) asks(o *replay.Options) {
	if f.server != nil {
		o.Alive = func(ctx context.Context) bool { return f.server.Ping(ctx) == nil }
		o.Blockers, o.AskEvery = f.blockers, replay.AskSoon
	}
}

// blockers tells which of the target's connections wait for locks of which.
func (f *faithful) blockers(ctx context.Context) (pairs [][2]uint64, err error) {
	list, err := f.server.LockWaits(ctx)
	for _, w := range list {
		pairs = append(pairs, [2]uint64{w.Waiting, w.Blocking})
	}
	return pairs, err
}

// totals sums up what the order did in a pass.
func (f *faithful) totals(s *replay.Stats) *report.OrderTotals {
	t := &report.OrderTotals{Mode: f.mode.String()}
	if f.planner == nil {
		return t
	}
	p := f.planner.Stats()
	t.Steps, t.Reads, t.Ambiguous = uint64(p.Steps), uint64(p.Reads), uint64(p.Ambiguous)
	t.GTIDs, t.OddGTIDs = uint64(p.GTIDs), uint64(p.OddGTIDs)
	t.Waits = report.OrderWaits{Proven: uint64(p.Waits[order.Proven]), Inferred: uint64(p.Waits[order.Inferred]), Guessed: uint64(p.Waits[order.Guessed])}
	t.Reasons = report.OrderReasons{WriteWrite: uint64(p.Reasons[order.WriteWrite]), WriteRead: uint64(p.Reasons[order.WriteRead]),
		ReadWrite: uint64(p.Reasons[order.ReadWrite]), Barrier: uint64(p.Reasons[order.Barrier])}
	for i := range s.Dropped {
		t.Dropped += uint64(s.Dropped[i].Load())
	}
	t.DroppedProven, t.HeldUp = uint64(s.Dropped[order.Proven].Load()), uint64(s.HeldUp.Load())
	t.Redone, t.NotRedone = uint64(s.Redone.Load()), uint64(s.NotRedone.Load())
	t.Retaken = uint64(s.Retaken.Load())
	t.SyncWait = s.SyncWait.Load() / 1000
	t.Stalls, t.WindowForced = uint64(s.Undone.Load()), uint64(p.Long)
	t.AsRecorded = report.AsRecorded{Deadlocks: uint64(p.Deadlocks), LockTimeouts: uint64(p.LockTimeouts)}
	return t
}

// write puts the totals beside the run.
func (f *faithful) write(run string, s *replay.Stats) error {
	out, err := os.Create(filepath.Join(run, orderFile))
	if err != nil {
		return err
	}
	return errors.Join(f.totals(s).Write(out), out.Close())
}

// line says in one line what the order did; "" without one.
func (f *faithful) line(w io.Writer, s *replay.Stats) {
	if f.planner == nil {
		return
	}
	t := f.totals(s)
	fmt.Fprintf(w, "order %s: %s proven, %s guessed; %s of %s overlap with a commit; waited %s in all\n", t.Mode,
		count(int64(t.Waits.Proven), "wait"), thousands(t.Waits.Guessed), thousands(t.Ambiguous), count(int64(t.Reads), "read"),
		duration(time.Duration(t.SyncWait)*time.Microsecond))
	remark(w, int64(t.GTIDs), count(int64(t.GTIDs), "commit")+" in the order that GTIDs or the binary log tell")
	remark(w, int64(t.OddGTIDs), count(int64(t.OddGTIDs), "number")+" of GTIDs or the binary log not used: what was seen contradicts them")
	if f.commits != nil {
		remark(w, int64(f.commits.Len()), count(int64(f.commits.Len()), "commit")+" in the binary logs between the first and the last moment of the recording")
	}
	remark(w, int64(t.Dropped), count(int64(t.Dropped), "wait")+" given up so that the replay went on")
	remark(w, int64(t.Redone), count(int64(t.Redone), "transaction")+" begun anew because the target refused a lock")
	remark(w, int64(t.Retaken), count(int64(t.Retaken), "time")+" a read that skips locked rows was undone because it took others than recorded")
	remark(w, int64(t.NotRedone), count(int64(t.NotRedone), "refused lock")+" that could not be tried again")
	remark(w, int64(t.AsRecorded.Deadlocks+t.AsRecorded.LockTimeouts), count(int64(t.AsRecorded.Deadlocks), "deadlock")+" and "+count(int64(t.AsRecorded.LockTimeouts), "lock timeout")+" replayed as recorded")
}

// readOrder reads the totals of a run; nil when it has none.
func readOrder(run string) (*report.OrderTotals, error) {
	r, err := os.Open(filepath.Join(run, orderFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	t := new(report.OrderTotals)
	if err := t.Read(r); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name(), err)
	}
	return t, nil
}
