package order

import (
	"slices"
	"sync/atomic"
	"time"

	"myreplay/session"
	"myreplay/sqltext"
)

// DefaultLiveWindow is how long a Live waits for the reply that tells a
// command's place.
const DefaultLiveWindow = time.Second

// Live is a Planner for a recording that is being made: nothing of it is known
// but what has happened, and nobody may wait for long. A command that takes a
// snapshot, or does nothing to rows, is handed on when it was sent: later its
// snapshot would be another. One that locks, changes or commits is handed on
// when its reply was seen: replies tell the order of locks. What has waited for
// its own reply longer than a window is handed on with what is known then.
//
// A session's events keep their order, but a reply that is known is handed on
// right behind its command (Step.Answered). Of what has happened is remembered
// what those who replay have not finished. It serves one goroutine.
type Live struct {
	p      *Planner
	window int64
	emit   Emit
	// held are commands that wait for their replies, in the order in which they
	// began to.
	held []*command
	// ends have sessions whose latest change may not be finished yet, snaps open
	// transactions whose snapshot may not be.
	ends  []*member
	snaps []*group
	every uint64 // liveSweep
	shown atomic.Pointer[Stats]
	told  int64 // the time of shown
}

// line holds the events of a session that are not handed on, and what is
// remembered of those that are.
type line struct {
	events []held
	last   *command // handed on
	end    *command // it ended a transaction that changed rows
	listed bool     // in Live.ends
}

// NewLive returns a Live. Of the options Mode (Row or Table), Schema and HoldBytes
// count. window 0 stands for DefaultLiveWindow.
func NewLive(o Options, window time.Duration) *Live {
	if window <= 0 {
		window = DefaultLiveWindow
	}
	o.Learned = nil
	l := &Live{p: NewPlanner(o), window: int64(window), every: liveSweep}
	l.p.live, l.p.liveWindow = true, l.window
	return l
}

// Stats returns the counts, of a moment ago while events are seen. It may be called
// by any goroutine.
func (l *Live) Stats() Stats {
	if s := l.shown.Load(); s != nil {
		return *s
	}
	return Stats{}
}

// showEvery is how often Stats is brought up to date.
const showEvery = 100 * time.Millisecond

func (l *Live) show() {
	s := l.p.stats
	l.shown.Store(&s)
	l.told = l.p.now
}

// See takes the next event, and hands on those that have their place now. The
// error is that of emit.
func (l *Live) See(e session.Event, emit Emit) error {
	p := l.p
	id := p.note(e)
	l.emit = emit
	switch e := e.(type) {
	case *session.Start:
		return l.pass(p.start(e), e)
	case *session.Command:
		return l.command(p.member(id), e)
	case *session.Reply:
		return l.reply(p.member(id), e)
	case *session.Gap:
		m := p.members[id]
		if m == nil {
			return emit(e, nil)
		}
		return l.gap(m, e)
	case *session.End:
		return l.end(p.member(id), e)
	}
	return emit(e, nil)
}

// Tick tells that nothing more was recorded up to a time, in nanoseconds since the
// Unix epoch: what has waited for longer than the window is handed on.
func (l *Live) Tick(at int64, emit Emit) error {
	l.p.now = max(l.p.now, at)
	l.emit = emit
	if l.p.now-l.told > int64(showEvery) {
		l.show()
	}
	return l.expire()
}

// Flush hands on what is held: nothing more comes.
func (l *Live) Flush(emit Emit) error {
	l.emit = emit
	defer l.show()
	for len(l.held) > 0 {
		if err := l.force(l.held[0]); err != nil {
			return err
		}
	}
	return nil
}

// pass hands on an event that is no command, behind what its session holds.
func (l *Live) pass(m *member, e session.Event) error {
	l.put(m, held{event: e})
	return l.drain(m)
}

func (l *Live) put(m *member, h held) {
	m.line.events = append(m.line.events, h)
	l.p.bytes += costOf(h)
}

func (l *Live) command(m *member, e *session.Command) error {
	if e.Kind == session.FileData { // what asks for the file can't wait for its reply
		if err := l.clear(m, never); err != nil {
			return err
		}
	}
	l.put(m, held{e, &command{event: e, step: l.p.step(e), id: commandID{e.ID, e.Seq}, sent: e.End, answered: never}})
	if err := l.drain(m); err != nil {
		return err
	}
	return l.expire()
}

// reply takes a reply: its command's place is known now.
func (l *Live) reply(m *member, e *session.Reply) error {
	if err := l.clear(m, int64(e.Seq)); err != nil { // those before it have lost theirs
		return err
	}
	c := m.take(e.Seq)
	if c == nil {
		return l.pass(m, e)
	}
	p, g := l.p, c.group
	c.reply, c.answered = e, e.First
	over := p.answered(m, c)
	p.noEnder(g)
	if len(m.waiting) == 0 && !m.isIn() {
		l.close(m, over)
	} else {
		g.inside = true
	}
	if c.handed {
		c.forget()
		if err := l.emit(e, nil); err != nil {
			return err
		}
	}
	if err := l.drain(m); err != nil {
		return err
	}
	return l.expire()
}

func (l *Live) gap(m *member, e *session.Gap) error {
	if err := l.clear(m, never); err != nil {
		return err
	}
	if over := l.p.tear(m, e); m.open != nil && over != open {
		l.close(m, over)
	}
	return l.pass(m, e)
}

func (l *Live) end(m *member, e *session.End) error {
	if err := l.clear(m, never); err != nil {
		return err
	}
	if m.open != nil {
		l.close(m, m.left())
	}
	l.p.forget(m)
	return l.pass(m, e)
}

// close ends the open transaction of a session, or what stands for one.
func (l *Live) close(m *member, over ending) {
	g := m.open
	if g == nil {
		return
	}
	l.p.noEnder(g)
	g.over, g.ended = over, l.p.events
	m.open, m.next = nil, unset
	l.p.stats.Groups++
	if g.last == nil || g.last.handed {
		l.over(g)
	}
}

// over takes note of a transaction that is over, and handed on whole.
func (l *Live) over(g *group) {
	g.accesses = nil
	m := g.session
	if !g.wrote || g.over != committed || g.last == nil {
		return
	}
	m.line.end = g.last
	if !m.line.listed {
		m.line.listed = true
		l.ends = append(l.ends, m)
	}
}

// drain hands on what a session holds up to a command that waits for its reply.
func (l *Live) drain(m *member) error {
	q := &m.line
	for n := 0; ; n++ {
		if n == len(q.events) || n > 0 && !l.ready(m, q.events[n].command) {
			q.events = slices.Delete(q.events, 0, n)
			return nil
		}
		if n == 0 && !l.ready(m, q.events[0].command) {
			return nil
		}
		h := q.events[n]
		q.events[n] = held{}
		l.p.bytes -= costOf(h)
		var err error
		if h.command != nil {
			err = l.hand(m, h.command)
		} else {
			err = l.emit(h.event, nil)
		}
		if err != nil {
			q.events = slices.Delete(q.events, 0, n+1)
			return err
		}
	}
}

// ready tells whether the first event that a session holds can be handed on: it
// is no command (nil), or one that need not wait for its reply any more.
func (l *Live) ready(m *member, c *command) bool {
	if c == nil {
		return true
	}
	if c.group == nil {
		l.begin(m, c)
	}
	return !c.holds || c.answered != never || c.late
}

// begin takes note of a command that comes next in its session.
func (l *Live) begin(m *member, c *command) {
	p := l.p
	if last := m.line.last; last != nil && last.answered != never {
		c.sent = max(c.sent, last.answered) // the server came to it then
	}
	g := m.open
	if g == nil {
		g = &group{session: m, begun: p.events, low: p.numbers, at: c.sent, first: c, live: true}
		m.open = g
	}
	c.group, g.last = g, c
	p.read(m, c)
	g.torn = g.torn || c == g.first && m.torn && !c.opens()
	c.holds = p.needsReply(m, c) || g.torn && m.torn && c.event.Kind.HasReply() // it tells whether a transaction is open
	p.await(m, c)
	g.inside = g.inside || m.isIn() || m.manual || c.opens()
	if c.holds && c.answered == never {
		c.since = c.sent
		l.held = append(l.held, c)
	}
}

// expire hands on what has waited for its reply for too long, or takes too much
// memory.
func (l *Live) expire() error {
	for len(l.held) > 0 {
		c := l.held[0]
		full := l.p.bytes > l.p.options.HoldBytes
		if !c.handed && l.p.now-c.since <= l.window && !full {
			return nil
		}
		if !c.handed && !full && c.renewals < maxRenewals && l.p.isBlocked(c) {
			c.since = l.p.now
			c.renewals++
			l.held = append(l.held[1:], c)
			continue
		}
		if err := l.force(c); err != nil {
			return err
		}
	}
	return nil
}

// maxRenewals is for how many windows a command waits that is surely held up by
// another's lock.
const maxRenewals = 60

// force hands on the first of the commands that wait for a reply, without it.
func (l *Live) force(c *command) error {
	l.held[0] = nil
	l.held = l.held[1:]
	if c.handed {
		return nil
	}
	return l.hurry(c)
}

// hurry hands on a command that waits for its reply, and what stands behind it.
func (l *Live) hurry(c *command) error {
	c.late = true
	l.p.stats.Late++
	return l.drain(c.group.session)
}

// clear hands on all commands of a session that have a lower number.
func (l *Live) clear(m *member, seq int64) error {
	for len(m.line.events) > 0 {
		c := m.line.events[0].command // another would not be held
		if c == nil || int64(c.step.Seq) >= seq && seq != never {
			return nil
		}
		if err := l.hurry(c); err != nil {
			return err
		}
	}
	return nil
}

// opens tells whether a command begins a transaction.
func (c *command) opens() bool {
	for _, s := range c.what.shapes {
		if s.Verb == sqltext.Begin {
			return true
		}
	}
	return false
}

// forget gives up what is not needed of a command that was handed on and answered.
func (c *command) forget() {
	c.event, c.reply, c.what = nil, nil, effect{}
}
