// Package compare tells how a replayed reply differs from the recorded one. Its
// functions are pure: two replies and the rules go in, differences come out.
// What one side lacks is not a difference but a reason why the replies could
// not be compared.
package compare

import (
	"math"
	"strings"

	"myreplay/session"
)

// Difference is one respect in which two replies differ.
type Difference struct {
	Class Class
	Cause Cause
	// Counts tells whether the rules count it against the target. What does
	// not count is still reported.
	Counts bool
	// Result is the result that differs, from 0.
	Result int
}

// OrderRule says whether rows in another order count.
type OrderRule uint8

// The rules for the order of rows.
const (
	// OrderAuto: it counts where the statement has an ORDER BY. Whether that
	// leaves rows with equal keys in any order can't be told from the text.
	OrderAuto OrderRule = iota
	// OrderCounts: it always counts.
	OrderCounts
	// OrderIgnored: it never counts.
	OrderIgnored
)

// Rules say what is compared and what counts. The zero Rules report every
// difference and count all but column types, generated values, what follows
// from writes that were left out, and the order of rows where the statement has
// no ORDER BY.
type Rules struct {
	// Ignore are the classes that are not reported at all.
	Ignore Classes
	// RowOrder says whether rows in another order count.
	RowOrder OrderRule
	// CountGenerated: differences in generated values count too.
	CountGenerated bool
	// CountMissing: differences that may follow from writes that the replay left
	// out count too.
	CountMissing bool
	// Tolerance is the share by which the numbers of rows and of affected rows
	// may differ without counting: 0.01 stands for one percent of the larger.
	Tolerance float64
	// EqualErrors are pairs of error codes that stand for the same error on the
	// two sides, recorded first.
	EqualErrors [][2]uint16
	// NoDigests: the two sides' digests have different seeds, so that rows can
	// only be counted.
	NoDigests bool
}

// Statement is what of a statement decides about a difference's cause. About
// makes it from the text.
type Statement struct {
	// OrderBy: the statement gives the order of its rows.
	OrderBy bool
	// OpenLimit: it has a LIMIT without an ORDER BY.
	OpenLimit bool
	// Generated: its answer rests on values that a server makes up; Made tells on
	// which. MadeRows: they may decide which rows it finds or changes. Otherwise they
	// only are among what it shows or writes.
	Generated bool
	Made      Made
	MadeRows  bool
	// MadeKey: the replayed reply says that a key was there twice, and the key is none
	// of the statement's.
	MadeKey bool
	// AfterLoss: something of the session was not recorded before it.
	AfterLoss bool
	// MissingState: its answer may rest on what writes wrote that the replay left
	// out. MissingDDL: on what such ones defined, too.
	MissingState, MissingDDL bool
	// Follows: its answer may rest on what an earlier difference changed.
	// FollowsDDL: on definitions, too; FollowsRoutines: and not on those of tables
	// only.
	Follows, FollowsDDL, FollowsRoutines bool
	// Guessed: its place next to commands of other sessions is not certain.
	Guessed bool
	// GuessedDDL: nor is it next to those that change definitions.
	GuessedDDL bool
}

// Replies appends to dst how the replayed reply differs from the recorded one.
// A nil reply is one that is missing. When the replies could not be compared to
// their end it tells why; differences found until then are sure even so.
func Replies(dst []Difference, recorded, replayed *session.Reply, about Statement, rules *Rules) ([]Difference, NotCompared) {
	switch {
	case recorded == nil:
		return dst, NoRecordedReply
	case replayed == nil:
		return dst, NoReplayedReply
	case recorded.Lost:
		return dst, RecordedLost
	case replayed.Lost:
		return dst, ReplayedLost
	}
	c := comparison{list: dst, about: about, rules: rules}
	c.replies(recorded, replayed)
	return c.list, c.missing
}

// comparison is one call of Replies.
type comparison struct {
	list    []Difference
	about   Statement
	rules   *Rules
	missing NotCompared
	at      int  // the result being compared
	others  bool // its rows are others, or of another number
}

func (c *comparison) replies(a, b *session.Reply) {
	if p, q := a.Prepared, b.Prepared; p != nil && q != nil && (p.Params != q.Params || p.Columns != q.Columns) {
		c.found(Shape, Real, true)
	}
	n := min(len(a.Results), len(b.Results))
	failed := (a.Err() != nil) != (b.Err() != nil)
	for c.at = 0; c.at < n; c.at++ {
		if !c.results(&a.Results[c.at], &b.Results[c.at]) {
			return
		}
	}
	c.tail(a, b, n, failed)
}

// tail compares what one side has more than the other. A statement that fails
// ends a multi-statement: the results that are missing then only follow.
func (c *comparison) tail(a, b *session.Reply, n int, failed bool) {
	switch {
	case len(a.Results) == len(b.Results):
	case a.Prepared != nil || b.Prepared != nil:
		c.prepared(a, b)
	case failed:
		c.errors(a.Err(), b.Err())
	default:
		c.found(ResultCount, Real, true)
	}
}

// prepared compares a Prepare that succeeded on one side only.
func (c *comparison) prepared(a, b *session.Reply) {
	switch {
	case a.Err() != nil || b.Err() != nil:
		c.errors(a.Err(), b.Err())
	default:
		c.found(OutcomeKind, Real, true)
	}
}

// errors compares two errors, nil for none. One of the two is an error.
func (c *comparison) errors(a, b *session.Error) {
	class := ErrorOther
	switch {
	case a == nil:
		class = ErrorNew
	case b == nil:
		class = ErrorGone
	case a.Code == b.Code || c.equalErrors(a.Code, b.Code):
		return
	}
	cause := condition(a, b)
	if cause == Real && class == ErrorOther && c.about.MadeKey {
		cause = Generated
	}
	c.note(class, cause, true, c.beforeError(a, b))
}

// results compares two results, and tells whether what follows can be compared
// too.
func (c *comparison) results(a, b *session.Result) bool {
	switch {
	case a.Error != nil || b.Error != nil:
		c.errors(a.Error, b.Error)
		return false
	case a.Outcome != b.Outcome:
		c.found(OutcomeKind, Real, true)
		return true
	}
	c.others = false
	if a.Outcome == session.Rows || a.Outcome == session.Opened {
		c.rows(a, b)
	}
	if a.Affected != b.Affected {
		c.found(Affected, c.affectedCause(a, b), !c.tolerated(a.Affected, b.Affected))
	}
	if a.InsertID != b.InsertID {
		c.found(InsertID, Generated, true)
	}
	if a.Warnings != b.Warnings {
		c.found(WarningCount, Real, true)
	}
	if len(a.Changes) > 0 || len(b.Changes) > 0 {
		c.notices(a, b)
	}
	return true
}

func (c *comparison) equalErrors(a, b uint16) bool {
	for _, pair := range c.rules.EqualErrors {
		if pair == [2]uint16{a, b} {
			return true
		}
	}
	return false
}

func (c *comparison) rows(a, b *session.Result) {
	comparable := c.columns(a.Columns, b.Columns)
	switch {
	case a.Rows != b.Rows:
		c.found(RowCount, c.rowsCause(), !c.tolerated(a.Rows, b.Rows))
	case !comparable || a.Rows == 0:
	case c.rules.NoDigests:
		c.missing = OtherSeed
	case !a.Digest.Valid || !b.Digest.Valid:
		c.missing = RowsUnknown
	case a.Digest.Ordered == b.Digest.Ordered && a.Digest.Unordered == b.Digest.Unordered:
	case a.Digest.Unordered == b.Digest.Unordered:
		c.order()
	case onlyMade(a, b):
		c.found(RowData, Generated, true)
	case c.about.OpenLimit && !c.about.Generated:
		c.found(RowData, OrderUnknown, true)
	default:
		c.found(RowData, c.valueCause(), true)
	}
}

// columns compares the descriptions of the rows and tells whether the rows can
// be compared. What is not described is not compared.
func (c *comparison) columns(a, b *session.Columns) bool {
	if a == nil || b == nil || a.Hash == b.Hash {
		return true
	}
	if len(a.List) != len(b.List) {
		c.found(ColumnNames, Real, true)
		return false
	}
	names, types := false, false
	for i := range a.List {
		p, q := &a.List[i], &b.List[i]
		names = names || p.Name != q.Name
		types = types || p.Type != q.Type
	}
	if names {
		c.found(ColumnNames, Real, true)
	}
	if types {
		c.found(ColumnTypes, Real, false)
	}
	return true
}

// order notes that only the order of the rows differs.
func (c *comparison) order() {
	cause := c.rowsCause()
	if !c.about.OrderBy && cause == Real {
		cause = OrderUnknown
	}
	counts := c.about.OrderBy
	switch c.rules.RowOrder {
	case OrderCounts:
		counts = true
	case OrderIgnored:
		counts = false
	}
	c.found(RowOrder, cause, counts)
}

// valueCause returns the cause of a difference in values.
func (c *comparison) valueCause() Cause {
	if c.about.Generated {
		return Generated
	}
	return Real
}

// rowsCause returns the cause of a difference in which rows there are.
func (c *comparison) rowsCause() Cause {
	if c.about.Generated && c.about.MadeRows {
		return Generated
	}
	return Real
}

// affectedCause returns the cause of a difference in how many rows were changed.
// An UPDATE that finds the same rows changes fewer where it writes what they have
// already, as the same time.
func (c *comparison) affectedCause(a, b *session.Result) Cause {
	m, ok := matched(a.Info)
	n, also := matched(b.Info)
	if c.about.Generated && ok && also && m == n {
		return Generated
	}
	return c.rowsCause()
}

// matched returns how many rows an UPDATE found, as its answer tells in digits.
func matched(info string) (digits string, ok bool) {
	rest, ok := strings.CutPrefix(info, "Rows matched: ")
	digits, _, _ = strings.Cut(rest, " ")
	return digits, ok
}

// tolerated tells whether two numbers are within the tolerance.
func (c *comparison) tolerated(a, b uint64) bool {
	x, y := float64(a), float64(b)
	return math.Abs(x-y) <= c.rules.Tolerance*max(x, y)
}

// found notes a difference that is no error.
func (c *comparison) found(class Class, cause Cause, counts bool) {
	c.others = c.others || class == RowCount || class == RowData
	c.note(class, cause, counts, c.before(class))
}

// note notes a difference; before is the cause that lies before the command.
func (c *comparison) note(class Class, cause Cause, counts bool, before Cause) {
	if c.rules.Ignore.Has(class) {
		return
	}
	switch {
	case cause == TargetError || cause == SourceError:
	case cause == Generated && !c.rules.CountGenerated:
		counts = false
	case before == MissingState && (counts || cause == Real):
		cause, counts = MissingState, counts && c.rules.CountMissing
	case cause != Generated && c.about.AfterLoss:
		cause = AfterLoss
	case cause == Real:
		cause = before
	}
	c.list = append(c.list, Difference{Class: class, Cause: cause, Counts: counts, Result: c.at})
}
