package report

import (
	"bytes"
	"hash/maphash"
	"strings"

	"myreplay/compare"
	"myreplay/session"
	"myreplay/sqltext"
)

const (
	// slotCount is how many texts are remembered with their class. It is a
	// power of two.
	slotCount = 1 << 16
	// maxPrepared limits the bytes of prepared texts that are shared between
	// sessions; beyond it sharing begins anew.
	maxPrepared = 64 << 20
	// maxItem limits the bytes of a class's item.
	maxItem = 200
	// maxItemTables is how many tables an item names, maxClassTables how many
	// are known of a class.
	maxItemTables  = 4
	maxClassTables = 64
	// otherName is the id of the class of all that have none of their own.
	otherName = "other"
	// adminText is what stands before the name of a command that is not SQL, as
	// in slow logs.
	adminText = "administrator command: "
)

// group keeps classes apart that share a fingerprint.
type group uint8

const (
	runs     group = iota // Query, Execute, BulkExecute, and X's CRUD
	prepares              // Prepare
	fetches               // Fetch and others on a prepared statement
	commands              // not SQL: one class a kind
)

func groupOf(k session.Kind) group {
	switch k {
	case session.Query, session.Execute, session.BulkExecute, session.OpenCursor, session.PluginCommand, session.View,
		session.Find, session.Insert, session.Update, session.Delete:
		return runs
	case session.Prepare:
		return prepares
	case session.Fetch, session.ResetStatement, session.FetchCursor:
		return fetches
	}
	return commands
}

// groupStep times the group is added to the fingerprint's hash, so that ids
// stay apart; 0 times for runs.
const groupStep = 0x9e3779b97f4a7c15

// statements finds the class of texts.
type statements struct {
	analyzer sqltext.Analyzer
	seed     maphash.Seed
	// slots remember texts: each by its hash, where the hash says. Equal hashes
	// are held to be equal texts.
	slots   []slot
	classes map[uint64]*class
	list    []*class // in the order of their first command
	max     int
	other   *class
	// prepared shares the texts of prepared statements between sessions.
	prepared      map[uint64][]byte
	preparedBytes int
}

type slot struct {
	hash  uint64
	class *class
}

func newStatements(maxClasses int) *statements {
	return &statements{seed: maphash.MakeSeed(), slots: make([]slot, slotCount), classes: map[uint64]*class{},
		max: maxClasses, prepared: map[uint64][]byte{}}
}

// share returns a copy of a prepared text that all sessions share.
func (s *statements) share(sql []byte) []byte {
	h := maphash.Bytes(s.seed, sql)
	if known, ok := s.prepared[h]; ok && bytes.Equal(known, sql) {
		return known
	}
	if s.preparedBytes += len(sql); s.preparedBytes > maxPrepared {
		clear(s.prepared)
		s.preparedBytes = len(sql)
	}
	known := bytes.Clone(sql)
	s.prepared[h] = known
	return known
}

// ofText returns the class of a statement text.
func (s *statements) ofText(g group, sql []byte, opt sqltext.Options) *class {
	hash := maphash.Bytes(s.seed, sql) + uint64(g)*groupStep + optionsHash(&opt)
	at := &s.slots[hash%slotCount]
	if at.hash != hash || at.class == nil {
		*at = slot{hash, s.analyze(g, sql, opt)}
	}
	return at.class
}

// optionsHash keeps texts apart that are read in different ways.
func optionsHash(o *sqltext.Options) uint64 {
	h := uint64(o.Charset)
	for _, on := range [...]bool{o.ANSIQuotes, o.NoBackslashEscapes, o.IgnoreSpace, o.MariaDB} {
		h <<= 1
		if on {
			h |= 1
		}
	}
	return h * 0xbf58476d1ce4e5b9
}

func (s *statements) analyze(g group, sql []byte, opt sqltext.Options) *class {
	r := s.analyzer.Analyze(sql, opt)
	id := r.Hash + uint64(g)*groupStep
	if c := s.classes[id]; c != nil {
		return c
	}
	return s.add(id, func() *class {
		c := &class{group: g, fingerprint: printable(s.analyzer.AppendFingerprint(nil)), about: compare.About(sql, r), effect: effectOf(g, sql, r)}
		c.describe(sql, r)
		return c
	})
}

// ofKind returns the class of commands that have no text, or whose text is not
// known.
func (s *statements) ofKind(k session.Kind) *class {
	text, item := adminText+k.String(), "ADMIN "+strings.ToUpper(k.String())
	if g := groupOf(k); g != commands {
		text = k.String() + " of an unknown statement"
		item = text
	}
	id := maphash.String(s.seed, text)
	if c := s.classes[id]; c != nil {
		return c
	}
	return s.add(id, func() *class {
		r := s.analyzer.Analyze([]byte(text), sqltext.Options{})
		return &class{id: r.Hash, group: commands, fingerprint: text, item: item, effect: effectOfKind(k)}
	})
}

// add makes a class, unless there are too many.
func (s *statements) add(id uint64, make func() *class) *class {
	if len(s.list) >= s.max {
		if s.other == nil {
			s.other = &class{fingerprint: otherName, item: "all further query classes", group: commands, isOther: true, number: len(s.list), effect: unsureEffect}
			s.list = append(s.list, s.other)
		}
		return s.other
	}
	c := make()
	if c.id == 0 {
		c.id = id
	}
	c.number = len(s.list)
	s.classes[id] = c
	s.list = append(s.list, c)
	return c
}

// describe fills in what a reader sees of the class.
func (c *class) describe(sql []byte, r *sqltext.Result) {
	var verbs []string
	for i := range r.Statements {
		st := &r.Statements[i]
		if i < maxItemTables {
			verbs = append(verbs, strings.ToUpper(st.Verb.String()))
		}
		for _, t := range st.Tables {
			c.addTable(string(sqltext.AppendName(nil, t.Schema.Of(sql))), string(sqltext.AppendName(nil, t.Name.Of(sql))))
		}
	}
	c.explain = len(r.Statements) == 1 && explainable(r.Statements[0].Verb)
	c.item = c.fingerprint
	if len(c.tables) > 0 {
		c.item = strings.Join(verbs, "; ")
		for i, t := range c.tables[:min(len(c.tables), maxItemTables)] {
			if i == 0 {
				c.item += " "
			} else {
				c.item += ", "
			}
			c.item += t.String()
		}
	}
	if c.group == prepares {
		c.item = "PREPARE " + c.item
	}
	c.item = cut(c.item, maxItem)
}

func explainable(v sqltext.Verb) bool {
	switch v {
	case sqltext.Select, sqltext.Insert, sqltext.Replace, sqltext.Update, sqltext.Delete, sqltext.Table:
		return true
	}
	return false
}

// table is a table that a class names.
type table struct{ schema, name string }

func (t table) String() string {
	if t.schema == "" {
		return printable([]byte(t.name))
	}
	return printable([]byte(t.schema + "." + t.name))
}

func (c *class) addTable(schema, name string) {
	t := table{schema, name}
	for _, known := range c.tables {
		if known == t {
			return
		}
	}
	if len(c.tables) < maxClassTables {
		c.tables = append(c.tables, t)
	}
}
