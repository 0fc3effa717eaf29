package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"myreplay/capfile"
	"myreplay/session"
)

// Options say how a Client feeds an assistant.
type Options struct {
	// Addr is the assistant's host:port.
	Addr string
	// Keys are the mirror's half of a pair.
	Keys *Keys
	// Tool names the program and its version, for a reader.
	Tool string
	// Settings are what the assistant's caller is told (Hello.Options): JSON of at
	// most about a megabyte.
	Settings json.RawMessage
	// Buffer is how many bytes of events are kept that the assistant has not taken
	// over. 0: DefaultBuffer.
	Buffer int
	// Compress compresses what is sent: a third less bytes for a quarter more CPU
	// on either side.
	Compress bool
	// Note is told what the assistant says: the latest note of each kind, maybe
	// again after a connection broke. It is called by one goroutine, owns the
	// payload, and should return soon.
	Note func(kind string, payload []byte)
	// Dial opens the connection instead of dialling Addr.
	Dial func(context.Context) (net.Conn, error)
}

// Stats tell of a Client's connection.
type Stats struct {
	// Up: there is a connection now. Broken is how often one broke.
	Up     bool
	Broken int64
	// Restarted is how often the stream had to begin anew, since the assistant was
	// another or had forgotten it. Ended are sessions that were given up, Lost
	// events that the assistant did not get, or of which nobody knows whether it
	// did before it was restarted.
	Restarted, Ended, Lost int64
	// Waiting are bytes that the assistant has not taken over.
	Waiting int64
	// Skew is how far the assistant's clock is ahead, RoundTrip how long the
	// exchange took that this was measured with; nanoseconds.
	Skew, RoundTrip int64
	// Instance names the assistant's process, "" until it was reached.
	Instance string
	// Trouble is why there is no connection, "" while there is one.
	Trouble string
}

// Client feeds events to an assistant. It connects, and connects again, by
// itself. Write and Tick are those of a capture.Sink; any goroutine may call
// any method.
type Client struct {
	options Options
	dial    func(context.Context) (net.Conn, error)
	pack    *capfile.BlockPacker // nil: blocks are not compressed
	stop    context.CancelFunc
	ended   chan struct{} // the goroutine has ended
	done    chan struct{} // the assistant said so
	wake    chan struct{} // there is something to send

	mu       sync.Mutex
	buffer   *buffer
	snapshot *snapshot // what was open when the last connection broke
	stream   string
	urgent   bool // the block at hand is to be sent
	finish   bool // no more events
	stats    Stats
}

// NewClient returns a Client that connects in the background, until Close.
func NewClient(o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	c.start(nil)
	return c, nil
}

// Dial returns a Client that is connected. It fails if the first connection
// does, as when the keys are wrong or the assistant refuses the stream; later
// ones are made again and again.
func Dial(ctx context.Context, o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	first, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.start(first)
	return c, nil
}

func newClient(o Options) (*Client, error) {
	if err := o.Keys.forRole(false); err != nil {
		return nil, err
	}
	if o.Buffer <= 0 {
		o.Buffer = DefaultBuffer
	}
	if o.Note == nil {
		o.Note = func(string, []byte) {}
	}
	c := &Client{options: o, dial: o.Dial, ended: make(chan struct{}), done: make(chan struct{}),
		wake: make(chan struct{}, 1), buffer: newBuffer(o.Buffer), stream: newID()}
	if c.dial == nil {
		var d net.Dialer
		c.dial = func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", o.Addr) }
	}
	if o.Compress {
		var err error
		if c.pack, err = capfile.NewBlockPacker(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// start begins to feed, over a connection if there is one.
func (c *Client) start(first *link) {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go c.run(ctx, first)
}

// Write takes an event. It never waits and never fails: trouble is counted
// (Stats).
func (c *Client) Write(ev session.Event) error {
	c.mu.Lock()
	if c.finish {
		c.buffer.lost++
		c.mu.Unlock()
		return nil
	}
	news := c.buffer.write(ev) && c.stats.Up
	c.mu.Unlock()
	if news {
		c.rouse()
	}
	return nil
}

// Tick sends off what was written. It never waits and never fails.
func (c *Client) Tick(int64) error {
	c.mu.Lock()
	news := c.stats.Up && !c.urgent && c.buffer.enc.Events() > 0
	c.urgent = c.urgent || news
	c.mu.Unlock()
	if news {
		c.rouse()
	}
	return nil
}

// rouse wakes the goroutine that sends.
func (c *Client) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Stats returns the figures as they are now.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Lost, s.Ended = c.buffer.lost, c.buffer.ended
	s.Waiting = int64(c.buffer.used + c.buffer.enc.Size())
	return s
}

// ErrUnfinished tells that the assistant has not said that it is done.
var ErrUnfinished = errors.New("the assistant has not said that it is done")

// Finish tells the assistant that no more events come, waits until it says that
// it is done, and closes the Client. Notes are told until then. When ctx ends
// before, the error wraps ErrUnfinished.
func (c *Client) Finish(ctx context.Context) error {
	c.mu.Lock()
	c.finish = true
	c.mu.Unlock()
	c.rouse()
	select {
	case <-c.done:
	case <-c.ended:
	case <-ctx.Done():
	}
	c.Close()
	select {
	case <-c.done:
		return nil
	default:
	}
	if trouble := c.Stats().Trouble; trouble != "" {
		return fmt.Errorf("%w: %s", ErrUnfinished, trouble)
	}
	return ErrUnfinished
}

// Close ends the Client at once. What the assistant has not taken over is given
// up.
func (c *Client) Close() error {
	c.mu.Lock()
	c.finish = true
	c.mu.Unlock()
	c.stop()
	<-c.ended
	return nil
}

// run connects and feeds until ctx ends or the assistant is done.
func (c *Client) run(ctx context.Context, l *link) {
	defer close(c.ended)
	pause := minPause
	for ctx.Err() == nil {
		var err error
		if l == nil {
			l, err = c.connect(ctx)
		}
		if err == nil {
			pause = minPause
			if err = l.feed(ctx); err == nil {
				close(c.done)
				return
			}
			l = nil
		}
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.stats.Trouble = err.Error()
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}
