package feed

import "time"

// skewSamples is how many round trips the skew is chosen from.
const skewSamples = 16

// skew estimates how far the other side's clock is ahead: by the shortest of the
// latest round trips, in which its answer came from the middle.
type skew struct {
	trips [skewSamples]struct{ took, ahead int64 }
	n     int
}

// note takes note of a round trip from sent to received by our clock, and of
// the other side's clock within it.
func (s *skew) note(sent, received, other int64) {
	if received < sent {
		return // our clock was set
	}
	t := &s.trips[s.n%skewSamples]
	t.took, t.ahead = received-sent, other-(sent+(received-sent)/2)
	s.n++
}

// best returns the estimate, and the round trip that it is from.
func (s *skew) best() (ahead, took int64) {
	for i := range min(s.n, skewSamples) {
		if t := s.trips[i]; i == 0 || t.took < took {
			ahead, took = t.ahead, t.took
		}
	}
	return ahead, took
}

// now returns the time in nanoseconds since the Unix epoch.
func now() int64 { return time.Now().UnixNano() }
