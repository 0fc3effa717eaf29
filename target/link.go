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

// link is a connection's life, whatever protocol it speaks: the socket and who
// may close it, what became of it, and the memory that it borrows.
type link struct {
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

	slab    outcome.Slab
	lent    *outcome.Slab // where slab goes back
	buf     []byte
	big     *[bigBuffer]byte
	scratch []byte // rewritten commands

	pins pins
}

// begin readies a link for a session.
func (c *link) begin(ctx context.Context, s *Server, start *session.Start) {
	c.server, c.ctx, c.start = s, ctx, start
	c.recorded = recordedConn{start.Copy, start.ConnectionID}
	c.buf = make([]byte, smallBuffer)
	c.unhook = context.AfterFunc(ctx, func() { c.abort(context.Cause(ctx)) })
}

// Start returns what a run's Start says of the connection: everything but the
// run's own session id.
func (c *link) Start() session.Start { return c.seen }

// hold makes nc what abort closes.
func (c *link) hold(nc net.Conn) {
	c.mu.Lock()
	c.raw = nc
	c.mu.Unlock()
	if c.cause.Load() != nil {
		nc.Close()
	}
}

// takeThread gives the connection a thread of its own, if there is one left. free
// tells that nothing lies in its buffer.
func (c *link) takeThread(free bool) {
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
	if free && len(c.buf) < threadBuffer {
		c.buf = make([]byte, threadBuffer)
	}
	c.nc = onThread(c.nc, &c.server.threads)
	c.hold(c.nc)
}

// abort closes the connection for a reason, from any goroutine. The first
// reason counts.
func (c *link) abort(why error) {
	c.cause.CompareAndSwap(nil, &why)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw != nil {
		c.raw.Close()
	}
}

// lose ends the connection and returns the error for the command under way.
func (c *link) lose(sent Sent, err error) *LostError {
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
func (c *link) release() {
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

// closed ends the connection from this side.
func (c *link) closed() {
	if c.lost == nil {
		c.lost = &LostError{NotSent, nil, ErrClosed}
		c.release()
	}
}

// in returns the buffer in use.
func (c *link) in() []byte {
	if c.big != nil {
		return c.big[:]
	}
	return c.buf
}

// grow borrows a big buffer.
func (c *link) grow() {
	if c.big == nil {
		c.big = c.server.buffers.Get().(*[bigBuffer]byte)
	}
}

// shrink gives the big buffer back.
func (c *link) shrink() {
	if c.big != nil {
		c.server.buffers.Put(c.big)
		c.big = nil
	}
}

// room returns an empty buffer for n bytes.
func (c *link) room(n int) []byte {
	switch {
	case n > bigBuffer:
		return make([]byte, 0, n)
	case n > smallBuffer:
		c.grow()
	}
	return c.in()[:0]
}

// borrow takes memory for a reply.
func (c *link) borrow() {
	c.lent = c.server.slabs.Get().(*outcome.Slab)
	c.slab = *c.lent
}

// giveBack gives the memory for replies back.
func (c *link) giveBack() {
	*c.lent, c.slab = c.slab, outcome.Slab{}
	c.server.slabs.Put(c.lent)
	c.lent = nil
}

// dialIn dials and has logIn log in, within the connect timeout. Its error is a
// *ConnectError; the connection is closed then. nc is the bare connection.
func (c *link) dialIn(user string, logIn func(context.Context) error) (at int64, nc net.Conn, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.server.options.ConnectTimeout)
	defer cancel()
	at = c.server.Now()
	if nc, err = c.server.dial(ctx, c.start); err != nil {
		return at, nil, &ConnectError{Step: "dial", User: user, Err: timedOut(ctx, err)}
	}
	c.nc = nc
	c.hold(nc)
	deadline, _ := ctx.Deadline()
	if err = nc.SetDeadline(deadline); err == nil {
		err = logIn(ctx)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err == nil {
		return at, nc, nil
	}
	nc.Close()
	var ce *ConnectError
	if !errors.As(err, &ce) {
		ce = &ConnectError{Step: "login", User: user, Err: closedByServer(err)}
	}
	ce.Err = timedOut(ctx, ce.Err)
	return at, nil, ce
}

// givenUp ends a link that found no connection, and returns why: the end of its
// context, where that is the reason, else err.
func (c *link) givenUp(user string, err error) error {
	c.unhook()
	if p := c.cause.Load(); p != nil {
		return &ConnectError{Step: "login", User: user, Err: *p}
	}
	return err
}

// timedOut adds to an error that it came because the time for the login was up.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrConnectTimeout, err)
	}
	return err
}

func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}
