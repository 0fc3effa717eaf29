package replay

import (
	"strconv"
	"time"

	"myreplay/session"
	"myreplay/sqltext"
)

// statusInTrans is the classic protocol's SERVER_STATUS_IN_TRANS.
const statusInTrans = 1

// runner replays one copy of one session.
type runner struct {
	r     *Replayer
	start *session.Start
	due   int64
	id    uint64 // in the run
	box   *mailbox
	conn  Conn
	judge *judge
	timer *time.Timer

	batch    []item // taken from the mailbox, from next on not handled yet
	next     int
	answered int64           // when the target's latest reply came
	inTrans  bool            // the target's latest status: a transaction is open
	started  bool            // the run has the session's Start
	ended    bool            // the recording's End was seen
	pieces   []session.Event // what the run says of file data that was sent
	refusal  error           // why there is no connection, and won't be
	memory   memory
}

func newRunner(r *Replayer, start *session.Start, due int64) *runner {
	return &runner{r: r, start: start, due: due, id: r.nextID(), box: newMailbox(), judge: newJudge(r.options.Policy, start)}
}

// run replays the session to its end.
func (u *runner) run() {
	defer u.done()
	if u.wait(u.due) {
		u.connect()
	}
	u.begun()
	for {
		i, ok := u.take()
		if !ok {
			break
		}
		u.handle(&i)
		u.r.window.leave(i.cost)
	}
	u.unreached()
	if u.conn != nil {
		u.conn.Close()
	}
	u.r.write(&session.End{ID: u.id, At: u.r.target.Now(), Reason: u.reason()})
}

func (u *runner) reason() session.Reason {
	if u.ended {
		return session.Finished
	}
	return session.RecordingEnded
}

// done tells the feeder that a session has ended.
func (u *runner) done() {
	u.r.stats.Open.Add(-1)
	u.r.runners.Done()
	select {
	case u.r.finished <- struct{}{}:
	default:
	}
}

// begun writes the run's Start.
func (u *runner) begun() {
	if u.started {
		return
	}
	u.started = true
	s := session.Start{Protocol: u.start.Protocol, At: u.r.target.Now()}
	if u.conn != nil {
		s = u.conn.Start()
	} else if u.refusal != nil {
		s.Refused = &session.Error{Message: u.refusal.Error()}
	}
	s.ID, s.Of, s.Copy = u.id, u.start.ID, u.start.Copy
	u.r.write(&s)
}

// take returns the next item, waiting for it; false at the end, or when the
// replay is to stop.
func (u *runner) take() (item, bool) {
	if u.r.stopped() {
		return item{}, false
	}
	if u.next == len(u.batch) {
		batch, ok := u.box.take(u.batch, u.r.soft)
		if !ok {
			return item{}, false
		}
		u.batch, u.next = batch, 0
	}
	i := u.batch[u.next]
	u.batch[u.next] = item{} // so that the event can be freed
	u.next++
	return i, true
}

// untake gives back the item taken last.
func (u *runner) untake(i item) {
	u.next--
	u.batch[u.next] = i
}

// unreached accounts for what is left when a replay stops before its end.
func (u *runner) unreached() {
	for {
		for ; u.next < len(u.batch); u.next++ {
			i := &u.batch[u.next]
			if c, ok := i.event.(*session.Command); ok {
				u.skip(c, session.NotReached, i.due)
			}
			u.r.window.leave(i.cost)
		}
		// The feeder closes the mailbox soon: it has been told to stop, too.
		batch, ok := u.box.take(nil, nil)
		if !ok {
			return
		}
		u.batch, u.next = batch, 0
	}
}

// wait waits until the time due, and tells whether the replay goes on.
func (u *runner) wait(due int64) bool {
	d := time.Duration(due - u.r.target.Now())
	if due == 0 || d <= 0 {
		return !u.r.stopped()
	}
	if u.timer == nil {
		u.timer = time.NewTimer(d)
	} else {
		u.timer.Reset(d)
	}
	select {
	case <-u.timer.C:
		return true
	case <-u.r.soft:
		u.timer.Stop()
		return false
	}
}

func (u *runner) handle(i *item) {
	switch e := i.event.(type) {
	case *session.Command:
		u.command(i, e)
	case *session.Reply:
		u.judge.learn(e)
		u.memory.learn(e)
		if u.conn != nil {
			u.conn.Learn(e)
		}
	case *session.Gap:
		u.judge.gap(e)
		if u.conn != nil {
			u.conn.Gap(e)
		}
	case *session.End:
		u.ended = true
		u.wait(i.due)
	}
}

// command replays one command: it is judged, awaited, sent, and its reply
// written.
func (u *runner) command(i *item, c *session.Command) {
	c, v := u.rule(i, c)
	if v.skip != session.NotSkipped {
		u.skipRuled(i, c, v.skip)
		return
	}
	if !u.wait(u.when(i)) {
		u.skip(c, session.NotReached, i.due)
		return
	}
	if u.conn == nil && !u.reconnect() {
		u.skip(c, u.unreachable(), i.due)
		return
	}
	if p, ok := u.conn.(Pipeline); ok {
		u.sendAll(p, i, c, v)
		return
	}
	u.send(i, c, v)
}

// rule decides about a command, which it may change: KILL is turned at the
// replayed connection.
func (u *runner) rule(i *item, c *session.Command) (*session.Command, verdict) {
	v := u.judge.rule(c, i.opt)
	if v.kill != nil && v.skip == session.NotSkipped {
		c, v.skip = u.aim(c, v.kill)
	}
	if v.skip == session.NotSkipped && u.memory.broken(v) {
		v.skip = session.FailedSend
	}
	return c, v
}

// skipRuled skips a command that may not be sent.
func (u *runner) skipRuled(i *item, c *session.Command, why session.Skip) {
	if u.conn != nil {
		u.conn.Skipped(c, why)
	}
	u.skip(c, why, i.due)
}

// when returns when a command is to be sent.
func (u *runner) when(i *item) int64 {
	if u.r.options.Pace.Think && i.due > 0 && u.answered > 0 {
		return max(i.due, u.answered+i.think)
	}
	return i.due
}

// send sends a command and writes what became of it.
func (u *runner) send(i *item, c *session.Command, v verdict) {
	stats := &u.r.stats
	a, err := u.conn.Do(c, u.file)
	switch {
	case a.Skip != session.NotSkipped:
		u.skip(c, a.Skip, i.due)
	case err != nil && u.r.options.Unsent(err):
		u.skip(c, session.FailedSend, i.due)
	default:
		u.sent(i, c, a, v)
		u.memory.sent(c, v)
		if err != nil && a.Reply == nil && c.Kind.HasReply() {
			stats.Unanswered.Add(1)
		}
	}
	u.r.write(u.pieces...) // of a Query that failed after all
	u.pieces = u.pieces[:0]
	if err != nil {
		u.lost()
	}
	if c.Kind == session.Quit {
		u.conn.Close()
	}
}

// sent writes a command that was sent, and its reply.
func (u *runner) sent(i *item, c *session.Command, a Answer, v verdict) {
	stats := &u.r.stats
	stats.Sent.Add(1)
	done := outcome(u.id, c, i.due)
	done.At, done.End = a.At, a.End
	if i.due > 0 {
		stats.lag(a.At - i.due)
	}
	u.r.write(done)
	u.r.write(u.pieces...)
	u.pieces = u.pieces[:0]
	if a.Reply == nil {
		return
	}
	stats.Replies.Add(1)
	if a.Reply.Err() != nil {
		stats.Errors.Add(1)
	}
	u.answered = a.Reply.Last
	if n := len(a.Reply.Results); n > 0 && a.Reply.Results[n-1].Error == nil {
		u.transaction(a.Reply.Results[n-1].Status, v)
	}
	a.Reply.ID = u.id
	u.r.write(a.Reply)
}

// transaction takes note of whether a transaction is open: the classic protocol
// says so, of the X Protocol the statement tells.
func (u *runner) transaction(status uint16, v verdict) {
	if u.start.Protocol != session.X {
		u.inTrans = status&statusInTrans != 0
		return
	}
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

// file gives the pieces of a file that follow a Query, each accounted for.
func (u *runner) file() (*session.Command, bool) {
	i, ok := u.take()
	if !ok {
		return nil, false
	}
	c, ok := i.event.(*session.Command)
	if ok = ok && c.Kind == session.FileData; !ok || c.Cut || c.Masked {
		u.untake(i)
		return c, ok // not whole: the target ends the file there
	}
	u.r.stats.Sent.Add(1)
	done := outcome(u.id, c, 0)
	done.At = u.r.target.Now()
	done.End = done.At
	u.pieces = append(u.pieces, done)
	u.r.window.leave(i.cost)
	return c, true
}

// aim turns a KILL statement at the connection that replays the one that was
// killed.
func (u *runner) aim(c *session.Command, k *sqltext.KillTarget) (*session.Command, session.Skip) {
	live, ok := u.r.target.Live(u.start.Copy, uint32(k.ID))
	if !ok || k.ID > 1<<32-1 || c.Kind != session.Query {
		return c, session.SkipKill
	}
	aimed := *c
	if u.start.Protocol == session.X { // the text stands within a message: the target puts it there
		sql := append([]byte(nil), c.SQL[:k.Number.Start]...)
		sql = strconv.AppendUint(sql, uint64(live), 10)
		aimed.SQL = append(sql, c.SQL[k.Number.End:]...)
		return &aimed, session.NotSkipped
	}
	head := len(c.Payload) - len(c.SQL)
	p := append([]byte(nil), c.Payload[:head+k.Number.Start]...)
	p = strconv.AppendUint(p, uint64(live), 10)
	p = append(p, c.Payload[head+k.Number.End:]...)
	aimed.Payload, aimed.SQL, aimed.Size = p, p[head:], uint64(len(p))
	return &aimed, session.NotSkipped
}
