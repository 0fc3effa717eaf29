package sqltext

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs testdata. A command's input is one text a line, or with
// "whole" one text; with "escaped" its lines are Go strings without quotes. The
// other arguments are options: charset=gbk ansi-quotes no-backslash-escapes
// ignore-space mariadb guessed.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, runScript)
	})
}

var scriptCommands = map[string]func(text []byte, opt Options) string{
	"lex":         scriptLex,
	"fingerprint": scriptFingerprint,
	"classify":    scriptClassify,
	"details":     scriptDetails,
	"mask":        scriptMask,
}

func runScript(t *testing.T, d *datadriven.TestData) string {
	run := scriptCommands[d.Cmd]
	if run == nil {
		d.Fatalf(t, "no such command: %s", d.Cmd)
	}
	opt, escaped, whole := scriptOptions(t, d)
	texts := strings.Split(d.Input, "\n")
	if whole {
		texts = []string{d.Input}
	}
	var out strings.Builder
	for _, text := range texts {
		if escaped {
			u, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
			if err != nil {
				d.Fatalf(t, "%s: %v", text, err)
			}
			text = u
		}
		out.WriteString(run([]byte(text), opt))
		out.WriteByte('\n')
	}
	return out.String()
}

func scriptOptions(t *testing.T, d *datadriven.TestData) (opt Options, escaped, whole bool) {
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "charset":
			cs, ok := CharsetByName([]byte(arg.Vals[0]))
			if !ok {
				d.Fatalf(t, "no such character set: %s", arg.Vals[0])
			}
			opt.Charset = cs
		case "ansi-quotes":
			opt.ANSIQuotes = true
		case "no-backslash-escapes":
			opt.NoBackslashEscapes = true
		case "ignore-space":
			opt.IgnoreSpace = true
		case "mariadb":
			opt.MariaDB = true
		case "guessed":
			opt.Guessed = true
		case "escaped":
			escaped = true
		case "whole":
			whole = true
		default:
			d.Fatalf(t, "no such argument: %s", arg.Key)
		}
	}
	return opt, escaped, whole
}

// printable escapes what a test file cannot hold.
func printable(b []byte) string {
	q := strconv.Quote(string(b))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// scriptLex lists the tokens: kind:text, keywords as their text alone.
func scriptLex(text []byte, opt Options) string {
	s := NewScanner(text, opt)
	var out []string
	for t := s.Next(); t.Kind != EOF; t = s.Next() {
		word := printable(text[t.Start:t.End])
		if t.Kind == Op || t.Kind == Ident && wordInfos[t.Word].traits&isKeyword != 0 {
			out = append(out, word)
			continue
		}
		out = append(out, kindNames[t.Kind]+":"+word)
	}
	if s.Unterminated() {
		out = append(out, "(unterminated)")
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, "  ")
}

var kindNames = map[Kind]string{
	Ident: "name", Quoted: "quoted", String: "string", Int: "int", Decimal: "decimal", Float: "float", Hex: "hex",
	Bits: "bits", Null: "null", Introducer: "introducer", UserVar: "uservar", SysVar: "sysvar", Param: "param",
	HintStart: "hint", HintEnd: "end", Comment: "comment", Bad: "bad",
}

func scriptFingerprint(text []byte, opt Options) string {
	var a Analyzer
	a.Analyze(text, opt)
	if f := a.AppendFingerprint(nil); len(f) > 0 {
		return printable(f)
	}
	return "-"
}

// scriptClassify prints class and verb, "!" when not harmless, and flags, of
// each statement.
func scriptClassify(text []byte, opt Options) string {
	var a Analyzer
	r := a.Analyze(text, opt)
	var out []string
	for i := range r.Statements {
		out = append(out, classLine(&r.Statements[i]))
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, "; ")
}

func classLine(st *Statement) string {
	harm := "!"
	if st.Harmless() {
		harm = ""
	}
	words := []string{harm + st.Class.String() + "/" + st.Verb.String()}
	words = append(words, bitNames(uint32(st.Funcs), funcNames)...)
	words = append(words, bitNames(uint32(st.Flags), flagNames)...)
	return strings.Join(words, " ")
}

var funcNames = []string{
	"unknown()", "clock()", "sysdate()", "random()", "uuid()", "identity()", "server()", "session()",
	"set-insert-id()", "lock()", "lock-state()", "sleep()", "benchmark()", "file()", "sequence()", "wait()", "crypto()",
}

var flagNames = []string{
	"temporary", "params", "order-by", "limit-no-order", "into-file", "sets-var", "reads-var", "reads-sysvar",
	"skip-locked", "local", "executes", "sets-autocommit", "charset-unknown", "more-tables", "conditional", "unterminated",
}

func bitNames(bits uint32, names []string) (out []string) {
	for i, name := range names {
		if bits>>i&1 != 0 {
			out = append(out, name)
		}
	}
	return out
}

// scriptDetails prints what classify leaves out: tables with their roles,
// names, KILL, character set, sql_mode.
func scriptDetails(text []byte, opt Options) string {
	var a Analyzer
	r := a.Analyze(text, opt)
	var out []string
	for i := range r.Statements {
		out = append(out, detailLine(text, &r.Statements[i]))
	}
	return strings.Join(out, "; ")
}

func detailLine(text []byte, st *Statement) string {
	words := []string{st.Verb.String()}
	name := func(s Span) string { return printable(AppendName(nil, s.Of(text))) }
	for _, t := range st.Tables {
		role := [...]string{"?", "r:", "w:", "rw:"}[t.Role]
		if !t.Schema.Empty() {
			role += name(t.Schema) + "."
		}
		words = append(words, role+name(t.Name))
	}
	if !st.Schema.Empty() {
		words = append(words, "schema="+name(st.Schema))
	}
	if !st.Name.Empty() {
		words = append(words, "name="+name(st.Name))
	}
	if !st.Charset.Empty() {
		words = append(words, "charset="+name(st.Charset))
	}
	if k := st.Kill; k.Kind != NoKill {
		words = append(words, fmt.Sprintf("kill=%d known=%t id=%d at=%q", k.Kind, k.Known, k.ID, k.Number.Of(text)))
	}
	if st.SQLMode != (SQLMode{}) {
		words = append(words, fmt.Sprintf("sql_mode=%v", st.SQLMode))
	}
	return strings.Join(words, " ")
}

// scriptMask prints the masked text, and what was found before it.
func scriptMask(text []byte, opt Options) string {
	out, secret := Mask(nil, text, opt)
	mark := "- "
	switch {
	case secret.Found && secret.Params:
		mark = "sp "
	case secret.Found:
		mark = "s  "
	case secret.Params:
		mark = "p  "
	}
	return mark + printable(out)
}

// scriptTexts returns the texts of a script that stand as they are, each a line.
func scriptTexts(t *testing.T, name string) (texts []string) {
	datadriven.RunTest(t, "testdata/script/"+name, func(_ *testing.T, d *datadriven.TestData) string {
		if !d.HasArg("escaped") && !d.HasArg("whole") {
			texts = append(texts, strings.Split(d.Input, "\n")...)
		}
		return d.Expected
	})
	return texts
}
