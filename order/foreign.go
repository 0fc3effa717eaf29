package order

import (
	"strings"

	"myreplay/session"

	"myreplay/schema"
)

// linkKeys looks up a table's foreign keys and unique keys.
func (p *Planner) linkKeys(t *table) {
	if t.schema == nil || t.related {
		return
	}
	t.related = true
	for i := range t.schema.Keys {
		k := &t.schema.Keys[i]
		if columns := t.places(k.Columns); k.Unique && !k.Primary && columns != nil {
			t.uniques = append(t.uniques, unique{k.Name, columns, uniqueTable(t, k)})
		}
	}
	for i := range t.schema.Parents {
		f := &t.schema.Parents[i]
		parent := p.options.Schema.Table(f.ParentSchema, f.Parent)
		if parent == nil {
			continue
		}
		other := p.table(f.ParentSchema, f.Parent, parent)
		ours, theirs := t.places(f.Columns), other.places(f.ParentColumns)
		if ours == nil || len(ours) != len(theirs) {
			continue
		}
		t.parents = append(t.parents, relation{name: f.Name, other: other, ours: ours, theirs: theirs})
	}
	for i := range p.options.Schema.Tables {
		p.childOf(t, &p.options.Schema.Tables[i])
	}
}

// childOf looks up the foreign keys of a table that refer to t.
func (p *Planner) childOf(t *table, child *schema.Table) {
	for i := range child.Parents {
		f := &child.Parents[i]
		if p.options.Schema.Table(f.ParentSchema, f.Parent) != t.schema {
			continue
		}
		other := p.table(child.Schema, child.Name, child)
		ours, theirs := t.places(f.ParentColumns), other.places(f.Columns)
		if ours == nil || len(ours) != len(theirs) {
			continue
		}
		t.children = append(t.children, relation{f.Name, other, ours, theirs, isChanging(f.OnDelete) || isChanging(f.OnUpdate)})
	}
}

func isChanging(rule string) bool {
	return strings.EqualFold(rule, "CASCADE") || strings.EqualFold(rule, "SET NULL") || strings.EqualFold(rule, "SET DEFAULT")
}

// uniqueTable returns the entries of a unique key as a table of their own, with
// the same columns.
func uniqueTable(t *table, k *schema.Key) *table {
	u := &table{name: t.name + "#" + k.Name, columns: t.columns, auto: -1, of: t}
	u.primary = t.places(k.Columns)
	u.addLens(u.primary)
	return u
}

// follow adds what an access does to the rows of other tables by foreign keys,
// and to the entries of unique keys.
func (p *Planner) follow(a *access, kindOf writeKind) {
	t := a.table
	for i := range t.parents {
		f := &t.parents[i]
		if kindOf == deletes || kindOf == updates && !touches(a.columns, f.ours) {
			continue
		}
		parent := p.also(a, f.other, share, false, carry(a, f.ours, f.theirs))
		if kindOf == inserts && parent.exact != 0 {
			a.tellParent(parent, f)
		}
	}
	for i := range t.children {
		f := &t.children[i]
		if kindOf == inserts || kindOf == updates && !touches(a.columns, f.ours) {
			continue
		}
		p.also(a, f.other, exclusive, f.changes, carry(a, f.ours, f.theirs)).ofParent = true
	}
	for i := range t.uniques {
		u := &t.uniques[i]
		switch {
		case kindOf == deletes:
			a.tellEntry(p.also(a, u.entries, share, false, carry(a, u.columns, u.columns)), u, kindOf)
		case kindOf == inserts || touches(a.columns, u.columns):
			a.tellEntry(p.also(a, u.entries, exclusive, false, carry(a, u.columns, u.columns)), u, kindOf)
		}
	}
}

// isNamedIn tells whether an error is of the foreign key: its text quotes the name.
func (f *relation) isNamedIn(e *session.Error) bool {
	return strings.Contains(e.Message, "`"+f.name+"`")
}

// keptBy adds what a command that was to delete a row, or to change its key, found of
// the child that kept it from that: it has locked the child.
func (p *Planner) keptBy(a *access) {
	e := a.cmd.err()
	if e == nil || e.Code != errHasChild && e.Code != errHasChildOld {
		return
	}
	for i := range a.table.children {
		f := &a.table.children[i]
		if e.Code == errHasChildOld || f.isNamedIn(e) {
			p.also(a, f.other, share, false, carry(a, f.ours, f.theirs)).ofParent = true
		}
	}
}

// writeKind tells how rows are changed.
type writeKind uint8

const (
	inserts writeKind = iota
	updates
	deletes
)

// touches tells whether one of some columns is in a set.
func touches(set uint64, columns []uint8) bool {
	for _, c := range columns {
		if set&columnBit(int(c)) != 0 {
			return true
		}
	}
	return false
}

// carry returns the domains of an access's columns for another table's.
func carry(a *access, ours, theirs []uint8) (list []domain) {
	for i, c := range ours {
		if d := a.find(c); d != nil && d.kind != null {
			e := *d
			e.column = theirs[i]
			list = append(list, e)
		}
	}
	sortDomains(list)
	return list
}

// also takes note of an access that another brings about.
func (p *Planner) also(a *access, t *table, m mode, wrote bool, domains []domain) *access {
	b := p.slabs.access(access{group: a.group, cmd: a.cmd, table: t, mode: m, wrote: wrote, columns: allColumns, domains: domains, end: a.end})
	b.sure = a.wrote && (m == share) == (t.schema != nil) // a parent, or the entry of a unique key
	t.key(b)
	if m == exclusive {
		b.gap, b.scans = b.locksGaps(a.group.session, true)
	}
	if wrote {
		b.turns = brings | takes
	}
	p.keep(b)
	return b
}
