package session

import "testing"

// TestTexts follows the prepared statements of two sessions: ids mean something
// only within a session and until they are closed or reset.
func TestTexts(t *testing.T) {
	var x Texts
	see := func(e Event) { x.See(e) }
	is := func(id uint64, stmt uint32, want string) {
		t.Helper()
		if got := string(x.SQL(&Command{ID: id, Kind: Execute, Statement: stmt})); got != want {
			t.Errorf("session %d, statement %d: %q, want %q", id, stmt, got, want)
		}
	}
	see(&Command{ID: 1, Seq: 1, Kind: Prepare, SQL: []byte("a")})
	is(1, 5, "") // not answered yet
	is(1, LastPrepared, "a")
	see(&Reply{ID: 1, Seq: 1, Prepared: &Prepared{Statement: 5}})
	is(1, 5, "a")
	is(2, 5, "") // another session
	see(&Command{ID: 1, Seq: 2, Kind: Prepare, SQL: []byte("b")})
	see(&Reply{ID: 1, Seq: 2, Results: []Result{{Outcome: Failed}}})
	is(1, LastPrepared, "b")
	see(&Command{ID: 1, Seq: 3, Kind: CloseStatement, Statement: 5})
	is(1, 5, "")
	see(&Command{ID: 1, Seq: 4, Kind: Prepare, SQL: []byte("c")})
	see(&Reply{ID: 1, Seq: 4, Prepared: &Prepared{Statement: 6}})
	is(1, 6, "c")
	see(&Command{ID: 1, Seq: 5, Kind: ResetConnection})
	is(1, 6, "")
	if got := string(x.SQL(&Command{Kind: Query, SQL: []byte("q")})); got != "q" {
		t.Errorf("a Query's text is its own: %q", got)
	}
}

// TestTextsOfState: a session that was joined in mid-life has statements that its
// server told of, by id; those made by PREPARE have a name instead, and of some
// the text is not known.
func TestTextsOfState(t *testing.T) {
	var x Texts
	x.See(&Start{ID: 1, Joined: true, State: &State{Prepared: []PreparedState{
		{Statement: 5, SQL: []byte("a")}, {Statement: 6}, {Statement: 7, Name: "s", SQL: []byte("b")}}}})
	is := func(id uint64, stmt uint32, want string) {
		t.Helper()
		if got := string(x.SQL(&Command{ID: id, Kind: Execute, Statement: stmt})); got != want {
			t.Errorf("session %d, statement %d: %q, want %q", id, stmt, got, want)
		}
	}
	is(1, 5, "a")
	is(1, 6, "")
	is(1, 7, "")
	is(2, 5, "")
	x.See(&Command{ID: 1, Seq: 1, Kind: CloseStatement, Statement: 5})
	is(1, 5, "")
}
