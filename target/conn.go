package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"myreplay/classic"
	"myreplay/outcome"
	"myreplay/session"
)

const (
	// smallBuffer is the buffer that a connection always has, threadBuffer that of
	// one with a thread of its own; bigBuffer is the one that it borrows for what
	// does not fit.
	smallBuffer  = 4 << 10
	threadBuffer = 32 << 10
	bigBuffer    = 64 << 10
)

// Conn is a connection that replays one session. But for what its Server does
// with it, it serves one goroutine.
type Conn struct {
	server   *Server
	ctx      context.Context // for the whole life of the connection
	start    *session.Start
	recorded recordedConn
	liveID   uint32 // the target's id; guarded by server.mu

	nc       net.Conn
	threaded bool // counted in server.threads
	secure   bool // nobody else reads what passes: TLS, or a unix socket
	seen     session.Start
	mu       sync.Mutex
	raw      net.Conn // what abort closes
	cause    atomic.Pointer[error]
	unhook   func() bool  // ends the watch over ctx
	busy     atomic.Int64 // when the command under way began; 0: none
	lost     *LostError   // set once the connection is of no use any more
	notice   *session.Error

	state    classic.State
	framer   classic.Framer
	frame    classic.Frame
	deflater *classic.Deflater // nil: no compression
	packed   byte              // sequence id of the next compressed frame to be sent
	build    *outcome.Builder
	slab     outcome.Slab
	lent     *outcome.Slab // where slab goes back
	buf      []byte
	big      *[bigBuffer]byte
	scratch  []byte // rewritten commands
	head     [16]byte

	auth   *dialogue // the login, or CHANGE_USER, under way
	plugin string    // that logged in last, with its nonce
	nonce  []byte

	source  statements
	changed changed
}

func newConn(ctx context.Context, s *Server, start *session.Start) *Conn {
	c := &Conn{server: s, ctx: ctx, start: start, recorded: recordedConn{start.Copy, start.ConnectionID}, buf: make([]byte, smallBuffer)}
	c.build = outcome.NewBuilder(s.options.Outcome, s.columns, &c.slab)
	c.unhook = context.AfterFunc(ctx, func() { c.abort(context.Cause(ctx)) })
	return c
}

// open dials and logs in.
func (c *Conn) open(login *session.Login) error {
	a, err := c.server.options.Users.account(login.User)
	if err != nil {
		c.unhook()
		return &ConnectError{Step: "credentials", User: login.User, Err: err}
	}
	if a.user == "" {
		a.user = c.server.url.User
	}
	for tries := 0; ; tries++ {
		err := c.attempt(login, a)
		if err == nil {
			c.server.counts.logins.Add(1)
			c.server.enter(c)
			return nil
		}
		c.nc = nil
		stale := c.auth != nil && c.auth.cachedKey && refusedCode(err) == errAccessDenied && tries == 0
		if stale && c.server.key.forget(c.auth.key) {
			continue // the server may have a new key since
		}
		c.unhook()
		if p := c.cause.Load(); p != nil {
			return &ConnectError{Step: "login", User: a.user, Err: *p}
		}
		return err
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
	ctx, cancel := context.WithTimeout(c.ctx, c.server.options.ConnectTimeout)
	defer cancel()
	at := c.server.Now()
	nc, err := c.server.dial(ctx, c.start)
	if err != nil {
		return &ConnectError{Step: "dial", User: a.user, Err: timedOut(ctx, err)}
	}
	c.nc = nc
	c.hold(nc)
	deadline, _ := ctx.Deadline()
	if err = nc.SetDeadline(deadline); err == nil {
		err = c.logIn(ctx, login, a)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err == nil {
		c.takeThread()
	}
	if err != nil {
		nc.Close()
		var ce *ConnectError
		if !errors.As(err, &ce) {
			ce = &ConnectError{Step: "login", User: a.user, Err: closedByServer(err)}
		}
		ce.Err = timedOut(ctx, ce.Err)
		return ce
	}
	c.describe(at, nc, login, a)
	return nil
}

// timedOut adds to an error that it came because the time for the login was up.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrConnectTimeout, err)
	}
	return err
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

func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}

// Start returns what a run's Start says of the connection: everything but the
// run's own session id.
func (c *Conn) Start() session.Start { return c.seen }

// ServerVersion returns the version that the server named in its greeting.
func (c *Conn) ServerVersion() string { return c.seen.ServerVersion }

// ConnectionID returns the server's id for the connection. A CHANGE_USER done as
// a new connection changes it.
func (c *Conn) ConnectionID() uint32 { return c.seen.ConnectionID }

// hold makes nc what abort closes.
func (c *Conn) hold(nc net.Conn) {
	c.mu.Lock()
	c.raw = nc
	c.mu.Unlock()
	if c.cause.Load() != nil {
		nc.Close()
	}
}

// takeThread gives the connection a thread of its own, if there is one left.
func (c *Conn) takeThread() {
	if _, ok := c.nc.(syscall.Conn); !ok {
		return
	}
	if !c.threaded {
		if c.server.threads.Add(1) > int64(c.server.options.Threads) {
			c.server.threads.Add(-1)
			return
		}
		c.threaded = true
	}
	if c.framer.Between() && len(c.buf) < threadBuffer {
		c.buf = make([]byte, threadBuffer)
	}
	c.nc = onThread(c.nc, &c.server.threads)
	c.hold(c.nc)
}

// abort closes the connection for a reason, from any goroutine. The first
// reason counts.
func (c *Conn) abort(why error) {
	c.cause.CompareAndSwap(nil, &why)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw != nil {
		c.raw.Close()
	}
}

// lose ends the connection and returns the error for the command under way.
func (c *Conn) lose(sent Sent, err error) *LostError {
	if p := c.cause.Load(); p != nil {
		err = *p
	} else {
		err = closedByServer(err)
	}
	if c.lost == nil {
		c.lost = &LostError{NotSent, c.notice, err}
		c.release()
	}
	return &LostError{sent, c.notice, err}
}

// closedByServer names the errors that stand for a connection closed by the
// other side.
func closedByServer(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return ErrServerClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%w: %w", ErrServerClosed, err)
	}
	return err
}

// release gives back what the connection holds.
func (c *Conn) release() {
	c.busy.Store(0)
	c.unhook()
	if c.threaded {
		c.threaded = false
		c.server.threads.Add(-1)
	}
	c.mu.Lock()
	if c.raw != nil {
		c.raw.Close()
	}
	c.mu.Unlock()
	c.server.leave(c)
	c.shrink()
	c.buf, c.scratch = nil, nil
}

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

// closed ends the connection from this side.
func (c *Conn) closed() {
	if c.lost == nil {
		c.lost = &LostError{NotSent, nil, ErrClosed}
		c.release()
	}
}
