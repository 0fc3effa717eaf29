package session

// LastPrepared is MariaDB's statement id for "the statement prepared last".
const LastPrepared = 0xffffffff

// Texts remembers the SQL of the prepared statements that are open, so that a
// reader of events can tell what an Execute runs. Feed it every event in
// order. The zero Texts is ready to use.
type Texts struct {
	sessions map[uint64]*texts
}

type texts struct {
	pending map[uint64][]byte // by Seq: prepared, reply not seen yet
	open    map[uint32][]byte // by statement id
	last    []byte            // prepared last
}

// See takes note of an event, which it may keep parts of.
func (t *Texts) See(e Event) {
	switch e := e.(type) {
	case *Start:
		t.start(e)
	case *Command:
		t.command(e)
	case *Reply:
		t.reply(e)
	case *End:
		delete(t.sessions, e.ID)
	}
}

// SQL returns the statement text that c runs or is about: its own, or that of
// the prepared statement that it names. It is nil when c has none or the text
// is not known. Call it before See takes note of c. The text belongs to the
// Prepare command, or to the State of the session's Start.
func (t *Texts) SQL(c *Command) []byte {
	if !c.Kind.OnStatement() {
		return c.SQL
	}
	s := t.sessions[c.ID]
	if s == nil {
		return nil
	}
	if c.Statement == LastPrepared {
		return s.last
	}
	return s.open[c.Statement]
}

// start takes note of the statements that were there before the first event.
func (t *Texts) start(e *Start) {
	if e.State == nil {
		return
	}
	for i := range e.State.Prepared {
		if p := &e.State.Prepared[i]; p.Name == "" && p.SQL != nil {
			t.session(e.ID).open[p.Statement] = p.SQL
		}
	}
}

func (t *Texts) command(c *Command) {
	switch c.Kind {
	case Prepare:
		s := t.session(c.ID)
		s.pending[c.Seq] = c.SQL
		s.last = c.SQL
	case CloseStatement, Deallocate:
		if s := t.sessions[c.ID]; s != nil {
			delete(s.open, c.Statement)
		}
	case ChangeUser, ResetConnection, CloseSession:
		delete(t.sessions, c.ID)
	}
}

func (t *Texts) reply(r *Reply) {
	s := t.sessions[r.ID]
	if s == nil {
		return
	}
	sql, ok := s.pending[r.Seq]
	if !ok {
		return
	}
	delete(s.pending, r.Seq)
	if r.Prepared != nil {
		s.open[r.Prepared.Statement] = sql
	}
}

func (t *Texts) session(id uint64) *texts {
	if t.sessions == nil {
		t.sessions = map[uint64]*texts{}
	}
	s := t.sessions[id]
	if s == nil {
		s = &texts{pending: map[uint64][]byte{}, open: map[uint32][]byte{}}
		t.sessions[id] = s
	}
	return s
}
