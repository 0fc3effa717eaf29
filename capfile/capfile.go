// Package capfile keeps session events on disk. A capture, or a replay's run,
// is a directory of segment files; a segment is a row of self-contained,
// checksummed blocks, so damage costs the block that it hits and nothing else.
// docs/FORMAT.md is the specification.
package capfile

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Version is the format version that this package writes and the highest that
// it reads.
const Version = 1

// Limits of the format. A Writer keeps them, and a reader refuses what does
// not, before it allocates anything.
const (
	// MaxEvent is the highest cost of one event in bytes: its bytes and
	// strings, and a fixed sum for each part (FORMAT.md, "Limits").
	MaxEvent = 64 << 20
	// MaxBlock is the highest sum of a block's streams before compression.
	MaxBlock = MaxEvent + 4<<20
	// MaxSessions is how many sessions may have events in one block.
	MaxSessions = 1 << 16
	// MaxHeads is how many command heads, and how many result heads, a block
	// remembers.
	MaxHeads = 1 << 12
	// MaxMeta is the highest length of a segment's meta JSON in bytes.
	MaxMeta = 1 << 20
	// MaxBlocks is how many blocks a Writer puts into one segment.
	MaxBlocks = 1 << 16

	maxFooter = MaxBlocks*indexRow + 1<<20
	maxTables = MaxEvent + 32<<20 // cost of what a block's definitions keep alive
)

const (
	suffix    = ".myr"
	slotCount = 64
	slotText  = 128
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// segmentName returns the file name of a segment.
func segmentName(number uint32) string { return fmt.Sprintf("%06d%s", number, suffix) }

// segmentNumber returns the number of the segment that a file name stands for.
func segmentNumber(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || segmentName(uint32(n)) != name {
		return 0, false
	}
	return uint32(n), true
}
