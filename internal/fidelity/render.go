package fidelity

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Render returns the results as Markdown: a section for each workload, and in
// its table a line for each cell. The modes of one cell share a recording; the
// first of Modes is the yardstick of their speed.
func Render(results []Result) string {
	var b strings.Builder
	renderHead(&b, results)
	for _, w := range Workloads {
		var mine []Result
		for _, r := range results {
			if r.Workload == w.Name && r.Planted == "" {
				mine = append(mine, r)
			}
		}
		if len(mine) == 0 {
			continue
		}
		fmt.Fprintf(&b, "### %s\n\n%s.\n\n", w.Name, upperFirst(w.What))
		b.WriteString("| server | sessions | recorded | mode | diverging calls | of all | rows differ | calls/s | of none | sync wait | proven / inferred / guessed | ambiguous reads | as recorded | causes |\n")
		b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
		slices.SortStableFunc(mine, byPlace)
		for _, r := range mine {
			b.WriteString(line(r, results))
		}
		b.WriteString("\n")
	}
	renderPlanted(&b, results)
	return b.String()
}

// renderHead writes when, on what, and with which versions was measured.
func renderHead(b *strings.Builder, results []Result) {
	var days, seconds, machines, tools, servers []string
	for _, r := range results {
		day, _, _ := strings.Cut(r.At, "T")
		days, seconds = append(days, day), append(seconds, fmt.Sprintf("%d s", r.Seconds))
		machines, tools = append(machines, r.Machine), append(tools, r.Tool)
		servers = append(servers, strings.TrimSpace(r.Server+" "+r.Version))
	}
	distinct := func(list []string) string {
		slices.Sort(list)
		list = slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
		return strings.Join(list, " | ")
	}
	for _, l := range []struct {
		what string
		list []string
	}{{"measured", days}, {"a cell", seconds}, {"machine", machines}, {"servers", servers}, {"replayed by", tools}} {
		if text := distinct(l.list); text != "" {
			fmt.Fprintf(b, "- %s: %s\n", l.what, text)
		}
	}
	b.WriteString("\n")
}

// renderPlanted writes what was found of planted differences, and what the same
// replay says of a target without them.
func renderPlanted(b *strings.Builder, results []Result) {
	var mine []Result
	for _, w := range Workloads {
		for _, r := range results {
			if r.Workload == w.Name && r.Planted == PlantedAll {
				mine = append(mine, r)
			}
		}
	}
	if len(mine) == 0 {
		return
	}
	b.WriteString("### Planted differences\n\n| workload | server | sessions | compared calls | nothing planted: real | nothing planted: order")
	for _, p := range Plants {
		b.WriteString(" | " + p.Name)
	}
	b.WriteString(" | not planted, but real | not planted: order | other rows differ |\n" + strings.Repeat("|---", len(Plants)+9) + "|\n")
	for _, r := range mine {
		cells := []string{r.Workload, r.Server, strconv.Itoa(r.Sessions), thousands(r.Replay.Compared)}
		cells = slices.Concat(cells, withoutPlants(r, results), found(r))
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	b.WriteString("\n")
}

// withoutPlants says how many calls diverged on the target without the Plants, as
// apart does.
func withoutPlants(r Result, results []Result) []string {
	for _, o := range results {
		same := o.Cell
		same.Planted, same.Mode = r.Planted, r.Mode
		if same == r.Cell && o.Planted == PlantedNone && o.Recording.ID == r.Recording.ID {
			return apart(o.Replay.Diverging+o.Replay.NotSent, o.Replay.unexcused()+o.Replay.NotSent)
		}
	}
	return []string{"", ""}
}

// apart are calls that differ, in two cells: those of them that nothing excuses,
// and the others.
func apart(all, real uint64) []string {
	real = min(real, all)
	return []string{thousands(real), thousands(all - real)}
}

// found are the cells of what was planted.
func found(r Result) (cells []string) {
	if r.Found == nil {
		return []string{r.Failed}
	}
	for i := range r.Found.Found {
		f := &r.Found.Found[i]
		text := fmt.Sprintf("%s of %s", thousands(f.Right), thousands(f.Calls))
		if f.NotSent > 0 {
			text += fmt.Sprintf(", %s not sent", thousands(f.NotSent))
		}
		if len(f.Wrong) > 0 {
			text += ", wrongly: " + strings.Join(f.Wrong, "; ")
		}
		cells = append(cells, strings.ReplaceAll(text, "|", `\|`))
	}
	cells = append(cells, apart(r.Found.Other, r.Found.Real)...)
	return append(cells, thousands(uint64(r.Rows.Sum()-min(r.Rows.Tables[plantedTable], plantedRows))))
}

// byPlace sorts by server, sessions and mode.
func byPlace(a, b Result) int {
	if c := strings.Compare(b.Server, a.Server); c != 0 { // MySQL first
		return c
	}
	if c := a.Sessions - b.Sessions; c != 0 {
		return c
	}
	return modeIndex(a.Mode) - modeIndex(b.Mode)
}

func modeIndex(name string) int {
	return slices.IndexFunc(Modes, func(m Mode) bool { return m.Name == name })
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func line(r Result, all []Result) string {
	recorded := fmt.Sprintf("%s at %s/s", thousands(r.Recording.Commands), thousands(uint64(r.Recording.PerSecond)))
	if r.Recording.Lost > 0 {
		recorded += fmt.Sprintf(", %d lost", r.Recording.Lost)
	}
	cells := []string{r.Server, strconv.Itoa(r.Sessions), recorded, r.Mode}
	if r.Replay.Compared == 0 {
		return "| " + strings.Join(append(cells, r.Failed, "", "", "", "", "", "", "", "", ""), " | ") + " |\n"
	}
	t := r.Totals()
	waits, ambiguous, waited := "", "", ""
	if t.Steps > 0 {
		waits = fmt.Sprintf("%s / %s / %s", thousands(t.Waits.Proven), thousands(t.Waits.Inferred), thousands(t.Waits.Guessed))
		ambiguous = share(t.AmbiguousReads, t.Reads)
		waited = fmt.Sprintf("%.0f µs a call", float64(t.SyncWait)/float64(max(1, r.Replay.Commands)))
	}
	cells = append(cells, thousands(r.Replay.Diverging), share(r.Replay.Diverging, r.Replay.Compared),
		fmt.Sprintf("%s of %s", thousands(uint64(r.Rows.Sum())), thousands(uint64(r.Rows.Rows))),
		thousands(uint64(r.Replay.PerSecond)), ofYardstick(r, all), waited, waits, ambiguous, thousands(r.Replay.AsRecorded), causes(r))
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// ofYardstick is the speed as a share of that of the first mode with the same
// recording.
func ofYardstick(r Result, all []Result) string {
	for _, y := range all {
		same := y.Cell
		same.Mode = r.Mode
		if same == r.Cell && y.Mode == Modes[0].Name && y.Recording.ID == r.Recording.ID && y.Replay.PerSecond > 0 {
			return fmt.Sprintf("%.0f %%", 100*r.Replay.PerSecond/y.Replay.PerSecond)
		}
	}
	return ""
}

// causes lists why calls diverged, what was not sent, and what failed.
func causes(r Result) string {
	list := counts(r.Replay.Causes)
	if r.Replay.NotSent > 0 {
		list = append(list, "not sent "+thousands(r.Replay.NotSent))
	}
	if r.Failed != "" {
		list = append(list, r.Failed)
	}
	return strings.Join(list, ", ")
}

// counts lists counts by name.
func counts(m map[string]uint64) (list []string) {
	for name, n := range m {
		list = append(list, fmt.Sprintf("%s %s", strings.ReplaceAll(name, "_", " "), thousands(n)))
	}
	slices.Sort(list)
	return list
}

// share is a part of all in percent: three digits that count, and 0 only of none.
func share(n, all uint64) string {
	if all == 0 {
		return ""
	}
	if n == 0 {
		return "0.00 %"
	}
	return strconv.FormatFloat(100*float64(n)/float64(all), 'g', 3, 64) + " %"
}

func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// The lines between which a document has what Render returns.
const (
	begin = "<!-- make fidelity: begin -->\n"
	end   = "<!-- make fidelity: end -->\n"
)

// errMarkers says that a document has no place for the tables.
var errMarkers = errors.New("the document has no place for the tables: " + strings.TrimSpace(begin))

// Insert puts text between the marked lines of a document.
func Insert(document []byte, text string) ([]byte, error) {
	head, rest, ok := bytes.Cut(document, []byte(begin))
	_, tail, also := bytes.Cut(rest, []byte(end))
	if !ok || !also {
		return nil, errMarkers
	}
	return slices.Concat(head, []byte(begin+"\n"+text), []byte(end), tail), nil
}
