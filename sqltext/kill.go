package sqltext

// killToken takes a token of KILL.
func (c *classifier) killToken(t Token) {
	k := &c.st.Kill
	c.callee = noCallee
	if k.Kind == NoKill {
		k.Kind = KillConnection
	}
	if t.Kind == Ident && k.Number.Empty() {
		switch t.Word {
		case wConnection, wHard, wSoft:
			return
		case wQuery:
			k.Kind = KillQuery
			return
		case wId:
			if k.Kind == KillQuery {
				k.Kind = KillQueryID
			}
			return
		case wUser:
			k.Kind = KillUser
			return
		}
	}
	if !k.Number.Empty() { // an expression
		k.Known, k.ID = false, 0
		k.Number.End = t.End
		return
	}
	k.Number = t.Span
	if n, ok := parseUint(t.Of(c.text)); ok && t.Kind == Int && k.Kind != KillUser {
		k.ID, k.Known = n, true
	}
}
