package compare

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/session"
	"myreplay/sqltext"
)

// TestScripts: testdata/scripts has pairs of replies and what is said about them.
//
//	compare [order-by] [open-limit] [generated] [made-rows] [after-loss] [missing-state] [missing-ddl] [follows] [follows-ddl] [follows-routines] [guessed] [ignore=a] [tolerance=x] [row-order=counts|ignored]
//	recorded REPLY
//	replayed REPLY
//
// A REPLY is "missing", or results joined by " + ", with "lost" after it where
// the rest was not seen: "ok affected=1 id=5 warnings=1", "rows 2 digest=a/b",
// "error 1146", "prepared 2 1".
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "compare":
				return compareCommand(t, d)
			case "about":
				var a sqltext.Analyzer
				var lines []string
				for _, sql := range strings.Split(d.Input, "\n") {
					got := About([]byte(sql), a.Analyze([]byte(sql), sqltext.Options{}))
					lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s: %s", sql, flags(got))))
				}
				return strings.Join(lines, "\n") + "\n"
			case "classes":
				s, err := ParseClasses(d.Input)
				if err != nil {
					return err.Error() + "\n"
				}
				return fmt.Sprintf("%b\n", s)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func flags(s Statement) string {
	var words []string
	for _, f := range []struct {
		on   bool
		word string
	}{{s.OrderBy, "order-by"}, {s.OpenLimit, "open-limit"}, {s.Generated, "generated"}, {s.MadeRows, "made-rows"}, {s.Made != 0, "(" + s.Made.String() + ")"}} {
		if f.on {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, " ")
}

func compareCommand(t *testing.T, d *datadriven.TestData) string {
	var rules Rules
	about := Statement{OrderBy: d.HasArg("order-by"), OpenLimit: d.HasArg("open-limit"),
		Generated: d.HasArg("generated"), MadeKey: d.HasArg("made-key"), MadeRows: d.HasArg("made-rows"), AfterLoss: d.HasArg("after-loss"),
		MissingState: d.HasArg("missing-state"), MissingDDL: d.HasArg("missing-ddl"),
		Follows: d.HasArg("follows"), FollowsDDL: d.HasArg("follows-ddl"), FollowsRoutines: d.HasArg("follows-routines"), Guessed: d.HasArg("guessed") || d.HasArg("guessed-ddl"), GuessedDDL: d.HasArg("guessed-ddl")}
	for _, arg := range d.CmdArgs {
		value := strings.Join(arg.Vals, ",")
		var err error
		switch arg.Key {
		case "ignore":
			rules.Ignore, err = ParseClasses(value)
		case "tolerance":
			rules.Tolerance, err = strconv.ParseFloat(value, 64)
		case "row-order":
			rules.RowOrder = map[string]OrderRule{"counts": OrderCounts, "ignored": OrderIgnored}[value]
		case "count-generated":
			rules.CountGenerated = true
		case "count-missing":
			rules.CountMissing = true
		case "other-seed":
			rules.NoDigests = true
		case "equal-errors":
			rules.EqualErrors = append(rules.EqualErrors, [2]uint16{uint16(number(t, arg.Vals[0])), uint16(number(t, arg.Vals[1]))})
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	a, b := pairOf(t, d.Input)
	list, missing := Replies(nil, a, b, about, &rules)
	var out strings.Builder
	for _, diff := range list {
		fmt.Fprintf(&out, "%s (%s, %s) in result %d\n", diff.Class, diff.Cause,
			map[bool]string{true: "counts", false: "does not count"}[diff.Counts], diff.Result)
		for _, line := range Evidence(diff, a, b, protocol) {
			fmt.Fprintf(&out, "  %s\n", line)
		}
	}
	if missing != Compared {
		fmt.Fprintf(&out, "not compared: %s\n", missing)
	}
	if out.Len() == 0 {
		return "same\n"
	}
	fmt.Fprintf(&out, "recorded %s\nreplayed %s\n", Answer(a), Answer(b))
	return out.String()
}

var protocol = Protocol{
	Row:  func(_ *session.Result, row []byte) string { return string(row) },
	Type: func(c *session.Column) string { return map[byte]string{3: "INT", 8: "BIGINT"}[c.Type] },
}

func pairOf(t *testing.T, input string) (a, b *session.Reply) {
	for _, line := range strings.Split(input, "\n") {
		side, reply, _ := strings.Cut(line, " ")
		switch side {
		case "recorded":
			a = parseReply(t, reply)
		case "replayed":
			b = parseReply(t, reply)
		default:
			t.Fatalf("neither recorded nor replayed: %q", line)
		}
	}
	return a, b
}

func parseReply(t *testing.T, text string) *session.Reply {
	if text == "missing" {
		return nil
	}
	r := &session.Reply{}
	text, r.Lost = strings.CutSuffix(text, " lost")
	if rest, ok := strings.CutPrefix(text, "prepared "); ok {
		n := strings.Fields(rest)
		r.Prepared = &session.Prepared{Params: uint16(number(t, n[0])), Columns: uint16(number(t, n[1]))}
		return r
	}
	for _, part := range strings.Split(text, " + ") {
		r.Results = append(r.Results, parseResult(t, strings.Fields(part)))
	}
	return r
}

func parseResult(t *testing.T, words []string) (r session.Result) {
	switch words[0] {
	case "ok":
		r.Outcome = session.OK
	case "rows", "cursor":
		r.Outcome = map[string]session.Outcome{"rows": session.Rows, "cursor": session.Opened}[words[0]]
		r.Digest.Valid = true
		if len(words) > 1 && !strings.Contains(words[1], "=") {
			r.Rows = number(t, words[1])
		}
	case "error":
		r.Outcome = session.Failed
		r.Error = &session.Error{Code: uint16(number(t, words[1])), Message: "text"}
	default:
		t.Fatalf("no result: %q", words)
	}
	for _, w := range words[1:] {
		if key, value, ok := strings.Cut(w, "="); ok {
			setField(t, &r, key, value)
		}
	}
	return r
}

func setField(t *testing.T, r *session.Result, key, value string) {
	switch key {
	case "affected":
		r.Affected = number(t, value)
	case "id":
		r.InsertID = number(t, value)
	case "warnings":
		r.Warnings = uint16(number(t, value))
	case "rows":
		r.Rows = number(t, value)
	case "digest":
		if value == "?" {
			r.Digest = session.Digest{}
			return
		}
		ordered, unordered, two := strings.Cut(value, "/")
		if !two {
			unordered = ordered
		}
		r.Digest = session.Digest{Ordered: number(t, ordered), Unordered: number(t, unordered), Valid: true}
	case "columns": // name:type,...
		r.Columns = &session.Columns{}
		for _, c := range strings.Split(value, ",") {
			name, typ, _ := strings.Cut(c, ":")
			r.Columns.List = append(r.Columns.List, session.Column{Name: name, Type: byte(number(t, typ))})
			r.Columns.Hash = r.Columns.Hash*31 + uint64(len(name)+int(name[0])) + number(t, typ)
		}
	case "keyed": // key:row,...
		for _, k := range strings.Split(value, ",") {
			key, row, _ := strings.Cut(k, ":")
			r.Keyed = append(r.Keyed, session.RowHash{Key: number(t, key), Row: number(t, row)})
		}
	case "kept":
		for _, row := range strings.Split(value, ",") {
			r.Kept = append(r.Kept, []byte(row))
		}
	default:
		t.Fatalf("no field: %q", key)
	}
}

func number(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 0, 64)
	if s != "" && err != nil {
		t.Fatal(err)
	}
	return n
}
