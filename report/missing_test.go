package report

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"myreplay/session"
)

// drawReadOnly draws a recording of sessions that read and write tables, and its
// replay without the writes: what reads them finds their first state. Now and
// then the target errs about a table that nobody writes. It returns how many
// answers differ for the one reason and for the other.
func drawReadOnly(t *rapid.T) (k *talk, missing, wrong uint64) {
	k = &talk{}
	now := int64(1e18)
	sessions := rapid.IntRange(1, 4).Draw(t, "sessions")
	seq, versions := map[uint64]uint64{}, map[int]uint64{}
	each := func(f func(id uint64)) {
		for id := uint64(1); id <= uint64(sessions); id++ {
			f(id)
		}
	}
	each(func(id uint64) {
		k.recorded = append(k.recorded, &session.Start{ID: id, At: now, Login: session.Login{Known: true, Schema: "shop"}})
		k.replayed = append(k.replayed, &session.Start{ID: 100 + id, Of: id, At: now})
	})
	spelled := []string{"t%d", "`T%d`", "shop.t%d", "Shop . `t%d`"}
	for range rapid.IntRange(1, 60).Draw(t, "commands") {
		id := uint64(rapid.IntRange(1, sessions).Draw(t, "session"))
		seq[id]++
		now += 1e6
		c := &session.Command{ID: id, Seq: seq[id], At: now, Kind: session.Query}
		table := rapid.IntRange(0, 2).Draw(t, "table")
		name := fmt.Sprintf(rapid.SampledFrom(spelled).Draw(t, "name"), table)
		run := &session.Command{ID: id + 100, Seq: c.Seq, At: now + 5e5, Kind: c.Kind}
		reply := &session.Reply{ID: id, Seq: c.Seq, First: now, Last: now + 1e5}
		k.recorded = append(k.recorded, c, reply)
		k.replayed = append(k.replayed, run)
		if rapid.IntRange(0, 3).Draw(t, "writes") == 0 {
			c.SQL = fmt.Appendf(nil, "update %s set n = n + 1", name)
			reply.Results = []session.Result{{Outcome: session.OK, Affected: 1}}
			run.Skipped = session.SkipWrite
			versions[table]++
			continue
		}
		is, was := versions[table], uint64(0)
		if rapid.Bool().Draw(t, "other") {
			name, is = "quiet", 0
			was = uint64(rapid.IntRange(0, 5).Draw(t, "wrong") / 5)
			wrong += was
		} else if is != 0 {
			missing++
		}
		c.SQL = fmt.Appendf(nil, "select n from %s where id = 1 order by id", name)
		reply.Results = []session.Result{rowOf(is)}
		k.replayed = append(k.replayed, &session.Reply{ID: id + 100, Seq: c.Seq, First: run.At, Last: run.At + 1e5, Results: []session.Result{rowOf(was)}})
	}
	each(func(id uint64) {
		k.recorded = append(k.recorded, &session.End{ID: id, At: now})
		k.replayed = append(k.replayed, &session.End{ID: 100 + id, At: now})
	})
	return k, missing, wrong
}

func rowOf(version uint64) session.Result {
	return session.Result{Outcome: session.Rows, Rows: 1, Digest: session.Digest{Ordered: version, Unordered: version, Valid: true}}
}

// TestMissingLaw: of a replay without writes no difference counts that follows
// from them, and each counts that does not, in whatever order the sides come.
func TestMissingLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, missing, wrong := drawReadOnly(t)
		b := New(Options{LeavesWrites: true})
		tellLive(t, b, k, func() {})
		r := b.Finish()
		if r.Verdict.Excused != missing || r.Verdict.Different != wrong {
			t.Fatalf("%d are missing, %d wrong; the verdict is %s", missing, wrong, r.Verdict.String())
		}
		written(t, r)
	})
}

// TestLeftOutLimit: beyond so many tables all count as written.
func TestLeftOutLimit(t *testing.T) {
	var l suspects
	left := suspicion{left: true}
	for i := range maxLeftOut {
		l.add(&effect{written: []table{{"", fmt.Sprint("t", i)}}}, "shop", left)
	}
	quiet := &class{effect: effect{reads: []table{{"", "quiet"}}}}
	if l.touches(quiet, "shop").left || len(l.tables) != maxLeftOut {
		t.Fatalf("%d tables", len(l.tables))
	}
	l.add(&effect{written: []table{{"", "one more"}}}, "shop", left)
	if got := *l.touches(quiet, "shop"); !got.left || got.defined || len(l.tables) != maxLeftOut {
		t.Fatalf("%+v, %d tables", got, len(l.tables))
	}
	if l.touches(&class{}, "shop").left {
		t.Error("a statement without tables reads none")
	}
}
