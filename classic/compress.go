package classic

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"myreplay/wire"
)

const (
	// CompressedHeaderLen is the length of a compressed frame's header: length
	// of what follows (3), sequence id (1), length before compression (3; 0:
	// not compressed).
	CompressedHeaderLen = 7
	// minCompress is the length below which a sender does not compress, as the
	// servers and libmysqlclient do (MIN_COMPRESS_LENGTH).
	minCompress = 50
)

// inflater undoes the compression of one direction ("Compression" in the
// protocol chapter). Every compressed frame is a zlib stream or zstd frame of
// its own.
type inflater struct {
	algorithm Compression
	in        []byte // borrowed, not consumed yet
	header    [CompressedHeaderLen]byte
	headerN   int
	seq       byte // sequence id of the compressed frame
	need      int  // bytes of the body still to come
	plain     int  // declared length before compression
	begun     bool
	body      []byte // own: body collected so far
	out       []byte // own: the plain bytes handed out last
}

// next returns the plain bytes of the next compressed frame, valid until its
// next call, or nil when more bytes are needed.
func (z *inflater) next() ([]byte, error) {
	for {
		if !z.begun && !z.readHeader() {
			return nil, nil
		}
		var body []byte
		if len(z.body) == 0 && z.need <= len(z.in) {
			body, z.in = z.in[:z.need], z.in[z.need:]
		} else {
			n := min(z.need, len(z.in))
			z.body = append(z.body, z.in[:n]...)
			z.in, z.need = z.in[n:], z.need-n
			if z.need > 0 {
				return nil, nil
			}
			body = z.body
		}
		z.begun = false
		out, err := z.inflate(body)
		if cap(z.body) > keepBuffer {
			z.body = nil
		}
		z.body = z.body[:0]
		if err != nil || len(out) > 0 {
			return out, err
		}
	}
}

func (z *inflater) readHeader() bool {
	n := copy(z.header[z.headerN:], z.in)
	z.headerN += n
	z.in = z.in[n:]
	if z.headerN < CompressedHeaderLen {
		return false
	}
	r := wire.NewReader(z.header[:])
	z.need = int(r.Uint24())
	z.seq = r.Uint8()
	z.plain = int(r.Uint24())
	z.headerN, z.begun = 0, true
	return true
}

// inflate returns the plain bytes of one body. They are never more than the
// header declared, which is at most 16 MiB.
func (z *inflater) inflate(body []byte) ([]byte, error) {
	if z.plain == 0 {
		return body, nil
	}
	if cap(z.out) > keepBuffer {
		z.out = nil
	}
	var err error
	if z.algorithm == Zstd {
		z.out, err = inflateZstd(z.out[:0], body, z.plain)
	} else {
		z.out, err = inflateZlib(z.out[:0], body, z.plain)
	}
	if err != nil {
		return nil, &FormatError{Message: "compressed frame", Reason: z.algorithm.String() + ": " + err.Error()}
	}
	return z.out, nil
}

func (z *inflater) reset() {
	z.in, z.body, z.begun, z.headerN = nil, z.body[:0], false, 0
}

func (z *inflater) between() bool { return len(z.in) == 0 && !z.begun && z.headerN == 0 }

var errInflatedLength = errors.New("length differs from the one announced")

var zlibReaders sync.Pool

func inflateZlib(dst, body []byte, plain int) ([]byte, error) {
	src := bytes.NewReader(body)
	zr, ok := zlibReaders.Get().(io.ReadCloser)
	if ok {
		if err := zr.(zlib.Resetter).Reset(src, nil); err != nil {
			return dst, err
		}
	} else {
		var err error
		if zr, err = zlib.NewReader(src); err != nil {
			return dst, err
		}
	}
	defer zlibReaders.Put(zr)
	return readPlain(dst, zr, plain)
}

// readPlain reads exactly plain bytes and no more from r, growing dst as they
// come: a header may announce more than there is.
func readPlain(dst []byte, r io.Reader, plain int) ([]byte, error) {
	for len(dst) < plain {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), plain)])
		dst = dst[:len(dst)+n]
		if err == io.EOF && len(dst) < plain {
			return dst, errInflatedLength
		}
		if err != nil && err != io.EOF {
			return dst, err
		}
	}
	var one [1]byte
	if n, err := r.Read(one[:]); n > 0 {
		return dst, errInflatedLength
	} else if err != io.EOF {
		return dst, err
	}
	return dst, nil
}

// zstdDecoder is shared: DecodeAll may be called from many goroutines.
var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxFrame+1))
	if err != nil {
		panic(err) // unreachable: the options are constants that it accepts
	}
	return d
})

func inflateZstd(dst, body []byte, plain int) ([]byte, error) {
	dst, err := zstdDecoder().DecodeAll(body, dst)
	if err == nil && len(dst) != plain {
		err = errInflatedLength
	}
	return dst, err
}

// Deflater compresses the bytes that a sender writes. The zero Deflater does
// not compress: set Algorithm.
type Deflater struct {
	Algorithm Compression
	zstd      *zstd.Encoder
	zlib      *zlib.Writer
	scratch   bytes.Buffer
}

// Append appends plain, which holds whole frames, as compressed frames
// beginning with sequence id seq, and returns the sequence id that comes next.
func (d *Deflater) Append(dst []byte, seq byte, plain []byte) ([]byte, byte, error) {
	if d.Algorithm == Uncompressed {
		return append(dst, plain...), seq, nil
	}
	for len(plain) > 0 {
		n := min(len(plain), MaxFrame)
		body, err := d.deflate(plain[:n])
		if err != nil {
			return dst, seq, err
		}
		declared := n
		if body == nil {
			body, declared = plain[:n], 0
		}
		dst = append(wire.AppendUint24(dst, uint32(len(body))), seq)
		dst = append(wire.AppendUint24(dst, uint32(declared)), body...)
		plain = plain[n:]
		seq++
	}
	return dst, seq, nil
}

// deflate returns nil when b is better sent as it is.
func (d *Deflater) deflate(b []byte) ([]byte, error) {
	if len(b) < minCompress {
		return nil, nil
	}
	d.scratch.Reset()
	var out []byte
	switch d.Algorithm {
	case Zstd:
		if d.zstd == nil {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
			if err != nil {
				return nil, err
			}
			d.zstd = e
		}
		out = d.zstd.EncodeAll(b, d.scratch.AvailableBuffer())
	default:
		if d.zlib == nil {
			d.zlib = zlib.NewWriter(&d.scratch)
		}
		d.zlib.Reset(&d.scratch)
		if _, err := d.zlib.Write(b); err != nil {
			return nil, err
		}
		if err := d.zlib.Close(); err != nil {
			return nil, err
		}
		out = d.scratch.Bytes()
	}
	if len(out) >= len(b) {
		return nil, nil
	}
	return out, nil
}
