package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capfile"
	"myreplay/capture"
	"myreplay/decode"
	"myreplay/mirror"
	"myreplay/outcome"
	"myreplay/session"
)

// recording are the flags and the work that capture and relay share: events to
// a capture on disk.
type recording struct {
	dir         string
	keep        rows
	memory      size
	commandSize size
	rotateSize  size
	rotateEvery time.Duration
	maxSize     size
	ring        bool
	flushEvery  time.Duration
	duration    time.Duration
	quiet       bool
	live        bool // the source can't wait
	// spoken is the protocol of all connections; Unknown: their first bytes tell.
	spoken session.Protocol
	// source is asked about what was there before; from is what it told.
	source sourceArgs
	from   *sourceRecord
}

func (r *recording) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&r.dir, "output", "o", "", "the capture: a new `DIR` (%Y %m %d %H %M %S stand for the time)")
	f.Var(&r.keep, "rows", "keep the first N rows of each result, or all (they may hold personal data)")
	f.Var(&r.memory, "memory", "limit of what is held of unfinished packets and statements")
	f.Var(&r.commandSize, "max-statement", "keep only the first bytes of statements longer than this; they can't be replayed")
	f.Var(&r.rotateSize, "rotate-size", "begin a new segment file at this size")
	f.DurationVar(&r.rotateEvery, "rotate-every", 0, "begin a new segment file after this time")
	f.Var(&r.maxSize, "max-size", "end the recording at this size")
	f.BoolVar(&r.ring, "ring", false, "with --max-size: delete the oldest segments instead")
	f.DurationVar(&r.flushEvery, "flush-every", time.Second, "the longest time that events wait in memory")
	f.DurationVar(&r.duration, "for", 0, "end the recording after this time")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "show no progress")
	r.source.flags(c)
}

// options returns how sessions are decoded.
func (r *recording) options(seed uint64) capture.Options {
	var o capture.Options
	o.Decode.Seed = seed
	o.Decode.Keep = int(r.keep)
	o.Decode.Memory = int(r.memory)
	o.Decode.CommandLimit = int(r.commandSize)
	o.Decode.Protocol = alwaysSpoken(r.spoken)
	return o
}

// create begins the capture on disk.
func (r *recording) create(source capfile.Source) (*capfile.Writer, error) {
	if r.dir == "" {
		return nil, errors.New("where to? give a directory for the capture with -o DIR")
	}
	r.dir = expandTime(r.dir, time.Now())
	meta := capfile.Meta{Kind: capfile.KindCapture, Created: time.Now().UTC(), Tool: tool(), Seed: rand.Uint64(), Source: source,
		Options: map[string]string{"rows": r.keep.String()}}
	o := capfile.Options{RotateBytes: int64(r.rotateSize), RotateEvery: r.rotateEvery, MaxTotal: int64(r.maxSize), Ring: r.ring, FlushEvery: r.flushEvery}
	if !r.live {
		o.Policy, o.FlushEvery, o.SyncEvery = capfile.Wait, -1, -1
	}
	w, err := capfile.Create(r.dir, meta, o)
	var exists *capfile.ExistsError
	if errors.As(err, &exists) {
		return nil, fmt.Errorf("%w; a pattern such as '%s-%%Y%%m%%dT%%H%%M%%S' makes a new one at each start", err, strings.TrimRight(r.dir, "/"))
	}
	if err != nil {
		return nil, err
	}
	if err := r.from.write(r.dir); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// record runs the recording from src until it ends, and prints how it went.
// remarks prints lines about the source.
func (r *recording) record(ctx context.Context, c *cobra.Command, src capture.Source, w *capfile.Writer, remarks func(io.Writer)) error {
	if r.duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, r.duration)
		defer stop()
	}
	var sink capture.Sink = w
	if r.from != nil {
		sink = newNotingSink(w, r.from.asked)
	}
	rec := capture.New(sink, r.options(w.Meta().Seed))
	begin := time.Now()
	shown := showProgress(c.ErrOrStderr(), r.quiet, func() string { return r.line(rec.Stats(), time.Since(begin)) })
	if closer, ok := src.(io.Closer); ok {
		// A source that waits for packets is woken by closing it.
		defer context.AfterFunc(ctx, func() { closer.Close() })()
		ctx = context.WithoutCancel(ctx)
	}
	err := rec.Run(ctx, src)
	shown.Stop()
	err = errors.Join(err, w.Close())
	totals := w.Totals()
	if limit := (*capfile.LimitError)(nil); errors.As(err, &limit) {
		fmt.Fprintf(c.ErrOrStderr(), "the recording ended at its size limit: %v\n", limit)
		err = nil
	}
	r.summary(c.ErrOrStderr(), rec.Stats(), &totals, time.Since(begin))
	remarks(c.ErrOrStderr())
	return err
}

// line is the progress of a recording.
func (r *recording) line(s *capture.Stats, d time.Duration) string {
	line := fmt.Sprintf("%s  %s open  %s (%s)", duration(d), count(s.Open.Load(), "session"), count(s.Commands.Load(), "command"), rate(s.Commands.Load(), d))
	if n := s.Dropped.Load(); n > 0 {
		line += "  " + count(n, "packet") + " dropped"
	}
	if n := s.Gaps.Load(); n > 0 {
		line += "  " + count(n, "gap")
	}
	return line
}

// summary prints what was recorded and what was not.
func (r *recording) summary(out io.Writer, s *capture.Stats, t *capfile.Totals, d time.Duration) {
	commands := t.CommandCount()
	fmt.Fprintf(out, "recorded %s, %s, %s in %s: %s in %s", count(t.Sessions, "session"), count(commands, "command"),
		count(t.Replies, "reply"), duration(d), bytesText(t.Stored), r.dir)
	if commands > 0 {
		fmt.Fprintf(out, " (%.1f bytes a command)", float64(t.Stored)/float64(commands))
	}
	fmt.Fprintln(out)
	remark(out, s.Dropped.Load(), count(s.Dropped.Load(), "packet")+" dropped by the kernel: a larger --ring-buffer helps, a narrower filter, or (on a host without idle CPU) a start with setsid")
	remark(out, t.Dropped.Events(), count(t.Dropped.Events(), "event")+" not written: the disk was too slow for them, or they were longer than 64 MiB")
	encrypted := s.Encrypted.Load()
	if r.from == nil {
		remark(out, s.Joined.Load(), count(s.Joined.Load(), "session")+" joined in mid-life: prepared statements and settings from before are not known (--source asks the server for them)")
	} else {
		// Those that asked are not recorded.
		var own mirror.SourceFigures
		r.from.asked.figures(&own)
		encrypted += own.Encrypted
		joined, found := s.Joined.Load()+own.Joined, r.from.asked.found.Load()
		remark(out, joined, fmt.Sprintf("%s joined in mid-life; what was set up before, the source told of %s", count(joined, "session"), thousands(uint64(found))))
	}
	remark(out, encrypted, count(encrypted, "session")+" encrypted (TLS), so not readable from the wire: turn TLS off for these clients")
	remark(out, s.NotUnderstood.Load(), count(s.NotUnderstood.Load(), "connection")+" without a readable session (another protocol, or too little was seen)")
	remark(out, s.Masked.Load(), count(s.Masked.Load(), "command")+" with a secret, kept masked: a replay skips them")
	remark(out, t.Cut, count(t.Cut, "command")+" longer than --max-statement, kept in part: a replay skips them")
	for _, reason := range slices.Sorted(maps.Keys(gapReasons)) {
		remark(out, t.Gaps[reason], fmt.Sprintf("%s: %s (%s)", gapReasons[reason], count(t.Gaps[reason], "gap"), bytesText(t.LostBytes[reason])))
	}
}

// gapReasons are the gaps that a summary lists.
var gapReasons = map[session.Reason]string{
	session.LostBytes: "packets missing from the recording", session.Snapped: "packets cut by a short snaplen",
	session.MemoryLimit: "given up at the memory limit", session.NotUnderstood: "bytes that do not follow the protocol",
	session.CommandLost: "commands lost in part or whole",
}

// expandTime puts the time into a file name, as tcpdump's -w does with
// strftime's letters.
func expandTime(name string, t time.Time) string {
	for verb, layout := range map[string]string{"%Y": "2006", "%m": "01", "%d": "02", "%H": "15", "%M": "04", "%S": "05"} {
		name = strings.ReplaceAll(name, verb, t.Format(layout))
	}
	return name
}

// decodeSeed returns decoding options with a seed for the digests.
func decodeSeed(seed uint64) decode.Options {
	return decode.Options{Options: outcome.Options{Seed: seed}}
}
