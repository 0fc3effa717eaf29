package feed

import (
	"testing"

	"myreplay/capfile"
	"myreplay/session"

	"pgregory.net/rapid"
)

// fataler is *testing.T or *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, a ...any)
}

// checkLives checks what several assistants have read, one after the other, of
// what was written: everything in order, nothing twice, a session from its Start
// on without a hole until it ends or is given up, and no reply to a command that
// the same assistant has not seen. It returns how many of the events are those
// that were written.
func checkLives(t fataler, wrote []session.Event, lives [][]session.Event) (n int64) {
	t.Helper()
	place := map[string]int{} // of events
	within := make([]int, len(wrote))
	count := map[uint64]int{}
	for i, ev := range wrote {
		id, _ := ev.Key()
		place[session.Line(ev)], within[i] = i, count[id]
		count[id]++
	}
	seen := map[string]bool{}
	for k, events := range lives {
		c := lifeCheck{t: t, k: k, sessions: map[uint64]*sessionCheck{}}
		last := -1
		for _, ev := range events {
			if c.ours(ev) {
				continue
			}
			line := session.Line(ev)
			i, ok := place[line]
			if !ok || seen[line] || i <= last {
				t.Fatalf("assistant %d read %s: written %v, read before %v, in order %v", k, line, ok, seen[line], i > last)
			}
			seen[line], last = true, i
			n++
			c.check(ev, within[i])
		}
		if k < len(lives)-1 {
			continue
		}
		for id, s := range c.sessions {
			if !s.ended && s.last != count[id]-1 && s.last >= 0 {
				t.Fatalf("session %d misses %d events and nobody was told", id, count[id]-1-s.last)
			}
		}
	}
	return n
}

// lifeCheck checks what one assistant reads.
type lifeCheck struct {
	t        fataler
	k        int
	sessions map[uint64]*sessionCheck
}

type sessionCheck struct {
	last   int // the latest event's place within the session; -1: introduced anew
	asked  map[uint64]bool
	gap    bool
	ended  bool
	joined bool
}

// ours tells whether the event was made by the feed.
func (c *lifeCheck) ours(ev session.Event) bool {
	id, _ := ev.Key()
	s := c.sessions[id]
	switch ev := ev.(type) {
	case *session.Start:
		if !ev.Joined {
			return false
		}
		if s != nil || ev.State == nil || ev.Login.User != "cap" {
			c.t.Fatalf("assistant %d: %s", c.k, session.Line(ev))
		}
		c.sessions[id] = &sessionCheck{last: -1, asked: map[uint64]bool{}, joined: true}
		return true
	case *session.Gap:
		if ev.Reason == session.QueueFull && id != 0 {
			if s == nil || s.ended || s.gap {
				c.t.Fatalf("assistant %d: %s", c.k, session.Line(ev))
			}
			s.gap = true
			return true
		}
	case *session.End:
		if ev.Reason == session.QueueFull {
			if s == nil || !s.gap || s.ended {
				c.t.Fatalf("assistant %d: %s", c.k, session.Line(ev))
			}
			s.ended = true
			return true
		}
	}
	return false
}

// check checks an event that stands at a place within its session.
func (c *lifeCheck) check(ev session.Event, place int) {
	id, _ := ev.Key()
	if _, ok := ev.(*session.Start); ok {
		c.sessions[id] = &sessionCheck{last: place, asked: map[uint64]bool{}}
		return
	}
	s := c.sessions[id]
	if s == nil || s.ended || s.gap {
		c.t.Fatalf("assistant %d: a session that is not open: %s", c.k, session.Line(ev))
	}
	if fresh := s.last == -1; !fresh && place != s.last+1 && !(s.joined && len(s.asked) == 0) {
		c.t.Fatalf("assistant %d: %d events are missing before %s", c.k, place-s.last-1, session.Line(ev))
	}
	s.last = place
	switch ev := ev.(type) {
	case *session.Command:
		if ev.Kind == session.FileData && len(s.asked) == 0 {
			c.t.Fatalf("assistant %d: file data that nobody asked for: %s", c.k, session.Line(ev))
		}
		s.asked[ev.Seq] = true
	case *session.Reply:
		if !s.asked[ev.Seq] {
			c.t.Fatalf("assistant %d: a reply to a command that it has not seen: %s", c.k, session.Line(ev))
		}
	case *session.End:
		s.ended = true
	}
}

// pipe is a buffer and the assistants that it feeds, without a connection.
type pipe struct {
	t      *rapid.T
	buffer *buffer
	lives  [][]session.Event
	next   uint64   // block that the assistant wants
	read   uint64   // the last that it took over
	wire   []block  // sent and not received
	number []uint64 // of wire
	dec    capfile.BlockDecoder
}

// send hands up to n blocks to the connection.
func (p *pipe) send(n int) {
	for range n {
		number, data, ok := p.buffer.send(window)
		if !ok {
			return
		}
		p.wire, p.number = append(p.wire, block{data: data}), append(p.number, number)
		p.buffer.wrote = p.buffer.sent
	}
}

// receive lets n blocks arrive.
func (p *pipe) receive(n int) {
	for ; n > 0 && len(p.wire) > 0; n-- {
		events, err := p.dec.Decode(p.wire[0].data)
		if err != nil || p.number[0] != p.next {
			p.t.Fatalf("block %d in place of %d: %v", p.number[0], p.next, err)
		}
		p.lives[len(p.lives)-1] = append(p.lives[len(p.lives)-1], events...)
		p.next++
		p.wire, p.number = p.wire[1:], p.number[1:]
	}
}

// ack acknowledges what the assistant has taken over.
func (p *pipe) ack() {
	p.read = p.next - 1
	if err := p.buffer.ack(p.read); err != nil {
		p.t.Fatalf("%v", err)
	}
}

// cut breaks the connection: what is on the wire is lost. during is done while
// there is none.
func (p *pipe) cut(another bool, during func()) {
	p.wire, p.number = nil, nil
	b := p.buffer
	var s *snapshot
	if b.mark > 1 {
		s = b.snapshot()
	}
	during()
	if another {
		p.next, p.read = 1, 0
		p.lives = append(p.lives, nil)
		if b.mark > 1 {
			r := b.restart(s)
			during()
			if err := r.work(); err != nil {
				p.t.Fatalf("%v", err)
			}
			during()
			b.finish(r)
		}
	}
	if err := b.resume(p.next, p.read); err != nil {
		p.t.Fatalf("%v", err)
	}
}

// TestLives: law: whatever the connection, the assistants and the buffer's room
// do, the assistants read what checkLives asks for, and the account closes.
func TestLives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pipe{t: t, buffer: newBuffer(rapid.SampledFrom([]int{3 << 10, 20 << 10, 1 << 20}).Draw(t, "limit")), lives: [][]session.Event{nil}, next: 1}
		src := newSource(rapid.Uint64().Draw(t, "seed"))
		var wrote []session.Event
		most := 0
		write := func() {
			n := rapid.IntRange(0, 60).Draw(t, "events")
			for range n {
				ev := src.next(8)
				wrote = append(wrote, ev)
				p.buffer.write(ev)
				most = max(most, p.buffer.used+p.buffer.enc.Size())
			}
			if rapid.Bool().Draw(t, "seal") {
				p.buffer.seal()
			}
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			write()
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				p.cut(rapid.Bool().Draw(t, "another"), write)
			case 1, 2:
			case 3:
				p.send(rapid.IntRange(0, 3).Draw(t, "sent"))
			default:
				p.send(rapid.IntRange(0, 9).Draw(t, "sent"))
				p.receive(rapid.IntRange(0, 9).Draw(t, "received"))
				if rapid.Bool().Draw(t, "ack") {
					p.ack()
				}
			}
		}
		for len(p.buffer.blocks) > 0 || p.buffer.enc.Events() > 0 || len(p.wire) > 0 {
			p.buffer.seal()
			p.send(1000)
			p.receive(1000)
			p.ack()
		}
		n := checkLives(t, wrote, p.lives)
		missing := int64(len(wrote)) - n
		if lost := p.buffer.lost; missing > lost || len(p.lives) == 1 && missing != lost {
			t.Fatalf("%d written, %d read, %d counted as lost", len(wrote), n, lost)
		}
		if p.buffer.used != 0 || p.buffer.flight != 0 || p.buffer.full || len(p.buffer.owed) > 0 {
			t.Fatalf("something is left: %d used, %d under way, %v", p.buffer.used, p.buffer.flight, p.buffer.full)
		}
		if over := most - p.buffer.limit; over > 4<<10 && len(p.lives) == 1 {
			t.Fatalf("%d bytes over the limit were held", over)
		}
	})
}
