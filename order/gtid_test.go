package order

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"myreplay/session"
)

func TestGTIDOf(t *testing.T) {
	const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	for _, c := range []struct {
		kind        session.ChangeKind
		name, value string
		source      string
		from, to    uint64
		ok          bool
	}{
		{session.GTIDs, "", uuid + ":23", uuid, 23, 23, true},
		{session.GTIDs, "", strings.ToUpper(uuid) + ":23", uuid, 23, 23, true},
		{session.GTIDs, "", uuid + ":5-7", uuid, 5, 7, true},
		{session.GTIDs, "", uuid + ":audit_1:9", uuid + ":audit_1", 9, 9, true},
		{session.GTIDs, "", uuid + ":Audit:9", uuid + ":audit", 9, 9, true},
		// What was committed more than once between other commits has no one place.
		{session.GTIDs, "", uuid + ":5:7", "", 0, 0, false},
		{session.GTIDs, "", uuid + ":5," + uuid + ":a:7", "", 0, 0, false},
		{session.GTIDs, "", uuid + ":0", "", 0, 0, false},
		{session.GTIDs, "", uuid + ":7-5", "", 0, 0, false},
		{session.GTIDs, "", uuid + ":1tag:7", "", 0, 0, false},
		{session.GTIDs, "", "", "", 0, 0, false},
		{session.GTIDs, "", "0-1-23", "", 0, 0, false},
		{session.SystemVariable, "last_gtid", "0-1-23", "0-1", 23, 23, true},
		{session.SystemVariable, "last_gtid", "4294967295-4294967295-18446744073709551615", "4294967295-4294967295", 1<<64 - 1, 1<<64 - 1, true},
		{session.SystemVariable, "last_gtid", "", "", 0, 0, false},
		{session.SystemVariable, "last_gtid", "0-23", "", 0, 0, false},
		{session.SystemVariable, "last_gtid", "0-1-2-3", "", 0, 0, false},
		{session.SystemVariable, "autocommit", "0-1-23", "", 0, 0, false},
	} {
		source, from, to, ok := gtidOf(session.Change{Kind: c.kind, Name: c.name, Value: c.value})
		if ok != c.ok || ok && (source != c.source || from != c.from || to != c.to) {
			t.Errorf("%q: %q %d-%d %v", c.value, source, from, to, ok)
		}
	}
}

func FuzzGTID(f *testing.F) {
	f.Add("3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:5-7")
	f.Add("0-1-23")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []session.Change{{Kind: session.GTIDs, Value: s}, {Kind: session.SystemVariable, Name: "last_gtid", Value: s}} {
			source, from, to, ok := gtidOf(c)
			if !ok {
				continue
			}
			if from == 0 || from > to || source == "" || len(source) > len(s) {
				t.Fatalf("%q: %q %d-%d", s, source, from, to)
			}
			again := source + ":" + strconv.FormatUint(from, 10) + "-" + strconv.FormatUint(to, 10)
			if c.Kind == session.SystemVariable {
				again = source + "-" + strconv.FormatUint(to, 10)
			}
			c.Value = again
			if s2, f2, t2, ok2 := gtidOf(c); len(again) <= maxGTID && (!ok2 || s2 != source || f2 != from || t2 != to) {
				t.Fatalf("%q is not read as %q is", again, s)
			}
		}
	})
}

// number gives each commit of a recording that changed rows its GTID.
func (rec *modelRecording) number(commits map[place]int, gtid func(n int) session.Change) {
	for _, e := range rec.events {
		if r, ok := e.(*session.Reply); ok {
			if n := commits[place{session: r.ID, seq: r.Seq}]; n > 0 {
				r.Results[0].Changes = append(r.Results[0].Changes, gtid(n))
			}
		}
	}
}

func mariaChange(n int) session.Change {
	return session.Change{Kind: session.SystemVariable, Name: "last_gtid", Value: fmt.Sprintf("0-1-%d", n)}
}

// With the numbers of all commits, writes outside of transactions that overlap
// are no guesses any more: the final rows are right, however it went. Where some
// sessions have no numbers, no replay hangs.
func TestLawGTIDs(t *testing.T) {
	without, numbered, dropped := 0, 0, 0
	for seed := range uint64(300) {
		for _, some := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 1))
			rows, clients := someClients(r, false)
			rec := record(r, rows, clients)
			steps, _ := planModel(t, rec, Options{Mode: Row})
			if out := replayModel(r, rows, rec, steps, fresh(clients)); out.final != rec.final {
				without++
			}
			if some {
				for k := range rec.commits {
					if k.session%2 == 0 {
						delete(rec.commits, k)
					}
				}
			}
			rec.number(rec.commits, mariaChange)
			steps, stats := planModel(t, rec, Options{Mode: Row})
			out := replayModel(r, rows, rec, steps, fresh(clients))
			if out.hung != "" {
				t.Fatalf("seed %d: it hangs:\n%s", seed, out.hung)
			}
			if stats.OddGTIDs > 0 {
				t.Fatalf("seed %d: %d odd numbers", seed, stats.OddGTIDs)
			}
			if !some && out.final != rec.final {
				t.Fatalf("seed %d: other rows:\n%s\n%s", seed, out.final, rec.final)
			}
			numbered += int(stats.GTIDs)
			dropped += out.dropped
		}
	}
	t.Logf("%d of 600 end with other rows without the numbers; %d numbers, %d guesses dropped", without, numbered, dropped)
	if without == 0 || numbered == 0 {
		t.Error("the model proves nothing")
	}
}

// Numbers that have nothing to do with the order of commits are found out, or do
// no harm: no replay hangs, and waits that are proven by what was seen are kept.
func TestLawOddGTIDs(t *testing.T) {
	odd := int64(0)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		rows, clients := someClients(r, seed%2 == 0)
		rec := record(r, rows, clients)
		numbers := r.Perm(len(rec.commits))
		for _, k := range sortedPlaces(rec.commits) {
			rec.commits[k] = numbers[0] + 1
			numbers = numbers[1:]
		}
		rec.number(rec.commits, mariaChange)
		steps, stats := planModel(t, rec, Options{Mode: Row})
		out := replayModel(r, rows, rec, steps, fresh(clients))
		if out.hung != "" {
			t.Fatalf("seed %d: it hangs:\n%s", seed, out.hung)
		}
		odd += stats.OddGTIDs
	}
	t.Logf("%d odd numbers", odd)
	if odd == 0 {
		t.Error("the model proves nothing")
	}
}

func sortedPlaces(m map[place]int) (list []place) {
	for k := range m {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b place) int { return int(a.session*1e6+a.seq) - int(b.session*1e6+b.seq) })
	return list
}
