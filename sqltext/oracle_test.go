package sqltext

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// agreed are statements whose fingerprints are those of pt-fingerprint, white
// space and the case of names apart.
var agreed = []string{
	"SELECT c FROM sbtest1 WHERE id=501885",
	"SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 403003 AND 403102 ORDER BY c",
	"INSERT INTO sbtest1 (id, k, c, pad) VALUES (502541, 496912, '40-78', '23-45')",
	"UPDATE sbtest1 SET k=5 WHERE id=503066",
	"insert into t values (1, now()), (2, now())",
	"select * from t where a in (1, 2, 3) and b = 'x'",
	"insert into t (a, b) values (1, 'x'), (2, 'y')",
	"insert into t values (null, -1), (null, 2)",
	"select a from t1 where b between -1 and 5 limit 5, 10",
	"select a from t1 limit 5 offset 2",
	"select a from t1 limit 3",
	"SELECT 1.5, 0x1f, null, \"x\" FROM t",
	"update T set a = 'b c' where b = -5",
	"use db",
	"select count(*) from a.b where c <> 5 and d != 'x'",
	"replace into t1 values (1), (2)",
	"delete from t where a not in (1) or b in ('x', 'y')",
	"select a from t where b like 'x%' group by c having d > 5 order by e",
	"create table t (a int)",
	"BEGIN",
	"set autocommit=0",
	"administrator command: Ping",
}

// differing are statements where ours is meant to differ, with the reason.
var differing = []struct{ text, ours, why string }{
	{"call p(1, 2)", "call p(?+)", "pt drops the arguments, and with them whether there were any"},
	{"select a from t where b is not null", "select a from t where b is not null", "pt turns every NULL into ?"},
	{"select a from t order by b asc", "select a from t order by b asc", "pt drops ASC"},
	{"select 1 from t union select 2 from t", "select ? from t union select ? from t", "pt folds equal parts of a UNION"},
	{"select 'it''s'", "select ?", "pt takes doubled quotes for two strings"},
	{"select a-1", "select a - ?", "pt takes the minus of a subtraction into the number"},
	{"select a->'$.b' from t", "select a->? from t", "pt takes the minus of -> into the number"},
	{"UPDATE sbtest1 SET k=k+1 WHERE id=5", "update sbtest1 set k = k + ? where id = ?", "pt takes the + into the number"},
}

// ptFingerprints asks pt-fingerprint, with numbers inside names let be.
func ptFingerprints(t *testing.T, texts []string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "queries")
	if err := os.WriteFile(file, []byte(strings.Join(texts, "\n;\n")+"\n;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pt-fingerprint", "--match-embedded-numbers", file).Output()
	if err != nil {
		t.Fatalf("pt-fingerprint: %v", err)
	}
	lines := strings.FieldsFunc(string(out), func(c rune) bool { return c == '\n' })
	if len(lines) != len(texts) {
		t.Fatalf("pt-fingerprint wrote %d lines for %d texts:\n%s", len(lines), len(texts), out)
	}
	return lines
}

// squeezed takes white space and case out of a fingerprint.
func squeezed(fingerprint string) string {
	return strings.Join(strings.Fields(strings.ToLower(fingerprint)), "")
}

// ourFingerprint is the fingerprint of a text.
func ourFingerprint(text string) string {
	var a Analyzer
	a.Analyze([]byte(text), Options{})
	return string(a.AppendFingerprint(nil))
}

func TestAgainstPTFingerprint(t *testing.T) {
	if _, err := exec.LookPath("pt-fingerprint"); err != nil {
		t.Skip("pt-fingerprint (percona-toolkit) is not installed")
	}
	for i, theirs := range ptFingerprints(t, agreed) {
		if ours := ourFingerprint(agreed[i]); squeezed(ours) != squeezed(theirs) {
			t.Errorf("%q: %q, pt-fingerprint %q", agreed[i], ours, theirs)
		}
	}
	var texts []string
	for _, d := range differing {
		texts = append(texts, d.text)
	}
	for i, theirs := range ptFingerprints(t, texts) {
		if d := differing[i]; squeezed(d.ours) == squeezed(theirs) {
			t.Errorf("%q: pt-fingerprint agrees, though %s", d.text, d.why)
		}
	}
}

// Where ours differs on purpose, this is what it is.
func TestDiffersFromPTFingerprint(t *testing.T) {
	for _, d := range differing {
		if ours := ourFingerprint(d.text); ours != d.ours {
			t.Errorf("%q: %q, want %q (%s)", d.text, ours, d.ours, d.why)
		}
	}
}
