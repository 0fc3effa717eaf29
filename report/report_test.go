package report

import (
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
//	text [width=n] [all] [top=n] [only=first]    print it; json too
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
}

func (s *scripted) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "new":
		s.events, s.passes = map[string][]session.Event{}, 1
		s.options = optionsOf(t, d)
	case "source", "recorded", "replayed":
		s.events[d.Cmd] = newScript(t).parse(d.Input)
	case "repeat":
		d.ScanArgs(t, "passes", &s.passes)
	case "text", "json":
		var out strings.Builder
		r := s.report(t)
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
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return ""
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
	case "overall":
		from, to = cutAt("\n# Overall"), cutAt("\n# What this")
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
		case "ignore":
			o.Rules.Ignore, err = compare.ParseClasses(value)
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
