package capfile

import (
	"fmt"
	"time"
)

// Policy tells what a Writer does when events come faster than the disk takes
// them.
type Policy uint8

const (
	// Drop drops whole blocks and counts them, and marks every session that
	// lost events with a Gap: the source is never held up.
	Drop Policy = iota
	// Wait makes Write wait for the disk.
	Wait
)

// Options tell how a capture is written. The zero Options have the defaults.
// Durations are measured by the events' times, not by a clock; a negative one
// means never, and suits recordings that are read from a file.
type Options struct {
	// Policy is what to do when the queue is full.
	Policy Policy
	// Queue is how many full blocks may wait for the disk. Default 16.
	Queue int
	// BlockBytes is the size of a block before compression. Default 256 KiB.
	BlockBytes int
	// FlushEvery is the longest time that an event waits for its block to fill.
	// Default one second.
	FlushEvery time.Duration
	// SyncEvery is the longest time that written bytes may wait to be made to
	// last. Default five seconds.
	SyncEvery time.Duration
	// RotateBytes and RotateEvery begin a new segment. Defaults: 1 GiB (with
	// Ring at most a quarter of MaxTotal), never.
	RotateBytes int64
	RotateEvery time.Duration
	// MaxTotal is the highest size of the capture in bytes, 0: no limit. At the
	// limit the capture ends with a LimitError, or with Ring its oldest segments
	// are deleted.
	MaxTotal int64
	Ring     bool
}

const (
	defaultQueue  = 16
	defaultBlock  = 256 << 10
	defaultFlush  = time.Second
	defaultSync   = 5 * time.Second
	defaultRotate = 1 << 30
	// minTotal is the lowest MaxTotal: room for a few blocks and footers.
	minTotal = 4 << 20
	never    = time.Duration(1<<63 - 1)
)

// complete returns the options with defaults filled in.
func (o Options) complete() (Options, error) {
	if o.Queue < 0 || o.Queue > 1<<12 {
		return o, fmt.Errorf("queue of %d blocks is not between 1 and 4096", o.Queue)
	}
	if o.BlockBytes < 0 || o.BlockBytes > 2<<20 {
		return o, fmt.Errorf("block size of %d bytes is not between 1 and 2 MiB", o.BlockBytes)
	}
	if o.MaxTotal != 0 && o.MaxTotal < minTotal {
		return o, fmt.Errorf("size limit of %d bytes is less than %d", o.MaxTotal, minTotal)
	}
	if o.Ring && o.MaxTotal == 0 {
		return o, fmt.Errorf("deleting the oldest segments needs a size limit")
	}
	o.Queue = orDefault(o.Queue, defaultQueue)
	o.BlockBytes = orDefault(o.BlockBytes, defaultBlock)
	o.FlushEvery = orNever(orDefault(o.FlushEvery, defaultFlush))
	o.SyncEvery = orNever(orDefault(o.SyncEvery, defaultSync))
	o.RotateEvery = orNever(o.RotateEvery)
	if o.RotateBytes <= 0 {
		o.RotateBytes = defaultRotate
	}
	if o.Ring {
		o.RotateBytes = min(o.RotateBytes, o.MaxTotal/4)
	}
	return o, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

func orNever(d time.Duration) time.Duration {
	if d <= 0 {
		return never
	}
	return d
}
