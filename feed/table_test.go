package feed

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"myreplay/session"
)

// script feeds a table with commands and their answers.
type script struct {
	t   table
	seq uint64
	at  int64
	id  uint64
}

func (s *script) command(kind session.Kind, payload string, stmt uint32) *session.Command {
	s.seq++
	s.at += 1000
	c := &session.Command{ID: s.id, Seq: s.seq, At: s.at, Kind: kind, Payload: []byte("?" + payload), Statement: stmt}
	if kind == session.Query || kind == session.Prepare {
		c.SQL = c.Payload[1:]
	}
	s.t.see(c)
	return c
}

// ok answers the latest command.
func (s *script) ok(status uint16, changes ...session.Change) {
	s.t.see(&session.Reply{ID: s.id, Seq: s.seq, Last: s.at + 500, Results: []session.Result{{Outcome: session.OK, Status: status, Changes: changes}}})
}

func (s *script) fails() {
	s.t.see(&session.Reply{ID: s.id, Seq: s.seq, Last: s.at + 500, Results: []session.Result{{Outcome: session.Failed, Error: &session.Error{Code: 1064}}}})
}

func (s *script) prepare(text string, id uint32) {
	s.command(session.Prepare, text, 0)
	s.t.see(&session.Reply{ID: s.id, Seq: s.seq, Prepared: &session.Prepared{Statement: id}})
}

// again returns what a new assistant is told.
func (s *script) again() string {
	a := s.t.sessions[s.id].again()
	out := fmt.Sprintf("%s@%s", a.Login.User, a.Login.Schema)
	for _, v := range a.State.Variables {
		out += fmt.Sprintf(" %s=%s", v.Name, v.Value)
	}
	for _, p := range a.State.Prepared {
		if out += fmt.Sprintf(" #%d=?", p.Statement); p.SQL != nil {
			out = out[:len(out)-1] + string(p.SQL)
		}
	}
	if a.State.Transaction {
		out += " in transaction"
	}
	for _, u := range a.State.Unknown[3:] {
		out += " unknown: " + u
	}
	return out
}

// TestAgain follows what a session's commands change, and what a new assistant
// is told of it.
func TestAgain(t *testing.T) {
	const auto, trx = statusAutocommit, statusInTransaction | statusAutocommit
	for _, c := range []struct {
		why string
		do  func(s *script)
		own *session.Start
		is  string
	}{
		{"nothing happened", func(s *script) {}, nil, "cap@test"},
		{"a schema that was changed to", func(s *script) { s.command(session.UseSchema, "other", 0); s.ok(auto) }, nil, "cap@other"},
		{"a schema that does not exist", func(s *script) { s.command(session.UseSchema, "nope", 0); s.fails() }, nil, "cap@test"},
		{"a change that was not answered", func(s *script) { s.command(session.UseSchema, "nope", 0) }, nil, "cap@test"},
		{"by text", func(s *script) { s.command(session.Query, "use `third`;", 0); s.ok(auto) }, nil, "cap@third"},
		{"by a text that is hard to read", func(s *script) { s.command(session.Query, "use /* x */ third", 0); s.ok(auto) }, nil, "cap@ unknown: default schema"},
		{"no change by text", func(s *script) { s.command(session.Query, "useful()", 0); s.ok(auto) }, nil, "cap@test"},
		{"as the server tells", func(s *script) {
			s.command(session.Query, "call p()", 0)
			s.ok(auto, session.Change{Kind: session.SchemaChange, Value: "told"})
		}, nil, "cap@told"},
		{"an open transaction", func(s *script) { s.command(session.Query, "begin", 0); s.ok(trx) }, nil, "cap@test in transaction"},
		{"a transaction that ended", func(s *script) {
			s.command(session.Query, "begin", 0)
			s.ok(trx)
			s.command(session.Query, "commit", 0)
			s.ok(auto)
		}, nil, "cap@test"},
		{"an error says nothing of a transaction", func(s *script) {
			s.command(session.Query, "begin", 0)
			s.ok(trx)
			s.command(session.Query, "x", 0)
			s.fails()
		}, nil, "cap@test in transaction"},
		{"without autocommit", func(s *script) { s.command(session.Query, "set autocommit=0", 0); s.ok(0) }, nil, "cap@test autocommit=0"},
		{"statements that are open", func(s *script) {
			s.prepare("select 1", 1)
			s.prepare("select 2", 2)
			s.prepare("select 3", 3)
			s.command(session.CloseStatement, "", 2)
			s.command(session.Prepare, "select broken", 0)
			s.fails()
		}, nil, "cap@test #1=select 1 #3=select 3"},
		{"a parameter that was sent in part", func(s *script) {
			s.prepare("insert 1", 1)
			s.prepare("insert 2", 2)
			s.command(session.LongData, "x", 1)
			s.command(session.LongData, "x", 2)
			s.command(session.LongData, "x", 2)
			s.command(session.Execute, "", 2)
			s.ok(auto)
		}, nil, "cap@test #1=? #2=insert 2"},
		{"a reset", func(s *script) {
			s.command(session.UseSchema, "other", 0)
			s.ok(auto)
			s.prepare("select 1", 1)
			s.command(session.ResetConnection, "", 0)
			s.ok(auto)
		}, nil, "cap@other"},
		{"another user", func(s *script) {
			s.prepare("select 1", 1)
			s.command(session.ChangeUser, "", 0).Login = &session.Login{User: "root", Schema: "mysql"}
			s.seq--
			c := s.command(session.ChangeUser, "", 0)
			c.Login = &session.Login{User: "root", Schema: "mysql"}
			s.t.sessions[1].awaited[len(s.t.sessions[1].awaited)-1].login = c.Login
			s.ok(auto)
		}, nil, "root@mysql"},
		{"what its source told of it", func(s *script) {
			s.command(session.CloseStatement, "", 8)
		}, &session.Start{ID: 1, Protocol: session.Classic, Joined: true, Login: session.Login{User: "cap", Schema: "s"}, State: &session.State{
			Prepared: []session.PreparedState{{Statement: 7, SQL: []byte("select 7")}, {Statement: 8, SQL: []byte("select 8")}, {Statement: 9}, {Name: "byname", SQL: []byte("x")}}}},
			"cap@s #7=select 7 #9=?"},
		{"of the X Protocol statements are not told", func(s *script) {
			s.command(session.Prepare, "select 1", 5)
			s.ok(0)
			s.command(session.Prepare, "select 1", 6)
			s.ok(0)
			s.command(session.Deallocate, "", 6)
			s.ok(0)
		}, &session.Start{ID: 1, Protocol: session.X, Login: session.Login{User: "x"}}, "x@ #5=? unknown: open transaction"},
	} {
		s := &script{id: 1}
		if c.own == nil {
			c.own = &session.Start{ID: 1, Protocol: session.Classic, Login: session.Login{Known: true, User: "cap", Schema: "test"}}
		}
		s.t.see(c.own)
		c.do(s)
		if is := s.again(); is != c.is {
			t.Errorf("%s:\n%s, want\n%s", c.why, is, c.is)
		}
		if c.own.State != nil && len(c.own.State.Unknown) > 0 {
			t.Errorf("%s: the session's own Start was changed", c.why)
		}
		s.t.see(&session.End{ID: 1})
		if s.t.texts != 0 || len(s.t.sessions) != 0 {
			t.Errorf("%s: %d bytes and %d sessions are left", c.why, s.t.texts, len(s.t.sessions))
		}
	}
}

// TestSnapshot: what a snapshot has of a session stays as it was.
func TestSnapshot(t *testing.T) {
	s := &script{id: 1}
	s.t.see(&session.Start{ID: 1, Protocol: session.Classic})
	s.prepare("select 1", 1)
	s.prepare("select 2", 2)
	for name, do := range map[string]func(){
		"closed":   func() { s.command(session.CloseStatement, "", 1) },
		"prepared": func() { s.prepare("select 3", 3) },
		"in part":  func() { s.command(session.LongData, "x", 2) },
		"reset":    func() { s.command(session.ResetConnection, "", 0); s.ok(statusAutocommit) },
	} {
		was, now := s.t.copy()[1].again(), s.again()
		snapshot := s.t.copy()
		do()
		if !reflect.DeepEqual(snapshot[1].again(), was) {
			t.Errorf("%s: the snapshot was changed", name)
		}
		if s.again() == now && name != "closed" && name != "in part" {
			t.Errorf("%s: the session was not changed", name)
		}
	}
}

// TestTableLimits: what a table keeps is bounded.
func TestTableLimits(t *testing.T) {
	s := &script{id: 1}
	s.t.see(&session.Start{ID: 1, Protocol: session.Classic})
	long := strings.Repeat("x", 1<<20)
	for i := range uint32(12) {
		s.prepare(long, i)
	}
	if s.t.texts > maxTexts {
		t.Fatalf("%d bytes of statements are kept", s.t.texts)
	}
	known, unknown := 0, 0
	for _, p := range s.t.sessions[1].again().State.Prepared {
		if p.SQL == nil {
			unknown++
		} else {
			known++
		}
	}
	if known != 8 || unknown != 4 {
		t.Fatalf("%d statements are known, %d not", known, unknown)
	}
	for range 10 * maxAwaited {
		s.command(session.Prepare, "select 1", 0)
	}
	if n := len(s.t.sessions[1].awaited); n > maxAwaited {
		t.Fatalf("%d commands are awaited", n)
	}
	for id := range uint64(MaxSessions + 10) {
		s.t.see(&session.Start{ID: id + 1})
	}
	if len(s.t.sessions) > MaxSessions {
		t.Fatalf("%d sessions are followed", len(s.t.sessions))
	}
}
