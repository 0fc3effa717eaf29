package sqltext

// action is what a keyword does in a query.
type action uint8

const (
	actNone action = iota
	actSelect
	actFrom
	actJoin
	actEndFrom // ends a list of tables
	actUnion
	actOrder
	actLimit
	actUpdate
	actLock
	actInto
	actFile
	actShare
	actTable
	actWith
	actAs
	actRollup
	actValue
	actLocked
	actDuplicate
	actVerb // INSERT, DELETE ... behind WITH
	actUsing
	actLocal
)

var actions = [wNamed]action{
	wSelect: actSelect, wFrom: actFrom, wJoin: actJoin, wStraightJoin: actJoin,
	wWhere: actEndFrom, wGroup: actEndFrom, wHaving: actEndFrom, wWindow: actEndFrom, wSet: actEndFrom,
	wValues: actEndFrom, wProcedure: actEndFrom, wReturning: actEndFrom,
	wUnion: actUnion, wExcept: actUnion, wIntersect: actUnion, wMinus: actUnion,
	wDual: actEndFrom, wOrder: actOrder, wLimit: actLimit, wUpdate: actUpdate, wLock: actLock, wInto: actInto,
	wOutfile: actFile, wDumpfile: actFile, wShare: actShare, wTable: actTable, wWith: actWith, wAs: actAs,
	wRollup: actRollup, wValue: actValue, wLocked: actLocked, wDuplicate: actDuplicate,
	wDelete: actVerb, wInsert: actVerb, wReplace: actVerb, wLocal: actLocal, wUsing: actUsing,
}

// startQuery begins a query by its first word.
func (c *classifier) startQuery(w Word) {
	switch w {
	case wSelect:
		c.selects |= c.bit()
	case wTable:
		c.selects |= c.bit()
		c.expect, c.role = table, Reads
	case wValues:
		c.selects |= c.bit()
	case wWith:
		c.expect = cteName
		c.ctes |= c.bit()
	case wInsert, wReplace:
		c.expect, c.role = table, c.writes()
	case wUpdate:
		c.expect, c.role = table, c.writes()
		c.froms |= c.bit()
	case wDelete:
		c.role = c.writes()
	}
}

// writes is the role of a table that the statement changes, unless it is only
// explained.
func (c *classifier) writes() Role {
	if c.st.Verb == Explain && c.st.Flags&Executes == 0 {
		return Reads
	}
	return Writes
}

// queryName takes a name or keyword of a query.
func (c *classifier) queryName(t Token) {
	w := t.Word
	if c.expect != nothing && (t.Kind == Quoted || wordInfos[w].traits&isReserved == 0) {
		c.expected(t)
		return
	}
	if t.Kind == Ident && w != wNone && w < wNamed {
		if a := actions[w]; a != actNone {
			c.act(a, w)
		}
	}
}

// expected takes the name that was expected.
func (c *classifier) expected(t Token) {
	switch c.expect {
	case table:
		switch t.Word {
		case wDual:
			c.expect = nothing
		case wLateral:
			c.callee = noCallee
		case wOj:
			c.callee = noCallee
			if c.prev.Op != '{' {
				c.takeTable(t)
			}
		default:
			c.takeTable(t)
		}
	case cteName:
		switch t.Word {
		case wRollup:
			c.expect = nothing
			c.ctes &^= c.bit()
		case wRecursive:
		default:
			c.takeCTE(t)
		}
	case alias:
		c.expect = nothing
		c.isName = true
		c.callee = noCallee
	}
}

// takeTable notes a table's name.
func (c *classifier) takeTable(t Token) {
	c.expect = nothing
	c.isName = true
	c.callee = noCallee
	role := c.role
	if c.selects != 0 && c.mode == inQuery {
		role = c.subRole()
	}
	if t.Kind != EOF && c.isCTE(t) {
		return
	}
	if len(c.tables)-c.st.from >= MaxTables {
		c.st.Flags |= MoreTables
		return
	}
	c.tables = append(c.tables, TableRef{Name: t.Span, Role: role})
	c.naming = true
}

// subRole is the role of a table when some SELECT was seen: Reads unless that
// SELECT belongs to a subquery that has ended.
func (c *classifier) subRole() Role {
	open := c.bit()<<1 - 1
	if c.selects&open != 0 {
		return Reads
	}
	return c.role
}

// takeCTE notes a common table expression's name, which is no table.
func (c *classifier) takeCTE(t Token) {
	c.expect = nothing
	c.isName = true
	c.callee = noCallee
	if c.numCTEs < maxCTEs {
		c.cteNames[c.numCTEs] = t.Span
		c.numCTEs++
	}
}

func (c *classifier) isCTE(t Token) bool {
	for _, n := range c.cteNames[:c.numCTEs] {
		if sameFold(trimQuotes(n.Of(c.text)), trimQuotes(c.text[t.Start:t.End])) {
			return true
		}
	}
	return false
}

// act does what a keyword does.
func (c *classifier) act(a action, w Word) {
	bit := c.bit()
	switch a {
	case actSelect:
		c.mainVerb(w)
		c.selects |= bit
		c.froms &^= bit
		c.orders &^= bit
		c.ctes &^= bit
		c.expect = nothing
	case actFrom:
		if c.selects&bit != 0 || c.verb == wDelete && c.depth == c.base {
			c.expect = table
			c.froms |= bit
		}
	case actJoin:
		if c.froms&bit != 0 && c.prev.Word != wFor { // not USE INDEX FOR JOIN
			c.expect = table
		}
	case actEndFrom, actDuplicate:
		c.endFrom(bit, w)
	case actUnion:
		c.froms &^= bit
		c.orders &^= bit
		if c.depth <= c.base {
			c.st.Flags &^= OrderBy
		}
	case actOrder, actLimit, actUpdate, actLock, actShare, actLocked:
		c.actTail(a, w, bit)
	case actInto, actFile, actTable, actLocal, actUsing:
		c.actTarget(a, w, bit)
	case actWith:
		if c.prev.Kind == EOF || c.prev.Op == '(' || c.prev.Kind == Ident && c.prev.Word == wAs || c.startsQuery() {
			c.expect = cteName
			c.ctes |= bit
		}
	case actAs:
		if (c.selects|c.froms)&bit != 0 || c.depth <= c.base {
			c.expect = alias // and not CAST(x AS type)
		}
	case actValue:
		if c.prev.Word == wNext && c.prev.Kind == Ident {
			c.st.Funcs |= FuncSequence // NEXT VALUE FOR
		}
	case actVerb:
		c.mainVerb(w)
	}
}

// startsQuery tells whether a query may begin here, behind INSERT INTO t or
// CREATE TABLE t.
func (c *classifier) startsQuery() bool {
	return c.depth <= c.base && c.selects&c.bit() == 0 && c.froms&c.bit() == 0
}

func (c *classifier) endFrom(bit uint64, w Word) {
	c.froms &^= bit
	c.expect = nothing
	if w == wValues && c.verb == wWith {
		c.mainVerb(w)
	}
}

// actTail does what the keywords at the end of a query do.
func (c *classifier) actTail(a action, w Word, bit uint64) {
	switch a {
	case actOrder:
		if c.prev.Word == wFor && c.prev.Kind == Ident {
			return // USE INDEX FOR ORDER BY
		}
		c.endFrom(bit, w)
		c.orders |= bit
		if c.depth <= c.base {
			c.st.Flags |= OrderBy
		}
	case actLimit:
		c.endFrom(bit, w)
		if c.orders&bit == 0 {
			c.st.Flags |= LimitNoOrder
		}
	case actUpdate, actShare:
		if c.prev.Word == wFor && c.prev.Kind == Ident || a == actShare && c.prev.Word == wIn {
			c.locking = true
		} else if a == actUpdate {
			c.mainVerb(w)
		}
		if a == actUpdate && c.verb != wUpdate || c.prev.Word == wFor {
			c.froms &^= bit
		}
	case actLock:
		c.froms &^= bit
	case actLocked:
		c.st.Flags |= SkipLocked
	}
}

// actTarget does what the keywords before a target do.
func (c *classifier) actTarget(a action, w Word, bit uint64) {
	switch a {
	case actInto:
		if c.selects&bit != 0 || c.verb == wSelect {
			c.froms &^= bit
			c.expect = nothing
		}
	case actFile:
		if c.prev.Word == wInto && (c.st.Verb != Explain || c.st.Flags&Executes != 0) {
			c.st.Flags |= IntoFile
		}
	case actTable:
		switch {
		case c.verb == wLoad:
			c.expect, c.role = table, Writes
		case c.verb == wWith && c.depth == c.base:
			c.mainVerb(w)
		case c.verb == wShow:
		case c.prev.Op == '(' || c.prev.Word == wUnion || c.prev.Word == wAll || c.startsQuery():
			c.selects |= bit
			c.froms &^= bit
			c.expect = table
		}
	case actUsing:
		if c.verb == wDelete && c.depth == c.base {
			c.expect = table // DELETE FROM a USING a JOIN b
		}
	case actLocal:
		if c.verb == wLoad {
			c.st.Flags |= Local
		}
	}
}

// mainVerb takes the verb behind the common table expressions of a statement
// that began with WITH.
func (c *classifier) mainVerb(w Word) {
	if c.verb != wWith || c.depth > c.base || w == wReplace && c.prev.Op != ')' {
		return
	}
	c.verb = w
	v := verbs[w]
	if c.st.Verb != Explain {
		c.st.Verb, c.st.Class = v.verb, v.class
	} else {
		c.st.Class = c.explained(w)
	}
	c.ctes &^= c.bit()
	c.startQuery(w)
}

// trimQuotes takes the quotes off a name, without undoubling those inside.
func trimQuotes(name []byte) []byte {
	if len(name) >= 2 && (name[0] == '`' || name[0] == '"') {
		return name[1 : len(name)-1]
	}
	return name
}

// sameFold compares without regard to the case of ASCII letters.
func sameFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}
