package report

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{number(0), "0"}, {number(999), "999"}, {number(1000), "1,000"}, {number(1234567), "1,234,567"},
		{short(9999), "9,999"}, {short(10000), "10.0k"}, {short(999_949), "1000k"}, {short(1_500_000), "1.50M"}, {short(1<<63 + 1), "9223372T"},
		{duration(0), "0us"}, {duration(999), "999us"}, {duration(1000), "1.00ms"}, {duration(999_499), "999ms"}, {duration(999_500), "1.00s"},
		{duration(59_900_000), "59.9s"}, {duration(9_999_000_000), "9999s"}, {duration(10_000_000_000), "2.78h"},
		{ratio(1.239), "1.24x"}, {ratio(12.39), "12.4x"}, {ratio(1e9), ">999x"},
		{size(0), "0 B"}, {size(999), "999 B"}, {size(1000), "0.98 KiB"}, {size(1 << 20), "1.00 MiB"},
		{percent(1, 3), "33.3%"}, {percent(1, 0), "-"},
		{plural(1, "row", "rows"), "1 row"}, {plural(1200, "row", "rows"), "1,200 rows"},
		{inNumber(1, "{it is|they are} {here"), "it is "}, {inNumber(2, "{it is|they are} here"), "they are here"},
		{fit("abcdef", 6), "abcdef"}, {fit("abcdefg", 6), "abc..."}, {fit("äöüäöüä", 6), "äöü..."}, {fit("a\nb", 9), "a b"},
		{plain("a\x1b[1mb\r\n\u202ec", true), `a\x1b[1mb` + " \n" + `\u{202e}c`},
		{printable([]byte("a\xffb")), `a\xffb`},
		{cut("äöü", 3), "ä"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

// TestPlain: whatever the bytes, what is printed is valid and fits.
func TestPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		width := rapid.IntRange(3, 40).Draw(t, "width")
		s := fit(printable(b), width)
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > width {
			t.Fatalf("%q", s)
		}
	})
}
