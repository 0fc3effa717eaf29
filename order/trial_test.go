package order

import (
	"testing"

	"pgregory.net/rapid"

	"myreplay/session"
)

// Whatever of some effects a snapshot saw, refining finds it from which of its reads
// differ, and does so in fewer tries than there are combinations: each read tells
// of the effects that it rests on, and of nothing else.
func TestLawTrial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, maxTried).Draw(t, "effects")
		truth := rapid.Uint64Range(0, 1<<n-1).Draw(t, "seen")
		reads := rapid.SliceOfN(rapid.Uint64Range(1, 1<<n-1), 1, 8).Draw(t, "reads")
		guess := rapid.Uint64Range(0, 1<<n-1).Draw(t, "guess")
		p := &Planner{points: map[commandID]int64{}}
		for i := range n {
			p.points[commandID{uint64(i + 1), 1}] = int64(rapid.IntRange(1, 5).Draw(t, "at"))
		}
		r := NewRefiner(&Learned{})
		for pass := 0; ; pass++ {
			wrong := 0
			for i, on := range reads {
				var guesses []session.Guess
				for b := range n {
					if on>>b&1 != 0 {
						seen, known := r.learned.saw(named(99, 1), named(uint64(b+1), 1))
						if !known {
							seen = guess>>b&1 != 0
						}
						guesses = append(guesses, session.Guess{Session: uint64(b + 1), Seq: 1, Seen: seen})
					}
				}
				differs := false
				for _, g := range guesses {
					differs = differs || g.Seen != (truth>>(g.Session-1)&1 != 0)
				}
				if differs {
					wrong++
				}
				p.snaps = map[commandID]commandID{{99, uint64(i + 2)}: {99, 1}}
				r.Judged(99, uint64(i+2), guesses, differs, p)
			}
			if wrong == 0 {
				return
			}
			if pass >= 1<<n {
				t.Fatalf("%d passes for %d effects", pass, n)
			}
			if r.Next() == 0 {
				t.Fatalf("given up after %d passes, %d reads differ", pass, wrong)
			}
		}
	})
}

// named returns a command of a session.
func named(session, seq uint64) *command {
	return &command{step: &Step{Session: session, Seq: seq}}
}

// Where no place helps, it is as it was, and nothing is tried any more.
func TestTrialInVain(t *testing.T) {
	p := &Planner{}
	r := NewRefiner(&Learned{})
	guesses := []session.Guess{{Session: 1, Seq: 5, Seen: true}, {Session: 2, Seq: 7}}
	for pass := range 10 {
		r.Judged(9, 3, guesses, true, p)
		if r.Next() == 0 {
			if pass != 3 { // the other three combinations
				t.Errorf("given up after %d", pass)
			}
			break
		}
		for i, g := range guesses {
			guesses[i].Seen, _ = r.learned.saw(named(9, 3), named(g.Session, g.Seq))
		}
	}
	if one, _ := r.learned.saw(named(9, 3), named(1, 5)); !one {
		t.Error("not as it was")
	}
	if two, _ := r.learned.saw(named(9, 3), named(2, 7)); two {
		t.Error("not as it was")
	}
}
