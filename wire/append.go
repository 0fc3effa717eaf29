package wire

import "encoding/binary"

// AppendUint16 appends v, least significant byte first.
func AppendUint16(dst []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(dst, v) }

// AppendUint24 appends the low three bytes of v.
func AppendUint24(dst []byte, v uint32) []byte {
	return append(dst, byte(v), byte(v>>8), byte(v>>16))
}

// AppendUint32 appends v, least significant byte first.
func AppendUint32(dst []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(dst, v) }

// AppendUint64 appends v, least significant byte first.
func AppendUint64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

// AppendNulString appends s and a NUL. s must not hold a NUL.
func AppendNulString(dst []byte, s string) []byte { return append(append(dst, s...), 0) }

// AppendLenenc appends v as MySQL's length-encoded integer, in its shortest form.
func AppendLenenc(dst []byte, v uint64) []byte {
	switch {
	case v < 0xfb:
		return append(dst, byte(v))
	case v < 1<<16:
		return AppendUint16(append(dst, 0xfc), uint16(v))
	case v < 1<<24:
		return AppendUint24(append(dst, 0xfd), uint32(v))
	default:
		return AppendUint64(append(dst, 0xfe), v)
	}
}

// LenencLen returns how many bytes AppendLenenc takes for v.
func LenencLen(v uint64) int {
	switch {
	case v < 0xfb:
		return 1
	case v < 1<<16:
		return 3
	case v < 1<<24:
		return 4
	default:
		return 9
	}
}

// AppendLenencBytes appends b with its length before it.
func AppendLenencBytes[T []byte | string](dst []byte, b T) []byte {
	return append(AppendLenenc(dst, uint64(len(b))), b...)
}

// AppendUvarint appends v as encoding/binary's unsigned varint.
func AppendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// AppendVarint appends v as encoding/binary's signed (zigzag) varint.
func AppendVarint(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// AppendVarBytes appends b with its uvarint length before it.
func AppendVarBytes[T []byte | string](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}
