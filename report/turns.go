package report

import "myreplay/session"

// Commands are compared in the order in which the run tells of their outcome, so
// that a difference can name an earlier one, and the report does not depend on
// how the two streams are mixed. A command whose recorded reply is not there yet
// makes those after it wait; not for long (maxTurnWait), for not too many
// (maxTurns), and not when memory is short: then it is compared when it can be.

const (
	// maxTurns is how many commands wait for one before them.
	maxTurns = 1 << 16
	// maxTurnWait is how long they wait, in nanoseconds of the run's time.
	maxTurnWait = int64(5e9)
)

// turns is the list of entries whose replayed side is final, in the order in
// which it became so. The zero value is empty.
type turns struct {
	first, last *entry
	count       int
	// now is the run's latest time.
	now int64
}

// turn is an entry's place among the turns. In the list since is the run's time
// when it came in; over: it was, and is no more.
type turn struct {
	next, prev   *entry
	listed, over bool
	since        int64
}

func (l *turns) push(e *entry) {
	e.turn = turn{prev: l.last, listed: true, since: l.now}
	if l.last != nil {
		l.last.turn.next = e
	} else {
		l.first = e
	}
	l.last = e
	l.count++
}

// remove takes an entry out, if it is in the list.
func (l *turns) remove(e *entry) {
	t := &e.turn
	if !t.listed {
		return
	}
	if t.prev != nil {
		t.prev.turn.next = t.next
	} else {
		l.first = t.next
	}
	if t.next != nil {
		t.next.turn.prev = t.prev
	} else {
		l.last = t.prev
	}
	*t = turn{over: true}
	l.count--
}

// full tells whether the first entry has made the others wait for too long.
func (l *turns) full() bool {
	return l.first != nil && (l.count > maxTurns || l.now-l.first.turn.since > maxTurnWait)
}

// isDone tells whether both sides of an entry are final.
func (b *Builder) isDone(e *entry) bool {
	return e.sides[recorded].final && e.sides[replayed].final && b.isDescribed(e)
}

// takesTurns tells whether an entry is in the list, or is to be.
func (b *Builder) takesTurns(e *entry) bool {
	return b.options.Sides != CaptureAlone && !e.turn.over
}

// queue takes an entry into the list once its replayed side is final.
func (b *Builder) queue(e *entry) {
	if e.sides[replayed].final && !e.turn.listed && b.takesTurns(e) {
		b.turns.push(e)
	}
}

// advance compares the entries whose turn it is.
func (b *Builder) advance() {
	for e := b.turns.first; e != nil; e = b.turns.first {
		switch {
		case b.isDone(e):
			b.complete(e, nil, nil)
		case b.turns.full():
			b.turns.remove(e)
		default:
			return
		}
	}
}

// hurry lets the first entry go without those before it, to free memory, and
// tells whether there was one.
func (b *Builder) hurry() bool {
	e := b.turns.first
	if e == nil {
		return false
	}
	if b.isDone(e) {
		b.complete(e, nil, nil)
	} else {
		b.turns.remove(e)
	}
	b.advance()
	return true
}

// complete compares an entry of which both sides are final, and drops it; x and
// y are its replies, if they have just come.
func (b *Builder) complete(e *entry, x, y *session.Reply) {
	if x == nil {
		x = e.sides[recorded].heldReply()
	}
	if y == nil {
		y = e.sides[replayed].heldReply()
	}
	b.finish(e, x, y)
	b.drop(e)
}
