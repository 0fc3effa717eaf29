package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// chosen returns the classes that get a section: all where all are asked for,
// else those that are named on the first screen, then those with the most
// differences, then those that got slower.
func (t *text) chosen() map[*Class]bool {
	chosen := map[*Class]bool{}
	add := func(c *Class) {
		if len(chosen) < t.o.Sections {
			chosen[c] = true
		}
	}
	var differ []*Class
	for i := range t.r.Classes {
		c := &t.r.Classes[i]
		if t.o.All {
			chosen[c] = true
		}
		if c.Different > 0 {
			differ = append(differ, c)
		}
	}
	for _, d := range t.r.Differences[:min(len(t.r.Differences), firstLines)] {
		if c := t.r.class(d.Most); d.Counted > 0 && c != nil {
			add(c)
		}
	}
	slower := t.r.bySpeed(Slower)
	for _, c := range slower[:min(len(slower), firstLines)] {
		add(c)
	}
	slices.SortStableFunc(differ, func(a, b *Class) int { return cmp.Compare(b.Different, a.Different) })
	for _, c := range append(differ, slower...) {
		add(c)
	}
	return chosen
}

// class returns the class with an id, or nil.
func (r *Report) class(id string) *Class {
	for i := range r.Classes {
		if r.Classes[i].ID == id {
			return &r.Classes[i]
		}
	}
	return nil
}

// profile writes the table of classes: the first ones and the chosen ones, and
// one line for the rest. It returns those that are to have a section.
func (t *text) profile(chosen map[*Class]bool) (sections []*Class) {
	var listed []*Class
	rest := misc{}
	var total int64
	for i := range t.r.Classes {
		c := &t.r.Classes[i]
		total += c.ranking()
		if i >= t.o.Top && !chosen[c] {
			rest.add(c)
			continue
		}
		listed = append(listed, c)
		if chosen[c] || t.r.Replayed == nil {
			sections = append(sections, c)
		}
	}
	t.line("")
	t.line("# Profile")
	p := t.columns(total)
	p.head(t)
	for _, c := range listed {
		p.row(t, c)
	}
	if rest.classes > 0 {
		p.row(t, rest.class(t.r.Replayed != nil))
	}
	if rest.notable > 0 {
		t.wrap("# ", "# ", fmt.Sprintf("Of the query classes not listed, %s differ or got slower too. All are in the JSON form, and here when all classes are asked for.",
			number(uint64(rest.notable))))
	}
	return sections
}

// misc sums up the classes that are not listed.
type misc struct {
	classes, notable   int
	different, replies uint64
	recorded, replayed int64
}

func (m *misc) add(c *Class) {
	m.classes++
	if c.notable() {
		m.notable++
	}
	m.different += c.Different
	m.replies += c.Recorded.Replies
	m.recorded += c.Recorded.Took.Total
	if c.Replayed != nil {
		m.replayed += c.Replayed.Took.Total
	}
}

// class returns the line for the rest, in the form of a class.
func (m *misc) class(replay bool) *Class {
	c := &Class{ID: "MISC", Item: fmt.Sprintf("<%s>", plural(uint64(m.classes), "query class", "query classes")), Different: m.different}
	c.Recorded.Replies, c.Recorded.Took.Total = m.replies, m.recorded
	if replay {
		c.Replayed = &Stats{Took: Times{Total: m.replayed}}
	}
	return c
}

// notable tells whether a class deserves a section.
func (c *Class) notable() bool { return c.Different > 0 || c.Speed == Slower }

// ranking is the time that classes are ranked by.
func (c *Class) ranking() int64 {
	if c.Replayed != nil {
		return c.Replayed.Took.Total
	}
	return c.Recorded.Took.Total
}

// column is a column of the profile.
type column struct {
	title string
	width int // negative: left-aligned
	value func(c *Class) string
}

type columns []column

// columns returns the profile's columns; those that do not fit are left out.
func (t *text) columns(total int64) columns {
	dash := func(f func(c *Class) string) func(c *Class) string {
		return func(c *Class) string {
			if c.Replayed == nil || c.Pairs == 0 {
				return "-"
			}
			return f(c)
		}
	}
	perCall := func(s *Stats) string {
		if s == nil || s.Took.Count == 0 {
			return "-"
		}
		return duration(s.Took.Avg)
	}
	list := columns{
		{"Rank", 4, func(c *Class) string {
			if c.Rank == 0 {
				return ""
			}
			return fmt.Sprint(c.Rank)
		}},
		{"Query ID", -18, func(c *Class) string { return c.ID }},
	}
	share := column{"%", 6, func(c *Class) string { return percent(float64(c.ranking()), float64(total)) }}
	if t.r.Replayed == nil {
		list = append(list,
			column{"Time", 7, func(c *Class) string { return duration(c.Recorded.Took.Total) }}, share,
			column{"Calls", 6, func(c *Class) string { return short(c.Recorded.Replies) }},
			column{"R/Call", 6, func(c *Class) string { return perCall(&c.Recorded) }},
			column{"95%", 6, func(c *Class) string {
				if c.Recorded.Took.Count == 0 {
					return "-"
				}
				return duration(c.Recorded.Took.P95)
			}},
			column{"Errors", 6, func(c *Class) string { return short(c.Recorded.Errors) }})
	} else {
		list = append(list, column{"Recorded", 8, func(c *Class) string { return duration(c.Recorded.Took.Total) }},
			column{"Replayed", 8, func(c *Class) string { return duration(c.Replayed.Took.Total) }})
		if t.o.Width >= 120 {
			list = append(list, share)
		}
		list = append(list, column{"Calls", 6, func(c *Class) string { return short(c.Recorded.Replies) }})
		if t.o.Width >= 110 {
			list = append(list, column{"R/Call", 6, func(c *Class) string { return perCall(&c.Recorded) }},
				column{"replay", 6, func(c *Class) string { return perCall(c.Replayed) }})
		}
		list = append(list, column{"Ratio", 5, dash(func(c *Class) string { return ratio(c.Ratio) })},
			column{"Speed", -7, dash(func(c *Class) string { return c.Speed })},
			column{"Diffs", 5, func(c *Class) string { return short(c.Different) }})
	}
	return append(list, column{"Item", 0, func(c *Class) string { return c.Item }})
}

func (p columns) head(t *text) {
	titles, rules := "#", "#"
	for _, c := range p {
		width := c.width
		if width == 0 {
			width = -4
		}
		titles += fmt.Sprintf(" %*s", width, c.title)
		rules += " " + strings.Repeat("=", max(width, -width))
	}
	t.line("%s", titles)
	t.line("%s", rules)
}

func (p columns) row(t *text, c *Class) {
	line := "#"
	for _, col := range p {
		if col.width == 0 {
			line += " " + fit(col.value(c), max(t.o.Width-len(line)-1, 10))
			continue
		}
		line += fmt.Sprintf(" %*s", col.width, col.value(c))
	}
	t.line("%s", line)
}
