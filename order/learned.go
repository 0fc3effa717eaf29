package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	places map[place]int // in List; nil: not known
	index  map[place]bool
	reads  map[uint64][]int // by reading session: places in List, by Seq
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
	k := place{n.Session, n.Seq, n.Other, n.OtherSeq}
	if l.places == nil {
		l.places = map[place]int{}
		for i, m := range l.List {
			l.places[place{m.Session, m.Seq, m.Other, m.OtherSeq}] = i
		}
	}
	l.index = nil
	if i, known := l.places[k]; known {
		l.List[i].Seen, l.List[i].At = n.Seen, n.At
		return
	}
	l.places[k] = len(l.List)
	l.List = append(l.List, n)
}

// prepare makes the index.
func (l *Learned) prepare() {
	l.places = nil
	slices.SortStableFunc(l.List, func(a, b Lesson) int {
		if a.Session != b.Session {
			if a.Session < b.Session {
				return -1
			}
			return 1
		}
		switch {
		case a.Seq < b.Seq:
			return -1
		case a.Seq > b.Seq:
			return 1
		}
		return 0
	})
	l.index, l.reads = map[place]bool{}, map[uint64][]int{}
	for i, n := range l.List {
		l.index[place{n.Session, n.Seq, n.Other, n.OtherSeq}] = n.Seen
		l.reads[n.Session] = append(l.reads[n.Session], i)
	}
}

// saw tells what was learned of a command next to another.
func (l *Learned) saw(c, other *command) (seen, known bool) {
	if l == nil || len(l.List) == 0 {
		return false, false
	}
	if l.index == nil {
		l.prepare()
	}
	seen, known = l.index[place{c.step.Session, c.step.Seq, other.step.Session, other.step.Seq}]
	return seen, known
}

// snapshot tells what was learned of a snapshot next to the end of a transaction:
// by the command that took it or any that read it.
func (l *Learned) snapshot(f, other *command) (seen, known bool) {
	if l == nil || len(l.List) == 0 {
		return false, false
	}
	if l.index == nil {
		l.prepare()
	}
	g := f.group
	for _, i := range l.reads[f.step.Session] {
		n := &l.List[i]
		if n.Seq < f.step.Seq || !g.repeatable && n.Seq > f.step.Seq || n.Other != other.step.Session || n.OtherSeq != other.step.Seq {
			continue
		}
		if g.last != nil && n.Seq > g.last.step.Seq {
			break
		}
		return n.Seen, true
	}
	return false, false
}

// between returns the bounds that lessons set to the point of a snapshot: what it
// saw was before, what it did not see after. Bounds that contradict each other are
// none.
func (l *Learned) between(f *command) (lo, hi int64) {
	lo, hi = -1<<63, 1<<63-1
	if l == nil || len(l.List) == 0 {
		return lo, hi
	}
	if l.index == nil {
		l.prepare()
	}
	g := f.group
	for _, i := range l.reads[f.step.Session] {
		n := &l.List[i]
		if n.At == 0 || n.Seq < f.step.Seq || !g.repeatable && n.Seq > f.step.Seq {
			continue
		}
		if g.last != nil && n.Seq > g.last.step.Seq {
			break
		}
		if n.Seen {
			lo = max(lo, n.At)
		} else {
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
