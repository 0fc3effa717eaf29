package compare

import (
	"fmt"
	"strings"

	"myreplay/session"
)

const (
	// MaxEvidence is how many lines Evidence gives.
	MaxEvidence = 5
	// maxNamed is how many columns or rows a line names.
	maxNamed = 8
	// maxAnswers is how many results Answer tells of.
	maxAnswers = 4
)

// Protocol says what Evidence needs to know of a protocol. Fields may be nil:
// what needs them is then left out or shown as a number.
type Protocol struct {
	// Row returns a kept row of a result as text for a reader, such as
	// "(1, 'x', NULL)".
	Row func(r *session.Result, row []byte) string
	// Type returns the name of a column's type.
	Type func(c *session.Column) string
}

func (p *Protocol) typeName(c *session.Column) string {
	if p.Type == nil {
		return fmt.Sprintf("type %d", c.Type)
	}
	return p.Type(c)
}

// Answer says in words what a reply was: "10 rows", "ok, 1 affected".
func Answer(r *session.Reply) string {
	if r == nil {
		return "no answer"
	}
	var parts []string
	if p := r.Prepared; p != nil {
		parts = append(parts, fmt.Sprintf("prepared, %s and %s", count(uint64(p.Params), "parameter"), count(uint64(p.Columns), "column")))
	}
	for i := range r.Results {
		if i == maxAnswers {
			parts = append(parts, fmt.Sprintf("and %d results more", len(r.Results)-i))
			break
		}
		parts = append(parts, answer(&r.Results[i]))
	}
	if r.Lost {
		parts = append(parts, "the rest not seen")
	}
	if len(parts) == 0 {
		return "empty answer"
	}
	return strings.Join(parts, "; ")
}

func answer(r *session.Result) string {
	var s string
	switch {
	case r.Error != nil && r.Rows > 0:
		return count(r.Rows, "row") + ", then " + r.Error.Error()
	case r.Error != nil:
		return r.Error.Error()
	case r.Outcome == session.Opened:
		s = "a cursor"
	case r.Outcome == session.Rows:
		s = count(r.Rows, "row")
	case r.Outcome == session.Text:
		s = "text"
	default:
		s = fmt.Sprintf("ok, %d affected", r.Affected)
	}
	if r.InsertID != 0 {
		s += fmt.Sprintf(", insert id %d", r.InsertID)
	}
	if r.Warnings != 0 {
		s += ", " + count(uint64(r.Warnings), "warning")
	}
	return s
}

func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Evidence says more about a difference of two replies: which rows, which
// columns. It returns at most MaxEvidence lines, often none.
func Evidence(d Difference, recorded, replayed *session.Reply, p Protocol) []string {
	if recorded == nil || replayed == nil || d.Result >= len(recorded.Results) || d.Result >= len(replayed.Results) {
		return nil
	}
	a, b := &recorded.Results[d.Result], &replayed.Results[d.Result]
	var lines []string
	switch d.Class {
	case ColumnNames, ColumnTypes:
		lines = columnEvidence(a.Columns, b.Columns, d.Class, &p)
	case RowOrder:
		lines = orderEvidence(a, b)
	case RowCount, RowData:
		lines = append(keyedEvidence(a, b), shownEvidence(a, b, p.Row)...)
	}
	if len(recorded.Results) > 1 && len(lines) > 0 {
		lines[0] = fmt.Sprintf("result %d: %s", d.Result+1, lines[0])
	}
	return lines[:min(len(lines), MaxEvidence)]
}

func columnEvidence(a, b *session.Columns, class Class, show *Protocol) []string {
	if a == nil || b == nil {
		return nil
	}
	if len(a.List) != len(b.List) {
		return []string{fmt.Sprintf("columns recorded: %s", columnList(a)), fmt.Sprintf("columns replayed: %s", columnList(b))}
	}
	var lines []string
	for i := range a.List {
		p, q := &a.List[i], &b.List[i]
		switch {
		case class == ColumnNames && p.Name != q.Name:
			lines = append(lines, fmt.Sprintf("column %d: recorded %q, replayed %q", i+1, p.Name, q.Name))
		case class == ColumnTypes && p.Type != q.Type:
			lines = append(lines, fmt.Sprintf("column %d, %q: recorded %s, replayed %s", i+1, p.Name, show.typeName(p), show.typeName(q)))
		}
	}
	return lines
}

func columnList(c *session.Columns) string {
	var names []string
	for i := range c.List {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(c.List)-i))
			break
		}
		names = append(names, c.List[i].Name)
	}
	return strings.Join(names, ", ")
}

// keysKnown tells whether the keyed hashes stand for the first rows of r, one
// for one.
func keysKnown(r *session.Result) bool {
	return len(r.Keyed) > 0 && uint64(len(r.Keyed)) <= r.Rows
}

// keyedEvidence tells which of the first rows differ, by their keys.
func keyedEvidence(a, b *session.Result) []string {
	if !keysKnown(a) || !keysKnown(b) {
		return nil
	}
	replayed := make(map[uint64]int, len(b.Keyed))
	for i, h := range b.Keyed {
		replayed[h.Key] = i
	}
	seen := make(map[uint64]bool, len(a.Keyed))
	var changed, gone, added []int
	for i, h := range a.Keyed {
		j, ok := replayed[h.Key]
		seen[h.Key] = true
		switch {
		case !ok:
			gone = append(gone, i)
		case b.Keyed[j].Row != h.Row:
			changed = append(changed, i)
		}
	}
	for i, h := range b.Keyed {
		if !seen[h.Key] {
			added = append(added, i)
		}
	}
	if len(seen) < len(a.Keyed) || len(replayed) < len(b.Keyed) {
		return nil // the keys do not tell the rows apart
	}
	return keyedLines(a, b, changed, gone, added)
}

func keyedLines(a, b *session.Result, changed, gone, added []int) (lines []string) {
	if len(changed) > 0 {
		lines = append(lines, fmt.Sprintf("same key, other values: %s", rowList(changed)))
	}
	// A key beyond the hashed rows may be there all the same.
	if len(gone) > 0 && uint64(len(b.Keyed)) == b.Rows {
		lines = append(lines, fmt.Sprintf("only recorded: %s", rowList(gone)))
	}
	if len(added) > 0 && uint64(len(a.Keyed)) == a.Rows {
		lines = append(lines, fmt.Sprintf("only in the replay: %s", rowList(added)))
	}
	if len(lines) == 0 && len(a.Keyed) == len(b.Keyed) && len(gone)+len(added) == 0 {
		lines = append(lines, fmt.Sprintf("the first %s have equal keys and values", count(uint64(len(a.Keyed)), "row")))
	}
	return lines
}

// rowList names rows by their place, from 1.
func rowList(rows []int) string {
	word := "row "
	if len(rows) > 1 {
		word = "rows "
	}
	var names []string
	for i, r := range rows {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(rows)-i))
			break
		}
		names = append(names, fmt.Sprint(r+1))
	}
	return word + strings.Join(names, ", ")
}

// shownEvidence shows the first kept row that differs.
func shownEvidence(a, b *session.Result, show func(*session.Result, []byte) string) []string {
	if show == nil || a.Binary != b.Binary {
		return nil
	}
	for i := range max(len(a.Kept), len(b.Kept)) {
		p, q := kept(a, i, show), kept(b, i, show)
		if p != q && p != "" && q != "" {
			return []string{fmt.Sprintf("row %d recorded: %s", i+1, p), fmt.Sprintf("row %d replayed: %s", i+1, q)}
		}
	}
	return nil
}

// kept returns row i as text, "no row" where the result has none, and "" where
// it was not kept.
func kept(r *session.Result, i int, show func(*session.Result, []byte) string) string {
	switch {
	case i < len(r.Kept):
		return show(r, r.Kept[i])
	case uint64(i) >= r.Rows:
		return "no row"
	}
	return ""
}

// orderEvidence tells the first row that stands elsewhere.
func orderEvidence(a, b *session.Result) []string {
	if !keysKnown(a) || !keysKnown(b) {
		return nil
	}
	for i := range min(len(a.Keyed), len(b.Keyed)) {
		if a.Keyed[i].Key == b.Keyed[i].Key {
			continue
		}
		for j, h := range b.Keyed {
			if h.Key == a.Keyed[i].Key {
				return []string{fmt.Sprintf("the rows are the same; row %d comes as row %d", i+1, j+1)}
			}
		}
		return []string{fmt.Sprintf("the rows are the same; row %d is the first that comes elsewhere", i+1)}
	}
	return nil
}
