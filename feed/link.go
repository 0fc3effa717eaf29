package feed

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// link is a Client's connection to the assistant.
type link struct {
	c      *Client
	conn   *tls.Conn
	alive  *alive
	r      *messageReader
	w      *messageWriter
	window int
	skew   skew
	packed []byte

	failed chan error    // why reading ended; nil: the assistant is done
	acked  chan struct{} // the window may have room
}

// feed sends what there is until the connection breaks, which is an error, or
// the assistant is done.
func (l *link) feed(ctx context.Context) error {
	c := l.c
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(drainTime, func() { l.conn.NetConn().Close() })
	})
	defer stop()
	go l.read()
	err := l.send(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.conn.NetConn().Close()
		}
		if why := <-l.failed; why == nil || errors.As(why, new(*byeError)) {
			err = why // it was said before
		}
	}
	if err == nil {
		l.goodbye()
	}
	l.conn.NetConn().Close()
	c.mu.Lock()
	c.stats.Up = false
	if err != nil && ctx.Err() == nil {
		c.stats.Broken++
		if c.buffer.mark > 1 {
			c.snapshot = c.buffer.snapshot()
		}
	}
	c.mu.Unlock()
	return err
}

// goodbye tells the assistant that its Done was heard, and waits until it has
// heard that.
func (l *link) goodbye() {
	l.w.write(msgBye, nil, nil)
	l.w.flush()
	l.alive.patience = drainTime
	io.Copy(io.Discard, l.conn)
}

// send writes blocks as they come, until reading ends.
func (l *link) send(ctx context.Context) error {
	wait := time.NewTimer(blockWait)
	wait.Stop()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	if err := l.ping(); err != nil {
		return err
	}
	finished, armed := false, false
	for {
		rest, err := l.blocks()
		if err != nil {
			return err
		}
		if rest == restNone && !finished {
			if finished, err = l.finish(); err != nil {
				return err
			}
		}
		if err := l.w.flush(); err != nil {
			return err
		}
		if rest == restSome && !armed {
			wait.Reset(blockWait)
			armed = true
		}
		for again := false; !again; {
			select {
			case err := <-l.failed:
				l.failed <- err
				return err
			case <-ctx.Done():
				l.w.write(msgBye, nil, []byte("the mirror ended"))
				l.w.flush()
				return ctx.Err()
			case <-l.c.wake:
				again = rest != restSome || l.full()
			case <-l.acked:
				again = true
			case <-wait.C:
				armed = false
				l.c.mu.Lock()
				l.c.urgent = true
				l.c.mu.Unlock()
				again = true
			case <-ping.C:
				if err := l.ping(); err != nil {
					return err
				}
				if err := l.w.flush(); err != nil {
					return err
				}
			}
		}
	}
}

// rest is what blocks has left.
type rest int

const (
	restNone   rest = iota // nothing
	restSome               // a block at hand that may wait for more
	restWindow             // the assistant has to take over some first
)

// full tells whether there is a block to be sent without waiting for more.
func (l *link) full() bool {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.urgent || c.finish || c.buffer.sent < len(c.buffer.blocks)
}

// blocks writes the blocks that are ready and have room in the window.
func (l *link) blocks() (rest, error) {
	c := l.c
	for {
		c.mu.Lock()
		b := c.buffer
		if b.sent == len(b.blocks) && (c.urgent || c.finish) {
			b.seal()
			c.urgent = false
		}
		number, data, ok := b.send(l.window)
		left := restNone
		switch {
		case b.sent < len(b.blocks):
			left = restWindow
		case b.enc.Events() > 0:
			left = restSome
		}
		c.mu.Unlock()
		if !ok {
			return left, nil
		}
		if c.pack != nil {
			l.packed = c.pack.Append(l.packed[:0], data)
			data = l.packed
		}
		var head [8]byte
		binary.LittleEndian.PutUint64(head[:], number)
		if err := l.w.write(msgBlock, head[:], data); err != nil {
			return left, err
		}
		c.mu.Lock()
		if wrote := int(number) - int(b.base) + 1; wrote > b.wrote {
			b.wrote = wrote
		}
		c.mu.Unlock()
	}
}

// finish says that no more events come, if that is so.
func (l *link) finish() (bool, error) {
	c := l.c
	c.mu.Lock()
	finish, last := c.finish, c.buffer.next()-1
	c.mu.Unlock()
	if !finish {
		return false, nil
	}
	return true, l.w.write(msgFinish, nil, numbers(last))
}

// ping asks for the assistant's clock.
func (l *link) ping() error {
	c := l.c
	c.mu.Lock()
	skew, trip := c.stats.Skew, c.stats.RoundTrip
	c.mu.Unlock()
	return l.w.write(msgPing, nil, numbers(uint64(now()), uint64(skew), uint64(trip)))
}

// read reads what the assistant says until it is done or the connection breaks.
func (l *link) read() {
	for {
		m, body, err := l.r.next()
		if err == nil {
			err = l.message(m, body)
		}
		if err == errDone {
			err = nil
		} else if err == nil {
			continue
		}
		l.failed <- err
		return
	}
}

// errDone: the assistant is done.
var errDone = errors.New("done")

// byeError is why the assistant ended the connection.
type byeError struct{ text string }

func (e *byeError) Error() string { return "the assistant ended the connection: " + e.text }

// message does what a message asks for.
func (l *link) message(m message, body []byte) error {
	c := l.c
	switch m {
	case msgAck:
		var number uint64
		if err := readNumbers(m, body, &number); err != nil {
			return err
		}
		c.mu.Lock()
		err := c.buffer.ack(number)
		c.mu.Unlock()
		select {
		case l.acked <- struct{}{}:
		default:
		}
		return err
	case msgPong:
		var sent, other uint64
		if err := readNumbers(m, body, &sent, &other); err != nil {
			return err
		}
		l.skew.note(int64(sent), now(), int64(other))
		c.mu.Lock()
		c.stats.Skew, c.stats.RoundTrip = l.skew.best()
		c.mu.Unlock()
	case msgNote:
		if len(body) == 0 || len(body) < 1+int(body[0]) {
			return protocolError("a note of %d bytes", len(body))
		}
		n := 1 + int(body[0])
		c.options.Note(string(body[1:n]), append([]byte{}, body[n:]...))
	case msgDone:
		return errDone
	case msgBye:
		return &byeError{string(body)}
	default:
		return protocolError("a %s from the assistant", m)
	}
	return nil
}
