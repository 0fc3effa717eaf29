package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"myreplay/compare"
	"myreplay/session"
)

// talk is a recording and what a replay makes of it.
type talk struct {
	recorded, replayed []session.Event
	// lost counts the recorded replies of which a part was lost, noReply the
	// commands of kinds without one.
	commands, lost, noReply int
	// fate counts what became of the commands in the run.
	fate map[session.Skip]int
}

// texts are the statements that talks are made of. All rows come in a given
// order, and nothing is generated, so that every difference counts.
var texts = []string{
	"select name from items where id = %d order by id", "update items set n = n + 1 where id = %d",
	"insert into audit values (%d, 'x')", "delete from audit where id = %d", "begin", "commit",
	"select a.x from a join b on a.id = b.a where b.id in (%d, 7) order by a.x", "set @a = %d",
}

func drawReply(t *rapid.T, c *session.Command) *session.Reply {
	r := &session.Reply{ID: c.ID, Seq: c.Seq, First: c.At + 1000, Last: c.At + rapid.Int64Range(1000, 1e9).Draw(t, "took"), Bytes: 80}
	switch rapid.IntRange(0, 9).Draw(t, "outcome") {
	case 0:
		r.Results = []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: rapid.Uint16Range(1000, 1300).Draw(t, "code")}}}
	case 1, 2, 3:
		r.Results = []session.Result{{Outcome: session.OK, Affected: rapid.Uint64Range(0, 9).Draw(t, "affected"), Warnings: 1}}
	case 4:
		r.Lost = true
	default:
		d := rapid.Uint64().Draw(t, "digest")
		r.Results = []session.Result{{Outcome: session.Rows, Rows: 2, Digest: session.Digest{Ordered: d, Unordered: d + 1, Valid: true},
			Keyed: []session.RowHash{{Key: 1, Row: d}, {Key: 2, Row: d + 1}}, Kept: [][]byte{{1, 'a'}, {1, 'b'}}}}
	}
	if c.Kind == session.Prepare && len(r.Results) == 1 && r.Results[0].Error == nil {
		r.Results = nil
		r.Prepared = &session.Prepared{Statement: uint32(c.Seq), Params: 1}
	}
	return r
}

// drawTalk draws a recording of some sessions and its replay. fate draws what
// the replay does with a command.
func drawTalk(t *rapid.T, fate func(*session.Command) session.Skip) *talk {
	k := &talk{fate: map[session.Skip]int{}}
	var now int64 = 1e18
	sessions := rapid.IntRange(1, 5).Draw(t, "sessions")
	seq := map[uint64]uint64{}
	prepared := map[uint64][]uint32{}
	for i := range sessions {
		id := uint64(i + 1)
		k.recorded = append(k.recorded, &session.Start{ID: id, At: now, Login: session.Login{Known: true, User: "u"}})
		k.replayed = append(k.replayed, &session.Start{ID: 100 + id, Of: id, At: now})
	}
	for range rapid.IntRange(1, 60).Draw(t, "commands") {
		id := uint64(rapid.IntRange(1, sessions).Draw(t, "session"))
		seq[id]++
		now += 1e6
		c := &session.Command{ID: id, Seq: seq[id], At: now}
		k.draw(t, c, prepared)
		k.commands++
		k.recorded = append(k.recorded, c)
		var r *session.Reply
		if c.Kind.HasReply() {
			r = drawReply(t, c)
			k.recorded = append(k.recorded, r)
			if r.Prepared != nil && !r.Lost {
				prepared[id] = append(prepared[id], r.Prepared.Statement)
			}
		}
		k.replay(c, r, fate(c))
	}
	for i := range sessions {
		id := uint64(i + 1)
		k.recorded = append(k.recorded, &session.End{ID: id, At: now + 1e6, Reason: session.Finished})
		k.replayed = append(k.replayed, &session.End{ID: 100 + id, At: now + 1e6, Reason: session.Finished})
	}
	return k
}

// draw draws what a command is.
func (k *talk) draw(t *rapid.T, c *session.Command, prepared map[uint64][]uint32) {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	known := prepared[c.ID]
	switch {
	case kind == 0:
		c.Kind = session.Ping
	case kind == 1:
		c.Kind = session.Prepare
		c.SQL = []byte("select name from items where id = ? order by id")
	case kind == 2 && len(known) > 0:
		c.Kind, c.Statement = session.CloseStatement, rapid.SampledFrom(known).Draw(t, "statement")
	case kind < 5 && len(known) > 0:
		c.Kind, c.Statement = session.Execute, rapid.SampledFrom(known).Draw(t, "statement")
	default:
		c.Kind = session.Query
		text := rapid.SampledFrom(texts).Draw(t, "text")
		if strings.Contains(text, "%d") {
			text = fmt.Sprintf(text, rapid.IntRange(0, 99).Draw(t, "number"))
		}
		c.SQL = []byte(text)
	}
}

// replay adds to the run what becomes of a command.
func (k *talk) replay(c *session.Command, r *session.Reply, skip session.Skip) {
	k.fate[skip]++
	k.replayed = append(k.replayed, &session.Command{ID: c.ID + 100, Seq: c.Seq, At: c.At, Due: c.At, Kind: c.Kind, Skipped: skip})
	switch {
	case skip != session.NotSkipped:
	case !c.Kind.HasReply():
		k.noReply++
	default:
		answer := *r
		answer.ID += 100
		answer.Lost = false
		if r.Lost {
			k.lost++
		}
		k.replayed = append(k.replayed, &answer)
	}
}

func sendAll(*session.Command) session.Skip { return session.NotSkipped }

// interleave tells the builder both streams, each in its order, taking turns as
// drawn.
func interleave(t *rapid.T, b *Builder, k *talk) {
	x, y := k.recorded, k.replayed
	lead := rapid.IntRange(-20, 20).Draw(t, "lead")
	for len(x)+len(y) > 0 {
		if len(y) == 0 || len(x) > 0 && (len(x)-len(y) > lead || rapid.IntRange(0, 9).Draw(t, "turn") == 0) {
			b.Recorded(x[0])
			x = x[1:]
		} else {
			b.Replayed(y[0])
			y = y[1:]
		}
	}
}

// TestEcho: a replay that answers from the recording does not differ from it,
// in whatever order the two streams come.
func TestEcho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawTalk(t, sendAll)
		b := New(Options{})
		interleave(t, b, k)
		r := b.Finish()
		if len(r.Differences) > 0 || !r.Account.Closes {
			t.Fatalf("%s\n%+v\n%+v", r.Verdict.String(), r.Differences, r.Account)
		}
		compared := k.commands - k.lost - k.noReply
		if r.Verdict.Compared != uint64(compared) || compared > 0 && r.Verdict.Result != Same {
			t.Fatalf("%s, %d could be compared", r.Verdict.String(), compared)
		}
		if b.entries.first != nil || b.entries.bytes != 0 || len(b.joins) != 0 {
			t.Fatalf("%d bytes of entries and %d sessions are still held", b.entries.bytes, len(b.joins))
		}
	})
}

// seeds change one replayed reply, each in a way that must be found as one
// class.
var seeds = []struct {
	class compare.Class
	fits  func(r *session.Result) bool
	apply func(r *session.Result)
}{
	{compare.RowData, isRows, func(r *session.Result) { r.Digest.Ordered += 7; r.Digest.Unordered += 7 }},
	{compare.RowOrder, isRows, func(r *session.Result) { r.Digest.Ordered += 7 }},
	{compare.RowCount, isRows, func(r *session.Result) { r.Rows++ }},
	{compare.WarningCount, isRows, func(r *session.Result) { r.Warnings++ }},
	{compare.Affected, isOK, func(r *session.Result) { r.Affected++ }},
	{compare.ErrorNew, isOK, func(r *session.Result) {
		*r = session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1205}}
	}},
	{compare.ErrorGone, isError, func(r *session.Result) { *r = session.Result{Outcome: session.OK} }},
	{compare.ErrorOther, isError, func(r *session.Result) { r.Error = &session.Error{Code: 9} }},
}

func isRows(r *session.Result) bool  { return r.Outcome == session.Rows }
func isOK(r *session.Result) bool    { return r.Outcome == session.OK }
func isError(r *session.Result) bool { return r.Outcome == session.Failed }

// TestSeeded: one changed answer among many is found, in its class and nowhere
// else, with its session, number and statement.
func TestSeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawTalk(t, sendAll)
		seed := rapid.SampledFrom(seeds).Draw(t, "seed")
		target := k.change(t, seed.fits, seed.apply)
		b := New(Options{})
		interleave(t, b, k)
		r := b.Finish()
		if r.Verdict.Different+uncountedOf(r) != 1 || len(r.Differences) != 1 || r.Differences[0].Class != seed.class.Name() {
			t.Fatalf("%v: %s %+v", seed.class, r.Verdict.String(), r.Differences)
		}
		for i := range r.Classes {
			for _, d := range r.Classes[i].Differences {
				e := d.Examples[0]
				if e.Session != target.ID-100 || e.Seq != target.Seq || e.Recorded == "" || e.Replayed == "" {
					t.Fatalf("%v: the example is %+v, not %d.%d", seed.class, e, target.ID-100, target.Seq)
				}
			}
		}
	})
}

func uncountedOf(r *Report) (n uint64) {
	for _, d := range r.Differences {
		n += d.Commands - d.Counted
	}
	return n
}

// change changes one replayed reply whose recorded one was whole.
func (k *talk) change(t *rapid.T, fits func(*session.Result) bool, apply func(*session.Result)) *session.Reply {
	var at []int
	for i, e := range k.replayed {
		if r, ok := e.(*session.Reply); ok && len(r.Results) == 1 && fits(&r.Results[0]) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		t.Skip("nothing to change")
	}
	i := rapid.SampledFrom(at).Draw(t, "changed")
	r := *k.replayed[i].(*session.Reply)
	r.Results = []session.Result{r.Results[0]}
	apply(&r.Results[0])
	k.replayed[i] = &r
	return &r
}

// TestAccountCloses: whatever a replay skips, fails to send or does not reach,
// the account closes and says so, also when memory is short; what is compared,
// without reply and not compared adds up to what was recorded.
func TestAccountCloses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawTalk(t, func(*session.Command) session.Skip {
			return session.Skip(max(rapid.IntRange(-10, session.SkipCount-1).Draw(t, "skip"), 0))
		})
		memory := rapid.SampledFrom([]int{0, 2 * entryCost, 10 * entryCost}).Draw(t, "memory")
		b := New(Options{Memory: memory})
		interleave(t, b, k)
		r := b.Finish()
		a := &r.Account
		if !a.Closes || a.Recorded != uint64(k.commands) || a.Sent != uint64(k.fate[session.NotSkipped]) ||
			a.FailedToSend != uint64(k.fate[session.FailedSend]) || a.NotReached != uint64(k.fate[session.NotReached]) {
			t.Fatalf("%+v of %v", a, k.fate)
		}
		for _, c := range a.Skipped {
			for skip, n := range k.fate {
				if skip.String() == c.Name && uint64(n) != c.Count {
					t.Fatalf("skipped %+v, not %d", c, n)
				}
			}
		}
		if accounted(a) != a.Recorded {
			t.Fatalf("%d compared, %d without reply, %d not compared, of %d", a.Compared, a.NoReply, sum(a.NotCompared), a.Recorded)
		}
		if len(r.Differences) > 0 {
			t.Fatalf("%+v", r.Differences)
		}
	})
}

// accounted sums up what became of the recorded commands.
func accounted(a *Account) uint64 {
	return a.Compared + a.NoReply + sum(a.NotCompared) + a.AsRecorded.Deadlocks + a.AsRecorded.LockTimeouts
}

// TestAccountNotices: a command that is missing from the run, comes twice in it
// or is not in the recording is noticed.
func TestAccountNotices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawTalk(t, sendAll)
		var at []int
		for i, e := range k.replayed {
			if _, ok := e.(*session.Command); ok {
				at = append(at, i)
			}
		}
		i := rapid.SampledFrom(at).Draw(t, "command")
		c := *k.replayed[i].(*session.Command)
		want := Account{}
		switch rapid.IntRange(0, 2).Draw(t, "fault") {
		case 0:
			k.replayed = append(k.replayed[:i:i], k.replayed[i+1:]...)
			want.Missing = 1
		case 1:
			k.replayed = append(k.replayed[:i+1:i+1], k.replayed[i:]...)
			want.Extra = 1
		case 2:
			c.Seq += 1000
			k.replayed = append(k.replayed[:i:i], append([]session.Event{&c}, k.replayed[i:]...)...)
			want.Extra = 1
		}
		b := New(Options{})
		interleave(t, b, k)
		r := b.Finish()
		if r.Account.Closes || r.Account.Missing != want.Missing || r.Account.Extra != want.Extra || r.Verdict.Result == Same {
			t.Fatalf("%s %+v, want missing %d, extra %d", r.Verdict.String(), r.Account, want.Missing, want.Extra)
		}
	})
}

// TestMerge: told by Merge, the report is that of the streams told one after the
// other, and little is held meanwhile.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawTalk(t, func(*session.Command) session.Skip {
			return rapid.SampledFrom([]session.Skip{0, 0, session.SkipWrite}).Draw(t, "skip")
		})
		b := New(Options{})
		if err := b.Merge(nil, nextOf(k.recorded), nextOf(k.replayed)); err != nil {
			t.Fatal(err)
		}
		merged := b.Finish()
		one := New(Options{})
		for _, e := range k.recorded {
			one.Recorded(e)
		}
		for _, e := range k.replayed {
			one.Replayed(e)
		}
		plain := one.Finish()
		if merged.Verdict != plain.Verdict || fmt.Sprint(merged.Account) != fmt.Sprint(plain.Account) || len(merged.Classes) != len(plain.Classes) {
			t.Fatalf("merged %+v, one after the other %+v", merged.Verdict, plain.Verdict)
		}
		for i := range merged.Classes {
			p, q := &merged.Classes[i], &plain.Classes[i]
			if p.ID != q.ID || p.Recorded != q.Recorded || *p.Replayed != *q.Replayed {
				t.Fatalf("%+v differs from %+v", p, q)
			}
		}
	})
}

// TestSameAgain: the same input gives the same bytes.
func TestSameAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := drawTalk(t, func(*session.Command) session.Skip {
			return rapid.SampledFrom([]session.Skip{0, 0, session.SkipWrite, session.FailedSend}).Draw(t, "skip")
		})
		var first string
		for i := range 3 {
			b := New(Options{Memory: 20 * entryCost})
			if err := b.Merge(nil, nextOf(k.recorded), nextOf(k.replayed)); err != nil {
				t.Fatal(err)
			}
			out := written(t, b.Finish())
			if i == 0 {
				first = out
			} else if out != first {
				t.Fatalf("not the same again:\n%s\n%s", first, out)
			}
		}
	})
}

// written returns both forms of a report, after a look whether they are sound.
func written(t *rapid.T, r *Report) string {
	var text, js bytes.Buffer
	if err := r.WriteText(&text, TextOptions{All: true, Width: 100}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	form := js.String()
	again, err := ReadJSON(&js)
	if err != nil {
		t.Fatal(err)
	}
	var reread bytes.Buffer
	if again.WriteText(&reread, TextOptions{All: true, Width: 100}); reread.String() != text.String() {
		t.Fatalf("another text after its JSON was read:\n%s\n%s", reread.String(), text.String())
	}
	if !utf8.Valid(text.Bytes()) {
		t.Fatalf("not UTF-8:\n%q", text.String())
	}
	for _, c := range text.String() {
		if c < 0x20 && c != '\n' && c != '\t' || c == 0x7f {
			t.Fatalf("byte %#x in the text:\n%s", c, text.String())
		}
	}
	return text.String() + form
}

// TestAnyEvents: any events in any order make a report, and leave nothing held.
func TestAnyEvents(t *testing.T) { rapid.Check(t, anyEvents) }

func FuzzAnyEvents(f *testing.F) {
	f.Add([]byte("a seed that rapid reads its draws from: 0123456789 0123456789"))
	f.Fuzz(rapid.MakeFuzz(anyEvents))
}

func anyEvents(t *rapid.T) {
	o := Options{Sides: Sides(rapid.IntRange(0, 2).Draw(t, "sides")), Copies: rapid.IntRange(0, 3).Draw(t, "copies"),
		MaxClasses: rapid.IntRange(-1, 4).Draw(t, "classes"), Memory: rapid.SampledFrom([]int{-1, 0, 1, 4 * entryCost}).Draw(t, "memory"),
		ExampleBytes: rapid.IntRange(-1, 9).Draw(t, "example bytes"),
		MaxExamples:  rapid.IntRange(-1, 2).Draw(t, "examples"),
		Params:       func(*session.Command, []byte) string { return "\x1b[0m\xff" }}
	b := New(o)
	tell := []func(session.Event){b.Recorded, b.Replayed, b.Source}
	for range rapid.IntRange(0, 80).Draw(t, "events") {
		rapid.SampledFrom(tell).Draw(t, "stream")(drawEvent(t))
		if b.entries.bytes > b.options.Memory {
			t.Fatalf("%d bytes are held, the limit is %d", b.entries.bytes, b.options.Memory)
		}
	}
	written(t, b.Finish())
	if b.entries.first != nil || b.entries.bytes != 0 {
		t.Fatalf("%d bytes are held at the end", b.entries.bytes)
	}
}

func drawEvent(t *rapid.T) session.Event {
	id := rapid.Uint64Range(0, 3).Draw(t, "id")
	seq := rapid.SampledFrom([]uint64{0, 1, 2, 3, 1 << 63, ^uint64(0)}).Draw(t, "seq")
	at := rapid.SampledFrom([]int64{0, 1, -1, 1e18, 1<<63 - 1, -1 << 63}).Draw(t, "at")
	switch rapid.IntRange(0, 5).Draw(t, "event") {
	case 0:
		return &session.Start{ID: id, At: at, Of: rapid.Uint64Range(0, 3).Draw(t, "of"), Copy: rapid.Uint32Range(0, 2).Draw(t, "copy"),
			Encrypted: rapid.Bool().Draw(t, "encrypted"), ServerVersion: rapid.String().Draw(t, "version"),
			Login: session.Login{User: string(rapid.SliceOf(rapid.Byte()).Draw(t, "user"))}}
	case 1:
		return &session.End{ID: id, At: at, Reason: session.Reason(rapid.Byte().Draw(t, "reason"))}
	case 2:
		return &session.Gap{ID: id, At: at, Lost: rapid.Uint64().Draw(t, "lost"), Reason: session.Reason(rapid.Byte().Draw(t, "reason"))}
	case 3:
		r := &session.Reply{ID: id, Seq: seq, First: at, Last: rapid.Int64().Draw(t, "last"), Lost: rapid.Bool().Draw(t, "lost")}
		for range rapid.IntRange(0, 2).Draw(t, "results") {
			r.Results = append(r.Results, session.Result{Outcome: session.Outcome(rapid.Byte().Draw(t, "outcome")),
				Rows: rapid.Uint64().Draw(t, "rows"), Digest: session.Digest{Ordered: 1, Valid: rapid.Bool().Draw(t, "valid")},
				Keyed: []session.RowHash{{Key: 1, Row: rapid.Uint64().Draw(t, "hash")}}})
		}
		if rapid.Bool().Draw(t, "failed") && len(r.Results) > 0 {
			r.Results[0].Error = &session.Error{Code: 1, Message: string(rapid.SliceOf(rapid.Byte()).Draw(t, "message"))}
		}
		if rapid.Bool().Draw(t, "prepared") {
			r.Prepared = &session.Prepared{Statement: uint32(id)}
		}
		return r
	}
	c := &session.Command{ID: id, Seq: seq, At: at, Kind: session.Kind(rapid.Byte().Draw(t, "kind")), Due: rapid.Int64().Draw(t, "due"),
		Skipped: session.Skip(max(int(rapid.Byte().Draw(t, "skipped"))-200, 0)), Payload: []byte{3, 1}, Statement: uint32(id)}
	if rapid.Bool().Draw(t, "known kind") {
		c.Kind = session.Kind(rapid.IntRange(0, session.KindCount-1).Draw(t, "which"))
	}
	if rapid.Bool().Draw(t, "ordered") {
		c.Order = &session.Order{Waited: rapid.Int64().Draw(t, "waited"), Dropped: rapid.Uint32().Draw(t, "dropped"),
			Guesses: make([]session.Guess, rapid.IntRange(0, 20).Draw(t, "guesses"))}
	}
	if rapid.Bool().Draw(t, "text") {
		c.SQL = rapid.SliceOf(rapid.Byte()).Draw(t, "sql")
	}
	return c
}
