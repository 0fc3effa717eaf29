package replay

import (
	"bytes"
	"strings"

	"myreplay/schema"
	"myreplay/sqltext"
)

// Pins says for all sessions which values that a server makes up are pinned. It
// is not changed, and may be used by many goroutines.
type Pins struct {
	ids, times bool
	// known: there is a schema. tables are its tables by "schema.name", bare those
	// whose name only one schema has by that, all in lower case.
	known        bool
	tables, bare map[string]*pinTable
}

// pinTable is what of a table tells whether its rows have values that a server
// makes up.
type pinTable struct {
	view bool
	// auto is the column that gets generated ids, in lower case, place its place
	// among the columns; "" when there is none.
	auto  string
	place int
	// clock: columns get the time when a row is inserted or updated, or a view reads
	// it.
	clock bool
	// onInsert, onUpdate and onDelete: there are triggers. steals: those for INSERT
	// may generate ids before the row gets its own, and take the one that was meant
	// for it.
	onInsert, onUpdate, onDelete, steals bool
}

// NewPins returns what is to be pinned: the ids that an INSERT generates, the
// time that a statement reads. s says which tables need it: without it no ids are
// pinned, since it is not known what would use them, and the time is for all
// that writes; views that read the clock are then not known.
func NewPins(ids, times bool, s *schema.Schema) *Pins {
	p := &Pins{ids: ids, times: times, tables: map[string]*pinTable{}, bare: map[string]*pinTable{}}
	if s == nil {
		return p
	}
	p.known = true
	twice := map[string]bool{}
	for i := range s.Tables {
		t := newPinTable(&s.Tables[i])
		name := strings.ToLower(s.Tables[i].Name)
		p.tables[tableKey(&s.Tables[i])] = t
		if p.bare[name] != nil || twice[name] {
			twice[name] = true
			delete(p.bare, name)
			continue
		}
		p.bare[name] = t
	}
	p.followViews(s)
	return p
}

// maxViewDepth is how deep views of views are followed.
const maxViewDepth = 8

// followViews finds the views that read the clock by way of another view.
func (p *Pins) followViews(s *schema.Schema) {
	for range maxViewDepth {
		var clocks []string
		for i := range s.Tables {
			if t := &s.Tables[i]; p.tables[tableKey(t)].view && p.tables[tableKey(t)].clock {
				clocks = append(clocks, "`"+t.Name+"`")
			}
		}
		more := false
		for i := range s.Tables {
			t := &s.Tables[i]
			if v := p.tables[tableKey(t)]; v.view && !v.clock && anyOf(t.Definition, clocks...) {
				v.clock, more = true, true
			}
		}
		if !more {
			return
		}
	}
}

func tableKey(t *schema.Table) string { return strings.ToLower(t.Schema + "." + t.Name) }

func newPinTable(t *schema.Table) *pinTable {
	p := &pinTable{view: t.Kind == schema.View}
	p.clock = p.view && (t.Definition == "" || readsClock(t.Definition))
	for i := range t.Columns {
		c := &t.Columns[i]
		p.clock = p.clock || c.Clock || c.Made
		if c.AutoIncrement {
			p.auto, p.place = strings.ToLower(c.Name), i
		}
	}
	for i := range t.Triggers {
		switch tr := &t.Triggers[i]; strings.ToUpper(tr.Event) {
		case "INSERT":
			p.onInsert = true
			p.steals = p.steals || !tr.After && !onlySets(tr.Body)
		case "UPDATE":
			p.onUpdate = true
		case "DELETE":
			p.onDelete = true
		}
	}
	return p
}

// readsClock tells whether a view's text may read the clock: it calls a function
// of the clock, or one that is not the server's.
func readsClock(definition string) bool {
	return anyOf(definition, "now(", "current_timestamp", "curdate", "current_date", "curtime", "current_time", "localtime",
		"unix_timestamp(", "utc_", "`(")
}

// onlySets tells whether a trigger surely does nothing but set columns and
// variables: it generates no ids then.
func onlySets(body string) bool {
	text := []byte(strings.TrimSpace(body))
	if len(text) > len("begin") && strings.EqualFold(string(text[:len("begin")]), "begin") && text[len("begin")] <= ' ' {
		end := bytes.TrimRight(text, "; \t\r\n")
		n := len(end) - len("end")
		if n < len("begin") || !strings.EqualFold(string(end[n:]), "end") {
			return false
		}
		text = end[len("begin"):n]
	}
	var a sqltext.Analyzer
	list := a.Analyze(text, sqltext.Options{Guessed: true}).Statements
	for i := range list {
		if list[i].Verb != sqltext.Set || list[i].Class != sqltext.Session || list[i].Funcs&sqltext.FuncUnknown != 0 {
			return false
		}
	}
	return len(list) > 0
}

func anyOf(text string, words ...string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, strings.ToLower(w)) {
			return true
		}
	}
	return false
}

// table returns what is known of a table; nil: nothing.
func (p *Pins) table(t *sqltext.ShapeTable, current string) *pinTable {
	if !p.known {
		return nil
	}
	of, name := strings.ToLower(t.Schema), strings.ToLower(t.Name)
	if of == "" {
		of = strings.ToLower(current)
	}
	if found := p.tables[of+"."+name]; found != nil {
		return found
	}
	return p.bare[name] // the schema has another name there, or is not known
}
