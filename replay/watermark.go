package replay

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// watermark knows up to which number all steps are finished. Numbers come
// densely, from 1, so it keeps a bit for each of those beyond the first that is
// not: a ring that grows with what is on its way.
type watermark struct {
	low atomic.Uint64 // all steps up to it are finished

	mu      sync.Mutex
	ring    []uint64 // bit n&63 of the word n>>6&len-1 stands for number n > low
	waiters []fenced
	least   uint64 // of the waiters' numbers
}

// fenced is somebody who waits until low has come to a number.
type fenced struct {
	number uint64
	f      func()
}

// maxAhead limits how far beyond low a number is believed: none that a planner
// gives is.
const maxAhead = 1 << 26

// finish takes note that a step is finished. Number 0 is none.
func (w *watermark) finish(n uint64) {
	w.mu.Lock()
	low := w.low.Load()
	if n <= low || n-low > maxAhead {
		w.mu.Unlock()
		return
	}
	for uint64(len(w.ring))<<6 <= n-low+64 {
		w.grow(low)
	}
	mask := uint64(len(w.ring) - 1)
	w.ring[n>>6&mask] |= 1 << (n & 63)
	if n != low+1 {
		w.mu.Unlock()
		return
	}
	for {
		at := low + 1
		word := &w.ring[at>>6&mask]
		run := uint64(bits.TrailingZeros64(^(*word >> (at & 63))))
		if run = min(run, 64-at&63); run == 0 {
			break
		}
		*word &^= (1<<run - 1) << (at & 63)
		low += run
	}
	w.low.Store(low)
	called := w.passed(low)
	w.mu.Unlock()
	for _, f := range called {
		f()
	}
}

// grow doubles the ring.
func (w *watermark) grow(low uint64) {
	old := w.ring
	w.ring = make([]uint64, max(2*len(old), 16))
	for i := range uint64(len(old)) {
		at := low>>6 + i
		w.ring[at&uint64(len(w.ring)-1)] = old[at&uint64(len(old)-1)]
	}
}

// passed returns the functions of those whose number was reached.
func (w *watermark) passed(low uint64) (list []func()) {
	if len(w.waiters) == 0 || low < w.least {
		return nil
	}
	left := w.waiters[:0]
	w.least = 1<<64 - 1
	for _, v := range w.waiters {
		if v.number <= low {
			list = append(list, v.f)
			continue
		}
		w.least = min(w.least, v.number)
		left = append(left, v)
	}
	clear(w.waiters[len(left):])
	w.waiters = left
	return list
}

// after has f called once all steps up to n are finished, and returns true;
// false, when they are already.
func (w *watermark) after(n uint64, f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.low.Load() >= n {
		return false
	}
	if len(w.waiters) == 0 || n < w.least {
		w.least = n
	}
	w.waiters = append(w.waiters, fenced{n, f})
	return true
}
