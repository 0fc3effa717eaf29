package order

import "myreplay/session"

// Refiner learns from passes of a replay: where the answer to a command differed
// whose place next to others was a guess, it tries the other places, the nearest
// first. It serves one goroutine.
type Refiner struct {
	learned *Learned
	trials  map[named]*trial
	pending []named // they differed in this pass
}

// named names a command.
type named struct{ session, seq uint64 }

// trial is what was tried for one command.
type trial struct {
	// guesses are what it was told first, in the order of time: what it saw comes
	// before what it did not see.
	guesses []session.Guess
	first   int // how many of them it saw then
	tries   int
	over    bool
}

// NewRefiner returns a Refiner that goes on with what was learned before.
func NewRefiner(l *Learned) *Refiner {
	return &Refiner{learned: l, trials: map[named]*trial{}}
}

// Learned returns what was learned so far. It is for the next pass.
func (r *Refiner) Learned() *Learned { return r.learned }

// Differs tells that the answer to a command differed in the pass that has just
// ended. guesses are those of its Step.
func (r *Refiner) Differs(id, seq uint64, guesses []session.Guess) {
	if len(guesses) == 0 {
		return
	}
	k := named{id, seq}
	t := r.trials[k]
	if t == nil {
		t = &trial{guesses: append([]session.Guess(nil), guesses...)}
		for _, g := range guesses {
			if g.Seen {
				t.first++
			}
		}
		r.trials[k] = t
	}
	r.pending = append(r.pending, k)
}

// Next ends a pass, and returns how many commands get another place in the next
// one. 0: there is nothing more to try.
func (r *Refiner) Next() (changed int) {
	for _, k := range r.pending {
		t := r.trials[k]
		if t.over {
			continue
		}
		seen, ok := t.next()
		if !ok {
			seen, t.over = t.first, true // nothing helped: as it was
		} else {
			changed++
		}
		for i, g := range t.guesses {
			r.learned.Set(Lesson{Session: k.session, Seq: k.seq, Other: g.Session, OtherSeq: g.Seq, Seen: i < seen})
		}
	}
	r.pending = r.pending[:0]
	r.learned.Passes++
	return changed
}

// next returns how many of the guesses are to be seen in the next try: one more
// than at first, one less, two more...
func (t *trial) next() (seen int, ok bool) {
	for t.tries < 2*len(t.guesses) {
		by := t.tries/2 + 1
		if t.tries%2 == 0 {
			by = -by
		}
		t.tries++
		if seen = t.first + by; seen >= 0 && seen <= len(t.guesses) {
			return seen, true
		}
	}
	return 0, false
}
