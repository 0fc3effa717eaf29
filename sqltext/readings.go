package sqltext

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
)

// reading is what one kind of server reads as code.
type reading struct {
	mariadb bool
	version int
	// seen collects the versions met.
	seen *versions
}

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

// runs tells whether the server runs what is in a comment with the given
// version, 0 for none, and whether it is MariaDB's kind.
func (r *reading) runs(version int, mariadb bool) bool {
	r.seen.add(version)
	if !r.mariadb {
		return !mariadb && version <= r.version
	}
	foreign := version >= firstCondition && version <= lastMySQLVersion && !mariadb
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
		for _, mariadb := range []bool{false, true} {
			a.raise(list, a.readAs(text, opt, &reading{mariadb, seen.list[i], seen}))
		}
	}
	if seen.full {
		for i := range list {
			list[i].Class = Unknown
		}
	}
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
