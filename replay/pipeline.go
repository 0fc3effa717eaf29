package replay

import "myreplay/session"

// maxPiped is how many commands are sent at once at most.
const maxPiped = 1024

// Pipeline is a Conn that can send commands without waiting for the replies
// between them.
type Pipeline interface {
	Conn
	// DoAll sends commands in one go and reads all their replies; there is an
	// Answer for each. An error means that the connection is lost: a command whose
	// Answer has no Reply, no Skip and no At was then surely not executed.
	DoAll([]*session.Command) ([]Answer, error)
}

// ruled is a command and what was decided about it.
type ruled struct {
	item    item
	command *session.Command
	verdict verdict
}

// piped takes the commands that the client sent while it awaited the reply to
// the one before, as far as they are here and due. The last may be one that is
// to be skipped.
func (u *runner) piped() (list []ruled) {
	for len(list) < maxPiped && u.next < len(u.batch) {
		next := &u.batch[u.next]
		c, ok := next.event.(*session.Command)
		if !ok || !next.piped || next.due > u.r.target.Now() {
			return list
		}
		i, ok := u.take()
		if !ok {
			return list
		}
		r := ruled{item: i}
		r.command, r.verdict = u.rule(&i, c)
		list = append(list, r)
		if r.verdict.skip != session.NotSkipped {
			return list
		}
	}
	return list
}

// sendAll sends a command and those that the client sent with it.
func (u *runner) sendAll(p Pipeline, i *item, c *session.Command, v verdict) {
	rest := u.piped()
	var skipped *ruled
	if n := len(rest); n > 0 && rest[n-1].verdict.skip != session.NotSkipped {
		skipped, rest = &rest[n-1], rest[:n-1]
	}
	if len(rest) == 0 {
		u.send(i, c, v)
	} else {
		u.pipeline(p, append([]ruled{{*i, c, v}}, rest...))
	}
	for k := range rest {
		u.r.window.leave(rest[k].item.cost)
	}
	if skipped != nil {
		u.skipRuled(&skipped.item, skipped.command, skipped.verdict.skip)
		u.r.window.leave(skipped.item.cost)
	}
}

// pipeline sends commands in one go and writes what became of them.
func (u *runner) pipeline(p Pipeline, list []ruled) {
	commands := make([]*session.Command, len(list))
	for k := range list {
		commands[k] = list[k].command
	}
	answers, err := p.DoAll(commands)
	for k := range answers {
		r, a := &list[k], answers[k]
		switch {
		case a.Skip != session.NotSkipped:
			u.skip(r.command, a.Skip, r.item.due)
		case err != nil && a.Reply == nil && a.At == 0:
			u.skip(r.command, session.FailedSend, r.item.due)
		default:
			u.sent(&r.item, r.command, a, r.verdict)
			u.memory.sent(r.command, r.verdict)
			if err != nil && a.Reply == nil {
				u.r.stats.Unanswered.Add(1)
			}
		}
	}
	if err != nil {
		u.lost()
	}
}
