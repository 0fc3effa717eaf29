package decode

import (
	"bytes"
	"encoding/binary"

	"myreplay/flow"
	"myreplay/preface"
	"myreplay/session"
	"myreplay/xproto"
)

// xPort is the port on which servers speak the X Protocol unless told otherwise.
const xPort = 33060

const (
	// maxUndecided limits the bytes that are kept until a connection's protocol is
	// clear: those of the longest PROXY protocol header, and a message's head.
	maxUndecided = 66 << 10
	// maxUndecidedChunks limits the pieces they may come in.
	maxUndecidedChunks = 4 << 10
)

// detector finds out which protocol a connection speaks, and hands it to that
// protocol's decoder.
type detector struct {
	shared *Shared
	inner  Protocol
	kept   []flow.Chunk // owned, until inner is there
	bytes  int
	// client and server are the first bytes of the sides.
	client, server []byte
}

// New returns a decoder for one connection, of whatever protocol. Unless
// Options.Protocol says which one, a connection's first bytes tell; where a
// recording did not see them, it is the X Protocol if that is what the server's
// port stands for, and else the classic one.
func New(s *Shared) Protocol { return &detector{shared: s} }

// Decode implements Protocol.
func (d *detector) Decode(c *flow.Chunk, emit Emit) error {
	if d.inner != nil {
		return d.inner.Decode(c, emit)
	}
	if d.keep(c); d.inner == nil {
		return nil
	}
	kept := d.kept
	*d = detector{inner: d.inner}
	for i := range kept {
		if err := d.inner.Decode(&kept[i], emit); err != nil {
			return err
		}
	}
	return nil
}

// keep keeps a chunk and chooses the decoder if it is clear by now.
func (d *detector) keep(c *flow.Chunk) {
	own := *c
	own.Data = bytes.Clone(c.Data)
	d.kept = append(d.kept, own)
	d.bytes += len(c.Data)
	d.shared.held += len(c.Data)
	p := session.Unknown
	switch c.Kind {
	case flow.Open:
		p = d.known(c.Conn)
	case flow.Data:
		if c.Side == flow.Server {
			d.server = append(d.server, c.Data...)
		} else {
			d.client = append(d.client, c.Data...)
		}
		if p = d.told(); p == session.Unknown && (d.bytes > maxUndecided || len(d.kept) > maxUndecidedChunks) {
			p = session.Classic
		}
	case flow.Close, flow.TLS:
		p = session.Classic
	case flow.Gap:
		p = byPort(c.Conn) // the bytes that would tell may be the lost ones
	}
	switch p {
	case session.Classic:
		d.choose(NewClassic(d.shared))
	case session.X:
		d.choose(NewX(d.shared))
	}
}

func (d *detector) choose(p Protocol) {
	d.shared.held -= d.bytes
	d.inner = p
}

// known returns the protocol where a connection's first bytes are not needed to
// tell.
func (d *detector) known(c *flow.Conn) session.Protocol {
	if ask := d.shared.options.Protocol; ask != nil {
		if p := ask(c.Server); p != session.Unknown {
			return p
		}
	}
	if c.Joined {
		return byPort(c)
	}
	return session.Unknown
}

func byPort(c *flow.Conn) session.Protocol {
	if c.Server.Port() == xPort {
		return session.X
	}
	return session.Classic
}

// told returns the protocol that the first bytes tell, Unknown when more are
// needed.
func (d *detector) told() session.Protocol {
	if len(d.server) >= xproto.HeaderLen {
		return greeted(d.server)
	}
	if len(d.client) == 0 {
		return session.Unknown
	}
	_, n, err := preface.ReadProxy(d.client)
	switch {
	case err == nil && n == 0:
		return session.Unknown
	case len(d.client)-n >= xproto.HeaderLen:
		return begun(d.client[n:])
	}
	return session.Unknown
}

// greeted returns the protocol of a server's first bytes.
func greeted(b []byte) session.Protocol {
	n := binary.LittleEndian.Uint32(b)
	m := xproto.ServerMessage(b[4])
	if n > 0 && n <= maxOpening && (m == xproto.Notice || m == xproto.ServerError) {
		return session.X
	}
	return session.Classic
}

// begun returns the protocol of a client that speaks first: to a server of the X
// Protocol that sends no hello. In the classic protocol the server speaks first.
func begun(b []byte) session.Protocol {
	n := binary.LittleEndian.Uint32(b)
	switch xproto.ClientMessage(b[4]) {
	case xproto.ConCapabilitiesGet, xproto.ConCapabilitiesSet, xproto.SessAuthenticateStart:
		if n > 0 && n <= maxOpening {
			return session.X
		}
	}
	return session.Classic
}
