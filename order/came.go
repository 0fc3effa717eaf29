package order

import "myreplay/sqltext"

// Came: an INSERT by itself frees its locks before it is answered, so others may
// lock its rows, and be answered, before it is. Who found a row came after it.

// learnFound takes note of an UPDATE that found all rows that it names.
func (a *access) learnFound(s *sqltext.Shape, affected uint64) {
	a.finds = s.Verb == sqltext.Update && a.wrote && len(s.Tables) == 1 && affected > 0 && affected <= maxKeys
	a.affected = uint8(min(affected, maxKeys))
}

// came tells whether an access brought a row, new as it was, that another one found.
// Where the other's transaction deletes rows, that may have been the one before it.
func (p *Planner) came(b, a *access) bool {
	if !b.fresh || !b.wrote || !a.finds && !a.isKeyed || a.cmd.answered <= b.cmd.sent || b.cmd.answered <= a.cmd.sent {
		return false
	}
	list, ok := p.keys(b)
	if !ok || len(list) != 1 || b.last() == nil {
		return false
	}
	rows, ok := p.keys(a)
	if !ok || a.finds && len(rows) != int(a.affected) || !isWithin(list, rows) {
		return false
	}
	for _, x := range a.group.accesses {
		if x.table == a.table && x.deletes {
			return false
		}
	}
	return true
}
