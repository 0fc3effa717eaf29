package xproto

import (
	"encoding/hex"
	"errors"
	"testing"
)

// TestAppendText has the values as MySQL 9.7 sends them, and such as it does not.
func TestAppendText(t *testing.T) {
	for _, c := range []struct {
		kind            FieldType
		content, digits uint32
		value, want     string // want "" is an error
	}{
		{TypeSint, 0, 0, "00", "0"}, {TypeSint, 0, 0, "ff01", "-128"}, {TypeSint, 0, 0, "ffffffffffffffffff01", "-9223372036854775808"},
		{TypeSint, 0, 0, "", ""}, {TypeSint, 0, 0, "ff", ""}, {TypeSint, 0, 0, "0000", ""}, {TypeSint, 0, 0, "ffffffffffffffffffff01", ""},
		{TypeUint, 0, 0, "ffffffffffffffffff01", "18446744073709551615"}, {TypeUint, 0, 0, "80", ""},
		{TypeBit, 0, 0, "05", "5"},
		{TypeDouble, 0, 31, "000000000000f83f", "1.5"}, {TypeDouble, 0, 0, "0000", ""}, {TypeDouble, 0, 0, "000000000000f83f00", ""},
		{TypeFloat, 0, 31, "0000c03f", "1.5"}, {TypeFloat, 0, 0, "0000", ""},
		{TypeBytes, 0, 0, "616200", "ab"}, {TypeBytes, 0, 0, "00", "(empty)"}, {TypeBytes, 0, 0, "6162", ""}, {TypeBytes, 0, 0, "", ""},
		{TypeEnum, 0, 0, "6100", "a"}, {TypeEnum, 0, 0, "61", ""},
		{TypeTime, 0, 0, "00", "00:00:00"}, {TypeTime, 0, 6, "00", "00:00:00.000000"}, {TypeTime, 0, 0, "01c6063b3b", "-838:59:59"},
		{TypeTime, 0, 1, "00000000a0f736", "00:00:00.9"}, {TypeTime, 0, 0, "00000000a0f736", "00:00:00.900000"},
		{TypeTime, 0, 1, "0000000001", "00:00:00.000001"}, {TypeTime, 0, 99, "00000000a0f736", "00:00:00.900000"},
		{TypeTime, 0, 0, "", ""}, {TypeTime, 0, 0, "02", ""}, {TypeTime, 0, 0, "00003c", ""}, {TypeTime, 0, 0, "000000003d", "00:00:00.000061"},
		{TypeTime, 0, 0, "00c706", ""}, {TypeTime, 0, 0, "00000000c0843d", ""}, {TypeTime, 0, 0, "000000000000", ""}, {TypeTime, 0, 0, "00ff", ""},
		{TypeDatetime, ContentDate, 0, "e40f021d", "2020-02-29"}, {TypeDatetime, ContentDatetime, 0, "e40f021d", "2020-02-29 00:00:00"},
		{TypeDatetime, 0, 0, "e40f021d", "2020-02-29"}, {TypeDatetime, 0, 0, "e40f021d01", "2020-02-29 01:00:00"},
		{TypeDatetime, ContentDatetime, 3, "e40f021d01020380b518", "2020-02-29 01:02:03.400"},
		{TypeDatetime, ContentDatetime, 0, "80000000", "0000-00-00 00:00:00"}, {TypeDatetime, ContentDate, 0, "8f4e0c1f", "9999-12-31"},
		{TypeDatetime, ContentDate, 0, "e40f021d01", ""}, {TypeDatetime, ContentDate, 0, "e40f0d1d", ""}, {TypeDatetime, ContentDate, 0, "e40f0220", ""},
		{TypeDatetime, ContentDatetime, 0, "e40f021d18", ""}, {TypeDatetime, ContentDate, 0, "904e0101", ""},
		{TypeSet, 0, 0, "01", "(empty)"}, {TypeSet, 0, 0, "00", "(empty)"}, {TypeSet, 0, 0, "0161", "a"}, {TypeSet, 0, 0, "01610163", "a,c"},
		{TypeSet, 0, 0, "000178", ",x"}, {TypeSet, 0, 0, "", ""}, {TypeSet, 0, 0, "02", ""}, {TypeSet, 0, 0, "0261", ""}, {TypeSet, 0, 0, "ff", ""},
		{TypeDecimal, 0, 0, "04123401d0", "-12.3401"}, {TypeDecimal, 0, 0, "0400000c", "0.0000"}, {TypeDecimal, 0, 0, "001d", "-1"},
		{TypeDecimal, 0, 0, "05012345c0", "0.12345"}, {TypeDecimal, 0, 0, "0512345c", "0.12345"},
		{TypeDecimal, 0, 0, "", ""}, {TypeDecimal, 0, 0, "00", ""}, {TypeDecimal, 0, 0, "000c", "0"}, {TypeDecimal, 0, 0, "00c0", ""},
		{TypeDecimal, 0, 0, "001b", ""}, {TypeDecimal, 0, 0, "00ac", ""}, {TypeDecimal, 0, 0, "051c", ""}, {TypeDecimal, 0, 0, "0000", ""},
		{0, 0, 0, "00", ""}, {99, 0, 0, "00", ""},
	} {
		v := unhex([]string{c.value})
		got, err := AppendText([]byte("x"), v, c.kind, 0, c.content, c.digits)
		text := string(got[1:])
		if text == "" && err == nil {
			text = "(empty)"
		}
		var format *FormatError
		if text != c.want || (err != nil) != (c.want == "") || err != nil && !errors.As(err, &format) {
			t.Errorf("type %d, content %d, digits %d, %s: %q, error %v; want %q", c.kind, c.content, c.digits, c.value, text, err, c.want)
		}
	}
}

// TestColumnText has what a column knows besides.
func TestColumnText(t *testing.T) {
	for _, c := range []struct {
		column      Column
		value, want string
	}{
		{Column{Type: TypeUint, Length: 5, Flags: FlagZerofill}, "2a", "00042"},
		{Column{Type: TypeUint, Length: 1, Flags: FlagZerofill}, "2a", "42"},
		{Column{Type: TypeUint, Length: 5}, "2a", "42"},
		{Column{Type: TypeTime, Length: 12}, "00", "00:00:00.0"},
		{Column{Type: TypeTime, Length: 10}, "00", "00:00:00"},
		{Column{Type: TypeTime, Length: 255}, "00", "00:00:00"},
		{Column{Type: TypeDatetime, Length: 26, ContentType: ContentDatetime}, "e40f021d", "2020-02-29 00:00:00.000000"},
		{Column{Type: TypeDatetime, Length: 10, ContentType: ContentDate}, "e40f021d", "2020-02-29"},
		{Column{Type: TypeDatetime, FractionalDigits: 2, ContentType: ContentDatetime}, "e40f021d", "2020-02-29 00:00:00.00"},
	} {
		got, err := c.column.AppendText(nil, unhex([]string{c.value}))
		must(t, err)
		same(t, string(got), c.want)
	}
	zerofill := Column{Type: TypeUint, Length: 1 << 31, Flags: FlagZerofill}
	if got, err := zerofill.AppendText(nil, []byte{1}); err != nil || len(got) != maxZerofill {
		t.Errorf("%d digits, error %v", len(got), err)
	}
	if got, err := zerofill.AppendText([]byte("x"), nil); err == nil || string(got) != "x" {
		t.Errorf("%q, error %v", got, err)
	}
}

func FuzzAppendText(f *testing.F) {
	for kind, value := range map[FieldType]string{TypeSint: "ff01", TypeUint: "2a", TypeDouble: "000000000000f83f", TypeFloat: "0000c03f",
		TypeBytes: "616200", TypeTime: "0101020390a10f", TypeDatetime: "e40f021d01020380b518", TypeSet: "01610163", TypeEnum: "6100",
		TypeBit: "05", TypeDecimal: "04123401d0"} {
		v, err := hex.DecodeString(value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(kind), uint32(2), uint32(6), v)
	}
	f.Fuzz(func(t *testing.T, kind byte, content, digits uint32, v []byte) {
		got, err := AppendText([]byte("x"), v, FieldType(kind), digits, content, digits)
		if got[0] != 'x' || err != nil && len(got) != 1 {
			t.Fatalf("%q, error %v", got, err)
		}
		if len(got) > 2*len(v)+40 {
			t.Fatalf("%d bytes of text from %d", len(got), len(v))
		}
		c := Column{Type: FieldType(kind), Flags: digits, Length: content, FractionalDigits: digits, ContentType: content}
		if got, _ := c.AppendText(nil, v); len(got) > 2*len(v)+maxZerofill+40 {
			t.Fatalf("%d bytes of text from %d", len(got), len(v))
		}
	})
}
