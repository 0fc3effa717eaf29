package session

import "testing"

// TestStateString: what a State holds, in a reader's words, and nothing of it
// twice.
func TestStateString(t *testing.T) {
	for want, s := range map[string]*State{
		"":            nil,
		"nothing set": {},
		"1 variable":  {Variables: make([]Variable, 1)},
		"2 variables, 1 user variable, 3 statements (1 without text), transaction open, unknown: session variables, prepared statements": {
			Variables: make([]Variable, 2), UserVariables: make([]Variable, 1), Transaction: true,
			Prepared: []PreparedState{{SQL: []byte("a")}, {SQL: []byte("b")}, {}},
			Unknown:  []string{"session variables", "prepared statements"},
		},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestStateLine: the line of a Start has the State at its end.
func TestStateLine(t *testing.T) {
	got := Line(&Start{ID: 1, Protocol: Classic, Joined: true, State: &State{Transaction: true}})
	if want := `start 1 classic joined unknown-login state="transaction open"`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
