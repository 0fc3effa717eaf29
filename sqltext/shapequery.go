package sqltext

import "slices"

// scope is the list of tables of a query, an UPDATE or a DELETE.
type scope struct {
	items []scopeItem
	// ok: all of it was understood.
	ok bool
	// merged are the columns of USING and NATURAL.
	merged []mergedColumn
}

// scopeItem is a table, or another source of rows, in a scope.
type scopeItem struct {
	found               int // in shapeReader.found; -1 when it is no table
	schema, name, alias string
	// nullable: its rows may be missing in an outer join.
	nullable bool
	terms    []Term
	maybe    []Term
	links    []Link // with Table as foundTable.start
}

// mergedColumn is a column that two sides of a join have in common: without a
// table's name it is the left side's. all: of NATURAL, any column may be.
type mergedColumn struct {
	column string
	all    bool
	// before: of the items before this one.
	before int
}

// query reads the query expression toks[i:j].
func (r *shapeReader) query(i, j int) {
	if r.depth >= maxDepth {
		return // the Analyzer does not look there either
	}
	r.depth++
	names := len(r.ctes)
	i = r.with(i, j)
	for i < j {
		from := len(r.found)
		switch {
		case r.op(i, '('):
			end := r.past(i)
			r.query(i+1, end-1)
			var all []int
			for f := from; f < len(r.found); f++ {
				all = append(all, f)
			}
			i = r.tail(end, j, all)
		case r.word(i) == wSelect:
			i = r.block(i+1, j)
		case r.word(i) == wTable:
			r.shape.Star = true
			sc := scope{ok: true}
			i = r.factor(&sc, i+1, j)
			r.commit(&sc)
			i = r.tail(i, j, sc.tables())
		default:
			i = r.tail(i, j, nil)
		}
		for i < j && r.isSetOperator(i) {
			i++
			if w := r.word(i); w == wAll || w == wDistinct {
				i++
			}
		}
	}
	r.ctes = r.ctes[:names]
	r.depth--
}

// isSetOperator tells whether token k joins two queries.
func (r *shapeReader) isSetOperator(k int) bool {
	switch r.word(k) {
	case wUnion:
		return true
	case wExcept, wIntersect, wMinus:
		switch w := r.word(k + 1); w {
		case wSelect, wAll, wDistinct, wTable, wValues, wWith:
			return true
		}
		return r.op(k+1, '(')
	}
	return false
}

// with reads WITH and its common table expressions, and returns what follows.
func (r *shapeReader) with(i, j int) int {
	if r.word(i) != wWith {
		return i
	}
	k := i + 1
	recursive := r.word(k) == wRecursive
	if recursive {
		k++
	}
	for r.isName(k) {
		name := r.name(k)
		r.toks[k].target = true
		k++
		if r.op(k, '(') {
			k = r.past(k)
		}
		if r.word(k) != wAs || !r.op(k+1, '(') {
			return j
		}
		if recursive {
			r.addCTE(name)
		}
		end := r.past(k + 1)
		if end > j {
			return j
		}
		r.query(k+2, end-1)
		if !recursive {
			r.addCTE(name)
		}
		if k = end; !r.op(k, ',') {
			return k
		}
		k++
	}
	return j
}

// addCTE notes a name. One too many is taken for a table's.
func (r *shapeReader) addCTE(name string) {
	if len(r.ctes) < maxShapeTables {
		r.ctes = append(r.ctes, name)
	}
}

// block reads one SELECT behind that word, and returns where it ends.
func (r *shapeReader) block(i, j int) int {
	k := i
	for k < j && r.word(k) != wFrom && !r.isSetOperator(k) && !r.endsCondition(k) {
		k = r.enter(k)
	}
	if k >= j || r.word(k) != wFrom {
		return r.tail(k, j, nil)
	}
	sc := scope{ok: true}
	k = r.tableRefs(&sc, k+1, j)
	if sc.ok && k < j && r.word(k) != wWhere && !r.endsCondition(k) && !r.isSetOperator(k) && !r.maybeEnds(k) {
		sc.ok = false
	}
	if sc.ok {
		k = r.where(&sc, k, j)
	}
	r.commit(&sc)
	return r.tail(k, j, sc.tables())
}

// where reads WHERE and its condition, if there is one.
func (r *shapeReader) where(sc *scope, k, j int) int {
	if k >= j || r.word(k) != wWhere {
		return k
	}
	soft, hard := r.conditionEnd(k+1, j, false)
	r.apply(sc, r.condition(k+1, soft, hard), 0, len(sc.items))
	r.subqueries(k+1, soft)
	return soft
}

// enter reads the subqueries in the parenthesis at k, if it is one, and returns
// what is behind it.
func (r *shapeReader) enter(k int) int {
	end := r.past(k)
	if end > k+1 {
		r.subqueries(k, end)
	}
	return end
}

// subqueries reads the queries in the expressions toks[i:j].
func (r *shapeReader) subqueries(i, j int) {
	for k := i; k < j; k++ {
		if r.op(k, '(') && r.startsQuery(k+1) {
			end := r.past(k)
			r.correlated++
			r.query(k+1, end-1)
			r.correlated--
			k = end - 1
		}
	}
}

// tail reads what stands behind the tables of a query, and returns where the next
// query or the end is. own are the query's tables, in found.
func (r *shapeReader) tail(k, j int, own []int) int {
	locked := false
	for k < j && !r.isSetOperator(k) {
		lock := NoLock
		switch r.word(k) {
		case wFor:
			switch r.word(k + 1) {
			case wUpdate:
				lock = UpdateLock
			case wShare:
				lock = ShareLock
			}
		case wLock:
			if r.word(k+1) == wIn && r.word(k+2) == wShare {
				lock = ShareLock
			}
		case wNowait:
			r.shape.NoWait = r.shape.NoWait || locked
		}
		if lock != NoLock {
			locked = true
			r.lock(k+2, j, lock, own)
			k += 2
			continue
		}
		k = r.enter(k)
	}
	return k
}

// lock notes that a query locks the rows of its tables, or of those that OF
// names at k.
func (r *shapeReader) lock(k, j int, lock RowLock, own []int) {
	r.shape.Lock = max(r.shape.Lock, lock)
	var only []string
	for of := r.word(k) == wOf; of && k+1 < j && r.isName(k+1); of = r.op(k, ',') {
		only = append(only, r.name(k+1))
		r.toks[k+1].target = true
		if k += 2; r.op(k, '.') {
			only = nil // schema.table: all of them
			break
		}
	}
	for _, f := range own {
		t := &r.found[f].ShapeTable
		if len(only) == 0 || slices.ContainsFunc(only, func(s string) bool { return sameFold([]byte(s), []byte(t.Alias)) }) {
			t.RowLock = max(t.RowLock, lock)
		}
	}
}

// tables lists the scope's tables in found.
func (sc *scope) tables() (list []int) {
	for i := range sc.items {
		if sc.items[i].found >= 0 {
			list = append(list, sc.items[i].found)
		}
	}
	return list
}

// commit gives the tables found what the scope knows of them.
func (r *shapeReader) commit(sc *scope) {
	r.scopes++
	for i := range sc.items {
		it := &sc.items[i]
		switch {
		case it.found < 0:
		case sc.ok:
			f := &r.found[it.found]
			f.Terms, f.Maybe, f.Links = it.terms, it.maybe, it.links
		default:
			r.found[it.found].lost = true
		}
	}
	if !sc.ok || len(sc.merged) > 0 {
		r.unqualified = nil
	}
}
