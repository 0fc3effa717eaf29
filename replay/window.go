package replay

import "sync/atomic"

// window limits the memory of the events between the feed and the runners.
type window struct {
	limit   int64
	used    atomic.Int64
	waiting atomic.Bool
	room    chan struct{}
}

func newWindow(limit int64) *window { return &window{limit: limit, room: make(chan struct{}, 1)} }

// enter waits until there is room for n bytes, or stop is closed. One item is
// always let in, whatever its size.
func (w *window) enter(n int64, stop <-chan struct{}) bool {
	for {
		used := w.used.Load()
		if used == 0 || used+n <= w.limit {
			w.used.Add(n)
			return true
		}
		w.waiting.Store(true)
		if used = w.used.Load(); used == 0 || used+n <= w.limit {
			continue
		}
		select {
		case <-w.room:
		case <-stop:
			return false
		}
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
