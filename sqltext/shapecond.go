package sqltext

import "slices"

// A condition is read as a list of demands that hold together; what is not
// understood is left out, so that the list says less than the condition, never
// more.

// demand is a Term and whose column it is of.
type demand struct {
	schema, table string // as named; "" where the column stands alone
	Term                 // without Op where it is that the column equals another
	other         *demand
}

// maxAlternatives is how many demands of the first part of an OR are compared
// with the other parts'.
const maxAlternatives = 8

// endsCondition tells whether token k ends a condition: a word that is reserved
// everywhere and that no expression holds outside of parentheses.
func (r *shapeReader) endsCondition(k int) bool {
	switch r.word(k) {
	case wGroup, wHaving, wOrder, wLimit, wProcedure, wInto, wFor, wLock, wUnion, wFetch, wOn, wUsing, wSet, wWhere, wSelect, wAs:
		return true
	}
	return false
}

// maybeEnds tells whether token k may end a condition or a list of tables, though
// it is a name to some servers.
func (r *shapeReader) maybeEnds(k int) bool {
	switch r.word(k) {
	case wWindow, wReturning, wOffset, wExcept, wIntersect, wMinus:
		return true
	}
	return false
}

// conditionEnd returns where the condition that begins at i ends: soft where it
// may, hard where it must. from: it is that of a join.
func (r *shapeReader) conditionEnd(i, j int, from bool) (soft, hard int) {
	soft = -1
	k := i
	for k < j && !r.endsCondition(k) {
		if from {
			if kind, _ := r.join(k); kind.is || r.op(k, ',') {
				break
			}
		}
		if soft < 0 && r.maybeEnds(k) {
			soft = k
		}
		k = r.past(k)
	}
	if soft < 0 {
		soft = k
	}
	return soft, k
}

// condition reads the condition toks[i:soft]. What stands up to hard may belong
// to it.
func (r *shapeReader) condition(i, soft, hard int) []demand {
	for k := soft; k < hard; k = r.past(k) {
		if r.breaks(k) || r.word(k) == wOr {
			return nil
		}
	}
	return r.demands(i, soft, nil)
}

// breaks tells whether token k is an operator that binds less than AND, or may,
// other than OR.
func (r *shapeReader) breaks(k int) bool {
	t := &r.toks[k]
	switch {
	case t.Kind == Op && t.Op == OpAssign:
		return true
	case t.Kind == Op && t.Op == OpOther:
		return string(t.Of(r.text)) == "||"
	}
	return r.word(k) == wXor
}

// demands appends the demands of toks[i:j], whose operators are AND, or OR.
func (r *shapeReader) demands(i, j int, out []demand) []demand {
	for j-i >= 2 && r.op(i, '(') && r.past(i) == j && !r.startsQuery(i+1) {
		i, j = i+1, j-1
	}
	if r.depth >= maxDepth {
		return out
	}
	r.depth++
	defer func() { r.depth-- }()
	ors := false
	for k := i; k < j; k = r.past(k) {
		if r.breaks(k) {
			return out
		}
		ors = ors || r.word(k) == wOr
	}
	if ors {
		return r.alternatives(i, j, out)
	}
	start, between := i, false
	for k := i; k < j; k = r.past(k) {
		switch w := r.word(k); {
		case w == wCase:
			return out // the words in it are its own
		case w == wBetween:
			between = true
		case w == wAnd && between:
			between = false
		case w == wAnd || r.isAnd(k):
			out = r.part(start, k, out)
			start, between = k+1, false
		}
	}
	return r.part(start, j, out)
}

func (r *shapeReader) isAnd(k int) bool {
	t := &r.toks[k]
	return t.Kind == Op && t.Op == OpOther && string(t.Of(r.text)) == "&&"
}

// part appends the demands of one part of a conjunction.
func (r *shapeReader) part(i, j int, out []demand) []demand {
	if r.op(i, '(') && r.past(i) == j {
		return r.demands(i, j, out)
	}
	return r.comparison(i, j, out)
}

// alternatives appends the demands of a disjunction: that a column equals one of the
// values that all parts name for it.
func (r *shapeReader) alternatives(i, j int, out []demand) []demand {
	var common []demand
	first, start := true, i
	for k := i; k <= j; {
		if k < j && r.word(k) == wCase {
			return out
		}
		if k < j && r.word(k) != wOr {
			k = r.past(k)
			continue
		}
		list := r.demands(start, k, nil)
		if first {
			list = slices.DeleteFunc(list, func(d demand) bool { return d.Op != Equal })
			common, first = list[:min(len(list), maxAlternatives)], false
		} else {
			common = merge(common, list)
		}
		if len(common) == 0 {
			return out
		}
		k++
		start = k
	}
	return append(out, common...)
}

// merge keeps of common what list demands of the same columns, and adds its
// values.
func merge(common, list []demand) []demand {
	kept := common[:0]
	for _, d := range common {
		for i := range list {
			o := &list[i]
			if o.Op == Equal && o.Column == d.Column && o.Document == d.Document && o.table == d.table && o.schema == d.schema {
				d.Values = append(d.Values, o.Values...)
				kept = append(kept, d)
				break
			}
		}
	}
	return kept
}

// apply gives the demands that hold for all rows of the items lo to hi to those
// that they are of.
func (r *shapeReader) apply(sc *scope, list []demand, lo, hi int) {
	nullable := slices.ContainsFunc(sc.items[lo:hi], func(it scopeItem) bool { return it.nullable })
	for i := range list {
		d := &list[i]
		if d.other != nil {
			r.equate(sc, d, d.other, lo, hi)
			r.equate(sc, d.other, d, lo, hi)
			continue
		}
		if d.table == "" {
			if d.Op != IsNull || !nullable {
				r.applyUnqualified(sc, d.Term, lo, hi)
			}
			continue
		}
		// A row that is missing is NULL: IS NULL says nothing of those there are.
		if it := sc.named(d, lo, hi); it != nil && (d.Op != IsNull || !it.nullable) {
			it.terms = appendTerm(it.terms, d.Term)
		}
	}
}

// applyUnqualified gives a demand on a column that stands alone to the items it
// may be of.
func (r *shapeReader) applyUnqualified(sc *scope, t Term, lo, hi int) {
	if len(sc.items) == 1 && r.correlated == 0 {
		sc.items[0].terms = appendTerm(sc.items[0].terms, t)
		return
	}
	whole := lo == 0 && hi == len(sc.items)
	for _, m := range sc.merged {
		if m.all || m.column == t.Column {
			hi = min(hi, m.before)
		}
	}
	for i := lo; i < hi; i++ {
		sc.items[i].maybe = appendTerm(sc.items[i].maybe, t)
	}
	if whole && r.correlated == 0 {
		r.unqualified = appendTerm(r.unqualified, t)
	}
}

// equate gives the item of lo to hi that a column is of its being equal to another's.
// (Of an outer join only the rows of one side need one of the other.)
func (r *shapeReader) equate(sc *scope, d, other *demand, lo, hi int) {
	if d.table == "" || other.table == "" {
		return
	}
	it, o := sc.named(d, lo, hi), sc.named(other, 0, len(sc.items))
	if it != nil && o != nil && it != o && o.found >= 0 && len(it.links) < maxShapeTerms {
		it.links = append(it.links, Link{Column: d.Column, Table: r.found[o.found].start, Other: other.Column})
	}
}

// appendTerm appends a term unless there are many: more say more, but fewer are
// true as well.
func appendTerm(list []Term, t Term) []Term {
	if len(list) >= maxShapeTerms {
		return list
	}
	return append(list, t)
}

// named returns the item that a demand names, or nil.
func (sc *scope) named(d *demand, lo, hi int) *scopeItem {
	for _, same := range [...]func(a, b string) bool{
		func(a, b string) bool { return a == b },
		func(a, b string) bool { return sameFold([]byte(a), []byte(b)) },
	} {
		var found *scopeItem
		n := 0
		for i := range sc.items {
			it := &sc.items[i]
			if same(it.alias, d.table) && (d.schema == "" || it.schema == "" || same(it.schema, d.schema)) {
				n++
				if found = it; i < lo || i >= hi {
					found = nil
				}
			}
		}
		if n > 0 {
			if n > 1 {
				return nil
			}
			return found
		}
	}
	return nil
}
