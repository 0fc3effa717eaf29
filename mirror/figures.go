package mirror

import "myreplay/report"

// Figures are what a mirror has done so far, for a reader's line, a screen, and
// metrics. All counts only grow, but those called Open, Lag and Held.
type Figures struct {
	// Began and At are when the mirror began and when the figures were taken,
	// nanoseconds since the Unix epoch.
	Began int64 `json:"began"`
	At    int64 `json:"at"`

	Source SourceFigures `json:"source"`
	Target TargetFigures `json:"target"`
	// Answers compares the two sides.
	Answers report.Live `json:"answers"`
	// Link tells of the way to an assistant; nil without one.
	Link *LinkFigures `json:"link,omitempty"`
}

// SourceFigures tell what was seen of the source.
type SourceFigures struct {
	// Sessions that began, Open of them that have not ended, Joined of them in
	// mid-life, Encrypted of them that can't be read.
	Sessions  int64 `json:"sessions"`
	Open      int64 `json:"open"`
	Joined    int64 `json:"joined"`
	Encrypted int64 `json:"encrypted"`
	// Commands and Replies were seen; Masked of the commands hold a secret.
	Commands int64 `json:"commands"`
	Replies  int64 `json:"replies"`
	Masked   int64 `json:"masked"`
	// Gaps in what was seen; Dropped packets that the kernel dropped.
	Gaps    int64 `json:"gaps"`
	Dropped int64 `json:"dropped_packets"`
}

// TargetFigures tell what was replayed.
type TargetFigures struct {
	// Sessions are open, Connected ones that were opened in all, Refused ones that
	// could not be, Lost ones whose connection broke, Behind ones that were given
	// up because the target was too slow.
	Open      int64 `json:"open"`
	Connected int64 `json:"connected"`
	Refused   int64 `json:"refused"`
	Lost      int64 `json:"lost"`
	Behind    int64 `json:"behind"`
	// Refusal is the latest reason for a session that could not be opened.
	Refusal string `json:"refusal,omitempty"`
	// Away are open sessions that have no connection and try to make one, Trouble
	// is the latest reason.
	Away    int64  `json:"away"`
	Trouble string `json:"trouble,omitempty"`
	// Commands are those to be replayed, once for each copy; Sent and Skipped (by
	// reason) sum up to them, but for what is under way.
	Commands int64            `json:"commands"`
	Sent     int64            `json:"sent"`
	Skipped  map[string]int64 `json:"skipped,omitempty"`
	Replies  int64            `json:"replies"`
	Errors   int64            `json:"errors"`
	// Caught are commands sent together with others, to catch up.
	Caught int64 `json:"caught_up"`
	// Torn transactions were rolled back because something of theirs was not seen.
	Torn int64 `json:"torn"`
	// Lag is how long ago the oldest command that has not been sent was recorded,
	// MostLag the longest so far, in nanoseconds.
	Lag     int64 `json:"lag_ns"`
	MostLag int64 `json:"most_lag_ns"`
	// Held are the bytes of events that wait, of at most Limit.
	Held  int64 `json:"held_bytes"`
	Limit int64 `json:"held_limit_bytes"`
	// OwnPort are connections from their client's own port, OtherPort those from
	// its address and another port, OwnAddress those from the address of the
	// machine that replays.
	OwnPort    int64 `json:"from_client_port"`
	OtherPort  int64 `json:"from_client_address"`
	OwnAddress int64 `json:"from_own_address"`
	// Order tells of the order between sessions; nil when none is kept.
	Order *OrderFigures `json:"order,omitempty"`
}

// OrderFigures tell what the order between sessions did.
type OrderFigures struct {
	// Proven and Guessed are waits of commands for those of other sessions, by how
	// sure they are; Late commands were sent before their recorded replies were seen.
	Proven  int64 `json:"proven"`
	Guessed int64 `json:"guessed"`
	Late    int64 `json:"late"`
	// Reads took a snapshot; Ambiguous of them while a change was being committed.
	Reads     int64 `json:"reads"`
	Ambiguous int64 `json:"ambiguous"`
	// Deadlocks and LockTimeouts of the source were replayed as recorded.
	Deadlocks    int64 `json:"deadlocks"`
	LockTimeouts int64 `json:"lock_timeouts"`
	// Blocked sessions are held back for others now; Waited commands were, for
	// SyncWait nanoseconds in all.
	Blocked  int64 `json:"blocked"`
	Waited   int64 `json:"waited"`
	SyncWait int64 `json:"sync_wait_ns"`
	// Dropped waits were given up so that the replay went on. Redone transactions
	// were begun anew because the target refused a lock, NotRedone could not be.
	Dropped   int64 `json:"dropped"`
	Redone    int64 `json:"redone"`
	NotRedone int64 `json:"not_redone"`
}

// LinkFigures tell of the connection between a mirror and its assistant.
type LinkFigures struct {
	// Up: there is one now. Broken is how often it broke.
	Up     bool  `json:"up"`
	Broken int64 `json:"broken"`
	// Ended are sessions that could not be resumed after that, Lost the events
	// that never reached the assistant.
	Ended int64 `json:"ended_sessions"`
	Lost  int64 `json:"lost_events"`
	// Waiting are bytes that the assistant has not acknowledged yet.
	Waiting int64 `json:"waiting_bytes"`
	// Skew is how far the assistant's clock is ahead, in nanoseconds.
	Skew int64 `json:"skew_ns"`
	// Trouble is why there is no connection, "" while there is one.
	Trouble string `json:"trouble,omitempty"`
}
