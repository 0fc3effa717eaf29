package fidelity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Plant is a difference that is planted in the target before a replay, to see
// whether the report finds it: it, and nothing else.
type Plant struct {
	// Name names it in results, Do are the statements that plant it.
	Name string
	Do   []string
	// Words stand in the fingerprint of the one query class that notices it.
	Words string
	// Class is the class of difference that every call of the query class has, by
	// the cause Real. Beside are classes that it may have, too.
	Class  string
	Beside []string
	// Error is the code of the new error; 0: there is none.
	Error int
}

// Real is the cause of a difference that nothing excuses.
const Real = "real"

// Plants are what is planted, all at once, on the workloads' table fid.
var Plants = []Plant{
	{
		Name: "changed row", Do: []string{"UPDATE fid SET s = 'planted' WHERE id = 3"},
		Words: "select s from fid where id", Class: "row_data",
	},
	{
		Name: "missing index", Do: []string{"DROP INDEX fid_n ON fid"},
		Words: "force index", Class: "new_error", Error: 1176,
	},
	{
		// A login takes the global value. MySQL warns of the other reading of ||.
		Name: "sql_mode", Do: []string{"SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',PIPES_AS_CONCAT')"},
		Words: "|| n", Class: "row_data", Beside: []string{"warnings", columnTypes},
	},
	{
		Name: "removed function", Do: []string{"DROP FUNCTION fid_half"},
		Words: "fid_half", Class: "new_error", Error: 1305,
	},
}

// plantedTable is the table that the plants change, plantedRows how many rows of
// it differ then: its definition and a row.
const plantedTable, plantedRows = "fid", 2

// The cells of planted differences: a target in which nothing was planted, which a
// replay learns the order on, and then one with all Plants.
const (
	PlantedNone = "nothing"
	PlantedAll  = "all"
)

// Planted is what a report says of planted differences.
type Planted struct {
	Found []Found `json:"found"`
	// Other counts calls with differences that were not planted, Real those of them
	// that nothing excuses, or that were not sent. Others says of which query classes,
	// with what.
	Other  uint64   `json:"other"`
	Real   uint64   `json:"real"`
	Others []string `json:"others,omitempty"`
}

// Found is what was found of one plant.
type Found struct {
	Plant string `json:"plant"`
	// Calls were compared, Different of them differ, Right of them as the Plant says.
	Calls     uint64 `json:"calls"`
	Different uint64 `json:"different"`
	Right     uint64 `json:"right"`
	// NotSent were not, as the target had not prepared their statement.
	NotSent uint64 `json:"not_sent,omitempty"`
	// Wrong says what was said of others.
	Wrong []string `json:"wrong,omitempty"`
}

// OK tells whether all of it was found, with the right cause. A function or an
// index lacks when a statement is prepared: its executions are not sent then.
func (f *Found) OK() bool {
	return f.Right > 0 && f.Right == f.Calls && len(f.Wrong) == 0 && (f.NotSent == 0 || f.fails())
}

// fails tells whether the plant makes an error.
func (f *Found) fails() bool {
	return slices.ContainsFunc(Plants, func(p Plant) bool { return p.Name == f.Plant && p.Error != 0 })
}

// OK tells whether all was found and nothing else reported: where an order may
// be left open, nothing else that nothing excuses.
func (p *Planted) OK(open bool) bool {
	rest := p.Other
	if open {
		rest = p.Real
	}
	return len(p.Found) == len(Plants) && rest == 0 && !slices.ContainsFunc(p.Found, func(f Found) bool { return !f.OK() })
}

// excuses are the causes of differences that say nothing of the target: an order
// between sessions that was guessed, what follows from it, made-up values.
var excuses = []string{"order", "follows", "generated"}

// Equal tells whether a replay on an equal target went as it has to, so that
// differences on another one come of that one: nothing differs, or where an order
// may be left open, nothing without an excuse.
func (r *Replay) Equal(open bool) bool {
	if !open && r.Diverging > 0 {
		return false
	}
	return r.Commands > 0 && r.NotSent+r.unexcused() == 0
}

// unexcused counts differing calls, by class, whose cause is no excuse.
func (r *Replay) unexcused() (n uint64) {
	for cause, calls := range r.Causes {
		if !slices.Contains(excuses, cause) {
			n += calls
		}
	}
	return n
}

// String says what was found, a line each.
func (p *Planted) String() string {
	var b strings.Builder
	for _, f := range p.Found {
		fmt.Fprintf(&b, "%s: %d calls, %d differ, %d rightly named, %d not sent", f.Plant, f.Calls, f.Different, f.Right, f.NotSent)
		for _, w := range f.Wrong {
			b.WriteString("; wrongly " + w)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "not planted: %d, without an excuse: %d\n", p.Other, p.Real)
	for _, o := range p.Others {
		b.WriteString("  " + o + "\n")
	}
	return b.String()
}

// classJSON is a query class of a report.
type classJSON struct {
	Kind        string      `json:"kind"`
	Fingerprint string      `json:"fingerprint"`
	Compared    uint64      `json:"compared"`
	Different   uint64      `json:"different"`
	NotCompared []countJSON `json:"not_compared"`
	Differences []struct {
		Class    string `json:"class"`
		Cause    string `json:"cause"`
		Commands uint64 `json:"commands"`
		Examples []struct {
			SQL      string `json:"sql"`
			Replayed string `json:"replayed"`
		} `json:"examples"`
	} `json:"differences"`
}

// CheckPlanted looks for the Plants in a report of a run, as JSON.
func CheckPlanted(text []byte) (*Planted, error) {
	var r struct {
		Replayed *sideJSON   `json:"replayed"`
		Classes  []classJSON `json:"classes"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	if r.Replayed == nil {
		return nil, fmt.Errorf("read a report: it describes no run")
	}
	out := &Planted{}
	for _, p := range Plants {
		out.Found = append(out.Found, Found{Plant: p.Name})
	}
	for i := range r.Classes {
		c := &r.Classes[i]
		which := slices.IndexFunc(Plants, func(p Plant) bool { return strings.Contains(c.Fingerprint, p.Words) })
		if which >= 0 {
			out.Found[which].see(&Plants[which], c)
			continue
		}
		out.other(c)
	}
	return out, nil
}

// other counts a query class that no plant touches.
func (p *Planted) other(c *classJSON) {
	all, real := c.Different, uint64(0)
	for _, d := range c.Differences {
		if d.Class == columnTypes || d.Cause == orderUnknown {
			continue
		}
		p.Others = append(p.Others, c.words(d.Class, d.Cause, d.Commands))
		all = max(all, d.Commands)
		if !slices.Contains(excuses, d.Cause) {
			real += d.Commands // a call with two classes of differences counts twice ...
		}
	}
	real = min(real, all) // ... but not more than there are
	left := c.unprepared()
	if left > 0 {
		p.Others = append(p.Others, fmt.Sprintf("%s %s: %d %s", c.Kind, c.Fingerprint, left, unprepared))
	}
	p.Other += all + left
	p.Real += real + left
}

// unprepared is why a command is left out whose statement the target did not
// prepare.
const unprepared = "skipped: unknown statement"

func (c *classJSON) unprepared() uint64 {
	return sum(slices.DeleteFunc(slices.Clone(c.NotCompared), func(n countJSON) bool { return n.Name != unprepared }))
}

func (c *classJSON) words(class, cause string, n uint64) string {
	return fmt.Sprintf("%s %s: %d %s, %s", c.Kind, c.Fingerprint, n, class, cause)
}

// see counts a query class that notices a plant.
func (f *Found) see(p *Plant, c *classJSON) {
	if c.Kind != "prepare" || p.Error != 0 {
		f.Calls += c.Compared // else to prepare it tells nothing
	}
	f.Different += c.Different
	f.NotSent += c.unprepared()
	for _, d := range c.Differences {
		if d.Cause == Real && slices.Contains(p.Beside, d.Class) {
			continue
		}
		right := d.Class == p.Class && d.Cause == Real
		for _, e := range d.Examples {
			right = right && (p.Error == 0 || strings.Contains(e.Replayed, fmt.Sprint(p.Error)))
		}
		if right {
			f.Right += d.Commands
		} else {
			f.Wrong = append(f.Wrong, c.words(d.Class, d.Cause, d.Commands))
		}
	}
}
