package replay

import (
	"myreplay/order"
	"myreplay/session"
)

const (
	// maxPiped is how many commands are sent at once at most.
	maxPiped = 1024
	// maxCaught and maxCaughtBytes are how many, and how many bytes of them, are
	// sent at once to catch up.
	maxCaught      = 64
	maxCaughtBytes = 256 << 10
	// maxKeptList is how much room for commands a session keeps.
	maxKeptList = 16
)

// Pipeline is a Conn that can send commands without waiting for the replies
// between them.
type Pipeline interface {
	Conn
	// DoAll sends commands in one go and reads all their replies; there is an
	// Answer for each. An error means that the connection is lost: a command whose
	// Answer has no Reply, no Skip and no At was then surely not executed. None of
	// the commands asks for a file, but what a replay that catches up sends together
	// may hold commands without a reply.
	DoAll([]*session.Command) ([]Answer, error)
}

// gather takes the commands that can be sent with the first into u.list, which
// begins with it: those that the client sent while it awaited the reply to the
// one before, and, to catch up, those that are late. It tells whether it took one
// more, u.carried, that can't, or that is to be skipped.
func (u *runner) gather(first *ruled) (carried bool) {
	u.list = append(u.list[:0], *first)
	now := u.r.target.Now()
	b := batch{u: u, now: now, bytes: len(first.command.Payload), late: u.isLate(first, now)}
	for len(u.list) < maxPiped {
		i, ok := u.box.more(b.takes)
		if !ok {
			return false
		}
		c, ok := i.event.(*session.Command)
		if !ok {
			u.box.done(&i) // a reply that nobody learns from
			continue
		}
		r := u.rule(&i, c)
		if r.verdict.skip != session.NotSkipped || !i.piped && r.verdict.alone {
			u.carried = r
			return true
		}
		if i.step != nil {
			u.enter(i.step)
			if !i.step.Free {
				u.fix() // what is sent together can't be done again by itself
			}
		}
		u.list = append(u.list, r)
		b.bytes += len(c.Payload)
		b.late = b.late && !r.verdict.alone
	}
	return false
}

// isLate tells whether a session is to catch up, beginning with a command.
func (u *runner) isLate(r *ruled, now int64) bool {
	limit := int64(u.r.options.CatchUp)
	return limit > 0 && r.item.due > 0 && now-r.item.due > limit && joins(r.command.Kind) && !r.verdict.alone
}

// batch is what is being gathered.
type batch struct {
	u     *runner
	now   int64
	bytes int
	late  bool // it may go on with commands that were not sent with the others
}

// takes tells whether an item may belong to the batch.
func (b *batch) takes(i *item) bool {
	if i.skip != session.NotSkipped || i.half || !b.u.joinsBatch(i) {
		return false
	}
	due := i.due <= b.now || b.u.r.options.Live
	switch e := i.event.(type) {
	case *session.Command:
		if i.piped {
			return due
		}
		return due && b.late && joins(e.Kind) && len(b.u.list) < maxCaught && b.bytes+len(e.Payload) <= maxCaughtBytes
	case *session.Reply:
		return b.late && b.u.start.Protocol != session.X && e.Prepared == nil && e.Seq >= b.u.list[0].command.Seq && !(b.u.r.options.Values && e.HasMade())
	}
	return false
}

// joinsBatch tells whether the order between sessions lets a command be sent with
// those before it: it waits for nobody, and, unless the client sent it so, is in no
// transaction that may have to be done again, or locks nothing, as those before it.
func (u *runner) joinsBatch(i *item) bool {
	s := i.step
	if s == nil {
		return true
	}
	alone := !s.Begins && !s.Inside && !s.Ends
	if first := u.list[0].item.step; first != nil && first.Free && s.Free {
		alone = !s.Begins && !s.Ends
	}
	return s.Force == order.NoForce && (i.piped || alone) && u.r.scheduler.ready(s)
}

// joins tells whether commands of a kind may be sent before the replies to those
// before them are read, although the client had read them.
func joins(k session.Kind) bool {
	switch k {
	case session.Query, session.Execute, session.BulkExecute, session.LongData, session.ResetStatement, session.CloseStatement,
		session.UseSchema, session.Ping, session.Find, session.Insert, session.Update, session.Delete:
		return true
	}
	return false
}

// pipeline sends the commands of u.list in one go and writes what became of
// them.
func (u *runner) pipeline() {
	commands := make([]*session.Command, len(u.list))
	caught := false
	for k := range u.list {
		commands[k] = u.list[k].command
		caught = caught || k > 0 && !u.list[k].item.piped
	}
	for k := len(u.list) - 1; k >= 0; k-- {
		u.begins(&u.list[k])
	}
	if u.pinner != nil {
		pins := make([]Pin, len(u.list))
		for k := range u.list {
			pins[k] = u.list[k].item.pin
		}
		u.pinner.Pin(pins)
	}
	answers, err := u.pipe.DoAll(commands)
	u.ends(&u.list[0])
	for k := range u.list {
		r, a := &u.list[k], Answer{}
		if k < len(answers) {
			a = answers[k]
		}
		u.answer(r, a, err)
	}
	if caught {
		u.r.stats.Caught.Add(int64(len(u.list)))
	}
	clear(u.list)
	if cap(u.list) > maxKeptList {
		u.list = nil
	}
	if err != nil {
		u.lost()
	}
}

// answer writes what became of a command that was sent with others.
func (u *runner) answer(r *ruled, a Answer, err error) {
	switch {
	case a.Skip != session.NotSkipped:
		u.skip(r, a.Skip)
	case err != nil && a.Reply == nil && a.At == 0 && u.box.behind.Load():
		u.skip(r, session.SkipBehind)
	case err != nil && a.Reply == nil && a.At == 0:
		u.skip(r, session.FailedSend)
		u.assume(r.verdict)
	default:
		if r.refused(&a) {
			u.r.stats.NotRedone.Add(1)
		}
		u.sent(r, a)
		if err != nil && a.Reply == nil && r.command.Kind.HasReply() {
			u.r.stats.Unanswered.Add(1)
			u.assume(r.verdict)
		}
	}
}
