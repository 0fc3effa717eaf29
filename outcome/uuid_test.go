package outcome

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawUUID draws a UUID of version 1 or 7.
func drawUUID(t *rapid.T) (u UUID) {
	copy(u[:], rapid.SliceOfN(rapid.Byte(), len(u), len(u)).Draw(t, "uuid"))
	u[6] = u[6]&15 | rapid.SampledFrom([]byte{0x10, 0x70}).Draw(t, "version")
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u UUID) dashed() string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// TestUUIDForms: a UUID is found in each form, wherever one may stand, and only its
// own bytes change when another takes its place, which is then found there.
func TestUUIDForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, other := drawUUID(t), drawUUID(t)
		swapped := u.unswap()
		form := rapid.SampledFrom([]Form{DashForm, HexForm, HexSwapped, RawForm, RawSwapped}).Draw(t, "form")
		if form == HexSwapped || form == RawSwapped { // only version 1 has such a form
			u[6], other[6] = u[6]&15|0x10, other[6]&15|0x10
			swapped = u.unswap()
		}
		text := map[Form]string{DashForm: u.dashed(), HexForm: hex.EncodeToString(u[:]), HexSwapped: hex.EncodeToString(swapped[:]),
			RawForm: string(u[:]), RawSwapped: string(swapped[:])}[form]
		if form < RawForm && rapid.Bool().Draw(t, "capitals") {
			text = strings.ToUpper(text)
		}
		raw := form >= RawForm || rapid.Bool().Draw(t, "raw")
		var before, after string
		switch {
		case raw:
			before = string(rapid.SliceOfN(rapid.ByteRange('g', 'z'), 0, 9).Draw(t, "before")) + string(rune(len(text)))
			after = string(rapid.SliceOfN(rapid.ByteRange('g', 'z'), 0, 9).Draw(t, "after"))
		case form == DashForm:
			before = rapid.SampledFrom([]string{"'", "select '{\"id\":\"", "order-", "`t_", "", "x = '/a/"}).Draw(t, "before")
			after = rapid.SampledFrom([]string{"'", "\"}'", "`", "", "%'"}).Draw(t, "after")
		default:
			before, after = "insert into t values ('", "')"
		}
		payload := []byte(before + text + after)
		saved := bytes.Clone(payload)
		found := false
		EachUUID(payload, raw, func(at int, f Form, v UUID) {
			if at != len(before) || v != u || f != form || found {
				return
			}
			found = true
			other.Write(payload[at:], f)
		})
		if !found {
			t.Fatalf("form %d not found in %q", form, payload)
		}
		if end := len(before) + len(text); !bytes.Equal(payload[:len(before)], saved[:len(before)]) || !bytes.Equal(payload[end:], saved[end:]) {
			t.Fatalf("%q became %q", saved, payload)
		}
		again := false
		EachUUID(payload, raw, func(at int, f Form, v UUID) { again = again || at == len(before) && f == form && v == other })
		if !again {
			t.Fatalf("%q: not the other", payload)
		}
	})
}

// TestUUIDTime: when a UUID says that it was made.
func TestUUIDTime(t *testing.T) {
	for text, want := range map[string]string{
		"c232ab00-9414-11ec-b3c8-9f6bdeced846": "2022-02-22T19:22:22Z", // RFC 9562, A.1
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398f": "2022-02-22T19:22:22Z", // A.6
	} {
		u, ok := parseDashed([]byte(text))
		at, sane := u.at()
		if got := time.Unix(0, at).UTC().Format(time.RFC3339); !ok || !sane || !u.timed() || got != want {
			t.Errorf("%s: %s, %v, %v", text, got, ok, sane)
		}
	}
	for _, text := range []string{"919108f7-52d1-4320-9bac-f847db4148a8", "c232ab00-9414-11ec-33c8-9f6bdeced846"} { // version 4; another variant
		if u, ok := parseDashed([]byte(text)); !ok || u.timed() {
			t.Errorf("%s tells a time", text)
		}
	}
}

// What only looks like one is left alone.
func TestUUIDNot(t *testing.T) {
	const id = "c232ab00-9414-11ec-b3c8-9f6bdeced846"
	plain := strings.ReplaceAll(id, "-", "")
	for _, text := range []string{"a" + id, id + "0", id[1:], "select " + plain, "tmp_" + plain, "'" + plain, "'" + plain + "0'", "x0x" + plain,
		"0x" + plain + "_", "$" + id[:35]} {
		EachUUID([]byte(text), false, func(at int, f Form, u UUID) { t.Errorf("%q: %x at %d, form %d", text, u, at, f) })
	}
}

// TestMicrosForms is TestUUIDForms for times.
func TestMicrosForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() (m Micros, n [7]int) {
			for i, most := range []int{9999, 12, 31, 23, 59, 59, 999999} {
				n[i] = rapid.IntRange(0, most).Draw(t, "part")
			}
			copy(m[:], fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", n[0], n[1], n[2], n[3], n[4], n[5], n[6]))
			return m, n
		}
		m, n := draw()
		other, _ := draw()
		asBinary := rapid.Bool().Draw(t, "binary")
		text, before, after := string(m[:]), "where t = '", "' and x"
		if asBinary {
			text = string([]byte{11, byte(n[0]), byte(n[0] >> 8), byte(n[1]), byte(n[2]), byte(n[3]), byte(n[4]), byte(n[5]),
				byte(n[6]), byte(n[6] >> 8), byte(n[6] >> 16), 0})
		} else if rapid.Bool().Draw(t, "T") {
			text = strings.Replace(text, " ", "T", 1)
		}
		payload := []byte(before + text + after)
		saved := bytes.Clone(payload)
		found := 0
		EachMicros(payload, asBinary, func(v *Micros, at int, binary bool) {
			if *v == m && binary == asBinary {
				found++
				other.Put(payload[at:], binary)
			}
		})
		if found != 1 {
			t.Fatalf("found %d times in %q", found, payload)
		}
		end := len(before) + len(text)
		if !bytes.Equal(payload[:end-6], saved[:end-6]) || !bytes.Equal(payload[end:], saved[end:]) {
			t.Fatalf("%q became %q", saved, payload)
		}
		copy(m[20:], other[20:])
		EachMicros(payload, asBinary, func(v *Micros, _ int, binary bool) {
			if *v != m && binary == asBinary {
				t.Fatalf("%q: %s, want %s", payload, v, m)
			}
		})
	})
}

// FuzzMade: whatever is sent, what is found lies within it.
func FuzzMade(f *testing.F) {
	f.Add([]byte("select 'c232ab00-9414-11ec-b3c8-9f6bdeced846', x'c232ab00941411ecb3c89f6bdeced846'"), false)
	f.Add([]byte("\x10c232ab00941411e\x24c232ab00-9414-11ec-b3c8-9f6bdeced846"), true)
	f.Add([]byte("2026-01-31 12:34:56.789012 \x0b\xea\x07\x01\x1f\x0c\x22\x38\x14\x0a\x0c\x00"), true)
	f.Fuzz(func(t *testing.T, payload []byte, raw bool) {
		saved := bytes.Clone(payload)
		EachUUID(payload, raw, func(at int, form Form, u UUID) { u.Write(payload[at:], form) })
		EachMicros(payload, raw, func(m *Micros, at int, binary bool) { m.Put(payload[at:], binary) })
		if !bytes.EqualFold(payload, saved) {
			t.Fatalf("%q became %q", saved, payload)
		}
	})
}

// BenchmarkFind is looking for made-up values in a statement that has none.
func BenchmarkFind(b *testing.B) {
	for name, payload := range map[string]string{
		"text":   "SELECT c FROM sbtest1 WHERE id BETWEEN 4990 AND 5089 AND note <> '2026-01-31' ORDER BY c",
		"uuid":   "INSERT INTO used (u, j) VALUES ('c232ab00-9414-11ec-b3c8-9f6bdeced846', '2026-01-31 12:34:56.789012')",
		"params": "\x00\x01\x00\x00\x00\x00\x01\x08\x00\xfd\x00\x05\x00\x00\x00\x00\x00\x00\x00\x2808566691963-88624912351-16662227201-4664",
	} {
		b.Run(name, func(b *testing.B) {
			p := []byte(payload)
			found := 0
			for b.Loop() {
				EachUUID(p, name == "params", func(int, Form, UUID) { found++ })
				EachMicros(p, name == "params", func(*Micros, int, bool) { found++ })
			}
		})
	}
}
