package xproto

import "fmt"

// ClientMessage is the type of a message that a client sends
// (Mysqlx.ClientMessages.Type).
type ClientMessage byte

// The messages of clients.
const (
	ConCapabilitiesGet       ClientMessage = 1
	ConCapabilitiesSet       ClientMessage = 2
	ConClose                 ClientMessage = 3
	SessAuthenticateStart    ClientMessage = 4
	SessAuthenticateContinue ClientMessage = 5
	SessReset                ClientMessage = 6
	SessClose                ClientMessage = 7
	SQLStmtExecute           ClientMessage = 12
	CrudFind                 ClientMessage = 17
	CrudInsert               ClientMessage = 18
	CrudUpdate               ClientMessage = 19
	CrudDelete               ClientMessage = 20
	ExpectOpen               ClientMessage = 24
	ExpectClose              ClientMessage = 25
	CrudCreateView           ClientMessage = 30
	CrudModifyView           ClientMessage = 31
	CrudDropView             ClientMessage = 32
	PreparePrepare           ClientMessage = 40
	PrepareExecute           ClientMessage = 41
	PrepareDeallocate        ClientMessage = 42
	CursorOpen               ClientMessage = 43
	CursorClose              ClientMessage = 44
	CursorFetch              ClientMessage = 45
	ClientCompression        ClientMessage = 46
)

var clientNames = map[ClientMessage]string{
	ConCapabilitiesGet: "CON_CAPABILITIES_GET", ConCapabilitiesSet: "CON_CAPABILITIES_SET", ConClose: "CON_CLOSE",
	SessAuthenticateStart: "SESS_AUTHENTICATE_START", SessAuthenticateContinue: "SESS_AUTHENTICATE_CONTINUE",
	SessReset: "SESS_RESET", SessClose: "SESS_CLOSE", SQLStmtExecute: "SQL_STMT_EXECUTE",
	CrudFind: "CRUD_FIND", CrudInsert: "CRUD_INSERT", CrudUpdate: "CRUD_UPDATE", CrudDelete: "CRUD_DELETE",
	ExpectOpen: "EXPECT_OPEN", ExpectClose: "EXPECT_CLOSE",
	CrudCreateView: "CRUD_CREATE_VIEW", CrudModifyView: "CRUD_MODIFY_VIEW", CrudDropView: "CRUD_DROP_VIEW",
	PreparePrepare: "PREPARE_PREPARE", PrepareExecute: "PREPARE_EXECUTE", PrepareDeallocate: "PREPARE_DEALLOCATE",
	CursorOpen: "CURSOR_OPEN", CursorClose: "CURSOR_CLOSE", CursorFetch: "CURSOR_FETCH", ClientCompression: "COMPRESSION",
}

// String returns the name in the enumeration, without its prefix.
func (m ClientMessage) String() string {
	if n := clientNames[m]; n != "" {
		return n
	}
	return fmt.Sprintf("UNKNOWN_%d", byte(m))
}

// Known tells whether the type is in the enumeration.
func (m ClientMessage) Known() bool { return clientNames[m] != "" }

// ServerMessage is the type of a message that a server sends
// (Mysqlx.ServerMessages.Type).
type ServerMessage byte

// The messages of servers.
const (
	OK                      ServerMessage = 0
	ServerError             ServerMessage = 1
	ConnCapabilities        ServerMessage = 2
	AuthenticateContinue    ServerMessage = 3
	AuthenticateOK          ServerMessage = 4
	Notice                  ServerMessage = 11
	ResultsetColumnMetaData ServerMessage = 12
	ResultsetRow            ServerMessage = 13
	ResultsetFetchDone      ServerMessage = 14
	ResultsetFetchSuspended ServerMessage = 15
	ResultsetMoreResultsets ServerMessage = 16
	StmtExecuteOK           ServerMessage = 17
	ResultsetMoreOutParams  ServerMessage = 18
	ServerCompression       ServerMessage = 19
)

var serverNames = map[ServerMessage]string{
	OK: "OK", ServerError: "ERROR", ConnCapabilities: "CONN_CAPABILITIES",
	AuthenticateContinue: "SESS_AUTHENTICATE_CONTINUE", AuthenticateOK: "SESS_AUTHENTICATE_OK", Notice: "NOTICE",
	ResultsetColumnMetaData: "RESULTSET_COLUMN_META_DATA", ResultsetRow: "RESULTSET_ROW",
	ResultsetFetchDone: "RESULTSET_FETCH_DONE", ResultsetFetchSuspended: "RESULTSET_FETCH_SUSPENDED",
	ResultsetMoreResultsets: "RESULTSET_FETCH_DONE_MORE_RESULTSETS", StmtExecuteOK: "SQL_STMT_EXECUTE_OK",
	ResultsetMoreOutParams: "RESULTSET_FETCH_DONE_MORE_OUT_PARAMS", ServerCompression: "COMPRESSION",
}

// String returns the name in the enumeration, without its prefix.
func (m ServerMessage) String() string {
	if n := serverNames[m]; n != "" {
		return n
	}
	return fmt.Sprintf("UNKNOWN_%d", byte(m))
}

// Known tells whether the type is in the enumeration.
func (m ServerMessage) Known() bool { return serverNames[m] != "" }

// EndsReply tells whether a message of the type ends the reply to a client's
// message.
func (m ServerMessage) EndsReply() bool {
	switch m {
	case OK, ServerError, ConnCapabilities, AuthenticateContinue, AuthenticateOK, StmtExecuteOK:
		return true
	}
	return false
}

// endsWith tells whether a reply to a client's message may end with m.
func (c ClientMessage) endsWith(m ServerMessage) bool {
	switch m {
	case ServerError:
		return true
	case ConnCapabilities:
		return c == ConCapabilitiesGet
	case AuthenticateContinue, AuthenticateOK:
		return c == SessAuthenticateStart || c == SessAuthenticateContinue
	case StmtExecuteOK:
		return c.mayHaveRows() || c.aboutView()
	case OK:
		return !c.mayHaveRows() && c != ConCapabilitiesGet && c != SessAuthenticateStart && c != SessAuthenticateContinue
	}
	return false
}

// mayHaveRows tells whether a reply ends with StmtExecuteOK.
func (c ClientMessage) mayHaveRows() bool {
	switch c {
	case SQLStmtExecute, CrudFind, CrudInsert, CrudUpdate, CrudDelete, PrepareExecute, CursorOpen, CursorFetch:
		return true
	}
	return false
}

// aboutView tells whether the message makes, changes or drops a view. MySQL 9.7
// ends its reply with OK, though it is CRUD; StmtExecuteOK is taken, too.
func (c ClientMessage) aboutView() bool {
	return c == CrudCreateView || c == CrudModifyView || c == CrudDropView
}
