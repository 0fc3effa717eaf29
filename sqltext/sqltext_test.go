package sqltext

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// The collations of the character sets that need care, as MySQL 9.7 and MariaDB
// 11.8 number them.
func TestCharsetOfCollation(t *testing.T) {
	ids := map[Charset][]uint16{
		Big5:    {1, 84, 1025, 1108},
		GBK:     {28, 87, 1052, 1111},
		GB18030: {248, 249, 250},
		SJIS:    {13, 88, 95, 96, 1037, 1112, 1119, 1120},
		// latin1, latin2, latin7, cp1250, greek, hebrew, dec8, armscii8, geostd8.
		SpaceA0: {8, 47, 1032, 9, 41, 26, 25, 16, 3, 32, 92},
		SpaceFF: {36, 40, 37, 1060}, // cp866, cp852, keybcs2
		// utf8mb3, utf8mb4 (MySQL 8's default too), binary, ujis, euckr, cp1251,
		// utf8mb4_uca1400_ai_ci, and numbers of nothing.
		ASCIISafe: {33, 45, 255, 63, 12, 19, 51, 2304, 0, 1024, 65535},
	}
	for want, list := range ids {
		for _, id := range list {
			if got := CharsetOfCollation(id); got != want {
				t.Errorf("collation %d: %v, want %v", id, got, want)
			}
		}
	}
}

func TestCharsetByName(t *testing.T) {
	for name, want := range map[string]Charset{
		"utf8mb4": ASCIISafe, "UTF8": ASCIISafe, "latin1": SpaceA0, "cp866": SpaceFF, "GBK": GBK, "Big5": Big5, "cp932": SJIS, "sjis": SJIS,
		"gb18030": GB18030,
	} {
		if got, ok := CharsetByName([]byte(name)); got != want || !ok {
			t.Errorf("%s: %v %t", name, got, ok)
		}
	}
	for _, name := range []string{"", "utf16", "ucs2", "klingon", strings.Repeat("x", 1000)} {
		if _, ok := CharsetByName([]byte(name)); ok {
			t.Errorf("%s may be spoken by a client", name)
		}
	}
}

// The names in tables by constant have one for each.
func TestNames(t *testing.T) {
	for c := ASCIISafe; c <= SpaceFF; c++ {
		if c.String() == "?" || c.String() == "" {
			t.Errorf("character set %d has no name", c)
		}
	}
	for v := NoVerb + 1; v <= Compound; v++ {
		if v.String() == "?" || v.String() == "" {
			t.Errorf("verb %d has no name", v)
		}
	}
	if Compound.String() != "compound" || Admin.String() != "admin" || Class(99).String() != "?" {
		t.Error("names are out of step")
	}
}

func TestWordOf(t *testing.T) {
	for _, s := range []string{"select", "SELECT", "SeLeCt"} {
		if w := wordOf(s); w != wSelect || w.String() != "select" {
			t.Errorf("%s is %v", s, w)
		}
	}
	for _, s := range []string{"", "selec", "selects", "s\x7flect", "_elect", "st_geometrycollectionfromtexu", strings.Repeat("a", 100)} {
		if w := wordOf(s); w != 0 || w.String() != "" {
			t.Errorf("%q is the word %q", s, w)
		}
	}
	for w := range wordTexts[1:] {
		if w := Word(w + 1); wordOf(w.String()) != w {
			t.Errorf("%s is not found", w)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, c := range []struct {
		literal, want string
		opt           Options
	}{
		{`'a''b'`, `a'b`, Options{}},
		{`"a""b'c"`, `a"b'c`, Options{}},
		{`'\0\b\n\r\t\Z\\\'\"\%\_\x'`, "\x00\b\n\r\t\x1a\\'\"\\%\\_x", Options{}},
		{`'a\'`, `a\`, Options{NoBackslashEscapes: true}},
		{`N'x'`, `x`, Options{}},
		{`''`, ``, Options{}},
		{`'ab`, `ab`, Options{}},
		{`'`, ``, Options{}},
		{``, ``, Options{}},
		{`'ab\`, `ab\`, Options{}},
		{"'\xbf\\'", "\xbf\\", Options{Charset: GBK}},
		{"'\\\xbf\\''", "\xbf'", Options{Charset: GBK}},
		{`$js$ it's $js$`, ` it's `, Options{}},
		{`$$x$$`, `x`, Options{}},
	} {
		if got := AppendString([]byte("<"), []byte(c.literal), c.opt); string(got) != "<"+c.want {
			t.Errorf("%s: %q, want %q", c.literal, got, c.want)
		}
	}
}

func TestAppendName(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "`a`": "a", "`a``b`": "a`b", `"a""b"`: `a"b`, "`a": "a", "`": "", "": "", "'u'": "u",
	} {
		if got := AppendName(nil, []byte(name)); string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestSQLModeApply(t *testing.T) {
	opt := Options{ANSIQuotes: true, IgnoreSpace: true}
	SQLMode{ANSIQuotes: Off, NoBackslashEscapes: On}.Apply(&opt)
	if opt != (Options{NoBackslashEscapes: true, IgnoreSpace: true}) {
		t.Errorf("%+v", opt)
	}
	SQLMode{}.Apply(&opt)
	if opt.Guessed {
		t.Error("guessed without reason")
	}
	unsureMode.Apply(&opt)
	if opt != (Options{NoBackslashEscapes: true, IgnoreSpace: true, Guessed: true}) {
		t.Errorf("%+v", opt)
	}
}

// A text of many statements is cut into MaxStatements, and what is behind them
// makes the last Unknown.
func TestMaxStatements(t *testing.T) {
	var a Analyzer
	r := a.Analyze([]byte(strings.Repeat("select 1;", MaxStatements-1)), Options{})
	if len(r.Statements) != MaxStatements-1 || r.Class != Read || !r.Harmless() {
		t.Fatalf("%d statements, %v", len(r.Statements), r.Class)
	}
	r = a.Analyze([]byte(strings.Repeat("select 1;", MaxStatements)+"drop table t; delete from t"), Options{})
	if len(r.Statements) != MaxStatements || r.Class != Unknown || r.Harmless() {
		t.Fatalf("%d statements, %v", len(r.Statements), r.Class)
	}
}

func TestMaxTables(t *testing.T) {
	var a Analyzer
	text := "select * from t0" + strings.Repeat(", t", MaxTables-1)
	st := &a.Analyze([]byte(text), Options{}).Statements[0]
	if len(st.Tables) != MaxTables || st.Flags&MoreTables != 0 {
		t.Fatalf("%d tables, flags %b", len(st.Tables), st.Flags)
	}
	st = &a.Analyze([]byte(text+", u"), Options{}).Statements[0]
	if len(st.Tables) != MaxTables || st.Flags&MoreTables == 0 {
		t.Fatalf("%d tables, flags %b", len(st.Tables), st.Flags)
	}
}

// Deep nesting is counted, not followed.
func TestDeepNesting(t *testing.T) {
	const deep = 10_000
	var a Analyzer
	text := strings.Repeat("(select * from ", deep) + "t" + strings.Repeat(")", deep) + " into outfile 'x'"
	st := &a.Analyze([]byte(text), Options{}).Statements[0]
	if st.Class != Write || st.Flags&MoreTables == 0 {
		t.Fatalf("%v, flags %b", st.Class, st.Flags)
	}
}

// The fingerprint's text is cut at its limit, not inside a UTF-8 character; the
// hash covers what is cut off.
func TestMaxFingerprint(t *testing.T) {
	var a Analyzer
	name := strings.Repeat("é", MaxFingerprint)
	h := a.Analyze([]byte("select "+name+"a"), Options{}).Hash
	f := a.AppendFingerprint(nil)
	if len(f) > MaxFingerprint || len(f) < MaxFingerprint-4 || !bytes.HasSuffix(f, []byte("é")) {
		t.Fatalf("%d bytes, ends with %q", len(f), f[len(f)-4:])
	}
	if a.Analyze([]byte("select "+name+"b"), Options{}).Hash == h {
		t.Error("the hash does not cover the end")
	}
}

// What one text leaves behind does not show in the next. (Found by fuzzing.)
func TestNothingLeft(t *testing.T) {
	var used, fresh Analyzer
	used.Analyze([]byte("select @@a."), Options{})
	if a, b := used.Analyze([]byte("@@ YY"), Options{}).Hash, fresh.Analyze([]byte("@@ YY"), Options{}).Hash; a != b {
		t.Errorf("hashes %x and %x", a, b)
	}
}

// After a very large text an Analyzer gives its scratch memory back.
func TestMemoryGivenBack(t *testing.T) {
	var a Analyzer
	a.Analyze([]byte("select "+strings.Repeat("a, ", maxKept)), Options{})
	a.Analyze([]byte(strings.Repeat("select 1;", MaxStatements)), Options{})
	a.Analyze([]byte("select 1"), Options{})
	if cap(a.normal.buf) > maxKept || cap(a.classifier.list) > keptStatements {
		t.Errorf("kept %d bytes and %d statements", cap(a.normal.buf), cap(a.classifier.list))
	}
}

// What is analyzed often costs no allocation.
func TestAnalyzeAllocates(t *testing.T) {
	texts := [][]byte{
		[]byte("SELECT c FROM sbtest1 WHERE id IN (1, 2, 3) ORDER BY c LIMIT 5"),
		[]byte("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y') ON DUPLICATE KEY UPDATE a = VALUES(a)"),
		[]byte("BEGIN; UPDATE s.t SET a = 1; COMMIT"),
		[]byte("SET autocommit = 1, @a = NOW()"),
		[]byte("SELECT _utf8mb4'x', `a` /* c */ FROM t JOIN u USING (i)"),
	}
	var a Analyzer
	var buf []byte
	if n := testing.AllocsPerRun(100, func() {
		for _, text := range texts {
			a.Analyze(text, Options{})
			buf = a.AppendFingerprint(buf[:0])
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A text that would have to be read many times, and is long, is not: nothing
// is certain of it.
func TestLongConditional(t *testing.T) {
	text := []byte("select 1 /*!80000 + 1 */, '" + strings.Repeat("x", maxReread) + "'")
	var a Analyzer
	if r := a.Analyze(text, Options{}); r.Class != Unknown {
		t.Errorf("class %v", r.Class)
	}
	text = append(text, "; set password = 'x'"...)
	if out, secret := Mask(nil, text, Options{}); string(out) != "'***'" || secret != (Secret{true, true}) {
		t.Errorf("masked to %d bytes, %+v", len(out), secret)
	}
}

func TestMaskLiterals(t *testing.T) {
	for text, want := range map[string]string{
		"SET @a = 'x', @b = 5, @c = @d":       "SET @a = '***', @b = '***', @c = @d",
		"EXECUTE s USING 'x', 0x12, NULL":     "EXECUTE s USING '***', '***', NULL",
		"SELECT 1; SET @a = 'x'":              "SELECT '***'; SET @a = '***'",
		"SET @a = 'x":                         "'***'",
		"SELECT @a":                           "SELECT @a",
		"SELECT 'x' /* it's x */ INTO @a, @b": "SELECT '***' /*****/ INTO @a, @b",
	} {
		out, secret := MaskLiterals(nil, []byte(text), Options{})
		if string(out) != want || secret.Found != (text != want) {
			t.Errorf("%s: %s, %+v", text, out, secret)
		}
	}
}

// Every class of a reading that is worse wins, Unknown over all.
func TestWorse(t *testing.T) {
	order := []Class{Read, Session, Transaction, LockingRead, Locking, Write, DDL, Admin, Unknown}
	for i, c := range order {
		for j, d := range order {
			if got, want := c.worse(d), order[max(i, j)]; got != want {
				t.Errorf("%v, %v: %v, want %v", c, d, got, want)
			}
		}
	}
}

func ExampleAnalyzer() {
	var a Analyzer
	r := a.Analyze([]byte("SELECT name FROM users WHERE id IN (1, 2, 3)"), Options{})
	fmt.Printf("%s\n", a.AppendFingerprint(nil))
	fmt.Println(r.Class, r.Statements[0].Verb, r.Harmless())
	// Output:
	// select name from users where id in(?+)
	// read select true
}

func ExampleMask() {
	out, secret := Mask(nil, []byte("ALTER USER u IDENTIFIED BY 'pw'"), Options{})
	fmt.Printf("%s %t\n", out, secret.Found)
	// Output:
	// ALTER USER u IDENTIFIED BY '***' true
}

func ExampleScanner() {
	text := []byte("UPDATE t SET a = a + 1 WHERE id = 5")
	s := NewScanner(text, Options{})
	for t := s.Next(); t.Kind != EOF; t = s.Next() {
		if t.Kind == Int {
			fmt.Printf("%s at %d\n", t.Of(text), t.Start)
		}
	}
	// Output:
	// 1 at 21
	// 5 at 34
}
