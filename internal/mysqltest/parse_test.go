package mysqltest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestParse reads the texts of others: apt's sources and answers, os-release,
// sysbench's report.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "one-line":
				return showSources(parseOneLine(d.Input))
			case "stanzas":
				return showSources(parseStanzas(d.Input))
			case "suite":
				return suiteOf(d.Input) + "\n"
			case "uris":
				var out strings.Builder
				for _, p := range parseURIs(d.Input) {
					fmt.Fprintf(&out, "%s %s\n", p.name, p.version)
				}
				return out.String()
			case "sysbench":
				r, err := ParseSysbench(d.Input)
				if err != nil {
					return err.Error() + "\n"
				}
				return strings.ReplaceAll(strings.Trim(fmt.Sprintf("%+v", r), "{}"), " ", "\n") + "\n"
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

// showSources prints one source a line; the one that is taken has a star.
func showSources(all []source) string {
	var out strings.Builder
	taken := false
	for _, s := range all {
		mark := "-"
		if s.debian() && !taken {
			mark, taken = "*", true
		}
		fmt.Fprintf(&out, "%s %s suites=%s components=%s", mark, s.uri,
			strings.Join(s.suites, ","), strings.Join(s.components, ","))
		if s.signedBy != "" {
			fmt.Fprintf(&out, " signed-by=%s", s.signedBy)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
