package target

import (
	"slices"

	"myreplay/session"
	"myreplay/xproto"
)

// xNames are the prepared statements and cursors of one session. Their ids are
// its client's, so they are the same on the target; what is known here is
// whether both servers have the same under an id.
type xNames struct {
	// complete: under ids that are not listed neither server has anything, so what
	// names one goes to the target, to be refused there as it was on the source.
	complete bool
	// statements and cursors tell why an id can't be used; NotSkipped: it can.
	statements, cursors map[uint32]session.Skip
	// pending are commands that were sent and whose recorded reply was not
	// learned.
	pending []xPending
}

// xPending is a Prepare, a Deallocate or a reset that was sent.
type xPending struct {
	seq    uint64
	code   xproto.ClientMessage
	id     uint32
	failed bool         // the target refused it
	before session.Skip // why the id of a Prepare could not be used before it
}

// forget drops everything. complete tells that the servers did, too; else
// nobody knows what they have.
func (n *xNames) forget(complete bool) { *n = xNames{complete: complete} }

// statement tells why a statement can't be used, if so.
func (n *xNames) statement(id uint32) session.Skip { return n.why(n.statements, id) }

// cursor tells why a cursor can't be used, if so.
func (n *xNames) cursor(id uint32) session.Skip { return n.why(n.cursors, id) }

func (n *xNames) why(names map[uint32]session.Skip, id uint32) session.Skip {
	why, ok := names[id]
	if !ok && !n.complete {
		return session.SkipUnknownStatement
	}
	return why
}

// setStatement notes what became of a Prepare.
func (n *xNames) setStatement(id uint32, why session.Skip) { set(&n.statements, id, why) }

// setCursor notes what became of an OpenCursor.
func (n *xNames) setCursor(id uint32, why session.Skip) { set(&n.cursors, id, why) }

func set(names *map[uint32]session.Skip, id uint32, why session.Skip) {
	if *names == nil {
		*names = map[uint32]session.Skip{}
	}
	(*names)[id] = why
}

// gone notes that the target has nothing under an id: what names it may be sent.
func (n *xNames) gone(names map[uint32]session.Skip, id uint32) {
	if n.complete {
		delete(names, id)
	} else if names != nil {
		names[id] = session.NotSkipped
	}
}

// sent notes the target's answer to a Prepare, a Deallocate or a reset.
func (n *xNames) sent(p xPending) {
	switch p.code {
	case xproto.PreparePrepare:
		n.setStatement(p.id, session.NotSkipped)
		if p.failed {
			n.setStatement(p.id, session.SkipUnknownStatement) // until Learn
		}
	case xproto.PrepareDeallocate:
		if !p.failed {
			n.gone(n.statements, p.id)
		}
	default:
		if !p.failed {
			n.forget(true)
			return
		}
	}
	if len(n.pending) == maxPending {
		n.pending = slices.Delete(n.pending, 0, 1)
	}
	n.pending = append(n.pending, p)
}

// learn takes the recorded reply to a command. Where both servers refused it,
// what follows goes to the target, to be refused again; where only one did, they
// don't have the same under the id.
func (n *xNames) learn(r *session.Reply) {
	i := slices.IndexFunc(n.pending, func(p xPending) bool { return p.seq == r.Seq })
	if i < 0 {
		return
	}
	p := n.pending[i]
	n.pending = slices.Delete(n.pending, i, i+1)
	again := slices.ContainsFunc(n.pending[i:], func(q xPending) bool { return q.id == p.id })
	same := (r.Err() != nil) == p.failed && !r.Lost
	switch {
	case p.code != xproto.PreparePrepare && p.code != xproto.PrepareDeallocate:
		if !same {
			n.forget(false)
		}
	case again || r.Lost:
	case !same:
		n.setStatement(p.id, session.SkipUnknownStatement)
	case p.failed && p.code == xproto.PreparePrepare:
		n.setStatement(p.id, p.before)
	}
}

// Learn takes the recorded reply to a command, after its Do or Skipped. It tells
// which ids of documents the source generated, whether the session is still who
// it was after a login, and whether the source has what was prepared.
func (c *XConn) Learn(r *session.Reply) {
	c.changed.learn(r)
	c.learnIDs(r)
	c.source.learn(r)
}

// Skipped takes note of a command that was not sent for a reason of the
// caller's, because later ones may hang on it: what it would have prepared or
// opened does not exist on the target.
func (c *XConn) Skipped(cmd *session.Command, why session.Skip) {
	n := &c.source
	switch cmd.Kind {
	case session.Prepare:
		n.setStatement(cmd.Statement, session.SkipStatement)
	case session.Deallocate:
		n.setStatement(cmd.Statement, session.SkipUnknownStatement) // the target has it still
	case session.OpenCursor, session.CloseCursor:
		c.skippedCursor(cmd)
	case session.ResetConnection, session.CloseSession, session.ChangeUser:
		// The source has dropped them; what the ids stand for from now on is not
		// what they stand for on the target.
		n.forget(false)
	}
}

func (c *XConn) skippedCursor(cmd *session.Command) {
	n := &c.source
	var o xproto.Open
	if len(cmd.Payload) == 0 || cmd.Cut || cmd.Masked || o.Decode(cmd.Payload[1:]) != nil {
		n.cursors, n.complete = nil, false // it may have been any
		return
	}
	if cmd.Kind == session.OpenCursor {
		n.setCursor(o.ID, session.SkipStatement)
		return
	}
	n.setCursor(o.ID, session.SkipUnknownStatement) // the target has it still
}

// Gap takes note of what was lost in the recording. Where it may hold commands
// of the client, nobody knows what its ids stand for from then on: the client
// may use one again for another statement.
func (c *XConn) Gap(g *session.Gap) {
	if g.Client {
		c.source.forget(false)
	}
}
