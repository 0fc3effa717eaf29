package trace

import (
	"bytes"

	"myreplay/flow"
	"myreplay/xproto"
)

const (
	// headLen is how many bytes tell the protocol: the header of an X message,
	// or that of a classic frame and a byte of its payload.
	headLen = 5
	// maxHello and maxFirst are the longest first messages of a server and of a
	// client that are taken for one: connection attributes may take 64 KiB.
	maxHello = 4 << 10
	maxFirst = 128 << 10
	// maxProxy is the longest PROXY protocol header that is taken for one.
	maxProxy = 4096

	proxyV1 = "PROXY "
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// detector holds the first bytes of both sides until they tell the protocol.
type detector struct {
	head [2][]byte
}

// forget drops what it holds and returns how many bytes.
func (d *detector) forget() uint64 {
	n := len(d.head[0]) + len(d.head[1])
	*d = detector{}
	return uint64(n)
}

// decide looks at the first bytes of a connection. It returns what is to be read
// of them: nil as long as the protocol is not known.
func (c *conn) decide(side flow.Side, b []byte) []byte {
	d := &c.detect
	d.head[side] = append(d.head[side], b...)
	head := d.head[side]
	if side == flow.Client {
		rest, ok := c.withoutProxy(head)
		if !ok {
			return nil
		}
		head, d.head[side] = rest, rest
	}
	if len(head) == 0 {
		return nil
	}
	p := c.t.options.Protocol
	if p == Detect {
		if len(head) < headLen {
			return nil
		}
		if p = protocolOf(side, head); p == Detect {
			c.unknown(head)
			return nil
		}
	}
	other := d.head[side.Other()]
	d.forget()
	c.become(p)
	if len(other) > 0 {
		c.read(side.Other(), other)
	}
	return head
}

// withoutProxy returns the client's first bytes without a PROXY protocol header
// (version 1 or 2 of HAProxy's specification); false: more are needed, or it is
// too long for one.
func (c *conn) withoutProxy(b []byte) ([]byte, bool) {
	n := 0
	switch {
	case begins(b, proxyV1):
		if i := bytes.Index(b, []byte("\r\n")); i >= 0 {
			n = i + 2
		}
	case begins(b, proxyV2):
		const fixed = len(proxyV2) + 4
		if len(b) >= fixed {
			if size := fixed + int(b[fixed-2])<<8 + int(b[fixed-1]); len(b) >= size {
				n = size
			}
		}
	default:
		return b, true
	}
	if n > maxProxy || n == 0 && len(b) > maxProxy {
		c.unknown(b)
		return nil, false
	}
	if n == 0 {
		return nil, false
	}
	c.note("PROXY protocol header, " + count(uint64(n), "byte"))
	c.told += uint64(n)
	return b[n:], true
}

// begins tells whether b begins with s, as far as it goes.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

// protocolOf returns the protocol that the first bytes of a side are, Detect
// when it is none of ours.
func protocolOf(side flow.Side, head []byte) Protocol {
	length, kind := int(head[0])|int(head[1])<<8|int(head[2])<<16, head[headLen-1]
	switch {
	case head[3] != 0 || length == 0 || looksTLS(head):
		return Detect
	case side == flow.Client:
		if m := xproto.ClientMessage(kind); length <= maxFirst && m >= xproto.ConCapabilitiesGet && m <= xproto.SessAuthenticateStart {
			return X
		}
	case length > maxHello:
	case kind == 0x0a || kind == 0xff:
		return Classic
	case kind == byte(xproto.Notice) || kind == byte(xproto.ServerError):
		return X
	}
	return Detect
}

// unknown gives up a connection that begins as none of ours does.
func (c *conn) unknown(head []byte) {
	if looksTLS(head) {
		c.giveUp("TLS")
		return
	}
	c.giveUp("neither the classic protocol nor the X Protocol")
}

// looksTLS tells whether b begins as a TLS record does.
func looksTLS(b []byte) bool {
	return len(b) >= 3 && b[0] >= 0x14 && b[0] <= 0x17 && b[1] == 3 && b[2] <= 4
}

// isTLS tells whether b consists of whole TLS records.
func isTLS(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for len(b) > 0 {
		if len(b) < 5 || !looksTLS(b) {
			return false
		}
		n := 5 + (int(b[3])<<8 | int(b[4]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
