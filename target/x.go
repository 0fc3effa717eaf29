package target

import (
	"context"
	"net"
	"time"

	"myreplay/outcome"
	"myreplay/session"
	"myreplay/xproto"
)

// XConn is a connection over the X Protocol that replays one session. But for
// what its Server does with it, it serves one goroutine.
type XConn struct {
	link

	state    xproto.State
	framer   xproto.Framer
	frame    xproto.Frame
	deflater *xproto.Deflater // nil: no compression
	build    *outcome.XBuilder

	mechanisms []string // that the server offers without TLS
	mechanism  string   // that logged in last
	clientID   uint32   // the server's id for the connection
	// out: nobody is logged in, since the session was closed or reset.
	out     bool
	changed changed

	source xNames
	made   []madeIDs // waiting for the recorded reply

	batch   []xMessage // on their way
	writing writing
	single  [1][]byte // what is written, where it is one piece
	one     [1]*session.Command
	answers [1]Answer
}

// ConnectX opens the connection that replays a session of the X Protocol, as
// Connect does for the classic protocol: it asks the server what it offers,
// sets up TLS and compression as the URL says, sets the capabilities that the
// recorded session had, and logs in as Users says.
func (s *Server) ConnectX(ctx context.Context, start *session.Start) (*XConn, error) {
	if err := s.speaks(session.X, start); err != nil {
		return nil, err
	}
	c := newXConn(ctx, s, start)
	if err := c.open(&start.Login); err != nil {
		return nil, err
	}
	return c, nil
}

// speaks tells whether the server and the session speak the protocol. The error
// is a *ConnectError.
func (s *Server) speaks(p session.Protocol, start *session.Start) error {
	if s.url.protocol() == p && (start.Protocol == p || start.Protocol == session.Unknown) {
		return nil
	}
	return &ConnectError{Step: "protocol", Err: ErrProtocol}
}

func newXConn(ctx context.Context, s *Server, start *session.Start) *XConn {
	c := &XConn{source: xNames{complete: !start.Joined}}
	c.begin(ctx, s, start)
	c.build = outcome.NewXBuilder(s.options.Outcome, s.columns, &c.slab)
	return c
}

// open dials and logs in.
func (c *XConn) open(login *session.Login) error {
	a, err := c.server.account(login.User)
	if err != nil {
		c.unhook()
		return err
	}
	var schema string
	at, nc, err := c.dialIn(a.user, func(ctx context.Context) (err error) {
		schema, err = c.logIn(ctx, login, a)
		return err
	})
	if err != nil {
		return c.givenUp(a.user, err)
	}
	c.describe(at, nc, login, a.user, schema)
	c.server.counts.logins.Add(1)
	c.server.enter(&c.link, c.clientID)
	return nil
}

// describe notes what the connection is, for Start.
func (c *XConn) describe(at int64, nc net.Conn, recorded *session.Login, user, schema string) {
	c.seen = session.Start{Of: c.start.ID, Copy: c.start.Copy, At: at, Protocol: session.X,
		Client: addrOf(nc.LocalAddr()), Server: addrOf(nc.RemoteAddr()), Encrypted: c.state.Encrypted,
		ConnectionID: c.clientID,
		Login: session.Login{Known: true, User: user, Schema: schema, Capabilities: recorded.Capabilities,
			Plugin: c.mechanism, Compression: c.state.Compressed.String(), Attributes: recorded.Attributes}}
}

// Close says goodbye (CON_CLOSE) unless the session's own was sent, and closes
// the connection. It may be called again.
func (c *XConn) Close() error {
	if c.lost != nil {
		return nil
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(quitTimeout))
	if err == nil {
		err = c.say(xproto.ConClose, nil)
	}
	c.closed()
	return err
}
