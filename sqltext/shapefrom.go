package sqltext

// joinKind tells how two tables are joined.
type joinKind struct {
	is, left, right, natural bool
}

// tableRefs reads a list of tables, and returns what follows. sc.ok is false
// when it was not understood.
func (r *shapeReader) tableRefs(sc *scope, k, j int) int {
	for {
		k = r.joined(sc, k, j)
		if !sc.ok || k >= j || !r.op(k, ',') {
			return k
		}
		k++
	}
}

// joined reads a table and those joined to it.
func (r *shapeReader) joined(sc *scope, k, j int) int {
	lo := len(sc.items)
	k = r.factor(sc, k, j)
	for sc.ok {
		kind, next := r.join(k)
		if !kind.is || next > j {
			break
		}
		mid := len(sc.items)
		k = r.factor(sc, next, j)
		if sc.ok {
			k = r.joinedOn(sc, kind, k, j, lo, mid)
		}
	}
	return k
}

// join reads the words up to JOIN.
func (r *shapeReader) join(k int) (joinKind, int) {
	var kind joinKind
	if r.word(k) == wNatural {
		kind.natural = true
		k++
	}
	switch r.word(k) {
	case wStraightJoin:
		kind.is = true
		return kind, k + 1
	case wInner, wCross:
		k++
	case wLeft, wRight:
		kind.left, kind.right = r.word(k) == wLeft, r.word(k) == wRight
		if k++; r.word(k) == wOuter {
			k++
		}
	}
	kind.is = r.word(k) == wJoin
	return kind, k + 1
}

// joinedOn reads ON or USING, of a join of the items from lo and from mid.
func (r *shapeReader) joinedOn(sc *scope, kind joinKind, k, j, lo, mid int) int {
	hi := len(sc.items)
	before := mid
	if kind.right {
		before = 0 // the column is the right side's, where the left has it, too
	}
	switch {
	case kind.natural:
		sc.merged = append(sc.merged, mergedColumn{all: true, before: before})
	case r.word(k) == wOn && r.word(k+1) != wDuplicate && k < j:
		soft, hard := r.conditionEnd(k+1, j, true)
		list := r.condition(k+1, soft, hard)
		r.subqueries(k+1, soft)
		k = soft
		switch {
		case kind.left:
			r.apply(sc, list, mid, hi)
		case kind.right:
			r.apply(sc, list, lo, mid)
		default:
			r.apply(sc, list, lo, hi)
		}
	case r.word(k) == wUsing && r.op(k+1, '('):
		end := r.past(k + 1)
		for c := k + 2; c < end-1; c++ {
			if r.isName(c) {
				sc.merged = append(sc.merged, mergedColumn{column: r.column(c), before: before})
			}
		}
		k = end
	case kind.left || kind.right:
		sc.ok = false // a JOIN b JOIN c ON ... ON ...
	}
	for i := range sc.items {
		if kind.left && i >= mid || kind.right && i >= lo && i < mid {
			sc.items[i].nullable = true
		}
	}
	return k
}

// factor reads one table, derived table, table function or parenthesis.
func (r *shapeReader) factor(sc *scope, k, j int) int {
	if len(sc.items) >= maxShapeTables {
		sc.ok = false
		return k
	}
	lateral := r.word(k) == wLateral
	if lateral {
		k++
	}
	switch {
	case k >= j:
		sc.ok = false
	case r.op(k, '(') && r.startsQuery(k+1):
		end := r.past(k)
		if lateral {
			r.correlated++
		}
		r.query(k+1, end-1)
		if lateral {
			r.correlated--
		}
		return r.derived(sc, end, j)
	case r.op(k, '('):
		end := r.past(k)
		if r.depth >= maxDepth || end > j {
			sc.ok = false
			return k
		}
		r.depth++
		inner := r.tableRefs(sc, k+1, end-1)
		r.depth--
		if sc.ok = sc.ok && inner == end-1; !sc.ok {
			return inner
		}
		return end
	case r.kind(k) == Ident && r.op(k+1, '(') && r.toks[k+1].Start == r.toks[k].End:
		r.toks[k].target = true
		return r.derived(sc, r.enter(k+1), j) // JSON_TABLE(...)
	case r.word(k) == wDual:
		return k + 1
	case r.isName(k):
		return r.tableName(sc, k, j)
	default:
		sc.ok = false
	}
	return k
}

// derived adds rows that are no table's, whose alias is at k.
func (r *shapeReader) derived(sc *scope, k, j int) int {
	it := scopeItem{found: -1}
	k, it.alias = r.alias(k, j)
	if it.alias != "" && r.op(k, '(') && k < j {
		k = r.past(k) // the columns' names
	}
	sc.items = append(sc.items, it)
	return k
}

// alias reads an alias, if there is one.
func (r *shapeReader) alias(k, j int) (int, string) {
	as := r.word(k) == wAs
	if as {
		k++
	}
	switch {
	case k >= j:
	case r.kind(k) == String && as:
		return k + 1, string(AppendString(nil, r.toks[k].Of(r.text), r.opt))
	case r.isName(k) && (as || r.kind(k) == Quoted || !r.maybeEnds(k)):
		r.toks[k].target = true
		return k + 1, r.name(k)
	}
	return k, ""
}

// tableName reads a table's name, its alias and hints.
func (r *shapeReader) tableName(sc *scope, k, j int) int {
	it := scopeItem{found: -1, name: r.name(k)}
	r.toks[k].target = true
	at := k
	if k++; r.op(k, '.') && k+1 < j && r.isName(k+1) {
		it.schema, it.name = it.name, r.name(k+1)
		at, k = k+1, k+2
		r.toks[at].target = true
	}
	if r.word(k) == wPartition && r.op(k+1, '(') {
		k = r.past(k + 1)
	}
	if k, it.alias = r.alias(k, j); it.alias == "" {
		it.alias = it.name
	}
	k = r.indexHints(k, j)
	if it.schema != "" || !r.isCTE(it.name) {
		it.found = r.add(ShapeTable{Schema: it.schema, Name: it.name, Alias: it.alias}, r.toks[at].Start)
	}
	sc.items = append(sc.items, it)
	return k
}

// isCTE tells whether a name is a common table expression's. (One that differs
// in case is taken for a table.)
func (r *shapeReader) isCTE(name string) bool {
	for _, c := range r.ctes {
		if c == name {
			return true
		}
	}
	return false
}

// add notes a table and returns its place in found, or -1.
func (r *shapeReader) add(t ShapeTable, start int) int {
	if len(r.found) >= maxShapeTables {
		r.shape.Flags |= MoreTables
		return -1
	}
	r.found = append(r.found, foundTable{ShapeTable: t, start: start})
	return len(r.found) - 1
}

// indexHints passes over USE INDEX (...) and its kind.
func (r *shapeReader) indexHints(k, j int) int {
	for k < j {
		h := k
		if r.op(h, ',') {
			h++
		}
		switch r.word(h) {
		case wUse, wForce, wIgnore:
		default:
			return k
		}
		if w := r.word(h + 1); w != wIndex && w != wKey {
			return k
		}
		h += 2
		if r.word(h) == wFor {
			for h < j && !r.op(h, '(') {
				h++
			}
		}
		if h >= j || !r.op(h, '(') {
			return k
		}
		end := r.past(h)
		for ; h < end; h++ {
			r.toks[h].target = true
		}
		k = end
	}
	return k
}
