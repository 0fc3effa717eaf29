package report

import (
	"slices"

	"myreplay/compare"
	"myreplay/session"
)

const (
	// maxHeldRows and maxHeldRowBytes limit what is held of kept rows, for
	// examples.
	maxHeldRows     = 100
	maxHeldRowBytes = 16 << 10
	// entryCost and resultCost stand for the fixed sizes when memory is counted.
	entryCost  = 1200
	resultCost = 256
	// maxSpare is how many entries are kept for use again, or fewer, as far as an
	// eighth of the memory goes, but minSpare in any case; maxSpareBytes is how
	// large each may be.
	maxSpare      = 1 << 13
	minSpare      = 64
	maxSpareBytes = 16 << 10
	// longest is the longest time that a command can take; what seems longer
	// has a wrong clock.
	longest = int64(30 * 24 * 3600e9)
)

// entry is one command of a joined session, held until both sides are done.
type entry struct {
	join       *joined
	seq        uint64
	next, prev *entry // in the list of all entries, by age
	cost       int
	turn       turn

	// What the recording says of the command; described tells whether it has.
	described bool
	protocol  session.Protocol
	kind      session.Kind
	class     *class // nil for kinds that get no reply
	at        int64
	statement uint32
	text      []byte // the first bytes of the statement's text
	textBytes int
	payload   []byte // an Execute's, when there is a use for it
	size      uint64
	masked    bool
	lossy     bool
	user      string
	schema    string
	// guesses, dropped and redone are those of the run's Order (of two runs: of both).
	// rests are those about the writes of what it finds.
	guesses, rests  []session.Guess
	dropped, redone uint32
	still           bool

	sides [2]half
}

// half is one side of an entry.
type half struct {
	// commanded: the side's Command was seen; final: nothing more will come.
	commanded, final bool
	replied          bool
	failed           bool
	lossy            bool
	// overlapped: it was sent before the reply to the command before it had come,
	// so that its times say nothing of itself.
	overlapped  bool
	skipped     session.Skip
	at          int64
	took, first int64
	rows, bytes uint64
	// reply is a copy of the reply, when held is set.
	reply session.Reply
	held  bool
	// keptBytes holds the bytes of its kept rows.
	keptBytes []byte
}

// answer takes the figures of a reply.
func (h *half) answer(r *session.Reply) {
	h.replied, h.final = true, true
	h.took = min(max(r.Last-h.at, 0), longest)
	h.first = min(max(r.First-h.at, 0), longest)
	h.bytes = r.Bytes
	h.rows, h.failed = 0, false
	for i := range r.Results {
		h.rows += r.Results[i].Rows
		h.failed = h.failed || r.Results[i].Error != nil
	}
}

// hold copies what comparing needs of a reply, and returns how many bytes that
// takes.
func (h *half) hold(r *session.Reply) int {
	h.held = true
	results := h.reply.Results
	h.reply = *r
	h.reply.Results = slices.Grow(results[:0], len(r.Results))[:len(r.Results)]
	h.keptBytes = h.keptBytes[:0]
	cost := len(r.Results) * resultCost
	for i := range r.Results {
		to, from := &h.reply.Results[i], &r.Results[i]
		keyed, kept := to.Keyed[:0], to.Kept[:0]
		*to = *from
		to.Changes, to.Info = compare.Counting(to.Changes), ""
		to.Keyed = append(keyed, from.Keyed...)
		to.Kept = h.holdRows(kept, from.Kept)
		cost += 16 * len(to.Keyed)
	}
	return cost + len(h.keptBytes)
}

func (h *half) holdRows(to, rows [][]byte) [][]byte {
	for i, row := range rows {
		if i == maxHeldRows || len(h.keptBytes)+len(row) > maxHeldRowBytes {
			break
		}
		at := len(h.keptBytes)
		h.keptBytes = append(h.keptBytes, row...)
		to = append(to, h.keptBytes[at:len(h.keptBytes):len(h.keptBytes)])
	}
	return to
}

// heldReply returns the reply that is held, or nil.
func (h *half) heldReply() *session.Reply {
	if h.held {
		return &h.reply
	}
	return nil
}

// about returns what decides about causes.
func (e *entry) about() compare.Statement {
	var s compare.Statement
	if e.class != nil {
		s = e.class.about
	}
	s.AfterLoss = e.lossy || e.sides[0].lossy || e.sides[1].lossy
	s.Guessed = !e.still && (e.guessed() || e.join.wrote.guessed || len(e.rests) > 0)
	s.GuessedDDL = slices.ContainsFunc(e.guesses, func(g session.Guess) bool { return g.Defines })
	return s
}

// guessed tells whether the entry's own place was guessed, or not kept: who does a
// transaction again reads what was committed meanwhile.
func (e *entry) guessed() bool { return len(e.guesses) > 0 || e.dropped > 0 || e.redone > 0 }

// guess takes the guesses of a run's Order.
func (e *entry) guess(list []session.Guess) {
	for _, g := range list {
		if g.Rests {
			e.rests = append(e.rests, g)
		} else {
			e.guesses = append(e.guesses, g)
		}
	}
}

// ages is a list of entries by age. The zero value is empty.
type ages struct {
	first, last *entry
	bytes       int
}

func (l *ages) push(e *entry) {
	e.prev, e.next = l.last, nil
	if l.last != nil {
		l.last.next = e
	} else {
		l.first = e
	}
	l.last = e
	l.bytes += e.cost
}

func (l *ages) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = nil, nil
	l.bytes -= e.cost
}

// grow adds to the cost of an entry of the list.
func (l *ages) grow(e *entry, bytes int) {
	e.cost += bytes
	l.bytes += bytes
}

// spares keeps entries for use again, with the memory that they have.
type spares struct {
	list []*entry
	most int
}

func (s *spares) take() *entry {
	if n := len(s.list); n > 0 {
		e := s.list[n-1]
		s.list = s.list[:n-1]
		return e
	}
	return &entry{}
}

func (s *spares) give(e *entry) {
	if len(s.list) >= s.most || e.cost > maxSpareBytes {
		return
	}
	clean := entry{text: e.text[:0], payload: e.payload[:0], guesses: e.guesses[:0], rests: e.rests[:0]}
	for i := range e.sides {
		h := &e.sides[i]
		// Errors, columns and rows are let go; the slices stay.
		for j := range h.reply.Results {
			r := &h.reply.Results[j]
			*r = session.Result{Keyed: r.Keyed[:0], Kept: r.Kept[:0]}
		}
		clean.sides[i].reply.Results = h.reply.Results[:0]
		clean.sides[i].keptBytes = h.keptBytes[:0]
	}
	*e = clean
	s.list = append(s.list, e)
}
