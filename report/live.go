package report

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
