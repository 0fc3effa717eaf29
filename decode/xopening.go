package decode

import (
	"encoding/binary"

	"myreplay/flow"
	"myreplay/preface"
	"myreplay/session"
	"myreplay/xproto"
)

// maxOpening is the longest first message of a side that is taken for one:
// capabilities, or the beginning of a login.
const maxOpening = 64 << 10

// opening looks at the first bytes of a connection: whether they are the X
// Protocol at all, instead of waiting for a frame as long as they say.
type opening struct {
	preface []byte // what may become a PROXY protocol header
	begun   bool   // what precedes the client's first message is over
	// tls: the client asked for TLS, and the answer is lost.
	tls   bool
	heads [2]struct {
		bytes [xproto.HeaderLen]byte
		n     int
	}
}

// afterOpening looks at a side's first bytes, and returns what of data is
// messages.
func (d *X) afterOpening(side flow.Side, data []byte) []byte {
	o := &d.opening
	if side == flow.Client && !o.begun {
		if data = d.afterProxy(data); len(data) == 0 {
			return nil
		}
	}
	h := &o.heads[side]
	if h.n == len(h.bytes) || d.start.Joined || d.login.seen {
		return data
	}
	h.n += copy(h.bytes[h.n:], data)
	if h.n < len(h.bytes) || opensX(side, h.bytes[:]) {
		return data
	}
	what := "the " + side.String() + "'s first bytes are no message"
	switch {
	case o.tls && preface.LooksTLS(h.bytes[:]):
		d.encrypted()
		return nil
	case preface.LooksTLS(h.bytes[:]):
		what += ": TLS"
	}
	d.giveUp(session.NotUnderstood, side == flow.Client, 0, what)
	return nil
}

// mayBeTLS is told that the client asked for TLS, and that the answer is lost:
// its next bytes tell.
func (o *opening) mayBeTLS() {
	o.tls = true
	o.heads[flow.Client].n = 0
}

// opensX tells whether a header may be that of a side's first message.
func opensX(side flow.Side, head []byte) bool {
	n := binary.LittleEndian.Uint32(head)
	known := xproto.ClientMessage(head[4]).Known()
	if side == flow.Server {
		known = xproto.ServerMessage(head[4]).Known()
	}
	return known && n > 0 && n <= maxOpening
}

// afterProxy takes note of a PROXY protocol header, which may precede a client's
// first message, and returns what follows it.
func (d *X) afterProxy(data []byte) []byte {
	o := &d.opening
	o.preface = append(o.preface, data...)
	src, n, err := preface.ReadProxy(o.preface)
	if err == nil && n == 0 {
		return nil
	}
	if src.IsValid() {
		d.start.Client = src
	}
	rest := o.preface[n:]
	*o = opening{begun: true, heads: o.heads}
	return rest
}

const (
	// maxEarly and maxEarlyBytes limit what is kept of a session whose login is
	// not over: clients may send ahead.
	maxEarly      = 256
	maxEarlyBytes = 1 << 20
)

// early keeps the events of a session before its Start.
type early struct {
	events []session.Event
	bytes  int
}

// keep keeps an event, and tells whether more may come.
func (k *early) keep(e session.Event) bool {
	k.events = append(k.events, e)
	k.bytes += 512
	if c, ok := e.(*session.Command); ok {
		k.bytes += len(c.Payload)
	}
	return len(k.events) < maxEarly && k.bytes < maxEarlyBytes
}
