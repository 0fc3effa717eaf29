package replay

import (
	"context"
	"errors"

	"myreplay/order"
	"myreplay/session"
)

// Orderer says which command waits for which. It may hold events back; it emits
// each session's events in their order, a command together with its recorded
// reply, which comes right behind it.
type Orderer interface {
	// See takes the recording's next event.
	See(e session.Event, emit func(session.Event, *order.Step) error) error
	// Flush emits what was held back: the recording has ended.
	Flush(emit func(session.Event, *order.Step) error) error
}

// Ticker is an Orderer that is told the time, too: of a live replay.
type Ticker interface {
	Orderer
	// Tick tells that nothing more was recorded up to a time by the recorder's clock.
	Tick(at int64, emit func(session.Event, *order.Step) error) error
}

// ErrOrderCopies: the order between sessions was asked for with more than one
// copy of them, or for a second pass.
var ErrOrderCopies = errors.New("an order between sessions can be kept in one pass with one copy only")

// beginOrder begins to keep the order between sessions, if that was asked for.
func (f *Feed) beginOrder(soft context.Context) {
	r := f.r
	r.scheduler = nil
	if r.options.Order == nil {
		return
	}
	r.scheduler = newScheduler(r)
	if r.options.Copies > 1 || r.pass > 0 {
		f.fail(ErrOrderCopies)
		return
	}
	go r.scheduler.watch(soft, f.done)
}

// endOrder has what was held back handed on, also when the replay was told to
// stop: it is accounted for.
func (f *Feed) endOrder() {
	if f.r.options.Order == nil || f.err != nil || f.r.failure() != nil {
		return
	}
	if err := f.r.options.Order.Flush(f.emit); err != nil {
		f.fail(err)
	}
}

// ordered hands an event on, when its place in the order is known.
func (f *Feed) ordered(e session.Event) error {
	if f.r.options.Order == nil {
		return f.event(e)
	}
	switch e := e.(type) {
	case *session.Start, *session.Command, *session.End:
		if _, at := e.Key(); at != 0 {
			f.schedule.see(at)
		}
	}
	return f.r.options.Order.See(e, f.emit)
}

// emit hands on an event whose place is known. The step of one that goes nowhere
// is finished.
func (f *Feed) emit(e session.Event, step *order.Step) error {
	f.step = step
	err := f.event(e)
	if f.step != nil {
		f.r.scheduler.finish(f.step)
		f.step = nil
	}
	return err
}

// answer tells the command that waits for it what the source answered, and
// returns that; nil: the event is not the answer.
func (s *fed) answer(e session.Event) *session.Reply {
	a, ok := e.(*session.Reply)
	i := &s.pending
	c, _ := i.event.(*session.Command)
	if !ok || c == nil || a.Seq != c.Seq {
		return nil
	}
	i.took = max(a.Last-c.At, 0)
	i.over = !s.x && isOver(a)
	if e := a.Err(); e != nil {
		i.recorded = e.Code
	}
	return a
}

// unpend hands on the command that waits for its reply; nil: that is not known.
func (f *Feed) unpend(s *fed, recorded *session.Reply) {
	i := s.pending
	if c, ok := i.event.(*session.Command); ok {
		s.pending = item{}
		if f.r.options.Live && recorded != nil { // before, it could not be sent
			i.due = f.schedule.due(recorded.Last)
		}
		i.pin = s.pinner.pin(c, i.opt, recorded)
		s.pinner.spare(&i.pin, i.step)
		if s.told = 0; f.r.options.Values && recorded != nil && recorded.HasMade() {
			i.pin.Recorded, s.told = recorded, recorded.Seq
		}
		if f.r.scheduler != nil {
			f.r.scheduler.takers.add(&i)
		}
		f.put(s, i)
	}
}
