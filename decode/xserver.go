package decode

import (
	"myreplay/outcome"
	"myreplay/session"
	"myreplay/xproto"
)

// feedServer follows what the server sent at the time at.
func (d *X) feedServer(data []byte, at int64) {
	if d.server.Between() {
		d.replyAt = at
	}
	d.server.Feed(data)
	var f xproto.Frame
	for d.mode == following && !d.deaf {
		if d.state.Phase == xproto.InTLS {
			if len(d.server.Rest()) > 0 {
				d.encrypted()
			}
			return
		}
		ok, err := d.server.Next(&f)
		if err != nil {
			d.fail(err, false)
			return
		}
		if !ok {
			return
		}
		d.serverFrame(&f, at)
		d.replyAt = at
	}
}

func (d *X) serverFrame(f *xproto.Frame, at int64) {
	if f.Type == byte(xproto.ServerCompression) {
		if !d.unpack(&d.server, f) {
			d.fail(&xproto.FormatError{Message: compressedMessage, Reason: "what was agreed on was not seen"}, false)
		}
		return
	}
	_, done, answers, err := d.state.Server(f)
	if err != nil {
		if d.state.Phase != xproto.Ended {
			d.fail(err, false)
		}
		return
	}
	d.start.Protocol = session.X
	if d.first < len(d.waiting) && f.Holed && f.Type != byte(xproto.ResultsetRow) {
		// Of a row it is enough to know that there was one.
		d.waiting[d.first].holed = true
	}
	if !answers {
		d.unasked(f)
		return
	}
	w := &d.waiting[d.first]
	d.beginReply(w)
	if d.build.First() {
		at = d.replyAt
	}
	err = d.build.Frame(f, at)
	if f.Type == byte(xproto.Notice) && isAuthentication(w.command.Message) {
		d.connectionID(f)
	}
	switch {
	case done:
		d.first++
		d.answered(w, f, err)
	case err != nil:
		d.fail(err, false)
	}
}

// beginReply begins the reply to w, or goes on with it.
func (d *X) beginReply(w *xWaiting) {
	switch {
	case d.halfway && !w.goesOn:
		d.finish(&d.half, true)
	case !d.halfway && w.goesOn && !d.build.Begun():
		w.seq = 0 // the login had ended before
	}
	d.halfway = false
	if !d.build.Begun() {
		d.build.Begin(d.start.ID, w.seq, w.command)
	}
}

// answered takes note of the end of a reply; err tells that its last frame can't
// be read.
func (d *X) answered(w *xWaiting, f *xproto.Frame, err error) {
	m := xproto.ServerMessage(f.Type)
	if m == xproto.AuthenticateContinue {
		d.half, d.halfway = *w, true
		return
	}
	if err != nil && !f.Holed {
		d.missing(session.NotUnderstood, false, 0, err.Error())
	}
	r := d.finish(w, err != nil || w.holed)
	if m == xproto.OK && w.asked != nil {
		d.granted(w.asked)
	}
	if isAuthentication(w.command.Message) {
		d.loginEnded(m, r)
	}
	if d.state.Phase == xproto.InTLS {
		d.start.Encrypted = true
	}
}

// unasked takes a message of the server's that answers nothing. A fatal error
// ends the connection.
func (d *X) unasked(f *xproto.Frame) {
	var e xproto.Error
	if f.Type != byte(xproto.ServerError) || e.Decode(f.Payload) != nil {
		return
	}
	said := outcome.XError(&e)
	if d.started {
		d.notice = said.Error()
	} else {
		d.login.refused = said
	}
}

// finish ends the reply under way, to w, and emits it.
func (d *X) finish(w *xWaiting, lost bool) *session.Reply {
	d.halfway = false
	if !d.build.Begun() {
		d.build.Begin(d.start.ID, w.seq, w.command)
	}
	r := d.build.Take(lost)
	if r.Last == 0 {
		r.First, r.Last = d.at, d.at
	}
	r.Seq = w.seq
	if c := d.login.change; c != nil && c.Seq == w.seq {
		d.tellChange()
	}
	if w.seq != 0 {
		d.tell(r)
	}
	return r
}

// overhear keeps what the server says while it is not known what it is about.
func (d *X) overhear(data []byte, at int64) {
	if d.mute {
		return
	}
	if !d.answer.add(data, at) {
		d.answer.spoil()
	}
}

// listen decides, when the server's turn is over, whether it was the answer to
// all that the client had asked in its own turn, and to nothing else. Then both
// sides are followed again.
func (d *X) listen() {
	answer := d.answer
	d.answer = record{}
	if !answer.whole() || !d.fits(d.asked(), answer.bytes) {
		d.drop(false)
		return
	}
	d.deaf = false
	answer.each(func(data []byte, at int64) {
		if d.mode == following && !d.deaf {
			d.feedServer(data, at)
		}
	})
}

// asked returns the messages that wait for a reply.
func (d *X) asked() []xproto.ClientMessage {
	var list []xproto.ClientMessage
	for _, w := range d.waiting[d.first:] {
		list = append(list, w.command.Message)
	}
	return list
}
