package xproto

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields reads the fields of a protobuf message one after the other. The first
// failure sticks, so that a decoder may read on and ask once at the end.
type fields struct {
	message string
	rest    []byte
	num     protowire.Number
	kind    protowire.Type
	value   []byte // of the field, as on the wire; its bytes when it is BytesType
	err     error
}

func read(message string, payload []byte) fields { return fields{message: message, rest: payload} }

// next goes to the next field; false at the end or after a failure.
func (f *fields) next() bool {
	if f.err != nil || len(f.rest) == 0 {
		return false
	}
	num, kind, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		f.fail("a broken field")
		return false
	}
	f.num, f.kind = num, kind
	f.rest = f.rest[n:]
	if kind == protowire.BytesType {
		f.value, n = protowire.ConsumeBytes(f.rest)
	} else if n = protowire.ConsumeFieldValue(num, kind, f.rest); n >= 0 {
		f.value = f.rest[:n]
	}
	if n < 0 {
		f.fail("a field that ends too early")
		return false
	}
	f.rest = f.rest[n:]
	return true
}

func (f *fields) fail(reason string) {
	if f.err == nil {
		f.err = &FormatError{f.message, reason}
	}
}

// bytes returns the value of a string, bytes or message field, borrowed and not
// nil.
func (f *fields) bytes() []byte {
	if f.kind != protowire.BytesType {
		f.fail("a field of another type")
		return nil
	}
	return f.value[:len(f.value):len(f.value)]
}

func (f *fields) uint64() uint64 {
	if f.kind != protowire.VarintType {
		f.fail("a field of another type")
		return 0
	}
	v, _ := protowire.ConsumeVarint(f.value)
	return v
}

// uint32 returns a value of an uint32 or enum field.
func (f *fields) uint32() uint32 { return uint32(f.uint64()) }

// enum returns a value of an enum field that has less than 255 names; all that
// have none are 255.
func (f *fields) enum() byte { return byte(min(f.uint64(), 255)) }

func (f *fields) bool() bool { return f.uint64() != 0 }

func (f *fields) sint64() int64 { return protowire.DecodeZigZag(f.uint64()) }

func (f *fields) double() float64 {
	if f.kind != protowire.Fixed64Type {
		f.fail("a field of another type")
		return 0
	}
	v, _ := protowire.ConsumeFixed64(f.value)
	return math.Float64frombits(v)
}

func (f *fields) float() float32 {
	if f.kind != protowire.Fixed32Type {
		f.fail("a field of another type")
		return 0
	}
	v, _ := protowire.ConsumeFixed32(f.value)
	return math.Float32frombits(v)
}

// more adds the value to the arguments of a statement.
func (f *fields) more(args [][]byte) [][]byte {
	if len(args) >= maxArgs {
		f.fail(tooMany)
		return args
	}
	return append(args, f.bytes())
}

// maxDepth is how deep messages may lie in each other. MySQL takes expressions
// of 100 levels.
const maxDepth = 100

// Limits of how many parts of a kind are read of a message.
const (
	maxArgs    = 1 << 16 // as many placeholders as a statement of MySQL may have
	maxColumns = 1 << 12 // as many columns as a table of MySQL may have
	maxValues  = 1 << 18 // values of an Any, and of a notice
)

// tooMany is the reason of an error about a limit.
const tooMany = "too many parts"

// list is a repeated field of a message, undecoded: many short values would be
// many times as long in memory as on the wire.
type list struct {
	message []byte
	num     protowire.Number
	n       int
}

// note takes note of one more value of the field that f is at; all of them come
// from the same message.
func (l *list) note(f *fields, message []byte) {
	f.bytes()
	l.message, l.num = message, f.num
	l.n++
}

// each calls do for every value until it returns false.
func (l *list) each(do func(i int, value []byte) bool) {
	f := read("list", l.message)
	for i := 0; i < l.n && f.next(); {
		if f.num == l.num {
			if !do(i, f.bytes()) {
				return
			}
			i++
		}
	}
}

// at returns the value i, which there must be. It looks at those before.
func (l *list) at(i int) (value []byte) {
	l.each(func(j int, b []byte) bool {
		value = b
		return j < i
	})
	return value
}

func appendBytes[T ~string | ~[]byte](dst []byte, num protowire.Number, v T) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(v)))
	return append(dst, v...)
}

func appendVarint(dst []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
}

func appendBool(dst []byte, num protowire.Number, v bool) []byte {
	return appendVarint(dst, num, protowire.EncodeBool(v))
}
