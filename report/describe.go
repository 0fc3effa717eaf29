package report

import (
	"myreplay/session"
)

// source is a recorded session that texts come from.
type source struct {
	user, schema string
	// lossy: something of it was not recorded. told: the source told the state of
	// a session that was joined.
	lossy, told bool
	unread      bool
	protocol    session.Protocol
	commands    uint64
	// known is the highest sequence number seen.
	known uint64
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
	s.told = toldState(e)
	s.lossy = e.Joined && !s.told
	s.unread = e.Unread()
	s.protocol = e.Protocol
}

// toldState tells whether all of a joined session's state is known.
func toldState(e *session.Start) bool {
	return e.Joined && e.State != nil && len(e.State.Unknown) == 0
}

func (s *source) gap(e *session.Gap) {
	if e.Reason != session.JoinedLate || !s.told {
		s.lossy = true
	}
}

// prepared tells the texts of the statements that a joined session had.
func (b *Builder) prepared(e *session.Start) {
	if e.State == nil {
		return
	}
	for _, p := range e.State.Prepared {
		if p.Name == "" && p.SQL != nil {
			b.texts.See(&session.Command{ID: e.ID, Kind: session.Prepare, SQL: b.statements.share(p.SQL)})
			b.texts.See(&session.Reply{ID: e.ID, Prepared: &session.Prepared{Statement: p.Statement}})
		}
	}
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
	if class != nil && class.effect.uses {
		s.schema = b.statements.used(sql, b.dialects.Options(c.ID))
	}
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
