package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"myreplay/compare"
	"myreplay/session"
)

// TestScripts: testdata/scripts has events as text (see script) and the reports that
// come of them.
//
//	new [sides=two_runs|capture] [copies=2] [max-classes=n] [memory=n] [fail-slower=x] ...
//	repeat passes=2              the run replayed all of it so many times
//	source, recorded, replayed   hold events for the report
//	noise                        print the noise floor
//	text [width=n] [all] [top=n] [only=first]    print it; json too
//
// or, told as it happens:
//
//	tell                  lines of recorded and replayed events
//	live                  the figures
//	snapshot, finish      print the report, as text does
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var s scripted
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.run(t, d)
		})
	})
}

type scripted struct {
	options Options
	events  map[string][]session.Event
	passes  int
	// builder is told the sides' events as they come.
	builder *Builder
	sides   map[string]*script
}

func (s *scripted) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "new":
		s.events, s.passes = map[string][]session.Event{}, 1
		s.options = optionsOf(t, d)
		s.builder, s.sides = New(s.options), map[string]*script{"recorded": newScript(t), "replayed": newScript(t)}
	case "tell":
		s.tell(d)
	case "live":
		return s.live()
	case "snapshot":
		return render(t, d, s.builder.Snapshot())
	case "finish":
		return render(t, d, s.builder.Finish())
	case "source", "recorded", "replayed":
		s.events[d.Cmd] = newScript(t).parse(d.Input)
	case "repeat":
		d.ScanArgs(t, "passes", &s.passes)
	case "noise":
		return s.report(t).Noise().String() + "\n"
	case "text", "json":
		return render(t, d, s.report(t))
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return ""
}

// tell tells the events of lines such as "replayed 1: query => rows 1". Both sides
// have one clock.
func (s *scripted) tell(d *datadriven.TestData) {
	for _, line := range strings.Split(d.Input, "\n") {
		side, event, _ := strings.Cut(line, " ")
		script := s.sides[side]
		now := max(s.sides["recorded"].now, s.sides["replayed"].now)
		script.now, script.out = now, nil
		tell := map[string]func(session.Event){"recorded": s.builder.Recorded, "replayed": s.builder.Replayed}[side]
		for _, e := range script.parse(event) {
			tell(e)
		}
	}
}

func (s *scripted) live() string {
	var out strings.Builder
	l := s.builder.Live()
	for _, side := range []struct {
		name string
		LiveSide
	}{{"recorded", l.Recorded}, {"replayed", l.Replayed}} {
		fmt.Fprintf(&out, "%s: %d commands, %d replies, %d errors, p50 %d us, p99 %d us\n", side.name, side.Commands, side.Replies, side.Errors, side.P50, side.P99)
	}
	fmt.Fprintf(&out, "%d compared, %d different, not compared: %s\n", l.Compared, l.Different, listOf(l.NotCompared))
	for _, x := range l.Differences {
		fmt.Fprintf(&out, "%s (%s): %d, %d count, in %d classes\n", x.Class, x.Cause, x.Commands, x.Counted, x.Classes)
	}
	return out.String()
}

// render returns a report as text or JSON.
func render(t *testing.T, d *datadriven.TestData, r *Report) string {
	var out strings.Builder
	o := TextOptions{All: d.HasArg("all"), Colour: d.HasArg("colour")}
	d.MaybeScanArgs(t, "width", &o.Width)
	d.MaybeScanArgs(t, "top", &o.Top)
	d.MaybeScanArgs(t, "sections", &o.Sections)
	write := func() error { return r.WriteText(&out, o) }
	if d.Cmd == "json" {
		write = func() error { return r.WriteJSON(&out) }
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	return pick(t, out.String(), d)
}

// pick returns the part of a report that a test is about.
func pick(t *testing.T, out string, d *datadriven.TestData) string {
	var only string
	d.MaybeScanArgs(t, "only", &only)
	from, to := 0, len(out)
	cutAt := func(mark string) int {
		if i := strings.Index(out, mark); i >= 0 {
			return i + 1
		}
		return len(out)
	}
	switch only {
	case "first":
		to = cutAt("\n# Overall")
	case "differences": // and the verdict and the account
		to = cutAt("\nSpeed")
	case "overall":
		from, to = cutAt("\n# Overall"), cutAt("\n# What this")
	case "order":
		from, to = cutAt("\n# Order between"), cutAt("\n# What this")
	case "unknown":
		from, to = cutAt("\n# What this"), cutAt("\n# Profile")
	case "profile":
		from, to = cutAt("\n# Profile"), cutAt("\n# Query ")
	case "sections":
		from = cutAt("\n# Query ")
	}
	return strings.TrimSpace(out[min(from, to):to]) + "\n"
}

func (s *scripted) report(t *testing.T) *Report {
	b := New(s.options)
	capture := s.next("recorded")
	for range s.passes - 1 {
		capture = andAgain(capture, s.next("recorded"))
	}
	if err := b.Merge(s.next("source"), capture, s.next("replayed")); err != nil {
		t.Fatal(err)
	}
	return b.Finish()
}

func (s *scripted) next(name string) Next {
	if s.events[name] == nil {
		return nil
	}
	return nextOf(s.events[name])
}

// andAgain gives the events of one pass and then those of the next.
func andAgain(first, then Next) Next {
	ended := false
	return func() (session.Event, error) {
		if ended {
			return then()
		}
		e, err := first()
		if err == io.EOF {
			ended = true
			return nil, ErrAgain
		}
		return e, err
	}
}

func nextOf(events []session.Event) Next {
	return func() (session.Event, error) {
		if len(events) == 0 {
			return nil, io.EOF
		}
		e := events[0]
		events = events[1:]
		return e, nil
	}
}

func optionsOf(t *testing.T, d *datadriven.TestData) Options {
	o := Options{RecordedName: "prod", ReplayedName: "run"}
	for _, arg := range d.CmdArgs {
		value := strings.Join(arg.Vals, ",")
		number := func() int {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		var err error
		switch arg.Key {
		case "sides":
			o.Sides = map[string]Sides{"two_runs": TwoRuns, "capture": CaptureAlone}[value]
		case "copies":
			o.Copies = number()
		case "max-classes":
			o.MaxClasses = number()
		case "max-examples":
			o.MaxExamples = number()
		case "example-bytes":
			o.ExampleBytes = number()
		case "memory":
			o.Memory = number()
		case "allow-incomplete":
			o.AllowIncomplete = true
		case "params":
			o.Params = func(c *session.Command, sql []byte) string { return string(c.Payload[1:]) }
		case "order":
			o.Order = &OrderTotals{Mode: value, Steps: 120, Waits: OrderWaits{40, 5, 3}, Reasons: OrderReasons{20, 15, 10, 3}, Reads: 60, Ambiguous: 6,
				Dropped: 2, Redone: 1, NotRedone: 1, SyncWait: 1500, Stalls: 1}
		case "ignore":
			o.Rules.Ignore, err = compare.ParseClasses(value)
		case "count-missing":
			o.Rules.CountMissing = true
		case "fail-slower":
			o.Speed.Fail, err = strconv.ParseFloat(value, 64)
		case "min-shift":
			o.Speed.MinShift, err = time.ParseDuration(value)
		default:
			t.Fatalf("no option %q", arg.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}
