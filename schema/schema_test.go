package schema

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRoundTrip: what is written reads as it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word, yes := rapid.StringMatching(`[a-zA-Zé"\\ ]{1,6}`), rapid.Bool()
		words := rapid.SliceOfN(word, 1, 3)
		column := rapid.Custom(func(t *rapid.T) Column {
			return Column{Name: word.Draw(t, "name"), Type: word.Draw(t, "type"), Unsigned: yes.Draw(t, "unsigned"), Clock: yes.Draw(t, "clock"),
				Made: yes.Draw(t, "made"), Generated: word.Draw(t, "generated"), Invisible: yes.Draw(t, "invisible"), Nullable: yes.Draw(t, "null")}
		})
		key := rapid.Custom(func(t *rapid.T) Key {
			return Key{Name: word.Draw(t, "name"), Primary: yes.Draw(t, "primary"), Unique: yes.Draw(t, "unique"), Columns: words.Draw(t, "columns"),
				Prefixes: rapid.SliceOfN(rapid.IntRange(0, 9), 1, 3).Draw(t, "prefixes")}
		})
		table := rapid.Custom(func(t *rapid.T) Table {
			return Table{Schema: word.Draw(t, "schema"), Name: word.Draw(t, "name"), Kind: rapid.SampledFrom([]Kind{Base, View, Sequence}).Draw(t, "kind"),
				Columns: rapid.SliceOfN(column, 1, 3).Draw(t, "columns"), Keys: rapid.SliceOfN(key, 1, 2).Draw(t, "keys"),
				Parents:  []ForeignKey{{Name: word.Draw(t, "foreign"), Columns: words.Draw(t, "from"), Parent: word.Draw(t, "to"), ParentColumns: words.Draw(t, "columns")}},
				Triggers: []Trigger{{Name: word.Draw(t, "trigger"), Event: "INSERT", Body: word.Draw(t, "body")}}, Definition: word.Draw(t, "definition")}
		})
		s := &Schema{Server: word.Draw(t, "server"), IgnoreCase: yes.Draw(t, "case"), Isolation: word.Draw(t, "isolation"), Increment: rapid.Uint64().Draw(t, "increment"),
			RollbackOnTimeout: yes.Draw(t, "rollback"), SnapshotIsolation: yes.Draw(t, "snapshot"), Tables: rapid.SliceOfN(table, 1, 4).Draw(t, "tables"),
			Routines: []Routine{{Schema: word.Draw(t, "schema"), Name: word.Draw(t, "routine"), Function: yes.Draw(t, "function")}}, Unknown: words.Draw(t, "unknown")}
		var b bytes.Buffer
		if err := s.Write(&b); err != nil {
			t.Fatal(err)
		}
		got, err := Read(&b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%v\n%+v\n%+v", err, got, s)
		}
	})
}

// TestLookup: names of tables differ by case where the server says so; those of
// columns and routines never.
func TestLookup(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		s := &Schema{IgnoreCase: ignore, Tables: []Table{{Schema: "Shop", Name: "Items", Columns: []Column{{Name: "Id"}, {Name: "n"}},
			Keys: []Key{{Name: "PRIMARY", Primary: true, Unique: true, Columns: []string{"Id"}}}}, {Schema: "shop", Name: "other", Keys: []Key{{Name: "k"}}}},
			Routines: []Routine{{Schema: "shop", Name: "Clean"}, {Schema: "shop", Name: "clean", Function: true}}}
		if s.Table("Shop", "Items") != &s.Tables[0] || s.Table("Shop", "none") != nil || s.Table("", "") != nil {
			t.Error("by its name")
		}
		if found := s.Table("shop", "ITEMS") != nil; found != ignore {
			t.Errorf("in another case: found %t, ignore %t", found, ignore)
		}
		if s.Table("Shop", "Items").Column("ID") != 0 || s.Tables[0].Column("N") != 1 || s.Tables[0].Column("x") != -1 {
			t.Error("columns")
		}
		if p := s.Tables[0].Primary(); len(p) != 1 || p[0] != "Id" || s.Tables[1].Primary() != nil {
			t.Error("primary keys")
		}
		if r := s.Routine("shop", "CLEAN", false); r != &s.Routines[0] || s.Routine("shop", "CLEAN", true) != &s.Routines[1] || s.Routine("x", "clean", true) != nil {
			t.Error("routines")
		}
	}
	var none *Schema
	if none.Table("a", "b") != nil || none.Routine("a", "b", true) != nil {
		t.Error("of no schema")
	}
}

// FuzzRead reads anything that claims to be a schema.
func FuzzRead(f *testing.F) {
	f.Add(`{"server":"8.4.0","tables":[{"schema":"a","name":"b","keys":[{"columns":[""]}]}],"routines":[{"name":"r"}]}`)
	f.Add(`{"tables":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		s.Routine("a", "b", false)
		if x := s.Table("a", "b"); x != nil {
			x.Primary()
			x.Column("c")
		}
	})
}
