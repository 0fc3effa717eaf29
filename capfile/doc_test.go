package capfile

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"myreplay/session"
)

// TestFormatDocument holds docs/FORMAT.md to the code: its worked example is
// the vector, and its enumerations are those of session.
func TestFormatDocument(t *testing.T) {
	b, err := os.ReadFile("../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	var dump []byte
	for _, m := range regexp.MustCompile(`(?m)^[0-9a-f]{6}  ([0-9a-f ]+?) +\|`).FindAllStringSubmatch(doc, -1) {
		line, err := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, line...)
	}
	if v := readVector(t, "testdata/vectors/example"); string(v.data) != string(dump) {
		t.Errorf("the worked example is not the vector:\n%x\n%x", dump, v.data)
	}
	words := strings.Join(strings.Fields(doc), " ")
	for name, text := range map[string]string{
		"Kind":    numbered(0, session.KindCount, func(i int) string { return session.Kind(i).String() }),
		"Outcome": numbered(1, Outcomes, func(i int) string { return session.Outcome(i).String() }),
		"Reason":  "0 unstated, " + numbered(1, session.ReasonCount, func(i int) string { return session.Reason(i).String() }),
		"Skipped": "0 not skipped, " + numbered(1, session.SkipCount, func(i int) string { return session.Skip(i).String() }),
	} {
		if want := "**" + name + "**: " + text + "."; !strings.Contains(words, want) {
			t.Errorf("FORMAT.md does not say: %s", want)
		}
	}
	for i, name := range streamNames {
		if want := fmt.Sprintf("| %d | %s |", i, name); !strings.Contains(words, want) {
			t.Errorf("FORMAT.md does not say: %s", want)
		}
	}
}

func numbered(from, to int, name func(int) string) string {
	var s []string
	for i := from; i < to; i++ {
		s = append(s, fmt.Sprintf("%d %s", i, name(i)))
	}
	return strings.Join(s, ", ")
}
