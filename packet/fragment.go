package packet

import "time"

// fragmentWait is how long, by the packets' time, a datagram waits for its
// missing fragments; hosts give up after 30 to 60 seconds.
const fragmentWait = 30 * time.Second

// Limits of one datagram: bytes of payload, and separate ranges of it. Fragments
// come in order or nearly so; many ranges are an attack.
const (
	maxDatagram = 1<<16 - 1
	maxSpans    = 64
)

// fragmentKey names the datagram that a fragment is of.
type fragmentKey struct {
	src, dst addr
	id       uint32
}

// fragment is a piece of a datagram; data is borrowed and shorter than size when
// the record was cut.
type fragment struct {
	key    fragmentKey
	offset int
	more   bool // not the last one
	data   []byte
	size   int
}

// span is a range of bytes [from, to) of a datagram.
type span struct{ from, to int }

// datagram is what has been seen of one. A datagram whose fragments contradict
// each other keeps its place without its bytes, so that the rest of it is
// dropped too.
type datagram struct {
	key        fragmentKey
	since      int64
	buf        []byte
	have       []span // sorted, not adjacent
	end        int    // its length, -1 while the last fragment is missing
	spoiled    bool
	prev, next *datagram // by age
}

// defragmenter puts IP fragments together. Fragments that overlap others spoil
// their datagram, but exact copies are harmless: several interfaces may see the
// same packet.
type defragmenter struct {
	maxBytes, maxCount int
	stats              *Stats

	table          map[fragmentKey]*datagram
	oldest, newest *datagram
	bytes          int
	whole          []byte // the datagram handed out last
}

// add keeps f. When it completes a datagram, its payload is returned; it is
// valid until add is called again.
func (d *defragmenter) add(f *fragment, at int64) []byte {
	d.stats.Fragments++
	d.expire(at)
	g := d.table[f.key]
	if g == nil {
		g = d.open(f.key, at)
	}
	if g.spoiled {
		return nil
	}
	if why := d.insert(g, f); why != nil {
		*why++
		d.spoil(g)
		return nil
	}
	for d.bytes > d.maxBytes && d.oldest != nil {
		d.stats.FragmentsNoMemory++
		if d.oldest == g {
			g = nil
		}
		d.remove(d.oldest)
	}
	if g == nil || g.end < 0 || len(g.have) != 1 || g.have[0] != (span{0, g.end}) {
		return nil
	}
	d.whole = g.buf[:g.end]
	d.remove(g)
	d.stats.Reassembled++
	return d.whole
}

// insert puts the bytes of f into g. It returns the counter of what is wrong
// with f, or nil.
func (d *defragmenter) insert(g *datagram, f *fragment) *uint64 {
	from, to := f.offset, f.offset+f.size
	switch {
	case len(f.data) < f.size:
		return &d.stats.FragmentsCut
	case f.size == 0, to > maxDatagram, f.more && f.size%8 != 0:
		return &d.stats.FragmentsBad
	case !f.more && g.end >= 0 && g.end != to, f.more && g.end >= 0 && to >= g.end:
		return &d.stats.FragmentsOverlap
	case !f.more && len(g.have) > 0 && g.have[len(g.have)-1].to > to:
		return &d.stats.FragmentsOverlap
	}
	i := 0
	for i < len(g.have) && g.have[i].to <= from {
		i++
	}
	if i < len(g.have) && g.have[i].from < to { // overlaps; a copy?
		if g.have[i].from <= from && to <= g.have[i].to && string(g.buf[from:to]) == string(f.data) {
			return nil
		}
		return &d.stats.FragmentsOverlap
	}
	if len(g.have) == maxSpans {
		return &d.stats.FragmentsBad
	}
	if !f.more {
		g.end = to
	}
	d.grow(g, to)
	copy(g.buf[from:to], f.data)
	g.have = addSpan(g.have, i, span{from, to})
	return nil
}

// grow makes room for n bytes in g.
func (d *defragmenter) grow(g *datagram, n int) {
	if n <= len(g.buf) {
		return
	}
	d.bytes -= cap(g.buf)
	g.buf = append(g.buf, make([]byte, n-len(g.buf))...)
	d.bytes += cap(g.buf)
}

// addSpan inserts s before have[i], to which it does not overlap, and joins it to
// its neighbours.
func addSpan(have []span, i int, s span) []span {
	left := i > 0 && have[i-1].to == s.from
	right := i < len(have) && have[i].from == s.to
	switch {
	case left && right:
		have[i-1].to = have[i].to
		return append(have[:i], have[i+1:]...)
	case left:
		have[i-1].to = s.to
		return have
	case right:
		have[i].from = s.from
		return have
	}
	have = append(have, span{})
	copy(have[i+1:], have[i:])
	have[i] = s
	return have
}

// open makes a datagram, in the place of the oldest one when there are too many.
func (d *defragmenter) open(key fragmentKey, at int64) *datagram {
	if d.table == nil {
		d.table = make(map[fragmentKey]*datagram)
	}
	if len(d.table) >= d.maxCount {
		d.stats.FragmentsNoMemory++
		d.remove(d.oldest)
	}
	g := &datagram{key: key, since: at, end: -1, prev: d.newest}
	if d.newest != nil {
		d.newest.next = g
	} else {
		d.oldest = g
	}
	d.newest = g
	d.table[key] = g
	return g
}

// spoil gives up the bytes of g.
func (d *defragmenter) spoil(g *datagram) {
	d.bytes -= cap(g.buf)
	g.buf, g.have, g.spoiled = nil, nil, true
}

// expire drops the datagrams that have waited for too long. A clock that was
// set back makes them wait no longer either.
func (d *defragmenter) expire(at int64) {
	for d.oldest != nil {
		waited := at - d.oldest.since
		if waited < int64(fragmentWait) && waited > -int64(fragmentWait) {
			return
		}
		if !d.oldest.spoiled {
			d.stats.FragmentsTimedOut++
		}
		d.remove(d.oldest)
	}
}

func (d *defragmenter) remove(g *datagram) {
	d.bytes -= cap(g.buf)
	delete(d.table, g.key)
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		d.oldest = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		d.newest = g.prev
	}
}
