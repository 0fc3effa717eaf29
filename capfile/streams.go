package capfile

// stream is one of the byte strings that a block is made of. Each holds one
// field, or a few of one nature, of all events of the block in order: fields
// that resemble each other compress well together, and noise (digests, times)
// does not spoil the text. The numbers are part of the format.
type stream uint8

const (
	stTypes    stream = iota // a byte an event: its type and flags
	stSessions               // the session's number within the block
	stTime0                  // times: the unit and the lowest 7 bits
	stTime1                  // times: the next 8 bits
	stTime2                  // times: the bits above
	stCommands               // numbers of command heads
	stSlots                  // a byte a payload: its slot, and which lengths are given
	stLengths                // lengths of payloads where they are given
	stText                   // the bytes of payloads
	stResults                // numbers of result heads
	stSizes                  // sizes of replies
	stCounts                 // affected rows, insert ids, rows
	stHashes                 // digests and hashes of rows
	stRows                   // the bytes of kept rows
	stRest                   // everything else, and the definitions of heads
	stStates                 // what servers told of sessions joined in mid-life
	streamCount
)

var streamNames = [streamCount]string{"types", "sessions", "time0", "time1", "time2", "commands", "slots", "lengths",
	"text", "results", "sizes", "counts", "hashes", "rows", "rest", "states"}

// The types of events: the low four bits in stTypes.
const (
	typeStart   = 1
	typeCommand = 2
	typeReply   = 3
	typeGap     = 4
	typeEnd     = 5
	typeMask    = 0x0f
)

// The flags of Commands and Replies in stTypes.
const (
	flagTimes = 0x10 // the two times of the event differ
	flagSeq   = 0x20 // the sequence number is not the expected one
	flagLost  = 0x40 // Reply: Lost
	flagList  = 0x80 // Reply: Prepared, or not exactly one result
)

// The flags of a command head.
const (
	cmdPayload     = 1 << iota // has a payload
	cmdSize                    // Size is not the payload's length
	cmdTail                    // SQL is the payload from the head's offset on
	cmdPlace                   // SQL is within the payload at a given place
	cmdSQL                     // SQL stands in full
	cmdPayloadStmt             // Statement is at payload[1:5]
	cmdStatement               // Statement is given
	cmdLogin                   // has a Login
	cmdMasked                  // Masked
	cmdCut                     // Cut
	cmdDue                     // has a Due
	cmdSkipped                 // the head has a Skipped
	cmdOrder                   // has an Order
	cmdStill                   // whose Still is set
)

// The flags of a result head; the lowest three bits are a digest mode.
const (
	resDigest   = 7
	resAffected = 1 << (iota + 2) // Affected is not 0
	resInsertID                   // InsertID is not 0
	resRows                       // Rows is not 0
	resError                      // has an Error
	resKeyed                      // has Keyed
	resBinary                     // Binary
	resKept                       // has Kept
	resChanges                    // has Changes
	resInfo                       // the head has an Info
	resColumns                    // the head has Columns
)

// The digest modes.
const (
	digestNone    = iota // not valid, both 0
	digestZero           // valid, both 0
	digestOne            // valid, both the same
	digestTwo            // valid, two numbers
	digestInvalid        // not valid, two numbers
)

// The flags of Start and Login in stRest.
const (
	startJoined = 1 << iota
	startEncrypted
	startRefused
	startOf
	startState
	loginKnown = 1
)

// The flags of a Gap in stRest.
const (
	gapClient = 1 << iota
	gapSeq    // the sequence number is not the expected one
	gapLost
	gapDetail
)

// The flags of a column.
const (
	colSchema   = 1 << iota // Schema is the previous column's
	colTable                // Table is the previous column's
	colOrgTable             // OrgTable is the Table
	colOrgName              // OrgName is the Name
)

// What parts of an event cost beside their bytes (MaxEvent): a little more
// than they take in memory.
const (
	costEvent  = 512
	costResult = 256
	costRow    = 32
	costHash   = 16
	costPair   = 64
	costState  = 256
	costColumn = 128
)
