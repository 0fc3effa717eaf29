package order

import "myreplay/session"

// Refiner learns from passes of a replay: where the answer to a command differed
// whose place next to others was a guess, it tries other places. All reads of one
// snapshot have one place: what the answers of some say rules out places for the
// others. It serves one goroutine.
type Refiner struct {
	learned *Learned
	trials  map[commandID]*trial
	pending []commandID // something of theirs differed in this pass
}

// commandID names a command.
type commandID struct{ session, seq uint64 }

// NewRefiner returns a Refiner that goes on with what was learned before.
func NewRefiner(l *Learned) *Refiner {
	return &Refiner{learned: l, trials: map[commandID]*trial{}}
}

// Learned returns what was learned so far. It is for the next pass.
func (r *Refiner) Learned() *Learned { return r.learned }

// Judged tells whether the answer to a command differed in the pass that has just
// ended. guesses are those of its Step; p planned the pass. Reads that pass over
// locked rows are left alone: a replay finds their place by the rows that they take.
func (r *Refiner) Judged(id, seq uint64, guesses []session.Guess, differs bool, p *Planner) {
	read := commandID{id, seq}
	if p.takers[read] {
		return
	}
	doubts := p.Doubts(id, seq)
	if len(guesses) == 0 && (!differs || len(doubts) == 0) {
		return
	}
	k := p.snapshotOf(read)
	t := r.trials[k]
	if t == nil {
		if len(r.trials) >= maxDoubting {
			return
		}
		t = &trial{}
		r.trials[k] = t
	}
	t.saw(guesses, differs, p)
	if !differs {
		return
	}
	t.doubt(doubts)
	if !t.pending {
		t.pending = true
		r.pending = append(r.pending, k)
	}
}

// Next ends a pass, and returns how many places are tried in the next one. 0:
// there is nothing more to try.
func (r *Refiner) Next() (changed int) {
	for _, k := range r.pending {
		t := r.trials[k]
		if t.pending = false; !t.over && r.try(k, t) {
			changed++
		}
	}
	r.pending = r.pending[:0]
	r.learned.Passes++
	return changed
}

// try gives what differs another place, then the writes that it sees; false: all
// was tried.
func (r *Refiner) try(k commandID, t *trial) bool {
	if t.doubted == 0 {
		if seen, ok := t.next(); ok {
			r.place(k, t, seen)
			return true
		}
		if len(t.guesses) > 0 {
			r.place(k, t, t.first()) // nothing helped: as it was
		}
	} else {
		r.learned.Set(t.doubts[t.doubted-1])
	}
	if t.doubted == len(t.doubts) {
		t.over = true
		return false
	}
	n := t.doubts[t.doubted]
	n.Seen = !n.Seen
	r.learned.Set(n)
	t.doubted++
	return true
}

// place has a snapshot see some of what is guessed of it, a bit each.
func (r *Refiner) place(k commandID, t *trial, seen uint64) {
	for i, g := range t.guesses {
		r.learned.Set(Lesson{Session: k.session, Seq: k.seq, Other: g.on.session, OtherSeq: g.on.seq, Seen: seen>>i&1 != 0, At: g.at})
	}
}
