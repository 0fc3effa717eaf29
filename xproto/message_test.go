package xproto

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// decoder and encoder are what messages have.
type (
	decoder interface{ Decode(payload []byte) error }
	encoder interface{ Append(dst []byte) []byte }
)

// drawn are the messages that can be written, with one drawn of each.
var drawn = []func(t *rapid.T) (encoder, decoder){
	func(t *rapid.T) (encoder, decoder) { v := drawAny(3).Draw(t, "any"); return &v, new(Any) },
	func(t *rapid.T) (encoder, decoder) { v := drawScalar().Draw(t, "scalar"); return &v, new(Scalar) },
	func(t *rapid.T) (encoder, decoder) {
		return &CapabilitiesSet{Capabilities{drawFields(t, 3)}}, new(CapabilitiesSet)
	},
	func(t *rapid.T) (encoder, decoder) { return &Capabilities{drawFields(t, 3)}, new(Capabilities) },
	func(t *rapid.T) (encoder, decoder) {
		return &Compressed{rapid.Uint64().Draw(t, "size"), drawBytes(t)}, new(Compressed)
	},
	func(t *rapid.T) (encoder, decoder) {
		return &AuthenticateStart{rapid.String().Draw(t, "mechanism"), drawBytes(t)}, new(AuthenticateStart)
	},
	func(t *rapid.T) (encoder, decoder) { return &AuthData{drawBytes(t)}, new(AuthData) },
	func(t *rapid.T) (encoder, decoder) { return &Reset{rapid.Bool().Draw(t, "keep")}, new(Reset) },
	func(t *rapid.T) (encoder, decoder) {
		return &StmtExecute{rapid.SampledFrom([]string{"sql", "mysqlx", "x"}).Draw(t, "namespace"), drawBytes(t), drawArgs(t),
			rapid.Bool().Draw(t, "compact")}, new(StmtExecute)
	},
	func(t *rapid.T) (encoder, decoder) {
		kind := rapid.SampledFrom([]PreparedKind{PrepareFind, PrepareInsert, PrepareUpdate, PrepareDelete, PrepareStmt}).Draw(t, "kind")
		return &Prepare{rapid.Uint32().Draw(t, "id"), kind, drawBytes(t)}, new(Prepare)
	},
	func(t *rapid.T) (encoder, decoder) { v := drawExecute(t); return &v, new(Execute) },
	func(t *rapid.T) (encoder, decoder) {
		return &Numbered{rapid.Uint32().Draw(t, "id"), rapid.Uint64().Draw(t, "rows")}, new(Numbered)
	},
	func(t *rapid.T) (encoder, decoder) {
		return &Open{rapid.Uint32().Draw(t, "id"), drawExecute(t), rapid.Uint64().Draw(t, "rows")}, new(Open)
	},
	func(t *rapid.T) (encoder, decoder) {
		return &Error{rapid.Bool().Draw(t, "fatal"), rapid.Uint32().Draw(t, "code"), rapid.String().Draw(t, "state"), drawBytes(t)}, new(Error)
	},
}

func drawBytes(t *rapid.T) []byte { return rapid.SliceOf(rapid.Byte()).Draw(t, "bytes") }

func drawArgs(t *rapid.T) [][]byte {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 5), 0, 3).Draw(t, "args")
}

func drawExecute(t *rapid.T) Execute {
	return Execute{rapid.Uint32().Draw(t, "id"), drawArgs(t), rapid.Bool().Draw(t, "compact")}
}

func drawFields(t *rapid.T, depth int) []Field {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Field {
		return Field{rapid.String().Draw(t, "key"), drawAny(depth-1).Draw(t, "value")}
	}), 0, 4).Draw(t, "fields")
}

func drawScalar() *rapid.Generator[Scalar] {
	return rapid.Custom(func(t *rapid.T) Scalar {
		s := Scalar{Type: ScalarType(rapid.IntRange(1, 8).Draw(t, "type"))}
		switch s.Type {
		case ScalarSint:
			s.Sint = rapid.Int64().Draw(t, "sint")
		case ScalarUint:
			s.Uint = rapid.Uint64().Draw(t, "uint")
		case ScalarDouble:
			s.Float = rapid.Float64().Draw(t, "double")
		case ScalarFloat:
			s.Float = float64(rapid.Float32().Draw(t, "float"))
		case ScalarBool:
			s.Bool = rapid.Bool().Draw(t, "bool")
		case ScalarString:
			s.Bytes = drawBytes(t)
		case ScalarOctets:
			s.Bytes, s.ContentType = drawBytes(t), rapid.Uint32Max(4).Draw(t, "content")
		}
		return s
	})
}

func drawAny(depth int) *rapid.Generator[Any] {
	return rapid.Custom(func(t *rapid.T) Any {
		kind := 0
		if depth > 0 {
			kind = rapid.IntRange(0, 2).Draw(t, "kind")
		}
		switch kind {
		case 1:
			return Any{IsObject: true, Object: drawFields(t, depth)}
		case 2:
			return Any{IsArray: true, Array: rapid.SliceOfN(drawAny(depth-1), 0, 4).Draw(t, "values")}
		}
		s := drawScalar().Draw(t, "scalar")
		return Any{Scalar: &s}
	})
}

// TestMessagesRoundTrip: what is written is read, and written the same again; a
// field that is not known does not matter; a message that ends too early is an
// error or another message, never a panic.
func TestMessagesRoundTrip(t *testing.T) {
	for _, draw := range drawn {
		rapid.Check(t, func(t *rapid.T) {
			in, out := draw(t)
			payload := in.Append(nil)
			if err := out.Decode(payload); err != nil {
				t.Fatalf("%T %x: %v", in, payload, err)
			}
			if got, want := describeMessage(out), describeMessage(in); got != want {
				t.Fatalf("read %s, written %s", got, want)
			}
			if again := out.(encoder).Append(nil); !bytes.Equal(again, payload) {
				t.Fatalf("%T: %x becomes %x", in, payload, again)
			}
			more := protowire.AppendVarint(protowire.AppendTag(payload, 1000, protowire.VarintType), 1)
			if err := out.Decode(more); err != nil || describeMessage(out) != describeMessage(in) {
				t.Fatalf("with an unknown field: %v", err)
			}
			n := rapid.IntRange(0, len(payload)).Draw(t, "cut")
			var format *FormatError
			if err := out.Decode(payload[:n]); err != nil && !errors.As(err, &format) {
				t.Fatalf("an error that is a %T", err)
			}
		})
	}
}

// describeMessage writes all that a message has; nil and empty are the same.
func describeMessage(m any) string {
	switch m := m.(type) {
	case *Any:
		return string(m.AppendJSON(nil)) + string(m.AppendSQL(nil))
	case *CapabilitiesSet:
		return describeMessage(&m.Capabilities)
	case *Capabilities:
		return string((&Any{IsObject: true, Object: m.List}).AppendJSON(nil))
	}
	return fmt.Sprintf("%+v", m)
}

// TestMessagesOfServers reads what only servers write.
func TestMessagesOfServers(t *testing.T) {
	var w Warning
	must(t, w.Decode(pb{}.num(1, 1).num(2, 1287).str(3, "old")))
	same(t, fmt.Sprintf("%d %d %s", w.Level, w.Code, w.Message), "1 1287 old")
	must(t, w.Decode(pb{}.num(2, 1)))
	same(t, fmt.Sprint(w.Level), "2")

	var n NoticeFrame
	must(t, n.Decode(pb{}.num(1, 3).num(2, 2).str(3, "x")))
	same(t, fmt.Sprintf("%d %v %s", n.Type, n.Global, n.Payload), "3 false x")

	var c StateChange
	affected := (&Scalar{Type: ScalarUint, Uint: 7}).Append(nil)
	must(t, c.Decode(pb{}.num(1, 4).msg(2, affected).msg(2, affected)))
	same(t, fmt.Sprintf("%v %d %d", c.Parameter, len(c.Values), c.Values[1].Uint), "ROWS_AFFECTED 2 7")
	same(t, StateParameter(99).String(), "UNKNOWN")

	var v VariableChange
	must(t, v.Decode(pb{}.str(1, "sql_mode").msg(2, affected)))
	same(t, fmt.Sprintf("%s %d", v.Name, v.Value.Uint), "sql_mode 7")

	text, err := OKText(pb{}.str(1, "bye!"))
	must(t, err)
	same(t, string(text), "bye!")

	var e Expectations
	must(t, e.Decode(pb{}.num(1, 1).msg(2, pb{}.num(1, 2).str(2, "12.1").num(3, 1))))
	same(t, fmt.Sprintf("%v %d %s %v", e.CopyPrevious, e.Conditions[0].Key, e.Conditions[0].Value, e.Conditions[0].Unset), "false 2 12.1 true")

	var col Column
	must(t, col.Decode(pb{}.num(1, 7).str(2, "n").str(3, "on").str(4, "t").str(5, "ot").str(6, "s").str(7, "def").
		num(8, 255).num(9, 31).num(10, 20).num(11, FlagPrimaryKey).num(12, ContentJSON)))
	same(t, fmt.Sprintf("%d %s %s %s %s %s %s %d %d %d %d %d", col.Type, col.Name, col.OriginalName, col.Table, col.OriginalTable, col.Schema,
		col.Catalog, col.Collation, col.FractionalDigits, col.Length, col.Flags, col.ContentType), "7 n on t ot s def 255 31 20 32 2")
}

func TestRow(t *testing.T) {
	row := pb{}.str(1, "a").str(1, "").str(2, "unknown").str(1, "c")
	var got []string
	each := func(i int, v []byte) { got = append(got, fmt.Sprintf("%d=%s", i, v)) }
	must(t, Row(row, 3, each))
	same(t, fmt.Sprint(got), "[0=a 1= 2=c]")
	for _, n := range []int{0, 2, 4} {
		if Row(row, n, func(int, []byte) {}) == nil {
			t.Errorf("%d columns, 3 fields: no error", n)
		}
	}
}

// TestEnums: a number that is not in an enumeration is none that is, even when it
// is 256 more than one.
func TestEnums(t *testing.T) {
	var s Scalar
	must(t, s.Decode(pb{}.num(1, 256+uint64(ScalarSint))))
	if s.known() {
		t.Errorf("it is %v", s.Type)
	}
	var p Prepare
	must(t, p.Decode(pb{}.msg(2, pb{}.num(1, 256+uint64(PrepareStmt)))))
	if p.Kind.Message() != 0 {
		t.Errorf("it is %v", p.Kind)
	}
}

// TestTypesOfFields: a field of another type than the message's is an error.
func TestTypesOfFields(t *testing.T) {
	for i, wrong := range []struct {
		d       decoder
		payload []byte
	}{
		{new(Error), pb{}.str(2, "x")}, {new(Error), pb{}.num(3, 1)}, {new(Scalar), pb{}.num(6, 1)}, {new(Scalar), pb{}.num(7, 1)},
		{new(Scalar), pb{}.msg(5, pb{}.num(1, 1))}, {new(Any), pb{}.num(3, 1)}, {new(Any), pb{}.msg(3, pb{}.num(1, 1))},
		{new(Any), pb{}.msg(3, pb{}.msg(1, pb{}.num(2, 1)))}, {new(Any), pb{}.msg(4, pb{}.num(1, 1))},
		{new(Prepare), pb{}.msg(2, pb{}.num(2, 1))}, {new(Open), pb{}.msg(4, pb{}.num(2, 1))}, {new(Execute), pb{}.num(2, 1)},
		{new(Expectations), pb{}.msg(2, pb{}.num(2, 1))}, {new(Capabilities), pb{}.msg(1, pb{}.num(1, 1))}, {new(StateChange), pb{}.num(2, 1)},
		{new(Error), []byte{0x0b}}, {new(Error), []byte{0x08}}, {new(Error), []byte{0x1a, 5, 'x'}}, {new(Error), []byte{0}},
	} {
		var format *FormatError
		if err := wrong.d.Decode(wrong.payload); !errors.As(err, &format) {
			t.Errorf("case %d, %T: error %v", i, wrong.d, err)
		}
	}
}

// TestLimits: a message with more parts than anybody has is an error.
func TestLimits(t *testing.T) {
	repeat := func(field protowire.Number, n int) pb {
		var b pb
		for range n {
			b = b.msg(field, nil)
		}
		return b
	}
	for i, c := range []struct {
		d       decoder
		payload []byte
	}{
		{new(StmtExecute), repeat(2, maxArgs+1)}, {new(Execute), repeat(2, maxArgs+1)}, {new(Expectations), repeat(2, maxColumns+1)},
		{new(Capabilities), repeat(1, maxColumns+1)}, {new(StateChange), repeat(2, maxValues+1)},
		{new(Any), pb{}.msg(4, repeat(1, maxValues+1))}, {new(Any), pb{}.msg(3, repeat(1, maxValues+1))},
	} {
		if err := c.d.Decode(c.payload); err == nil {
			t.Errorf("case %d, %T: no error", i, c.d)
		}
	}
}

func TestAny(t *testing.T) {
	number := Any{Scalar: &Scalar{Type: ScalarSint, Sint: 5}}
	a := Any{IsObject: true, Object: []Field{{"a", Text(`q"\` + "\n\t\x01ü")}, {"b", Truth(true)}, {"n", number},
		{"l", Any{IsArray: true, Array: []Any{number, {}, {Scalar: &Scalar{Type: ScalarDouble, Float: 1.5}}}}},
		{"o", Any{IsObject: true}}, {"x", Any{Scalar: &Scalar{Type: ScalarOctets, Bytes: []byte{0xff}}}},
		{"nan", Any{Scalar: &Scalar{Type: ScalarFloat, Float: math.NaN()}}}}}
	same(t, string(a.AppendJSON(nil)),
		`{"a": "q\"\\\n\t\u0001ü", "b": true, "n": 5, "l": [5, null, 1.5], "o": {}, "x": "0xff", "nan": "NaN"}`)
	quoted := Any{IsObject: true, Object: []Field{{"it's", Text(`\`)}}}
	same(t, string(quoted.AppendSQL(nil)), `'{"it''s": "\\\\"}'`)
	same(t, string((&Any{}).AppendSQL(nil)), "NULL")
	same(t, a.Get("a").String(), "q\"\\\n\t\x01ü")
	same(t, a.Get("none").String(), "")
	same(t, fmt.Sprint(a.Get("b").True(), a.Get("n").True(), a.Get("none").True(), a.Get("o").True()), "true true false false")
}

// TestTarget: what a message is about.
func TestTarget(t *testing.T) {
	target := func(m ClientMessage, payload []byte) string {
		schema, name := Target(m, payload)
		return schema + "." + name
	}
	for name, m := range crudMessages {
		_, payload, err := message(name, []string{"s.c"}, "")
		must(t, err)
		same(t, target(m, payload), "s.c")
	}
	_, find, err := message("find", []string{"c"}, "")
	must(t, err)
	same(t, target(PreparePrepare, (&Prepare{Kind: PrepareFind, Body: find}).Append(nil)), ".c")
	for line, want := range map[string]string{
		"sql SELECT 1": ".", "plugin ping": ".", "prepare 1 SELECT 1": ".", "close": ".",
		"plugin drop_collection schema s name c":                      "s.c",
		"plugin create_collection_index collection c name i schema s": "s.c",
	} {
		m, payload, err := talkMessage(bytesFields(line))
		must(t, err)
		same(t, target(m, payload), want)
	}
	same(t, target(CrudFind, []byte{0xff}), ".")
	same(t, target(PreparePrepare, []byte{0xff}), ".")
	same(t, target(CrudFind, pb{}.num(2, 1)), ".")
}

func bytesFields(line string) (words []string) {
	for _, w := range bytes.Fields([]byte(line)) {
		words = append(words, string(w))
	}
	return words
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(pb{}.num(1, 2).msg(3, pb{}.msg(1, pb{}.str(1, "k").msg(2, pb{}.num(1, 1).msg(2, pb{}.num(1, 1).num(2, 1)))))))
	f.Add((&Open{ID: 1, Execute: Execute{ID: 2, Args: [][]byte{{1}}}, FetchRows: 3}).Append(nil))
	f.Add((&Prepare{ID: 1, Kind: PrepareStmt, Body: (&StmtExecute{Stmt: []byte("SELECT 1")}).Append(nil)}).Append(nil))
	f.Add((&Error{Code: 1, State: "HY000", Message: []byte("x")}).Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, d := range []decoder{new(Any), new(Scalar), new(CapabilitiesSet), new(Capabilities), new(Compressed), new(AuthenticateStart),
			new(AuthData), new(Reset), new(StmtExecute), new(Prepare), new(Execute), new(Numbered), new(Open), new(Expectations),
			new(Error), new(NoticeFrame), new(Warning), new(StateChange), new(VariableChange), new(Column)} {
			err := d.Decode(payload)
			var format *FormatError
			if err != nil && !errors.As(err, &format) {
				t.Fatalf("%T: an error that is a %T", d, err)
			}
			e, ok := d.(encoder)
			if err != nil || !ok {
				continue
			}
			if err := d.Decode(e.Append(nil)); err != nil {
				t.Fatalf("%T: what was read is written as %x: %v", d, e.Append(nil), err)
			}
			if a, ok := d.(*Any); ok {
				a.AppendJSON(nil)
				a.AppendSQL(nil)
			}
		}
		if text, err := OKText(payload); err == nil && len(text) > len(payload) {
			t.Fatal(len(text))
		}
		n := 0
		if err := Row(payload, 3, func(int, []byte) { n++ }); err == nil && n != 3 {
			t.Fatalf("%d fields of 3", n)
		}
		Who(payload)
	})
}
