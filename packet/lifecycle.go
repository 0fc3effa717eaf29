package packet

import "myreplay/flow"

// supersedes tells whether p, sent by side s of c, belongs to a new connection
// between the same ends. p has a SYN, or c is closed.
func (a *assembler) supersedes(c *conn, s flow.Side, p *tcpPacket) bool {
	h := &c.half[s]
	if p.flags&flagSYN != 0 {
		switch {
		case p.flags&flagRST != 0:
			return false
		case h.hasISN:
			return h.isn != p.seq && c.stage != halfOpen
		case h.known: // joined, or the SYN comes late
			behind := h.next - p.seq
			return behind == 0 || behind > rstBehind
		}
		return c.stage == closed
	}
	if p.size == 0 || p.flags&flagRST != 0 {
		return false
	}
	if !h.known || h.finished && !before(p.seq, h.next) {
		return true
	}
	d := int32(p.seq - h.next)
	return d > maxJump || d < -maxJump
}

// begin makes an entry for a connection that p is the first packet of, or nil
// when p does not begin one: without SYN only data does. A single byte without
// PSH may be a keep-alive probe, whose byte is not part of the stream.
func (a *assembler) begin(p *tcpPacket, key *connKey, hash uint32, fromHi bool) *conn {
	syn := p.flags&flagSYN != 0
	if p.flags&flagRST != 0 || !syn && (p.size == 0 || p.size == 1 && p.flags&flagPSH == 0) {
		return nil
	}
	a.makeRoom(syn)
	c := a.conns.get()
	c.key, c.hash = *key, hash
	c.serverLo = a.serverIsSource(p) != fromHi
	c.openAt, c.lastAt, c.lastSeen = p.at, p.at, a.now
	a.table.insert(c)
	if syn {
		a.lists[halfOpen].push(c)
	} else {
		c.joined = true
		a.open(c)
	}
	return c
}

// serverIsSource tells whether the sender of a connection's first packet is the
// server.
func (a *assembler) serverIsSource(p *tcpPacket) bool {
	src, dst := a.ports.has(p.srcPort), a.ports.has(p.dstPort)
	switch {
	case src != dst:
		return src
	case p.flags&flagSYN != 0:
		return p.flags&flagACK != 0
	}
	return p.srcPort < p.dstPort
}

// makeRoom removes connections until there is room for one more.
func (a *assembler) makeRoom(half bool) {
	if half && a.lists[halfOpen].n >= a.limits.Conns/4 {
		a.abandon(a.lists[halfOpen].tail)
	}
	for a.table.n >= a.limits.Conns {
		switch {
		case a.lists[closed].n > 0:
			a.forget(a.lists[closed].tail)
		case a.lists[halfOpen].n > 0:
			a.abandon(a.lists[halfOpen].tail)
		default:
			c := a.lists[opened].tail
			a.finish(c, flow.Memory, c.endedFirst, a.lastAt)
			a.forget(c)
		}
	}
}

// syn takes in a SYN or SYN-ACK, also repeated or late.
func (a *assembler) syn(c *conn, s flow.Side, p *tcpPacket) {
	h, o := &c.half[s], &c.half[s.Other()]
	switch {
	case p.flags&flagRST != 0:
		a.stats.Implausible++
		return
	case h.hasISN && h.isn == p.seq || c.stage == opened && h.known && h.next != p.seq+1:
		a.stats.Retransmitted++
	case c.stage == halfOpen && h.hasISN: // begun anew
		*h = half{}
		if p.flags&flagACK == 0 {
			*o = half{}
			c.openAt, c.lastAt = p.at, p.at
		}
		fallthrough
	default:
		h.isn, h.hasISN, h.seen, h.unseen = p.seq, true, true, false
		h.next, h.known = p.seq+1, true
	}
	if p.flags&flagACK != 0 && !o.known {
		o.next, o.known = p.ack, true
	}
	if p.size > 0 && h.hasISN && h.isn == p.seq { // data on SYN (TCP fast open)
		p.seq++
		p.flags &^= flagSYN | flagFIN
		a.segment(c, s, p)
	}
}

// establish looks at the first packet after the SYNs. It announces the connection
// when it is one, and tells whether it did.
func (a *assembler) establish(c *conn, s flow.Side, p *tcpPacket) bool {
	h, o := &c.half[s], &c.half[s.Other()]
	if p.flags&flagRST != 0 {
		fits := h.known && p.seq == h.next || p.flags&flagACK != 0 && o.known && p.ack == o.next
		if !fits {
			a.stats.Implausible++
			return false
		}
		a.stats.Refused++
		a.forget(c)
		return false
	}
	if p.size == 0 && p.flags&flagFIN == 0 && (s == flow.Server || p.flags&flagACK == 0) {
		return false
	}
	a.lists[halfOpen].remove(c)
	a.open(c)
	return true
}

// open announces c, which is in no list.
func (a *assembler) open(c *conn) {
	a.lastID++
	c.stage = opened
	a.lists[opened].push(c)
	client, server := c.ends()
	c.ref = &flow.Conn{ID: a.lastID, Client: client, Server: server, Joined: c.joined}
	a.stats.Opened++
	if c.joined {
		a.stats.Joined++
	}
	a.chunk(flow.Open, c, flow.Client, c.openAt)
}

// touch notes that something was seen of c, which is not closed.
func (a *assembler) touch(c *conn) {
	if a.now-c.lastSeen < int64(seenEvery) {
		return
	}
	c.lastSeen = a.now
	a.lists[c.stage].remove(c)
	a.lists[c.stage].push(c)
}

// finish ends a connection: what is held is delivered, with gaps for what is
// missing, and the end is announced. A connection that was not announced or is
// closed already is left as it is.
func (a *assembler) finish(c *conn, reason flow.Reason, first flow.Side, at int64) {
	if c.stage != opened {
		return
	}
	a.flush(c, gapReason(reason))
	a.heap.remove(c)
	a.stats.Closed[reason]++
	a.chunk(flow.Close, c, first, at).Reason = reason
	c.ref = nil
	c.lastSeen = a.now
	a.lists[opened].remove(c)
	c.stage = closed
	a.lists[closed].push(c)
	if a.lists[closed].n > a.limits.Conns/4 {
		a.forget(a.lists[closed].tail)
	}
}

// gapReason is why bytes are given up when a connection ends for a reason.
func gapReason(end flow.Reason) flow.Reason {
	if end == flow.Memory || end == flow.SourceEnded {
		return end
	}
	return flow.Lost
}

// abandon forgets a half-open connection that came to nothing.
func (a *assembler) abandon(c *conn) {
	a.stats.Abandoned++
	a.forget(c)
}

// forget removes a half-open or closed connection from the table.
func (a *assembler) forget(c *conn) {
	a.lists[c.stage].remove(c)
	a.table.remove(c)
	a.conns.put(c)
}

// step does one thing that is due by the clock and tells whether there was one.
func (a *assembler) step() bool {
	if len(a.heap) > 0 && a.heap[0].deadline <= a.now {
		a.expire(a.heap[0])
		return true
	}
	if a.now < a.sweepAt {
		return false
	}
	if a.sweep() {
		return true
	}
	a.sweepAt = a.now + int64(sweepEvery)
	return false
}

// sweep ends one connection of which nothing was seen for too long.
func (a *assembler) sweep() bool {
	if c := a.lists[closed].tail; c != nil && a.now-c.lastSeen >= int64(closedLinger) {
		a.forget(c)
		return true
	}
	if c := a.lists[halfOpen].tail; c != nil && a.now-c.lastSeen >= int64(halfOpenWait) {
		a.abandon(c)
		return true
	}
	if c := a.lists[opened].tail; c != nil && a.now-c.lastSeen >= int64(a.limits.Idle) {
		a.finish(c, flow.Silent, c.endedFirst, a.lastAt)
		return true
	}
	return false
}

// end ends one connection because the source has ended, and tells whether there
// was one.
func (a *assembler) end() bool {
	c := a.lists[opened].tail
	if c == nil {
		return false
	}
	reason := flow.SourceEnded
	for s := range c.half {
		if c.half[s].finished && !c.half[s^1].seen { // the other end is not recorded
			reason = flow.Finished
		}
	}
	a.finish(c, reason, c.endedFirst, a.lastAt)
	return true
}
