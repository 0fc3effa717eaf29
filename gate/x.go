package gate

import (
	"encoding/binary"
	"slices"

	"myreplay/flow"
	"myreplay/tlsmode"
	"myreplay/xproto"
)

// maxX limits the X messages before the login.
const maxX = 1 << 20

// codeNoTLS is the error of an X server that has no TLS.
const codeNoTLS = 5001 // ER_X_CAPABILITIES_PREPARE_FAILED

// xMessage is an X message and its bytes on the wire.
type xMessage struct {
	kind    byte
	payload []byte
	wire    []byte
}

// xFrame returns a message with its bytes.
func xFrame(kind byte, payload []byte) xMessage {
	b := xproto.AppendFrame(nil, kind, payload)
	return xMessage{kind, payload, b}
}

// xWords returns a refusal as a fatal Error.
func (o *opening) xWords(r *refusal) []byte {
	e := xproto.Error{Fatal: true, Code: uint32(r.code), State: r.state, Message: []byte(relayed(r))}
	return xFrame(byte(xproto.ServerError), e.Append(nil)).wire
}

// message reads one message.
func (o *opening) message(side flow.Side, doing string) (m xMessage, err error) {
	var h [xproto.HeaderLen]byte
	if err := o.read(side, h[:], doing); err != nil {
		return m, err
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n == 0 || n > maxX {
		return m, refused(codeHandshake, "a message of "+bytesText(int(n))+" from the "+side.String()+" before the login: this is not the X Protocol")
	}
	m.kind = h[kindAt]
	m.wire = append(make([]byte, 0, len(h)+int(n)-1), h[:]...)[:len(h)+int(n)-1]
	m.payload = m.wire[len(h):]
	return m, o.read(side, m.wire[len(h):], doing)
}

// lengthLen is the length of what a frame's header begins with.
const lengthLen = 4

// xOpening is the beginning of a connection in the X Protocol.
type xOpening struct {
	*opening
	agreed bool // the server's leg goes on in TLS, too
}

func (o *opening) x() (*Passage, error) {
	o.words = o.xWords
	c := &xOpening{opening: o}
	for {
		side := c.legs.await(xproto.HeaderLen)
		if err := c.legs[side].more(lengthLen); err != nil {
			return nil, whose(side, "the client was to log in", err)
		}
		if binary.LittleEndian.Uint32(c.legs[side].early) == 0 {
			return &Passage{}, nil // no message, and no more may come: the other side has an answer
		}
		if err := c.legs[side].more(xproto.HeaderLen); err != nil {
			return nil, whose(side, "the client was to log in", err)
		}
		if h := c.legs[side].early; !c.looksX(side, h) {
			return &Passage{}, nil
		}
		m, err := c.message(side, "the client was to log in")
		if err != nil {
			return nil, err
		}
		if side == flow.Server {
			err = c.pass(side, m.wire)
		} else {
			var p *Passage
			if p, err = c.asked(&m); p != nil || err != nil {
				return p, err
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// looksX tells whether bytes may be the header of a message before a login, as
// far as the protocol had to be found out.
func (c *xOpening) looksX(side flow.Side, h []byte) bool {
	if c.gate.options.Protocol == X {
		return true
	}
	n := binary.LittleEndian.Uint32(h)
	return n > 0 && n <= maxX && (side == flow.Server || xproto.ClientMessage(h[kindAt]).Known())
}

// asked takes a message of the client's. It returns a Passage when nothing after
// it needs to be understood.
func (c *xOpening) asked(m *xMessage) (*Passage, error) {
	switch xproto.ClientMessage(m.kind) {
	case xproto.ConCapabilitiesGet:
		if err := c.pass(flow.Client, m.wire); err != nil {
			return nil, err
		}
		return nil, c.offer()
	case xproto.ConCapabilitiesSet:
		var set xproto.CapabilitiesSet
		if set.Decode(m.payload) == nil && set.Capabilities.Get(xproto.CapabilityTLS) != nil {
			return c.setTLS(m, &set)
		}
		if err := c.pass(flow.Client, m.wire); err != nil {
			return nil, err
		}
		answer, err := c.answer()
		if err != nil {
			return nil, err
		}
		return nil, c.pass(flow.Server, answer.wire)
	case xproto.SessAuthenticateStart:
		return c.logIn(m)
	case xproto.ConClose:
		return &Passage{}, c.pass(flow.Client, m.wire)
	}
	return nil, c.pass(flow.Client, m.wire)
}

// answer returns the server's next message that is not a notice; notices pass.
func (c *xOpening) answer() (xMessage, error) {
	for {
		m, err := c.message(flow.Server, "the server was to answer")
		if err != nil || m.kind != byte(xproto.Notice) {
			return m, err
		}
		if err := c.pass(flow.Server, m.wire); err != nil {
			return m, err
		}
	}
}

// offer passes on what the server offers, with TLS as the relay does.
func (c *xOpening) offer() error {
	m, err := c.answer()
	if err != nil {
		return err
	}
	var caps xproto.Capabilities
	if m.kind == byte(xproto.ConnCapabilities) && caps.Decode(m.payload) == nil {
		has := caps.Get(xproto.CapabilityTLS) != nil
		switch client := c.legs[flow.Client]; {
		case c.gate.options.TLS == Plain && has:
			caps.List = slices.DeleteFunc(caps.List, isTLS)
			m = xFrame(m.kind, caps.Append(nil))
		case c.gate.options.TLS == End && !has && (c.gate.mode() == tlsmode.Disabled || c.gate.mode() == tlsmode.Preferred):
			caps.List = append([]xproto.Field{{Key: xproto.CapabilityTLS, Value: xproto.Truth(client.encrypted)}}, caps.List...)
			m = xFrame(m.kind, caps.Append(nil))
		}
	}
	return c.pass(flow.Server, m.wire)
}

func isTLS(f xproto.Field) bool { return f.Key == xproto.CapabilityTLS }

// setTLS takes the client's wish for TLS, or to stay without.
func (c *xOpening) setTLS(m *xMessage, set *xproto.CapabilitiesSet) (*Passage, error) {
	switch wants := set.TLS(); {
	case c.gate.options.TLS == Plain && wants:
		return nil, c.noTLS(m)
	case c.gate.options.TLS == Pass || !wants:
		return c.passTLS(m, wants)
	}
	if c.legs[flow.Client].encrypted {
		return c.passTLS(m, false)
	}
	c.tell.Data(flow.Client, m.wire)
	answer, err := c.askServer(m, set)
	if err != nil {
		return nil, err
	}
	if err := c.pass(flow.Server, answer.wire); err != nil || answer.kind != byte(xproto.OK) {
		return nil, err
	}
	return c.startTLS()
}

// passTLS passes the wish on; where it is for TLS and the server agrees, nothing
// after it can be read.
func (c *xOpening) passTLS(m *xMessage, wants bool) (*Passage, error) {
	if err := c.pass(flow.Client, m.wire); err != nil {
		return nil, err
	}
	answer, err := c.answer()
	if err != nil {
		return nil, err
	}
	if err := c.pass(flow.Server, answer.wire); err != nil {
		return nil, err
	}
	if wants && answer.kind == byte(xproto.OK) {
		return &Passage{Opaque: true}, nil
	}
	return nil, nil
}

// noTLS answers as a server without TLS does.
func (c *xOpening) noTLS(m *xMessage) error {
	c.tell.Data(flow.Client, m.wire)
	e := xproto.Error{Code: codeNoTLS, State: "HY000", Message: []byte("Capability prepare failed for 'tls'")}
	return c.pass(flow.Server, xFrame(byte(xproto.ServerError), e.Append(nil)).wire)
}

// askServer asks the server for TLS as far as it is to have it, and returns the
// answer for the client. The server's leg is then still without TLS where it
// agreed; see startTLS.
func (c *xOpening) askServer(m *xMessage, set *xproto.CapabilitiesSet) (xMessage, error) {
	if c.gate.mode() != tlsmode.Disabled {
		if err := c.send(flow.Server, nil, m.wire); err != nil {
			return xMessage{}, err
		}
		answer, err := c.answer()
		switch {
		case err != nil || c.gate.mode() == tlsmode.Default || answer.kind == byte(xproto.OK):
			c.agreed = err == nil && answer.kind == byte(xproto.OK)
			return answer, err
		case c.gate.must():
			return answer, c.mustTLS(&answer)
		}
	}
	rest := xproto.CapabilitiesSet{Capabilities: xproto.Capabilities{List: slices.DeleteFunc(set.Capabilities.List, isTLS)}}
	if len(rest.Capabilities.List) == 0 {
		return xFrame(byte(xproto.OK), nil), nil
	}
	if err := c.send(flow.Server, nil, xFrame(byte(xproto.ConCapabilitiesSet), rest.Append(nil)).wire); err != nil {
		return xMessage{}, err
	}
	return c.answer()
}

// mustTLS refuses a server that refuses TLS.
func (c *xOpening) mustTLS(answer *xMessage) error {
	var e xproto.Error
	if err := e.Decode(answer.payload); err != nil {
		return refused(codeHandshake, err.Error())
	}
	return refused(codeNeedTLS, "the server offers no TLS ("+string(e.Message)+"), and the relay must use it ("+c.gate.mode().String()+"): switch TLS on at the server, or let the relay use none")
}

// startTLS sets up TLS where it was agreed on.
func (c *xOpening) startTLS() (*Passage, error) {
	client, server := c.legs[flow.Client], c.legs[flow.Server]
	var failed error
	if c.agreed {
		failed = c.serverTLS()
	}
	if _, err := client.serveTLS(c.ctx, c.gate.client); err != nil {
		return nil, &broken{clientTLS(err)}
	}
	if failed != nil {
		return nil, failed
	}
	c.tell.TLS()
	if client.alike(server) {
		return &Passage{}, nil
	}
	return nil, nil
}

func (c *xOpening) serverTLS() error {
	server := c.legs[flow.Server]
	if len(server.early) > 0 {
		return refused(codeHandshake, "the server said more than its answer before TLS")
	}
	if err := server.askTLS(c.ctx, c.gate.server); err != nil {
		return serverTLSFailed(err)
	}
	return nil
}
