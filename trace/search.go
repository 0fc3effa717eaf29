package trace

import (
	"myreplay/classic"
	"myreplay/flow"
	"myreplay/preface"
)

// maxTurn limits the bytes of a client's turn that are looked at while
// searching; a longer turn is passed over and the next one tried.
const maxTurn = 256 << 10

// search finds the next boundary that is certain. Where the server has spoken
// and then the client speaks, a message begins; it is taken for one only when
// the client's whole turn reads as messages from end to end, and the server's
// next bytes begin an answer to it. The two protocols frame alike up to the
// fourth byte, which is 0 in every client's: it is not in an answer of the
// classic protocol, where it counts on, and 0 in one of the X Protocol.
//
// Of the first turn that was seen it is not known whether the server had spoken
// before. It is taken only when the whole answer, up to the client's next turn,
// reads as the answer to it.
type search struct {
	spoke  bool // the server has sent something after the client's last byte
	first  bool // nothing was seen before the turn
	turn   []byte
	turnAt int64
	// answer is the beginning of the answer to the turn, headLen bytes; all of it
	// to the first turn.
	answer   []byte
	answerAt int64
}

// restart drops what was collected. spoke tells whether the server spoke last.
func (s *search) restart(spoke bool) { *s = search{spoke: spoke} }

// seek looks at the next bytes while searching.
func (c *conn) seek(side flow.Side, b []byte) {
	s := &c.search
	switch {
	case side == flow.Client && s.first && len(s.answer) > 0:
		if c.judgeFirst(len(b), true); c.mode != searching {
			c.read(side, b)
			return
		}
		fallthrough
	case side == flow.Client:
		s.client(b, c.at)
		return
	case len(s.turn) == 0:
		s.restart(true)
		return
	case s.first:
		s.answer, s.answerAt = append(s.answer, b...), c.at
		if len(s.answer) > maxTurn {
			s.restart(true)
		}
		return
	}
	n := min(len(b), headLen-len(s.answer))
	s.answer = append(s.answer, b[:n]...)
	if len(s.answer) == headLen {
		c.judge(b[n:])
	}
}

// client takes bytes of the client.
func (s *search) client(b []byte, at int64) {
	if len(s.answer) > 0 || len(s.turn) == 0 && !s.spoke {
		s.restart(false) // not a turn from its beginning
		return
	}
	s.spoke = false
	s.turn = append(s.turn, b...)
	s.turnAt = at
	if len(s.turn) > maxTurn {
		s.restart(false)
	}
}

// judge decides whether the client's turn is a boundary. rest is what follows
// the beginning of the answer.
func (c *conn) judge(rest []byte) {
	s := c.search
	if preface.IsTLS(s.turn) {
		c.giveUp("TLS")
		return
	}
	for _, r := range c.readings() {
		if r.fits(s.turn, s.answer) {
			c.resume(r, len(s.turn)+len(s.answer)+len(rest))
			c.read(flow.Server, s.answer)
			c.read(flow.Server, rest)
			return
		}
	}
	c.search.restart(true)
}

// judgeFirst decides about the first turn that was seen, once the answer to it
// is complete, or goes no further because bytes are lost. n bytes more have come
// since.
func (c *conn) judgeFirst(n int, complete bool) {
	s := c.search
	if preface.IsTLS(s.turn) {
		c.giveUp("TLS")
		return
	}
	for _, r := range c.readings() {
		if len(s.answer) >= headLen && r.fits(s.turn, s.answer) && r.answers(s.turn, s.answer, complete) {
			c.resume(r, len(s.turn)+len(s.answer)+n)
			at := c.at
			c.at = s.answerAt
			c.read(flow.Server, s.answer)
			c.at = at
			return
		}
	}
	c.search.restart(true)
}

// readings returns how the bytes may read.
func (c *conn) readings() []reading {
	var list []reading
	if c.protocol != X {
		known := false
		if r, ok := c.reader.(*classicConn); ok && r.state.Known {
			known = true
			list = append(list, reading{Classic, classic.CompressionOf(r.state.Caps)})
		}
		if !known {
			list = append(list, reading{Classic, classic.Uncompressed}, reading{Classic, classic.Zlib}, reading{Classic, classic.Zstd})
		}
	}
	if c.protocol != Classic {
		list = append(list, reading{X, classic.Uncompressed})
	}
	return list
}

// resume goes on from the boundary that was found: n bytes are still to be read.
func (c *conn) resume(r reading, n int) {
	s := c.search
	c.search = search{}
	note := "read on from where the client speaks"
	if passed := c.passedOver(n); passed > 0 {
		note += "; " + count(passed, "byte") + " passed over"
	}
	c.note(note)
	if c.reader == nil {
		c.become(r.protocol)
	}
	c.mode = following
	switch reader := c.reader.(type) {
	case *classicConn:
		reader.resume(r.compression)
	case *xConn:
		reader.resume()
	}
	at := c.at
	c.at, c.resuming, c.settling = s.turnAt, true, true
	c.read(flow.Client, s.turn)
	c.at, c.resuming = at, false
}

// seekClose takes a goodbye of the classic protocol for what it is, although no
// answer comes.
func (c *conn) seekClose() {
	s := &c.search
	if s.first && len(s.answer) > 0 {
		if c.judgeFirst(0, true); c.mode != searching {
			return
		}
	}
	if c.protocol == Classic && len(s.turn) > 0 && len(s.answer) == 0 {
		for _, r := range c.readings() {
			if last, ok := commands(s.turn, r.compression); ok && last.quit {
				c.resume(r, len(s.turn))
				return
			}
		}
	}
	s.restart(false)
	if passed := c.passedOver(0); passed > 0 {
		c.note(count(passed, "byte") + " passed over")
	}
}
