package xproto

import (
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// FlagZerofill is the flag of TypeUint columns that are shown with leading
// zeros. The other types use its bit for other things.
const FlagZerofill = 1

// AppendText appends a field of a Row to dst as the classic protocol's text rows
// show it, with these differences. DOUBLE and FLOAT are the shortest number that
// reads as the same, BIT is a decimal number, and leading zeros are left out (of
// ZEROFILL and of the year 0, which passes as any number). A time's fraction has
// the given digits, or six where it has more.
//
// Flags, contentType and digits are those of the column, 0 where they are not
// known (compact metadata). A value of no bytes is NULL and an error here. The
// error is a *FormatError; dst is then as it was.
func AppendText(dst, v []byte, t FieldType, flags, contentType, digits uint32) ([]byte, error) {
	p := parts{rest: v}
	out := dst
	switch t {
	case TypeSint:
		out = strconv.AppendInt(out, protowire.DecodeZigZag(p.varint()), 10)
	case TypeUint, TypeBit:
		out = strconv.AppendUint(out, p.varint(), 10)
	case TypeDouble:
		if b := p.take(8); b != nil {
			out = strconv.AppendFloat(out, math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64)
		}
	case TypeFloat:
		if b := p.take(4); b != nil {
			out = strconv.AppendFloat(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 'g', -1, 32)
		}
	case TypeBytes, TypeEnum:
		out = append(out, p.take(len(v)-1)...)
		p.bad = p.bad || len(p.rest) != 1 || p.take(1)[0] != 0
	case TypeTime:
		out = p.time(out, digits)
	case TypeDatetime:
		out = p.datetime(out, contentType, digits)
	case TypeSet:
		out = p.set(out)
	case TypeDecimal:
		out = p.decimal(out)
	default:
		return dst, &FormatError{"value", "of an unknown type"}
	}
	if p.bad || len(p.rest) > 0 {
		return dst, &FormatError{"value", "not of its column's type"}
	}
	return out, nil
}

// AppendText appends a field of the column to dst as the function AppendText
// does. From the column's length it knows the leading zeros of integers with
// ZEROFILL, and the digits of a time's fraction, which servers do not tell.
func (c *Column) AppendText(dst, v []byte) ([]byte, error) {
	if c.Type != TypeUint || c.Flags&FlagZerofill == 0 {
		return AppendText(dst, v, c.Type, c.Flags, c.ContentType, c.digits())
	}
	number, err := AppendText(nil, v, c.Type, c.Flags, c.ContentType, 0)
	if err != nil {
		return dst, err
	}
	for n := len(number); n < int(min(c.Length, maxZerofill)); n++ {
		dst = append(dst, '0')
	}
	return append(dst, number...), nil
}

// digits returns how many digits are shown of a fraction.
func (c *Column) digits() uint32 {
	whole := uint32(len("0000-00-00 00:00:00"))
	switch {
	case c.FractionalDigits > 0:
		return c.FractionalDigits
	case c.Type == TypeTime:
		whole = uint32(len("-838:59:59"))
	case c.Type != TypeDatetime:
		return 0
	}
	if c.Length > whole+1 && c.Length <= whole+1+6 {
		return c.Length - whole - 1
	}
	return 0
}

// maxZerofill is the longest that a number is filled to: the widest that a
// column may be declared.
const maxZerofill = 255

// parts reads the parts of a value. After the first that is missing or wrong all
// are 0.
type parts struct {
	rest []byte
	bad  bool
}

func (p *parts) take(n int) []byte {
	if n < 0 || n > len(p.rest) || p.bad {
		p.bad = true
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parts) varint() uint64 {
	v, n := protowire.ConsumeVarint(p.rest)
	if n < 0 || p.bad {
		p.bad = true
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

// number returns the next part of a time, at most limit; 0 when those that are
// left were 0 and left out.
func (p *parts) number(limit uint64) uint64 {
	if len(p.rest) == 0 {
		return 0
	}
	v := p.varint()
	if v > limit {
		p.bad = true
		return 0
	}
	return v
}

const (
	maxHours  = 838
	maxYear   = 9999
	maxMicros = 999_999
)

// tens has for each number of digits what the digits after them make.
var tens = [...]uint64{1_000_000, 100_000, 10_000, 1000, 100, 10, 1}

func (p *parts) time(dst []byte, digits uint32) []byte {
	sign := p.take(1)
	switch {
	case p.bad || sign[0] > 1:
		p.bad = true
	case sign[0] == 1:
		dst = append(dst, '-')
	}
	return p.clock(dst, maxHours, digits)
}

// clock appends hours, minutes, seconds and their fraction.
func (p *parts) clock(dst []byte, hours uint64, digits uint32) []byte {
	dst = append(appendPadded(dst, p.number(hours), 2), ':')
	dst = append(appendPadded(dst, p.number(59), 2), ':')
	dst = appendPadded(dst, p.number(59), 2)
	micros := p.number(maxMicros)
	if digits > 6 || micros%tens[digits] != 0 {
		digits = 6
	}
	if digits == 0 {
		return dst
	}
	dst = appendPadded(append(dst, '.'), micros, 6)
	return dst[:len(dst)-6+int(digits)]
}

func (p *parts) datetime(dst []byte, contentType, digits uint32) []byte {
	dst = append(appendPadded(dst, p.number(maxYear), 4), '-')
	dst = append(appendPadded(dst, p.number(12), 2), '-')
	dst = appendPadded(dst, p.number(31), 2)
	if contentType == ContentDate || contentType == 0 && len(p.rest) == 0 {
		return dst
	}
	return p.clock(append(dst, ' '), 23, digits)
}

func appendPadded(dst []byte, v uint64, width int) []byte {
	for limit := uint64(10); width > 1; width, limit = width-1, limit*10 {
		if v < limit {
			dst = append(dst, '0')
		}
	}
	return strconv.AppendUint(dst, v, 10)
}

// set appends the items of a SET with commas. The one byte 1 is the empty set;
// as an item's length it has nothing after it.
func (p *parts) set(dst []byte) []byte {
	if len(p.rest) == 0 {
		p.bad = true
	}
	if len(p.rest) == 1 && p.rest[0] == 1 {
		p.rest = nil
		return dst
	}
	for n := 0; len(p.rest) > 0 && !p.bad; n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		length := p.varint()
		if length > uint64(len(p.rest)) {
			p.bad = true
			return dst
		}
		dst = append(dst, p.take(int(length))...)
	}
	return dst
}

// decimal appends a DECIMAL: how many digits stand after the point, then
// digits, two in each byte, up to the sign, 12 or 13.
func (p *parts) decimal(dst []byte) []byte {
	scale := p.take(1)
	digits := p.rest
	p.rest = nil
	if len(digits) == 0 || p.bad {
		p.bad = true
		return dst
	}
	n := 2 * len(digits) // half bytes, the sign's included
	last := digits[len(digits)-1]
	sign := last & 15
	if sign == 0 {
		n, sign = n-1, last>>4
	}
	if n--; sign != 12 && sign != 13 || n == 0 || int(scale[0]) > n {
		p.bad = true
		return dst
	}
	if sign == 13 {
		dst = append(dst, '-')
	}
	if n == int(scale[0]) {
		dst = append(dst, '0')
	}
	for i := range n {
		if n-i == int(scale[0]) {
			dst = append(dst, '.')
		}
		d := digits[i/2] >> 4
		if i%2 == 1 {
			d = digits[i/2] & 15
		}
		p.bad = p.bad || d > 9
		dst = append(dst, '0'+d)
	}
	return dst
}
