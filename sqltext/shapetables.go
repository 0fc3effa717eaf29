package sqltext

import (
	"cmp"
	"slices"
)

// collect lists the columns and what stands anywhere in a statement.
func (r *shapeReader) collect() {
	var seen map[string]bool
	for k := range r.toks {
		t := &r.toks[k]
		switch {
		case t.Kind == Op:
			r.shape.Star = r.shape.Star || t.Op == '*' && r.isStar(k)
			continue
		case t.Kind == Ident && !r.op(k-1, '.'):
			r.keyword(k, t.Word)
		case t.Kind == String && r.op(k-1, '.'):
			r.shape.Star = true
		}
		if t.target || !r.isName(k) || r.op(k+1, '.') || r.op(k+1, '(') {
			continue
		}
		if len(r.shape.Columns) >= maxShapeColumns {
			r.shape.Star = true
			continue
		}
		name := r.column(k)
		if seen == nil {
			seen = map[string]bool{}
		}
		if !seen[name] {
			seen[name] = true
			r.shape.Columns = append(r.shape.Columns, name)
		}
	}
}

// isStar tells whether the * at k may stand for all columns and is no product.
func (r *shapeReader) isStar(k int) bool {
	switch r.kind(k - 1) {
	case Op:
		return r.op(k-1, '.') || r.op(k-1, ',')
	case Ident:
		return !r.op(k-2, '.') && wordInfos[r.toks[k-1].Word].traits&isKeyword != 0
	case EOF:
		return true
	}
	return false
}

// keyword notes a word that matters wherever it stands.
func (r *shapeReader) keyword(k int, w Word) {
	s := r.shape
	switch w {
	case wLimit, wFetch:
		s.Limit = true
	case wNatural:
		s.Star = true
	case wGetLock, wReleaseLock:
		if s.UserLock.Kind != Absent || !r.op(k+1, '(') {
			return
		}
		s.Frees = s.Frees || w == wReleaseLock
		s.UserLock.Kind = Expression
		for e := k + 2; e < r.past(k+1); e = r.past(e) {
			if r.op(e, ',') || r.op(e, ')') {
				s.UserLock = r.anyValue(k+2, e)
				return
			}
		}
	case wReleaseAllLocks:
		s.Frees = s.Frees || r.op(k+1, '(')
	}
}

// tables gives the shape its tables: all that the Analyzer found, and what the
// reader knows of them.
func (r *shapeReader) tables(st *Statement) {
	s := r.shape
	free := r.scopes == 1
	for i := range st.Tables {
		ref := &st.Tables[i]
		at := slices.IndexFunc(r.found, func(f foundTable) bool { return f.start == ref.Name.Start })
		if at < 0 {
			free = false
			t := ShapeTable{Schema: r.spanName(ref.Schema), Name: r.spanName(ref.Name), Role: ref.Role, RowLock: s.Lock}
			t.Alias = t.Name
			if (s.Verb == Insert || s.Verb == Replace) && t.Role&Writes != 0 {
				t.Insert = &Inserted{Replace: s.Verb == Replace, Update: s.Verb == Insert}
			}
			r.found = append(r.found, foundTable{ShapeTable: t, start: ref.Name.Start})
			at = len(r.found) - 1
		}
		f := &r.found[at]
		if !f.sure {
			f.Role = ref.Role
		}
		if s.Verb == Lock {
			f.Lock = ShareLock
			if ref.Role&Writes != 0 {
				f.Lock = UpdateLock
			}
		}
	}
	slices.SortFunc(r.found, func(a, b foundTable) int { return cmp.Compare(a.start, b.start) })
	at := map[int]int{} // where a table stands in s.Tables, by its start
	for i := range r.found {
		f := &r.found[i]
		if f.drop {
			continue
		}
		if f.Role == 0 {
			f.Role = Reads
		}
		if f.lost {
			f.RowLock = max(f.RowLock, s.Lock)
		}
		at[f.start] = len(s.Tables)
		s.Tables = append(s.Tables, f.ShapeTable)
		s.weight += len(f.Terms) + len(f.Maybe) + 2*len(f.Links) + len(f.Assign) + 2
	}
	for i := range s.Tables {
		s.Tables[i].place(at)
	}
	if free && len(s.Tables) > 1 {
		s.Free = r.unqualified
	}
}

// place has the table's links, which name tables by their starts, name them by where
// they stand. A link to one that stands nowhere is dropped.
func (t *ShapeTable) place(at map[int]int) {
	kept := t.Links[:0]
	for _, l := range t.Links {
		if i, ok := at[l.Table]; ok {
			l.Table = i
			kept = append(kept, l)
		}
	}
	t.Links = kept
}
