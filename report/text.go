package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"myreplay/compare"
)

// The defaults and limits of TextOptions.
const (
	DefaultWidth    = 100
	MinWidth        = 80
	DefaultTop      = 10
	DefaultSections = 20
	// firstLines limits the lists on the first screen.
	firstLines = 6
)

// TextOptions say how a report is written for a terminal. Zero fields stand for
// the defaults.
type TextOptions struct {
	// Width is the number of columns, at least MinWidth. Statements are never
	// broken.
	Width int
	// Top is how many classes the profile lists at least.
	Top int
	// Sections is how many classes that differ or got slower are listed and
	// described.
	Sections int
	// All lists and describes all classes.
	All bool
	// Colour marks the verdict with a colour.
	Colour bool
}

// WriteText writes the report for a reader. Its layout is that of
// pt-query-digest, with both sides: lines begin with "#" below the first
// screen, so that the statements between them can be pasted.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	o.Width = max(orDefault(o.Width, DefaultWidth), MinWidth)
	o.Top, o.Sections = orDefault(o.Top, DefaultTop), orDefault(o.Sections, DefaultSections)
	t := &text{r: r, o: o}
	t.first()
	t.overall()
	t.order()
	t.unknown()
	listed := t.profile(t.chosen())
	t.sections(listed)
	_, err := io.WriteString(w, t.out.String())
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// text writes one report.
type text struct {
	r   *Report
	o   TextOptions
	out strings.Builder
}

func (t *text) line(format string, args ...any) {
	s := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	t.out.WriteString(s)
	t.out.WriteByte('\n')
}

// wrap writes a sentence, broken at the width; first stands before the first
// line, then before the others.
func (t *text) wrap(first, then, sentence string) {
	line := first
	empty := true
	for _, word := range strings.Fields(sentence) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > t.o.Width {
			t.line("%s", line)
			line, empty = then, true
		}
		if !empty {
			line += " "
		}
		line += plain(word, false)
		empty = false
	}
	t.line("%s", line)
}

// first writes what a reader must know before all else.
func (t *text) first() {
	head := t.r.Verdict.String()
	on, off := t.colours()
	t.out.WriteString(on)
	t.wrap("", "  ", head)
	t.out.WriteString(off)
	if t.r.Replayed == nil {
		return
	}
	t.account()
	t.notCompared()
	t.differences()
	t.speed()
}

// colours returns what turns the verdict's colour on and off.
func (t *text) colours() (on, off string) {
	if !t.o.Colour {
		return "", ""
	}
	switch t.r.Verdict.Result {
	case Same:
		return "\x1b[1;32m", "\x1b[0m"
	case Differs:
		return "\x1b[1;31m", "\x1b[0m"
	}
	return "\x1b[1;33m", "\x1b[0m"
}

func (t *text) account() {
	a := &t.r.Account
	inRun := a.inRun()
	equals := "="
	if !a.Closes {
		equals = "recorded, but in the run"
		t.wrap("", "  ", fmt.Sprintf("THE ACCOUNT DOES NOT CLOSE: %s recorded, %s in the run; %s not in the run, %s not in the recording.",
			plural(a.Recorded, "command", "commands"), number(inRun), number(a.Missing), number(a.Extra)))
	}
	copies := ""
	if a.Copies > 1 {
		copies = fmt.Sprintf(" (%d copies)", a.Copies)
	}
	underWay := ""
	if a.UnderWay > 0 {
		underWay = fmt.Sprintf(" + %s under way", number(a.UnderWay))
	}
	t.wrap("Account:      ", "              ", fmt.Sprintf("%s%s %s %s sent + %s skipped + %s failed to send + %s not reached%s.",
		plural(a.Recorded, "command", "commands"), copies, equals, number(a.Sent), number(a.SkippedTotal()), number(a.FailedToSend), number(a.NotReached), underWay))
}

func (t *text) notCompared() {
	a := &t.r.Account
	n := sum(a.NotCompared)
	words := plural(a.Compared, "command", "commands")
	if a.NoReply > 0 {
		words += fmt.Sprintf("; %s no answer by nature", number(a.NoReply)+map[bool]string{true: " has", false: " have"}[a.NoReply == 1])
	}
	t.wrap("Compared:     ", "              ", words+".")
	if n > 0 {
		t.wrap("Not compared: ", "              ", fmt.Sprintf("%s: %s.", plural(n, "command", "commands"), listOf(a.NotCompared)))
	}
	if list := a.AsRecorded.model(); len(list) > 0 {
		t.wrap("As recorded:  ", "              ", fmt.Sprintf("%s: %s.", inNumber(sum(list), number(sum(list))+" {command|commands} that failed"), listOf(list)))
	}
}

// differences lists what differs, by class and cause.
func (t *text) differences() {
	list := t.r.Differences
	if len(list) == 0 {
		return
	}
	t.line("")
	t.line("%-17s %-16s %9s %9s %8s  %s", "Differences", "Cause", "Commands", "Counted", "Classes", "Most of them in")
	for _, d := range list[:min(len(list), firstLines)] {
		t.line("%-17s %-16s %9s %9s %8s  %s", d.key.class, d.key.cause, short(d.Commands), short(d.Counted),
			short(uint64(d.Classes)), t.named(d.Most, t.o.Width-66))
	}
	if n := len(list) - firstLines; n > 0 {
		t.line("... and %s below", plural(uint64(n), "more kind of difference", "more kinds of differences"))
	}
	t.chains()
}

// chains lists the first differences that most others follow from.
func (t *text) chains() {
	c := t.r.Chains
	if c == nil {
		return
	}
	t.line("")
	t.wrap("", "  ", fmt.Sprintf("%s from %s:", plural(c.Follow, "answer that differs follows", "answers that differ follow"),
		plural(uint64(c.First), "earlier one", "earlier ones")))
	t.line("%-17s %-17s %-16s %9s  %s", "First", "Difference", "Cause", "Followers", "In")
	for i := range c.List[:min(len(c.List), firstLines)] {
		f := &c.List[i]
		t.line("%-17s %-17s %-16s %9s  %s", f.name(), words(f.Class, "none"), words(f.Cause, "dropped wait"), short(f.Followers), t.named(f.Query, t.o.Width-64))
	}
	if n := c.First - min(len(c.List), firstLines); n > 0 {
		t.line("... and %s", plural(uint64(n), "more first one", "more first ones"))
	}
}

// name names the command.
func (c *Chain) name() string {
	name := fmt.Sprintf("%d.%d", c.Session, c.Seq)
	if c.Copy > 0 {
		name += fmt.Sprintf(" copy %d", c.Copy+1)
	}
	return name
}

// words returns a name of JSON's in words.
func words(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return strings.ReplaceAll(name, "_", " ")
}

// named returns a class's rank and item in the given width.
func (t *text) named(id string, width int) string {
	c := t.r.class(id)
	if c == nil {
		return id
	}
	return fit(fmt.Sprintf("Query %d: %s", c.Rank, c.Item), width)
}

// speed lists what got slower most.
func (t *text) speed() {
	s := &t.r.Speed
	t.line("")
	if s.Pairs == 0 {
		t.line("Speed: no command could be timed on both sides.")
		return
	}
	t.wrap("", "  ", fmt.Sprintf("Speed of %s: %s slower, %s faster, %s without a clear change, %s with too few commands to tell. A typical command took %s as long.",
		plural(uint64(len(t.r.Classes)), "query class", "query classes"), number(uint64(s.Slower)), number(uint64(s.Faster)),
		number(uint64(s.Same)), number(uint64(s.TooFew)), ratio(s.Ratio)))
	t.shifted("Slower", Slower)
	t.shifted("Faster", Faster)
}

// shifted lists the classes with a verdict, those that changed most in all
// first.
func (t *text) shifted(title, speed string) {
	list := t.r.bySpeed(speed)
	if len(list) == 0 {
		return
	}
	t.line("%-8s  %-17s  %-17s  %-17s  %s", title, "median", "95%", "total", "Query class (times: recorded -> replayed)")
	for _, c := range list[:min(len(list), firstLines)] {
		p, q := &c.Recorded.Took, &c.Replayed.Took
		t.line("%8s  %-17s  %-17s  %-17s  %s", ratio(c.Ratio), arrow(p.P50, q.P50), arrow(p.P95, q.P95), arrow(p.Total, q.Total),
			fit(fmt.Sprintf("Query %d: %s", c.Rank, c.Item), t.o.Width-67))
	}
	if n := len(list) - firstLines; n > 0 {
		t.line("... and %d more", n)
	}
}

func arrow(recorded, replayed int64) string {
	return fmt.Sprintf("%6s -> %6s", duration(recorded), duration(replayed))
}

// bySpeed returns the classes with a verdict on their speed, those first whose
// total time changed most.
func (r *Report) bySpeed(speed string) (list []*Class) {
	for i := range r.Classes {
		if r.Classes[i].Speed == speed {
			list = append(list, &r.Classes[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *Class) int { return cmp.Compare(b.change(), a.change()) })
	return list
}

// change returns how much longer or shorter the class took in all.
func (c *Class) change() int64 {
	d := c.Replayed.Took.Total - c.Recorded.Took.Total
	return max(d, -d)
}

// unknown writes what the report cannot know.
func (t *text) unknown() {
	if len(t.r.Unknown) == 0 {
		return
	}
	t.line("")
	t.line("# What this report cannot know")
	for _, u := range t.r.Unknown {
		t.wrap("#   - ", "#     ", u.Text)
	}
}

// meanings say what a class of differences means.
var meanings = [compare.ClassCount]string{
	compare.ErrorNew:     "the recording has none",
	compare.ErrorGone:    "the recording has one, the replay has none",
	compare.ErrorOther:   "both failed, with different codes",
	compare.ResultCount:  "the statements gave more results on one side",
	compare.OutcomeKind:  "rows on one side only, or a cursor",
	compare.Shape:        "another number of parameters or columns was prepared",
	compare.ColumnNames:  "the columns differ in name or number",
	compare.ColumnTypes:  "the columns have other types",
	compare.RowCount:     "another number of rows",
	compare.RowData:      "as many rows, with other values",
	compare.RowOrder:     "the same rows in another order",
	compare.Affected:     "another number of rows was changed",
	compare.InsertID:     "another id was generated",
	compare.WarningCount: "another number of warnings",
}

// causeMeanings say what a cause means, where it excuses something.
var causeMeanings = [compare.CauseCount]string{
	compare.Generated:    "; the server makes such values up",
	compare.OrderUnknown: "; the statement leaves the order to the server",
	compare.AfterLoss:    "; the recording lacks something of the session before it",
	compare.MissingState: "; writes that it may rest on were left out",
	compare.TargetError:  "; the error is one of the target's own condition",
	compare.SourceError:  "; the recorded error is one of the source's own condition",
	compare.Follows:      "; an earlier difference changed what it may rest on",
	compare.Order:        "; a place next to other sessions was guessed",
}

// differenceWords says a class and cause of differences.
func differenceWords(k tallyKey) string {
	return fmt.Sprintf("%s (%s%s)", k.class, meanings[k.class], causeMeanings[k.cause])
}
