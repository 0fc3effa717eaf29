// Package report makes a report of two streams of events, or of one: what the
// replay answered otherwise, what got slower, what could not be compared. A
// Builder is told the events and joins commands as they come; the Report that
// it gives is a plain value, which WriteText and WriteJSON render.
//
// Memory is bounded: only commands of which one side is still missing are
// held (Options.Memory), and only so many query classes are told apart
// (Options.MaxClasses).
package report

import (
	"myreplay/compare"
	"myreplay/dialect"
	"myreplay/session"
)

// The two sides of a comparison, as indexes.
const (
	recorded = 0
	replayed = 1
)

const (
	// maxSessions is how many sessions are held that one side has ended and the
	// other not yet begun, or fewer, as far as memory goes: each may take
	// sessionCost bytes, but minSessions are held in any case. Beyond it the oldest
	// are forgotten, and counted.
	maxSessions = 1 << 18
	minSessions = 1 << 10
	sessionCost = 1024
	// onTime is how far from its due time a send may be to be on time.
	onTime = 5e6
)

// Builder makes a Report. Tell it the events of each side in the order of their
// stream; Merge does so for two streams. It keeps nothing of the events'
// memory but small texts. It is not for concurrent use.
type Builder struct {
	options    Options
	statements *statements
	texts      session.Texts
	dialects   dialect.Tracker
	sources    map[uint64]*source
	joins      map[joinKey]*joined
	runs       [2]map[uint64]*joined // by the run's own session id
	idle       []joinKey             // one side ended, the other not begun; oldest first
	maxIdle    int
	entries    ages
	turns      turns
	spares     spares
	sides      [2]sideTotals
	lag        times
	late       uint64 // sends not on time
	account    accountTotals
	speed      blocks
	list       []compare.Difference
	forgotten  uint64 // sessions
	pass       uint32 // of the recording, from 0: see Again
	backwards  uint64 // replies before their command, by the clock
	// withSource: the source is still to be waited for; hadSource: there was one.
	withSource, hadSource bool
	// over: the side's stream has come to its end.
	over     [2]bool
	suspects suspects
	// firsts are the first differences that made a table suspect, in the order of
	// the run.
	firsts []*first
	// leavesWrites: the replay leaves out all writes.
	leavesWrites bool
	// open counts, by the side that was seen, the commands given up whose other
	// side has not come.
	open   [2]uint64
	gaveUp uint64 // entries
	totals totals
	recent [2]recent
	order  orderSums
	// together counts commands whose times are not compared because they were sent
	// before the reply to the one before: on the replayed side only, or already
	// when they were recorded.
	together, togetherRecorded uint64
	// stopped: the run says that it was stopped before its end, so that what it
	// does not mention was not reached.
	stopped bool
}

// joinKey names a session of both sides.
type joinKey struct {
	of   uint64
	copy uint32
}

// joined is a session of both sides.
type joined struct {
	key     joinKey
	entries map[uint64]*entry
	waiting [2]queue // commands whose reply is to come
	// begun and ended tell of each side's session. A replay may begin a session
	// again, after it lost its connection.
	begun, ended [2]bool
	lossy        [2]bool
	run          [2]uint64 // the run's own session id
	known        [2]uint64 // the highest sequence number seen
	// sourceEnded: the capture of two runs has ended the session; described is
	// the highest sequence number that it has described.
	sourceEnded bool
	described   uint64
	apart       apart
	last        [2]int64 // when the latest reply ended
	lacks       lacks
	wrote       wrote
}

// New returns a Builder.
func New(o Options) *Builder {
	o.setDefaults()
	b := &Builder{options: o, statements: newStatements(o.MaxClasses), sources: map[uint64]*source{},
		joins: map[joinKey]*joined{}, maxIdle: min(max(o.Memory/sessionCost, minSessions), maxSessions)}
	b.runs[recorded], b.runs[replayed] = map[uint64]*joined{}, map[uint64]*joined{}
	b.leavesWrites = o.LeavesWrites && o.Sides == CaptureAndRun
	b.over[replayed] = o.Sides == CaptureAlone
	b.spares.most = min(max(o.Memory/8/entryCost, minSpare), maxSpare)
	return b
}

// Source takes an event of the capture that two runs were made from. The
// capture must be ahead of both runs, as Merge sees to.
func (b *Builder) Source(e session.Event) {
	b.withSource, b.hadSource = true, true
	b.capture(e)
	b.trim()
}

// Recorded takes the next event of the recorded side.
func (b *Builder) Recorded(e session.Event) {
	if b.pass == 0 {
		b.sides[recorded].see(e)
	}
	if b.options.Sides == TwoRuns {
		b.run(recorded, e)
	} else {
		b.capture(e)
	}
	b.trim()
}

// Replayed takes the next event of the replayed side.
func (b *Builder) Replayed(e session.Event) {
	if _, at := e.Key(); at > b.turns.now {
		b.turns.now = at
	}
	b.sides[replayed].see(e)
	if g, ok := e.(*session.Gap); ok && g.ID == 0 && g.Reason == session.RecordingEnded {
		b.stopped = true
	}
	b.run(replayed, e)
	b.trim()
}

// capture takes an event of the capture, which is the recorded side unless two
// runs are compared.
func (b *Builder) capture(e session.Event) {
	side := b.options.Sides != TwoRuns
	b.dialects.See(e)
	switch e := e.(type) {
	case *session.Start:
		b.source(e.ID).begin(e)
		b.prepared(e)
		if side {
			b.eachCopy(e.ID, func(j *joined) { j.begun[recorded] = true })
		}
	case *session.Command:
		b.captureCommand(e, side)
	case *session.Reply:
		b.texts.See(e)
		b.source(e.ID).reply(e)
		if side {
			b.eachCopy(e.ID, func(j *joined) { b.reply(j, recorded, e) })
		}
	case *session.Gap:
		if e.ID != 0 {
			b.source(e.ID).gap(e)
		}
	case *session.End:
		b.texts.See(e)
		b.captureEnd(e, side)
	}
}

// Again tells that the capture begins again, for a run that replayed it several
// times: what follows is for the next Options.Copies copies of each session.
func (b *Builder) Again() {
	b.pass++
	clear(b.sources)
	b.texts, b.dialects = session.Texts{}, dialect.Tracker{}
}

// eachCopy calls f for each copy of a recorded session.
func (b *Builder) eachCopy(id uint64, f func(*joined)) {
	for i := range b.options.Copies {
		f(b.join(b.key(id, i)))
	}
}

// key names copy i of a recorded session in this pass.
func (b *Builder) key(id uint64, i int) joinKey {
	return joinKey{id, b.pass*uint32(b.options.Copies) + uint32(i)}
}

func (b *Builder) join(k joinKey) *joined {
	j := b.joins[k]
	if j == nil {
		j = &joined{key: k}
		b.joins[k] = j
	}
	return j
}

// run takes an event of a run.
func (b *Builder) run(side int, e session.Event) {
	if start, ok := e.(*session.Start); ok {
		j := b.join(joinKey{start.Of, start.Copy})
		j.begun[side] = true
		j.run[side] = start.ID
		b.runs[side][start.ID] = j
		return
	}
	id, _ := e.Key()
	j := b.runs[side][id]
	if j == nil {
		if c, ok := e.(*session.Command); ok {
			b.stray(side, c)
		}
		return
	}
	switch e := e.(type) {
	case *session.Command:
		j.known[side] = max(j.known[side], e.Seq)
		if j.apart.returns(side, e.Seq, j.entries) {
			b.returned(side, e)
			b.returnedLeft(j, side, e)
			return
		}
		b.command(b.entry(j, e.Seq), side, e)
	case *session.Reply:
		b.reply(j, side, e)
	case *session.Gap:
		j.lossy[side] = true
	case *session.End:
		delete(b.runs[side], id)
		b.end(j, side)
	}
}
