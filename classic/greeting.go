package classic

import (
	"strings"

	"myreplay/wire"
)

// Greeting is the server's first message ("Protocol::HandshakeV10").
type Greeting struct {
	// Version is the server's version text. MariaDB up to 10.11 puts "5.5.5-"
	// before its own.
	Version string
	// ConnectionID is the connection's id on the server, as in SHOW PROCESSLIST.
	ConnectionID uint32
	// Nonce is the authentication nonce, 20 bytes from all servers of our range.
	Nonce []byte
	// Capabilities are those the server offers.
	Capabilities Capability
	Collation    byte
	Status       uint16
	// Plugin is the server's default authentication plugin.
	Plugin string
}

// Maria tells whether the server is MariaDB, by its version text.
func (g *Greeting) Maria() bool { return strings.Contains(g.Version, "MariaDB") }

// Decode reads the message from payload. Nonce borrows from it.
func (g *Greeting) Decode(payload []byte) error {
	*g = Greeting{}
	r := wire.NewReader(payload)
	if v := r.Uint8(); v != 10 && r.Err() == nil {
		return &FormatError{"greeting", 0, "not protocol version 10"}
	}
	g.Version = string(r.NulString())
	g.ConnectionID = r.Uint32()
	nonce := r.Bytes(8)
	r.Skip(1)
	caps := Capability(r.Uint16())
	var authLen int
	if r.Len() > 0 {
		g.Collation = r.Uint8()
		g.Status = r.Uint16()
		caps |= Capability(r.Uint16()) << 16
		authLen = int(r.Uint8())
		filler := r.Bytes(10)
		if len(filler) == 10 && !caps.Has(LongPassword) {
			fr := wire.NewReader(filler[6:])
			caps |= Capability(fr.Uint32()) << 32
		}
	}
	if caps.Has(SecureConnection) || caps.Has(PluginAuth) {
		rest := r.Bytes(min(max(13, authLen-8), r.Len()))
		if n := len(rest); n > 0 && rest[n-1] == 0 {
			rest = rest[:n-1]
		}
		nonce = append(nonce[:len(nonce):len(nonce)], rest...)
	}
	g.Nonce = nonce
	g.Capabilities = caps
	if caps.Has(PluginAuth) && r.Len() > 0 {
		// Some old servers leave out the final NUL.
		g.Plugin = strings.TrimRight(string(r.Rest()), "\x00")
	}
	return formatError("greeting", &r)
}

// Append appends the message's payload to dst.
func (g *Greeting) Append(dst []byte) []byte {
	nonce := make([]byte, 20)
	copy(nonce, g.Nonce)
	dst = append(dst, 10)
	dst = wire.AppendNulString(dst, g.Version)
	dst = wire.AppendUint32(dst, g.ConnectionID)
	dst = append(append(dst, nonce[:8]...), 0)
	dst = wire.AppendUint16(dst, uint16(g.Capabilities))
	dst = append(dst, g.Collation)
	dst = wire.AppendUint16(dst, g.Status)
	dst = wire.AppendUint16(dst, uint16(g.Capabilities>>16))
	dst = append(dst, 21)
	dst = append(dst, make([]byte, 6)...)
	var extended uint32
	if !g.Capabilities.Has(LongPassword) {
		extended = uint32(g.Capabilities >> 32)
	}
	dst = wire.AppendUint32(dst, extended)
	dst = append(append(dst, nonce[8:]...), 0)
	if g.Capabilities.Has(PluginAuth) {
		dst = wire.AppendNulString(dst, g.Plugin)
	}
	return dst
}

// formatError turns a Reader's failure into a FormatError.
func formatError(message string, r *wire.Reader) error {
	if err := r.Err(); err != nil {
		return &FormatError{message, r.Offset(), err.Error()}
	}
	return nil
}
