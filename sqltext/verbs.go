package sqltext

// verbInfo is what a statement's first word tells.
type verbInfo struct {
	verb  Verb
	class Class
	mode  mode
}

// verbs has what the statement's first word tells. Where mode is atSecond the
// next word may tell more.
var verbs = [wNamed]verbInfo{
	wSelect:     {Select, Read, inQuery},
	wTable:      {Table, Read, inQuery},
	wValues:     {Values, Read, inQuery},
	wWith:       {NoVerb, Unknown, inQuery},
	wInsert:     {Insert, Write, inQuery},
	wReplace:    {Replace, Write, inQuery},
	wUpdate:     {Update, Write, inQuery},
	wDelete:     {Delete, Write, inQuery},
	wDo:         {Do, Read, inQuery},
	wShow:       {Show, Read, inQuery},
	wCall:       {Call, Write, inName},
	wLoad:       {Load, Admin, atSecond},
	wHandler:    {Handler, Unknown, atSecond},
	wExplain:    {Explain, Unknown, inExplain},
	wDescribe:   {Explain, Unknown, inExplain},
	wDesc:       {Explain, Unknown, inExplain},
	wAnalyze:    {Analyze, Admin, atSecond},
	wHelp:       {Help, Read, inRest},
	wChecksum:   {Checksum, Read, atSecond},
	wCheck:      {Check, Admin, atSecond},
	wOptimize:   {Optimize, Admin, atSecond},
	wRepair:     {Repair, Admin, atSecond},
	wSet:        {Set, Session, inSet},
	wUse:        {Use, Session, inUse},
	wSignal:     {Signal, Session, inRest},
	wResignal:   {Resignal, Session, inRest},
	wGet:        {GetDiagnostics, Unknown, atSecond},
	wBegin:      {Begin, Transaction, atSecond},
	wCommit:     {Commit, Transaction, inRest},
	wRollback:   {Rollback, Transaction, inRest},
	wSavepoint:  {Savepoint, Transaction, inRest},
	wRelease:    {Release, Transaction, inRest},
	wXa:         {XA, Transaction, atSecond},
	wStart:      {Start, Admin, atSecond},
	wPrepare:    {Prepare, Unknown, inPrepare},
	wExecute:    {Execute, Unknown, inPrepare},
	wDeallocate: {Deallocate, Session, inPrepare},
	wLock:       {Lock, Admin, atSecond},
	wUnlock:     {Unlock, Admin, atSecond},
	wCreate:     {Create, DDL, inDDL},
	wAlter:      {Alter, DDL, inDDL},
	wDrop:       {Drop, DDL, inDDL},
	wRename:     {Rename, DDL, inDDL},
	wTruncate:   {Truncate, DDL, inDDL},
	wImport:     {Import, DDL, inRest},
	wGrant:      {Grant, Admin, inRest},
	wRevoke:     {Revoke, Admin, inRest},
	wFlush:      {Flush, Admin, inRest},
	wReset:      {Reset, Admin, inRest},
	wKill:       {Kill, Admin, inKill},
	wShutdown:   {Shutdown, Admin, inRest},
	wRestart:    {Restart, Admin, inRest},
	wInstall:    {Install, Admin, inRest},
	wUninstall:  {Uninstall, Admin, inRest},
	wClone:      {Clone, Admin, inRest},
	wChange:     {Change, Admin, inRest},
	wPurge:      {Purge, Admin, inRest},
	wStop:       {Stop, Admin, inRest},
	wCache:      {Cache, Admin, inRest},
	wBinlog:     {Binlog, Admin, inRest},
	wBackup:     {Backup, Admin, inRest},
	wIf:         {Compound, Unknown, inRoutine},
	wLoop:       {Compound, Unknown, inRoutine},
	wRepeat:     {Compound, Unknown, inRoutine},
	wWhile:      {Compound, Unknown, inRoutine},
	wCase:       {Compound, Unknown, inRoutine},
	wFor:        {Compound, Unknown, inRoutine},
}

// start takes the statement's first word.
func (c *classifier) start(t Token) {
	if t.Kind != Ident || t.Word >= wNamed || verbs[t.Word].mode == atStart {
		c.unknown()
		return
	}
	w := t.Word
	v := verbs[w]
	c.verb = w
	c.mode = v.mode
	c.st.Verb, c.st.Class = v.verb, v.class
	c.callee = noCallee
	switch v.mode {
	case inQuery:
		c.startQuery(w)
	case inExplain:
		c.verb = wExplain
		c.role = Reads
	case inRoutine:
		c.compound()
	}
}

// second takes the token after the verb where it decides what the statement
// is.
func (c *classifier) second(t Token) {
	w := t.Word
	if t.Kind != Ident {
		w = wNone
	}
	c.mode = inRest
	switch c.verb {
	case wStart:
		if w == wTransaction {
			c.st.Verb, c.st.Class = Begin, Transaction
		}
	case wXa:
		if w == wRecover {
			c.st.Class = Read
		}
	case wBegin:
		if w != wWork {
			c.compound()
		}
	case wLock, wUnlock:
		if w == wTable || w == wTables {
			c.st.Class = Locking
			c.tableList(Reads)
		}
	case wGet:
		if w == wCurrent || w == wStacked || w == wDiagnostics {
			c.st.Class = Session
		}
	case wLoad:
		c.loadWhat(w)
	case wHandler:
		if t.Kind == Ident || t.Kind == Quoted {
			c.mode = inTables
			c.expect, c.role = table, Reads
			c.tablesName(t)
		}
	case wChecksum:
		c.maintain(w, Reads)
	case wAnalyze:
		c.analyzeWhat(t, w)
	case wCheck, wOptimize, wRepair:
		c.maintain(w, Writes)
	default:
		c.unknown()
	}
}

// ended completes a statement that has nothing behind its verb.
func (c *classifier) ended() {
	if c.verb != wBegin {
		c.st.Class = Unknown
	}
}

// compound begins a block that runs as it stands.
func (c *classifier) compound() {
	c.mode = inRoutine
	c.st.Verb, c.st.Class = Compound, Unknown
	c.st.Flags |= MoreTables
	c.routine = routineState{open: 1, body: true}
}

// loadWhat takes the word after LOAD.
func (c *classifier) loadWhat(w Word) {
	if w == wData || w == wXml {
		c.st.Class = Write
		c.mode = inQuery
		c.role = Writes
	}
}

// maintain takes a word of CHECK ... TABLE before the list of tables.
func (c *classifier) maintain(w Word, role Role) {
	switch w {
	case wTable, wTables, wView:
		c.tableList(role)
	case wLocal, wNone:
		c.mode = atSecond
	default:
		if wordTexts[w] == "no_write_to_binlog" {
			c.mode = atSecond
		}
	}
}

// analyzeWhat takes the word after ANALYZE: a table is analyzed, or in MariaDB
// a statement is run and explained.
func (c *classifier) analyzeWhat(t Token, w Word) {
	switch {
	case w == wTable || w == wLocal || w != wNone && wordTexts[w] == "no_write_to_binlog":
		c.maintain(w, Writes)
	case t.Kind != Ident && t.Kind != Quoted:
		c.unknown()
	default:
		c.mode = inExplain
		c.st.Verb, c.st.Class = Explain, Unknown
		c.st.Flags |= Executes
		c.dispatch(t)
	}
}

// explainName takes a word behind EXPLAIN: an option, the verb of the
// statement explained, or a table to describe.
func (c *classifier) explainName(t Token) {
	c.callee = noCallee
	w := t.Word
	switch {
	case c.prev.Word == wSchema, c.prev.Word == wDatabase, c.prev.Op == '=':
		return // FOR SCHEMA s, FORMAT = JSON
	case t.Kind == Quoted:
	case w == wAnalyze:
		c.st.Flags |= Executes
		return
	case w == wConnection:
		c.st.Class = Read
		c.mode = inRest
		return
	case w == wExtended, w == wPartitions, w == wFormat, w == wInto, w == wFor, w == wSchema, w == wDatabase:
		return
	}
	if t.Kind == Ident && w != wNone && w < wNamed {
		switch v := verbs[w]; v.verb {
		case Select, Table, Values, Insert, Replace, Update, Delete:
			c.explainVerb(w)
			return
		}
		if w == wWith {
			c.explainVerb(w)
			return
		}
	}
	c.st.Class = Read
	c.expect, c.role = table, Reads
	c.takeTable(t)
	c.mode = inTables
}

// explainVerb takes the verb of the statement explained.
func (c *classifier) explainVerb(w Word) {
	c.mode = inQuery
	c.verb = w
	c.st.Class = c.explained(w)
	c.startQuery(w)
}

// explained is the class of explaining a statement with a verb. To plan a
// statement, MariaDB reads and locks rows that are found by a unique key.
func (c *classifier) explained(w Word) Class {
	v := verbs[w]
	switch {
	case c.st.Flags&Executes != 0:
		return v.class
	case v.class == Write:
		return LockingRead
	}
	return Read
}

// simpleName takes the name behind USE or CALL.
func (c *classifier) simpleName(t Token) {
	c.callee = noCallee
	if c.st.Name.Empty() {
		c.st.Name = t.Span
	}
}

// tableList begins a list of tables.
func (c *classifier) tableList(role Role) {
	c.mode = inTables
	c.froms |= 1
	c.expect, c.role = table, role
}

// tablesName takes a name in a list of tables.
func (c *classifier) tablesName(t Token) {
	c.callee = noCallee
	if c.expect == table {
		c.takeTable(t)
		return
	}
	switch {
	case c.verb == wLock && t.Word == wWrite && len(c.tables) > c.st.from:
		c.tables[len(c.tables)-1].Role = Writes
	case c.verb == wHandler:
		c.st.Class = Read
		if t.Word == wOpen || t.Word == wClose {
			c.st.Class = Session
		}
		c.mode = inQuery // READ ... WHERE f()
	}
}
