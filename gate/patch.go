package gate

import (
	"bytes"

	"myreplay/classic"
	"myreplay/wire"
)

// setGreeting sets or clears capabilities, of the lower 32, in the payload of a
// greeting.
func setGreeting(payload []byte, caps classic.Capability, on bool) {
	version := bytes.IndexByte(payload, 0)
	if version < 0 {
		return
	}
	// The connection's id, 8 bytes of the nonce and a NUL go before the lower
	// half; the collation and the status between the halves.
	low := version + 1 + 4 + 8 + 1
	high := low + 2 + 1 + 2
	set(payload, low, byte(caps), on)
	set(payload, low+1, byte(caps>>8), on)
	set(payload, high, byte(caps>>16), on)
	set(payload, high+1, byte(caps>>24), on)
}

// setLogin sets or clears capabilities, of the lower 32, in the payload of a
// login or of an SSLRequest.
func setLogin(payload []byte, caps classic.Capability, on bool) {
	for i := range 4 {
		set(payload, i, byte(caps>>(8*i)), on)
	}
}

func set(payload []byte, at int, bits byte, on bool) {
	switch {
	case at >= len(payload):
	case on:
		payload[at] |= bits
	default:
		payload[at] &^= bits
	}
}

// loginCapabilities returns the lower 32 capabilities of a login or an
// SSLRequest.
func loginCapabilities(payload []byte) classic.Capability {
	r := wire.NewReader(payload)
	return classic.Capability(r.Uint32())
}

// opener is a login or a CHANGE_USER with the place of its authentication data.
type opener struct {
	payload  []byte
	from, to int // the data, with its length before it
	lenenc   bool
	auth     []byte // borrowed
}

// loginOpener finds the authentication data in a login.
func loginOpener(payload []byte) (opener, bool) {
	caps := loginCapabilities(payload)
	r := wire.NewReader(payload)
	r.Skip(classic.SSLRequestLen)
	return findAuth(payload, &r, caps.Has(classic.PluginAuthLenenc), caps.Has(classic.SecureConnection))
}

// changeOpener finds the authentication data in a CHANGE_USER.
func changeOpener(payload []byte) (opener, bool) {
	r := wire.NewReader(payload)
	r.Skip(1)
	return findAuth(payload, &r, false, true)
}

func findAuth(payload []byte, r *wire.Reader, lenenc, short bool) (opener, bool) {
	r.NulString()
	o := opener{payload: payload, from: r.Offset(), lenenc: lenenc}
	switch {
	case lenenc:
		o.auth = r.LenencBytes()
	case short:
		o.auth = r.Bytes(int(r.Uint8()))
	default:
		return o, false
	}
	o.to = r.Offset()
	return o, r.Err() == nil
}

// with returns the message with other authentication data, and false when they
// have no room in it.
func (o *opener) with(auth []byte) ([]byte, bool) {
	if !o.lenenc && len(auth) > 0xff {
		return nil, false
	}
	out := append(make([]byte, 0, len(o.payload)+len(auth)+9), o.payload[:o.from]...)
	if o.lenenc {
		out = wire.AppendLenencBytes(out, auth)
	} else {
		out = append(append(out, byte(len(auth))), auth...)
	}
	return append(out, o.payload[o.to:]...), true
}
