package sqltext

import (
	"cmp"
	"slices"
)

// What counts as a secret:
//
//   - what follows IDENTIFIED BY, WITH ... BY or AS, VIA ... USING, and REPLACE
//     beside them; SET PASSWORD. So it is where the statement has an error, which
//     people make: IDENTIFED BY, a password without quotes, no BY or no =;
//   - the value of an option or variable whose name ends in password, secret and
//     the like, in every statement that is not a query or DML: CHANGE MASTER,
//     START REPLICA, CREATE SERVER, SET GLOBAL, SET @...; of a variable, also when
//     it ends in pass, pw, token or some kind of key;
//   - key and password arguments of PASSWORD, AES_ENCRYPT, ENCODE and their kind,
//     in every statement;
//   - all literals written to mysql.user and its kind, and to
//     authentication_string; all arguments of procedures of the schema mysql;
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
	if !maybeSecret(text) {
		return append(dst, text...), Secret{}
	}
	var m masker
	m.find(text, opt)
	return m.appendTo(dst, text), m.secret
}

// MaskLiterals is Mask for a text that has to do with a secret which it does
// not show, as SET @p = 'x' may after PREPARE s FROM 'ALTER USER u IDENTIFIED BY
// ?': all its literals are replaced.
func MaskLiterals(dst, text []byte, opt Options) ([]byte, Secret) {
	m := masker{whole: true}
	m.find(text, opt)
	return m.appendTo(dst, text), m.secret
}

// appendTo appends text with what is hidden replaced.
func (m *masker) appendTo(dst, text []byte) []byte {
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
	return append(dst, text[at:]...)
}

// masker collects the marks of a text from all ways to read it.
type masker struct {
	hidden []hidden
	secret Secret
	nested int
	// whole: all literals are secrets.
	whole bool
	// open: the text is the beginning of a statement that may go on with a
	// secret.
	open bool
}

// find fills in the masker, with marks sorted and apart.
func (m *masker) find(text []byte, opt Options) {
	m.findAs(text, opt, true)
	switch others := otherOptions(text, opt); {
	case opt.Guessed && len(text) > maxReread:
		m.hide(text)
	case len(text) <= maxReread:
		for _, other := range others {
			m.findAs(text, other, false)
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
	seen.full = len(text) > maxReread || !certain && len(text) > maxRereadOften
	for i := 0; i < seen.n && !seen.full; i++ {
		for _, r := range readings {
			r.version, r.seen = seen.list[i], seen
			s := NewScanner(text, opt)
			s.reading = &r
			m.read(&s, false)
		}
	}
	if seen.full {
		m.hide(text)
	}
}

// read reads the text once.
func (m *masker) read(s *Scanner, certain bool) {
	w := watch{text: s.full, opt: s.opt, nested: m.nested, whole: m.whole}
	w.begin()
	s.Comments = true
	for t := s.Next(); t.Kind != EOF && !s.unterminated; t = s.Next() {
		w.token(t)
	}
	if s.unterminated && certain {
		w.hidden = []hidden{{Span: m.fromFirstMark(s.full, w.hidden)}}
	}
	if m.nested > 0 && (s.unterminated || w.expecting() || w.account || w.identified) && w.isAccount() {
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
	start := firstSign(text)
	if start < 0 {
		start = len(text)
	}
	if m.whole {
		start = 0
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
