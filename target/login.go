package target

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strconv"
	"strings"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/tlsmode"
)

const (
	// maxGreeting is the longest greeting that is taken for one.
	maxGreeting = 4 << 10
	// loginFrameLimit is how much of a server's message is read during a login.
	loginFrameLimit = 64 << 10
	// maxPacket is the longest packet that the login says it wants to get.
	maxPacket = 1 << 24
	// zstdLevel is the compression level that the server is asked for: its own
	// default.
	zstdLevel = 3
	// defaultCollation is utf8mb4_general_ci, which every server has.
	defaultCollation = 45
)

const (
	// always are the capabilities of every connection: they say how messages are
	// laid out.
	always = classic.LongPassword | classic.LongFlag | classic.Protocol41 | classic.Transactions |
		classic.SecureConnection | classic.PluginAuth | classic.PluginAuthLenenc | classic.DeprecateEOF
	// carried are those that change what commands mean: they are as the recorded
	// session had them.
	carried = classic.FoundRows | classic.NoSchema | classic.ODBC | classic.LocalFiles | classic.IgnoreSpace |
		classic.Interactive | classic.MultiStatements | classic.MultiResults | classic.PSMultiResults |
		classic.ConnectAttrs | classic.ExpiredPasswords | classic.SessionTrack | classic.QueryAttributes |
		classic.MariaBulkOperations | classic.MariaBulkUnitResults | classic.MariaExtMetadata
	// supposed are those of a session whose login was not recorded: they let
	// through what may come.
	supposed = classic.LocalFiles | classic.MultiStatements | classic.MultiResults | classic.PSMultiResults |
		classic.ConnectAttrs | classic.SessionTrack | classic.QueryAttributes | classic.MariaBulkOperations
)

// logIn takes a fresh connection to where commands can be sent.
func (c *Conn) logIn(ctx context.Context, login *session.Login, a account) error {
	c.state = classic.State{}
	c.framer = classic.Framer{Limit: loginFrameLimit}
	c.deflater, c.auth, c.notice = nil, nil, nil
	c.secure = c.nc.RemoteAddr().Network() == "unix"
	if err := c.greeting(a.user); err != nil {
		return err
	}
	l, err := c.response(login, a.user)
	if err != nil {
		return &ConnectError{Step: "login", User: a.user, Err: err}
	}
	if l.Capabilities.Has(classic.SSL) {
		if err := c.startTLS(ctx, l); err != nil {
			return &ConnectError{Step: "TLS", User: a.user, Err: err}
		}
	}
	c.nonce = c.state.Greeting.Nonce
	c.auth = c.dialogue(a.password, firstPlugin(&c.state.Greeting))
	l.Plugin = c.auth.plugin
	if l.Auth, err = c.auth.first(); err != nil {
		return err
	}
	if err := c.reply(l.Append(nil)); err != nil {
		return err
	}
	if err := c.authenticate(a.user); err != nil {
		return err
	}
	if !c.framer.Between() {
		return &classic.FormatError{Message: "login", Reason: "the server sent more than its end"}
	}
	c.loggedIn(login)
	return nil
}

// greeting reads the server's greeting.
func (c *Conn) greeting(user string) error {
	fail := func(err error) error { return &ConnectError{Step: "greeting", User: user, Err: closedByServer(err)} }
	n, err := io.ReadAtLeast(c.nc, c.buf, classic.HeaderLen+1)
	if err != nil {
		return fail(err)
	}
	if err := looksMySQL(c.buf[:n]); err != nil {
		return fail(err)
	}
	c.framer.Feed(c.buf[:n])
	part, err := c.await()
	if err != nil {
		return fail(err)
	}
	if part == classic.PartLoginError {
		return refused("greeting", user, &c.state.ERR)
	}
	if !c.state.Greeting.Capabilities.Has(classic.Protocol41 | classic.SecureConnection) {
		return fail(&classic.FormatError{Message: "greeting", Reason: "a server older than MySQL 4.1"})
	}
	return nil
}

// looksMySQL looks at a server's first bytes, so that something else is named at
// once instead of waiting for as many bytes as its first ones seem to say.
func looksMySQL(b []byte) error {
	length := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	kind := b[classic.HeaderLen]
	if b[3] == 0 && length <= maxGreeting && (kind == 0x0a || kind == 0xff) {
		return nil
	}
	what := "not a MySQL server"
	if b[3] == 0 && kind == 0x0b {
		what = "this is the X Protocol's port, not the classic protocol's"
	}
	return &classic.FormatError{Message: "greeting", Reason: fmt.Sprintf("%s: it begins with %q", what, b[:min(len(b), 16)])}
}

// firstPlugin returns the plugin to begin with: the server's default, where that
// needs nothing that must not be said before it is asked for, and its answer has
// room in the login.
func firstPlugin(g *classic.Greeting) string {
	switch {
	case g.Plugin == classic.PluginCaching,
		g.Plugin == classic.PluginSHA256 && g.Capabilities.Has(classic.PluginAuthLenenc):
		return g.Plugin
	}
	return classic.PluginNative
}

// dialogue begins an authentication with a plugin and the connection's nonce.
func (c *Conn) dialogue(password, plugin string) *dialogue {
	return &dialogue{password: password, secure: c.secure, tls: c.state.Encrypted, plugin: plugin, nonce: c.nonce, scramble: c.nonce, store: &c.server.key}
}

// authenticated ends an authentication: what it used is what the next
// CHANGE_USER begins with.
func (c *Conn) authenticated() {
	c.plugin, c.nonce = c.auth.plugin, c.auth.scramble
	c.auth = nil
}

// response returns the login message, but for the authentication.
func (c *Conn) response(recorded *session.Login, user string) (*classic.Login, error) {
	s := c.server
	offered := c.state.Greeting.Capabilities
	l := &classic.Login{MaxPacket: maxPacket, User: user, Schema: s.schema(recorded.Schema), ZstdLevel: zstdLevel}
	if !recorded.Known && l.Schema == "" && c.start.State == nil {
		if l.Schema = s.url.Schema; l.Schema == "" {
			s.counts.noSchema.Add(1)
		}
	}
	for _, a := range recorded.Attributes {
		l.Attributes = append(l.Attributes, classic.Attribute(a))
	}
	want := supposed
	if recorded.Capabilities != 0 {
		want = classic.Capability(recorded.Capabilities) & carried
		if missing := want &^ offered; missing != 0 {
			s.counts.notOffered.Add(1)
			s.counts.missing.Or(uint64(missing))
		}
	}
	if l.Schema != "" {
		want |= classic.ConnectWithDB
	}
	compress, err := c.compression(recorded.Compression, offered)
	if err != nil {
		return nil, err
	}
	want |= compress
	if s.tls != nil {
		if offered.Has(classic.SSL) {
			want |= classic.SSL
		} else if s.url.tlsMode() != tlsmode.Preferred {
			return nil, ErrNoTLS
		}
	}
	l.Capabilities = (want | always) & offered
	l.Collation = byte(c.collation(recorded.Collation, 0xff))
	return l, nil
}

// compression returns the capability that turns on the compression wanted.
func (c *Conn) compression(recorded string, offered classic.Capability) (classic.Capability, error) {
	want := c.server.url.Compression
	name := want.String()
	if want == CompressRecorded {
		name = recorded
	}
	var flag classic.Capability
	switch name {
	case "zlib":
		flag = classic.Compress
	case "zstd":
		flag = classic.ZstdCompression
	}
	if offered.Has(flag) {
		return flag, nil
	}
	if want == CompressRecorded {
		c.server.counts.uncompressed.Add(1)
		return 0, nil
	}
	return 0, ErrNoCompression
}

// The ids of collations that only one kind of server has begin here.
const (
	firstMySQLOnly = 255 // utf8mb4_0900_ai_ci
	firstMariaOnly = 512
)

// collation returns the collation to ask for at login: the recorded one, where
// the target has it and it is not over the limit.
func (c *Conn) collation(recorded, limit uint16) uint16 {
	if recorded == 0 {
		return defaultCollation
	}
	none := recorded >= firstMariaOnly
	if isMaria(&c.state.Greeting) {
		none = recorded >= firstMySQLOnly && recorded < firstMariaOnly
	}
	if none || recorded > limit {
		c.server.counts.collations.Add(1)
		return defaultCollation
	}
	return recorded
}

// startTLS asks for TLS and sets it up.
func (c *Conn) startTLS(ctx context.Context, l *classic.Login) error {
	if !c.framer.Between() {
		// Whoever sits between could put in words of the server's this way.
		return &classic.FormatError{Message: "greeting", Reason: "bytes after it, before TLS"}
	}
	if err := c.reply(l.AppendSSLRequest(nil)); err != nil {
		return err
	}
	t := tls.Client(c.nc, c.server.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return tlsmode.Explain(err, tlsmode.URLWords)
	}
	c.nc, c.secure = t, true
	c.state.TLSDone()
	return nil
}

// authenticate answers the server until it is content or refuses.
func (c *Conn) authenticate(user string) error {
	for {
		part, err := c.await()
		if err != nil {
			return err
		}
		switch part {
		case classic.PartLoginOK:
			return nil
		case classic.PartLoginError:
			return refused("login", user, &c.state.ERR)
		}
		if err := c.answerAuth(part); err != nil {
			return err
		}
	}
}

// answerAuth answers one message of an authentication exchange, which is in
// c.frame.
func (c *Conn) answerAuth(part classic.ServerPart) error {
	answer, err := c.auth.answer(part, &c.state, c.frame.Payload)
	if err != nil || answer == nil {
		return err
	}
	return c.reply(answer)
}

// loggedIn puts in force what the login agreed on.
func (c *Conn) loggedIn(recorded *session.Login) {
	c.framer.Limit = c.server.options.FrameLimit
	if z := c.state.Compressed; z != classic.Uncompressed {
		c.framer.SetCompression(z)
		c.deflater = &classic.Deflater{Algorithm: z}
	}
	c.authenticated()
	c.source.begin(classic.Capability(recorded.Capabilities))
	c.state.Login.Attributes = nil
}

// await reads the server's next frame into c.frame and tells what it is.
func (c *Conn) await() (classic.ServerPart, error) {
	for {
		ok, err := c.framer.Next(&c.frame)
		if err != nil {
			return 0, err
		}
		if ok {
			part, _, err := c.state.Server(&c.frame)
			return part, err
		}
		n, err := c.nc.Read(c.buf)
		if n == 0 && err != nil {
			return 0, err
		}
		c.framer.Feed(c.buf[:n])
	}
}

// reply sends a payload that answers the server's last frame.
func (c *Conn) reply(payload []byte) error {
	seq := c.frame.Last + 1
	f := classic.Frame{Seq: seq, Last: seq, Payload: payload, Size: uint64(len(payload))}
	if _, err := c.state.Client(&f); err != nil {
		return err
	}
	out, _ := classic.AppendFrames(nil, seq, payload)
	if c.deflater != nil {
		var err error
		if out, _, err = c.deflater.Append(nil, c.framer.CompressedSeq()+1, out); err != nil {
			return err
		}
	}
	// For the login that follows an SSLRequest.
	c.frame.Last = seq
	_, err := c.nc.Write(out)
	return err
}

// isMySQL8 tells whether the server is MySQL, from 8.0 on.
func isMySQL8(g *classic.Greeting) bool {
	major, _, _ := strings.Cut(g.Version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 8 && !isMaria(g)
}
