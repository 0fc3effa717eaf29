package order

import (
	"slices"

	"myreplay/dialect"
	"myreplay/session"
	"myreplay/sqltext"
)

// Planner reads a recording once and says of each command which others it must
// wait for. It holds events back until the place of their transaction is known.
// It serves one goroutine.
type Planner struct {
	options  Options
	level    level // the server's own
	dialects dialect.Tracker
	shaper   sqltext.Shaper
	members  map[uint64]*member
	tables   map[string]*table
	bindings map[binding]*bound
	doubts   doubts
	points   map[commandID]int64 // when what guesses name took effect
	// snaps are, of commands with guesses, those that took the snapshots they read.
	snaps map[commandID]commandID
	// sources number commits, by name.
	sources map[string]*source
	takers  map[commandID]bool // they have a Took
	// least is how long commands of a shape took at least.
	least map[*sqltext.Shape]int64
	stats Stats

	events  uint64 // seen
	now     int64  // the recorded time of the latest
	open    openList
	queue   []*group // ended, not placed
	head    int      // the first of queue
	longs   []*group // not held to their end
	bytes   int      // held
	numbers uint64   // steps that were handed on
	swept   uint64
	old     uint64 // no step before it is waited for by itself, since sweep
	visits  uint64
	// roster are the sessions of which there is more than what is old; done is by when
	// that of the group in hand has waited for all of them, where that is known.
	roster    []*member
	done      int64
	doneKnown bool
	// unsettled are reads beside which something goes on.
	unsettled []*keyedRead
	lists     []*list
	beside    []*list // scratch, as lists
	slabs     slabs
	// Rooms keep lists of waits, and of what groups are made of.
	waits room[pendingWait]
	held  room[held]
	near  room[*access]
	words []*words // to use again
	// hid is how snapshots stand to the transaction that is being placed, saw how
	// others do to its snapshot.
	hid, saw settlement
	looks    bool // nothing is passed over: what that would change, tests tell
	// barrier is the latest command that all wait for that come after it.
	barrier *command
	// unseen: commands were not, or not as a whole, and may have used up any id.
	unseen bool
	// enders are the groups whose end was sent and not answered.
	enders     []*group
	ends       []placed   // the ends of groups, in their order (Commit)
	live       bool       // it serves a Live
	liveWindow int64      // the Live's window
	asked      *[]*access // not nil: accesses are not kept, but put there
}

// placed is when a group ended and which number its last step has.
type placed struct {
	answered int64
	number   uint64
}

// NewPlanner returns a Planner.
func NewPlanner(o Options) *Planner {
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Hold == 0 {
		o.Hold = DefaultHold
	}
	if o.HoldBytes == 0 {
		o.HoldBytes = DefaultHoldBytes
	}
	p := &Planner{options: o, level: repeatableRead, members: map[uint64]*member{}, tables: map[string]*table{}, bindings: map[binding]*bound{}, least: map[*sqltext.Shape]int64{}, takers: map[commandID]bool{}}
	if o.Schema != nil {
		if l := levelOf(o.Schema.Isolation); l != unset {
			p.level = l
		}
	}
	if o.Doubts {
		p.doubts = doubts{}
	}
	return p
}

// Emit takes an event that has its place. The Step belongs to a Command; it is
// nil for other events.
type Emit = func(session.Event, *Step) error

// Stats returns the counts so far.
func (p *Planner) Stats() Stats { return p.stats }

// See takes the next event of the recording, and hands on those that have their
// place now. The error is that of emit.
func (p *Planner) See(e session.Event, emit Emit) error {
	id := p.note(e)
	switch e := e.(type) {
	case *session.Start:
		p.alone(p.start(e), e)
	case *session.Command:
		p.command(p.member(id), e)
	case *session.Reply:
		p.reply(p.member(id), e)
	case *session.Gap:
		p.gap(p.members[id], e)
	case *session.End:
		p.end(p.member(id), e)
	}
	p.limit()
	return p.place(emit)
}

// note takes note of an event, and returns its session.
func (p *Planner) note(e session.Event) uint64 {
	p.events++
	id, at := e.Key()
	p.now = max(p.now, at)
	p.dialects.See(e)
	return id
}

// Flush hands on what is held: the recording has ended.
func (p *Planner) Flush(emit Emit) error {
	for g := p.open.first; g != nil; g = p.open.first {
		p.finish(g, rolledBack)
		g.session.open = nil
	}
	for _, g := range p.longs {
		p.finish(g, rolledBack)
		g.session.open = nil
	}
	return p.place(emit)
}

// member returns a session; one whose Start is missing gets a place, too.
func (p *Planner) member(id uint64) *member {
	m := p.members[id]
	if m == nil {
		m = p.start(&session.Start{ID: id})
	}
	return m
}

// alone holds an event that belongs to no transaction.
func (p *Planner) alone(m *member, e session.Event) {
	if m.open != nil {
		p.hold(m.open, held{event: e})
		return
	}
	g := &group{session: m, begun: p.events, low: p.numbers, ended: p.events, at: p.now, over: rolledBack}
	p.hold(g, held{event: e})
	p.queue = append(p.queue, g)
}

// eventCost is what an event takes in memory besides its payload, about.
const eventCost = 256

// costOf is what an event takes in memory, about.
func costOf(h held) int {
	if h.command != nil {
		return eventCost + len(h.command.event.Payload)
	}
	return eventCost
}

func (p *Planner) hold(g *group, h held) {
	g.events = append(g.events, h)
	n := costOf(h)
	g.bytes += n
	p.bytes += n
}

// command takes a command.
func (p *Planner) command(m *member, e *session.Command) {
	c := &take(&p.slabs.commands, 1, slabCommands)[0]
	c.event, c.step, c.id, c.sent, c.answered = e, p.step(e), commandID{e.ID, e.Seq}, e.End, never // the rest is zero
	g := m.open
	if g == nil {
		g = &group{session: m, begun: p.events, low: p.numbers, at: e.At, first: c, events: p.held.take(), accesses: p.near.take()}
		m.open = g
		p.open.add(g)
	}
	c.group, g.last = g, c
	p.hold(g, held{e, c})
	p.read(m, c)
	g.torn = g.torn || c == g.first && m.torn && !c.opens()
	if p.await(m, c); len(m.waiting) == 0 && !m.isIn() {
		p.close(m, committed)
	}
}

// await takes note that a command was sent and awaits its reply, if it gets one.
func (p *Planner) await(m *member, c *command) {
	if !c.event.Kind.HasReply() {
		c.answered = c.sent
		p.unanswered(m, c)
		return
	}
	m.waiting = append(m.waiting, c)
	if len(c.group.accesses) > 0 && c.isEnd() {
		p.enders = append(p.enders, c.group)
	}
}

// noEnder takes note that no end of a group is under way.
func (p *Planner) noEnder(g *group) {
	if len(p.enders) > 0 {
		p.enders = slices.DeleteFunc(p.enders, func(e *group) bool { return e == g })
	}
}

func (p *Planner) step(e *session.Command) *Step {
	s := &take(&p.slabs.steps, 1, slabSteps)[0]
	s.Session, s.Seq = e.ID, e.Seq
	return s
}

// isIn tells whether the session is in something that ends later.
func (m *member) isIn() bool { return m.inTrans || m.xa || m.locked }

// reply takes a reply.
func (p *Planner) reply(m *member, e *session.Reply) {
	c := m.take(e.Seq)
	if c == nil || m.open == nil {
		p.alone(m, e)
		return
	}
	g := m.open
	c.reply, c.answered = e, e.First
	p.hold(g, held{event: e})
	over := p.answered(m, c)
	p.noEnder(g)
	if len(m.waiting) == 0 && !m.isIn() {
		p.track(m, g, c, over)
		p.close(m, over)
	} else {
		g.inside = true
	}
}

// take returns the command that a reply answers, and takes it off those that
// wait, with those before it.
func (m *member) take(seq uint64) *command {
	for i, c := range m.waiting {
		if c.id.seq == seq {
			m.waiting = append(m.waiting[:0], m.waiting[i+1:]...)
			return c
		}
	}
	return nil
}

// gap takes a gap: what was under way is not known.
func (p *Planner) gap(m *member, e *session.Gap) {
	if m == nil {
		m = &member{}
	}
	p.alone(m, e)
	if over := p.tear(m, e); m.open != nil && over != open {
		p.close(m, over)
	}
}

// tear takes note of a gap, and returns how the open group of the session ends;
// open: it goes on. Among what a client sent that was lost may be the end of its
// transaction, or UNLOCK TABLES: nobody is to wait for what may never be seen. So
// the transaction ends here. What comes next may be the rest of it, or not.
func (p *Planner) tear(m *member, e *session.Gap) ending {
	if !e.HidesCommands() { // all commands are known, and lost replies are told
		return open
	}
	p.unseen = true
	over := committed
	if m.isIn() {
		p.stats.Torn++
		over = rolledBack
	}
	m.waiting = m.waiting[:0]
	m.release()
	m.xa, m.locked = false, false
	m.torn = !m.x // an X server's replies do not tell
	m.inTrans = m.inTrans && m.torn
	return over
}

// release ends the named locks of a session with the commands that took them.
func (m *member) release() {
	for name, a := range m.locks {
		a.end = a.group.last
		delete(m.locks, name)
	}
}

func (p *Planner) end(m *member, e *session.End) {
	p.alone(m, e)
	if m.open != nil {
		p.close(m, m.left())
	}
	p.forget(m)
}

// left returns how the open group of a session ends that goes away.
func (m *member) left() ending {
	if m.isIn() {
		return rolledBack
	}
	return committed
}

// forget gives up a session that has ended, and its locks.
func (p *Planner) forget(m *member) {
	m.waiting = nil
	m.release()
	delete(p.members, m.id)
}

// close ends the open group of a session.
func (p *Planner) close(m *member, over ending) {
	g := m.open
	m.open = nil
	p.finish(g, over)
	m.next = unset
}

// finish ends a group.
func (p *Planner) finish(g *group, over ending) {
	g.over, g.ended = over, p.events
	p.noEnder(g)
	if over == committed && len(g.sawBy)+len(g.missedBy) > 0 {
		g.bind(g.from(), g.to())
	}
	if g.long {
		return // placeLongs takes it
	}
	p.open.remove(g)
	p.queue = append(p.queue, g)
}

// limit lets go of the oldest open groups when too much is held.
func (p *Planner) limit() {
	for g := p.open.first; g != nil; g = p.open.first {
		o := &p.options
		late := o.HoldTime > 0 && p.now-g.at > o.HoldTime
		if p.events-g.begun <= uint64(o.Hold) && p.bytes <= o.HoldBytes && !late {
			return
		}
		if p.awaits(g) {
			return
		}
		p.open.remove(g)
		g.long = true
		p.stats.Long++
		p.longs = append(p.longs, g)
		for _, a := range g.accesses {
			a.table.kept = append(a.table.kept, a)
		}
	}
}

// place hands on the groups that have their place: those that have ended, and what
// there is of those that are not held.
func (p *Planner) place(emit Emit) error {
	if err := p.placeEnded(emit); err != nil {
		return err
	}
	return p.placeLongs(emit) // what came before in their sessions has its place now
}

// placeEnded hands on the groups that ended before any of the open ones began.
func (p *Planner) placeEnded(emit Emit) error {
	for p.head < len(p.queue) {
		g := p.queue[p.head]
		if first := p.open.first; first != nil && g.ended > first.begun {
			return nil
		}
		if !p.settleReads(g) {
			return nil
		}
		p.queue[p.head] = nil
		if p.head++; p.head == len(p.queue) {
			p.queue, p.head = p.queue[:0], 0
		} else if p.head > 4096 && p.head > len(p.queue)/2 {
			n := copy(p.queue, p.queue[p.head:])
			clear(p.queue[n:])
			p.queue, p.head = p.queue[:n], 0
		}
		if err := p.emit(g, emit); err != nil {
			return err
		}
	}
	return nil
}

// placeLongs hands on what there is of the groups that are not held: what was
// answered, and what has waited for its answer for long.
func (p *Planner) placeLongs(emit Emit) error {
	for i := 0; i < len(p.longs); i++ {
		g := p.longs[i]
		waits := len(g.session.waiting) > 0 && g.ended == 0
		if len(g.events) > 0 && (!waits || g.shown == 0 || p.events-g.shown > uint64(p.options.Hold)) {
			if err := p.emit(g, emit); err != nil {
				return err
			}
		}
		if g.ended != 0 {
			p.longs = append(p.longs[:i], p.longs[i+1:]...)
			i--
		}
	}
	return nil
}
