package xproto

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var algorithmsOfMessages = []Algorithm{Deflate, Zstd, LZ4}

// packer makes COMPRESSION messages of a server.
type packer struct {
	t testing.TB
	d *Deflater
}

func newPacker(t testing.TB, a Algorithm) *packer { return &packer{t, NewDeflater(a)} }

func (p *packer) pack(frames ...[]byte) []byte {
	p.t.Helper()
	b, err := p.d.Append(nil, byte(ServerCompression), bytes.Join(frames, nil))
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// packed returns a COMPRESSION message as it is said to be.
func packed(size int, payload []byte) []byte {
	m := Compressed{Size: uint64(size), Payload: payload}
	return AppendFrame(nil, byte(ServerCompression), m.Append(nil))
}

func unpacker(a Algorithm) *Framer {
	f := new(Framer)
	f.SetCompression(a, byte(ServerCompression))
	return f
}

// eachAlgorithm runs a test for each.
func eachAlgorithm(t *testing.T, test func(t *testing.T, a Algorithm)) {
	for _, a := range algorithmsOfMessages {
		t.Run(a.String(), func(t *testing.T) { test(t, a) })
	}
}

// refused checks that feeding b ends in an error that says why.
func refused(t *testing.T, f *Framer, b []byte, why string) {
	t.Helper()
	frames, err := drain(f, b)
	var format *FormatError
	if !errors.As(err, &format) || !strings.Contains(err.Error(), why) {
		t.Errorf("%d frames, error %v; want one with %q", len(frames), err, why)
	}
}

// accepted checks that feeding b gives so many frames.
func accepted(t *testing.T, f *Framer, b []byte, n int) {
	t.Helper()
	if frames, err := drain(f, b); err != nil || len(frames) != n {
		t.Errorf("%d frames, want %d, error %v", len(frames), n, err)
	}
}

// TestPackedAndPlain: both kinds of messages come one after the other, with
// several frames in one message, and of all lengths that matter to a codec.
func TestPackedAndPlain(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		p, f := newPacker(t, a), unpacker(a)
		for _, n := range []int{0, 1, 1000, inflateStep - HeaderLen, inflateStep, 64 << 10, 128 << 10, 128<<10 - HeaderLen, 300_000} {
			row := AppendFrame(nil, byte(ResultsetRow), bytes.Repeat([]byte("row "), n/4+1)[:n])
			frames, err := drain(f, bytes.Join([][]byte{row, p.pack(row, row), p.pack(row), row}, nil))
			if err != nil {
				t.Fatal(n, err)
			}
			for i, x := range frames {
				if len(x.Payload) != n || x.Size != uint64(n) || x.Packed != (i >= 1 && i <= 3) {
					t.Errorf("%d bytes, frame %d: %d bytes, packed %v", n, i, len(x.Payload), x.Packed)
				}
			}
			if len(frames) != 5 || !f.Between() {
				t.Errorf("%d frames, between %v", len(frames), f.Between())
			}
		}
	})
}

// TestPackedLateStart: of a connection joined in mid-life, only messages that
// stand alone can be read. Each message of lz4 does.
func TestPackedLateStart(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		p := newPacker(t, a)
		row := AppendFrame(nil, byte(ResultsetRow), bytes.Repeat([]byte("row "), 100))
		p.pack(row)
		second := p.pack(row)
		if a == LZ4 {
			accepted(t, unpacker(a), second, 1)
			return
		}
		refused(t, unpacker(a), second, a.String())
	})
}

// TestPackedLost: after a hole in a message, and after one between messages, a
// stream can't be read any more, and plain messages still can.
func TestPackedLost(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		p, f := newPacker(t, a), unpacker(a)
		row := AppendFrame(nil, byte(ResultsetRow), bytes.Repeat([]byte("row "), 100))
		accepted(t, f, p.pack(row), 1)
		message := p.pack(row)
		accepted(t, f, message[:10], 0)
		if f.Lost(2) {
			t.Error("a hole in a compressed message can be stepped over")
		}
		accepted(t, f, row, 1)
		if a == LZ4 {
			accepted(t, f, p.pack(row), 1)
			return
		}
		refused(t, f, p.pack(row), "was lost")
		refused(t, f, row, "was lost")
		f.Reset()
		accepted(t, f, row, 1)
	})
}

// TestPackedZstdAnew: a message that begins a frame of zstd can be read again.
func TestPackedZstdAnew(t *testing.T) {
	f := unpacker(Zstd)
	row := AppendFrame(nil, byte(ResultsetRow), bytes.Repeat([]byte("row "), 100))
	accepted(t, f, newPacker(t, Zstd).pack(row), 1)
	f.Reset()
	p := newPacker(t, Zstd)
	accepted(t, f, p.pack(row), 1)
	accepted(t, f, p.pack(row, row), 2)
}

// TestPackedLies: what a message says of its length must fit to what it holds.
func TestPackedLies(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		row := AppendFrame(nil, byte(ResultsetRow), []byte("row"))
		var m Compressed
		if err := m.Decode(newPacker(t, a).pack(row, row)[HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		refused(t, unpacker(a), packed(2*len(row)+1, m.Payload), "ends before")
		refused(t, unpacker(a), packed(2*len(row)-1, m.Payload), "")
		refused(t, unpacker(a), packed(0, m.Payload), "how long")
		refused(t, unpacker(a), packed(MaxFrame+1, m.Payload), "than any server")
		refused(t, unpacker(a), packed(1<<29, m.Payload), "than any compression")
		refused(t, unpacker(a), packed(2*len(row), append(m.Payload, make([]byte, slack+1)...)), "")
		if a == LZ4 {
			refused(t, unpacker(a), packed(len(row), m.Payload), "more than it announced")
		}
	})
}

// TestPackedNested: a COMPRESSION message in another is refused; the number that
// is a COMPRESSION of the other side is not.
func TestPackedNested(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		row := AppendFrame(nil, byte(ResultsetRow), []byte("row"))
		refused(t, unpacker(a), newPacker(t, a).pack(newPacker(t, a).pack(row)), "holds another")
		client := new(Framer)
		client.SetCompression(a, byte(ClientCompression))
		update := AppendFrame(nil, byte(CrudUpdate), []byte("no compression"))
		b, err := NewDeflater(a).Append(update, byte(ClientCompression), update)
		if err != nil {
			t.Fatal(err)
		}
		accepted(t, client, b, 2)
	})
}

// TestPackedTorn: a frame that ends outside of its message is refused.
func TestPackedTorn(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		row := AppendFrame(nil, byte(ResultsetRow), []byte("row"))
		refused(t, unpacker(a), newPacker(t, a).pack(row, row[:6]), "within a frame")
		refused(t, unpacker(a), newPacker(t, a).pack(row, row[:2]), "within a frame")
		refused(t, unpacker(a), newPacker(t, a).pack([]byte{0, 0, 0, 0, 1}), "length of 0")
	})
}

// TestPackedBomb: a short message that is a very long frame takes no more memory
// than the limit of a frame, and what is announced alone takes none.
func TestPackedBomb(t *testing.T) {
	const length = 32 << 20
	row := AppendFrame(nil, byte(ResultsetRow), make([]byte, length))
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		message := newPacker(t, a).pack(row)
		f := unpacker(a)
		f.Limit = 1 << 20 // of the message itself, too
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		frames, err := drain(f, message)
		runtime.ReadMemStats(&after)
		if err != nil || len(frames) != 1 || !frames[0].Cut || frames[0].Size != length {
			t.Fatalf("a message of %d bytes: %d frames, error %v", len(message), len(frames), err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 12<<20 {
			t.Errorf("%d bytes were allocated for a message of %d", grown, len(message))
		}
		if f.Held() > 8*f.Limit {
			t.Errorf("%d bytes are held", f.Held())
		}
		f = unpacker(a)
		f.Limit = 100
		refused(t, f, message, "lost")
	})
}

// TestPackedWindow: a zstd stream that asks for more memory than is given, and
// block sizes of lz4.
func TestPackedWindow(t *testing.T) {
	row := AppendFrame(nil, byte(ResultsetRow), bytes.Repeat([]byte("row "), 100))
	for window, fits := range map[int]bool{1 << 20: true, maxWindow: true, 2 * maxWindow: false} {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(row); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		f := unpacker(Zstd)
		if fits {
			accepted(t, f, packed(len(row), b.Bytes()), 1)
			if f.Held() < window {
				t.Errorf("with a window of %d only %d bytes are held", window, f.Held())
			}
		} else {
			refused(t, f, packed(len(row), b.Bytes()), "window")
		}
	}
	for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block4Mb} {
		var b bytes.Buffer
		w := lz4.NewWriter(&b)
		if err := w.Apply(lz4.BlockSizeOption(size), lz4.ChecksumOption(true), lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(row)))); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(row); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		accepted(t, unpacker(LZ4), packed(len(row), b.Bytes()), 1)
	}
}

// TestPackedJunk: messages that are no compression at all.
func TestPackedJunk(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a Algorithm) {
		for _, junk := range []string{"x", strings.Repeat("x", 1000), "\x78\x9c", zstdMagic, "\x04\x22\x4d\x18"} {
			refused(t, unpacker(a), packed(10, []byte(junk)), "")
		}
		refused(t, unpacker(a), AppendFrame(nil, byte(ServerCompression), []byte{0xff}), "")
	})
}

func TestAlgorithmNames(t *testing.T) {
	for a := range Algorithm(4) {
		if got := AlgorithmNamed(a.String()); got != a {
			t.Errorf("%v is read as %v", a, got)
		}
	}
	if AlgorithmNamed("nonsense") != Uncompressed || Algorithm(9).String() != "?" {
		t.Error("an algorithm that there is not")
	}
	if _, err := NewDeflater(Uncompressed).Append(nil, 1, nil); err == nil {
		t.Error("a Deflater without compression")
	}
}
