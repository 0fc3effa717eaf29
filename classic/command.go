package classic

import "fmt"

// Code is the first byte of a command (COM_*, "Command Phase").
type Code byte

// The commands. 0xfa is MariaDB's.
const (
	ComSleep            Code = 0x00
	ComQuit             Code = 0x01
	ComInitDB           Code = 0x02
	ComQuery            Code = 0x03
	ComFieldList        Code = 0x04
	ComCreateDB         Code = 0x05
	ComDropDB           Code = 0x06
	ComRefresh          Code = 0x07
	ComShutdown         Code = 0x08
	ComStatistics       Code = 0x09
	ComProcessInfo      Code = 0x0a
	ComConnect          Code = 0x0b
	ComProcessKill      Code = 0x0c
	ComDebug            Code = 0x0d
	ComPing             Code = 0x0e
	ComTime             Code = 0x0f
	ComDelayedInsert    Code = 0x10
	ComChangeUser       Code = 0x11
	ComBinlogDump       Code = 0x12
	ComTableDump        Code = 0x13
	ComConnectOut       Code = 0x14
	ComRegisterSlave    Code = 0x15
	ComStmtPrepare      Code = 0x16
	ComStmtExecute      Code = 0x17
	ComStmtSendLongData Code = 0x18
	ComStmtClose        Code = 0x19
	ComStmtReset        Code = 0x1a
	ComSetOption        Code = 0x1b
	ComStmtFetch        Code = 0x1c
	ComDaemon           Code = 0x1d
	ComBinlogDumpGTID   Code = 0x1e
	ComResetConnection  Code = 0x1f
	ComClone            Code = 0x20
	ComSubscribeGroup   Code = 0x21
	ComStmtBulkExecute  Code = 0xfa
)

var codeNames = [...]string{"SLEEP", "QUIT", "INIT_DB", "QUERY", "FIELD_LIST", "CREATE_DB", "DROP_DB", "REFRESH",
	"SHUTDOWN", "STATISTICS", "PROCESS_INFO", "CONNECT", "PROCESS_KILL", "DEBUG", "PING", "TIME",
	"DELAYED_INSERT", "CHANGE_USER", "BINLOG_DUMP", "TABLE_DUMP", "CONNECT_OUT", "REGISTER_SLAVE",
	"STMT_PREPARE", "STMT_EXECUTE", "STMT_SEND_LONG_DATA", "STMT_CLOSE", "STMT_RESET", "SET_OPTION",
	"STMT_FETCH", "DAEMON", "BINLOG_DUMP_GTID", "RESET_CONNECTION", "CLONE", "SUBSCRIBE_GROUP_REPLICATION_STREAM"}

// String returns the name without its COM_ prefix, or the number.
func (c Code) String() string {
	switch {
	case int(c) < len(codeNames):
		return codeNames[c]
	case c == ComStmtBulkExecute:
		return "STMT_BULK_EXECUTE"
	}
	return fmt.Sprintf("0x%02x", byte(c))
}

// Known tells whether a server of our range of versions knows the command.
func (c Code) Known() bool { return int(c) < len(codeNames) || c == ComStmtBulkExecute }

// answer tells what kind of reply a command gets.
type answer uint8

const (
	answerNone    answer = iota // never a reply
	answerOK                    // OK, EOF or ERR
	answerResults               // result sets
	answerFetch                 // rows without metadata
	answerFields                // column definitions without a count
	answerPrepare               // a prepared statement
	answerText                  // one packet of bare text
	answerAuth                  // an authentication dialogue
	answerStream                // packets without end
)

func (c Code) answer() answer {
	switch c {
	case ComQuit, ComStmtClose, ComStmtSendLongData:
		return answerNone
	case ComQuery, ComStmtExecute, ComStmtBulkExecute, ComProcessInfo:
		return answerResults
	case ComStmtFetch:
		return answerFetch
	case ComFieldList:
		return answerFields
	case ComStmtPrepare:
		return answerPrepare
	case ComStatistics:
		return answerText
	case ComChangeUser:
		return answerAuth
	case ComBinlogDump, ComBinlogDumpGTID, ComTableDump, ComClone, ComSubscribeGroup:
		return answerStream
	}
	return answerOK
}

// Plausible tells whether a payload is surely a command: one of those that
// clients send, with a length that it can have.
func Plausible(p []byte) bool {
	if len(p) == 0 {
		return false
	}
	switch Code(p[0]) {
	case ComQuit, ComStatistics, ComPing, ComResetConnection:
		return len(p) == 1
	case ComQuery, ComStmtPrepare, ComInitDB:
		return len(p) > 1
	case ComStmtExecute:
		return len(p) >= 10 && p[6] == 1 && p[7]|p[8]|p[9] == 0
	case ComStmtClose, ComStmtReset:
		return len(p) == 5
	case ComStmtFetch:
		return len(p) == 9
	case ComSetOption:
		return len(p) == 3 && p[1] <= 1 && p[2] == 0
	case ComStmtSendLongData, ComStmtBulkExecute:
		return len(p) >= 7
	}
	return false
}
