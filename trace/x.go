package trace

import (
	"strconv"

	"myreplay/flow"
	"myreplay/wire"
	"myreplay/xproto"
)

// packedLimit is how long a COMPRESSION message may be whose inside is read.
const packedLimit = 16 << 20

// xNames are the names of all messages of both sides.
var xNames = func() (names [2][256]string) {
	for i := range 256 {
		names[flow.Client][i] = xproto.ClientMessage(i).String()
		names[flow.Server][i] = xproto.ServerMessage(i).String()
	}
	return names
}()

// compression is the type of COMPRESSION messages by side.
var compression = [2]byte{flow.Client: byte(xproto.ClientCompression), flow.Server: byte(xproto.ServerCompression)}

// xConn reads one connection of the X Protocol.
//
// COMPRESSION messages are taken apart here, not in the Framer of the
// connection, so that they have names of their own: what is inside goes through
// a second Framer.
type xConn struct {
	c      *conn
	state  xproto.State
	framer [2]xproto.Framer
	packed [2]xproto.Framer
	// broken: what is inside COMPRESSION messages can't be read any more.
	broken [2]bool
	// unsure: the answers did not fit to the questions once. Names are certain
	// nevertheless, what belongs together is not.
	unsure bool

	// What follows is kept for the fields only.
	queue      []question
	first      int
	mechanism  string // of the login under way
	statements map[uint32]question
	cursors    map[uint32]*xCursor
	columns    []xColumn // of the rows under way
	defining   bool      // the last message was a column's
}

func newXConn(c *conn) *xConn {
	p := &xConn{c: c}
	for i := range p.framer {
		p.framer[i].Limit = frameLimit
		p.packed[i].Limit = frameLimit
	}
	return p
}

func (p *xConn) between(side flow.Side) bool { return p.framer[side].Between() }

func (p *xConn) reset() {
	for i := range p.framer {
		p.framer[i].Reset()
		p.packed[i].Reset()
	}
	p.queue, p.first = nil, 0
	p.columns = nil
}

// resume goes on, after bytes were lost, where the client sends a message.
func (p *xConn) resume() {
	if !p.state.Known {
		p.state.Join()
		return
	}
	p.state.Resync()
}

func (p *xConn) tls() { p.state.TLSDone() }

func (p *xConn) lost(side flow.Side, n uint64) bool { return p.framer[side].Lost(n) }

func (p *xConn) feed(side flow.Side, data []byte) {
	if p.state.Phase == xproto.InTLS && len(data) > 0 {
		p.c.giveUp("TLS")
		return
	}
	framer := &p.framer[side]
	framer.Feed(data)
	var f xproto.Frame
	for p.c.mode == following {
		ok, err := framer.Next(&f)
		if err != nil {
			p.c.fail(side, err)
			return
		}
		if !ok {
			return
		}
		if f.Type == compression[side] {
			p.unpack(side, &f)
		} else {
			p.message(side, &f, false)
		}
		if p.state.Phase == xproto.InTLS && p.c.mode == following {
			if len(framer.Rest()) > 0 {
				p.c.giveUp("TLS")
			}
			return
		}
	}
}

// unpack names a COMPRESSION message and what is inside.
func (p *xConn) unpack(side flow.Side, f *xproto.Frame) {
	m := p.c.begin(side, xNames[side][f.Type], f.Wire())
	if p.c.t.options.Detail && !f.Cut && !f.Holed {
		packedFields(m, p.state.Compressed, f.Payload)
	}
	p.c.send()
	switch {
	case p.broken[side]:
		return
	case p.state.Compressed == xproto.Uncompressed:
		p.lose(side, "what was agreed on was not seen")
		return
	case f.Cut:
		p.lose(side, "one is longer than "+strconv.Itoa(packedLimit>>20)+" MiB")
		return
	case f.Holed:
		p.lose(side, "a part of one is lost")
		return
	}
	p.inside(side, f)
}

// inside names the messages inside a COMPRESSION message.
func (p *xConn) inside(side flow.Side, f *xproto.Frame) {
	framer := &p.packed[side]
	var header [xproto.HeaderLen]byte
	head := append(wire.AppendUint32(header[:0], uint32(len(f.Payload)+1)), f.Type)
	for _, piece := range [2][]byte{head, f.Payload} {
		framer.Feed(piece)
		for p.c.mode == following {
			var inner xproto.Frame
			ok, err := framer.Next(&inner)
			if err != nil {
				p.lose(side, err.Error())
				return
			}
			if !ok {
				break
			}
			p.message(side, &inner, true)
		}
	}
}

// lose tells that what is inside a COMPRESSION message can't be read: nor what is
// inside those that follow, but with LZ4.
func (p *xConn) lose(side flow.Side, why string) {
	p.unsure = true
	if p.state.Compressed == xproto.LZ4 {
		p.packed[side].Reset()
		p.c.note("a compressed message of the " + side.String() + " can't be read: " + why)
		return
	}
	p.broken[side] = true
	p.c.note("compressed messages of the " + side.String() + " can't be read any more: " + why)
}

// message names a message.
func (p *xConn) message(side flow.Side, f *xproto.Frame, packed bool) {
	m := p.c.begin(side, xNames[side][f.Type], f.Wire())
	m.Compressed = packed
	if side == flow.Client {
		p.client(m, f)
		return
	}
	if kind := xproto.ServerMessage(f.Type); !kind.Known() {
		p.c.fail(side, &xproto.FormatError{Message: "message", Reason: "of the unknown type " + strconv.Itoa(int(kind))})
		return
	}
	p.server(m, f)
}

// client tells of a client's message.
func (p *xConn) client(m *Message, f *xproto.Frame) {
	// A message that State refuses has its name all the same: it is in the header.
	// But which answer is the one to it is not known.
	waiting := p.state.Waiting()
	err := p.state.Client(f)
	p.unsure = p.unsure || err != nil
	if p.c.t.options.Detail {
		q := p.clientFields(m, f)
		if err == nil {
			q.quiet = p.c.settles(waiting) || q.quiet
			p.queue, p.first = push(p.queue, p.first, q)
		}
	}
	p.c.send()
}

// server tells of a server's message.
func (p *xConn) server(m *Message, f *xproto.Frame) {
	compressed := p.state.Compressed
	_, done, answers, err := p.state.Server(f)
	p.unsure = p.unsure || err != nil
	if p.c.t.options.Detail {
		var q *question
		if answers && p.first < len(p.queue) {
			q = &p.queue[p.first]
		}
		p.serverFields(m, f, q)
		if done && q != nil {
			*q = question{}
			p.first++
		}
	}
	p.c.send()
	if z := p.state.Compressed; z != compressed {
		for i := range p.framer {
			p.framer[i].Limit = packedLimit
			p.packed[i].Limit = packedLimit
			p.packed[i].SetCompression(z, compression[i])
		}
	}
}
