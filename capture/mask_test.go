package capture

import (
	"bytes"
	"testing"

	"myreplay/session"
)

// TestMaskX: of an X message with a secret only its type and its masked text are
// left, since the text stands within a message that has its length.
func TestMaskX(t *testing.T) {
	const canary = "c4nary"
	var m masker
	m.mask(&session.Start{ID: 1, Protocol: session.X, Login: session.Login{Known: true}})
	seq := uint64(0)
	mask := func(kind session.Kind, statement uint32, sql string) *session.Command {
		seq++
		payload := []byte("\x0c\x0a" + sql + "\x12\x06" + canary)
		c := &session.Command{ID: 1, Seq: seq, Kind: kind, Statement: statement, Payload: payload}
		if sql != "" {
			c.SQL = payload[2 : 2+len(sql)]
		}
		return m.mask(c).(*session.Command)
	}
	for _, c := range []struct {
		name, sql string
		kind      session.Kind
		statement uint32
		masked    bool
	}{
		{"no secret", "SELECT 1", session.Query, 0, false},
		{"a password", "CREATE USER u IDENTIFIED BY '" + canary + "'", session.Query, 0, true},
		{"a password as an argument", "ALTER USER u IDENTIFIED BY ?", session.Query, 0, true},
		{"prepared, to be executed with one", "ALTER USER u IDENTIFIED BY ?", session.Prepare, 7, true},
		{"executed before the reply came", "", session.Execute, 7, true},
		{"opened with a cursor", "", session.OpenCursor, 7, true},
		{"another statement", "", session.Execute, 8, false},
		{"what could not be read", "", session.Find, 0, true},
	} {
		got := mask(c.kind, c.statement, c.sql)
		if got.Masked != c.masked {
			t.Errorf("%s: masked %v", c.name, got.Masked)
		}
		if c.masked && (len(got.Payload) != 1 || bytes.Contains(got.SQL, []byte(canary))) {
			t.Errorf("%s: left %q, %q", c.name, got.Payload, got.SQL)
		}
	}
}

// TestMaskReplies: an answer that may quote a secret is left without its texts
// and rows, whatever the statement's own text shows of it.
func TestMaskReplies(t *testing.T) {
	m := masker{keepRows: true}
	m.mask(&session.Start{ID: 1, Protocol: session.Classic, Login: session.Login{Known: true}})
	seq := uint64(0)
	answer := func(sql string, r session.Result) session.Result {
		seq++
		text := []byte("\x03" + sql)
		m.mask(&session.Command{ID: 1, Seq: seq, Kind: session.Query, Payload: text, SQL: text[1:]})
		return m.mask(&session.Reply{ID: 1, Seq: seq, Results: []session.Result{r}}).(*session.Reply).Results[0]
	}
	ok := session.Result{Outcome: session.OK}
	answer("PREPARE s FROM 'ALTER USER u IDENTIFIED BY ?'", ok)
	failed := session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1396, Message: "c4nary"}}
	if r := answer("EXECUTE s USING @p", failed); r.Error.Code != 1396 || r.Error.Message != "***" {
		t.Errorf("the error of an execution with a secret: %v", r.Error)
	}
	answer("USE mysql", ok)
	rows := session.Result{Outcome: session.Rows, Rows: 1, Kept: [][]byte{[]byte("\x06c4nary")},
		Columns: &session.Columns{List: []session.Column{{Schema: "mysql", Table: "user", Name: "authentication_string"}}}}
	if r := answer("SELECT * FROM user", rows); len(r.Kept) != 0 || r.Rows != 1 {
		t.Errorf("rows of a system table: %q", r.Kept)
	}
	rows.Columns = &session.Columns{List: []session.Column{{Schema: "shop", Table: "user", Name: "name"}}}
	if r := answer("SELECT * FROM shop.user", rows); len(r.Kept) != 1 {
		t.Error("rows of another table are gone")
	}
}
