// Package replay sends recorded commands to a target: when, in what order, how
// many at once. It knows no protocol: a Target speaks it.
package replay

import (
	"sync/atomic"
	"time"
)

// Pace says when recorded commands are due.
type Pace struct {
	// Speed is how many times faster than recorded: 1 as recorded, 2.5, 0.5. 0:
	// as fast as the target answers.
	Speed float64
	// MaxPause shortens pauses of the whole recording, in which no session sent
	// anything, to this length (recorded time). 0: pauses stay.
	MaxPause time.Duration
	// Think keeps each client's think time (from a reply to its next command)
	// also where the target is slower than the source and the session is late.
	// Without it a late session sends at once until it has caught up.
	Think bool
}

// unpaced tells whether commands are sent as fast as the target answers.
func (p Pace) unpaced() bool { return p.Speed <= 0 }

// schedule turns recorded times into planned ones. The feeder asks it for each
// event in order of the recording.
type schedule struct {
	pace  Pace
	begin int64 // when the replay began, by our clock
	first int64 // the recording's first time; 0: not known yet
	last  int64 // the latest time seen
	live  *skew // of a live replay; nil: none
	// pauses are those that MaxPause shortened, the latest last, and saved what is
	// left out before the first of them that is kept.
	pauses []pause
	saved  int64
}

// pause is the end of one that was shortened, and what is left out up to there.
type pause struct{ end, saved int64 }

// maxPauses is how many are kept, for events that come late: an order between
// sessions holds some back.
const maxPauses = 256

// skew is how far the target's clock is ahead of the recorder's, in nanoseconds.
type skew struct{ atomic.Int64 }

// of returns a recorded time by the target's clock: 0 without a skew, or a time.
func (s *skew) of(at int64) int64 {
	if s == nil || at == 0 {
		return 0
	}
	return at + s.Load()
}

// due returns when something that was recorded at the time at is due: in
// nanoseconds since the Unix epoch, 0 for at once.
func (s *schedule) due(at int64) int64 {
	if s.live != nil {
		return s.live.of(at)
	}
	s.see(at)
	if s.pace.unpaced() {
		return 0
	}
	return s.begin + s.scale(at-s.first-s.savedBy(at))
}

// see takes note of the time of an event, in order of the recording.
func (s *schedule) see(at int64) {
	if s.first == 0 {
		s.first, s.last = at, at
	}
	if d := at - s.last; s.pace.MaxPause > 0 && d > int64(s.pace.MaxPause) {
		p := pause{at, s.savedBy(at) + d - int64(s.pace.MaxPause)}
		if len(s.pauses) == maxPauses {
			s.saved = s.pauses[0].saved
			s.pauses = s.pauses[:copy(s.pauses, s.pauses[1:])]
		}
		s.pauses = append(s.pauses, p)
	}
	s.last = max(s.last, at)
}

// savedBy returns what is left out up to a time.
func (s *schedule) savedBy(at int64) int64 {
	for i := len(s.pauses) - 1; i >= 0; i-- {
		if at >= s.pauses[i].end {
			return s.pauses[i].saved
		}
	}
	return s.saved
}

// scale turns a recorded length of time into a replayed one.
func (s *schedule) scale(d int64) int64 {
	if s.pace.Speed == 1 || s.pace.unpaced() {
		return d
	}
	return int64(float64(d) / s.pace.Speed)
}
