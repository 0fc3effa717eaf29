package sqltext

// mode tells which part of the classifier reads the words of a statement.
type mode uint8

const (
	atStart   mode = iota // the verb is to come
	atSecond              // the word after the verb decides
	inQuery               // SELECT, DML and what is read like it
	inSet                 // SET
	inDDL                 // CREATE, ALTER, DROP ...
	inTables              // a list of tables: LOCK TABLES, CHECK TABLE ...
	inRoutine             // a body that may hold semicolons
	inPrepare             // PREPARE, EXECUTE
	inKill                // KILL
	inUse                 // USE
	inName                // a routine's name, as in CALL
	inExplain             // behind EXPLAIN or ANALYZE, the statement to come
	inRest                // nothing that follows matters
)

// expectation tells what the next name is.
type expectation uint8

const (
	nothing expectation = iota
	table
	cteName
	alias
)

// What may have been called when a parenthesis opens.
const (
	noCallee      = -1
	unknownCallee = 0 // not a known Word, or not to be taken as one
)

const (
	maxDepth = 63 // parentheses; what is nested deeper is not looked into
	maxCTEs  = 8
)

// classifier follows the tokens of a text and fills in its statements.
type classifier struct {
	text []byte
	opt  Options
	// list holds the statements; st is the last of them, the one being read.
	list []Statement
	st   *Statement
	// tables holds the tables of all statements.
	tables []TableRef

	mode   mode
	expect expectation
	role   Role // of the next table
	prev   Token
	// verb is the first word of the statement, or of the one behind EXPLAIN.
	verb Word
	// callee is what a parenthesis now would call: noCallee or a Word.
	callee int
	// called is the function whose parenthesis was just opened.
	called Word
	// isName: the token just read is a table's name or an alias.
	isName bool
	// naming: the last table's name was just read and a point may follow.
	naming bool
	// hinting: inside /*+ ... */.
	hinting bool
	// started: the statement has a token.
	started bool
	// locking: rows are locked.
	locking bool
	// into: variables behind INTO are being listed.
	into bool

	depth int
	// base is the depth of the statement's own query: (SELECT 1) has 1.
	base int
	// For each depth a bit: a SELECT was seen, commas separate tables, an ORDER
	// BY was seen, commas separate CTEs.
	selects, froms, orders, ctes uint64
	cteNames                     [maxCTEs]Span
	numCTEs                      int

	set     setState
	routine routineState
	prepare prepareState
	source  Token // the text of PREPARE
	nested  int   // how many PREPAREs the text stands in
	object  Word  // the kind of object of DDL
}

// begin readies the classifier for a text that stands in a number of PREPAREs.
func (c *classifier) begin(text []byte, opt Options, nested int) {
	c.text, c.opt, c.nested = text, opt, nested
	c.list, c.tables = c.list[:0], c.tables[:0]
	c.next()
}

// next readies the classifier for the next statement of the text.
func (c *classifier) next() {
	c.mode, c.expect, c.role = atStart, nothing, Reads
	c.prev, c.verb, c.callee, c.called = Token{}, wNone, noCallee, wNone
	c.isName, c.naming, c.hinting, c.started = false, false, false, false
	c.into, c.locking = false, false
	c.depth, c.base = 0, 0
	c.selects, c.froms, c.orders, c.ctes = 0, 0, 0, 0
	c.numCTEs = 0
	c.set, c.routine = setState{}, routineState{}
	c.prepare, c.source = prepareName, Token{}
	c.object = wNone
}

// first begins a statement with its first token.
func (c *classifier) first(t Token) {
	c.started = true
	c.list = append(c.list, Statement{})
	c.st = &c.list[len(c.list)-1]
	c.st.Start = t.Start
	c.st.from = len(c.tables)
}

// token takes the next token of the statement; never a semicolon that ends it.
func (c *classifier) token(t Token) {
	if !c.started {
		c.first(t)
	}
	if c.hinting || t.Kind == HintStart {
		c.hint(t)
		return
	}
	c.isName = false
	called := c.called
	switch t.Kind {
	case Ident, Quoted:
		if c.prev.Op == '.' {
			c.member(t)
		} else {
			c.name(t)
		}
	case Op:
		c.operator(t)
	default:
		c.callee, c.naming = noCallee, false
		c.value(t)
	}
	if called != wNone {
		c.argument(called, t)
	}
	c.prev = t
}

// hint takes a token of /*+ ... */, which changes nothing.
func (c *classifier) hint(t Token) {
	c.hinting = t.Kind != HintEnd
	c.isName = false
	c.st.End = t.End
}

// name takes an identifier or a keyword.
func (c *classifier) name(t Token) {
	c.naming = false
	c.callee = unknownCallee
	info := &wordInfos[t.Word]
	switch {
	case c.cannotCall():
		c.callee = noCallee
	case t.Kind == Ident:
		c.callee = int(t.Word)
		if info.traits&isBare != 0 {
			c.st.Funcs |= info.funcs
		}
	}
	if c.mode != inQuery {
		c.dispatch(t)
	} else if c.expect != nothing || info.traits&isAction != 0 {
		c.queryName(t)
	}
}

// dispatch gives a name to the mode's reader.
func (c *classifier) dispatch(t Token) {
	switch c.mode {
	case inQuery:
		c.queryName(t)
	case atStart:
		c.start(t)
	case atSecond:
		c.second(t)
	case inSet:
		c.setName(t)
	case inDDL:
		c.ddlName(t)
	case inTables:
		c.tablesName(t)
	case inRoutine:
		c.routineName(t)
	case inPrepare:
		c.prepareToken(t)
	case inKill:
		c.killToken(t)
	case inUse, inName:
		c.simpleName(t)
	case inExplain:
		c.explainName(t)
	}
}

// member takes a name behind a point.
func (c *classifier) member(t Token) {
	c.callee = unknownCallee
	if (c.opt.MariaDB || c.opt.Guessed) && t.Word == wNextval {
		c.st.Funcs |= FuncSequence // sequence.NEXTVAL in Oracle mode
	}
	switch {
	case c.naming:
		c.isName = true
		last := &c.tables[len(c.tables)-1]
		last.Schema, last.Name = last.Name, t.Span
	case c.expect == table && c.mode != inSet:
		c.takeTable(t) // ".t" names a table of the current schema
	case c.mode == inSet:
		c.setMember(t)
	case c.mode == inUse || c.mode == inName:
		c.st.Schema, c.st.Name = c.st.Name, t.Span
		c.callee = noCallee
	}
}

// operator takes punctuation.
func (c *classifier) operator(t Token) {
	callee, naming := c.callee, c.naming
	c.callee, c.naming = noCallee, false
	switch t.Op {
	case '(':
		c.open(callee, naming, t)
	case ')':
		c.close()
	case ',':
		c.comma()
	case '.':
		c.naming = naming
	case ';':
		c.routineEnd()
	case OpAssign, '=':
		c.assign(t)
	case OpArrow:
	default:
		if c.expect == alias {
			c.expect = nothing
		}
	}
	switch c.mode {
	case inPrepare:
		c.prepareToken(t)
	case inKill:
		c.killToken(t)
	case atStart:
		if t.Op != '(' {
			c.unknown()
		}
	case atSecond:
		if t.Op != '(' || c.verb != wAnalyze {
			c.second(t)
		}
	}
}

// value takes a literal, a variable or a placeholder.
func (c *classifier) value(t Token) {
	switch t.Kind {
	case Param:
		c.st.Flags |= Params
	case UserVar:
		c.userVar()
	case SysVar:
		if c.mode != inSet || !c.set.target {
			c.st.Flags |= ReadsSysVar
		}
	}
	if c.expect == alias {
		c.expect = nothing
	}
	switch c.mode {
	case atStart:
		c.unknown()
	case atSecond:
		c.second(t)
	case inSet:
		c.setValue(t)
	case inPrepare:
		c.prepareToken(t)
	case inKill:
		c.killToken(t)
	}
}

// userVar notes whether a user variable is assigned or read.
func (c *classifier) userVar() {
	switch {
	case c.mode == inDDL || c.mode == inRoutine || c.st.Class == Admin && c.mode == inRest:
		return // the host of an account
	case c.st.Verb == GetDiagnostics:
		c.st.Flags |= SetsUserVar
	case c.prev.Word == wInto, c.prev.Op == ',' && c.into:
		c.st.Flags |= SetsUserVar
		c.into = true
	case c.mode == inSet && c.set.target:
		c.st.Flags |= SetsUserVar
	default:
		c.st.Flags |= ReadsUserVar
	}
}

// open takes an opening parenthesis; callee is what stands before it.
func (c *classifier) open(callee int, naming bool, t Token) {
	switch {
	case c.mode == atStart, c.mode == atSecond, c.mode == inExplain,
		c.verb == wWith && c.depth == c.base && c.prev.Op == ')': // WITH c AS (...) (SELECT ...)
		c.base++
	}
	if naming {
		callee = c.openTable()
	}
	if c.prev.Word == wUsing {
		c.expect = nothing // JOIN ... USING (columns)
	}
	if callee != noCallee && c.calls() {
		c.call(callee, t)
	}
	c.depth++
	if c.depth > maxDepth {
		c.st.Flags |= MoreTables
		return
	}
	bit := uint64(1) << c.depth
	c.selects &^= bit
	c.orders &^= bit
	c.ctes &^= bit
	c.froms &^= bit
	if c.expect == table {
		c.froms |= bit
	} else {
		c.expect = nothing
	}
}

// openTable handles a parenthesis directly behind a table's name: a column
// list where rows are inserted and in DDL, else a call such as JSON_TABLE(...).
func (c *classifier) openTable() int {
	last := len(c.tables) - 1
	inserts := (c.verb == wInsert || c.verb == wReplace || c.verb == wLoad) && c.selects == 0
	if inserts || c.mode != inQuery || !c.tables[last].Schema.Empty() {
		return noCallee
	}
	c.tables = c.tables[:last]
	return int(c.prev.Word)
}

func (c *classifier) close() {
	if c.depth > 0 {
		c.depth--
	}
	c.expect = nothing
}

func (c *classifier) comma() {
	bit := c.bit()
	switch {
	case c.mode == inSet && c.depth == 0:
		c.setComma()
	case c.froms&bit != 0:
		c.expect = table
	case c.ctes&bit != 0:
		c.expect = cteName
	}
}

// bit is the bit of the current depth; 0 when it is too deep.
func (c *classifier) bit() uint64 {
	if c.depth > maxDepth {
		return 0
	}
	return 1 << c.depth
}

// assign takes = or := .
func (c *classifier) assign(t Token) {
	if c.prev.Kind == UserVar && t.Op == OpAssign {
		c.st.Flags |= SetsUserVar
	}
	if c.mode == inSet {
		c.setAssign(t)
	}
}

// unknown gives the statement up.
func (c *classifier) unknown() {
	c.mode = inRest
	c.st.Class = Unknown
}

// end completes the statement, if there is one.
func (c *classifier) end() {
	if !c.started {
		return
	}
	switch c.mode {
	case atStart, atSecond:
		c.ended()
	case inSet:
		c.setEnd()
	case inPrepare:
		c.prepareEnd()
	case inRoutine:
		if c.routine.open != 0 {
			c.st.Class = Unknown
		}
	}
	c.escalate()
	c.st.End = max(c.st.End, c.prev.End)
	c.st.to = len(c.tables)
	c.next()
}

// escalate raises the class by what the functions and clauses found may do.
func (c *classifier) escalate() {
	st := c.st
	class := st.Class
	switch class {
	case Read, Session:
	default:
		return
	}
	if c.locking {
		class = class.worse(LockingRead)
	}
	if st.Flags&IntoFile != 0 || st.Funcs&FuncSequence != 0 {
		class = class.worse(Write)
	}
	if st.Funcs&FuncLock != 0 {
		class = class.worse(Locking)
	}
	if st.Funcs&FuncUnknown != 0 {
		class = Unknown
	}
	st.Class = class
}
