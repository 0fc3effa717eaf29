package sqltext

// plain tells whether a SELECT is a plain one. It is read once more, as strictly as
// it takes to say that nothing was left out.
func (r *shapeReader) plain() {
	k, n := 0, len(r.toks)
	if r.hinted || r.word(k) != wSelect {
		return
	}
	for k++; ; k++ { // columns, or stars
		next, ok := r.selected(k)
		if !ok {
			return
		}
		if k = next; !r.op(k, ',') {
			break
		}
	}
	if r.word(k) != wFrom {
		return
	}
	if k = r.plainTable(k + 1); k < 0 {
		return
	}
	if r.word(k) == wWhere {
		soft, hard := r.conditionEnd(k+1, n, false)
		if soft != hard || !r.allTold(k+1, hard) {
			return
		}
		k = hard
	}
	order, descending, k := r.plainOrder(k)
	var most Value
	if r.word(k) == wLimit {
		if v, next, ok := r.valuePrefix(k+1, n); ok && (v.Kind == Literal || v.Kind == Placeholder) {
			most, k = v, next
		}
	}
	if k == n {
		r.shape.Plain, r.shape.OrderBy, r.shape.Descending, r.shape.Most = true, order, descending, most
	}
}

// selected reads a column or a star of a list of those at k.
func (r *shapeReader) selected(k int) (next int, ok bool) {
	for n := 0; n < 2 && r.isName(k) && r.op(k+1, '.') && r.op(k+2, '*'); n++ {
		k += 2
	}
	if r.op(k, '*') {
		return k + 1, true
	}
	_, next, ok = r.plainColumn(k, len(r.toks))
	return next, ok
}

// plainTable reads a table's name at k, perhaps with an alias, and returns what is
// behind it; -1: it is something else.
func (r *shapeReader) plainTable(k int) int {
	if r.isName(k) && r.op(k+1, '.') {
		k += 2
	}
	if !r.isName(k) {
		return -1
	}
	k++
	if r.word(k) == wAs {
		k++
		if !r.isName(k) {
			return -1
		}
	}
	if r.isName(k) && !r.maybeEnds(k) {
		k++
	}
	return k
}

// plainOrder reads ORDER BY of columns at k, if there is one, and returns the first
// of them and what is behind it.
func (r *shapeReader) plainOrder(k int) (column string, descending bool, next int) {
	if r.word(k) != wOrder || r.word(k+1) != wBy {
		return "", false, k
	}
	first := true
	for k++; ; first = false {
		d, next, ok := r.plainColumn(k+1, len(r.toks))
		if !ok {
			return "", false, k
		}
		k = next
		down := r.word(k) == wDesc
		if down || r.kind(k) == Ident && sameFold(r.toks[k].Of(r.text), []byte("asc")) {
			k++
		}
		if first {
			column, descending = d.Column, down
		}
		if !r.op(k, ',') {
			return column, descending, k
		}
	}
}

// allTold tells whether the condition toks[i:j] is all told by demands: nothing of
// it was left out, or weakened.
func (r *shapeReader) allTold(i, j int) bool {
	for k := i; k < j; k = r.past(k) {
		if r.breaks(k) || r.word(k) == wOr || r.word(k) == wCase {
			return false
		}
	}
	told, start, between := 0, i, false
	for k := i; ; k = r.past(k) {
		switch {
		case k >= j || (r.word(k) == wAnd || r.isAnd(k)) && !between:
			if !r.isTold(start, min(k, j)) {
				return false
			}
			if told++; k >= j {
				return told <= maxShapeTerms
			}
			start = k + 1
		case r.word(k) == wBetween:
			between = true
		case r.word(k) == wAnd:
			between = false
		}
	}
}

// isTold tells whether one part of a conjunction is all told by a demand.
func (r *shapeReader) isTold(i, j int) bool {
	d, k, ok := r.columnRef(i, j)
	if !ok || d.Document {
		return false
	}
	list := r.columnTest(d, k, j, nil)
	return len(list) == 1 && (list[0].Op == Between) == (r.word(k) == wBetween)
}
