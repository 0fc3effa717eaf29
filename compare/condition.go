package compare

import (
	"slices"
	"strings"

	"myreplay/session"
)

// ownConditions are errors that tell of the server's own condition, whatever the
// statement. The codes are those of the error references in MySQL's and MariaDB's
// manuals; 2003 to 2055 are what clients say of a lost connection.
var ownConditions = []uint16{
	1040, 1129, 1203, 1226, // connections and limits of users
	1021, 1026, 1030, 1034, 1037, 1038, 1041, 1114, 1135, // disk, memory, threads, engines
	1053, 1077, 1079, 1836, 3100, 3101, // shutdown, read-only, replication's veto
	1152, 1158, 1159, 1160, 1161, 1184, 4031, // the connection
	2003, 2006, 2013, 2055,
	1028, 1317, 1927, 1969, 3024, 3168, // killed, and statements that took too long
}

// contention are errors of locks, which another order in time makes or cures.
var contention = []uint16{1020, 1205, 1206, 1213, 1613, 1614, 3058, 3572}

// readOnlyOption is the error of an option that forbids a statement; its text
// names the option.
const readOnlyOption = 1290

// ofCondition tells whether an error is one of the server's own condition. nil is
// none.
func ofCondition(e *session.Error) bool {
	switch {
	case e == nil:
		return false
	case e.Code == readOnlyOption:
		return strings.Contains(e.Message, "read-only")
	}
	return slices.Contains(ownConditions, e.Code) || slices.Contains(contention, e.Code)
}

// condition returns the cause that two errors tell by themselves, recorded
// first, nil for none; Real when they tell none.
func condition(p, q *session.Error) Cause {
	switch {
	case ofCondition(q):
		return TargetError
	case ofCondition(p):
		return SourceError
	}
	return Real
}

// EndsTransaction tells whether a server that reports the error has rolled back
// the whole transaction, not only the statement: deadlocks, a full lock table,
// a snapshot that is too old (MariaDB), and whatever ended the connection.
func EndsTransaction(e *session.Error) bool {
	switch e.Code {
	case 1020, 1206, 1213, 1613, 1614, 3101, 1053, 1927, 2006, 2013, 2055, 4031:
		return true
	}
	return false
}
