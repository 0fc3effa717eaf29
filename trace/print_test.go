package trace

import (
	"unicode"
	"unicode/utf8"
)

// checkPrintable checks that a line is one line of printable characters.
func checkPrintable(t tester, line string) {
	t.Helper()
	for i, r := range line {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(line[i:]); n <= 1 {
				t.Fatalf("not UTF-8: %q", line)
			}
		}
		if !unicode.IsPrint(r) {
			t.Fatalf("%U in %q", r, line)
		}
	}
}
