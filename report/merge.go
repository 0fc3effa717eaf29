package report

import (
	"errors"
	"fmt"
	"io"

	"myreplay/session"
)

// Next returns the next event of a stream, io.EOF at its end. For a run that
// replayed its capture several times, the capture's Next returns ErrAgain
// between one pass and the next.
type Next func() (session.Event, error)

// ErrAgain tells that a capture begins again: see Builder.Again.
var ErrAgain = errors.New("the capture begins again")

// Merge tells a Builder the events of its streams in such an order that few
// commands wait for their other side: the replayed stream leads, and the
// recorded one (before it the source, if there are three) follows as far as is
// needed. source is nil but for two runs, replayed is nil for a capture alone.
// The error names the stream that failed; what was read before it is told.
func (b *Builder) Merge(source, recorded, replayed Next) error {
	var last *stream
	for _, s := range []*stream{
		{name: "source capture", next: source, tell: b.Source, end: b.sourceEnd, again: b.Again, known: b.sourceKnown},
		{name: "recorded side", next: recorded, tell: b.Recorded, end: func() { b.streamEnd(0) }, again: b.againRecorded(), known: b.recordedKnown, runs: b.runs[0]},
		{name: "replayed side", next: replayed, tell: b.Replayed, end: func() { b.streamEnd(1) }, runs: b.runs[1]},
	} {
		if s.next == nil {
			continue
		}
		s.before = last
		last = s
	}
	var errs []error
	for s := last; s != nil; s = s.before {
		errs = append(errs, s.drain())
	}
	return errors.Join(errs...)
}

// againRecorded returns what begins the recorded side again; a run does not.
func (b *Builder) againRecorded() func() {
	if b.isRun(0) {
		return nil
	}
	return b.Again
}

// sourceKnown returns the highest sequence number that the capture has told of
// a session.
func (b *Builder) sourceKnown(k joinKey) uint64 {
	if s := b.sources[k.of]; s != nil && k.copy/uint32(b.options.Copies) == b.pass {
		return s.known
	}
	if j := b.joins[k]; j != nil && j.sourceEnded {
		return ^uint64(0)
	}
	return 0
}

// recordedKnown is the same for the recorded side.
func (b *Builder) recordedKnown(k joinKey) uint64 {
	j := b.joins[k]
	switch {
	case j == nil:
		return 0
	case j.ended[recorded] && !b.isRun(recorded):
		return ^uint64(0)
	}
	return j.known[recorded]
}

// stream is one of the streams that Merge reads.
type stream struct {
	name  string
	next  Next
	tell  func(session.Event)
	end   func()
	again func() // nil for runs
	ended bool
	err   error
	// before is the stream that must be ahead of this one, known how far a
	// stream has come in a session, and runs find a run's sessions by their id.
	before *stream
	known  func(joinKey) uint64
	runs   map[uint64]*joined
}

// step reads and tells one event, and reports whether there was one.
func (s *stream) step() bool {
	if s.ended {
		return false
	}
	e, err := s.next()
	if errors.Is(err, ErrAgain) && s.again != nil {
		s.again()
		return true
	}
	if err != nil {
		s.ended = true
		if !errors.Is(err, io.EOF) {
			s.err = fmt.Errorf("%s: %w", s.name, err)
		}
		s.end()
		return false
	}
	if c, ok := e.(*session.Command); ok && s.before != nil {
		if j := s.runs[c.ID]; j != nil {
			s.before.reach(j.key, c.Seq)
		}
	}
	s.tell(e)
	return true
}

// reach reads until the stream has told of a command, or ends.
func (s *stream) reach(k joinKey, seq uint64) {
	for s.known(k) < seq && s.step() {
	}
}

// drain reads all that is left.
func (s *stream) drain() error {
	for s.step() {
	}
	return s.err
}
