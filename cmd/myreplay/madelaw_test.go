package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"myreplay/outcome"
	"myreplay/sqltext"
)

// TestMadeTextLaw: when a UUID or a time in a statement is replaced by another, it
// scans into the same tokens, of which only those that hold it read otherwise.
func TestMadeTextLaw(t *testing.T) {
	literals := []string{"'%s'", "\"%s\"", "x'%s'", "0x%s", "'{\"id\": \"%s\"}'", "`%s`", "/* %s */ 1", "'it''s %s'", "_utf8mb4'%s'", "1", "a.b", "'x'", "-- %s\n1", "?"}
	rapid.Check(t, func(t *rapid.T) {
		text := []byte("select")
		for range rapid.IntRange(1, 6).Draw(t, "literals") {
			var value string
			var id outcome.UUID
			copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
			id[6], id[8] = id[6]&15|0x10, id[8]&0x3f|0x80
			switch h := hex.EncodeToString(id[:]); rapid.IntRange(0, 2).Draw(t, "form") {
			case 0:
				value = h
			case 1:
				value = fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
			case 2:
				value = fmt.Sprintf("2026-01-31 12:34:56.%06d", rapid.IntRange(0, 999999).Draw(t, "micros"))
			}
			text = append(text, ' ')
			l := rapid.SampledFrom(literals).Draw(t, "literal")
			if l == "0x%s" && strings.Contains(value, "-") {
				l = "'%s'" // dashes stand in quotes and comments only: bare ones are no UUID to a server
			}
			text = append(text, strings.ReplaceAll(l, "%s", value)...)
			text = append(text, rapid.SampledFrom([]string{",", " =", " -", ""}).Draw(t, "behind")...)
		}
		opt := sqltext.Options{ANSIQuotes: rapid.Bool().Draw(t, "ansi"), NoBackslashEscapes: rapid.Bool().Draw(t, "backslash")}
		sent := bytes.Clone(text)
		changed := make([]bool, len(text)+1)
		mark := func(at, n int) {
			for i := at; i < at+n; i++ {
				changed[i] = true
			}
		}
		outcome.EachUUID(text, false, func(at int, f outcome.Form, u outcome.UUID) {
			u[0], u[15] = u[0]^0x5a, u[15]^0xff
			u.Write(sent[at:], f)
			mark(at, min(36, len(text)-at))
		})
		outcome.EachMicros(text, false, func(m *outcome.Micros, at int, binary bool) {
			m[25] ^= 1
			m.Put(sent[at:], binary)
			mark(at, 6)
		})
		a, b := sqltext.NewScanner(text, opt), sqltext.NewScanner(sent, opt)
		for {
			x, y := a.Next(), b.Next()
			if x.Kind != y.Kind || x.Span != y.Span || x.Op != y.Op {
				t.Fatalf("%q\n%q\nscan otherwise: %v, %v", text, sent, x, y)
			}
			if x.Kind == sqltext.EOF {
				return
			}
			if p, q := x.Of(text), y.Of(sent); !bytes.Equal(p, q) && !bytes.Contains(bytesOf(changed, x.Start, x.End), []byte{1}) {
				t.Fatalf("%s became %s", p, q)
			}
		}
	})
}

// bytesOf returns a range of flags as bytes.
func bytesOf(flags []bool, from, to int) []byte {
	out := make([]byte, to-from)
	for i := range out {
		if flags[from+i] {
			out[i] = 1
		}
	}
	return out
}
