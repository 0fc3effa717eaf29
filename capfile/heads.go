package capfile

import (
	"slices"

	"myreplay/session"
)

// Heads are the fields of commands and results that repeat: a block defines
// each head once, at its first use, and then refers to it by number. A number
// one above the last defines the next head; when MaxHeads are defined, that
// number stands for a head that is used once and not remembered.

// commandHead holds the fields of a command that repeat.
type commandHead struct {
	kind    session.Kind
	code    byte
	flags   uint16
	sqlAt   uint16 // cmdTail: where SQL begins within the payload
	skipped session.Skip
}

// commandHeads numbers the command heads of a block.
type commandHeads struct {
	list  []commandHead
	index headIndex
	last  int // the one found last
}

func (t *commandHeads) reset() {
	t.list = t.list[:0]
	t.index.reset()
	t.last = 0
}

// find returns the number of a head, and whether it is defined already.
func (t *commandHeads) find(h commandHead) (number int, known bool) {
	if t.last < len(t.list) && t.list[t.last] == h {
		return t.last, true
	}
	key := uint64(h.kind) | uint64(h.code)<<8 | uint64(h.flags)<<16 | uint64(h.sqlAt)<<32 | uint64(h.skipped)<<48
	for p := t.index.probe(key); p.next(); {
		if t.list[p.number] == h {
			t.last = p.number
			return p.number, true
		}
	}
	number = len(t.list)
	if number < MaxHeads {
		t.list = append(t.list, h)
		t.index.put(key, number)
		t.last = number
	}
	return number, false
}

// resultHead holds the fields of a result that repeat.
type resultHead struct {
	outcome  session.Outcome
	flags    uint16
	status   uint16
	warnings uint16
	columns  int // number of the columns within the block, if flags say so
	info     string
}

// headState is what the last result with a head had, to which the next one is
// compared.
type headState struct{ bytes, rows, affected uint64 }

// resultHeads numbers the result heads and the columns of a block.
type resultHeads struct {
	list   []resultHead
	states []headState
	single headState // of heads that are not remembered
	index  headIndex

	columns []*session.Columns
	byHash  map[uint64][]int
	recent  [64]struct {
		columns *session.Columns
		number  int
	}
}

func (t *resultHeads) reset() {
	clear(t.list) // lets go of the strings
	t.list = t.list[:0]
	t.states = t.states[:0]
	t.index.reset()
	clear(t.columns)
	t.columns = t.columns[:0]
	if t.byHash == nil {
		t.byHash = map[uint64][]int{}
	}
	clear(t.byHash)
	clear(t.recent[:])
}

// find returns the number of a head, and whether it is defined already.
func (t *resultHeads) find(h *resultHead) (number int, known bool) {
	key := uint64(h.outcome) | uint64(h.flags)<<8 | uint64(h.status)<<24 | uint64(h.warnings)<<40
	key = key*0x9e3779b97f4a7c15 ^ uint64(h.columns)<<20 ^ uint64(len(h.info))
	for _, b := range []byte(h.info[max(0, len(h.info)-32):]) {
		key = key*0x100000001b3 ^ uint64(b)
	}
	for p := t.index.probe(key); p.next(); {
		if t.list[p.number] == *h {
			return p.number, true
		}
	}
	number = len(t.list)
	if number < MaxHeads {
		t.list = append(t.list, *h)
		t.states = append(t.states, headState{})
		t.index.put(key, number)
	}
	return number, false
}

// state returns what the last result with the head had.
func (t *resultHeads) state(number int) *headState {
	if number < len(t.states) {
		return &t.states[number]
	}
	t.single = headState{}
	return &t.single
}

// number returns the number of columns within the block and whether they are
// defined already. It does not define them.
func (t *resultHeads) number(c *session.Columns) (int, bool) {
	r := &t.recent[c.Hash%uint64(len(t.recent))]
	if r.columns == c {
		return r.number, true
	}
	for _, n := range t.byHash[c.Hash] {
		if t.columns[n] == c || slices.Equal(t.columns[n].List, c.List) {
			r.columns, r.number = c, n
			return n, true
		}
	}
	return len(t.columns), false
}

// define gives columns the next number.
func (t *resultHeads) define(c *session.Columns) {
	const alike = 8 // more are defined again: it costs bytes, not time
	if list := t.byHash[c.Hash]; len(list) < alike {
		t.byHash[c.Hash] = append(list, len(t.columns))
	}
	t.columns = append(t.columns, c)
}

// headIndex finds heads by a key: a hash table with open addressing, at most
// half full.
type headIndex struct {
	slots [2 * MaxHeads]uint16 // number + 1; 0: free
	used  []uint16             // slots that are not free
}

func (x *headIndex) reset() {
	for _, i := range x.used {
		x.slots[i] = 0
	}
	x.used = x.used[:0]
}

func (x *headIndex) at(key uint64) int {
	return int((key * 0x9e3779b97f4a7c15) >> 32 % uint64(len(x.slots)))
}

func (x *headIndex) put(key uint64, number int) {
	i := x.at(key)
	for x.slots[i] != 0 {
		i = (i + 1) % len(x.slots)
	}
	x.slots[i] = uint16(number + 1)
	x.used = append(x.used, uint16(i))
}

// probe begins a walk over the numbers that may have the key.
func (x *headIndex) probe(key uint64) headProbe { return headProbe{index: x, i: x.at(key)} }

// headProbe walks over candidates. It gives up after a few: a head that was
// not found is defined once more, which costs bytes, not truth.
type headProbe struct {
	index    *headIndex
	i, tried int
	number   int
}

func (p *headProbe) next() bool {
	const tries = 16
	n := p.index.slots[p.i]
	if n == 0 || p.tried == tries {
		return false
	}
	p.number = int(n) - 1
	p.i = (p.i + 1) % len(p.index.slots)
	p.tried++
	return true
}
