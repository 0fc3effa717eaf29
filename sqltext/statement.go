package sqltext

// Limits of what Analyze lists.
const (
	// MaxTables is how many table names are listed per statement. MoreTables is
	// set when there were more.
	MaxTables = 32
	// MaxStatements is how many statements of a text are told apart. All that
	// follow belong to the last, whose class is then Unknown.
	MaxStatements = 1000
)

// Statement is one statement of a text. Its Spans are offsets into the whole
// text. They keep quotes; AppendName takes them off.
type Statement struct {
	// Span reaches from the first token to the last, without the semicolon.
	Span
	Verb  Verb
	Class Class
	Flags Flags
	// Funcs tells what the functions called are.
	Funcs Funcs
	// Tables are the tables named, at most MaxTables, in the order of the text;
	// a table named twice is there twice. It is borrowed from the Analyzer.
	Tables []TableRef
	// Name is the schema of USE, the routine of CALL (Schema is its schema),
	// the statement's name in PREPARE, EXECUTE and DEALLOCATE PREPARE.
	Name, Schema Span
	// Charset is the character set of SET NAMES, SET CHARACTER SET or SET
	// character_set_client: a name, without quotes. DEFAULT and other values
	// that the text does not tell give the flag CharsetUnknown instead.
	Charset Span
	// SQLMode tells how the statement changes the session's sql_mode.
	SQLMode SQLMode
	// Kill is what KILL kills.
	Kill KillTarget

	from, to int // of Analyzer.tables
}

// Harmless tells whether the statement surely changes nothing that another
// session can see, and leaves nothing behind when the session ends: it is of
// class Read, Session or Transaction, and no XA transaction, which may. Row
// locks are no harm of a Read; for LockingRead ask the Class.
func (s *Statement) Harmless() bool {
	return s.Class == Read || s.Class == Session || s.Class == Transaction && s.Verb != XA
}

// changesReading tells whether the text of later statements may read differently
// after this one.
func (s *Statement) changesReading() bool {
	return s.SQLMode != SQLMode{} || !s.Charset.Empty() || s.Flags&CharsetUnknown != 0
}

// Flags are facts about a statement.
type Flags uint32

// The flags.
const (
	// Temporary: CREATE, DROP ... of a TEMPORARY table, the session's own.
	Temporary Flags = 1 << iota
	// Params: the statement has placeholders.
	Params
	// OrderBy: the order of the result is given by an ORDER BY (perhaps not
	// fully: rows with equal keys come in any order).
	OrderBy
	// LimitNoOrder: some LIMIT has no ORDER BY beside it, so that which rows it
	// takes is left to the server.
	LimitNoOrder
	// IntoFile: SELECT ... INTO OUTFILE or DUMPFILE.
	IntoFile
	// SetsUserVar: assigns a user variable (SET @x, INTO @x, @x :=).
	SetsUserVar
	// ReadsUserVar: names a user variable otherwise.
	ReadsUserVar
	// ReadsSysVar: names a system variable with @@.
	ReadsSysVar
	// SkipLocked: SKIP LOCKED, so that the rows depend on other sessions.
	SkipLocked
	// Local: LOAD DATA LOCAL, whose data the client sends.
	Local
	// Executes: EXPLAIN ANALYZE, or MariaDB's ANALYZE: the statement runs.
	Executes
	// SetsAutocommit: assigns autocommit, which may commit.
	SetsAutocommit
	// CharsetUnknown: changes character_set_client to what the text does not
	// tell.
	CharsetUnknown
	// MoreTables: Tables is not complete: there were more than MaxTables, or
	// the text does not tell (a routine's body, PREPARE FROM, deep nesting).
	MoreTables
	// Conditional: the text has /*! ... */ with a version of 5.7 or later, or
	// /*M! ... */, which some servers read as code and others as a comment. The
	// class is that of the most dangerous reading, the rest that of code.
	Conditional
	// Unterminated: a literal, a quoted identifier or a comment has no end.
	Unterminated
)

// Role tells what a statement does to a table.
type Role uint8

// The roles.
const (
	// Reads: the table is read, or named only.
	Reads Role = 1 << iota
	// Writes: the table is changed, or may be. In UPDATE and DELETE of several
	// tables, all that the statement's own table list names have it.
	Writes
)

// TableRef is a table that a statement names.
type TableRef struct {
	// Schema is empty when the name has none.
	Schema, Name Span
	Role         Role
}

// KillKind tells what a KILL statement kills.
type KillKind uint8

// The kinds of KILL.
const (
	NoKill KillKind = iota
	// KillConnection: KILL n, KILL CONNECTION n.
	KillConnection
	// KillQuery: KILL QUERY n.
	KillQuery
	// KillQueryID: MariaDB's KILL QUERY ID n: the number is not a connection's.
	KillQueryID
	// KillUser: MariaDB's KILL USER name.
	KillUser
)

// KillTarget is what a KILL statement kills.
type KillTarget struct {
	Kind KillKind
	// Known: ID is the number given. Else it is a placeholder, a variable or
	// another expression, or a user's name.
	Known bool
	ID    uint64
	// Number is the place of the number, expression or name in the text.
	Number Span
}
