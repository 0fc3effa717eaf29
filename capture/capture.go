// Package capture joins a source of chunks to a sink of events: a decoder for
// each connection, secrets masked on the way, and everything counted that was
// lost on it.
package capture

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"myreplay/decode"
	"myreplay/flow"
	"myreplay/session"
)

// Source gives chunks: a packet file, a live device, a relay.
type Source interface {
	// Read fills in the next chunk, whose data is valid until the next call. It
	// returns io.EOF at the end.
	Read(*flow.Chunk) error
}

// Sink takes events: a capture on disk, a live replay, a printer.
type Sink interface {
	// Write takes an event, which is not changed afterwards. After an error it
	// is not called again.
	Write(session.Event) error
	// Tick tells that time has passed: every event up to at (nanoseconds since
	// the Unix epoch) was written.
	Tick(at int64) error
}

// Options say how sessions are recorded.
type Options struct {
	Decode decode.Options
	// Unmasked leaves secrets in the events: for a sink that keeps nothing.
	Unmasked bool
}

// Recorder records sessions. Run it once.
type Recorder struct {
	options  Options
	shared   *decode.Shared
	sink     Sink
	masker   masker
	decoders map[*flow.Conn]decode.Protocol
	emit     decode.Emit
	stats    Stats
}

// Stats counts what a Recorder has done so far. Every field may be read while it
// runs.
type Stats struct {
	// Sessions that began, Open of them that have not ended, Joined of them whose
	// beginning was not seen, Encrypted of them that can't be read, NotUnderstood
	// of them that are not the classic protocol.
	Sessions, Open, Joined, Encrypted, NotUnderstood atomic.Int64
	// Commands and Replies that were recorded; Masked of the commands held
	// secrets.
	Commands, Replies, Masked atomic.Int64
	// Gaps that were recorded, with LostBytes in sum; Dropped packets that the
	// source lost.
	Gaps, LostBytes, Dropped atomic.Int64
	// At is the time of the latest chunk, nanoseconds since the Unix epoch.
	At atomic.Int64
}

// New returns a Recorder that writes to sink.
func New(sink Sink, o Options) *Recorder {
	r := &Recorder{options: o, shared: decode.NewShared(o.Decode), sink: sink, decoders: map[*flow.Conn]decode.Protocol{}}
	r.masker.keepRows = o.Decode.Keep != 0
	r.emit = r.write
	return r
}

// Stats returns the running counts.
func (r *Recorder) Stats() *Stats { return &r.stats }

// Run records until the source ends or fails, the sink fails, or ctx is done.
// Whatever ends it, every session that began is ended in the sink, unless that
// is what failed. The end of the source and of ctx are no errors.
func (r *Recorder) Run(ctx context.Context, src Source) error {
	var c flow.Chunk
	for ctx.Err() == nil {
		err := src.Read(&c)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, r.finish())
		}
		if err := r.chunk(&c); err != nil {
			return err
		}
	}
	return r.finish()
}

// chunk records one chunk.
func (r *Recorder) chunk(c *flow.Chunk) error {
	r.stats.At.Store(c.At)
	switch c.Kind {
	case flow.Tick:
		return r.sink.Tick(c.At)
	case flow.Drop:
		r.stats.Dropped.Add(int64(c.Lost))
		return r.write(&session.Gap{At: c.At, Lost: c.Lost, Reason: session.DroppedPackets})
	case flow.Open:
		r.decoders[c.Conn] = decode.New(r.shared)
	}
	d := r.decoders[c.Conn]
	if d == nil {
		return nil // of a connection that was closed
	}
	err := d.Decode(c, r.emit)
	if c.Kind == flow.Close {
		delete(r.decoders, c.Conn)
	}
	return err
}

// finish ends the sessions that the source left open.
func (r *Recorder) finish() error {
	for conn, d := range r.decoders {
		end := flow.Chunk{Kind: flow.Close, Reason: flow.SourceEnded, Conn: conn, At: r.stats.At.Load()}
		if err := d.Decode(&end, r.emit); err != nil {
			return err
		}
	}
	clear(r.decoders)
	return nil
}

// write passes an event on, masked and counted.
func (r *Recorder) write(e session.Event) error {
	if !r.options.Unmasked {
		e = r.masker.mask(e)
	}
	s := &r.stats
	switch e := e.(type) {
	case *session.Start:
		s.Sessions.Add(1)
		s.Open.Add(1)
		if e.Joined {
			s.Joined.Add(1)
		}
		if e.Unread() {
			s.Encrypted.Add(1)
		} else if e.Protocol == session.Unknown {
			s.NotUnderstood.Add(1)
		}
	case *session.Command:
		s.Commands.Add(1)
		if e.Masked {
			s.Masked.Add(1)
		}
	case *session.Reply:
		s.Replies.Add(1)
	case *session.Gap:
		s.Gaps.Add(1)
		if e.ID != 0 {
			s.LostBytes.Add(int64(e.Lost))
		}
	case *session.End:
		s.Open.Add(-1)
	}
	return r.sink.Write(e)
}
