package feed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// ListenOptions say how an assistant listens.
type ListenOptions struct {
	// Addr is the host:port to listen on.
	Addr string
	// Keys are the assistant's half of a pair.
	Keys *Keys
	// Linger is how long a stream waits for a mirror whose connection broke. 0:
	// DefaultLinger.
	Linger time.Duration
	// Streams is how many streams there may be at once. 0: DefaultStreams.
	Streams int
	// Trouble is told of connections that come to nothing, and of those that break.
	// It may be called by several goroutines; nil: nobody is told.
	Trouble func(from string, err error)
	// Listen opens the listener in place of a TCP one.
	Listen func() (net.Listener, error)
}

// Listener accepts the streams of mirrors. Any goroutine may call its methods.
type Listener struct {
	options  ListenOptions
	listener net.Listener
	tls      *tls.Config
	instance string
	accepted chan *Stream
	closed   chan struct{}
	wait     sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	streams map[string]*Stream
	conns   map[net.Conn]struct{}
	pending []net.Conn // that have not said who they are, oldest first
	serial  int64      // of the latest link
}

// Listen begins to listen.
func Listen(o ListenOptions) (*Listener, error) {
	if err := o.Keys.forRole(true); err != nil {
		return nil, err
	}
	if o.Linger <= 0 {
		o.Linger = DefaultLinger
	}
	if o.Streams <= 0 {
		o.Streams = DefaultStreams
	}
	if o.Trouble == nil {
		o.Trouble = func(string, error) {}
	}
	if o.Listen == nil {
		o.Listen = func() (net.Listener, error) { return net.Listen("tcp", o.Addr) }
	}
	inner, err := o.Listen()
	if err != nil {
		return nil, fmt.Errorf("listening for mirrors: %w", err)
	}
	l := &Listener{options: o, listener: inner, tls: o.Keys.config(), instance: newID(),
		accepted: make(chan *Stream, o.Streams), closed: make(chan struct{}),
		streams: map[string]*Stream{}, conns: map[net.Conn]struct{}{}}
	l.wait.Add(1)
	go l.run()
	return l, nil
}

// Addr returns the address that the Listener listens on.
func (l *Listener) Addr() net.Addr { return l.listener.Addr() }

// Instance names the Listener: another one has another name.
func (l *Listener) Instance() string { return l.instance }

// Accept waits for a new stream, which the caller is to accept or to refuse.
// It returns net.ErrClosed after Close.
func (l *Listener) Accept(ctx context.Context) (*Stream, error) {
	select {
	case s := <-l.accepted:
		return s, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the Listener and all its streams at once.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return nil
	}
	l.ended = true
	close(l.closed)
	err := l.listener.Close()
	for c := range l.conns {
		c.Close()
	}
	var streams []*Stream
	for _, s := range l.streams {
		streams = append(streams, s)
	}
	l.mu.Unlock()
	for _, s := range streams {
		s.end(ErrGone)
	}
	l.wait.Wait()
	return err
}

// run accepts connections.
func (l *Listener) run() {
	defer l.wait.Done()
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(minPause): // out of files, maybe
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			l.options.Trouble("", fmt.Errorf("accepting a connection: %w", err))
			continue
		}
		if !l.enter(conn) {
			conn.Close()
			return
		}
		go func() {
			defer l.wait.Done()
			err := l.serve(conn)
			l.leave(conn)
			if err != nil && !l.isClosed() {
				l.options.Trouble(conn.RemoteAddr().String(), err)
			}
		}()
	}
}

func (l *Listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// enter takes note of a new connection. One that has waited longest gives way
// when there are too many that have not said who they are.
func (l *Listener) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	if len(l.pending) >= maxPending {
		l.pending[0].Close()
		l.pending = slices.Delete(l.pending, 0, 1)
	}
	l.pending = append(l.pending, conn)
	l.conns[conn] = struct{}{}
	l.wait.Add(1)
	return true
}

// known takes a connection out of those that have not said who they are.
func (l *Listener) known(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.pending, conn); i >= 0 {
		l.pending = slices.Delete(l.pending, i, i+1)
	}
}

func (l *Listener) leave(conn net.Conn) {
	conn.Close()
	l.known(conn)
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
}

// serve speaks with a mirror until the connection ends.
func (l *Listener) serve(raw net.Conn) error {
	conn := tls.Server(newAlive(raw, deadAfter), l.tls)
	p := &peer{conn: raw, from: raw.RemoteAddr().String(), wake: make(chan struct{}, 1)}
	p.r, p.w = newMessageReader(conn), newMessageWriter(conn)
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		p.drain()
		return l.explain(err)
	}
	timer := time.AfterFunc(handshakeTime, func() { raw.Close() })
	hello, err := p.greet()
	timer.Stop()
	if err != nil {
		p.bye(err)
		p.drain()
		return err
	}
	l.known(raw)
	s, err := l.stream(hello, p)
	if err != nil {
		return p.refuse(err)
	}
	return s.serve(p)
}

// explain says what an error of the handshake means.
func (l *Listener) explain(err error) error {
	var head tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &head):
		return fmt.Errorf("no mirror: %w", err)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("the mirror refused our key: %w, or it expired: %s (%w)", ErrKeys, newKeys, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it closed the connection within the TLS handshake (%w)", err)
	}
	return fmt.Errorf("TLS handshake: %w", err)
}

// stream returns the stream that a Hello names: one that is known, or a new
// one, which Accept is told of.
func (l *Listener) stream(h Hello, p *peer) (*Stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, errors.New("the assistant is about to end")
	}
	l.serial++
	p.serial = l.serial
	if s := l.streams[h.Stream]; s != nil {
		return s, nil
	}
	if len(l.streams) >= l.options.Streams {
		return nil, fmt.Errorf("the assistant has %d streams, and takes no more", len(l.streams))
	}
	s := newStream(l, h, p.from)
	select {
	case l.accepted <- s:
	default:
		return nil, errors.New("too many streams wait to be accepted")
	}
	l.streams[h.Stream] = s
	return s, nil
}

// remove forgets a stream.
func (l *Listener) remove(s *Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[s.hello.Stream] == s {
		delete(l.streams, s.hello.Stream)
	}
}
