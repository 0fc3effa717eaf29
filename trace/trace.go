// Package trace names the messages that pass, one after the other, for a
// reader: from chunks alone, whoever they come from. It knows the classic
// protocol and the X Protocol, and what of them a reader wants to see.
//
// A name is never a guess. Bytes that can't be placed get a note that says so,
// and after lost bytes names come again only from where both sides together
// show that a message begins.
//
// Secrets are left out: of a login there are the mechanism, the user and the
// schema and nothing else; the texts of statements are masked by sqltext; and of
// what a server says to a statement with a secret, which may quote it, there are
// only numbers.
package trace

import (
	"strconv"

	"myreplay/flow"
)

// DefaultMaxValue is how many bytes of one value are shown unless Options say
// otherwise.
const DefaultMaxValue = 200

// Protocol names a protocol.
type Protocol uint8

// The protocols.
const (
	// Detect looks at who speaks first, and how.
	Detect Protocol = iota
	Classic
	X
)

// String returns "classic", "x", or "" for Detect.
func (p Protocol) String() string { return [...]string{"", "classic", "x"}[p%3] }

// Options say what a Tracer tells.
type Options struct {
	// Detail fills in Message.Fields.
	Detail bool
	// Connections makes notes of connections that open and close.
	Connections bool
	// MaxValue is how many bytes of one value are shown; what is left out is
	// marked with the whole length. 0: DefaultMaxValue.
	MaxValue int
	// Protocol is that of all connections, unless it is to be detected.
	Protocol Protocol
}

// Tracer names the messages of connections. It serves one goroutine.
type Tracer struct {
	options Options
	conns   map[*flow.Conn]*conn
	emit    func(*Message) error
	err     error // of emit: sticky
	msg     Message
	scratch []byte
}

// New returns a Tracer.
func New(o Options) *Tracer {
	if o.MaxValue <= 0 {
		o.MaxValue = DefaultMaxValue
	}
	return &Tracer{options: o, conns: map[*flow.Conn]*conn{}}
}

// Chunk takes the next chunk of any connection and hands each message that it
// completes to emit, and each note. Chunks of a connection must come in causal
// order, the first being Open; what comes before it or after Close is passed
// over. A Message is valid until emit returns. The only error is emit's; Chunk
// does nothing more after one, and returns it again.
func (t *Tracer) Chunk(c *flow.Chunk, emit func(*Message) error) error {
	if t.err != nil {
		return t.err
	}
	t.emit = emit
	switch c.Kind {
	case flow.Tick:
		return nil
	case flow.Drop:
		t.msg = Message{At: c.At, Note: count(c.Lost, "packet") + " lost before they could be read", Fields: t.msg.Fields[:0]}
		t.out()
		return t.err
	case flow.Open:
		t.conns[c.Conn] = newConn(t, c)
	}
	if p := t.conns[c.Conn]; p != nil {
		p.chunk(c)
	}
	if c.Kind == flow.Close {
		delete(t.conns, c.Conn)
	}
	return t.err
}

// out hands out t.msg.
func (t *Tracer) out() {
	if t.err == nil {
		t.err = t.emit(&t.msg)
	}
}

// count returns a number of things in words.
func count(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.FormatUint(n, 10) + " " + thing + "s"
}
