package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"myreplay/flow"
	"myreplay/gate"
)

const (
	// idleBytes is how much is read at first, into a buffer that an idle
	// connection keeps: most statements and small answers fit.
	idleBytes = 4 << 10
	// busyBytes is how much is read at once while more than that comes.
	busyBytes = 32 << 10
	// recordBytes is the length of full TLS records: after one, more follow.
	recordBytes = 16 << 10
)

var busyBuffers = sync.Pool{New: func() any { return new([busyBytes]byte) }}

// pass passes the rest of a connection on in this goroutine and one more, and
// returns which side ended it and why.
func (c *conn) pass(ctx context.Context, way *gate.Passage) (flow.Side, flow.Reason) {
	defer way.Client.Close() // says goodbye inside TLS
	defer way.Server.Close()
	if way.Follow != nil {
		if err := way.Follow(ctx); err != nil {
			c.relay.stats.fail("passing on", err)
			return flow.Client, flow.Reset
		}
		return flow.Client, flow.Finished
	}
	told := &c.told
	if way.Opaque {
		told = &teller{queue: told.queue, stats: told.stats}
	}
	var ended ending
	var other sync.WaitGroup
	other.Go(func() { half(way.Client, way.Server, flow.Client, told, &ended) })
	half(way.Server, way.Client, flow.Server, told, &ended)
	other.Wait()
	return ended.side(), ended.why()
}

// ending is how a connection ended: the side whose end was noted first.
type ending struct {
	noted atomic.Int32 // side*2 + 1, and 1 more when it was torn down
}

func (e *ending) note(side flow.Side, err error) {
	n := int32(side)*2 + 1
	if err != nil {
		n++
	}
	e.noted.CompareAndSwap(0, n)
}

func (e *ending) side() flow.Side { return flow.Side((e.noted.Load() - 1) / 2) }

func (e *ending) why() flow.Reason {
	if e.noted.Load()%2 == 0 {
		return flow.Reset
	}
	return flow.Finished
}

// half passes the bytes of one side on until it ends, which it passes on too.
func half(from, to net.Conn, side flow.Side, told *teller, ended *ending) {
	idle := make([]byte, idleBytes)
	var busy *[busyBytes]byte
	defer func() { giveBack(busy) }()
	for b := idle; ; {
		n, err := from.Read(b)
		if n > 0 {
			told.Data(side, b[:n])
			if _, err := to.Write(b[:n]); err != nil {
				ended.note(side.Other(), err)
				return // the other half ends, too, when it has read what is left
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // TLS without its goodbye
			ended.note(side, nil)
			closeWrite(to)
			return
		case err != nil:
			ended.note(side, err)
			closeWrite(to)
			from.Close() // the other half can write to it no more
			return
		case busy == nil && n == idleBytes:
			busy = busyBuffers.Get().(*[busyBytes]byte)
			b = busy[:]
		case busy != nil && n < recordBytes:
			giveBack(busy)
			busy, b = nil, idle
		}
	}
}

func giveBack(b *[busyBytes]byte) {
	if b != nil {
		busyBuffers.Put(b)
	}
}

// closeWrite tells an end that nothing more will come.
func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // the other side may be gone already
		return
	}
	c.Close()
}
