package feed

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"myreplay/capfile"
)

// Each side begins with magic and its Version in one byte. Messages follow, in
// frames: a type, which has the bit more in all frames of a message but the
// last, a length of four bytes, little-endian like all numbers, and as many
// bytes.
const (
	magic       = "MYRFEED\n"
	frameHead   = 5
	maxFrame    = 1 << 20
	more        = 0x80
	readBuffer  = 32 << 10
	writeBuffer = 64 << 10
)

// message is the type of a message.
type message byte

// The types of messages.
const (
	msgHello  message = 1  // mirror: JSON (Hello)
	msgReply  message = 2  // assistant: JSON (helloReply)
	msgBlock  message = 3  // mirror: its number, and a block of capfile's
	msgAck    message = 4  // assistant: the number up to which blocks were taken over
	msgPing   message = 5  // mirror: its clock, the skew and the round trip it knows of
	msgPong   message = 6  // assistant: the Ping's clock, and its own
	msgNote   message = 7  // assistant: length of the kind in a byte, kind, payload
	msgFinish message = 8  // mirror: the number of the last block
	msgDone   message = 9  // assistant: all is said
	msgBye    message = 10 // either: why it ends, "" when all is well
)

var messageNames = [...]string{"?", "hello", "hello reply", "block", "ack", "ping", "pong", "note", "finish", "done", "bye"}

// String returns the type's name.
func (m message) String() string {
	if int(m) < len(messageNames) {
		return messageNames[m]
	}
	return fmt.Sprintf("message %d", byte(m))
}

// limit returns how long the body of a message may be.
func (m message) limit() int {
	switch m {
	case msgHello:
		return 1 << 20
	case msgReply, msgBye:
		return 64 << 10
	case msgBlock:
		return 8 + capfile.MaxCarried
	case msgNote:
		return 256 + MaxNote
	case msgAck, msgPing, msgPong, msgFinish, msgDone:
		return 64
	}
	return 0
}

// errProtocol: what the other side says does not follow the protocol.
var errProtocol = errors.New("the other side does not follow the feed's protocol")

func protocolError(format string, a ...any) error {
	return fmt.Errorf("%w: %s", errProtocol, fmt.Sprintf(format, a...))
}

// numbers makes a body of numbers of eight bytes.
func numbers(v ...uint64) []byte {
	b := make([]byte, 0, 8*len(v))
	for _, n := range v {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// readNumbers reads a body of exactly len(v) numbers.
func readNumbers(m message, body []byte, v ...*uint64) error {
	if len(body) != 8*len(v) {
		return protocolError("a %s of %d bytes", m, len(body))
	}
	for i, p := range v {
		*p = binary.LittleEndian.Uint64(body[8*i:])
	}
	return nil
}

// messageWriter writes messages; flush sends them off.
type messageWriter struct{ w *bufio.Writer }

func newMessageWriter(w io.Writer) *messageWriter {
	return &messageWriter{bufio.NewWriterSize(w, writeBuffer)}
}

// preamble writes what a side begins with.
func (w *messageWriter) preamble() error {
	if _, err := w.w.WriteString(magic); err != nil {
		return err
	}
	return w.w.WriteByte(Version)
}

// write writes a message whose body is head and rest.
func (w *messageWriter) write(m message, head, rest []byte) error {
	if len(head)+len(rest) > m.limit() {
		return fmt.Errorf("a %s of %d bytes is over the limit of %d", m, len(head)+len(rest), m.limit())
	}
	for first := true; first || len(rest) > 0; first = false {
		n := min(len(rest), maxFrame-len(head))
		t := byte(m)
		if n < len(rest) {
			t |= more
		}
		b := append(w.w.AvailableBuffer(), t)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(head)+n))
		b = append(b, head...)
		if _, err := w.w.Write(b); err != nil {
			return err
		}
		if _, err := w.w.Write(rest[:n]); err != nil {
			return err
		}
		head, rest = nil, rest[n:]
	}
	return nil
}

// json writes a message whose body is v in JSON.
func (w *messageWriter) json(m message, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("a %s: %w", m, err)
	}
	return w.write(m, nil, body)
}

func (w *messageWriter) flush() error { return w.w.Flush() }

// messageReader reads messages, and never allocates more than was sent.
type messageReader struct {
	r    *bufio.Reader
	body []byte
}

func newMessageReader(r io.Reader) *messageReader {
	return &messageReader{r: bufio.NewReaderSize(r, readBuffer)}
}

// preamble reads what the other side begins with.
func (r *messageReader) preamble() error {
	var b [len(magic) + 1]byte
	if _, err := io.ReadFull(r.r, b[:]); err != nil {
		return err
	}
	if string(b[:len(magic)]) != magic {
		return protocolError("it does not begin as a feed does")
	}
	if v := b[len(magic)]; v != Version {
		return fmt.Errorf("the other side speaks version %d of the feed, this one version %d: use the same myreplay on both", v, Version)
	}
	return nil
}

// next returns the next message. Its body is valid until the next call.
func (r *messageReader) next() (message, []byte, error) {
	const kept = 1 << 20 // a larger buffer is not kept
	if r.body = r.body[:0]; cap(r.body) > kept {
		r.body = nil
	}
	for first := message(0); ; {
		var h [frameHead]byte
		if _, err := io.ReadFull(r.r, h[:]); err != nil {
			return 0, nil, err
		}
		m, n := message(h[0]&^more), int(binary.LittleEndian.Uint32(h[1:]))
		if first == 0 {
			first = m
		}
		if m != first || m.limit() == 0 {
			return 0, nil, protocolError("a %s within a %s", m, first)
		}
		if n > maxFrame || len(r.body)+n > m.limit() || n == 0 && h[0]&more != 0 {
			return 0, nil, protocolError("a frame of %d bytes after %d of a %s", n, len(r.body), m)
		}
		if err := r.more(n); err != nil {
			return 0, nil, err
		}
		if h[0]&more == 0 {
			return m, r.body, nil
		}
	}
}

// more reads n bytes to those of the body.
func (r *messageReader) more(n int) error {
	const step = 64 << 10
	for n > 0 {
		k := min(n, step)
		from := len(r.body)
		if cap(r.body)-from < k {
			r.body = append(r.body, make([]byte, k)...)
		} else {
			r.body = r.body[:from+k]
		}
		if _, err := io.ReadFull(r.r, r.body[from:]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}
