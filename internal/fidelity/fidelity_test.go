package fidelity

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestScripts: results are written, read and shown; JSON of myreplay's is read.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := script(t, d.Cmd, d.Input)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return out
		})
	})
}

func script(t *testing.T, command, input string) (string, error) {
	switch command {
	case "report":
		return shown(ParseReport([]byte(input)))
	case "profile":
		return shown(ParseProfile([]byte(input)))
	case "planted":
		p, err := CheckPlanted([]byte(input))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%vall found, and nothing else: %v; where order may be open: %v\n", p, p.OK(false), p.OK(true)), nil
	case "results":
		return shown(throughFile(t, input))
	case "render":
		list, err := throughFile(t, input)
		return Render(list), err
	case "insert":
		out, err := Insert([]byte(input+"\n"), "new\n")
		return string(out), err
	default:
		return "", fmt.Errorf("no command %s", command)
	}
}

// throughFile reads results from a file and one more that is appended.
func throughFile(t *testing.T, lines string) ([]Result, error) {
	name := filepath.Join(t.TempDir(), "results")
	if err := os.WriteFile(name, []byte(lines), 0o644); err != nil {
		return nil, err
	}
	if strings.HasSuffix(lines, "torn") {
		if err := AppendResult(name, Result{Cell: Cell{Workload: "appended"}}); err != nil {
			return nil, err
		}
	}
	return ReadResults(name)
}

func shown(v any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return string(text) + "\n", err
}

// tablesOf makes tables of generated rows: key, value.
func tablesOf(rows map[string]map[int]int) Tables {
	all := Tables{}
	for name, m := range rows {
		all[name] = map[digest]digest{definition: {}}
		for k, v := range m {
			all[name][digestOf([]sql.RawBytes{[]byte(fmt.Sprint(k))})] = digestOf([]sql.RawBytes{[]byte(fmt.Sprint(v))})
		}
	}
	return all
}

// Law: what is planted in rows is found, exactly.
func TestDiffTables(t *testing.T) {
	gen := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.MapOf(rapid.IntRange(0, 30), rapid.IntRange(0, 3)))
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "source"), gen.Draw(t, "target")
		var want RowDiff
		for _, name := range []string{"a", "b", "c"} {
			_, here := a[name]
			_, there := b[name]
			if here && !there {
				want.Missing++ // its definition
			}
			if there && !here {
				want.Extra++
			}
			for k := range 31 {
				v, here := a[name][k]
				w, there := b[name][k]
				switch {
				case here && !there:
					want.Missing++
				case there && !here:
					want.Extra++
				case here && v != w:
					want.Changed++
				}
			}
			want.Rows += len(a[name])
		}
		got := DiffTables(tablesOf(a), tablesOf(b))
		sum := 0
		for _, n := range got.Tables {
			sum += n
		}
		if got.Rows != want.Rows || got.Changed != want.Changed || got.Missing != want.Missing || got.Extra != want.Extra || sum != want.Sum() {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// NULL, the empty text, and where one value ends and the next begins are told
// apart.
func TestDigestOf(t *testing.T) {
	seen := map[digest]int{}
	for i, values := range [][]sql.RawBytes{{}, {nil}, {{}}, {nil, nil}, {{}, {}}, {[]byte("a"), []byte("b")}, {[]byte("ab")}, {[]byte("ab"), {}}, {{}, []byte("ab")}} {
		d := digestOf(values)
		if j, ok := seen[d]; ok {
			t.Errorf("values %d are like %d", i, j)
		}
		seen[d] = i
	}
}

// Every workload has a name of its own, a script, and a sentence.
func TestTable(t *testing.T) {
	for i, w := range Workloads {
		if found, ok := Find(w.Name); !ok || found.What != w.What || w.What == "" {
			t.Errorf("%s: %+v", w.Name, found)
		}
		if slices.ContainsFunc(Workloads[:i], func(o Workload) bool { return o.Name == w.Name }) {
			t.Errorf("%s twice", w.Name)
		}
		if strings.Contains(w.Script, ".") {
			if _, err := os.Stat(filepath.Join(Folder, w.Script)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, ok := Find("no such"); ok {
		t.Error("found what is not there")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"verdict":{"compared":10,"different":1},"replayed":{"commands":10},"recorded":{"gaps":[{"name":"lost","count":1}]},"differences":[{"class":"row_data","cause":"real","commands":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := ParseReport(text); err == nil {
			Render([]Result{{Cell: Cell{Workload: Workloads[0].Name}, Replay: r, Order: text}})
		}
		if p, err := CheckPlanted(text); err == nil {
			Render([]Result{{Cell: Cell{Workload: Workloads[0].Name, Planted: PlantedAll}, Found: p}})
		}
		ParseProfile(text)
		Insert(text, "x")
	})
}
