package sqltext

import (
	"bytes"
	"slices"
)

// A comment such as /*!80000 ... */ or /*M! ... */ is code on some servers and
// a comment on others. What a text means is then a matter of the server.

const (
	// firstCondition is the lowest version that makes a comment conditional:
	// every server that is supported is at least that old.
	firstCondition = 50700
	// MariaDB passes over the versions of MySQL from 5.7 on.
	lastMySQLVersion = 99999
	// maxVersions is how many different versions a text may name. With more,
	// nothing is certain.
	maxVersions = 16
	// maxReread is how long a text may be that is read more than once. Of a
	// longer one nothing is certain where that would be needed.
	maxReread = 1 << 20
	// maxRereadOften is the same for what is read with each of several options as
	// several servers do.
	maxRereadOften = maxReread / 16
)

// condition is what stands behind /*! or /*M! and decides whether a server runs
// what follows.
type condition struct {
	mariadb bool // /*M!
	// short and long are the version by its first five and by up to six digits,
	// 0 for none.
	short, long int
}

// isConditional tells whether some server that is supported passes over it.
func (c condition) isConditional() bool {
	return c.mariadb || c.short >= firstCondition || c.long >= firstCondition
}

// reading is what one kind of server reads as code.
type reading struct {
	mariadb bool
	// five: MySQL, when it takes five digits for the version of six.
	five    bool
	version int
	// seen collects the versions met.
	seen *versions
}

// readings are the kinds of servers.
var readings = [...]reading{{}, {five: true}, {mariadb: true}}

// versions is a set of versions.
type versions struct {
	list [maxVersions]int
	n    int
	full bool
}

func (v *versions) add(version int) {
	for _, known := range v.list[:v.n] {
		if known == version {
			return
		}
	}
	if v.n == maxVersions {
		v.full = true
		return
	}
	v.list[v.n] = version
	v.n++
}

// runs tells whether the server runs what is in a comment.
func (r *reading) runs(c condition) bool {
	version := c.long
	if r.five {
		version = c.short
	}
	r.seen.add(version)
	if !r.mariadb {
		return !c.mariadb && version <= r.version
	}
	foreign := version >= firstCondition && version <= lastMySQLVersion && !c.mariadb
	return version <= r.version && !foreign
}

// reread raises the classes to those of the most dangerous reading.
func (a *Analyzer) reread(text []byte, opt Options) {
	list := a.result.Statements
	for i := range list {
		list[i].Flags |= Conditional
	}
	seen := &versions{}
	seen.add(0) // the oldest server, which runs no conditional comment
	seen.full = a.nested > 0 || len(text) > maxReread
	for i := 0; i < seen.n && !seen.full; i++ {
		for _, r := range readings {
			r.version, r.seen = seen.list[i], seen
			a.raise(list, untilError(text, a.readAs(text, opt, &r)))
		}
	}
	if seen.full {
		for i := range list {
			list[i].Class = Unknown
		}
	}
}

// untilError cuts a list where a statement begins with a digit, as that of
// /*!100100 SELECT 1 */ does where the version has five digits: an error, and
// nothing behind it is run.
func untilError(text []byte, list []Statement) []Statement {
	for i := range list {
		if at := list[i].Start; at < len(text) && starts[text[at]] == atDigit {
			return list[:i]
		}
	}
	return list
}

// doubt raises the classes to those that the text has with other options, where
// those given are not certain.
func (a *Analyzer) doubt(text []byte, opt Options) {
	list := a.result.Statements
	if len(text) > maxReread {
		for i := range list {
			list[i].Class = Unknown
		}
		return
	}
	for _, other := range otherOptions(text, opt) {
		there := a.readAs(text, other, nil)
		if n := len(there); n > 0 && there[n-1].Flags&Unterminated != 0 {
			there = there[:n-1] // not what the client meant: an error there
		}
		a.raise(list, there)
	}
}

// isDoubtful tells whether a text may mean something else than it seems to. A
// MySQL server does not tell that its own sql_mode has ANSI_QUOTES, which
// matters to the class where a backslash stands in double quotes.
func isDoubtful(text []byte, opt Options) bool {
	return opt.Guessed || !opt.MariaDB && bytes.IndexByte(text, '\\') >= 0 && bytes.IndexByte(text, '"') >= 0
}

// otherOptions returns the options that a session may have instead of opt, as
// far as the text reads differently with them.
func otherOptions(text []byte, opt Options) (list []Options) {
	ansi := []bool{opt.ANSIQuotes}
	if (opt.Guessed || !opt.MariaDB) && bytes.IndexByte(text, '"') >= 0 {
		ansi = []bool{false, true}
	}
	escapes := []bool{opt.NoBackslashEscapes}
	if opt.Guessed && bytes.IndexByte(text, '\\') >= 0 {
		escapes = []bool{false, true}
	}
	for _, set := range otherCharsets(text, opt) {
		for _, a := range ansi {
			for _, e := range escapes {
				o := opt
				o.Charset, o.ANSIQuotes, o.NoBackslashEscapes = set, a, e
				if o != opt {
					list = append(list, o)
				}
			}
		}
	}
	return list
}

// otherCharsets returns the character sets with which a text may read
// differently, when they are guessed.
func otherCharsets(text []byte, opt Options) []Charset {
	if !opt.Guessed || !slices.ContainsFunc(text, func(c byte) bool { return c > 0x7f }) {
		return []Charset{opt.Charset}
	}
	sets := []Charset{ASCIISafe, GBK, Big5, SJIS}
	for _, c := range []Charset{SpaceA0, SpaceFF} {
		if bytes.IndexByte(text, c.highSpace()) >= 0 {
			sets = append(sets, c)
		}
	}
	return sets
}

// readAs reads the text as one kind of server does.
func (a *Analyzer) readAs(text []byte, opt Options, r *reading) []Statement {
	s := NewScanner(text, opt)
	s.reading = r
	var c classifier
	c.begin(text, opt, a.nested)
	c.read(&s, nil)
	return c.list
}

// raise makes the classes of list at least those of another reading. When the
// two do not have the same statements, the worst of the other counts for each.
func (a *Analyzer) raise(list, other []Statement) {
	if len(other) == 0 {
		return // all of it is a comment there
	}
	all := worst(other)
	for i := range list {
		class := all
		if len(list) == len(other) {
			class = other[i].Class
			list[i].Funcs |= other[i].Funcs
		}
		list[i].Class = list[i].Class.worse(class)
	}
}
