package relay

import (
	"myreplay/flow"
)

// teller tells of one connection, each piece before it is passed on: so an
// answer is never told before its question. Each side has one caller at a time.
// It implements gate.Teller.
type teller struct {
	queue *queue
	stats *Stats
	conn  *flow.Conn // nil: nothing is told
	lost  [2]uint64  // what of each side did not fit into the queue; under its mu
}

// begin tells that the connection begins. A connection for which the queue has
// no room is not told of at all.
func (t *teller) begin(conn *flow.Conn) {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.room(0) {
		t.stats.Untold.Add(1)
		return
	}
	t.conn = conn
	q.put(flow.Chunk{Kind: flow.Open, Conn: conn, At: q.clock.now()}, nil)
}

// Data implements gate.Teller.
func (t *teller) Data(side flow.Side, b []byte) {
	t.stats.Bytes[side].Add(int64(len(b)))
	if t.conn != nil {
		t.data(side, t.queue.clock.now(), b)
	}
}

// data tells that a side sent b. What does not fit is a Gap, told before the
// next data that do.
func (t *teller) data(side flow.Side, at int64, b []byte) {
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(b) > 0 {
		if !q.room(min(len(b), blockBytes)) {
			t.lost[side] += uint64(len(b))
			return
		}
		t.gap(side, at)
		n := q.put(flow.Chunk{Kind: flow.Data, Side: side, Conn: t.conn, At: at}, b)
		b = b[n:]
	}
}

// gap tells what was lost of a side. The caller holds the queue.
func (t *teller) gap(side flow.Side, at int64) {
	if t.lost[side] == 0 {
		return
	}
	t.stats.Gaps.Add(1)
	t.stats.LostBytes.Add(int64(t.lost[side]))
	t.queue.put(flow.Chunk{Kind: flow.Gap, Side: side, Reason: flow.Memory, Conn: t.conn, At: at, Lost: t.lost[side]}, nil)
	t.lost[side] = 0
}

// TLS implements gate.Teller. It is told even when the queue is full: what
// follows would be misread otherwise.
func (t *teller) TLS() {
	t.stats.EndedTLS.Add(1)
	t.must(flow.Chunk{Kind: flow.TLS})
}

// end tells that the connection has ended: which side ended it, and why. This,
// too, always has room; a connection has few such chunks.
func (t *teller) end(first flow.Side, why flow.Reason) {
	t.must(flow.Chunk{Kind: flow.Close, Side: first, Reason: why})
	t.conn = nil
}

// must tells a chunk without data, after what was lost of both sides.
func (t *teller) must(c flow.Chunk) {
	if t.conn == nil {
		return
	}
	q := t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	c.Conn, c.At = t.conn, q.clock.now()
	t.gap(flow.Client, c.At)
	t.gap(flow.Server, c.At)
	q.put(c, nil)
}

// Read returns the next chunk, as capture.Source, or a Tick when nothing passes
// for a while. It returns io.EOF once Serve has ended and everything was read.
// Nobody waits for its caller, one goroutine; but what it does not read in time
// is lost, see Options.Look.
func (r *Relay) Read(c *flow.Chunk) error {
	return r.queue.next(c)
}
