// Package session holds the words for what a client and a server said to each
// other: events that every room of the house speaks, whatever the protocol
// and wherever they came from. Events own their bytes.
//
// The life of a session is Start, then Commands and Replies with Gaps where
// something was not seen, then End. A recording of live traffic and a replay's
// outcome are made of the same events.
package session

import (
	"fmt"
	"net/netip"
)

// Event is one of *Start, *Command, *Reply, *Gap and *End. An event owns its
// bytes and is not changed after it was handed on.
type Event interface {
	// Key returns the session that the event belongs to (0: none) and when it
	// happened, in nanoseconds since the Unix epoch.
	Key() (id uint64, at int64)
}

// Protocol names a client/server protocol.
type Protocol uint8

// The protocols.
const (
	// Unknown: the bytes were not understood, or not seen.
	Unknown Protocol = iota
	// Classic is MySQL's client/server protocol (port 3306).
	Classic
	// X is the X Protocol (port 33060).
	X
)

var protocolNames = [...]string{"unknown", "classic", "x"}

// String returns the protocol's name in lower case.
func (p Protocol) String() string { return name(protocolNames[:], uint8(p)) }

// Start begins a session. It is emitted once the login ended, or as soon as it
// is clear that the login was not seen; At is when the connection was opened
// or first seen.
type Start struct {
	// ID names the session within its capture, from 1.
	ID uint64
	At int64
	// Of and Copy are set in a run only: the recorded session that was
	// replayed, and which copy of it, from 0.
	Of   uint64
	Copy uint32

	Protocol       Protocol
	Client, Server netip.AddrPort
	// Joined: the recording began in the middle of the session; Login holds
	// only what could be deduced, all earlier state is unknown.
	Joined bool
	// Encrypted: the session switched to TLS. When the bytes could not be read
	// no Command follows; a relay that ends TLS can read them.
	Encrypted bool
	// ServerVersion is the version that the server named in its greeting, and
	// ConnectionID its id for the connection (as in SHOW PROCESSLIST); "" and
	// 0 when the greeting was not seen.
	ServerVersion string
	ConnectionID  uint32
	Login         Login
	// State is what the server told of a Joined session; nil when it was not
	// asked, or did not know the session.
	State *State
	// Refused is the error that ended the login; nil when it succeeded or is
	// not known.
	Refused *Error
}

// Unread tells whether the session went on in TLS that could not be read.
func (e *Start) Unread() bool { return e.Encrypted && !e.Login.Known && e.Refused == nil }

// Login is who logged in and what was agreed, without any authentication
// bytes.
type Login struct {
	// Known: the login was seen to its end. Else the fields hold what was seen
	// or deduced, and zero values otherwise.
	Known  bool
	User   string
	Schema string
	// Capabilities are those both sides agreed on, as bits of the protocol
	// (classic: the MySQL manual's "Capabilities Flags", MariaDB's extended
	// ones from bit 32; X: xproto.Interactive and its like).
	Capabilities uint64
	// Collation is the connection's collation id (classic: the character set
	// byte of the handshake response).
	Collation uint16
	// Plugin is the authentication plugin that was used in the end.
	Plugin string
	// Compression is the agreed algorithm: "", "zlib" or "zstd"; X:
	// "zstd_stream", "lz4_message" or "deflate_stream".
	Compression string
	// Attributes are the connection attributes that the client sent.
	Attributes []Attribute
}

// Attribute is a connection attribute.
type Attribute struct{ Name, Value string }

// Error is an error that a server reported.
type Error struct {
	Code uint16
	// State is the SQLSTATE, five characters, or "".
	State   string
	Message string
}

// Command is one thing that a client asked for.
type Command struct {
	// ID is the session, Seq the command's number within it, from 1. In a run
	// both name the run's session and the recorded command's number.
	ID, Seq uint64
	// At and End are when its first and its last byte were seen (a run: sent).
	At, End int64
	Kind    Kind
	// Code is the protocol's own command byte (classic: COM_*; X: the number of
	// the client message).
	Code byte
	// Payload is the command as it was on the wire, its command byte first,
	// without frame headers. It is nil in a run, where the recorded Command has
	// it, and where authentication bytes were removed (ChangeUser).
	Payload []byte
	// Size is the payload's length on the wire, also where Payload is shorter.
	Size uint64
	// SQL is the statement text within Payload (Query, Prepare), or, of X CRUD
	// messages, a statement that says the same; else nil.
	SQL []byte
	// Statement is the source's id of a prepared statement (Kind.OnStatement; of
	// an X Prepare, too, whose client chooses it), 0xffffffff MariaDB's "the one
	// prepared last".
	Statement uint32
	// Login is who a ChangeUser changed to.
	Login *Login
	// Masked: the payload held a secret, which was replaced or left out. Such
	// a command can't be replayed.
	Masked bool
	// Cut: Payload holds only the first bytes of a command over the size
	// limit. Such a command can't be replayed.
	Cut bool

	// Due is when a replay planned to send it; a run only.
	Due int64
	// Skipped tells why a replay did not send it; a run only.
	Skipped Skip
	// Order tells what the order between sessions did to it; a run only, nil:
	// nothing.
	Order *Order
}

// Reply is what a server answered to one command. Commands of some kinds have
// none (Kind.HasReply).
type Reply struct {
	// ID and Seq are those of the command.
	ID, Seq uint64
	// First and Last are when its first and its last byte were seen.
	First, Last int64
	// Bytes is the reply's size on the wire without compression, headers
	// included.
	Bytes uint64
	// Lost: part of the reply was not seen or not understood; Results holds
	// what was whole before it.
	Lost bool
	// Prepared describes the statement that a Prepare made; else nil.
	Prepared *Prepared
	// Results has one entry for each result: one for most commands, several
	// for multi-statements and CALL.
	Results []Result
}

// Prepared is a server's answer to a successful Prepare.
type Prepared struct {
	// Statement is the server's id for it.
	Statement uint32
	// Params and Columns count placeholders and result columns.
	Params, Columns uint16
}

// Result is one result of a reply.
type Result struct {
	Outcome Outcome
	// Affected, InsertID and Info are set in an OK outcome; Warnings and
	// Status in an OK and at the end of Rows.
	Affected, InsertID uint64
	Warnings           uint16
	// Status holds the protocol's status flags after the result (classic:
	// SERVER_STATUS_*).
	Status uint16
	Info   string
	// Error is set when Outcome is Failed; after Rows it may have come in the
	// middle of them.
	Error *Error
	// Columns describes the rows; nil where the server sent no description
	// (Fetch).
	Columns *Columns
	// Rows counts the rows.
	Rows uint64
	// Digest is the digest of the rows.
	Digest Digest
	// Keyed has a hash of key and values for each of the first rows, where the
	// result carries key columns; else it is empty.
	Keyed []RowHash
	// Binary: Kept rows are in the protocol's binary format. Rows of the X
	// Protocol have only one format.
	Binary bool
	// Kept holds the first rows as they were on the wire, as many as were
	// asked for.
	Kept [][]byte
	// Changes are the session's state changes that the server reported.
	Changes []Change
}

// Digest is a 64-bit digest of rows, taken with the capture's seed.
type Digest struct {
	// Ordered depends on the order of the rows, Unordered does not. Both are
	// equal for one row and 0 for none.
	Ordered, Unordered uint64
	// Valid is false when a row could not be digested (lost, or its column
	// types are unknown); the numbers then mean nothing.
	Valid bool
}

// RowHash holds seeded hashes of the key columns of one row, and of all of it.
type RowHash struct{ Key, Row uint64 }

// Change is one session state change that a server reported with a result.
type Change struct {
	Kind ChangeKind
	// Name is the system variable's; else "".
	Name  string
	Value string
}

// Columns describes the columns of a result. Equal descriptions share one
// Columns; it is never changed.
type Columns struct {
	// Hash is a seedless hash of the descriptions.
	Hash uint64
	List []Column
}

// Column describes one column of a result.
type Column struct {
	Schema, Table, OrgTable, Name, OrgName string
	Collation                              uint16
	Length                                 uint32
	// Type and Flags are the protocol's (classic: MYSQL_TYPE_*, *_FLAG; X: the
	// FieldType of ColumnMetaData, its flags, and its content type from bit 12).
	Type     byte
	Flags    uint16
	Decimals byte
}

// Gap tells that something of a session was not seen or not understood.
type Gap struct {
	// ID is 0 when packets were lost that belong to nobody known.
	ID uint64
	At int64
	// Seq is the number that the next command of the session will have.
	Seq uint64
	// Client tells which side's bytes are lost.
	Client bool
	// Lost counts bytes (packets when ID is 0); 0: unknown.
	Lost   uint64
	Reason Reason
	// Detail says more for a reader, or is "".
	Detail string
}

// HidesCommands tells whether commands of the session may be among what is missing.
func (e *Gap) HidesCommands() bool {
	switch e.Reason {
	case MemoryLimit, QueueFull: // of events
		return true
	}
	return e.Client
}

// End ends a session.
type End struct {
	ID     uint64
	At     int64
	Reason Reason
	// Detail says more for a reader (an error that the server sent before it
	// closed), or is "".
	Detail string
}

// Key implements Event.
func (e *Start) Key() (uint64, int64) { return e.ID, e.At }

// Key implements Event.
func (e *Command) Key() (uint64, int64) { return e.ID, e.At }

// Key implements Event; the time is that of the last byte.
func (e *Reply) Key() (uint64, int64) { return e.ID, e.Last }

// Key implements Event.
func (e *Gap) Key() (uint64, int64) { return e.ID, e.At }

// Key implements Event.
func (e *End) Key() (uint64, int64) { return e.ID, e.At }

// Err returns the error of the reply's last result, or nil.
func (e *Reply) Err() *Error {
	if n := len(e.Results); n > 0 {
		return e.Results[n-1].Error
	}
	return nil
}

// Error implements error: the text that MySQL's own clients print.
func (e *Error) Error() string {
	if e.State == "" {
		return fmt.Sprintf("ERROR %d: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("ERROR %d (%s): %s", e.Code, e.State, e.Message)
}
