package decode

import (
	"myreplay/classic"
	"myreplay/flow"
	"myreplay/outcome"
	"myreplay/session"
)

// mode is how far a decoder understands its connection.
type mode uint8

const (
	// following: the bytes of both sides are read frame by frame.
	following mode = iota
	// searching: a boundary was lost, or never known; see search.go.
	searching
	// opaque: the rest is encrypted, or is not the classic protocol.
	opaque
)

// Classic decodes one connection of the classic protocol.
type Classic struct {
	teller
	mode mode

	state          classic.State
	client, server classic.Framer
	preface        []byte // what a client sent before the greeting
	hello          []byte // the first bytes of the greeting
	// commandAt and replyAt are when the first byte of the frame under way came.
	commandAt, replyAt int64
	// skipServer: the server's next frame boundary is not known, the client's is:
	// what the server sends before the next command is passed over.
	skipServer bool

	waiting []waiting
	first   int // index of the oldest in waiting
	build   *outcome.Builder
	search  search
}

// waiting is a command whose reply has not ended. Its seq is 0 when the command
// itself could not be recorded.
type waiting struct {
	seq       uint64
	code      classic.Code
	statement uint32
}

// NewClassic returns a decoder for one connection.
func NewClassic(s *Shared) *Classic {
	d := &Classic{teller: teller{shared: s}}
	d.client.Limit = s.options.CommandLimit
	d.server.Limit = s.options.CommandLimit
	d.build = outcome.NewBuilder(s.options.Options, s.columns, &s.slab)
	return d
}

// Decode implements Protocol.
func (d *Classic) Decode(c *flow.Chunk, emit Emit) error {
	d.emit = emit
	d.at = max(d.at, c.At)
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

func (d *Classic) open(c *flow.Chunk) {
	d.start = session.Start{ID: c.Conn.ID, At: d.at, Client: c.Conn.Client, Server: c.Conn.Server, Joined: c.Conn.Joined}
	if c.Conn.Joined {
		d.mode = searching
		d.search.spoke, d.search.first = true, true
	}
}

// inTLS is told that the source ends TLS: what follows can be read.
func (d *Classic) inTLS() {
	d.start.Encrypted = true
	if d.asksTLS() {
		d.state.TLSDone()
	}
}

// asksTLS tells whether the client asked for TLS, and nothing followed yet.
func (d *Classic) asksTLS() bool { return d.mode == following && d.state.Phase == classic.InTLS }

// encrypted gives up a connection that goes on in TLS.
func (d *Classic) encrypted() {
	d.start.Encrypted = true
	d.start.Login.Capabilities = 0
	d.giveUp(session.Encrypted, true, "the client asked for TLS")
}

func (d *Classic) data(c *flow.Chunk) {
	if d.asksTLS() {
		d.encrypted()
	}
	switch d.mode {
	case following:
		d.feed(c.Side, c.Data, d.at)
	case searching:
		d.seek(c)
	}
	d.account()
}

// feed follows the bytes of one side.
func (d *Classic) feed(side flow.Side, data []byte, at int64) {
	if side == flow.Client {
		d.feedClient(data, at)
	} else {
		d.feedServer(data, at)
	}
}

// account keeps the memory of all decoders under their limit.
func (d *Classic) account() {
	held := d.client.Held() + d.server.Held() + cap(d.search.turn)
	if d.hold(held) && d.mode == following {
		d.lose(session.MemoryLimit, false, uint64(held), "")
	}
}

func (d *Classic) gap(c *flow.Chunk) {
	client := c.Side == flow.Client
	if d.asksTLS() {
		d.encrypted()
	}
	if d.mode == searching {
		d.seekGap(c.Side)
	}
	switch {
	case d.mode == searching:
		d.missing(reasonOf(c.Reason), client, c.Lost, "")
	case d.mode == following && client:
		d.clientGap(c)
	case d.mode == following:
		d.serverGap(c)
	}
	d.account()
}

// missing emits a Gap.
func (d *Classic) missing(r session.Reason, client bool, lost uint64, detail string) {
	if !d.started {
		// What was missed before the session's first boundary is told once, when
		// that is found.
		d.search.passed += lost
		return
	}
	d.out(&session.Gap{ID: d.start.ID, At: d.at, Seq: d.seq + 1, Client: client, Lost: lost, Reason: r, Detail: detail})
}

func (d *Classic) clientGap(c *flow.Chunk) {
	if d.state.Phase == classic.Ready && d.client.Lost(c.Lost) {
		d.feedClient(nil, d.at) // the command comes out with a hole once it is complete
		return
	}
	d.lose(reasonOf(c.Reason), true, c.Lost, "")
}

func (d *Classic) serverGap(c *flow.Chunk) {
	reason := reasonOf(c.Reason)
	switch {
	case d.skipServer:
		d.missing(reason, false, c.Lost, "")
	case d.state.Phase != classic.Ready:
		d.lose(reason, false, c.Lost, "")
	case d.server.Lost(c.Lost):
		d.missing(reason, false, c.Lost, "")
		d.feedServer(nil, d.at)
	default:
		d.missing(reason, false, c.Lost, "")
		d.loseServer()
	}
}

// loseServer gives up the server's framing but not the client's: what the
// server sends from the next command on is its reply.
func (d *Classic) loseServer() {
	d.abandon()
	d.server.Reset()
	d.state.Resync()
	d.skipServer = true
}

// lose gives up the framing of both sides and goes searching for a boundary.
func (d *Classic) lose(r session.Reason, client bool, lost uint64, detail string) {
	d.missing(r, client, lost, detail)
	d.abandon()
	d.search.restart()
	d.search.passed += uint64(len(d.client.Rest()) + len(d.server.Rest()))
	d.client.Reset()
	d.server.Reset()
	d.build.Forget()
	d.skipServer = false
	d.mode = searching
	d.search.spoke = !client
}

// abandon ends the replies under way as lost.
func (d *Classic) abandon() {
	for d.first < len(d.waiting) {
		d.finish(true)
	}
}

// fail is called when bytes do not follow the protocol.
func (d *Classic) fail(err error, client bool) {
	if d.state.Phase != classic.Ready && !d.started {
		d.giveUp(session.NotUnderstood, client, err.Error())
		return
	}
	d.lose(session.NotUnderstood, client, 0, err.Error())
}

// giveUp tells that the rest of the connection can't be read.
func (d *Classic) giveUp(r session.Reason, client bool, detail string) {
	d.begin()
	d.missing(r, client, 0, detail)
	d.abandon()
	d.client.Reset()
	d.server.Reset()
	d.mode = opaque
}

func (d *Classic) close(c *flow.Chunk) {
	if d.mode == searching {
		d.seekClose()
	}
	if len(d.preface) > 0 {
		d.clientFirst()
	}
	if d.asksTLS() {
		d.encrypted()
	}
	d.abandon()
	d.begin()
	switch {
	case d.mode == searching && d.search.passed > 0:
		d.passedOver("")
	case d.mode == following && d.state.Phase == classic.Ready && !d.client.Between():
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
	d.client.Reset()
	d.server.Reset()
	d.search = search{}
	d.hold(0)
	d.mode = opaque
}
