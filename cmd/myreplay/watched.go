package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"myreplay/capture"
	"myreplay/mirror"
	"myreplay/report"
)

// watched is an engine that is fed from a source, and watched while it runs.
type watched struct {
	engine engine
	src    *source
	args   *engineArgs
	began  time.Time
	daemon *daemonArgs
	reread func() (string, error)
}

// run records until ctx is done or the source ends, and prints how it went.
func (w *watched) run(ctx context.Context, cancel func(), c *cobra.Command) error {
	rec := capture.New(w.src.noting(w.engine), w.src.options(w.engine.seed()))
	figures := func() mirror.Figures {
		f := withSource(w.engine.figures(), rec.Stats())
		w.src.asked.figures(&f.Source)
		return f
	}
	seen := watchFigures(figures)
	page, err := w.args.page.serve(ctx, c.Name(), seen, w.engine.report)
	if err != nil {
		seen.Stop()
		_, closing := w.engine.close(0)
		return errors.Join(err, closing)
	}
	shown := showLive(c.ErrOrStderr(), w.args.quiet, seen)
	forget := w.daemon.onHangup(ctx, shown, cancel, w.reread)
	stop := func() { forget(); shown.Stop(); page.Close(); seen.Stop() }
	w.daemon.ready()
	defer context.AfterFunc(ctx, func() { w.src.Close() })()
	w.src.waits = w.engine.flush
	err = preferred(func() error { return rec.Run(context.WithoutCancel(ctx), w.src) })
	if ctx.Err() != nil {
		fmt.Fprintf(shown, "ending: what waits is replayed for %s at most\n", duration(w.args.drain))
	}
	rep, closing := w.engine.close(w.args.drain)
	stop()
	last := figures()
	err = errors.Join(err, closing)
	if rep == nil {
		return err
	}
	w.args.summary(c.ErrOrStderr(), &last, time.Since(w.began))
	w.src.remarks(c.ErrOrStderr(), &last)
	w.engine.remarks(c.ErrOrStderr())
	return errors.Join(err, w.args.print(c, rep))
}

// print prints the report; its verdict becomes the exit code.
func (a *engineArgs) print(c *cobra.Command, rep *report.Report) error {
	r := reportArgs{json: a.json, output: a.output}
	if err := r.write(c, rep); err != nil {
		return err
	}
	return verdict(rep)
}

// withSource adds what was seen of the source.
func withSource(f mirror.Figures, s *capture.Stats) mirror.Figures {
	f.Source = mirror.SourceFigures{Sessions: s.Sessions.Load(), Open: s.Open.Load(), Joined: s.Joined.Load(), Encrypted: s.Encrypted.Load(),
		Commands: s.Commands.Load(), Replies: s.Replies.Load(), Masked: s.Masked.Load(), Gaps: s.Gaps.Load(), Dropped: s.Dropped.Load()}
	return f
}

// summary is the last line: the account of what was to be replayed.
func (a *engineArgs) summary(out io.Writer, f *mirror.Figures, d time.Duration) {
	t := &f.Target
	skipped := int64(0)
	for _, n := range t.Skipped {
		skipped += n
	}
	fmt.Fprintf(out, "mirrored %s in %s: sent %s + not sent %s = %s commands", count(t.Connected, "session"), duration(d),
		thousands(uint64(t.Sent)), thousands(uint64(skipped)), thousands(uint64(t.Commands)))
	if skipped > 0 {
		fmt.Fprintf(out, " (%s)", byNumber(t.Skipped))
	}
	if t.Sent > 0 {
		fmt.Fprintf(out, "; the latest was sent %s after it was seen", duration(time.Duration(t.MostLag)))
	}
	fmt.Fprintln(out)
	orderRemarks(out, t.Order)
	remark(out, t.Behind, count(t.Behind, "session")+" given up because the target was too slow")
	remark(out, t.Torn, tornWords(t.Torn))
	remark(out, t.Caught, count(t.Caught, "command")+" sent together with others, to catch up")
	remark(out, t.Refused, fmt.Sprintf("%s could not be opened on the target, the last one: %s", count(t.Refused, "session"), t.Refusal))
	remark(out, t.Lost, count(t.Lost, "connection")+" to the target lost")
	remark(out, t.OwnPort+t.OtherPort, fmt.Sprintf("%s from its client's address and port, %s from another port of it, %s from this host's address",
		count(t.OwnPort, "connection"), thousands(uint64(t.OtherPort)), thousands(uint64(t.OwnAddress))))
}
