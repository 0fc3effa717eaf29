package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"myreplay/internal/mysqltest"
	"myreplay/session"
)

// fate is what became of a row's statement on the target.
type fate uint8

const (
	notRecorded fate = iota // no recording has it
	unsaid                  // it was recorded, but not what became of it
	notSent
	unanswered
	refused
	done
)

var fateNames = [...]string{"not recorded", "recorded, but not what became of it", "not sent", "sent, not answered", "refused", "done"}

// fates are what the captures and runs of a mirror say of each row. Those of a
// transaction have the fate of its COMMIT.
type fates struct {
	rows     map[int64]fate
	skips    map[session.Skip]int // of single rows and COMMITs
	prepared map[fate]int         // rows by executions of prepared statements
	commands int
	joined   int
	gaps     map[session.Reason]int
	refusals map[string]int
}

// fatesIn reads all captures and runs below a folder.
func fatesIn(t testing.TB, dir string) *fates {
	t.Helper()
	f := &fates{rows: map[int64]fate{}, skips: map[session.Skip]int{}, prepared: map[fate]int{}, gaps: map[session.Reason]int{}, refusals: map[string]int{}}
	var captures []string
	for _, pattern := range []string{"capture", "*/capture"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		captures = append(captures, found...)
	}
	if captures == nil {
		t.Fatalf("no capture below %s", dir)
	}
	for _, c := range captures {
		f.read(t, c, filepath.Join(filepath.Dir(c), "run"))
	}
	return f
}

// place is a command of a recorded session.
type place struct{ session, seq uint64 }

var landedRow = regexp.MustCompile(`^INSERT INTO landed VALUES \((\d+), (\d)`)

// read adds what a capture and its run say.
func (f *fates) read(t testing.TB, capture, run string) {
	t.Helper()
	recorded, _ := readEvents(t, capture)
	rows := map[place]int64{}      // single rows' and COMMITs' commands
	executions := map[place]bool{} // prepared
	halves := map[place]int64{}    // inserts of transactions
	left := map[int64]bool{}       // of those, not sent
	under, of := map[uint64]int64{}, map[uint64]uint64{}
	for _, e := range recorded {
		switch e := e.(type) {
		case *session.Start:
			if e.Joined {
				f.joined++
			}
		case *session.Gap:
			f.gaps[e.Reason]++
		case *session.Command:
			f.commands++
			at := place{e.ID, e.Seq}
			if e.Kind == session.Execute {
				executions[at] = true
			}
			if m := landedRow.FindSubmatch(e.SQL); e.Kind == session.Query && m != nil {
				id, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
				if id%kindsOfRow == rowOfTwo {
					under[e.ID], halves[at] = id, id
				} else {
					rows[at] = id
				}
				f.be(id, unsaid)
			}
			if id, ok := under[e.ID]; ok && string(e.SQL) == "COMMIT" {
				rows[at] = id
				delete(under, e.ID)
			}
		}
	}
	replayed, _ := readEvents(t, run)
	for _, e := range replayed {
		switch e := e.(type) {
		case *session.Start:
			of[e.ID] = e.Of
			if e.Refused != nil {
				f.refusals[e.Refused.Message]++
			}
		case *session.Command:
			at := place{of[e.ID], e.Seq}
			now := unanswered
			if e.Skipped != session.NotSkipped {
				now = notSent
			}
			if id, ok := rows[at]; ok {
				f.be(id, now)
				if now == notSent {
					f.skips[e.Skipped]++
				}
			} else if id, ok := halves[at]; ok && now == notSent {
				left[id] = true
			} else if executions[at] {
				f.prepared[now]++
			}
		case *session.Reply:
			at := place{of[e.ID], e.Seq}
			now := done
			if err := e.Err(); err != nil {
				now = refused
				f.refusals[err.Message]++
			}
			if id, ok := rows[at]; ok && left[id] {
				f.be(id, notSent) // a COMMIT of nothing
			} else if ok && f.rows[id] != refused {
				f.be(id, now)
			} else if id, ok := halves[at]; ok && now == refused {
				f.be(id, now) // whatever its COMMIT says
			} else if executions[at] {
				f.prepared[unanswered]--
				f.prepared[now]++
			}
		}
	}
}

// be notes a fate, unless a worse one is known: a row that one replay has done
// stays so whatever another says.
func (f *fates) be(id int64, now fate) { f.rows[id] = max(f.rows[id], now) }

// rowsOn are the rows on a server: how often each is there.
func rowsOn(t testing.TB, s *mysqltest.Server) map[int64]int {
	t.Helper()
	n := map[int64]int{}
	for _, r := range s.Rows(t, "SELECT id, COUNT(*), COUNT(DISTINCT part) FROM landed GROUP BY id") {
		id, _ := strconv.ParseInt(r[0], 10, 64) // they come from BIGINTs
		n[id], _ = strconv.Atoi(r[1])
		if r[1] != r[2] {
			t.Errorf("%v: row %d is there %s times, %s of them apart: executed twice", s.Kind, id, r[1], r[2])
		}
	}
	return n
}

// check compares the rows of both servers with what the mirror says became of
// them. It returns how many of the source's are not on the target, by fate. Where
// a side was killed (killed) or events were lost, that is not known of all.
func (f *fates) check(t testing.TB, source, target *mysqltest.Server, killed bool) (missing map[fate]int) {
	t.Helper()
	t.Helper()
	there, here := rowsOn(t, source), rowsOn(t, target)
	missing = map[fate]int{}
	prepared := 0
	wrong := func(id int64, why string) {
		t.Helper()
		t.Errorf("row %d (%s): %s; it is there %d times", id, fateNames[f.rows[id]], why, here[id])
	}
	for id, n := range here {
		whole := 1
		switch id % kindsOfRow {
		case rowPrepared:
			prepared++
		case rowOfTwo:
			whole = 2
		}
		switch {
		case there[id] == 0:
			wrong(id, "the source does not have it")
		case n != whole:
			wrong(id, "half a transaction")
		case id%kindsOfRow != rowPrepared && (f.rows[id] == notSent || f.rows[id] == refused):
			wrong(id, "it should not be there")
		}
	}
	for id := range there {
		if here[id] > 0 {
			continue
		}
		if id%kindsOfRow != rowPrepared {
			missing[f.rows[id]]++
		}
		if f.rows[id] == done {
			wrong(id, "the target said that it has it")
		}
	}
	if least, most := f.prepared[done], f.prepared[done]+f.prepared[unanswered]; prepared < least {
		t.Errorf("%d rows by prepared statements, the run says %d to %d", prepared, least, most)
	} else if prepared > most && !killed {
		t.Errorf("%d rows by prepared statements, the run says %d at most", prepared, most)
	}
	if n := missing[unsaid] + missing[notRecorded]; n > 0 && !killed && len(f.gaps) == 0 {
		t.Errorf("nothing is said of %d rows", n)
	}
	t.Logf("%d rows of the source's %d are on the target; not there: %s", len(here), len(there), f.words(missing))
	for why, n := range f.refusals {
		t.Logf("the target refused %d times: %s", n, why)
	}
	return missing
}

// words lists the missing rows, and why commands were not sent.
func (f *fates) words(missing map[fate]int) string {
	var list []string
	for i, name := range fateNames {
		if n := missing[fate(i)]; n > 0 {
			list = append(list, fmt.Sprintf("%s %d", name, n))
		}
	}
	for why, n := range f.skips {
		list = append(list, fmt.Sprintf("(%v %d)", why, n))
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ") + fmt.Sprintf("; joined %d, gaps %v", f.joined, f.gaps)
}
