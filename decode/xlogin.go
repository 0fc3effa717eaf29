package decode

import (
	"myreplay/session"
	"myreplay/xproto"
)

const (
	// maxName is the longest user or schema that is taken for one.
	maxName = 1 << 10
	// maxAttributes and maxAttributeBytes limit what is kept of a connection's
	// attributes: servers keep 64 KiB.
	maxAttributes     = 512
	maxAttributeBytes = 64 << 10
)

// wishes is what a CapabilitiesSet asks for.
type wishes struct {
	tls             bool
	compression     xproto.Algorithm
	set, bits       uint64 // which bits of Login.Capabilities it sets, and to what
	attributes      []session.Attribute
	namesAttributes bool
}

// wishesOf reads a CapabilitiesSet; nil when it can't be read.
func wishesOf(f *xproto.Frame) *wishes {
	var m xproto.CapabilitiesSet
	if f.Cut || f.Holed || m.Decode(f.Payload) != nil {
		return nil
	}
	w := &wishes{tls: m.TLS(), compression: m.Compression()}
	for name, bit := range map[string]uint64{xproto.CapabilityInteractive: xproto.Interactive, xproto.CapabilityExpired: xproto.ExpiredPasswordOK} {
		if v := m.Capabilities.Get(name); v != nil {
			w.set |= bit
			if v.True() {
				w.bits |= bit
			}
		}
	}
	if v := m.Capabilities.Get(xproto.CapabilityAttributes); v != nil && v.IsObject {
		w.namesAttributes = true
		w.attributes = xAttributes(v.Object)
	}
	return w
}

func xAttributes(object []xproto.Field) []session.Attribute {
	var out []session.Attribute
	left := maxAttributeBytes
	for i := range object {
		a := session.Attribute{Name: object[i].Key, Value: object[i].Value.String()}
		if left -= len(a.Name) + len(a.Value); left < 0 || len(out) == maxAttributes {
			break
		}
		out = append(out, a)
	}
	return out
}

// granted takes note of what the server agreed to.
func (d *X) granted(w *wishes) {
	if w.compression != xproto.Uncompressed {
		d.setCompression(w.compression)
	}
	if d.started {
		return
	}
	l := &d.start.Login
	l.Capabilities = l.Capabilities&^w.set | w.bits
	if w.namesAttributes {
		l.Attributes = w.attributes
	}
	if w.compression != xproto.Uncompressed {
		l.Compression = w.compression.String()
	}
}

// xLogin is what is known of the login under way.
type xLogin struct {
	// seen: a login began. open: its end is to come.
	seen, open bool
	// named: who logs in is known.
	named bool
	// broken: a message of it could not be read; lost: its end was not seen.
	broken, lost bool
	// refused is the error that ended the latest.
	refused *session.Error
	// seq is the ChangeUser that it is, 0 for the session's first; change is that
	// command until it is complete. owed: the answer to its first message is lost.
	seq    uint64
	change *session.Command
	owed   bool
}

func isAuthentication(m xproto.ClientMessage) bool {
	return m == xproto.SessAuthenticateStart || m == xproto.SessAuthenticateContinue
}

// beforeLogin takes a message of the session's first login.
func (d *X) beforeLogin(f *xproto.Frame, m xproto.ClientMessage) {
	w := xWaiting{}
	w.command.Message = m
	switch m {
	case xproto.ConCapabilitiesSet:
		w.asked = wishesOf(f)
	case xproto.SessAuthenticateStart:
		d.beginLogin(0)
		d.readLogin(f, m, &d.start.Login)
	case xproto.SessAuthenticateContinue:
		w.goesOn = d.login.open
		d.readLogin(f, m, &d.start.Login)
	}
	d.wait(w)
}

func (d *X) beginLogin(seq uint64) {
	d.login = xLogin{seen: true, open: true, seq: seq}
}

// readLogin reads who logs in. What proves it is not looked at.
func (d *X) readLogin(f *xproto.Frame, m xproto.ClientMessage, l *session.Login) {
	var data []byte
	var err error
	if m == xproto.SessAuthenticateStart {
		var a xproto.AuthenticateStart
		err = a.Decode(f.Payload)
		l.User, l.Schema, l.Plugin = "", "", a.Mechanism
		if len(l.Plugin) > maxName {
			l.Plugin = ""
		}
		if a.Mechanism == xproto.MechanismPlain {
			data = a.Data
		}
	} else {
		var a xproto.AuthData
		err = a.Decode(f.Payload)
		data = a.Data
	}
	d.login.broken = d.login.broken || err != nil || f.Holed || f.Cut
	if d.login.broken || d.login.named {
		return
	}
	if schema, user, ok := xproto.Who(data); ok && len(schema) <= maxName && len(user) <= maxName {
		l.Schema, l.User = schema, user
		d.login.named = true
	}
}

// changeUser takes a message of a later login. Both messages of a login are one
// command, without their authentication.
func (d *X) changeUser(f *xproto.Frame, m xproto.ClientMessage, end int64) {
	w := xWaiting{}
	w.command.Message = m
	switch {
	case m == xproto.SessAuthenticateContinue && d.login.open:
		w.seq, w.goesOn = d.login.seq, !d.login.owed
		if c := d.login.change; c != nil {
			d.login.owed = false
			c.End = end
			c.Size += 1 + f.Size
			d.readLogin(f, m, c.Login)
			d.tellChange()
		}
	default:
		d.tellChange()
		d.seq++
		d.beginLogin(d.seq)
		c := d.shared.slab.Command()
		*c = session.Command{ID: d.start.ID, Seq: d.seq, At: d.commandAt, End: end, Kind: session.ChangeUser, Code: f.Type, Size: 1 + f.Size,
			Login: &session.Login{Capabilities: d.start.Login.Capabilities, Attributes: d.start.Login.Attributes, Compression: d.start.Login.Compression}}
		d.login.change = c
		d.readLogin(f, m, c.Login)
		if d.login.named || m == xproto.SessAuthenticateContinue {
			d.tellChange()
		}
		w.seq = c.Seq
	}
	d.wait(w)
}

// tellChange emits the ChangeUser that waits for its second message.
func (d *X) tellChange() {
	if c := d.login.change; c != nil {
		d.login.change = nil
		c.Login.Known = d.login.named && !d.login.broken
		d.tell(c)
		if d.login.owed {
			d.login.owed = false
			d.finish(&xWaiting{seq: c.Seq}, true)
		}
	}
}

// loginEnded takes note of how a login ended.
func (d *X) loginEnded(m xproto.ServerMessage, r *session.Reply) {
	d.login.open = false
	switch {
	case d.started:
	case m == xproto.AuthenticateOK:
		d.login.refused = nil
		d.start.Login.Known = !d.login.broken
		d.begin()
	default:
		d.login.refused = r.Err()
	}
}

// connectionID looks for the connection's id in a notice.
func (d *X) connectionID(f *xproto.Frame) {
	var n xproto.NoticeFrame
	var c xproto.StateChange
	if n.Decode(f.Payload) == nil && n.Type == xproto.NoticeSessionStateChanged && c.Decode(n.Payload) == nil &&
		c.Parameter == xproto.ClientIDAssigned && len(c.Values) > 0 {
		d.start.ConnectionID = uint32(c.Values[0].Uint)
	}
}
