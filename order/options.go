package order

import (
	"fmt"

	"myreplay/schema"
)

// Mode says how much order a replay keeps between sessions.
type Mode uint8

// The modes.
const (
	// None: each session keeps its own order, nothing more.
	None Mode = iota
	// Commit: a transaction begins once all are over that had ended before it
	// began.
	Commit
	// Table: as Row, but a table is taken for one row.
	Table
	// Row: what touches the same rows keeps its order.
	Row
)

var modeNames = [...]string{"none", "commit", "table", "row"}

// String returns the mode as a flag has it.
func (m Mode) String() string { return modeNames[m] }

// ParseMode reads what String returns.
func ParseMode(s string) (Mode, error) {
	for i, n := range modeNames {
		if n == s {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no order; there are none, commit, table and row", s)
}

// Defaults and limits of Options.
const (
	// DefaultWindow is how many commands apart, at least, two may be in the order
	// of their replies and still be told to wait for each other. Beyond it a step's
	// Fence does so.
	DefaultWindow = 2048
	// windowOfSession is what each open session adds to it.
	windowOfSession = 64
	// DefaultHold is how many events may pass while a transaction is held back
	// because an earlier one goes on.
	DefaultHold = 20_000
	// DefaultHoldBytes limits what is held back.
	DefaultHoldBytes = 16 << 20
)

// Options say how a Planner works.
type Options struct {
	Mode Mode
	// Schema is what is known of the tables; nil: nothing. Then the text alone
	// tells rows apart.
	Schema *schema.Schema
	// Learned are decisions of earlier passes; nil: none.
	Learned *Learned
	// Commits is the recorded server's order of commits; nil: not known.
	Commits CommitOrder
	// Digests: the recording's digests were made with Seed, so that they can be
	// compared with those of values that were written.
	Digests bool
	Seed    uint64
	// Doubts: Planner.Doubts is of use.
	Doubts bool
	// Window, Hold and HoldBytes: 0 stands for the defaults.
	Window, Hold, HoldBytes int
	// HoldTime is how long, in recorded nanoseconds, a transaction may be held
	// back; 0: as long as Hold and HoldBytes allow.
	HoldTime int64
}

// Stats counts what a Planner has done.
type Stats struct {
	// Steps are the commands, Groups the transactions and the commands outside of
	// any; Long ones were not held to their end.
	Steps, Groups, Long int64
	// Waits count by confidence and by reason.
	Waits   [ConfidenceCount]int64
	Reasons [ReasonCount]int64
	// Reads are commands that read committed rows; Ambiguous of them overlap with
	// the end of a transaction that changed such rows.
	Reads, Ambiguous int64
	// Barriers are commands that all others wait for: what they do is not known.
	Barriers int64
	// Late commands of a Live were handed on before their replies were seen.
	Late int64
	// GTIDs are commits whose place among others the server told, or its binary log.
	// OddGTIDs were not used: they contradict what was seen when.
	GTIDs, OddGTIDs int64
	// Deadlocks and LockTimeouts were recorded.
	Deadlocks, LockTimeouts int64
	// Torn transactions have no end that is known: bytes of theirs were lost.
	Torn int64
}
