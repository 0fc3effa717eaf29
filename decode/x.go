package decode

import (
	"myreplay/flow"
	"myreplay/outcome"
	"myreplay/session"
	"myreplay/xproto"
)

// X decodes one connection of the X Protocol.
//
// Its clients may send without waiting for replies, and neither side numbers its
// messages: replies are told apart by counting alone. So as soon as bytes of the
// server are lost, nothing that it says is taken for a reply until a turn of the
// client and the server's whole answer to it fit exactly (deaf); the client's
// messages are read on. When bytes of the client are lost, the next boundary is
// searched for; see xsearch.go.
type X struct {
	teller
	mode mode

	state          xproto.State
	client, server xproto.Framer
	// compression is what the Framers undo. unsure: what was agreed on was not
	// seen.
	compression xproto.Algorithm
	unsure      bool

	opening opening
	login   xLogin
	early   early
	cursors map[uint32]uint32 // the prepared statement of each cursor
	scratch []byte            // SQL that is made

	// commandAt and replyAt are when the first byte of the frame under way came.
	commandAt, replyAt int64
	speaker            flow.Side // who spoke last
	// overlapped: the client began a turn while replies were to come. After a loss
	// it can't be told then whose reply is whose.
	overlapped bool

	waiting []xWaiting
	first   int // index of the oldest in waiting
	build   *outcome.XBuilder
	// half is a login's first message that was answered: the reply goes on with the
	// answer to its next. halfway tells that there is one.
	half    xWaiting
	halfway bool

	// deaf: the server's frame boundary is not known, the client's is. answer is
	// what the server said since the client's turn began.
	deaf   bool
	answer record
	// mute: no reply can be told any more.
	mute   bool
	search xSearch
	passed uint64 // bytes, of both sides, that were passed over
}

// xWaiting is a client's message whose reply has not ended. Its seq is 0 when it
// is not recorded as a command.
type xWaiting struct {
	seq     uint64
	command outcome.XCommand
	// goesOn: its reply is the rest of that to the message before: a login.
	goesOn bool
	holed  bool    // a part of its reply was lost within a message
	asked  *wishes // of a CapabilitiesSet
}

// NewX returns a decoder for one connection.
func NewX(s *Shared) *X {
	d := &X{teller: teller{shared: s}, speaker: flow.Server}
	d.client.Limit = s.options.CommandLimit
	d.server.Limit = s.options.CommandLimit
	d.build = outcome.NewXBuilder(s.options.Options, s.columns, &s.slab)
	return d
}

// Decode implements Protocol.
func (d *X) Decode(c *flow.Chunk, emit Emit) error {
	d.emit = emit
	d.at = max(d.at, c.At)
	if c.Kind != flow.TLS && d.mode == following && d.state.Phase == xproto.InTLS {
		d.encrypted()
	}
	switch c.Kind {
	case flow.Open:
		d.open(c)
	case flow.Data:
		d.data(c)
	case flow.Gap:
		d.gap(c)
	case flow.Close:
		d.close(c)
	case flow.TLS:
		d.inTLS()
	}
	return d.err
}

func (d *X) open(c *flow.Chunk) {
	d.start = session.Start{ID: c.Conn.ID, At: d.at, Client: c.Conn.Client, Server: c.Conn.Server, Joined: c.Conn.Joined}
	if c.Conn.Joined {
		d.mode = searching
		d.unsure = true
	}
}

// inTLS is told that the source ends TLS: what follows can be read. It is a
// beginning that can't be mistaken, whatever was lost before it.
func (d *X) inTLS() {
	d.start.Encrypted = true
	if d.mode == opaque || d.started {
		return
	}
	if d.mode == following && d.deaf {
		d.listen()
	}
	if d.mode == following && d.state.Phase == xproto.InTLS {
		d.state.TLSDone()
	} else {
		d.drop(true)
		d.search.restart(&d.passed)
		d.client.Reset()
		d.server.Reset()
		d.state = xproto.State{Encrypted: true}
		d.mode, d.deaf, d.start.Joined = following, false, false
	}
	d.speaker = flow.Server
}

// encrypted gives up a connection that goes on in TLS.
func (d *X) encrypted() {
	d.start.Encrypted = true
	d.giveUp(session.Encrypted, true, 0, "the client asked for TLS")
}

func (d *X) data(c *flow.Chunk) {
	switch d.mode {
	case following:
		d.follow(c.Side, c.Data, d.at)
	case searching:
		d.seek(c.Side, c.Data)
	}
	d.account()
}

// follow follows the bytes of one side.
func (d *X) follow(side flow.Side, data []byte, at int64) {
	if data = d.afterOpening(side, data); len(data) == 0 {
		return
	}
	if side == flow.Client {
		if d.clientSpeaks(); d.mode == following {
			d.feedClient(data, at)
		}
		return
	}
	d.speaker = side
	if d.deaf {
		d.overhear(data, at)
		return
	}
	d.feedServer(data, at)
}

// clientSpeaks is called when the client speaks: if the server was the last to, a
// turn is over.
func (d *X) clientSpeaks() {
	if d.speaker == flow.Client {
		return
	}
	d.speaker = flow.Client
	if d.deaf {
		d.listen()
	}
	d.overlapped = d.overlapped || d.started && d.first < len(d.waiting)
	if d.state.Phase == xproto.InTLS {
		d.encrypted()
	}
}

// account keeps the memory of all decoders under their limit.
func (d *X) account() {
	held := d.client.Held() + d.server.Held() + d.answer.held() + d.search.held() + d.early.bytes
	if !d.hold(held) {
		return
	}
	switch {
	case d.mode == searching:
		d.search.restart(&d.passed)
	case d.mode == following:
		d.lose(session.MemoryLimit, false, uint64(held), "")
	}
}

// tell emits an event; before the session's Start it is kept.
func (d *X) tell(e session.Event) {
	if d.started {
		d.out(e)
	} else if !d.early.keep(e) {
		d.begin()
	}
}

// begin emits the Start, and what was kept for after it.
func (d *X) begin() {
	if d.started {
		return
	}
	if !d.start.Login.Known {
		d.start.Refused = d.login.refused
	}
	d.teller.begin()
	d.passedOver()
	for _, e := range d.early.events {
		d.out(e)
	}
	d.early = early{}
}

func (d *X) close(c *flow.Chunk) {
	switch {
	case d.mode == searching:
		d.seekClose()
	case d.mode == following && d.deaf:
		d.listen()
	}
	d.drop(true)
	d.begin()
	d.passedOver()
	if d.mode == following && !d.client.Between() {
		d.missing(session.CommandLost, true, 0, "not sent to its end")
	}
	reason := reasonOf(c.Reason)
	switch {
	case d.start.Refused != nil:
		reason = session.LoginRefused
	case d.quit:
		reason = session.ClientQuit
	}
	d.out(&session.End{ID: d.start.ID, At: d.at, Reason: reason, Detail: d.notice})
	d.mode = opaque
	d.release()
	d.hold(0)
}
