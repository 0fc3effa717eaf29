package sqltext

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// addSeeds gives a fuzz target the texts of the scripts.
func addSeeds(f *testing.F) {
	paths, err := filepath.Glob("testdata/script/*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			f.Add([]byte(line), uint8(i))
		}
	}
}

// fuzzOptions makes options of a byte.
func fuzzOptions(bits uint8) Options {
	return Options{
		Charset:            Charset(bits & 7),
		ANSIQuotes:         bits&8 != 0,
		NoBackslashEscapes: bits&16 != 0,
		MariaDB:            bits&32 != 0,
		Guessed:            bits&64 != 0,
		IgnoreSpace:        bits&128 != 0,
	}
}

// FuzzScanner: tokens come in order, do not overlap, and every byte between
// them is white space or belongs to a comment's kind.
func FuzzScanner(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text []byte, bits uint8) {
		s := NewScanner(text, fuzzOptions(bits))
		s.Comments = bits&1 != 0
		end := 0
		for n := 0; ; n++ {
			tok := s.Next()
			if tok.Start < end || tok.End < tok.Start || tok.End > len(text) || n > len(text)+2 {
				t.Fatalf("%q: token %+v after %d", text, tok, end)
			}
			end = tok.End
			if tok.Kind == EOF {
				break
			}
			if tok.Empty() && tok.Kind != HintEnd {
				t.Fatalf("%q: empty token %+v", text, tok)
			}
		}
		if s.Next().Kind != EOF {
			t.Fatalf("%q: more behind the end", text)
		}
	})
}

// FuzzAnalyze: statements and their parts lie inside the text and in order;
// a fresh Analyzer and a used one agree.
func FuzzAnalyze(f *testing.F) {
	addSeeds(f)
	var used Analyzer
	f.Fuzz(func(t *testing.T, text []byte, bits uint8) {
		opt := fuzzOptions(bits)
		r := used.Analyze(text, opt)
		end := 0
		for i := range r.Statements {
			st := &r.Statements[i]
			if st.Start < end || st.Empty() || st.End > len(text) {
				t.Fatalf("%q: statement %+v after %d", text, st.Span, end)
			}
			end = st.End
			checkParts(t, text, st)
		}
		fingerprint := used.AppendFingerprint(nil)
		if len(fingerprint) > MaxFingerprint {
			t.Fatalf("fingerprint of %d bytes", len(fingerprint))
		}
		var fresh Analyzer
		again := fresh.Analyze(text, opt)
		if again.Hash != r.Hash || again.Class != r.Class || len(again.Statements) != len(r.Statements) ||
			!bytes.Equal(fresh.AppendFingerprint(nil), fingerprint) {
			t.Fatalf("%q: %+v, then %+v", text, r, again)
		}
	})
}

func checkParts(t *testing.T, text []byte, st *Statement) {
	parts := []Span{st.Name, st.Schema, st.Charset, st.Kill.Number}
	for _, table := range st.Tables {
		if table.Name.Empty() {
			t.Fatalf("%q: table without a name", text)
		}
		parts = append(parts, table.Schema, table.Name)
	}
	for _, p := range parts {
		if p != (Span{}) && (p.Start < st.Start || p.End > st.End) {
			t.Fatalf("%q: %+v outside %+v", text, p, st.Span)
		}
		AppendName(nil, p.Of(text))
	}
}

// FuzzMask: whatever stands before a statement with a secret, the secret is
// not in what Mask writes.
func FuzzMask(f *testing.F) {
	addSeeds(f)
	const secret = "Qwertyuiop12345"
	tails := []string{
		"\n;SET PASSWORD = '" + secret + "'",
		"\n;CREATE USER u IDENTIFIED BY '" + secret + "' COMMENT 'c'",
		"\n;INSERT INTO t VALUES (AES_ENCRYPT(a, '" + secret + "'))",
	}
	f.Fuzz(func(t *testing.T, text []byte, bits uint8) {
		if bytes.Contains(bytes.ToLower(text), []byte("$")) {
			return // may quote the tail as a routine's source, which is data
		}
		opt := fuzzOptions(bits)
		whole := append(bytes.Clone(text), tails[int(bits)%len(tails)]...)
		if out, found := Mask(nil, whole, opt); bytes.Contains(out, []byte(secret)) || !found.Found {
			t.Fatalf("%q is masked as %q", whole, out)
		}
		// Placed in the middle, so that what follows may change its meaning.
		whole = append(whole, text...)
		Mask(nil, whole, opt)
		AppendString(nil, text, opt)
	})
}

// FuzzShape: no text makes the reader of shapes stumble; a fresh Shaper, a used
// one and one that remembers agree; every value is one of the text's.
func FuzzShape(f *testing.F) {
	addSeeds(f)
	b, err := os.ReadFile("testdata/shape")
	if err != nil {
		f.Fatal(err)
	}
	for i, line := range strings.Split(string(b), "\n") {
		f.Add([]byte(line), uint8(i))
	}
	var used Shaper
	f.Fuzz(func(t *testing.T, text []byte, bits uint8) {
		opt := fuzzOptions(bits)
		list, literals := used.Shapes(text, opt)
		first := printShapes(list)
		checkShapes(t, text, list, literals)
		list, _ = used.Shapes(text, opt)
		var fresh Shaper
		other, same := fresh.Shapes(text, opt)
		if again, third := printShapes(list), printShapes(other); again != first || third != first || len(same) != len(literals) {
			t.Fatalf("%q: %s, then %s, then %s", text, first, again, third)
		}
	})
}

func checkShapes(t *testing.T, text []byte, list []*Shape, literals []LiteralToken) {
	params := bytes.Count(text, []byte("?"))
	check := func(values ...Value) {
		for _, v := range values {
			if v.Kind == Literal && v.Index >= len(literals) || v.Kind == Placeholder && v.Index >= params || v.Index < 0 {
				t.Fatalf("%q: value %+v", text, v)
			}
		}
	}
	for _, l := range literals {
		l.Int(text)
	}
	for _, s := range list {
		check(s.UserLock, s.Autocommit)
		for i := range s.Tables {
			table := &s.Tables[i]
			for _, term := range append(append([]Term(nil), table.Terms...), table.Maybe...) {
				check(term.Values...)
			}
			for _, a := range table.Assign {
				check(a.Value)
			}
			if table.Insert != nil {
				check(table.Insert.IDs...)
				for _, row := range table.Insert.Rows {
					check(row...)
				}
			}
		}
	}
}
