package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Noise is what differs where nothing should: the report of a replay onto a
// server that equals the source, or onto two equal servers, summed up.
type Noise struct {
	// Compared are the commands whose answers were compared, Different those that
	// differ, also in what the rules do not count; NotCompared those that were not
	// compared.
	Compared    uint64 `json:"compared"`
	Different   uint64 `json:"different"`
	NotCompared uint64 `json:"not_compared"`
	// Share is Different by Compared, from 0 to 1.
	Share float64 `json:"share"`
	// Causes counts each command that differs for one cause, Differences has a line
	// for each class and cause.
	Causes      []Count           `json:"causes"`
	Differences []DifferenceTotal `json:"differences"`
	// Incomplete is why this says little, "" when it does not: the account does not
	// close, or nothing was compared.
	Incomplete string `json:"incomplete,omitempty"`
}

// Noise sums up the report of a run in which no answer should differ.
func (r *Report) Noise() Noise {
	n := Noise{Compared: r.Account.Compared, NotCompared: sum(r.Account.NotCompared), Causes: some(r.Causes), Differences: some(r.Differences)}
	n.Different = sum(r.Causes)
	if n.Compared > 0 {
		n.Share = float64(n.Different) / float64(n.Compared)
	}
	switch {
	case !r.Account.Closes:
		n.Incomplete = "the account does not close"
	case n.Compared == 0:
		n.Incomplete = "no command could be compared"
	}
	return n
}

// String returns the noise floor in a few lines, the last without a line end.
func (n Noise) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "noise floor: %s of %s %s (%s)", number(n.Different), plural(n.Compared, "answer", "answers"),
		inNumber(n.Different, "{differs|differ}"), n.percent())
	if len(n.Causes) > 0 {
		var parts []string
		for _, c := range n.Causes {
			parts = append(parts, number(c.Count)+" "+c.Name)
		}
		out.WriteString(": " + strings.Join(parts, ", "))
	}
	for _, d := range n.Differences {
		fmt.Fprintf(&out, "\n  %-17s %-16s %9s, %s in %s", d.key.class, d.key.cause, number(d.Commands),
			plural(uint64(d.Classes), "query class", "query classes"), d.Most)
	}
	if n.NotCompared > 0 {
		fmt.Fprintf(&out, "\n  %s not compared", plural(n.NotCompared, "command was", "commands were"))
	}
	if n.Incomplete != "" {
		fmt.Fprintf(&out, "\n  this says little: %s", n.Incomplete)
	}
	return out.String()
}

// percent returns the share with two digits that matter.
func (n *Noise) percent() string {
	if n.Compared == 0 {
		return "-"
	}
	return strconv.FormatFloat(100*n.Share, 'g', 2, 64) + " %"
}
