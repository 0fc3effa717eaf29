package xproto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestFrames feeds a Framer what the lines say and shows the frames that come
// out. The lines are "frame TYPE TEXT", "bytes HEX", "lost N", "reset" and
// "between"; with step=1 every byte is fed alone.
func TestFrames(t *testing.T) {
	datadriven.RunTest(t, "testdata/frames", func(t *testing.T, d *datadriven.TestData) string {
		step, limit := 0, 0
		d.MaybeScanArgs(t, "step", &step)
		d.MaybeScanArgs(t, "limit", &limit)
		f := Framer{Limit: limit}
		var out strings.Builder
		for line := range strings.Lines(d.Input) {
			words := strings.Fields(line)
			switch words[0] {
			case "frame":
				kind, err := strconv.Atoi(words[1])
				if err != nil {
					return err.Error()
				}
				show(&out, &f, AppendFrame(nil, byte(kind), []byte(strings.Join(words[2:], " "))), step)
			case "bytes":
				show(&out, &f, unhex(words[1:]), step)
			case "lost":
				n, err := strconv.Atoi(words[1])
				if err != nil {
					return err.Error()
				}
				fmt.Fprintf(&out, "lost: %v\n", f.Lost(uint64(n)))
				show(&out, &f, nil, step)
			case "reset":
				f.Reset()
			case "between":
				fmt.Fprintf(&out, "between: %v\n", f.Between())
			default:
				return words[0] + ": no such line\n"
			}
		}
		return out.String()
	})
}

// show feeds b, step bytes at once (0: all), and writes what comes out.
func show(out *strings.Builder, f *Framer, b []byte, step int) {
	if step == 0 {
		step = max(len(b), 1)
	}
	for {
		n := min(step, len(b))
		f.Feed(b[:n])
		b = b[n:]
		var x Frame
		for {
			ok, err := f.Next(&x)
			if err != nil {
				fmt.Fprintf(out, "error: %v\n", err)
				return
			}
			if !ok {
				break
			}
			fmt.Fprintf(out, "%d %q size=%d wire=%d%s%s%s\n", x.Type, x.Payload, x.Size, x.Wire(),
				mark(x.Cut, " cut"), mark(x.Holed, " holed"), mark(x.Packed, " packed"))
		}
		if len(b) == 0 {
			return
		}
	}
}

func mark(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

// drain feeds b in pieces of the given sizes, the last one for all that is left,
// and returns the frames, their payloads copied.
func drain(f *Framer, b []byte, sizes ...int) (frames []Frame, err error) {
	for first := true; first || len(b) > 0; first = false {
		n := len(b)
		if len(sizes) > 0 {
			n, sizes = min(sizes[0], len(b)), sizes[1:]
		}
		f.Feed(b[:n])
		b = b[n:]
		for {
			var x Frame
			ok, err := f.Next(&x)
			if err != nil {
				return frames, err
			}
			if !ok {
				break
			}
			x.Payload = bytes.Clone(x.Payload)
			frames = append(frames, x)
		}
	}
	return frames, nil
}

// TestFramesAnyCut is the law that it does not matter how the bytes are cut.
func TestFramesAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		algorithm := Algorithm(rapid.IntRange(0, 3).Draw(t, "algorithm"))
		limit := rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "limit")
		stream := drawStream(t, algorithm)
		whole := Framer{Limit: limit}
		parts := Framer{Limit: limit}
		if algorithm != Uncompressed {
			whole.Limit, parts.Limit = 0, 0
			whole.SetCompression(algorithm, byte(ClientCompression))
			parts.SetCompression(algorithm, byte(ClientCompression))
		}
		want, err := drain(&whole, stream)
		if err != nil {
			t.Fatal(err)
		}
		got, err := drain(&parts, stream, rapid.SliceOfN(rapid.IntRange(1, 50), 0, 100).Draw(t, "cuts")...)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if !parts.Between() {
			t.Error("not between frames at the end")
		}
	})
}

// drawStream draws frames, some of them compressed.
func drawStream(t *rapid.T, a Algorithm) (stream []byte) {
	d := NewDeflater(a)
	for range rapid.IntRange(0, 6).Draw(t, "messages") {
		var frames []byte
		n := 1
		packed := a != Uncompressed && rapid.Bool().Draw(t, "packed")
		if packed {
			n = rapid.IntRange(1, 4).Draw(t, "inside")
		}
		for range n {
			kind := rapid.SampledFrom([]byte{1, 12, 19, 43}).Draw(t, "type")
			frames = AppendFrame(frames, kind, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"))
		}
		if !packed {
			stream = append(stream, frames...)
			continue
		}
		var err error
		if stream, err = d.Append(stream, byte(ClientCompression), frames); err != nil {
			t.Fatal(err)
		}
	}
	return stream
}

// TestFramesMemory is about memory: a header that announces
// much takes none, and what is kept of a frame is at most the limit.
func TestFramesMemory(t *testing.T) {
	const limit = 1 << 20
	f := Framer{Limit: limit}
	header := binary.LittleEndian.AppendUint32(nil, MaxFrame)
	f.Feed(append(header, 12))
	var x Frame
	if ok, err := f.Next(&x); ok || err != nil {
		t.Fatal(ok, err)
	}
	if f.Held() > keepBuffer {
		t.Errorf("an announcement takes %d bytes", f.Held())
	}
	piece := make([]byte, 64<<10)
	for range 100 {
		f.Feed(piece)
		if ok, err := f.Next(&x); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if f.Held() > 2*limit {
		t.Errorf("%d bytes are held, the limit is %d", f.Held(), limit)
	}
}

func FuzzFramer(f *testing.F) {
	for a := range Algorithm(4) {
		d := NewDeflater(a)
		frames := AppendFrame(AppendFrame(nil, 12, []byte("hello")), 13, bytes.Repeat([]byte("x"), 100))
		stream := bytes.Clone(frames)
		if a != Uncompressed {
			for range 2 {
				var err error
				if stream, err = d.Append(stream, byte(ServerCompression), frames); err != nil {
					f.Fatal(err)
				}
			}
		}
		f.Add(byte(a), uint64(1), stream)
	}
	f.Fuzz(func(t *testing.T, a byte, seed uint64, b []byte) {
		random := rand.New(rand.NewPCG(seed, 1))
		framer := Framer{Limit: 1 << 16}
		framer.SetCompression(Algorithm(a%4), byte(ServerCompression))
		total := uint64(0)
		for len(b) > 0 {
			n := 1 + random.IntN(len(b))
			framer.Feed(b[:n])
			b = b[n:]
			var x Frame
			for total < 1<<22 {
				ok, err := framer.Next(&x)
				if err != nil {
					framer.Reset()
				}
				if !ok {
					break
				}
				if len(x.Payload) > 1<<16 || uint64(len(x.Payload)) > x.Size {
					t.Fatalf("a payload of %d bytes, size %d", len(x.Payload), x.Size)
				}
				total += x.Wire()
			}
			if random.IntN(4) == 0 {
				framer.Lost(uint64(random.IntN(100)))
			}
			if framer.Held() > maxWindow+2<<20 {
				t.Fatalf("%d bytes held", framer.Held())
			}
		}
	})
}
