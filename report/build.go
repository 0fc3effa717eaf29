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
	// other not yet begun. Beyond it the oldest are forgotten, and counted.
	maxSessions = 1 << 18
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
	over [2]bool
	// stopped: the run says that it was stopped before its end, so that what it
	// does not mention was not reached.
	stopped bool
}

// source is a recorded session that texts come from.
type source struct {
	user, schema string
	lossy        bool
	unread       bool
	protocol     session.Protocol
	commands     uint64
	// known is the highest sequence number seen.
	known uint64
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
}

// New returns a Builder.
func New(o Options) *Builder {
	o.setDefaults()
	b := &Builder{options: o, statements: newStatements(o.MaxClasses), sources: map[uint64]*source{},
		joins: map[joinKey]*joined{}, maxIdle: maxSessions}
	b.runs[recorded], b.runs[replayed] = map[uint64]*joined{}, map[uint64]*joined{}
	b.over[replayed] = o.Sides == CaptureAlone
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
			b.source(e.ID).lossy = true
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

func (b *Builder) source(id uint64) *source {
	s := b.sources[id]
	if s == nil {
		s = &source{}
		b.sources[id] = s
	}
	return s
}

func (s *source) begin(e *session.Start) {
	s.login(&e.Login)
	s.lossy = e.Joined
	s.unread = e.Unread()
	s.protocol = e.Protocol
}

func (s *source) login(l *session.Login) {
	s.user, s.schema = keep(l.User, maxNameBytes), keep(l.Schema, maxNameBytes)
}

// reply takes note of a changed schema.
func (s *source) reply(r *session.Reply) {
	for i := range r.Results {
		for _, c := range r.Results[i].Changes {
			if c.Kind == session.SchemaChange {
				s.schema = keep(c.Value, maxNameBytes)
			}
		}
	}
}

func (b *Builder) captureCommand(c *session.Command, side bool) {
	s := b.source(c.ID)
	s.commands++
	s.known = max(s.known, c.Seq)
	class, sql := b.classOf(c)
	for i := range b.options.Copies {
		j := b.join(b.key(c.ID, i))
		if side {
			j.known[recorded] = max(j.known[recorded], c.Seq)
		}
		if side && j.apart.returns(recorded, c.Seq, j.entries) {
			b.returned(recorded, c)
			continue
		}
		e := b.entry(j, c.Seq)
		b.describe(e, c, class, sql, s)
		if side {
			b.command(e, recorded, c)
		} else {
			j.described = max(j.described, c.Seq)
			b.done(e, nil, nil)
		}
	}
	s.change(c)
	b.see(c)
}

// see tells the texts of a command. Texts keeps the text of a Prepare, so it
// gets a copy that does not hold on to the event's memory.
func (b *Builder) see(c *session.Command) {
	if c.Kind == session.Prepare {
		c = &session.Command{ID: c.ID, Seq: c.Seq, Kind: c.Kind, SQL: b.statements.share(c.SQL)}
	}
	b.texts.See(c)
}

// change takes note of what a command changes in its session.
func (s *source) change(c *session.Command) {
	switch {
	case c.Kind == session.UseSchema && len(c.Payload) > 1:
		s.schema = string(c.Payload[1:min(len(c.Payload), 1+maxNameBytes)])
	case c.Kind == session.ChangeUser && c.Login != nil:
		s.login(c.Login)
	}
}

// classOf returns the class of a command, nil for kinds that get no reply, and
// the text that it runs.
func (b *Builder) classOf(c *session.Command) (*class, []byte) {
	if !c.Kind.HasReply() {
		return nil, nil
	}
	g := groupOf(c.Kind)
	if g == commands {
		return b.statements.ofKind(c.Kind), nil
	}
	sql := b.texts.SQL(c)
	if sql == nil {
		return b.statements.ofKind(c.Kind), nil
	}
	o := b.dialects.Options(c.ID)
	o.Guessed = false // the likeliest reading does for a fingerprint
	return b.statements.ofText(g, sql, o), sql
}

// describe fills in what the capture says of a command.
func (b *Builder) describe(e *entry, c *session.Command, class *class, sql []byte, s *source) {
	e.described = true
	e.protocol, e.kind, e.class, e.at = s.protocol, c.Kind, class, c.At
	e.statement, e.size, e.masked, e.lossy = c.Statement, c.Size, c.Masked, s.lossy
	e.user, e.schema = s.user, s.schema
	e.text = append(e.text[:0], sql[:min(len(sql), b.options.ExampleBytes)]...)
	e.textBytes = len(sql)
	e.payload = e.payload[:0]
	if b.options.Params != nil && hasParams(c.Kind, s.protocol) && len(c.Payload) <= b.options.ExampleBytes {
		e.payload = append(e.payload, c.Payload...)
	}
	b.entries.grow(e, len(e.text)+len(e.payload))
}

// hasParams tells whether commands of a kind may carry parameters.
func hasParams(k session.Kind, p session.Protocol) bool {
	return k == session.Execute || p == session.X && (k == session.Query || k == session.OpenCursor)
}

func (b *Builder) captureEnd(e *session.End, side bool) {
	s := b.source(e.ID)
	if s.unread && s.commands == 0 {
		b.account.unread++
	}
	delete(b.sources, e.ID)
	b.eachCopy(e.ID, func(j *joined) {
		if side {
			b.end(j, recorded)
		}
		j.sourceEnded = true
		b.setIdle(j)
	})
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
