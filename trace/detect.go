package trace

import (
	"myreplay/flow"
	"myreplay/preface"
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

// withoutProxy returns the client's first bytes without a PROXY protocol header;
// false: more are needed, or it is too long for one.
func (c *conn) withoutProxy(b []byte) ([]byte, bool) {
	_, n, err := preface.ReadProxy(b)
	switch {
	case err != nil:
		return b, true
	case n > maxProxy || n == 0 && len(b) > maxProxy:
		c.unknown(b)
		return nil, false
	case n == 0:
		return nil, false
	}
	c.note("PROXY protocol header, " + count(uint64(n), "byte"))
	c.told += uint64(n)
	return b[n:], true
}

// protocolOf returns the protocol that the first bytes of a side are, Detect
// when it is none of ours.
func protocolOf(side flow.Side, head []byte) Protocol {
	length, kind := int(head[0])|int(head[1])<<8|int(head[2])<<16, head[headLen-1]
	switch {
	case head[3] != 0 || length == 0 || preface.LooksTLS(head):
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
	if preface.LooksTLS(head) {
		c.giveUp("TLS")
		return
	}
	c.giveUp("neither the classic protocol nor the X Protocol")
}
