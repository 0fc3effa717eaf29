package compare

import (
	"slices"
	"strings"

	"myreplay/session"
)

// Counting returns those of the changes that Replies compares, in a slice of
// their own; nil when there are none.
func Counting(changes []session.Change) (list []session.Change) {
	for _, c := range changes {
		switch c.Kind {
		case session.DocumentIDs, session.RowsFound, session.RowsMatched, session.WarningNotice, session.MadeValues:
			list = append(list, c)
		}
	}
	return list
}

// notices compares what the X Protocol says in notices: how many ids the server
// made for documents, whatever they are, the codes of warnings, and counts of
// rows.
func (c *comparison) notices(x, y *session.Result) {
	a, b := x.Changes, y.Changes
	if documents(a) != documents(b) {
		c.found(InsertID, Real, true)
	}
	if x.Warnings == y.Warnings && !slices.EqualFunc(warnings(a), warnings(b), func(x, y session.Change) bool { return x.Name == y.Name }) {
		c.found(WarningCount, Real, true)
	}
	for _, k := range [...]session.ChangeKind{session.RowsFound, session.RowsMatched} {
		if noticed(a, k) != noticed(b, k) {
			c.found(Affected, c.valueCause(), true)
		}
	}
}

// warnings returns the warnings among changes.
func warnings(list []session.Change) []session.Change {
	return slices.DeleteFunc(slices.Clone(list), func(c session.Change) bool { return c.Kind != session.WarningNotice })
}

// documents counts the ids of documents.
func documents(list []session.Change) int {
	ids := noticed(list, session.DocumentIDs)
	if ids == "" {
		return 0
	}
	return 1 + strings.Count(ids, ",")
}

// noticed returns the value of the first change of a kind.
func noticed(list []session.Change, k session.ChangeKind) string {
	for i := range list {
		if list[i].Kind == k {
			return list[i].Value
		}
	}
	return ""
}
