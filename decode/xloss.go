package decode

import (
	"errors"

	"myreplay/flow"
	"myreplay/session"
	"myreplay/xproto"
)

func (d *X) gap(c *flow.Chunk) {
	reason := reasonOf(c.Reason)
	switch {
	case d.mode == searching:
		d.missing(reason, c.Side == flow.Client, c.Lost, "")
		d.search.gap(c.Side, &d.passed)
	case d.mode == opaque:
	case c.Side == flow.Client:
		d.clientGap(reason, c.Lost)
	default:
		d.serverGap(reason, c.Lost)
	}
	d.account()
}

func (d *X) clientGap(reason session.Reason, lost uint64) {
	switch d.clientSpeaks(); {
	case d.mode != following:
	case d.client.Lost(lost):
		d.feedClient(nil, d.at) // the message comes out with a hole once it is complete
	default:
		d.lose(reason, true, lost, "")
	}
}

func (d *X) serverGap(reason session.Reason, lost uint64) {
	d.missing(reason, false, lost, "")
	d.speaker = flow.Server
	switch {
	case d.deaf:
		d.answer.spoil()
	case d.server.Lost(lost):
		d.feedServer(nil, d.at)
	default:
		d.deafen()
	}
}

// missing emits a Gap.
func (d *X) missing(r session.Reason, client bool, lost uint64, detail string) {
	if !d.started && d.mode == searching {
		// What was missed before the session's first boundary is told once, when
		// that is found.
		d.passed += lost
		return
	}
	d.tell(&session.Gap{ID: d.start.ID, At: d.at, Seq: d.seq + 1, Client: client, Lost: lost, Reason: r, Detail: detail})
}

// passedOver reports the bytes that were passed over while searching.
func (d *X) passedOver() {
	if d.passed == 0 {
		return
	}
	g := &session.Gap{ID: d.start.ID, At: d.at, Seq: d.seq + 1, Client: true, Lost: d.passed, Reason: session.CommandLost}
	if d.start.Joined && d.seq == 0 {
		g.Reason = session.JoinedLate
	}
	if d.mode == following {
		g.Detail = "until a command certainly begins"
	}
	d.passed = 0
	d.out(g)
}

// fail is called when bytes do not follow the protocol.
func (d *X) fail(err error, client bool) {
	var f *xproto.FormatError
	unpacking := errors.As(err, &f) && f.Message == compressedMessage
	switch {
	case !d.started && d.start.Protocol == session.Unknown, client && unpacking:
		d.giveUp(session.NotUnderstood, client, 0, err.Error())
	case client:
		d.lose(session.NotUnderstood, true, 0, err.Error())
	default:
		d.missing(session.NotUnderstood, false, 0, err.Error())
		d.deafen()
		d.mute = d.mute || unpacking
	}
}

// compressedMessage is what a Framer's errors of compression name.
const compressedMessage = "compressed message"

// lose gives up the framing of both sides and goes searching for a boundary.
func (d *X) lose(r session.Reason, client bool, lost uint64, detail string) {
	d.drop(true)
	if d.streamed() {
		d.giveUp(r, client, lost, "the compression is one stream: the rest can't be read")
		return
	}
	d.mode = searching
	d.missing(r, client, lost, detail)
	d.passed += uint64(len(d.client.Rest()) + len(d.server.Rest()) + len(d.answer.bytes))
	d.client.Reset()
	d.server.Reset()
	d.build.Forget()
	clear(d.cursors)
	d.unsure = d.unsure || d.compression == xproto.Uncompressed // what was lost may have asked for it
	d.deaf, d.answer = false, record{}
	d.mute = d.mute || d.overlapped
	d.search = xSearch{spoke: !client}
}

// drop ends the replies under way as lost. A ChangeUser whose second message is
// to come waits for it, unless the client's framing is lost as well.
func (d *X) drop(all bool) {
	if all {
		d.tellChange()
	}
	if d.halfway {
		d.loseReply(&d.half)
	}
	for d.first < len(d.waiting) {
		w := d.waiting[d.first]
		d.first++
		d.loseReply(&w)
	}
	d.state.Resync()
}

// loseReply ends a reply as lost, and takes for granted what was asked for.
func (d *X) loseReply(w *xWaiting) {
	if w.asked != nil && w.asked.compression != xproto.Uncompressed {
		// If it was refused, nothing compressed will come.
		d.setCompression(w.asked.compression)
	}
	if w.asked != nil && w.asked.tls && d.client.Between() {
		d.opening.mayBeTLS()
	}
	if isAuthentication(w.command.Message) {
		d.login.lost = true
		if c := d.login.change; c != nil && c.Seq == w.seq {
			d.login.owed = true
			w.seq = 0
		} else {
			d.login.open = false
		}
	}
	if w.goesOn && !d.build.Begun() {
		return // it was ended with the message before
	}
	d.finish(w, true)
}

// giveUp tells that the rest of the connection can't be read.
func (d *X) giveUp(r session.Reason, client bool, lost uint64, detail string) {
	d.drop(true)
	d.mode = opaque
	d.begin()
	d.missing(r, client, lost, detail)
	d.release()
}

// release frees what the decoder holds.
func (d *X) release() {
	d.client, d.server = xproto.Framer{}, xproto.Framer{}
	d.answer, d.search, d.early, d.scratch = record{}, xSearch{}, early{}, nil
}

// deafen gives up the server's framing but not the client's.
func (d *X) deafen() {
	d.drop(false)
	d.mute = d.mute || d.overlapped || d.streamed()
	d.server.Reset()
	d.build.Forget()
	d.deaf = true
	d.opening.heads[flow.Server].n = xproto.HeaderLen // its first message is over
	d.answer.spoil()                                  // the rest of what was lost in part
	d.speaker = flow.Server
}
