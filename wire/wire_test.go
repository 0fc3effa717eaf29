package wire

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestEcho: what was appended is read back, and every cut is noticed.
func TestEcho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.Uint64().Draw(t, "u")
		i := rapid.Int64().Draw(t, "i")
		s := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "s")
		name := rapid.StringMatching(`[a-z]{0,9}`).Draw(t, "name")

		b := AppendUint16(nil, uint16(u))
		b = AppendUint24(b, uint32(u)&0xffffff)
		b = AppendUint32(b, uint32(u))
		b = AppendUint64(b, u)
		b = AppendLenenc(b, u)
		b = AppendLenencBytes(b, s)
		b = AppendNulString(b, name)
		b = AppendUvarint(b, u)
		b = AppendVarint(b, i)
		b = AppendVarBytes(b, s)

		read := func(b []byte) bool {
			r := NewReader(b)
			same := r.Uint16() == uint16(u)
			same = r.Uint24() == uint32(u)&0xffffff && same
			same = r.Uint32() == uint32(u) && same
			same = r.Uint64() == u && same
			same = r.Lenenc() == u && same
			same = bytes.Equal(r.LenencBytes(), s) && same
			same = string(r.NulString()) == name && same
			same = r.Uvarint() == u && same
			same = r.Varint() == i && same
			same = bytes.Equal(r.VarBytes(), s) && same
			return same && r.Err() == nil && r.Len() == 0
		}
		if !read(b) {
			t.Fatal("read differs from what was appended")
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); read(b[:cut]) {
			t.Fatalf("cut at %d of %d was not noticed", cut, len(b))
		}
		if n := LenencLen(u); n != len(AppendLenenc(nil, u)) {
			t.Fatalf("LenencLen(%d) = %d", u, n)
		}
	})
}

// TestSticky: after the first failure nothing is read, and the failure stays.
func TestSticky(t *testing.T) {
	r := NewReader([]byte{1, 0xff, 2, 3, 4, 5, 6, 7, 8})
	r.Uint8()
	if r.Lenenc(); r.Err() != ErrLenenc {
		t.Fatalf("0xff is no length: %v", r.Err())
	}
	if r.Uint8() != 0 || r.Uint64() != 0 || r.Bytes(1) != nil || r.NulString() != nil || r.Len() != 0 || r.Uvarint() != 0 {
		t.Error("read on after a failure")
	}
	r.Fail(ErrShort)
	if r.Err() != ErrLenenc {
		t.Error("the first failure did not stay")
	}
}

// TestHostile: lengths larger than what is left fail and allocate nothing.
func TestHostile(t *testing.T) {
	for _, b := range [][]byte{
		{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, // 2^64-1
		{0xfe, 0, 0, 0, 0, 1, 0, 0, 0},                         // 2^32
		{0xfd, 0xff, 0xff, 0xff},
		{0xfb},
	} {
		r := NewReader(b)
		if r.LenencBytes(); r.Err() == nil {
			t.Errorf("% x: no error", b)
		}
	}
	r := NewReader(bytes.Repeat([]byte{0xff}, 11))
	if r.Uvarint(); r.Err() != ErrVarint {
		t.Errorf("a varint of 77 bits: %v", r.Err())
	}
	r = NewReader([]byte{1})
	if r.Bytes(-1); r.Err() != ErrShort {
		t.Errorf("negative length: %v", r.Err())
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{0, 5, 7})
	f.Fuzz(func(t *testing.T, b, script []byte) {
		r := NewReader(b)
		for _, op := range script {
			switch op % 10 {
			case 0:
				r.Uint8()
			case 1:
				r.Uint16()
			case 2:
				r.Uint24()
			case 3:
				r.Uint64()
			case 4:
				r.LenencBytesNull()
			case 5:
				r.NulString()
			case 6:
				r.Uvarint()
			case 7:
				r.VarBytes()
			case 8:
				r.Varint()
			case 9:
				r.Bytes(int(op) - 100)
			}
			if r.Offset() > len(b) || r.Len() < 0 {
				t.Fatal("read past the end")
			}
		}
	})
}

func BenchmarkLenencBytes(b *testing.B) {
	var row []byte
	for range 10 {
		row = AppendLenencBytes(row, "some text of a column")
	}
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(row)
		for r.Len() > 0 {
			r.LenencBytes()
		}
	}
}
