package target

import (
	"sync"
	"sync/atomic"
)

// maxMapped is how many values of one sort are known at once; the oldest are given
// up.
const maxMapped = 1 << 20

// recordedID is a value of the recording. Each copy of a session has values of its
// own.
type recordedID[R comparable] struct {
	copy uint32
	id   R
}

// idTable tells which values that the target made up stand for which of the
// recording. The zero idTable is empty.
type idTable[R, L comparable] struct {
	some     atomic.Bool // there is any
	mu       sync.RWMutex
	live     map[recordedID[R]]L
	recorded map[L]R
	order    []recordedID[R] // the keys of live as they came; a ring once it is full
	oldest   int             // in order, once it is full
	limit    int             // for tests; 0: maxMapped
}

// add takes a pair, and tells whether another was given up for it.
func (d *idTable[R, L]) add(copy uint32, recorded R, live L) (gaveUp bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.put(recordedID[R]{copy, recorded}, live)
}

// put is add, for who holds mu.
func (d *idTable[R, L]) put(key recordedID[R], live L) (gaveUp bool) {
	if d.live == nil {
		d.live, d.recorded = map[recordedID[R]]L{}, map[L]R{}
		d.some.Store(true)
	}
	if old, again := d.live[key]; again {
		delete(d.recorded, old)
	} else {
		gaveUp = d.enter(key)
	}
	d.live[key], d.recorded[live] = live, key.id
	return gaveUp
}

// enter puts a key into the order, in place of the oldest when there are too
// many.
func (d *idTable[R, L]) enter(key recordedID[R]) (gaveUp bool) {
	limit := d.limit
	if limit == 0 {
		limit = maxMapped
	}
	if len(d.order) < limit {
		d.order = append(d.order, key)
		return false
	}
	old := d.order[d.oldest]
	delete(d.recorded, d.live[old])
	delete(d.live, old)
	d.order[d.oldest] = key
	d.oldest = (d.oldest + 1) % limit
	return true
}
