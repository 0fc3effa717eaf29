package report

import (
	"fmt"
	"strings"
)

// overall writes the header: both sides beside each other, then the times.
func (t *text) overall() {
	r := t.r
	t.line("")
	head := "# Overall: " + plural(uint64(len(r.Classes)), "query class", "query classes")
	t.line("%s %s", head, t.rule(len(head)+1))
	row := func(name string, value func(*Side) string) {
		width := (t.o.Width - 20) / 2
		if r.Replayed == nil {
			t.line("# %-16s %s", name, fit(value(r.Recorded), t.o.Width-20))
			return
		}
		t.line("# %-16s %-*s %s", name, width, fit(value(r.Recorded), width), fit(value(r.Replayed), width))
	}
	if r.Replayed != nil {
		t.line("# %-16s %-*s %s", "", (t.o.Width-20)/2, "Recorded", "Replayed")
	}
	row("Name", func(s *Side) string { return s.Name })
	row("Server", serverNames)
	row("From", func(s *Side) string { return clock(s.From) })
	row("To", func(s *Side) string { return clock(s.To) })
	row("Duration", func(s *Side) string { return duration(s.Wall) })
	row("Sessions", sessionWords)
	row("Commands", func(s *Side) string {
		return fmt.Sprintf("%s (%s per second)", number(s.Commands), three(s.CommandsPerSecond))
	})
	row("Concurrency", func(s *Side) string { return three(s.Concurrency) + " commands at once" })
	row("Answers", func(s *Side) string {
		return fmt.Sprintf("%s (%s, %s)", number(s.Replies), plural(s.Errors, "error", "errors"), size(s.Bytes))
	})
	row("Rows", func(s *Side) string { return number(s.Rows) })
	t.line("#")
	t.timesHead("Attribute")
	t.timesLine("Recorded time", &r.Recorded.Took)
	t.momentsLine("  first byte", &r.Recorded.FirstByte)
	if r.Replayed != nil {
		t.timesLine("Replayed time", &r.Replayed.Took)
		t.momentsLine("  first byte", &r.Replayed.FirstByte)
	}
	if r.Lag != nil {
		t.timesLine("Replay lag", &r.Lag.Times)
		t.line("# Sent on time: %s within 5 ms of when it was due. The lag is not part of the times above.", percent(r.Lag.OnTime, 1))
	}
	t.kinds()
}

// rule returns underscores to the end of the line, after used columns.
func (t *text) rule(used int) string { return strings.Repeat("_", max(t.o.Width-used, 3)) }

func serverNames(s *Side) string {
	if len(s.Servers) == 0 {
		return "not known"
	}
	var names []string
	for _, c := range s.Servers {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// clock returns a time of the model without its zone, which is UTC.
func clock(stamp string) string {
	if strings.HasPrefix(stamp, "1970-01-01T00:00:00.000000") {
		return "not known"
	}
	return strings.TrimSuffix(strings.Replace(stamp, "T", " ", 1), "Z") + " UTC"
}

func sessionWords(s *Side) string {
	var more []string
	for _, c := range []Count{{"joined in mid-life", s.Joined}, {"TLS", s.Encrypted}, {"refused", s.Refused}} {
		if c.Count > 0 {
			more = append(more, number(c.Count)+" "+c.Name)
		}
	}
	if len(more) == 0 {
		return number(s.Sessions)
	}
	return number(s.Sessions) + " (" + strings.Join(more, ", ") + ")"
}

func (t *text) timesHead(name string) {
	t.line("# %-14s %7s %7s %7s %7s %7s %7s %7s %7s", name, "total", "min", "max", "avg", "95%", "99%", "stddev", "median")
	t.line("# %s %s", strings.Repeat("=", 14), strings.TrimSuffix(strings.Repeat("======= ", 8), " "))
}

func (t *text) timesLine(name string, d *Times) {
	if d.Count == 0 {
		t.line("# %-14s %7s", name, "-")
		return
	}
	t.line("# %-14s %7s %7s %7s %7s %7s %7s %7s %7s", name, duration(d.Total), duration(d.Min), duration(d.Max),
		duration(d.Avg), duration(d.P95), duration(d.P99), duration(d.Stddev), duration(d.P50))
}

func (t *text) momentsLine(name string, d *Moments) {
	if d.Count == 0 {
		return
	}
	t.line("# %-14s %7s %7s %7s %7s", name, duration(d.Total), duration(d.Min), duration(d.Max), duration(d.Avg))
}

// kinds writes the account by kind of command, where there is one to write.
func (t *text) kinds() {
	a := &t.r.Account
	if t.r.Replayed == nil {
		return
	}
	t.line("#")
	under, rule := "", ""
	if a.UnderWay > 0 {
		under, rule = fmt.Sprintf(" %12s", "under way"), " "+strings.Repeat("=", 12)
	}
	t.line("# %-18s %12s %12s %12s %12s %12s%s", "Commands", "recorded", "sent", "skipped", "failed", "not reached", under)
	t.line("# %s", strings.Repeat("=", 18)+strings.Repeat(" "+strings.Repeat("=", 12), 5)+rule)
	for _, k := range append([]KindAccount{a.KindAccount}, a.Kinds...) {
		if a.UnderWay > 0 {
			under = fmt.Sprintf(" %12s", number(k.UnderWay))
		}
		t.line("# %-18s %12s %12s %12s %12s %12s%s", k.Kind, number(k.Recorded), number(k.Sent), number(k.SkippedTotal()),
			number(k.FailedToSend), number(k.NotReached), under)
	}
	if len(a.Skipped) > 0 {
		t.wrap("# Skipped: ", "#   ", listOf(a.Skipped)+".")
	}
}
