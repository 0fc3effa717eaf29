package target

import (
	"context"
	"errors"
	"net"
	"time"

	"myreplay/classic"
	"myreplay/outcome"
	"myreplay/session"
)

// Conn is a connection that replays one session. But for what its Server does
// with it, it serves one goroutine.
type Conn struct {
	link

	state    classic.State
	framer   classic.Framer
	frame    classic.Frame
	deflater *classic.Deflater // nil: no compression
	packed   byte              // sequence id of the next compressed frame to be sent
	build    *outcome.Builder
	head     [16]byte

	auth   *dialogue // the login, or CHANGE_USER, under way
	plugin string    // that logged in last, with its nonce
	nonce  []byte

	source  statements
	changed changed
	batch   []sending // on their way

	made      []madeReply // waiting for the recorded reply
	madeCells int         // in them
	// ownTimes are the times that the target made up in its replies here, by the
	// recorded ones' hashes.
	ownTimes map[uint64]outcome.Micros
}

func newConn(ctx context.Context, s *Server, start *session.Start) *Conn {
	c := &Conn{}
	c.begin(ctx, s, start)
	c.build = outcome.NewBuilder(s.options.Outcome, s.columns, &c.slab)
	return c
}

// open dials and logs in.
func (c *Conn) open(login *session.Login) error {
	a, err := c.server.account(login.User)
	if err != nil {
		c.unhook()
		return err
	}
	for tries := 0; ; tries++ {
		err := c.attempt(login, a)
		if err == nil {
			c.server.counts.logins.Add(1)
			c.server.enter(&c.link, c.state.Greeting.ConnectionID)
			return nil
		}
		c.nc = nil
		stale := c.auth != nil && c.auth.cachedKey && refusedCode(err) == errAccessDenied && tries == 0
		if stale && c.server.key.forget(c.auth.key) {
			continue // the server may have a new key since
		}
		return c.givenUp(a.user, err)
	}
}

func refusedCode(err error) uint16 {
	var ce *ConnectError
	if errors.As(err, &ce) && ce.Refused != nil {
		return ce.Refused.Code
	}
	return 0
}

// attempt dials and logs in once. Its error is a *ConnectError.
func (c *Conn) attempt(login *session.Login, a account) error {
	at, nc, err := c.dialIn(a.user, func(ctx context.Context) error { return c.logIn(ctx, login, a) })
	if err != nil {
		return err
	}
	c.takeThread(c.framer.Between())
	c.describe(at, nc, login, a)
	return nil
}

// describe notes what the connection is, for Start.
func (c *Conn) describe(at int64, nc net.Conn, recorded *session.Login, a account) {
	g := &c.state.Greeting
	c.seen = session.Start{Of: c.start.ID, Copy: c.start.Copy, At: at, Protocol: session.Classic,
		Client: addrOf(nc.LocalAddr()), Server: addrOf(nc.RemoteAddr()), Encrypted: c.state.Encrypted,
		ServerVersion: g.Version, ConnectionID: g.ConnectionID,
		Login: session.Login{Known: true, User: a.user, Schema: c.state.Login.Schema, Capabilities: uint64(c.state.Caps),
			Collation: uint16(c.state.Login.Collation), Plugin: c.plugin, Compression: c.state.Compressed.String(),
			Attributes: recorded.Attributes}}
}

// ServerVersion returns the version that the server named in its greeting.
func (c *Conn) ServerVersion() string { return c.seen.ServerVersion }

// ConnectionID returns the server's id for the connection. A CHANGE_USER done as
// a new connection changes it.
func (c *Conn) ConnectionID() uint32 { return c.seen.ConnectionID }

// quitTimeout limits how long the goodbye may take to be taken.
const quitTimeout = time.Second

// Close says goodbye (COM_QUIT) unless the session's own Quit was sent, and
// closes the connection. It may be called again.
func (c *Conn) Close() error {
	if c.lost != nil {
		return nil
	}
	err := c.goodbye()
	c.closed()
	return err
}

// goodbye sends COM_QUIT.
func (c *Conn) goodbye() error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(quitTimeout)); err != nil {
		return err
	}
	c.head[0] = byte(classic.ComQuit)
	_, err := c.send(c.head[:1], nil)
	return err
}
