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
