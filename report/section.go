package report

import (
	"fmt"
	"strings"
)

// maxTables is how many tables a section gives statements for.
const maxTables = 8

// sections writes a section for each of the classes.
func (t *text) sections(list []*Class) {
	for _, c := range list {
		t.section(c)
	}
}

func (t *text) section(c *Class) {
	head := fmt.Sprintf("# Query %d: ID %s, %s", c.Rank, c.ID, t.perSecond(c))
	t.line("")
	t.line("%s %s", head, t.rule(len(head)+1))
	t.wrap("# ", "# ", c.summary())
	t.figures(c)
	for _, n := range []struct {
		name string
		list []Count
	}{{"Users", c.Users}, {"Schemas", c.Schemas}} {
		if len(n.list) > 0 {
			t.wrap(fmt.Sprintf("# %-14s ", n.name), "#   ", listOf(n.list))
		}
	}
	t.line("# %-14s %s to %s", "Time range", clock(c.From), clock(c.To))
	if len(c.NotCompared) > 0 {
		t.wrap("# Not compared   ", "#   ", listOf(c.NotCompared))
	}
	t.distribution(c)
	t.tables(c)
	t.line("# Fingerprint")
	t.line("#    %s", fit(c.Fingerprint, 1000))
	shown := t.classDifferences(c)
	t.sampleOf(c, shown)
}

// perSecond says how often the class ran in the recording.
func (t *text) perSecond(c *Class) string {
	wall := float64(t.r.Recorded.Wall) / 1e6
	if wall <= 0 {
		return plural(c.Recorded.Replies, "call", "calls")
	}
	return fmt.Sprintf("%s QPS, %sx concurrency", three(float64(c.Recorded.Replies)/wall), three(float64(c.Recorded.Took.Total)/1e6/wall))
}

// summary says what is to be known of the class.
func (c *Class) summary() string {
	parts := []string{c.Item + "."}
	switch c.Speed {
	case Slower, Faster:
		parts = append(parts, fmt.Sprintf("%s: a typical command took %s as long (%s compared each with itself; the chance of this by accident is %.1g).",
			strings.ToUpper(c.Speed[:1])+c.Speed[1:], ratio(c.Ratio), plural(c.Pairs, "command", "commands"), c.P))
	case Steady:
		parts = append(parts, fmt.Sprintf("No clear change of speed: a typical command took %s as long.", ratio(c.Ratio)))
	case TooFew:
		parts = append(parts, "Too few commands had the same kind of answer on both sides to judge the speed.")
	}
	if c.Different > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s answered differently.", number(c.Different), plural(c.Compared, "compared command", "compared commands")))
	}
	return strings.Join(parts, " ")
}

// figures writes the table of both sides.
func (t *text) figures(c *Class) {
	t.timesHead("Attribute")
	t.side("Recorded", &c.Recorded)
	if c.Replayed != nil {
		t.side("Replayed", c.Replayed)
	}
}

func (t *text) side(name string, s *Stats) {
	t.timesLine(name+" time", &s.Took)
	t.momentsLine("  first byte", &s.FirstByte)
	words := fmt.Sprintf("%s, %s, %s", plural(s.Replies, "call", "calls"), plural(s.Errors, "error", "errors"), plural(s.Rows, "row", "rows"))
	if s.Replies > 0 {
		words += fmt.Sprintf(" (%s a call), %s", three(float64(s.Rows)/float64(s.Replies)), size(s.Bytes))
	}
	t.line("#   %-12s %s", "", words)
}

var decadeNames = [Decades]string{"1us", "10us", "100us", "1ms", "10ms", "100ms", "1s", "10s+"}

// distribution writes the times by powers of ten, both sides beside each other.
func (t *text) distribution(c *Class) {
	width := (t.o.Width - 12) / 2
	if c.Replayed == nil {
		t.line("# Time distribution")
	} else {
		t.line("# %-6s %-*s %s", "Times", width, "Recorded", "Replayed")
	}
	for i, name := range decadeNames {
		left := bar(&c.Recorded.Took, i, width-2)
		right := ""
		if c.Replayed != nil {
			right = bar(&c.Replayed.Took, i, width-2)
		}
		t.line("# %6s %-*s %s", name, width, left, right)
	}
}

// bar returns a bar for one range; its length is the share of the largest.
func bar(d *Times, i, width int) string {
	most := uint64(0)
	for _, n := range d.Decades {
		most = max(most, n)
	}
	if d.Decades[i] == 0 {
		return ""
	}
	return strings.Repeat("#", max(int(float64(d.Decades[i])/float64(most)*float64(width)), 1))
}

func (t *text) tables(c *Class) {
	if len(c.tables) == 0 {
		return
	}
	t.line("# Tables")
	for _, table := range c.tables[:min(len(c.tables), maxTables)] {
		schema := table.schema
		if schema == "" && len(c.Schemas) == 1 {
			schema = c.Schemas[0].Name
		}
		if schema == "" {
			t.line("#    SHOW TABLE STATUS LIKE %s\\G", quote(table.name, '\''))
			t.line("#    SHOW CREATE TABLE %s\\G", quote(table.name, '`'))
			continue
		}
		t.line("#    SHOW TABLE STATUS FROM %s LIKE %s\\G", quote(schema, '`'), quote(table.name, '\''))
		t.line("#    SHOW CREATE TABLE %s.%s\\G", quote(schema, '`'), quote(table.name, '`'))
	}
}

// quote returns a name in quotes.
func quote(name string, q rune) string {
	s := string(q)
	return s + plain(printable([]byte(strings.ReplaceAll(name, s, s+s))), false) + s
}

// classDifferences writes what differs, with examples, and tells whether an
// example showed the statement.
func (t *text) classDifferences(c *Class) bool {
	shown := false
	for i := range c.Differences {
		d := &c.Differences[i]
		note := ""
		switch {
		case d.Counted == 0:
			note = ", which do not count"
		case d.Counted < d.Commands:
			note = fmt.Sprintf(", of which %s count", number(d.Counted))
		}
		t.wrap("# ", "#   ", fmt.Sprintf("Difference: %s: %s%s", differenceWords(d.key), plural(d.Commands, "command", "commands"), note))
		for j := range d.Examples {
			t.example(c, &d.Examples[j], fmt.Sprintf("Example %d", j+1))
			shown = true
		}
	}
	return shown
}

// sampleOf writes the command that took longest, if no other has been shown or
// the class is slower.
func (t *text) sampleOf(c *Class, shown bool) {
	if c.Sample == nil || shown && c.Speed != Slower {
		return
	}
	t.example(c, c.Sample, "Longest")
}

func (t *text) example(c *Class, e *Example, name string) {
	where := fmt.Sprintf("session %d, command %d, %s", e.Session, e.Seq, clock(e.At))
	if e.Copy > 0 {
		where += fmt.Sprintf(", copy %d", e.Copy+1)
	}
	t.line("#   %s: %s", name, where)
	t.answer("recorded", e.Recorded, !e.RecordedMissing, e.RecordedTook)
	t.answer("replayed", e.Replayed, !e.ReplayedMissing, e.ReplayedTook)
	for _, line := range e.Evidence {
		t.wrap("#     ", "#       ", line)
	}
	if e.Params != "" {
		t.wrap("#     parameters: ", "#       ", e.Params)
	}
	t.statement(c, e)
}

func (t *text) answer(side, words string, answered bool, took int64) {
	if words == "" {
		return
	}
	if answered {
		words += ", in " + duration(took)
	}
	t.wrap("#     "+side+": ", "#               ", words)
}

// statement writes the text of an example, ready to be pasted.
func (t *text) statement(c *Class, e *Example) {
	if e.SQL == "" {
		return
	}
	whole := true
	if e.Masked {
		t.line("#     The statement held a secret, which is masked.")
		whole = false
	}
	if e.Cut {
		t.line("#     The first bytes of %s:", number(uint64(e.Bytes)))
		whole = false
	}
	if whole && c.Explain && c.Kind == groupNames[runs] {
		t.line("# EXPLAIN%s", map[bool]string{true: ", with values in place of each ?"}[e.Prepared])
	}
	sql := plain(e.SQL, true)
	if !whole {
		// A part of a statement must not be pasted by accident.
		sql = "# " + strings.ReplaceAll(sql, "\n", "\n# ")
		t.line("%s", sql)
		return
	}
	t.line("%s\\G", sql)
}
