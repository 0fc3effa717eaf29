package decode

import (
	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/session"
	"myreplay/xproto"
)

// feedClient follows what the client sent at the time at.
func (d *X) feedClient(data []byte, at int64) {
	if d.client.Between() {
		d.commandAt = at
	}
	d.client.Feed(data)
	var f xproto.Frame
	for d.mode == following {
		ok, err := d.client.Next(&f)
		if err != nil {
			d.fail(err, true)
			return
		}
		if !ok {
			return
		}
		d.clientFrame(&f, at)
		d.commandAt = at
	}
}

func (d *X) clientFrame(f *xproto.Frame, at int64) {
	m := xproto.ClientMessage(f.Type)
	if m == xproto.ClientCompression {
		if !d.unpack(&d.client, f) {
			d.giveUp(session.NotUnderstood, true, 0, "compressed, and what was agreed on was not seen")
		}
		return
	}
	if err := d.note(f); err != nil {
		if d.state.Phase == xproto.Ended {
			d.giveUp(session.NotUnderstood, true, 0, err.Error())
		} else {
			d.fail(err, true)
		}
		return
	}
	d.start.Protocol = session.X
	if f.Cut {
		f.Payload = f.Payload[:min(len(f.Payload), maxCut)]
	}
	switch {
	case m == xproto.ConCapabilitiesSet && f.Holed:
		d.lose(session.CommandLost, true, f.Size, m.String()+": bytes are lost")
	case !d.started && (m == xproto.ConCapabilitiesGet || m == xproto.ConCapabilitiesSet || isAuthentication(m)):
		d.beforeLogin(f, m)
	case isAuthentication(m):
		d.changeUser(f, m, at)
	default:
		d.command(f, m, at)
	}
}

// note tells the State a client's message. One whose body is broken is a message
// all the same: the server says so.
func (d *X) note(f *xproto.Frame) error {
	err := d.state.Client(f)
	if err == nil || f.Holed {
		return err
	}
	broken := *f
	broken.Holed = true
	return d.state.Client(&broken)
}

// xKinds are the kinds of commands by the client's message. What a StmtExecute
// and a Reset are depends on what they hold.
var xKinds = map[xproto.ClientMessage]session.Kind{
	xproto.ConCapabilitiesGet: session.Capabilities, xproto.ConCapabilitiesSet: session.Capabilities,
	xproto.ConClose: session.CloseConnection, xproto.SessReset: session.ResetConnection, xproto.SessClose: session.CloseSession,
	xproto.SQLStmtExecute: session.Query, xproto.CrudFind: session.Find, xproto.CrudInsert: session.Insert,
	xproto.CrudUpdate: session.Update, xproto.CrudDelete: session.Delete, xproto.ExpectOpen: session.OpenExpect,
	xproto.ExpectClose: session.CloseExpect, xproto.CrudCreateView: session.View, xproto.CrudModifyView: session.View,
	xproto.CrudDropView: session.View, xproto.PreparePrepare: session.Prepare, xproto.PrepareExecute: session.Execute,
	xproto.PrepareDeallocate: session.Deallocate, xproto.CursorOpen: session.OpenCursor, xproto.CursorClose: session.CloseCursor,
	xproto.CursorFetch: session.FetchCursor,
}

// command records a command, whose last byte came at end.
func (d *X) command(f *xproto.Frame, m xproto.ClientMessage, end int64) {
	d.tellChange()
	if d.login.lost {
		d.begin() // whoever sends this has logged in
	}
	w := xWaiting{}
	w.command.Message = m
	if m == xproto.ConCapabilitiesSet {
		w.asked = wishesOf(f)
	}
	if f.Holed {
		d.missing(session.CommandLost, true, f.Size, m.String()+": bytes are lost")
		d.wait(w)
		return
	}
	c := d.shared.slab.Command()
	d.seq++
	*c = session.Command{ID: d.start.ID, Seq: d.seq, At: d.commandAt, End: end, Kind: xKinds[m], Code: f.Type,
		Payload: d.shared.slab.CopyAfter(f.Type, f.Payload), Size: 1 + f.Size, Cut: f.Cut}
	d.describe(c, &w)
	if c.Cut && c.SQL == nil && (c.Kind == session.Query || c.Kind == session.Prepare) {
		c.Payload = c.Payload[:1] // where a secret would stand can't be told
	}
	w.seq = c.Seq
	d.tell(c)
	d.wait(w)
	d.quit = d.quit || m == xproto.ConClose
}

// wait appends a message to those that wait for the end of their reply.
func (d *X) wait(w xWaiting) {
	if d.first > 0 && d.first >= len(d.waiting)/2 {
		n := copy(d.waiting, d.waiting[d.first:])
		d.waiting, d.first = d.waiting[:n], 0
	}
	d.waiting = append(d.waiting, w)
}

// describe fills in what a command's payload says. Of one that can't be read
// nothing is known but its kind.
func (d *X) describe(c *session.Command, w *xWaiting) {
	body := c.Payload[1:]
	switch w.command.Message {
	case xproto.SQLStmtExecute:
		d.statement(c, body)
	case xproto.CrudFind, xproto.CrudInsert, xproto.CrudUpdate, xproto.CrudDelete,
		xproto.CrudCreateView, xproto.CrudModifyView, xproto.CrudDropView:
		c.SQL = d.render(w.command.Message, body)
	case xproto.PreparePrepare:
		d.prepare(c, w, body)
	case xproto.PrepareExecute:
		var m xproto.Execute
		if m.Decode(body) == nil {
			c.Statement = m.ID
		}
	case xproto.PrepareDeallocate:
		var m xproto.Numbered
		if m.Decode(body) == nil {
			c.Statement = m.ID
		}
	case xproto.CursorOpen, xproto.CursorFetch, xproto.CursorClose:
		d.cursor(c, w, body)
	case xproto.SessReset, xproto.SessClose:
		clear(d.cursors)
	}
}

// statement describes a StmtExecute.
func (d *X) statement(c *session.Command, body []byte) {
	var m xproto.StmtExecute
	if m.Decode(body) != nil {
		if c.Cut {
			c.SQL = cutText(body)
		}
		return
	}
	c.Kind, c.SQL = d.ofNamespace(&m, body)
}

// namespaceOldPlugin is what 5.7 called xproto.NamespacePlugin.
const namespaceOldPlugin = "xplugin"

// ofNamespace returns what a StmtExecute is, and its text.
func (d *X) ofNamespace(m *xproto.StmtExecute, body []byte) (session.Kind, []byte) {
	switch m.Namespace {
	case xproto.NamespaceSQL:
		return session.Query, m.Stmt
	case xproto.NamespacePlugin, namespaceOldPlugin:
		return session.PluginCommand, d.render(xproto.SQLStmtExecute, body)
	}
	return session.Other, nil
}

// cutText returns the text of a StmtExecute that is there only in part, as far
// as it goes.
func cutText(body []byte) []byte {
	for len(body) > 0 {
		num, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return nil
		}
		body = body[n:]
		if num == 1 && kind == protowire.BytesType {
			if _, n = protowire.ConsumeVarint(body); n < 0 {
				return nil
			}
			return body[n:]
		}
		if n = protowire.ConsumeFieldValue(num, kind, body); n < 0 {
			return nil
		}
		body = body[n:]
	}
	return nil
}

// prepare describes a Prepare.
func (d *X) prepare(c *session.Command, w *xWaiting, body []byte) {
	var m xproto.Prepare
	if m.Decode(body) != nil {
		return
	}
	c.Statement, w.command.Statement = m.ID, m.ID
	var s xproto.StmtExecute
	if m.Kind == xproto.PrepareStmt && s.Decode(m.Body) == nil {
		_, c.SQL = d.ofNamespace(&s, m.Body)
		return
	}
	c.SQL = d.render(m.Kind.Message(), m.Body)
}

// maxRendered limits the messages that SQL is made for, and the SQL.
const maxRendered = 1 << 20

// render returns SQL that says the same as a message; nil where there is none.
func (d *X) render(m xproto.ClientMessage, body []byte) []byte {
	if len(body) > maxRendered {
		return nil
	}
	sql, err := xproto.AppendSQL(d.scratch[:0], m, body)
	if cap(sql) <= maxCut {
		d.scratch = sql
	}
	if err != nil || len(sql) > maxRendered {
		return nil
	}
	return d.shared.slab.Copy(sql)
}

// maxCursors limits how many cursors of a connection are known.
const maxCursors = 1 << 14

// cursor describes a command on a cursor.
func (d *X) cursor(c *session.Command, w *xWaiting, body []byte) {
	if w.command.Message == xproto.CursorOpen {
		var m xproto.Open
		if m.Decode(body) != nil {
			return
		}
		c.Statement = m.Execute.ID
		w.command.Cursor, w.command.HasCursor = m.ID, true
		if d.cursors == nil {
			d.cursors = map[uint32]uint32{}
		}
		if _, known := d.cursors[m.ID]; known || len(d.cursors) < maxCursors {
			d.cursors[m.ID] = c.Statement
		}
		return
	}
	var m xproto.Numbered
	if m.Decode(body) != nil {
		return
	}
	c.Statement = d.cursors[m.ID]
	w.command.Cursor, w.command.HasCursor = m.ID, true
	if w.command.Message == xproto.CursorClose {
		delete(d.cursors, m.ID)
	}
}
