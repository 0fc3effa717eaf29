package packet

import (
	"math"
	"time"

	"myreplay/flow"
)

// Numbers of the assembler. Times are by the packets' clock.
const (
	// maxJump is how far a sequence number may be from where its side is, before
	// it is not believed. Windows are smaller.
	maxJump = 64 << 20
	// maxStale is how many old bytes in a row are believed to be repeated.
	maxStale = 1 << 20
	// rstBehind and rstAhead are how far a RST may be from where its side is.
	rstBehind, rstAhead = 64 << 10, 16 << 20

	closedLinger = 30 * time.Second // how long closed connections are remembered
	halfOpenWait = 75 * time.Second // how long SYNs wait for the handshake
	finWait      = 60 * time.Second // how long one FIN waits in silence for the other
	seenEvery    = time.Second      // how exact conn.lastSeen is
	sweepEvery   = time.Second      // how often idle connections are looked for
	maxSkew      = 10 * time.Second // what the packets' clock may go back without a step
	maxStep      = time.Hour        // the most that one packet moves the clock
	maxNow       = 1 << 62          // where the clock stops, so that no deadline overflows
)

// assembler makes chunks of TCP segments. It has no clock and no goroutine: the
// same segments give the same chunks.
//
// What one side sends is put in order by sequence number. A segment that
// acknowledges bytes of the other side waits until these were delivered or
// declared lost; so chunks come in causal order. Nearly all segments are neither
// early nor late, and pass without being copied.
type assembler struct {
	ports            *portSet
	limits           Limits
	gapWait, ackWait int64 // how long unacknowledged and acknowledged bytes are waited for
	stats            *Stats

	table *table
	lists [stages]list
	conns connPool
	holds holdPool
	heap  waitHeap
	held  int // memory of all holds

	out    []flow.Chunk // made and not read yet: out[outPos:]
	outPos int
	spent  []*segment // segments whose bytes out borrows

	now      int64 // never goes back
	lastAt   int64 // the packets' time at now
	started  bool
	sweepAt  int64
	arrivals uint64
	lastID   uint64
}

func newAssembler(o *Options, stats *Stats) *assembler {
	return &assembler{
		ports:   newPortSet(o.Ports),
		limits:  o.Limits,
		gapWait: int64(o.GapWaitUnacked),
		ackWait: int64(o.GapWait),
		stats:   stats,
		table:   newTable(),
	}
}

// advance moves the clock to a packet's time. A packet may be a little older than
// the one before; when the time goes back by more than maxSkew, the clock of the
// recorder was set, and time goes on from there.
func (a *assembler) advance(at int64) {
	if !a.started {
		a.started, a.lastAt = true, at
		return
	}
	if at > a.lastAt {
		step := uint64(at) - uint64(a.lastAt)
		a.now = min(a.now+int64(min(step, uint64(maxStep))), maxNow)
		a.lastAt = at
	} else if uint64(a.lastAt)-uint64(at) > uint64(maxSkew) {
		a.lastAt = at
		a.stats.ClockSteps++
	}
}

// add takes in one segment. Its bytes are borrowed by the chunks that it makes.
func (a *assembler) add(p *tcpPacket) {
	a.advance(p.at)
	a.arrivals++
	var key connKey
	fromHi := key.of(p)
	hash := a.table.hash(&key)
	c := a.table.find(&key, hash)
	if c != nil && (c.stage == closed || p.flags&flagSYN != 0) && a.supersedes(c, c.side(fromHi), p) {
		a.finish(c, flow.Reused, c.endedFirst, p.at)
		a.forget(c)
		c = nil
	}
	switch {
	case c == nil:
		if c = a.begin(p, &key, hash, fromHi); c == nil {
			a.stats.Strays++
			return
		}
	case c.stage == closed:
		if p.size > 0 {
			a.stats.Strays++
		}
		return
	default:
		a.touch(c)
	}
	if p.flags&flagSYN != 0 {
		a.syn(c, c.side(fromHi), p)
	} else {
		a.segment(c, c.side(fromHi), p)
	}
}

// segment takes in a segment without SYN.
func (a *assembler) segment(c *conn, s flow.Side, p *tcpPacket) {
	if c.stage == halfOpen && !a.establish(c, s, p) {
		return
	}
	h, o := &c.half[s], &c.half[s.Other()]
	if !h.seen {
		h.seen, h.unseen = true, false
	}
	blocked := false
	if p.flags&flagACK != 0 {
		if !o.known {
			o.next, o.known = p.ack, true
		} else if missing := int32(p.ack - o.next); missing > 0 {
			blocked = a.acked(c, s, p, missing)
		}
	}
	switch {
	case p.flags&flagRST != 0:
		a.reset(c, s, p, blocked)
	case p.size > 0 || p.flags&flagFIN != 0:
		a.data(c, s, p, blocked)
	case blocked:
		a.settle(c)
	}
}

// acked sees side s acknowledge bytes of the other side that were not seen. It
// tells whether s's own data has to wait for them.
func (a *assembler) acked(c *conn, s flow.Side, p *tcpPacket, missing int32) bool {
	o := &c.half[s.Other()]
	if missing > maxJump {
		a.stats.Implausible++
		p.flags &^= flagACK
		return false
	}
	if o.unseen { // nothing of that side is recorded: no use in waiting
		a.lose(c, s.Other(), p.ack, flow.Lost, p.at)
		return false
	}
	a.holdOf(o).note(mark{p.ack, a.now, p.at}, a.ackWait)
	return true
}

// data takes in a segment with payload or FIN.
func (a *assembler) data(c *conn, s flow.Side, p *tcpPacket, blocked bool) {
	h := &c.half[s]
	if !h.known {
		h.next, h.known = p.seq, true
	}
	fresh := p.seq == h.next || a.place(c, s, p)
	if fresh && h.finished {
		a.stats.Implausible++
		fresh = false
	}
	if !fresh {
		if blocked {
			a.settle(c)
		}
		return
	}
	if p.seq == h.next && !blocked && h.hold.first() == nil {
		a.deliver(c, s, p.at, p.data, p.size, p.flags)
		if c.waiting() || c.over != flow.Unstated || p.flags&flagFIN != 0 {
			a.settle(c)
		}
		return
	}
	a.stats.OutOfOrder++
	a.keep(c, s, p)
	a.settle(c)
}

// place looks at a segment that does not begin where its side is. It cuts off
// what is old and tells whether something is left.
func (a *assembler) place(c *conn, s flow.Side, p *tcpPacket) bool {
	h := &c.half[s]
	d := int32(p.seq - h.next)
	if d > maxJump || d < -maxJump {
		return a.far(c, s, p)
	}
	if d > 0 {
		return true
	}
	total := p.size
	if p.flags&flagFIN != 0 {
		total++
	}
	old := uint32(-d)
	if old >= total {
		a.old(h, p)
		return false
	}
	p.data = p.data[min(old, uint32(len(p.data))):]
	p.size -= old
	p.seq = h.next
	return true
}

// old counts a segment that brings nothing new.
func (a *assembler) old(h *half, p *tcpPacket) {
	a.stats.Retransmitted++
	if h.lostFrom != h.lostTo && before(p.seq, h.lostTo) && before(h.lostFrom, p.seq+p.size) {
		a.stats.Late++
	}
	if p.seq != h.stale {
		h.staleRun = 0
	}
	h.stale = p.seq + p.size
	h.staleRun = min(h.staleRun+p.size, maxJump)
}

// far looks at a segment with a number that is not believed. When a second one
// goes on from there, the side has really moved: so much was lost that the
// number of bytes is unknown.
func (a *assembler) far(c *conn, s flow.Side, p *tcpPacket) bool {
	h := &c.half[s]
	if on := int32(p.seq - h.far); !h.hasFar || on < 0 || on > maxJump {
		h.hasFar, h.far = true, p.seq+p.size
		a.stats.Implausible++
		return false
	}
	a.flush(c, flow.Lost)
	a.resync(c, s, p.at)
	h.next = p.seq
	a.schedule(c)
	return true
}

// resync reports a gap of unknown size.
func (a *assembler) resync(c *conn, s flow.Side, at int64) {
	h := &c.half[s]
	h.hasFar, h.staleRun = false, 0
	a.stats.Resyncs++
	a.gap(c, s, 0, flow.Lost, at)
}

// reset takes in a RST. It ends the connection when what it follows was
// delivered.
func (a *assembler) reset(c *conn, s flow.Side, p *tcpPacket, blocked bool) {
	h := &c.half[s]
	if !h.known {
		h.next, h.known = p.seq, true
	}
	d := int32(p.seq - h.next)
	if d < -rstBehind || d > rstAhead {
		a.stats.Implausible++
		if blocked {
			a.settle(c)
		}
		return
	}
	p.data, p.size = nil, 0
	p.flags &^= flagFIN
	if d < 0 {
		p.seq = h.next
	}
	if p.seq == h.next && !blocked && !c.waiting() {
		a.deliver(c, s, p.at, nil, 0, p.flags)
		a.settle(c)
		return
	}
	hold := a.holdOf(h)
	if n := len(hold.segs); hold.len() > 0 && before(p.seq, hold.segs[n-1].end()) {
		p.seq = hold.segs[n-1].end()
	}
	if p.seq != h.next {
		hold.note(mark{p.seq, a.now, p.at}, a.ackWait)
	}
	a.keep(c, s, p)
	a.settle(c)
}

// deliver hands on bytes that follow directly on what side s sent before.
func (a *assembler) deliver(c *conn, s flow.Side, at int64, data []byte, size uint32, flags uint8) {
	h := &c.half[s]
	if h.staleRun != 0 {
		if h.staleRun > maxStale && h.stale == h.next {
			a.resync(c, s, at)
		}
		h.staleRun = 0
	}
	h.hasFar = false
	if len(data) > 0 {
		a.stats.DataBytes += uint64(len(data))
		a.chunk(flow.Data, c, s, at).Data = data
	}
	if cut := int(size) - len(data); cut > 0 {
		a.gap(c, s, uint64(cut), flow.Snapped, at)
	}
	h.next += size
	if flags&(flagFIN|flagRST) != 0 {
		a.ending(c, s, flags)
	}
}

// ending notes that side s has ended its stream.
func (a *assembler) ending(c *conn, s flow.Side, flags uint8) {
	h, o := &c.half[s], &c.half[s.Other()]
	if !h.finished && !o.finished {
		c.endedFirst = s
	}
	if flags&flagRST != 0 {
		c.over = flow.Reset
		return
	}
	h.next++
	h.finished = true
	for first := h.hold.first(); first != nil; first = h.hold.first() { // what is behind the end
		if first.flags&flagRST != 0 {
			first.seq = h.next
			break
		}
		a.stats.Implausible++
		a.drop(h)
	}
	if o.finished {
		c.over = flow.Finished
	}
}

// lose declares the bytes of side s before end lost.
func (a *assembler) lose(c *conn, s flow.Side, end uint32, reason flow.Reason, at int64) {
	h := &c.half[s]
	a.gap(c, s, uint64(end-h.next), reason, at)
	h.lostFrom, h.lostTo = h.next, end
	h.next = end
}

// gap makes a Gap chunk.
func (a *assembler) gap(c *conn, s flow.Side, lost uint64, reason flow.Reason, at int64) {
	a.stats.Gaps[reason]++
	a.stats.GapBytes[reason] += lost
	g := a.chunk(flow.Gap, c, s, at)
	g.Reason, g.Lost = reason, lost
}

// chunk makes a chunk of c.
func (a *assembler) chunk(kind flow.Kind, c *conn, s flow.Side, at int64) *flow.Chunk {
	a.out = append(a.out, flow.Chunk{})
	out := &a.out[len(a.out)-1]
	out.Kind, out.Side, out.Conn, out.At = kind, s, c.ref, c.stamp(at)
	return out
}

// pop takes the next chunk that was made.
func (a *assembler) pop(c *flow.Chunk) bool {
	if a.outPos == len(a.out) {
		return false
	}
	*c = a.out[a.outPos]
	a.outPos++
	return true
}

// maxKeptOut is how many places for chunks are kept for later use.
const maxKeptOut = 1024

// recycle takes back the memory of the chunks that were read.
func (a *assembler) recycle() {
	if len(a.out) == 0 {
		return
	}
	if cap(a.out) > maxKeptOut {
		a.out = nil
	}
	a.out, a.outPos = a.out[:0], 0
	if len(a.spent) == 0 {
		return
	}
	for i, s := range a.spent {
		a.holds.release(s)
		a.spent[i] = nil
	}
	a.spent = a.spent[:0]
	if cap(a.spent) > maxKeptOut {
		a.spent = nil
	}
}

const never = math.MaxInt64
