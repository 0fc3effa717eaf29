package target

import (
	"errors"

	"myreplay/classic"
	"myreplay/session"
)

// changed is the last CHANGE_USER of a session, or its last login but the first.
type changed struct {
	seq      uint64
	accepted bool
	// stranger: the session is not who it was in the recording, so its commands
	// must not be sent.
	stranger bool
}

// changeUser logs in anew: on this connection, or on a new one where the target
// lets anybody in, which a CHANGE_USER would crash.
func (c *Conn) changeUser(cmd *session.Command) (Answer, error) {
	c.changed = changed{seq: cmd.Seq}
	if c.server.users.Load().Any() {
		return c.reconnect(cmd)
	}
	payload, err := c.changeUserPayload(cmd.Login)
	if err != nil {
		c.source.forget()
		c.changed.stranger = true
		return Answer{Skip: session.SkipNoLogin}, nil
	}
	a, err := c.exchange(cmd, &message{code: classic.ComChangeUser, head: payload}, nil)
	if err == nil {
		// The server drops the statements also when it refuses the user.
		c.source.forget()
		c.build.Forget()
		c.changed.accepted = a.Reply.Err() == nil
		c.changed.stranger = !c.changed.accepted // unless the source refused too
		if c.changed.accepted {
			c.pins = pins{next: c.pins.next, base: c.pins.base}
			c.authenticated()
		}
	}
	c.auth = nil
	c.shrink()
	return a, err
}

// changeUserPayload returns the command for the connection, and readies the
// dialogue that follows. It begins with the plugin that logged in last, if its
// answer is a scramble: a password or a key request has no place in the
// command.
func (c *Conn) changeUserPayload(recorded *session.Login) ([]byte, error) {
	a, err := c.server.users.Load().account(recorded.User)
	if err != nil {
		return nil, err
	}
	plugin := c.plugin
	if plugin != classic.PluginCaching {
		plugin = classic.PluginNative
	}
	c.auth = c.dialogue(a.password, plugin)
	m := classic.ChangeUser{User: a.user, Schema: c.server.schema(recorded.Schema), Collation: c.collation(recorded.Collation, 0xffff), Plugin: plugin}
	for _, attr := range recorded.Attributes {
		m.Attributes = append(m.Attributes, classic.Attribute(attr))
	}
	if m.Auth, err = c.auth.first(); err != nil {
		return nil, err
	}
	return m.Append(nil, c.state.Caps), nil
}

// learn compares what the source answered to the login with what the target
// did.
func (c *changed) learn(r *session.Reply) {
	if c.seq != 0 && r.Seq == c.seq && !r.Lost {
		c.stranger = (r.Err() == nil) != c.accepted
	}
}

// reconnect does a CHANGE_USER as a new connection.
func (c *Conn) reconnect(cmd *session.Command) (a Answer, err error) {
	c.server.counts.reconnects.Add(1)
	a.At = c.server.Now()
	_ = c.goodbye() // the connection ends either way
	c.mu.Lock()
	c.raw.Close()
	c.mu.Unlock()
	login := *cmd.Login
	login.Capabilities, login.Compression = uint64(c.source.caps), c.start.Login.Compression
	c.build.Forget()
	c.pins = pins{next: c.pins.next, base: c.pins.base}
	err = c.open(&login)
	a.End = c.server.Now()
	x := receiving{cmd: cmd, code: classic.ComChangeUser}
	part := classic.PartOK
	if err != nil {
		var ce *ConnectError
		if !errors.As(err, &ce) || ce.Refused == nil {
			return a, c.lose(NotSent, err)
		}
		part = classic.PartError
	}
	c.beginReply(&x)
	c.build.Frame(&c.state, part, &c.frame, a.End)
	a.Reply = c.build.Take(false)
	c.giveBack()
	if c.changed.accepted = err == nil; !c.changed.accepted {
		c.lose(NotSent, err)
	}
	return a, nil
}
