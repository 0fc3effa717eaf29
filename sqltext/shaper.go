package sqltext

import (
	"bytes"
	"encoding/binary"
)

// Limits of a Shaper.
const (
	// maxShapeTokens is how many tokens of a text are looked at. A text of more has
	// Shapes that name its tables only, and no literals.
	maxShapeTokens = 1 << 18
	// maxShapeLiterals is how many literals a text may have whose Shapes are
	// remembered.
	maxShapeLiterals = 1024
	// maxShapeKey is how long a text without its literals may be for that, in bytes.
	maxShapeKey = 1 << 14
	// maxYoungShapes and maxYoungWeight limit what is remembered: the entries, and
	// their bytes, about. Twice as much is kept.
	maxYoungShapes = 4096
	maxYoungWeight = 8 << 20
)

// Shaper makes Shapes and remembers those of texts that differ in literals only.
// The zero Shaper is ready. It is not for concurrent use.
type Shaper struct {
	key      []byte
	literals []LiteralToken
	analyzer Analyzer
	reader   shapeReader
	// young and old are the shapes by the text without its literals. When young is
	// full it becomes old.
	young, old map[string]*shapeEntry
	weight     int // of young

	// What the text being read has:
	text []byte
	opt  Options
	// verb is the first word of the statement.
	verb Word
	// several: more than one statement. sets: a SET. prepares: a PREPARE or
	// EXECUTE. whole: literals matter from here on. long: too many tokens.
	several, sets, prepares, whole, long bool
}

// shapeEntry is what is remembered of a text.
type shapeEntry struct {
	shapes []*Shape
	weight int
}

// Shapes returns the shapes of the statements of text and the text's literals,
// in the order of the text. Both lists are valid until the next call. The
// Shapes themselves are never changed and may be kept: they own what they hold.
// The text is borrowed for the call.
func (s *Shaper) Shapes(text []byte, opt Options) ([]*Shape, []LiteralToken) {
	s.release()
	s.text, s.opt = text, opt
	sc := NewScanner(text, opt)
	s.scan(&sc)
	var r *Result
	if s.isUnsure(&sc) {
		r = s.analyzer.Analyze(text, opt)
		s.mixClasses(r)
	}
	if e := s.recall(); e != nil {
		return e.shapes, s.literals
	}
	if r == nil {
		r = s.analyzer.Analyze(text, opt)
	}
	e := &shapeEntry{shapes: s.reader.read(text, opt, r, s.long), weight: len(s.key) + 256}
	for _, shape := range e.shapes {
		e.weight += 24*shape.weight + 512
	}
	if !s.long && len(s.literals) <= maxShapeLiterals && len(s.key) <= maxShapeKey {
		s.remember(string(s.key), e)
	}
	return e.shapes, s.literals
}

// release gives back scratch memory that a large text made necessary.
func (s *Shaper) release() {
	if cap(s.key) > maxKept {
		s.key = nil
	}
	if cap(s.literals) > maxKept/32 {
		s.literals = nil
	}
	s.key, s.literals = s.key[:0], s.literals[:0]
	s.verb, s.several, s.sets, s.prepares, s.whole, s.long = wNone, false, false, false, false, false
}

// recall looks the key up.
func (s *Shaper) recall() *shapeEntry {
	if e := s.young[string(s.key)]; e != nil {
		return e
	}
	e := s.old[string(s.key)]
	if e != nil {
		s.remember(string(s.key), e)
	}
	return e
}

func (s *Shaper) remember(key string, e *shapeEntry) {
	if s.young == nil || len(s.young) >= maxYoungShapes || s.weight >= maxYoungWeight {
		s.old, s.young, s.weight = s.young, map[string]*shapeEntry{}, 0
	}
	s.young[key] = e
	s.weight += e.weight
}

// The key is the tokens of the text, literals by their kind alone. Punctuation
// of one character stands for itself; everything else begins with keyKind and
// the kind. What has a text of its own has its length before it, so that no two
// sequences of tokens have the same key.
const (
	keyKind = 0x80
	// keyCall is a parenthesis directly behind the token before it, where a
	// function's name is read as one.
	keyCall = 0x01
	// keyIDPath, keyID and keyText follow a literal that matters: '$._id', '_id',
	// or any, with its text.
	keyIDPath = 0xf1
	keyID     = 0xf2
	keyText   = 0xf3
	// keyClass begins the class of a statement where the tokens don't decide it.
	keyClass = 0xf4
	// keyOpen: something has no end. keyQuote: a literal in double quotes, where
	// they may be a name's. keyDoubt: where literals end is not certain.
	keyOpen  = 0xf5
	keyQuote = 0xf6
	keyDoubt = 0xf7
)

// scan makes the key and lists the literals.
func (s *Shaper) scan(sc *Scanner) {
	key := append(s.key, byte(s.opt.Charset), optionBits(s.opt))
	end, first := -1, true
	for n := 0; ; n++ {
		t := sc.Next()
		switch t.Kind {
		case EOF:
			s.key = key
			return
		case Op:
			if t.End-t.Start > 1 {
				key = s.appendToken(key, t)
				break
			}
			c := s.text[t.Start]
			if c == '(' && t.Start == end {
				c = keyCall
			}
			key = append(key, c)
			if c == ';' {
				first, s.several = true, true
				continue
			}
		case String, Int, Decimal, Float, Hex, Bits:
			key = append(key, keyKind+byte(t.Kind))
			if s.opt.Guessed && s.text[t.Start] == '"' {
				key = append(key, keyQuote)
			}
			s.literals = append(s.literals, LiteralToken{t.Kind, t.Span})
			if s.whole || t.Kind == String && t.End-t.Start <= len(`'$._id'`) {
				key = s.appendLiteral(key, t)
			}
		case Param, Null, HintStart, HintEnd:
			key = append(key, keyKind+byte(t.Kind))
		default:
			key = s.appendToken(key, t)
			if first || s.sets || t.Word == wPrepare || t.Word == wExecute {
				s.note(t, first)
			}
		}
		end, first = t.End, false
		if n >= maxShapeTokens {
			s.long, s.key, s.literals = true, key, s.literals[:0]
			return
		}
	}
}

func optionBits(opt Options) (b byte) {
	for i, set := range [...]bool{opt.ANSIQuotes, opt.NoBackslashEscapes, opt.IgnoreSpace, opt.MariaDB, opt.Guessed} {
		if set {
			b |= 1 << i
		}
	}
	return b
}

func (s *Shaper) appendToken(key []byte, t Token) []byte {
	n := t.End - t.Start
	if n < 0x80 {
		key = append(key, keyKind+byte(t.Kind), byte(n))
	} else {
		key = binary.AppendUvarint(append(key, keyKind+byte(t.Kind)), uint64(n))
	}
	return append(key, s.text[t.Start:t.End]...)
}

// appendLiteral appends the text of a literal where it matters.
func (s *Shaper) appendLiteral(key []byte, t Token) []byte {
	switch {
	case s.whole:
		key = binary.AppendUvarint(append(key, keyText), uint64(t.End-t.Start))
		return append(key, s.text[t.Start:t.End]...)
	case isText(s.text, t, idPath):
		return append(key, keyIDPath)
	case isText(s.text, t, idMember):
		return append(key, keyID)
	}
	return key
}

// How documents name their id.
const (
	idPath   = "$._id"
	idMember = "_id"
)

// isText tells whether a String token is text in quotes.
func isText(b []byte, t Token, text string) bool {
	return t.Kind == String && t.End-t.Start == len(text)+2 && string(b[t.Start+1:t.End-1]) == text
}

// note notes a word that decides what else matters.
func (s *Shaper) note(t Token, first bool) {
	if first {
		s.verb = t.Word
	}
	switch {
	case s.verb == wXa:
		s.whole = true // its id is the shape's name
	case s.verb == wSet:
		s.sets = true
		name := s.text[t.Start:t.End]
		s.whole = s.whole || indexFold(name, "isolation") >= 0 || indexFold(name, "autocommit") >= 0
	}
	s.prepares = s.prepares || t.Word == wPrepare || t.Word == wExecute
}

// isUnsure tells whether what the statements do may depend on more than the
// tokens in the key.
func (s *Shaper) isUnsure(sc *Scanner) bool {
	if sc.unterminated {
		s.key = append(s.key, keyOpen)
	}
	if hasDoubtfulEscapes(s.text, s.opt) {
		s.key = append(s.key, keyDoubt)
	}
	switch {
	case s.long:
		return false // not remembered
	case sc.unterminated, sc.conditional, s.prepares, s.several && s.sets:
		return true
	case !isDoubtful(s.text, s.opt):
		return false
	}
	return !s.opt.Guessed || len(otherOptions(s.text, s.opt)) > 0
}

// hasDoubtfulEscapes tells whether a backslash may be one or not, in a text whose
// options are guessed.
func hasDoubtfulEscapes(text []byte, opt Options) bool {
	return opt.Guessed && bytes.IndexByte(text, '\\') >= 0
}

// mixClasses adds what the Analyzer found to the key.
func (s *Shaper) mixClasses(r *Result) {
	for i := range r.Statements {
		st := &r.Statements[i]
		s.key = append(s.key, keyClass, byte(st.Class), byte(st.Verb))
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(st.Flags))
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(st.Funcs))
	}
}
