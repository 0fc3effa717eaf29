package replay

import (
	"context"
	"sync/atomic"
	"time"

	"myreplay/order"
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
	ctx   context.Context // of its connections
	kill  context.CancelFunc
	conn  Conn
	last  Conn     // the one that was lost
	pipe  Pipeline // conn, where it is one
	judge *judge
	// pinner is conn, where it is one and something is to be pinned.
	pinner Pinner
	onePin [1]Pin
	timer  *time.Timer

	answered int64         // when the target's latest reply came
	inTrans  bool          // the target's latest status: a transaction is open
	started  bool          // the run has the session's Start
	ended    bool          // the recording's End was seen
	left     bool          // given up, and not among the open sessions any more
	hold     waiting       // for other sessions
	at       atTarget      // what the target is at
	live     atomic.Uint64 // the target's id of the connection; 0: none
	rouse    func()        // wake, to be called by others
	tx       transaction   // as far as it may be done again
	// owed is of a read that was undone for good, not finished yet: others are not to
	// go on before the command behind it has locked its rows. Who finds sessions that
	// wait in a circle may finish it.
	owed    atomic.Pointer[order.Step]
	mute    bool            // filtered out: it keeps its place in the order, no more
	file    File            // gives the pieces of a file
	pieces  []session.Event // what the run says of file data that was sent
	list    []ruled         // sent together
	carried ruled           // taken with them, and to be sent or skipped after them
	refusal error           // why there is no connection, and won't be
	memory  memory
	// severed: the recorded replies tell when a transaction ends of which nothing
	// is sent.
	severed atomic.Bool

	place  int  // the roster's
	behind bool // the feed's: given up
}

func newRunner(r *Replayer, start *session.Start, due int64, opt sqltext.Options) *runner {
	u := &runner{r: r, start: start, due: due, id: r.nextID(), box: newMailbox(r.window, r.scheduler), judge: newJudge(r.options.Policy, start, opt)}
	u.file, u.rouse = u.piece, u.wake
	u.hold.wakes = make(chan struct{}, 1)
	u.ctx, u.kill = context.WithCancel(r.hard)
	if u.mayBeHalf() {
		u.sever(session.SkipHalf)
	}
	return u
}

// mayBeHalf tells whether the session may begin in the middle of a transaction:
// its source told so, or nobody could tell. Then the first reply will.
func (u *runner) mayBeHalf() bool {
	if u.r.options.Halves {
		return false
	}
	if s := u.start.State; s != nil {
		return s.Transaction
	}
	return u.r.options.Live && u.start.Joined && u.start.Protocol != session.X
}

// run replays the session to its end.
func (u *runner) run() {
	defer u.done()
	defer u.pay()
	if !u.mute && (u.r.options.Live || u.wait(u.due)) {
		u.connect()
	}
	u.begun()
	for {
		i, ok := u.take()
		if !ok {
			break
		}
		u.handle(&i)
	}
	u.unreached()
	u.flush()
	u.hangUp()
	u.r.write(&session.End{ID: u.id, At: u.r.target.Now(), Reason: u.reason()})
}

// hangUp closes the connection, if there is one.
func (u *runner) hangUp() {
	if u.conn != nil {
		u.live.Store(0)
		u.conn.Close()
		u.conn, u.pipe, u.pinner = nil, nil, nil
	}
}

func (u *runner) reason() session.Reason {
	if u.ended {
		return session.Finished
	}
	return session.RecordingEnded
}

// done tells the feed that a session has ended.
func (u *runner) done() {
	u.kill()
	u.box.finish()
	u.r.roster.remove(u)
	if !u.left {
		u.r.stats.Open.Add(-1)
	}
	select {
	case u.r.finished <- struct{}{}:
	default:
	}
	u.r.scheduler.gone(u)
	u.r.runners.Done()
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
// replay is to stop. The first that follows after the session was given up ends
// its connection.
func (u *runner) take() (item, bool) {
	i, ok := u.box.take(u.r.soft)
	if !u.left && u.box.behind.Load() {
		u.left = true
		u.hangUp()
		u.r.stats.Open.Add(-1)
	}
	return i, ok
}

// unreached accounts for what is left when a replay stops before its end.
func (u *runner) unreached() {
	for {
		// The feed closes the mailbox soon: it has been told to stop, too.
		i, ok := u.box.take(nil)
		if !ok {
			return
		}
		if c, ok := i.event.(*session.Command); ok {
			why := session.NotReached
			if i.skip != session.NotSkipped {
				why = i.skip
			}
			u.skip(&ruled{item: i, command: c}, why)
		}
	}
}

// wait waits until the time due, and tells whether the session goes on.
func (u *runner) wait(due int64) bool {
	if due == 0 {
		return !u.r.stopped()
	}
	d := time.Duration(due - u.r.target.Now())
	if d <= 0 {
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
	case <-u.ctx.Done():
	}
	u.timer.Stop()
	return false
}

func (u *runner) handle(i *item) {
	switch i.event.(type) {
	case *session.Gap, *session.End: // the command behind it may never come
		u.pay()
	}
	switch e := i.event.(type) {
	case *session.Command:
		if i.half {
			u.sever(session.SkipHalf)
		}
		u.enter(i.step)
		if i.skip != session.NotSkipped {
			r := ruled{item: *i, command: e}
			u.awaitSkipped(&r)
			u.skip(&r, i.skip)
			return
		}
		u.command(i, e)
	case *session.Reply:
		u.learn(e)
	case *session.Gap:
		if e.HidesCommands() {
			u.flush()
		}
		u.judge.gap(e)
		u.tear(e)
		if u.conn != nil {
			u.conn.Gap(e)
		}
	case *session.End:
		u.ended = true
		u.flush()
		if !u.r.options.Live {
			u.wait(i.due)
		}
	}
}

// learn takes note of a recorded reply.
func (u *runner) learn(e *session.Reply) {
	u.judge.learn(e)
	u.memory.learn(e)
	if u.memory.cut != session.NotSkipped && u.start.Protocol != session.X && isOver(e) {
		u.rejoin()
	}
	if u.conn != nil {
		u.conn.Learn(e)
	}
}

// isIn tells whether a reply says that a transaction is open.
func isIn(e *session.Reply) bool {
	n := len(e.Results)
	return n > 0 && e.Results[n-1].Error == nil && e.Results[n-1].Status&statusInTrans != 0
}

// isOver tells whether a reply says that no transaction is open.
func isOver(e *session.Reply) bool {
	n := len(e.Results)
	return n > 0 && !e.Lost && e.Results[n-1].Error == nil && e.Results[n-1].Outcome != session.Text && e.Results[n-1].Status&statusInTrans == 0
}

// command replays one command, and those that go with it.
func (u *runner) command(i *item, c *session.Command) {
	r := u.rule(i, c)
	for u.issue(&r) {
		r = u.carried
	}
	u.carried = ruled{}
}

// issue replays one command and those that go with it: it is awaited, sent, and
// its reply written. It tells whether another was taken that is to be issued
// next.
func (u *runner) issue(r *ruled) (carried bool) {
	u.enter(r.item.step)
	u.untear(r)
	if u.barred(r) {
		u.awaitSkipped(r)
		u.skipRuled(r)
		return false
	}
	if u.box.behind.Load() || !u.wait(u.when(&r.item)) || !u.await(r) {
		u.skip(r, u.unreachable())
		return false
	}
	if u.doAgain(); !u.hadYet(r) {
		u.skip(r, u.unreachable())
		return false
	}
	if u.memory.cut != session.NotSkipped && u.barred(r) {
		u.skipRuled(r)
		return false
	}
	if u.forced(r) || u.putOff(r) {
		return false
	}
	for again := false; ; again = true {
		if u.conn == nil && !u.reconnect(r.command) {
			u.skip(r, u.unreachable())
			return carried
		}
		if !again && u.pipe != nil && u.memory.cut == session.NotSkipped && u.box.some() {
			if carried = u.gather(r); len(u.list) > 1 {
				u.pipeline()
				return carried
			}
			u.list[0] = ruled{}
		}
		if !u.send(r, again) {
			return carried
		}
	}
}

// barred tells whether a command may not be sent.
func (u *runner) barred(r *ruled) bool {
	v := &r.verdict
	if v.skip == session.NotSkipped {
		v.skip = u.refuses(r.command, r.verdict)
	}
	if u.memory.cut != session.NotSkipped && r.item.over {
		u.rejoin()
	}
	return v.skip != session.NotSkipped
}

// awaitSkipped waits as a command does that is sent: others, that wait for it,
// may count on what it waits for.
func (u *runner) awaitSkipped(r *ruled) {
	if !u.box.behind.Load() && !u.r.stopped() {
		u.await(r)
	}
}

// rule decides about a command, which it may change: KILL is turned at the
// replayed connection.
func (u *runner) rule(i *item, c *session.Command) ruled {
	v := u.judge.rule(c, i.opt)
	if v.kill != nil && v.skip == session.NotSkipped {
		c, v.skip = u.aim(c, v.kill)
	}
	return ruled{item: *i, command: c, verdict: v}
}

// skipRuled skips a command that may not be sent.
func (u *runner) skipRuled(r *ruled) {
	if u.conn != nil {
		u.conn.Skipped(r.command, r.verdict.skip)
	}
	u.skip(r, r.verdict.skip)
}

// when returns when a command is to be sent; 0: at once.
func (u *runner) when(i *item) int64 {
	switch {
	case u.r.options.Live:
		return 0
	case u.r.options.Pace.Think && i.due > 0 && u.answered > 0:
		return max(i.due, u.answered+i.think)
	}
	return i.due
}
