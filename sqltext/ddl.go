package sqltext

// ddlName takes a word of CREATE, ALTER, DROP, RENAME or TRUNCATE.
func (c *classifier) ddlName(t Token) {
	w := t.Word
	if t.Kind == Quoted {
		w = wNone
	}
	c.callee = noCallee
	switch {
	case c.object == wNone:
		c.ddlObject(t, w)
	case c.expect == table && (t.Kind == Quoted || wordInfos[w].traits&isReserved == 0):
		c.takeTable(t)
		if c.object == wTrigger {
			c.enterRoutine()
		}
	case c.object == wTable || c.object == wView || c.object == wIndex || c.object == wTrigger || c.object == wSequence:
		c.ddlClause(w)
	}
}

// ddlObject takes a word up to the kind of object.
func (c *classifier) ddlObject(t Token, w Word) {
	if c.prev.Word == wDefiner || c.prev.Op == '=' {
		return // DEFINER = user, ALGORITHM = ...
	}
	if c.verb == wTruncate && w != wTable {
		c.object = wTable
		c.expect, c.role = table, Writes
		c.takeTable(t)
		return
	}
	switch w {
	case wTemporary:
		c.st.Flags |= Temporary
	case wTable, wTables, wView, wSequence:
		c.object = w
		if w == wTables {
			c.object = wTable
		}
		c.expect, c.role = table, Writes
		if c.verb == wDrop || c.verb == wRename {
			c.froms |= 1
		}
	case wIndex:
		c.object = w // ON tells the table
	case wTrigger:
		c.object = w
		if c.verb == wDrop {
			c.mode = inRest
		}
	case wProcedure, wFunction, wEvent, wPackage, wLibrary:
		c.object = w
		c.mode = inRest
		if c.verb == wCreate || c.verb == wAlter {
			c.enterRoutine()
		}
	case wUser, wRole, wServer, wResource, wInstance:
		c.st.Class = Admin
		c.mode = inRest
	case wPrepare:
		c.st.Verb, c.st.Class = Deallocate, Session
		c.mode = inPrepare
		c.verb = wDeallocate
	case wDatabase, wSchema, wTablespace, wLogfile:
		c.mode = inRest
	}
}

// ddlClause takes a word behind the object's name.
func (c *classifier) ddlClause(w Word) {
	switch w {
	case wOn:
		if c.object != wTable && c.object != wView {
			c.expect, c.role = table, Writes
		}
	case wReferences:
		c.expect, c.role = table, Reads
	case wLike:
		if c.naming || c.prev.Op == '(' || c.prev.End == c.lastTableEnd() {
			c.expect, c.role = table, Reads
		}
	case wRename:
		if c.verb == wAlter {
			c.expect, c.role = table, Writes
		}
	case wTo:
		if c.verb == wRename || c.prev.Word == wRename {
			c.expect, c.role = table, Writes
		}
	case wColumn, wIndex, wKey:
		c.expect = nothing // RENAME COLUMN a TO b
	case wTable:
		if c.prev.Word == wWith { // EXCHANGE PARTITION p WITH TABLE t
			c.expect, c.role = table, Writes
		}
	case wSelect:
		c.ddlQuery(w)
	case wWith:
		if c.prev.Word == wAs {
			c.ddlQuery(w)
		}
	}
}

// lastTableEnd is where the last table's name ends.
func (c *classifier) lastTableEnd() int {
	if len(c.tables) == c.st.from {
		return -1
	}
	return c.tables[len(c.tables)-1].Name.End
}

// ddlQuery begins the query of CREATE TABLE ... SELECT or CREATE VIEW.
func (c *classifier) ddlQuery(w Word) {
	c.mode = inQuery
	c.role = Reads
	c.base = c.depth
	c.froms = 0
	c.startQuery(w)
}
