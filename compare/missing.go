package compare

import (
	"slices"

	"myreplay/session"
)

// What a command finds may be something else for a reason that lies before it:
// the replay left out writes (MissingState), an earlier write did something else
// (Follows), or another session's command had not the place that it had in the
// recording (Order). Only what can come of that has such a cause: other rows, not
// another way to read the statement. A syntax error that only the target has is
// never excused, and other columns are only where a definition is missing.

// fromRows are the classes of differences that follow from other rows,
// fromDefinitions those that follow from other definitions, too.
var (
	fromRows        = Of(RowCount, RowData, RowOrder, Affected, InsertID)
	fromDefinitions = Of(ResultCount, OutcomeKind, Shape, ColumnNames, ColumnTypes, WarningCount)
)

// before returns the cause that lies before the command and that explains a
// difference other than an error; Real when there is none.
func (c *comparison) before(class Class) Cause {
	can := func(defined bool) bool {
		return fromRows.Has(class) || defined && fromDefinitions.Has(class) || class == WarningCount && c.others
	}
	a := &c.about
	switch {
	case a.MissingState && can(a.MissingDDL):
		return MissingState
	case a.Follows && can(a.FollowsDDL):
		return Follows
	case a.Guessed && can(a.GuessedDDL):
		return Order
	}
	return Real
}

// beforeError returns the same for an error that is there, or lacks on the other
// side; either may be nil.
func (c *comparison) beforeError(p, q *session.Error) Cause {
	a := &c.about
	switch {
	case a.MissingState && excusable(p, a.MissingDDL) && excusable(q, a.MissingDDL):
		return MissingState
	case a.Follows && a.followsFrom(p) && a.followsFrom(q):
		return Follows
	case a.Guessed && comesOf(p, a.GuessedDDL) && comesOf(q, a.GuessedDDL):
		return Order
	}
	return Real
}

// excusable tells whether other rows, or other definitions, may make or cure an
// error. nil may.
func excusable(e *session.Error, defined bool) bool {
	return e == nil || !slices.Contains(ofTheServer, e.Code) && (defined || !slices.Contains(ofDefinitions, e.Code))
}

// followsFrom tells whether an error is known to come of what an earlier difference
// changed. nil may.
func (a *Statement) followsFrom(e *session.Error) bool {
	return comesOf(e, a.FollowsDDL) && (e == nil || a.FollowsRoutines || !slices.Contains(ofRoutines, e.Code))
}

// comesOf tells whether an error is known to come of rows, or of definitions.
// nil may. It is stricter than excusable: writes that were left out are certain,
// here something is inferred.
func comesOf(e *session.Error, defined bool) bool {
	return e == nil || slices.Contains(ofRows, e.Code) || defined && slices.Contains(ofDefinitions, e.Code)
}

// The codes are those of the error reference in MySQL's manual; MariaDB has the
// same numbers for them.
var (
	// ofTheServer are errors that no data makes or cures: the text can't be read
	// or asks for what the server does not have, somebody may not do it, or the
	// server takes no commands or no writes.
	ofTheServer = []uint16{
		1064, 1065, 1149, 1235, 1193, 1231, 1221, 1047, // syntax, not supported, variables
		1044, 1045, 1142, 1143, 1227, 1370, // privileges
		1040, 1053, 1037, 1041, 1290, 1836, // the server's state
	}
	// ofRows are errors that the rows found make: keys that are there twice or not
	// at all, too many rows or none, values out of range, checks and triggers that
	// refuse, rows that were changed or locked.
	ofRows = []uint16{
		1022, 1062, 1169, 1586, 1859, // duplicates
		1216, 1217, 1451, 1452, 1761, 1762, // foreign keys
		1032, 1172, 1242, 1329, // no row, or more than one
		1048, 1264, 1292, 1365, 1366, 1406, 1690, 3819, 4025, 1644, // values
		1020, 1205, 1213, 3572, // locks
	}
	// ofDefinitions are errors of names and types, told before a row is read: only
	// another definition makes or cures them.
	ofDefinitions = []uint16{
		1046, 1049, 1050, 1051, 1109, 1146, 1176, 1356, 1735, // schemas, tables, views
		1061, 1068, 1072, 1091, // keys and columns that are added or dropped
		1052, 1054, 1060, 1136, 1222, 1241, 1247, 1248, // columns
		1055, 1056, 1111, 1140, 3065, // grouping
		1128, 1304, 1305, 1318, 1582, 1584, // routines
		1266, 1267, 1270, 1271, 1273, // collations
	}
	// ofRoutines are those among them that no table's definition makes or cures.
	ofRoutines = []uint16{1128, 1304, 1305, 1318, 1582, 1584}
)
