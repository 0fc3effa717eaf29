package report

import (
	"strings"

	"myreplay/compare"
	"myreplay/session"
)

// maxLeftOut is how many suspect tables are remembered. Beyond it all tables are
// suspect.
const maxLeftOut = 10_000

// suspicion is why what a table holds on the target may be something else.
type suspicion struct {
	// left: commands that write it were left out; defined: such that change its
	// definition.
	left, defined bool
	// first is the first difference that changed it, nil: none; redefined: one
	// changed its definition.
	first     *first
	redefined bool
}

// with returns both suspicions together. Of two first differences the earlier
// one stays.
func (s suspicion) with(o suspicion) suspicion {
	s.left, s.defined, s.redefined = s.left || o.left, s.defined || o.defined, s.redefined || o.redefined
	if s.first == nil || o.first != nil && o.first.number < s.first.number {
		s.first = o.first
	}
	return s
}

// suspects knows which tables may hold something else on the target than they
// did on the source: because commands that write them were left out, or because
// such a command did something else. From then on, in all sessions, what reads
// them may differ. It errs on the generous side: names do not depend on case, a
// name without a known schema stands for all schemas, and what a text does not
// tell stands for all tables. What a view, a trigger or a foreign key reaches is
// not seen.
type suspects struct {
	// tables are by schema and name, names by name alone.
	tables map[table]suspicion
	names  map[string]suspicion
	// all is why all tables are suspect, some why any is.
	all, some suspicion
	// epoch counts changes of the above.
	epoch uint32
}

// any tells whether anything is suspect.
func (l *suspects) any() bool { return l.some != suspicion{} }

// add makes suspect what a command writes; schema is the session's. It tells
// whether that is news.
func (l *suspects) add(f *effect, schema string, why suspicion) (news bool) {
	if f.writesAny {
		why := why
		if !f.sure.writesAny {
			why.first = nil // nothing follows from what may not be
		}
		if f.defines || f.unsure {
			why = why.defining()
		}
		news = l.addAll(why)
	}
	if f.defines {
		why = why.defining()
		why.redefined = why.redefined && f.sure.defines
	}
	for _, t := range f.written {
		news = l.addTable(t.in(schema), why) || news
	}
	return news
}

// defining returns the suspicion for definitions, too.
func (s suspicion) defining() suspicion {
	s.defined, s.redefined = s.left, s.first != nil
	return s
}

func (l *suspects) addAll(why suspicion) (news bool) {
	if l.all.with(why) == l.all {
		return false
	}
	l.all, l.some = l.all.with(why), l.some.with(why)
	l.epoch++
	return true
}

func (l *suspects) addTable(t table, why suspicion) (news bool) {
	was, known := l.tables[t]
	switch {
	case l.all.with(why) == l.all, was.with(why) == was:
		return false
	case !known && len(l.tables) >= maxLeftOut:
		return l.addAll(l.some.with(why))
	}
	if l.tables == nil {
		l.tables, l.names = map[table]suspicion{}, map[string]suspicion{}
	}
	l.tables[t] = was.with(why)
	l.names[t.name] = l.names[t.name].with(why)
	l.some = l.some.with(why)
	l.epoch++
	return true
}

// in returns the table with its schema, where the text does not give it.
func (t table) in(schema string) table {
	if t.schema == "" {
		t.schema = strings.ToLower(schema)
	}
	return t
}

// touch is what the suspects mean to the commands of a class, in a schema.
type touch struct {
	epoch  uint32
	schema string
	// suspicion is what their answers rest on.
	suspicion
	// passed: what the class writes is suspect for the same reasons.
	passed bool
}

// touches returns what the suspects mean to a class. It remembers it there.
func (l *suspects) touches(c *class, schema string) *touch {
	t := &c.touch
	if t.epoch == l.epoch && t.schema == schema {
		return t
	}
	*t = touch{epoch: l.epoch, schema: schema}
	f := &c.effect
	switch {
	case f.readsAny:
		t.suspicion = l.some
	case f.shows:
		t.suspicion = l.some.definitions()
	case len(f.reads) > 0:
		t.suspicion = l.all
	}
	for _, r := range f.reads {
		t.suspicion = t.with(l.of(r.in(schema)))
	}
	return t
}

// definitions returns what is left of a suspicion for one who asks for
// definitions only.
func (s suspicion) definitions() suspicion {
	if s.left = s.defined; !s.redefined {
		s.first = nil
	}
	return s
}

// of returns why a table is suspect, but for all being so.
func (l *suspects) of(t table) suspicion {
	if t.schema == "" {
		return l.names[t.name]
	}
	return l.tables[t].with(l.tables[table{name: t.name}])
}

// lacks is what a session lacks of commands that were left out in it.
type lacks struct {
	// before: a statement was left out, so that LAST_INSERT_ID() and its like
	// speak of another one. vars: one that sets user variables. settings: one
	// that sets up the session.
	before, vars, settings bool
	// varsOf is the first difference that user variables may rest on.
	varsOf *first
}

// leave takes note of a command that one side left out, and the other did not.
func (b *Builder) leave(e *entry) {
	if e.class == nil || groupOf(e.kind) != runs {
		return
	}
	f, l := &e.class.effect, &e.join.lacks
	l.before = true
	l.vars = l.vars || f.setsVars
	l.settings = l.settings || f.sets
	if (f.writes || f.unsure) && !e.failedAlone() && !e.refused() {
		b.account.leftOut++
		b.suspects.add(f, e.schema, suspicion{left: true})
	}
}

// failedAlone tells whether a command failed in the recording and so changed
// nothing.
func (e *entry) failedAlone() bool { return e.class.effect.undone && e.sides[recorded].failed }

// refused tells whether a command was left out since the target did not prepare
// it, which is a difference by itself, and writes only if a function does that is
// not known.
func (e *entry) refused() bool {
	f := &e.class.effect
	return e.sides[replayed].skipped == session.SkipUnknownStatement && !f.sure.writes && !f.unsure
}

// written takes note of a recorded write that the replay is sure to leave out,
// before it says so: it leaves out all.
func (b *Builder) written(e *entry) {
	if b.leavesWrites && e.class != nil && e.class.effect.writes && e.sides[recorded].replied && !e.failedAlone() {
		b.suspects.add(&e.class.effect, e.schema, suspicion{left: true})
	}
}

// leftWrites takes note of the first write that a replay leaves out: it leaves
// out all of them, those too that are held.
func (b *Builder) leftWrites() {
	if b.leavesWrites || b.options.Sides != CaptureAndRun {
		return
	}
	b.leavesWrites = true
	for e := b.entries.first; e != nil; e = e.next {
		b.written(e)
	}
}

// returnedLeft takes note of a command that the replay left out when nothing was
// known any more of its text.
func (b *Builder) returnedLeft(j *joined, side int, c *session.Command) {
	if side == replayed && c.Skipped != session.NotSkipped && groupOf(c.Kind) == runs && !b.leavesWrites {
		b.suspects.add(&unsureEffect, "", suspicion{left: true})
		j.lacks.before, j.lacks.vars = true, true
	}
}

// about returns what decides about the causes of an entry's differences, and the
// earlier difference that they may follow from, or nil.
func (b *Builder) about(e *entry) (compare.Statement, *first) {
	s := e.about()
	f, l := &e.class.effect, &e.join.lacks
	var of *first
	if b.suspects.any() {
		t := b.suspects.touches(e.class, e.schema)
		s.MissingState, s.MissingDDL, s.FollowsDDL, of = t.left, t.defined, t.redefined, t.first
		s.FollowsRoutines = b.suspects.all.redefined
		if f.setsVars {
			l.vars = l.vars || t.left
			l.varsOf = earlier(l.varsOf, t.first)
		}
		if f.writes && !t.passed && t.suspicion != (suspicion{}) {
			// What it wrote rests on what is suspect, and is another thing, too.
			b.suspects.add(f, e.schema, suspicion{left: t.left, first: t.first})
			b.suspects.touches(e.class, e.schema).passed = true
		}
	}
	if *l != (lacks{}) {
		s.MissingState = s.MissingState || l.settings || l.before && f.asks || l.vars && f.readsVars
		if f.readsVars {
			of = earlier(of, l.varsOf)
		}
	}
	s.Follows = of != nil
	return s, of
}

// anew takes note of a command that gives a session its first state back.
func (l *lacks) anew(k session.Kind) {
	switch k {
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		*l = lacks{}
	}
}
