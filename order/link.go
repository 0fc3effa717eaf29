package order

import (
	"slices"

	"myreplay/sqltext"
)

// A join by columns carries what is demanded of one table's rows over to the other's:
// of the children of parent 7 only those count that name it.

// maxLinked is how many conditions a table gets of others.
const maxLinked = 8

// link gives the tables of a statement the conditions that their joins carry over.
func (b *bound) link(s *sqltext.Shape) {
	if !slices.ContainsFunc(s.Tables, func(t sqltext.ShapeTable) bool { return len(t.Links) > 0 }) {
		return
	}
	at := make([]*boundTable, len(s.Tables)) // nil: a view, or of a system schema
	for i := range b.tables {
		for k := range s.Tables {
			if bt := &b.tables[i]; bt.direct && bt.ref == &s.Tables[k] {
				at[k] = bt
			}
		}
	}
	for more := true; more; {
		more = false
		for i, bt := range at {
			for _, l := range s.Tables[i].Links {
				if bt != nil && at[l.Table] != nil && bt.carry(at[l.Table], l) {
					more = true
				}
			}
		}
	}
}

// carry takes over the conditions on the other column of a link; false: there is none
// that it has not. Numbers only: other values are equal in more ways than one.
func (bt *boundTable) carry(from *boundTable, l sqltext.Link) (more bool) {
	mine, ok := bt.table.columns[l.Column]
	other, known := from.table.columns[l.Other]
	if !ok || !known || !bt.table.holdsNumbers(mine) || !from.table.holdsNumbers(other) {
		return false
	}
	for _, t := range from.terms {
		if t.column != other || t.term.Op == sqltext.IsNull || bt.linked >= maxLinked || bt.hasTerm(mine, t.term) {
			continue
		}
		bt.terms = append(bt.terms, boundTerm{mine, integers, t.term})
		bt.linked++
		more = true
	}
	return more
}

// holdsNumbers tells whether a column is known to hold whole numbers, as they are
// written.
func (t *table) holdsNumbers(column uint8) bool {
	return classOf(t.schema, column) == integers && t.schema.Columns[column].Type != "year"
}

func (bt *boundTable) hasTerm(column uint8, term *sqltext.Term) bool {
	for i := range bt.terms {
		if bt.terms[i].column == column && bt.terms[i].term == term {
			return true
		}
	}
	return false
}
