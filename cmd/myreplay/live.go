package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"myreplay/mirror"
	"myreplay/report"
)

// A terminal smaller than this gets one line instead of the screen.
const (
	screenColumns = 60
	screenRows    = 12
	// screenWidest is how wide the lines become on wide terminals.
	screenWidest = 120
)

// showLive shows a mirror's figures on out until Stop: a small screen on a
// terminal, elsewhere a line now and then. Messages for the same reader go
// through the progress's Write.
func showLive(out io.Writer, quiet bool, f *figures) *progress {
	_, last := f.Latest()
	return showView(out, quiet, view{every: figuresEvery,
		plain: func() string {
			now, _ := f.Latest()
			line := liveLine(now, last, 0)
			last = now
			return line
		},
		lines: func(columns, rows int) []string {
			now, before := f.Latest()
			if columns < screenColumns || rows < screenRows {
				return []string{liveLine(now, before, columns-1)}
			}
			return liveScreen(now, before, min(columns-1, screenWidest), rows)
		}})
}

// between returns how many a second, of a count before and now.
func between(now, before *mirror.Figures, of func(*mirror.Figures) int64) string {
	return rate(max(of(now)-of(before), 0), time.Duration(now.At-before.At))
}

func seen(f *mirror.Figures) int64 { return f.Source.Commands }
func sent(f *mirror.Figures) int64 { return f.Target.Sent }

// liveLine says the figures in one line. With a width, the parts that matter
// less are left out where they don't fit.
func liveLine(now, before *mirror.Figures, width int) string {
	t, s, a := &now.Target, &now.Source, &now.Answers
	parts := []string{
		duration(time.Duration(now.At - now.Began).Round(time.Second)),
		fmt.Sprintf("%s in, %s out", between(now, before, seen), between(now, before, sent)),
		"lag " + latency(time.Duration(t.Lag)),
		differencesShort(a),
	}
	if t.Away > 0 {
		parts = slices.Insert(parts, 1, "no target for "+count(t.Away, "session"))
	}
	if now.Link != nil && !now.Link.Up {
		parts = slices.Insert(parts, 1, "no assistant")
	}
	if n := t.Behind; n > 0 {
		parts = append(parts, thousands(uint64(n))+" given up")
	}
	if n := t.Refused + t.Lost; n > 0 {
		parts = append(parts, count(n, "lost connection"))
	}
	parts = append(parts, count(s.Open, "session")+" open")
	if p := a.Recorded.P99; p > 0 {
		parts = append(parts, fmt.Sprintf("p99 %s in, %s out", micros(p), micros(a.Replayed.P99)))
	}
	if n := a.Replayed.Errors; n > 0 {
		parts = append(parts, count(n, "error"))
	}
	if n := s.Dropped; n > 0 {
		parts = append(parts, count(n, "packet")+" dropped")
	}
	line := parts[0]
	for _, p := range parts[1:] {
		if width <= 0 || columnsOf(line)+2+columnsOf(p) <= width {
			line += "  " + p
		}
	}
	if width > 0 {
		return cutTo(line, width)
	}
	return line
}

func differencesShort(a *report.Live) string {
	if a.Different == 0 {
		return "no differences"
	}
	return thousands(a.Different) + " differ"
}

// micros writes a latency, "-" where there is none.
func micros(us int64) string {
	if us == 0 {
		return "-"
	}
	return latency(time.Duration(us) * time.Microsecond)
}

// latency writes a time in three digits and a unit, so that columns stay still.
func latency(d time.Duration) string {
	digits := func(v float64, unit string) string {
		switch {
		case v < 9.995:
			return fmt.Sprintf("%.2f%s", v, unit)
		case v < 99.95:
			return fmt.Sprintf("%.1f%s", v, unit)
		}
		return fmt.Sprintf("%.0f%s", v, unit)
	}
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%dus", d.Microseconds())
	case d < 999500*time.Microsecond:
		return digits(float64(d)/float64(time.Millisecond), "ms")
	}
	return digits(d.Seconds(), "s")
}

// liveScreen says the figures in a few lines, at most width columns wide. Where
// there are enough rows, long ones take two.
func liveScreen(now, before *mirror.Figures, width, rows int) []string {
	table := []string{
		fmt.Sprintf("%-12s %8s %11s %8s %8s %7s", "up "+duration(time.Duration(now.At-now.Began).Round(time.Second)), "sessions", "commands/s", "p50", "p99", "errors"),
		liveSide("source", now.Source.Open, between(now, before, seen), &now.Answers.Recorded),
		liveSide("target", now.Target.Open, between(now, before, sent), &now.Answers.Replayed),
	}
	for most := 2; ; most-- {
		lines := table
		add := func(name, words string) {
			if words != "" {
				lines = append(lines, folded(fmt.Sprintf("%-12s ", name), printable(words), width, most)...)
			}
		}
		add("lag", lagWords(&now.Target))
		add("order", orderWords(now.Target.Order))
		add("differences", differenceWords(&now.Answers))
		add("not sent", notSentWords(&now.Target))
		add("trouble", troubleWords(now))
		add("assistant", linkWords(now.Link))
		if len(lines) < rows || most == 1 {
			return lines
		}
	}
}

// folded returns text behind a name, in at most so many lines: it is broken
// between its parts, and cut at the end.
func folded(name, text string, width, most int) (lines []string) {
	for len(lines) < most-1 && columnsOf(name+text) > width {
		fits := cutTo(text, width-columnsOf(name))
		end := strings.LastIndexAny(fits, ",;:") + 1
		if end == 0 {
			break
		}
		lines = append(lines, name+text[:end])
		name, text = strings.Repeat(" ", columnsOf(name)), strings.TrimLeft(text[end:], " ")
	}
	return append(lines, fitTo(name+text, width))
}

// fitTo returns s in at most width characters, "..." where it was cut.
func fitTo(s string, width int) string {
	if columnsOf(s) <= width {
		return s
	}
	return cutTo(s, width-3) + "..."
}

func liveSide(name string, open int64, perSecond string, s *report.LiveSide) string {
	return fmt.Sprintf("  %-10s %8s %11s %8s %8s %7s", name, thousands(uint64(max(open, 0))), strings.TrimSuffix(perSecond, "/s"),
		micros(s.P50), micros(s.P99), thousands(s.Errors))
}

func lagWords(t *mirror.TargetFigures) string {
	words := fmt.Sprintf("%s now, %s at most", latency(time.Duration(t.Lag)), latency(time.Duration(t.MostLag)))
	if t.Held > 0 && t.Limit > 0 {
		words += fmt.Sprintf("; %s of %s wait", bytesText(uint64(t.Held)), bytesText(uint64(t.Limit)))
	}
	return words
}

// differenceWords sums up the differences by class, those that count first.
func differenceWords(a *report.Live) string {
	compared := " in " + thousands(a.Compared) + " compared"
	counted, excused := map[string]uint64{}, map[string]uint64{}
	for _, d := range a.Differences {
		if d.Counted > 0 {
			counted[spaced(d.Class)] += d.Counted
		}
		if d.Commands > d.Counted {
			excused[spaced(d.Cause)] += d.Commands - d.Counted
		}
	}
	words := "none" + compared
	if a.Different > 0 {
		words = thousands(a.Different) + compared
	}
	if len(counted) > 0 {
		words += ": " + byNumber(counted)
	}
	if len(excused) > 0 {
		words += "; not counted: " + byNumber(excused)
	}
	return words
}

// spaced is a name of JSON in words.
func spaced(name string) string { return strings.ReplaceAll(name, "_", " ") }

// byNumber lists counts, the largest first.
func byNumber[N int64 | uint64](counts map[string]N) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var list []string
	for _, n := range names {
		list = append(list, n+" "+thousands(uint64(counts[n])))
	}
	return strings.Join(list, ", ")
}

func notSentWords(t *mirror.TargetFigures) string {
	n := int64(0)
	for _, c := range t.Skipped {
		n += c
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s: %s", thousands(uint64(n)), count(t.Commands, "command"), byNumber(t.Skipped))
}

// troubleWords says what went wrong so far, "" where nothing did.
func troubleWords(f *mirror.Figures) string {
	s, t := &f.Source, &f.Target
	var list []string
	add := func(n int64, words string) {
		if n > 0 {
			list = append(list, words)
		}
	}
	add(t.Away, count(t.Away, "session")+" without the target now ("+t.Trouble+")")
	add(t.Behind, count(t.Behind, "session")+" given up: target too slow")
	add(s.Dropped, count(s.Dropped, "packet")+" dropped")
	add(t.Lost, count(t.Lost, "connection")+" lost")
	add(s.Gaps, count(s.Gaps, "gap"))
	add(s.Encrypted, count(s.Encrypted, "session")+" encrypted")
	refused := count(t.Refused, "session") + " refused"
	if t.Refusal != "" {
		refused += " (" + t.Refusal + ")"
	}
	add(t.Refused, refused) // last: it may be long
	return strings.Join(list, ", ")
}

func linkWords(l *mirror.LinkFigures) string {
	if l == nil {
		return ""
	}
	words := "connected"
	if !l.Up {
		words = "not connected"
		if l.Trouble != "" {
			words += ": " + l.Trouble
		}
	}
	if l.Waiting > 0 {
		words += ", " + bytesText(uint64(l.Waiting)) + " wait for it"
	}
	if l.Broken > 0 {
		words += fmt.Sprintf("; broken %s, %s ended, %s lost", count(l.Broken, "time"), count(l.Ended, "session"), count(l.Lost, "event"))
	}
	return words
}
