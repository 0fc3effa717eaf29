package target

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"myreplay/classic"
	"myreplay/session"
)

// TestWithTypes: an execution that leaves out its types, as clients send all but
// the first, is sent on a new connection as the one that had them, and also where
// that one was not sent.
func TestWithTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caps := capsOf(rapid.Bool().Draw(t, "attributes"))
		n := rapid.IntRange(1, 20).Draw(t, "parameters")
		st := &statement{params: n}
		var list []classic.Param
		for range n {
			p := classic.Param{ParamType: classic.ParamType{Type: classic.TypeLongLong, Unsigned: rapid.Bool().Draw(t, "unsigned")}, Value: make([]byte, 8)}
			if rapid.Bool().Draw(t, "text") {
				p = classic.Param{ParamType: classic.ParamType{Type: classic.TypeVarString}, Value: []byte("text")}
			}
			p.Null = rapid.Bool().Draw(t, "null")
			list = append(list, p)
			st.owed = append(st.owed, p.ParamType)
		}
		var flags byte
		if caps != 0 && rapid.Bool().Draw(t, "counted") {
			flags = classic.ExecuteParamCount
		}
		whole := classic.AppendExecute(nil, caps, 7, flags, list)
		s := statements{caps: caps | 1}
		l := s.layout(&session.Command{Kind: session.Execute, Payload: whole}, st)
		if !l.ok || !l.typed {
			t.Fatalf("no types in %x", whole)
		}
		at := len(whole) - len(l.values) - len(l.types)
		bare := append(append(bytes.Clone(whole[:at-1]), 0), l.values...)
		cmd := &session.Command{Kind: session.Execute, Payload: bare}
		told, l := s.withTypes(cmd, s.layout(cmd, st), st)
		if !bytes.Equal(told.Payload, whole) || !l.typed || st.owed != nil {
			t.Fatalf("%x became %x, not %x", bare, told.Payload, whole)
		}
		c := &Conn{source: statements{caps: s.caps}}
		c.source.set(7, &statement{params: n})
		c.Skipped(&session.Command{Kind: session.Execute, Statement: 7, Payload: whole}, session.SkipDeadlock)
		after := c.source.byID[7]
		if told, _ := c.source.withTypes(cmd, c.source.layout(cmd, after), after); !bytes.Equal(told.Payload, whole) {
			t.Fatalf("%x became %x after one that was left out, not %x", bare, told.Payload, whole)
		}
		if again, _ := s.withTypes(cmd, s.layout(cmd, st), st); again != cmd {
			t.Fatal("told twice")
		}
	})
}
