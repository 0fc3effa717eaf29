package classic

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// feed cuts b into pieces that change after use, and collects the frames.
func feed(t interface{ Fatal(...any) }, f *Framer, b []byte, cut func(n int) int) (frames []Frame) {
	var out Frame
	scratch := make([]byte, 0, len(b))
	for len(b) > 0 {
		n := cut(len(b))
		scratch = append(scratch[:0], b[:n]...)
		b = b[n:]
		f.Feed(scratch)
		for {
			ok, err := f.Next(&out)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			out.Payload = bytes.Clone(out.Payload)
			frames = append(frames, out)
		}
		for i := range scratch {
			scratch[i] = 0x55
		}
	}
	return frames
}

// TestFramerEcho: payloads come back as they were framed, whatever the cuts,
// compressed or not.
func TestFramerEcho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payloads := rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(0, 3), 0, 400), 1, 8).Draw(t, "payloads")
		algorithm := rapid.SampledFrom([]Compression{Uncompressed, Zlib, Zstd}).Draw(t, "compression")
		var plain []byte
		for _, p := range payloads {
			plain, _ = AppendFrames(plain, 0, p)
		}
		d := Deflater{Algorithm: algorithm}
		packed, _, err := d.Append(nil, 0, plain)
		if err != nil {
			t.Fatal(err)
		}
		f := &Framer{}
		f.SetCompression(algorithm)
		frames := feed(t, f, packed, func(n int) int { return rapid.IntRange(1, n).Draw(t, "cut") })
		if len(frames) != len(payloads) {
			t.Fatalf("%d frames of %d", len(frames), len(payloads))
		}
		for i, p := range payloads {
			if !bytes.Equal(frames[i].Payload, p) || frames[i].Size != uint64(len(p)) {
				t.Fatalf("frame %d differs", i)
			}
		}
		if !f.Between() {
			t.Fatal("not between frames at the end")
		}
	})
}

// TestFramerSplit: payloads of 16 MiB and more are split on the wire and joined
// again; one of exactly 0xffffff bytes is followed by an empty frame.
func TestFramerSplit(t *testing.T) {
	for _, size := range []int{MaxFrame - 1, MaxFrame, MaxFrame + 1, 2*MaxFrame + 5} {
		for _, algorithm := range []Compression{Uncompressed, Zstd} {
			payload := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			wire, next := AppendFrames(nil, 3, payload)
			d := Deflater{Algorithm: algorithm}
			packed, _, err := d.Append(nil, 0, wire)
			if err != nil {
				t.Fatal(err)
			}
			f := &Framer{}
			f.SetCompression(algorithm)
			frames := feed(t, f, packed, func(n int) int { return min(n, 1<<20) })
			if len(frames) != 1 || !bytes.Equal(frames[0].Payload, payload) {
				t.Fatalf("%d bytes, %v: not the same", size, algorithm)
			}
			if fr := frames[0]; fr.Seq != 3 || fr.Last != next-1 || fr.Wire != uint64(len(wire)) {
				t.Errorf("%d bytes: seq %d to %d, %d bytes on the wire of %d", size, fr.Seq, fr.Last, fr.Wire, len(wire))
			}
			if f.SetCompression(Uncompressed); f.Held() > size+size/2+keepBuffer {
				t.Errorf("holds %d bytes for %d", f.Held(), size)
			}
			// The next frame does not need the big buffer any more.
			small, _ := AppendFrames(nil, 0, []byte("x"))
			feed(t, f, small, func(int) int { return 1 })
			if f.Held() > keepBuffer {
				t.Errorf("still holds %d bytes", f.Held())
			}
		}
	}
}

// TestFramerLimit: a payload over the limit is counted and cut, and the next
// frame is whole.
func TestFramerLimit(t *testing.T) {
	b, _ := AppendFrames(nil, 0, bytes.Repeat([]byte("x"), 1000))
	b, _ = AppendFrames(b, 0, []byte("next"))
	for _, cut := range []int{1, 7, 5000} {
		f := &Framer{Limit: 100}
		frames := feed(t, f, b, func(n int) int { return min(n, cut) })
		if len(frames) != 2 || !frames[0].Cut || len(frames[0].Payload) != 100 || frames[0].Size != 1000 || string(frames[1].Payload) != "next" {
			t.Fatalf("cut into %d: %+v", cut, frames)
		}
	}
}

// TestFramerLost: bytes lost inside a payload leave a hole and the framing;
// bytes lost across a boundary, or in a header, end the framing.
func TestFramerLost(t *testing.T) {
	b, _ := AppendFrames(nil, 0, []byte("abcdefghij"))
	b, _ = AppendFrames(b, 0, []byte("next"))
	for from := range len(b) {
		for to := from + 1; to <= len(b); to++ {
			f := &Framer{}
			frames := feed(t, f, b[:from], func(n int) int { return n })
			survives := f.Lost(uint64(to - from))
			first, second := from >= 4 && to <= 14, from >= 18
			if survives != (first || second) {
				t.Fatalf("lost %d to %d: framing survives: %v", from, to, survives)
			}
			if !survives {
				continue
			}
			frames = append(frames, feed(t, f, b[to:], func(n int) int { return n })...)
			var last Frame
			if ok, _ := f.Next(&last); ok {
				frames = append(frames, last)
			}
			if len(frames) != 2 || frames[0].Holed != first || frames[1].Holed != second || frames[0].Size != 10 || frames[1].Size != 4 {
				t.Fatalf("lost %d to %d: %+v", from, to, frames)
			}
		}
	}
	f := &Framer{}
	f.Feed(b[:6])
	var out Frame
	f.Next(&out)
	if f.Lost(0) {
		t.Error("an unknown number of lost bytes can't be within a frame for certain")
	}
}

// TestInflateLies: what a compressed frame announces is checked, both ways, and
// bombs are cut off at 16 MiB.
func TestInflateLies(t *testing.T) {
	plain, _ := AppendFrames(nil, 0, bytes.Repeat([]byte("x"), 5000))
	for _, algorithm := range []Compression{Zlib, Zstd} {
		d := Deflater{Algorithm: algorithm}
		packed, _, err := d.Append(nil, 0, plain)
		if err != nil {
			t.Fatal(err)
		}
		for _, announced := range []int{1, len(plain) - 1, len(plain) + 1, MaxFrame} {
			lie := bytes.Clone(packed)
			lie[4], lie[5], lie[6] = byte(announced), byte(announced>>8), byte(announced>>16)
			f := &Framer{}
			f.SetCompression(algorithm)
			f.Feed(lie)
			var out Frame
			ok, err := f.Next(&out)
			if ok || err == nil || !strings.Contains(err.Error(), algorithm.String()) {
				t.Errorf("%v: %d announced, %d there: %v", algorithm, announced, len(plain), err)
			}
			if _, again := f.Next(&out); again != err {
				t.Errorf("the error did not stay: %v", again)
			}
		}
		f := &Framer{}
		f.SetCompression(algorithm)
		f.Feed(append([]byte{5, 0, 0, 0, 9, 0, 0}, "12345"...))
		var out Frame
		if _, err := f.Next(&out); err == nil {
			t.Errorf("%v: garbage was inflated", algorithm)
		}
	}
}

func FuzzFramer(f *testing.F) {
	b, _ := AppendFrames(nil, 0, []byte("select 1"))
	f.Add(b, uint8(0), uint8(3))
	d := Deflater{Algorithm: Zlib}
	packed, _, _ := d.Append(nil, 0, bytes.Repeat(b, 20))
	f.Add(packed, uint8(1), uint8(200))
	d = Deflater{Algorithm: Zstd}
	packed, _, _ = d.Append(nil, 0, bytes.Repeat(b, 20))
	f.Add(packed, uint8(2), uint8(9))
	f.Fuzz(func(t *testing.T, b []byte, algorithm, cut uint8) {
		fr := &Framer{Limit: 1 << 16}
		fr.SetCompression(Compression(algorithm % 3))
		var out Frame
		for len(b) > 0 {
			n := min(len(b), int(cut)+1)
			fr.Feed(b[:n])
			b = b[n:]
			for {
				ok, err := fr.Next(&out)
				if err != nil {
					return
				}
				if !ok {
					break
				}
				if !out.Cut && uint64(len(out.Payload)) != out.Size {
					t.Fatalf("payload %d of %d", len(out.Payload), out.Size)
				}
			}
		}
	})
}

func BenchmarkFramer(b *testing.B) {
	var rows []byte
	for i := range 100 {
		rows, _ = AppendFrames(rows, byte(i), bytes.Repeat([]byte("x"), 120))
	}
	b.SetBytes(int64(len(rows)))
	b.ReportAllocs()
	var f Framer
	var out Frame
	for b.Loop() {
		f.Feed(rows)
		for {
			if ok, _ := f.Next(&out); !ok {
				break
			}
		}
	}
}
