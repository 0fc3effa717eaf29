package target

import (
	"errors"
	"os"
	"time"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/wire"
)

const (
	// maxAhead is how many bytes of commands are written before their replies are
	// read. The receive window that a connection begins with holds them (64 KiB on
	// the usual systems), so that a server which does not read on until somebody
	// reads what it says can't make both sides wait for ever.
	maxAhead = 32 << 10
	// rewriteRoom is how much longer than recorded a command may become, besides
	// a byte for each of its parameters.
	rewriteRoom = 16
)

// sending is a command of a batch.
type sending struct {
	cmd    *session.Command
	answer *Answer
	m      message // without its payload
	begin  int     // where its bytes begin and end in the batch
	end    int
	told   *session.Reply // the recorded reply, where it notes made-up values
}

// DoAll sends commands as a client does that does not wait for the replies, and
// reads their replies in order. There is an answer for each command, the same as
// Do would have for it: an error of the server's does not end the list, and what
// the target can't be told is skipped. Commands whose reply decides what others
// mean, and those of a compressed connection, are sent by themselves.
//
// The pieces of a file (LOAD DATA LOCAL) are those that follow their Query in the
// list; a Query at the end of the list has none.
//
// The error is a *LostError as of Do; Sent is that of the first command that was
// not answered. Of an answer that has no reply then, and was not skipped, At
// says more: when it is 0 its command was surely not executed.
func (c *Conn) DoAll(list []*session.Command) ([]Answer, error) {
	answers := make([]Answer, len(list))
	defer c.endBatch()
	for done := 0; done < len(list); {
		if c.lost != nil {
			return answers, c.lost
		}
		c.pins.base = done
		n, out, err := c.gather(list[done:], answers[done:])
		switch {
		case err != nil:
			err = c.lose(NotSent, err)
		case len(c.batch) > 0:
			err = c.pipeline(out)
		case n == 0:
			n, err = c.doOne(list[done:], answers[done:])
		}
		if err != nil {
			return answers, err
		}
		done += n
	}
	return answers, nil
}

// endBatch lets go of a batch.
func (c *Conn) endBatch() {
	c.pins.next = nil
	clear(c.batch[:cap(c.batch)])
	c.batch = c.batch[:0]
	if cap(c.batch) > keepBatch {
		c.batch = nil
	}
	c.shrink()
}

// doOne sends the first command of a list by itself, with the pieces of its file
// that follow. It returns how many commands it took.
func (c *Conn) doOne(list []*session.Command, answers []Answer) (n int, err error) {
	n = 1
	file := func() (*session.Command, bool) {
		if n == len(list) || list[n].Kind != session.FileData {
			return nil, false
		}
		piece := list[n]
		if !piece.Cut && !piece.Masked {
			now := c.server.Now()
			answers[n].At, answers[n].End = now, now
			n++
		}
		return piece, true
	}
	answers[0], err = c.do(list[0], file)
	var lost *LostError
	if errors.As(err, &lost) && lost.Sent != WhollySent {
		answers[0].At, answers[0].End = 0, 0
	}
	return n, err
}

// gather makes a batch of the commands at the beginning of a list that can be
// sent together, and lays them out. It returns how many those are, with those
// that are skipped; 0 when the first must be sent by itself.
func (c *Conn) gather(list []*session.Command, answers []Answer) (n int, out []byte, err error) {
	c.batch = c.batch[:0]
	out = c.in()[:0]
	for i, cmd := range list {
		if why := unsendable(cmd); why != session.NotSkipped {
			c.Skipped(cmd, why)
			answers[i].Skip = why
			continue
		}
		pin := c.pins.of(i)
		set := c.planPin(cmd.Kind, pin)
		room := len(out) + 2*classic.HeaderLen + len(set) + len(cmd.Payload) + rewriteRoom
		if len(c.batch) >= maxPipeline || c.alone(cmd, &room) || room > maxAhead {
			return i, out, nil
		}
		if c.changed.stranger {
			c.Skipped(cmd, session.SkipNoLogin)
			answers[i].Skip = session.SkipNoLogin
			continue
		}
		m, why := c.translate(cmd)
		if why != session.NotSkipped {
			answers[i].Skip = why
			continue
		}
		c.mapValues(cmd, &m)
		if room > cap(out) && c.big == nil {
			c.grow()
			out = append(c.big[:0], out...)
		}
		c.pins.commit(pin, set != nil, &c.server.counts)
		if set != nil {
			out, err = c.lay(out, &pinned, &message{code: classic.ComQuery, head: set}, &c.pins.answer)
		}
		if err == nil {
			out, err = c.lay(out, cmd, &m, &answers[i])
		}
		if pin.Recorded != nil && err == nil {
			c.batch[len(c.batch)-1].told = pin.Recorded
		}
		if err != nil {
			return i, out, err
		}
	}
	return len(list), out, nil
}

// lay appends a command to the batch.
func (c *Conn) lay(out []byte, cmd *session.Command, m *message, a *Answer) ([]byte, error) {
	size := len(m.head) + len(m.rest)
	f := &c.frame
	*f = classic.Frame{Payload: m.head, Size: uint64(size)}
	if _, err := c.state.Client(f); err != nil {
		return out, err
	}
	m.use(cmd.Kind)
	begin := len(out)
	out = append(wire.AppendUint24(out, uint32(size)), 0)
	out = append(append(out, m.head...), m.rest...)
	m.head, m.rest = nil, nil
	if cap(c.scratch) > smallBuffer {
		c.scratch = nil
	}
	c.batch = append(c.batch, sending{cmd, a, *m, begin, len(out), nil})
	return out, nil
}

// alone tells whether a command must not be in a batch: what it does, or the
// reply to it, decides what others are sent or how they read. It adds to room
// what the command may need besides.
func (c *Conn) alone(cmd *session.Command, room *int) bool {
	if c.deflater != nil || len(c.source.closes) > 0 {
		return true
	}
	var st *statement
	if cmd.Kind.OnStatement() {
		if cmd.Statement == session.LastPrepared {
			return true // a Prepare before it decides which that is
		}
		if st = c.source.byID[cmd.Statement]; st != nil {
			if st.stale {
				return true
			}
			*room += 2 * st.params
		}
	}
	local := c.state.Caps.Has(classic.LocalFiles)
	switch cmd.Kind {
	case session.Query:
		return local && mayLoad(cmd.SQL, isMaria(&c.state.Greeting))
	case session.Execute:
		return st != nil && st.loads && local || len(cmd.Payload) > 5 && cmd.Payload[5]&cursorFlags != 0
	case session.Prepare, session.LongData, session.ResetStatement, session.CloseStatement,
		session.UseSchema, session.Ping, session.SetOption, session.FieldList, session.Statistics:
		return false
	}
	return true
}

// mayLoad tells whether a statement may ask for a file of the client's: what
// stands behind such a one would be taken for the file. It looks for words
// anywhere, so it says yes too often. dynamic: the server is one where EXECUTE
// and a procedure may run LOAD DATA LOCAL, as MariaDB (10.11, 11.8) is.
func mayLoad(sql []byte, dynamic bool) bool {
	load, local := false, false
	for ; len(sql) >= len("call"); sql = sql[1:] {
		switch sql[0] | 0x20 {
		case 'l':
			load = load || begins(sql, "load")
			local = local || begins(sql, "local")
		case 'c':
			if dynamic && begins(sql, "call") {
				return true
			}
		case 'e':
			if dynamic && begins(sql, "execute") {
				return true
			}
		}
	}
	return load && local
}

// begins tells whether a text begins with a word of lower-case ASCII letters, in
// whatever case.
func begins(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if text[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// pipeline sends the batch and reads the replies.
func (c *Conn) pipeline(out []byte) error {
	at := c.server.Now()
	c.busy.Store(at)
	sent, failed := c.nc.Write(out)
	end := c.server.Now()
	if failed != nil && c.nc.SetReadDeadline(time.Now().Add(salvageWait)) != nil {
		c.abort(failed)
	}
	replies := 0
	for i := range c.batch {
		if b := &c.batch[i]; b.end <= sent {
			b.answer.At, b.answer.End = at, end
		}
		if c.batch[i].cmd.Kind.HasReply() {
			replies++
		}
	}
	next, err := c.replies(sent, replies)
	if err == nil {
		err = failed
	}
	if next == len(c.batch) {
		c.busy.Store(0)
		return nil
	}
	return c.cutShort(next, sent, failed, err)
}

// replies reads the replies to the commands of the batch whose bytes are among
// the first sent ones. It returns the first that has none.
func (c *Conn) replies(sent, replies int) (next int, err error) {
	first := int64(0)
	for i := range c.batch {
		b := &c.batch[i]
		if b.end > sent || c.lost != nil {
			return i, nil
		}
		var r *session.Reply
		if b.cmd.Kind.HasReply() {
			replies--
			x := b.m.receiving(b.cmd)
			x.more, x.first = replies > 0, first
			r, err = c.receive(&x)
			b.answer.Reply = r
			if err != nil {
				return i, err
			}
			if first = 0; !c.framer.Between() {
				first = r.Last
			}
			if c.lost == nil {
				c.busy.Store(r.Last)
			}
		}
		c.done(b.cmd, &b.m, r)
		c.pinDone(b.cmd, r)
		c.replied(r, b.told)
	}
	return len(c.batch), nil
}

// cutShort ends a connection that answered only the commands before next.
func (c *Conn) cutShort(next, sent int, failed, err error) error {
	// Commands behind one that the server did not read to its end, or that took
	// them for a file, are not executed.
	over := c.lost != nil || errors.Is(err, errUnread)
	if c.lost != nil {
		err = c.lost.Err
	}
	if failed != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = failed // the read failed because of the write
	}
	first := NotSent
	for i := len(c.batch) - 1; i >= next; i-- {
		b := &c.batch[i]
		switch {
		case b.cmd == &pinned:
			continue // what follows it counts
		case over || sent <= b.begin, errors.Is(err, ErrFileUnforeseen) && i > next:
			first = NotSent
		case sent < b.end:
			first = PartlySent
		default:
			first = WhollySent
		}
		if first != WhollySent {
			b.answer.At, b.answer.End = 0, 0
		}
	}
	return c.lose(first, err)
}
