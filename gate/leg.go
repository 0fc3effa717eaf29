package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"myreplay/flow"
)

// silence is how long a connection may take for its next byte, or to take one,
// before it is handed over.
const silence = 30 * time.Second

// leg is one of the two connections of a relayed one.
type leg struct {
	net.Conn  // in TLS once there is any
	side      flow.Side
	raw       net.Conn // as given to Open
	encrypted bool
	unix      bool
	next      byte // sequence id of the next frame of an exchange, on this leg

	// early holds bytes that were read before they were needed: part of a
	// frame's header.
	early []byte
	err   error // of reading, not told yet
	// patient: it was handed over, and may take its time.
	patient bool

	// out is held while something is told and written to the leg.
	out sync.Mutex

	mu    sync.Mutex
	ended bool // the context ended: deadlines stay in the past
}

func newLeg(c net.Conn, side flow.Side) *leg {
	return &leg{Conn: c, raw: c, side: side, unix: c.RemoteAddr() != nil && c.RemoteAddr().Network() == "unix"}
}

// past is a deadline that makes reads and writes return at once.
var past = time.Unix(1, 0)

// reading sets the deadline of reads.
func (l *leg) reading(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		t = past
	}
	_ = l.raw.SetReadDeadline(t) // what fails here fails when reading, too
}

// writing sets the deadline of writes.
func (l *leg) writing(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		t = past
	}
	_ = l.raw.SetWriteDeadline(t)
}

// end makes everything on the leg return at once.
func (l *leg) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	_ = l.raw.SetDeadline(past)
}

// free takes the deadlines away.
func (l *leg) free() {
	l.reading(time.Time{})
	l.writing(time.Time{})
}

// Read reads what was read early, then the connection. Each read that waits has
// the time of silence.
func (l *leg) Read(b []byte) (int, error) {
	if len(l.early) > 0 {
		n := copy(b, l.early)
		l.early = l.early[n:]
		return n, nil
	}
	if l.err != nil {
		err := l.err
		l.err = nil
		return 0, err
	}
	if !l.patient {
		l.reading(time.Now().Add(silence))
	}
	return l.Conn.Read(b)
}

// both are the two legs, by side.
type both [2]*leg

// watch makes the legs return at once when ctx ends. The returned function ends
// the watch.
func (p *both) watch(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		p[flow.Client].end()
		p[flow.Server].end()
	})
}

// await waits until a side has sent something, or ended, and returns the side;
// the server where both have. It reads up to n bytes of either side early.
func (p *both) await(n int) flow.Side {
	if s, ok := p.waiting(); ok {
		return s
	}
	first := p.hear(n)
	if s, ok := p.waiting(); ok {
		return s
	}
	return first
}

// hear waits until a side has sent more, or ended, and returns the side that was
// first. It reads early until there are n bytes of either side.
func (p *both) hear(n int) flow.Side {
	done := make(chan flow.Side, len(p))
	deadline := time.Now().Add(silence)
	for _, l := range p {
		l.reading(deadline)
	}
	asked := 0
	for _, l := range p {
		if len(l.early) >= n {
			continue
		}
		asked++
		go func() {
			b := make([]byte, n-len(l.early))
			got, err := l.Conn.Read(b)
			l.early, l.err = append(slices.Clip(l.early), b[:got]...), err
			done <- l.side
		}()
	}
	first := <-done
	if asked == 1 {
		return first
	}
	other := p[first.Other()]
	other.reading(past)
	<-done
	if errors.Is(other.err, os.ErrDeadlineExceeded) && !errors.Is(p[first].err, os.ErrDeadlineExceeded) {
		other.err = nil // it was only interrupted
	}
	return first
}

// waiting tells which side has something read early.
func (p *both) waiting() (flow.Side, bool) {
	for _, s := range []flow.Side{flow.Server, flow.Client} {
		if len(p[s].early) > 0 {
			return s, true
		}
	}
	for _, s := range []flow.Side{flow.Server, flow.Client} {
		if p[s].err != nil {
			return s, true
		}
	}
	return 0, false
}

// whose words an error of reading from a side, or of writing to it.
func whose(side flow.Side, doing string, err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the %v closed the connection while %s", side, doing)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("nothing came for %v while %s", silence, doing)
	}
	return fmt.Errorf("the connection with the %v broke while %s: %w", side, doing, err)
}

// closeWrite ends what is sent on a leg.
func (l *leg) closeWrite() {
	if h, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // the other side may be gone already
		return
	}
	l.Conn.Close()
}

// serveTLS makes the leg to the client one in TLS.
func (l *leg) serveTLS(ctx context.Context, c *tls.Config) (certificate bool, err error) {
	t := tls.Server(l.raw, c)
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	l.free()
	if err := t.HandshakeContext(ctx); err != nil {
		return false, err
	}
	l.Conn, l.encrypted = t, true
	return len(t.ConnectionState().PeerCertificates) > 0, nil
}

// askTLS makes the leg to the server one in TLS.
func (l *leg) askTLS(ctx context.Context, c *tls.Config) error {
	t := tls.Client(l.raw, c)
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	l.free()
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	l.Conn, l.encrypted = t, true
	return nil
}
