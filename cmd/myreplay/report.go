package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"myreplay/capfile"
	"myreplay/compare"
	"myreplay/report"
	"myreplay/session"
)

// reportArgs are the flags of report.
type reportArgs struct {
	json, all, incomplete, ignoreOrder, countGenerated bool
	ignore                                             []string
	examples, width, top                               int
	maxRatio                                           float64
	output                                             string
	params                                             params
}

func reportCommand() *cobra.Command {
	a := reportArgs{}
	c := &cobra.Command{
		Use:   "report CAPTURE [RUN] | report RUN RUN",
		Short: "Say what differs between a recording and its replay",
		Long: `Compare what was recorded with what a replay's target answered, or two replays
of the same capture with each other: differences by class, grouped by statement,
and what got slower or faster. With a capture alone: a profile of it.

Exit codes: 0 the same, 1 something differs, 2 could not be compared.`,
		Example: `  myreplay report prod prod.run-20261121T100000
  myreplay report prod run1 --json | jq .verdict
  myreplay report run1 run2`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&a.json, "json", false, "print JSON for machines")
	f.StringVarP(&a.output, "output", "o", "", "write to `FILE` instead of stdout")
	f.BoolVar(&a.all, "all", false, "describe all statements, not only those that differ or got slower")
	f.IntVar(&a.examples, "examples", report.DefaultMaxExamples, "examples of each difference")
	f.IntVar(&a.top, "top", report.DefaultTop, "statements in the profile")
	f.IntVar(&a.width, "width", 0, "columns (default: the terminal's, or 100)")
	f.StringSliceVar(&a.ignore, "ignore", nil, "`CLASS`es of differences that don't matter, such as warnings,insert_id")
	f.BoolVar(&a.ignoreOrder, "ignore-row-order", false, "rows in another order are the same, also with an ORDER BY")
	f.BoolVar(&a.countGenerated, "count-generated", false, "differences in generated values (NOW(), UUID() ...) count, too")
	f.BoolVar(&a.incomplete, "allow-incomplete", false, "a replay that did not reach its end may count as the same")
	f.Float64Var(&a.maxRatio, "fail-slower", 0, "also exit with 1 when a statement takes this many times as long")
	return c
}

func (a *reportArgs) run(c *cobra.Command, args []string) error {
	o, err := a.options()
	if err != nil {
		return err
	}
	sides, err := openSides(args)
	if err != nil {
		return err
	}
	defer sides.close()
	if err := sides.describe(&o); err != nil {
		return err
	}
	b := report.New(o)
	err = b.Merge(a.seen(sides.next(0)), a.seen(sides.next(1)), sides.next(2))
	for _, r := range sides.readers {
		if r != nil {
			damageNote(c.ErrOrStderr(), r)
		}
	}
	if err != nil {
		return err
	}
	rep := b.Finish()
	if err := a.write(c, rep); err != nil {
		return err
	}
	return verdict(rep)
}

// seen lets the parameters see a stream pass.
func (a *reportArgs) seen(next report.Next) report.Next {
	if next == nil {
		return nil
	}
	return func() (session.Event, error) {
		e, err := next()
		if s, ok := e.(*session.Start); ok {
			a.params.see(s)
		}
		return e, err
	}
}

// verdict turns a report's verdict into an exit code.
func verdict(r *report.Report) error {
	switch r.Verdict.Result {
	case report.Differs:
		return errDiffers
	case report.Incomparable:
		return fmt.Errorf("could not be compared: %s", r.Verdict.Reason)
	}
	return nil
}

func (a *reportArgs) write(c *cobra.Command, r *report.Report) error {
	out := c.OutOrStdout()
	if a.output != "" {
		f, err := os.Create(a.output)
		if err != nil {
			return err
		}
		return errors.Join(a.render(f, r, false), f.Close())
	}
	f, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	if terminal && a.width == 0 {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			a.width = w
		}
	}
	return a.render(out, r, terminal && os.Getenv("NO_COLOR") == "")
}

func (a *reportArgs) render(w io.Writer, r *report.Report, colour bool) error {
	if a.json {
		return r.WriteJSON(w)
	}
	return r.WriteText(w, report.TextOptions{Width: a.width, Top: a.top, All: a.all, Colour: colour})
}

func (a *reportArgs) options() (report.Options, error) {
	o := report.Options{MaxExamples: a.examples, AllowIncomplete: a.incomplete, Words: wordsOf, Params: a.params.text}
	if a.examples == 0 {
		o.MaxExamples = -1
	}
	o.Rules.CountGenerated = a.countGenerated
	if a.ignoreOrder {
		o.Rules.RowOrder = compare.OrderIgnored
	}
	o.Speed.Fail = a.maxRatio
	var err error
	if o.Rules.Ignore, err = compare.ParseClasses(strings.Join(a.ignore, ",")); err != nil {
		return o, fmt.Errorf("--ignore: %w", err)
	}
	return o, nil
}

// sides are the streams of a report.
type sides struct {
	// readers are the capture that two runs were made from, the recorded and
	// the replayed side; nil where there is none.
	readers [3]*capfile.Reader
	paths   [3]string
	kind    report.Sides
	// passes is how many times a run replayed its capture.
	passes int
}

// openSides opens what is to be compared, and sees that it belongs together.
func openSides(args []string) (s *sides, err error) {
	s = &sides{kind: report.CaptureAlone, passes: 1}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for i, path := range args {
		if is, err := isCapture(path); err != nil {
			return s, err
		} else if !is {
			return s, fmt.Errorf("%s is no capture: record it first (myreplay capture --read %s -o DIR)", path, path)
		}
		if s.readers[i+1], err = capfile.Open(path); err != nil {
			return s, err
		}
		s.paths[i+1] = path
	}
	if len(args) == 1 {
		return s, nil
	}
	a, b := s.readers[1].Meta(), s.readers[2].Meta()
	switch {
	case b.Kind != capfile.KindRun:
		return s, fmt.Errorf("%s is no run: give the capture first and the run second", args[1])
	case a.Kind == capfile.KindCapture:
		s.kind = report.CaptureAndRun
		if b.Of != a.ID {
			return s, fmt.Errorf("%s was not made from %s (it says it replayed %s)", args[1], args[0], b.OfPath)
		}
		return s, nil
	case a.Of != b.Of:
		return s, fmt.Errorf("%s and %s were not made from the same capture", args[0], args[1])
	}
	s.kind = report.TwoRuns
	if source, err := capfile.Open(b.OfPath); err == nil {
		if source.Meta().ID == b.Of {
			s.readers[0], s.paths[0] = source, b.OfPath
		} else {
			source.Close()
		}
	}
	return s, nil
}

func (s *sides) close() {
	for _, r := range s.readers {
		if r != nil {
			r.Close()
		}
	}
}

// next returns a side's stream. A capture is read as often as the run replayed
// it.
func (s *sides) next(i int) report.Next {
	if s.readers[i] == nil {
		return nil
	}
	pass := 1
	return func() (session.Event, error) {
		e, err := s.readers[i].Next()
		if !errors.Is(err, io.EOF) || pass >= s.passes || s.readers[i].Meta().Kind != capfile.KindCapture {
			return e, err
		}
		pass++
		again, err := capfile.Open(s.paths[i])
		if err != nil {
			return nil, err
		}
		s.readers[i].Close()
		s.readers[i] = again
		return nil, report.ErrAgain
	}
}

// describe tells a report what the sides are.
func (s *sides) describe(o *report.Options) (err error) {
	o.Sides = s.kind
	o.RecordedName, o.ReplayedName = s.paths[1], s.paths[2]
	if s.kind == report.CaptureAlone {
		return nil
	}
	m := s.readers[2].Meta()
	if m.Target != "" {
		o.ReplayedName += " on " + m.Target
	}
	o.Rules.NoDigests = m.Seed != s.readers[1].Meta().Seed
	o.Copies = max(number(m.Options["copies"]), 1)
	s.passes = max(number(m.Options["repeat"]), 1)
	o.Order, err = readOrder(s.paths[2])
	return err
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // what is no number counts as none
	return n
}
