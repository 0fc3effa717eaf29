package sqltext

import "strings"

// transaction reads what begins, ends or shapes transactions, and SET.
func (r *shapeReader) transaction() {
	s := r.shape
	switch s.Verb {
	case Begin:
		for k := range r.toks {
			switch r.word(k) {
			case wSnapshot:
				s.Snapshot = true
			case wRead:
				s.ReadOnly = s.ReadOnly || r.word(k+1) == wOnly
			}
		}
	case Commit, Rollback:
		for k := range r.toks {
			switch r.word(k) {
			case wChain:
				s.Chain = s.Chain || r.word(k-1) != wNo
			case wTo:
				s.To = s.To || s.Verb == Rollback
			}
		}
		if s.To {
			r.savepoint()
		}
	case Savepoint, Release:
		r.savepoint()
	case XA:
		r.xa()
	case Set:
		r.set()
	}
}

// savepoint takes the name of a savepoint, which comes last.
func (r *shapeReader) savepoint() {
	if k := len(r.toks) - 1; k > 0 && r.isName(k) {
		r.shape.Name = r.name(k)
		r.toks[k].target = true
	}
}

// xa reads XA.
func (r *shapeReader) xa() {
	s := r.shape
	if r.kind(1) == Ident {
		s.XA = string(appendLower(nil, r.toks[1].Of(r.text)))
	}
	var id []byte
	for k := 2; k < len(r.toks); k++ {
		t := &r.toks[k]
		switch {
		case r.op(k, ','):
			id = append(id, ',')
		case t.Kind == String:
			id = AppendString(id, t.Of(r.text), r.opt)
		case t.Kind == Hex:
			id = appendHex(id, t.Of(r.text))
		case t.Kind == Int, t.Kind == Bits:
			id = append(id, t.Of(r.text)...)
		case r.word(k) == wPhase:
			s.OnePhase = r.word(k-1) == wOne
		}
	}
	s.Name = string(id)
}

// appendHex appends the bytes of a Hex token's text.
func appendHex(dst, text []byte) []byte {
	digits := strings.TrimRight(string(text[min(2, len(text)):]), "'")
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	for i := 0; i+1 < len(digits); i += 2 {
		dst = append(dst, hexDigit(digits[i])<<4|hexDigit(digits[i+1]))
	}
	return dst
}

func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// set reads SET.
func (r *shapeReader) set() {
	n := len(r.toks)
	for k := 1; k < n; {
		end := r.listEnd(k, n)
		global, session := false, false
		switch r.scopeWord(k) {
		case 'g':
			global = true
			k++
		case 's':
			session = true
			k++
		}
		switch {
		case r.word(k) == wTransaction:
			if !global {
				r.setTransaction(k+1, session)
			}
			return
		case !global:
			r.setVariable(k, end, session)
		}
		k = end + 1
	}
}

// scopeWord returns 'g' for GLOBAL and PERSIST, 's' for SESSION and LOCAL at k, 0
// for others.
func (r *shapeReader) scopeWord(k int) byte {
	switch r.word(k) {
	case wGlobal, wPersist, wPersistOnly:
		return 'g'
	case wSession, wLocal:
		return 's'
	}
	return 0
}

// setTransaction reads SET TRANSACTION behind that word.
func (r *shapeReader) setTransaction(k int, session bool) {
	for ; k < len(r.toks); k++ {
		if r.word(k) != wLevel || r.word(k-1) != wIsolation {
			continue
		}
		switch r.word(k + 1) {
		case wSerializable:
			r.shape.Isolation = "serializable"
		case wRepeatable:
			r.shape.Isolation = "repeatable-read"
		case wRead:
			r.shape.Isolation = "?"
			if w := r.word(k + 2); w == wCommitted || w == wUncommitted {
				r.shape.Isolation = "read-" + w.String()
			}
		default:
			r.shape.Isolation = "?"
		}
		r.shape.NextOnly = !session
	}
}

// setVariable reads the assignment toks[k:end] of SET.
func (r *shapeReader) setVariable(k, end int, session bool) {
	if k >= end {
		return
	}
	name, next := "", false
	switch r.kind(k) {
	case Ident, Quoted:
		name = r.column(k)
	case SysVar:
		name = strings.Trim(lowerName(string(r.toks[k].Of(r.text))), "@` \t\n\v\f\r")
		next = !session
		if r.op(k+1, '.') {
			if name != "session" && name != "local" {
				return
			}
			k += 2
			if k >= end {
				return
			}
			name, next = r.column(k), false
		}
	}
	if !r.op(k+1, '=') && (r.kind(k+1) != Op || r.toks[k+1].Op != OpAssign) {
		return
	}
	switch name {
	case "autocommit":
		r.shape.Autocommit = r.switchValue(k+2, end)
	case "transaction_isolation", "tx_isolation":
		r.shape.Isolation, r.shape.NextOnly = r.isolation(k+2, end), next
	}
}

// switchValue reads the value of a switch.
func (r *shapeReader) switchValue(k, end int) Value {
	if k+1 == end {
		switch r.word(k) {
		case wOn, wTrue:
			return Value{Kind: TrueValue}
		case wOff, wFalse:
			return Value{Kind: FalseValue}
		}
		if r.kind(k) == String {
			switch lowerName(string(AppendString(nil, r.toks[k].Of(r.text), r.opt))) {
			case "on", "true":
				return Value{Kind: TrueValue}
			case "off", "false":
				return Value{Kind: FalseValue}
			}
		}
	}
	return r.anyValue(k, end)
}

// isolation reads the value of the variable transaction_isolation.
func (r *shapeReader) isolation(k, end int) string {
	if k+1 != end {
		return "?"
	}
	level := ""
	switch r.kind(k) {
	case String:
		level = string(AppendString(nil, r.toks[k].Of(r.text), r.opt))
	case Ident:
		level = r.name(k)
	}
	switch level = lowerName(level); level {
	case "read-uncommitted", "read-committed", "repeatable-read", "serializable":
		return level
	}
	return "?"
}
