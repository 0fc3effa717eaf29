package order

import (
	"cmp"
	"slices"
	"sort"

	"myreplay/session"
	"myreplay/sqltext"
)

// emit hands on what is held of a group, with what each command waits for.
func (p *Planner) emit(g *group, emit Emit) error {
	if g.long && g.number == 0 && g.snap != nil {
		g.snap.step.Fence = p.endedBefore(g.snap.sent) // what it will read is not known
	}
	if p.options.Mode >= Table {
		p.rest(g)
		p.doneKnown = false
		for _, a := range g.accesses {
			p.relate(a, p.old)
		}
		p.pass(g)
		p.afterLongs(g)
	}
	p.number(g)
	for i, h := range g.events {
		var s *Step
		if h.command != nil {
			s = h.command.step
			p.finishStep(h.command)
		}
		g.events[i] = held{}
		if err := emit(h.event, s); err != nil {
			return err
		}
	}
	p.placed(g)
	return nil
}

// placed takes note of a group that was handed on.
func (p *Planner) placed(g *group) {
	p.bytes -= g.bytes
	p.held.reuse(g.events)
	g.bytes, g.events, g.shown = 0, nil, p.events
	if g.long {
		g.accesses = nil // tables have them
	}
	if g.ended == 0 {
		return
	}
	p.stats.Groups++
	p.near.reuse(g.accesses)
	g.accesses = nil
	if g.last != nil {
		e := placed{g.last.answered, p.numbers}
		if n := len(p.ends); n > 0 {
			e.answered = max(e.answered, p.ends[n-1].answered)
		}
		p.ends = append(p.ends, e)
	}
	if p.numbers-p.swept > uint64(p.window())/2 {
		p.sweep()
	}
}

// sweep forgets what is so old that a fence holds for it. What was handed on since a
// transaction began that has no place yet may have been under way beside it: that is
// not old, however much it is.
func (p *Planner) sweep() {
	p.swept = p.numbers
	if w := uint64(p.window()); p.numbers > w {
		old := p.numbers - w
		if g := p.open.first; g != nil {
			old = min(old, g.low)
		}
		for _, g := range p.queue[p.head:] {
			old = min(old, g.low)
		}
		p.old = max(p.old, old)
	}
	for _, t := range p.tables {
		t.sweep(p.old)
	}
	held := uint64(p.options.Hold) // transactions began as long ago
	n := sort.Search(len(p.ends), func(i int) bool { return p.ends[i].number+held >= p.old })
	p.ends = append(p.ends[:0], p.ends[n:]...)
	p.strike()
	for _, m := range p.members {
		if len(m.waited) > maxWaited {
			clear(m.waited)
			m.reached = nil
		}
	}
}

// maxWaited is of how many sessions a session remembers what it waited for.
const maxWaited = 4096

func (p *Planner) window() int { return p.options.Window + windowOfSession*len(p.members) }

// endedBefore returns the number of the last step of the groups that had ended
// at a time.
func (p *Planner) endedBefore(at int64) uint64 {
	n := sort.Search(len(p.ends), func(i int) bool { return p.ends[i].answered > at })
	if n == 0 {
		return 0
	}
	return p.ends[n-1].number
}

// fence returns up to which number a command of a group waits for all steps: for
// what is too old to be waited for by itself, if it was over when the command was
// sent. In a transaction that was held back for long, the first commands are older
// than what was handed on meanwhile, which may wait for them.
func (p *Planner) fence(c *command) uint64 {
	if p.old == 0 {
		return 0
	}
	return min(p.old, p.endedBefore(max(c.sent, c.stood)))
}

// number gives the steps of a group their numbers, and fences.
func (p *Planner) number(g *group) {
	fence := uint64(0)
	if p.options.Mode == Commit && g.first != nil && g.number == 0 {
		fence = p.endedBefore(g.first.sent)
	}
	for i := range g.events {
		c := g.events[i].command
		if c == nil {
			continue
		}
		p.numbers++
		p.stats.Steps++
		s := c.step
		s.Number = p.numbers
		s.Fence = max(s.Fence, fence, p.fence(c))
		if c.barrier {
			s.Fence = s.Number - 1
		}
		s.Inside, s.Apart = g.inside, g.long
		s.Begins = g.inside && c == g.first && !g.torn
		s.Ends = g.inside && g.ended != 0 && c == g.last
		if b := p.barrier; b != nil && b != c && c == g.first && c.sent >= b.answered {
			c.wait(b, Proven, Barrier, false)
		}
	}
	if g.ended != 0 || g.number == 0 {
		g.number = p.numbers
	}
}

// finishStep leaves out of what a command waits for what its session has waited
// for before, and counts the rest.
func (p *Planner) finishStep(c *command) {
	s := c.step
	m := c.group.session
	kept := c.waits[:0]
	for _, w := range c.waits {
		if w.on.seq <= m.waitedFor(w.on.session) || w.On.Number != 0 && w.On.Number < p.old {
			continue
		}
		kept = append(kept, w)
		p.stats.Waits[w.Confidence]++
		p.stats.Reasons[w.Reason]++
	}
	if len(kept) > 0 {
		s.Waits = take(&p.slabs.waits, len(kept), slabWaits)
	}
	for i := range kept {
		w := &kept[i]
		s.Waits[i] = w.Wait
		if w.Confidence == Proven && !w.Sent {
			m.reach(w, len(p.members))
		}
	}
	m.room.reuse(c.waits)
	c.waits, c.finished = nil, true
	s.Still = c.still && p.isStill(c)
	guessed := c.has()
	if guessed.rests != nil {
		s.Rests = guessed.rests.writes[:]
		p.doubtRests(c)
	}
	if len(guessed.guesses) > 0 {
		if c.snaps {
			c.ambiguous = true
			p.stats.Ambiguous++
		}
		p.keepPoints(c)
		c.settle()
	}
	p.unsay(c)
}

// wait has a command wait for another. Of those of one session the latest is
// enough.
func (c *command) wait(on *command, conf Confidence, why Reason, sent bool) {
	if on == c {
		return
	}
	if c.finished {
		c.waitLate(Wait{On: on.step, Confidence: conf, Reason: why, Sent: sent})
		return
	}
	upTo, at := uint64(0), int64(0)
	if conf == Proven && on.answered <= c.sent {
		upTo, at = on.upTo()
	}
	for i := range c.waits {
		w := &c.waits[i]
		if w.on.session != on.id.session || w.Sent != sent || (w.Confidence == Proven) != (conf == Proven) {
			continue
		}
		w.upTo, w.at, w.Locks = max(w.upTo, upTo), max(w.at, at), false
		if w.on.seq < on.id.seq {
			w.on, w.Wait = on.id, Wait{On: on.step, Confidence: conf, Reason: why, Sent: sent}
		}
		return
	}
	if c.waits == nil {
		c.waits = c.group.session.room.take()
	}
	c.waits = append(c.waits, pendingWait{Wait{On: on.step, Confidence: conf, Reason: why, Sent: sent}, on.id, upTo, at})
}

// waitLocks is wait for a guess on which no value rests.
func (c *command) waitLocks(on *command, why Reason) {
	same := func(w pendingWait) bool { return w.on.session == on.id.session && w.Confidence != Proven && !w.Sent }
	i := slices.IndexFunc(c.waits, same)
	only := i < 0 || c.waits[i].Locks
	if c.wait(on, Guessed, why, false); only && !c.finished {
		if i = slices.IndexFunc(c.waits, same); i >= 0 {
			c.waits[i].Locks = true
		}
	}
}

// waitLate is wait for a command of a long transaction that was handed on before it
// was answered.
func (c *command) waitLate(late Wait) {
	s := c.step
	for i := range s.Waits {
		w := &s.Waits[i]
		if w.On.Session != late.On.Session || w.Sent != late.Sent || (w.Confidence == Proven) != (late.Confidence == Proven) {
			continue
		}
		if w.On.Seq < late.On.Seq {
			*w = late
		}
		return
	}
	s.Waits = append(s.Waits, late)
}

// guess takes note of an unproven place next to another command, whose effect was
// at a time, and returns it, or what was noted of the two before.
func (c *command) guess(on *command, seen bool, at int64) *guess {
	known := c.gets()
	i := slices.IndexFunc(known.guesses, func(g guess) bool { return g.on == on.step })
	if i < 0 {
		i = len(known.guesses)
		known.guesses = append(known.guesses, guess{on: on.step, at: at, seen: seen})
	}
	return &known.guesses[i]
}

// guess is the same of accesses that can't be held at once.
func (a *access) guess(b *access, seen bool) {
	if g := a.cmd.guess(b.cmd, seen, b.cmd.answered); a.mode == define || b.mode == define {
		g.defines = true
	}
}

// guess is an unproven place.
type guess struct {
	on   *Step
	at   int64
	seen bool
	// defines: one of the two changes definitions.
	defines bool
}

// settle gives the step those of its guesses that are next to its place, in the
// order of time: what was seen, then what was not.
func (c *command) settle() {
	list := c.unproven.guesses
	slices.SortStableFunc(list, func(a, b guess) int {
		if a.seen != b.seen {
			if a.seen {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.at, b.at)
	})
	seen := 0
	for seen < len(list) && list[seen].seen {
		seen++
	}
	from := max(0, min(seen-session.MaxGuesses/2, len(list)-session.MaxGuesses))
	for _, g := range list[from:min(len(list), from+session.MaxGuesses)] {
		c.step.Guesses = append(c.step.Guesses, session.Guess{Session: g.on.Session, Seq: g.on.Seq, Seen: g.seen, Defines: g.defines})
	}
	c.unproven.guesses = nil
}

// afterLongs has the end of a transaction that wrote wait for the snapshots of
// transactions that go on, and may yet read what it wrote.
func (p *Planner) afterLongs(g *group) {
	if !g.wrote || g.over != committed || g.ended == 0 || g.last == nil {
		return
	}
	for _, l := range p.longs {
		if l != g && l.session != g.session && l.snap != nil && l.snap.answered <= g.last.sent {
			g.last.wait(l.snap, Proven, ReadWrite, false)
		}
	}
}

// tighten takes note that the lock of a transaction that is ending has passed to
// another: so its end has taken effect. Where it is not certain that both locked
// the same row, that is a guess.
func (p *Planner) tighten(a *access) {
	for _, g := range p.enders {
		if g.seenBy != 0 || g.session == a.group.session {
			continue
		}
		for _, b := range g.accesses {
			if b.table != a.table || b.cmd == g.last || b.end != nil || !(a.locks(b) && !disjoint(a.domains, b.domains) || a.enters && b.gap) {
				continue
			}
			if !a.group.inside && a.cmd.sent < b.cmd.answered { // it may have had its lock, and let it go, before
				g.maybeBy = sooner(g.maybeBy, a.cmd.answered)
				continue
			}
			if a.exact == b.exact && b.isHad() || a.meetsTable(b) {
				g.seenBy = a.cmd.answered
				break
			}
			if g.likelyBy == 0 {
				g.likelyBy = a.cmd.answered
			}
		}
	}
}

// isEnd tells whether a command ends a transaction.
func (c *command) isEnd() bool {
	for _, s := range c.what.shapes {
		if s.Verb == sqltext.Commit || s.Verb == sqltext.Rollback && !s.To || s.Class == sqltext.DDL {
			return true
		}
	}
	return false
}
