package sqltext

import "bytes"

// operator writes punctuation and operators, and collapses lists.
func (n *normalizer) operator(t Token, c *classifier) {
	switch t.Op {
	case '(':
		n.open(c)
		return
	case ')':
		n.close()
		return
	case ',':
		n.comma()
		return
	case '+', '-':
		if n.prefix() {
			n.sign(t)
			return
		}
	}
	n.endLimit()
	n.rowsEnd()
	prefix := n.prefix()
	switch t.Op {
	case '.':
		n.point()
		return
	case OpArrow, ';':
		n.mixed()
		n.start = len(n.buf)
		n.gap = atNothing
		if t.Op == ';' {
			n.gap = afterComma
		}
	default:
		n.mixed()
		n.space()
		n.gap = afterOperator
		if prefix && (t.Op == '!' || t.Op == '~') {
			n.gap = atNothing
		} else if prefix && t.Op == '*' {
			n.gap = afterValue // SELECT *
		}
	}
	n.write(n.text[t.Start:], t.End-t.Start)
}

// prefix tells whether an operator here has nothing on its left to work on.
func (n *normalizer) prefix() bool {
	switch n.gap {
	case afterName, afterValue, afterClose:
		return false
	}
	return true
}

// sign writes + or - before a value; a literal will take it away again.
func (n *normalizer) sign(t Token) {
	if !n.signed {
		n.before, n.beforeGap = len(n.buf), n.gap
		n.signed = true
	}
	n.joins, n.plain = false, false
	n.space()
	n.buf = append(n.buf, n.text[t.Start])
	n.gap = atNothing
}

// point writes the point of a qualified name. A keyword before it was a name,
// so it is written again as the text has it.
func (n *normalizer) point() {
	if n.last.Kind == Ident && n.last.Word != wNone {
		n.buf = append(n.buf[:n.start], n.text[n.last.Start:n.last.End]...)
	}
	n.mixed()
	n.system = n.last.Kind == SysVar
	n.start = len(n.buf)
	n.buf = append(n.buf, '.')
	n.gap = atNothing
}

func (n *normalizer) open(c *classifier) {
	n.endLimit()
	if n.plain {
		lower(n.buf[n.start:])
	}
	n.signed, n.joins, n.plain = false, false, false
	switch n.gap {
	case atNothing, afterTight, afterName:
	default:
		n.buf = append(n.buf, ' ')
	}
	n.start = len(n.buf)
	n.depth++
	n.openList(c)
	n.openRow()
	n.buf = append(n.buf, '(')
	n.gap = atNothing
}

// openList begins a list that may become (?+).
func (n *normalizer) openList(c *classifier) {
	if n.list.active {
		return // a row in a list
	}
	in := n.last.Kind == Ident && n.last.Word == wIn && n.gap == afterTight
	call := c.mode == inName && n.depth == 1
	if in || call {
		n.list = listState{active: true, start: n.start, depth: n.depth}
	}
}

// openRow begins a row behind VALUES.
func (n *normalizer) openRow() {
	r := &n.rows
	switch r.phase {
	case rowsOpen, rowsNext:
		if !r.named {
			r.start = n.start
		}
		r.paren = n.start
		r.named = false
		r.phase, r.pure, r.any, r.depth = rowsIn, true, false, n.depth
	case rowsComma:
		n.rows.phase = rowsNone
	}
}

func (n *normalizer) close() {
	n.endLimit()
	n.signed, n.joins, n.plain = false, false, false
	n.start = len(n.buf)
	n.buf = append(n.buf, ')')
	n.gap = afterClose
	n.depth--
	if n.list.active && n.depth < n.list.depth {
		if n.list.any {
			n.buf = append(n.buf[:n.list.start], "(?+)"...)
		}
		n.list.active = false
	}
	switch n.rows.phase {
	case rowsIn:
		if n.depth < n.rows.depth {
			n.closeRow()
		}
	case rowsNone:
	default:
		n.rows.phase = rowsNone
	}
}

// closeRow ends a row: of literals only it becomes (?+), and it vanishes when
// it equals the row before.
func (n *normalizer) closeRow() {
	r := &n.rows
	if r.pure && r.any {
		n.buf = append(n.buf[:r.paren], "(?+)"...)
	}
	if r.prevEnd > 0 && bytes.Equal(n.buf[r.prevStart:r.prevEnd], n.buf[r.start:]) {
		n.buf = n.buf[:r.prevEnd]
	} else {
		r.prevStart, r.prevEnd = r.start, len(n.buf)
	}
	r.phase = rowsComma
}

// rowsEnd ends the rows when something else than a row or a comma follows.
func (n *normalizer) rowsEnd() {
	if n.rows.phase != rowsNone && n.rows.phase != rowsIn {
		n.rows.phase = rowsNone
	}
}

func (n *normalizer) comma() {
	n.signed, n.joins, n.plain = false, false, false
	if n.limit == limitValue {
		n.limit = limitComma
		return
	}
	n.endLimit()
	switch n.rows.phase {
	case rowsComma:
		n.rows.phase = rowsNext
	case rowsIn, rowsNone:
	default:
		n.rows.phase = rowsNone
	}
	n.start = len(n.buf)
	n.buf = append(n.buf, ',')
	n.gap = afterComma
}

// endLimit ends a LIMIT clause; what was held back of it is written.
func (n *normalizer) endLimit() {
	switch n.limit {
	case limitComma:
		n.buf = append(n.buf, ',')
		n.gap = afterComma
	case limitOffset:
		n.buf = append(n.buf, " offset"...)
		n.gap = afterWord
	}
	n.limit = limitNone
}

// lower turns the ASCII letters of b into lower case.
func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
}
