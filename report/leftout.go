package report

import (
	"strings"

	"myreplay/compare"
	"myreplay/session"
)

// maxLeftOut is how many tables are remembered that commands wrote which were
// left out. Beyond it all tables count as written.
const maxLeftOut = 10_000

// leftOut knows what was written by commands that a replay left out: from then
// on, in all sessions, what reads it may find something else. It errs on the
// generous side: names do not depend on case, a name without a known schema
// stands for all schemas, and what a text does not tell stands for all tables.
// What a view, a trigger or a foreign key reaches is not seen.
type leftOut struct {
	// tables are those written, by schema and name, names by name alone; the
	// value tells that the definition was changed, too.
	tables map[table]bool
	names  map[string]bool
	// all: any table may be among those written; defined: definitions were
	// changed.
	all, defined bool
	// epoch counts changes of the above.
	epoch uint32
}

// some tells whether anything was left out.
func (l *leftOut) some() bool { return l.all || len(l.tables) > 0 }

// add takes note of what was left out; schema is the session's.
func (l *leftOut) add(f *effect, schema string) {
	if f.writesAny {
		l.addAll(f.defines || f.unsure)
	}
	for _, t := range f.written {
		l.addTable(t.in(schema), f.defines)
	}
}

// covers tells whether nothing is left to be added.
func (l *leftOut) covers(defined bool) bool { return l.all && (l.defined || !defined) }

func (l *leftOut) addAll(defined bool) {
	if l.covers(defined) {
		return
	}
	l.all = true
	l.defined = l.defined || defined
	l.epoch++
}

func (l *leftOut) addTable(t table, defined bool) {
	if l.covers(defined) {
		return
	}
	if was, ok := l.tables[t]; ok && (was || !defined) {
		return
	}
	if len(l.tables) >= maxLeftOut {
		l.addAll(l.defined || defined)
		return
	}
	if l.tables == nil {
		l.tables, l.names = map[table]bool{}, map[string]bool{}
	}
	l.tables[t] = defined
	l.names[t.name] = l.names[t.name] || defined
	l.defined = l.defined || defined
	l.epoch++
}

// in returns the table with its schema, where the text does not give it.
func (t table) in(schema string) table {
	if t.schema == "" {
		t.schema = strings.ToLower(schema)
	}
	return t
}

// touch is what leftOut means to the commands of a class, in a schema.
type touch struct {
	epoch  uint32
	schema string
	// rows: their answers rest on what was left out; defined: on definitions too.
	rows, defined bool
	// passed: what the class writes is among what was left out.
	passed bool
}

// touches returns what was left out means to a class. It remembers it there.
func (l *leftOut) touches(c *class, schema string) *touch {
	t := &c.touch
	if t.epoch == l.epoch && t.schema == schema {
		return t
	}
	*t = touch{epoch: l.epoch, schema: schema}
	f := &c.effect
	switch {
	case f.readsAny, l.all && len(f.reads) > 0:
		t.rows, t.defined = true, l.defined
	case f.shows && l.defined:
		t.rows, t.defined = true, true
	}
	for _, r := range f.reads {
		rows, defined := l.has(r.in(schema))
		t.rows, t.defined = t.rows || rows, t.defined || defined
	}
	return t
}

func (l *leftOut) has(t table) (written, defined bool) {
	if t.schema == "" {
		defined, written = l.names[t.name]
		return written, defined
	}
	defined, written = l.tables[t]
	anywhere, somewhere := l.tables[table{name: t.name}]
	return written || somewhere, defined || anywhere
}

// lacks is what a session lacks of commands that were left out in it.
type lacks struct {
	// before: a statement was left out, so that LAST_INSERT_ID() and its like
	// speak of another one. vars: one that sets user variables. settings: one
	// that sets up the session.
	before, vars, settings bool
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
	if (f.writes || f.unsure) && !e.failedAlone() {
		b.account.leftOut++
		b.left.add(f, e.schema)
	}
}

// failedAlone tells whether a command failed in the recording and so changed
// nothing.
func (e *entry) failedAlone() bool { return e.class.effect.undone && e.sides[recorded].failed }

// written takes note of a recorded write that the replay is sure to leave out,
// before it says so: it leaves out all.
func (b *Builder) written(e *entry) {
	if b.leavesWrites && e.class != nil && e.class.effect.writes && e.sides[recorded].replied && !e.failedAlone() {
		b.left.add(&e.class.effect, e.schema)
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
		b.left.add(&unsureEffect, "")
		j.lacks.before, j.lacks.vars = true, true
	}
}

// about returns what decides about the causes of an entry's differences.
func (b *Builder) about(e *entry) compare.Statement {
	s := e.about()
	f, l := &e.class.effect, &e.join.lacks
	if b.left.some() {
		t := b.left.touches(e.class, e.schema)
		s.MissingState, s.MissingDDL = t.rows, t.defined
		l.vars = l.vars || t.rows && f.setsVars
		if t.rows && f.writes && !t.passed {
			// What it wrote rests on what is missing, and is another thing, too.
			b.left.add(f, e.schema)
			b.left.touches(e.class, e.schema).passed = true
		}
	}
	if *l != (lacks{}) {
		s.MissingState = s.MissingState || l.settings || l.before && f.asks || l.vars && f.readsVars
	}
	return s
}

// anew takes note of a command that gives a session its first state back.
func (l *lacks) anew(k session.Kind) {
	switch k {
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		*l = lacks{}
	}
}
