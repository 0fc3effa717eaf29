package report

import (
	"math"
	"math/bits"

	"myreplay/compare"
)

// Live are a report's figures while it is being made.
type Live struct {
	Recorded LiveSide `json:"recorded"`
	Replayed LiveSide `json:"replayed"`
	// Compared commands, Different of them with a difference that counts.
	Compared  uint64 `json:"compared"`
	Different uint64 `json:"different"`
	// Differences has a line for each class and cause.
	Differences []DifferenceTotal `json:"differences,omitempty"`
	// NotCompared counts commands by reason.
	NotCompared []Count `json:"not_compared,omitempty"`
	// AsRecorded are commands that failed of locks as they did when recorded.
	AsRecorded AsRecorded `json:"as_recorded"`
	// Held are bytes of commands of which one side is missing.
	Held int `json:"held_bytes"`
}

// LiveSide tells of one side. P50 and P99 are those of the replies since the
// figures were asked for before, in microseconds; 0 without any.
type LiveSide struct {
	Commands uint64 `json:"commands"`
	Replies  uint64 `json:"replies"`
	Errors   uint64 `json:"errors"`
	P50      int64  `json:"p50_us"`
	P99      int64  `json:"p99_us"`
}

// Live returns the figures so far. It begins the P50 and P99 anew. It is cheap
// enough to be called every second.
func (b *Builder) Live() Live {
	l := Live{Recorded: b.liveSide(recorded), Compared: b.account.compared, Different: b.account.different,
		Differences: b.totals.model(), NotCompared: b.account.reasons.model(),
		AsRecorded: AsRecorded{b.account.deadlocks, b.account.lockTimeouts}, Held: b.entries.bytes}
	if b.options.Sides != CaptureAlone {
		l.Replayed = b.liveSide(replayed)
	}
	return l
}

func (b *Builder) liveSide(side int) LiveSide {
	s, r := &b.sides[side], &b.recent[side]
	l := LiveSide{Commands: s.commands, Replies: s.replies, Errors: s.errors, P50: r.quantile(0.5), P99: r.quantile(0.99)}
	*r = recent{}
	return l
}

// totals sums up the differences of all query classes, by class and cause.
type totals [compare.ClassCount][compare.CauseCount]total

type total struct {
	commands, counted uint64
	classes           int
	// most is the query class that has most, mostOf of them.
	most   *class
	mostOf uint64
}

// add takes note of a difference that was counted for a query class, in t.
func (s *totals) add(c *class, t *tally, counted bool) {
	n := &s[t.key.class][t.key.cause]
	n.commands++
	n.counted += one(counted)
	n.classes += int(one(t.commands == 1))
	if t.commands > n.mostOf {
		n.most, n.mostOf = c, t.commands
	}
}

// model returns the totals that there are, those that count first.
func (s *totals) model() (list []DifferenceTotal) {
	for class := range s {
		for cause := range s[class] {
			if n := &s[class][cause]; n.commands > 0 {
				key := tallyKey{compare.Class(class), compare.Cause(cause)}
				list = append(list, DifferenceTotal{key.class.Name(), key.cause.Name(), n.commands, n.counted, n.classes, n.most.hex(), key})
			}
		}
	}
	sortTotals(list)
	return list
}

const (
	// recentSteps is how many ranges there are for each doubling of a time: a
	// quantile is right to 6 %.
	recentSteps = 16
	// recentDoublings of a microsecond are told apart: up to 6 days.
	recentDoublings = 36
)

// recent counts times by their size, in microseconds. The zero value is empty.
type recent struct {
	count  uint64
	ranges [recentSteps * recentDoublings]uint32
}

func (r *recent) add(ns int64) {
	us := uint64(us(ns))
	r.count++
	if us < recentSteps {
		r.ranges[us]++
		return
	}
	// The first five bits of the number, and how many follow.
	shift := bits.Len64(us) - 5
	at := shift*recentSteps + int(us>>shift)
	r.ranges[min(at, len(r.ranges)-1)]++
}

// quantile returns the time in microseconds that a share q of all does not
// exceed, by the middle of its range; 0 without any.
func (r *recent) quantile(q float64) int64 {
	rank := uint64(math.Ceil(q * float64(r.count)))
	for at, n := range r.ranges {
		if uint64(n) >= rank && rank > 0 {
			return middle(at)
		}
		rank -= min(uint64(n), rank)
	}
	return 0
}

// middle returns the middle of a range.
func middle(at int) int64 {
	if at < 2*recentSteps {
		return int64(at)
	}
	shift := at/recentSteps - 1
	low := int64(at%recentSteps+recentSteps) << shift
	return low + (int64(1)<<shift-1)/2
}
