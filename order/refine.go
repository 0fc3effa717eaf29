package order

import "myreplay/session"

// Refiner learns from passes of a replay: where the answer to a command differed
// whose place next to others was a guess, it tries the other places, the nearest
// first. It serves one goroutine.
type Refiner struct {
	learned *Learned
	trials  map[commandID]*trial
	pending []commandID // they differed in this pass
}

// commandID names a command.
type commandID struct{ session, seq uint64 }

// trial is what was tried for one command.
type trial struct {
	// guesses are what it was told first, in the order of time: what it saw comes
	// before what it did not see.
	guesses []session.Guess
	at      []int64 // when the effects of these were
	first   int     // how many of them it saw then
	tries   int
	// doubts are the guesses about the writes that it sees; the first doubted of
	// them have been tried.
	doubts  []Lesson
	doubted int
	over    bool
}

// NewRefiner returns a Refiner that goes on with what was learned before.
func NewRefiner(l *Learned) *Refiner {
	return &Refiner{learned: l, trials: map[commandID]*trial{}}
}

// Learned returns what was learned so far. It is for the next pass.
func (r *Refiner) Learned() *Learned { return r.learned }

// Differs tells that the answer to a command differed in the pass that has just
// ended. guesses are those of its Step; p planned the pass. Reads that pass over
// locked rows are left alone: a replay finds their place by the rows that they take.
func (r *Refiner) Differs(id, seq uint64, guesses []session.Guess, p *Planner) {
	doubts, k := p.Doubts(id, seq), commandID{id, seq}
	if len(guesses) == 0 && len(doubts) == 0 || p.takers[k] {
		return
	}
	t := r.trials[k]
	if t == nil {
		t = &trial{guesses: append([]session.Guess(nil), guesses...), doubts: append([]Lesson(nil), doubts...)}
		for _, g := range guesses {
			t.at = append(t.at, p.Point(g.Session, g.Seq))
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
		if t := r.trials[k]; !t.over && r.try(k, t) {
			changed++
		}
	}
	r.pending = r.pending[:0]
	r.learned.Passes++
	return changed
}

// try gives a command that differs another place, then the writes that it sees;
// false: all was tried.
func (r *Refiner) try(k commandID, t *trial) bool {
	if seen, ok := t.next(); ok {
		r.place(k, t, seen)
		return true
	}
	if t.doubted == 0 {
		r.place(k, t, t.first) // nothing helped: as it was
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

// place has a command see the first of its guesses.
func (r *Refiner) place(k commandID, t *trial, seen int) {
	for i, g := range t.guesses {
		r.learned.Set(Lesson{Session: k.session, Seq: k.seq, Other: g.Session, OtherSeq: g.Seq, Seen: i < seen, At: t.at[i]})
	}
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
