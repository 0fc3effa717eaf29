package target

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/session"
	"myreplay/xproto"
)

// fakeX is a server of the X Protocol that answers as it is told. Logins it
// answers by itself; every other message with the next of its replies, or with
// what suits it when there are no more.
type fakeX struct {
	offers  []string          // mechanisms; nil: SHA256_MEMORY, and PLAIN on a socket
	refuses map[string]string // capabilities, and the error: "5002 text"
	tls     bool              // offers TLS, and refuses it when asked
	socket  bool              // the connection is a unix socket
	lets    func(mechanism, schema, user, answer string, challenge []byte) string
	replies []string // see (*fakePeer).say
	patient bool     // reads little while it waits to be read

	wait sync.WaitGroup
	mu   sync.Mutex
	got  []string // messages, but for the logins'
	who  []string // logins
}

// options returns Options that dial the server.
func (f *fakeX) options(o Options) Options {
	o.Outcome.Seed = 1
	o.Dial = f.dial
	return o
}

func (f *fakeX) dial(context.Context, *session.Start) (net.Conn, error) {
	client, server := net.Pipe()
	if f.socket {
		client = socketConn{client}
	}
	f.wait.Add(1)
	go f.serve(server)
	return client, nil
}

// socketConn says that it is a unix socket.
type socketConn struct{ net.Conn }

func (socketConn) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "x.sock"} }

func (f *fakeX) note(list *[]string, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, fmt.Sprintf(format, args...))
}

// fakePeer is one connection of a fakeX.
type fakePeer struct {
	fake      *fakeX
	nc        net.Conn
	in        chan []byte // what the client sends; closed at its end
	framer    xproto.Framer
	deflater  *xproto.Deflater
	mechanism string
	loggedIn  bool
}

func (f *fakeX) serve(nc net.Conn) {
	defer f.wait.Done()
	defer nc.Close()
	size := 1 << 12
	if f.patient {
		size = 64 // as a network does
	}
	p := &fakePeer{fake: f, nc: nc, in: make(chan []byte, size)}
	go func() {
		defer close(p.in)
		for {
			buf := make([]byte, 1<<15)
			n, err := nc.Read(buf)
			if err != nil {
				return
			}
			p.in <- buf[:n]
		}
	}()
	for b := range p.in {
		p.framer.Feed(b)
		var m xproto.Frame
		for {
			ok, err := p.framer.Next(&m)
			if err != nil {
				f.note(&f.got, "%v", err)
				return
			}
			if !ok {
				break
			}
			if !p.handle(&m) {
				nc.Close()
				for range p.in { // so that its reader ends
				}
				return
			}
		}
	}
}

// handle answers a message, and tells whether the connection goes on.
func (p *fakePeer) handle(m *xproto.Frame) bool {
	f := p.fake
	kind := xproto.ClientMessage(m.Type)
	switch {
	case kind == xproto.ConCapabilitiesGet && !p.loggedIn:
		return p.capabilities()
	case kind == xproto.ConCapabilitiesSet && !p.loggedIn:
		return p.set(m.Payload)
	case kind == xproto.SessAuthenticateStart || kind == xproto.SessAuthenticateContinue:
		return p.login(kind, m.Payload)
	}
	f.note(&f.got, "%s%s", describe(kind, m.Payload), map[bool]string{true: " (compressed)"}[m.Packed])
	f.mu.Lock()
	script := ""
	if len(f.replies) > 0 {
		script, f.replies = f.replies[0], f.replies[1:]
	}
	f.mu.Unlock()
	if kind == xproto.SessClose || kind == xproto.SessReset && len(m.Payload) == 0 {
		p.loggedIn = false
	}
	switch {
	case script != "":
	case kind == xproto.SessReset || kind == xproto.SessClose || kind >= xproto.PreparePrepare && kind != xproto.PrepareExecute &&
		kind != xproto.CursorOpen && kind != xproto.CursorFetch || kind == xproto.ExpectOpen || kind == xproto.ExpectClose:
		script = "ok"
	case kind == xproto.ConClose:
		script = "ok bye! ; bye"
	default:
		script = "affected 0 ; done"
	}
	return p.say(script)
}

// describe names a message for a reader.
func describe(kind xproto.ClientMessage, payload []byte) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string(payload))
	if len(text) > 80 {
		text = fmt.Sprintf("%s... %d bytes", text[:60], len(payload))
	}
	return strings.TrimSpace(kind.String() + " " + text)
}

func (p *fakePeer) send(kind xproto.ServerMessage, payload []byte) bool {
	b := xproto.AppendFrame(nil, byte(kind), payload)
	if p.deflater != nil && kind != xproto.StmtExecuteOK {
		var err error
		if b, err = p.deflater.Append(nil, byte(xproto.ServerCompression), b); err != nil {
			return false
		}
	}
	_, err := p.nc.Write(b)
	return err == nil
}

func notice(t xproto.NoticeType, global bool, payload []byte) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(t))
	if !global {
		b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), 2)
	}
	return protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), payload)
}

func stateChange(p xproto.StateParameter, values ...xproto.Scalar) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(p))
	for i := range values {
		b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), values[i].Append(nil))
	}
	return notice(xproto.NoticeSessionStateChanged, false, b)
}

func warning(level, code int, text string) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(level))
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(code))
	return protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), text)
}

func number(n int) xproto.Scalar { return xproto.Scalar{Type: xproto.ScalarUint, Uint: uint64(n)} }

// capabilities says hello and what is offered.
func (p *fakePeer) capabilities() bool {
	f := p.fake
	var c xproto.Capabilities
	if f.tls {
		c.List = append(c.List, xproto.Field{Key: xproto.CapabilityTLS, Value: xproto.Truth(false)})
	}
	offers := f.offers
	if offers == nil {
		if offers = []string{xproto.MechanismSHA256}; f.socket {
			offers = append(offers, xproto.MechanismPlain)
		}
	}
	list := xproto.Any{IsArray: true}
	for _, m := range offers {
		list.Array = append(list.Array, xproto.Text(m))
	}
	c.List = append(c.List, xproto.Field{Key: xproto.CapabilityMechanisms, Value: list})
	algorithms := xproto.Any{IsArray: true, Array: []xproto.Any{xproto.Text("deflate_stream"), xproto.Text("lz4_message"), xproto.Text("zstd_stream")}}
	c.List = append(c.List, xproto.Field{Key: xproto.CapabilityCompression,
		Value: xproto.Any{IsObject: true, Object: []xproto.Field{{Key: "algorithm", Value: algorithms}}}})
	return p.send(xproto.Notice, notice(xproto.NoticeServerHello, true, nil)) && p.send(xproto.ConnCapabilities, c.Append(nil))
}

func (p *fakePeer) set(payload []byte) bool {
	var s xproto.CapabilitiesSet
	if s.Decode(payload) != nil {
		return false
	}
	for _, field := range s.Capabilities.List {
		if e, ok := p.fake.refuses[field.Key]; ok {
			return p.say("err " + e)
		}
		p.fake.note(&p.fake.who, "set %s", field.Key)
	}
	ok := p.say("ok")
	if a := s.Compression(); a != xproto.Uncompressed {
		p.framer.SetCompression(a, byte(xproto.ClientCompression))
		p.deflater = xproto.NewDeflater(a)
	}
	return ok
}

var testChallenge = append(bytes.Repeat([]byte{7}, 19), 0)

func (p *fakePeer) login(kind xproto.ClientMessage, payload []byte) bool {
	var start xproto.AuthenticateStart
	var more xproto.AuthData
	data := []byte(nil)
	if kind == xproto.SessAuthenticateStart {
		if start.Decode(payload) != nil {
			return false
		}
		if p.mechanism, data = start.Mechanism, start.Data; p.mechanism != xproto.MechanismPlain {
			challenge := xproto.AuthData{Data: testChallenge}
			return p.send(xproto.AuthenticateContinue, challenge.Append(nil))
		}
	} else {
		if more.Decode(payload) != nil {
			return false
		}
		data = more.Data
	}
	parts := strings.SplitN(string(data), "\x00", 3)
	if len(parts) != 3 {
		return p.say("fatal 5000 Invalid message")
	}
	f := p.fake
	if f.lets != nil {
		if refusal := f.lets(p.mechanism, parts[0], parts[1], parts[2], testChallenge); refusal != "" {
			f.note(&f.who, "%s %s@%s: %s", p.mechanism, parts[1], parts[0], refusal)
			return p.say(refusal)
		}
	}
	f.note(&f.who, "%s %s@%s", p.mechanism, parts[1], parts[0])
	p.loggedIn = true
	return p.send(xproto.Notice, stateChange(xproto.ClientIDAssigned, number(42))) && p.send(xproto.AuthenticateOK, nil)
}

// say sends a reply: messages separated by " ; ".
func (p *fakePeer) say(script string) bool {
	for _, one := range strings.Split(script, " ; ") {
		word, rest, _ := strings.Cut(strings.TrimSpace(one), " ")
		kind, payload, err := message1(word, rest)
		switch {
		case err != nil:
			p.fake.note(&p.fake.got, "BAD SCRIPT %v", err)
			return false
		case word == "raw":
			if _, err := p.nc.Write(payload); err != nil {
				return false
			}
			continue
		case word == "bye":
			return false
		case word == "hang":
			for range p.in {
			}
			return false
		case word == "pause":
			n, _ := strconv.Atoi(rest)
			time.Sleep(time.Duration(n) * time.Second)
			continue
		case word == "endless":
			word, rest, _ := strings.Cut(rest, " ")
			kind, payload, err := message1(word, rest)
			for err == nil && p.send(kind, payload) {
				time.Sleep(time.Second)
			}
			return false
		}
		if !p.send(kind, payload) || word == "fatal" {
			return false
		}
	}
	return true
}

// message1 makes one message of a script.
//
//	ok TEXT, done, end, more, suspended, err CODE TEXT, fatal CODE TEXT
//	cols NAME:TYPE ..., row VALUE & ... (numbers, or bytes)
//	affected N, ids ID,ID, warn CODE TEXT, goodbye CODE TEXT
//	raw HEX, bye (close), hang (say nothing more), pause SECONDS,
//	endless MESSAGE (one a second)
func message1(word, rest string) (kind xproto.ServerMessage, payload []byte, err error) {
	first, text, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(first)
	switch word {
	case "ok":
		if rest != "" {
			payload = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), rest)
		}
		return xproto.OK, payload, nil
	case "done":
		return xproto.StmtExecuteOK, nil, nil
	case "end":
		return xproto.ResultsetFetchDone, nil, nil
	case "more":
		return xproto.ResultsetMoreResultsets, nil, nil
	case "suspended":
		return xproto.ResultsetFetchSuspended, nil, nil
	case "err", "fatal":
		e := xproto.Error{Fatal: word == "fatal", Code: uint32(n), State: "HY000", Message: []byte(text)}
		return xproto.ServerError, e.Append(nil), nil
	case "cols":
		name, kind, _ := strings.Cut(rest, ":")
		t := xproto.TypeBytes
		if kind == "sint" {
			t = xproto.TypeSint
		}
		payload = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(t))
		return xproto.ResultsetColumnMetaData, protowire.AppendString(protowire.AppendTag(payload, 2, protowire.BytesType), name), nil
	case "row":
		for _, field := range strings.Split(rest, " & ") {
			v := append([]byte(field), 0)
			if n, err := strconv.Atoi(field); err == nil {
				v = protowire.AppendVarint(nil, protowire.EncodeZigZag(int64(n)))
			}
			payload = protowire.AppendBytes(protowire.AppendTag(payload, 1, protowire.BytesType), v)
		}
		return xproto.ResultsetRow, payload, nil
	case "affected":
		return xproto.Notice, stateChange(xproto.RowsAffected, number(n)), nil
	case "ids":
		var list []xproto.Scalar
		for _, id := range strings.Split(rest, ",") {
			list = append(list, xproto.Scalar{Type: xproto.ScalarOctets, Bytes: []byte(id)})
		}
		return xproto.Notice, stateChange(xproto.GeneratedDocumentIDs, list...), nil
	case "warn":
		return xproto.Notice, notice(xproto.NoticeWarning, false, warning(2, n, text)), nil
	case "goodbye":
		return xproto.Notice, notice(xproto.NoticeWarning, true, warning(levelError, n, text)), nil
	case "raw":
		payload, err = hex.DecodeString(rest)
		return 0, payload, err
	case "bye", "hang", "pause", "endless":
		return 0, nil, nil
	}
	return 0, nil, fmt.Errorf("no message %q", word)
}
