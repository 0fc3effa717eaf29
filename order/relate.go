package order

// relation of one access to those that met the same rows: the three edges of
// "sandwich" ordering. A lock waits for the end of who held it before
// (write-write); a snapshot waits for the transactions that it saw (write-read);
// the end of a transaction waits for the snapshots that did not see it
// (read-write).

// relate has the commands of an access's group wait for what happened before on
// the same rows.
func (p *Planner) relate(a *access, old uint64) {
	if a.group.number != 0 && !a.group.long {
		return
	}
	if a.gap || a.enters || a.scans {
		p.gaps(a)
	}
	if a.skips || a.mode != snapshot && a.table.skipping.len() > 0 {
		p.skips(a)
	}
	p.visits++
	p.lists = a.table.near(a, p.lists[:0], old, a.mode != snapshot)
	var floor floors
	look := p.glance(a)
	bare := a.mode != snapshot && !a.isWhole() && !a.wrote // it does not stand to reads at all
	for i, l := range p.lists {
		if bare && l.marks != nil && l.items[l.head].mode == snapshot {
			continue
		}
		p.glanceAt(&look, a, l)
		low := &floor.locks
		if i == 0 && len(a.table.kept) > 0 || l.len() > 0 && l.items[l.head].mode == snapshot {
			low = &floor.reads
		}
		p.relateTo(a, l, &look, &floor, low)
	}
}

// floors are before which times what was answered need not be looked at: of what
// locks, and of what reads. A writer before the access has waited for those that did
// not see it, but not for those that read other columns than it changed.
type floors struct{ locks, reads int64 }

// rise takes note of an access that has waited for what was before it.
func (f *floors) rise(a, b *access) {
	if f.locks = max(f.locks, b.since()); a.columns&^b.columns == 0 {
		f.reads = max(f.reads, b.since())
	}
}

// relateTo is relate for a list, of which what was answered before low, one of the
// floors, is passed over.
func (p *Planner) relateTo(a *access, l *list, look *glance, floor *floors, low *int64) {
	if l.marks == nil {
		p.relateToAll(a, l, floor, low)
		return
	}
	at := look.span
	if p.looks {
		at = anywhere
	}
	for i, other, byRow := l.walk(at); ; i, other = l.next(i, other, byRow) {
		if i, other = look.pass(l, i, other, byRow, *low); i < l.head {
			break
		}
		m := &l.marks[i]
		if m.answered < *low || m.answered < look.done {
			break
		}
		b := l.items[i]
		if m.answered == never && b.cmd.answered < *low {
			break
		}
		if m.session != look.self && p.relateOne(a, b, look.alone && m.columns&ranged != 0) {
			floor.rise(a, b)
		}
	}
}

// relateToAll is relateTo for a list without marks.
func (p *Planner) relateToAll(a *access, l *list, floor *floors, low *int64) {
	for i := len(l.items) - 1; i >= l.head; i-- {
		b := l.items[i]
		if b.cmd.answered < *low && b.cmd.answered != never {
			break
		}
		if b.group.session != a.group.session && p.relateOne(a, b, false) {
			floor.rise(a, b)
		}
	}
}

// relateOne is meets for an access of another session, if it was not met yet.
func (p *Planner) relateOne(a, b *access, near bool) (covers bool) {
	if b.visit == p.visits {
		return false
	}
	b.visit = p.visits
	return p.meets(a, b, near)
}

// since is when all that was answered before was surely before the access, too.
func (a *access) since() int64 {
	if a.last() == a.cmd { // it may have been done long before its answer
		return a.cmd.sent
	}
	return a.cmd.answered
}

// meets takes note of how an access stands to another, and tells whether what locked
// before the other need not be looked at. near: their domains are known to meet.
func (p *Planner) meets(a, b *access, near bool) (covers bool) {
	switch {
	case a.locks(b):
		if !near && disjoint(a.domains, b.domains) || a.isVain(b) || b.isVain(a) || a.isApart(b) {
			return false
		}
		met, known := p.byKeys(a, b)
		if known && !met && a.mode != define && b.mode != define {
			return false
		}
		covers = p.locked(a, b, met || a.meetsTable(b))
		return covers && a.exact != 0 && a.exact == b.exact && b.mode == exclusive && b.wrote && b.group.over == committed
	case a.mode == snapshot && b.wrote:
		if a.columns&b.columns == 0 || !near && disjoint(a.domains, b.domains) {
			return false
		}
		return p.readsFrom(a, b) && a.exact != 0 && a.exact == b.exact
	case a.wrote && b.mode == snapshot:
		if a.columns&b.columns != 0 && (near || !disjoint(a.domains, b.domains)) {
			p.hides(a, b)
		}
	}
	return false
}

// locked has a lock wait for the end of who held it before. It tells whether b
// did. met: both locked the same row, for certain.
func (p *Planner) locked(a, b *access, met bool) bool {
	last := b.last()
	if last == nil {
		return false
	}
	if b.isHeld(a) {
		if a.cmd.late { // it will wait at the target, once the other holds its lock there
			a.cmd.wait(b.cmd, Guessed, WriteWrite, false)
		}
		return false
	}
	met = met || a.exact != 0 && a.exact == b.exact
	if !met && a.preceded(b) {
		return false
	}
	first, sure := p.first(a, b, met)
	apart := b.heldTo() >= a.cmd.answered && last != b.cmd // held at the same time: they did not meet
	if (!first || apart) && sure == Guessed {
		a.guess(b, false)
	}
	if sure == Guessed && !apart {
		p.unsureBetween(a, b, first)
	}
	if !first || apart {
		return false
	}
	why := WriteWrite
	if a.mode == define || b.mode == define {
		why = Barrier
	}
	conf := Guessed
	switch {
	case last.answered <= a.cmd.sent, b.hadBy() <= a.cmd.sent && last == b.cmd, sure == Proven && (why == Barrier || met):
		conf = Proven
	case sure == Inferred:
		conf = Inferred
	case sure == Guessed:
		a.guess(b, true)
	}
	if conf != Proven {
		b.group.look()
	}
	if !a.wrote && b.wrote && a.mode != define { // it reads what was written there
		p.doubt(a.cmd, b.cmd)
	}
	a.cmd.wait(last, conf, why, false)
	return true
}

// first tells whether b had its lock before a, if they met, and how sure that is;
// met: they did. Locks are had in the order of the replies; but a command that is a
// transaction by itself frees its locks before it is answered. Where such a one
// overlaps with the other, what the other held at its answer tells, or whether a
// table was there, or its commit's number, or nothing does.
func (p *Planner) first(a, b *access, met bool) (first bool, sure Confidence) {
	aBy, bBy := a.hadBy(), b.hadBy()
	first = bBy < aBy || bBy == aBy && b.group.begun < a.group.begun
	if a.cmd.sent >= bBy || b.cmd.sent >= aBy {
		return first, Proven
	}
	aLast, bLast := a.last(), b.last()
	aAlone, bAlone := aLast == a.cmd, bLast == b.cmd
	if earlier, known := a.followed(b); known && (aAlone || bAlone) {
		return earlier, Proven
	}
	if aAlone || bAlone {
		if p.came(b, a) {
			return true, Inferred
		} else if p.came(a, b) {
			return false, Inferred
		} else if earlier, known := p.stood(a, b); known {
			return earlier, Inferred
		}
	}
	if made, known := existed(b, a); known {
		return made, Inferred
	} else if made, known = existed(a, b); known {
		return !made, Inferred
	}
	defines := a.mode == define || b.mode == define
	switch {
	case b.born && a.exact == b.exact && a.isHad():
		return true, Inferred
	case a.born && a.exact == b.exact && b.isHad():
		return false, Inferred
	case aAlone && a.shownBy() <= b.heldTo():
		return false, Inferred
	case bAlone && aLast != nil && b.shownBy() <= a.heldTo():
		return true, Inferred
	case !aAlone && !bAlone:
		return first, Proven
	case aAlone && !bAlone && b.heldTo() >= a.cmd.answered:
		if met || defines {
			return false, Proven
		}
		first = bBy < aBy-commitDelay
	case bAlone && !aAlone && (aLast == nil || a.heldTo() >= b.cmd.answered):
		if met || defines {
			return true, Proven
		}
		first = bBy-commitDelay <= aBy
	}
	if met || defines { // else it may be that they did not meet
		first = p.likelier(a, b, first)
	}
	if first { // what it found had been committed
		b.group.notAfter(aBy, 0)
	}
	a.group.look()
	b.group.look()
	return first, Guessed
}

// likelier tells whether it is the likelier order of two that met that b had its lock
// before a, or what was learned of them. first is what their answers say.
func (p *Planner) likelier(a, b *access, first bool) bool {
	switch { // it is rather this child than one that is not known
	case a.wasKept(b):
		first = true
	case b.wasKept(a):
		first = false
	case (a.mode == define || b.mode == define) && a.isNear(b): // those that come while a definition waits wait behind it
		first = b.cmd.sent < a.cmd.sent
	}
	if seen, known := p.options.Learned.saw(a.cmd, b.cmd); known {
		return seen
	} else if seen, known = p.options.Learned.saw(b.cmd, a.cmd); known {
		return !seen
	}
	return first
}

// hadBy is when a lock was had at the latest: when its command was answered, or
// earlier, where a command that is a transaction by itself has a number.
func (a *access) hadBy() int64 {
	if g := a.numbered(); g != nil && g.last == a.cmd {
		return g.effective()
	}
	return a.cmd.answered
}

// heldTo is until when a lock was held at least: its end was sent then, or had not
// taken effect.
func (a *access) heldTo() int64 {
	last := a.last()
	if g := a.numbered(); g != nil && g.last == last {
		return g.earliest()
	}
	return last.sent
}

// snapshotOf returns the command that took the snapshot that an access reads.
func snapshotOf(a *access) *command {
	if a.group.repeatable && a.group.snap != nil && a.end == nil {
		return a.group.snap
	}
	return a.cmd
}

// readsFrom has a snapshot wait for the end of a transaction whose rows it sees.
// It tells whether it does.
func (p *Planner) readsFrom(a, b *access) bool {
	last := b.last()
	if last == nil || b.group.ended == 0 && b.end == nil && !b.group.isEnding() || b.group.over == rolledBack && b.end == nil {
		return false
	}
	f := snapshotOf(a)
	if f.step.Number != 0 { // of a long transaction: it has its place
		if seen, conf, at := p.sees(f, b); p.live && conf != Proven {
			a.cmd.guess(last, seen, at)
		}
		return false
	}
	seen, conf, at := p.sees(f, b)
	p.seen(f, b, seen, conf)
	if conf == Guessed {
		a.cmd.guess(last, seen, at)
		a.cmd.unproven.reads = f
	}
	if seen {
		f.wait(last, conf, WriteRead, false)
		p.doubt(a.cmd, b.cmd)
	}
	return seen
}

// hides has the end of a transaction wait for a snapshot that does not see it.
func (p *Planner) hides(a, b *access) {
	if a.group.over == committed || a.end != nil {
		p.hide(a, b)
	}
}

func (p *Planner) hide(a, b *access) {
	last := a.last()
	f := snapshotOf(b)
	seen, conf, _ := p.sees(f, a)
	p.hidden(a, b, f, seen, conf)
	if seen {
		return
	}
	if p.live && conf != Proven {
		if !f.ambiguous {
			f.ambiguous = true
			p.stats.Ambiguous++
		}
		b.cmd.step.unseen(last.step)
	}
	last.wait(f, conf, ReadWrite, hidesBriefly(f, last))
}

// hidesBriefly tells whether it is enough that a snapshot's command was sent, for a
// command that it is not to see.
func hidesBriefly(f, last *command) bool {
	return f.answered == never || f.answered-f.sent > longRead && last.sent < f.answered
}

// longRead is how long a read may take, in nanoseconds, and still be waited for
// to its answer by what happened while it ran.
const longRead = 50_000_000

// sees tells whether a snapshot sees what an access wrote, and when that is taken
// to have been committed.
func (p *Planner) sees(f *command, b *access) (seen bool, conf Confidence, at int64) {
	if p.live {
		return p.seesLive(f, b)
	}
	last := b.last()
	from, done := last.sent, last.answered
	at = done
	if b.end == nil {
		from, done, at = b.group.earliest(), b.group.effective(), b.group.point()
	}
	switch {
	case done <= f.sent:
		return true, Proven, at
	case from >= f.answered:
		return false, Proven, at
	}
	b.group.look()
	if seen, known := p.options.Learned.snapshot(f, last); known {
		return seen, Guessed, at
	}
	lo, hi := p.between(f)
	if r, seen := f.tells(b.group); r != nil {
		if !seen {
			r, seen = p.overwritten(r, b.group)
		}
		if r != nil {
			return seen, Inferred, at
		}
	}
	if b.end == nil {
		if seen, known := p.returnedWith(f, b.group); known {
			return seen, Inferred, at
		}
	}
	return at <= min(max(f.point(), lo), hi-1), Guessed, at
}
