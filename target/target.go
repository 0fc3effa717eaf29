// Package target turns recorded commands into live ones. It connects to a
// server as the recorded session did, logs in for real, sends what was sent
// with ids and names mapped, and reads and digests every answer. Where what was
// recorded has no equal on the target it says so and sends nothing: never bytes
// that the target would read differently than the source did.
//
// docs/PROTOCOLS.md says which commands are carried and how.
package target

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"myreplay/classic"
	"myreplay/outcome"
	"myreplay/session"
)

const (
	// DefaultConnectTimeout is how long dialling and logging in may take.
	DefaultConnectTimeout = 10 * time.Second
	// DefaultFrameLimit is how many bytes of one row are kept to digest it.
	DefaultFrameLimit = 64 << 20
)

// Options say how sessions come to life on the target. The zero Options log in
// as nobody: set Users.
type Options struct {
	// Outcome says how replies are digested and what is kept of them.
	Outcome outcome.Options
	// Users tells who logs in for a recorded user, until SetUsers says otherwise.
	Users Users
	// Schemas maps recorded schema names to the target's, at login and in INIT_DB
	// and CHANGE_USER. A name that is not in it stays as it is. Names within
	// statements are not touched.
	Schemas map[string]string
	// Values: where a UUID or the microseconds of a time that the source made up come
	// back in a command, the target's own are sent (Pin.Recorded, Conn.Learn).
	Values bool
	// ConnectTimeout limits dialling and logging in. 0: DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// ReplyTimeout limits how long a reply may take, from when its command was
	// begun to its last byte; a connection over it is closed with ErrTimeout,
	// about a second late at most. 0: no limit.
	ReplyTimeout time.Duration
	// ReplyLimit limits the bytes of one reply; a connection over it is closed
	// with ErrReplyTooLong. 0: no limit.
	ReplyLimit uint64
	// FrameLimit is how many bytes of one row are kept to digest it; a longer row
	// is counted and its result's digest is not valid. 0: DefaultFrameLimit.
	FrameLimit int
	// Threads is how many connections may keep a thread of their own, which halves
	// the CPU of a round trip and suits a replay without pauses: a thread in the
	// kernel is slow to make room for a timer that is due. Those with TLS never
	// do, those of the X Protocol, and those past this number.
	Threads int
	// Dial opens the connection for a session instead of dialling the URL's
	// address.
	Dial func(context.Context, *session.Start) (net.Conn, error)
}

// Server is a server that sessions are replayed on. It may be used by many
// goroutines.
type Server struct {
	url     URL
	options Options
	users   atomic.Pointer[Users]
	tls     *tls.Config // nil: never TLS
	key     rsaKey
	columns *outcome.Interner
	counts  counters
	slabs   sync.Pool // of *outcome.Slab
	buffers sync.Pool // of *[bigBuffer]byte

	// began and epoch are the same moment: times are taken from the monotonic
	// clock, so that they never step back.
	began time.Time
	epoch int64

	threads atomic.Int64 // connections that keep one

	documents documentIDs
	values    madeValues
	times     madeTimes

	mu    sync.Mutex
	conns map[*link]struct{}
	live  map[recordedConn]*link
	watch *time.Timer // runs look while there are connections
}

// recordedConn names a connection of the recording within a replay.
type recordedConn struct {
	copy uint32
	id   uint32
}

// New returns a Server for the URL. It reads the certificates that the URL
// names, and does not connect.
func New(u *URL, o Options) (*Server, error) {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = DefaultConnectTimeout
	}
	if o.FrameLimit <= 0 {
		o.FrameLimit = DefaultFrameLimit
	}
	s := &Server{url: *u, options: o, columns: outcome.NewInterner(), began: time.Now(),
		conns: map[*link]struct{}{}, live: map[recordedConn]*link{}}
	s.epoch = s.began.UnixNano()
	s.columns.Since(s.epoch)
	s.SetUsers(o.Users)
	s.slabs.New = func() any { return new(outcome.Slab) }
	s.buffers.New = func() any { return new([bigBuffer]byte) }
	var err error
	if s.tls, err = u.TLSConfig(); err != nil {
		return nil, err
	}
	if u.ServerKey != "" {
		if err := s.key.pin(u.ServerKey); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Now returns the time that replies and sends are stamped with: nanoseconds
// since the Unix epoch, from a clock that never steps back.
func (s *Server) Now() int64 { return s.epoch + int64(time.Since(s.began)) }

// Live returns the target's id of the connection that replays the recorded one,
// for KILL; false when there is none open. copy is which copy of the session it
// is (session.Start.Copy).
//
// It is always false where the X Protocol is spoken: its ids are not those of
// SHOW PROCESSLIST, which KILL means.
func (s *Server) Live(copy, recorded uint32) (uint32, bool) {
	if s.url.Protocol == session.X {
		return 0, false
	}
	return s.counterpart(copy, recorded)
}

// counterpart returns the target's id of the connection that replays the
// recorded one.
func (s *Server) counterpart(copy, recorded uint32) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.live[recordedConn{copy, recorded}]
	if c == nil {
		return 0, false
	}
	return c.liveID, true
}

// enter takes note of a connection that logged in, with the target's id for it.
func (s *Server) enter(c *link, id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.liveID = id
	s.conns[c] = struct{}{}
	if c.recorded.id != 0 {
		s.live[c.recorded] = c
	}
	if s.options.ReplyTimeout > 0 && s.watch == nil {
		s.watch = time.AfterFunc(s.every(), s.look)
	}
}

// leave forgets a connection that is no more.
func (s *Server) leave(c *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.live[c.recorded] == c {
		delete(s.live, c.recorded)
	}
	if len(s.conns) == 0 && s.watch != nil {
		s.watch.Stop()
		s.watch = nil
	}
}

// watchEvery is how often connections are looked at for replies that take too
// long: one look at all of them costs less than a timer for each command.
const watchEvery = time.Second

func (s *Server) every() time.Duration { return min(watchEvery, s.options.ReplyTimeout) }

// look closes the connections whose reply takes longer than ReplyTimeout.
func (s *Server) look() {
	limit := s.Now() - int64(s.options.ReplyTimeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		since := c.busy.Load()
		if since > 0 && since < limit && c.busy.CompareAndSwap(since, 0) {
			c.abort(ErrTimeout)
		}
	}
	if s.watch != nil {
		s.watch.Reset(s.every())
	}
}

// Threads returns how many connections keep a thread of their own now.
func (s *Server) Threads() int { return int(s.threads.Load()) }

// schema returns the target's name for a recorded schema.
func (s *Server) schema(recorded string) string {
	if name, ok := s.options.Schemas[recorded]; ok {
		return name
	}
	return recorded
}

// Connect opens the connection that replays the session: it dials, logs in as
// Users says, and negotiates what the recorded session had negotiated, as far as
// the server offers it. A session that was joined gets back what its State says,
// as far as the server lets it. ctx is for the connection's whole life: when it is done
// the connection is closed, whatever goes on.
//
// Errors are *ConnectError. One that wraps ErrNoCredentials was not even
// dialled.
func (s *Server) Connect(ctx context.Context, start *session.Start) (*Conn, error) {
	if err := s.speaks(session.Classic, start); err != nil {
		return nil, err
	}
	c := newConn(ctx, s, start)
	if err := c.open(&start.Login); err != nil {
		return nil, err
	}
	if err := c.restore(start.State); err != nil {
		return nil, err
	}
	return c, nil
}

// SetUsers says who logs in from now on. Connections that are open stay who they
// are. It may be called while others use the Server.
func (s *Server) SetUsers(u Users) { s.users.Store(&u) }

// account returns who logs in for a recorded user. Its error is a
// *ConnectError.
func (s *Server) account(recorded string) (account, error) {
	a, err := s.users.Load().account(recorded)
	if err != nil {
		return a, &ConnectError{Step: "credentials", User: recorded, Err: err}
	}
	if a.user == "" {
		a.user = s.url.User
	}
	return a, nil
}

// dial opens the bare connection for a session.
func (s *Server) dial(ctx context.Context, start *session.Start) (net.Conn, error) {
	if s.options.Dial != nil {
		return s.options.Dial(ctx, start)
	}
	var d net.Dialer
	return d.DialContext(ctx, s.url.Network, s.url.Address)
}

// isMaria tells whether the server that greeted is MariaDB.
func isMaria(g *classic.Greeting) bool {
	return g.Maria() || !g.Capabilities.Has(classic.LongPassword)
}

// String names the server for a reader.
func (s *Server) String() string { return fmt.Sprint(&s.url) }
