package report

import (
	"myreplay/compare"
	"myreplay/session"
)

// accountTotals count what became of commands.
type accountTotals struct {
	// recorded counts the recorded side's commands by kind, run the replayed
	// side's by kind and by what was skipped.
	recorded [session.KindCount]uint64
	run      [session.KindCount][session.SkipCount]uint64
	// missing: recorded, but not in the run; extra: the reverse; strays:
	// commands of unknown sessions, and such that came twice.
	missing, extra, strays uint64
	// compared, noReply and reasons divide the recorded commands.
	compared, noReply uint64
	reasons           reasons
	different         uint64
	// leftOut are commands that write, or may, and that one side left out; excused
	// are compared ones that differ, but only in what follows from that.
	leftOut, excused uint64
	// causes counts the commands that differ, each for one cause, whether it
	// counts or not; follow are those that differ only for an earlier difference.
	causes [compare.CauseCount]uint64
	follow uint64
	// deadlocks and lockTimeouts were replayed as recorded.
	deadlocks, lockTimeouts uint64
	// unread are sessions in TLS of which no command was seen.
	unread uint64
}

// accountSide counts a command of one side.
func (b *Builder) accountSide(side int, c *session.Command) {
	kind := min(int(c.Kind), session.KindCount-1)
	if side == recorded {
		b.account.recorded[kind]++
		return
	}
	b.account.run[kind][min(int(c.Skipped), session.SkipCount-1)]++
	b.order.add(c.Order)
	if c.Skipped != session.NotSkipped || c.Due == 0 {
		return
	}
	lag := c.At - c.Due
	if c.Order != nil && c.Order.Waited > 0 && lag > 0 {
		lag -= min(c.Order.Waited, lag) // told apart
	}
	if lag > onTime || lag < -onTime {
		b.late++
	}
	b.lag.add(min(max(lag, 0), longest))
}

// stray counts a command of an unknown session, or one that came before.
func (b *Builder) stray(side int, c *session.Command) {
	b.account.strays++
	b.accountSide(side, c)
}

// returned counts a command whose entry was given up when only the other side
// had been seen.
func (b *Builder) returned(side int, c *session.Command) {
	b.open[1-side]--
	b.accountSide(side, c)
	if side == recorded {
		b.account.reasons.apart++
	}
}

// count adds an entry to the figures of its class and of its sides.
func (b *Builder) count(e *entry) {
	for side := range e.sides {
		h := &e.sides[side]
		if !h.commanded || h.skipped != session.NotSkipped || !b.firstOf(e, side) {
			continue
		}
		if h.replied && !h.overlapped {
			b.sides[side].took.add(h.took)
			b.sides[side].first.add(h.first)
		}
		if e.class != nil {
			e.class.sides[side].add(h)
		}
	}
	if e.class != nil && e.sides[recorded].commanded && e.join.key.copy == 0 {
		e.class.appear(e)
	}
}

// firstOf tells whether a side's times of an entry count: what a recorded command
// took counts once, however many copies were replayed.
func (b *Builder) firstOf(e *entry, side int) bool {
	return side == replayed || b.options.Sides == TwoRuns || e.join.key.copy == 0
}

// appear takes note of who ran the class and when.
func (c *class) appear(e *entry) {
	at := e.at
	if !e.described {
		at = e.sides[recorded].at
	}
	if c.from == 0 || at < c.from {
		c.from = at
	}
	c.to = max(c.to, at)
	if e.user != "" {
		c.users.add(e.user)
	}
	if e.schema != "" {
		c.schemas.add(e.schema)
	}
}

// sample keeps the entry as its class's sample if it took longest.
func (b *Builder) sample(e *entry, x, y *session.Reply) {
	if e.class == nil {
		return
	}
	side := replayed
	if b.options.Sides == CaptureAlone {
		side = recorded
	}
	h := &e.sides[side]
	took := h.took
	if !h.replied || h.overlapped {
		took = 0
	}
	if e.class.sample.At != "" && took <= e.class.sampled {
		return
	}
	e.class.sampled = took
	e.class.sample = b.example(e, x, y)
}

// example describes an entry for a reader.
func (b *Builder) example(e *entry, x, y *session.Reply) Example {
	p, q := &e.sides[recorded], &e.sides[replayed]
	at := e.at
	if !e.described {
		at = p.at
	}
	ex := Example{Session: e.join.key.of, Copy: e.join.key.copy, Seq: e.seq, At: stamp(at),
		Command: e.kind.String(), Prepared: e.kind.OnStatement(),
		User: printable([]byte(e.user)), Schema: printable([]byte(e.schema)),
		SQL: printable(e.text), Bytes: e.textBytes, Cut: e.textBytes > len(e.text), Masked: e.masked,
		RecordedTook: us(p.took), ReplayedTook: us(q.took),
		RecordedMissing: p.commanded && !p.replied, ReplayedMissing: q.commanded && !q.replied}
	if p.commanded {
		ex.Recorded = reading(compare.Answer(x))
	}
	if q.commanded {
		ex.Replayed = reading(compare.Answer(y))
	}
	if len(e.payload) > 0 {
		ex.Params = reading(b.options.Params(&session.Command{ID: e.join.key.of, Seq: e.seq, Kind: e.kind,
			Statement: e.statement, Size: e.size, Payload: e.payload}, e.text))
	}
	return ex
}

// maxReading limits the bytes of an answer, of parameters and of a line of
// evidence in an example.
const maxReading = 2000

// reading returns words for a reader, printable and not too many.
func reading(words string) string {
	if len(words) > maxReading {
		words = cut(words, maxReading) + "..."
	}
	return printable([]byte(words))
}

// sideTotals count what a side's events say.
type sideTotals struct {
	from, to                    int64
	sessions, joined, encrypted uint64
	refused                     uint64
	told                        uint64 // of those joined, with their state
	commands, replies, errors   uint64
	rows, bytes                 uint64
	masked, cut                 uint64
	servers                     names
	ends                        [session.ReasonCount]uint64
	gaps                        [session.ReasonCount]uint64
	lostBytes, lostPackets      uint64
	took                        times
	first                       moments
}

// see takes note of an event.
func (s *sideTotals) see(e session.Event) {
	if _, at := e.Key(); at > 0 {
		if s.from == 0 || at < s.from {
			s.from = at
		}
		s.to = max(s.to, at)
	}
	switch e := e.(type) {
	case *session.Start:
		s.start(e)
	case *session.Command:
		s.command(e)
	case *session.Reply:
		s.replies++
		s.bytes += e.Bytes
		failed := false
		for i := range e.Results {
			s.rows += e.Results[i].Rows
			failed = failed || e.Results[i].Error != nil
		}
		s.errors += one(failed)
	case *session.Gap:
		s.gaps[min(int(e.Reason), session.ReasonCount-1)]++
		if e.ID == 0 {
			s.lostPackets += e.Lost
		} else {
			s.lostBytes += e.Lost
		}
	case *session.End:
		s.ends[min(int(e.Reason), session.ReasonCount-1)]++
	}
}

func (s *sideTotals) start(e *session.Start) {
	s.sessions++
	s.joined += one(e.Joined)
	s.told += one(toldState(e))
	s.encrypted += one(e.Encrypted)
	s.refused += one(e.Refused != nil)
	if e.ServerVersion != "" {
		s.servers.add(e.ServerVersion)
	}
}

func (s *sideTotals) command(e *session.Command) {
	if e.Skipped != session.NotSkipped {
		return
	}
	s.commands++
	s.masked += one(e.Masked)
	s.cut += one(e.Cut)
}

func one(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
