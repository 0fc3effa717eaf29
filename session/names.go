package session

// Kind tells what a Command asks for, in words that hold for every protocol.
type Kind uint8

// The kinds of commands. The numbers are part of the capture format.
const (
	// Other is a command that is carried, but has no meaning of its own here.
	Other Kind = iota
	// Query runs SQL text.
	Query
	// Prepare makes a prepared statement.
	Prepare
	// Execute runs a prepared statement.
	Execute
	// Fetch asks for rows of an open cursor.
	Fetch
	// LongData sends a part of one parameter ahead of Execute; no reply.
	LongData
	// ResetStatement drops long data and the cursor of a statement.
	ResetStatement
	// CloseStatement forgets a prepared statement; no reply.
	CloseStatement
	// UseSchema changes the default schema.
	UseSchema
	// FieldList asks for the columns of a table.
	FieldList
	// ChangeUser logs in anew on the same connection.
	ChangeUser
	// ResetConnection gives the session its first state back.
	ResetConnection
	// SetOption switches multi-statements on or off.
	SetOption
	// Ping asks whether the server is alive.
	Ping
	// Statistics asks for the server's one-line status.
	Statistics
	// KillProcess asks to end another connection.
	KillProcess
	// FileData is one piece of the file that LOAD DATA LOCAL sends after its
	// Query; the last one is empty. It has no reply of its own.
	FileData
	// Quit ends the session; no reply.
	Quit
	// Replication turns the connection into a replication stream.
	Replication
	// Admin is an administrator's command: shutdown, refresh, debug, clone.
	Admin
	// BulkExecute runs a prepared statement for many rows (MariaDB).
	BulkExecute

	// The kinds that only the X Protocol has; each is answered.

	// Find, Insert, Update and Delete are its CRUD messages; their SQL says the
	// same as a statement.
	Find
	Insert
	Update
	Delete
	// View creates, modifies or drops a view.
	View
	// PluginCommand runs a command of the X Plugin (a StmtExecute whose namespace
	// is mysqlx).
	PluginCommand
	// OpenExpect and CloseExpect open and close a block of expectations.
	OpenExpect
	CloseExpect
	// Deallocate forgets a prepared statement, as CloseStatement does, and is
	// answered.
	Deallocate
	// OpenCursor runs a prepared statement and keeps its rows for FetchCursor;
	// CloseCursor gives them up. All three name the statement.
	OpenCursor
	FetchCursor
	CloseCursor
	// Capabilities asks for or sets capabilities after the login.
	Capabilities
	// CloseSession ends the session; the connection may log in anew (ChangeUser).
	CloseSession
	// CloseConnection says goodbye and is answered.
	CloseConnection
)

var kindNames = [...]string{"other", "query", "prepare", "execute", "fetch", "long data", "reset statement",
	"close statement", "use schema", "field list", "change user", "reset connection", "set option", "ping",
	"statistics", "kill process", "file data", "quit", "replication", "admin", "bulk execute",
	"find", "insert", "update", "delete", "view", "plugin command", "open expect", "close expect", "deallocate",
	"open cursor", "fetch cursor", "close cursor", "capabilities", "close session", "close connection"}

// String returns the kind in words.
func (k Kind) String() string { return name(kindNames[:], uint8(k)) }

// KindCount is the number of kinds.
const KindCount = len(kindNames)

// HasReply tells whether a server answers commands of the kind.
func (k Kind) HasReply() bool {
	return k != LongData && k != CloseStatement && k != Quit && k != FileData
}

// OnStatement tells whether commands of the kind name a prepared statement.
func (k Kind) OnStatement() bool {
	switch k {
	case Execute, BulkExecute, Fetch, LongData, ResetStatement, CloseStatement,
		Deallocate, OpenCursor, FetchCursor, CloseCursor:
		return true
	}
	return false
}

// Outcome tells how a Result ended.
type Outcome uint8

// The outcomes. The numbers are part of the capture format.
const (
	// OK: done, without rows.
	OK Outcome = iota + 1
	// Rows: done, with rows (maybe none).
	Rows
	// Failed: an error; Rows may have come before it.
	Failed
	// Opened: a cursor was opened; its rows come by Fetch.
	Opened
	// Text: an answer of another form (Statistics, a replication stream).
	Text
)

var outcomeNames = [...]string{"?", "ok", "rows", "error", "cursor", "text"}

// String returns the outcome's name in lower case.
func (o Outcome) String() string { return name(outcomeNames[:], uint8(o)) }

// ChangeKind tells what a Change changes.
type ChangeKind uint8

// The kinds of changes. The numbers are part of the capture format; the first
// are MySQL's SESSION_TRACK_*, those from 32 on stand for notices of the X
// Protocol.
const (
	SystemVariable             ChangeKind = 0
	SchemaChange               ChangeKind = 1
	StateChange                ChangeKind = 2
	GTIDs                      ChangeKind = 3
	TransactionCharacteristics ChangeKind = 4
	TransactionState           ChangeKind = 5

	// WarningNotice is a warning: Name is its code, Value its text.
	WarningNotice ChangeKind = 32
	// DocumentIDs are the ids that the server made for new documents, joined by
	// commas.
	DocumentIDs ChangeKind = 33
	// RowsFound and RowsMatched count rows.
	RowsFound   ChangeKind = 34
	RowsMatched ChangeKind = 35
	// TransactionEnd tells that a transaction ended; Value is "committed" or
	// "rolled back".
	TransactionEnd ChangeKind = 36
	// OtherNotice is any other; Name is its type.
	OtherNotice ChangeKind = 37
	// MadeValues is no change: it is what a recorder notes of values in the result's
	// rows that the server made up (Result.MadeRows).
	MadeValues ChangeKind = 38
)

// Reason tells why a Gap or an End is there.
type Reason uint8

// The reasons. The numbers are part of the capture format.
const (
	// Unstated is the zero Reason.
	Unstated Reason = iota
	// LostBytes: packets are missing from the recording.
	LostBytes
	// DroppedPackets: the kernel dropped packets before they could be read.
	DroppedPackets
	// Snapped: packets were recorded shorter than they were.
	Snapped
	// MemoryLimit: bytes were given up to stay within the memory limit.
	MemoryLimit
	// JoinedLate: the recording began in the middle; Gap.Lost bytes passed
	// before the first boundary.
	JoinedLate
	// NotUnderstood: the bytes do not follow the protocol; Detail says where.
	NotUnderstood
	// Encrypted: the session continues in TLS.
	Encrypted
	// QueueFull: events were dropped because the recording could not be written
	// as fast as they came.
	QueueFull
	// ClientQuit: the client said goodbye.
	ClientQuit
	// Finished: the connection was closed without a goodbye.
	Finished
	// WasReset: the connection was torn down.
	WasReset
	// Silent: nothing was seen for longer than the idle limit.
	Silent
	// Reused: a new connection took the same addresses and ports.
	Reused
	// RecordingEnded: the recording ended before the session.
	RecordingEnded
	// LoginRefused: the server refused the login.
	LoginRefused
	// CommandLost: the bytes of a command were lost in part; it is not among
	// the commands.
	CommandLost
)

var reasonNames = [...]string{"", "lost bytes", "dropped packets", "cut by snaplen", "memory limit", "joined late",
	"not understood", "encrypted", "queue full", "client quit", "finished", "reset", "silent", "reused",
	"recording ended", "login refused", "command lost"}

// String returns the reason in words.
func (r Reason) String() string { return name(reasonNames[:], uint8(r)) }

// ReasonCount is the number of reasons.
const ReasonCount = len(reasonNames)

// Skip tells why a replay did not send a command.
type Skip uint8

// The reasons to skip. The numbers are part of the capture format.
const (
	// NotSkipped is the zero Skip: the command was sent.
	NotSkipped Skip = iota
	// SkipWrite: it can change data or the server, and writes were not asked for.
	SkipWrite
	// SkipSecret: it held a secret, which the recording does not have.
	SkipSecret
	// SkipCut: it was longer than the recording's size limit.
	SkipCut
	// SkipUnknownStatement: its prepared statement is not known on the target,
	// because the Prepare or its reply was not recorded, or failed.
	SkipUnknownStatement
	// SkipUnknownTypes: it relies on parameter types sent in a command that was
	// not recorded.
	SkipUnknownTypes
	// SkipStatement: its prepared statement was itself skipped.
	SkipStatement
	// SkipAdmin: it would administer the target (shutdown, kill, replication).
	SkipAdmin
	// SkipFilter: the user's filters leave it out.
	SkipFilter
	// SkipNotAsked: file data that the target did not ask for.
	SkipNotAsked
	// SkipNoLogin: the session has no login on the target (no credentials, or
	// refused).
	SkipNoLogin
	// SkipUnsupported: a command that a replay can't carry.
	SkipUnsupported
	// SkipKill: it kills a connection that has no counterpart in the replay.
	SkipKill
	// FailedSend: it was to be sent, but the connection to the target was lost.
	FailedSend
	// NotReached: the replay ended before it was due.
	NotReached
	// SkipBehind: a live replay gave the session up because the target was too
	// slow for it.
	SkipBehind
	// SkipInState: it was done before the source was asked for the session's
	// state, which has its effects.
	SkipInState
	// SkipHalf: it belongs to a transaction that was open before the recording
	// began; a half of it is not done.
	SkipHalf
	// SkipDeadlock: the source gave it up as a deadlock's victim and rolled back
	// its transaction; the replay did so with ROLLBACK.
	SkipDeadlock
	// SkipLockTimeout: at the source it failed after waiting for a lock, and
	// changed nothing.
	SkipLockTimeout
	// SkipTorn: something of its transaction is missing from the recording; a half
	// of it is not done.
	SkipTorn
)

var skipNames = [...]string{"", "write", "secret", "too long", "unknown statement", "unknown parameter types",
	"statement skipped", "administration", "filtered", "file not asked for", "no login", "unsupported",
	"kill without counterpart", "failed to send", "not reached", "too far behind", "part of the state",
	"transaction begun before", "deadlock as recorded", "lock timeout as recorded",
	"transaction with lost bytes"}

// String returns the reason in words, "" for NotSkipped.
func (s Skip) String() string { return name(skipNames[:], uint8(s)) }

// SkipCount is the number of Skip values.
const SkipCount = len(skipNames)

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "?"
}
