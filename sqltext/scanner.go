package sqltext

import "bytes"

// Kind is the kind of a Token.
type Kind uint8

// The kinds of tokens.
const (
	// EOF: there are no more tokens.
	EOF Kind = iota
	// Ident: an identifier without quotes, or a keyword; Token.Word tells the
	// words that are known.
	Ident
	// Quoted: an identifier in backticks, or in double quotes under ANSI_QUOTES.
	Quoted
	// String: '...', "..." or N'...'. Adjacent strings are tokens of their own,
	// though the server reads them as one literal.
	String
	// Int: decimal digits.
	Int
	// Decimal: digits with a point.
	Decimal
	// Float: a number with an exponent.
	Float
	// Hex: 0x... or x'...'.
	Hex
	// Bits: 0b... or b'...'.
	Bits
	// Null: \N, which servers before MySQL 8 and MariaDB read as NULL. (The
	// word NULL is an Ident.)
	Null
	// Introducer: _charset, which belongs to the literal that follows.
	Introducer
	// UserVar: @name, @`name`, @'name'; a lone @ too.
	UserVar
	// SysVar: @@name. Of @@global.name it is the part before the point.
	SysVar
	// Param: the placeholder ?.
	Param
	// Op: punctuation or an operator; Token.Op tells which.
	Op
	// HintStart and HintEnd stand around the tokens of /*+ ... */.
	HintStart
	HintEnd
	// Comment: a comment; only when Scanner.Comments is set.
	Comment
	// Bad: a byte that begins nothing.
	Bad
)

// Operator tells which operator an Op token is: a single character stands for
// itself, the others are listed.
type Operator uint8

// Operators of several characters. All that are not listed have OpOther.
const (
	// OpAssign is := .
	OpAssign Operator = 1 + iota
	// OpArrow is -> or ->> .
	OpArrow
	// OpOther is any other operator of several characters: <=, <>, &&, <=> ...
	OpOther
)

// Token is a piece of the text: text[Start:End].
type Token struct {
	Kind Kind
	// Op tells which operator, of Op tokens.
	Op Operator
	// Word is the known word that an Ident spells, or 0. After a point it has
	// no meaning of its own: t.select is a column.
	Word Word
	// Span is the token's place in the text.
	Span
}

// Scanner splits a text into tokens, as the server's own lexer does. Comments
// vanish; what is inside /*! ... */ and /*M! ... */ is code, and the markers
// vanish. A Scanner is a value: copying it saves a place to come back to.
type Scanner struct {
	// Comments makes Next return comments too.
	Comments bool

	text  []byte // cut at the end of a hint while inside one
	full  []byte
	pairs *pairs
	space byte // over 0x7f, or 0
	opt   Options
	pos   int
	last  Token
	// inCode: inside /*! ... */.
	inCode bool
	inHint bool
	// creating: the statement began with CREATE, so $$ may quote.
	creating     bool
	unterminated bool
	// conditional: a comment was met that is code on some servers only.
	conditional bool
	// reading tells which of those are code, nil: all.
	reading *reading
}

// NewScanner returns a Scanner over text, which it borrows.
func NewScanner(text []byte, opt Options) Scanner {
	for len(text) > 0 && text[len(text)-1] == 0 {
		text = text[:len(text)-1] // as the server does
	}
	s := Scanner{text: text, full: text, opt: opt}
	if int(opt.Charset) < len(pairsOf) {
		s.pairs = pairsOf[opt.Charset]
	}
	s.space = opt.Charset.highSpace()
	return s
}

// Unterminated tells whether a literal, a quoted identifier or a comment met
// so far had no end, so that its token reaches to the end of the text; or
// whether it is not certain that there was none: "--" with a byte over 0x7f
// behind it begins a comment in some character sets.
func (s *Scanner) Unterminated() bool { return s.unterminated }

// What a token may begin with.
const (
	atBad = iota
	atSpace
	atIdent
	atPrefix // b, n, x: a literal when a quote follows
	atUnderscore
	atDollar
	atDigit
	atQuote
	atBacktick
	atAt
	atSingle // an operator of one character
	atOperator
	atParam
)

var starts = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= 0x80, 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			t[c] = atIdent
		case '0' <= c && c <= '9':
			t[c] = atDigit
		}
	}
	set := func(chars string, v uint8) {
		for i := range len(chars) {
			t[chars[i]] = v
		}
	}
	set(" \t\n\v\f\r", atSpace)
	set("bBnNxX", atPrefix)
	set("_", atUnderscore)
	set("$", atDollar)
	set("'\"", atQuote)
	set("`", atBacktick)
	set("@", atAt)
	set("(),;=+~^%{}", atSingle)
	set("-/*#.<>!|&:\\", atOperator)
	set("?", atParam)
	return t
}()

// identBytes are those that an identifier without quotes consists of.
var identBytes = func() (t [256]bool) {
	for c := range t {
		t[c] = starts[c] == atIdent || starts[c] == atPrefix || starts[c] == atDigit || c == '_' || c == '$'
	}
	return t
}()

// Next returns the next token; its Kind is EOF at the end.
func (s *Scanner) Next() Token {
	t := s.next()
	s.last = t
	return t
}

func (s *Scanner) next() Token {
	for {
		text, start := s.text, s.pos
		for start < len(text) && text[start] == ' ' {
			start++
		}
		if start >= len(text) {
			s.pos = start
			if !s.inHint {
				break
			}
			return s.endHint()
		}
		switch starts[text[start]] {
		case atSpace:
			s.pos = start + 1
		case atIdent:
			if s.space != 0 && text[start] == s.space {
				s.pos = start + 1
				continue
			}
			return s.ident(start)
		case atDigit:
			return s.digits(start)
		case atSingle:
			return s.single(start)
		case atQuote:
			return s.quote(start)
		case atOperator:
			if t, ok := s.operator(start); ok {
				return t
			}
		case atParam:
			return s.token(Param, start, start+1)
		case atPrefix:
			return s.prefixed(start)
		case atUnderscore:
			return s.underscore(start)
		case atBacktick:
			return s.quoted(Quoted, start, start)
		case atAt:
			return s.variable(start)
		case atDollar:
			return s.dollar(start)
		default:
			return s.token(Bad, start, start+1)
		}
	}
	if s.inCode {
		s.unterminated = true
	}
	return Token{Kind: EOF, Span: Span{s.pos, s.pos}}
}

// token ends a token at end and returns it.
func (s *Scanner) token(k Kind, start, end int) Token {
	s.pos = end
	return Token{Kind: k, Span: Span{start, end}}
}

func (s *Scanner) single(start int) Token {
	c := s.text[start]
	if c == ';' {
		s.creating = false
	}
	s.pos = start + 1
	return Token{Kind: Op, Op: Operator(c), Span: Span{start, start + 1}}
}

// ident reads an identifier without quotes, or a keyword.
func (s *Scanner) ident(start int) Token {
	end := s.identEnd(start)
	s.pos = end
	w := lookup(s.text, start, end)
	if w == wCreate && (s.last.Kind == EOF || s.last.Op == ';') {
		s.creating = true
	}
	return Token{Kind: Ident, Word: w, Span: Span{start, end}}
}

func (s *Scanner) identEnd(i int) int {
	text := s.text
	if s.pairs == nil && s.space == 0 {
		for i < len(text) && identBytes[text[i]] {
			i++
		}
		return i
	}
	for i < len(text) && identBytes[text[i]] && !s.isSpace(text[i]) {
		if s.pairs != nil && s.pairs.at(text, i) {
			i++
		}
		i++
	}
	return i
}

// isSpace tells whether a byte over 0x7f is a space.
func (s *Scanner) isSpace(c byte) bool { return s.space != 0 && c == s.space }

// prefixed reads what begins with b, n or x.
func (s *Scanner) prefixed(start int) Token {
	if start+1 < len(s.text) && s.text[start+1] == '\'' && !s.afterPoint(start) {
		switch s.text[start] | 0x20 {
		case 'n':
			return s.quoted(String, start, start+1)
		case 'x':
			return s.quoted(Hex, start, start+1)
		default:
			return s.quoted(Bits, start, start+1)
		}
	}
	return s.ident(start)
}

func (s *Scanner) underscore(start int) Token {
	t := s.ident(start)
	if t.Word == 0 && isIntroducer(s.text[t.Start:t.End]) && !s.afterPoint(start) {
		t.Kind = Introducer
	}
	return t
}

// afterPoint tells whether a point stands directly before start, so that what
// follows is part of a name.
func (s *Scanner) afterPoint(start int) bool {
	return s.last.Kind == Op && s.last.Op == '.' && s.last.End == start
}

// variable reads @name and @@name.
func (s *Scanner) variable(start int) Token {
	i := start + 1
	if i < len(s.text) && s.text[i] == '@' {
		i++
		if i < len(s.text) && s.text[i] == '`' {
			return s.quoted(SysVar, start, i)
		}
		for i < len(s.text) && starts[s.text[i]] == atSpace {
			i++
		}
		return s.token(SysVar, start, s.identEnd(i))
	}
	if i < len(s.text) && (s.text[i] == '`' || s.text[i] == '\'' || s.text[i] == '"') {
		return s.quoted(UserVar, start, i)
	}
	for i < len(s.text) && (identBytes[s.text[i]] && !s.isSpace(s.text[i]) || s.text[i] == '.') {
		i++
	}
	return s.token(UserVar, start, i)
}

// dollar reads an identifier that begins with $, or in MySQL's CREATE ... AS
// the source text of a routine in $$ or $tag$.
func (s *Scanner) dollar(start int) Token {
	if s.creating && !s.opt.MariaDB && s.last.Kind == Ident && s.last.Word == wAs {
		i := s.identEnd(start)
		if n := bytes.IndexByte(s.text[start+1:i], '$'); n >= 0 {
			tag := s.text[start : start+n+2]
			from := start + len(tag)
			end := bytes.Index(s.text[from:], tag)
			if end < 0 {
				s.unterminated = true
				return s.token(String, start, len(s.text))
			}
			return s.token(String, start, from+end+len(tag))
		}
	}
	return s.ident(start)
}

func (s *Scanner) endHint() Token {
	start := len(s.text)
	s.text, s.inHint = s.full, false
	return s.token(HintEnd, start, min(start+2, len(s.text)))
}
