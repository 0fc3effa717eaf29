package xproto

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/protobuf/encoding/protowire"

	"myreplay/sqltext"
)

// TestSQL shows the SQL of messages, and what sqltext reads in it: class, verb,
// tables and fingerprint. The lines are those of message, or of talkMessage.
func TestSQL(t *testing.T) {
	datadriven.RunTest(t, "testdata/sql", func(t *testing.T, d *datadriven.TestData) string {
		var m ClientMessage
		var payload []byte
		var err error
		switch d.Cmd {
		case "talk":
			m, payload, err = talkMessage(strings.Fields(d.Input))
		case "preparemessage":
			var inner pb
			kinds := map[string]PreparedKind{"find": PrepareFind, "insert": PrepareInsert, "update": PrepareUpdate, "delete": PrepareDelete}
			name := d.CmdArgs[0].Key
			_, inner, err = message(name, words(d)[1:], d.Input)
			m, payload = PreparePrepare, (&Prepare{ID: 1, Kind: kinds[name], Body: inner}).Append(nil)
		default:
			m, payload, err = message(d.Cmd, words(d), d.Input)
		}
		if err != nil {
			return err.Error() + "\n"
		}
		before := []byte("before")
		text, err := AppendSQL(before, m, payload)
		if err != nil {
			if string(text) != "before" {
				t.Errorf("after an error there is %q", text)
			}
			return "error: " + err.Error() + "\n"
		}
		text = text[len(before):]
		var out strings.Builder
		fmt.Fprintf(&out, "%s\n", printable(text))
		describe(t, &out, m, payload, text)
		return out.String()
	})
}

// printable writes control bytes as a script can show them.
func printable(text []byte) string {
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(string(text), "?") {
		if r < ' ' || r == 0x7f {
			fmt.Fprintf(&out, "\\x%02x", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

func words(d *datadriven.TestData) (words []string) {
	for _, a := range d.CmdArgs {
		words = append(words, a.String())
	}
	return words
}

// describe writes what sqltext reads. The first table must be the target.
func describe(t *testing.T, out *strings.Builder, m ClientMessage, payload, text []byte) {
	var a sqltext.Analyzer
	r := a.Analyze(text, sqltext.Options{})
	if len(r.Statements) != 1 {
		t.Errorf("%d statements in %s", len(r.Statements), text)
		return
	}
	st := &r.Statements[0]
	fmt.Fprintf(out, "%v %v", st.Verb, st.Class)
	schema, name := Target(m, payload)
	found := name == "" || len(st.Tables) == 0
	for _, table := range st.Tables {
		full := unquoted(table.Schema.Of(text)) + "." + unquoted(table.Name.Of(text))
		found = found || full == schema+"."+name
		fmt.Fprintf(out, " %s", full)
	}
	fmt.Fprintf(out, "\n%s\n", a.AppendFingerprint(nil))
	if !found {
		t.Errorf("%s.%s is not among the tables of %s", schema, name, text)
	}
}

func unquoted(name []byte) string { return string(sqltext.AppendName(nil, name)) }

// one is the expression 1.
var one = pb{}.num(1, uint64(exprLiteral)).msg(4, (&Scalar{Type: ScalarSint, Sint: 1}).Append(nil))

// nested returns a message with inner inside so many levels. A level is what
// stands before n bytes of what it holds.
func nested(inner pb, levels int, level func(n int) pb) pb {
	var before []pb
	total := len(inner)
	for range levels {
		before = append(before, level(total))
		total += len(before[len(before)-1])
	}
	out := make(pb, 0, total)
	for _, b := range slices.Backward(before) {
		out = append(out, b...)
	}
	return append(out, inner...)
}

// open begins a field of n bytes after b.
func (b pb) open(field protowire.Number, n int) pb {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(n))
}

// kind begins an expression of a kind whose value is b and n bytes more.
func (b pb) kind(kind exprKind, n int) pb {
	return append(pb{}.num(1, uint64(kind)).open(protowire.Number(exprField[kind]), len(b)+n), b...)
}

// levels are the kinds of expressions that hold others.
var levels = map[string]func(n int) pb{
	"operator": func(n int) pb { return pb{}.str(1, "!").open(2, n).kind(exprOperator, n) },
	"in":       func(n int) pb { return pb{}.str(1, "in").msg(2, one).open(2, n).kind(exprOperator, n) },
	"cont_in":  func(n int) pb { return pb{}.str(1, "cont_in").msg(2, one).open(2, n).kind(exprOperator, n) },
	"call":     func(n int) pb { return pb{}.msg(1, pb{}.str(1, "f")).open(2, n).kind(exprCall, n) },
	"array":    func(n int) pb { return pb{}.open(1, n).kind(exprArray, n) },
	"object": func(n int) pb {
		value := pb{}.str(1, "k").open(2, n)
		return append(pb{}.open(1, len(value)+n), value...).kind(exprObject, n)
	},
}

// TestSQLDepth: expressions as deep as the limit have SQL, deeper ones are
// errors.
func TestSQLDepth(t *testing.T) {
	for name, level := range levels {
		for n, ok := range map[int]bool{50: true, maxDepth - 1: true, maxDepth + 1: false, 10_000: false, 100_000: false} {
			find := pb{}.msg(2, pb{}.str(1, "c")).msg(5, nested(one, n, level))
			_, err := AppendSQL(nil, CrudFind, find)
			if (err == nil) != ok {
				t.Errorf("%s, %d levels: error %v", name, n, err)
			}
		}
	}
	array := func(n int) pb {
		values := pb{}.open(1, n)
		return append(pb{}.num(1, 3).open(4, len(values)+n), values...)
	}
	for n, ok := range map[int]bool{maxDepth - 1: true, maxDepth: false, 10_000: false} {
		var a Any
		if err := a.Decode(nested(nil, n, array)); (err == nil) != ok {
			t.Errorf("an Any of %d levels: error %v", n, err)
		}
	}
}

// TestSQLLength: what one argument in many places would make is an error, what a
// long message makes is not.
func TestSQLLength(t *testing.T) {
	long := (&Scalar{Type: ScalarString, Bytes: []byte(strings.Repeat("x", 100_000))}).Append(nil)
	var places pb
	for range 10_000 {
		places = places.msg(1, pb{}.num(1, uint64(exprPlaceholder)).num(7, 0))
	}
	where := pb{}.num(1, uint64(exprArray)).msg(9, places)
	if _, err := AppendSQL(nil, CrudFind, pb{}.msg(2, pb{}.str(1, "c")).msg(5, where).msg(11, long)); err == nil {
		t.Error("a statement of a gigabyte")
	}
	// The shortest parts that make most: columns of a document with a path.
	ident := pb{}.num(1, uint64(exprIdent)).msg(2, pb{}.msg(1, pb{}.num(1, 4)))
	var rows pb
	for range 100_000 {
		rows = rows.msg(2, ident)
	}
	call := pb{}.num(1, uint64(exprCall)).msg(5, append(pb{}.msg(1, pb{}.str(1, "f")), rows...))
	text, err := AppendSQL(nil, CrudFind, pb{}.msg(2, pb{}.str(1, "c")).msg(5, call).msg(11, long))
	if err != nil || len(text) < 1_000_000 {
		t.Errorf("%d bytes, error %v", len(text), err)
	}
}

func TestSQLTooMany(t *testing.T) {
	many := func(m ClientMessage, part part, n int) error {
		b := pb{}.msg(partField(m, targetPart), pb{}.str(1, "c"))
		for range n {
			b = b.msg(partField(m, part), nil)
		}
		_, err := AppendSQL(nil, m, b)
		return err
	}
	for _, c := range []struct {
		m    ClientMessage
		part part
		n    int
	}{{CrudFind, projectionPart, maxColumns + 1}, {CrudFind, argsPart, maxArgs + 1}, {CrudUpdate, operationsPart, maxColumns + 1}} {
		if err := many(c.m, c.part, c.n); err == nil || !strings.Contains(err.Error(), tooMany) {
			t.Errorf("%v: %v", c.m, err)
		}
	}
}

func FuzzAppendSQL(f *testing.F) {
	for _, c := range []struct{ name, lines string }{
		{"find", "where (&& (== $.a ?0) (in $.b 1 'x' null) (like name '%'))\norder $.a desc\nlimit 1 2\narg 5\nproject (object a $.a) as x\ngroup $.a"},
		{"insert", "row (object a (array 1 2))\nrow json'{}'\nupsert"},
		{"update", "op 3 $.a[0] (+ 1 2)\nop 2 $.b\nop 8 $ json'{}'\nwhere (cont_in (cast 'a' octets'JSON') $**.c)"},
		{"delete", "where (between (date_add $.a 1 octets'DAY') (call now) 1.5)\nlimitexpr ?0 ?1"},
		{"view", "definer a@b\ncolumn x\nfind t table\nproject (call f $.a)"},
		{"modifyview", "find t"},
		{"dropview", "exists"},
	} {
		m, payload, err := message(c.name, []string{"s.c"}, c.lines)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(m), []byte(payload))
	}
	plugin, command, err := talkMessage([]string{"plugin", "create_collection", "schema", "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(plugin), command)
	f.Fuzz(func(t *testing.T, m byte, payload []byte) {
		text, err := AppendSQL(nil, ClientMessage(m), payload)
		again, _ := AppendSQL(nil, ClientMessage(m), payload)
		Target(ClientMessage(m), payload)
		switch {
		case string(again) != string(text):
			t.Fatalf("%q and then %q", text, again)
		case err != nil && len(text) > 0:
			t.Fatalf("after an error there is %q", text)
		case len(text) > 2*maxGrowth*(len(payload)+slackSQL):
			t.Fatalf("%d bytes of a message of %d", len(text), len(payload))
		}
		if err == nil && ClientMessage(m) != SQLStmtExecute && ClientMessage(m) != PreparePrepare {
			var a sqltext.Analyzer
			if r := a.Analyze(text, sqltext.Options{}); len(r.Statements) != 1 {
				t.Fatalf("%d statements: %q", len(r.Statements), text)
			}
		}
	})
}
