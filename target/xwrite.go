package target

import (
	"net"
	"time"

	"myreplay/wire"
	"myreplay/xproto"
)

const (
	// atOnceBytes is how long a pipeline may be that is written before its replies
	// are read. A longer one is written by a goroutine meanwhile: the server may
	// not read on until somebody reads what it says.
	atOnceBytes = 16 << 10
	// compressFrom is the shortest message that is compressed.
	compressFrom = 1000
	// keepBatch is how many messages' memory is kept for the next pipeline.
	keepBatch = 16
)

// writing is a pipeline on its way to the server.
type writing struct {
	list  net.Buffers
	sent  int64 // bytes that went out
	err   error
	ended int64         // when
	done  chan struct{} // closed when it has ended; nil: it has
}

// sent tells how much of the i-th message of a pipeline went out, of which n
// bytes did.
func (m *xMessage) sent(n int64, i int, batch []xMessage) Sent {
	switch {
	case n >= m.end:
		return WhollySent
	case i == 0 && n > 0, i > 0 && n > batch[i-1].end:
		return PartlySent
	}
	return NotSent
}

// write sends the pipeline, or begins to.
func (c *XConn) write() *writing {
	c.writing = writing{}
	w := &c.writing
	total := 0
	for i := range c.batch {
		total += xproto.HeaderLen + len(c.batch[i].payload)
	}
	w.list, w.err = c.layOut(total)
	switch {
	case w.err != nil:
		c.hangUp() // the compressed stream has a hole
	case len(c.batch) == 1 || total <= atOnceBytes:
		c.writeOut(w)
		c.shrink()
	default:
		w.done = make(chan struct{})
		go func() {
			defer close(w.done)
			c.writeOut(w)
		}()
	}
	return w
}

// writeOut writes a pipeline. Where that fails, what the server said before it
// closed is still read, but not waited for.
func (c *XConn) writeOut(w *writing) {
	if len(w.list) == 1 {
		var n int
		n, w.err = c.nc.Write(w.list[0])
		w.sent = int64(n)
	} else {
		w.sent, w.err = w.list.WriteTo(c.nc)
	}
	w.list = nil
	w.ended = c.server.Now()
	if w.err != nil && c.nc.SetReadDeadline(time.Now().Add(salvageWait)) != nil {
		c.hangUp()
	}
}

// layOut frames the pipeline, total bytes long without compression. A short one
// lies in the buffer in use; a long one is not copied.
func (c *XConn) layOut(total int) (net.Buffers, error) {
	switch {
	case c.deflater != nil:
		return c.layOutPacked()
	case total > atOnceBytes:
		return c.layOutLong(), nil
	}
	out := c.room(total)
	for i := range c.batch {
		m := &c.batch[i]
		out = xproto.AppendFrame(out, byte(m.code), m.payload)
		m.end = int64(len(out))
	}
	c.single[0] = out
	return c.single[:], nil
}

// layOutPacked frames the pipeline and compresses what is long. Each message is
// written by itself, so that with TLS it has a record of its own: where the
// payload of a COMPRESSION comes in pieces, MySQL (9.7.4 at least) ends the
// connection with error 5171, depending on where they part.
func (c *XConn) layOutPacked() (list net.Buffers, err error) {
	end := int64(0)
	for i := range c.batch {
		m := &c.batch[i]
		b := xproto.AppendFrame(nil, byte(m.code), m.payload)
		if len(m.payload) >= compressFrom {
			if b, err = c.deflater.Append(nil, byte(xproto.ClientCompression), b); err != nil {
				return nil, err
			}
		}
		end += int64(len(b))
		m.end = end
		list = append(list, b)
	}
	return list, nil
}

// layOutLong frames the pipeline without copying it.
func (c *XConn) layOutLong() (list net.Buffers) {
	heads := make([]byte, 0, xproto.HeaderLen*len(c.batch))
	end := int64(0)
	for i := range c.batch {
		m := &c.batch[i]
		from := len(heads)
		heads = append(wire.AppendUint32(heads, uint32(len(m.payload)+1)), byte(m.code))
		end += int64(xproto.HeaderLen + len(m.payload))
		m.end = end
		list = append(list, heads[from:], m.payload)
	}
	return list
}

// hangUp closes the socket, so that whoever writes to it ends.
func (c *XConn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Close()
}
