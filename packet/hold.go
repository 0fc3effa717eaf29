package packet

// hold is what one side of a connection must wait with.
type hold struct {
	// segs[head:] came too early: sorted by seq, without overlaps, none before
	// the side's next.
	segs []*segment
	head int
	// marks are acknowledgements of the other side for bytes of this side that
	// were not seen, in rising order.
	marks []mark
	bytes int // memory of segs
	free  *hold
}

// segment is a held segment.
type segment struct {
	seq   uint32
	size  uint32 // payload on the wire
	flags uint8  // flagACK: ack counts; flagFIN, flagRST: it ends the stream
	ack   uint32
	at    int64  // the packet's time
	since int64  // when the hole before it was noticed, on the assembler's clock
	order uint64 // of arrival
	data  []byte // payload as captured, with the capacity of its class
	free  *segment
}

// end returns the sequence number after the payload.
func (s *segment) end() uint32 { return s.seq + s.size }

// mark: bytes before ack are known to have been sent since then.
type mark struct {
	ack   uint32
	since int64
	at    int64 // the packet's time
}

// maxMarks bounds the marks of one side. Marks that follow each other within
// that share of the waiting time share a place.
const maxMarks = 16

// first returns the first held segment, or nil.
func (h *hold) first() *segment {
	if h == nil || h.head == len(h.segs) {
		return nil
	}
	return h.segs[h.head]
}

func (h *hold) len() int { return len(h.segs) - h.head }

// pop takes the first segment out.
func (h *hold) pop() *segment {
	s := h.segs[h.head]
	h.segs[h.head] = nil
	h.head++
	if h.head == len(h.segs) {
		h.segs, h.head = h.segs[:0], 0
	}
	h.bytes -= s.memory()
	return s
}

// insertAt puts s before the i-th held segment.
func (h *hold) insertAt(i int, s *segment) {
	if len(h.segs) == cap(h.segs) && h.head > len(h.segs)/2 {
		n := copy(h.segs, h.segs[h.head:])
		clear(h.segs[n:])
		h.segs, h.head = h.segs[:n], 0
	}
	h.segs = append(h.segs, nil)
	live := h.segs[h.head:]
	copy(live[i+1:], live[i:])
	live[i] = s
	h.bytes += s.memory()
}

// search returns how many held segments begin before seq.
func (h *hold) search(seq uint32) int {
	live := h.segs[h.head:]
	lo, hi := 0, len(live)
	if hi > 0 && before(live[hi-1].seq, seq) { // the usual place
		return hi
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if before(live[mid].seq, seq) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// note remembers that bytes before ack were sent; wait is how long they are
// waited for.
func (h *hold) note(m mark, wait int64) {
	n := len(h.marks)
	if n == 0 {
		h.marks = append(h.marks, m)
		return
	}
	last := &h.marks[n-1]
	switch {
	case !before(last.ack, m.ack):
	case n == maxMarks, m.since-last.since < wait/maxMarks:
		last.ack = m.ack
	default:
		h.marks = append(h.marks, m)
	}
}

// trim forgets the marks that next has passed.
func (h *hold) trim(next uint32) {
	i := 0
	for i < len(h.marks) && !before(next, h.marks[i].ack) {
		i++
	}
	if i > 0 {
		h.marks = h.marks[:copy(h.marks, h.marks[i:])]
	}
}

func (h *hold) empty() bool { return h.len() == 0 && len(h.marks) == 0 }

// before compares sequence numbers, which wrap around.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// The classes of buffers for held bytes. The largest holds any IPv4 packet.
var classSizes = [...]int{256, 2048, 16 << 10, 64 << 10}

const (
	segmentOverhead = 112     // a segment itself and its place in the hold
	holdOverhead    = 512     // a hold itself with its marks
	maxFreeBytes    = 2 << 20 // buffers that are kept for later use
	maxFreeSegments = 4096
	maxFreeHolds    = 1024
)

// memory is what s counts towards the limits.
func (s *segment) memory() int { return segmentOverhead + cap(s.data) }

// holdPool makes holds, segments and buffers, and keeps a bounded number of used
// ones.
type holdPool struct {
	holds     *hold
	segments  *segment
	nHolds    int
	nSegments int
	buffers   [len(classSizes)][][]byte
	free      int // bytes in buffers
}

// copyOf returns a copy of data in a buffer of the pool.
func (p *holdPool) copyOf(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	for class, size := range classSizes {
		if len(data) > size {
			continue
		}
		var b []byte
		if l := &p.buffers[class]; len(*l) > 0 {
			b = (*l)[len(*l)-1]
			*l = (*l)[:len(*l)-1]
			p.free -= size
		} else {
			b = make([]byte, 0, size)
		}
		return append(b, data...)
	}
	return append([]byte(nil), data...)
}

// segment returns a zero segment.
func (p *holdPool) segment() *segment {
	s := p.segments
	if s == nil {
		return new(segment)
	}
	p.segments = s.free
	p.nSegments--
	*s = segment{}
	return s
}

// release takes a segment and its buffer back.
func (p *holdPool) release(s *segment) {
	for class, size := range classSizes {
		if cap(s.data) == size && p.free+size <= maxFreeBytes {
			p.buffers[class] = append(p.buffers[class], s.data[:0])
			p.free += size
			break
		}
	}
	s.data = nil
	if p.nSegments < maxFreeSegments {
		s.free = p.segments
		p.segments = s
		p.nSegments++
	}
}

// hold returns an empty hold.
func (p *holdPool) hold() *hold {
	h := p.holds
	if h == nil {
		return new(hold)
	}
	p.holds = h.free
	p.nHolds--
	h.free = nil
	return h
}

// releaseHold takes an empty hold back.
func (p *holdPool) releaseHold(h *hold) {
	if p.nHolds == maxFreeHolds {
		return
	}
	if cap(h.segs) > 1024 { // it was part of a burst
		h.segs = nil
	}
	h.segs, h.marks = h.segs[:0], h.marks[:0]
	h.head, h.bytes = 0, 0
	h.free = p.holds
	p.holds = h
	p.nHolds++
}
