package sqltext

// routineState follows the body of a routine, in which semicolons do not end
// the statement.
type routineState struct {
	// open counts the blocks that have begun and not ended.
	open int
	// body: the body has begun.
	body bool
	// declares: in the declarations of a MariaDB routine in Oracle's style,
	// between AS and BEGIN.
	declares bool
	// whole: semicolons never end it (a MariaDB package).
	whole bool
}

// enterRoutine begins CREATE PROCEDURE, FUNCTION, TRIGGER, EVENT or PACKAGE
// behind the kind of object, or behind a trigger's table.
func (c *classifier) enterRoutine() {
	c.mode = inRoutine
	c.st.Flags |= MoreTables
	c.routine.whole = c.object == wPackage
}

// holds tells whether a semicolon now belongs to the statement.
func (r *routineState) holds() bool { return r.open > 0 || r.declares || r.whole }

// routineName takes a word of a routine. Only what begins and ends blocks
// matters.
func (c *classifier) routineName(t Token) {
	c.callee = noCallee
	r := &c.routine
	if t.Kind != Ident {
		return
	}
	ending := c.prev.Kind == Ident && c.prev.Word == wEnd
	switch t.Word {
	case wBegin:
		r.open++
		r.body, r.declares = true, false
	case wEnd:
		if c.endsBlock() {
			r.open = max(r.open-1, 0)
		}
	case wCase:
		if !ending {
			r.open++
		}
	case wIf, wLoop, wRepeat, wWhile, wFor:
		if !ending && c.startsStatement(t.Word) {
			r.open++
			r.body = true
		}
	case wAs, wIs:
		r.declares = r.declares || c.opt.MariaDB && !r.body && c.depth == 0 && c.object != wEvent && c.object != wTrigger
	case wSelect, wInsert, wUpdate, wDelete, wReplace, wCall, wReturn, wWith, wDo:
		r.body = r.body || c.object != wFunction || t.Word != wReturn || !c.opt.MariaDB
	case wSet:
		r.body = r.body || c.prev.Word != wCharacter && c.prev.Word != wChar
	}
}

// endsBlock tells whether the word END ends a block or a CASE here, and is not
// a name: it stands behind a statement's end or behind a value.
func (c *classifier) endsBlock() bool {
	p := c.prev
	switch p.Kind {
	case Op:
		return p.Op == ';' || p.Op == ')'
	case Ident:
		switch p.Word {
		case wBegin, wThen, wElse, wDo, wLoop, wRepeat:
			return true
		}
		t := wordInfos[p.Word].traits
		return t&isReserved == 0 || t&isValue != 0
	}
	return true
}

// startsStatement tells whether a word that is also a function's or a clause's
// name begins a statement of a body here.
func (c *classifier) startsStatement(w Word) bool {
	p := c.prev
	switch p.Kind {
	case Op:
		if p.Op == ';' || p.Op == ':' || p.Op == OpOther && string(p.Of(c.text)) == ">>" { // <<label>>
			return true
		}
		return p.Op == ')' && !c.routine.body && c.depth == 0 && w != wFor
	case Ident:
		switch p.Word {
		case wBegin, wAtomic, wThen, wElse, wDo, wLoop, wRepeat:
			return true
		case wProcedure, wFunction, wEvent, wTrigger, wPackage, wBody:
			return false // IF NOT EXISTS
		}
		return !c.routine.body && c.depth == 0 && w != wFor
	}
	return false
}

// routineEnd takes a semicolon inside a routine.
func (c *classifier) routineEnd() { c.routine.body = true }
