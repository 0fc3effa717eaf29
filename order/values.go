package order

import (
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/sqltext"
)

// domains appends which rows of a table a command's conditions allow, before and
// after what it assigns.
func (c *command) domains(list []domain, bt *boundTable) []domain {
	for i := range bt.terms {
		t := &bt.terms[i]
		d, ok := c.term(t)
		if !ok {
			continue
		}
		at := slices.IndexFunc(list, func(e domain) bool { return e.column == d.column })
		if at >= 0 {
			list[at] = narrow(list[at], d)
		} else {
			list = append(list, d)
		}
	}
	for i := range bt.assigned {
		list = c.assign(list, &bt.assigned[i])
	}
	if len(list) > 1 {
		sortDomains(list)
	}
	return list
}

// entry returns what is told of the places that rows come to by what is assigned.
func (c *command) entry(bt *boundTable) (list []domain) {
	for i := range bt.assigned {
		as := &bt.assigned[i]
		if d, ok := c.value(as.column, as.class, as.value); ok {
			list = append(list, d)
		}
	}
	sortDomains(list)
	return list
}

// assign widens the domain of a column that is set to a value.
func (c *command) assign(list []domain, as *boundAssign) []domain {
	at := slices.IndexFunc(list, func(e domain) bool { return e.column == as.column })
	if at < 0 {
		return list
	}
	if d, ok := c.value(as.column, as.class, as.value); ok {
		if d, ok = both(list[at], d); ok {
			list[at] = d
			return list
		}
	}
	return slices.Delete(list, at, at+1)
}

// term returns what a condition allows.
func (c *command) term(t *boundTerm) (domain, bool) {
	v := t.term.Values
	switch t.term.Op {
	case sqltext.Equal:
		if len(v) == 1 {
			return c.value(t.column, t.class, v[0])
		}
		return c.oneOf(t)
	case sqltext.IsNull:
		return domain{column: t.column, kind: null}, true
	}
	d := domain{column: t.column, kind: number, lo: -1 << 63, hi: 1<<63 - 1}
	for i, w := range v {
		e, ok := c.value(t.column, t.class, w)
		if !ok || e.kind != number {
			return d, false
		}
		if t.term.Op == sqltext.AtLeast || t.term.Op == sqltext.Between && i == 0 {
			d.lo = e.lo
		} else {
			d.hi = e.lo
		}
	}
	if d.lo > d.hi {
		d.hi = d.lo
	}
	return d, true
}

// oneOf returns what an IN list allows.
func (c *command) oneOf(t *boundTerm) (domain, bool) {
	values := make([]int64, 0, len(t.term.Values))
	k := kind(0)
	for _, v := range t.term.Values {
		d, ok := c.value(t.column, t.class, v)
		if !ok || d.kind == null || k != 0 && d.kind != k {
			return d, false
		}
		k = d.kind
		values = append(values, d.lo)
	}
	if len(values) == 0 {
		return domain{}, false
	}
	return listed(t.column, k, values)
}

// value returns a single value as a domain; false when it is not known, or not
// how the column compares it.
func (c *command) value(column uint8, cl class, v sqltext.Value) (domain, bool) {
	switch v.Kind {
	case sqltext.NullValue:
		return domain{column: column, kind: null}, true
	case sqltext.LastInsertID:
		id := c.group.session.lastID
		return one(column, number, id), id != 0 && cl == integers
	case sqltext.Literal:
		if v.Index < len(c.what.said().literals) {
			return c.literal(column, cl, v)
		}
	case sqltext.Placeholder:
		if w := c.what.said(); v.Index < len(w.params) {
			return param(column, cl, v, &w.params[v.Index])
		}
	}
	return domain{}, false
}

func (c *command) literal(column uint8, cl class, v sqltext.Value) (domain, bool) {
	w := c.what.said()
	l := &w.literals[v.Index]
	switch l.Kind {
	case sqltext.Int:
		n, ok := l.Int(w.text)
		if v.Negative {
			n = -n
		}
		return one(column, number, n), ok && (cl == integers || cl == unclear)
	case sqltext.String:
		if v.Negative {
			return domain{}, false
		}
		var buf [64]byte
		return textValue(column, cl, sqltext.AppendString(buf[:0], l.Span.Of(w.text), sqltext.Options{}))
	}
	return domain{}, false
}

// param is value for a parameter of an execution.
func param(column uint8, cl class, v sqltext.Value, p *classic.Param) (domain, bool) {
	switch {
	case p.Long:
		return domain{}, false
	case p.Null:
		return domain{column: column, kind: null}, true
	case p.Type.IsInteger():
		n := classic.Integer(p.Value, p.Unsigned)
		if p.Unsigned && n > 1<<62 {
			return domain{}, false
		}
		if v.Negative {
			n = -n
		}
		return one(column, number, int64(n)), cl == integers || cl == unclear
	case v.Negative:
		return domain{}, false
	}
	switch p.Type {
	case classic.TypeVarchar, classic.TypeVarString, classic.TypeString, classic.TypeBlob, classic.TypeTinyBlob, classic.TypeMediumBlob, classic.TypeLongBlob:
		return textValue(column, cl, p.Value)
	}
	return domain{}, false
}

// textValue returns a text as a column compares it.
func textValue(column uint8, cl class, s []byte) (domain, bool) {
	switch cl {
	case integers:
		n, ok := integer(s)
		return one(column, number, n), ok
	case bytesExact:
		for len(s) > 0 && (s[len(s)-1] == 0 || s[len(s)-1] == ' ') {
			s = s[:len(s)-1]
		}
		return one(column, text, int64(xxh3.Hash(s)>>1)), true
	case incomparable:
		return domain{}, false
	}
	if cl == unclear {
		if n, ok := integer(s); ok {
			return one(column, number, n), true
		}
	}
	for _, b := range s {
		if b >= 0x80 || b < ' ' {
			return domain{}, false // what it equals is the collation's business
		}
	}
	folded := strings.ToLower(strings.TrimRight(string(s), " "))
	return one(column, text, int64(xxh3.HashString(folded)>>1)), true
}

// integer reads a text that is an integer as a server writes it.
func integer(s []byte) (int64, bool) {
	neg := len(s) > 0 && s[0] == '-'
	if neg {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 18 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := int64(0)
	for _, b := range s {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}
