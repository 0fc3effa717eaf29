package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"myreplay/compare"
	"myreplay/order"
	"myreplay/replay"
	"myreplay/report"
	"myreplay/session"
	"myreplay/target"
)

// resetData runs the command that gives the target its data back.
func (a *replayArgs) resetData(ctx context.Context, c *cobra.Command) error {
	if a.reset == "" {
		return errors.New("a second pass needs the data that the first one found: --reset COMMAND gives it back")
	}
	fmt.Fprintln(c.ErrOrStderr(), "reset:", a.reset)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", a.reset)
	cmd.Stdout, cmd.Stderr = c.ErrOrStderr(), c.ErrOrStderr()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("--reset: %w", err)
	}
	return nil
}

// refineRuns replays, and again with other guesses where answers differed, until
// none does or nothing more helps. The last run stays; what was learned by the
// best is kept beside the capture.
func (a *replayArgs) refineRuns(c *cobra.Command, path string, urls []*target.URL, f *faithful, o replay.Options) error {
	ctx, errs := c.Context(), c.ErrOrStderr()
	if a.reset == "" {
		return errors.New("--refine replays several times: --reset COMMAND gives the target its data back between passes")
	}
	r := order.NewRefiner(f.learned)
	best := -1
	for n := 0; ; n++ {
		if n > 0 {
			if err := errors.Join(a.resetData(ctx, c), os.RemoveAll(a.run)); err != nil {
				return err
			}
		}
		if err := a.pass(c, path, urls, a.run, f, o); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		planned, _ := f.planner.(*order.Planner)
		differ, err := differing(path, a.run, func(id, seq uint64, guesses []session.Guess, differs bool) {
			r.Judged(id, seq, guesses, differs, planned)
		})
		if err != nil {
			return err
		}
		if best < 0 || differ < best {
			best = differ
			if err := r.Learned().Save(beside(path, learnedFile)); err != nil {
				return err
			}
		}
		left := r.Next()
		fmt.Fprintf(errs, "refine: pass %d: %s of the order's making, %s to try elsewhere\n", n+1, count(int64(differ), "difference"), thousands(uint64(left)))
		if differ == 0 || left == 0 || n == a.refine {
			return nil
		}
		f.learned = r.Learned()
	}
}

// differing compares a run with its capture, and counts the commands whose
// answers differ in what an order may cause.
func differing(path, run string, tell func(id, seq uint64, guesses []session.Guess, differs bool)) (n int, err error) {
	o := report.Options{MaxExamples: -1, Rules: compare.Rules{Ignore: compare.Of(compare.WarningCount)}}
	o.Judged = func(id, seq uint64, guesses []session.Guess, differs bool) {
		if differs {
			n++
		}
		tell(id, seq, guesses, differs)
	}
	_, err = compared(path, run, o)
	return n, err
}

// compared compares two sides.
func compared(a, b string, o report.Options) (*report.Report, error) {
	sides, err := openSides([]string{a, b})
	if err != nil {
		return nil, err
	}
	defer sides.close()
	if err := sides.describe(&o); err != nil {
		return nil, err
	}
	builder := report.New(o)
	if err := builder.Merge(sides.next(0), sides.next(1), sides.next(2)); err != nil {
		return nil, err
	}
	return builder.Finish(), nil
}

// checkTwice replays twice and prints how much differs by itself: from the
// recording, and between the two.
func (a *replayArgs) checkTwice(c *cobra.Command, path string, urls []*target.URL, f *faithful, o replay.Options) error {
	first, second := urls, urls
	if len(urls) == 2 && urls[0].Protocol == urls[1].Protocol {
		first, second = urls[:1], urls[1:]
	} else if a.reset == "" {
		return errors.New("--check replays twice: name a second, equal target, or give --reset COMMAND")
	}
	runs := [2]string{a.run, a.run + ".again"}
	for n, u := range [2][]*target.URL{first, second} {
		if n > 0 && a.reset != "" {
			if err := a.resetData(c.Context(), c); err != nil {
				return err
			}
		}
		if err := a.pass(c, path, u, runs[n], f, o); err != nil || c.Context().Err() != nil {
			return err
		}
	}
	out := c.OutOrStdout()
	for _, pair := range [][2]string{{path, runs[0]}, {path, runs[1]}, {runs[0], runs[1]}} {
		r, err := compared(pair[0], pair[1], report.Options{MaxExamples: -1})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s and %s\n%s\n", pair[0], pair[1], r.Noise())
	}
	return nil
}
