package sqltext

import "github.com/zeebo/xxh3"

const (
	// MaxFingerprint is how many bytes of a fingerprint's text are given; the
	// hash covers all of it.
	MaxFingerprint = 4096
	// maxKept is how much scratch memory an Analyzer keeps between texts.
	maxKept        = 1 << 20
	keptStatements = 64
)

// Analyzer reads texts. It keeps scratch memory between texts, so that reading
// one allocates nothing; after a very large text it gives most of that back.
// The zero Analyzer is ready. It is not for concurrent use.
type Analyzer struct {
	result     Result
	classifier classifier
	normal     normalizer
	nested     int
}

// Result is what a text says. It belongs to the Analyzer and is valid until its
// next use; the Statements' Spans are offsets into the text.
type Result struct {
	// Hash is the fingerprint's hash (xxh3, 64 bits, seed 0). Texts with the
	// same fingerprint have the same hash, in every version of this program that
	// writes the same fingerprints.
	Hash uint64
	// Statements are the statements of the text; empty ones are left out.
	Statements []Statement
	// Class is the most dangerous class of the statements; Unknown when there
	// is none.
	Class Class
}

// Harmless tells whether all statements are, and that there is one.
func (r *Result) Harmless() bool {
	for i := range r.Statements {
		if !r.Statements[i].Harmless() {
			return false
		}
	}
	return len(r.Statements) > 0
}

// Analyze reads a text, which it borrows for the call.
func (a *Analyzer) Analyze(text []byte, opt Options) *Result {
	a.release()
	r := &a.result
	a.normal.begin(text)
	conditional := a.read(text, opt)
	r.Hash = xxh3.Hash(a.normal.buf)
	if conditional {
		a.reread(text, opt)
	}
	for i := range len(r.Statements) - 1 {
		opt.Guessed = opt.Guessed || r.Statements[i].changesReading()
	}
	if isDoubtful(text, opt) && r.Harmless() {
		a.doubt(text, opt)
	}
	r.Class = worst(r.Statements)
	return r
}

// AppendFingerprint appends the fingerprint of the text last analyzed, cut at
// MaxFingerprint bytes.
func (a *Analyzer) AppendFingerprint(dst []byte) []byte {
	b := a.normal.buf
	if len(b) > MaxFingerprint {
		b = b[:MaxFingerprint]
		for len(b) > MaxFingerprint-4 && a.normal.buf[len(b)]&0xc0 == 0x80 {
			b = b[:len(b)-1] // not inside a UTF-8 character
		}
	}
	return append(dst, b...)
}

// release gives back scratch memory that one large text has made necessary.
func (a *Analyzer) release() {
	if cap(a.normal.buf) > maxKept {
		a.normal.buf = nil
	}
	if cap(a.classifier.list) > keptStatements {
		a.classifier.list, a.classifier.tables = nil, nil
	}
}

// read reads the text with all conditional comments as code, and tells whether
// there are any.
func (a *Analyzer) read(text []byte, opt Options) (conditional bool) {
	s := NewScanner(text, opt)
	c := &a.classifier
	c.begin(text, opt, a.nested)
	c.read(&s, &a.normal)
	a.result.Statements = c.list
	return s.conditional
}

// read reads all that s gives. The normalizer, if any, gets the tokens too.
func (c *classifier) read(s *Scanner, n *normalizer) {
	for {
		t := s.Next()
		if t.Kind == EOF {
			break
		}
		if t.Op == ';' && !c.routine.holds() && len(c.list) < MaxStatements {
			c.end()
			if n != nil {
				n.separate()
			}
			continue
		}
		c.token(t)
		if n != nil {
			n.token(t, c)
		}
	}
	c.end()
	c.seal(s)
}

// seal gives the statements their tables and what holds for the whole text.
func (c *classifier) seal(s *Scanner) {
	for i := range c.list {
		st := &c.list[i]
		st.Tables = c.tables[st.from:st.to:st.to]
	}
	if len(c.list) == 0 {
		return
	}
	last := &c.list[len(c.list)-1]
	if s.unterminated {
		last.Flags |= Unterminated
		last.Class = Unknown
	}
	if len(c.list) == MaxStatements {
		last.Class = Unknown
	}
}

// worst returns the most dangerous class of a list.
func worst(list []Statement) Class {
	if len(list) == 0 {
		return Unknown
	}
	class := list[0].Class
	for i := 1; i < len(list); i++ {
		class = class.worse(list[i].Class)
	}
	return class
}
