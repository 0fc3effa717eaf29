package compare

import (
	"testing"

	"pgregory.net/rapid"

	"myreplay/session"
)

// drawReply draws a reply of any form.
func drawReply(t *rapid.T) *session.Reply {
	r := &session.Reply{}
	for range rapid.IntRange(0, 3).Draw(t, "results") {
		r.Results = append(r.Results, drawResult(t))
	}
	if rapid.IntRange(0, 9).Draw(t, "prepared") == 0 {
		r.Prepared = &session.Prepared{Params: rapid.Uint16().Draw(t, "params")}
	}
	return r
}

func drawResult(t *rapid.T) session.Result {
	r := session.Result{Outcome: rapid.SampledFrom([]session.Outcome{session.OK, session.Rows, session.Failed, session.Opened, session.Text}).Draw(t, "outcome"),
		Warnings: rapid.Uint16Range(0, 2).Draw(t, "warnings")}
	switch r.Outcome {
	case session.OK:
		r.Affected = rapid.Uint64Range(0, 3).Draw(t, "affected")
		r.InsertID = rapid.Uint64Range(0, 3).Draw(t, "id")
	case session.Rows:
		r.Rows = rapid.Uint64Range(0, 5).Draw(t, "rows")
		r.Digest = session.Digest{Valid: true}
		for i := range r.Rows {
			r.Digest.Unordered += i + 1
			r.Digest.Ordered = r.Digest.Ordered*31 + i + 1
			r.Keyed = append(r.Keyed, session.RowHash{Key: i, Row: i + 1})
		}
		if rapid.Bool().Draw(t, "described") {
			r.Columns = &session.Columns{Hash: 7, List: []session.Column{{Name: "a", Type: 3}, {Name: "b", Type: 253}}}
		}
	case session.Failed:
		r.Error = &session.Error{Code: rapid.Uint16Range(1000, 1003).Draw(t, "code"), Message: rapid.String().Draw(t, "message")}
	}
	return r
}

func drawStatement(t *rapid.T) Statement {
	return Statement{OrderBy: rapid.Bool().Draw(t, "order"), OpenLimit: rapid.Bool().Draw(t, "limit"),
		Generated: rapid.Bool().Draw(t, "generated"), AfterLoss: rapid.Bool().Draw(t, "loss"),
		MissingState: rapid.Bool().Draw(t, "missing"), MissingDDL: rapid.Bool().Draw(t, "missing ddl")}
}

// clone returns a deep copy, so that no comparison is true by identity.
func clone(r *session.Reply) *session.Reply {
	c := *r
	c.Results = append([]session.Result(nil), r.Results...)
	for i := range c.Results {
		p := &c.Results[i]
		p.Keyed = append([]session.RowHash(nil), p.Keyed...)
		if p.Columns != nil {
			columns := *p.Columns
			columns.List = append([]session.Column(nil), columns.List...)
			p.Columns = &columns
		}
		if p.Error != nil {
			e := *p.Error
			p.Error = &e
		}
	}
	return &c
}

// TestEcho: a reply does not differ from itself, and neither does another text
// of the same error.
func TestEcho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawReply(t)
		b := clone(a)
		for i := range b.Results {
			if e := b.Results[i].Error; e != nil {
				e.Message += " of another version"
			}
		}
		list, missing := Replies(nil, a, b, drawStatement(t), &Rules{})
		if len(list) > 0 || missing != Compared {
			t.Fatalf("differs from itself: %v, %v", list, missing)
		}
	})
}

// seeds are changes of one result, each with the class it must be found as.
var seeds = []struct {
	class Class
	on    session.Outcome
	apply func(r *session.Result)
}{
	{ErrorNew, session.OK, func(r *session.Result) {
		*r = session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1213}}
	}},
	{ErrorGone, session.Failed, func(r *session.Result) { *r = session.Result{Outcome: session.OK} }},
	{ErrorOther, session.Failed, func(r *session.Result) { r.Error.Code++ }},
	{OutcomeKind, session.Rows, func(r *session.Result) { *r = session.Result{Outcome: session.OK} }},
	{ColumnNames, session.Rows, func(r *session.Result) { r.Columns.Hash++; r.Columns.List[1].Name = "c" }},
	{ColumnTypes, session.Rows, func(r *session.Result) { r.Columns.Hash++; r.Columns.List[1].Type++ }},
	{RowCount, session.Rows, func(r *session.Result) { r.Rows++; r.Digest.Ordered++; r.Digest.Unordered++ }},
	{RowData, session.Rows, func(r *session.Result) { r.Digest.Ordered++; r.Digest.Unordered++ }},
	{RowOrder, session.Rows, func(r *session.Result) { r.Digest.Ordered++ }},
	{Affected, session.OK, func(r *session.Result) { r.Affected++ }},
	{InsertID, session.OK, func(r *session.Result) { r.InsertID++ }},
	{WarningCount, session.OK, func(r *session.Result) { r.Warnings++ }},
	{WarningCount, session.Rows, func(r *session.Result) { r.Warnings++ }},
}

// TestSeeded: one change in one result is found in its class and in no other,
// and the two sides exchanged give the same class, new and gone exchanged.
func TestSeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SampledFrom(seeds).Draw(t, "seed")
		a := drawReply(t)
		a.Prepared = nil
		at := -1
		for i := range a.Results {
			if a.Results[i].Outcome == seed.on {
				at = i
			}
			if a.Results[i].Outcome == session.Failed {
				break
			}
		}
		if at < 0 {
			t.Skip("nothing to change")
		}
		if r := &a.Results[at]; r.Outcome == session.Rows {
			r.Rows += 2
			r.Columns = &session.Columns{Hash: 1, List: []session.Column{{Name: "a"}, {Name: "b"}}}
		}
		b := clone(a)
		seed.apply(&b.Results[at])
		about := drawStatement(t)
		list, missing := Replies(nil, a, b, about, &Rules{})
		if len(list) != 1 || list[0].Class != seed.class || list[0].Result != at || missing != Compared {
			t.Fatalf("%v in result %d: found %v, %v", seed.class, at, list, missing)
		}
		back, _ := Replies(nil, b, a, about, &Rules{})
		want := seed.class
		switch want {
		case ErrorNew:
			want = ErrorGone
		case ErrorGone:
			want = ErrorNew
		}
		if len(back) != 1 || back[0].Class != want || back[0].Counts != list[0].Counts {
			t.Fatalf("exchanged: %v, before %v", back, list)
		}
		if list, _ := Replies(nil, a, b, about, &Rules{Ignore: Of(seed.class)}); len(list) != 0 {
			t.Fatalf("ignored, yet found: %v", list)
		}
	})
}

// TestAnyPair: two replies of any form are compared, put into words and give
// evidence within the limits.
func TestAnyPair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawReply(t), drawReply(t)
		list, _ := Replies(nil, a, b, drawStatement(t), &Rules{})
		for _, d := range list {
			if n := len(Evidence(d, a, b, protocol)); n > MaxEvidence {
				t.Fatalf("%d lines", n)
			}
		}
		if Answer(a) == "" || Answer(b) == "" {
			t.Fatal("no words")
		}
	})
}

func BenchmarkReplies(b *testing.B) {
	columns := &session.Columns{Hash: 1, List: make([]session.Column, 4)}
	reply := &session.Reply{Results: []session.Result{{Outcome: session.Rows, Rows: 100, Columns: columns,
		Digest: session.Digest{Ordered: 1, Unordered: 2, Valid: true}}}}
	var list []Difference
	rules := &Rules{}
	b.ReportAllocs()
	for b.Loop() {
		list, _ = Replies(list[:0], reply, reply, Statement{}, rules)
	}
}
