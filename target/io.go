package target

import (
	"errors"
	"fmt"
	"net"
	"time"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/wire"
)

const (
	// maxResults is how many results one reply may have.
	maxResults = 1 << 18
	// salvageWait is how long to wait for what a server said that does not take
	// a command to its end.
	salvageWait = time.Second
)

// exchange sends a command and reads its reply.
func (c *Conn) exchange(cmd *session.Command, m *message, file File) (a Answer, err error) {
	a.At = c.server.Now()
	c.busy.Store(a.At)
	ahead := c.pins.ahead != nil
	sent, err := c.send(m.head, m.rest)
	c.pins.ahead = nil
	if cap(c.scratch) > smallBuffer {
		c.scratch = nil
	}
	if err != nil {
		return c.salvage(a, cmd, m, sent, ahead, err)
	}
	c.shrink()
	a.End = c.server.Now()
	if cmd.Kind.HasReply() {
		if a.Reply, err = c.answer(cmd, m, file, ahead); err != nil {
			sent = WhollySent
			if errors.Is(err, errUnread) {
				sent = NotSent
			}
			return a, c.lose(sent, err)
		}
	}
	c.busy.Store(0)
	return a, nil
}

// answer reads the reply to a command, behind that to the SET that went ahead of
// it, if one did.
func (c *Conn) answer(cmd *session.Command, m *message, file File, ahead bool) (*session.Reply, error) {
	x := m.receiving(cmd)
	x.file = file
	if ahead {
		first, err := c.pinReply()
		if err == nil && c.lost != nil {
			err = c.lost.Err
		}
		if err != nil {
			return nil, err
		}
		x.first = first
	}
	return c.receive(&x)
}

// salvage ends a connection that did not take a command: where the server said
// why, as it does with a command that is too long for it, that is the reply.
func (c *Conn) salvage(a Answer, cmd *session.Command, m *message, sent Sent, ahead bool, cause error) (Answer, error) {
	a.End = c.server.Now()
	if c.cause.Load() == nil && sent != NotSent && cmd.Kind.HasReply() &&
		c.nc.SetReadDeadline(time.Now().Add(salvageWait)) == nil {
		r, err := c.answer(cmd, m, nil, ahead)
		if err == nil && r.Err() != nil {
			a.Reply = r
			c.lose(NotSent, cause)
			return a, nil
		}
	}
	return a, c.lose(sent, cause)
}

// send sends a command's payload as frames, in one write.
func (c *Conn) send(head, rest []byte) (Sent, error) {
	size := len(head) + len(rest)
	ahead := c.aheadLen()
	f := &c.frame
	for range c.source.closes {
		*f = classic.Frame{Payload: closeHead[:], Size: closeLen - classic.HeaderLen}
		if _, err := c.state.Client(f); err != nil {
			return NotSent, err
		}
	}
	if p := c.pins.ahead; p != nil {
		*f = classic.Frame{Payload: p, Size: uint64(len(p))}
		if _, err := c.state.Client(f); err != nil {
			return NotSent, err
		}
	}
	*f = classic.Frame{Last: byte(size / classic.MaxFrame), Payload: head, Size: uint64(size)}
	if _, err := c.state.Client(f); err != nil {
		return NotSent, err
	}
	c.packed = 0
	n, err := c.write(0, head, rest)
	c.source.closes, c.pins.ahead = c.source.closes[:0], nil
	switch {
	case err == nil:
		return WhollySent, nil
	case n > ahead:
		return PartlySent, err
	}
	return NotSent, err
}

// closeHead begins a STMT_CLOSE; closeLen is the length of one on the wire.
var closeHead = [1]byte{byte(classic.ComStmtClose)}

const closeLen = classic.HeaderLen + 5

// aheadLen is the length of what goes out ahead of the next command: STMT_CLOSEs
// and a SET.
func (c *Conn) aheadLen() int {
	n := len(c.source.closes) * closeLen
	if p := c.pins.ahead; p != nil {
		n += classic.HeaderLen + len(p)
	}
	return n
}

// write frames and writes a payload, beginning with sequence id seq, behind what
// goes ahead of it. It returns how many bytes went out.
func (c *Conn) write(seq byte, head, rest []byte) (int, error) {
	size := len(head) + len(rest)
	ahead := c.aheadLen()
	framed := ahead + (size/classic.MaxFrame+1)*classic.HeaderLen + size
	if framed > bigBuffer && c.deflater == nil {
		list := frames(c.appendAhead(nil), seq, head, rest)
		n, err := list.WriteTo(c.nc)
		return int(n), err
	}
	out := c.room(framed)
	if ahead > 0 {
		out = c.appendAhead(out)
	}
	if size < classic.MaxFrame {
		out = append(wire.AppendUint24(out, uint32(size)), seq)
		out = append(append(out, head...), rest...)
	} else {
		for _, b := range frames(nil, seq, head, rest) {
			out = append(out, b...)
		}
	}
	if c.deflater != nil {
		var err error
		if out, err = c.deflate(out[:ahead], out[ahead:]); err != nil {
			return 0, err
		}
	}
	return c.nc.Write(out)
}

// deflate returns what goes ahead and a command as compressed frames. The server
// numbers anew with each command, so they are not to be in one.
func (c *Conn) deflate(ahead, command []byte) (out []byte, err error) {
	for len(ahead) >= classic.HeaderLen && err == nil {
		n := classic.HeaderLen + int(ahead[0]) + int(ahead[1])<<8 + int(ahead[2])<<16
		out, _, err = c.deflater.Append(out, 0, ahead[:n])
		ahead = ahead[n:]
	}
	if err == nil {
		out, c.packed, err = c.deflater.Append(out, c.packed, command)
	}
	return out, err
}

// frames lays a long payload out as frames without copying it.
func frames(before []byte, seq byte, head, rest []byte) net.Buffers {
	var list net.Buffers
	if len(before) > 0 {
		list = append(list, before)
	}
	left := len(head) + len(rest)
	for {
		n := min(left, classic.MaxFrame)
		list = append(list, append(wire.AppendUint24(nil, uint32(n)), seq))
		for need := n; need > 0; {
			if len(head) == 0 {
				head, rest = rest, nil
			}
			k := min(need, len(head))
			list = append(list, head[:k])
			head, need = head[k:], need-k
		}
		left -= n
		seq++
		if n < classic.MaxFrame {
			return list
		}
	}
}

// appendAhead appends the STMT_CLOSEs and the SET that go before the next command.
func (c *Conn) appendAhead(dst []byte) []byte {
	for _, id := range c.source.closes {
		dst = append(wire.AppendUint24(dst, closeLen-classic.HeaderLen), 0)
		dst = wire.AppendUint32(append(dst, closeHead[0]), id)
	}
	if p := c.pins.ahead; p != nil {
		dst = append(wire.AppendUint24(dst, uint32(len(p))), 0)
		dst = append(dst, p...)
	}
	return dst
}

// errUnread: the server closed the connection before it read the command.
var errUnread = fmt.Errorf("%w before it read the command", ErrServerClosed)

// receiving is a reply on its way.
type receiving struct {
	cmd     *session.Command
	code    classic.Code
	live    uint32 // the target's statement id, or 0
	file    File
	results int
	// more: replies to other commands follow. first is when this one began to
	// come; before receive: with the end of the one before it, 0 if it did not.
	more  bool
	first int64
	whole uint64 // bytes of the frames that came whole
	part  uint64 // bytes that came since the last of them
	done  bool
	err   error // after done: what is wrong with the connection
}

// receiving begins to wait for the reply to a command.
func (m *message) receiving(cmd *session.Command) receiving {
	x := receiving{cmd: cmd, code: m.code}
	if m.st != nil {
		x.live = m.st.live
	}
	return x
}

// receive reads the reply to a command. When it fails, what it returns of the
// reply is marked lost.
func (c *Conn) receive(x *receiving) (*session.Reply, error) {
	last := x.first
	var err error
	if x.first != 0 {
		err = c.frames(x, x.first)
	}
	for !x.done && err == nil {
		var n int
		buf := c.in()
		if n, err = c.nc.Read(buf); n == 0 {
			continue
		}
		last = c.server.Now()
		if x.first == 0 {
			x.first = last
		}
		x.part += uint64(n)
		c.framer.Feed(buf[:n])
		if err = c.frames(x, last); err == nil && c.tooLong(x.part+x.whole) {
			err = ErrReplyTooLong
		}
		if n == len(buf) {
			c.grow()
		}
	}
	if !c.build.Begun() {
		return nil, err
	}
	if x.done {
		err = nil // it came with the last bytes, or is told by the next command
	}
	r := c.build.Take(!x.done)
	c.giveBack()
	r.First, r.Last = x.first, last
	if x.err != nil {
		c.lose(NotSent, x.err)
	}
	return r, err
}

// tooLong tells whether a reply of so many bytes is over the limit.
func (c *Conn) tooLong(n uint64) bool {
	limit := c.server.options.ReplyLimit
	return limit > 0 && n > limit
}

// beginReply begins the reply with its first frame.
func (c *Conn) beginReply(x *receiving) {
	c.borrow()
	c.build.Begin(x.cmd.ID, x.cmd.Seq, x.code, x.live)
}

// frames reads the frames that have come, all seen at the time at. It leaves
// those of the next reply where they are.
func (c *Conn) frames(x *receiving, at int64) error {
	f := &c.frame
	for !x.done || !x.more {
		ok, err := c.framer.Next(f)
		if err != nil {
			return c.after(x, err)
		}
		if !ok {
			return nil
		}
		if !x.done && !c.build.Begun() {
			if c.unasked(f) {
				return c.unread()
			}
			c.beginReply(x)
		}
		part, done, err := c.state.Server(f)
		if err != nil {
			if c.build.Begun() && c.build.First() && len(f.Payload) > 0 && f.Payload[0] == 0xff && c.state.ERR.Decode(f.Payload) == nil {
				// An error in the middle of a command that the server did not read to
				// its end: its sequence id is not the one that follows.
				c.build.Frame(&c.state, classic.PartError, f, at)
				c.notice = sessionError(&c.state.ERR)
				x.done, x.err = true, ErrServerClosed
				return nil
			}
			return c.after(x, err)
		}
		if x.done { // a goodbye behind the reply
			c.notice = sessionError(&c.state.ERR)
			x.err = ErrServerClosed
			continue
		}
		c.build.Frame(&c.state, part, f, at)
		x.whole, x.part, x.done = x.whole+f.Wire, 0, done
		if err := c.part(x, part); err != nil {
			return err
		}
	}
	return nil
}

// after is called when the server does not follow the protocol: behind a whole
// reply that is told by the next command.
func (c *Conn) after(x *receiving, err error) error {
	if !x.done {
		return err
	}
	x.err = err
	return nil
}

// unasked tells whether a frame that comes first after a command is no reply to
// it: an error that the server sent before. Replies are numbered from 1 on.
func (c *Conn) unasked(f *classic.Frame) bool {
	seq := f.Seq
	if c.deflater != nil {
		seq = c.framer.CompressedSeq()
	}
	return seq == 0 && len(f.Payload) > 0 && f.Payload[0] == 0xff
}

// unread reads what a server says that closed the connection before it read the
// command.
func (c *Conn) unread() error {
	if c.state.ERR.Decode(c.frame.Payload) == nil {
		c.notice = sessionError(&c.state.ERR)
	}
	return errUnread
}

// part does what a frame of a reply asks for.
func (c *Conn) part(x *receiving, part classic.ServerPart) error {
	if c.tooLong(x.whole) {
		return ErrReplyTooLong
	}
	switch part {
	case classic.PartOK, classic.PartRowsEnd:
		if x.results++; x.results > maxResults {
			return ErrTooManyResults
		}
	case classic.PartFileRequest:
		if x.more {
			return ErrFileUnforeseen
		}
		return c.sendFile(x.file)
	case classic.PartAuthSwitch, classic.PartAuthMore, classic.PartAuthFactor:
		return c.answerAuth(part) // within CHANGE_USER
	}
	return nil
}
