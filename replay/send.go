package replay

import (
	"myreplay/session"
	"myreplay/sqltext"
)

// ruled is a command and what was decided about it.
type ruled struct {
	item    item
	command *session.Command
	verdict verdict
}

// send sends a command and writes what became of it. It tells whether it is to
// be sent again: in a live replay, when its connection turned out to have been
// lost before.
func (u *runner) send(r *ruled, again bool) bool {
	stats, c := &u.r.stats, r.command
	a, err := u.conn.Do(c, u.file)
	unsent := err != nil && u.r.options.Unsent(err)
	switch {
	case a.Skip != session.NotSkipped:
		u.skip(c, a.Skip, r.item.due)
	case unsent && u.box.behind.Load():
		u.skip(c, session.SkipBehind, r.item.due)
	case unsent && u.r.options.Live && !again && !u.inTrans && !u.r.stopped():
		u.lost()
		return true
	case unsent:
		u.skip(c, session.FailedSend, r.item.due)
		u.assume(r.verdict)
	default:
		u.sent(r, a)
		if err != nil && a.Reply == nil && c.Kind.HasReply() {
			stats.Unanswered.Add(1)
			u.assume(r.verdict)
		}
	}
	u.r.write(u.pieces...) // of a Query that failed after all
	u.pieces = u.pieces[:0]
	if err != nil {
		u.lost()
	}
	if c.Kind == session.Quit && u.conn != nil {
		u.conn.Close()
	}
	return false
}

// sent writes a command that was sent, and its reply.
func (u *runner) sent(r *ruled, a Answer) {
	stats, c := &u.r.stats, r.command
	u.memory.sent(c, r.verdict)
	stats.Sent.Add(1)
	done := outcome(u.id, c, r.item.due)
	done.At, done.End = a.At, a.End
	if r.item.due > 0 {
		stats.lag(a.At - r.item.due)
	}
	if a.Reply == nil {
		u.r.write(done)
		return
	}
	stats.Replies.Add(1)
	if a.Reply.Err() != nil {
		stats.Errors.Add(1)
	}
	u.answered = a.Reply.Last
	if n := len(a.Reply.Results); n > 0 && a.Reply.Results[n-1].Error == nil {
		u.transaction(a.Reply.Results[n-1].Status, r.verdict)
	}
	a.Reply.ID = u.id
	if len(u.pieces) == 0 {
		u.r.write(done, a.Reply)
		return
	}
	u.r.write(done)
	u.r.write(u.pieces...)
	u.pieces = u.pieces[:0]
	u.r.write(a.Reply)
}

// transaction takes note of whether a transaction is open: the classic protocol
// says so, of the X Protocol the statement tells.
func (u *runner) transaction(status uint16, v verdict) {
	if u.start.Protocol != session.X {
		u.inTrans = status&statusInTrans != 0
		return
	}
	u.assume(v)
}

// assume takes note of what a command does to a transaction whose reply does not
// tell.
func (u *runner) assume(v verdict) {
	switch v.verb {
	case sqltext.Begin:
		u.inTrans = true
	case sqltext.Commit, sqltext.Rollback:
		u.inTrans = false
	}
}

// skip writes a command that was not sent.
func (u *runner) skip(c *session.Command, why session.Skip, due int64) {
	u.r.stats.Skipped[why].Add(1)
	u.r.write(skipped(u.id, c, why, due))
}

// outcome returns what a run says of a command: all but its payload, which the
// recording has.
func outcome(id uint64, c *session.Command, due int64) *session.Command {
	return &session.Command{ID: id, Seq: c.Seq, Kind: c.Kind, Code: c.Code, Size: c.Size, Statement: c.Statement, Due: due}
}

func skipped(id uint64, c *session.Command, why session.Skip, due int64) *session.Command {
	s := outcome(id, c, due)
	s.Skipped = why
	return s
}

// cutFile stands for file data that is not there any more.
var cutFile = session.Command{Kind: session.FileData, Cut: true}

// piece gives the pieces of a file that follow a Query, one at each call, and
// accounts for them. The file ends with the first that is not whole.
func (u *runner) piece() (*session.Command, bool) {
	if !u.box.await(u.r.soft) {
		return nil, false
	}
	var piece *session.Command
	i, ok := u.box.more(func(i *item) bool {
		c, ok := i.event.(*session.Command)
		if !ok || c.Kind != session.FileData {
			return false
		}
		piece = c
		if i.skip != session.NotSkipped {
			piece = &cutFile
		}
		return !piece.Cut && !piece.Masked
	})
	if !ok {
		return piece, piece != nil
	}
	u.r.stats.Sent.Add(1)
	done := outcome(u.id, piece, 0)
	done.At = u.r.target.Now()
	done.End = done.At
	u.pieces = append(u.pieces, done)
	u.box.done(&i)
	return piece, true
}
