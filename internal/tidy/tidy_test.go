package tidy

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cockroachdb/datadriven"
)

// repository is this repository, as seen from this package's folder.
var repository = os.DirFS("../..")

// TestHouse applies the rules to the whole repository.
func TestHouse(t *testing.T) {
	found, err := Check(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// TestSizes prints figures and never fails: go test -v -run Sizes ./internal/tidy
func TestSizes(t *testing.T) {
	text, err := Sizes(repository)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text)
}

// TestTable checks the table of the house itself: every arrow goes to a room,
// and down.
func TestTable(t *testing.T) {
	for _, r := range house {
		for _, dir := range strings.Fields(r.imports) {
			if dir == "*" {
				continue
			}
			to, ok := roomOf(dir)
			switch {
			case !ok:
				t.Errorf("%s imports %s, which is no room", r.dir, dir)
			case r.dir == "sqltext" && dir == "wire", testOnly(r.dir):
				// Wire lies under its own floor too; what is for tests has none.
			case to.floor >= r.floor:
				t.Errorf("%s (floor %d) imports %s (floor %d)", r.dir, r.floor, dir, to.floor)
			}
			if to.mayImport(r.dir) {
				t.Errorf("%s and %s import each other", r.dir, dir)
			}
		}
	}
}

// TestRules shows each rule at work on small repositories.
func TestRules(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			repo := unpack(d.Input)
			if d.Cmd == "sizes" {
				text, err := Sizes(repo)
				if err != nil {
					return err.Error() + "\n"
				}
				return text
			}
			found, err := Check(repo)
			if err != nil {
				return err.Error() + "\n"
			}
			var out strings.Builder
			for _, f := range found {
				out.WriteString(quoted.ReplaceAllString(f.String(), `: "$1~$2`) + "\n")
			}
			if out.Len() == 0 {
				return "tidy\n"
			}
			return out.String()
		})
	})
}

// quoted is what a finding quotes; it gets a "~" too.
var quoted = regexp.MustCompile(`: "(\S{2})(\S*)`)

// unpack makes a repository of a text in which "-- NAME --" begins a file. The
// word "no-newline" at its end cuts the file's last newline off; a "~" inside of
// a word is dropped, so that the texts here do not break the rules themselves.
func unpack(text string) fstest.MapFS {
	repo := fstest.MapFS{}
	for part := range strings.SplitSeq("\n"+text, "\n-- ") {
		name, body, ok := strings.Cut(part, " --\n")
		if !ok {
			continue
		}
		body, _ = strings.CutSuffix(strings.TrimRight(body, "\n")+"\n", "no-newline\n")
		body = strings.ReplaceAll(body, "~", "")
		repo[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return repo
}
