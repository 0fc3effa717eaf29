package order

import (
	"strings"

	"myreplay/schema"
	"myreplay/sqltext"
)

// binding names a shape in a default schema.
type binding struct {
	shape  *sqltext.Shape
	schema string
}

// bound is a shape whose names were looked up.
type bound struct {
	tables []boundTable
	// coarse: there may be more than the tables tell: all wait for it.
	coarse bool
	any    bool // there is something to do
}

// boundTable is a table of a shape.
type boundTable struct {
	table *table
	ref   *sqltext.ShapeTable
	terms []boundTerm
	// assigned are the columns that an UPDATE sets.
	assigned []boundAssign
	changes  uint64
	reads    uint64
	// lock is how a SELECT locks the rows that it reads.
	lock sqltext.RowLock
	// inserted are the places of an INSERT's columns; -1: not known.
	inserted []int16
	temp     bool
	// plain: all conditions of the only table of a plain SELECT are in terms, on a
	// column each.
	plain bool
	// direct: the statement names it.
	direct bool
	// linked is how many of terms its joins carried over.
	linked int
}

type boundTerm struct {
	column uint8
	class  class
	term   *sqltext.Term
}

type boundAssign struct {
	column uint8
	class  class
	value  sqltext.Value
}

// class tells how the values of a column are compared.
type class uint8

const (
	unclear    class = iota // not known
	integers                // by number
	folded                  // texts, case and trailing spaces apart
	bytesExact              // texts, byte by byte
	incomparable
)

// classOf returns the class of a column; t may be nil.
func classOf(t *schema.Table, column uint8) class {
	if t == nil || int(column) >= len(t.Columns) {
		return unclear
	}
	c := &t.Columns[column]
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year":
		return integers
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		if strings.HasSuffix(c.Collation, "_bin") || c.Collation == "binary" {
			return bytesExact
		}
		return folded
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		return bytesExact
	}
	return incomparable
}

// maxBindings limits the bindings that are remembered.
const maxBindings = 1 << 14

// bind looks up a shape's names.
func (p *Planner) bind(s *sqltext.Shape, current string) *bound {
	k := binding{s, current}
	if b := p.bindings[k]; b != nil {
		return b
	}
	if len(p.bindings) >= maxBindings {
		clear(p.bindings)
	}
	b := p.newBound(s, current)
	p.bindings[k] = b
	return b
}

func (p *Planner) newBound(s *sqltext.Shape, current string) *bound {
	b := &bound{coarse: isCoarse(s)}
	for i := range s.Tables {
		p.bindTable(b, s, &s.Tables[i], current)
	}
	if s.Verb == sqltext.Call || s.Funcs&sqltext.FuncUnknown != 0 {
		p.bindRoutines(b, s, current)
	}
	for i := range s.Free {
		b.attribute(&s.Free[i])
	}
	b.link(s)
	b.any = len(b.tables) > 0 || b.coarse || s.UserLock.Kind != sqltext.Absent || s.Frees || s.Verb == sqltext.Unlock || s.Verb == sqltext.Lock
	return b
}

// isCoarse tells whether what a statement does can't be told from its tables.
func isCoarse(s *sqltext.Shape) bool {
	switch s.Class {
	case sqltext.Unknown:
		return s.Funcs&sqltext.FuncUnknown == 0
	case sqltext.DDL:
		return len(s.Tables) == 0
	case sqltext.Write, sqltext.LockingRead:
		return s.Flags&sqltext.MoreTables != 0 && s.Verb != sqltext.Call
	case sqltext.Admin:
		return s.Verb == sqltext.Flush
	}
	return false
}

// systemSchemas hold no rows that sessions share.
func isSystem(name string) bool {
	switch lower(name) {
	case "information_schema", "performance_schema", "mysql", "sys":
		return true
	}
	return false
}

// maxViews is how deep views are looked into.
const maxViews = 8

// bindTable looks up one table: a view stands for its tables.
func (p *Planner) bindTable(b *bound, s *sqltext.Shape, ref *sqltext.ShapeTable, current string) {
	in := ref.Schema
	if in == "" {
		in = current
	}
	if isSystem(in) {
		return
	}
	found := p.options.Schema.Table(in, ref.Name)
	if found != nil && found.Kind == schema.View {
		p.bindView(b, found, ref, maxViews)
		return
	}
	t := p.table(in, ref.Name, found)
	bt := boundTable{table: t, ref: ref, temp: s.Flags&sqltext.Temporary != 0, lock: lockOf(s, ref), direct: true}
	if p.options.Mode == Row {
		bt.bindTerms(ref)
		bt.plain = s.Plain && len(bt.terms) == len(ref.Terms) && bt.table.key1() >= 0
	}
	bt.bindColumns(s, ref)
	b.tables = append(b.tables, bt)
	p.triggers(b, found, ref)
}

// lockOf returns how a SELECT locks the rows of a table: FOR UPDATE OF names some
// of its tables.
func lockOf(s *sqltext.Shape, ref *sqltext.ShapeTable) sqltext.RowLock {
	for i := range s.Tables {
		if s.Tables[i].RowLock != sqltext.NoLock {
			return ref.RowLock
		}
	}
	return s.Lock
}

// bindView adds the tables of a view, all of whose rows it may touch.
func (p *Planner) bindView(b *bound, v *schema.Table, ref *sqltext.ShapeTable, depth int) {
	if depth == 0 {
		b.coarse = true
		return
	}
	shapes, _ := new(sqltext.Shaper).Shapes([]byte(v.Definition), sqltext.Options{})
	for _, s := range shapes {
		for i := range s.Tables {
			in := s.Tables[i].Schema
			if in == "" {
				in = v.Schema
			}
			inner := p.options.Schema.Table(in, s.Tables[i].Name)
			if inner != nil && inner.Kind == schema.View {
				p.bindView(b, inner, ref, depth-1)
				continue
			}
			part := &sqltext.ShapeTable{Schema: in, Name: s.Tables[i].Name, Role: ref.Role, Lock: ref.Lock}
			b.tables = append(b.tables, boundTable{table: p.table(in, part.Name, inner), ref: part, reads: allColumns, changes: allColumns, lock: ref.RowLock})
		}
	}
}

// triggers adds what a table's triggers may touch.
func (p *Planner) triggers(b *bound, t *schema.Table, ref *sqltext.ShapeTable) {
	if t == nil || ref.Role&sqltext.Writes == 0 {
		return
	}
	for i := range t.Triggers {
		p.body(b, t.Schema, t.Triggers[i].Body)
	}
}

// bindRoutines adds what the routines that a statement calls may touch.
func (p *Planner) bindRoutines(b *bound, s *sqltext.Shape, current string) {
	in := s.Schema
	if in == "" {
		in = current
	}
	if s.Verb == sqltext.Call {
		if r := p.options.Schema.Routine(in, s.Name, false); r != nil && r.Body != "" {
			p.body(b, in, r.Body)
			return
		}
		b.coarse = true
		return
	}
	known := false // stored functions: their names are not told, so all of the schema's
	if p.options.Schema != nil {
		for i := range p.options.Schema.Routines {
			if r := &p.options.Schema.Routines[i]; r.Function && r.Body != "" {
				p.body(b, r.Schema, r.Body)
				known = true
			}
		}
	}
	b.coarse = b.coarse || !known
}

// body adds all tables whose names stand in the text of a routine, as a whole.
// Routines that it calls are looked into as well.
func (p *Planner) body(b *bound, in, text string) {
	seen := map[string]bool{}
	p.names(b, in, text, seen, maxViews)
}

func (p *Planner) names(b *bound, in, text string, seen map[string]bool, depth int) {
	if depth == 0 {
		b.coarse = true
		return
	}
	s := sqltext.NewScanner([]byte(text), sqltext.Options{})
	for t := s.Next(); t.Kind != sqltext.EOF; t = s.Next() {
		if t.Kind != sqltext.Ident && t.Kind != sqltext.Quoted {
			continue
		}
		name := string(sqltext.AppendName(nil, t.Span.Of([]byte(text))))
		if seen[name] {
			continue
		}
		seen[name] = true
		if found := p.options.Schema.Table(in, name); found != nil {
			ref := &sqltext.ShapeTable{Schema: in, Name: name, Role: sqltext.Reads | sqltext.Writes}
			if found.Kind == schema.View {
				p.bindView(b, found, ref, maxViews)
				continue
			}
			b.tables = append(b.tables, boundTable{table: p.table(in, name, found), ref: ref, reads: allColumns, changes: allColumns})
			p.triggersOf(b, found, seen, depth)
		}
		for _, function := range []bool{false, true} {
			if r := p.options.Schema.Routine(in, name, function); r != nil {
				p.names(b, in, r.Body, seen, depth-1)
			}
		}
	}
}

func (p *Planner) triggersOf(b *bound, t *schema.Table, seen map[string]bool, depth int) {
	for i := range t.Triggers {
		p.names(b, t.Schema, t.Triggers[i].Body, seen, depth-1)
	}
}

// table returns the table of a name.
func (p *Planner) table(in, name string, found *schema.Table) *table {
	k := in + "." + name
	if p.options.Schema != nil && p.options.Schema.IgnoreCase {
		k = lower(k)
	}
	t := p.tables[k]
	if t == nil {
		t = newTable(k, found)
		p.tables[k] = t
		p.linkKeys(t)
	}
	return t
}

// bindTerms looks up the columns of a table's conditions.
func (bt *boundTable) bindTerms(ref *sqltext.ShapeTable) {
	t := bt.table
	for i := range ref.Terms {
		if c, ok := t.column(ref.Terms[i].Column); ok {
			bt.terms = append(bt.terms, boundTerm{c, classOf(t.schema, c), &ref.Terms[i]})
		}
	}
	if t.schema != nil { // those without a table's name hold where it has the column
		for i := range ref.Maybe {
			if c, ok := t.columns[ref.Maybe[i].Column]; ok {
				bt.terms = append(bt.terms, boundTerm{c, classOf(t.schema, c), &ref.Maybe[i]})
			}
		}
	}
	if ref.Insert == nil {
		return
	}
	if ref.Insert.Columns == nil {
		if t.schema != nil {
			for i := range min(len(t.schema.Columns), maxColumns) {
				bt.inserted = append(bt.inserted, int16(i))
			}
		}
		return
	}
	for _, name := range ref.Insert.Columns {
		c, ok := t.column(name)
		if !ok {
			bt.inserted = append(bt.inserted, -1)
			continue
		}
		bt.inserted = append(bt.inserted, int16(c))
	}
}

// bindColumns looks up which columns are read and changed.
func (bt *boundTable) bindColumns(s *sqltext.Shape, ref *sqltext.ShapeTable) {
	t := bt.table
	bt.reads, bt.changes = allColumns, allColumns
	if t.schema == nil {
		if !s.Star && len(ref.Assign) == 0 {
			return
		}
	}
	if !s.Star && t.schema != nil && s.Flags&sqltext.MoreTables == 0 {
		bt.reads = 0
		for _, name := range s.Columns {
			if c, ok := t.columns[name]; ok {
				bt.reads |= columnBit(int(c))
			}
		}
		if bt.reads&t.generated != 0 {
			bt.reads = allColumns
		}
		if bt.reads == 0 { // COUNT(*) asks which rows there are
			bt.reads = t.existence()
		}
	}
	if len(ref.Assign) == 0 {
		return
	}
	changes := t.clocks
	for i := range ref.Assign {
		c, ok := t.column(ref.Assign[i].Column)
		if !ok {
			return
		}
		changes |= columnBit(int(c))
		bt.assigned = append(bt.assigned, boundAssign{c, classOf(t.schema, c), ref.Assign[i].Value})
	}
	if t.schema != nil && ref.Insert == nil {
		bt.changes = changes
	}
}

// existence returns columns that change with which rows there are, and seldom else.
func (t *table) existence() (set uint64) {
	for _, c := range t.primary {
		set |= columnBit(int(c))
	}
	if set == 0 {
		return allColumns
	}
	return set
}

// attribute gives a condition without a table's name to the one table that has
// the column.
func (b *bound) attribute(term *sqltext.Term) {
	found := -1
	for i := range b.tables {
		bt := &b.tables[i]
		if bt.table.schema == nil {
			return
		}
		if _, ok := bt.table.columns[term.Column]; ok {
			if found >= 0 {
				return
			}
			found = i
		}
	}
	if found >= 0 {
		bt := &b.tables[found]
		c := bt.table.columns[term.Column]
		bt.terms = append(bt.terms, boundTerm{c, classOf(bt.table.schema, c), term})
	}
}
