package report

import (
	"slices"

	"myreplay/session"
)

// queue holds sequence numbers in the order of their coming.
type queue struct {
	list []uint64
	head int
}

func (q *queue) push(seq uint64) { q.list = append(q.list, seq) }

// front returns the number that came first, if any.
func (q *queue) front() (uint64, bool) {
	if q.head == len(q.list) {
		return 0, false
	}
	return q.list[q.head], true
}

func (q *queue) pop() {
	q.head++
	switch {
	case q.head == len(q.list):
		q.list, q.head = q.list[:0], 0
	case q.head >= 64 && 2*q.head >= len(q.list):
		q.list = slices.Delete(q.list, 0, q.head)
		q.head = 0
	}
}

// apart counts the entries of a session that were given up with one side seen
// only, by that side, so that the account is right when the other side comes.
type apart struct {
	count [2]uint64
	upTo  [2]uint64
}

func (a *apart) add(seen int, seq uint64) {
	a.count[seen]++
	a.upTo[seen] = max(a.upTo[seen], seq)
}

// returns tells whether a command that comes on the given side belongs to an
// entry that was given up.
func (a *apart) returns(side int, seq uint64, entries map[uint64]*entry) bool {
	seen := 1 - side
	if a.count[seen] == 0 || seq > a.upTo[seen] || entries[seq] != nil {
		return false
	}
	a.count[seen]--
	return true
}

// entry returns the entry of a command, new if need be.
func (b *Builder) entry(j *joined, seq uint64) *entry {
	if e := j.entries[seq]; e != nil {
		return e
	}
	e := b.spares.take()
	e.join, e.seq, e.cost = j, seq, entryCost
	if j.entries == nil {
		j.entries = map[uint64]*entry{}
	}
	j.entries[seq] = e
	b.entries.push(e)
	return e
}

// drop forgets an entry, and its session when nothing more is to come.
func (b *Builder) drop(e *entry) {
	j := e.join
	delete(j.entries, e.seq)
	b.entries.remove(e)
	b.turns.remove(e)
	b.spares.give(e)
	b.dropSession(j)
}

func (b *Builder) dropSession(j *joined) {
	if len(j.entries) > 0 || !j.ended[recorded] && !b.over[recorded] {
		return
	}
	// A run does not say of every session that it has ended.
	all := !b.isRun(recorded) && j.begun[replayed] && j.known[replayed] >= j.known[recorded]
	if !all && !j.ended[replayed] && !b.over[replayed] {
		return
	}
	b.closeApart(j)
	delete(b.joins, j.key)
	for side, runs := range b.runs {
		if runs[j.run[side]] == j {
			delete(runs, j.run[side])
		}
	}
}

// closeApart accounts for what was given up and never came.
func (b *Builder) closeApart(j *joined) {
	b.account.missing += j.apart.count[recorded]
	b.account.reasons.missing += j.apart.count[recorded]
	b.account.reasons.apart -= j.apart.count[recorded]
	b.account.extra += j.apart.count[replayed]
	for side := range b.open {
		b.open[side] -= j.apart.count[side]
	}
	j.apart = apart{}
}

// isRun tells whether a side is a run, in which a session may begin again.
func (b *Builder) isRun(side int) bool { return side == replayed || b.options.Sides == TwoRuns }

// isOver tells whether nothing more can come for a session on a side.
func (b *Builder) isOver(j *joined, side int) bool {
	return b.over[side] || j.ended[side] && !b.isRun(side)
}

// command takes a command of one side.
func (b *Builder) command(e *entry, side int, c *session.Command) {
	h := &e.sides[side]
	if h.commanded {
		b.stray(side, c)
		return
	}
	h.commanded = true
	h.at, h.skipped, h.lossy = c.At, c.Skipped, e.join.lossy[side]
	b.accountSide(side, c)
	if !e.described {
		e.kind = c.Kind
	}
	if c.Order != nil {
		e.dropped += c.Order.Dropped
		e.redone += c.Order.Redone
		e.still = e.still || c.Order.Still
		e.guess(c.Order.Guesses[:min(len(c.Order.Guesses), session.MaxGuesses)])
	}
	other := 1 - side
	if b.isOver(e.join, other) && !e.sides[other].commanded {
		e.sides[other].final = true
	}
	if side == replayed && c.Skipped == session.SkipWrite {
		b.leftWrites()
	}
	if c.Skipped != session.NotSkipped || !c.Kind.HasReply() {
		h.final = true
		b.done(e, nil, nil)
		return
	}
	q := &e.join.waiting[side]
	for seq, ok := q.front(); ok && e.join.entries[seq] == nil; seq, ok = q.front() {
		q.pop()
	}
	q.push(c.Seq)
}

// reply takes a reply of one side. Replies come in the order of their commands:
// commands before it that have none will get none.
func (b *Builder) reply(j *joined, side int, r *session.Reply) {
	b.unanswered(j, side, r.Seq)
	q := &j.waiting[side]
	if seq, ok := q.front(); ok && seq == r.Seq {
		q.pop()
	}
	before := j.last[side]
	j.last[side] = max(before, r.Last)
	e := j.entries[r.Seq]
	if e == nil || !e.sides[side].commanded || e.sides[side].final {
		return
	}
	h := &e.sides[side]
	h.answer(r)
	h.overlapped = h.at < before && b.options.Sides != CaptureAlone
	b.backwards += one(r.Last < h.at)
	if !h.overlapped && b.firstOf(e, side) {
		b.recent[side].add(h.took)
	}
	if side == recorded {
		b.written(e)
		b.done(e, r, nil)
	} else {
		b.done(e, nil, r)
	}
}

// unanswered finishes the side of commands before upTo that wait for a reply.
func (b *Builder) unanswered(j *joined, side int, upTo uint64) {
	q := &j.waiting[side]
	for seq, ok := q.front(); ok && seq < upTo; seq, ok = q.front() {
		q.pop()
		if e := j.entries[seq]; e != nil {
			e.sides[side].final = true
			b.done(e, nil, nil)
		}
	}
}

// end ends a session on one side.
func (b *Builder) end(j *joined, side int) {
	b.unanswered(j, side, ^uint64(0))
	j.ended[side] = true
	if !b.isRun(side) {
		b.absent(j, side)
	} else if b.options.Sides == CaptureAndRun && !j.begun[recorded] && !b.over[recorded] {
		b.addIdle(j) // begun again when it was over in the recording, or told early
	}
	b.dropSession(j)
}

// absent finishes the side of the entries that will not get a command there.
func (b *Builder) absent(j *joined, side int) {
	var seqs []uint64
	for seq, e := range j.entries {
		if !e.sides[side].commanded {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if e := j.entries[seq]; e != nil {
			e.sides[side].final = true
			b.done(e, nil, nil)
		}
	}
}

// streamEnd tells that a side's stream has come to its end.
func (b *Builder) streamEnd(side int) {
	b.over[side] = true
	b.settle(func(e *entry) { e.sides[side].final = true })
}

// sourceEnd tells that the capture of two runs has come to its end.
func (b *Builder) sourceEnd() {
	b.withSource = false
	b.settle(func(*entry) {})
}

// settle calls f for all entries, and compares those that can be after it.
func (b *Builder) settle(f func(*entry)) {
	for e := b.entries.first; e != nil; {
		next := e.next
		f(e)
		b.queue(e)
		if b.isDone(e) && !b.takesTurns(e) {
			b.complete(e, nil, nil)
		}
		e = next
	}
	b.advance()
}

// setIdle notes a recorded session that has ended before its replay began.
func (b *Builder) setIdle(j *joined) {
	if b.over[replayed] || j.begun[replayed] || b.options.Sides == TwoRuns && j.begun[recorded] {
		return
	}
	b.addIdle(j)
}

// addIdle notes a session of which one side has ended and the other not begun.
func (b *Builder) addIdle(j *joined) {
	if len(j.entries) == 0 {
		j.entries, j.waiting = nil, [2]queue{}
	}
	b.idle = append(b.idle, j.key)
	if len(b.idle) <= b.maxIdle {
		return
	}
	b.idle = slices.DeleteFunc(b.idle, func(k joinKey) bool {
		j := b.joins[k]
		return j == nil || j.begun[replayed] && (j.begun[recorded] || b.options.Sides == TwoRuns)
	})
	if len(b.idle) <= b.maxIdle*3/4 {
		return
	}
	for len(b.idle) > b.maxIdle/2 {
		b.forget(b.joins[b.idle[0]])
		b.idle = b.idle[1:]
	}
}

// forget gives up a session of which only one side was seen.
func (b *Builder) forget(j *joined) {
	if j == nil {
		return // it was in the list twice
	}
	b.forgotten += one(j.begun[recorded] || len(j.entries) > 0)
	for side := range j.ended {
		j.ended[side] = true
		b.absent(j, side)
	}
	b.dropSession(j)
}

// done is called when something of an entry is final; x and y are the replies
// that have just come, recorded and replayed. When both sides are final and it is
// its turn the entry is compared and dropped, else a reply is held.
func (b *Builder) done(e *entry, x, y *session.Reply) {
	p, q := &e.sides[recorded], &e.sides[replayed]
	b.queue(e)
	if b.isDone(e) && (b.turns.first == e || !b.takesTurns(e)) {
		b.complete(e, x, y)
	} else {
		if x != nil && (!q.final || q.skipped == session.NotSkipped) {
			b.entries.grow(e, p.hold(x))
		}
		if y != nil && (!p.final || p.skipped == session.NotSkipped) {
			b.entries.grow(e, q.hold(y))
		}
	}
	b.advance()
}

// isDescribed tells whether the capture has said what it says of an entry.
func (b *Builder) isDescribed(e *entry) bool {
	return e.described || b.options.Sides != TwoRuns || !b.withSource || e.seq <= e.join.described
}
