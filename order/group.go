package order

import "myreplay/session"

// never is a time after all others.
const never = int64(1<<63 - 1)

// command is a command that is being placed.
type command struct {
	event *session.Command
	reply *session.Reply
	step  *Step
	group *group
	// sent and answered are when its last byte, and when the first of its reply,
	// was seen: what it did happened between the two. answered is never while it is
	// under way.
	sent, answered int64
	id             commandID
	what           effect
	// waits are those of its step, until that is finished.
	waits []pendingWait
	// unproven is what is guessed; nil: nothing.
	unproven *unproven
	// stood is when it had taken no effect yet, as far as that is known.
	stood int64
	// takes is how long such a command took at least.
	takes int64
	// barrier: all wait for it. finished: its step is handed on, or will be as it is.
	barrier, finished bool
	// snaps: it takes a snapshot.
	snaps bool
	// still: it is one statement that reads, and its first table was not changed yet.
	still bool
	// noted: what it does to rows is.
	noted bool
	// Of a Live. holds: it waits for its reply. late: not any more, although that was
	// not seen. handed: it was handed on, at the time handedAt.
	// ambiguous: a change was being committed while it read a snapshot.
	holds, late, handed, ambiguous bool
	// renewals is how often its wait was found to be right, since when that was last.
	renewals        int32
	handedAt, since int64
}

// unproven is what is guessed of a command, which of most is nothing.
type unproven struct {
	guesses []guess
	// rests is what it finds whose writers were put in order by a guess.
	rests *part
	// reads is the command that took the snapshot that the guesses are about.
	reads *command
	// after and before are bounds of its snapshot's point, once bounded is set.
	after, before int64
	bounded       bool
}

// allProven is of commands of which nothing is guessed. It is not written to.
var allProven unproven

// has returns what is guessed of a command, to read it.
func (c *command) has() *unproven {
	if c.unproven == nil {
		return &allProven
	}
	return c.unproven
}

// gets is has to write to it.
func (c *command) gets() *unproven {
	if c.unproven == nil {
		c.unproven = &unproven{}
	}
	return c.unproven
}

// point is where the snapshot of a reading command is taken to lie: as long before
// the answer as such a command takes at least. What it takes longer is waiting, for
// a processor first of all.
func (c *command) point() int64 {
	if c.answered == never {
		return c.sent
	}
	return c.answered - min(c.answered-c.sent, c.takes)
}

// held is an event that waits for its place.
type held struct {
	event   session.Event
	command *command // of a Command
}

// group is a transaction of a session, or a command outside of any.
type group struct {
	session  *member
	events   []held
	accesses []*access
	bytes    int

	// begun and ended count all events of the recording; ended 0: it is open.
	begun, ended uint64
	// low is the number of the last step that was handed on before it began: what has
	// a higher one may have been under way beside it.
	low uint64
	// at is the recorded time of its first event.
	at int64
	// first and last are its first and last commands that were answered or sent;
	// last is the one that ends it, once it has ended or that was sent.
	first, last *command
	// snap is the command that took the snapshot for all its reads (REPEATABLE
	// READ); nil: none yet.
	snap *command
	// repeatable: its reads share a snapshot. serial: they lock.
	repeatable, serial bool
	// over: how it ended.
	over ending
	// seenBy is when the end of the group is proven to have taken effect: some
	// command that had waited for it was answered.
	seenBy int64
	// likelyBy is the same, guessed; maybeBy is a guess of writes outside of
	// transactions, which their numbers would settle.
	likelyBy, maybeBy int64
	// likelyAfter is after when it had, guessed; 0: there is no guess.
	likelyAfter int64
	wrote       bool
	// source has numbered its commit from gtid to gtidTo (of one commit they are
	// the same); nil: not known. after: the commit took effect later than that.
	// looked: guesses rest on when that was.
	source       *source
	gtid, gtidTo uint64
	after        int64
	looked       bool
	// inside: it is a transaction of several commands.
	inside bool
	// long: it is not held to its end.
	long bool
	// torn: it may be the rest of a transaction of which bytes were lost.
	torn bool
	// live: of a Live.
	live bool
	// number is the place of its last step; 0: not placed yet. shown counts the
	// events when a part of a long one was handed on.
	number, shown uint64

	// facts and literals are evidence of what was seen and written.
	facts    []fact
	literals []written
	// returns are reads that returned rows by their keys, turns rows that came or went.
	returns []*keyedRead
	turns   []*turn
	// sawBy and missedBy are reads that are known to have seen its end, or not to.
	sawBy, missedBy []*keyedRead
	// undone: it went back to a savepoint, so that not all that it did came to be.
	undone bool

	prev, next *group // the open ones, by begun
}

// ending tells how a group ended.
type ending uint8

const (
	open ending = iota
	committed
	rolledBack
)

// isOlder tells whether a group was placed before a number.
func (g *group) isOlder(number uint64) bool {
	return g.number != 0 && g.number < number || g.long && g.number == 0
}

// effective is when the end of the group had taken effect at the latest.
func (g *group) effective() int64 {
	if g.seenBy != 0 {
		return min(g.seenBy, g.last.answered)
	}
	return g.last.answered
}

// earliest is when the end of the group had not taken effect yet.
func (g *group) earliest() int64 { return max(g.last.sent, g.after) }

// likely is by when the end of the group is guessed to have taken effect; 0: there
// is no guess.
func (g *group) likely() int64 {
	if g.source != nil {
		return g.likelyBy
	}
	return sooner(g.likelyBy, g.maybeBy)
}

// point is where the group's commit is taken to lie: shortly before the reply.
func (g *group) point() int64 {
	hi, lo := g.effective(), max(g.earliest(), g.likelyAfter)
	if by := g.likely(); by > lo {
		hi = min(hi, by)
	}
	if g.source != nil {
		hi = max(hi, g.after)
	}
	return hi - min(max(hi-lo, 0)/2, commitDelay)
}

// commitDelay is how long before the reply others see a commit, about, in
// nanoseconds.
const commitDelay = 30_000

// openList holds the open groups by when they began.
type openList struct{ first, last *group }

func (l *openList) add(g *group) {
	g.prev, g.next = l.last, nil
	if l.last == nil {
		l.first = g
	} else {
		l.last.next = g
	}
	l.last = g
}

func (l *openList) remove(g *group) {
	if g.prev == nil {
		if l.first != g {
			return // it is not in the list
		}
		l.first = g.next
	} else {
		g.prev.next = g.next
	}
	if g.next == nil {
		l.last = g.prev
	} else {
		g.next.prev = g.prev
	}
	g.prev, g.next = nil, nil
}
