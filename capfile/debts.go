package capfile

import (
	"fmt"

	"myreplay/session"
)

// debts is what a Writer has yet to tell about blocks that it dropped. What it
// keeps is bounded by the sessions that are alive.
type debts struct {
	events uint64 // dropped and not told of
	told   uint64 // of them, those that the current block tells of
	// sessions that lost events: no event of theirs is written before a Gap.
	sessions map[uint64]debt
}

// debt is what is owed to one session.
type debt struct {
	at    int64
	seq   uint64 // the number of its next command
	whole bool   // nothing of the session is in the capture
}

// owe takes note that the current block is being dropped.
func (w *Writer) owe() {
	d := &w.debts
	d.events += d.told + w.block.Events
	d.told = 0
	if d.sessions == nil {
		d.sessions = map[uint64]debt{}
	}
	for _, s := range w.enc.sessions {
		// A session whose whole life was dropped has nothing to be marked.
		if s.id != 0 && !(s.whole && s.ended) {
			d.sessions[s.id] = debt{at: w.enc.last, seq: s.seq + 1, whole: s.whole}
		}
	}
}

// tell begins a block with the Gap that belongs to nobody in particular.
func (w *Writer) tell(at int64) {
	d := &w.debts
	w.mark(&session.Gap{At: at, Reason: session.QueueFull, Detail: fmt.Sprintf("%d events were dropped", d.events)})
	d.told, d.events = d.events, 0
}

// settle writes the Gap that is owed to a session.
func (w *Writer) settle(id uint64) {
	d, ok := w.debts.sessions[id]
	if !ok {
		return
	}
	delete(w.debts.sessions, id)
	w.mark(&session.Gap{ID: id, At: d.at, Seq: d.seq, Reason: session.QueueFull})
	w.enc.sessions[w.enc.ids[id]].whole = d.whole
}

// settleSome settles some of the debts to sessions that have been silent.
func (w *Writer) settleSome() {
	const some = 1024
	n := 0
	for id := range w.debts.sessions {
		if n++; n > some {
			return
		}
		w.settle(id)
	}
}

// mark writes a Gap of the Writer's own into the current block.
func (w *Writer) mark(g *session.Gap) {
	w.enc.add(g) // never fails for a Gap
	w.own.count(g)
	if w.began == 0 {
		w.began = w.enc.first
	}
}
