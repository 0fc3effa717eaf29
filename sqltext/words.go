package sqltext

// Word is a word that the scanner knows: a keyword, a built-in function's name
// or the name of a system variable of interest, without regard to case. The
// zero Word is every other identifier. Words are numbered anew by every
// version of this package; do not store them.
type Word uint16

// wordOf returns the Word of a spelling in any case, or 0.
func wordOf(spelling string) Word { return lookup([]byte(spelling), 0, len(spelling)) }

// String returns the word in lower case, "" for 0.
func (w Word) String() string {
	if int(w) < len(wordTexts) {
		return wordTexts[w]
	}
	return ""
}

// The words that the classifier, the fingerprint and the mask look at.
const (
	wNone Word = iota
	wAll
	wAlter
	wAnalyze
	wAs
	wAtomic
	wAuthorization
	wAutocommit
	wBackup
	wBegin
	wBinary
	wBinlog
	wBody
	wBy
	wCache
	wCall
	wCase
	wChallengeResponse
	wChange
	wChar
	wCharacter
	wCharacterSetClient
	wCharset
	wCheck
	wChecksum
	wClone
	wClose
	wColumn
	wCommit
	wConcat
	wConnection
	wCreate
	wCurrent
	wData
	wDatabase
	wDeallocate
	wDebug
	wDebugSync
	wDeclare
	wDefault
	wDefiner
	wDelete
	wDesc
	wDescribe
	wDiagnostics
	wDo
	wDrop
	wDual
	wDumpfile
	wDuplicate
	wElse
	wElseif
	wEnd
	wEvent
	wExcept
	wExecute
	wExplain
	wExtended
	wFalse
	wFetch
	wFlush
	wFor
	wFormat
	wFrom
	wFunction
	wGet
	wGlobal
	wGrant
	wGroup
	wGtidNext
	wHandler
	wHard
	wHaving
	wHelp
	wId
	wIdentified
	wIf
	wImmediate
	wImport
	wIn
	wIndex
	wInsert
	wInstall
	wInstance
	wIntersect
	wInto
	wIs
	wJoin
	wKey
	wKill
	wLastInsertId
	wLateral
	wLibrary
	wLike
	wLimit
	wLoad
	wLocal
	wLock
	wLocked
	wLogfile
	wLoop
	wMember
	wMinus
	wNames
	wNext
	wNextval
	wNot
	wNull
	wOff
	wOffset
	wOj
	wOldPassword
	wOn
	wOpen
	wOptimize
	wOr
	wOrder
	wOutfile
	wPackage
	wPartitions
	wPassword
	wPersist
	wPersistOnly
	wPrepare
	wProcedure
	wPurge
	wQuery
	wRand
	wRandom
	wRecover
	wRecursive
	wReferences
	wRelease
	wRename
	wRepair
	wRepeat
	wReplace
	wReset
	wResignal
	wResource
	wRestart
	wReturn
	wReturning
	wRevoke
	wRole
	wRollback
	wRollup
	wRow
	wSavepoint
	wSchema
	wSelect
	wSequence
	wServer
	wSet
	wShare
	wShow
	wShutdown
	wSignal
	wSoft
	wSqlMode
	wStacked
	wStart
	wStatement
	wStop
	wStraightJoin
	wTable
	wTables
	wTablespace
	wTemporary
	wThen
	wTo
	wTransaction
	wTrigger
	wTrue
	wTruncate
	wUninstall
	wUnion
	wUnixTimestamp
	wUnlock
	wUpdate
	wUse
	wUser
	wUsing
	wValue
	wValues
	wVia
	wView
	wWhere
	wWhile
	wWindow
	wWith
	wWork
	wWrite
	wXa
	wXml
	wNamed // the first Word without a constant
)

// namedWords has the spelling of each Word above.
var namedWords = [wNamed]string{
	wAll:                "all",
	wAlter:              "alter",
	wAnalyze:            "analyze",
	wAs:                 "as",
	wAtomic:             "atomic",
	wAuthorization:      "authorization",
	wAutocommit:         "autocommit",
	wBackup:             "backup",
	wBegin:              "begin",
	wBinary:             "binary",
	wBinlog:             "binlog",
	wBody:               "body",
	wBy:                 "by",
	wCache:              "cache",
	wCall:               "call",
	wCase:               "case",
	wChallengeResponse:  "challenge_response",
	wChange:             "change",
	wChar:               "char",
	wCharacter:          "character",
	wCharacterSetClient: "character_set_client",
	wCharset:            "charset",
	wCheck:              "check",
	wChecksum:           "checksum",
	wClone:              "clone",
	wClose:              "close",
	wColumn:             "column",
	wCommit:             "commit",
	wConcat:             "concat",
	wConnection:         "connection",
	wCreate:             "create",
	wCurrent:            "current",
	wData:               "data",
	wDatabase:           "database",
	wDeallocate:         "deallocate",
	wDebug:              "debug",
	wDebugSync:          "debug_sync",
	wDeclare:            "declare",
	wDefault:            "default",
	wDefiner:            "definer",
	wDelete:             "delete",
	wDesc:               "desc",
	wDescribe:           "describe",
	wDiagnostics:        "diagnostics",
	wDo:                 "do",
	wDrop:               "drop",
	wDual:               "dual",
	wDumpfile:           "dumpfile",
	wDuplicate:          "duplicate",
	wElse:               "else",
	wElseif:             "elseif",
	wEnd:                "end",
	wEvent:              "event",
	wExcept:             "except",
	wExecute:            "execute",
	wExplain:            "explain",
	wExtended:           "extended",
	wFalse:              "false",
	wFetch:              "fetch",
	wFlush:              "flush",
	wFor:                "for",
	wFormat:             "format",
	wFrom:               "from",
	wFunction:           "function",
	wGet:                "get",
	wGlobal:             "global",
	wGrant:              "grant",
	wGroup:              "group",
	wGtidNext:           "gtid_next",
	wHandler:            "handler",
	wHard:               "hard",
	wHaving:             "having",
	wHelp:               "help",
	wId:                 "id",
	wIdentified:         "identified",
	wIf:                 "if",
	wImmediate:          "immediate",
	wImport:             "import",
	wIn:                 "in",
	wIndex:              "index",
	wInsert:             "insert",
	wInstall:            "install",
	wInstance:           "instance",
	wIntersect:          "intersect",
	wInto:               "into",
	wIs:                 "is",
	wJoin:               "join",
	wKey:                "key",
	wKill:               "kill",
	wLastInsertId:       "last_insert_id",
	wLateral:            "lateral",
	wLibrary:            "library",
	wLike:               "like",
	wLimit:              "limit",
	wLoad:               "load",
	wLocal:              "local",
	wLock:               "lock",
	wLocked:             "locked",
	wLogfile:            "logfile",
	wLoop:               "loop",
	wMember:             "member",
	wMinus:              "minus",
	wNames:              "names",
	wNext:               "next",
	wNextval:            "nextval",
	wNot:                "not",
	wNull:               "null",
	wOff:                "off",
	wOffset:             "offset",
	wOj:                 "oj",
	wOldPassword:        "old_password",
	wOn:                 "on",
	wOpen:               "open",
	wOptimize:           "optimize",
	wOr:                 "or",
	wOrder:              "order",
	wOutfile:            "outfile",
	wPackage:            "package",
	wPartitions:         "partitions",
	wPassword:           "password",
	wPersist:            "persist",
	wPersistOnly:        "persist_only",
	wPrepare:            "prepare",
	wProcedure:          "procedure",
	wPurge:              "purge",
	wQuery:              "query",
	wRand:               "rand",
	wRandom:             "random",
	wRecover:            "recover",
	wRecursive:          "recursive",
	wReferences:         "references",
	wRelease:            "release",
	wRename:             "rename",
	wRepair:             "repair",
	wRepeat:             "repeat",
	wReplace:            "replace",
	wReset:              "reset",
	wResignal:           "resignal",
	wResource:           "resource",
	wRestart:            "restart",
	wReturn:             "return",
	wReturning:          "returning",
	wRevoke:             "revoke",
	wRole:               "role",
	wRollback:           "rollback",
	wRollup:             "rollup",
	wRow:                "row",
	wSavepoint:          "savepoint",
	wSchema:             "schema",
	wSelect:             "select",
	wSequence:           "sequence",
	wServer:             "server",
	wSet:                "set",
	wShare:              "share",
	wShow:               "show",
	wShutdown:           "shutdown",
	wSignal:             "signal",
	wSoft:               "soft",
	wSqlMode:            "sql_mode",
	wStacked:            "stacked",
	wStart:              "start",
	wStatement:          "statement",
	wStop:               "stop",
	wStraightJoin:       "straight_join",
	wTable:              "table",
	wTables:             "tables",
	wTablespace:         "tablespace",
	wTemporary:          "temporary",
	wThen:               "then",
	wTo:                 "to",
	wTransaction:        "transaction",
	wTrigger:            "trigger",
	wTrue:               "true",
	wTruncate:           "truncate",
	wUninstall:          "uninstall",
	wUnion:              "union",
	wUnixTimestamp:      "unix_timestamp",
	wUnlock:             "unlock",
	wUpdate:             "update",
	wUse:                "use",
	wUser:               "user",
	wUsing:              "using",
	wValue:              "value",
	wValues:             "values",
	wVia:                "via",
	wView:               "view",
	wWhere:              "where",
	wWhile:              "while",
	wWindow:             "window",
	wWith:               "with",
	wWork:               "work",
	wWrite:              "write",
	wXa:                 "xa",
	wXml:                "xml",
}
