package replay

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"myreplay/session"
)

// joined begins a session that was asked about at the time 100.
func joined(s session.State) *session.Start {
	s.Asked, s.Told = 100, 110
	return &session.Start{ID: 1, At: 1, Protocol: session.Classic, Joined: true, State: &s}
}

// on makes a command on a prepared statement.
func on(seq uint64, at int64, k session.Kind, statement uint32) *session.Command {
	return &session.Command{ID: 1, Seq: seq, At: at, Kind: k, Statement: statement, Payload: []byte{0, 0, 0, 0, 0}}
}

// said makes a reply with a status.
func said(seq uint64, at int64, status uint16) *session.Reply {
	return &session.Reply{ID: 1, Seq: seq, First: at, Last: at, Results: []session.Result{{Outcome: session.OK, Status: status}}}
}

// prepares makes a Prepare and its reply.
func prepares(seq uint64, at int64, statement uint32, sql string) []session.Event {
	c := query(1, seq, at, sql)
	c.Kind = session.Prepare
	return []session.Event{c, &session.Reply{ID: 1, Seq: seq, Last: at, Prepared: &session.Prepared{Statement: statement}}}
}

// TestInState: what was done before the source was asked is not done again, and
// says nothing about what comes later: the state does.
func TestInState(t *testing.T) {
	f := &fake{}
	events := []session.Event{joined(session.State{Prepared: []session.PreparedState{{Statement: 7, SQL: []byte("select ?")}}})}
	events = append(events, prepares(1, 10, 7, "insert into t values (?)")...)
	events = append(events, query(1, 2, 20, "insert into t values (1)"), said(2, 21, 2))
	events = append(events, on(3, 105, session.Execute, 7), said(3, 106, 2), query(1, 4, 120, "select 1"), said(4, 121, 2), &session.End{ID: 1, At: 130})
	if p, err := MakePlan(&recording{events}, Options{}); err != nil || p.Send != 2 || p.Skipped[session.SkipInState] != 2 {
		t.Errorf("the plan: %+v, %v", p, err)
	}
	sink, _ := play(t, context.Background(), f, Options{Live: true}, events)
	if got, want := skips(sink), "1:part of the state 2:part of the state"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := strings.Join(f.log, "; "), "connect 1; 1.3 execute ; 1.4 query select 1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestStatePrepared: statements of the state are judged by their texts, by id
// and by name; of one whose text is not known nothing is sent. Those that may not
// be sent are not prepared.
func TestStatePrepared(t *testing.T) {
	f := &fake{}
	state := session.State{Prepared: []session.PreparedState{
		{Statement: 1, SQL: []byte("select ?")}, {Statement: 2, SQL: []byte("delete from t where id = ?")}, {Statement: 3},
		{Statement: 4, Name: "Reads", SQL: []byte("select 1")}, {Statement: 5, Name: "writes", SQL: []byte("delete from t")}, {Statement: 6, Name: "unknown"},
	}}
	events := []session.Event{joined(state)}
	for i, id := range []uint32{1, 2, 3, 9} {
		events = append(events, on(uint64(i+1), 200, session.Execute, id), said(uint64(i+1), 201, 2))
	}
	for i, name := range []string{"reads", "`WRITES`", "unknown", "other"} {
		events = append(events, query(1, uint64(i+5), 210, "deallocate prepare "+name), said(uint64(i+5), 211, 2))
	}
	sink, _ := play(t, context.Background(), f, Options{Live: true}, append(events, &session.End{ID: 1, At: 220}))
	// 4 is sent: the target knows that it has no such statement.
	if got, want := skips(sink), "2:statement skipped 3:unknown statement 6:statement skipped 7:unknown statement 8:unknown statement"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var ids []string
	for _, p := range f.starts[0].State.Prepared {
		ids = append(ids, fmt.Sprint(p.Statement))
	}
	if got := strings.Join(ids, " "); got != "1 4" {
		t.Errorf("prepared anew: %s", got)
	}
	if len(state.Prepared) != 6 || string(state.Prepared[1].SQL) != "delete from t where id = ?" {
		t.Error("the recording's State was changed")
	}
}

// TestHalf: a transaction that was open before is left out until it ends: by its
// own end, by that of another kind which only the reply shows, by a new one. What
// sets up the session is sent.
func TestHalf(t *testing.T) {
	for _, c := range []struct {
		why    string
		events []session.Event
		want   string
	}{
		{"commit", []session.Event{query(1, 1, 200, "insert into t values (1)"), said(1, 201, 3), query(1, 2, 202, "commit"), said(2, 203, 2), query(1, 3, 204, "insert into t values (2)")},
			"1:transaction begun before 2:transaction begun before"},
		{"a savepoint does not end it", []session.Event{query(1, 1, 200, "rollback to savepoint a"), said(1, 201, 3), query(1, 2, 202, "rollback work to a"), said(2, 203, 3),
			query(1, 3, 204, "commit and chain"), said(3, 205, 3), query(1, 4, 206, "insert into t values (1)"), said(4, 207, 3), query(1, 5, 208, "commit and no chain"), query(1, 6, 210, "select 1")},
			"1:transaction begun before 2:transaction begun before 3:transaction begun before 4:transaction begun before 5:transaction begun before"},
		{"an implicit commit shows in the status", []session.Event{query(1, 1, 200, "create table x (i int)"), said(1, 201, 2), query(1, 2, 202, "insert into t values (1)")},
			"1:transaction begun before"},
		{"it was over when the state was asked for, nearly", []session.Event{query(1, 1, 50, "select 1"), said(1, 51, 2), query(1, 2, 202, "select 1"), said(2, 203, 3)},
			"1:part of the state 2:transaction begun before"},
		{"begin", []session.Event{query(1, 1, 200, "begin"), said(1, 201, 3), query(1, 2, 202, "insert into t values (2)")}, ""},
		{"setup", append(append([]session.Event{query(1, 1, 200, "set names utf8mb4"), said(1, 201, 3)}, prepares(2, 202, 5, "commit")...),
			on(3, 204, session.Execute, 5), said(3, 205, 2), on(4, 206, session.Execute, 5)), "3:transaction begun before"},
		{"reset", []session.Event{on(1, 200, session.ResetConnection, 0), said(1, 201, 2), query(1, 2, 202, "insert into t values (2)")}, ""},
	} {
		events := append([]session.Event{joined(session.State{Transaction: true})}, c.events...)
		sink, _ := play(t, context.Background(), &fake{}, Options{Live: true, Policy: Policy{Writes: true}}, append(events, &session.End{ID: 1, At: 300}))
		if got := skips(sink); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// TestStateAgain: a new connection begins with the state, without the statements
// that were closed or replaced, and without any once the session began anew.
func TestStateAgain(t *testing.T) {
	state := session.State{UserVariables: []session.Variable{{Name: "a", Value: "1"}}, Prepared: []session.PreparedState{
		{Statement: 1, SQL: []byte("select 1")}, {Statement: 2, SQL: []byte("select 2")}, {Statement: 3, SQL: []byte("select 3")},
		{Statement: 4, Name: "four", SQL: []byte("select 4")}, {Statement: 5, Name: "five", SQL: []byte("select 5")}, {Statement: 6, Name: "six", SQL: []byte("select 6")},
	}}
	again := append([]session.Event{on(1, 200, session.CloseStatement, 2)}, prepares(2, 201, 3, "select 33")...)
	again = append(again, query(1, 3, 204, "prepare FOUR from 'select 44'"), query(1, 4, 205, "deallocate prepare five"))
	for _, c := range []struct {
		why    string
		events []session.Event
		want   string
	}{
		{"closed and replaced", again, "1 6"},
		{"change user", []session.Event{&session.Command{ID: 1, Seq: 1, At: 200, Kind: session.ChangeUser, Login: &session.Login{}}, said(1, 201, 2)}, "none"},
		{"reset", []session.Event{on(1, 200, session.ResetConnection, 0)}, "none"},
	} {
		lost := false
		f := &fake{do: func(cmd *session.Command, _ File) (Answer, error) {
			if string(cmd.SQL) == "select 'lose'" && !lost {
				lost = true
				return Answer{}, errSent
			}
			return Answer{}, nil
		}}
		events := append([]session.Event{joined(state)}, c.events...)
		events = append(events, query(1, 8, 210, "select 'lose'"), query(1, 9, 211, "execute six"), &session.End{ID: 1, At: 220})
		sink, _ := play(t, context.Background(), f, Options{Live: true, Policy: Policy{Writes: true}}, events)
		if len(f.starts) != 2 || len(f.starts[0].State.Prepared) != 6 {
			t.Fatalf("%s: %d connections, skipped %s", c.why, len(f.starts), skips(sink))
		}
		got := "none"
		if s := f.starts[1].State; s != nil {
			var ids []string
			for _, p := range s.Prepared {
				ids = append(ids, fmt.Sprint(p.Statement))
			}
			got = strings.Join(ids, " ")
			if len(s.UserVariables) != 1 {
				t.Errorf("%s: the variables are gone", c.why)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
		if execute := skips(sink); c.want != "none" && execute != "" {
			t.Errorf("%s: skipped %s", c.why, execute)
		}
	}
}
