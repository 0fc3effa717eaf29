// Package gate takes a relayed connection through its beginning, up to where
// its bytes need no more understanding. It ends TLS where it may, so that what
// passes inside can be read, opens it anew to the server, and tells what
// passes. It knows as much of the classic protocol and of the X Protocol as a
// login needs.
//
// A client of MariaDB 11.4 or newer that has no CA to trust lets the server
// prove its certificate by a hash over the password and the certificate, which
// comes with the login's OK. Where TLS ends here the client sees another
// certificate than the server's, and gives up the connection on its own after
// the login: it needs this relay's certificate as its CA, or
// --disable-ssl-verify-server-cert; or the relay gets the server's own
// certificate and key.
package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"myreplay/flow"
	"myreplay/tlsmode"
)

// Handling says what becomes of the clients' TLS.
type Handling uint8

// The ways to handle TLS.
const (
	// Pass lets TLS pass as it is: what is inside can't be read.
	Pass Handling = iota
	// End ends TLS here when a client asks for it, and opens it anew to the
	// server.
	End
	// Plain offers TLS to no client.
	Plain
)

// Protocol says which protocol is spoken.
type Protocol uint8

// The protocols.
const (
	// Detect looks at who speaks first, and how.
	Detect Protocol = iota
	Classic
	X
)

// Options say what a Gate does.
type Options struct {
	Protocol Protocol
	TLS      Handling
	// Certificate is what clients see with End; it must be there then.
	Certificate *tls.Certificate
	// Server says how to speak TLS to the server; it is of no use with Pass.
	// Mode tlsmode.Default is TLS exactly when the client uses it, verified as
	// Verify says.
	Server tlsmode.Config
	// Verify is what is verified of the server's certificate where Server.Mode is
	// tlsmode.Default: tlsmode.Required (nothing), VerifyCA or VerifyIdentity. Its
	// zero value goes as far as Server's CA (who signed) and ServerName (also the
	// name) are given.
	Verify tlsmode.Mode
	// Track makes sessions report what they change of their state, in what is
	// told, also where the client did not ask for it. Classic protocol only.
	Track bool
}

// Gate opens the connections to one server. Its methods may be called from
// several goroutines.
type Gate struct {
	options Options
	client  *tls.Config // of the clients' legs; nil without End
	server  *tls.Config // of the server's legs; nil when they have no TLS
}

// New returns a Gate. It reads the files that o.Server names.
func New(o Options) (*Gate, error) {
	g := &Gate{options: o}
	if o.TLS == Pass {
		return g, nil
	}
	if o.TLS == End {
		if o.Certificate == nil {
			return nil, errors.New("ending TLS needs a certificate")
		}
		// The certificate of a client can't be passed on; it is asked for so that
		// a refused login can be explained.
		g.client = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*o.Certificate}, ClientAuth: tls.RequestClientCert}
	}
	c := o.Server
	if c.Mode == tlsmode.Default {
		c.Mode = tlsmode.Required
		switch {
		case o.Verify != tlsmode.Default:
			c.Mode = o.Verify
		case c.ServerName != "" && c.CA != "":
			c.Mode = tlsmode.VerifyIdentity
		case c.CA != "":
			c.Mode = tlsmode.VerifyCA
		}
	}
	var err error
	if g.server, err = c.TLS(); err != nil {
		return nil, fmt.Errorf("TLS to the server: %w", err)
	}
	return g, nil
}

// mode returns the mode of the server's leg.
func (g *Gate) mode() tlsmode.Mode { return g.options.Server.Mode }

// must tells whether a server without TLS is refused.
func (g *Gate) must() bool { return g.options.TLS != Pass && g.mode().Must() }

// mayMix tells whether one leg may be in TLS while the other is not.
func (g *Gate) mayMix() bool {
	switch g.options.TLS {
	case End:
		return g.mode() != tlsmode.Default
	case Plain:
		return g.mode() != tlsmode.Default && g.mode() != tlsmode.Disabled
	}
	return false
}

// Teller is told what passes: in the clear, as the client's leg has it, in
// causal order, each piece before it is passed on.
type Teller interface {
	// Data: a side sent b, which is borrowed until Data returns. Within
	// Passage.Follow the two sides are told from two goroutines at once, each
	// side from one at a time.
	Data(side flow.Side, b []byte)
	// TLS: the connection has switched to TLS, which ends here; what follows is
	// what passes inside. It is called within Open only.
	TLS()
}

// Passage is a connection whose beginning is over.
type Passage struct {
	// Client and Server are what the rest passes over: a *tls.Conn where TLS is
	// ended here, otherwise the connection given to Open.
	Client, Server net.Conn
	// Opaque: TLS passes through. What follows can't be read and is not to be
	// told.
	Opaque bool
	// Follow, when not nil, passes the rest on and tells it, until both sides
	// have ended or ctx does. The rest must go through it, since the two legs
	// are not alike. It closes no connection, only what is sent on one whose
	// other side has ended. Its error says why it could not go on; that a
	// connection broke is none.
	Follow func(ctx context.Context) error
}

// Open takes a new connection through its beginning. It reads only what it must,
// and when it returns without an error all that it has read was told and passed
// on, and no deadline is set. When the connection can't go on the client was
// told why, where its protocol allows that, and the error says the same; the
// caller closes both connections in any case.
func (g *Gate) Open(ctx context.Context, client, server net.Conn, t Teller) (*Passage, error) {
	o := &opening{gate: g, legs: both{newLeg(client, flow.Client), newLeg(server, flow.Server)}, tell: t, ctx: ctx}
	stop := o.legs.watch(ctx)
	p, err := o.open()
	if err == nil {
		err = o.flush()
	}
	if !stop() && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, o.refuse(err)
	}
	for _, l := range o.legs {
		l.free()
	}
	p.Client, p.Server = o.legs[flow.Client].Conn, o.legs[flow.Server].Conn
	return p, nil
}
