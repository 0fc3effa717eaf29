package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable returns text as valid UTF-8: bytes that are none stand as \xNN.
func printable(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	var out strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, `\x%02x`, text[0])
		} else {
			out.Write(text[:n])
		}
		text = text[n:]
	}
	return out.String()
}

// cut returns s with at most n bytes, cut between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// keep returns s, or a copy of its first n bytes when it is longer, so that the
// rest is not held.
func keep(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.Clone(cut(s, n))
}

// plain returns s without what could move a terminal's cursor or hide text:
// control and format characters stand as \xNN or \u{N}. Tabs and, if lines is
// set, line ends stay.
func plain(s string, lines bool) string {
	bad := func(r rune) bool {
		return r != ' ' && !unicode.IsPrint(r) && !(lines && (r == '\n' || r == '\t'))
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		switch {
		case !bad(r):
			out.WriteRune(r)
		case r == '\n' || r == '\t' || r == '\r':
			out.WriteByte(' ')
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		default:
			fmt.Fprintf(&out, `\u{%x}`, r)
		}
	}
	return out.String()
}

// fit returns s in at most width columns, one line, with "..." where it was cut.
func fit(s string, width int) string {
	s = plain(s, false)
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	keep := max(width-3, 0)
	for i := range s {
		if keep == 0 {
			return s[:i] + "..."[:min(3, width)]
		}
		keep--
	}
	return s
}

// number returns n with a comma between thousands.
func number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short returns n in at most six characters: 9,999 then 12.3k, 4.56M.
func short(n uint64) string {
	switch {
	case n < 10_000:
		return number(n)
	case n < 1_000_000:
		return three(float64(n)/1e3) + "k"
	case n < 1_000_000_000:
		return three(float64(n)/1e6) + "M"
	case n < 1_000_000_000_000:
		return three(float64(n)/1e9) + "G"
	}
	return three(float64(n)/1e12) + "T"
}

// size returns a number of bytes in at most seven characters.
func size(n uint64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return three(f) + " " + units[i]
}

// three returns f with three digits that matter.
func three(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

// duration returns microseconds in at most six characters: 123us, 4.56ms, 78.9s.
func duration(us int64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%dus", us)
	case us < 999_500:
		return three(float64(us)/1e3) + "ms"
	case us < 10_000e6:
		return three(float64(us)/1e6) + "s"
	}
	return three(float64(us)/3600e6) + "h"
}

// ratio returns a ratio such as 1.24x.
func ratio(r float64) string {
	if r >= 1000 {
		return ">999x"
	}
	return three(r) + "x"
}

// percent returns a share such as 12.3%.
func percent(part, whole float64) string {
	if whole == 0 {
		return "-"
	}
	return strconv.FormatFloat(100*part/whole, 'f', 1, 64) + "%"
}

// plural returns "1 row", "2 rows".
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// listOf returns counts as "write 3, secret 1".
func listOf(list []Count) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, c.Name+" "+number(c.Count))
	}
	return strings.Join(parts, ", ")
}
