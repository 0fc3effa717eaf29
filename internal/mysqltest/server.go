package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running private server. A Restart changes Pid, and what its
// options change, in the fields. The methods may be called from several
// goroutines, Restart excepted.
type Server struct {
	Kind     Kind
	Version  string // as SELECT VERSION() tells it
	User     string // an account with all privileges: AdminUser
	Password string
	Addr     string // "127.0.0.1:PORT", or as At says; "" when there is no TCP port
	Port     int    // of the classic protocol; 0: none
	XPort    int    // of the X Protocol; 0: none
	Socket   string // unix socket of the classic protocol
	XSocket  string // unix socket of the X Protocol; "": none
	CA       string // PEM file that verifies the server's certificate; "" with NoTLS
	Dir      string // the server's folder: data, files, error.log
	Pid      int

	root root
	opts options
	lock *os.File
	db   *sql.DB
	made int // how many of the options' users exist

	mu       sync.Mutex
	proc     *Process
	expected bool // the process was told to end
}

// Limits of starting and stopping.
const (
	startTries   = 3                     // with new ports each time
	startTimeout = 60 * time.Second      // until the first answer
	startPoll    = 10 * time.Millisecond // between two looks
	stopTimeout  = 60 * time.Second      // of a clean stop
	maxSocket    = 107                   // bytes of a unix socket's path
)

// Launch starts a server outside of a test, as Start does in one. Whoever
// launches a server closes it; it ends with the process in any case.
func Launch(kind Kind, opts ...Option) (*Server, error) {
	o := defaults()
	for _, set := range opts {
		set(&o)
	}
	r, err := kind.recipe().install()
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: kind, User: AdminUser, Password: AdminPassword, root: r, opts: o}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %v: %w", kind, err), s.Close())
	}
	if err := s.startAnywhere(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %v: %w", kind, err), s.Close())
	}
	return s, nil
}

// Prepare unpacks and initialises a kind of server, so that its first start is
// as quick as the others.
func Prepare(kind Kind) error {
	r, err := kind.recipe().install()
	if err == nil {
		_, err = template(kind, r)
	}
	return err
}

// prepare makes the server's folder and data directory.
func (s *Server) prepare() error {
	dir, lock, err := newRunDir(s.Kind)
	if err != nil {
		return err
	}
	s.Dir, s.lock = dir, lock
	s.Socket = filepath.Join(dir, "my.sock")
	if s.Kind.mysql() {
		s.XSocket = filepath.Join(dir, "myx.sock")
	}
	if n := max(len(s.Socket), len(s.XSocket)); n > maxSocket {
		return fmt.Errorf("the path of %s is too long for a unix socket: set %s to a shorter one", s.Socket, cacheVariable)
	}
	if err := os.Mkdir(s.filesDir(), 0o755); err != nil {
		return err
	}
	if s.opts.suite != nil {
		if err := s.opts.suite.layOut(dir); err != nil {
			return err
		}
	}
	if err := newDataDir(s.Kind, s.root, s.dataDir()); err != nil {
		return err
	}
	s.db = s.open()
	return nil
}

func (s *Server) dataDir() string {
	if s.opts.suite != nil {
		return filepath.Join(s.Dir, "mysqld.1", "data")
	}
	return filepath.Join(s.Dir, "data")
}

func (s *Server) filesDir() string { return filepath.Join(s.Dir, "files") }
func (s *Server) logFile() string  { return filepath.Join(s.Dir, "error.log") }

// startAnywhere starts the server on free ports.
func (s *Server) startAnywhere() error {
	for try := 1; ; try++ {
		if err := s.choosePorts(); err != nil {
			return err
		}
		err := s.start()
		if !errors.Is(err, errPortTaken) || try == startTries || s.opts.place.addr.IsValid() {
			return err
		}
	}
}

func (s *Server) choosePorts() (err error) {
	if !s.listens() {
		return nil
	}
	if p := s.opts.place; p.addr.IsValid() {
		s.Port, s.Addr = p.port, netip.AddrPortFrom(p.addr, uint16(p.port)).String()
		if s.Kind.mysql() {
			s.XPort = p.xport
		}
		return nil
	}
	if s.Port, err = freePort(); err != nil {
		return err
	}
	s.Addr = "127.0.0.1:" + strconv.Itoa(s.Port)
	if s.Kind.mysql() {
		s.XPort, err = freePort()
	}
	return err
}

// host is the address that clients are told.
func (s *Server) host() string {
	if s.opts.place.addr.IsValid() {
		return s.opts.place.addr.String()
	}
	return "127.0.0.1"
}

// bind is the address that the server listens on, "*" for all.
func (s *Server) bind() string {
	if s.opts.place.addr.IsValid() {
		return "*"
	}
	return s.host()
}

// listens tells whether the server opens TCP ports.
func (s *Server) listens() bool { return !s.Kind.mysql() || !s.opts.skipGrants }

var errPortTaken = errors.New("another program took the port")

// start starts the server program and waits for its first answer. When it
// fails, nothing runs.
func (s *Server) start() error {
	if !s.listens() {
		s.Addr, s.Port, s.XPort = "", 0, 0
	}
	args, err := s.args()
	if err != nil {
		return err
	}
	cmd, log, err := s.command(args)
	if err != nil {
		return err
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	p, err := startProcess(cmd)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.proc, s.expected, s.Pid = p, false, p.Pid()
	s.mu.Unlock()
	err = s.awaitReady(begin)
	if err == nil {
		err = s.checkConnections()
	}
	if err == nil {
		err = s.makeUsers()
	}
	if err != nil {
		s.Kill()
	}
	return err
}

// checkConnections makes sure that the server takes as many connections as it
// was told to: it takes fewer when it may not open enough files.
func (s *Server) checkConnections() error {
	overridden := slices.ContainsFunc(s.opts.args, func(a string) bool {
		return strings.HasPrefix(strings.ReplaceAll(a, "_", "-"), "--max-connections")
	})
	if overridden {
		return nil
	}
	var n int
	if err := s.db.QueryRow("SELECT @@max_connections").Scan(&n); err != nil {
		return err
	}
	if n < s.opts.maxConnections {
		return fmt.Errorf("it takes %d connections, not %d: raise the limit of open files (ulimit -n)", n, s.opts.maxConnections)
	}
	return nil
}

// awaitReady waits until the server answers on its socket and listens on its
// ports. begin is where the log of this start begins.
func (s *Server) awaitReady(begin int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		ready := s.ready(ctx)
		log := s.logFrom(begin)
		switch {
		case strings.Contains(log, "Address already in use"):
			return errPortTaken
		case ready:
			return nil
		case !s.proc.running():
			return fmt.Errorf("it ended (%v); its log ends with: %s", s.proc.Cmd.ProcessState, endOf(log))
		case ctx.Err() != nil:
			return fmt.Errorf("no answer after %v; its log ends with: %s", startTimeout, endOf(log))
		}
		time.Sleep(startPoll)
	}
}

// ready asks the server on its socket, which nobody else can listen on.
func (s *Server) ready(ctx context.Context) bool {
	if s.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&s.Version) != nil {
		return false
	}
	if s.XPort == 0 {
		return true
	}
	var name, port string
	err := s.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Mysqlx_port'").Scan(&name, &port)
	if errors.Is(err, sql.ErrNoRows) { // an argument switched the X Protocol off
		s.XPort, s.XSocket = 0, ""
		return true
	}
	return err == nil && port == strconv.Itoa(s.XPort)
}

// makeUsers makes the users that the options ask for and that are not there yet.
func (s *Server) makeUsers() error {
	for _, u := range s.opts.users[s.made:] {
		if s.opts.skipGrants {
			return errors.New("a server that skips its grant tables makes no users")
		}
		for _, statement := range u.statements(s.Kind) {
			if _, err := s.db.Exec(statement); err != nil {
				return fmt.Errorf("user %s: %w", u.Name, err)
			}
		}
		s.made++
	}
	return nil
}

// logFrom returns the server's log from an offset on, "" when it is unreadable.
func (s *Server) logFrom(begin int64) string {
	text, err := os.ReadFile(s.logFile())
	if err != nil || int64(len(text)) < begin {
		return ""
	}
	return string(text[begin:])
}

// died tells whether the server ended without being told to, and how its log
// ends.
func (s *Server) died() (tail string, died bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.expected || s.proc.running() {
		return "", false
	}
	return strings.Join(lastLines(s.logFrom(0), 20), "\n"), true
}

// Stop ends the server in its orderly way, which takes MySQL a second, and two
// more when clients are connected. A server that has ended stays so.
func (s *Server) Stop() error {
	p := s.expectEnd()
	if p == nil {
		return nil
	}
	s.db.SetMaxIdleConns(0) // the server would wait for them
	s.db.SetMaxIdleConns(idleConns)
	if err := errors.Join(p.Signal(syscall.SIGTERM), p.Signal(syscall.SIGCONT)); err != nil {
		return fmt.Errorf("stop %v: %w", s.Kind, err)
	}
	select {
	case <-p.Done():
		return nil
	case <-time.After(stopTimeout):
		p.Kill()
		return fmt.Errorf("stop %v: it had to be killed after %v", s.Kind, stopTimeout)
	}
}

// Kill ends the server at once (SIGKILL), as a crash would.
func (s *Server) Kill() {
	if p := s.expectEnd(); p != nil {
		p.Kill()
	}
}

func (s *Server) expectEnd() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected = true
	return s.proc
}

// Freeze stops the server's process where it is: connections stay, and when it
// has returned nothing is answered. Thaw lets it go on.
func (s *Server) Freeze() error {
	if err := s.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return awaitStop(s.Pid)
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.Signal(sig)
}

// Restart stops the server, unless it is stopped, and starts it again with the
// same data, ports and options, and with those given besides.
func (s *Server) Restart(t testing.TB, opts ...Option) {
	t.Helper()
	if err := s.restart(opts); err != nil {
		t.Fatalf("restart %v: %v", s.Kind, err)
	}
}

func (s *Server) restart(opts []Option) error {
	if err := s.Stop(); err != nil {
		return err
	}
	for _, set := range opts {
		set(&s.opts)
	}
	return s.start()
}

// Close kills the server and removes its folder.
func (s *Server) Close() error {
	if s.db != nil {
		s.db.Close() // its errors are those of connections to a server that has ended
	}
	s.Kill()
	if s.lock == nil {
		return nil // never prepared, or closed before
	}
	err := errors.Join(os.RemoveAll(s.Dir), s.lock.Close())
	s.lock = nil
	return err
}
