package packet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// FileError tells that a file could not be read, or not to its end. All that is
// whole before Offset has been read. After a FileError the Source goes on with
// the next file.
type FileError struct {
	Path string
	// Offset is where the unreadable part begins, in bytes of the unpacked file.
	Offset int64
	Reason string
	Err    error // nil, or the cause; io.ErrUnexpectedEOF for a torn file
}

// Error names the file, the place and the reason.
func (e *FileError) Error() string {
	s := fmt.Sprintf("read %s: at byte %d: %s", e.Path, e.Offset, e.Reason)
	if e.Err != nil && !errors.Is(e.Err, io.ErrUnexpectedEOF) {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// errIdle: there is nothing to read now, but there may be later.
var errIdle = errors.New("nothing to read yet")

const (
	inputBuffer = 256 << 10
	idlePoll    = 100 * time.Millisecond // how often a growing source is looked at
	maxWindow   = 64 << 20               // the largest zstd window that is unpacked
)

// input buffers what it reads so that records can be borrowed from it.
type input struct {
	path   string
	r      io.Reader
	buf    []byte
	lo, hi int   // buf[lo:hi] was read and not used
	off    int64 // of buf[lo] in the unpacked file
	err    error // what the reader ended with; never errIdle
}

func newInput(path string, r io.Reader) *input {
	return &input{path: path, r: r, buf: make([]byte, inputBuffer)}
}

// need makes n bytes available. What was borrowed before is no longer valid.
// io.EOF: nothing is left; io.ErrUnexpectedEOF: less than n bytes; errIdle: not
// yet.
func (in *input) need(n int) error {
	if in.hi-in.lo >= n {
		return nil
	}
	in.hi = copy(in.buf, in.buf[in.lo:in.hi])
	in.lo = 0
	if n > len(in.buf) {
		grown := make([]byte, max(n, 2*len(in.buf)))
		copy(grown, in.buf[:in.hi])
		in.buf = grown
	}
	for in.hi < n {
		if in.err != nil {
			return in.ended()
		}
		got, err := in.r.Read(in.buf[in.hi:])
		in.hi += got
		if err == errIdle {
			if in.hi >= n {
				return nil
			}
			return errIdle
		}
		in.err = err
	}
	return nil
}

// ended returns why there is no more to read.
func (in *input) ended() error {
	if in.err != io.EOF && in.err != errReplaced {
		return in.err
	}
	if in.hi > in.lo {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// bytes borrows the next n bytes, which are available.
func (in *input) bytes(n int) []byte { return in.buf[in.lo : in.lo+n] }

// skip steps over n bytes, which are available.
func (in *input) skip(n int) {
	in.lo += n
	in.off += int64(n)
}

// discard steps over n bytes, available or not. It returns how many are still to
// be stepped over when it fails.
func (in *input) discard(n int64) (int64, error) {
	for n > 0 {
		if err := in.need(1); err != nil {
			return n, err
		}
		step := min(n, int64(in.hi-in.lo))
		in.skip(int(step))
		n -= step
	}
	return 0, nil
}

// fail makes a FileError for the place where the input is.
func (in *input) fail(reason string, err error) error {
	return &FileError{Path: in.path, Offset: in.off, Reason: reason, Err: err}
}

// torn turns an error of need or discard into what the caller returns: io.EOF
// only where a file may end.
func (in *input) torn(err error, what string) error {
	switch err {
	case errIdle:
		return err
	case io.EOF, io.ErrUnexpectedEOF:
		return in.fail("ends in the middle of "+what, io.ErrUnexpectedEOF)
	}
	return in.fail("cannot read "+what, err)
}

// unpacker unpacks gzip and zstd, which it tells by their first bytes; anything
// else is passed as it is. Nothing is read before the first Read.
type unpacker struct {
	src io.Reader
	r   io.Reader
	err error
}

func (u *unpacker) Read(p []byte) (int, error) {
	if u.r == nil && u.err == nil {
		u.r, u.err = unpack(u.src)
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.r.Read(p)
}

const (
	magicGzip = "\x1f\x8b"
	magicZstd = "\x28\xb5\x2f\xfd"
)

// packed tells whether a file that begins with b is compressed.
func packed(b []byte) bool {
	return len(b) >= 2 && string(b[:2]) == magicGzip || len(b) >= 4 && string(b[:4]) == magicZstd
}

func unpack(src io.Reader) (io.Reader, error) {
	begin := make([]byte, 4)
	n, err := io.ReadFull(src, begin)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	r := io.MultiReader(bytes.NewReader(begin[:n]), src)
	switch {
	case !packed(begin[:n]):
		return r, nil
	case string(begin[:2]) == magicGzip:
		return gzip.NewReader(r)
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}
