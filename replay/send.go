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
	// What the order between sessions did to it: how long it was held back, which
	// waits were dropped, how often it was sent anew.
	waited          int64
	dropped, redone uint32
	freed           bool // a read that was undone for good
	locked          bool // its rows were locked in its place
	late            bool // to be sent once the transaction has ended
}

// send sends a command and writes what became of it. It tells whether it is to
// be sent again: in a live replay, when its connection turned out to have been
// lost before.
func (u *runner) send(r *ruled, again bool) bool {
	stats, c := &u.r.stats, r.command
	a, err := u.do(r, u.file)
	unsent := err != nil && u.r.options.Unsent(err)
	if err == nil && r.refused(&a) {
		a, err = u.insist(r, a)
	}
	if err == nil && r.item.step != nil && r.item.step.Took != nil {
		a, err = u.retake(r, a)
	}
	switch {
	case a.Skip != session.NotSkipped:
		u.skip(r, a.Skip)
	case unsent && u.box.behind.Load():
		u.skip(r, session.SkipBehind)
	case unsent && u.r.options.Live && !again && !u.inTrans && !u.r.stopped():
		u.lost()
		return true
	case unsent:
		u.skip(r, session.FailedSend)
		u.assume(r.verdict)
	default:
		u.sent(r, a)
		if err != nil && a.Reply == nil && c.Kind.HasReply() {
			stats.Unanswered.Add(1)
			u.assume(r.verdict)
		}
	}
	if len(u.pieces) > 0 { // of a Query that failed after all
		u.fix()
		u.r.write(u.pieces...)
		u.pieces = u.pieces[:0]
	}
	if err != nil {
		u.lost()
	}
	if c.Kind == session.Quit && u.conn != nil {
		u.conn.Close()
	}
	return false
}

// do has the target do a command. The scheduler knows of it.
func (u *runner) do(r *ruled, file File) (Answer, error) {
	u.begins(r)
	if u.pinner != nil {
		u.onePin[0] = r.item.pin
		u.pinner.Pin(u.onePin[:])
	}
	a, err := u.conn.Do(r.command, file)
	u.ends(r)
	return a, err
}

// begins takes note that a command is at the target.
func (u *runner) begins(r *ruled) {
	if step := r.item.step; step != nil {
		u.at.took.Store(r.item.took)
		u.at.n.Add(1)
		u.at.step.Store(step)
		step.Sent(u.r.target.Now())
	}
}

// ends takes note that it is there no longer.
func (u *runner) ends(r *ruled) {
	if r.item.step != nil {
		u.at.step.Store(nil)
	}
}

// outcome returns what the run says of a command that was sent.
func (u *runner) outcome(r *ruled, a *Answer) *session.Command {
	done := outcome(u.id, r.command, r.item.due)
	done.At, done.End, done.Order = a.At, a.End, r.order()
	if a.Reply != nil {
		a.Reply.ID = u.id
	}
	return done
}

// order returns what the run says of the order between sessions; nil: nothing.
func (r *ruled) order() *session.Order {
	step := r.item.step
	if step == nil {
		return nil
	}
	guesses := step.Unproven()
	if len(guesses) == 0 {
		guesses = step.Rests
	}
	// Outside of transactions nobody asks: no guess is about such a read.
	still := step.Still && (step.Begins || step.Inside || step.Ends || r.redone > 0)
	if r.waited == 0 && r.dropped == 0 && r.redone == 0 && len(guesses) == 0 && !still {
		return nil
	}
	return &session.Order{Waited: r.waited, Guesses: guesses[:min(len(guesses), session.MaxGuesses)],
		Dropped: r.dropped, Redone: r.redone, Still: still}
}

// sent writes a command that was sent, and its reply.
func (u *runner) sent(r *ruled, a Answer) {
	stats, c := &u.r.stats, r.command
	u.pay()
	// A lock on rows by their keys is not one on their entries in the index that the
	// read had gone by: reads that pass over the rows would lock these.
	if u.hold.cuts = 0; r.freed && u.tx.open && !r.item.step.Ends {
		u.owed.Store(r.item.step)
		u.box.owed = r.item.step
	} else {
		u.r.scheduler.finish(r.item.step)
	}
	u.memory.sent(c, r.verdict)
	stats.Sent.Add(1)
	done := u.outcome(r, &a)
	if r.item.due > 0 {
		stats.lag(a.At - r.item.due - r.waited)
	}
	if a.Reply == nil {
		u.tell(r, done, nil, true)
		return
	}
	stats.Replies.Add(1)
	if a.Reply.Err() != nil {
		stats.Errors.Add(1)
	}
	u.note(a.Reply, r.verdict)
	if len(u.pieces) == 0 {
		u.tell(r, done, a.Reply, !r.freed)
		return
	}
	u.fix() // a file is not sent twice
	u.r.write(done)
	u.r.write(u.pieces...)
	u.pieces = u.pieces[:0]
	u.r.write(a.Reply)
	if step := r.item.step; step != nil && step.Ends {
		u.flush()
	}
}

// note takes note of what a reply says of the session.
func (u *runner) note(a *session.Reply, v verdict) {
	u.answered = a.Last
	if n := len(a.Results); n > 0 && a.Results[n-1].Error == nil {
		u.transaction(a.Results[n-1].Status, v)
	}
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
func (u *runner) skip(r *ruled, why session.Skip) {
	u.pay()
	u.r.scheduler.finish(r.item.step)
	u.r.stats.Skipped[why].Add(1)
	s := skipped(u.id, r.command, why, r.item.due)
	s.Order = r.order()
	u.tell(r, s, nil, false)
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
	u.r.scheduler.finish(i.step)
	done := outcome(u.id, piece, 0)
	done.At = u.r.target.Now()
	done.End = done.At
	u.pieces = append(u.pieces, done)
	u.box.done(&i)
	return piece, true
}
