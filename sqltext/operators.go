package sqltext

import "bytes"

// operator reads what begins with a character that begins several operators or
// a comment. It returns false when it was a comment, which is passed over.
func (s *Scanner) operator(start int) (Token, bool) {
	rest := s.text[start:]
	next := byte(0)
	if len(rest) > 1 {
		next = rest[1]
	}
	switch rest[0] {
	case '.':
		t := s.point(start)
		s.pos = t.End
		return t, true
	case '#':
		return s.lineComment(start)
	case '-':
		if next == '-' && s.endsDashes(rest[2:]) {
			return s.lineComment(start)
		}
		if next == '>' {
			return s.op(OpArrow, start, 2+prefix(rest[2:], '>')), true
		}
	case '/':
		if next == '*' {
			return s.comment(start)
		}
	case '*':
		if next == '/' && s.inCode {
			s.inCode = false
			s.pos = start + 2
			return Token{}, false
		}
	case '\\':
		if next == 'N' {
			return s.token(Null, start, start+2), true
		}
		return s.token(Bad, start, start+1), true
	default:
		if n := operatorLen(rest, next); n > 1 {
			op := OpOther
			if rest[0] == ':' {
				op = OpAssign
			}
			return s.op(op, start, n), true
		}
	}
	return s.op(Operator(rest[0]), start, 1), true
}

// endsDashes tells whether what follows -- makes it a comment: nothing, a space
// or a control character.
func (s *Scanner) endsDashes(rest []byte) bool {
	if len(rest) == 0 || rest[0] <= ' ' || rest[0] == 0x7f || s.isSpace(rest[0]) {
		return true
	}
	if rest[0] > 0x7f && s.pairs == nil {
		s.unterminated = true
	}
	return false
}

func (s *Scanner) op(op Operator, start, n int) Token {
	s.pos = start + n
	return Token{Kind: Op, Op: op, Span: Span{start, s.pos}}
}

// operatorLen returns the length of the operator made of < > ! | & : = at the
// beginning of rest.
func operatorLen(rest []byte, next byte) int {
	switch rest[0] {
	case '<':
		if next == '=' {
			return 2 + prefix(rest[2:], '>')
		}
		if next == '>' || next == '<' {
			return 2
		}
	case '>':
		if next == '=' || next == '>' {
			return 2
		}
	case '!', ':':
		if next == '=' {
			return 2
		}
	case '|', '&':
		if next == rest[0] {
			return 2
		}
	}
	return 1
}

// prefix returns 1 when b begins with c, else 0.
func prefix(b []byte, c byte) int {
	if len(b) > 0 && b[0] == c {
		return 1
	}
	return 0
}

// lineComment passes over a comment that ends with the line.
func (s *Scanner) lineComment(start int) (Token, bool) {
	end := len(s.text)
	if n := bytes.IndexByte(s.text[start:], '\n'); n >= 0 {
		end = start + n + 1
	}
	t := s.token(Comment, start, end)
	return t, s.Comments
}

// comment passes over /* ... */, or enters /*! ... */ and /*+ ... */.
func (s *Scanner) comment(start int) (Token, bool) {
	rest := s.text[start+2:]
	switch {
	case len(rest) > 0 && rest[0] == '!':
		return s.code(start, start+3, false)
	case len(rest) > 1 && rest[0] == 'M' && rest[1] == '!':
		return s.code(start, start+4, true)
	case len(rest) > 0 && rest[0] == '+' && s.hintAllowed():
		return s.hint(start)
	}
	t := s.token(Comment, start, s.commentEnd(start+2))
	return t, s.Comments
}

// commentEnd returns the offset behind the next */.
func (s *Scanner) commentEnd(i int) int {
	if n := bytes.Index(s.text[i:], []byte("*/")); n >= 0 {
		return i + n + 2
	}
	s.unterminated = true
	return len(s.text)
}

// code enters a comment whose content is code; i is behind its exclamation
// mark. It may have a version, or be for MariaDB only.
func (s *Scanner) code(start, i int, mariadb bool) (Token, bool) {
	v, end := s.version(i)
	v.mariadb = mariadb
	if s.reading != nil && s.reading.five {
		end = min(end, i+shortVersion)
	}
	if v.isConditional() {
		s.conditional = true
		if s.reading != nil && !s.reading.runs(v) {
			t := s.token(Comment, start, s.nestedEnd(end))
			return t, s.Comments
		}
	}
	s.inCode = true
	s.pos = end
	return Token{}, false
}

// shortVersion is how many digits the version behind /*! has at least. A sixth
// belongs to it in MariaDB, and in newer versions of MySQL where a space
// follows.
const shortVersion = 5

// version reads the version at i, and returns the offset behind its sixth digit
// if it has one.
func (s *Scanner) version(i int) (condition, int) {
	var c condition
	end := s.skipDigits(i)
	if end < i+shortVersion {
		return c, i
	}
	end = min(end, i+shortVersion+1)
	for n, d := range s.text[i:end] {
		c.long = c.long*10 + int(d-'0')
		if n < shortVersion {
			c.short = c.long
		}
	}
	return c, end
}

// nestedEnd returns the offset behind a conditional comment that the server
// passes over; it may hold plain ones.
func (s *Scanner) nestedEnd(i int) int {
	for i < len(s.text) {
		n := bytes.IndexAny(s.text[i:], "*/")
		if n < 0 {
			break
		}
		i += n
		switch {
		case bytes.HasPrefix(s.text[i:], []byte("*/")):
			return i + 2
		case bytes.HasPrefix(s.text[i:], []byte("/*")):
			i = s.commentEnd(i + 2)
		default:
			i++
		}
	}
	s.unterminated = true
	return len(s.text)
}

// hintAllowed tells whether the last token is one after which /*+ begins a
// hint; elsewhere it is a comment.
func (s *Scanner) hintAllowed() bool {
	if s.last.Kind != Ident || s.inHint {
		return false
	}
	switch s.last.Word {
	case wSelect, wInsert, wReplace, wUpdate, wDelete:
		return true
	}
	return false
}

// hint enters a hint, which ends at the first */ whatever stands before it.
func (s *Scanner) hint(start int) (Token, bool) {
	end := s.commentEnd(start + 3)
	if !s.unterminated {
		end -= 2
	}
	s.text, s.inHint = s.text[:end], true
	return s.token(HintStart, start, start+3), true
}
