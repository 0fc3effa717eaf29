package session

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// What is noted reads back as it was.
func TestMadeRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []MadeRow
		var packed []byte
		for range rapid.IntRange(0, MaxMadeRows).Draw(t, "rows") {
			r := MadeRow{Row: rapid.Uint64().Draw(t, "row"), Rest: rapid.Uint64().Draw(t, "rest")}
			for range rapid.IntRange(0, MaxMadeCells).Draw(t, "cells") {
				r.Cells = append(r.Cells, MadeCell{rapid.Uint32Range(0, 4095).Draw(t, "column"), rapid.Uint64().Draw(t, "hash")})
			}
			rows, packed = append(rows, r), AppendMade(packed, &r)
		}
		r := Result{Changes: []Change{{Kind: GTIDs}, {Kind: MadeValues, Value: string(packed)}}}
		if got := r.MadeRows(); !reflect.DeepEqual(got, rows) {
			t.Fatalf("%v became %v", rows, got)
		}
	})
}

// FuzzMadeRows: what a file says may be anything.
func FuzzMadeRows(f *testing.F) {
	f.Add(string(AppendMade(nil, &MadeRow{Row: 1, Cells: []MadeCell{{1, 2}}})))
	f.Fuzz(func(t *testing.T, value string) {
		r := Result{Changes: []Change{{Kind: MadeValues, Value: value}}}
		rows := r.MadeRows()
		if len(rows) > MaxMadeRows {
			t.Fatal(len(rows), "rows")
		}
		for _, row := range rows {
			if len(row.Cells) > MaxMadeCells {
				t.Fatal(len(row.Cells), "cells")
			}
		}
	})
}
