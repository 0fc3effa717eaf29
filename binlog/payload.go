package binlog

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zstd"

	"myreplay/wire"
)

// firstInside returns the begin of what follows the header of the first event
// within a compressed transaction (binlog_transaction_compression); nil when it is
// no Query event or can't be read. event may lack its end.
func firstInside(event []byte) []byte {
	const (
		endOfFields = 0
		compression = 2 // a field; its value:
		zstandard   = 0
	)
	e := wire.NewReader(event)
	for e.Err() == nil {
		field := e.Lenenc()
		if field == endOfFields {
			break
		}
		value := e.LenencBytes()
		if field == compression && (len(value) != 1 || value[0] != zstandard) {
			return nil
		}
	}
	return unpacked(e.Rest())
}

// unpacked returns the begin of the first event's body from zstd data whose end may
// be missing; nil when it is no Query event.
func unpacked(data []byte) []byte {
	z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil
	}
	defer z.Close()
	var h [headerSize + 4]byte
	if _, err := io.ReadFull(z, h[:]); err != nil || h[4] != queryEvent {
		return nil
	}
	return h[headerSize:]
}

// maxWindow is how far back zstd data may refer. The server's levels take 8 MiB at
// most, but for the highest.
const maxWindow = 128 << 20
