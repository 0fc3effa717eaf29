package session

// MaxGuesses is how many Guesses an Order names at most.
const MaxGuesses = 8

// Order tells what the order between sessions did to a command of a run.
type Order struct {
	// Waited is how long it was held back for commands of other sessions, in
	// nanoseconds, after it was due and those of its own session were answered.
	Waited int64
	// Guesses are those of its places next to commands of other sessions that the
	// recording did not prove, in the order of time: what was seen comes first.
	Guesses []Guess
	// Dropped counts what it was to wait for and did not, so that the replay went
	// on.
	Dropped uint32
	// Redone counts how often its transaction was rolled back on the target and
	// begun anew before this outcome.
	Redone uint32
	// Still: it reads tables that no other command of the recording had changed by
	// then. Whatever came of the order, its answer rests on none of that.
	Still bool
}

// Guess is an unproven place next to the recorded command Seq of Session: the
// effect of that one was taken to be there (Seen), or not yet.
type Guess struct {
	Session, Seq uint64
	Seen         bool
	// Defines: one of the two changes definitions.
	Defines bool
	// Rests: the command's own place is certain, but it finds what that one wrote,
	// whose place next to the other one with Rests is not.
	Rests bool
}
