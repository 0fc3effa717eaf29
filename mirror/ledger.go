package mirror

import (
	"sync"

	"myreplay/report"
	"myreplay/session"
)

const (
	// ledgerBatch is how many events are booked at once.
	ledgerBatch = 256
	// ledgerLimit is how many events may wait to be booked before those who bring
	// them wait, too.
	ledgerLimit = 1 << 15
)

// entry is an event that is to be booked.
type entry struct {
	event    session.Event
	replayed bool
}

// ledger books the events of both sides. Who brings one does not wait for those
// who book: whoever finds a batch, and nobody at it, books it for all.
type ledger struct {
	queue   sync.Mutex // guards waiting
	waiting []entry
	spare   []entry

	books   sync.Mutex // guards what follows
	builder *report.Builder
	seen    func(session.Event)
	capture keeper
	run     keeper
}

// bring adds an event of one side.
func (l *ledger) bring(e session.Event, replayed bool) {
	l.queue.Lock()
	l.waiting = append(l.waiting, entry{e, replayed})
	n := len(l.waiting)
	l.queue.Unlock()
	switch {
	case n >= ledgerLimit:
		l.books.Lock()
	case n < ledgerBatch || !l.books.TryLock():
		return
	}
	defer l.books.Unlock()
	l.book()
}

// with calls f when everything that was brought is booked, and nobody else books.
func (l *ledger) with(f func()) {
	l.books.Lock()
	defer l.books.Unlock()
	l.book()
	f()
}

// book books what waits. The caller holds the books.
func (l *ledger) book() {
	l.queue.Lock()
	list := l.waiting
	l.waiting = l.spare[:0]
	l.queue.Unlock()
	for i := range list {
		l.one(&list[i])
		list[i] = entry{}
	}
	l.spare = nil
	if cap(list) <= 4*ledgerBatch {
		l.spare = list[:0]
	}
}

func (l *ledger) one(e *entry) {
	if e.replayed {
		l.run.write(e.event)
		l.builder.Replayed(e.event)
		return
	}
	l.capture.write(e.event)
	if l.seen != nil {
		l.seen(e.event)
	}
	l.builder.Recorded(e.event)
}
