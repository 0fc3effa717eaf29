package xproto

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// ScalarType tells which field of a Scalar holds its value
// (Mysqlx.Datatypes.Scalar.Type).
type ScalarType byte

// The types of scalars.
const (
	ScalarSint   ScalarType = 1
	ScalarUint   ScalarType = 2
	ScalarNull   ScalarType = 3
	ScalarOctets ScalarType = 4
	ScalarDouble ScalarType = 5
	ScalarFloat  ScalarType = 6
	ScalarBool   ScalarType = 7
	ScalarString ScalarType = 8
)

// Scalar is a value (Mysqlx.Datatypes.Scalar).
type Scalar struct {
	Type  ScalarType
	Sint  int64
	Uint  uint64
	Float float64 // of a double and of a float
	Bool  bool
	// Bytes is the value of a string and of octets, borrowed.
	Bytes []byte
	// ContentType says what octets hold (1 geometry, 2 JSON, 3 XML).
	ContentType uint32
}

// Decode reads the message from payload.
func (s *Scalar) Decode(payload []byte) error {
	*s = Scalar{}
	f := read("Scalar", payload)
	for f.next() {
		switch f.num {
		case 1:
			s.Type = ScalarType(f.enum())
		case 2:
			s.Sint = f.sint64()
		case 3:
			s.Uint = f.uint64()
		case 5, 9:
			s.octets(&f)
		case 6:
			s.Float = f.double()
		case 7:
			s.Float = float64(f.float())
		case 8:
			s.Bool = f.bool()
		}
	}
	return f.err
}

// octets reads Octets or String: in both, field 1 is the value.
func (s *Scalar) octets(outer *fields) {
	f := read("Scalar", outer.bytes())
	for f.next() {
		switch {
		case f.num == 1:
			s.Bytes = f.bytes()
		case f.num == 2 && outer.num == 5:
			s.ContentType = f.uint32()
		}
	}
	if f.err != nil {
		outer.fail("a broken value")
	}
}

// Append appends the message's payload to dst.
func (s *Scalar) Append(dst []byte) []byte {
	dst = appendVarint(dst, 1, uint64(s.Type))
	switch s.Type {
	case ScalarSint:
		dst = appendVarint(dst, 2, protowire.EncodeZigZag(s.Sint))
	case ScalarUint:
		dst = appendVarint(dst, 3, s.Uint)
	case ScalarBool:
		dst = appendBool(dst, 8, s.Bool)
	case ScalarString:
		dst = appendBytes(dst, 9, appendBytes(nil, 1, s.Bytes))
	case ScalarOctets:
		octets := appendBytes(nil, 1, s.Bytes)
		if s.ContentType != 0 {
			octets = appendVarint(octets, 2, uint64(s.ContentType))
		}
		dst = appendBytes(dst, 5, octets)
	case ScalarDouble:
		dst = protowire.AppendTag(dst, 6, protowire.Fixed64Type)
		dst = protowire.AppendFixed64(dst, math.Float64bits(s.Float))
	case ScalarFloat:
		dst = protowire.AppendTag(dst, 7, protowire.Fixed32Type)
		dst = protowire.AppendFixed32(dst, math.Float32bits(float32(s.Float)))
	}
	return dst
}

// Any is a scalar, an object or an array (Mysqlx.Datatypes.Any).
type Any struct {
	Scalar *Scalar
	// Object has the fields of an object, in order; IsObject tells an empty one
	// from none.
	Object   []Field
	IsObject bool
	Array    []Any
	IsArray  bool
}

// Field is a field of an object.
type Field struct {
	Key   string
	Value Any
}

// Decode reads the message from payload.
func (a *Any) Decode(payload []byte) error {
	d := anyDecoder{left: maxValues}
	return d.decode(a, payload)
}

// anyDecoder keeps an Any to its limits.
type anyDecoder struct {
	depth int
	left  int // values that it may still have
}

func (d *anyDecoder) decode(a *Any, payload []byte) error {
	*a = Any{}
	if d.depth++; d.depth > maxDepth {
		return &FormatError{"Any", "nested too deep"}
	}
	if d.left--; d.left < 0 {
		return &FormatError{"Any", tooMany}
	}
	f := read("Any", payload)
	for f.next() {
		switch f.num {
		case 2:
			a.Scalar = new(Scalar)
			f.err = firstError(f.err, a.Scalar.Decode(f.bytes()))
		case 3:
			a.IsObject = true
			f.err = firstError(f.err, d.object(a, f.bytes()))
		case 4:
			a.IsArray = true
			f.err = firstError(f.err, d.array(a, f.bytes()))
		}
	}
	d.depth--
	return f.err
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (d *anyDecoder) object(a *Any, payload []byte) error {
	f := read("Object", payload)
	for f.next() {
		if f.num != 1 {
			continue
		}
		var field Field
		g := read("Object", f.bytes())
		for g.next() {
			switch g.num {
			case 1:
				field.Key = string(g.bytes())
			case 2:
				g.err = firstError(g.err, d.decode(&field.Value, g.bytes()))
			}
		}
		if f.err = firstError(f.err, g.err); f.err == nil {
			a.Object = append(a.Object, field)
		}
		if d.left--; d.left < 0 { // a field without a value counts, too
			f.fail(tooMany)
		}
	}
	return f.err
}

func (d *anyDecoder) array(a *Any, payload []byte) error {
	f := read("Array", payload)
	for f.next() {
		if f.num != 1 {
			continue
		}
		var v Any
		if f.err = firstError(f.err, d.decode(&v, f.bytes())); f.err == nil {
			a.Array = append(a.Array, v)
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (a *Any) Append(dst []byte) []byte {
	switch {
	case a.IsObject:
		dst = appendVarint(dst, 1, 2)
		var object []byte
		for i := range a.Object {
			field := appendBytes(nil, 1, a.Object[i].Key)
			field = appendBytes(field, 2, a.Object[i].Value.Append(nil))
			object = appendBytes(object, 1, field)
		}
		return appendBytes(dst, 3, object)
	case a.IsArray:
		dst = appendVarint(dst, 1, 3)
		var array []byte
		for i := range a.Array {
			array = appendBytes(array, 1, a.Array[i].Append(nil))
		}
		return appendBytes(dst, 4, array)
	}
	s := a.Scalar
	if s == nil {
		s = &Scalar{Type: ScalarNull}
	}
	return appendBytes(appendVarint(dst, 1, 1), 2, s.Append(nil))
}

// Text returns an Any with a string.
func Text(s string) Any { return Any{Scalar: &Scalar{Type: ScalarString, Bytes: []byte(s)}} }

// Truth returns an Any with a bool.
func Truth(b bool) Any { return Any{Scalar: &Scalar{Type: ScalarBool, Bool: b}} }

// Get returns the value of an object's field with the given key, or nil.
func (a *Any) Get(key string) *Any {
	for i := range a.Object {
		if a.Object[i].Key == key {
			return &a.Object[i].Value
		}
	}
	return nil
}

// String returns a scalar's string, "" of anything else. A nil Any is fine.
func (a *Any) String() string {
	if a == nil || a.Scalar == nil {
		return ""
	}
	return string(a.Scalar.Bytes)
}

// True tells whether a scalar is true, or a number other than 0: servers take
// both for a bool. A nil Any is fine.
func (a *Any) True() bool {
	if a == nil || a.Scalar == nil {
		return false
	}
	s := a.Scalar
	return s.Bool || s.Sint != 0 || s.Uint != 0 || s.Float != 0
}
