package report

import (
	"time"

	"myreplay/compare"
	"myreplay/session"
)

// Sides tells what a Builder is given.
type Sides uint8

// The sides.
const (
	// CaptureAndRun: Recorded takes a capture, Replayed the run made from it.
	CaptureAndRun Sides = iota
	// TwoRuns: Recorded and Replayed take two runs made from one capture, which
	// Source takes (else texts are not known).
	TwoRuns
	// CaptureAlone: Recorded takes a capture or a run; nothing is compared.
	CaptureAlone
)

var sidesNames = [...]string{"capture_and_run", "two_runs", "capture"}

// The defaults of Options.
const (
	DefaultMaxClasses   = 10_000
	DefaultMaxExamples  = 3
	DefaultExampleBytes = 2000
	DefaultMemory       = 256 << 20
)

// Options say how a report is made. Zero fields stand for the defaults.
type Options struct {
	Sides Sides
	// RecordedName and ReplayedName are what the two sides are called.
	RecordedName, ReplayedName string
	// Rules say what is compared and what counts.
	Rules compare.Rules
	// Copies is how many copies of each session the run replayed at a time.
	// Default 1. For a run that also replayed all of it several times, one after
	// the other, see Builder.Again.
	Copies int
	// MaxClasses is how many query classes are told apart, in the order of
	// their first command. What is beyond goes into the class "other". A class
	// takes 3 KiB, and 20 KiB more when its commands are many.
	MaxClasses int
	// MaxExamples is how many examples are kept of each class and cause of
	// differences in a query class. Negative: none.
	MaxExamples int
	// ExampleBytes is how many bytes of a statement's text are kept.
	ExampleBytes int
	// Memory limits, in bytes, what is held of commands of which only one side
	// has been seen. Beyond it commands are given up, and counted.
	Memory int
	// Speed says when a class counts as slower or faster.
	Speed SpeedRules
	// LeavesWrites: the replay is known to leave out all writes. Without it that is
	// known from the first one on, and a read that is compared before may count.
	LeavesWrites bool
	// AllowIncomplete: a replay that ended early or lost its connections may
	// still be called Same by what was compared.
	AllowIncomplete bool
	// Order are the totals of the order that the run kept between sessions; nil when
	// it kept none, or they are not known.
	Order *OrderTotals
	// Params returns the parameters of an Execute (and of what else carries some
	// in the X Protocol) as text for a reader, or "".
	// It may be nil. It is called for examples only, perhaps long after the
	// command was seen. c holds no more than ID, Seq, Kind, Statement, Size and
	// Payload; sql is the statement's text, cut at ExampleBytes. Executions whose payload is longer
	// than ExampleBytes are left out.
	Params func(c *session.Command, sql []byte) string
	// Judged is told of each command whose answers differ in what the place of the
	// command next to others may cause, and of each with guesses whose answers are
	// the same: which it is in the recording, its guesses, and whether it differs. It
	// may be nil.
	Judged func(id, seq uint64, guesses []session.Guess, differs bool)
	// Words gives words for the rows and types of a protocol. It may be nil.
	Words func(session.Protocol) compare.Protocol
}

// SpeedRules say when a class counts as slower or faster: its pairs must be
// unlikely by chance, the change large in proportion, and large in time. Zero
// fields stand for the defaults; a negative MinShift stands for none.
type SpeedRules struct {
	// FalseShare is the share of verdicts that may be false (Benjamini and
	// Hochberg). Default 0.01.
	FalseShare float64
	// MinRatio is the smallest ratio that is called a change, 1.05 by default;
	// for faster its inverse.
	MinRatio float64
	// MinShift is the smallest change of a command's time that is called one,
	// 0.2 ms by default: of a typical command or on average.
	MinShift time.Duration
	// Fail makes the verdict Differs when a class got slower by this ratio or
	// more. 0: speed does not decide.
	Fail float64
}

func orDefault[T int | float64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

func (o *Options) setDefaults() {
	o.Copies = max(o.Copies, 1)
	o.MaxClasses = orDefault(o.MaxClasses, DefaultMaxClasses)
	o.MaxExamples = orDefault(o.MaxExamples, DefaultMaxExamples)
	o.ExampleBytes = max(orDefault(o.ExampleBytes, DefaultExampleBytes), 0)
	o.Memory = max(orDefault(o.Memory, DefaultMemory), 0)
	o.Speed.FalseShare = orDefault(o.Speed.FalseShare, 0.01)
	o.Speed.MinRatio = orDefault(o.Speed.MinRatio, 1.05)
	o.Speed.MinShift = orDefault(o.Speed.MinShift, 200*time.Microsecond)
	o.RecordedName = orName(o.RecordedName, "recorded")
	o.ReplayedName = orName(o.ReplayedName, "replayed")
}

func orName(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}
