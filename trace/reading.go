package trace

import (
	"myreplay/classic"
	"myreplay/xproto"
)

// reading is a way to read a turn.
type reading struct {
	protocol    Protocol
	compression classic.Compression
}

// fits tells whether a client's turn reads so, and the beginning of the server's
// answer begins one to it.
func (r reading) fits(turn, answer []byte) bool {
	if r.protocol == X {
		return fitsX(turn, answer)
	}
	last, ok := commands(turn, r.compression)
	if !ok || !last.asks {
		return false
	}
	want := last.next
	if r.compression != classic.Uncompressed {
		want = 1 // compressed frames are numbered on their own, from 1 in a reply
	}
	return answer[3] == want && answer[0]|answer[1]|answer[2] != 0
}

// lastCommand is the last command of a turn.
type lastCommand struct {
	asks, quit bool
	next       byte // sequence id of its reply
}

// commands tells whether a client's turn reads as commands from end to end, of
// which only the last asks for a reply.
func commands(turn []byte, z classic.Compression) (last lastCommand, ok bool) {
	ok = eachClassic(turn, z, true, func(f *classic.Frame) bool {
		if last.asks || last.quit || f.Seq != 0 || !classic.Plausible(f.Payload) {
			return false
		}
		code := classic.Code(f.Payload[0])
		last = lastCommand{next: f.Last + 1, quit: code == classic.ComQuit}
		last.asks = !last.quit && code != classic.ComStmtClose && code != classic.ComStmtSendLongData
		return true
	})
	return last, ok
}

// fitsX tells whether a client's turn reads as messages of the X Protocol from
// end to end, and the header of the server's next message fits to the first.
func fitsX(turn, answer []byte) bool {
	var st xproto.State
	st.Join()
	if !eachX(turn, true, func(f *xproto.Frame) bool {
		return xproto.ClientMessage(f.Type).Known() && wellFormed(f.Payload) && st.Client(f) == nil
	}) {
		return false
	}
	if answer[3] != 0 || answer[0]|answer[1]|answer[2] == 0 {
		return false
	}
	if xproto.ServerMessage(answer[4]) == xproto.ServerCompression {
		return true
	}
	_, _, _, err := st.Server(&xproto.Frame{Type: answer[4]})
	return err == nil
}

// wellFormed tells whether a payload is made of fields from end to end. It reads
// it as two messages that skip what they do not know: one whose field 1 is a
// number, and one in which it is bytes.
func wellFormed(payload []byte) bool {
	var numbered xproto.Compressed
	if numbered.Decode(payload) == nil {
		return true
	}
	_, err := xproto.OKText(payload)
	return err == nil
}

// answers tells whether a server's turn reads as the answer to a client's: from
// end to end when it is complete.
func (r reading) answers(turn, answer []byte, complete bool) bool {
	if r.protocol == X {
		var st xproto.State
		st.Join()
		return eachX(turn, true, func(f *xproto.Frame) bool { return st.Client(f) == nil }) &&
			eachX(answer, complete, func(f *xproto.Frame) bool {
				_, _, _, err := st.Server(f)
				return err == nil
			}) && (st.Waiting() == 0 || !complete)
	}
	var st classic.State
	st.Join()
	st.Resume(r.compression)
	return eachClassic(turn, r.compression, true, func(f *classic.Frame) bool {
		_, err := st.Client(f)
		return err == nil
	}) && eachClassic(answer, r.compression, complete, func(f *classic.Frame) bool {
		_, _, err := st.Server(f)
		return err == nil
	}) && (st.Waiting() == 0 || st.Unsettled() || !complete)
}

// eachX calls ok for each message in b, and tells whether all are ok, there is
// one, and b is made of messages from end to end; the last may be cut unless b is
// complete.
func eachX(b []byte, complete bool, ok func(*xproto.Frame) bool) bool {
	var framer xproto.Framer
	framer.Feed(b)
	var f xproto.Frame
	for n := 0; ; n++ {
		more, err := framer.Next(&f)
		if err != nil || more && !ok(&f) {
			return false
		}
		if !more {
			return n > 0 && (framer.Between() || !complete)
		}
	}
}

// eachClassic is eachX for frames of the classic protocol.
func eachClassic(b []byte, z classic.Compression, complete bool, ok func(*classic.Frame) bool) bool {
	var framer classic.Framer
	framer.SetCompression(z)
	framer.Feed(b)
	var f classic.Frame
	for n := 0; ; n++ {
		more, err := framer.Next(&f)
		if err != nil || more && !ok(&f) {
			return false
		}
		if !more {
			return n > 0 && (framer.Between() || !complete)
		}
	}
}
