package classic

import "myreplay/wire"

// SSLRequestLen is the length of an SSLRequest: the beginning of a Login, cut
// before the user name.
const SSLRequestLen = 32

// Attribute is a connection attribute.
type Attribute struct{ Name, Value string }

// Login is the client's answer to the greeting
// ("Protocol::HandshakeResponse41").
type Login struct {
	// Capabilities are those the client takes. Those in force are the ones
	// that the server offered too.
	Capabilities Capability
	// MaxPacket is the longest packet that the client wants to get.
	MaxPacket uint32
	Collation byte
	User      string
	// Auth is the authentication plugin's first answer: a secret.
	Auth       []byte
	Schema     string
	Plugin     string
	Attributes []Attribute
	// ZstdLevel is the compression level that the client asks for.
	ZstdLevel byte
}

// IsSSLRequest tells whether the client's first message asks for TLS instead of
// logging in ("Protocol::SSLRequest").
func IsSSLRequest(payload []byte) bool {
	r := wire.NewReader(payload)
	return len(payload) == SSLRequestLen && Capability(r.Uint32()).Has(SSL)
}

// Decode reads the message from payload. Auth borrows from it.
func (l *Login) Decode(payload []byte) error {
	*l = Login{}
	r := wire.NewReader(payload)
	caps := Capability(r.Uint32())
	if !caps.Has(Protocol41) && r.Err() == nil {
		return &FormatError{"login", 0, "a protocol older than 4.1"}
	}
	l.MaxPacket = r.Uint32()
	l.Collation = r.Uint8()
	filler := r.Bytes(23)
	if len(filler) == 23 && !caps.Has(LongPassword) {
		fr := wire.NewReader(filler[19:])
		caps |= Capability(fr.Uint32()) << 32
	}
	l.Capabilities = caps
	l.User = string(r.NulString())
	switch {
	case caps.Has(PluginAuthLenenc):
		l.Auth = r.LenencBytes()
	case caps.Has(SecureConnection):
		l.Auth = r.Bytes(int(r.Uint8()))
	default:
		l.Auth = r.NulString()
	}
	if caps.Has(ConnectWithDB) && r.Len() > 0 {
		l.Schema = string(r.NulString())
	}
	if caps.Has(PluginAuth) && r.Len() > 0 {
		l.Plugin = string(r.NulString())
	}
	if caps.Has(ConnectAttrs) && r.Len() > 0 {
		l.Attributes = decodeAttributes(&r)
	}
	if caps.Has(ZstdCompression) && r.Len() > 0 {
		l.ZstdLevel = r.Uint8()
	}
	return formatError("login", &r)
}

// Append appends the message's payload to dst.
func (l *Login) Append(dst []byte) []byte {
	dst = l.AppendSSLRequest(dst)
	dst = wire.AppendNulString(dst, l.User)
	switch {
	case l.Capabilities.Has(PluginAuthLenenc):
		dst = wire.AppendLenencBytes(dst, l.Auth)
	case l.Capabilities.Has(SecureConnection):
		dst = append(append(dst, byte(len(l.Auth))), l.Auth...)
	default:
		dst = append(append(dst, l.Auth...), 0)
	}
	if l.Capabilities.Has(ConnectWithDB) {
		dst = wire.AppendNulString(dst, l.Schema)
	}
	if l.Capabilities.Has(PluginAuth) {
		dst = wire.AppendNulString(dst, l.Plugin)
	}
	if l.Capabilities.Has(ConnectAttrs) {
		dst = appendAttributes(dst, l.Attributes)
	}
	if l.Capabilities.Has(ZstdCompression) {
		dst = append(dst, l.ZstdLevel)
	}
	return dst
}

// AppendSSLRequest appends the payload of the SSLRequest that goes before the
// login when Capabilities has SSL.
func (l *Login) AppendSSLRequest(dst []byte) []byte {
	dst = wire.AppendUint32(dst, uint32(l.Capabilities))
	dst = wire.AppendUint32(dst, l.MaxPacket)
	dst = append(dst, l.Collation)
	dst = append(dst, make([]byte, 19)...)
	var extended uint32
	if !l.Capabilities.Has(LongPassword) {
		extended = uint32(l.Capabilities >> 32)
	}
	return wire.AppendUint32(dst, extended)
}

func decodeAttributes(r *wire.Reader) []Attribute {
	block := r.LenencBytes()
	if r.Err() != nil {
		return nil
	}
	var list []Attribute
	br := wire.NewReader(block)
	for br.Len() > 0 {
		a := Attribute{string(br.LenencBytes()), string(br.LenencBytes())}
		if br.Err() != nil {
			r.Fail(br.Err())
			return list
		}
		list = append(list, a)
	}
	return list
}

func appendAttributes(dst []byte, list []Attribute) []byte {
	var block []byte
	for _, a := range list {
		block = wire.AppendLenencBytes(block, a.Name)
		block = wire.AppendLenencBytes(block, a.Value)
	}
	return wire.AppendLenencBytes(dst, block)
}

// ChangeUser is the command that logs in anew ("COM_CHANGE_USER").
type ChangeUser struct {
	User       string
	Auth       []byte // a secret
	Schema     string
	Collation  uint16
	Plugin     string
	Attributes []Attribute
}

// Decode reads the message from a command's payload. Auth borrows from it.
// caps are the connection's.
func (c *ChangeUser) Decode(payload []byte, caps Capability) error {
	*c = ChangeUser{}
	r := wire.NewReader(payload)
	r.Skip(1)
	c.User = string(r.NulString())
	if caps.Has(SecureConnection) || caps.Has(Protocol41) {
		c.Auth = r.Bytes(int(r.Uint8()))
	} else {
		c.Auth = r.NulString()
	}
	c.Schema = string(r.NulString())
	if r.Len() >= 2 {
		c.Collation = r.Uint16()
	}
	if caps.Has(PluginAuth) && r.Len() > 0 {
		c.Plugin = string(r.NulString())
	}
	if caps.Has(ConnectAttrs) && r.Len() > 0 {
		c.Attributes = decodeAttributes(&r)
	}
	return formatError("COM_CHANGE_USER", &r)
}

// Append appends the command's payload to dst.
func (c *ChangeUser) Append(dst []byte, caps Capability) []byte {
	dst = append(dst, byte(ComChangeUser))
	dst = wire.AppendNulString(dst, c.User)
	dst = append(append(dst, byte(len(c.Auth))), c.Auth...)
	dst = wire.AppendNulString(dst, c.Schema)
	dst = wire.AppendUint16(dst, c.Collation)
	if caps.Has(PluginAuth) {
		dst = wire.AppendNulString(dst, c.Plugin)
	}
	if caps.Has(ConnectAttrs) {
		dst = appendAttributes(dst, c.Attributes)
	}
	return dst
}

// AuthSwitch asks the client to authenticate with another plugin
// ("Protocol::AuthSwitchRequest").
type AuthSwitch struct {
	Plugin string
	// Data is the plugin's first data as it was sent; see Nonce.
	Data []byte
}

// Nonce returns the part of Data that the plugins' answers are made from:
// 32 bytes for client_ed25519, else 20, without what pads them.
func (a *AuthSwitch) Nonce() []byte {
	n := 20
	if a.Plugin == PluginEd25519 {
		n = 32
	}
	return a.Data[:min(n, len(a.Data))]
}

// Decode reads the message from payload. Data borrows from it.
func (a *AuthSwitch) Decode(payload []byte) error {
	*a = AuthSwitch{}
	if len(payload) == 1 {
		a.Plugin = "mysql_old_password"
		return nil
	}
	r := wire.NewReader(payload)
	r.Skip(1)
	a.Plugin = string(r.NulString())
	a.Data = r.Rest()
	return formatError("auth switch request", &r)
}

// Append appends the message's payload to dst.
func (a *AuthSwitch) Append(dst []byte) []byte {
	dst = wire.AppendNulString(append(dst, 0xfe), a.Plugin)
	return append(dst, a.Data...)
}
