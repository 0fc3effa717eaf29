// Package order says, from a recording alone, which command of a session must
// wait for which of others, so that a replay finds the data that the recording
// found.
package order

import (
	"slices"
	"sync/atomic"

	"myreplay/session"
)

// Confidence tells how sure an order is.
type Confidence uint8

// The confidences.
const (
	// Proven: one was answered before the other was sent, or a lock that was held
	// tells.
	Proven Confidence = iota
	// Inferred: values in the recording tell.
	Inferred
	// Guessed: the two overlapped, and nothing tells.
	Guessed

	// ConfidenceCount is the number of confidences.
	ConfidenceCount = 3
)

// String returns the confidence in lower case.
func (c Confidence) String() string { return [...]string{"proven", "inferred", "guessed"}[c] }

// Reason tells why a command waits for another.
type Reason uint8

// The reasons.
const (
	// WriteWrite: both lock or change the same rows.
	WriteWrite Reason = iota
	// WriteRead: it reads what the other had changed.
	WriteRead
	// ReadWrite: it changes what the other is not to see.
	ReadWrite
	// Barrier: definitions, table locks, named locks.
	Barrier

	// ReasonCount is the number of reasons.
	ReasonCount = 4
)

// String returns the reason as the field calls it.
func (r Reason) String() string {
	return [...]string{"write-write", "write-read", "read-write", "barrier"}[r]
}

// Wait is one thing that a command waits for.
type Wait struct {
	On         *Step
	Confidence Confidence
	Reason     Reason
	// Locks: it is guessed, and only for what is locked, or passed over: no value rests
	// on it.
	Locks bool
	// Sent: it is enough that the other was sent a moment ago (SentPause): its
	// answer may take long, and its place was at its beginning.
	Sent bool
}

// Force tells what is done in a command's place.
type Force uint8

// What is done in a command's place.
const (
	// NoForce: it is sent.
	NoForce Force = iota
	// ForceRollback: it was a deadlock's victim when it was recorded (error 1213),
	// or was rolled back as a whole: ROLLBACK is sent instead.
	ForceRollback
	// ForceSkip: it failed with a lock wait timeout (1205) and changed nothing:
	// nothing is sent.
	ForceSkip
)

// Took are rows of a table.
type Took struct {
	// Table is a hash of the table's name.
	Table uint64
	// Keys are the hashes of the rows' primary keys, as a RowHash has them, sorted.
	Keys []uint64
	// Lock is a statement that locks those of the rows that later commands of the
	// transaction name by their keys, and no gaps; "": none does.
	Lock string
	// Loose: what gaps it locked, too, is not known. Others' rows came while it did.
	Loose bool
}

// Step is a command's place in the order. Planner makes it; its fields are not
// changed once it was handed on. Sent and Finish are called by who replays it.
type Step struct {
	// Session and Seq name the command.
	Session, Seq uint64
	// Number counts steps in the order in which they were handed on, from 1.
	Number uint64
	// Fence: all steps with a Number up to it (but those Apart) are to be finished before this one
	// is sent; 0: none.
	Fence uint64
	// Apart: no Fence waits for it. It belongs to a transaction, or is a command,
	// that takes long.
	Apart bool
	// Answered: its recorded reply comes right behind it. (Of a Live; a Planner's
	// always do.)
	Answered bool
	// Free: it locks and changes no rows. (Of a Live.)
	Free bool
	// Begins and Ends: it is the first, or the last, command of a transaction that
	// the recording has whole. Inside: it stands in one, between them.
	Begins, Inside, Ends bool
	// Still: it reads tables that the schema has and that no command seen so far has
	// changed. Another order changes nothing for it. (Of a Planner.)
	Still bool
	Force Force
	Waits []Wait
	// Guesses are the unproven places of what the command reads or locks, in the
	// order of time: those that it saw come first.
	Guesses []session.Guess
	// Rests, if any, name two writes of a row that the command finds: their order is a
	// guess. (Of a Planner.)
	Rests []session.Guess
	// Took are the rows that it took of those that nobody had locked (SKIP LOCKED),
	// where the recording tells them; nil: it does not, or the command is no such
	// read. (Of a Planner.)
	Took *Took
	// Spare is a generated id that no row of the INSERT's table has, for the one that
	// failed or found its row there; 0: none is known, or it is no such command. (Of a
	// Planner.)
	Spare uint64

	// later are guesses of a Live that were made after it was handed on.
	later atomic.Pointer[[]session.Guess]
	latch
}

// Unproven returns Guesses, and those of a Live that were made since the step was
// handed on: that what was committed while the command read was not seen by it. It
// may be called by any goroutine. The list is not to be changed.
func (s *Step) Unproven() []session.Guess {
	if more := s.later.Load(); more != nil {
		return append(s.Guesses[:len(s.Guesses):len(s.Guesses)], *more...)
	}
	return s.Guesses
}

// unseen adds a guess to a step that was handed on: it does not see another.
func (s *Step) unseen(on *Step) {
	list := s.Unproven()
	g := session.Guess{Session: on.Session, Seq: on.Seq}
	if len(list) >= session.MaxGuesses || slices.Contains(list, g) {
		return
	}
	var more []session.Guess
	if old := s.later.Load(); old != nil {
		more = slices.Clone(*old)
	}
	more = append(more, g)
	s.later.Store(&more)
}
