package target

import (
	"encoding/binary"
	"strconv"

	"myreplay/classic"
	"myreplay/session"
)

// Answer is what became of a command.
type Answer struct {
	// Skip is why the command was not sent; 0: it was.
	Skip session.Skip
	// At and End are when sending it began and ended, in nanoseconds since the
	// Unix epoch; 0 when it was skipped.
	At, End int64
	// Reply is the target's reply, with ID and Seq of the command. It is nil when
	// there is none: a kind that has no reply, a skipped command, a lost
	// connection that brought nothing.
	Reply *session.Reply
}

// File gives the recorded FileData commands that follow a Query, one at each
// call; false when there are no more. It is called only when the target asks
// for a file.
type File func() (*session.Command, bool)

// message is a command as the target gets it.
type message struct {
	code classic.Code // decides how the reply reads
	// head and rest are the payload.
	head, rest []byte
	st         *statement
}

// codeOf is the code that commands of a kind have on the wire. A command that
// has another is not sent: who decided by its kind that it may be sent was told
// something else.
var codeOf = [session.KindCount]classic.Code{
	session.Query: classic.ComQuery, session.Prepare: classic.ComStmtPrepare, session.Execute: classic.ComStmtExecute,
	session.Fetch: classic.ComStmtFetch, session.LongData: classic.ComStmtSendLongData,
	session.ResetStatement: classic.ComStmtReset, session.CloseStatement: classic.ComStmtClose,
	session.UseSchema: classic.ComInitDB, session.FieldList: classic.ComFieldList,
	session.ResetConnection: classic.ComResetConnection, session.SetOption: classic.ComSetOption,
	session.Ping: classic.ComPing, session.Statistics: classic.ComStatistics, session.KillProcess: classic.ComProcessKill,
	session.Quit: classic.ComQuit, session.BulkExecute: classic.ComStmtBulkExecute, session.Other: classic.ComProcessInfo,
}

// Do sends a recorded command and reads its whole reply. What the target can't
// be told is skipped, with the reason. file may be nil.
//
// The error is a *LostError: the connection is lost, and every later Do fails.
// The Answer then holds what was seen of the reply, marked lost.
func (c *Conn) Do(cmd *session.Command, file File) (Answer, error) {
	c.pins.base = 0
	a, err := c.do(cmd, file)
	c.pins.next = nil
	return a, err
}

// do is Do with the pin of the command that comes next.
func (c *Conn) do(cmd *session.Command, file File) (Answer, error) {
	if c.lost != nil {
		return Answer{}, c.lost
	}
	if why := unsendable(cmd); why != session.NotSkipped {
		c.Skipped(cmd, why)
		return Answer{Skip: why}, nil
	}
	switch {
	case cmd.Kind == session.ChangeUser:
		return c.changeUser(cmd)
	case c.changed.stranger && cmd.Kind != session.Quit:
		c.Skipped(cmd, session.SkipNoLogin)
		return Answer{Skip: session.SkipNoLogin}, nil
	}
	m, why := c.translate(cmd)
	if why != session.NotSkipped {
		return Answer{Skip: why}, nil
	}
	c.mapValues(cmd, &m)
	if m.st != nil && m.st.stale {
		if err := c.resetStale(m.st); err != nil {
			return Answer{}, err
		}
	}
	m.use(cmd.Kind)
	pin := c.pins.of(0)
	c.pins.ahead = c.planPin(cmd.Kind, pin)
	c.pins.commit(pin, c.pins.ahead != nil, &c.server.counts)
	a, err := c.exchange(cmd, &m, file)
	if err == nil {
		c.done(cmd, &m, a.Reply)
		c.pins.used(a.Reply)
		c.replied(a.Reply, pin.Recorded)
	}
	c.shrink()
	return a, err
}

// use takes note of what a command that is about to be sent uses up.
func (m *message) use(k session.Kind) {
	if k == session.Execute || k == session.BulkExecute {
		m.st.executed()
	}
}

// unsendable tells why a command can't be replayed at all, if so.
func unsendable(cmd *session.Command) session.Skip {
	switch {
	case cmd.Masked:
		return session.SkipSecret
	case cmd.Cut:
		return session.SkipCut
	case cmd.Kind == session.Admin:
		return session.SkipAdmin
	case cmd.Kind == session.FileData:
		return session.SkipNotAsked
	case cmd.Kind == session.ChangeUser:
		if cmd.Login == nil {
			return session.SkipUnsupported
		}
		return session.NotSkipped
	case cmd.Kind == session.Replication || int(cmd.Kind) >= session.KindCount,
		len(cmd.Payload) == 0 || classic.Code(cmd.Payload[0]) != codeOf[cmd.Kind]:
		return session.SkipUnsupported
	}
	return session.NotSkipped
}

// translate turns a recorded command into what the target is to be sent.
func (c *Conn) translate(cmd *session.Command) (m message, why session.Skip) {
	p := cmd.Payload
	m = message{code: classic.Code(p[0]), head: p[:1], rest: p[1:]}
	switch cmd.Kind {
	case session.Query:
		return c.query(cmd)
	case session.Prepare:
		if len(c.source.byID) >= maxStatements {
			c.Skipped(cmd, session.SkipUnsupported)
			return m, session.SkipUnsupported
		}
		if m.rest = cmd.SQL; len(cmd.SQL) != len(p)-1 {
			c.Skipped(cmd, session.SkipUnsupported)
			return m, session.SkipUnsupported
		}
	case session.Execute, session.BulkExecute:
		return c.execute(cmd)
	case session.Fetch, session.LongData, session.ResetStatement, session.CloseStatement:
		return c.statement(cmd)
	case session.UseSchema:
		if len(c.server.options.Schemas) > 0 {
			m.rest = []byte(c.server.schema(string(p[1:])))
		}
	case session.KillProcess:
		return c.kill(cmd)
	}
	return m, session.NotSkipped
}

// query readies a Query: its attributes stay, are left out, or begin to be
// there, as the target has it. What is sent is the command's SQL, the text that
// others have judged.
func (c *Conn) query(cmd *session.Command) (m message, why session.Skip) {
	p, sql := cmd.Payload, cmd.SQL
	if len(sql) >= len(p) || !plainQuery(p[:len(p)-len(sql)]) {
		var q classic.Query
		if q.Decode(p, classic.QueryAttributes) != nil || len(q.SQL) != len(sql) {
			return m, session.SkipUnsupported
		}
	}
	m = message{code: classic.ComQuery, head: p[:len(p)-len(sql)], rest: sql}
	has := len(m.head) > 1
	if has && c.source.caps == 0 {
		c.source.attributed = true
	}
	switch to := c.state.Caps.Has(classic.QueryAttributes); {
	case has && !to:
		if m.head[1] != 0 {
			c.server.counts.attributes.Add(1)
		}
		m.head = m.head[:1]
	case !has && to:
		m.head = append(c.head[:0], byte(classic.ComQuery), 0, 1)
	}
	return m, session.NotSkipped
}

// plainQuery tells whether a COM_QUERY with what stands before its text has no
// attributes.
func plainQuery(head []byte) bool {
	return len(head) == 1 || len(head) == 3 && head[1] == 0 && head[2] == 1
}

// onStatement returns a payload with the target's statement id, in two parts.
func (c *Conn) onStatement(payload []byte, live uint32) (head, rest []byte) {
	head = append(c.head[:0], payload[0], 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(head[1:], live)
	return head, payload[len(head):]
}

// statement readies a command that names a prepared statement, but for the
// executions.
func (c *Conn) statement(cmd *session.Command) (m message, why session.Skip) {
	st, why := c.source.find(cmd.Statement)
	if cmd.Kind == session.CloseStatement {
		c.source.drop(cmd.Statement)
	}
	if why != session.NotSkipped {
		return m, why
	}
	if len(cmd.Payload) < 5 {
		return m, session.SkipUnsupported
	}
	m = message{code: classic.Code(cmd.Payload[0]), st: st}
	m.head, m.rest = c.onStatement(cmd.Payload, st.live)
	switch cmd.Kind {
	case session.Fetch:
		return m, st.unrun
	case session.LongData:
		if st.spoiled == session.NotSkipped && st.doubtfulLong {
			st.spoiled = session.SkipUnknownTypes // pieces before it may be lost
		}
		if len(m.rest) < 2 {
			st.spoiled = session.SkipUnsupported
		}
		if st.spoiled != session.NotSkipped {
			return m, st.spoiled
		}
		if param := binary.LittleEndian.Uint16(m.rest); !st.isLong(int(param)) {
			st.long = append(st.long, param)
		}
	case session.ResetStatement, session.CloseStatement:
		st.executed()
		st.stale = false
	}
	return m, session.NotSkipped
}

// kill readies a PROCESS_KILL: of the connection that replays the recorded one,
// and as a KILL statement where the target knows no such command.
func (c *Conn) kill(cmd *session.Command) (m message, why session.Skip) {
	if len(cmd.Payload) < 5 {
		return m, session.SkipUnsupported
	}
	live, ok := c.server.Live(c.recorded.copy, binary.LittleEndian.Uint32(cmd.Payload[1:]))
	if !ok {
		return m, session.SkipKill
	}
	m.code = classic.ComProcessKill
	if !isMySQL8(&c.state.Greeting) {
		m.head = binary.LittleEndian.AppendUint32(append(c.head[:0], byte(classic.ComProcessKill)), live)
		return m, session.NotSkipped
	}
	c.server.counts.killQueries.Add(1)
	m.code = classic.ComQuery
	m.head = classic.AppendQuery(c.scratch[:0], c.state.Caps, "KILL "+strconv.FormatUint(uint64(live), 10))
	return m, session.NotSkipped
}

// resetStale drops long data that the target holds and no execution took.
func (c *Conn) resetStale(st *statement) error {
	var head [5]byte
	head[0] = byte(classic.ComStmtReset)
	binary.LittleEndian.PutUint32(head[1:], st.live)
	cmd := session.Command{Kind: session.ResetStatement}
	st.stale = false
	saved := c.head // the command to come may lie in it
	_, err := c.exchange(&cmd, &message{code: classic.ComStmtReset, head: head[:], st: st}, nil)
	c.head = saved
	return err
}

// opened tells whether an Execute's reply opened a cursor.
func opened(r *session.Reply) bool {
	n := len(r.Results)
	return n > 0 && r.Results[n-1].Outcome == session.Opened
}

// done takes note of what a command that was sent changed.
func (c *Conn) done(cmd *session.Command, m *message, r *session.Reply) {
	switch cmd.Kind {
	case session.Prepare:
		st := &statement{seq: cmd.Seq, why: session.SkipUnknownStatement, loads: mayLoad(cmd.SQL, isMaria(&c.state.Greeting))}
		if p := r.Prepared; p != nil && r.Err() == nil {
			st.why, st.live, st.params = session.NotSkipped, p.Statement, int(p.Params)
		}
		c.source.prepared(st)
	case session.Execute, session.BulkExecute:
		if !m.st.run {
			m.st.run, m.st.cursorFirst = true, opened(r)
		}
	case session.CloseStatement:
		c.build.Closed(m.st.live)
	case session.ResetConnection:
		if r.Err() == nil {
			c.source.forget()
			c.pins.forget()
		}
	case session.Quit:
		c.closed()
	}
}
