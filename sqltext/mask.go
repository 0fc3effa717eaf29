package sqltext

import (
	"cmp"
	"slices"
)

// What counts as a secret:
//
//   - what follows IDENTIFIED BY, WITH ... BY or AS, VIA ... USING, and REPLACE
//     beside them; SET PASSWORD;
//   - the value of an option or variable whose name ends in password, secret and
//     the like, in every statement that is not a query or DML: CHANGE MASTER,
//     START REPLICA, CREATE SERVER, SET GLOBAL, SET @...;
//   - key and password arguments of PASSWORD, AES_ENCRYPT, ENCODE and their kind,
//     in every statement;
//   - all literals written to mysql.user and its kind, and to
//     authentication_string; all arguments of CALL mysql.rds_set_...;
//   - a user's password in CONNECTION = 'mysql://...';
//   - a literal whose text is a statement with a secret, as in PREPARE ... FROM,
//     except where it is data of INSERT, REPLACE, UPDATE, DELETE or LOAD;
//   - a comment that gives a secret's name a value; every comment with a quote
//     in it beside one of the above.
//
// An INSERT into a table of the user's with a column named password is ordinary
// data, as is WHERE password = '...'.

// hidden is a piece of text to be replaced.
type hidden struct {
	Span
	comment bool // the inside of a comment, not a literal
}

// Mask appends text to dst with every secret replaced by '***' (a comment's
// inside by ***) and all else byte for byte, and tells what it found. Where it
// cannot be sure, as behind a literal without an end, it masks all that follows.
func Mask(dst, text []byte, opt Options) ([]byte, Secret) {
	if !maybeSecret(text) && !maybeSecretShort(text) {
		return append(dst, text...), Secret{}
	}
	var m masker
	m.find(text, opt)
	at := 0
	for _, k := range m.hidden {
		dst = append(dst, text[at:k.Start]...)
		if k.comment {
			dst = append(dst, "***"...)
		} else {
			dst = append(dst, "'***'"...)
		}
		at = k.End
	}
	return append(dst, text[at:]...), m.secret
}

// findSecrets tells what Mask would find.
func findSecrets(text []byte, opt Options) Secret {
	var m masker
	m.find(text, opt)
	return m.secret
}

// masker collects the marks of a text from all ways to read it.
type masker struct {
	hidden []hidden
	secret Secret
	nested int
	// open: the text ends where a secret should follow.
	open bool
}

// find fills in the masker, with marks sorted and apart.
func (m *masker) find(text []byte, opt Options) {
	m.findAs(text, opt, true)
	if opt.Guessed {
		if len(text) > maxReread {
			m.hide(text)
		} else {
			for _, other := range otherOptions(text, opt) {
				m.findAs(text, other, false)
			}
		}
	}
	if m.secret.Any() {
		m.comments(text, opt)
	}
	m.merge()
	m.secret.Found = len(m.hidden) > 0
}

// hide hides all of a text, which cannot be understood.
func (m *masker) hide(text []byte) {
	m.hidden = append(m.hidden, hidden{Span: Span{0, len(text)}})
	m.secret = Secret{Found: true, Params: true}
}

// otherOptions returns the options that a session whose options are guessed may
// have instead, as far as the text reads differently with them.
func otherOptions(text []byte, opt Options) (list []Options) {
	sets := []Charset{opt.Charset}
	for _, c := range text {
		if c >= 0x80 {
			sets = []Charset{ASCIISafe, GBK, Big5, SJIS}
			break
		}
	}
	for _, set := range sets {
		for i := range 4 {
			o := opt
			o.Charset, o.ANSIQuotes, o.NoBackslashEscapes = set, i&1 != 0, i&2 != 0
			if o != opt {
				list = append(list, o)
			}
		}
	}
	return list
}

// findAs reads the text with certain options as each kind of server does. When
// the options are not certain and the text does not end well with them, they
// are wrong, and nothing is taken.
func (m *masker) findAs(text []byte, opt Options, certain bool) {
	s := NewScanner(text, opt)
	m.read(&s, certain)
	if !s.conditional || m.nested > 0 {
		return
	}
	seen := &versions{}
	seen.add(0)
	seen.full = len(text) > maxReread
	for i := 0; i < seen.n && !seen.full; i++ {
		for _, mariadb := range []bool{false, true} {
			s := NewScanner(text, opt)
			s.reading = &reading{mariadb, seen.list[i], seen}
			m.read(&s, false)
		}
	}
	if seen.full {
		m.hide(text)
	}
}

// read reads the text once.
func (m *masker) read(s *Scanner, certain bool) {
	w := watch{text: s.full, opt: s.opt, nested: m.nested}
	w.begin()
	s.Comments = true
	for t := s.Next(); t.Kind != EOF && !s.unterminated; t = s.Next() {
		w.token(t)
	}
	if s.unterminated && certain {
		w.hidden = []hidden{{Span: m.fromFirstMark(s.full, w.hidden)}}
	}
	if m.nested > 0 && (s.unterminated || w.expecting()) && w.isAccount() {
		m.open = true
	}
	if s.unterminated && !certain {
		return
	}
	m.hidden = append(m.hidden, w.hidden...)
	m.secret.Found = m.secret.Found || len(w.hidden) > 0
	m.secret.Params = m.secret.Params || w.params
}

// fromFirstMark is all of a text from the first mark on: when the text has no
// proper end, its quotes may pair in another way than it seems.
func (m *masker) fromFirstMark(text []byte, found []hidden) Span {
	start := len(text)
	for _, n := range []int{firstMark(text), firstShortMark(text)} {
		if n >= 0 {
			start = min(start, n)
		}
	}
	if len(found) > 0 {
		start = min(start, found[0].Start)
	}
	return Span{start, len(text)}
}

// comments marks the comments with a quote in them.
func (m *masker) comments(text []byte, opt Options) {
	s := NewScanner(text, opt)
	s.Comments = true
	for t := s.Next(); t.Kind != EOF; t = s.Next() {
		if t.Kind != Comment {
			continue
		}
		inner := commentInside(text, t.Span)
		for _, c := range inner.Of(text) {
			if c == '\'' || c == '"' || c == '`' {
				m.hidden = append(m.hidden, hidden{inner, true})
				break
			}
		}
	}
}

// merge sorts the marks and joins those that overlap.
func (m *masker) merge() {
	slices.SortFunc(m.hidden, func(a, b hidden) int { return cmp.Compare(a.Start, b.Start) })
	out := m.hidden[:0]
	for _, k := range m.hidden {
		if n := len(out); n > 0 && k.Start < out[n-1].End {
			last := &out[n-1]
			last.End = max(last.End, k.End)
			last.comment = last.comment && k.comment
			continue
		}
		out = append(out, k)
	}
	m.hidden = out
}

// commentInside is a comment's span without what begins and ends it.
func commentInside(text []byte, s Span) Span {
	switch c := s.Of(text); {
	case c[0] == '#':
		s.Start++
	case c[0] == '-':
		s.Start = min(s.Start+len("-- "), s.End)
	default:
		s.Start += 2
		if s.Start < s.End && len(c) >= 4 && c[len(c)-1] == '/' && c[len(c)-2] == '*' {
			s.End -= 2
		}
		return s
	}
	for s.End > s.Start && (text[s.End-1] == '\n' || text[s.End-1] == '\r') {
		s.End--
	}
	return s
}
