package classic

import "myreplay/wire"

const (
	// HeaderLen is the length of a frame's header: payload length (3 bytes) and
	// sequence id (1 byte).
	HeaderLen = 4
	// MaxFrame is the longest payload of one frame on the wire. A payload of
	// exactly this length is continued by another frame, empty if need be.
	MaxFrame = 0xffffff
	// DefaultLimit is how many payload bytes a Framer keeps of one frame unless
	// told otherwise: the server's own default of max_allowed_packet.
	DefaultLimit = 64 << 20
	// keepBuffer is the largest buffer that a Framer keeps for the next frame.
	keepBuffer = 16 << 10
)

// Frame is one protocol unit: the payload of a wire frame, or of several where
// the payload was split.
type Frame struct {
	// Seq is the sequence id of the first wire frame, Last that of the last.
	Seq, Last byte
	// Payload is borrowed until the Framer's next call.
	Payload []byte
	// Size is the length of the whole payload.
	Size uint64
	// Wire counts all bytes, headers included.
	Wire uint64
	// Cut: Payload holds only the first bytes, because the rest was over the
	// Framer's limit.
	Cut bool
	// Holed: bytes of the payload were lost; Payload holds those before the
	// hole.
	Holed bool
}

// AppendFrames appends payload as one frame, or more when it is long, beginning
// with sequence id seq. It returns the sequence id that comes next.
func AppendFrames(dst []byte, seq byte, payload []byte) ([]byte, byte) {
	for {
		n := min(len(payload), MaxFrame)
		dst = append(wire.AppendUint24(dst, uint32(n)), seq)
		dst = append(dst, payload[:n]...)
		payload = payload[n:]
		seq++
		if n < MaxFrame {
			return dst, seq
		}
	}
}

// Framer cuts the bytes of one direction into frames. It also undoes
// compression, from the moment that SetCompression is called. The zero Framer
// is at the beginning of a connection.
//
// Feed it bytes, then call Next until it returns false, then Feed again. A
// Framer that returned an error stays in it until Reset.
type Framer struct {
	// Limit is how many payload bytes of one frame are kept; DefaultLimit when
	// 0. Longer payloads are counted and Cut.
	Limit int

	in  []byte    // borrowed: not consumed yet, plain
	z   *inflater // nil: no compression
	err error

	header  [HeaderLen]byte
	headerN int  // bytes of header collected
	need    int  // payload bytes of the current wire frame still to come
	body    bool // a header was read, its payload is not complete
	more    bool // the last wire frame was full: another belongs to it
	frame   Frame
	joined  []byte // own: payload collected so far
}

// Feed gives the Framer the next bytes, which it borrows until Next has
// returned false.
func (f *Framer) Feed(b []byte) {
	if f.z != nil {
		f.z.in = b
		return
	}
	f.in = b
}

// Next reads the next frame. It returns false when more bytes are needed. The
// error is a *FormatError.
func (f *Framer) Next(out *Frame) (bool, error) {
	for f.err == nil {
		if f.plain(out) {
			return true, nil
		}
		if f.err != nil || f.z == nil {
			break
		}
		// The plain bytes are used up: undo the next compressed frame.
		if f.in, f.err = f.z.next(); f.in == nil {
			break
		}
	}
	return false, f.err
}

// plain reads a frame from f.in.
func (f *Framer) plain(out *Frame) bool {
	for {
		if !f.body && !f.readHeader() {
			return false
		}
		if f.frame.Size == 0 && !f.more && f.need <= len(f.in) && f.need < MaxFrame && f.need <= f.limit() && !f.frame.Holed {
			f.whole(out)
			return true
		}
		if !f.collect() {
			return false
		}
		if f.more {
			continue
		}
		*out = f.frame
		out.Payload = f.joined
		return true
	}
}

// whole hands out a frame that lies in f.in from end to end.
func (f *Framer) whole(out *Frame) {
	*out = f.frame
	out.Payload = f.in[:f.need:f.need]
	out.Size = uint64(f.need)
	out.Wire += uint64(f.need)
	f.in = f.in[f.need:]
	f.body = false
}

// readHeader reads the header of the next wire frame.
func (f *Framer) readHeader() bool {
	h := f.in
	if f.headerN > 0 || len(h) < HeaderLen {
		n := copy(f.header[f.headerN:], f.in)
		f.headerN += n
		f.in = f.in[n:]
		if f.headerN < HeaderLen {
			return false
		}
		h = f.header[:]
	} else {
		f.in = f.in[HeaderLen:]
	}
	f.headerN = 0
	f.body = true
	f.need = int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	if !f.more {
		f.frame = Frame{Seq: h[3]}
		if cap(f.joined) > keepBuffer {
			f.joined = nil
		}
		f.joined = f.joined[:0]
	}
	f.frame.Last = h[3]
	f.frame.Wire += HeaderLen
	f.more = f.need == MaxFrame
	return true
}

// collect moves payload bytes to f.joined and tells whether the wire frame is
// complete.
func (f *Framer) collect() bool {
	n := min(f.need, len(f.in))
	keep := n
	if f.frame.Holed {
		keep = 0
	} else if room := f.limit() - len(f.joined); keep > room {
		keep = room
		f.frame.Cut = true
	}
	f.joined = append(f.joined, f.in[:keep]...)
	f.in = f.in[n:]
	f.need -= n
	f.frame.Size += uint64(n)
	f.frame.Wire += uint64(n)
	f.body = f.need > 0
	return !f.body
}

func (f *Framer) limit() int {
	if f.Limit > 0 {
		return f.Limit
	}
	return DefaultLimit
}

// Lost tells the Framer that n bytes of its direction were lost (0: unknown
// how many). It returns true when all of them belong to the payload of a frame
// that had begun: that frame will come out Holed and framing goes on.
// Otherwise the Framer can't know where the next frame begins: it has been
// Reset and must be fed from a frame's beginning.
func (f *Framer) Lost(n uint64) bool {
	if f.err == nil && f.z == nil && f.body && n > 0 && n <= uint64(f.need) {
		f.need -= int(n)
		f.frame.Size += n
		f.frame.Wire += n
		f.frame.Holed = true
		f.body = true
		return true
	}
	f.Reset()
	return false
}

// Reset forgets an unfinished frame, an error and what is left of the input.
// The next byte fed begins a frame. Compression stays as it is.
func (f *Framer) Reset() {
	*f = Framer{Limit: f.Limit, z: f.z, joined: f.joined[:0]}
	if f.z != nil {
		f.z.reset()
	}
	if cap(f.joined) > keepBuffer {
		f.joined = nil
	}
}

// SetCompression makes the bytes that follow the last frame be read as
// compressed frames. Call it between frames: after the OK that ends the login.
func (f *Framer) SetCompression(c Compression) {
	rest := f.in
	if f.z != nil {
		rest = f.z.in
	}
	f.in, f.z = nil, nil
	if c != Uncompressed {
		f.z = &inflater{algorithm: c}
	}
	f.Feed(rest)
}

// CompressedSeq returns the sequence id of the compressed frame that was begun
// last, 0 without compression: what is sent within a reply (a file, an
// authentication answer) continues from it.
func (f *Framer) CompressedSeq() byte {
	if f.z == nil {
		return 0
	}
	return f.z.seq
}

// Between tells whether the Framer stands between two frames, with all bytes
// consumed.
func (f *Framer) Between() bool {
	return f.err == nil && len(f.in) == 0 && f.headerN == 0 && !f.body && !f.more && (f.z == nil || f.z.between())
}

// Rest takes the bytes that were fed and not yet consumed, still borrowed.
func (f *Framer) Rest() []byte {
	rest := f.in
	f.in = nil
	if f.z != nil {
		rest, f.z.in = f.z.in, nil
	}
	return rest
}

// Held returns how many bytes of memory the Framer holds for unfinished
// frames.
func (f *Framer) Held() int {
	n := cap(f.joined)
	if f.z != nil {
		n += cap(f.z.body) + cap(f.z.out)
	}
	return n
}
