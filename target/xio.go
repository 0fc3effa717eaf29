package target

import (
	"errors"
	"net"
	"os"

	"myreplay/outcome"
	"myreplay/xproto"
)

// xReceiving is the replies to a pipeline on their way.
type xReceiving struct {
	next    int    // whose reply comes: an index of XConn.batch
	results int    // of that reply
	got     uint64 // bytes of its frames
	part    uint64 // bytes that came since the last frame
	first   int64  // when they began to come
	over    bool   // the server said goodbye, and executes nothing more
	err     error  // after the last reply: what is wrong with the connection
}

// exchange sends the pipeline in c.batch and reads the replies.
func (c *XConn) exchange() error {
	if len(c.batch) == 0 {
		return nil
	}
	defer c.endBatch()
	f := &c.frame
	for i := range c.batch {
		m := &c.batch[i]
		*f = xproto.Frame{Type: byte(m.code), Payload: m.payload, Size: uint64(len(m.payload))}
		if err := c.state.Client(f); err != nil {
			return c.lose(NotSent, err)
		}
	}
	c.notice = nil
	at := c.server.Now()
	c.busy.Store(at)
	w := c.write()
	x := xReceiving{}
	err := c.receive(&x)
	if w.done != nil {
		if err != nil {
			c.hangUp()
		}
		<-w.done
	}
	for i := range c.batch {
		c.batch[i].answer.At, c.batch[i].answer.End = at, w.ended
	}
	if err == nil {
		err = w.err
	}
	if x.next < len(c.batch) {
		return c.broken(&x, w, err)
	}
	c.busy.Store(0)
	switch {
	case err != nil:
		c.lose(NotSent, err)
	case x.err != nil:
		c.lose(NotSent, x.err)
	case c.state.Phase == xproto.Ended:
		c.closed()
	}
	return nil
}

// endBatch lets go of a pipeline.
func (c *XConn) endBatch() {
	clear(c.batch)
	c.single[0] = nil
	if cap(c.batch) > keepBatch {
		c.batch = nil
	}
	c.shrink()
	if c.deflater == nil && c.framer.Held() > smallBuffer && c.framer.Between() {
		c.framer.Reset()
	}
}

// broken ends a connection that did not answer the whole pipeline.
func (c *XConn) broken(x *xReceiving, w *writing, err error) error {
	if w.err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)) {
		err = w.err // the read failed because of the write
	}
	if c.build.Begun() {
		r := c.build.Take(true)
		r.First = x.first
		c.batch[x.next].answer.Reply = r
		c.giveBack()
	}
	first := NotSent
	for i := len(c.batch) - 1; i >= x.next; i-- {
		if c.batch[i].cmd == &pinned {
			continue // what follows it counts
		}
		if first = c.batch[i].sent(w.sent, i, c.batch); x.over {
			first = NotSent
		}
		if first != WhollySent {
			c.batch[i].answer.At, c.batch[i].answer.End = 0, 0
		}
	}
	return c.lose(first, err)
}

// receive reads the replies to the pipeline.
func (c *XConn) receive(x *xReceiving) error {
	for x.next < len(c.batch) {
		buf := c.in()
		n, err := c.nc.Read(buf)
		if n == 0 {
			if err != nil {
				return err
			}
			continue
		}
		at := c.server.Now()
		if x.first == 0 {
			x.first = at
		}
		c.framer.Feed(buf[:n])
		x.part += uint64(n)
		if err := c.frames(x, at); err != nil {
			return err
		}
		if limit := c.server.options.ReplyLimit; limit > 0 && x.got+x.part > limit {
			return ErrReplyTooLong
		}
		if n == len(buf) {
			c.grow()
		}
	}
	return nil
}

// frames reads the frames that have come, all seen at the time at. Behind the
// last reply an error is told by the next command.
func (c *XConn) frames(x *xReceiving, at int64) error {
	f := &c.frame
	for x.err == nil {
		ok, err := c.framer.Next(f)
		if err == nil && !ok {
			return nil
		}
		if err == nil {
			err = c.take(x, f, at)
		}
		if err != nil && x.next < len(c.batch) {
			return err
		}
		x.err = err
	}
	return nil
}

// take takes one frame.
func (c *XConn) take(x *xReceiving, f *xproto.Frame, at int64) error {
	x.part = 0
	m := xproto.ServerMessage(f.Type)
	last := x.next == len(c.batch)
	switch {
	case m == xproto.Notice && !c.build.Begun() && c.goodbye(f):
		if x.over = true; last {
			return ErrServerClosed
		}
		return nil
	case last:
		return c.unasked(f)
	}
	x.over, c.notice = false, nil
	if !c.build.Begun() {
		c.beginReply(x, at)
	}
	if m == xproto.ResultsetRow {
		c.server.documents.toRecorded(f.Payload)
	}
	_, done, _, err := c.state.Server(f)
	if err == nil {
		err = c.build.Frame(f, at)
	}
	if err != nil {
		return err
	}
	if !done {
		return c.part(x, m, f.Wire())
	}
	c.answered(x, at)
	if c.fatal() {
		x.over = true
		return ErrServerClosed
	}
	return nil
}

// beginReply begins the reply whose first frame came.
func (c *XConn) beginReply(x *xReceiving, at int64) {
	if x.first == 0 {
		x.first = at
	}
	c.borrow()
	m := &c.batch[x.next]
	c.build.Begin(m.cmd.ID, m.cmd.Seq, m.command())
}

// part counts a frame that does not end its reply.
func (c *XConn) part(x *xReceiving, m xproto.ServerMessage, wire uint64) error {
	x.got += wire
	if limit := c.server.options.ReplyLimit; limit > 0 && x.got > limit {
		return ErrReplyTooLong
	}
	switch m {
	case xproto.ResultsetFetchDone, xproto.ResultsetMoreResultsets, xproto.ResultsetMoreOutParams, xproto.ResultsetFetchSuspended:
		if x.results++; x.results > maxResults {
			return ErrTooManyResults
		}
	}
	return nil
}

// answered ends the reply that came.
func (c *XConn) answered(x *xReceiving, at int64) {
	r := c.build.Take(false)
	r.First = x.first
	c.giveBack()
	m := &c.batch[x.next]
	m.answer.Reply = r
	c.done(m, r)
	x.next++
	x.results, x.got, x.first = 0, 0, 0
	c.busy.Store(at)
}

// unasked takes a frame behind the last reply: a notice, or a goodbye.
func (c *XConn) unasked(f *xproto.Frame) error {
	if _, _, _, err := c.state.Server(f); err != nil {
		return err
	}
	if xproto.ServerMessage(f.Type) == xproto.ServerError {
		c.fatal()
		return ErrServerClosed
	}
	return nil
}

// goodbye tells whether a notice is what a server says before it closes a
// connection that it waits for, and takes note of it. As long as nothing else
// follows, it has read no command behind it.
func (c *XConn) goodbye(f *xproto.Frame) bool {
	var n xproto.NoticeFrame
	var w xproto.Warning
	if n.Decode(f.Payload) != nil || n.Type != xproto.NoticeWarning || !n.Global || w.Decode(n.Payload) != nil || w.Level != levelError {
		return false
	}
	c.notice = outcome.XError(&xproto.Error{Code: w.Code, Message: w.Message})
	return true
}

// levelError is the level of a Warning that is an error.
const levelError = 3
