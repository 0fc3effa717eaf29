package xproto

import (
	"encoding/binary"

	"myreplay/wire"
)

const (
	// HeaderLen is the length of a frame's header: the length of what follows the
	// length (4 bytes, little endian) and the message's type (1 byte).
	HeaderLen = 5
	// DefaultLimit is how many payload bytes a Framer keeps of one frame unless
	// told otherwise: the server's own default of mysqlx_max_allowed_packet.
	DefaultLimit = 64 << 20
	// MaxFrame is the longest payload that any server takes: the largest
	// mysqlx_max_allowed_packet. A longer one is no frame.
	MaxFrame = 1 << 30
	// keepBuffer is the largest buffer that is kept for the next frame.
	keepBuffer = 16 << 10
)

// Frame is one message as it passes: its type and its payload. What passed
// inside a COMPRESSION message comes as frames of its own.
type Frame struct {
	// Type is a ClientMessage or a ServerMessage, by direction.
	Type byte
	// Payload is borrowed until the Framer's next call.
	Payload []byte
	// Size is the length of the whole payload.
	Size uint64
	// Cut: Payload holds only the first bytes, because the rest was over the
	// Framer's limit.
	Cut bool
	// Holed: bytes of the payload were lost; Payload holds those before the hole.
	Holed bool
	// Packed: it came inside a COMPRESSION message.
	Packed bool
}

// Wire returns the frame's length without compression, its header included.
func (f *Frame) Wire() uint64 { return HeaderLen + f.Size }

// AppendFrame appends a message with its header to dst.
func AppendFrame(dst []byte, kind byte, payload []byte) []byte {
	dst = wire.AppendUint32(dst, uint32(len(payload)+1))
	return append(append(dst, kind), payload...)
}

// cutter cuts plain bytes into frames.
type cutter struct {
	limit   int
	in      []byte // borrowed: not consumed yet
	header  [HeaderLen]byte
	headerN int
	need    int  // payload bytes still to come
	body    bool // a header was read, its payload is not complete
	frame   Frame
	joined  []byte // own: payload collected so far
}

// next reads the next frame; false when more bytes are needed.
func (c *cutter) next(out *Frame) (bool, error) {
	if !c.body {
		ok, err := c.readHeader()
		if !ok || err != nil {
			return false, err
		}
		if c.need <= len(c.in) && c.need <= c.limit {
			*out = c.frame
			out.Payload = c.in[:c.need:c.need]
			out.Size = uint64(c.need)
			c.in, c.body = c.in[c.need:], false
			return true, nil
		}
	}
	if !c.collect() {
		return false, nil
	}
	*out = c.frame
	out.Payload = c.joined
	return true, nil
}

func (c *cutter) readHeader() (bool, error) {
	n := copy(c.header[c.headerN:], c.in)
	c.headerN += n
	c.in = c.in[n:]
	if c.headerN >= 4 {
		switch length := binary.LittleEndian.Uint32(c.header[:]); {
		case length == 0:
			return false, &FormatError{"frame", "a length of 0"}
		case length > MaxFrame:
			return false, &FormatError{"frame", "longer than any server takes"}
		}
	}
	if c.headerN < HeaderLen {
		return false, nil
	}
	c.headerN = 0
	c.body = true
	c.need = int(binary.LittleEndian.Uint32(c.header[:])) - 1
	c.frame = Frame{Type: c.header[4]}
	if cap(c.joined) > keepBuffer {
		c.joined = nil
	}
	c.joined = c.joined[:0]
	return true, nil
}

// collect moves payload bytes to c.joined and tells whether the frame is
// complete.
func (c *cutter) collect() bool {
	n := min(c.need, len(c.in))
	keep := n
	if c.frame.Holed {
		keep = 0
	} else if room := c.limit - len(c.joined); keep > room {
		keep = room
		c.frame.Cut = true
	}
	c.joined = append(c.joined, c.in[:keep]...)
	c.in = c.in[n:]
	c.need -= n
	c.frame.Size += uint64(n)
	c.body = c.need > 0
	return !c.body
}

func (c *cutter) between() bool { return len(c.in) == 0 && c.headerN == 0 && !c.body }

// Framer cuts the bytes of one direction into frames, and undoes compression,
// once SetCompression was called. The zero Framer is at the beginning of a
// connection.
//
// Feed it bytes, then call Next until it returns false, then Feed again. A
// Framer that returned an error stays in it until Reset.
type Framer struct {
	// Limit is how many payload bytes of one frame are kept; DefaultLimit when
	// 0. Longer payloads are counted and Cut; a compressed one over it is an
	// error.
	Limit int

	outer cutter
	inner cutter // of what is inside a COMPRESSION message
	packs byte   // the type of messages that hold others
	z     *inflater
	err   error
}

// Feed gives the Framer the next bytes, which it borrows until Next has
// returned false.
func (f *Framer) Feed(b []byte) { f.outer.in = b }

// Next reads the next frame. It returns false when more bytes are needed. The
// error is a *FormatError.
func (f *Framer) Next(out *Frame) (bool, error) {
	f.outer.limit = f.limit()
	for f.err == nil {
		if f.z != nil && f.z.unpacking {
			ok, err := f.unpack(out)
			if ok || err != nil {
				f.err = err
				return ok, err
			}
			continue
		}
		ok, err := f.outer.next(out)
		if !ok || err != nil {
			f.err = err
			return false, err
		}
		if f.z == nil || out.Type != f.packs {
			return true, nil
		}
		f.err = f.z.begin(out)
		f.inner = cutter{limit: f.limit(), joined: f.inner.joined}
	}
	return false, f.err
}

// unpack reads the next frame inside a COMPRESSION message; at its end it
// returns false.
func (f *Framer) unpack(out *Frame) (bool, error) {
	for {
		ok, err := f.inner.next(out)
		if err != nil {
			return false, err
		}
		if ok {
			if out.Type == f.packs {
				return false, &FormatError{"compressed message", "holds another"}
			}
			out.Packed = true
			return true, nil
		}
		if f.inner.in, err = f.z.more(); err != nil {
			return false, err
		}
		if f.inner.in == nil {
			f.z.unpacking = false
			if !f.inner.between() {
				return false, &FormatError{"compressed message", "ends within a frame"}
			}
			return false, nil
		}
	}
}

func (f *Framer) limit() int {
	if f.Limit > 0 {
		return f.Limit
	}
	return DefaultLimit
}

// Lost tells the Framer that n bytes of its direction were lost (0: unknown how
// many). It returns true when all of them belong to the payload of a frame that
// had begun: that frame will come out Holed and framing goes on. Otherwise the
// Framer can't know where the next frame begins, or can't undo the compression
// any more: it has been Reset and must be fed from a frame's beginning.
func (f *Framer) Lost(n uint64) bool {
	o := &f.outer
	if f.err == nil && o.body && n > 0 && n <= uint64(o.need) && !(f.z != nil && o.frame.Type == f.packs) {
		o.need -= int(n)
		o.frame.Size += n
		o.frame.Holed = true
		return true
	}
	f.Reset()
	return false
}

// Reset forgets an unfinished frame, an error and what is left of the input.
// The next byte fed begins a frame. Compression that is one stream for the whole
// connection can't be undone any more: its messages are errors from then on,
// until one begins a stream anew.
func (f *Framer) Reset() {
	*f = Framer{Limit: f.Limit, packs: f.packs, z: f.z}
	if f.z != nil {
		f.z.lose()
	}
}

// SetCompression makes the Framer undo the compression of the messages that
// follow. Messages of the given type hold others: ClientCompression or
// ServerCompression, by direction (the server's number is a client's CrudUpdate).
func (f *Framer) SetCompression(a Algorithm, message byte) {
	f.z, f.packs = nil, message
	if a != Uncompressed {
		f.z = newInflater(a)
	}
}

// Between tells whether the Framer stands between two frames, with all bytes
// consumed.
func (f *Framer) Between() bool {
	return f.err == nil && f.outer.between() && (f.z == nil || !f.z.unpacking)
}

// Rest takes the bytes that were fed and not yet consumed, still borrowed.
func (f *Framer) Rest() []byte {
	rest := f.outer.in
	f.outer.in = nil
	return rest
}

// Held returns how many bytes of memory the Framer holds for unfinished frames
// and for the compression.
func (f *Framer) Held() int {
	n := cap(f.outer.joined) + cap(f.inner.joined)
	if f.z != nil {
		n += f.z.held()
	}
	return n
}
