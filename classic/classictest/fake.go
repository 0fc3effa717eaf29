package classictest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"myreplay/classic"
)

// Server is a fake server that plays a script: what a real one would say, or
// must never say. The zero Server greets, lets everybody in and answers every
// command with an error that repeats it.
//
// Its script is a conversation as Script reads it. Lines up to the first command
// are the login's: "S greeting", "S switch", "S more", "S ok" or "S err", with
// "C auth" where it waits for the client; what is left out is put in. Then
// every command ("C query select 1") is followed by its answer. A client's
// command is answered by the first entry not yet used whose bytes are the same,
// else by the last one of those; "C *" stands for any command. "C data" and
// "C auth" within an answer wait for the client's next frame. Besides Script's
// lines an answer may have
//
//	S seq N LINE    LINE with sequence ids from N
//	S cut N LINE    the first N bytes of LINE, then the connection is closed
//	S slow LINE     byte by byte
//	S close         the connection is closed
//	S silence       nothing more, until the client closes
type Server struct {
	Script string
	// TLS is the server's side of TLS; needed when a client asks for it.
	TLS *tls.Config
	// Login, when set, plays the authentication from the client's login on,
	// instead of the script; it ends with Peer.Send("ok") or an error line.
	Login func(p *Peer) error
	// Answer, when set, answers the commands instead of the script.
	Answer func(p *Peer, command []byte) error

	mu     sync.Mutex
	got    [][]string // by connection
	logins []classic.Login
	served sync.WaitGroup
}

// Got returns what clients sent so far, one connection after the other, one line
// each: commands as script lines name them, files' pieces as "data TEXT",
// authentication as "auth".
func (s *Server) Got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.got...)
}

// Logins returns the logins so far, with their authentication bytes.
func (s *Server) Logins() []classic.Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]classic.Login(nil), s.logins...)
}

// accepted takes note of a connection and returns its number.
func (s *Server) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, nil)
	return len(s.got) - 1
}

// note takes note of what the client sent.
func (p *Peer) note(line string) {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.server.got[p.number] = append(p.server.got[p.number], line)
}

// Pipe returns the client's end of a connection to the server.
func (s *Server) Pipe() net.Conn {
	client, server := net.Pipe()
	s.serve(server)
	return client
}

// serve serves a connection beside the caller, and closes it.
func (s *Server) serve(nc net.Conn) {
	s.served.Go(func() {
		defer nc.Close()
		_ = s.Serve(nc) // the client sees what becomes of it
	})
}

// Wait waits until all connections have ended, so that Got is complete.
func (s *Server) Wait() { s.served.Wait() }

// Listen serves on a free port of the loopback interface until the test ends,
// and returns its address.
func (s *Server) Listen(t testing.TB) string {
	t.Helper()
	return s.listen(t, "tcp4", "127.0.0.1:0")
}

// ListenUnix does so on a unix socket, and returns its path.
func (s *Server) ListenUnix(t testing.TB) string {
	t.Helper()
	return s.listen(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func (s *Server) listen(t testing.TB, network, addr string) string {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(nc)
		}
	}()
	return l.Addr().String()
}

// Serve plays the script on one connection until it ends. It does not close it.
func (s *Server) Serve(nc net.Conn) error {
	p := &Peer{server: s, number: s.accepted(), conn: nc, buf: make([]byte, 64<<10), params: map[uint32]int{}, long: map[uint32]map[int]bool{}}
	err := p.play(s.Script)
	if errors.Is(err, errPlayed) {
		err = nil
	}
	return errors.Join(err, p.Flush())
}

// errPlayed ends a connection on which there is nothing more to say.
var errPlayed = errors.New("played to the end")

// Peer is one connection of a Server.
type Peer struct {
	// State is told all that passes.
	State classic.State

	server *Server
	number int
	conn   net.Conn
	in     classic.Framer // what the client sends
	out    classic.Framer // what is sent to it
	script Script
	frame  classic.Frame
	buf    []byte
	unsent []byte
	params map[uint32]int // of each prepared statement
	long   map[uint32]map[int]bool

	compressed classic.Compression
}

// Read returns the client's next frame, borrowed until the next call, and what
// it is. TLS, where the client asks for it, is set up on the way.
func (p *Peer) Read() (*classic.Frame, classic.ClientPart, error) {
	if err := p.Flush(); err != nil {
		return nil, 0, err
	}
	for {
		ok, err := p.in.Next(&p.frame)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			part, err := p.took()
			if err == nil && part == classic.ClientSSLRequest {
				err = p.startTLS()
				if err == nil {
					continue
				}
			}
			return &p.frame, part, err
		}
		n, err := p.conn.Read(p.buf)
		if n == 0 && err != nil {
			return nil, 0, err
		}
		p.in.Feed(p.buf[:n])
	}
}

// took takes note of the client's frame.
func (p *Peer) took() (classic.ClientPart, error) {
	part, err := p.State.Client(&p.frame)
	if err != nil {
		return part, err
	}
	s := &p.script
	s.seq, s.packSeq = p.frame.Last+1, p.in.CompressedSeq()+1
	switch part {
	case classic.ClientLogin:
		s.caps, s.pending = p.State.Caps, classic.CompressionOf(p.State.Caps)
		var l classic.Login
		if err := l.Decode(p.frame.Payload); err != nil {
			return part, err
		}
		l.Auth = append([]byte(nil), l.Auth...)
		p.server.mu.Lock()
		p.server.logins = append(p.server.logins, l)
		p.server.mu.Unlock()
	case classic.ClientAuthData:
		p.note("auth")
	case classic.ClientFileData:
		p.note(line("data", shorten(p.frame.Payload)))
	case classic.ClientCommand:
		code := classic.Code(p.frame.Payload[0])
		s.binary = code == classic.ComStmtExecute || code == classic.ComStmtFetch || code == classic.ComStmtBulkExecute
		p.note(p.describe(p.frame.Payload))
	}
	return part, nil
}

func (p *Peer) startTLS() error {
	if p.server.TLS == nil {
		return errors.New("the client asks for TLS")
	}
	t := tls.Server(&resumed{p.conn, append([]byte(nil), p.in.Rest()...)}, p.server.TLS)
	if err := t.Handshake(); err != nil {
		return err
	}
	p.conn = t
	p.State.TLSDone()
	return nil
}

// resumed is a connection of which some bytes were read too much.
type resumed struct {
	net.Conn
	before []byte
}

// Read returns those bytes first.
func (r *resumed) Read(b []byte) (int, error) {
	if len(r.before) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.before)
	r.before = r.before[n:]
	return n, nil
}

// Send sends a server's line, written without its "S"; see SendBytes.
func (p *Peer) Send(text string) error {
	b, err := p.bytes(text)
	if err != nil {
		return err
	}
	return p.SendBytes(b)
}

// bytes makes the bytes of a server's line.
func (p *Peer) bytes(text string) ([]byte, error) {
	m, err := p.script.Line("S " + text)
	if err != nil {
		return nil, err
	}
	p.prepared(text)
	p.out.Feed(m.Bytes)
	var f classic.Frame
	for {
		ok, err := p.out.Next(&f)
		if !ok || err != nil { // what is wrong on purpose is none of State's business
			break
		}
		if _, _, err := p.State.Server(&f); err != nil {
			break
		}
	}
	if z := p.State.Compressed; z != p.compressed {
		p.compressed = z
		p.in.SetCompression(z)
		p.out.SetCompression(z)
	}
	return m.Bytes, nil
}

// SendBytes sends bytes as they are. What is sent goes out in one piece when the
// Server next waits for the client, as a real server flushes its answers.
func (p *Peer) SendBytes(b []byte) error {
	p.unsent = append(p.unsent, b...)
	return nil
}

// Flush writes what was sent.
func (p *Peer) Flush() error {
	if len(p.unsent) == 0 {
		return nil
	}
	_, err := p.conn.Write(p.unsent)
	p.unsent = p.unsent[:0]
	return err
}

// slowly is the pause between two bytes of a slow line.
const slowly = time.Millisecond

func (p *Peer) sendSlowly(b []byte) error {
	if err := p.Flush(); err != nil {
		return err
	}
	for i := range b {
		if _, err := p.conn.Write(b[i : i+1]); err != nil {
			return err
		}
		time.Sleep(slowly)
	}
	return nil
}

// silence waits until the client closes.
func (p *Peer) silence() error {
	if err := p.Flush(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, p.conn); err != nil {
		return err
	}
	return errPlayed
}
