package trace

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"myreplay/sqltext"
)

const (
	// maxItems is how many items of one list or object are shown.
	maxItems = 64
	// maxDepth is how deep lists and objects are shown.
	maxDepth = 8
	// maskWindow is how much more of a value than is shown is looked at for
	// secrets.
	maskWindow = 1 << 10
	// maxStatements is how many prepared statements, and maxCursors how many
	// cursors of one connection are remembered.
	maxStatements = 4096
	maxCursors    = 64
)

// add adds a field.
func (m *Message) add(name string, v any) { m.Fields = append(m.Fields, Field{name, v}) }

// number adds a field with a number that is not 0.
func (m *Message) number(name string, v uint64) {
	if v != 0 {
		m.add(name, v)
	}
}

// flag adds a field that is true.
func (m *Message) flag(name string, v bool) {
	if v {
		m.add(name, true)
	}
}

// text adds a field with a text that is not empty.
func (c *conn) text(m *Message, name string, b []byte) {
	if len(b) > 0 {
		m.add(name, c.value(b))
	}
}

// said adds a field with a text of the server's, which is hidden where it may
// quote a secret.
func (c *conn) said(m *Message, name string, b []byte, q *question) {
	switch {
	case len(b) == 0:
	case c.muted(q):
		m.add(name, Hidden)
	default:
		m.add(name, c.value(b))
	}
}

// value returns a value as it is shown: masked, cut, and in hex when it is no
// text.
func (c *conn) value(b []byte) any {
	head := b[:min(len(b), c.t.options.MaxValue+maskWindow)]
	masked, found := sqltext.Mask(c.t.scratch[:0], head, sqltext.Options{Guessed: true})
	c.t.scratch = masked
	if !found.Found && !isText(head, len(head) < len(b)) {
		shown := b[:min(len(b), c.t.options.MaxValue/2)]
		return mark("0x"+hex.EncodeToString(shown), len(shown) < len(b), len(b))
	}
	n := len(b) - len(head) + len(masked)
	return c.cut(masked, n)
}

// isText tells whether b is UTF-8; its last character may be cut.
func isText(b []byte, cut bool) bool {
	if cut {
		for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
			if utf8.RuneStart(b[len(b)-i]) {
				if !utf8.FullRune(b[len(b)-i:]) {
					b = b[:len(b)-i]
				}
				break
			}
		}
	}
	return utf8.Valid(b)
}

// cut returns the beginning of a text that is n bytes long.
func (c *conn) cut(b []byte, n int) string {
	limit := c.t.options.MaxValue
	if n <= limit && len(b) <= limit {
		return string(b)
	}
	limit = min(limit, len(b))
	for i := 0; i < utf8.UTFMax && limit > 0 && limit < len(b) && !utf8.RuneStart(b[limit]); i++ {
		limit--
	}
	return mark(string(b[:limit]), limit < n, n)
}

// mark marks a value that is cut with its whole length.
func mark(s string, cut bool, n int) string {
	if cut {
		return s + "... " + strconv.Itoa(n) + " bytes"
	}
	return s
}

// list collects the items of a list.
type list struct {
	items []any
	n     int
}

// full tells whether the next item is not shown any more.
func (l *list) full() bool { return l.n >= maxItems }

// add adds an item; of those past the limit only the number counts.
func (l *list) add(v any) {
	if !l.full() {
		l.items = append(l.items, v)
	}
	l.n++
}

// skip counts an item that is not shown.
func (l *list) skip() { l.n++ }

// value returns the list.
func (l *list) value() any {
	if l.n > len(l.items) {
		return append(l.items, "... "+strconv.Itoa(l.n)+" in all")
	}
	if l.items == nil {
		return []any{}
	}
	return l.items
}
