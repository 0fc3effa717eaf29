package feed

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

var allMessages = []message{msgHello, msgReply, msgBlock, msgAck, msgPing, msgPong, msgNote, msgFinish, msgDone, msgBye}

// TestMessages: law: what is written is read, however the bytes are cut.
func TestMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var buf bytes.Buffer
		w := newMessageWriter(&buf)
		var types []message
		var bodies [][]byte
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			m := rapid.SampledFrom(allMessages).Draw(t, "type")
			n := rapid.SampledFrom([]int{0, 1, 60, maxFrame - 1, maxFrame, maxFrame + 1, 2*maxFrame + 3}).Draw(t, "length")
			head := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "head")
			body := bytes.Repeat([]byte{7, 8, 9}, n/3+1)[:n]
			err := w.write(m, head, body)
			if over := len(head)+n > m.limit(); over != (err != nil) {
				t.Fatalf("%s of %d bytes: %v", m, len(head)+n, err)
			}
			if err == nil {
				types, bodies = append(types, m), append(bodies, append(head, body...))
			}
		}
		w.flush()
		var in io.Reader = &buf
		if rapid.Bool().Draw(t, "halves") {
			in = iotest.HalfReader(in)
		}
		r := newMessageReader(in)
		for i, m := range types {
			got, body, err := r.next()
			if err != nil || got != m || !bytes.Equal(body, bodies[i]) {
				t.Fatalf("message %d: %s of %d bytes, %v; want %s of %d", i, got, len(body), err, m, len(bodies[i]))
			}
		}
		if _, _, err := r.next(); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// TestPreamble: strangers and other versions are told apart.
func TestPreamble(t *testing.T) {
	for in, want := range map[string]string{
		magic + "\x01":          "",
		magic + "\x02":          "speaks version 2 of the feed, this one version 1",
		"HTTP/1.1 400":          "does not begin as a feed does",
		magic:                   "EOF",
		"":                      "EOF",
		"\x16\x03\x01abcdefghi": "does not begin",
	} {
		err := newMessageReader(strings.NewReader(in)).preamble()
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// TestBadMessages: frames that do not follow the protocol are refused before
// their bytes are waited for.
func TestBadMessages(t *testing.T) {
	for name, in := range map[string]string{
		"no type":             "\x00\x00\x00\x00\x00",
		"unknown type":        "\x7f\x00\x00\x00\x00",
		"large frame":         "\x03\x01\x00\x10\x00",
		"over the type":       "\x04\x41\x00\x00\x00",
		"another type within": "\x83\x01\x00\x00\x00a\x04\x00\x00\x00\x00",
		"endless":             "\x83\x00\x00\x00\x00",
	} {
		if _, _, err := newMessageReader(strings.NewReader(in)).next(); !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzMessages reads bytes as messages: no panic, bodies within their limits,
// and what they say is read with bounds.
func FuzzMessages(f *testing.F) {
	var buf bytes.Buffer
	w := newMessageWriter(&buf)
	for _, m := range allMessages {
		w.write(m, []byte{3, 'a', 'b', 'c'}, []byte(`{"stream":"0123456789abcdef0123456789abcdef"}`))
	}
	w.flush()
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newMessageReader(bytes.NewReader(in))
		for {
			m, body, err := r.next()
			if err != nil {
				return
			}
			if len(body) > m.limit() || len(body) > len(in) {
				t.Fatalf("%s of %d bytes", m, len(body))
			}
			var a, b, c uint64
			readNumbers(m, body, &a)
			readNumbers(m, body, &a, &b, &c)
			if h, err := parseHello(body); err == nil && len(h.Stream) != idLength {
				t.Fatalf("a stream called %q", h.Stream)
			}
			if r, err := parseReply(body); err == nil && r.Error == "" && r.Acked >= r.Next {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// TestSkew: the skew is that of the shortest of the latest round trips.
func TestSkew(t *testing.T) {
	var s skew
	if ahead, took := s.best(); ahead != 0 || took != 0 {
		t.Fatal(ahead, took)
	}
	s.note(1000, 1100, 5050) // 4000 ahead, exactly
	s.note(2000, 3000, 6900) // a slow way back: 4400
	s.note(5000, 4000, 9000) // our clock was set
	if ahead, took := s.best(); ahead != 4000 || took != 100 {
		t.Fatal(ahead, took)
	}
	for i := range int64(skewSamples) { // the clocks drift: what is old does not count
		s.note(10000+i, 10200+i, 15100+i)
	}
	if ahead, took := s.best(); ahead != 5000 || took != 200 {
		t.Fatal(ahead, took)
	}
}
