package replay

import (
	"sync/atomic"

	"myreplay/order"
	"myreplay/session"
)

// OnTime is how late a command may be sent and still count as on time:
// 5 ms.
const OnTime = 5_000_000

// Stats counts what a Replayer has done so far. Every field may be read while
// it runs.
type Stats struct {
	// Sessions were read from the recording; Filtered of them were left out.
	// Connected connections were made (Copies for each), Open of them now, and
	// Refused ones that could not be made.
	Sessions, Filtered, Connected, Open, Refused atomic.Int64
	// Commands were read from the recording, once for each copy. Each of them
	// ends as Sent or as Skipped for a reason (among which are FailedSend and
	// NotReached).
	Commands, Sent atomic.Int64
	Skipped        [session.SkipCount]atomic.Int64
	// Replies came back, Errors of them errors.
	Replies, Errors atomic.Int64
	// Lost connections, and Reconnects after it. Unanswered commands were sent
	// and lost their reply.
	Lost, Reconnects, Unanswered atomic.Int64
	// OnTime commands were sent within OnTime of when they were due; Late is the
	// largest lag so far, and Lag that of the command sent last, in nanoseconds; how
	// long a command was itself held back for other sessions (SyncWait) is no part
	// of it, what that makes of the session's next ones is.
	// Paced and live replays only. Replayer.Lag tells of what is not sent yet.
	OnTime, Late, Lag atomic.Int64
	// Behind sessions of a live replay were given up because the target was too
	// slow. Caught commands were sent together with others, to catch up.
	Behind, Caught atomic.Int64
	// Away sessions have no connection now, and try to make one: see Trouble.
	Away    atomic.Int64
	trouble atomic.Pointer[error]
	// Overtaken sessions were begun although more were open than in the
	// recording, because nothing moved.
	Overtaken atomic.Int64
	// Of a replay that keeps an order between sessions: SyncWaits commands were
	// held back for those of other sessions, SyncWait nanoseconds in all; Blocked
	// sessions are at this moment. Dropped waits, by how sure they were, were given
	// up so that the replay went on. LetIn counts how often more was read than the
	// window holds, because all that was read waited for what was not. Redone counts
	// how often a transaction, or a command by itself, was done again because the
	// target refused it a lock, and NotRedone how often that could not be, or did
	// not help. Undone of them gave way to others. HeldUp counts circles that
	// went through the target: a session waited for a command that waited there for
	// its locks.
	SyncWaits, SyncWait, Blocked     atomic.Int64
	Dropped                          [order.ConfidenceCount]atomic.Int64
	LetIn, Redone, NotRedone, Undone atomic.Int64
	HeldUp                           atomic.Int64
	// Retaken counts how often a read that passes over locked rows was undone, to
	// be done again or not, because it took other rows than when it was recorded.
	Retaken atomic.Int64
	// Torn transactions were rolled back: something of theirs is missing from the
	// recording.
	Torn atomic.Int64
	// refusal is an error that Connect gave last.
	refusal atomic.Pointer[error]
	// At is the recorded time that was read last, First the first one.
	First, At atomic.Int64
}

// Accounted returns how many commands have found their end.
func (s *Stats) Accounted() int64 {
	n := s.Sent.Load()
	for i := range s.Skipped {
		n += s.Skipped[i].Load()
	}
	return n
}

// lag takes note of how late a command was sent.
func (s *Stats) lag(d int64) {
	if d <= OnTime {
		s.OnTime.Add(1)
	}
	s.Lag.Store(max(d, 0))
	s.late(d)
}

// late takes note of the largest lag.
func (s *Stats) late(d int64) {
	for old := s.Late.Load(); d > old && !s.Late.CompareAndSwap(old, d); old = s.Late.Load() {
	}
}

// Refusal returns the latest error of a connection that could not be made, or
// nil.
func (s *Stats) Refusal() error {
	if p := s.refusal.Load(); p != nil {
		return *p
	}
	return nil
}

// Trouble returns the latest error of those sessions that try to make a
// connection, or nil when there are none.
func (s *Stats) Trouble() error {
	if p := s.trouble.Load(); p != nil && s.Away.Load() > 0 {
		return *p
	}
	return nil
}

// refused takes note of a connection that could not be made.
func (r *Replayer) refused(err error) {
	r.stats.Refused.Add(1)
	r.stats.refusal.Store(&err)
}
