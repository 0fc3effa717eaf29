package packet

import (
	"net/netip"

	"myreplay/flow"
)

// stage tells how far a connection has come; each stage has its own list.
type stage uint8

const (
	halfOpen stage = iota // SYNs were seen, nothing more; not announced yet
	opened                // announced to the consumer
	closed                // over; kept for a while to know late packets by
	stages
)

// conn is an entry of the connection table. It is small, since there may be
// many; what is held for later is in the holds of its halves.
type conn struct {
	key  connKey
	hash uint32

	stage      stage
	serverLo   bool        // the lesser end of the key is the server
	joined     bool        // its beginning was not seen
	endedFirst flow.Side   // who sent FIN or RST first, when one did
	over       flow.Reason // set when the end of the connection was delivered

	half [2]half // by flow.Side
	ref  *flow.Conn

	openAt   int64 // time of the first packet
	lastAt   int64 // time of the last chunk
	lastSeen int64 // on the assembler's clock, exact to seenEvery

	prev, next *conn // in the list of its stage, or next in the list of free ones

	deadline int64 // on the assembler's clock, when it is in the heap
	heapPos  int32 // place in the heap, from 1; 0: not waiting for anything
}

// half is one direction of a connection.
type half struct {
	next uint32 // what has been delivered, or declared lost, ends here
	isn  uint32 // the number of its SYN, when hasISN
	// lostFrom to lostTo is the range that was declared lost last.
	lostFrom, lostTo uint32
	// far is where a segment with an implausible number ended.
	far uint32
	// stale is where the last useless segment ended, staleRun how many bytes in
	// a row were useless.
	stale, staleRun uint32

	known    bool // next is valid
	hasISN   bool
	seen     bool // this side has sent something
	unseen   bool // it has not although others waited for it: a one-sided capture
	finished bool // its FIN was delivered
	hasFar   bool

	hold *hold // nil when nothing is held
}

// side returns who sent a packet that came from the greater or the lesser end.
func (c *conn) side(fromHi bool) flow.Side {
	if fromHi == c.serverLo {
		return flow.Client
	}
	return flow.Server
}

// stamp returns the time for a chunk of a packet that came at the given time.
// Bytes that were held are of use only together with those that they waited for,
// so the times of a connection do not go back, unless the recorder's clock did.
func (c *conn) stamp(at int64) int64 {
	if back := c.lastAt - at; back <= 0 || back > int64(maxSkew) {
		c.lastAt = at
	}
	return c.lastAt
}

// waiting tells whether anything of either side is held or missing.
func (c *conn) waiting() bool { return c.half[0].hold != nil || c.half[1].hold != nil }

// halfClosed tells whether one side has ended its stream and the other has not.
func (c *conn) halfClosed() bool { return c.half[0].finished != c.half[1].finished }

// ends returns the client's and the server's address.
func (c *conn) ends() (client, server netip.AddrPort) {
	lo := netip.AddrPortFrom(c.key.lo.netip(), c.key.loPort)
	hi := netip.AddrPortFrom(c.key.hi.netip(), c.key.hiPort)
	if c.serverLo {
		return hi, lo
	}
	return lo, hi
}

// list is a list of connections, the one that was silent for longest at the end.
type list struct {
	head, tail *conn
	n          int
}

func (l *list) push(c *conn) {
	c.prev, c.next = nil, l.head
	if l.head != nil {
		l.head.prev = c
	} else {
		l.tail = c
	}
	l.head = c
	l.n++
}

func (l *list) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.tail = c.prev
	}
	c.prev, c.next = nil, nil
	l.n--
}

// connPool makes conns in pages and keeps used ones.
type connPool struct{ free *conn }

const connPage = 64

func (p *connPool) get() *conn {
	if p.free == nil {
		page := make([]conn, connPage)
		for i := range page {
			page[i].next = p.free
			p.free = &page[i]
		}
	}
	c := p.free
	p.free = c.next
	c.next = nil
	return c
}

func (p *connPool) put(c *conn) {
	*c = conn{next: p.free}
	p.free = c
}

// waitHeap orders waiting connections by deadline, then by age.
type waitHeap []*conn

func (h waitHeap) before(i, j int) bool {
	a, b := h[i], h[j]
	return a.deadline < b.deadline || a.deadline == b.deadline && a.ref.ID < b.ref.ID
}

// set puts c into the heap, or to its new place in it.
func (h *waitHeap) set(c *conn, deadline int64) {
	if c.heapPos != 0 && c.deadline == deadline {
		return
	}
	c.deadline = deadline
	if c.heapPos == 0 {
		*h = append(*h, c)
		c.heapPos = int32(len(*h))
	}
	i := h.up(int(c.heapPos) - 1)
	h.down(i)
}

// remove takes c out; it may not be in.
func (h *waitHeap) remove(c *conn) {
	if c.heapPos == 0 {
		return
	}
	i, last := int(c.heapPos)-1, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	c.heapPos = 0
	if i < last {
		h.down(h.up(i))
	}
}

func (h waitHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapPos, h[j].heapPos = int32(i+1), int32(j+1)
}

func (h waitHeap) up(i int) int {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			break
		}
		h.swap(i, parent)
		i = parent
	}
	return i
}

func (h waitHeap) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(h) {
			return
		}
		if right := least + 1; right < len(h) && h.before(right, least) {
			least = right
		}
		if !h.before(least, i) {
			return
		}
		h.swap(i, least)
		i = least
	}
}
