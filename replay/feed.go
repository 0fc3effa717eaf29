package replay

import (
	"cmp"
	"context"
	"errors"
	"time"

	"myreplay/dialect"
	"myreplay/order"
	"myreplay/session"
)

// eventCost is what an event takes in memory besides its payload, about.
const eventCost = 256

// ErrStopped: the replay was told to stop, and takes no more events.
var ErrStopped = errors.New("the replay was stopped")

// Feed takes one pass of a recording, event by event, and hands it to the
// runners. It serves one goroutine.
type Feed struct {
	r        *Replayer
	ctx      context.Context
	done     chan struct{} // closed when all is over
	kill     context.CancelFunc
	err      error
	schedule schedule
	dialects dialect.Tracker
	sessions map[uint64]*fed
	open     int        // sessions open in the recording
	check    int64      // the recorded time of the next look for overdue sessions
	roused   []*mailbox // whose runners look with Flush
	unsent   int        // events since the last Flush
	// step is that of the event in hand, until it is handed on.
	step *order.Step
}

// fed is a session as the feed sees it.
type fed struct {
	runners []*runner
	joining *joining // not nil: its runners have not begun
	// answered is when the recording's latest reply came.
	answered int64
	// change is the number of a ChangeUser whose reply is awaited.
	change uint64
	ids    []uint64 // of the run, one for each copy, when filtered out
	// x: the X Protocol; waiting counts its commands without a reply so far.
	x       bool
	waiting int
	// asked is when the source was asked for the session's state; inState is the
	// last command before.
	asked   int64
	inState uint64
	// half: after that command a transaction was open.
	half bool
	// mute: it is filtered out, but keeps its place in the order.
	mute   bool
	pinner *pinner
	// told is the number of the command that was handed on with its recorded reply;
	// 0: none.
	told uint64
	// pending is a command with a step that waits for its recorded reply; its event
	// is nil when there is none.
	pending item
	// torn: bytes of the client were lost, and no reply has told since whether a
	// transaction is open.
	torn bool
	// lessons are replies that come behind those of the next commands that the
	// client sent without waiting for them.
	lessons []item
}

// Begin begins a pass. What Feed takes is replayed until Feed.End, or, once ctx
// is done, a moment longer: see Run. Passes come one after the other.
func (r *Replayer) Begin(ctx context.Context) *Feed {
	soft, fail := context.WithCancel(ctx)
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	r.soft, r.hard, r.fail = soft.Done(), hard, fail
	f := &Feed{r: r, ctx: ctx, done: make(chan struct{}), kill: kill, sessions: map[uint64]*fed{}}
	f.schedule = schedule{pace: r.options.Pace, begin: r.target.Now()}
	if !r.options.Pace.unpaced() {
		f.schedule.begin += int64(lead)
	}
	if r.options.Live {
		f.schedule.live = &r.skew
	}
	f.beginOrder(soft)
	go f.watch(soft)
	return f
}

// watch ends the replay when it is to stop: at once what waits, what is under
// way after a moment.
func (f *Feed) watch(soft context.Context) {
	select {
	case <-soft.Done():
	case <-f.done:
		return
	}
	f.r.roster.wake()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
		f.kill()
	case <-f.done:
	}
}

// Event takes the next event of the recording. Where the window is full it waits
// for room; in a live replay it waits for nothing (but for the sink, while that
// writes), and gives sessions up instead. The error is that of Check or of the
// sink, or ErrStopped; the replay is then to be ended.
func (f *Feed) Event(e session.Event) error {
	if f.err != nil {
		return f.err
	}
	if f.r.stopped() {
		if err := cmp.Or(f.r.failure(), f.r.scheduler.failure()); err != nil {
			return err
		}
		return ErrStopped
	}
	if err := f.ordered(e); err != nil {
		f.fail(err)
		return err
	}
	if f.r.options.Live {
		_, at := e.Key()
		f.Tick(at)
		if f.unsent++; f.unsent >= mostUnsent {
			f.Flush()
		}
	}
	return nil
}

// fail stops the replay for a reason.
func (f *Feed) fail(err error) {
	f.err = err
	f.r.fail()
}

// End tells that the recording has ended, and waits for its sessions. The error
// is that of Check or of the sink; the end of the context is none.
func (f *Feed) End() error {
	f.endOrder()
	f.Flush()
	for _, s := range f.sessions {
		f.unpend(s, nil)
		f.teach(s)
		if j := s.joining; j != nil {
			f.place(s, f.half(j))
		}
		for _, u := range s.runners {
			u.box.close()
		}
	}
	clear(f.sessions)
	f.r.scheduler.end()
	f.wait()
	close(f.done)
	r := f.r
	r.fail()
	f.kill()
	r.pass++
	if f.ctx.Err() != nil {
		r.write(&session.Gap{At: r.target.Now(), Reason: session.RecordingEnded, Detail: "the replay was stopped"})
	}
	if f.err != nil {
		return f.err
	}
	return cmp.Or(r.scheduler.failure(), r.failure())
}

func (f *Feed) event(e session.Event) error {
	id, at := e.Key()
	stats := &f.r.stats
	if at != 0 {
		stats.First.CompareAndSwap(0, at)
		stats.At.Store(at)
	}
	f.dialects.See(e)
	if start, ok := e.(*session.Start); ok {
		return f.start(start)
	}
	s := f.sessions[id]
	if s == nil {
		return nil // a gap of nobody's, or of a session whose Start is missing
	}
	if s.pending.event != nil {
		f.unpend(s, s.answer(e))
	}
	switch e := e.(type) {
	case *session.Command:
		f.command(s, e)
	case *session.Reply:
		f.reply(s, e)
	case *session.Gap:
		f.teach(s)
		s.waiting = 0 // a reply may be among what is lost
		s.torn = s.torn || e.HidesCommands()
		f.put(s, item{event: e, due: f.schedule.live.of(e.At), cost: eventCost})
	case *session.End:
		f.end(s, e)
	}
	return nil
}

func (f *Feed) end(s *fed, e *session.End) {
	f.teach(s)
	f.put(s, item{event: e, due: f.schedule.due(e.At), cost: eventCost})
	for _, u := range s.runners {
		u.box.close()
	}
	for _, id := range s.ids {
		f.r.write(&session.End{ID: id, At: f.r.target.Now(), Reason: session.Finished})
	}
	delete(f.sessions, e.ID)
	f.open--
}

func (f *Feed) command(s *fed, c *session.Command) {
	f.r.stats.Commands.Add(int64(f.r.options.Copies))
	if s.ids != nil {
		f.r.stats.Skipped[session.SkipFilter].Add(int64(len(s.ids)))
		for _, id := range s.ids {
			f.r.write(skipped(id, c, session.SkipFilter, 0))
		}
		return
	}
	i := item{event: c, due: f.schedule.due(c.At), cost: eventCost, step: f.step}
	f.step = nil
	if s.mute {
		i.event, i.skip = outcome(c.ID, c, 0), session.SkipFilter
		f.put(s, i)
		return
	}
	if s.x && c.Kind.HasReply() {
		i.piped = s.waiting > 0 || i.step != nil && c.At < s.answered
		s.waiting++
	}
	if c.At < s.asked {
		s.inState = c.Seq
		i.event, i.skip = outcome(c.ID, c, 0), session.SkipInState
		f.put(s, i)
		return
	}
	if c.Kind == session.ChangeUser {
		s.change = c.Seq
	}
	if s.half { // whatever the state says, which may be older
		s.half, i.half = false, true
		for _, u := range s.runners {
			u.severed.Store(true) // the replies from here on tell when it ends
		}
	}
	i.opt = f.dialects.Options(c.ID)
	i.cost += int64(len(c.Payload))
	if s.answered > 0 {
		i.think = f.schedule.scale(max(c.At-s.answered, 0))
	}
	if c.Kind.HasReply() && (i.step != nil && (!f.r.options.Live || i.step.Answered) || i.step == nil && s.torn && !s.x) {
		if !i.piped {
			f.teach(s)
		}
		s.pending = i
		return
	}
	if !i.piped {
		f.teach(s)
	}
	i.pin = s.pinner.pin(c, i.opt, nil)
	f.put(s, i)
}

// reply hands a reply on, where somebody learns from it.
func (f *Feed) reply(s *fed, e *session.Reply) {
	s.answered = e.Last
	s.waiting = max(s.waiting-1, 0)
	if s.mute {
		return
	}
	f.tell(s, e)
	s.torn = s.torn && !isOver(e) && !isIn(e)
	s.pinner.learn(e)
	if e.Seq <= s.inState { // its command is not sent
		s.half = !s.x && isIn(e)
		return
	}
	made := f.r.options.Values && !s.x && s.told != e.Seq && e.HasMade()
	if e.Prepared == nil && s.change != e.Seq && !(s.x && tells(e)) && !s.severed() && !made {
		return
	}
	i := item{event: e, due: f.schedule.live.of(e.Last), cost: eventCost}
	if s.x && f.r.scheduler != nil && len(s.lessons) < maxCaught {
		s.lessons = append(s.lessons, i)
		return
	}
	f.teach(s)
	f.put(s, i)
}

// teach hands on the replies that were kept back.
func (f *Feed) teach(s *fed) {
	for _, i := range s.lessons {
		f.put(s, i)
	}
	clear(s.lessons)
	s.lessons = s.lessons[:0]
}

// severed tells whether a copy waits for the end of a transaction.
func (s *fed) severed() bool {
	for _, u := range s.runners {
		if u.severed.Load() {
			return true
		}
	}
	return false
}

// tells tells whether a reply of the X Protocol may say what later commands hang
// on: ids that the server made for documents, whether a statement was prepared or
// given up. All do but rows.
func tells(r *session.Reply) bool {
	return len(r.Results) == 0 || r.Results[0].Outcome == session.OK || r.Results[0].Outcome == session.Failed
}

// put hands an item to all copies of a session.
func (f *Feed) put(s *fed, i item) {
	if f.hold(s, i) {
		return
	}
	for _, u := range s.runners {
		if f.r.options.Live {
			f.putLive(u, i)
			continue
		}
		if !f.r.window.enter(i.cost, f.r.soft, f.r.scheduler) {
			f.r.window.used.Add(i.cost) // it is handed over all the same, to be accounted for
		}
		u.box.put(i)
	}
}
