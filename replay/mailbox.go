package replay

import (
	"sync"
	"sync/atomic"

	"myreplay/session"
	"myreplay/sqltext"
)

// item is an event on its way to a session's runner.
type item struct {
	event session.Event
	due   int64           // when it is to happen; 0: at once
	think int64           // how long the client took since the reply before
	opt   sqltext.Options // how a command's text is to be read
	cost  int64           // bytes of the window
	// piped: the client sent it while it awaited the reply to the one before.
	piped bool
}

// mailbox holds the events that a runner has not come to yet. One goroutine
// puts, one takes.
type mailbox struct {
	mu     sync.Mutex
	items  []item
	wake   chan struct{} // holds one token when there may be something new
	closed bool
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// put adds an item.
func (m *mailbox) put(i item) {
	m.mu.Lock()
	m.items = append(m.items, i)
	first := len(m.items) == 1
	m.mu.Unlock()
	if first {
		m.signal()
	}
}

// close tells that nothing more comes.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take waits for items and returns all there are, in order; used is a slice to
// reuse. It returns false when nothing more comes, or stop is closed.
func (m *mailbox) take(used []item, stop <-chan struct{}) ([]item, bool) {
	for {
		m.mu.Lock()
		items, closed := m.items, m.closed
		if len(items) > 0 {
			m.items = used[:0]
		}
		m.mu.Unlock()
		if len(items) > 0 {
			return items, true
		}
		if closed {
			return nil, false
		}
		select {
		case <-m.wake:
		case <-stop:
			return nil, false
		}
	}
}

// window limits the memory of the events between the feeder and the runners.
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

// leave gives n bytes back.
func (w *window) leave(n int64) {
	left := w.used.Add(-n)
	// Wake the feeder once a quarter is free: not for every item.
	if left <= w.limit*3/4 && w.waiting.Load() && w.waiting.CompareAndSwap(true, false) {
		select {
		case w.room <- struct{}{}:
		default:
		}
	}
}
