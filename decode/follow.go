package decode

import (
	"bytes"

	"myreplay/classic"
	"myreplay/preface"
	"myreplay/session"
)

// feedClient follows what the client sent at the time at.
func (d *Classic) feedClient(data []byte, at int64) {
	if d.state.Phase == classic.AwaitGreeting {
		if data = d.beforeGreeting(data); len(data) == 0 {
			return
		}
	}
	if d.client.Between() {
		d.commandAt = at
	}
	d.client.Feed(data)
	var f classic.Frame
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

func (d *Classic) clientFrame(f *classic.Frame, at int64) {
	if d.state.Settle(f, false) {
		d.finish(false)
	}
	if f.Holed && len(f.Payload) == 0 {
		d.lose(session.CommandLost, true, f.Size, "its beginning is lost")
		return
	}
	part, err := d.state.Client(f)
	if err != nil {
		d.fail(err, true)
		return
	}
	if f.Cut {
		f.Payload = f.Payload[:min(len(f.Payload), maxCut)]
	}
	switch part {
	case classic.ClientSSLRequest:
		// What follows tells whether the source ends TLS.
		if len(d.client.Rest()) > 0 {
			d.encrypted()
		}
	case classic.ClientLogin:
		d.login()
	case classic.ClientCommand:
		d.skipServer = false
		d.command(f, at)
	case classic.ClientFileData:
		d.fileData(f, at)
	}
}

// login takes note of who logs in.
func (d *Classic) login() {
	l := &d.state.Login
	d.start.Login = session.Login{User: l.User, Schema: l.Schema, Capabilities: uint64(d.state.Caps),
		Collation: uint16(l.Collation), Compression: classic.CompressionOf(d.state.Caps).String(),
		Attributes: attributes(l.Attributes)}
}

func attributes(list []classic.Attribute) []session.Attribute {
	var out []session.Attribute
	for _, a := range list {
		out = append(out, session.Attribute(a))
	}
	return out
}

var kinds = map[classic.Code]session.Kind{
	classic.ComQuery: session.Query, classic.ComStmtPrepare: session.Prepare, classic.ComStmtExecute: session.Execute,
	classic.ComStmtFetch: session.Fetch, classic.ComStmtSendLongData: session.LongData, classic.ComStmtReset: session.ResetStatement,
	classic.ComStmtClose: session.CloseStatement, classic.ComInitDB: session.UseSchema, classic.ComFieldList: session.FieldList,
	classic.ComChangeUser: session.ChangeUser, classic.ComResetConnection: session.ResetConnection,
	classic.ComSetOption: session.SetOption, classic.ComPing: session.Ping, classic.ComStatistics: session.Statistics,
	classic.ComProcessKill: session.KillProcess, classic.ComQuit: session.Quit, classic.ComBinlogDump: session.Replication,
	classic.ComBinlogDumpGTID: session.Replication, classic.ComRegisterSlave: session.Replication,
	classic.ComSubscribeGroup: session.Replication, classic.ComTableDump: session.Replication, classic.ComClone: session.Admin,
	classic.ComRefresh: session.Admin, classic.ComShutdown: session.Admin, classic.ComDebug: session.Admin,
	classic.ComStmtBulkExecute: session.BulkExecute,
}

// kindOf returns the kind of a command.
var kindOf = func() (t [256]session.Kind) {
	for c, k := range kinds {
		t[c] = k
	}
	return t
}()

// command records a command, whose last byte came at end.
func (d *Classic) command(f *classic.Frame, end int64) {
	code := classic.Code(f.Payload[0])
	kind := kindOf[code]
	w := waiting{code: code}
	if c, why := d.recorded(f, kind); c != nil {
		d.seq++
		c.ID, c.Seq = d.start.ID, d.seq
		c.At, c.End = d.commandAt, end
		c.Kind, c.Code, c.Size, c.Cut = kind, byte(code), f.Size, f.Cut
		w.seq, w.statement = c.Seq, c.Statement
		d.out(c)
	} else {
		d.missing(session.CommandLost, true, f.Size, code.String()+": "+why)
	}
	switch kind {
	case session.Quit:
		d.quit = true
	case session.CloseStatement:
		d.build.Closed(w.statement)
	}
	if kind.HasReply() {
		if d.first == len(d.waiting) {
			d.waiting, d.first = d.waiting[:0], 0
		}
		d.waiting = append(d.waiting, w)
	}
}

// recorded returns the command in a frame, or why it can't be recorded.
func (d *Classic) recorded(f *classic.Frame, kind session.Kind) (c *session.Command, why string) {
	if f.Holed {
		return nil, "bytes are lost"
	}
	c = d.shared.slab.Command()
	if kind == session.ChangeUser { // without its authentication
		var m classic.ChangeUser
		if err := m.Decode(f.Payload, d.state.Caps); err != nil {
			return nil, err.Error()
		}
		c.Login = &session.Login{Known: true, User: m.User, Schema: m.Schema, Collation: m.Collation, Plugin: m.Plugin,
			Capabilities: d.start.Login.Capabilities, Attributes: attributes(m.Attributes)}
		return c, ""
	}
	text := 0 // the length of the SQL
	switch {
	case kind == session.Query:
		var q classic.Query
		if err := q.Decode(f.Payload, d.state.Caps); err != nil && !f.Cut {
			return nil, err.Error()
		}
		text = len(q.SQL)
	case kind == session.Prepare:
		text = len(f.Payload) - 1
	case kind.OnStatement():
		id, err := classic.StatementID(f.Payload)
		if err != nil {
			return nil, err.Error()
		}
		c.Statement = id
	}
	c.Payload = d.shared.slab.Copy(f.Payload)
	if kind == session.Query || kind == session.Prepare {
		c.SQL = c.Payload[len(c.Payload)-text:]
	}
	return c, ""
}

// fileData records a piece of the file that LOAD DATA LOCAL sends.
func (d *Classic) fileData(f *classic.Frame, end int64) {
	if f.Holed {
		d.missing(session.CommandLost, true, f.Size, "file data: bytes are lost")
		return
	}
	c := d.shared.slab.Command()
	d.seq++
	*c = session.Command{ID: d.start.ID, Seq: d.seq, At: d.commandAt, End: end, Kind: session.FileData,
		Payload: d.shared.slab.Copy(f.Payload), Size: f.Size, Cut: f.Cut}
	d.out(c)
}

// feedServer follows what the server sent at the time at.
func (d *Classic) feedServer(data []byte, at int64) {
	if d.skipServer {
		return
	}
	if d.state.Phase == classic.AwaitGreeting && !d.greets(data) {
		return
	}
	if d.server.Between() {
		d.replyAt = at
	}
	d.server.Feed(data)
	var f classic.Frame
	for d.mode == following && !d.skipServer {
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

func (d *Classic) serverFrame(f *classic.Frame, at int64) {
	if d.state.Settle(f, true) {
		d.finish(false)
	}
	if f.Holed && !(d.state.InRows() && len(f.Payload) > 0 && f.Payload[0] < 0xfe) {
		// Not the inside of a row: what the frame is can't be known.
		d.loseServer()
		return
	}
	if d.first < len(d.waiting) && !d.build.Begun() {
		w := d.waiting[d.first]
		d.build.Begin(d.start.ID, w.seq, w.code, w.statement)
	}
	part, done, err := d.state.Server(f)
	if err != nil {
		d.fail(err, false)
		return
	}
	switch part {
	case classic.PartGreeting:
		d.start.Protocol = session.Classic
		d.start.ServerVersion = d.state.Greeting.Version
		d.start.ConnectionID = d.state.Greeting.ConnectionID
		return
	case classic.PartLoginOK:
		d.loggedIn()
		return
	case classic.PartLoginError:
		d.refused()
		return
	case classic.PartNotice:
		d.notice = errorText(&d.state.ERR)
		return
	}
	if !d.build.Begun() {
		return // within the login, or after the end
	}
	if d.build.First() {
		at = d.replyAt
	}
	d.build.Frame(&d.state, part, f, at)
	if done {
		d.finish(false)
	}
}

// loggedIn begins the session.
func (d *Classic) loggedIn() {
	d.start.Login.Known = true
	d.start.Login.Plugin = d.state.Plugin
	d.begin()
	if c := d.state.Compressed; c != classic.Uncompressed {
		d.client.SetCompression(c)
		d.server.SetCompression(c)
	}
}

// refused begins a session that ends with its login.
func (d *Classic) refused() {
	e := &d.state.ERR
	d.start.Protocol = session.Classic
	d.start.Login.Plugin = d.state.Plugin
	d.start.Refused = &session.Error{Code: e.Code, State: string(e.State), Message: string(e.Message)}
	d.begin()
}

func errorText(e *classic.ERR) string {
	s := &session.Error{Code: e.Code, State: string(e.State), Message: string(e.Message)}
	return s.Error()
}

// finish ends the reply to the oldest waiting command and emits it.
func (d *Classic) finish(lost bool) {
	w := d.waiting[d.first]
	d.first++
	if !d.build.Begun() {
		d.build.Begin(d.start.ID, w.seq, w.code, w.statement)
	}
	r := d.build.Take(lost)
	if r.Last == 0 {
		r.First, r.Last = d.at, d.at
	}
	if w.seq != 0 {
		d.out(r)
	}
}

// maxGreeting is the longest greeting that is taken for one.
const maxGreeting = 4096

// greets looks at the server's first bytes and tells whether they begin a
// greeting or an error; if not, the connection is given up at once instead of
// waiting for a frame as long as their first bytes say.
func (d *Classic) greets(data []byte) bool {
	if len(d.preface) > 0 {
		d.clientFirst()
		return false
	}
	n := min(len(data), classic.HeaderLen+1-len(d.hello))
	d.hello = append(d.hello, data[:n]...)
	if len(d.hello) <= classic.HeaderLen {
		return true
	}
	length := int(d.hello[0]) | int(d.hello[1])<<8 | int(d.hello[2])<<16
	kind := d.hello[classic.HeaderLen]
	if length <= maxGreeting && d.hello[3] == 0 && (kind == 0x0a || kind == 0xff) {
		return true
	}
	what := "the server's first bytes are no greeting"
	if d.hello[3] == 0 && (kind == 0x0b || kind == 0x01) {
		what += ": X Protocol"
	} else if preface.LooksTLS(d.hello) {
		what += ": TLS"
	}
	d.giveUp(session.NotUnderstood, false, what)
	return false
}

// prefaceHead is how many bytes of what a client sends first are needed to say
// what it is.
const prefaceHead = 5

// beforeGreeting looks at what a client sends before the server's greeting: a
// PROXY protocol header is taken note of, anything else is not the classic
// protocol. It returns what follows the header.
func (d *Classic) beforeGreeting(data []byte) []byte {
	d.preface = append(d.preface, data...)
	src, n, err := preface.ReadProxy(d.preface)
	switch {
	case err != nil && len(d.preface) >= prefaceHead:
		d.clientFirst()
	case n > 0:
		if src.IsValid() {
			d.start.Client = src
		}
		rest := d.preface[n:]
		d.preface = nil
		return rest
	}
	return nil
}

// clientFirst gives up a connection whose client spoke first.
func (d *Classic) clientFirst() {
	what := "the client speaks first"
	switch {
	case preface.LooksTLS(d.preface):
		what += ": TLS"
	case bytes.HasPrefix(d.preface, []byte("GET ")), bytes.HasPrefix(d.preface, []byte("POST ")):
		what += ": HTTP"
	}
	d.preface = nil
	d.giveUp(session.NotUnderstood, true, what)
}
