package sqltext

// Word is a word that the scanner knows: a keyword, a built-in function's name
// or the name of a system variable of interest, without regard to case. The
// zero Word is every other identifier. Words are numbered anew by every
// version of this package; do not store them.
type Word uint16

// WordOf returns the Word of a spelling in any case, or 0.
func WordOf(spelling string) Word { return lookup([]byte(spelling), 0, len(spelling)) }

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
	wAesDecrypt
	wAesEncrypt
	wAll
	wAlter
	wAnalyze
	wAnd
	wAny
	wArray
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
	wColumns
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
	wDecode
	wDefault
	wDefiner
	wDelayed
	wDelete
	wDesDecrypt
	wDesEncrypt
	wDesc
	wDescribe
	wDiagnostics
	wDiscard
	wDo
	wDrop
	wDual
	wDumpfile
	wDuplicate
	wEach
	wElse
	wElseif
	wEncode
	wEncrypt
	wEnd
	wEvent
	wExcept
	wExecute
	wExists
	wExpire
	wExplain
	wExtended
	wFactor
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
	wHighPriority
	wHistory
	wId
	wIdentified
	wIf
	wIgnore
	wImmediate
	wImport
	wIn
	wIndex
	wInfile
	wInsert
	wInstall
	wInstance
	wIntersect
	wInto
	wIs
	wIterate
	wJoin
	wJsonTable
	wKdf
	wKey
	wKill
	wLastInsertId
	wLateral
	wLeave
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
	wMaster
	wMinus
	wMode
	wNames
	wNext
	wNextval
	wNot
	wNowait
	wNull
	wOf
	wOff
	wOffset
	wOj
	wOld
	wOldPassword
	wOn
	wOpen
	wOptimize
	wOptional
	wOptions
	wOr
	wOrder
	wOutfile
	wPackage
	wPartition
	wPartitions
	wPassphrase
	wPassword
	wPath
	wPersist
	wPersistOnly
	wPrepare
	wPrevious
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
	wSchemas
	wSelect
	wSequence
	wServer
	wSession
	wSet
	wShare
	wShow
	wShutdown
	wSignal
	wSkip
	wSoft
	wSource
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
	wWhen
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
	wAesDecrypt:         "aes_decrypt",
	wAesEncrypt:         "aes_encrypt",
	wAll:                "all",
	wAlter:              "alter",
	wAnalyze:            "analyze",
	wAnd:                "and",
	wAny:                "any",
	wArray:              "array",
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
	wColumns:            "columns",
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
	wDecode:             "decode",
	wDefault:            "default",
	wDefiner:            "definer",
	wDelayed:            "delayed",
	wDelete:             "delete",
	wDesDecrypt:         "des_decrypt",
	wDesEncrypt:         "des_encrypt",
	wDesc:               "desc",
	wDescribe:           "describe",
	wDiagnostics:        "diagnostics",
	wDiscard:            "discard",
	wDo:                 "do",
	wDrop:               "drop",
	wDual:               "dual",
	wDumpfile:           "dumpfile",
	wDuplicate:          "duplicate",
	wEach:               "each",
	wElse:               "else",
	wElseif:             "elseif",
	wEncode:             "encode",
	wEncrypt:            "encrypt",
	wEnd:                "end",
	wEvent:              "event",
	wExcept:             "except",
	wExecute:            "execute",
	wExists:             "exists",
	wExpire:             "expire",
	wExplain:            "explain",
	wExtended:           "extended",
	wFactor:             "factor",
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
	wHighPriority:       "high_priority",
	wHistory:            "history",
	wId:                 "id",
	wIdentified:         "identified",
	wIf:                 "if",
	wIgnore:             "ignore",
	wImmediate:          "immediate",
	wImport:             "import",
	wIn:                 "in",
	wIndex:              "index",
	wInfile:             "infile",
	wInsert:             "insert",
	wInstall:            "install",
	wInstance:           "instance",
	wIntersect:          "intersect",
	wInto:               "into",
	wIs:                 "is",
	wIterate:            "iterate",
	wJoin:               "join",
	wJsonTable:          "json_table",
	wKdf:                "kdf",
	wKey:                "key",
	wKill:               "kill",
	wLastInsertId:       "last_insert_id",
	wLateral:            "lateral",
	wLeave:              "leave",
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
	wMaster:             "master",
	wMinus:              "minus",
	wMode:               "mode",
	wNames:              "names",
	wNext:               "next",
	wNextval:            "nextval",
	wNot:                "not",
	wNowait:             "nowait",
	wNull:               "null",
	wOf:                 "of",
	wOff:                "off",
	wOffset:             "offset",
	wOj:                 "oj",
	wOld:                "old",
	wOldPassword:        "old_password",
	wOn:                 "on",
	wOpen:               "open",
	wOptimize:           "optimize",
	wOptional:           "optional",
	wOptions:            "options",
	wOr:                 "or",
	wOrder:              "order",
	wOutfile:            "outfile",
	wPackage:            "package",
	wPartition:          "partition",
	wPartitions:         "partitions",
	wPassphrase:         "passphrase",
	wPassword:           "password",
	wPath:               "path",
	wPersist:            "persist",
	wPersistOnly:        "persist_only",
	wPrepare:            "prepare",
	wPrevious:           "previous",
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
	wSchemas:            "schemas",
	wSelect:             "select",
	wSequence:           "sequence",
	wServer:             "server",
	wSession:            "session",
	wSet:                "set",
	wShare:              "share",
	wShow:               "show",
	wShutdown:           "shutdown",
	wSignal:             "signal",
	wSkip:               "skip",
	wSoft:               "soft",
	wSource:             "source",
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
	wWhen:               "when",
	wWhere:              "where",
	wWhile:              "while",
	wWindow:             "window",
	wWith:               "with",
	wWork:               "work",
	wWrite:              "write",
	wXa:                 "xa",
	wXml:                "xml",
}
