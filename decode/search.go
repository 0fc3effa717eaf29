package decode

import (
	"bytes"

	"myreplay/classic"
	"myreplay/flow"
	"myreplay/preface"
	"myreplay/session"
)

// maxTurn limits the bytes of a client's turn that are looked at while
// searching; a longer turn is passed over and the next one tried.
const maxTurn = 1 << 20

// search finds the next certain boundary.
//
// The two sides take turns: a client sends its next command only once it has
// read the reply to the last, and a server speaks only once it has read a
// command. So where the server has spoken and then the client speaks, a command
// begins. This is taken for certain only when the client's whole turn reads as
// frames from end to end, each with sequence id 0 and a known command, only the
// last one asking for a reply, and the server's answer then begins with the
// sequence id that follows. Everything else is passed over and counted.
//
// Where a recording begins with a client's bytes it does not show whether the
// server had spoken before them. Such a turn is taken only when the server's
// whole answer, up to the client's next turn, reads as the reply to it.
type search struct {
	// spoke: the server has sent something after the client's last byte.
	spoke bool
	// collecting: turn holds the client's turn from its first byte on.
	collecting bool
	turn       []byte
	at, end    int64
	// answer is the beginning of the server's answer to it, or all of it when
	// the turn is the first that was seen; it came between answerAt and
	// answerEnd.
	answer              []byte
	answerAt, answerEnd int64
	// first: no byte of the connection was seen before the turn.
	first bool
	// passed counts bytes, of both sides, that were passed over.
	passed uint64
}

// answerHead is how many bytes of the answer are needed to judge: a compressed
// header, a header, and a byte of payload.
const answerHead = classic.CompressedHeaderLen + classic.HeaderLen + 1

func (s *search) restart() {
	s.passed += uint64(len(s.turn) + len(s.answer))
	s.collecting = false
	s.spoke = false
	s.first = false
	s.turn, s.answer = nil, nil
}

// seek looks at the next bytes while searching.
func (d *Classic) seek(c *flow.Chunk) {
	s := &d.search
	if c.Side == flow.Client {
		if s.first && len(s.answer) > 0 {
			d.judgeFirst(true)
			if d.mode == following {
				d.feed(flow.Client, c.Data, d.at)
				return
			}
		}
		s.client(c.Data, d.at)
		return
	}
	if !s.collecting || len(s.turn) == 0 {
		s.spoke, s.first = true, false
		s.passed += uint64(len(c.Data))
		return
	}
	if len(s.answer) == 0 {
		s.answerAt = d.at
	}
	s.answerEnd = d.at
	if s.first {
		s.answer = append(s.answer, c.Data...)
		if len(s.answer) > maxTurn {
			s.restart()
			s.spoke = true
		}
		return
	}
	n := min(len(c.Data), max(answerHead-len(s.answer), 0))
	s.answer = append(s.answer, c.Data[:n]...)
	d.judge(c.Data[n:])
}

// client takes bytes of the client.
func (s *search) client(data []byte, at int64) {
	switch {
	case len(s.answer) > 0:
		// The client speaks before its turn could be judged: not a boundary.
		s.restart()
	case s.spoke:
		s.collecting, s.at = true, at
	}
	s.spoke = false
	if !s.collecting {
		s.passed += uint64(len(data))
		return
	}
	s.end = at
	s.turn = append(s.turn, data...)
	if len(s.turn) > maxTurn {
		s.restart()
	}
}

// judge decides whether the client's turn is a boundary, once enough of the
// answer is there. rest is what follows the answer's beginning.
func (d *Classic) judge(rest []byte) {
	s := &d.search
	if preface.IsTLS(s.turn) {
		d.start.Encrypted = true
		d.giveUp(session.Encrypted, true, "joined within TLS")
		return
	}
	for _, compression := range d.compressions() {
		switch verdict(s.turn, s.answer, compression) {
		case yes:
			d.resume(compression, rest)
			return
		case wait:
			return
		}
	}
	s.passed += uint64(len(rest))
	s.restart()
	s.spoke = true
}

// compressions returns what the bytes may be compressed with.
func (d *Classic) compressions() []classic.Compression {
	if d.state.Known {
		return []classic.Compression{classic.CompressionOf(d.state.Caps)}
	}
	return []classic.Compression{classic.Uncompressed, classic.Zlib, classic.Zstd}
}

type judgement uint8

const (
	no judgement = iota
	yes
	wait
)

// verdict judges a client's turn and the beginning of the server's answer.
func verdict(turn, answer []byte, compression classic.Compression) judgement {
	last, ok := wholeTurn(turn, compression)
	if !ok || !last.hasReply {
		return no
	}
	want := last.next
	if compression != classic.Uncompressed {
		// Compressed frames are numbered on their own: from 0 in each request,
		// from 1 in each reply.
		want = 1
	}
	if len(answer) < classic.HeaderLen+1 {
		return wait
	}
	if answer[3] != want || answer[0]|answer[1]|answer[2] == 0 {
		return no
	}
	return yes
}

// lastCommand describes the last command of a turn.
type lastCommand struct {
	hasReply, quit bool
	textual        bool // a statement whose text reads like one
	next           byte // sequence id of its reply
}

// wholeTurn tells whether a client's turn reads as commands from end to end,
// of which only the last asks for a reply.
func wholeTurn(turn []byte, compression classic.Compression) (last lastCommand, ok bool) {
	var framer classic.Framer
	framer.SetCompression(compression)
	framer.Feed(turn)
	var f classic.Frame
	for n := 0; ; n++ {
		more, err := framer.Next(&f)
		if err != nil {
			return last, false
		}
		if !more {
			return last, n > 0 && framer.Between()
		}
		if last.hasReply || last.quit || f.Seq != 0 || !classic.Plausible(f.Payload) {
			return last, false
		}
		kind := kindOf[f.Payload[0]]
		last = lastCommand{kind.HasReply(), kind == session.Quit, textual(f.Payload), f.Last + 1}
	}
}

// textual tells whether a payload is a statement that begins as SQL does, maybe
// behind the bytes that say there are no query attributes.
func textual(p []byte) bool {
	code := classic.Code(p[0])
	if code != classic.ComQuery && code != classic.ComStmtPrepare {
		return false
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(p[1:], []byte{0, 1}), " \t\r\n(/*-#")
	n := min(len(text), 6)
	for _, c := range text[:n] {
		if c != ' ' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return n > 1
}

// resume goes on from the boundary that was found.
func (d *Classic) resume(compression classic.Compression, rest []byte) {
	s := d.search
	d.search = search{passed: s.passed}
	d.mode = following
	d.start.Protocol = session.Classic
	if !d.state.Known {
		d.state.Join()
		d.start.Joined = true
		d.start.Login.Compression = compression.String()
	}
	d.state.Resume(compression)
	d.client.SetCompression(compression)
	d.server.SetCompression(compression)
	d.begin()
	if d.search.passed > 0 {
		d.passedOver("until a command certainly begins")
	}
	d.feedTurn(flow.Client, s.turn, s.at, s.end)
	if len(s.answer) > 0 {
		d.feedTurn(flow.Server, s.answer, s.answerAt, s.answerEnd)
	}
	d.feed(flow.Server, rest, d.at)
}

// feedTurn follows a side's turn that began and ended at the given times.
func (d *Classic) feedTurn(side flow.Side, turn []byte, at, end int64) {
	d.feed(side, turn[:1], at)
	d.feed(side, turn[1:], end)
}

// judgeFirst decides about the first turn that was seen, once the server's
// answer to it is complete, or as far as it goes when bytes of it are lost.
func (d *Classic) judgeFirst(complete bool) {
	s := &d.search
	for _, compression := range d.compressions() {
		if verdict(s.turn, s.answer, compression) == yes && answers(s.turn, s.answer, compression, complete) {
			d.resume(compression, nil)
			return
		}
	}
	s.restart()
	s.spoke = true
}

// answers tells whether a server's turn reads as the reply to a client's: from
// end to end when it is complete.
func answers(turn, answer []byte, compression classic.Compression, complete bool) bool {
	var st classic.State
	st.Join()
	st.Resume(compression)
	told := func(b []byte, complete bool, tell func(f *classic.Frame) error) bool {
		var framer classic.Framer
		framer.SetCompression(compression)
		framer.Feed(b)
		var f classic.Frame
		for {
			more, err := framer.Next(&f)
			if err == nil && more {
				err = tell(&f)
			}
			if err != nil || !more {
				return err == nil && (framer.Between() || !complete)
			}
		}
	}
	asked := told(turn, true, func(f *classic.Frame) error { _, err := st.Client(f); return err })
	said := told(answer, complete, func(f *classic.Frame) error { _, _, err := st.Server(f); return err })
	return asked && said && (!complete || st.Waiting() == 0 || st.Unsettled())
}

// passedOver reports the bytes that were passed over while searching.
func (d *Classic) passedOver(detail string) {
	reason := session.CommandLost
	if d.start.Joined && d.seq == 0 {
		reason = session.JoinedLate
	}
	n := d.search.passed
	d.search.passed = 0
	d.missing(reason, true, n, detail)
}

// seekGap is told of a gap while searching. It may find that enough is known to
// follow again.
func (d *Classic) seekGap(side flow.Side) {
	s := &d.search
	if s.first && side == flow.Server && len(s.answer) > answerHead {
		if d.judgeFirst(false); d.mode == following {
			return
		}
	}
	s.restart()
	// A gap of the server's is a sign that it spoke; after one of the client's
	// the next byte may be anywhere.
	s.spoke = side == flow.Server
}

// seekClose takes a goodbye, or a statement in text, for what it is as the last
// turn, although no answer to it was seen.
func (d *Classic) seekClose() {
	s := &d.search
	if s.first && len(s.answer) > 0 {
		d.judgeFirst(true)
		return
	}
	if !s.collecting || len(s.answer) > 0 {
		s.restart()
		return
	}
	for _, compression := range d.compressions() {
		if last, ok := wholeTurn(s.turn, compression); ok && (last.quit || last.textual) {
			d.resume(compression, nil)
			return
		}
	}
	s.restart()
}
