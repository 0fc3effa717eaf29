package sqltext

import "bytes"

// quote reads what begins with ' or ".
func (s *Scanner) quote(start int) Token {
	if s.text[start] == '"' && s.opt.ANSIQuotes {
		return s.quoted(Quoted, start, start)
	}
	return s.quoted(String, start, start)
}

// quoted reads a token that begins at start and has its opening quote at open.
func (s *Scanner) quoted(k Kind, start, open int) Token {
	q := s.text[open]
	name := q == '`' || q == '"' && s.opt.ANSIQuotes
	escapes := !name && !s.opt.NoBackslashEscapes
	end, ok := s.quoteEnd(open+1, q, escapes)
	if !ok {
		s.unterminated = true
	}
	return s.token(k, start, end)
}

// quoteEnd returns the offset behind the closing quote of what begins at i,
// and whether there is one.
func (s *Scanner) quoteEnd(i int, q byte, escapes bool) (int, bool) {
	if s.pairs != nil {
		return s.quoteEndPairs(i, q, escapes)
	}
	text := s.text
	for {
		n := bytes.IndexByte(text[i:], q)
		if n < 0 {
			return len(text), false
		}
		quote := i + n
		if escapes {
			i = pastEscapes(text, i, quote)
		}
		switch {
		case i > quote: // it was escaped
		case quote+1 < len(text) && text[quote+1] == q:
			i = quote + 2
		default:
			return quote + 1, true
		}
	}
}

// pastEscapes returns the offset behind the last escape that begins in
// text[i:end], or i.
func pastEscapes(text []byte, i, end int) int {
	for i < end {
		n := bytes.IndexByte(text[i:end], '\\')
		if n < 0 {
			break
		}
		i = min(i+n+2, len(text)) // one byte, even when it leads a character
	}
	return i
}

// quoteEndPairs is quoteEnd where the second byte of a character may look like
// a quote or a backslash.
func (s *Scanner) quoteEndPairs(i int, q byte, escapes bool) (int, bool) {
	text := s.text
	for i < len(text) {
		switch c := text[i]; {
		case s.pairs.at(text, i):
			i += 2
		case c == '\\' && escapes:
			i += 2
		case c != q:
			i++
		case i+1 < len(text) && text[i+1] == q:
			i += 2
		default:
			return i + 1, true
		}
	}
	return len(text), false
}

// digits reads what begins with a digit: a number, or an identifier such as
// 1st.
func (s *Scanner) digits(start int) Token {
	if s.afterPoint(start) {
		return s.ident(start)
	}
	text := s.text
	if text[start] == '0' && start+1 < len(text) {
		if k, end := s.radix(start); k != EOF {
			return s.token(k, start, end)
		}
	}
	i := s.skipDigits(start)
	if i >= len(text) {
		return s.token(Int, start, i)
	}
	switch c := text[i]; {
	case c == '.':
		return s.fraction(start, i+1)
	case c|0x20 == 'e':
		if end := s.exponent(i); end > 0 {
			return s.token(Float, start, end)
		}
		return s.ident(start)
	case identBytes[c]:
		return s.ident(start)
	}
	return s.token(Int, start, i)
}

// radix reads 0x... and 0b...; its kind is EOF when the text is neither. Only
// small x and b begin a number.
func (s *Scanner) radix(start int) (Kind, int) {
	text, i := s.text, start+2
	var k Kind
	switch text[start+1] {
	case 'x':
		k = Hex
		for i < len(text) && isHexDigit(text[i]) {
			i++
		}
	case 'b':
		k = Bits
		for i < len(text) && (text[i] == '0' || text[i] == '1') {
			i++
		}
	}
	if k == EOF || i == start+2 || i < len(text) && identBytes[text[i]] {
		return EOF, 0
	}
	return k, i
}

// fraction reads the digits after a number's point, and an exponent.
func (s *Scanner) fraction(start, i int) Token {
	i = s.skipDigits(i)
	if i < len(s.text) && s.text[i]|0x20 == 'e' {
		if end := s.exponent(i); end > 0 {
			return s.token(Float, start, end)
		}
	}
	return s.token(Decimal, start, i)
}

// exponent returns the offset behind the exponent that begins with the e at i,
// or 0 when no digit follows.
func (s *Scanner) exponent(i int) int {
	i++
	if i < len(s.text) && (s.text[i] == '+' || s.text[i] == '-') {
		i++
	}
	if end := s.skipDigits(i); end > i {
		return end
	}
	return 0
}

func (s *Scanner) skipDigits(i int) int {
	for i < len(s.text) && '0' <= s.text[i] && s.text[i] <= '9' {
		i++
	}
	return i
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// point reads a point or a number that begins with one. Directly after a name
// a point is a point: t.1 is a column.
func (s *Scanner) point(start int) Token {
	if start+1 < len(s.text) && starts[s.text[start+1]] == atDigit &&
		!(s.last.End == start && (s.last.Kind == Ident || s.last.Kind == SysVar)) {
		return s.fraction(start, start+1)
	}
	return Token{Kind: Op, Op: '.', Span: Span{start, start + 1}}
}
