package classic

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"myreplay/wire"
)

// Type is a column or parameter type (MYSQL_TYPE_*, "Column Type").
type Type byte

// The types.
const (
	TypeDecimal    Type = 0x00
	TypeTiny       Type = 0x01
	TypeShort      Type = 0x02
	TypeLong       Type = 0x03
	TypeFloat      Type = 0x04
	TypeDouble     Type = 0x05
	TypeNull       Type = 0x06
	TypeTimestamp  Type = 0x07
	TypeLongLong   Type = 0x08
	TypeInt24      Type = 0x09
	TypeDate       Type = 0x0a
	TypeTime       Type = 0x0b
	TypeDateTime   Type = 0x0c
	TypeYear       Type = 0x0d
	TypeVarchar    Type = 0x0f
	TypeBit        Type = 0x10
	TypeVector     Type = 0xf2
	TypeJSON       Type = 0xf5
	TypeNewDecimal Type = 0xf6
	TypeEnum       Type = 0xf7
	TypeSet        Type = 0xf8
	TypeTinyBlob   Type = 0xf9
	TypeMediumBlob Type = 0xfa
	TypeLongBlob   Type = 0xfb
	TypeBlob       Type = 0xfc
	TypeVarString  Type = 0xfd
	TypeString     Type = 0xfe
	TypeGeometry   Type = 0xff
)

// The column flags that matter here ("Column Definition Flags").
const (
	FlagNotNull    uint16 = 0x0001
	FlagPrimaryKey uint16 = 0x0002
	FlagUniqueKey  uint16 = 0x0004
	FlagUnsigned   uint16 = 0x0020
	FlagBinary     uint16 = 0x0080
)

var typeNames = map[Type]string{TypeDecimal: "decimal", TypeTiny: "tinyint", TypeShort: "smallint", TypeLong: "int",
	TypeFloat: "float", TypeDouble: "double", TypeNull: "null", TypeTimestamp: "timestamp", TypeLongLong: "bigint",
	TypeInt24: "mediumint", TypeDate: "date", TypeTime: "time", TypeDateTime: "datetime", TypeYear: "year",
	TypeVarchar: "varchar", TypeBit: "bit", TypeVector: "vector", TypeJSON: "json", TypeNewDecimal: "decimal",
	TypeEnum: "enum", TypeSet: "set", TypeTinyBlob: "tinyblob", TypeMediumBlob: "mediumblob",
	TypeLongBlob: "longblob", TypeBlob: "blob", TypeVarString: "varchar", TypeString: "char", TypeGeometry: "geometry"}

// String returns SQL's name for the type, or its number.
func (t Type) String() string {
	if n := typeNames[t]; n != "" {
		return n
	}
	return fmt.Sprintf("0x%02x", byte(t))
}

// binaryLen returns the length of a value of type t in a binary row or
// parameter, when it is fixed; -1: the value's own length comes first as a
// lenenc; -2: it comes first as one byte; -3: unknown type.
func binaryLen(t Type) int {
	switch t {
	case TypeNull:
		return 0
	case TypeTiny:
		return 1
	case TypeShort, TypeYear:
		return 2
	case TypeLong, TypeInt24, TypeFloat:
		return 4
	case TypeLongLong, TypeDouble:
		return 8
	case TypeDate, TypeDateTime, TypeTimestamp, TypeTime:
		return -2
	case TypeDecimal, TypeNewDecimal, TypeVarchar, TypeBit, TypeVector, TypeJSON, TypeEnum, TypeSet, TypeTinyBlob,
		TypeMediumBlob, TypeLongBlob, TypeBlob, TypeVarString, TypeString, TypeGeometry:
		return -1
	}
	return -3
}

// readBinary reads one value of a binary row or parameter and returns its
// bytes: for integers and floats as they are, for strings and times without
// their length.
func readBinary(r *wire.Reader, t Type) []byte {
	switch n := binaryLen(t); n {
	case -1:
		return r.LenencBytes()
	case -2:
		return r.Bytes(int(r.Uint8()))
	case -3:
		r.Fail(errUnknownType)
		return nil
	default:
		return r.Bytes(n)
	}
}

// IsInteger tells whether values of the type are integers of a fixed width in
// binary rows.
func (t Type) IsInteger() bool {
	switch t {
	case TypeTiny, TypeShort, TypeLong, TypeLongLong, TypeInt24, TypeYear:
		return true
	}
	return false
}

// Integer widens the bytes of a binary integer (1, 2, 4 or 8, least
// significant first) to 64 bits, by sign unless unsigned.
func Integer(b []byte, unsigned bool) uint64 {
	switch len(b) {
	case 1:
		if unsigned {
			return uint64(b[0])
		}
		return uint64(int8(b[0]))
	case 2:
		v := binary.LittleEndian.Uint16(b)
		if unsigned {
			return uint64(v)
		}
		return uint64(int16(v))
	case 4:
		v := binary.LittleEndian.Uint32(b)
		if unsigned {
			return uint64(v)
		}
		return uint64(int32(v))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// AppendText appends a binary value as MySQL would write it as text: numbers in
// decimal, times in ISO form, everything else as it is.
func AppendText(dst []byte, b []byte, t Type, unsigned bool) []byte {
	switch t {
	case TypeTiny, TypeShort, TypeLong, TypeLongLong, TypeInt24, TypeYear:
		if unsigned || t == TypeYear {
			return strconv.AppendUint(dst, Integer(b, true), 10)
		}
		return strconv.AppendInt(dst, int64(Integer(b, false)), 10)
	case TypeFloat:
		if len(b) == 4 {
			return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 'g', -1, 32)
		}
	case TypeDouble:
		if len(b) == 8 {
			return strconv.AppendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64)
		}
	case TypeDate, TypeDateTime, TypeTimestamp:
		return appendDateTime(dst, b, t)
	case TypeTime:
		return appendTime(dst, b)
	}
	return append(dst, b...)
}

func appendDateTime(dst, b []byte, t Type) []byte {
	var year, month, day, hour, minute, second, micro uint32
	r := wire.NewReader(b)
	if len(b) >= 4 {
		year, month, day = uint32(r.Uint16()), uint32(r.Uint8()), uint32(r.Uint8())
	}
	if len(b) >= 7 {
		hour, minute, second = uint32(r.Uint8()), uint32(r.Uint8()), uint32(r.Uint8())
	}
	if len(b) >= 11 {
		micro = r.Uint32()
	}
	dst = fmt.Appendf(dst, "%04d-%02d-%02d", year, month, day)
	if t == TypeDate && len(b) <= 4 {
		return dst
	}
	dst = fmt.Appendf(dst, " %02d:%02d:%02d", hour, minute, second)
	if len(b) >= 11 {
		dst = fmt.Appendf(dst, ".%06d", micro)
	}
	return dst
}

func appendTime(dst, b []byte) []byte {
	r := wire.NewReader(b)
	negative := len(b) > 0 && r.Uint8() != 0
	days := uint64(0)
	if len(b) >= 8 {
		days = uint64(r.Uint32())
	}
	hour, minute, second := uint64(r.Uint8()), r.Uint8(), r.Uint8()
	if negative {
		dst = append(dst, '-')
	}
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", days*24+hour, minute, second)
	if len(b) >= 12 {
		dst = fmt.Appendf(dst, ".%06d", r.Uint32())
	}
	return dst
}
