package replay

import (
	"time"

	"myreplay/session"
	"myreplay/sqltext"
)

// The pauses between tries to reach the target.
const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// maxSetup is how many statements that set up a session are remembered for a
// new connection.
const maxSetup = 200

// memory is what a session needs on a new connection after it lost its first:
// its schema, its SET statements, its prepared statements. What only the server
// had (transactions, temporary tables, locks) is gone.
type memory struct {
	setup    []*session.Command
	prepares map[uint64]*session.Command // by Seq, reply not seen yet
	open     map[uint32]prepared         // by recorded statement id
	// cut: the connection was lost within a transaction. The rest of that
	// transaction is not sent, so that no half of it is done.
	cut bool
}

// prepared is a statement that was prepared, and the recorded reply.
type prepared struct {
	command *session.Command
	reply   *session.Reply
}

// sent takes note of a command that was sent.
func (m *memory) sent(c *session.Command, v verdict) {
	switch c.Kind {
	case session.UseSchema:
		m.remember(c)
	case session.Query:
		if v.setup {
			m.remember(c)
		}
	case session.Prepare:
		if m.prepares == nil {
			m.prepares = map[uint64]*session.Command{}
		}
		m.prepares[c.Seq] = c
	case session.CloseStatement, session.Deallocate:
		delete(m.open, c.Statement)
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		*m = memory{}
		if c.Kind == session.ChangeUser {
			m.remember(c)
		}
	}
}

func (m *memory) remember(c *session.Command) {
	if len(m.setup) < maxSetup {
		m.setup = append(m.setup, c)
	}
}

// learn takes note of the recorded reply to a Prepare.
func (m *memory) learn(r *session.Reply) {
	c := m.prepares[r.Seq]
	delete(m.prepares, r.Seq)
	if c == nil || r.Prepared == nil {
		return
	}
	if m.open == nil {
		m.open = map[uint32]prepared{}
	}
	m.open[r.Prepared.Statement] = prepared{c, r}
}

// broken tells whether a command belongs to a transaction that was cut by the
// loss of the connection.
func (m *memory) broken(v verdict) bool {
	if !m.cut {
		return false
	}
	switch v.verb {
	case sqltext.Begin:
		m.cut = false
		return false
	case sqltext.Commit, sqltext.Rollback:
		m.cut = false
	}
	return true
}

// connect makes the session's first connection.
func (u *runner) connect() {
	if u.start.Refused != nil || u.start.Unread() {
		return // nobody logged in, and nothing follows
	}
	u.dial()
}

// reconnect makes a connection for a session that has none, and gives it back
// what the first one had.
func (u *runner) reconnect() bool {
	if u.refusal != nil || !u.dial() {
		return false
	}
	u.r.stats.Reconnects.Add(1)
	u.judge.names.forget() // they were the old connection's
	for _, c := range u.memory.setup {
		if _, err := u.conn.Do(c, nil); err != nil {
			u.lost()
			return false
		}
	}
	for _, p := range u.memory.open {
		if _, err := u.conn.Do(p.command, nil); err != nil {
			u.lost()
			return false
		}
		u.conn.Learn(p.reply)
	}
	return true
}

// dial connects, trying again while the reason may pass.
func (u *runner) dial() bool {
	r := u.r
	until := r.target.Now() + int64(r.options.Reconnect)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		conn, err := r.target.Connect(r.hard, u.start)
		if err == nil {
			u.conn = conn
			r.stats.Connected.Add(1)
			return true
		}
		if !r.options.Temporary(err) || r.target.Now() > until {
			r.refused(err)
			u.refusal = err
			return false
		}
		if !u.wait(r.target.Now() + int64(pause)) {
			return false
		}
	}
}

// unreachable is why a session without a connection sends nothing.
func (u *runner) unreachable() session.Skip {
	switch {
	case u.r.stopped():
		return session.NotReached
	case u.refusal != nil && u.r.options.Temporary(u.refusal):
		return session.FailedSend
	}
	return session.SkipNoLogin
}

// lost takes note that the connection is lost.
func (u *runner) lost() {
	u.r.stats.Lost.Add(1)
	u.conn.Close()
	u.conn = nil
	u.memory.cut = u.inTrans
	u.inTrans = false
}
