package gate

import (
	"slices"

	"myreplay/classic"
	"myreplay/flow"
	"myreplay/tlsmode"
)

const (
	// maxGreeting is the longest greeting that is taken for one.
	maxGreeting = 4 << 10
	// maxLogin limits the frames of a login.
	maxLogin = 64 << 10
)

// length24 returns the payload's length from the header of a frame.
func length24(h []byte) int { return int(h[0]) | int(h[1])<<8 | int(h[2])<<16 }

// frame reads one frame, and returns also its bytes on the wire.
func (o *opening) frame(side flow.Side, doing string) (f classic.Frame, wire []byte, err error) {
	var h [classic.HeaderLen]byte
	if err := o.read(side, h[:], doing); err != nil {
		return f, nil, err
	}
	o.legs[side].next = h[3] + 1
	n := length24(h[:])
	if n > maxLogin {
		return f, nil, refused(codeHandshake, "a message of "+bytesText(n)+" from the "+side.String()+" before the login was over: this is not a MySQL login")
	}
	wire = append(make([]byte, 0, len(h)+n), h[:]...)[:len(h)+n]
	if err := o.read(side, wire[len(h):], doing); err != nil {
		return f, nil, err
	}
	f = classic.Frame{Seq: h[3], Last: h[3], Payload: wire[len(h):], Size: uint64(n), Wire: uint64(len(wire))}
	return f, wire, nil
}

// classicWords returns a refusal as an ERR packet.
func (o *opening) classicWords(r *refusal) []byte {
	client := o.legs[flow.Client]
	e := classic.ERR{Code: r.code, State: []byte(r.state), Message: []byte(relayed(r))}
	if client.next < 2 { // the client has not answered the greeting
		e.State = nil
	}
	b, _ := classic.AppendFrames(nil, client.next, e.Append(nil))
	return b
}

// maxWords limits the text of an error to a client: MySQL's own limit.
const maxWords = 500

// relayed returns a refusal's text. It names the relay, so that nobody looks for
// the fault at the server.
func relayed(r *refusal) string {
	s := "myreplay relay: " + r.Error()
	if len(s) > maxWords {
		s = s[:maxWords]
	}
	return s
}

// classicOpening is the beginning of a connection in the classic protocol.
type classicOpening struct {
	*opening
	greeting    classic.Greeting
	state       classic.State
	certificate bool // the client has shown one
}

func (o *opening) classic() (*Passage, error) {
	o.words = o.classicWords
	c := &classicOpening{opening: o}
	done, err := c.greet()
	for err == nil && !done {
		side := c.legs.await(classic.HeaderLen)
		if side == flow.Server {
			return c.outOfTurn()
		}
		f, wire, e := c.frame(flow.Client, "the client was to log in")
		switch {
		case e != nil:
			err = e
		case classic.IsSSLRequest(f.Payload) && !c.legs[flow.Client].encrypted:
			if c.gate.options.TLS == Pass {
				return &Passage{Opaque: true}, c.pass(flow.Client, wire)
			}
			done, err = c.startTLS(&f, wire)
		default:
			return c.login(&f, wire)
		}
	}
	return &Passage{}, err
}

// outOfTurn passes on what a server says before the client's login: that it
// gives up.
func (c *classicOpening) outOfTurn() (*Passage, error) {
	if err := c.legs[flow.Server].err; err != nil {
		return nil, whose(flow.Server, "the client was to log in", err)
	}
	if c.legs[flow.Client].encrypted != c.legs[flow.Server].encrypted {
		return nil, refused(codeHandshake, "the server spoke before the client's login")
	}
	return &Passage{}, nil
}

// greet passes the server's first message on. It returns true when nothing
// after it needs to be understood.
func (c *classicOpening) greet() (done bool, err error) {
	f, wire, err := c.frame(flow.Server, "the server was to greet")
	if err != nil {
		return false, err
	}
	part, _, err := c.state.Server(&f)
	if err != nil || part != classic.PartGreeting {
		return true, c.pass(flow.Server, wire)
	}
	c.greeting = c.state.Greeting
	c.legs[flow.Client].next = f.Seq
	offered := c.greeting.Capabilities.Has(classic.SSL)
	if c.gate.must() && !offered {
		return false, refused(codeNeedTLS, "the server offers no TLS, and the relay must use it ("+c.gate.mode().String()+"): switch TLS on at the server, or let the relay use none")
	}
	switch {
	case c.gate.options.TLS == Plain:
		setGreeting(f.Payload, classic.SSL, false)
	case c.gate.options.TLS == End && (c.gate.mode() == tlsmode.Disabled || c.gate.mode() == tlsmode.Preferred):
		setGreeting(f.Payload, classic.SSL, true)
	}
	if c.gate.mayMix() { // a CHANGE_USER must be seen
		setGreeting(f.Payload, classic.Compress|classic.ZstdCompression, false)
	}
	// From here on the state is that of the client's leg.
	c.state = classic.State{}
	if _, _, err := c.state.Server(&f); err != nil {
		return false, err
	}
	c.legs[flow.Client].next = f.Seq + 1
	return false, c.pass(flow.Server, wire)
}

// wantsTLS tells whether the server's leg is to be in TLS, given that the
// client's is or is not.
func (c *classicOpening) wantsTLS(client bool) bool {
	if !c.greeting.Capabilities.Has(classic.SSL) {
		return false
	}
	switch c.gate.mode() {
	case tlsmode.Default:
		return client
	case tlsmode.Disabled:
		return false
	}
	return c.gate.options.TLS != Pass
}

// startTLS ends the client's TLS. It returns true when nothing after it needs to
// be understood.
func (c *classicOpening) startTLS(f *classic.Frame, wire []byte) (done bool, err error) {
	client, server := c.legs[flow.Client], c.legs[flow.Server]
	if c.gate.options.TLS == Plain {
		return false, refused(codeHandshake, "the client asks for TLS, which the relay does not offer: connect without it, or let the relay end or pass TLS")
	}
	if _, err := c.state.Client(f); err != nil {
		return false, refused(codeHandshake, err.Error())
	}
	c.tell.Data(flow.Client, wire)
	var failed error
	if c.wantsTLS(true) {
		failed = c.serverTLS(f.Payload, f.Seq)
	}
	if c.certificate, err = client.serveTLS(c.ctx, c.gate.client); err != nil {
		return false, &broken{clientTLS(err)}
	}
	if failed != nil {
		// The client hears why where it expects an answer: after its login.
		if _, _, err := c.frame(flow.Client, "the client was to log in"); err != nil {
			return false, err
		}
		return false, failed
	}
	c.state.TLSDone()
	c.tell.TLS()
	return !c.gate.options.Track && !c.certificate && client.alike(server), nil
}

// alike tells whether a login on one leg is good on the other as it is.
func (l *leg) alike(m *leg) bool {
	return l.encrypted == m.encrypted && (l.encrypted || l.unix == m.unix)
}

// serverTLS asks the server for TLS, with the beginning of the client's login.
func (c *classicOpening) serverTLS(login []byte, seq byte) error {
	server := c.legs[flow.Server]
	if len(server.early) > 0 {
		// Whoever sits between could put in words of the server's this way.
		return refused(codeHandshake, "the server said more than its greeting before TLS")
	}
	request := slices.Clone(login[:classic.SSLRequestLen])
	setLogin(request, classic.SSL, true)
	if c.tracks(login) {
		setLogin(request, classic.SessionTrack, true)
	}
	b, next := classic.AppendFrames(nil, seq, request)
	if err := c.send(flow.Server, nil, b); err != nil {
		return err
	}
	server.next = next
	if err := server.askTLS(c.ctx, c.gate.server); err != nil {
		return serverTLSFailed(err)
	}
	return nil
}

// tracks tells whether the session is to be made to report its state.
func (c *classicOpening) tracks(login []byte) bool {
	offered, asked := c.state.Greeting.Capabilities, loginCapabilities(login)
	return c.gate.options.Track && offered.Has(classic.SessionTrack) && !asked.Has(classic.SessionTrack) &&
		asked.Has(classic.Protocol41) && classic.CompressionOf(offered&asked) == classic.Uncompressed
}

// login takes the client's login, and sees it to its end where the legs are not
// alike.
func (c *classicOpening) login(f *classic.Frame, wire []byte) (*Passage, error) {
	client, server := c.legs[flow.Client], c.legs[flow.Server]
	ask := !server.encrypted && c.wantsTLS(client.encrypted)
	var login classic.Login
	if err := login.Decode(f.Payload); err != nil {
		if ask || client.encrypted != server.encrypted {
			return nil, refused(codeHandshake, "the login can't be read, which it must be where one side uses TLS and the other does not: "+err.Error())
		}
		return &Passage{}, c.pass(flow.Client, wire)
	}
	tracks := c.tracks(f.Payload)
	if !tracks && !ask && !c.certificate && client.alike(server) {
		return &Passage{}, c.pass(flow.Client, wire)
	}
	server.next = f.Seq
	if client.encrypted && !server.encrypted {
		server.next = f.Seq - 1 // there was no SSLRequest
	}
	if ask {
		if err := c.serverTLS(f.Payload, server.next); err != nil {
			return nil, err
		}
	}
	return c.follow(f, tracks)
}
