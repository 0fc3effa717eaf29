package target

import (
	"myreplay/classic"
	"myreplay/session"
)

// Inherit takes over the parameter types that a lost connection of the same
// session had told its server: clients send them with a statement's first
// execution only. Call it when the session's statements are prepared anew, and
// learned; each first execution here is then sent with its types.
func (c *Conn) Inherit(lost *Conn) {
	for id, st := range c.source.byID {
		old := lost.source.byID[id]
		if old == nil || old.doubtful || old.params != st.params || st.typed {
			continue
		}
		st.owed = old.owed
		if old.typed {
			st.owed = old.types
		}
	}
}

// withTypes returns an execution with the types that its server has not been
// told, and its layout; or as it was, where it needs none.
func (s *statements) withTypes(cmd *session.Command, l layout, st *statement) (*session.Command, layout) {
	owed := st.owed
	if owed == nil {
		return cmd, l
	}
	if !l.ok || l.typed || l.count == 0 || l.count != l.own || len(owed) != l.count || cmd.Kind != session.Execute {
		if l.typed {
			st.owed = nil
		}
		return cmd, l
	}
	at := len(cmd.Payload) - len(l.values) // behind the flag that says whether types follow
	p := append(make([]byte, 0, len(cmd.Payload)+3*l.count), cmd.Payload[:at-1]...)
	p = append(p, 1)
	for _, t := range owed {
		t.Name = nil // of no meaning for a statement's own
		p = classic.AppendParamType(p, t, l.named)
	}
	typed := *cmd
	typed.Payload = append(p, l.values...)
	typed.Size = uint64(len(typed.Payload))
	st.owed = nil
	return &typed, s.layout(&typed, st)
}
