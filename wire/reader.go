// Package wire reads and writes the integers and strings that MySQL's
// protocols and the capture format are made of. Reading is bounds-checked and
// sticky: every read checks what is left, and the first failure stays, so a
// decoder of untrusted bytes may read on and ask once at the end.
package wire

import (
	"encoding/binary"
	"errors"
)

// Errors that a Reader's Err returns.
var (
	// ErrShort: a read went past the end of the bytes.
	ErrShort = errors.New("ends too early")
	// ErrLenenc: a length-encoded integer began with 0xff, or with 0xfb (NULL)
	// where a value is needed.
	ErrLenenc = errors.New("bad length-encoded integer")
	// ErrVarint: a varint has more than 64 bits.
	ErrVarint = errors.New("bad varint")
)

// Reader reads from bytes that it borrows; the slices that it returns alias
// them. After the first failure every read returns a zero value and Err tells
// what failed. The zero Reader is at the end of nothing.
type Reader struct {
	buf []byte
	off int
	err error
}

// NewReader returns a Reader over b, which it borrows.
func NewReader(b []byte) Reader { return Reader{buf: b} }

// Err returns the first failure, or nil.
func (r *Reader) Err() error { return r.err }

// Offset returns how many bytes have been read; after a failure, where it was.
func (r *Reader) Offset() int { return r.off }

// Len returns how many bytes are left; 0 after a failure.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.buf) - r.off
}

// Fail makes the Reader fail with err unless it has failed before.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Bytes returns the next n bytes, borrowed. A negative n fails.
func (r *Reader) Bytes(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.buf)-r.off {
		r.err = ErrShort
		return nil
	}
	b := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Skip passes over n bytes.
func (r *Reader) Skip(n int) { r.Bytes(n) }

// Rest returns all that is left, borrowed; never nil unless the Reader failed.
func (r *Reader) Rest() []byte { return r.Bytes(r.Len()) }

// Peek returns the next byte without reading it, and whether there is one.
func (r *Reader) Peek() (byte, bool) {
	if r.Len() == 0 {
		return 0, false
	}
	return r.buf[r.off], true
}

// Uint8 reads one byte.
func (r *Reader) Uint8() uint8 {
	if r.err != nil {
		return 0
	}
	if r.off >= len(r.buf) {
		r.err = ErrShort
		return 0
	}
	r.off++
	return r.buf[r.off-1]
}

// Uint16 reads two bytes, least significant first, as all integers here.
func (r *Reader) Uint16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// Uint24 reads three bytes.
func (r *Reader) Uint24() uint32 {
	if b := r.Bytes(3); b != nil {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	}
	return 0
}

// Uint32 reads four bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads eight bytes.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// NulString returns the bytes before the next NUL, borrowed, and reads the NUL
// too. Without a NUL it fails.
func (r *Reader) NulString() []byte {
	if r.err != nil {
		return nil
	}
	for i := r.off; i < len(r.buf); i++ {
		if r.buf[i] == 0 {
			b := r.buf[r.off:i:i]
			r.off = i + 1
			return b
		}
	}
	r.err = ErrShort
	return nil
}

// Lenenc reads MySQL's length-encoded integer ("Protocol::LengthEncodedInteger"
// in the MySQL manual's internals). NULL (0xfb) fails.
func (r *Reader) Lenenc() uint64 {
	v, null := r.LenencNull()
	if null {
		r.Fail(ErrLenenc)
	}
	return v
}

// LenencNull reads a length-encoded integer or the NULL mark of a text row.
func (r *Reader) LenencNull() (v uint64, null bool) {
	switch c := r.Uint8(); c {
	case 0xfb:
		return 0, true
	case 0xfc:
		return uint64(r.Uint16()), false
	case 0xfd:
		return uint64(r.Uint24()), false
	case 0xfe:
		return r.Uint64(), false
	case 0xff:
		r.Fail(ErrLenenc)
		return 0, false
	default:
		return uint64(c), false
	}
}

// LenencBytes returns a string with its length before it, borrowed. NULL fails.
func (r *Reader) LenencBytes() []byte {
	b, null := r.LenencBytesNull()
	if null {
		r.Fail(ErrLenenc)
	}
	return b
}

// LenencBytesNull returns a string with its length before it, borrowed, or
// tells that it is NULL.
func (r *Reader) LenencBytesNull() (b []byte, null bool) {
	n, null := r.LenencNull()
	if null || r.err != nil {
		return nil, null
	}
	if n > uint64(len(r.buf)-r.off) {
		r.err = ErrShort
		return nil, false
	}
	return r.Bytes(int(n)), false
}

// Uvarint reads an unsigned varint as encoding/binary writes it.
func (r *Reader) Uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	if r.off < len(r.buf) && r.buf[r.off] < 0x80 {
		r.off++
		return uint64(r.buf[r.off-1])
	}
	v, n := binary.Uvarint(r.buf[r.off:])
	switch {
	case n > 0:
		r.off += n
		return v
	case n == 0:
		r.err = ErrShort
	default:
		r.err = ErrVarint
	}
	return 0
}

// Varint reads a signed (zigzag) varint as encoding/binary writes it.
func (r *Reader) Varint() int64 {
	u := r.Uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

// VarBytes returns a string with its uvarint length before it, borrowed.
func (r *Reader) VarBytes() []byte {
	n := r.Uvarint()
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.buf)-r.off) {
		r.err = ErrShort
		return nil
	}
	return r.Bytes(int(n))
}
