package sqltext

import "bytes"

// A fingerprint is a text's shape: the same for all texts that differ only in
// literals, comments, white space, the case of keywords and the length of
// lists. The text of a statement with placeholders and the same statement with
// literals have the same fingerprint.
//
//   - Literals become ?, with their sign, introducer and the strings adjoining:
//     -1, 0x1f, _utf8mb4'x', 'a' 'b', NULL, TRUE, FALSE, \N. NULL, TRUE and FALSE
//     stay after IS, NOT and in DDL.
//   - IN (1, 2, 3) becomes in(?+), also with rows of literals in it. VALUES (1,
//     2), (3, 4) becomes values(?+); of rows with expressions, those equal to
//     the one before vanish. The arguments of CALL become (?+) when all are
//     literals.
//   - LIMIT 5, 10 and LIMIT 10 OFFSET 5 become limit ?. USE db becomes use ?.
//   - Comments vanish. /*! ... */ leaves its content. Hints stay.
//   - Keywords and the names of functions are written small, other names as they
//     are. `name` loses its quotes when it is a plain word and not reserved.
//   - White space is written by rule, whatever the text has. Statements are
//     separated by "; ", and the last has no semicolon.

// gap classes decide whether a space stands before the next token.
type gap uint8

const (
	atNothing  gap = iota // the beginning, or after ( . -> or a sign
	afterWord             // a keyword: a parenthesis has a space before it
	afterTight            // a keyword that has none
	afterName             // a name, or a keyword that stands for one: it has none
	afterValue            // a literal or variable
	afterClose            // )
	afterOperator
	afterComma
)

// normalizer writes the fingerprint of the tokens it is given.
type normalizer struct {
	buf  []byte
	text []byte
	gap  gap
	// start is where in buf the last token begins, behind its space.
	start int
	last  Token
	// between: a semicolon is to be written before the next token.
	between bool
	// before is where buf ended, and what the gap was, before a run of signs.
	before    int
	beforeGap gap
	signed    bool
	// string: the last token was a string without N, to which another may be
	// joined.
	joins bool
	limit limitState
	list  listState
	rows  rowsState
	depth int
	// plain: the name last written is one and may turn out to be a function's.
	plain bool
	// system: the name to come is part of a system variable's.
	system bool
	// admin: the text is not SQL but the name of a command, kept as it is.
	admin bool
}

// limitState follows a LIMIT clause.
type limitState uint8

const (
	limitNone   limitState = iota
	limitFirst             // LIMIT was written
	limitValue             // its first number was written
	limitComma             // and a comma was not
	limitOffset            // and OFFSET was not
)

// listState follows a parenthesis that becomes (?+) if only literals are in it.
type listState struct {
	active bool
	any    bool // a literal was seen
	start  int  // of the parenthesis in buf
	depth  int  // inside it
}

// rowsState follows the rows behind VALUES.
type rowsState struct {
	phase rowsPhase
	pure  bool
	any   bool
	depth int // inside a row
	start int // of the row in buf
	paren int // of its parenthesis
	// named: the row begins with the word ROW.
	named bool
	// prevStart and prevEnd are where the row before stands.
	prevStart, prevEnd int
}

type rowsPhase uint8

const (
	rowsNone  rowsPhase = iota
	rowsOpen            // behind VALUES: a parenthesis or ROW
	rowsIn              // inside a row
	rowsComma           // behind a row: a comma
	rowsNext            // behind the comma: a parenthesis or ROW
)

var adminPrefix = []byte("administrator command: ")

// begin readies the normalizer for a text.
func (n *normalizer) begin(text []byte) {
	n.buf, n.text = n.buf[:0], text
	n.gap, n.between, n.admin = atNothing, false, false
	n.reset()
	if bytes.HasPrefix(text, adminPrefix) {
		n.admin, n.between = true, true
		n.buf = append(n.buf, text...)
	}
}

// separate ends a statement.
func (n *normalizer) separate() {
	if n.admin || len(n.buf) == 0 {
		return
	}
	n.between = true
	n.reset()
}

func (n *normalizer) reset() {
	n.last, n.signed, n.joins, n.plain, n.system = Token{}, false, false, false, false
	n.limit, n.depth = limitNone, 0
	n.list.active = false
	n.rows.phase = rowsNone
}

// token takes a token that the classifier has just taken.
func (n *normalizer) token(t Token, c *classifier) {
	if n.between {
		if n.admin {
			return
		}
		n.between = false
		n.buf = append(n.buf, "; "...)
		n.gap = atNothing
	}
	switch t.Kind {
	case Ident, Quoted:
		switch {
		case c.mode == inUse && n.last.Kind != EOF:
			n.literal(t)
		case t.Kind == Quoted:
			n.quoted(t)
		default:
			n.ident(t, c)
		}
	case Op:
		n.operator(t, c)
	case String, Int, Decimal, Float, Hex, Bits, Null, Param:
		n.literal(t)
	case Introducer:
	default:
		n.other(t)
	}
	n.last = t
}

// write appends a token's bytes. Short ones are copied sixteen bytes at a time,
// as far as there are so many, which is faster than any other way.
func (n *normalizer) write(from []byte, length int) {
	const block = 16
	at := len(n.buf)
	if length > block || len(from) < block || cap(n.buf)-at < block {
		n.buf = append(n.buf, from[:length]...)
		return
	}
	b := n.buf[:at+block]
	copy(b[at:], from[:block])
	n.buf = b[:at+length]
}

// space writes the space before a token that needs one after words, values and
// operators, and notes where the token begins.
func (n *normalizer) space() {
	if n.gap != atNothing {
		n.buf = append(n.buf, ' ')
	}
	n.start = len(n.buf)
}

// mixed notes that a list being read does not consist of literals only.
func (n *normalizer) mixed() {
	n.list.active = false
	n.rows.pure = false
	n.signed, n.joins, n.plain, n.system = false, false, false, false
}

// other writes a token as it is: variables, hint marks, bad bytes.
func (n *normalizer) other(t Token) {
	n.endLimit()
	n.mixed()
	n.space()
	if t.Kind == SysVar {
		n.buf = appendLower(n.buf, n.text[t.Start:t.End])
	} else {
		n.buf = append(n.buf, n.text[t.Start:t.End]...)
	}
	n.gap = afterValue
	if t.Kind == HintStart || t.Kind == HintEnd {
		n.gap = afterOperator
	}
}

// literal writes ? for a literal or placeholder.
func (n *normalizer) literal(t Token) {
	if n.joins && t.Kind == String && n.text[t.Start]|0x20 != 'n' {
		return
	}
	if n.signed {
		n.buf, n.gap = n.buf[:n.before], n.beforeGap
	}
	n.signed, n.plain = false, false
	n.list.any, n.rows.any = true, true
	n.joins = t.Kind == String
	switch n.limit {
	case limitFirst:
		n.limit = limitValue
	case limitComma, limitOffset:
		n.limit = limitNone
		return
	case limitValue:
		n.limit = limitNone
	}
	n.space()
	n.buf = append(n.buf, '?')
	n.gap = afterValue
}

// ident writes a keyword or a name without quotes.
func (n *normalizer) ident(t Token, c *classifier) {
	w := t.Word
	info := wordInfos[w]
	member := n.last.Kind == Op && n.last.Op == '.'
	if w == wNone || member || c.isName || info.traits&isKeyword == 0 {
		n.name(t, !member && !c.isName)
		return
	}
	if (w == wNull || w == wTrue || w == wFalse) && n.isLiteral(c) {
		n.literal(t)
		return
	}
	if n.limit != limitNone && w == wOffset && n.limit == limitValue {
		n.limit = limitOffset
		return
	}
	if w == wRow && (n.rows.phase == rowsOpen || n.rows.phase == rowsNext) {
		n.space()
		n.rows.start, n.rows.named = n.start, true
		n.buf = append(n.buf, "row"...)
		n.gap = afterName
		return
	}
	n.endLimit()
	n.mixed()
	n.rowsEnd()
	n.space()
	n.write(wordBytes[w][:], len(wordTexts[w]))
	switch {
	case info.traits&isReserved == 0 || info.traits&isValue != 0:
		n.gap = afterName
	case info.traits&isTight != 0:
		n.gap = afterTight
	default:
		n.gap = afterWord
	}
	switch w {
	case wLimit:
		n.limit = limitFirst
	case wValues, wValue:
		n.rows = rowsState{phase: rowsOpen}
	}
}

// isLiteral tells whether NULL, TRUE or FALSE stands for a value here.
func (n *normalizer) isLiteral(c *classifier) bool {
	if c.mode == inDDL || c.mode == inRoutine {
		return false
	}
	return n.last.Kind != Ident || n.last.Word != wIs && n.last.Word != wNot
}

// name writes a name as it is; plain when it may be a function's.
func (n *normalizer) name(t Token, plain bool) {
	system := n.system
	n.endLimit()
	n.mixed()
	n.rowsEnd()
	n.space()
	n.write(n.text[t.Start:], t.End-t.Start)
	n.gap = afterName
	if system {
		lower(n.buf[n.start:])
	}
	n.plain = plain
}

// quoted writes a name in quotes, without them where that is safe.
func (n *normalizer) quoted(t Token) {
	inner := n.text[t.Start+1 : max(t.End-1, t.Start+1)]
	if isPlainName(inner) {
		n.name(Token{Kind: Quoted, Span: Span{t.Start + 1, t.End - 1}}, false)
		return
	}
	n.name(t, false)
	if n.buf[n.start] == '"' {
		n.buf[n.start] = '`'
		n.buf[len(n.buf)-1] = '`'
	}
}

// isPlainName tells whether a quoted name means the same without quotes.
func isPlainName(name []byte) bool {
	if len(name) == 0 || name[0] == '$' || starts[name[0]] == atDigit {
		return false
	}
	for _, c := range name {
		if !identBytes[c] || c >= 0x80 {
			return false
		}
	}
	return wordInfos[lookup(name, 0, len(name))].traits&isReserved == 0
}
