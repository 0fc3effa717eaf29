package decode

import (
	"net/netip"
	"testing"

	"myreplay/flow"
	"myreplay/preface"
	"myreplay/session"
)

// choice returns the name of the protocol whose decoder a detector chose.
func choice(p Protocol) string {
	switch p.(*detector).inner.(type) {
	case *Classic:
		return "classic"
	case *X:
		return "x"
	}
	return "none yet"
}

const proxy = "PROXY TCP4 1.2.3.4 5.6.7.8 1000 33060\r\n"

// TestDetect: a connection's first bytes choose its decoder, as soon as they can.
func TestDetect(t *testing.T) {
	server, client := flow.Server, flow.Client
	data := func(side flow.Side, s string) piece { return piece{kind: flow.Data, side: side, data: []byte(s)} }
	gap := piece{kind: flow.Gap, side: server, lost: 9}
	for _, c := range []struct {
		what   string
		joined bool
		port   uint16
		list   []piece
		want   string
	}{
		{"nothing", false, 3306, nil, "none yet"},
		{"a greeting", false, 33060, []piece{data(server, "\x4a\x00\x00\x00\x0a8")}, "classic"},
		{"an error instead of a greeting", false, 33060, []piece{data(server, "\x4a\x00\x00\x00\xff\x10\x04")}, "classic"},
		{"a part of a greeting", false, 3306, []piece{data(server, "\x4a\x00\x00\x00")}, "none yet"},
		{"a hello", false, 3306, []piece{data(server, "\x05\x00\x00\x00\x0b\x08\x05\x1a\x00")}, "x"},
		{"a hello in two pieces", false, 3306, []piece{data(server, "\x05\x00"), data(server, "\x00\x00\x0b")}, "x"},
		{"an error instead of a hello", false, 3306, []piece{data(server, "\x20\x00\x00\x00\x01\x08\x01")}, "x"},
		{"a web server", false, 33060, []piece{data(server, "HTTP/1.1 400")}, "classic"},
		{"a client of X asks first", false, 3306, []piece{data(client, "\x01\x00\x00\x00\x01")}, "x"},
		{"a client's login that is too long for X", false, 3306, []piece{data(client, "\x01\x00\x10\x00\x04")}, "classic"},
		{"a web client", false, 33060, []piece{data(client, "GET / HTTP/1.1")}, "classic"},
		{"a header of PROXY", false, 3306, []piece{data(client, proxy)}, "none yet"},
		{"a header of PROXY, a hello", false, 3306, []piece{data(client, proxy[:7]), data(client, proxy[7:]), data(server, "\x05\x00\x00\x00\x0b\x08\x05\x1a\x00")}, "x"},
		{"a header of PROXY, a message", false, 3306, []piece{data(client, proxy+"\x01\x00\x00\x00\x01")}, "x"},
		{"a header of PROXY, a greeting", false, 33060, []piece{data(client, proxy), data(server, "\x4a\x00\x00\x00\x0a8")}, "classic"},
		{"a greeting is lost", false, 3306, []piece{gap}, "classic"},
		{"a hello is lost", false, 33060, []piece{gap}, "x"},
		{"joined", true, 3306, nil, "classic"},
		{"joined on the port of X", true, 33060, nil, "x"},
	} {
		shared := NewShared(Options{})
		p := New(shared)
		conn := &flow.Conn{ID: 1, Joined: c.joined, Server: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), c.port)}
		send := func(p Protocol, f flow.Chunk) {
			f.Conn = conn
			if err := p.Decode(&f, func(session.Event) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		send(p, flow.Chunk{Kind: flow.Open})
		for _, one := range c.list {
			send(p, flow.Chunk{Kind: one.kind, Side: one.side, Data: one.data, Lost: one.lost})
		}
		if got := choice(p); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
		send(p, flow.Chunk{Kind: flow.Close})
		if shared.held != 0 {
			t.Errorf("%s: %d bytes are held after the end", c.what, shared.held)
		}
	}
}

// TestProtocolOption: what is known of a server goes before the first bytes.
func TestProtocolOption(t *testing.T) {
	for _, known := range []session.Protocol{session.Unknown, session.Classic, session.X} {
		o := Options{Protocol: func(netip.AddrPort) session.Protocol { return known }}
		list, _ := xConversation(t, "S hello\nC auth PLAIN - app\nS authok")
		got := eventsOf(t, NewShared(o), list, classicConn(false))[0].(*session.Start)
		if want := known != session.Classic; want != (got.Protocol == session.X) {
			t.Errorf("known as %s: %s", known, session.Line(got))
		}
	}
}

// TestDetectLimit: a client that sends no more than the beginning of a header is
// not kept forever.
func TestDetectLimit(t *testing.T) {
	shared := NewShared(Options{})
	p := New(shared)
	conn := classicConn(false)
	emit := func(session.Event) error { return nil }
	for i := range 3 * maxUndecidedChunks {
		c := flow.Chunk{Kind: flow.Data, Side: flow.Client, Data: []byte{preface.Proxy(netip.AddrPort{}, netip.AddrPort{})[min(max(i-1, 0), 11)]}, Conn: conn}
		switch {
		case i == 0:
			c = flow.Chunk{Kind: flow.Open, Conn: conn}
		case i > 12:
			c.Data = []byte{0xff} // a header of 65535 bytes follows
		}
		if err := p.Decode(&c, emit); err != nil {
			t.Fatal(err)
		}
	}
	if choice(p) != "classic" {
		t.Error("all is kept")
	}
}
