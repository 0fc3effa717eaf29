package packet

import (
	"math/bits"
	"math/rand/v2"
)

// connKey names a connection: its two ends, the lesser one first.
type connKey struct {
	lo, hi         addr
	loPort, hiPort uint16
	v6             bool
}

// of sets k to the key of p's connection and tells whether p was sent by its
// greater end. (It copies word by word: the words were just written, and a wider
// load would have to wait for them.)
func (k *connKey) of(p *tcpPacket) (fromHi bool) {
	srcHi, srcLo, srcPort := p.src.hi, p.src.lo, p.srcPort
	dstHi, dstLo, dstPort := p.dst.hi, p.dst.lo, p.dstPort
	fromHi = srcHi > dstHi || srcHi == dstHi && (srcLo > dstLo || srcLo == dstLo && srcPort > dstPort)
	if fromHi {
		srcHi, srcLo, srcPort, dstHi, dstLo, dstPort = dstHi, dstLo, dstPort, srcHi, srcLo, srcPort
	}
	k.lo.hi, k.lo.lo, k.loPort = srcHi, srcLo, srcPort
	k.hi.hi, k.hi.lo, k.hiPort = dstHi, dstLo, dstPort
	k.v6 = p.v6
	return fromHi
}

// is tells whether the keys are equal.
func (k *connKey) is(o *connKey) bool {
	return k.lo.lo == o.lo.lo && k.hi.lo == o.hi.lo && k.loPort == o.loPort && k.hiPort == o.hiPort &&
		k.lo.hi == o.lo.hi && k.hi.hi == o.hi.hi && k.v6 == o.v6
}

// table finds connections by key: open addressing with linear probing. The hash
// is seeded, so that nobody can choose addresses that collide. Nothing else
// depends on the places in the table.
type table struct {
	slots []slot // a power of two, at most half full
	n     int
	seed  [4]uint64
}

type slot struct {
	hash uint32
	c    *conn
}

const minSlots = 1 << 10

func newTable() *table {
	t := &table{slots: make([]slot, minSlots)}
	for i := range t.seed {
		t.seed[i] = rand.Uint64() | 1
	}
	return t
}

func (t *table) hash(k *connKey) uint32 {
	mix := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a, b)
		return hi ^ lo
	}
	h := mix(k.lo.hi^t.seed[0], k.lo.lo^t.seed[1]) ^ mix(k.hi.hi^t.seed[2], k.hi.lo^t.seed[3])
	h = mix(h^uint64(k.loPort)<<16^uint64(k.hiPort), t.seed[1])
	return uint32(h >> 16)
}

// find returns the connection, or nil.
func (t *table) find(k *connKey, hash uint32) *conn {
	mask := uint32(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.c == nil {
			return nil
		}
		if s.hash == hash && s.c.key.is(k) {
			return s.c
		}
	}
}

// insert adds c, whose key is not in the table.
func (t *table) insert(c *conn) {
	if t.n*2 >= len(t.slots) {
		t.grow()
	}
	t.put(slot{c.hash, c})
	t.n++
}

func (t *table) put(s slot) {
	mask := uint32(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].c != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.c != nil {
			t.put(s)
		}
	}
}

// remove takes c out and moves back those that had made way for it.
func (t *table) remove(c *conn) {
	mask := uint32(len(t.slots) - 1)
	i := c.hash & mask
	for t.slots[i].c != c {
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		s := t.slots[j]
		if s.c == nil {
			break
		}
		if (j-s.hash)&mask >= (j-i)&mask { // its home is not between i and j
			t.slots[i] = s
			i = j
		}
	}
	t.slots[i] = slot{}
	t.n--
}
