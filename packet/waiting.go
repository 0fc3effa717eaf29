package packet

import (
	"bytes"

	"myreplay/flow"
)

// holdOf returns the hold of h, which it makes when there is none.
func (a *assembler) holdOf(h *half) *hold {
	if h.hold == nil {
		h.hold = a.holds.hold()
		a.charge(holdOverhead)
	}
	return h.hold
}

func (a *assembler) charge(n int) {
	a.held += n
	a.stats.HeldBytes = a.held
	a.stats.HeldPeak = max(a.stats.HeldPeak, a.held)
}

// keep copies what is new in p into the hold of side s. Bytes that are held
// already win over those of p.
func (a *assembler) keep(c *conn, s flow.Side, p *tcpPacket) {
	h := &c.half[s]
	hold := a.holdOf(h)
	seq, data, size := p.seq, p.data, p.size
	i := hold.search(seq)
	if i > 0 {
		i-- // it may reach into p
	}
	conflict := false
	for ; size > 0 && i < hold.len(); i++ {
		next := hold.segs[hold.head+i]
		if before(seq, next.seq) {
			n := min(size, next.seq-seq)
			a.keepPiece(hold, i, p, seq, n, data)
			i++
			seq, size, data = seq+n, size-n, after(data, n)
		}
		if size > 0 && before(seq, next.end()) {
			n := min(size, next.end()-seq)
			conflict = conflict || differ(data, after(next.data, seq-next.seq), n)
			seq, size, data = seq+n, size-n, after(data, n)
		}
	}
	if size > 0 {
		a.keepPiece(hold, hold.len(), p, seq, size, data)
	}
	if conflict {
		a.stats.Conflicts++
	}
	if p.flags&(flagFIN|flagRST) != 0 {
		a.keepEnd(hold, p)
	}
}

// keepPiece inserts a segment with the first size bytes of data before the i-th.
func (a *assembler) keepPiece(h *hold, i int, p *tcpPacket, seq, size uint32, data []byte) {
	s := a.holds.segment()
	s.seq, s.size, s.flags, s.ack = seq, size, p.flags&flagACK, p.ack
	s.at, s.since, s.order = p.at, a.now, a.arrivals
	s.data = a.holds.copyOf(data[:min(size, uint32(len(data)))])
	a.insert(h, i, s)
}

// keepEnd inserts the FIN or RST of p as a segment of its own.
func (a *assembler) keepEnd(h *hold, p *tcpPacket) {
	seq := p.seq + p.size
	i := h.search(seq)
	if i < h.len() {
		if at := h.segs[h.head+i]; at.seq == seq && at.flags&p.flags&(flagFIN|flagRST) != 0 {
			return
		}
	}
	s := a.holds.segment()
	s.seq, s.flags, s.ack = seq, p.flags&(flagACK|flagFIN|flagRST), p.ack
	s.at, s.since, s.order = p.at, a.now, a.arrivals
	a.insert(h, i, s)
}

// insert puts s before the i-th segment. The hole before the first segment is as
// old as it was.
func (a *assembler) insert(h *hold, i int, s *segment) {
	if first := h.first(); i == 0 && first != nil {
		s.since = min(s.since, first.since)
	}
	h.insertAt(i, s)
	a.charge(s.memory())
}

// after returns data without its first n bytes, of which some may not have been
// captured.
func after(data []byte, n uint32) []byte { return data[min(n, uint32(len(data))):] }

// differ tells whether the first n bytes, as far as both were captured, differ.
func differ(a, b []byte, n uint32) bool {
	n = min(n, uint32(len(a)), uint32(len(b)))
	return !bytes.Equal(a[:n], b[:n])
}

// settle delivers what need not wait any longer, keeps the limits, and sets the
// time when to look at c again.
func (a *assembler) settle(c *conn) {
	a.drain(c)
	for s := range c.half {
		a.keepLimits(c, flow.Side(s))
	}
	if c.over != flow.Unstated {
		a.finish(c, c.over, c.endedFirst, a.lastAt)
		return
	}
	a.schedule(c)
	for a.held > a.limits.TotalBytes && len(a.heap) > 0 {
		a.relieve(a.heap[0])
	}
}

// drain delivers held segments that need not wait, in the order of arrival.
func (a *assembler) drain(c *conn) {
	for c.over == flow.Unstated {
		client, server := a.ready(c, flow.Client), a.ready(c, flow.Server)
		switch {
		case client == nil && server == nil:
			return
		case server == nil, client != nil && client.order < server.order:
			a.release(c, flow.Client)
		default:
			a.release(c, flow.Server)
		}
	}
}

// ready returns the first held segment of side s when it need not wait.
func (a *assembler) ready(c *conn, s flow.Side) *segment {
	h, o := &c.half[s], &c.half[s.Other()]
	first := h.hold.first()
	if first == nil || first.seq != h.next || first.flags&flagACK != 0 && before(o.next, first.ack) {
		return nil
	}
	return first
}

// release delivers the first held segment of side s.
func (a *assembler) release(c *conn, s flow.Side) {
	first := a.drop(&c.half[s])
	a.deliver(c, s, first.at, first.data, first.size, first.flags)
}

// drop takes the first held segment of h out; it stays valid until the chunks
// that were made are read.
func (a *assembler) drop(h *half) *segment {
	first := h.hold.pop()
	a.charge(-first.memory())
	a.spent = append(a.spent, first)
	return first
}

// keepLimits gives up bytes of c until what side s holds is within the limits.
func (a *assembler) keepLimits(c *conn, s flow.Side) {
	h := &c.half[s]
	for c.over == flow.Unstated && h.hold != nil &&
		(h.hold.bytes > a.limits.StreamBytes || h.hold.len() > a.limits.StreamSegments) {
		a.unblock(c, s)
		a.drain(c)
	}
}

// unblock gives up what the first held segment of side s waits for.
func (a *assembler) unblock(c *conn, s flow.Side) {
	h, o := &c.half[s], &c.half[s.Other()]
	first := h.hold.first()
	if first.seq != h.next {
		a.lose(c, s, first.seq, flow.Memory, first.at)
		return
	}
	end := first.ack
	if of := o.hold.first(); of != nil && before(of.seq, end) {
		end = of.seq
	}
	if end == o.next {
		a.force(c, s)
		return
	}
	a.lose(c, s.Other(), end, flow.Memory, first.at)
}

// force delivers the first held segment of side s although it acknowledges bytes
// that wait for it in turn.
func (a *assembler) force(c *conn, s flow.Side) {
	a.stats.Forced++
	a.release(c, s)
}

// relieve gives up the oldest hole of c because all holds together are too much.
func (a *assembler) relieve(c *conn) {
	if !c.waiting() {
		a.finish(c, flow.Finished, c.endedFirst, a.lastAt)
		return
	}
	a.giveUp(c, a.mostDue(c), flow.Memory, never)
	a.carryOn(c)
}

// carryOn delivers what need not wait after bytes of c were given up.
func (a *assembler) carryOn(c *conn) {
	a.drain(c)
	if c.over != flow.Unstated {
		a.finish(c, c.over, c.endedFirst, a.lastAt)
		return
	}
	a.schedule(c)
}

// expire gives up one hole of c, whose time has come.
func (a *assembler) expire(c *conn) {
	s := a.mostDue(c)
	switch h := &c.half[s]; {
	case a.due(c, s) <= a.now:
		h.unseen = !h.seen
		a.giveUp(c, s, flow.Lost, a.now)
		a.carryOn(c)
	case c.halfClosed() && a.now-c.lastSeen >= int64(finWait):
		a.finish(c, flow.Finished, c.endedFirst, a.lastAt)
	default:
		a.schedule(c)
	}
}

// giveUp declares the first missing bytes of side s lost: up to the first held
// segment, or as far as the other side had acknowledged them long enough before
// now.
func (a *assembler) giveUp(c *conn, s flow.Side, reason flow.Reason, now int64) {
	h := &c.half[s]
	first := h.hold.first()
	if first != nil && first.seq == h.next {
		a.force(c, s)
		return
	}
	end, at := h.next, a.lastAt
	for i, m := range h.hold.marks {
		if i > 0 && m.since > now-a.ackWait {
			break
		}
		end = m.ack
	}
	if len(h.hold.marks) > 0 {
		at = h.hold.marks[0].at
	}
	if first != nil && (before(first.seq, end) || end == h.next || first.since <= now-a.gapWait) {
		end, at = first.seq, min(at, first.at)
	}
	a.lose(c, s, end, reason, at)
}

// flush delivers all that is held, in causal order, with gaps for what is
// missing.
func (a *assembler) flush(c *conn, reason flow.Reason) {
	for s := range c.half {
		a.tidy(&c.half[s])
	}
	for c.waiting() {
		a.giveUp(c, a.mostDue(c), reason, never)
		for s := range c.half {
			a.tidy(&c.half[s])
		}
		a.drainAll(c)
	}
}

// drainAll is drain for a connection that ends anyhow.
func (a *assembler) drainAll(c *conn) {
	for {
		over := c.over
		c.over = flow.Unstated
		a.drain(c)
		if c.over == flow.Unstated {
			c.over = over
			break
		}
	}
	for s := range c.half {
		a.tidy(&c.half[s])
	}
}

// schedule sets the time when to look at c again.
func (a *assembler) schedule(c *conn) {
	deadline := int64(never)
	for s := range c.half {
		a.tidy(&c.half[s])
	}
	for s := range c.half {
		deadline = min(deadline, a.due(c, flow.Side(s)))
	}
	if c.halfClosed() {
		deadline = min(deadline, c.lastSeen+int64(finWait))
	}
	if deadline == never {
		a.heap.remove(c)
	} else {
		a.heap.set(c, deadline)
	}
}

// tidy forgets acknowledgements of what was delivered, and empty holds.
func (a *assembler) tidy(h *half) {
	if h.hold == nil {
		return
	}
	h.hold.trim(h.next)
	if h.hold.empty() {
		a.holds.releaseHold(h.hold)
		h.hold = nil
		a.charge(-holdOverhead)
	}
}

// due returns when the first missing bytes of side s have been waited for long
// enough. When its next bytes are there, but wait for the other side, nothing is
// missing here; unless the other side waits for this one in turn.
func (a *assembler) due(c *conn, s flow.Side) int64 {
	h, o := &c.half[s], &c.half[s.Other()]
	if h.hold == nil {
		return never
	}
	first := h.hold.first()
	if first != nil && first.seq == h.next {
		if of := o.hold.first(); of != nil && of.seq == o.next {
			return first.since + a.ackWait
		}
		return never
	}
	due := int64(never)
	if len(h.hold.marks) > 0 {
		due = h.hold.marks[0].since + a.ackWait
	}
	if first != nil {
		due = min(due, first.since+a.gapWait)
	}
	return due
}

// mostDue returns the side of c whose missing bytes are due first; it holds
// something when c is waiting.
func (a *assembler) mostDue(c *conn) flow.Side {
	client, server := a.due(c, flow.Client), a.due(c, flow.Server)
	if server < client || c.half[flow.Client].hold == nil {
		return flow.Server
	}
	return flow.Client
}
