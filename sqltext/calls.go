package sqltext

// calls tells whether parentheses call functions where the classifier is.
func (c *classifier) calls() bool {
	return c.mode == inQuery || c.mode == inSet
}

// call notes a call of a function.
func (c *classifier) call(callee int, t Token) {
	c.called = wNone
	w := Word(callee)
	info := wordInfos[w]
	switch {
	case info.traits&isFunction == 0:
		if !c.callsNothing(info.traits) {
			c.st.Funcs |= FuncUnknown
		}
		return
	case info.traits&isReserved == 0 && !c.builtIn(info.traits), c.isApart(info.traits) && t.Start != c.prev.End:
		c.st.Funcs |= FuncUnknown
		return
	}
	switch w {
	case wRand, wUnixTimestamp, wLastInsertId:
		c.called = w // the arguments decide
	default:
		c.st.Funcs |= info.funcs
	}
}

// callsNothing tells whether a word that is no function can't be a stored one
// either.
func (c *classifier) callsNothing(t traits) bool {
	if t&isParenMySQL != 0 && !c.opt.MariaDB && !c.opt.Guessed {
		return true
	}
	return t&(isReserved|isParen) != 0
}

// isApart tells whether a space before the parenthesis makes a function a
// stored one.
func (c *classifier) isApart(t traits) bool {
	return !c.opt.IgnoreSpace && (t&isSpaced != 0 || t&isSpacedMariaDB != 0 && c.opt.MariaDB)
}

func (c *classifier) builtIn(t traits) bool {
	if c.opt.MariaDB {
		return t&ofMariaDB != 0
	}
	return t&ofMySQL != 0
}

// argument takes the first token behind a function's parenthesis where it
// makes a difference.
func (c *classifier) argument(called Word, t Token) {
	c.called = wNone
	empty := t.Kind == Op && t.Op == ')'
	switch {
	case called == wLastInsertId && !empty:
		c.st.Funcs |= FuncSetsInsertID
	case empty:
		c.st.Funcs |= wordInfos[called].funcs
	}
}

// cannotCall tells whether a name here is none of a function, whatever follows:
// it stands behind a value, as in (SELECT ...) alias (columns), or behind AS,
// as in CAST(a AS type(5)).
func (c *classifier) cannotCall() bool {
	switch p := c.prev; p.Kind {
	case Op:
		return p.Op == ')'
	case String, Int, Decimal, Float, Hex, Bits, Null, Param:
		return true
	case Ident:
		return p.Word == wAs || p.Word == wMember
	}
	return false
}
