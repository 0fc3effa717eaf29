package sqltext

// setState is how far a SET statement has been read.
type setState struct {
	// begun: a first token was seen.
	begun bool
	// target: the variable of an assignment is being read, not its value.
	target bool
	// global: the assignment has a scope other than the session.
	global bool
	// variable is what is assigned, when it matters.
	variable Word
	// valueStart is where the value begins; 0 when it has not.
	valueStart int
	valueEnd   int
	// charset: the next token is a character set.
	charset bool
	// statement: MariaDB's SET STATEMENT ... FOR.
	statement bool
}

// setName takes a name or keyword in SET.
func (c *classifier) setName(t Token) {
	s := &c.set
	first := !s.begun
	if first {
		s.begun, s.target = true, true
	}
	switch {
	case s.charset:
		c.setCharset(t)
	case s.target:
		c.callee = noCallee
		c.setTarget(t, first)
	case s.statement && t.Word == wFor && c.depth == 0:
		c.setStatementEnd()
	default:
		s.valueEnd = t.End
		c.queryName(t)
	}
}

// setTarget takes a word before the = of an assignment.
func (c *classifier) setTarget(t Token, first bool) {
	s := &c.set
	w := t.Word
	if t.Kind == Quoted {
		w = lookupName(c.text[t.Start:t.End])
	}
	switch w {
	case wGlobal, wPersist, wPersistOnly:
		s.global = true
		c.st.Class = Admin
	case wPassword, wDefault, wResource, wAuthorization:
		if t.Kind == Ident {
			c.st.Class = Admin // PASSWORD, DEFAULT ROLE, RESOURCE GROUP, SESSION AUTHORIZATION
		}
	case wGtidNext, wDebug, wDebugSync:
		c.st.Class = c.st.Class.worse(Admin)
	case wStatement:
		s.statement = first
	case wNames, wCharset:
		s.charset = t.Kind == Ident
	case wSet:
		s.charset = c.prev.Word == wCharacter || c.prev.Word == wChar
	case wSqlMode, wCharacterSetClient, wAutocommit:
		s.variable = w
	}
}

// setMember takes a name behind a point: of @@scope.name or structure.name.
func (c *classifier) setMember(t Token) {
	if c.set.target {
		c.setTarget(t, false)
	} else if c.set.valueStart != 0 {
		c.set.valueEnd = t.End
	}
}

// setAssign takes = or := in SET.
func (c *classifier) setAssign(t Token) {
	if c.set.target {
		c.set.target = false
		c.set.valueStart, c.set.valueEnd = t.End, t.End
	}
}

// setValue takes a literal, variable or placeholder in SET.
func (c *classifier) setValue(t Token) {
	s := &c.set
	first := !s.begun
	s.begun = true
	switch {
	case first || s.target && c.prev.Op == ',':
		s.target = true
		c.setTargetVar(t)
	case s.charset:
		c.setCharset(t)
	case s.valueStart != 0:
		s.valueEnd = t.End
	}
}

// setTargetVar takes @name or @@name before the = of an assignment.
func (c *classifier) setTargetVar(t Token) {
	switch t.Kind {
	case UserVar:
		c.st.Flags |= SetsUserVar
		c.st.Flags &^= ReadsUserVar
	case SysVar:
		at := t.Start
		for at < t.End && (c.text[at] == '@' || starts[c.text[at]] == atSpace) {
			at++
		}
		c.st.Flags &^= ReadsSysVar
		c.setTarget(Token{Kind: Ident, Word: lookup(c.text, at, t.End), Span: Span{at, t.End}}, false)
	default:
		c.unknown()
	}
}

// setCharset takes the character set of SET NAMES and SET CHARACTER SET.
func (c *classifier) setCharset(t Token) {
	c.set.charset = false
	c.set.target = false
	c.charset(t)
}

// charset notes the character set that a token names.
func (c *classifier) charset(t Token) {
	switch {
	case t.Kind == Ident && t.Word != wDefault, t.Kind == Quoted, t.Kind == String:
		c.st.Charset = innerSpan(c.text, t)
	default:
		c.st.Flags |= CharsetUnknown
	}
}

// innerSpan is a token's span without quotes.
func innerSpan(text []byte, t Token) Span {
	if t.Kind == Ident || t.End-t.Start < 2 {
		return t.Span
	}
	return Span{t.Start + 1, t.End - 1}
}

// setComma ends an assignment.
func (c *classifier) setComma() {
	c.setEnd()
	c.set = setState{begun: true, target: true, statement: c.set.statement}
}

// setEnd looks at the assignment that ends.
func (c *classifier) setEnd() {
	s := &c.set
	if !s.begun {
		c.st.Class = Unknown
		return
	}
	value := Span{s.valueStart, s.valueEnd}
	if s.global || value.Empty() || s.statement {
		return
	}
	switch s.variable {
	case wSqlMode:
		c.st.SQLMode = sqlModeOf(value.Of(c.text), c.opt)
	case wCharacterSetClient:
		c.charsetValue(value)
	case wAutocommit:
		c.st.Flags |= SetsAutocommit
	}
}

// charsetValue notes the value assigned to character_set_client.
func (c *classifier) charsetValue(value Span) {
	s := NewScanner(value.Of(c.text), c.opt)
	t := s.Next()
	if s.Next().Kind != EOF {
		t.Kind = Bad
	}
	t.Start += value.Start
	t.End += value.Start
	c.charset(t)
}

// setStatementEnd begins the statement behind SET STATEMENT ... FOR.
func (c *classifier) setStatementEnd() {
	c.mode = atStart
	c.callee = noCallee
	c.set = setState{}
	c.st.Class = Unknown
}

// lookupName is lookup for a name that may have quotes.
func lookupName(name []byte) Word {
	name = trimQuotes(name)
	return lookup(name, 0, len(name))
}
