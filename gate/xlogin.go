package gate

import (
	"bytes"
	"slices"

	"myreplay/flow"
	"myreplay/tlsmode"
	"myreplay/xproto"
)

// logIn takes the beginning of the client's login.
func (c *xOpening) logIn(m *xMessage) (*Passage, error) {
	client, server := c.legs[flow.Client], c.legs[flow.Server]
	if !client.encrypted && !server.encrypted && c.gate.options.TLS != Pass && c.gate.mode() >= tlsmode.Preferred {
		if err := c.ownTLS(); err != nil {
			return nil, err
		}
	}
	if client.encrypted && !server.encrypted && !server.unix {
		var start xproto.AuthenticateStart
		if start.Decode(m.payload) == nil && start.Mechanism == xproto.MechanismPlain {
			return c.plain(m, &start)
		}
	}
	return &Passage{}, c.pass(flow.Client, m.wire)
}

// ownTLS asks the server for TLS, of which the client knows nothing.
func (c *xOpening) ownTLS() error {
	set := xproto.CapabilitiesSet{Capabilities: xproto.Capabilities{List: []xproto.Field{{Key: xproto.CapabilityTLS, Value: xproto.Truth(true)}}}}
	if err := c.send(flow.Server, nil, xFrame(byte(xproto.ConCapabilitiesSet), set.Append(nil)).wire); err != nil {
		return err
	}
	answer, err := c.answer()
	switch {
	case err != nil:
		return err
	case answer.kind == byte(xproto.OK):
		return c.serverTLS()
	case c.gate.must():
		return c.mustTLS(&answer)
	}
	return nil
}

// noPlain is added to the error of a login with PLAIN that the server would not
// take in another form.
const noPlain = " (the client sent its password inside TLS, which ends at the myreplay relay; without TLS to the server it could only be proved by a hash, which the server refused: let the relay use TLS to the server)"

// plain does the login of a client that sent its password inside TLS with a
// server whose leg has none: by a proof of the password.
func (c *xOpening) plain(m *xMessage, start *xproto.AuthenticateStart) (*Passage, error) {
	parts := bytes.SplitN(start.Data, []byte{0}, 3)
	if len(parts) != 3 {
		return nil, refused(codeAuthMode, "the login's data can't be read")
	}
	schema, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	c.tell.Data(flow.Client, m.wire)
	var last xMessage
	for _, mechanism := range []string{xproto.MechanismSHA256, xproto.MechanismNative} {
		answer, err := c.prove(mechanism, schema, user, password)
		if err != nil {
			return nil, err
		}
		if answer.kind == byte(xproto.AuthenticateOK) {
			return &Passage{}, c.pass(flow.Server, answer.wire)
		}
		if last.wire == nil { // of the mechanism that servers prefer
			last = answer
		}
	}
	var e xproto.Error
	if e.Decode(last.payload) == nil {
		e.Message = append(slices.Clip(e.Message), noPlain...)
		last = xFrame(last.kind, e.Append(nil))
	}
	return nil, c.pass(flow.Server, last.wire)
}

// prove logs in with a mechanism that answers a challenge. It returns the
// server's last word.
func (c *xOpening) prove(mechanism, schema, user, password string) (xMessage, error) {
	start := xproto.AuthenticateStart{Mechanism: mechanism}
	if err := c.send(flow.Server, nil, xFrame(byte(xproto.SessAuthenticateStart), start.Append(nil)).wire); err != nil {
		return xMessage{}, err
	}
	m, err := c.answer()
	if err != nil || m.kind != byte(xproto.AuthenticateContinue) {
		return m, c.onlyError(&m, err)
	}
	var challenge xproto.AuthData
	if err := challenge.Decode(m.payload); err != nil {
		return m, refused(codeHandshake, err.Error())
	}
	proof := xproto.SHA256Data
	if mechanism == xproto.MechanismNative {
		proof = xproto.NativeData
	}
	data := xproto.AuthData{Data: proof(schema, user, password, challenge.Data)}
	if err := c.send(flow.Server, nil, xFrame(byte(xproto.SessAuthenticateContinue), data.Append(nil)).wire); err != nil {
		return m, err
	}
	if m, err = c.answer(); err == nil && m.kind == byte(xproto.AuthenticateOK) {
		return m, nil
	}
	return m, c.onlyError(&m, err)
}

// onlyError lets no other message than an Error stand for a failed login.
func (c *xOpening) onlyError(m *xMessage, err error) error {
	if err == nil && m.kind != byte(xproto.ServerError) {
		return refused(codeHandshake, "the server's answer to the login can't be understood")
	}
	return err
}
