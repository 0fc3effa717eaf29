package target

import (
	"slices"

	"myreplay/classic"
	"myreplay/session"
)

const (
	// maxPending is how many Prepares may wait for Learn; older ones are given
	// up.
	maxPending = 1 << 10
	// maxStatements is how many prepared statements of one session are known.
	maxStatements = 1 << 17
)

// statement is a prepared statement of the recording and what became of it on
// the target.
type statement struct {
	seq     uint64       // of its Prepare
	why     session.Skip // why it can't be used; 0: it can
	learned bool         // the source's answer is known too
	source  uint32       // the source's id, once learned
	live    uint32       // the target's id
	params  int          // how many the target says it has
	loads   bool         // it may ask for a file

	// types are those that the target knows from the last execution that sent
	// them; typed: it knows any.
	types []classic.ParamType
	typed bool
	// owed are types that the server is to be told: those that a lost connection's
	// server knew, or that came with an execution that was not sent; nil: none.
	owed []classic.ParamType
	// doubtful: an execution that could have changed the types on the source, or
	// long data, was lost in the recording.
	doubtful, doubtfulLong bool
	// long are the parameters sent ahead for the next execution. spoiled: not all
	// of them could be. stale: the target holds some that no execution took.
	long    []uint16
	spoiled session.Skip
	stale   bool
	// unrun is why its last execution was not sent; 0: it was.
	unrun session.Skip
	// run: it was executed on the target. cursorFirst: the first execution opened
	// a cursor.
	run, cursorFirst bool
}

// isLong tells whether a parameter was sent ahead.
func (st *statement) isLong(i int) bool { return slices.Contains(st.long, uint16(i)) }

// executed clears what one execution uses up.
func (st *statement) executed() {
	st.long, st.spoiled, st.doubtfulLong, st.unrun = st.long[:0], 0, false, 0
}

// unexecuted notes that an execution was not sent.
func (st *statement) unexecuted(why session.Skip) {
	st.stale = st.stale || len(st.long) > 0
	st.executed()
	st.unrun = why
}

// statements are the prepared statements of one session.
type statements struct {
	// caps are those of the recorded session, 0 when its login is not known.
	// attributed: it then showed that it has query attributes.
	caps       classic.Capability
	attributed bool

	byID    map[uint32]*statement // by the source's id
	pending []*statement          // prepared, the source's answer not learned yet
	last    *statement            // prepared last
	closes  []uint32              // to be closed on the target with the next command
}

func (s *statements) begin(caps classic.Capability) { *s = statements{caps: caps} }

// forget drops all statements: the server has dropped them too.
func (s *statements) forget() {
	s.byID, s.pending, s.last, s.closes = nil, nil, nil, nil
}

// hasAttributes tells whether the source's commands are laid out with query
// attributes.
func (s *statements) hasAttributes() bool {
	return s.caps.Has(classic.QueryAttributes) || s.caps == 0 && s.attributed
}

// find returns the statement that a command names, or why there is none.
func (s *statements) find(id uint32) (*statement, session.Skip) {
	st := s.byID[id]
	if id == session.LastPrepared {
		st = s.last
	}
	switch {
	case st == nil:
		return nil, session.SkipUnknownStatement
	case st.why != session.NotSkipped:
		return nil, st.why
	}
	return st, session.NotSkipped
}

// prepared takes note of a Prepare.
func (s *statements) prepared(st *statement) {
	if len(s.pending) == maxPending {
		s.pending = append(s.pending[:0], s.pending[1:]...)
	}
	s.pending = append(s.pending, st)
	s.last = st
}

// take returns the pending statement of a Prepare's reply. Those before it have
// no reply in the recording.
func (s *statements) take(seq uint64) *statement {
	for i, st := range s.pending {
		if st.seq == seq {
			s.pending = append(s.pending[:0], s.pending[i+1:]...)
			return st
		}
	}
	return nil
}

// set gives a statement the source's id.
func (s *statements) set(id uint32, st *statement) {
	if s.byID == nil {
		s.byID = map[uint32]*statement{}
	}
	if len(s.byID) < maxStatements {
		s.byID[id] = st
	}
}

// drop forgets the statement with the source's id.
func (s *statements) drop(id uint32) {
	if id != session.LastPrepared {
		if st := s.byID[id]; st != nil && st == s.last {
			s.last = nil
		}
		delete(s.byID, id)
		return
	}
	if st := s.last; st != nil {
		if s.byID[st.source] == st {
			delete(s.byID, st.source)
		}
		st.why = session.SkipUnknownStatement // also if it is learned yet
		s.last = nil
	}
}

// Learn takes the recorded reply to a Prepare or a ChangeUser, after its Do or
// Skipped. The first tells by which id the session's later commands name what
// the Prepare became on the target; the second, whether the session is still who
// it was. Of replies to other commands it takes what they note of values that the
// source made up.
func (c *Conn) Learn(r *session.Reply) {
	c.changed.learn(r)
	c.learnMade(r)
	if len(c.source.pending) == 0 {
		return
	}
	st := c.source.take(r.Seq)
	if st == nil {
		return
	}
	if r.Prepared == nil {
		if !r.Lost { // the source could not prepare it: nobody will name it
			c.closeUnasked(st)
		}
		return
	}
	if old := c.source.byID[r.Prepared.Statement]; old != nil {
		c.closeUnasked(old) // the source must have closed it, unseen
	}
	st.learned, st.source = true, r.Prepared.Statement
	if st.why == session.NotSkipped && int(r.Prepared.Params) != st.params {
		c.server.counts.paramsDiffer.Add(1)
		c.closeUnasked(st)
	}
	c.source.set(r.Prepared.Statement, st)
}

// closeUnasked has a statement closed on the target with the next command.
func (c *Conn) closeUnasked(st *statement) {
	if st.why != session.NotSkipped {
		return
	}
	c.server.counts.closed.Add(1)
	c.source.closes = append(c.source.closes, st.live)
	c.build.Closed(st.live)
	st.why = session.SkipUnknownStatement
}

// Skipped takes note of a command that was not sent for a reason of the
// caller's, because later ones may hang on it: the executions of a Prepare, or
// an execution's parameter types.
func (c *Conn) Skipped(cmd *session.Command, why session.Skip) {
	s := &c.source
	switch cmd.Kind {
	case session.Prepare:
		s.prepared(&statement{seq: cmd.Seq, why: session.SkipStatement})
		return
	case session.ResetConnection, session.ChangeUser:
		// The source has dropped its statements; the target holds them until the
		// end.
		s.forget()
		return
	case session.CloseStatement:
		s.drop(cmd.Statement)
		return
	}
	if !cmd.Kind.OnStatement() {
		return
	}
	st, no := s.find(cmd.Statement)
	if no != session.NotSkipped {
		return
	}
	switch cmd.Kind {
	case session.Execute, session.BulkExecute:
		if l := s.layout(cmd, st); !l.ok || l.typed && !l.sameTypes(st) {
			st.typed = false
			st.owed = l.ownTypes()
		}
		st.unexecuted(why)
	case session.LongData:
		st.spoiled = why
	case session.ResetStatement:
		st.unexecuted(why)
	}
}

// Gap takes note of what was lost in the recording: where it may hold commands
// of the client, later executions are sent only when their parameters read
// without a doubt.
func (c *Conn) Gap(g *session.Gap) {
	if !g.Client {
		return
	}
	c.source.last = nil
	for _, st := range c.source.byID {
		c.source.doubt(st)
	}
	for _, st := range c.source.pending {
		c.source.doubt(st)
	}
}

func (s *statements) doubt(st *statement) {
	st.doubtful, st.doubtfulLong = true, true
	if len(st.long) > 0 {
		st.spoiled = session.SkipUnknownTypes
	}
}
