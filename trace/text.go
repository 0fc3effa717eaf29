package trace

import (
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendPrintable appends s with everything that is not a printable character
// escaped as in Go: control characters, those that change the direction of
// writing or have no width, and bytes that are no UTF-8. A backslash stays as it
// is.
func appendPrintable(dst []byte, s string) []byte { return appendEscaped(dst, s, false) }

// appendWord appends s as it is when it is one plain word, else in double
// quotes.
func appendWord(dst []byte, s string) []byte {
	if isWord(s) {
		return append(dst, s...)
	}
	return append(appendEscaped(append(dst, '"'), s, true), '"')
}

func isWord(s string) bool {
	if s == "" || s == "NULL" {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_' || c == '-' || c == '.' || c == ':' || c == '/' || c == '@' || c == '%' || c == '+' || c == '*' || c == '$':
		default:
			return false
		}
	}
	return true
}

// appendEscaped appends s with what is not printable escaped, and in quotes a
// backslash and a double quote, too.
func appendEscaped(dst []byte, s string, quoted bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && (!quoted || c != '"' && c != '\\') {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case r == utf8.RuneError && n <= 1, r < utf8.RuneSelf:
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		case unicode.IsPrint(r):
			dst = append(dst, s[i:i+n]...)
		case r > 0xffff:
			dst = appendHex(append(dst, '\\', 'U'), uint32(r), 8)
		default:
			dst = appendHex(append(dst, '\\', 'u'), uint32(r), 4)
		}
		i += n
	}
	return dst
}

// appendHex appends the low digits of v.
func appendHex(dst []byte, v uint32, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hexDigits[v>>(4*i)&15])
	}
	return dst
}

// appendJSONString appends s as a JSON string of printable characters. A byte
// that is no UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case r >= utf8.RuneSelf && unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			dst = appendHex(append(dst, '\\', 'u'), uint32(hi), 4)
			dst = appendHex(append(dst, '\\', 'u'), uint32(lo), 4)
		default:
			dst = appendHex(append(dst, '\\', 'u'), uint32(r), 4)
		}
		i += n
	}
	return append(dst, '"')
}
