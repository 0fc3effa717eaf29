package order

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"myreplay/schema"
	"myreplay/session"
)

// TestLive runs the scripts in testdata/live: those of TestPlan, and lines "tick
// TIME". What comes out are the commands with the time at which they are handed
// on.
func TestLive(t *testing.T) {
	runScripts(t, "live", live)
}

func live(t *testing.T, d *datadriven.TestData, tables *schema.Schema) string {
	o, window := Options{Mode: Row, Schema: tables}, time.Hour
	for _, a := range d.CmdArgs {
		n, err := strconv.Atoi(a.Vals[0])
		if err != nil {
			return err.Error()
		}
		switch a.Key {
		case "window":
			window = time.Duration(n) * time.Microsecond
		case "bytes":
			o.HoldBytes = n
		}
	}
	var ticks []int64
	var lines []string
	for _, line := range strings.Split(d.Input, "\n") {
		if at, ok := strings.CutPrefix(line, "tick "); ok {
			n, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				return err.Error()
			}
			ticks = append(ticks, n*1000)
			continue
		}
		lines = append(lines, line)
	}
	l := NewLive(o, window)
	var b strings.Builder
	now := int64(0)
	var steps []*Step
	emit := func(e session.Event, s *Step) error {
		if c, ok := e.(*session.Command); ok {
			steps = append(steps, s)
			text := strings.TrimSuffix(stepLine(c, s), "\n")
			if s.Answered {
				text = strings.Replace(text, string(c.SQL), string(c.SQL)+"  (answered)", 1)
			}
			fmt.Fprintf(&b, "at %d: %s\n", now/1000, text)
		}
		return nil
	}
	for _, e := range script(t, strings.Join(lines, "\n")) {
		_, at := e.Key()
		for len(ticks) > 0 && ticks[0] <= at {
			now = ticks[0]
			if err := l.Tick(now, emit); err != nil {
				return err.Error()
			}
			ticks = ticks[1:]
		}
		now = at
		if err := l.See(e, emit); err != nil {
			return err.Error()
		}
	}
	for _, now = range ticks {
		if err := l.Tick(now, emit); err != nil {
			return err.Error()
		}
	}
	b.WriteString("end\n")
	if err := l.Flush(emit); err != nil {
		return err.Error()
	}
	if n := l.Stats().Late; n > 0 {
		fmt.Fprintf(&b, "%d late\n", n)
	}
	for _, s := range steps {
		for _, g := range s.Unproven()[len(s.Guesses):] {
			fmt.Fprintf(&b, "%d.%d guess %d.%d seen=%v\n", s.Session, s.Seq, g.Session, g.Seq, g.Seen)
		}
	}
	if n := l.Stats().Torn; n > 0 {
		fmt.Fprintf(&b, "%d torn\n", n)
	}
	return b.String()
}
