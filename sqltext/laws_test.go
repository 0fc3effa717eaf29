package sqltext

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// piece is a part of a generated statement: a keyword, a name or punctuation
// as it is, or a place for literals.
type piece struct {
	text string
	kind pieceKind
}

type pieceKind int

const (
	asIs    pieceKind = iota
	keyword           // any case
	literal           // any literal or ?
	listOf            // one or more literals
	rows              // one or more rows of two literals
	bounds            // what may follow LIMIT
)

func words(s string) (out []piece) {
	for _, w := range strings.Fields(s) {
		switch w {
		case "LIT":
			out = append(out, piece{w, literal})
		case "LIST":
			out = append(out, piece{w, listOf})
		case "ROWS":
			out = append(out, piece{w, rows})
		case "BOUNDS":
			out = append(out, piece{w, bounds})
		default:
			k := asIs
			if strings.ToUpper(w) == w && strings.ContainsAny(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
				k = keyword
			}
			out = append(out, piece{w, k})
		}
	}
	return out
}

// shapes are statements with places for literals.
var shapes = []string{
	"SELECT a , b FROM t1 WHERE id = LIT",
	"SELECT COUNT ( * ) , c + LIT FROM t1 AS x JOIN s . t2 ON x . a = t2 . b WHERE c IN ( LIST ) AND d BETWEEN LIT AND LIT",
	"SELECT DISTINCT c FROM t1 WHERE d LIKE LIT AND ( e , f ) IN ( ( LIT , LIT ) , ( LIT , LIT ) ) ORDER BY c LIMIT BOUNDS",
	"INSERT INTO t1 ( a , b ) VALUES ROWS",
	"INSERT INTO t1 VALUES ROWS ON DUPLICATE KEY UPDATE a = VALUES ( a ) , b = LIT",
	"UPDATE t1 SET a = a + LIT , b = LIT WHERE c = LIT LIMIT BOUNDS",
	"DELETE FROM t1 WHERE a NOT IN ( LIST ) OR b < LIT",
	"SELECT f1 ( LIT , c ) , CASE WHEN a = LIT THEN LIT ELSE LIT END FROM t1 UNION ALL SELECT LIT , LIT",
	"CALL p1 ( LIST )",
	"SET @a = LIT , @b = LIT",
	"REPLACE INTO t1 SELECT * FROM t2 WHERE a = LIT ; SELECT LIT",
	"WITH c1 AS ( SELECT LIT ) SELECT * FROM c1 WHERE a <=> LIT GROUP BY b HAVING c > LIT",
}

// genLiteral draws a literal. Two strings side by side are one literal, so
// this is what a place may hold.
func genLiteral(t *rapid.T) string {
	chars := rapid.StringOfN(rapid.RuneFrom([]rune("ab1 ?;-/*#,()é%_\\'\"`")), 0, 12, -1)
	quoted := func(q string) string {
		s := strings.ReplaceAll(chars.Draw(t, "chars"), `\`, `\\`)
		return q + strings.ReplaceAll(s, q, q+q) + q
	}
	switch rapid.IntRange(0, 9).Draw(t, "literal") {
	case 0:
		return "?"
	case 1:
		return "- " + fmt.Sprint(rapid.Uint32().Draw(t, "int"))
	case 2:
		return fmt.Sprint(rapid.Float64Range(0, 1e20).Draw(t, "float"))
	case 3:
		return rapid.SampledFrom([]string{"0x1F", "x'1f'", "b'01'", "0b11", "1e5", ".5", "N'a'", "NULL", "true", `\N`}).Draw(t, "form")
	case 4, 5:
		return quoted("'")
	case 6:
		return quoted(`"`)
	case 7:
		return "_utf8mb4 " + quoted("'")
	case 8:
		return quoted("'") + " " + quoted(`"`)
	}
	return fmt.Sprint(rapid.Uint16().Draw(t, "int"))
}

func genMany(t *rapid.T, one func(*rapid.T) string) string {
	n := rapid.IntRange(1, 4).Draw(t, "n")
	var out []string
	for range n {
		out = append(out, one(t))
	}
	return strings.Join(out, " , ")
}

// genSpace draws what may stand between two tokens.
func genSpace(t *rapid.T) string {
	return rapid.SampledFrom([]string{" ", " ", " ", "\n", "\t ", "  ", " /* c */ ", "/**/", " -- it's\n", " # x\n", "\r\n"}).
		Draw(t, "space")
}

// render writes a shape in one of many ways.
func render(t *rapid.T, shape []piece) string {
	var b strings.Builder
	for _, p := range shape {
		b.WriteString(genSpace(t))
		switch p.kind {
		case keyword:
			if rapid.Bool().Draw(t, "small") {
				p.text = strings.ToLower(p.text)
			}
		case literal:
			p.text = genLiteral(t)
		case listOf:
			p.text = genMany(t, genLiteral)
		case rows:
			p.text = genMany(t, func(t *rapid.T) string { return "( " + genLiteral(t) + " , " + genLiteral(t) + " )" })
		case bounds:
			p.text = rapid.SampledFrom([]string{"5", "?", "1 , 2", "? , ?", "2 OFFSET 1", "? offset ?"}).Draw(t, "bounds")
		}
		b.WriteString(p.text)
	}
	b.WriteString(genSpace(t))
	if rapid.Bool().Draw(t, "semicolon") {
		b.WriteString(";")
	}
	return b.String()
}

// Two texts of one shape have one fingerprint, whatever their literals, white
// space, comments and case; texts of different shapes have different ones.
func TestFingerprintLaw(t *testing.T) {
	seen := map[uint64]string{}
	for _, shape := range shapes {
		var a Analyzer
		h := a.Analyze([]byte(strings.NewReplacer("LIST", "?", "ROWS", "( ? , ? )", "BOUNDS", "?", "LIT", "?").Replace(shape)), Options{}).Hash
		if other, ok := seen[h]; ok {
			t.Fatalf("%q and %q have the same hash", shape, other)
		}
		seen[h] = shape
	}
	rapid.Check(t, func(t *rapid.T) {
		shape := words(rapid.SampledFrom(shapes).Draw(t, "shape"))
		x, y := []byte(render(t, shape)), []byte(render(t, shape))
		opt := Options{IgnoreSpace: true} // the shapes put spaces before parentheses
		var a, b Analyzer
		rx, ry := a.Analyze(x, opt), b.Analyze(y, opt)
		fx, fy := a.AppendFingerprint(nil), b.AppendFingerprint(nil)
		if rx.Hash != ry.Hash || !bytes.Equal(fx, fy) {
			t.Fatalf("fingerprints differ:\n%q\n%q\n%s\n%s", x, y, fx, fy)
		}
		if len(rx.Statements) != len(ry.Statements) || rx.Class != ry.Class {
			t.Fatalf("%q: %d statements, %v; %q: %d, %v", x, len(rx.Statements), rx.Class, y, len(ry.Statements), ry.Class)
		}
	})
}

// secretShapes are statements with a place for a secret literal.
var secretShapes = []string{
	"CREATE USER 'u'@'h' IDENTIFIED BY LIT COMMENT 'c'",
	"ALTER USER u IDENTIFIED WITH 'p' BY LIT REPLACE LIT",
	"GRANT ALL ON *.* TO u IDENTIFIED BY PASSWORD LIT",
	"CREATE USER u IDENTIFIED VIA p USING LIT OR q USING PASSWORD(LIT)",
	"SET PASSWORD FOR 'u'@'h' = LIT",
	"SET PASSWORD = PASSWORD(LIT)",
	"SET @a = 'b', GLOBAL x_password = LIT, @c = 'd'",
	"CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD = LIT, MASTER_PORT = 5",
	"START REPLICA USER='u' PASSWORD=LIT",
	"CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD LIT, HOST 'h')",
	"CLONE INSTANCE FROM u@h:1 IDENTIFIED BY LIT",
	"INSERT INTO t VALUES ('a', AES_ENCRYPT('b', LIT), 'c')",
	"SELECT AES_DECRYPT(a, UNHEX(LIT)) FROM t WHERE b = 'c'",
	"UPDATE mysql.user SET authentication_string = LIT",
	"INSERT INTO mysql.user VALUES (LIT, LIT)",
	"SELECT 1; SET PASSWORD = LIT; SELECT 'x'",
	"CREATE USER u IDENTIFED BY LIT",
	"CREATE USER u WITH PASSWORD LIT",
	"SET PASSWORD FOR 'u'@'h' LIT",
	"SET @pwd = LIT, @b = 'c'",
	"SET GLOBAL x_token = LIT",
	"EXECUTE IMMEDIATE 'ALTER USER u IDENTIFIED BY ?' USING LIT",
	"EXECUTE IMMEDIATE CONCAT('ALTER USER u IDENTIFIED', ' BY ', LIT)",
	"CALL mysql.set_up('h', LIT)",
}

// genSecret draws a literal and the piece of it that must not be seen.
func genSecret(t *rapid.T) (literal, core string) {
	core = "q" + rapid.StringMatching(`[a-z]{8}`).Draw(t, "core") + "z"
	around := rapid.StringOfN(rapid.RuneFrom([]rune("ab;é-/*#?")), 0, 5, -1)
	s := around.Draw(t, "before") + core + around.Draw(t, "after")
	escape := rapid.SampledFrom([]string{"", "''", `\'`, `\\`, `"`, "`"}).Draw(t, "escape")
	prefix := rapid.SampledFrom([]string{"", "", "N", "_utf8mb4", "_latin1 "}).Draw(t, "prefix")
	return prefix + "'" + escape + s + escape + "'", core
}

// No secret is left in what Mask writes; it scans to the same tokens, and
// masking it again changes nothing.
func TestMaskLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(secretShapes).Draw(t, "shape")
		var cores []string
		for strings.Contains(text, "LIT") {
			lit, core := genSecret(t)
			text = strings.Replace(text, "LIT", lit, 1)
			cores = append(cores, core)
		}
		if rapid.Bool().Draw(t, "comment") {
			text = "/* was '" + cores[0] + "' */ " + text + genSpace(t)
		}
		var opt Options
		opt.Guessed = rapid.Bool().Draw(t, "guessed")
		opt.MariaDB = rapid.Bool().Draw(t, "mariadb")
		opt.Charset = rapid.SampledFrom([]Charset{ASCIISafe, SpaceA0, SpaceFF}).Draw(t, "charset")
		out, secret := Mask(nil, []byte(text), opt)
		if !secret.Found {
			t.Fatalf("nothing found in %q", text)
		}
		for _, core := range cores {
			if bytes.Contains(out, []byte(core)) {
				t.Fatalf("secret %s of %q in %q", core, text, out)
			}
		}
		if !opt.Guessed {
			sameTokens(t, []byte(text), out, opt)
		}
		if again, _ := Mask(nil, out, opt); !bytes.Equal(again, out) {
			t.Fatalf("masked again, %q becomes %q", out, again)
		}
	})
}

// sameTokens fails unless out has the tokens of text, save that literals may
// have become '***'.
func sameTokens(t *rapid.T, text, out []byte, opt Options) {
	x, y := NewScanner(text, opt), NewScanner(out, opt)
	for {
		a, b := x.Next(), y.Next()
		same := a.Kind == b.Kind && bytes.Equal(a.Of(text), b.Of(out))
		if !same && (a.Kind < String || a.Kind > Bits || string(b.Of(out)) != "'***'") {
			t.Fatalf("%q of %q becomes %q of %q", a.Of(text), text, b.Of(out), out)
		}
		if a.Kind == EOF {
			return
		}
	}
}

// Statements in one text are classified as they are alone, and an Analyzer
// keeps nothing from one text to the next.
func TestStatementsLaw(t *testing.T) {
	others := []string{"BEGIN", "COMMIT", "use db", "kill 5", "set sql_mode = 'ANSI_QUOTES'", "set names gbk",
		"create procedure p() begin select 1; end", "prepare s from 'delete from t'"}
	var shared Analyzer
	rapid.Check(t, func(t *rapid.T) {
		var texts, want []string
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			text := rapid.SampledFrom(others).Draw(t, "text")
			if rapid.Bool().Draw(t, "query") {
				text = render(t, words(rapid.SampledFrom(shapes).Draw(t, "shape")))
			}
			texts = append(texts, text)
			var fresh Analyzer
			for _, st := range fresh.Analyze([]byte(text), Options{}).Statements {
				want = append(want, classLine(&st)+detailLine([]byte(text), &st))
			}
		}
		text := []byte(strings.Join(texts, ";"))
		var got []string
		for _, st := range shared.Analyze(text, Options{}).Statements {
			got = append(got, classLine(&st)+detailLine(text, &st))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q:\n%q\nalone:\n%q", text, got, want)
		}
	})
}

// The search for the end of a string by quotes and the one byte by byte agree.
func TestQuoteLaw(t *testing.T) {
	alphabet := []rune("'\"`\\ab\n é")
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOfN(rapid.RuneFrom(alphabet), 0, 60, -1).Draw(t, "text"))
		opt := Options{NoBackslashEscapes: rapid.Bool().Draw(t, "plain"), ANSIQuotes: rapid.Bool().Draw(t, "ansi")}
		x, y := NewScanner(text, opt), NewScanner(text, opt)
		y.pairs = newPairs() // no byte leads a pair
		for {
			a, b := x.Next(), y.Next()
			if a != b || x.Unterminated() != y.Unterminated() {
				t.Fatalf("%q: %+v, %+v", text, a, b)
			}
			if a.Kind == EOF {
				return
			}
		}
	})
}

// The search for marks finds what a search for each of them finds.
func TestMarkLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("paswordcrytenik_l. `")), 0, 40, -1).Draw(t, "text")
		mark := rapid.SampledFrom(secretMarks).Draw(t, "mark")
		if rapid.Bool().Draw(t, "add") {
			text += strings.ToUpper(mark[:1]) + mark[1:] + text
		}
		want := -1
		for _, m := range secretMarks {
			if n := strings.Index(strings.ToLower(text), m); n >= 0 && (want < 0 || n+markWindow < want) {
				want = n + markWindow
			}
		}
		got := firstMark([]byte(text))
		if (got >= 0) != (want >= 0) {
			t.Fatalf("%q: %d, want one at %d", text, got, want)
		}
	})
}

// What Analyze says of a statement does not depend on the white space and the
// comments between its tokens, nor on the case of its keywords.
func TestSpaceLaw(t *testing.T) {
	texts := scriptTexts(t, "classify")
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.SampledFrom(texts).Draw(t, "text"))
		opt := Options{MariaDB: rapid.Bool().Draw(t, "mariadb")}
		var a, b Analyzer
		x := a.Analyze(text, opt)
		for _, st := range x.Statements {
			if st.Flags&(Conditional|Unterminated) != 0 {
				t.Skip("what is a comment, or a string, is not certain")
			}
		}
		spaced := respace(t, text, opt)
		y := b.Analyze(spaced, opt)
		if len(x.Statements) != len(y.Statements) {
			t.Fatalf("%q has %d statements, %q %d", text, len(x.Statements), spaced, len(y.Statements))
		}
		for i := range x.Statements {
			if one, other := classLine(&x.Statements[i]), classLine(&y.Statements[i]); one != other {
				t.Fatalf("%q: %s, %q: %s", text, one, spaced, other)
			}
		}
		if x.Hash != y.Hash {
			t.Fatalf("%q and %q have the fingerprints %s and %s", text, spaced, a.AppendFingerprint(nil), b.AppendFingerprint(nil))
		}
	})
}

// respace writes other white space and comments wherever a text has some.
func respace(t *rapid.T, text []byte, opt Options) []byte {
	out := []byte(genSpace(t))
	s := NewScanner(text, opt)
	at := 0
	for tok := s.Next(); tok.Kind != EOF; tok = s.Next() {
		between := text[at:tok.Start]
		if len(between) > 0 && len(trimSpace(between)) == 0 && at > 0 {
			between = []byte(genSpace(t))
		}
		word := bytes.Clone(tok.Of(text))
		member := len(out) > 0 && out[len(out)-1] == '.' // t.select is a column
		if tok.Kind == Ident && !member && wordInfos[tok.Word].traits&isReserved != 0 && rapid.Bool().Draw(t, "case") {
			word = bytes.ToUpper(word)
		}
		out = append(append(out, between...), word...)
		at = tok.End
	}
	return append(append(out, text[at:]...), genSpace(t)...)
}

// The fingerprint of a fingerprint is that fingerprint.
func TestFingerprintTwiceLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := render(t, words(rapid.SampledFrom(shapes).Draw(t, "shape")))
		var a Analyzer
		a.Analyze([]byte(text), Options{IgnoreSpace: true})
		once := a.AppendFingerprint(nil)
		// pt-query-digest's (?+) is no SQL; a list of one is what it stands for.
		a.Analyze(bytes.ReplaceAll(once, []byte("?+"), []byte("?")), Options{})
		if twice := a.AppendFingerprint(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%q becomes %s, then %s", text, once, twice)
		}
	})
}
