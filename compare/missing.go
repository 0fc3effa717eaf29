package compare

import (
	"slices"

	"myreplay/session"
)

// A replay that leaves out writes, as one that may only read does, finds other
// data than the recording did. What may follow from that has the cause
// MissingState: other rows, not another way to read the statement. A syntax
// error that only the target has is never excused, and other columns are only
// where a definition is missing.

// fromRows are the classes of differences that follow from other rows,
// fromDefinitions those that follow from other definitions, too.
var (
	fromRows        = Of(RowCount, RowData, RowOrder, Affected, InsertID)
	fromDefinitions = Of(ResultCount, OutcomeKind, Shape, ColumnNames, ColumnTypes, WarningCount)
)

// follows tells whether a difference other than an error may follow from writes
// that were left out.
func (c *comparison) follows(class Class) bool {
	switch {
	case !c.about.MissingState:
		return false
	case fromRows.Has(class), c.about.MissingDDL && fromDefinitions.Has(class):
		return true
	}
	return class == WarningCount && c.others
}

// errorFollows tells whether an error may be there, or lack on the other side,
// because writes were left out. nil may.
func (c *comparison) errorFollows(e *session.Error) bool {
	switch {
	case !c.about.MissingState:
		return false
	case e == nil:
		return true
	case slices.Contains(ofTheServer, e.Code):
		return false
	}
	return c.about.MissingDDL || !slices.Contains(ofDefinitions, e.Code)
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
	// ofDefinitions are errors of names and types, told before a row is read: only
	// another definition makes or cures them.
	ofDefinitions = []uint16{
		1046, 1049, 1050, 1051, 1109, 1146, 1176, 1356, 1735, // schemas, tables, views, indexes
		1052, 1054, 1060, 1136, 1222, 1241, 1247, 1248, // columns
		1055, 1056, 1111, 1140, 3065, // grouping
		1128, 1304, 1305, 1318, 1582, 1584, // routines
		1266, 1267, 1270, 1271, 1273, // collations
	}
)
