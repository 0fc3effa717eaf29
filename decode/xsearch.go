package decode

import (
	"myreplay/flow"
	"myreplay/preface"
	"myreplay/session"
	"myreplay/xproto"
)

// xSearch finds the next certain boundary in a connection of the X Protocol.
//
// Nothing numbers messages, and a client may send ahead, so more is asked for
// than in the classic protocol: the server has spoken; then the client's whole
// turn reads as messages that clients send, each with the fields of its kind and
// no others; then the server's whole answer, up to the client's next turn, reads
// as the replies to exactly those messages. Everything else is passed over and
// counted. A client that keeps sending ahead of replies could bring the replies
// of earlier messages in turns that fit: where that was seen, no boundary is
// taken.
type xSearch struct {
	// spoke: the server has sent something after the client's last byte.
	spoke bool
	turn  record
	// asked are the messages of the turn, once the answer to it has begun.
	asked  []xproto.ClientMessage
	answer record
}

func (s *xSearch) size() uint64 { return uint64(len(s.turn.bytes) + len(s.answer.bytes)) }

func (s *xSearch) held() int { return s.turn.held() + s.answer.held() }

// restart passes over what was collected.
func (s *xSearch) restart(passed *uint64) {
	*passed += s.size()
	*s = xSearch{}
}

// gap is told that bytes of a side are lost. That the server's are is a sign
// that it spoke; after the client's the next byte may be anywhere.
func (s *xSearch) gap(side flow.Side, passed *uint64) {
	s.restart(passed)
	s.spoke = side == flow.Server
}

// seek looks at the next bytes while searching.
func (d *X) seek(side flow.Side, data []byte) {
	s := &d.search
	if side == flow.Server {
		d.seekServer(data)
		return
	}
	if len(s.answer.bytes) > 0 {
		if d.judge() {
			d.follow(flow.Client, data, d.at)
			return
		}
		s.restart(&d.passed)
		s.spoke = true
	}
	if len(s.turn.bytes) == 0 && !s.spoke {
		d.passed += uint64(len(data))
		return
	}
	s.spoke = false
	if !s.turn.add(data, d.at) {
		s.restart(&d.passed)
		d.passed += uint64(len(data))
	}
}

func (d *X) seekServer(data []byte) {
	s := &d.search
	if len(s.turn.bytes) > 0 && len(s.answer.bytes) == 0 {
		var ok bool
		if s.asked, ok = d.wholeXTurn(s.turn.bytes); !ok {
			if preface.IsTLS(s.turn.bytes) {
				d.start.Encrypted = true
				d.giveUp(session.Encrypted, true, 0, "joined within TLS")
				return
			}
			s.restart(&d.passed)
		}
	}
	if len(s.turn.bytes) == 0 || !s.answer.add(data, d.at) {
		s.restart(&d.passed)
		s.spoke = true
		d.passed += uint64(len(data))
	}
}

// seekClose decides about the last turn.
func (d *X) seekClose() {
	if len(d.search.answer.bytes) == 0 || !d.judge() {
		d.search.restart(&d.passed)
	}
}

// judge decides, when the server's turn is over, whether it answers the client's
// from end to end; if so, both are followed.
func (d *X) judge() bool {
	s := d.search
	if !d.fits(s.asked, s.answer.bytes) {
		return false
	}
	d.search = xSearch{}
	if d.unsure {
		a := max(sniff(flow.Client, s.turn.bytes), sniff(flow.Server, s.answer.bytes))
		if a != xproto.Uncompressed {
			d.setCompression(a)
			d.start.Login.Compression = a.String()
		}
	}
	d.resume()
	replay := func(side flow.Side) func(data []byte, at int64) {
		return func(data []byte, at int64) {
			if d.mode == following {
				d.follow(side, data, at)
			}
		}
	}
	s.turn.each(replay(flow.Client))
	s.answer.each(replay(flow.Server))
	return true
}

// resume goes on where the client's turn begins.
func (d *X) resume() {
	d.mode = following
	d.start.Protocol = session.X
	d.opening.begun = true
	if !d.login.seen {
		d.start.Joined = true
	}
	d.state.Resync()
	d.state.Phase = xproto.Ready
	d.speaker = flow.Server
	d.begin()
	d.passedOver()
}

// wholeXTurn returns the messages of a client's turn, if it reads as such from
// end to end.
func (d *X) wholeXTurn(turn []byte) (asked []xproto.ClientMessage, ok bool) {
	framer := d.newFramer(flow.Client, turn)
	var f xproto.Frame
	for {
		more, err := framer.Next(&f)
		if err != nil {
			return nil, false
		}
		if !more {
			return asked, len(asked) > 0 && framer.Between()
		}
		m := xproto.ClientMessage(f.Type)
		if f.Cut || !strict(clientBodies[m], f.Payload, false) {
			return nil, false
		}
		asked = append(asked, m)
	}
}

// fits tells whether a server's turn is the replies to the messages asked, from
// end to end, and nothing else but notices.
func (d *X) fits(asked []xproto.ClientMessage, answer []byte) bool {
	if d.mute || len(asked) == 0 {
		return false
	}
	var st xproto.State
	st.Join()
	for _, m := range asked {
		if st.Client(&xproto.Frame{Type: byte(m), Holed: true}) != nil {
			return false
		}
	}
	framer := d.newFramer(flow.Server, answer)
	var f xproto.Frame
	columns := 0 // of the rows under way
	for {
		more, err := framer.Next(&f)
		if err != nil || !more {
			return err == nil && framer.Between() && st.Waiting() == 0
		}
		to, done, _, err := st.Server(&f)
		m := xproto.ServerMessage(f.Type)
		if err != nil || f.Cut || !strict(serverBodies[m], f.Payload, true) {
			return false
		}
		switch {
		case m == xproto.ResultsetColumnMetaData:
			columns++
		case m == xproto.ResultsetRow && to != xproto.CursorFetch && xproto.Row(f.Payload, columns, func(int, []byte) {}) != nil:
			return false
		case m == xproto.ResultsetMoreResultsets, m == xproto.ResultsetMoreOutParams, done:
			columns = 0
		}
	}
}

// maxMarks limits how many moments a record keeps.
const maxMarks = 1 << 12

// record keeps bytes of one side until they are judged, with when they came.
type record struct {
	bytes []byte
	marks []mark
	bad   bool
}

// mark tells that the bytes up to end came at a moment, or by then.
type mark struct {
	end int
	at  int64
}

// add appends bytes; false when there are too many.
func (r *record) add(data []byte, at int64) bool {
	if r.bad || len(r.bytes)+len(data) > maxTurn {
		return false
	}
	r.bytes = append(r.bytes, data...)
	n := len(r.marks)
	if n > 0 && (r.marks[n-1].at == at || n == maxMarks) {
		r.marks[n-1] = mark{len(r.bytes), at}
	} else {
		r.marks = append(r.marks, mark{len(r.bytes), at})
	}
	return true
}

// spoil drops the bytes: they can't be judged.
func (r *record) spoil() { *r = record{bad: true} }

// whole tells whether there are bytes that can be judged.
func (r *record) whole() bool { return len(r.bytes) > 0 && !r.bad }

func (r *record) held() int { return cap(r.bytes) + 16*cap(r.marks) }

// each calls f for the bytes of each moment.
func (r *record) each(f func(data []byte, at int64)) {
	from := 0
	for _, m := range r.marks {
		f(r.bytes[from:m.end], m.at)
		from = m.end
	}
}
