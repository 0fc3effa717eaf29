package main

import (
	"myreplay/capfile"
	"myreplay/session"
)

// maxLookup is how many recorded commands a lookup holds.
const maxLookup = 200_000

// lookup finds the recorded commands that the commands of a run stand for. It
// reads the capture as far as the run has come, and forgets what is long past.
type lookup struct {
	capture *capfile.Reader
	held    map[replyKey]*session.Command
	order   []replyKey // oldest first
}

// sourceTexts returns a lookup in the capture that a run was made from; nil when
// src is no run, or its capture is not where it was.
func sourceTexts(src recorded) *lookup {
	r, ok := src.(*capfile.Reader)
	if !ok || r.Meta().Kind != capfile.KindRun {
		return nil
	}
	c, err := capfile.Open(r.Meta().OfPath)
	if err != nil {
		return nil
	}
	if c.Meta().ID != r.Meta().Of {
		c.Close()
		return nil
	}
	return &lookup{capture: c, held: map[replyKey]*session.Command{}}
}

// command returns a recorded command, or nil.
func (l *lookup) command(id, seq uint64) *session.Command {
	k := replyKey{id, seq}
	for l.capture != nil && l.held[k] == nil {
		e, err := l.capture.Next()
		if err != nil {
			l.capture.Close()
			l.capture = nil
			break
		}
		if c, ok := e.(*session.Command); ok {
			l.hold(c)
		}
	}
	return l.held[k]
}

func (l *lookup) hold(c *session.Command) {
	k := replyKey{c.ID, c.Seq}
	l.held[k] = c
	l.order = append(l.order, k)
	if len(l.order) > maxLookup {
		delete(l.held, l.order[0])
		l.order = l.order[1:]
	}
}
