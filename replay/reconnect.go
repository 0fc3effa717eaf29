package replay

import (
	"context"
	"math/rand/v2"
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
	// cut is why the rest of a transaction is not sent, so that no half of it is
	// done: the connection was lost within it (FailedSend), or it began before the
	// recording (SkipHalf). 0: nothing is cut.
	cut session.Skip
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
		*m = memory{cut: m.cut}
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

// sever begins to leave out a transaction's rest.
func (u *runner) sever(why session.Skip) {
	if why == session.SkipHalf && u.r.options.Halves {
		u.resume()
		return
	}
	u.memory.cut = why
	u.severed.Store(true)
}

// rejoin ends it.
func (u *runner) rejoin() {
	u.memory.cut = session.NotSkipped
	u.severed.Store(false)
}

// refuses tells whether a command belongs to a transaction that was cut, and
// why. What sets up the session is sent all the same.
func (u *runner) refuses(c *session.Command, v verdict) session.Skip {
	why := u.memory.cut
	if why == session.NotSkipped {
		return why
	}
	switch c.Kind {
	case session.ResetConnection, session.ChangeUser, session.CloseSession:
		u.rejoin() // the source rolled back
		return session.NotSkipped
	case session.Prepare, session.CloseStatement, session.Deallocate, session.UseSchema, session.SetOption,
		session.Ping, session.Quit, session.CloseConnection:
		return session.NotSkipped
	}
	switch {
	case v.setup:
		return session.NotSkipped
	case v.verb == sqltext.Begin:
		u.rejoin()
		return session.NotSkipped
	case v.verb == sqltext.Commit, v.verb == sqltext.Rollback:
		u.rejoin()
	}
	return why
}

// connect makes the session's first connection.
func (u *runner) connect() {
	if u.start.Refused != nil || u.start.Unread() {
		return // nobody logged in, and nothing follows
	}
	u.dial()
}

// reconnect makes a connection for a session that has none, for a command, and
// gives it back what the first one had.
func (u *runner) reconnect(c *session.Command) bool {
	if u.refusal != nil || u.r.options.Live && c.Kind == session.Quit {
		return false
	}
	u.box.stuck(true)
	defer u.box.stuck(false)
	if !u.dial() {
		return false
	}
	u.r.stats.Reconnects.Add(1)
	u.judge.reconnected()
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
	if h, ok := u.conn.(Heir); ok && u.last != nil {
		h.Inherit(u.last)
	}
	u.last = nil
	return true
}

// dial connects, trying again while the reason may pass.
func (u *runner) dial() bool {
	r := u.r
	until := r.target.Now() + int64(r.options.Reconnect)
	away := int64(0)
	defer func() { r.stats.Away.Add(-away) }()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		conn, err := u.open()
		if err == nil {
			u.conn = conn
			u.pipe, _ = conn.(Pipeline)
			if r.scheduler != nil {
				u.live.Store(uint64(conn.Start().ConnectionID))
			}
			if r.options.Pins != nil || r.options.Values {
				u.pinner, _ = conn.(Pinner)
			}
			r.stats.Connected.Add(1)
			return true
		}
		if u.box.behind.Load() {
			return false
		}
		late := r.target.Now() > until && (!r.options.Live || r.options.Reconnect < 0 || u.box.isClosed())
		if late || !r.options.Temporary(err) {
			r.refused(err)
			u.refusal = err
			return false
		}
		r.stats.trouble.Store(&err)
		r.stats.Away.Add(1 - away)
		away = 1
		// Not all sessions that lost the target come back at the same moment.
		if !u.wait(r.target.Now() + int64(pause-rand.N(pause/4))) {
			return false
		}
	}
}

// open makes a connection, one of a limited number at a time.
func (u *runner) open() (Conn, error) {
	select {
	case u.r.dials <- struct{}{}:
	case <-u.ctx.Done():
		return nil, context.Cause(u.ctx)
	}
	defer func() { <-u.r.dials }()
	start := *u.start
	start.State = u.judge.state
	return u.r.target.Connect(u.ctx, &start)
}

// unreachable is why a session that cannot send skips a command.
func (u *runner) unreachable() session.Skip {
	switch {
	case u.box.behind.Load():
		return session.SkipBehind
	case u.r.stopped():
		return session.NotReached
	case u.refusal == nil, u.r.options.Temporary(u.refusal):
		return session.FailedSend
	}
	return session.SkipNoLogin
}

// lost takes note that the connection is lost.
func (u *runner) lost() {
	if !u.box.behind.Load() {
		u.r.stats.Lost.Add(1)
	}
	if u.last == nil {
		u.last = u.conn
	}
	u.hangUp()
	u.flush()
	if u.inTrans {
		u.sever(session.FailedSend)
	}
	u.inTrans = false
}
