package packet

import "myreplay/flow"

// Stats counts what a Source has read and what became of it. Everything that is
// dropped or odd has a counter of its own.
type Stats struct {
	// Packets and Bytes (as captured) that were read.
	Packets, Bytes uint64
	// Segments are the TCP segments among them that the filter chose.
	Segments uint64
	// Filtered packets are TCP, but not chosen by the filter; Other ones are not
	// TCP; UnknownLink ones have a link type that is not understood; Malformed
	// ones contradict themselves; Cut ones were recorded too short for their
	// headers.
	Filtered, Other, UnknownLink, Malformed, Cut uint64

	// Fragments are IP fragments, Reassembled the TCP segments that they made up.
	Fragments, Reassembled uint64
	// Datagrams (or fragments of them) that were dropped, by reason: overlapping
	// fragments, impossible sizes, recorded too short, not complete in time, no
	// memory left.
	FragmentsOverlap, FragmentsBad, FragmentsCut, FragmentsTimedOut, FragmentsNoMemory uint64

	// SourceDrops are packets that the source lost before they could be read: the
	// kernel's count in a live capture, the recorder's own in a pcapng file.
	SourceDrops uint64
	// ClockSteps counts times that the packets' clock went back by more than a
	// few seconds.
	ClockSteps uint64
	// FileErrors are files that could not be read or not to their end.
	FileErrors uint64

	// DataBytes were delivered in Data chunks.
	DataBytes uint64
	// Retransmitted segments (and copies of them) brought nothing new.
	Retransmitted uint64
	// OutOfOrder segments came too early and were held.
	OutOfOrder uint64
	// Conflicts are overlapping segments whose bytes differ from those that were
	// held already. The bytes that came first win. Bytes that were delivered
	// already are not kept and cannot be compared.
	Conflicts uint64
	// Late segments brought bytes that had just been declared lost.
	Late uint64
	// Gaps and GapBytes are the Gap chunks and the bytes they name, by reason.
	Gaps, GapBytes [flow.SourceEnded + 1]uint64
	// Forced segments were delivered before bytes that they acknowledge, because
	// both sides claim to have been second.
	Forced uint64
	// Implausible segments, acknowledgements and resets have numbers far outside
	// of what the connection can send; they were not believed.
	Implausible uint64
	// Resyncs are the times that a side went on so far away from where it was
	// that the number of lost bytes is unknown.
	Resyncs uint64
	// Strays are segments of unknown connections that do not begin one, and
	// segments with data of connections that were closed.
	Strays uint64

	// Opened connections; those of them that were Joined in mid-life; the Closed
	// ones by reason.
	Opened, Joined uint64
	Closed         [flow.SourceEnded + 1]uint64
	// Refused connections were reset before they were established; they are not
	// opened. Abandoned ones had only begun, with SYNs, and timed out or were
	// forgotten for want of room.
	Refused, Abandoned uint64

	// Connections in the table now, lingering and half-open ones included.
	Connections int
	// HeldBytes is the memory for held segments now, HeldPeak its maximum.
	HeldBytes, HeldPeak int
}

// Lost returns the number of bytes that all Gap chunks name together.
func (s *Stats) Lost() uint64 {
	var n uint64
	for _, b := range s.GapBytes {
		n += b
	}
	return n
}

// count adds a packet that is not a TCP segment to its counter.
func (s *Stats) count(v verdict) {
	switch v {
	case isOther:
		s.Other++
	case isBadLink:
		s.UnknownLink++
	case isMalformed:
		s.Malformed++
	case isCut:
		s.Cut++
	case isUnfiltered:
		s.Filtered++
	}
}
