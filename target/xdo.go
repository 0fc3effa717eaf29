package target

import (
	"bytes"
	"strings"

	"myreplay/outcome"
	"myreplay/session"
	"myreplay/xproto"
)

// maxPipeline is how many commands are sent at once.
const maxPipeline = 1 << 10

// xMessage is a command on its way to the target.
type xMessage struct {
	cmd     *session.Command
	answer  *Answer
	code    xproto.ClientMessage
	payload []byte // without the code
	id      uint32 // of the statement that it prepares, runs or forgets
	cursor  uint32
	before  session.Skip // of a Prepare: why its id could not be used before
	end     int64        // how many bytes of the pipeline there are up to its end
}

// Do sends a recorded command and reads its whole reply. What the target can't
// be told is skipped, with the reason. A file is never asked for: the X Protocol
// has no LOAD DATA LOCAL.
//
// The error is a *LostError: the connection is lost, and every later Do fails.
// The Answer then holds what was seen of the reply, marked lost.
func (c *XConn) Do(cmd *session.Command, _ File) (Answer, error) {
	c.one[0], c.answers[0] = cmd, Answer{}
	err := c.doAll(c.one[:], c.answers[:])
	a := c.answers[0]
	c.one[0], c.answers[0] = nil, Answer{}
	c.pins.next = nil
	return a, err
}

// DoAll sends commands as a client does that does not wait for the replies
// (within a block of expectations, say), then reads all replies. There is an
// answer for each command. The reply to one that fails is like any other: those
// that follow were sent already.
//
// The error is a *LostError as of Do; Sent is that of the first command without
// a whole reply. Of an answer that has no reply then, and was not skipped, At
// says more: when it is 0 its command was surely not executed.
func (c *XConn) DoAll(cmds []*session.Command) ([]Answer, error) {
	answers := make([]Answer, len(cmds))
	err := c.doAll(cmds, answers)
	c.pins.next = nil
	return answers, err
}

func (c *XConn) doAll(cmds []*session.Command, answers []Answer) (err error) {
	for c.pins.base = 0; len(cmds) > 0; {
		if c.lost != nil {
			return c.lost
		}
		n := 1
		if cmds[0].Kind == session.ChangeUser && c.unsendable(cmds[0]) == session.NotSkipped {
			answers[0], err = c.changeUser(cmds[0])
		} else {
			n = c.gather(cmds, answers)
			err = c.exchange()
		}
		if err != nil {
			return err
		}
		cmds, answers = cmds[n:], answers[n:]
		c.pins.base += n
	}
	return nil
}

// gather makes the next pipeline of the commands that can be sent together, and
// returns how many those are, with those that are skipped.
func (c *XConn) gather(cmds []*session.Command, answers []Answer) int {
	c.batch = c.batch[:0]
	for i, cmd := range cmds {
		if i == maxPipeline {
			return i
		}
		why := c.unsendable(cmd)
		if why == session.NotSkipped && cmd.Kind == session.ChangeUser {
			return i
		}
		m := xMessage{cmd: cmd, answer: &answers[i]}
		if why == session.NotSkipped {
			why = c.translate(&m)
		}
		if why != session.NotSkipped {
			answers[i].Skip = why
			c.Skipped(cmd, why)
			continue
		}
		c.expect(&m)
		c.layPin(cmd.Kind, c.pins.of(i))
		c.batch = append(c.batch, m)
	}
	return len(cmds)
}

// unsendable tells why a command can't be replayed at all, if so.
func (c *XConn) unsendable(cmd *session.Command) session.Skip {
	switch {
	case cmd.Masked:
		return session.SkipSecret
	case cmd.Cut:
		return session.SkipCut
	case cmd.Kind == session.ChangeUser:
		if cmd.Login == nil {
			c.changed = changed{seq: cmd.Seq, stranger: true}
			return session.SkipUnsupported
		}
		return session.NotSkipped
	case c.changed.stranger && cmd.Kind != session.CloseConnection,
		c.out && cmd.Kind != session.CloseConnection && cmd.Kind != session.Capabilities:
		return session.SkipNoLogin
	case len(cmd.Payload) == 0 || !carries(cmd.Kind, xproto.ClientMessage(cmd.Payload[0])):
		return session.SkipUnsupported
	}
	return session.NotSkipped
}

// carries tells whether commands of a kind are messages of a type. A command
// that is not is not sent: who decided by its kind that it may be sent was told
// something else.
func carries(k session.Kind, m xproto.ClientMessage) bool {
	switch m {
	case xproto.ConCapabilitiesGet, xproto.ConCapabilitiesSet:
		return k == session.Capabilities
	case xproto.CrudCreateView, xproto.CrudModifyView, xproto.CrudDropView:
		return k == session.View
	case xproto.SQLStmtExecute:
		return k == session.Query || k == session.PluginCommand
	}
	kind, ok := xKinds[m]
	return ok && k == kind
}

var xKinds = map[xproto.ClientMessage]session.Kind{
	xproto.ConClose: session.CloseConnection, xproto.SessReset: session.ResetConnection, xproto.SessClose: session.CloseSession,
	xproto.CrudFind: session.Find, xproto.CrudInsert: session.Insert, xproto.CrudUpdate: session.Update,
	xproto.CrudDelete: session.Delete, xproto.ExpectOpen: session.OpenExpect, xproto.ExpectClose: session.CloseExpect,
	xproto.PreparePrepare: session.Prepare, xproto.PrepareExecute: session.Execute,
	xproto.PrepareDeallocate: session.Deallocate, xproto.CursorOpen: session.OpenCursor,
	xproto.CursorClose: session.CloseCursor, xproto.CursorFetch: session.FetchCursor,
}

// translate turns a recorded command into what the target is to be sent, or
// tells why it can't be.
func (c *XConn) translate(m *xMessage) session.Skip {
	p := m.cmd.Payload
	m.code, m.payload = xproto.ClientMessage(p[0]), p[1:]
	why := session.NotSkipped
	switch m.code {
	case xproto.SQLStmtExecute:
		why = c.execute(m)
	case xproto.PreparePrepare:
		why = c.prepare(m)
	case xproto.PrepareExecute:
		var e xproto.Execute
		why = onStatement(m, e.Decode(m.payload), e.ID, &c.source)
	case xproto.PrepareDeallocate:
		var n xproto.Numbered
		why = onStatement(m, n.Decode(m.payload), n.ID, &c.source)
	case xproto.CursorOpen:
		var o xproto.Open
		err := o.Decode(m.payload)
		m.cursor = o.ID
		why = onStatement(m, err, o.Execute.ID, &c.source)
	case xproto.CursorFetch, xproto.CursorClose:
		why = c.onCursor(m)
	case xproto.SessReset:
		var r xproto.Reset
		if r.Decode(m.payload) != nil {
			why = session.SkipUnsupported
		}
	case xproto.ConCapabilitiesSet:
		var s xproto.CapabilitiesSet
		if s.Decode(m.payload) != nil || s.TLS() || s.Capabilities.Get(xproto.CapabilityCompression) != nil {
			why = session.SkipUnsupported // they are the URL's
		}
	}
	if why == session.NotSkipped {
		c.mapIDs(m)
	}
	return why
}

// mapIDs puts the target's ids of documents into a message, in place of those
// of the recording: they are as long, so nothing else changes.
func (c *XConn) mapIDs(m *xMessage) {
	var n int
	if m.payload, n = c.server.documents.toLive(c.recorded.copy, m.payload); n > 0 {
		c.server.counts.mapped.Add(uint64(n))
	}
}

// execute readies a StmtExecute. What is sent is the command's SQL, the text
// that others have judged.
func (c *XConn) execute(m *xMessage) session.Skip {
	var s xproto.StmtExecute
	if s.Decode(m.payload) != nil || (m.cmd.Kind == session.Query) != (s.Namespace == xproto.NamespaceSQL) {
		return session.SkipUnsupported
	}
	if m.cmd.Kind == session.PluginCommand {
		if strings.EqualFold(string(s.Stmt), "kill_client") {
			return c.killClient(m, &s)
		}
		return session.NotSkipped
	}
	switch {
	case bytes.Equal(s.Stmt, m.cmd.SQL):
	case m.cmd.SQL == nil:
		return session.SkipUnsupported
	default:
		s.Stmt = m.cmd.SQL
		m.payload = s.Append(nil)
	}
	return session.NotSkipped
}

// killClient aims a kill_client at the connection that replays the recorded one.
func (c *XConn) killClient(m *xMessage, s *xproto.StmtExecute) session.Skip {
	var arg xproto.Any
	if len(s.Args) != 1 || arg.Decode(s.Args[0]) != nil {
		return session.SkipKill
	}
	id := arg.Scalar // how 5.7 names it
	if arg.IsObject {
		if v := arg.Get("id"); v != nil && len(arg.Object) == 1 {
			id = v.Scalar
		}
	}
	if id == nil {
		return session.SkipKill
	}
	n := id.Uint
	if id.Type == xproto.ScalarSint {
		n = uint64(id.Sint)
	}
	live, ok := c.server.counterpart(c.recorded.copy, uint32(n))
	if !ok || n >= 1<<32 {
		return session.SkipKill
	}
	*id = xproto.Scalar{Type: xproto.ScalarUint, Uint: uint64(live)}
	s.Args[0] = arg.Append(nil)
	m.payload = s.Append(nil)
	return session.NotSkipped
}

// prepare readies a Prepare.
func (c *XConn) prepare(m *xMessage) session.Skip {
	var p xproto.Prepare
	if p.Decode(m.payload) != nil || p.ID != m.cmd.Statement || len(c.source.statements) >= maxStatements {
		return session.SkipUnsupported
	}
	switch p.Kind.Message() {
	case 0:
		return session.SkipUnsupported
	case xproto.SQLStmtExecute:
		var s xproto.StmtExecute
		if s.Decode(p.Body) != nil || s.Namespace != xproto.NamespaceSQL || !bytes.Equal(s.Stmt, m.cmd.SQL) {
			return session.SkipUnsupported
		}
	}
	m.id = p.ID
	return session.NotSkipped
}

// onStatement readies a command on a prepared statement, whose payload was read
// with err.
func onStatement(m *xMessage, err error, id uint32, names *xNames) session.Skip {
	if err != nil || id != m.cmd.Statement {
		return session.SkipUnsupported
	}
	m.id = id
	return names.statement(id)
}

// onCursor readies a Fetch or the Close of a cursor.
func (c *XConn) onCursor(m *xMessage) session.Skip {
	var n xproto.Numbered
	if n.Decode(m.payload) != nil {
		return session.SkipUnsupported
	}
	m.cursor = n.ID
	return c.source.cursor(n.ID)
}

// expect takes note of what a command that is to be sent will have changed for
// those behind it.
func (c *XConn) expect(m *xMessage) {
	switch m.code {
	case xproto.PreparePrepare:
		m.before = c.source.statements[m.id]
		c.source.setStatement(m.id, session.NotSkipped)
	case xproto.CursorOpen:
		if len(c.source.cursors) < maxStatements {
			c.source.setCursor(m.cursor, session.NotSkipped)
		}
	}
}

// done takes note of what a command that was answered has changed.
func (c *XConn) done(m *xMessage, r *session.Reply) {
	switch m.code {
	case xproto.PreparePrepare, xproto.PrepareDeallocate, xproto.SessReset, xproto.SessClose:
		c.source.sent(xPending{m.cmd.Seq, m.code, m.id, r.Err() != nil, m.before})
		c.out = c.state.Phase == xproto.Opening
		if r.Err() == nil && m.code == xproto.SessReset {
			c.pins.forget()
		}
	case xproto.CursorClose:
		if r.Err() == nil {
			c.source.gone(c.source.cursors, m.cursor)
		}
	}
	c.pinDone(m.cmd, r)
	c.keepIDs(r)
}

// command returns what of a message decides how its reply reads.
func (m *xMessage) command() outcome.XCommand {
	x := outcome.XCommand{Message: m.code, Statement: m.id, Cursor: m.cursor}
	x.HasCursor = m.code == xproto.CursorOpen || m.code == xproto.CursorFetch || m.code == xproto.CursorClose
	return x
}
