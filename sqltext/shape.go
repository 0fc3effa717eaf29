package sqltext

import "math"

// Shape is what a statement says about rows: which tables, which of their rows,
// which columns, with the values left open. Texts that differ in their literals
// only have the same Shape.
type Shape struct {
	Verb  Verb
	Class Class
	Flags Flags
	Funcs Funcs
	// Tables are the tables named. MoreTables in Flags: there may be others.
	Tables []ShapeTable
	// Free are conditions on columns that were named without a table, where all
	// Tables stand in one list of several: each holds for the table that has the
	// column. They stand in each table's Maybe, too.
	Free []Term
	// Columns are the columns that the statement looks at, in lower case, each
	// once: all names in it that may be a column's, but for those of
	// ShapeTable.Assign and of an INSERT's list. Star: it looks at all columns.
	Columns []string
	Star    bool
	// Lock is how a SELECT locks the rows that it reads.
	Lock RowLock
	// NoWait: NOWAIT. (SKIP LOCKED is SkipLocked in Flags.) Limit: there is a
	// LIMIT, so that not all rows of the conditions need be touched.
	NoWait, Limit bool
	// Plain: a SELECT of columns of one table, as they are in its rows: of each row
	// for which all of Terms hold, but for a LIMIT of so many in the order of OrderBy.
	// A bound of AtLeast and AtMost may be included or not. OrderBy is the first column
	// of a plain SELECT's ORDER BY, in lower case, "" where there is none; Descending: it
	// begins with the highest. Most is what its LIMIT gives.
	Plain      bool
	OrderBy    string
	Descending bool
	Most       Value
	// Name and Schema are those of Statement, without quotes: the schema of USE,
	// the routine of CALL, a prepared statement's name. Of SAVEPOINT, RELEASE
	// SAVEPOINT and ROLLBACK TO, Name is the savepoint's; of XA it is the
	// transaction's id: the bytes of gtrid, then bqual and formatID if given, with
	// commas between.
	Name, Schema string
	// UserLock is the name given to GET_LOCK or RELEASE_LOCK, of the first call.
	// Frees: the call is RELEASE_LOCK or RELEASE_ALL_LOCKS.
	UserLock Value
	Frees    bool
	// Isolation is the level that SET TRANSACTION ISOLATION LEVEL, or SET
	// transaction_isolation or tx_isolation, gives: "read-committed"..., "?" when
	// the text does not tell which; else "". Global ones do not count.
	// NextOnly: it holds for the next transaction only.
	Isolation string
	NextOnly  bool
	// Snapshot: START TRANSACTION WITH CONSISTENT SNAPSHOT. ReadOnly: START
	// TRANSACTION READ ONLY. Chain: COMMIT or ROLLBACK ... AND CHAIN. To: ROLLBACK
	// TO a savepoint. Autocommit is what SET autocommit sets: a Literal, TrueValue
	// or FalseValue, DefaultValue, or what is not known; not of SET GLOBAL.
	Snapshot, ReadOnly, Chain, To bool
	Autocommit                    Value
	// XA is the word behind XA in lower case ("start", "end", "prepare", "commit",
	// "rollback", "recover"), OnePhase its ONE PHASE; Name is its id.
	XA       string
	OnePhase bool

	// weight is how many values the shape holds, about.
	weight int
}

// RowLock is how rows are locked.
type RowLock uint8

// The locks.
const (
	NoLock RowLock = iota
	// ShareLock: FOR SHARE, LOCK IN SHARE MODE.
	ShareLock
	// UpdateLock: FOR UPDATE.
	UpdateLock
)

// ShapeTable is a table in a Shape.
type ShapeTable struct {
	// Schema is "" where the name has none; Alias is the name itself where it has
	// no other. All are without quotes.
	Schema, Name, Alias string
	Role                Role
	// Terms must all hold for a row that the statement reads, locks or changes.
	// The columns were named with the table, or there is no other that they can be
	// of.
	Terms []Term
	// Maybe are conditions on columns that were named without a table, where they
	// may be another table's: each must hold, too, if the table has the column.
	// (Without knowing the table's columns they tell nothing.)
	Maybe []Term
	// Links are columns that equal columns of other tables: a row that has none equal to
	// it among the other table's rows that are read, locked or changed is not, either.
	Links []Link
	// Assign are the columns that UPDATE, ON DUPLICATE KEY UPDATE or LOAD DATA
	// sets, in lower case, with what they are set to. In a statement of several
	// tables a column named without one is every table's. Where a table is written
	// by UPDATE, or Insert.Update is set, and there are none: any column may be.
	Assign []Assign
	// Insert is what INSERT and REPLACE insert; nil for other statements.
	Insert *Inserted
	// Lock is LOCK TABLES' lock: ShareLock for READ, UpdateLock for WRITE.
	Lock RowLock
	// RowLock is how a SELECT, or one in the statement, locks this table's rows.
	RowLock RowLock
}

// Demand tells what a Term demands.
type Demand uint8

// The demands.
const (
	// Equal: the column equals one of the values (=, <=>, IN).
	Equal Demand = iota + 1
	// AtLeast and AtMost: a bound, included or not: >=, >, <=, <.
	AtLeast
	AtMost
	// Between: at least Values[0] and at most Values[1].
	Between
	// IsNull: IS NULL.
	IsNull
)

// Term is a condition on a column, in lower case without quotes. A condition
// that can't be told so is left out: then more rows may be meant. Values are
// Literals and Placeholders; nothing is converted: whether 1 and '1' are the same
// is a matter of the column. A Placeholder that is NULL is equal to nothing.
type Term struct {
	Column string
	Op     Demand
	Values []Value
	// Document: the text has the member _id of the JSON column doc, and Column is
	// "_id", which the table of a collection makes of it (X Protocol).
	Document bool
}

// Link is the condition of a join that a column equals a column of another table. Both
// are in lower case without quotes. Nothing is converted, as in a Term.
type Link struct {
	Column string
	// Table is the index of the other table in Shape.Tables, Other its column.
	Table int
	Other string
}

// Assign sets a column.
type Assign struct {
	Column string
	Value  Value
}

// Inserted is what is inserted.
type Inserted struct {
	// Columns are those listed, in lower case; nil: all of the table, in its order.
	Columns []string
	// Rows are the rows given with VALUES (or SET); nil where a query gives them, or
	// they were not understood.
	Rows [][]Value
	// IDs are the ids of documents, one for each row, where a row is one
	// JSON_OBJECT(...) with a literal or placeholder for its _id; Absent where it is
	// none. Nil when no row is.
	IDs []Value
	// Update: ON DUPLICATE KEY UPDATE. Replace: REPLACE. Ignore: INSERT IGNORE.
	Update, Replace, Ignore bool
}

// ValueKind tells where a value comes from.
type ValueKind uint8

// The kinds of values.
const (
	// Absent: there is none.
	Absent ValueKind = iota
	// Literal: the literal with the number Index.
	Literal
	// Placeholder: the parameter with the number Index.
	Placeholder
	// NullValue: NULL.
	NullValue
	// DefaultValue: DEFAULT, or the column's own default.
	DefaultValue
	// Expression: anything else, whose value is not known. It may depend on rows.
	Expression
	// TrueValue and FalseValue: ON or TRUE, OFF or FALSE; in Autocommit only.
	TrueValue
	FalseValue
	// LastInsertID: LAST_INSERT_ID().
	LastInsertID
)

// Value is a value in a Shape. Negative: a minus sign stands before the number.
type Value struct {
	Kind     ValueKind
	Index    int
	Negative bool
}

// LiteralToken is a literal of a text: String, Int, Decimal, Float, Hex or Bits.
type LiteralToken struct {
	Kind Kind
	Span Span
}

// Int returns the value of an Int literal; false for other kinds and for numbers
// beyond an int64. text is the whole text that the literal stands in.
func (t LiteralToken) Int(text []byte) (int64, bool) {
	if t.Kind != Int || t.Span.Start < 0 || t.Span.End > len(text) {
		return 0, false
	}
	n := int64(0)
	for _, c := range t.Span.Of(text) {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, !t.Span.Empty()
}
