// Package relay passes connections on from one address to another and tells
// what passes, as the same chunks that a tap sees. It looks at no byte: TLS
// passes as it is. A recorder that is slow never holds a client up: what does
// not fit into the queue is left out and reported as a Gap.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"myreplay/flow"
)

const (
	// QueueBytes limits the bytes that wait to be read as chunks: room for a
	// statement of 16 MiB and its answer.
	QueueBytes = 32 << 20
	// queueItems limits the chunks that wait, whatever their size.
	queueItems = 16384
	// bufferSize is how much is read from a connection at once.
	bufferSize = 32 << 10
	// tickEvery is how often a Tick comes while nothing passes.
	tickEvery = 250 * time.Millisecond
	// dialTimeout limits how long the server may take to accept a connection.
	dialTimeout = 10 * time.Second
	// drainTime is how long open connections may go on after Serve's context
	// ended.
	drainTime = 2 * time.Second
)

// Pair is one address to listen on, and where its connections go.
type Pair struct {
	// Listen is host:port.
	Listen string
	// To is host:port, or the path of a unix socket.
	To string
}

// Relay passes connections on. It is a source of chunks: see Read.
type Relay struct {
	pairs     []Pair
	listeners []net.Listener
	queue     chan item
	queued    atomic.Int64
	last      *item // handed out by Read, its bytes still in use
	buffers   sync.Pool
	ids       atomic.Uint64
	refused   atomic.Uint64
	untold    atomic.Uint64
	open      sync.Map // net.Conn -> nothing
	conns     sync.WaitGroup
	timer     *time.Timer
}

// item is a queued chunk, and the buffer its data lies in.
type item struct {
	chunk  flow.Chunk
	buffer *buffer
}

// buffer holds what was read from a connection. It is used by the copying
// goroutine, which writes it to the other side, and, once told, by the reader of
// the queue; the last of them puts it back into the pool.
type buffer struct {
	bytes [bufferSize]byte
	users atomic.Int32
}

func (r *Relay) newBuffer() *buffer {
	b := r.buffers.Get().(*buffer)
	b.users.Store(1)
	return b
}

func (r *Relay) release(b *buffer) {
	if b.users.Add(-1) == 0 {
		r.buffers.Put(b)
	}
}

// Listen opens the listeners of all pairs.
func Listen(pairs []Pair) (*Relay, error) {
	r := &Relay{pairs: pairs, queue: make(chan item, queueItems), timer: time.NewTimer(tickEvery)}
	r.buffers.New = func() any { return new(buffer) }
	for _, p := range pairs {
		l, err := net.Listen("tcp", p.Listen)
		if err != nil {
			r.close()
			return nil, fmt.Errorf("listening on %s: %w", p.Listen, err)
		}
		r.listeners = append(r.listeners, l)
	}
	return r, nil
}

// Addrs returns the addresses listened on, in the order of the pairs.
func (r *Relay) Addrs() []net.Addr {
	var list []net.Addr
	for _, l := range r.listeners {
		list = append(list, l.Addr())
	}
	return list
}

// Refused counts the connections that could not be passed on because the server
// did not accept them.
func (r *Relay) Refused() uint64 { return r.refused.Load() }

// Untold counts the connections that were passed on without being told, because
// the queue was full when they began.
func (r *Relay) Untold() uint64 { return r.untold.Load() }

func (r *Relay) close() {
	for _, l := range r.listeners {
		l.Close()
	}
}

// Serve accepts and passes on until ctx ends. Then it gives open connections a
// moment to finish, closes them, and makes Read return io.EOF. The error is
// that of a listener that failed.
func (r *Relay) Serve(ctx context.Context) error {
	failed := make(chan error, len(r.listeners))
	for i, l := range r.listeners {
		go func() { failed <- r.accept(l, r.pairs[i].To) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	r.close()
	done := make(chan struct{})
	go func() { r.conns.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(drainTime):
		r.open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		<-done
	}
	close(r.queue)
	return err
}

func (r *Relay) accept(l net.Listener, to string) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			var t interface{ Temporary() bool }
			if errors.As(err, &t) && t.Temporary() { // out of descriptors: others will close
				time.Sleep(10 * time.Millisecond)
				continue
			}
			return fmt.Errorf("accepting on %s: %w", l.Addr(), err)
		}
		r.conns.Add(1)
		go func() {
			defer r.conns.Done()
			r.pass(c, to)
		}()
	}
}

// pass serves one client.
func (r *Relay) pass(client net.Conn, to string) {
	defer client.Close()
	network := "tcp"
	if len(to) > 0 && to[0] == '/' {
		network = "unix"
	}
	server, err := net.DialTimeout(network, to, dialTimeout)
	if err != nil {
		r.refused.Add(1)
		return
	}
	defer server.Close()
	r.open.Store(client, nil)
	r.open.Store(server, nil)
	defer r.open.Delete(client)
	defer r.open.Delete(server)

	conn := &flow.Conn{ID: r.ids.Add(1), Client: addrOf(client.RemoteAddr()), Server: addrOf(server.RemoteAddr())}
	told := r.tell(flow.Chunk{Kind: flow.Open, Conn: conn, At: now()})
	if !told {
		r.untold.Add(1)
		conn = nil
	}
	var both sync.WaitGroup
	both.Add(2)
	var first atomic.Int32 // the side that ended first, plus one
	var lost [2]uint64
	half := func(from, to net.Conn, side flow.Side) {
		defer both.Done()
		lost[side] = r.copy(from, to, conn, side)
		first.CompareAndSwap(0, int32(side)+1)
		closeWrite(to)
	}
	go half(client, server, flow.Client)
	half(server, client, flow.Server)
	both.Wait()
	if told {
		r.ended(conn, flow.Side(first.Load()-1), lost)
	}
}

// ended tells that a connection has ended, and what was lost of it last. Nobody
// waits for the caller any more: it may wait for room in the queue.
func (r *Relay) ended(conn *flow.Conn, first flow.Side, lost [2]uint64) {
	for side, n := range lost {
		if n > 0 {
			r.queue <- item{chunk: flow.Chunk{Kind: flow.Gap, Side: flow.Side(side), Reason: flow.Memory, Conn: conn, At: now(), Lost: n}}
		}
	}
	r.queue <- item{chunk: flow.Chunk{Kind: flow.Close, Side: first, Reason: flow.Finished, Conn: conn, At: now()}}
}

// copy passes the bytes of one side on, each after it was told: so whatever the
// other side answers comes later. Without a conn nothing is told. It returns how
// many bytes were passed on last without having been told.
func (r *Relay) copy(from, to net.Conn, conn *flow.Conn, side flow.Side) (lost uint64) {
	b := r.newBuffer()
	defer func() { r.release(b) }()
	for {
		n, err := from.Read(b.bytes[:])
		if n > 0 {
			c := flow.Chunk{Kind: flow.Data, Side: side, Conn: conn, At: now(), Data: b.bytes[:n]}
			if conn != nil && lost > 0 && r.tell(flow.Chunk{Kind: flow.Gap, Side: side, Reason: flow.Memory, Conn: conn, At: c.At, Lost: lost}) {
				lost = 0
			}
			told := conn != nil && lost == 0 && r.tellData(item{c, b})
			if _, err := to.Write(b.bytes[:n]); err != nil {
				from.Close()
				return lost
			}
			if told {
				r.release(b)
				b = r.newBuffer()
			} else {
				lost += uint64(n)
			}
		}
		if err != nil {
			return lost
		}
	}
}

// tellData queues a chunk with data and tells whether there was room. The
// reader of the queue uses the buffer too from then on, so nothing may be
// written to it any more.
func (r *Relay) tellData(i item) bool {
	n := int64(bufferSize)
	if r.queued.Add(n) > QueueBytes {
		r.queued.Add(-n)
		return false
	}
	i.buffer.users.Add(1)
	select {
	case r.queue <- i:
		return true
	default:
		i.buffer.users.Add(-1)
		r.queued.Add(-n)
		return false
	}
}

// tell queues a chunk without data and tells whether there was room.
func (r *Relay) tell(c flow.Chunk) bool {
	select {
	case r.queue <- item{chunk: c}:
		return true
	default:
		return false
	}
}

// Read returns the next chunk, as capture.Source. It returns io.EOF once Serve
// has ended and everything was read. It must be called until then, from one
// goroutine.
func (r *Relay) Read(c *flow.Chunk) error {
	if r.last != nil {
		r.release(r.last.buffer)
		r.queued.Add(-bufferSize)
		r.last = nil
	}
	r.timer.Reset(tickEvery)
	select {
	case i, ok := <-r.queue:
		if !ok {
			return io.EOF
		}
		if i.buffer != nil {
			r.last = &i
		}
		*c = i.chunk
	case <-r.timer.C:
		*c = flow.Chunk{Kind: flow.Tick, At: now()}
	}
	return nil
}

func now() int64 { return time.Now().UnixNano() }

func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // the other side may be gone already
		return
	}
	c.Close()
}

// addrOf returns the address of a TCP end, and the zero AddrPort of any other.
func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
