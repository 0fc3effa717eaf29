package order

import (
	"slices"

	"myreplay/classic"
	"myreplay/schema"
	"myreplay/session"
	"myreplay/sqltext"
)

// effect is what a command's text says, read when it was sent.
type effect struct {
	shapes []*sqltext.Shape
	// words are nil where they say nothing, or are not needed any more.
	words *words
}

// words are what a command's text says besides its shapes.
type words struct {
	literals []sqltext.LiteralToken
	text     []byte
	params   []classic.Param
	schema   string // the default schema
}

// noWords are not written to.
var noWords words

// said returns the words, to read them.
func (e *effect) said() *words {
	if e.words == nil {
		return &noWords
	}
	return e.words
}

// say returns words of a session. The literals are copied, the text is not.
func (p *Planner) say(m *member, text []byte, literals []sqltext.LiteralToken) *words {
	var w *words
	if n := len(p.words); n > 0 {
		w, p.words = p.words[n-1], p.words[:n-1]
	} else {
		w = &take(&p.slabs.words, 1, slabWords)[0]
	}
	w.text, w.schema, w.literals = text, m.schema, append(w.literals, literals...)
	return w
}

// maxSpareWords is how many words are kept for use again.
const maxSpareWords = 1 << 12

// unsay gives up the words of a command whose accesses are noted, and whose step is
// handed on. Those of definitions are asked for later, too.
func (p *Planner) unsay(c *command) {
	w := c.what.words
	if p.live || !c.noted || w == nil || c.what.defines() {
		return
	}
	c.what.words = nil
	if len(p.words) < maxSpareWords && cap(w.literals) <= maxSpare {
		*w = words{literals: w.literals[:0]}
		p.words = append(p.words, w)
	}
}

// read takes note of what a command's text says.
func (p *Planner) read(m *member, c *command) {
	e := c.event
	if e.Masked || e.Cut {
		p.unseen = true
		return
	}
	switch e.Kind {
	case session.Query, session.Find, session.Insert, session.Update, session.Delete, session.View:
		shapes, literals := p.shaper.Shapes(e.SQL, p.dialects.Options(m.id))
		if !needsValues(shapes) {
			literals = nil
		}
		c.what = effect{take(&p.slabs.shapes, len(shapes), slabValues), p.say(m, e.SQL, literals)}
		copy(c.what.shapes, shapes)
		p.named(m, c)
	case session.Prepare:
		p.prepare(m, c)
	case session.Execute, session.BulkExecute, session.OpenCursor:
		if st := m.of(e); st != nil {
			c.what = effect{st.shapes, p.say(m, st.text, st.literals)}
			c.what.words.params = m.params(st, e)
		}
	case session.LongData:
		if st := m.of(e); st != nil {
			st.long = true
		}
	}
}

// defines tells whether a statement changes definitions.
func (e *effect) defines() bool {
	return slices.ContainsFunc(e.shapes, func(s *sqltext.Shape) bool { return s.Class == sqltext.DDL })
}

// needsValues tells whether some shape has rows or conditions.
func needsValues(shapes []*sqltext.Shape) bool {
	for _, s := range shapes {
		if len(s.Tables) > 0 || s.Verb == sqltext.Set || s.UserLock.Kind != sqltext.Absent {
			return true
		}
	}
	return false
}

func (p *Planner) prepare(m *member, c *command) {
	st := p.statement(c.event.SQL, p.dialects.Options(m.id))
	if m.x {
		m.keep(c.event.Statement, st)
		return
	}
	if m.pending == nil {
		m.pending = map[uint64]*statement{}
	}
	m.pending[c.event.Seq] = st
	m.latest = st
}

// named replaces EXECUTE of a named statement by what it executes.
func (p *Planner) named(m *member, c *command) {
	shapes := c.what.shapes
	if len(shapes) != 1 {
		return
	}
	switch s := shapes[0]; s.Verb {
	case sqltext.Prepare:
		m.name(s.Name, &statement{}) // its text may come from a variable
		if w := c.what.said(); len(w.literals) == 1 && w.literals[0].Kind == sqltext.String {
			opt := p.dialects.Options(m.id)
			sql := sqltext.AppendString(nil, w.literals[0].Span.Of(w.text), opt)
			m.name(s.Name, p.statement(sql, opt))
		}
	case sqltext.Execute:
		if st := m.named[lower(s.Name)]; st != nil && st.text != nil {
			c.what = effect{st.shapes, p.say(m, st.text, st.literals)}
		}
	}
}

// unanswered takes note of a command that gets no reply.
func (p *Planner) unanswered(m *member, c *command) {
	switch c.event.Kind {
	case session.CloseStatement:
		delete(m.prepared, c.event.Statement)
	}
}

// answered takes note of a command that was answered: what it did to rows and to
// its transaction. It returns how the group has ended, if it has.
func (p *Planner) answered(m *member, c *command) ending {
	r, e := c.reply, c.event
	failed := r.Err()
	switch e.Kind {
	case session.Prepare:
		if st := m.pending[e.Seq]; st != nil {
			delete(m.pending, e.Seq)
			if r.Prepared != nil {
				st.params = int(r.Prepared.Params)
				m.keep(r.Prepared.Statement, st)
			}
		}
		return committed
	case session.Deallocate:
		delete(m.prepared, e.Statement)
		return committed
	case session.UseSchema:
		if failed == nil && len(e.Payload) > 1 {
			m.schema = string(e.Payload[1:])
		}
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		m.forget()
		if e.Login != nil {
			m.schema = e.Login.Schema
		}
		return rolledBack
	}
	p.changes(m, r)
	was := m.inTrans
	p.accesses(m, c, failed)
	m.transaction(c, failed)
	switch {
	case isVictim(failed, p.options.Schema) && was:
		m.inTrans, m.torn = false, false
		p.forced(c, failed)
		return rolledBack
	case failed != nil:
		p.forced(c, failed)
	}
	for _, s := range c.what.shapes {
		if s.Verb != sqltext.Rollback {
			continue
		}
		if s.To {
			c.group.undone = true
		} else if failed == nil {
			return rolledBack
		}
	}
	return committed
}

// The errors that tell of locks (MySQL's "Server Error Message Reference").
const (
	errLockTimeout = 1205
	errDeadlock    = 1213
)

// forced says what a replay does instead of a command that failed for its locks.
func (p *Planner) forced(c *command, failed *session.Error) {
	force := NoForce
	switch failed.Code {
	case errDeadlock:
		force = ForceRollback
		p.stats.Deadlocks++
	case errLockTimeout:
		force = ForceSkip
		if s := p.options.Schema; s != nil && s.RollbackOnTimeout {
			force = ForceRollback
		}
		p.stats.LockTimeouts++
	}
	if force != NoForce && !c.handed {
		c.step.Force = force
	}
}

// changes takes over what the server reported of the session's state.
func (p *Planner) changes(m *member, r *session.Reply) {
	for i := range r.Results {
		for _, ch := range r.Results[i].Changes {
			switch {
			case ch.Kind == session.SchemaChange:
				m.schema = ch.Value
			case ch.Kind == session.SystemVariable && (ch.Name == "transaction_isolation" || ch.Name == "tx_isolation"):
				if l := levelOf(ch.Value); l != unset {
					m.level = l
				}
			}
		}
	}
}

// transaction follows the session's transaction: the classic protocol's status
// flags tell, of the X Protocol the statements.
func (m *member) transaction(c *command, failed *session.Error) {
	for _, s := range c.what.shapes {
		m.verb(s, c, failed)
	}
	r := c.reply
	if m.x || r.Lost || len(r.Results) == 0 {
		return
	}
	last := &r.Results[len(r.Results)-1]
	if last.Error == nil && (last.Outcome == session.OK || last.Outcome == session.Rows || last.Outcome == session.Opened) {
		m.inTrans = last.Status&classic.StatusInTrans != 0
		m.torn = false
	}
}

// verb follows what a statement does to the session.
func (m *member) verb(s *sqltext.Shape, c *command, failed *session.Error) {
	if failed != nil {
		if s.Class == sqltext.DDL {
			m.inTrans = false // it was committed before
		}
		return
	}
	switch s.Verb {
	case sqltext.Begin:
		m.inTrans, m.locked = true, false
	case sqltext.Commit, sqltext.Rollback:
		if !s.To {
			m.inTrans = s.Chain
		}
	case sqltext.Use:
		m.schema = s.Name
	case sqltext.Lock:
		m.inTrans, m.locked = false, true
	case sqltext.Unlock:
		m.locked = false
	case sqltext.XA:
		m.xa = s.XA == "start" || s.XA == "begin" || m.xa && !(s.XA == "commit" || s.XA == "rollback")
	case sqltext.Set:
		m.set(s, c)
	case sqltext.Deallocate:
		delete(m.named, lower(s.Name))
	}
	if s.Class == sqltext.DDL && s.Flags&sqltext.Temporary == 0 {
		m.inTrans = false
	}
	if m.x && m.manual && (s.Class == sqltext.Read || s.Class == sqltext.Write || s.Class == sqltext.LockingRead) {
		m.inTrans = true
	}
}

func (m *member) set(s *sqltext.Shape, c *command) {
	m.limited = m.limited || mayName(c.what.said().text, selectLimit)
	if s.Isolation != "" {
		l := levelOf(s.Isolation)
		if s.NextOnly {
			m.next = l
		} else {
			m.level = l
		}
	}
	switch v := s.Autocommit; v.Kind {
	case sqltext.TrueValue:
		m.manual, m.inTrans = false, false
	case sqltext.FalseValue:
		m.manual = true
	case sqltext.Literal:
		if w := c.what.said(); v.Index < len(w.literals) {
			n, ok := w.literals[v.Index].Int(w.text)
			if m.manual = ok && n == 0; !m.manual {
				m.inTrans = false
			}
		}
	}
}

// lower returns ASCII letters in lower case.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// isVictim tells whether an error means that the server has rolled back the whole
// transaction.
func isVictim(e *session.Error, s *schema.Schema) bool {
	return e != nil && (e.Code == errDeadlock || e.Code == errLockTimeout && s != nil && s.RollbackOnTimeout)
}
