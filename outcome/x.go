package outcome

import (
	"myreplay/session"
	"myreplay/xproto"
)

// maxResults limits how many results of one reply are kept: a server that sends
// more is not followed.
const maxResults = 1 << 16

// XCommand is what of a client's message of the X Protocol decides how its reply
// reads.
type XCommand struct {
	Message xproto.ClientMessage
	// Statement is the prepared statement's id, of a Prepare.
	Statement uint32
	// Cursor is the cursor's id; HasCursor tells that the message names one.
	Cursor    uint32
	HasCursor bool
}

// XBuilder makes the Replies of one connection of the X Protocol, one after the
// other. Begin one, tell it every frame, take it when it is done.
type XBuilder struct {
	options Options
	shared  *Interner
	slab    *Slab

	reply   *session.Reply
	result  *session.Result // the rows under way
	command XCommand
	columns *session.Columns // of the rows that come
	digest  xDigester
	defs    definitions
	// describing: metadata comes, and no row has followed it.
	describing bool
	notices    notices
	info       string // the last message, to share equal ones

	// open holds the columns of the cursors' rows: a Fetch's come without.
	open map[uint32]*session.Columns
}

// NewXBuilder returns an XBuilder. Columns are shared through in, memory comes
// from slab.
func NewXBuilder(o Options, in *Interner, slab *Slab) *XBuilder {
	return &XBuilder{options: o, shared: in, slab: slab}
}

// Begin begins the reply to a client's message: command seq of session id. A
// login is one command, whatever is said until it is done.
func (b *XBuilder) Begin(id, seq uint64, c XCommand) {
	b.reply = b.slab.reply()
	b.reply.ID, b.reply.Seq = id, seq
	b.command = c
	b.columns, b.result, b.describing = nil, nil, false
	b.notices.reset()
	if c.Message == xproto.CursorFetch && c.HasCursor {
		b.columns = b.open[c.Cursor]
	}
}

// Begun tells whether a reply is under way.
func (b *XBuilder) Begun() bool { return b.reply != nil }

// First tells whether the next frame is the reply's first.
func (b *XBuilder) First() bool { return b.reply.Bytes == 0 }

// Frame adds one frame of the reply, notices included, seen at the time at. The
// error is a *xproto.FormatError: the frame can't be part of the reply; the
// reply is as it was, but for its size.
func (b *XBuilder) Frame(f *xproto.Frame, at int64) error {
	r := b.reply
	if r.Bytes == 0 {
		r.First = at
	}
	r.Last = at
	r.Bytes += f.Wire()
	switch xproto.ServerMessage(f.Type) {
	case xproto.ResultsetColumnMetaData:
		return b.definition(f)
	case xproto.ResultsetRow:
		return b.row(f)
	case xproto.ResultsetFetchDone, xproto.ResultsetMoreResultsets, xproto.ResultsetMoreOutParams:
		b.rowsEnd(session.Rows)
	case xproto.ResultsetFetchSuspended:
		b.rowsEnd(session.Opened)
	case xproto.Notice:
		b.notices.add(f)
	case xproto.ServerError:
		return b.failed(f)
	case xproto.StmtExecuteOK:
		b.executed()
	case xproto.OK:
		return b.ok(f)
	case xproto.AuthenticateOK:
		b.add(session.Result{Outcome: session.OK})
		b.done()
	case xproto.ConnCapabilities:
		b.add(session.Result{Outcome: session.Text, Info: "capabilities"})
		b.done()
	}
	return nil
}

// Take ends the reply and returns it. lost tells that not all of it was seen.
func (b *XBuilder) Take(lost bool) *session.Reply {
	r := b.reply
	r.Lost = lost
	if lost && b.result != nil {
		// The result under way has no end: leave it out.
		r.Results = r.Results[:len(r.Results)-1]
	}
	b.reply, b.result = nil, nil
	b.notices.reset()
	return r
}

// Forget drops what is known of cursors: when bytes were lost. A reset of the
// session, whose reply comes by, does it by itself.
func (b *XBuilder) Forget() { clear(b.open) }

// Closed tells that a cursor was closed. A Close whose reply comes by does it by
// itself.
func (b *XBuilder) Closed(cursor uint32) { delete(b.open, cursor) }

func (b *XBuilder) add(r session.Result) *session.Result {
	b.reply.Results = append(b.reply.Results, r)
	return &b.reply.Results[len(b.reply.Results)-1]
}

// last returns the reply's last result, or nil.
func (b *XBuilder) last() *session.Result {
	if n := len(b.reply.Results); n > 0 {
		return &b.reply.Results[n-1]
	}
	return nil
}

// definition takes the description of a column. The first begins a result.
func (b *XBuilder) definition(f *xproto.Frame) error {
	if b.result != nil && !b.describing {
		b.rowsEnd(session.Rows) // rows without an end: not seen of any server
	}
	if !b.describing {
		if len(b.reply.Results) >= maxResults {
			return &xproto.FormatError{Message: "ColumnMetaData", Reason: "too many results in one reply"}
		}
		b.describing = true
		b.defs.reset()
		b.result = b.add(session.Result{Outcome: session.Rows})
	}
	b.defs.addX(f)
	return nil
}

// described ends the descriptions of the columns, once something follows them.
func (b *XBuilder) described() {
	if !b.describing {
		return
	}
	b.describing = false
	b.columns = b.shared.xColumns(&b.defs)
	b.beginRows()
	if b.command.Message == xproto.CursorOpen && b.command.HasCursor {
		b.remember(b.command.Cursor, b.columns)
	}
}

func (b *XBuilder) beginRows() {
	b.result.Columns = b.columns
	b.digest.begin(b.options.Seed, b.columns)
}

func (b *XBuilder) remember(cursor uint32, c *session.Columns) {
	if b.open == nil {
		b.open = map[uint32]*session.Columns{}
	}
	if _, known := b.open[cursor]; known || len(b.open) < maxRemembered {
		b.open[cursor] = c
	}
}

// fetches tells whether the rows come without metadata.
func (b *XBuilder) fetches() bool { return b.command.Message == xproto.CursorFetch }

func (b *XBuilder) row(f *xproto.Frame) error {
	b.described()
	if b.result == nil {
		if !b.fetches() {
			return &xproto.FormatError{Message: "Row", Reason: "without metadata"}
		}
		b.result = b.add(session.Result{Outcome: session.Rows})
		b.beginRows()
	}
	r := b.result
	r.Rows++
	whole := !f.Cut && !f.Holed
	if key, ok := b.digest.row(f.Payload, whole); ok && len(r.Keyed) < MaxKeyed {
		r.Keyed = append(r.Keyed, key)
	}
	if o := b.options.Keep; (o < 0 || len(r.Kept) < o) && whole && b.reply.Bytes < maxKept {
		r.Kept = append(r.Kept, b.slab.Copy(f.Payload))
	}
	return nil
}

// rowsEnd ends the rows under way. After CALL an end comes without any rows
// before it: it is no result.
func (b *XBuilder) rowsEnd(o session.Outcome) {
	b.described()
	if b.result == nil {
		if !b.fetches() || len(b.reply.Results) > 0 {
			return
		}
		b.result = b.add(session.Result{Outcome: session.Rows})
		b.beginRows()
	}
	b.result.Outcome = o
	b.endRows()
}

func (b *XBuilder) endRows() {
	b.result.Digest = b.digest.sum()
	b.result = nil
}

func (b *XBuilder) failed(f *xproto.Frame) error {
	var e xproto.Error
	if err := e.Decode(f.Payload); err != nil {
		return err
	}
	b.described()
	r := b.result
	if r == nil {
		r = b.add(session.Result{})
	} else {
		b.endRows()
	}
	r.Outcome, r.Error = session.Failed, XError(&e)
	b.done()
	return nil
}

// XError returns an error that a server reported.
func XError(e *xproto.Error) *session.Error {
	return &session.Error{Code: uint16(min(e.Code, 1<<16-1)), State: e.State, Message: string(e.Message)}
}

// executed takes a StmtExecuteOk.
func (b *XBuilder) executed() {
	if b.describing || b.result != nil {
		b.rowsEnd(session.Rows)
	}
	if len(b.reply.Results) == 0 {
		b.add(session.Result{Outcome: session.OK})
	}
	b.done()
}

// ok takes an Ok.
func (b *XBuilder) ok(f *xproto.Frame) error {
	text, err := xproto.OKText(f.Payload)
	if err != nil {
		return err
	}
	c := &b.command
	switch c.Message {
	case xproto.PreparePrepare:
		// As in the classic protocol, what was prepared is all there is to say.
		b.reply.Prepared = &session.Prepared{Statement: c.Statement}
		if b.notices.empty() {
			return nil
		}
	case xproto.CursorClose:
		b.Closed(c.Cursor)
	case xproto.SessReset, xproto.SessClose:
		b.Forget()
	}
	b.add(session.Result{Outcome: session.OK, Info: b.text(text)})
	b.done()
	return nil
}

// done puts the notices where they belong: into the last result.
func (b *XBuilder) done() {
	if r := b.last(); r != nil {
		b.notices.put(r, b.text)
	}
}

// text returns s as a string, sharing the one before when it is the same.
func (b *XBuilder) text(s []byte) string {
	if string(s) != b.info {
		b.info = string(s)
	}
	return b.info
}
