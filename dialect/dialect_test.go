package dialect

import (
	"testing"

	"myreplay/session"
	"myreplay/sqltext"
)

// say plays a Query and its reply.
func say(t *Tracker, seq uint64, sql string, results ...session.Result) {
	t.See(&session.Command{ID: 1, Seq: seq, Kind: session.Query, SQL: []byte(sql)})
	if len(results) == 0 {
		results = []session.Result{{Outcome: session.OK, Status: 2}}
	}
	t.See(&session.Reply{ID: 1, Seq: seq, Results: results})
}

// TestTracker follows one session through everything that changes how its text
// is read.
func TestTracker(t *testing.T) {
	var x Tracker
	is := func(why string, want sqltext.Options) {
		t.Helper()
		if got := x.Options(1); got != want {
			t.Errorf("%s: %+v, want %+v", why, got, want)
		}
	}
	is("an unknown session is guessed", sqltext.Options{Guessed: true})
	x.See(&session.Start{ID: 1, Login: session.Login{Known: true, Collation: 28}})
	is("the login's collation", sqltext.Options{Charset: sqltext.GBK})
	say(&x, 1, "SET NAMES utf8mb4")
	is("SET NAMES", sqltext.Options{})
	say(&x, 2, "/*!40101 SET NAMES sjis */")
	is("in a version comment", sqltext.Options{Charset: sqltext.SJIS})
	say(&x, 3, "set names gbk", session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1115}})
	is("a SET that failed", sqltext.Options{Charset: sqltext.SJIS})
	say(&x, 4, "select 1; set names big5", session.Result{Outcome: session.Rows}, session.Result{Outcome: session.OK})
	is("behind another statement", sqltext.Options{Charset: sqltext.Big5})
	say(&x, 5, "set sql_mode='ANSI_QUOTES'")
	is("sql_mode", sqltext.Options{Charset: sqltext.Big5, ANSIQuotes: true})
	say(&x, 6, "select 1", session.Result{Outcome: session.Rows, Status: statusNoBackslashEscapes})
	is("the server's status flags", sqltext.Options{Charset: sqltext.Big5, ANSIQuotes: true, NoBackslashEscapes: true})
	x.See(&session.Command{ID: 1, Seq: 7, Kind: session.ResetConnection})
	x.See(&session.Reply{ID: 1, Seq: 7, Results: []session.Result{{Outcome: session.OK}}})
	is("a reset connection", sqltext.Options{Charset: sqltext.GBK})
	x.See(&session.Command{ID: 1, Seq: 8, Kind: session.ChangeUser, Login: &session.Login{Collation: 45}})
	x.See(&session.Reply{ID: 1, Seq: 8, Results: []session.Result{{Outcome: session.OK}}})
	is("another user", sqltext.Options{})
	x.See(&session.Gap{ID: 1})
	is("after a gap", sqltext.Options{Guessed: true})
	x.See(&session.End{ID: 1})
	x.See(&session.Start{ID: 1, ServerVersion: "10.11.8-MariaDB"})
	is("a new session, joined", sqltext.Options{MariaDB: true, Guessed: true})
}

// TestPending follows a client that does not wait for replies: until the reply
// to a SET is seen, what follows it is guessed.
func TestPending(t *testing.T) {
	var x Tracker
	is := func(why string, want sqltext.Options) {
		t.Helper()
		if got := x.Options(1); got != want {
			t.Errorf("%s: %+v, want %+v", why, got, want)
		}
	}
	query := func(seq uint64, sql string) {
		x.See(&session.Command{ID: 1, Seq: seq, Kind: session.Query, SQL: []byte(sql)})
	}
	ok := func(seq uint64) {
		x.See(&session.Reply{ID: 1, Seq: seq, Results: []session.Result{{Outcome: session.OK}}})
	}
	x.See(&session.Start{ID: 1, Login: session.Login{Known: true, Collation: 45}})
	query(1, "set names gbk")
	is("the SET itself", sqltext.Options{})
	query(2, "select 1")
	is("behind it", sqltext.Options{Guessed: true})
	ok(1)
	is("after the reply", sqltext.Options{Charset: sqltext.GBK})
	ok(2)
	query(3, "set names big5")
	query(4, "set sql_mode = 'ansi_quotes'")
	is("two of them", sqltext.Options{Charset: sqltext.GBK, Guessed: true})
	ok(3)
	ok(4)
	is("after both replies", sqltext.Options{Charset: sqltext.Big5, ANSIQuotes: true, Guessed: true})
}

// TestDoubt: what changes how text is read without saying when, or how, makes
// the options guessed.
func TestDoubt(t *testing.T) {
	for _, c := range []struct {
		kind session.Kind
		sql  string
		want bool
	}{
		{session.Prepare, "set names gbk", true},
		{session.Prepare, "set names utf8mb4", false},
		{session.Prepare, "select ?", false},
		{session.Query, "prepare s from 'set names gbk'", true},
		{session.Query, "prepare s from @x", true},
		{session.Query, "prepare s from 'select 1'", false},
		{session.Query, "execute immediate 'set sql_mode = ''ansi'''", true},
		{session.Query, "execute s", false},
		{session.Query, "set sql_mode = @x", true},
		{session.Query, "set sql_mode = 'strict_all_tables'", false},
	} {
		var x Tracker
		x.See(&session.Start{ID: 1, Login: session.Login{Known: true, Collation: 45}})
		x.See(&session.Command{ID: 1, Seq: 1, Kind: c.kind, SQL: []byte(c.sql)})
		x.See(&session.Reply{ID: 1, Seq: 1, Results: []session.Result{{Outcome: session.OK}}})
		if got := x.Options(1).Guessed; got != c.want {
			t.Errorf("%v %s: guessed %t", c.kind, c.sql, got)
		}
	}
}

// TestItself: a text that changes how its own rest is read is guessed.
func TestItself(t *testing.T) {
	var x Tracker
	x.See(&session.Start{ID: 1, Login: session.Login{Known: true, Collation: 45}})
	x.See(&session.Command{ID: 1, Seq: 1, Kind: session.Query, SQL: []byte("set names gbk; select 'x'")})
	if got := x.Options(1); !got.Guessed {
		t.Errorf("%+v", got)
	}
	x.See(&session.Reply{ID: 1, Seq: 1, Results: []session.Result{{Outcome: session.OK}, {Outcome: session.Rows}}})
	if got := x.Options(1); got != (sqltext.Options{Charset: sqltext.GBK}) {
		t.Errorf("afterwards %+v", got)
	}
}

// TestTold: a session that was joined in mid-life is read as its server told that
// it had set; what was said before the server had told is guessed, and so is all
// where it could not tell.
func TestTold(t *testing.T) {
	variables := func(list ...string) (v []session.Variable) {
		for i := 0; i < len(list); i += 2 {
			v = append(v, session.Variable{Name: list[i], Value: list[i+1]})
		}
		return v
	}
	for _, c := range []struct {
		why   string
		state session.State
		want  sqltext.Options
	}{
		{"nothing is set", session.State{}, sqltext.Options{Charset: sqltext.GBK}},
		{"a character set", session.State{Variables: variables("character_set_client", "sjis")}, sqltext.Options{Charset: sqltext.SJIS}},
		{"one that is not known", session.State{Variables: variables("character_set_client", "klingon")}, sqltext.Options{Guessed: true}},
		{"modes", session.State{Variables: variables("sql_mode", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES")},
			sqltext.Options{Charset: sqltext.GBK, ANSIQuotes: true, NoBackslashEscapes: true}},
		{"no modes", session.State{Variables: variables("sql_mode", "")}, sqltext.Options{Charset: sqltext.GBK}},
		{"what is no list of modes", session.State{Variables: variables("sql_mode", "x', names gbk = '")},
			sqltext.Options{Charset: sqltext.GBK, Guessed: true}},
		{"not told", session.State{Unknown: []string{"session variables (performance_schema is off)"}},
			sqltext.Options{Charset: sqltext.GBK, Guessed: true}},
		{"one is too long", session.State{Unknown: []string{"session variable sql_mode (too long)"}},
			sqltext.Options{Charset: sqltext.GBK, Guessed: true}},
		{"other things not told", session.State{Unknown: []string{"prepared statements"}}, sqltext.Options{Charset: sqltext.GBK}},
	} {
		var x Tracker
		c.state.Asked, c.state.Told = 10, 20
		x.See(&session.Start{ID: 1, Joined: true, Login: session.Login{Collation: 28}, State: &c.state})
		x.See(&session.Command{ID: 1, Seq: 1, At: 20, Kind: session.Query, SQL: []byte("select 1")})
		if got := x.Options(1); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.why, got, c.want)
		}
		x.See(&session.Command{ID: 1, Seq: 2, At: 19, Kind: session.Query, SQL: []byte("select 1")})
		if !x.Options(1).Guessed {
			t.Errorf("%s: a command from before is not guessed", c.why)
		}
		x.See(&session.Command{ID: 1, Seq: 3, At: 30, Kind: session.ResetConnection})
		x.See(&session.Reply{ID: 1, Seq: 3, Results: []session.Result{{Outcome: session.OK}}})
		if !x.Options(1).Guessed {
			t.Errorf("%s: after a reset the login counts, which is not known", c.why)
		}
	}
}
