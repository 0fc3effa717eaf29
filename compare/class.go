package compare

import (
	"fmt"
	"strings"
)

// Class tells in which respect two replies differ.
type Class uint8

// The classes.
const (
	// ErrorNew: the recorded reply succeeded, the replayed one is an error.
	ErrorNew Class = iota
	// ErrorGone: the recorded reply is an error, the replayed one succeeded.
	ErrorGone
	// ErrorOther: both are errors, with different codes. The same code with
	// another text is no difference.
	ErrorOther
	// ResultCount: a multi-statement or a CALL gave another number of results.
	ResultCount
	// OutcomeKind: rows on one side, none on the other; a cursor on one side.
	OutcomeKind
	// Shape: a prepared statement has another number of parameters or columns.
	Shape
	// ColumnNames: the columns differ in number or in name.
	ColumnNames
	// ColumnTypes: the columns have other types. For information: it never
	// counts.
	ColumnTypes
	// RowCount: another number of rows.
	RowCount
	// RowData: as many rows, with other contents.
	RowData
	// RowOrder: the same rows in another order.
	RowOrder
	// Affected: another number of affected rows.
	Affected
	// InsertID: another last insert id.
	InsertID
	// WarningCount: another number of warnings.
	WarningCount

	// ClassCount is the number of classes.
	ClassCount int = iota
)

var classNames = [...]string{"new error", "error gone", "other error", "number of results", "kind of answer",
	"statement shape", "column names", "column types", "row count", "row data", "row order", "affected rows",
	"insert id", "warnings"}

// String returns the class in words.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "?"
}

// Name returns the class as one word with underscores, as flags and JSON have
// it.
func (c Class) Name() string { return strings.ReplaceAll(c.String(), " ", "_") }

// Cause tells what is known of why two replies differ. Where several fit, the
// first of these is given: TargetError and SourceError, which the reply itself
// tells; Generated, which the statement's text tells; MissingState, which the
// replay is known to lack; AfterLoss, which it may lack; OrderUnknown, which the
// text leaves open; Follows, which rests on an earlier difference that is reported
// with a cause of its own; Order, which rests on a guess; Real.
// A cause that is not certain is only given to differences that it can make: no
// order of commands makes a syntax error.
type Cause uint8

// The causes.
const (
	// Real: nothing is known that would excuse it.
	Real Cause = iota
	// Generated: the statement's answer rests on values that a server makes up:
	// the clock, random numbers, ids, who is connected, which server it is.
	Generated
	// OrderUnknown: the statement leaves the order of its rows, or with a LIMIT
	// which rows it takes, to the server.
	OrderUnknown
	// AfterLoss: something of the session was not recorded before the command,
	// so that the replay may lack what the answer rests on.
	AfterLoss
	// MissingState: the replay left out commands that write, and the answer may
	// rest on what they wrote.
	MissingState
	// TargetError: the replayed reply is an error of the target's own condition,
	// not of the statement's: no connection left, a full disk, a lock that was not
	// to be had, a command that was killed.
	TargetError
	// SourceError: the recorded reply is such an error, and the target had none.
	SourceError
	// Follows: an earlier difference changed what the answer rests on.
	Follows
	// Order: the command's place next to commands of other sessions was guessed,
	// or what it was to wait for was dropped.
	Order

	// CauseCount is the number of causes.
	CauseCount int = iota
)

var causeNames = [...]string{"real", "generated", "order unknown", "after lost bytes", "missing state", "target error",
	"source error", "follows", "order"}

// String returns the cause in words.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "?"
}

// Name returns the cause as one word with underscores, as JSON has it.
func (c Cause) Name() string { return strings.ReplaceAll(c.String(), " ", "_") }

// CauseNamed returns the cause that Name gives the name.
func CauseNamed(name string) (Cause, bool) {
	for i := range causeNames {
		if c := Cause(i); c.Name() == name {
			return c, true
		}
	}
	return 0, false
}

// ClassNamed returns the class that Name gives the name.
func ClassNamed(name string) (Class, bool) {
	return classNamed(strings.ReplaceAll(name, "_", " "))
}

// NotCompared tells why two replies were not compared, or not to their end.
type NotCompared uint8

// The reasons.
const (
	// Compared is the zero NotCompared: the replies were compared.
	Compared NotCompared = iota
	// NoRecordedReply: the recording has no reply to the command.
	NoRecordedReply
	// NoReplayedReply: the target gave no answer.
	NoReplayedReply
	// RecordedLost: a part of the recorded reply was not seen.
	RecordedLost
	// ReplayedLost: a part of the replayed reply was not seen.
	ReplayedLost
	// RowsUnknown: the rows of one side could not be digested.
	RowsUnknown
	// OtherSeed: the digests of the two sides have different seeds.
	OtherSeed

	// NotComparedCount is the number of values of NotCompared.
	NotComparedCount int = iota
)

var notComparedNames = [...]string{"", "no recorded answer", "no answer from the target", "recorded answer incomplete",
	"replayed answer incomplete", "rows could not be digested", "digests made with different seeds"}

// String returns the reason in words, "" for Compared.
func (n NotCompared) String() string {
	if int(n) < len(notComparedNames) {
		return notComparedNames[n]
	}
	return "?"
}

// Classes is a set of classes.
type Classes uint32

// Of returns the set of the given classes.
func Of(list ...Class) (s Classes) {
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

// Has tells whether c is in the set.
func (s Classes) Has(c Class) bool { return s&(1<<c) != 0 }

// ParseClasses reads a list of classes such as "warnings,insert_id". Words may
// be joined by underscores, hyphens or spaces. The error names the word that is
// no class.
func ParseClasses(list string) (s Classes, err error) {
	for _, word := range strings.Split(list, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		if word == "" {
			continue
		}
		c, ok := classNamed(strings.NewReplacer("_", " ", "-", " ").Replace(word))
		if !ok {
			return 0, fmt.Errorf("%q is no class of differences; there are: %s", word, strings.Join(allNames(), ", "))
		}
		s |= Of(c)
	}
	return s, nil
}

func classNamed(words string) (Class, bool) {
	for i, n := range classNames {
		if n == words {
			return Class(i), true
		}
	}
	return 0, false
}

func allNames() (list []string) {
	for c := range Class(ClassCount) {
		list = append(list, c.Name())
	}
	return list
}
