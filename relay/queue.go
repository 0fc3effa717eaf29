package relay

import (
	"io"
	"sync"
	"time"

	"myreplay/flow"
)

const (
	// QueueBytes limits the bytes that wait to be read as chunks: room for a
	// statement of 16 MiB and its answer.
	QueueBytes = 32 << 20
	// queueChunks limits the chunks that wait, whatever their size: the
	// smallest ones take 64 bytes of memory each.
	queueChunks = 1 << 18
	// blockBytes and batchChunks are how much one batch holds.
	blockBytes  = 256 << 10
	batchChunks = 2048
	// wholeBytes is the length up to which data is never cut to fill a block.
	wholeBytes = 16 << 10
	// gatherTime is how long the reader, woken by a chunk, lets more come: being
	// woken for each would cost more than all the rest.
	gatherTime = time.Millisecond
	// tickEvery is how often a Tick comes while nothing passes.
	tickEvery = 250 * time.Millisecond
)

// queue holds chunks until the reader takes them. Bytes are copied into it, so
// who adds them keeps their own.
type queue struct {
	mu     sync.Mutex
	filled []*batch // in order; the last one may have room
	bytes  int      // of data, with what the reader has taken and not finished
	chunks int      // likewise
	full   bool     // it was, and is not half empty yet
	ended  bool
	asleep bool // the reader is to be woken

	wake    chan struct{}
	batches sync.Pool
	clock   clock

	// The reader's own:
	taken []*batch
	at    int // the next chunk of the first batch taken
	timer *time.Timer
}

// batch is a stretch of the queue: chunks, and the block that their data lie in.
type batch struct {
	chunks []flow.Chunk
	block  []byte // never grown beyond its capacity
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), timer: time.NewTimer(tickEvery), clock: newClock()}
	q.batches.New = func() any { return new(batch) }
	return q
}

// room tells whether n bytes more fit. Once nothing did, half of the queue must
// be read first: so what is missing is missing in few places.
func (q *queue) room(n int) bool {
	if q.full {
		q.full = q.bytes > QueueBytes/2 || q.chunks > queueChunks/2
	}
	q.full = q.full || q.bytes+n > QueueBytes || q.chunks >= queueChunks
	return !q.full
}

// last returns the batch that chunks are added to, a new one when there is none
// with room for a chunk of n bytes.
func (q *queue) last(n int) *batch {
	if len(q.filled) > 0 {
		b := q.filled[len(q.filled)-1]
		if len(b.chunks) < batchChunks && (n == 0 || b.has(n)) {
			return b
		}
	}
	b := q.batches.Get().(*batch)
	q.filled = append(q.filled, b)
	return b
}

// has tells whether the block has room for n bytes, or for a part of them that
// is worth a cut.
func (b *batch) has(n int) bool {
	room := blockBytes - len(b.block)
	return room >= n || room >= wholeBytes && n > wholeBytes
}

// put adds a chunk with as much of data as its batch takes, and returns how much
// that was.
func (q *queue) put(c flow.Chunk, data []byte) int {
	b := q.last(len(data))
	n := min(len(data), blockBytes-len(b.block))
	if n > 0 {
		if b.block == nil {
			b.block = make([]byte, 0, blockBytes)
		}
		begin := len(b.block)
		b.block = append(b.block, data[:n]...)
		c.Data = b.block[begin:len(b.block):len(b.block)]
	}
	b.chunks = append(b.chunks, c)
	q.bytes += n
	q.chunks++
	if q.asleep {
		q.asleep = false
		q.wake <- struct{}{}
	}
	return n
}

// end makes next return io.EOF after what is queued.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	if q.asleep {
		q.asleep = false
		q.wake <- struct{}{}
	}
}

// next returns the next chunk, a Tick when there is none for a while, io.EOF
// after the end. The chunk's data is valid until the next call.
func (q *queue) next(c *flow.Chunk) error {
	for {
		if len(q.taken) > 0 {
			if b := q.taken[0]; q.at < len(b.chunks) {
				*c = b.chunks[q.at]
				q.at++
				return nil
			}
		}
		switch q.take() {
		case took:
		case over:
			return io.EOF
		case empty:
			if !q.wait() {
				*c = flow.Chunk{Kind: flow.Tick, At: q.clock.now()}
				return nil
			}
		}
	}
}

// What take found.
type found uint8

const (
	took found = iota
	empty
	over
)

// take gives back the batch that was read to its end and makes the next one the
// first taken. When there is none, the reader counts as asleep.
func (q *queue) take() found {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.taken) > 0 {
		b := q.taken[0]
		q.bytes -= len(b.block)
		q.chunks -= len(b.chunks)
		clear(b.chunks) // they point to connections
		b.chunks, b.block = b.chunks[:0], b.block[:0]
		q.batches.Put(b)
		q.taken[0] = nil
		q.taken = q.taken[1:]
		q.at = 0
	}
	switch {
	case len(q.taken) > 0:
		return took
	case len(q.filled) > 0:
		q.taken, q.filled = q.filled, nil
		return took
	case q.ended:
		return over
	}
	q.asleep = true
	return empty
}

// wait sleeps until a chunk or the end has come, and tells whether one has in
// time for no Tick.
func (q *queue) wait() bool {
	q.timer.Reset(tickEvery)
	select {
	case <-q.wake:
		q.mu.Lock()
		ended := q.ended
		q.mu.Unlock()
		if !ended {
			time.Sleep(gatherTime)
		}
		return true
	case <-q.timer.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.asleep { // woken at this very moment
		<-q.wake
		return true
	}
	q.asleep = false
	return false
}

// clock gives the time of day without its steps: as far from when the clock was
// made as the monotonic clock says.
type clock struct {
	begin time.Time
	epoch int64 // begin, nanoseconds since the Unix epoch
}

func newClock() clock {
	t := time.Now()
	return clock{t, t.UnixNano()}
}

// now returns nanoseconds since the Unix epoch.
func (c *clock) now() int64 { return c.epoch + int64(time.Since(c.begin)) }
