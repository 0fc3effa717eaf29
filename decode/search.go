package decode

import (
	"myreplay/classic"
	"myreplay/flow"
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
type search struct {
	// spoke: the server has sent something after the client's last byte.
	spoke bool
	// collecting: turn holds the client's turn from its first byte on.
	collecting bool
	turn       []byte
	at, end    int64
	// answer is the beginning of the server's answer to it.
	answer []byte
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
	s.turn, s.answer = nil, nil
}

// seek looks at the next bytes while searching.
func (d *Classic) seek(c *flow.Chunk) {
	s := &d.search
	if c.Side == flow.Client {
		s.client(c.Data, d.at)
		return
	}
	if !s.collecting || len(s.turn) == 0 {
		s.spoke = true
		s.passed += uint64(len(c.Data))
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
	if looksTLS(s.turn) && tlsRecords(s.turn) {
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
		if last.hasReply || last.quit || f.Seq != 0 || !plausible(f.Payload) {
			return last, false
		}
		kind := kindOf[f.Payload[0]]
		last = lastCommand{kind.HasReply(), kind == session.Quit, f.Last + 1}
	}
}

// plausible tells whether a payload is surely a command: one of those that
// clients send, with a length that it can have.
func plausible(p []byte) bool {
	if len(p) == 0 {
		return false
	}
	switch classic.Code(p[0]) {
	case classic.ComQuit, classic.ComStatistics, classic.ComPing, classic.ComResetConnection:
		return len(p) == 1
	case classic.ComQuery, classic.ComStmtPrepare, classic.ComInitDB:
		return len(p) > 1
	case classic.ComStmtExecute:
		return len(p) >= 10 && p[6] == 1 && p[7]|p[8]|p[9] == 0
	case classic.ComStmtClose, classic.ComStmtReset:
		return len(p) == 5
	case classic.ComStmtFetch:
		return len(p) == 9
	case classic.ComSetOption:
		return len(p) == 3 && p[1] <= 1 && p[2] == 0
	case classic.ComStmtSendLongData, classic.ComStmtBulkExecute:
		return len(p) >= 7
	}
	return false
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
	d.feedTurn(s.turn, s.at, s.end)
	d.feed(flow.Server, s.answer, d.at)
	d.feed(flow.Server, rest, d.at)
}

// feedTurn follows a client's turn that began and ended at the given times.
func (d *Classic) feedTurn(turn []byte, at, end int64) {
	d.commandAt = at
	d.feed(flow.Client, turn[:1], at)
	d.feed(flow.Client, turn[1:], end)
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

// seekGap is told of a gap while searching.
func (d *Classic) seekGap(side flow.Side) {
	s := &d.search
	s.restart()
	// A gap of the server's is a sign that it spoke; after one of the client's
	// the next byte may be anywhere.
	s.spoke = side == flow.Server
}

// seekClose takes a goodbye as the last turn.
func (d *Classic) seekClose() {
	s := &d.search
	if !s.collecting || len(s.answer) > 0 {
		s.restart()
		return
	}
	for _, compression := range d.compressions() {
		if last, ok := wholeTurn(s.turn, compression); ok && last.quit {
			d.resume(compression, nil)
			return
		}
	}
	s.restart()
}
