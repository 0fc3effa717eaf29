package target

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"myreplay/outcome"
	"myreplay/session"
	"myreplay/tlsmode"
	"myreplay/xproto"
)

// maxLoginFrames limits how many messages a server may send in reply to one
// message of a login.
const maxLoginFrames = 1000

// logIn takes a fresh connection to where commands can be sent. It returns the
// schema that it asked for.
func (c *XConn) logIn(ctx context.Context, login *session.Login, a account) (schema string, err error) {
	c.framer = xproto.Framer{Limit: loginFrameLimit}
	c.secure = c.nc.RemoteAddr().Network() == "unix"
	offered, err := c.hello(a.user)
	if err != nil {
		return "", err
	}
	if err := c.startTLS(ctx, offered, a.user); err != nil {
		return "", err
	}
	if err := c.capabilities(login, offered, a.user); err != nil {
		return "", err
	}
	if schema = c.server.schema(login.Schema); !login.Known && schema == "" && c.start.State == nil {
		if schema = c.server.url.Schema; schema == "" {
			c.server.counts.noSchema.Add(1)
		}
	}
	if err := c.authenticate(schema, a); err != nil {
		return "", err
	}
	c.framer.Limit = c.server.options.FrameLimit
	return schema, c.drain()
}

// hello asks the server what it offers. Its own hello may come before that, or
// not at all: servers of 5.7 say none.
func (c *XConn) hello(user string) (*xproto.Capabilities, error) {
	fail := func(err error) error { return &ConnectError{Step: "greeting", User: user, Err: closedByServer(err)} }
	if err := c.say(xproto.ConCapabilitiesGet, nil); err != nil {
		return nil, fail(err)
	}
	n, err := io.ReadAtLeast(c.nc, c.buf, xproto.HeaderLen)
	if err != nil {
		return nil, fail(err)
	}
	if err := looksX(c.buf[:n]); err != nil {
		return nil, fail(err)
	}
	c.framer.Feed(c.buf[:n])
	m, err := c.hear()
	if err != nil {
		return nil, fail(err)
	}
	offered := new(xproto.Capabilities)
	if m == xproto.ServerError {
		return nil, c.refused("greeting", user)
	}
	if err := offered.Decode(c.frame.Payload); err != nil {
		return nil, fail(err)
	}
	c.mechanisms = nil
	if list := offered.Get(xproto.CapabilityMechanisms); list != nil {
		for i := range list.Array {
			c.mechanisms = append(c.mechanisms, list.Array[i].String())
		}
	}
	return offered, nil
}

// looksX looks at a server's first bytes, so that something else is named at
// once.
func looksX(b []byte) error {
	length, kind := binary.LittleEndian.Uint32(b), b[4]
	if length > 0 && length <= loginFrameLimit && xproto.ServerMessage(kind).Known() {
		return nil
	}
	what := "not a server of the X Protocol"
	if b[3] == 0 && (kind == 0x0a || kind == 0xff) {
		what = "this is the classic protocol's port, not the X Protocol's"
	}
	return &xproto.FormatError{Message: "greeting", Reason: fmt.Sprintf("%s: it begins with %q", what, b[:min(len(b), 16)])}
}

// startTLS sets up TLS, where the URL asks for it.
func (c *XConn) startTLS(ctx context.Context, offered *xproto.Capabilities, user string) error {
	if c.server.tls == nil {
		return nil
	}
	must := c.server.url.tlsMode().Must()
	if offered.Get(xproto.CapabilityTLS) == nil {
		if must {
			return &ConnectError{Step: "login", User: user, Err: ErrNoTLS}
		}
		return nil
	}
	e, err := c.set(xproto.CapabilityTLS, xproto.Truth(true))
	switch {
	case err != nil:
		return &ConnectError{Step: "TLS", User: user, Err: closedByServer(err)}
	case e != nil && (must || e.Fatal):
		return &ConnectError{Step: "TLS", User: user, Refused: outcome.XError(e), Err: ErrNoTLS}
	case e != nil:
		return nil
	case !c.framer.Between():
		// Whoever sits between could put in words of the server's this way.
		return &ConnectError{Step: "TLS", User: user, Err: &xproto.FormatError{Message: "OK", Reason: "bytes after it, before TLS"}}
	}
	t := tls.Client(c.nc, c.server.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return &ConnectError{Step: "TLS", User: user, Err: tlsmode.Explain(err, tlsmode.URLWords)}
	}
	c.nc, c.secure = t, true
	c.state.TLSDone()
	return nil
}

// set sets one capability. refused is the server's answer when it refuses.
func (c *XConn) set(name string, v xproto.Any) (refused *xproto.Error, err error) {
	m := xproto.CapabilitiesSet{Capabilities: xproto.Capabilities{List: []xproto.Field{{Key: name, Value: v}}}}
	answer, err := c.ask(xproto.ConCapabilitiesSet, m.Append(nil))
	if err != nil || answer != xproto.ServerError {
		return nil, err
	}
	refused = new(xproto.Error)
	return refused, refused.Decode(c.frame.Payload)
}

// capabilities sets those that the recorded session had, and the compression
// that the URL asks for. Each goes by itself: a server refuses all that come
// together.
func (c *XConn) capabilities(login *session.Login, offered *xproto.Capabilities, user string) error {
	var list []xproto.Field
	if len(login.Attributes) > 0 {
		attributes := xproto.Any{IsObject: true}
		for _, a := range login.Attributes {
			attributes.Object = append(attributes.Object, xproto.Field{Key: a.Name, Value: xproto.Text(a.Value)})
		}
		list = append(list, xproto.Field{Key: xproto.CapabilityAttributes, Value: attributes})
	}
	if login.Capabilities&xproto.Interactive != 0 {
		list = append(list, xproto.Field{Key: xproto.CapabilityInteractive, Value: xproto.Truth(true)})
	}
	if login.Capabilities&xproto.ExpiredPasswordOK != 0 {
		list = append(list, xproto.Field{Key: xproto.CapabilityExpired, Value: xproto.Truth(true)})
	}
	missing := false
	for i := range list {
		e, err := c.set(list[i].Key, list[i].Value)
		switch {
		case err != nil:
			return err
		case e != nil && e.Fatal:
			return c.refused("login", user)
		}
		missing = missing || e != nil
	}
	if missing {
		c.server.counts.notOffered.Add(1)
	}
	return c.compress(login.Compression, offered, user)
}

// compress switches the compression on that the URL asks for.
func (c *XConn) compress(recorded string, offered *xproto.Capabilities, user string) error {
	want := c.server.url.Compression
	name := want.String()
	if want == CompressRecorded {
		name = recorded
	}
	algorithm := xproto.AlgorithmNamed(name)
	if algorithm == xproto.Uncompressed {
		return nil
	}
	ok := offersCompression(offered, name)
	if ok {
		e, err := c.set(xproto.CapabilityCompression, xproto.Any{IsObject: true, Object: []xproto.Field{{Key: "algorithm", Value: xproto.Text(name)}}})
		switch {
		case err != nil:
			return err
		case e != nil && e.Fatal:
			return c.refused("login", user)
		}
		ok = e == nil
	}
	switch {
	case ok:
		c.framer.SetCompression(algorithm, byte(xproto.ServerCompression))
		c.deflater = xproto.NewDeflater(algorithm)
	case want == CompressRecorded:
		c.server.counts.uncompressed.Add(1)
	default:
		return &ConnectError{Step: "login", User: user, Err: ErrNoXCompression}
	}
	return nil
}

func offersCompression(offered *xproto.Capabilities, name string) bool {
	v := offered.Get(xproto.CapabilityCompression)
	if v == nil {
		return false
	}
	if v = v.Get("algorithm"); v == nil {
		return false
	}
	return slices.ContainsFunc(v.Array, func(a xproto.Any) bool { return a.String() == name })
}

// ask sends a message and reads its reply to the end, during a login. The
// reply's last frame is in c.frame, valid until the next is read.
func (c *XConn) ask(m xproto.ClientMessage, payload []byte) (xproto.ServerMessage, error) {
	if err := c.say(m, payload); err != nil {
		return 0, err
	}
	return c.hear()
}

// say sends a message.
func (c *XConn) say(m xproto.ClientMessage, payload []byte) error {
	f := xproto.Frame{Type: byte(m), Payload: payload, Size: uint64(len(payload))}
	if err := c.state.Client(&f); err != nil {
		return err
	}
	_, err := c.nc.Write(xproto.AppendFrame(nil, byte(m), payload))
	return err
}

// hear reads the rest of a reply and returns what its last frame is.
func (c *XConn) hear() (xproto.ServerMessage, error) {
	for heard := 0; heard < maxLoginFrames; {
		ok, err := c.framer.Next(&c.frame)
		if err != nil {
			return 0, err
		}
		if !ok {
			n, err := c.nc.Read(c.buf)
			if n == 0 && err != nil {
				return 0, err
			}
			c.framer.Feed(c.buf[:n])
			continue
		}
		heard++
		_, done, _, err := c.state.Server(&c.frame)
		if err != nil {
			return 0, err
		}
		m := xproto.ServerMessage(c.frame.Type)
		if m == xproto.Notice {
			c.heed()
		}
		if done {
			return m, nil
		}
	}
	return 0, ErrTooManyExchanges
}

// heed takes note of a notice during a login: the server's id for the
// connection.
func (c *XConn) heed() {
	var n xproto.NoticeFrame
	var s xproto.StateChange
	if n.Decode(c.frame.Payload) != nil || n.Type != xproto.NoticeSessionStateChanged || s.Decode(n.Payload) != nil {
		return
	}
	if s.Parameter == xproto.ClientIDAssigned && len(s.Values) == 1 && s.Values[0].Uint < 1<<32 {
		c.clientID = uint32(s.Values[0].Uint)
	}
}

// drain reads what came with the end of a login: nothing but notices may.
func (c *XConn) drain() error {
	for {
		ok, err := c.framer.Next(&c.frame)
		if !ok || err != nil {
			return err
		}
		if _, _, _, err = c.state.Server(&c.frame); err != nil {
			return err
		}
	}
}

// refused returns the error of a login that the server refused with the Error in
// c.frame.
func (c *XConn) refused(step, user string) error {
	var e xproto.Error
	if err := e.Decode(c.frame.Payload); err != nil {
		return &ConnectError{Step: step, User: user, Err: err}
	}
	se := outcome.XError(&e)
	ce := &ConnectError{Step: step, User: user, Refused: se, Err: se}
	if e.Code == errPasswordExpired {
		ce.Err = ErrPasswordExpired
	}
	return ce
}
