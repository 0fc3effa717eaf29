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

// The words that the classifier, the fingerprint, the mask and the shapes look at.
const (
	wNone Word = iota
	wAll
	wAlter
	wAnalyze
	wAnd
	wAs
	wAtomic
	wAuthorization
	wAutocommit
	wBackup
	wBegin
	wBetween
	wBinary
	wBinlog
	wBody
	wBy
	wCache
	wCall
	wCase
	wChain
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
	wCommitted
	wConcat
	wConnection
	wConsistent
	wCreate
	wCross
	wCurrent
	wData
	wDatabase
	wDeallocate
	wDebug
	wDebugSync
	wDeclare
	wDefault
	wDefiner
	wDelayed
	wDelete
	wDesc
	wDescribe
	wDiagnostics
	wDistinct
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
	wForce
	wFormat
	wFrom
	wFunction
	wGet
	wGetLock
	wGlobal
	wGrant
	wGroup
	wGtidNext
	wHandler
	wHard
	wHaving
	wHelp
	wHighPriority
	wId
	wIdentified
	wIf
	wIgnore
	wImmediate
	wImport
	wIn
	wIndex
	wInner
	wInsert
	wInstall
	wInstance
	wIntersect
	wInto
	wIs
	wIsolation
	wJoin
	wJsonExtract
	wJsonObject
	wJsonUnquote
	wKey
	wKill
	wLastInsertId
	wLateral
	wLeft
	wLevel
	wLibrary
	wLike
	wLimit
	wLoad
	wLocal
	wLock
	wLocked
	wLogfile
	wLoop
	wLowPriority
	wMember
	wMinus
	wNames
	wNatural
	wNext
	wNextval
	wNo
	wNot
	wNowait
	wNull
	wOf
	wOff
	wOffset
	wOj
	wOldPassword
	wOn
	wOne
	wOnly
	wOpen
	wOptimize
	wOr
	wOrder
	wOuter
	wOutfile
	wPackage
	wPartition
	wPartitions
	wPassword
	wPersist
	wPersistOnly
	wPhase
	wPrepare
	wProcedure
	wPurge
	wQuery
	wQuick
	wRand
	wRandom
	wRead
	wRecover
	wRecursive
	wReferences
	wRelease
	wReleaseAllLocks
	wReleaseLock
	wRename
	wRepair
	wRepeat
	wRepeatable
	wReplace
	wReset
	wResignal
	wResource
	wRestart
	wReturn
	wReturning
	wRevoke
	wRight
	wRole
	wRollback
	wRollup
	wRow
	wRows
	wSavepoint
	wSchema
	wSelect
	wSequence
	wSerializable
	wServer
	wSession
	wSet
	wShare
	wShow
	wShutdown
	wSignal
	wSnapshot
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
	wUncommitted
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
	wXor
	wNamed // the first Word without a constant
)

// namedWords has the spelling of each Word above.
var namedWords = [wNamed]string{
	wAll:                "all",
	wAlter:              "alter",
	wAnalyze:            "analyze",
	wAnd:                "and",
	wAs:                 "as",
	wAtomic:             "atomic",
	wAuthorization:      "authorization",
	wAutocommit:         "autocommit",
	wBackup:             "backup",
	wBegin:              "begin",
	wBetween:            "between",
	wBinary:             "binary",
	wBinlog:             "binlog",
	wBody:               "body",
	wBy:                 "by",
	wCache:              "cache",
	wCall:               "call",
	wCase:               "case",
	wChain:              "chain",
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
	wCommitted:          "committed",
	wConcat:             "concat",
	wConnection:         "connection",
	wConsistent:         "consistent",
	wCreate:             "create",
	wCross:              "cross",
	wCurrent:            "current",
	wData:               "data",
	wDatabase:           "database",
	wDeallocate:         "deallocate",
	wDebug:              "debug",
	wDebugSync:          "debug_sync",
	wDeclare:            "declare",
	wDefault:            "default",
	wDefiner:            "definer",
	wDelayed:            "delayed",
	wDelete:             "delete",
	wDesc:               "desc",
	wDescribe:           "describe",
	wDiagnostics:        "diagnostics",
	wDistinct:           "distinct",
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
	wForce:              "force",
	wFormat:             "format",
	wFrom:               "from",
	wFunction:           "function",
	wGet:                "get",
	wGetLock:            "get_lock",
	wGlobal:             "global",
	wGrant:              "grant",
	wGroup:              "group",
	wGtidNext:           "gtid_next",
	wHandler:            "handler",
	wHard:               "hard",
	wHaving:             "having",
	wHelp:               "help",
	wHighPriority:       "high_priority",
	wId:                 "id",
	wIdentified:         "identified",
	wIf:                 "if",
	wIgnore:             "ignore",
	wImmediate:          "immediate",
	wImport:             "import",
	wIn:                 "in",
	wIndex:              "index",
	wInner:              "inner",
	wInsert:             "insert",
	wInstall:            "install",
	wInstance:           "instance",
	wIntersect:          "intersect",
	wInto:               "into",
	wIs:                 "is",
	wIsolation:          "isolation",
	wJoin:               "join",
	wJsonExtract:        "json_extract",
	wJsonObject:         "json_object",
	wJsonUnquote:        "json_unquote",
	wKey:                "key",
	wKill:               "kill",
	wLastInsertId:       "last_insert_id",
	wLateral:            "lateral",
	wLeft:               "left",
	wLevel:              "level",
	wLibrary:            "library",
	wLike:               "like",
	wLimit:              "limit",
	wLoad:               "load",
	wLocal:              "local",
	wLock:               "lock",
	wLocked:             "locked",
	wLogfile:            "logfile",
	wLoop:               "loop",
	wLowPriority:        "low_priority",
	wMember:             "member",
	wMinus:              "minus",
	wNames:              "names",
	wNatural:            "natural",
	wNext:               "next",
	wNextval:            "nextval",
	wNo:                 "no",
	wNot:                "not",
	wNowait:             "nowait",
	wNull:               "null",
	wOf:                 "of",
	wOff:                "off",
	wOffset:             "offset",
	wOj:                 "oj",
	wOldPassword:        "old_password",
	wOn:                 "on",
	wOne:                "one",
	wOnly:               "only",
	wOpen:               "open",
	wOptimize:           "optimize",
	wOr:                 "or",
	wOrder:              "order",
	wOuter:              "outer",
	wOutfile:            "outfile",
	wPackage:            "package",
	wPartition:          "partition",
	wPartitions:         "partitions",
	wPassword:           "password",
	wPersist:            "persist",
	wPersistOnly:        "persist_only",
	wPhase:              "phase",
	wPrepare:            "prepare",
	wProcedure:          "procedure",
	wPurge:              "purge",
	wQuery:              "query",
	wQuick:              "quick",
	wRand:               "rand",
	wRandom:             "random",
	wRead:               "read",
	wRecover:            "recover",
	wRecursive:          "recursive",
	wReferences:         "references",
	wRelease:            "release",
	wReleaseAllLocks:    "release_all_locks",
	wReleaseLock:        "release_lock",
	wRename:             "rename",
	wRepair:             "repair",
	wRepeat:             "repeat",
	wRepeatable:         "repeatable",
	wReplace:            "replace",
	wReset:              "reset",
	wResignal:           "resignal",
	wResource:           "resource",
	wRestart:            "restart",
	wReturn:             "return",
	wReturning:          "returning",
	wRevoke:             "revoke",
	wRight:              "right",
	wRole:               "role",
	wRollback:           "rollback",
	wRollup:             "rollup",
	wRow:                "row",
	wRows:               "rows",
	wSavepoint:          "savepoint",
	wSchema:             "schema",
	wSelect:             "select",
	wSequence:           "sequence",
	wSerializable:       "serializable",
	wServer:             "server",
	wSession:            "session",
	wSet:                "set",
	wShare:              "share",
	wShow:               "show",
	wShutdown:           "shutdown",
	wSignal:             "signal",
	wSnapshot:           "snapshot",
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
	wUncommitted:        "uncommitted",
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
	wXor:                "xor",
}
