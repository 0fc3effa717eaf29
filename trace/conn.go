package trace

import (
	"net/netip"

	"myreplay/flow"
)

// frameLimit is how many bytes of one message are kept while it comes in: of a
// longer one there are the name, the size and what its beginning says.
const frameLimit = 256 << 10

// mode is how far a connection is understood.
type mode uint8

const (
	// undecided: the protocol is not known yet; see detect.go.
	undecided mode = iota
	// following: the bytes of both sides are read message by message.
	following
	// searching: a boundary was lost, or never known; see search.go.
	searching
	// opaque: the rest is encrypted, or no protocol of ours.
	opaque
)

// follower reads the messages of one protocol on one connection.
type follower interface {
	// feed takes the next bytes of a side, borrowed.
	feed(side flow.Side, data []byte)
	// lost is told that bytes of a side were lost (0: unknown how many). It
	// returns true when the following bytes can be read nevertheless.
	lost(side flow.Side, n uint64) bool
	// reset forgets unfinished messages.
	reset()
	// tls tells that what follows passes inside TLS.
	tls()
	// between tells whether a side stands between two messages.
	between(side flow.Side) bool
}

// conn is one connection.
type conn struct {
	t        *Tracer
	id       uint64
	at       int64
	mode     mode
	protocol Protocol
	reader   follower
	detect   detector
	search   search
	secrets  secrets
	// shifted: bytes were lost, so that an answer may belong to another question
	// than it seems. resuming: what is read is the turn that was found then;
	// settling: not all that was asked since then was answered.
	shifted, resuming, settling bool
	// came counts the bytes that came, of both sides, told those that were told:
	// as a message, or as passed over. Where the classic protocol is compressed
	// the difference means nothing.
	came, told uint64
}

func newConn(t *Tracer, open *flow.Chunk) *conn {
	c := &conn{t: t, id: open.Conn.ID, at: open.At}
	if p := t.options.Protocol; p != Detect && open.Conn.Joined {
		c.become(p)
	}
	if open.Conn.Joined {
		c.shifted = true
		c.mode = searching
		c.search = search{spoke: true, first: true}
	}
	return c
}

// become makes the connection one of a protocol.
func (c *conn) become(p Protocol) {
	c.protocol = p
	if p == X {
		c.reader = newXConn(c)
	} else {
		c.reader = newClassicConn(c)
	}
	c.mode = following
}

// chunk takes the connection's next chunk.
func (c *conn) chunk(k *flow.Chunk) {
	c.at = k.At
	switch k.Kind {
	case flow.Open:
		c.opened(k.Conn)
	case flow.Data:
		c.data(k.Side, k.Data)
	case flow.Gap:
		c.gap(k)
	case flow.TLS:
		c.insideTLS()
	case flow.Close:
		c.closed(k)
	}
}

func (c *conn) data(side flow.Side, b []byte) {
	c.came += uint64(len(b))
	c.read(side, b)
}

// read reads bytes that came.
func (c *conn) read(side flow.Side, b []byte) {
	if c.mode == undecided {
		b = c.decide(side, b)
	}
	switch {
	case len(b) == 0:
	case c.mode == following:
		c.reader.feed(side, b)
	case c.mode == searching:
		c.seek(side, b)
	}
}

// gap is told of lost bytes.
func (c *conn) gap(k *flow.Chunk) {
	if c.mode == searching && k.Side == flow.Server && c.search.first && len(c.search.answer) > 0 {
		c.judgeFirst(0, false)
	}
	if c.mode == opaque {
		return
	}
	lost := "an unknown number of bytes"
	if k.Lost > 0 {
		lost = count(k.Lost, "byte")
	}
	note := "gap: " + lost + " missing of what the " + k.Side.String() + " sent"
	if k.Reason != flow.Unstated {
		note += " (" + k.Reason.String() + ")"
	}
	c.note(note)
	if c.mode == following && c.reader.lost(k.Side, k.Lost) {
		c.came += k.Lost           // the message has its whole size
		c.reader.feed(k.Side, nil) // the message with the hole may be complete
		return
	}
	c.lose(k.Side)
}

// lose gives up the boundaries of both sides and looks for the next. side is
// the one whose bytes could not be read last.
func (c *conn) lose(side flow.Side) {
	c.search.restart(side == flow.Server)
	if c.reader != nil {
		c.reader.reset()
	}
	c.detect.forget()
	c.shifted = true
	c.mode = searching
}

// fail is told that bytes of a side do not follow the protocol.
func (c *conn) fail(side flow.Side, err error) {
	c.note("not understood: " + side.String() + ": " + err.Error() + "; looking for where the client speaks next")
	c.lose(side)
}

// giveUp tells that the rest can't be read.
func (c *conn) giveUp(why string) {
	c.note(why + ": what follows can't be read")
	if c.reader != nil {
		c.reader.reset()
	}
	c.detect.forget()
	c.search = search{}
	c.mode = opaque
}

// insideTLS is told that what follows passes inside TLS.
func (c *conn) insideTLS() {
	c.note("TLS from here on")
	if c.reader == nil {
		c.detect.forget()
		c.mode = undecided
		return
	}
	c.reader.reset()
	c.search = search{}
	c.reader.tls()
	c.mode = following
}

func (c *conn) opened(k *flow.Conn) {
	if !c.t.options.Connections && !k.Joined {
		return
	}
	note := "connection opened"
	if k.Joined {
		note = "connection joined in mid-life"
	}
	if k.Client.IsValid() || k.Server.IsValid() {
		note += ": " + address(k.Client) + " to " + address(k.Server)
	}
	c.note(note)
}

func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return "?"
	}
	return a.String()
}

func (c *conn) closed(k *flow.Chunk) {
	switch c.mode {
	case undecided:
		if n := c.detect.forget(); n > 0 {
			c.note(count(n, "byte") + " not understood: too few to tell the protocol")
		}
	case following:
		for _, side := range []flow.Side{flow.Client, flow.Server} {
			if !c.reader.between(side) {
				c.note("the last message of the " + side.String() + " is not complete")
			}
		}
	case searching:
		c.seekClose()
	}
	if c.t.options.Connections {
		note := "connection closed"
		if k.Reason != flow.Unstated {
			note += ": " + k.Reason.String()
		}
		c.note(note)
	}
}

// note hands out a note.
func (c *conn) note(text string) {
	c.t.msg = Message{Session: c.id, At: c.at, Protocol: c.protocol, Note: text, Fields: c.t.msg.Fields[:0]}
	c.t.out()
}

// begin begins a message: send hands it out.
func (c *conn) begin(side flow.Side, name string, size uint64) *Message {
	m := &c.t.msg
	*m = Message{Session: c.id, At: c.at, Side: side, Name: name, Size: size, Protocol: c.protocol, Fields: m.Fields[:0]}
	return m
}

// settles tells whether questions of now are to be quiet: answers to earlier
// ones, which were lost, may still come. waiting counts the questions before
// this one that are not answered.
func (c *conn) settles(waiting int) bool {
	c.settling = c.settling && (waiting > 0 || c.resuming)
	return c.settling
}

// send hands out what begin began.
func (c *conn) send() {
	if m := &c.t.msg; !m.Compressed {
		c.told += m.Size
	}
	c.t.out()
}

// passedOver returns how many bytes were passed over but for the last n, and
// takes them for told; 0 where that is not known.
func (c *conn) passedOver(n int) uint64 {
	passed := c.came - c.told - uint64(n)
	if passed > c.came { // more was told than came: it was compressed
		passed = 0
	}
	c.told = c.came - uint64(n)
	return passed
}
