package gate

import (
	"errors"
	"slices"
	"strings"

	"myreplay/classic"
	"myreplay/flow"
	"myreplay/wire"
)

// maxRounds limits the messages of one authentication.
const maxRounds = 64

// pluginDialog is MariaDB's plugin that asks for passwords in clear.
const pluginDialog = "dialog"

// expected is what the client sends next in an authentication.
type expected uint8

const (
	// expectAnswer: the plugin's first answer.
	expectAnswer expected = iota
	// expectFull: caching_sha2_password wants the password itself, or the client
	// wants the key for that.
	expectFull
	// expectSecret: the password, encrypted with the relay's key.
	expectSecret
	// expectAny: whatever a plugin goes on with.
	expectAny
)

// exchange is an authentication. Where a password may go in clear on one leg
// only (TLS, or a unix socket) it is encrypted, or decrypted, on its way.
type exchange struct {
	legs   *both
	plugin string
	nonce  []byte
	// shared is the last nonce of a plugin that answers with the connection's.
	shared []byte
	expect expected
	// opener is the login or CHANGE_USER that the server has not got yet.
	opener *opener
	// password waits for the server's key, with the NUL at its end.
	password []byte
	rounds   int
}

// secure tells whether the plugin's password goes in clear on a leg. To
// sha256_password a unix socket is like any other connection without TLS.
func (x *exchange) secure(side flow.Side) bool {
	l := x.legs[side]
	return l.encrypted || l.unix && x.plugin != classic.PluginSHA256
}

// alike tells whether the plugin's password goes the same way on both legs.
func (x *exchange) alike() bool { return x.secure(flow.Client) == x.secure(flow.Server) }

var errRounds = refused(codeHandshake, "the authentication took too many messages")

// begin takes the client's login or CHANGE_USER.
func (x *exchange) begin(o opener, ok bool) (toServer, toClient []byte, err error) {
	if !ok {
		return o.payload, nil, nil
	}
	x.opener = &o
	return x.client(o.auth)
}

// client takes a message of the client's, or the data in its login. It returns
// what to send to the server and to the client; nil is nothing.
func (x *exchange) client(b []byte) (toServer, toClient []byte, err error) {
	if x.rounds++; x.rounds > maxRounds {
		return nil, nil, errRounds
	}
	b = slices.Clone(b)
	if b == nil {
		b = []byte{}
	}
	expect := x.expect
	x.expect = expectAny
	switch {
	case expect == expectSecret:
		return x.decrypt(b)
	case x.alike():
		return x.sent(b)
	case expect == expectAnswer && x.plugin == classic.PluginSHA256:
		return x.full(b, classic.SHA256KeyRequest)
	case expect == expectFull:
		return x.full(b, classic.CachingKeyRequest)
	case (x.plugin == classic.PluginClear || x.plugin == pluginDialog) && !x.secure(flow.Server) && len(b) > 0:
		return nil, nil, refused(codeAuthMode, "the account's plugin "+x.plugin+" sends the password as it is, which must not pass to the server without TLS: let the relay use TLS to the server")
	}
	return x.sent(b)
}

// sent returns a message for the server: inside the login that still waits for
// it.
func (x *exchange) sent(b []byte) (toServer, toClient []byte, err error) {
	if x.opener == nil {
		return b, nil, nil
	}
	out, ok := x.opener.with(b)
	if !ok {
		return nil, nil, refused(codeAuthMode, "the password is too long for the client's login: use a client that knows CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA")
	}
	x.opener = nil
	return out, nil, nil
}

// full takes the password itself, or the request for a key to encrypt it with,
// where the legs are not alike.
func (x *exchange) full(b []byte, request byte) (toServer, toClient []byte, err error) {
	switch {
	case len(b) == 0 || len(b) == 1 && b[0] == 0: // no password
		return x.sent(b)
	case x.secure(flow.Client):
		x.password = b
		return x.sent([]byte{request})
	case len(b) == 1 && b[0] == request:
		k, err := relayKey()
		if err != nil {
			return nil, nil, refused(codeHandshake, "a key for the client's password: "+err.Error())
		}
		x.expect = expectSecret
		return nil, append([]byte{authMore}, k.public...), nil
	}
	return x.decrypt(b)
}

// The first bytes of a server's messages in an authentication.
const (
	authOK     = 0x00
	authMore   = 0x01
	authFactor = 0x02
	authSwitch = 0xfe
	authError  = 0xff
)

// decrypt takes the password as it was encrypted with the relay's key, for a
// server that takes it in clear.
func (x *exchange) decrypt(b []byte) (toServer, toClient []byte, err error) {
	k, err := relayKey()
	if err == nil {
		b, err = k.decrypt(b, x.nonce)
	}
	if err != nil {
		return nil, nil, refused(codeAuthMode, "the client's password can't be read ("+err.Error()+"): let the client ask for the key (mysql --get-server-public-key) instead of having the server's, or use TLS")
	}
	return x.sent(b)
}

// server takes a message of the server's. It returns what to send to the client
// and to the server; nil is nothing.
func (x *exchange) server(b []byte) (toClient, toServer []byte, err error) {
	if x.rounds++; x.rounds > maxRounds {
		return nil, nil, errRounds
	}
	if len(b) == 0 {
		return b, nil, nil
	}
	if x.password != nil {
		return x.key(b)
	}
	switch b[0] {
	case authSwitch, authFactor:
		x.switched(b)
	case authMore:
		if x.plugin == classic.PluginCaching && len(b) == 2 && b[1] == classic.CachingFull {
			x.expect = expectFull
		}
	}
	return b, nil, nil
}

// switched takes note of the plugin that goes on.
func (x *exchange) switched(b []byte) {
	r := wire.NewReader(b[1:])
	a := classic.AuthSwitch{Plugin: string(r.NulString()), Data: r.Rest()}
	x.plugin, x.nonce, x.expect = a.Plugin, slices.Clone(a.Nonce()), expectAnswer
	switch a.Plugin {
	case classic.PluginNative, classic.PluginCaching, classic.PluginSHA256:
		x.shared = x.nonce
	}
}

// key takes the server's RSA key, or what comes instead of it.
func (x *exchange) key(b []byte) (toClient, toServer []byte, err error) {
	password := x.password
	x.password = nil
	switch {
	case b[0] == authSwitch || b[0] == authFactor:
		x.switched(b)
		return b, nil, nil
	case b[0] != authMore:
		return b, nil, nil
	}
	out, err := classic.EncryptPassword(strings.TrimSuffix(string(password), "\x00"), x.nonce, b[1:])
	if err != nil {
		return nil, nil, &refusal{codeAuthMode, states[codeAuthMode], errors.New("the password can't be encrypted for the server: " + err.Error())}
	}
	return nil, out, nil
}
