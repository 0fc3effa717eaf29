package order

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// Learned are decisions that earlier passes of a replay have taught: of an
// unproven place next to another command whether its effect was seen.
type Learned struct {
	// Capture is the id of the capture that they belong to.
	Capture string `json:"capture"`
	// Passes counts the passes that taught them.
	Passes int      `json:"passes"`
	List   []Lesson `json:"lessons"`

	places map[place]int    // in List; nil: not known
	reads  map[uint64][]int // by reading session: places in List, by Seq; nil: not known
}

// Lesson says that the recorded command Seq of Session saw, or did not see, the
// effect of the command OtherSeq of Other.
type Lesson struct {
	Session  uint64 `json:"session"`
	Seq      uint64 `json:"seq"`
	Other    uint64 `json:"other"`
	OtherSeq uint64 `json:"other_seq"`
	Seen     bool   `json:"seen"`
	// At is when the other's effect is taken to have been, by the recorder's clock,
	// in nanoseconds; 0: not known.
	At int64 `json:"at,omitempty"`
}

// place names two commands.
type place struct{ session, seq, other, otherSeq uint64 }

// Set adds a lesson, or changes it.
func (l *Learned) Set(n Lesson) {
	k := n.place()
	if l.places == nil {
		l.find()
	}
	if i, known := l.places[k]; known {
		l.List[i].Seen, l.List[i].At = n.Seen, n.At
		return
	}
	l.places[k] = len(l.List)
	l.List = append(l.List, n)
	l.reads = nil
}

func (n *Lesson) place() place { return place{n.Session, n.Seq, n.Other, n.OtherSeq} }

// find notes where each lesson is.
func (l *Learned) find() {
	l.places = map[place]int{}
	for i := range l.List {
		l.places[l.List[i].place()] = i
	}
}

// saw tells what was learned of a command next to another.
func (l *Learned) saw(c, other *command) (seen, known bool) {
	if l == nil || len(l.List) == 0 {
		return false, false
	}
	if l.places == nil {
		l.find()
	}
	i, known := l.places[place{c.step.Session, c.step.Seq, other.step.Session, other.step.Seq}]
	return known && l.List[i].Seen, known
}

// of returns the lessons about a snapshot, in their order: of the command that took
// it, and of those that read it.
func (l *Learned) of(f *command) iter.Seq[*Lesson] {
	return func(yield func(*Lesson) bool) {
		if l == nil || len(l.List) == 0 {
			return
		}
		if l.reads == nil {
			l.sort()
		}
		last := f.step.Seq
		if g := f.group; g.repeatable {
			last = g.last.step.Seq
		}
		for _, i := range l.reads[f.step.Session] {
			if n := &l.List[i]; n.Seq >= f.step.Seq && (n.Seq > last || !yield(n)) {
				return
			}
		}
	}
}

// sort sorts the lessons by who read, and notes where those of each session are.
func (l *Learned) sort() {
	slices.SortStableFunc(l.List, func(a, b Lesson) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Seq, b.Seq))
	})
	l.places, l.reads = nil, map[uint64][]int{}
	for i := range l.List {
		l.reads[l.List[i].Session] = append(l.reads[l.List[i].Session], i)
	}
}

// snapshot tells what was learned of a snapshot next to the end of a transaction.
func (l *Learned) snapshot(f, other *command) (seen, known bool) {
	for n := range l.of(f) {
		if n.Other == other.step.Session && n.OtherSeq == other.step.Seq {
			return n.Seen, true
		}
	}
	return false, false
}

// between returns the bounds that lessons set to the point of a snapshot: what it
// saw was before, what it did not see after. Bounds that contradict each other are
// none.
func (l *Learned) between(f *command) (lo, hi int64) {
	lo, hi = -1<<63, 1<<63-1
	for n := range l.of(f) {
		switch {
		case n.At == 0:
		case n.Seen:
			lo = max(lo, n.At)
		default:
			hi = min(hi, n.At)
		}
	}
	if lo >= hi {
		return -1 << 63, 1<<63 - 1
	}
	return lo, hi
}

// ReadLearned reads what Write wrote.
func ReadLearned(r io.Reader) (*Learned, error) {
	l := new(Learned)
	if err := json.NewDecoder(r).Decode(l); err != nil {
		return nil, fmt.Errorf("no lessons of an order: %w", err)
	}
	return l, nil
}

// Write writes the lessons as JSON.
func (l *Learned) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(l)
}

// Save writes the lessons to a file, in the place of the one that is there.
func (l *Learned) Save(path string) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return fmt.Errorf("keeping what was learned: %w", err)
	}
	if err := errors.Join(l.Write(f), f.Close()); err != nil {
		return fmt.Errorf("keeping what was learned: %w", err)
	}
	return os.Rename(path+".new", path)
}
