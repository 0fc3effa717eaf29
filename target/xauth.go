package target

import (
	"errors"
	"fmt"
	"slices"

	"myreplay/outcome"
	"myreplay/session"
	"myreplay/xproto"
)

// authenticate logs in with the mechanisms that suit the connection, one after
// the other as long as the server denies access.
func (c *XConn) authenticate(schema string, a account) error {
	list := c.suited()
	if len(list) == 0 {
		return &ConnectError{Step: "login", User: a.user, Err: fmt.Errorf("%w (it offers %q)", ErrMechanism, c.mechanisms)}
	}
	for i, mechanism := range list {
		err := c.authenticateBy(mechanism, schema, a)
		switch {
		case err == nil:
			c.mechanism, c.out = mechanism, false
			return nil
		case refusedCode(err) != errAccessDenied || c.fatal():
			return err
		case i == len(list)-1:
			return c.denied(err)
		}
	}
	return nil
}

// suited returns the mechanisms for the connection: the password itself where
// nobody else reads it, else hashes.
func (c *XConn) suited() []string {
	if c.state.Encrypted || c.secure && slices.Contains(c.mechanisms, xproto.MechanismPlain) {
		return []string{xproto.MechanismPlain}
	}
	var list []string
	for _, m := range []string{xproto.MechanismSHA256, xproto.MechanismNative} {
		if slices.Contains(c.mechanisms, m) {
			list = append(list, m)
		}
	}
	return list
}

// denied adds to a login that was denied what helps, if it was by a hash that
// the server may not have.
func (c *XConn) denied(err error) error {
	var ce *ConnectError
	if !c.state.Encrypted && !(c.secure && slices.Contains(c.mechanisms, xproto.MechanismPlain)) && errors.As(err, &ce) {
		ce.Err = ErrHashUnknown
	}
	return err
}

// authenticateBy logs in with one mechanism. When the server refuses, its Error
// is in c.frame.
func (c *XConn) authenticateBy(mechanism, schema string, a account) error {
	start := xproto.AuthenticateStart{Mechanism: mechanism}
	if mechanism == xproto.MechanismPlain {
		start.Data = xproto.PlainData(schema, a.user, a.password)
	}
	m, err := c.ask(xproto.SessAuthenticateStart, start.Append(nil))
	if err == nil && m == xproto.AuthenticateContinue && mechanism != xproto.MechanismPlain {
		m, err = c.answerChallenge(mechanism, schema, a)
	}
	switch {
	case err != nil:
		return err
	case m == xproto.AuthenticateOK:
		return nil
	case m == xproto.ServerError:
		return c.refused("login", a.user)
	}
	return &xproto.FormatError{Message: m.String(), Reason: "asks for more than " + mechanism + " has"}
}

// answerChallenge answers the challenge in c.frame.
func (c *XConn) answerChallenge(mechanism, schema string, a account) (xproto.ServerMessage, error) {
	var challenge xproto.AuthData
	if err := challenge.Decode(c.frame.Payload); err != nil {
		return 0, err
	}
	var answer xproto.AuthData
	if mechanism == xproto.MechanismNative {
		answer.Data = xproto.NativeData(schema, a.user, a.password, challenge.Data)
	} else {
		answer.Data = xproto.SHA256Data(schema, a.user, a.password, challenge.Data)
	}
	return c.ask(xproto.SessAuthenticateContinue, answer.Append(nil))
}

// changeUser logs in anew, after the session was closed or reset.
func (c *XConn) changeUser(cmd *session.Command) (a Answer, err error) {
	c.changed = changed{seq: cmd.Seq}
	who, err := c.server.account(cmd.Login.User)
	if err != nil {
		c.changed.stranger = true
		return Answer{Skip: session.SkipNoLogin}, nil
	}
	a.At = c.server.Now()
	c.busy.Store(a.At)
	err = c.authenticate(c.server.schema(cmd.Login.Schema), who)
	a.End = c.server.Now()
	if err != nil && refusedCode(err) == 0 {
		return a, c.lose(WhollySent, err)
	}
	c.changed.accepted = err == nil
	c.changed.stranger = err != nil // unless the source refused too
	if err == nil {
		c.pins = pins{next: c.pins.next, base: c.pins.base}
	}
	over := c.fatal()
	if a.Reply, err = c.loginReply(cmd, a.End); err == nil {
		err = c.drain()
	}
	if err != nil {
		return a, c.lose(WhollySent, err)
	}
	c.busy.Store(0)
	if over {
		c.lose(NotSent, ErrServerClosed)
	}
	return a, nil
}

// loginReply makes the reply to a login of its last frame, in c.frame.
func (c *XConn) loginReply(cmd *session.Command, at int64) (*session.Reply, error) {
	c.borrow()
	defer c.giveBack()
	c.build.Begin(cmd.ID, cmd.Seq, outcome.XCommand{Message: xproto.SessAuthenticateStart})
	err := c.build.Frame(&c.frame, at)
	return c.build.Take(err != nil), err
}

// fatal tells whether c.frame is an Error after which the server closes the
// connection, and takes note of it.
func (c *XConn) fatal() bool {
	var e xproto.Error
	if xproto.ServerMessage(c.frame.Type) != xproto.ServerError || e.Decode(c.frame.Payload) != nil || !e.Fatal {
		return false
	}
	c.notice = outcome.XError(&e)
	return true
}
