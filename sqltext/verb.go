package sqltext

// Verb is what a statement begins with, in spirit: of WITH ... DELETE it is
// Delete, of START TRANSACTION it is Begin.
type Verb uint8

// The verbs.
const (
	// NoVerb: a statement that is not known here, or not one at all.
	NoVerb Verb = iota
	Select
	Table  // TABLE t (MySQL 8)
	Values // VALUES ROW(...) (MySQL 8)
	Insert
	Replace
	Update
	Delete
	Load
	Call
	Do
	Handler
	Explain // DESCRIBE and DESC too, and MariaDB's ANALYZE of a statement
	Show
	Help
	Checksum
	Set
	Use
	Signal
	Resignal
	GetDiagnostics
	Begin // START TRANSACTION too
	Commit
	Rollback // to a savepoint too
	Savepoint
	Release
	XA
	Prepare // of the SQL statement PREPARE, as the two below
	Execute // EXECUTE IMMEDIATE too
	Deallocate
	Lock
	Unlock
	Create
	Alter
	Drop
	Rename
	Truncate
	Import
	Analyze
	Check
	Optimize
	Repair
	Grant
	Revoke
	Flush
	Reset
	Kill
	Shutdown
	Restart
	Install
	Uninstall
	Clone
	Change
	Purge
	Start
	Stop
	Cache
	Binlog
	Backup
	// Compound: MariaDB's BEGIN NOT ATOMIC, IF, LOOP ... outside a routine.
	Compound
)

var verbNames = [...]string{
	"", "select", "table", "values", "insert", "replace", "update", "delete", "load", "call", "do", "handler",
	"explain", "show", "help", "checksum", "set", "use", "signal", "resignal", "get diagnostics", "begin", "commit",
	"rollback", "savepoint", "release", "xa", "prepare", "execute", "deallocate", "lock", "unlock", "create", "alter",
	"drop", "rename", "truncate", "import", "analyze", "check", "optimize", "repair", "grant", "revoke", "flush",
	"reset", "kill", "shutdown", "restart", "install", "uninstall", "clone", "change", "purge", "start", "stop",
	"cache", "binlog", "backup", "compound",
}

// String returns the verb in lower case, "" for NoVerb.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "?"
}

// Class is what a statement may do to others.
type Class uint8

// The classes. What is not surely harmless is not Read, Session or
// Transaction.
const (
	// Unknown: nothing is certain. It may change anything.
	Unknown Class = iota
	// Read: reads data and changes nothing that another session can see. (A
	// view that is read may call stored functions; the text does not show it.)
	Read
	// Session: changes the session's own state only: SET of session and user
	// variables, USE, HANDLER OPEN, DEALLOCATE PREPARE.
	Session
	// Transaction: begins or ends a transaction, savepoints, XA.
	Transaction
	// LockingRead: reads and locks rows: FOR UPDATE, FOR SHARE, LOCK IN SHARE
	// MODE.
	LockingRead
	// Locking: takes or frees locks that are no rows: LOCK TABLES, UNLOCK
	// TABLES, GET_LOCK and RELEASE_LOCK.
	Locking
	// Write: changes data, or may: INSERT, UPDATE, DELETE, REPLACE, LOAD DATA,
	// CALL, SELECT ... INTO OUTFILE, sequences.
	Write
	// DDL: creates, alters or drops schema objects; TRUNCATE.
	DDL
	// Admin: changes the server, its accounts or other sessions: GRANT, CREATE
	// USER, FLUSH, KILL, SHUTDOWN, SET GLOBAL, ANALYZE TABLE, replication.
	Admin
)

var classNames = [...]string{
	"unknown", "read", "session", "transaction", "locking read", "lock", "write", "ddl", "admin",
}

// String returns the class's name.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "?"
}

// worse returns the more dangerous of two classes: Unknown before all others,
// then the later one.
func (c Class) worse(d Class) Class {
	if c == Unknown || d == Unknown {
		return Unknown
	}
	return max(c, d)
}
