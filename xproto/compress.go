package xproto

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Algorithm is how messages are compressed: the value of the capability
// "compression".
type Algorithm byte

// The algorithms.
const (
	Uncompressed Algorithm = iota
	// Deflate and Zstd are one stream in each direction for the whole connection.
	Deflate
	Zstd
	// LZ4 is a frame of its own in each message.
	LZ4
)

var algorithmNames = [...]string{"", "deflate_stream", "zstd_stream", "lz4_message"}

// String returns the name in the capability, "" for Uncompressed.
func (a Algorithm) String() string {
	if int(a) < len(algorithmNames) {
		return algorithmNames[a]
	}
	return "?"
}

// AlgorithmNamed returns the algorithm of a name, in upper or lower case, as
// servers take both; Uncompressed when there is none.
func AlgorithmNamed(name string) Algorithm {
	for i, n := range algorithmNames {
		if strings.EqualFold(n, name) {
			return Algorithm(i)
		}
	}
	return Uncompressed
}

const (
	// inflateStep is how much is inflated at once: what a message inflates to is
	// never held as a whole.
	inflateStep = 32 << 10
	// maxWindow limits the memory that a zstd stream may ask for: zstd itself asks
	// for as much at its level 19, MySQL's highest unless told otherwise is 11.
	maxWindow = 8 << 20
	// slack is what may be left of a message when all that it announced was read:
	// the end mark of a flush or of a frame.
	slack = 64
)

// algorithms has for each the most that a byte of it can stand for, and what
// its decoder holds besides a window of zstd.
var algorithms = [...]struct {
	ratio uint64
	held  int
}{
	Uncompressed: {},
	Deflate:      {1032, 44 << 10},       // 258 bytes in two bits
	Zstd:         {128 << 10, 400 << 10}, // a block of one byte again and again
	LZ4:          {256, 0},               // 255 bytes for one, buffers are shared
}

var (
	errStreamLost = errors.New("a part of the compressed stream was lost: the rest can't be read")
	errRatio      = errors.New("it announces more than any compression reaches")
	errSize       = errors.New("it announces more than any server takes")
	errLeft       = errors.New("it holds more than it announced")
	errShort      = errors.New("it ends before all that it announced")
	errUnknown    = errors.New("it does not say how long it is")
)

// inflater undoes the compression of one direction.
type inflater struct {
	algorithm Algorithm
	unpacking bool
	lost      bool
	left      uint64 // bytes that the message still announces
	src       source
	stream    io.Reader // over src
	window    int       // of zstd
	out       []byte
}

// source is the compressed bytes of one direction, as far as they came.
type source struct{ b []byte }

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b)
	s.b = s.b[n:]
	return n, nil
}

// ReadByte implements io.ByteReader, so that nobody reads ahead.
func (s *source) ReadByte() (byte, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, nil
}

func newInflater(a Algorithm) *inflater { return &inflater{algorithm: a} }

// lose tells that bytes of the direction were lost.
func (z *inflater) lose() {
	z.unpacking = false
	z.lost = z.algorithm != LZ4
	z.stream = nil
	z.src.b = nil
}

func (z *inflater) fail(err error) error {
	z.lose()
	return &FormatError{"compressed message", z.algorithm.String() + ": " + err.Error()}
}

// begin begins with a COMPRESSION message, whose bytes it borrows until all was
// unpacked.
func (z *inflater) begin(f *Frame) error {
	var m Compressed
	if f.Cut || f.Holed {
		return z.fail(errStreamLost)
	}
	if err := m.Decode(f.Payload); err != nil {
		return z.fail(err)
	}
	if err := z.take(&m); err != nil {
		return z.fail(err)
	}
	z.left = m.Size
	z.unpacking = true
	if err := z.open(); err != nil {
		return z.fail(err)
	}
	return nil
}

// take takes over a message's bytes.
func (z *inflater) take(m *Compressed) error {
	frame := z.algorithm == Zstd && bytes.HasPrefix(m.Payload, []byte(zstdMagic))
	switch {
	case z.lost && !frame:
		return errStreamLost
	case m.Size == 0 && len(m.Payload) > 0:
		return errUnknown
	case m.Size > MaxFrame:
		return errSize
	case m.Size > algorithms[z.algorithm].ratio*(uint64(len(m.Payload))+1):
		return errRatio
	}
	z.lost = false
	if frame {
		var h zstd.Header
		if h.Decode(m.Payload) == nil {
			z.window = max(z.window, int(min(h.WindowSize, maxWindow)))
		}
	}
	if z.algorithm == LZ4 || len(z.src.b) == 0 {
		z.src.b = m.Payload
	} else {
		z.src.b = append(z.src.b, m.Payload...)
	}
	return nil
}

// zstdMagic begins a frame of zstd, and nothing within one: as a block it would
// be longer than blocks may be. MySQL's server makes each message a frame, so that
// the stream can be read again after a loss; clients need not.
const zstdMagic = "\x28\xb5\x2f\xfd"

// open makes the stream that undoes the compression.
func (z *inflater) open() (err error) {
	switch {
	case z.algorithm == LZ4:
		if r, ok := z.stream.(*lz4.Reader); ok {
			r.Reset(&z.src)
		} else {
			r := lz4.NewReader(&z.src)
			err = r.Apply(lz4.ConcurrencyOption(1))
			z.stream = r
		}
	case z.stream != nil:
	case z.algorithm == Zstd:
		var d *zstd.Decoder
		d, err = zstd.NewReader(&z.src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		z.stream = d
	default:
		z.stream, err = zlib.NewReader(&z.src)
	}
	return err
}

// more returns the next inflated bytes, valid until its next call; nil at the
// end of the message.
func (z *inflater) more() ([]byte, error) {
	if z.left == 0 {
		return nil, z.end()
	}
	if z.out == nil {
		z.out = make([]byte, inflateStep)
	}
	n := int(min(z.left, inflateStep))
	switch n, err := io.ReadFull(z.stream, z.out[:n]); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, z.fail(errShort)
	case err != nil:
		return nil, z.fail(err)
	default:
		z.left -= uint64(n)
		return z.out[:n], nil
	}
}

// end looks at what is left of a message when all that it announced was read.
func (z *inflater) end() error {
	if z.algorithm == LZ4 {
		// At the end of its frame the reader gives its buffers back.
		var one [1]byte
		switch n, err := z.stream.Read(one[:]); {
		case n > 0:
			return z.fail(errLeft)
		case err != io.EOF:
			return z.fail(err)
		}
	}
	if len(z.src.b) > slack {
		return z.fail(errLeft)
	}
	z.src.b = bytes.Clone(z.src.b) // it was of the frame's payload
	return nil
}

// held returns how many bytes of memory the inflater holds, as far as it knows.
func (z *inflater) held() int {
	n := cap(z.out)
	if z.stream != nil {
		n += algorithms[z.algorithm].held + z.window
	}
	return n
}

// Deflater compresses messages of one direction, quickly rather than well.
type Deflater struct {
	algorithm Algorithm
	out       bytes.Buffer
	zstd      *zstd.Encoder
	zlib      *zlib.Writer
	lz4       *lz4.Writer
}

// deflateWindow is the window of zstd streams that a Deflater makes.
const deflateWindow = 128 << 10

// NewDeflater returns a Deflater.
func NewDeflater(a Algorithm) *Deflater { return &Deflater{algorithm: a} }

// Append appends the frames, as one COMPRESSION message of the given type with
// its header, to dst.
func (d *Deflater) Append(dst []byte, kind byte, frames []byte) ([]byte, error) {
	d.out.Reset()
	if err := d.compress(frames); err != nil {
		return dst, err
	}
	m := Compressed{Size: uint64(len(frames)), Payload: d.out.Bytes()}
	return AppendFrame(dst, kind, m.Append(nil)), nil
}

func (d *Deflater) compress(b []byte) (err error) {
	switch d.algorithm {
	case Zstd:
		if d.zstd == nil {
			if d.zstd, err = zstd.NewWriter(&d.out, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
				zstd.WithWindowSize(deflateWindow), zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
				return err
			}
		}
		if _, err = d.zstd.Write(b); err != nil {
			return err
		}
		return d.zstd.Flush()
	case Deflate:
		if d.zlib == nil {
			if d.zlib, err = zlib.NewWriterLevel(&d.out, zlib.BestSpeed); err != nil {
				return err
			}
		}
		if _, err = d.zlib.Write(b); err != nil {
			return err
		}
		return d.zlib.Flush()
	case LZ4:
		if d.lz4 == nil {
			d.lz4 = lz4.NewWriter(&d.out)
			if err = d.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
				return err
			}
		} else {
			d.lz4.Reset(&d.out)
		}
		if _, err = d.lz4.Write(b); err != nil {
			return err
		}
		return d.lz4.Close()
	}
	return errors.New("no compression")
}
