package replay

import (
	"sync"
	"sync/atomic"

	"myreplay/order"
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
	// skip is why a command is not to be sent, where that is decided already. Its
	// payload is left out then.
	skip session.Skip
	// half: by the latest reply before, a transaction is open of which nothing was
	// sent.
	half bool
	// piped: the client sent it while it awaited the reply to the one before.
	piped bool
	// step is a command's place in the order between sessions; nil: it has none.
	// Where it has one, recorded is the code of the error that the source answered
	// with, took how long that took in nanoseconds, and over tells that no
	// transaction was open after it.
	step     *order.Step
	took     int64
	recorded uint16
	over     bool
	pin      Pin
}

// maxKeptItems is how much room an empty mailbox keeps for items.
const maxKeptItems = 256

// mailbox holds the events that a runner has not handled yet. One goroutine
// puts, one takes.
type mailbox struct {
	window *window
	// scheduler is told when the taker waits, and of the steps that are handled; nil:
	// there is none.
	scheduler *scheduler
	wake      chan struct{} // holds one token when there may be something new

	mu     sync.Mutex
	items  []item
	head   int  // the first of items that was not taken yet
	idle   bool // the taker waits
	closed bool
	behind atomic.Bool // given up: what is left is to be skipped

	// In the taker's hand: since when the first of it was due, the bytes of all.
	// waits: it can't be sent yet for want of a connection.
	due, cost int64
	held      bool
	waits     bool
	// steps are those of the commands in the taker's hand; the taker's own.
	steps []*order.Step
	owed  *order.Step // of those, one that the taker finishes later
}

func newMailbox(w *window, s *scheduler) *mailbox {
	return &mailbox{window: w, scheduler: s, wake: make(chan struct{}, 1)}
}

// put adds an item.
func (m *mailbox) put(i item) {
	if m.add(i) {
		m.signal()
	}
}

// add adds an item, and tells whether the taker is to be signalled.
func (m *mailbox) add(i item) (idle bool) {
	m.mu.Lock()
	if len(m.items) == cap(m.items) && m.head > len(m.items)/2 {
		n := copy(m.items, m.items[m.head:])
		clear(m.items[n:])
		m.items, m.head = m.items[:n], 0
	}
	m.items = append(m.items, i)
	idle = m.rouse()
	m.mu.Unlock()
	return idle
}

// rouse takes note that the taker has something to do, and tells whether it waits
// for it. The mailbox is locked.
func (m *mailbox) rouse() (idle bool) {
	if idle = m.idle; idle {
		m.idle = false
		m.scheduler.enter()
	}
	return idle
}

// sleep waits for a signal. The mailbox is locked, and unlocked then.
func (m *mailbox) sleep() {
	m.idle = true
	m.mu.Unlock()
	m.scheduler.leave()
	<-m.wake
}

// close tells that nothing more comes.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.rouse()
	m.mu.Unlock()
	m.signal()
}

// isClosed tells whether nothing more comes.
func (m *mailbox) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// signal has the taker look again.
func (m *mailbox) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// pop takes the first item. The mailbox is locked, and not empty.
func (m *mailbox) pop() item {
	i := m.items[m.head]
	m.items[m.head] = item{} // so that the event can be freed
	m.head++
	if m.head == len(m.items) {
		m.items, m.head = m.items[:0], 0
		if cap(m.items) > maxKeptItems {
			m.items = nil
		}
	}
	if !m.held {
		m.held, m.due = true, i.due
	}
	m.cost += i.cost
	if i.step != nil {
		m.steps = append(m.steps, i.step)
	}
	return i
}

// finish finishes the steps in the taker's hand: whatever became of a command, or
// was forgotten, nobody waits for it from here on.
func (m *mailbox) finish() {
	for k, s := range m.steps {
		if s != m.owed {
			m.scheduler.finish(s)
		}
		m.steps[k] = nil
	}
	m.steps = m.steps[:0]
}

// take waits for the next item and takes it; what was taken before is handled.
// It returns false when nothing more comes, or stop is closed. Whoever closes
// stop calls signal after it.
func (m *mailbox) take(stop <-chan struct{}) (item, bool) {
	m.finish()
	for {
		stopped := isClosed(stop)
		m.mu.Lock()
		m.rouse()
		freed := m.release()
		if m.head < len(m.items) && !stopped {
			i := m.pop()
			m.mu.Unlock()
			m.window.leave(freed)
			return i, true
		}
		if m.closed || stopped {
			m.mu.Unlock()
			m.window.leave(freed)
			return item{}, false
		}
		m.window.leave(freed)
		m.sleep()
	}
}

// release empties the taker's hand. The mailbox is locked.
func (m *mailbox) release() int64 {
	freed := m.cost
	m.cost, m.due, m.held = 0, 0, false
	return freed
}

// more takes the next item in addition, if there is one and ok agrees.
func (m *mailbox) more(ok func(*item) bool) (item, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head == len(m.items) || !ok(&m.items[m.head]) {
		return item{}, false
	}
	return m.pop(), true
}

// await waits until there is an item; false when none comes, or stop is closed.
func (m *mailbox) await(stop <-chan struct{}) bool {
	for !isClosed(stop) {
		m.mu.Lock()
		m.rouse()
		if some := m.head < len(m.items); some || m.closed {
			m.mu.Unlock()
			return some
		}
		m.sleep()
	}
	return false
}

// some tells whether there are items.
func (m *mailbox) some() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head < len(m.items)
}

// done gives back the bytes of an item that was taken in addition.
func (m *mailbox) done(i *item) {
	m.mu.Lock()
	freed := min(i.cost, m.cost)
	m.cost -= freed
	m.mu.Unlock()
	m.window.leave(freed)
}

// stuck tells whether what is in the taker's hand can't be sent yet.
func (m *mailbox) stuck(yes bool) {
	m.mu.Lock()
	m.waits = yes
	m.mu.Unlock()
}

// age tells since when the oldest event that was not sent is due (waiting), or,
// when there is none, the one that is being replayed (held). Neither: the mailbox
// is empty.
func (m *mailbox) age() (due int64, waiting, held bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.behind.Load():
		return 0, false, false
	case m.held && m.waits:
		return m.due, true, true
	case m.head < len(m.items):
		return m.items[m.head].due, true, true
	}
	return m.due, false, m.held
}

// giveUp leaves of all items what bare makes of them, and gives their bytes
// back. It returns false, unless forced, when there is nothing to give up.
func (m *mailbox) giveUp(bare func(*item) bool, force bool) bool {
	m.mu.Lock()
	if !force && m.head == len(m.items) && !m.held {
		m.mu.Unlock()
		return false
	}
	m.behind.Store(true)
	freed := m.cost
	m.cost = 0
	left := make([]item, 0, len(m.items)-m.head)
	for _, i := range m.items[m.head:] {
		freed += i.cost
		if bare(&i) {
			left = append(left, i)
		}
	}
	m.items, m.head = left, 0
	m.mu.Unlock()
	m.window.leave(freed)
	return true
}

// isClosed tells whether a channel that carries nothing is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
