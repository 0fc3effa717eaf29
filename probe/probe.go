// Package probe asks a server about itself and about the sessions that are open
// on it: who they are, and what they have set up, so that a recording that
// began in the middle of their lives can be replayed. It only reads.
//
// What a server can tell differs. MySQL tells session variables, user
// variables, prepared statements and transactions by its performance schema;
// MariaDB tells no session variables, and the rest only with its performance
// schema on, which it is not by default. What is not told is named in
// session.State.Unknown, and in Sessions.Remarks with what mends it.
//
// No server tells of a session's locks (LOCK TABLES, GET_LOCK), HANDLERs, roles,
// last insert id, diagnostics, or the types of user variables.
package probe

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Limits of what is taken from a server. Past one of them the answer ends, and
// that is said.
const (
	// DefaultTimeout is how long one call may take.
	DefaultTimeout = 10 * time.Second
	// MaxSessions is how many sessions are read.
	MaxSessions = 100_000
	// MaxVariables is how many rows are read of each: session variables, user
	// variables, prepared statements.
	MaxVariables = 1_000_000
	// MaxValue is how many bytes of a user variable are read; a longer one is
	// unknown.
	MaxValue = 64 << 10
	// MaxText is how many bytes all texts and values of one call may have.
	MaxText = 128 << 20
	// MaxGTID is how many bytes of a GTID position are read.
	MaxGTID = 256 << 10
	// maxAnswer is how many bytes a server may send in one call.
	maxAnswer = 512 << 20
)

// Options say which server is asked, and as whom.
type Options struct {
	// Network is "tcp" or "unix", "" for "tcp"; Address is "host:port", or the
	// socket's path.
	Network, Address string
	User, Password   string
	// TLS is how the connection is encrypted; nil: not at all. With Preferred it
	// is not encrypted either when the server has no TLS.
	TLS       *tls.Config
	Preferred bool
	// Timeout is how long one call may take; 0: DefaultTimeout.
	Timeout time.Duration
	// Now tells the local time in nanoseconds since the Unix epoch.
	Now func() int64
}

// Server is a server that can be asked. It may be used by several goroutines,
// which wait for each other: it has one connection, which it opens when asked,
// again after the server was restarted, and closes when it is idle.
type Server struct {
	db      *sql.DB
	now     func() int64
	timeout time.Duration
	budget  budget

	mu         sync.Mutex
	collations map[string]uint16 // ids by name; nil: not asked yet
	own        []netip.AddrPort  // of its connections
	kind       kind
	locksAt    int64 // when a MariaDB server was asked for lock waits last
}

// idleTime is how long the connection stays open between two calls.
const idleTime = time.Minute

// Open connects to a server and logs in. It fails when that can't be done.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		return nil, errors.New("a probe needs a clock")
	}
	s := &Server{now: o.Now, timeout: o.Timeout}
	if s.timeout <= 0 {
		s.timeout = DefaultTimeout
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd = o.Network, o.Address, o.User, o.Password
	if c.Net == "" {
		c.Net = "tcp"
	}
	c.TLS, c.AllowFallbackToPlaintext = o.TLS, o.Preferred
	c.Timeout, c.ReadTimeout, c.WriteTimeout = s.timeout, s.timeout, s.timeout
	c.ConnectionAttributes = "program_name:myreplay probe"
	c.Logger = &mysql.NopLogger{}
	c.DialFunc = s.dial
	// Whatever the server's defaults are: no open transaction, no cut answers.
	c.Params = map[string]string{"autocommit": "1", "sql_select_limit": "18446744073709551615"}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", o.Address, err)
	}
	s.db = sql.OpenDB(connector)
	s.db.SetMaxOpenConns(1)
	s.db.SetConnMaxIdleTime(idleTime)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	s.budget.left.Store(maxAnswer)
	if err := s.db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("asking %s: %w", o.Address, err), s.db.Close())
	}
	return s, nil
}

// Close ends the connection.
func (s *Server) Close() error { return s.db.Close() }

// dial connects, with a limit to what is read.
func (s *Server) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		s.mu.Lock()
		s.own = append(s.own, plain(a.AddrPort()))
		s.mu.Unlock()
	}
	return &limited{c, &s.budget}, nil
}

// Own returns the addresses from which the server has been asked, so that a
// recorder can leave these sessions out. A connection by a socket has none.
func (s *Server) Own() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.own)
}

// budget is how many bytes the server may still send.
type budget struct{ left atomic.Int64 }

// limited is a connection that fails when the server sends too much: the driver
// itself reads rows of any length.
type limited struct {
	net.Conn
	budget *budget
}

var errTooMuch = errors.New("the server sent too much")

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.budget.left.Add(-int64(n)) < 0 {
		return 0, errTooMuch
	}
	return n, err
}

// SyscallConn lets the driver look whether the server has closed.
func (l *limited) SyscallConn() (syscall.RawConn, error) {
	if c, ok := l.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.New("not a socket")
}
