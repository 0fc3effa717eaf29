package report

import (
	"strings"

	"myreplay/compare"
	"myreplay/session"
)

const (
	// maxNames is how many users and schemas a class names.
	maxNames = 4
	// maxNameBytes is how many bytes of a name are kept.
	maxNameBytes = 256
	// beyondNames counts the rest.
	beyondNames = "others"
)

// class gathers what is known of one query class.
type class struct {
	id          uint64
	number      int
	group       group
	fingerprint string
	item        string
	tables      []table
	about       compare.Statement
	effect      effect
	touch       touch
	explain     bool
	isOther     bool

	users, schemas names
	from, to       int64
	sides          [2]figures
	pairs          blocks
	compared       uint64
	different      uint64
	notCompared    reasons
	asRecorded     uint64
	tallies        []*tally
	sample         Example
	sampled        int64
	shift          shift
	speed          string
}

// figures are one side's.
type figures struct {
	commands, replies, errors, rows, bytes uint64
	took                                   times
	first                                  moments
}

func (f *figures) add(h *half) {
	f.commands++
	if !h.replied {
		return
	}
	f.replies++
	f.rows += h.rows
	f.bytes += h.bytes
	if h.failed {
		f.errors++
	}
	if !h.overlapped {
		f.took.add(h.took)
		f.first.add(h.first)
	}
}

// reasons counts why commands were not compared: by what a replay skipped, by
// what compare could not, and by what the report lost.
type reasons struct {
	skipped [session.SkipCount]uint64
	replies [compare.NotComparedCount]uint64
	missing uint64 // the run does not mention the command
	apart   uint64 // given up to stay within the memory limit
}

// names counts a few names, in the order of appearance. The rest is summed up.
type names struct {
	list []Count
	rest uint64
}

func (n *names) add(name string) {
	name = name[:min(len(name), maxNameBytes)]
	for i := range n.list {
		if n.list[i].Name == name {
			n.list[i].Count++
			return
		}
	}
	if len(n.list) < maxNames {
		n.list = append(n.list, Count{strings.Clone(name), 1})
		return
	}
	n.rest++
}

func (n *names) model() (list []Count) {
	for _, c := range n.list {
		list = append(list, Count{printable([]byte(c.Name)), c.Count})
	}
	if n.rest > 0 {
		list = append(list, Count{beyondNames, n.rest})
	}
	return list
}

// tally counts the commands of a class with one class and cause of differences.
type tally struct {
	key               tallyKey
	commands, counted uint64
	examples          []Example
}

func (c *class) tally(k tallyKey) *tally {
	for _, t := range c.tallies {
		if t.key == k {
			return t
		}
	}
	t := &tally{key: k}
	c.tallies = append(c.tallies, t)
	return t
}
