package sqltext

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestShapeScripts runs testdata/shape: each line is a text whose shapes are
// printed. Values are #n, the n-th literal, and ?n, the n-th placeholder.
func TestShapeScripts(t *testing.T) {
	var s Shaper
	datadriven.RunTest(t, "testdata/shape", func(t *testing.T, d *datadriven.TestData) string {
		opt, _, whole := scriptOptions(t, d)
		texts := strings.Split(d.Input, "\n")
		if whole {
			texts = []string{d.Input}
		}
		var out strings.Builder
		for _, text := range texts {
			list, literals := s.Shapes([]byte(text), opt)
			first := fmt.Sprint(printShapes(list), literals)
			list, literals = s.Shapes([]byte(text), opt)
			if again := fmt.Sprint(printShapes(list), literals); again != first {
				t.Errorf("%s: %s, then %s", text, first, again)
			}
			out.WriteString(printShapes(list))
		}
		return out.String()
	})
}

func printShapes(list []*Shape) string {
	var out strings.Builder
	for _, s := range list {
		out.WriteString(printShape(s))
	}
	if len(list) == 0 {
		return "-\n"
	}
	return out.String()
}

func printShape(s *Shape) string {
	words := []string{s.Verb.String() + "/" + s.Class.String()}
	words = append(words, bitNames(uint32(s.Funcs), funcNames)...)
	words = append(words, bitNames(uint32(s.Flags), flagNames)...)
	for _, f := range []struct {
		set  bool
		name string
	}{
		{s.Lock != NoLock, lockNames[s.Lock]}, {s.NoWait, "nowait"}, {s.Limit, "limit"}, {s.Plain, "plain"}, {s.OrderBy != "", "order=" + s.OrderBy}, {s.Descending, "desc"}, {s.Most.Kind != Absent, "most=" + printValue(s.Most)}, {s.Frees, "frees"},
		{s.NextOnly, "next-only"}, {s.Snapshot, "snapshot"}, {s.ReadOnly, "read-only"}, {s.Chain, "chain"}, {s.To, "to"},
		{s.OnePhase, "one-phase"}, {s.Schema != "", "schema=" + s.Schema}, {s.Name != "", "name=" + s.Name},
		{s.UserLock.Kind != Absent, "lock=" + printValue(s.UserLock)}, {s.Isolation != "", "isolation=" + s.Isolation},
		{s.Autocommit.Kind != Absent, "autocommit=" + printValue(s.Autocommit)}, {s.XA != "", "xa=" + s.XA},
	} {
		if f.set {
			words = append(words, printable([]byte(f.name)))
		}
	}
	if s.Star {
		words = append(words, "[*]")
	}
	if len(s.Columns) > 0 {
		words = append(words, fmt.Sprint(s.Columns))
	}
	out := strings.Join(words, " ") + "\n"
	for i := range s.Tables {
		out += "  " + printTable(&s.Tables[i]) + "\n"
	}
	if len(s.Free) > 0 {
		out += "  free: " + printTerms(s.Free, ", ") + "\n"
	}
	return out
}

var lockNames = [...]string{"", "share", "update"}

func printTable(t *ShapeTable) string {
	line := [...]string{"?", "r ", "w ", "rw "}[t.Role]
	if t.Schema != "" {
		line += t.Schema + "."
	}
	if line += t.Name; t.Alias != t.Name {
		line += " as " + t.Alias
	}
	if t.Lock != NoLock {
		line += " table-lock=" + lockNames[t.Lock]
	}
	if t.RowLock != NoLock {
		line += " lock=" + lockNames[t.RowLock]
	}
	if len(t.Terms) > 0 {
		line += " where " + printTerms(t.Terms, ", ")
	}
	if len(t.Maybe) > 0 {
		line += " maybe " + printTerms(t.Maybe, ", ")
	}
	for i, l := range t.Links {
		line += fmt.Sprintf("%s%s=%d.%s", []string{" link ", ", "}[min(i, 1)], l.Column, l.Table, l.Other)
	}
	if t.Insert != nil {
		line += printInsert(t.Insert)
	}
	for i, a := range t.Assign {
		line += []string{" set ", ", "}[min(i, 1)] + a.Column + "=" + printValue(a.Value)
	}
	return line
}

func printInsert(ins *Inserted) string {
	line := " insert"
	if ins.Columns != nil {
		line += fmt.Sprint(ins.Columns)
	}
	for _, row := range ins.Rows {
		line += " (" + printValues(row) + ")"
	}
	if ins.Rows == nil {
		line += " rows?"
	}
	if ins.IDs != nil {
		line += " ids=" + printValues(ins.IDs)
	}
	for i, set := range []bool{ins.Update, ins.Replace, ins.Ignore} {
		if set {
			line += []string{" update", " replace", " ignore"}[i]
		}
	}
	return line
}

func printTerms(list []Term, sep string) string {
	var out []string
	for _, t := range list {
		column := t.Column
		if t.Document {
			column += "(doc)"
		}
		op := [...]string{"?", " in ", ">=", "<=", " between ", " is null"}[t.Op]
		if t.Op == Equal && len(t.Values) == 1 {
			op = "="
		}
		out = append(out, column+op+printValues(t.Values))
	}
	return strings.Join(out, sep)
}

func printValues(list []Value) string {
	var out []string
	for _, v := range list {
		out = append(out, printValue(v))
	}
	return strings.Join(out, " ")
}

func printValue(v Value) string {
	sign := ""
	if v.Negative {
		sign = "-"
	}
	switch v.Kind {
	case Literal:
		return fmt.Sprint(sign, "#", v.Index)
	case Placeholder:
		return fmt.Sprint(sign, "?", v.Index)
	}
	return [...]string{Absent: "none", NullValue: "null", DefaultValue: "default", Expression: "expr", TrueValue: "on", FalseValue: "off", LastInsertID: "last-id"}[v.Kind]
}
