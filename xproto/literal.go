package xproto

import (
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"
)

// appendIdentifier appends a name in backticks.
func appendIdentifier(dst, name []byte) []byte {
	dst = append(dst, '`')
	for _, c := range name {
		if c == '`' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '`')
}

// appendString appends a string literal.
func appendString(dst, s []byte) []byte {
	return append(appendEscaped(append(dst, '\''), s), '\'')
}

// appendEscaped appends what stands between the quotes of a string literal.
func appendEscaped(dst, s []byte) []byte {
	for _, c := range s {
		switch c {
		case 0:
			dst = append(dst, '\\', '0')
			continue
		case '\'', '\\':
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return dst
}

// appendBinary appends octets: as a string when they are text, else in hex.
func appendBinary(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return appendString(dst, b)
	}
	dst = append(dst, "x'"...)
	return append(hex.AppendEncode(dst, b), '\'')
}

// appendJSONString appends a JSON string. One that is not UTF-8 becomes "0x" and
// its bytes in hex.
func appendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	if !utf8.Valid(s) {
		dst = append(dst, "0x"...)
		return append(hex.AppendEncode(dst, s), '"')
	}
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendFloat appends a number as MySQL's literals and JSON have it; what is no
// number becomes a string.
func appendFloat(dst []byte, v float64, bits int, quote byte) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		dst = strconv.AppendFloat(append(dst, quote), v, 'g', -1, bits)
		return append(dst, quote)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits)
}

func (s *Scalar) bits() int {
	if s.Type == ScalarFloat {
		return 32
	}
	return 64
}

// AppendSQL appends the scalar as a literal of SQL to dst: strings and octets
// quoted, octets that are not UTF-8 in hex, a scalar of no type as NULL.
func (s *Scalar) AppendSQL(dst []byte) []byte {
	switch s.Type {
	case ScalarSint:
		return strconv.AppendInt(dst, s.Sint, 10)
	case ScalarUint:
		return strconv.AppendUint(dst, s.Uint, 10)
	case ScalarDouble, ScalarFloat:
		return appendFloat(dst, s.Float, s.bits(), '\'')
	case ScalarBool:
		if s.Bool {
			return append(dst, "TRUE"...)
		}
		return append(dst, "FALSE"...)
	case ScalarString:
		return appendString(dst, s.Bytes)
	case ScalarOctets:
		return s.appendOctets(dst)
	}
	return append(dst, "NULL"...)
}

func (s *Scalar) appendOctets(dst []byte) []byte {
	open, end := "", ""
	switch s.ContentType {
	case ContentGeometry:
		open, end = "ST_GEOMETRYFROMWKB(", ")"
	case ContentJSON:
		open, end = "CAST(", " AS JSON)"
	}
	return append(appendBinary(append(dst, open...), s.Bytes), end...)
}

// known tells whether the scalar's type is in the enumeration.
func (s *Scalar) known() bool { return s.Type >= ScalarSint && s.Type <= ScalarString }

// AppendJSON appends the scalar as JSON to dst. Octets are strings; strings that
// are not UTF-8 become "0x" and hex.
func (s *Scalar) AppendJSON(dst []byte) []byte {
	switch s.Type {
	case ScalarDouble, ScalarFloat:
		return appendFloat(dst, s.Float, s.bits(), '"')
	case ScalarBool:
		return strconv.AppendBool(dst, s.Bool)
	case ScalarString, ScalarOctets:
		return appendJSONString(dst, s.Bytes)
	case ScalarSint, ScalarUint:
		return s.AppendSQL(dst)
	}
	return append(dst, "null"...)
}

// AppendJSON appends the value as JSON to dst, as Scalar.AppendJSON does. An
// object's fields keep their order.
func (a *Any) AppendJSON(dst []byte) []byte {
	switch {
	case a.IsObject:
		dst = append(dst, '{')
		for i := range a.Object {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendJSONString(dst, []byte(a.Object[i].Key)), ": "...)
			dst = a.Object[i].Value.AppendJSON(dst)
		}
		return append(dst, '}')
	case a.IsArray:
		dst = append(dst, '[')
		for i := range a.Array {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = a.Array[i].AppendJSON(dst)
		}
		return append(dst, ']')
	case a.Scalar != nil:
		return a.Scalar.AppendJSON(dst)
	}
	return append(dst, "null"...)
}

// AppendSQL appends the value as a literal of SQL to dst: a scalar as
// Scalar.AppendSQL does, an object or an array as a string of JSON.
func (a *Any) AppendSQL(dst []byte) []byte {
	switch {
	case a.IsObject || a.IsArray:
		return appendString(dst, a.AppendJSON(nil))
	case a.Scalar != nil:
		return a.Scalar.AppendSQL(dst)
	}
	return append(dst, "NULL"...)
}
