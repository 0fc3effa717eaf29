package replay

import "sync/atomic"

// window limits the memory of the events between the feed and the runners.
type window struct {
	limit   int64
	extra   atomic.Int64 // what it holds beyond its limit for once
	wanted  atomic.Int64 // what there was no room for
	used    atomic.Int64
	waiting atomic.Bool
	room    chan struct{}
}

func newWindow(limit int64) *window { return &window{limit: limit, room: make(chan struct{}, 1)} }

// enter waits until there is room for n bytes, or stop is closed. One item is
// always let in, whatever its size.
func (w *window) enter(n int64, stop <-chan struct{}, s *scheduler) bool {
	for {
		if w.fits(n) {
			w.used.Add(n)
			return true
		}
		w.waiting.Store(true)
		if w.fits(n) {
			continue
		}
		s.feedPauses()
		select {
		case <-w.room:
			s.feedResumes()
		case <-stop:
			s.feedResumes()
			return false
		}
	}
}

// fits tells whether there is room for n bytes.
func (w *window) fits(n int64) bool {
	used := w.used.Load()
	switch {
	case used == 0, used <= w.low() && used+n <= w.limit:
		w.extra.Store(0)
		return true
	case used+n <= w.limit+w.extra.Load():
		return true
	}
	w.wanted.Store(n)
	return false
}

// grow lets what waits in, and an eighth of the window more, until it has room
// again.
func (w *window) grow() {
	w.extra.Store(max(w.used.Load()+w.wanted.Load()-w.limit, 0) + w.limit/8)
	select {
	case w.room <- struct{}{}:
	default:
	}
}

// low is what the window is emptied to before more is let in: not for every
// item.
func (w *window) low() int64 { return w.limit / 4 * 3 }

// leave gives n bytes back.
func (w *window) leave(n int64) {
	if n == 0 {
		return
	}
	left := w.used.Add(-n)
	if left <= w.low() && w.waiting.Load() && w.waiting.CompareAndSwap(true, false) {
		select {
		case w.room <- struct{}{}:
		default:
		}
	}
}
