package sqltext

// insert reads INSERT and REPLACE behind that word; false when it is not
// understood.
func (r *shapeReader) insert(k, j int) bool {
	ins := &Inserted{Replace: r.shape.Verb == Replace}
	for ; ; k++ {
		switch r.word(k) {
		case wIgnore:
			ins.Ignore = true
			continue
		case wLowPriority, wDelayed, wHighPriority, wInto:
			continue
		}
		break
	}
	sc := scope{ok: true}
	if !r.isName(k) {
		return false
	}
	k = r.insertTable(&sc, k, j)
	if len(sc.items) == 0 || sc.items[0].found < 0 {
		return false
	}
	t := sc.items[0].found
	duplicate := j
	for d := k; d < j; d = r.past(d) {
		if r.word(d) == wOn && r.word(d+1) == wDuplicate {
			duplicate, ins.Update = d, true
			break
		}
	}
	if r.op(k, '(') && !r.startsQuery(k+1) {
		ins.Columns = r.columnList(k+1, r.past(k)-1)
		k = r.past(k)
	}
	switch r.word(k) {
	case wValues, wValue:
		r.insertRows(ins, k+1, duplicate)
	case wSet:
		set, _ := r.assignments(k+1, duplicate, nil)
		ins.Columns, ins.Rows = []string{}, [][]Value{{}}
		for _, a := range set {
			ins.Columns = append(ins.Columns, a.Column)
			ins.Rows[0] = append(ins.Rows[0], a.Value)
		}
		if set == nil {
			ins.Columns, ins.Rows = nil, nil
		}
	default:
		r.query(k, duplicate)
	}
	f := &r.found[t]
	f.Insert = ins
	f.sure, f.Role = true, Writes
	r.shape.weight += len(ins.Columns) + len(ins.Rows)*(len(ins.Columns)+1)
	if ins.Update {
		set, end := r.assignments(duplicate+4, j, nil)
		r.found[t].Assign = set
		r.subqueries(end, j)
	}
	return true
}

// insertTable reads the table that rows are inserted into.
func (r *shapeReader) insertTable(sc *scope, k, j int) int {
	it := scopeItem{name: r.name(k)}
	at := k
	r.toks[k].target = true
	if k++; r.op(k, '.') && r.isName(k+1) {
		it.schema, it.name = it.name, r.name(k+1)
		at, k = k+1, k+2
		r.toks[at].target = true
	}
	it.alias = it.name
	it.found = r.add(ShapeTable{Schema: it.schema, Name: it.name, Alias: it.alias}, r.toks[at].Start)
	sc.items = append(sc.items, it)
	if r.word(k) == wPartition && r.op(k+1, '(') {
		k = r.past(k + 1)
	}
	return k
}

// columnList reads the columns toks[i:j] of an INSERT; never nil.
func (r *shapeReader) columnList(i, j int) []string {
	list := []string{}
	for i < j {
		end := r.listEnd(i, j)
		if end > i {
			r.toks[end-1].target = true
			list = append(list, r.column(end-1))
		}
		i = end + 1
	}
	return list
}

// insertRows reads the rows behind VALUES.
func (r *shapeReader) insertRows(ins *Inserted, k, j int) {
	rows := [][]Value{}
	for k < j {
		if r.word(k) == wRow {
			k++
		}
		if !r.op(k, '(') {
			return // not understood
		}
		end := r.past(k)
		var row []Value
		for i := k + 1; i < end-1; {
			e := r.listEnd(i, end-1)
			row = append(row, r.anyValue(i, e))
			i = e + 1
		}
		r.subqueries(k+1, end-1)
		rows = append(rows, row)
		r.rowID(ins, k+1, end-1, len(rows))
		if k = end; !r.op(k, ',') {
			break
		}
		k++
	}
	if len(rows) > 0 {
		ins.Rows = rows
	}
	for len(ins.IDs) > 0 && len(ins.IDs) < len(rows) {
		ins.IDs = append(ins.IDs, Value{})
	}
	if len(rows) > 0 {
		r.shape.weight += len(rows) * len(rows[0])
	}
}

// rowID notes the _id of the document that the row toks[i:j], the n-th, consists
// of: of JSON_OBJECT('_id', value, ...).
func (r *shapeReader) rowID(ins *Inserted, i, j, n int) {
	if r.word(i) != wJsonObject || !r.op(i+1, '(') || r.past(i+1) != j {
		return
	}
	for k := i + 2; k < j-1; {
		end := r.listEnd(k, j-1)
		member := end == k+1 && isText(r.text, r.toks[k].Token, idMember)
		k = end + 1
		end = r.listEnd(min(k, j-1), j-1)
		if v := r.anyValue(k, end); member && (v.Kind == Literal || v.Kind == Placeholder) {
			for len(ins.IDs) < n-1 {
				ins.IDs = append(ins.IDs, Value{})
			}
			ins.IDs = append(ins.IDs[:n-1], v) // the last of several counts
		}
		k = end + 1
	}
}

// assignments reads column = value, ..., and returns what follows. Nil: it is
// not understood. Each table of the scope, if given, that a column may be of gets it.
func (r *shapeReader) assignments(k, j int, sc *scope) (list []Assign, next int) {
	for {
		d, at, ok := r.plainColumn(k, j)
		if !ok || !r.op(at, '=') && (r.kind(at) != Op || r.toks[at].Op != OpAssign) {
			return nil, k
		}
		if sc != nil && len(list)*len(sc.items) >= maxShapeAssigns {
			return nil, k
		}
		r.toks[at-1].target = true
		end, returns := at+1, false
		for end < j && !r.op(end, ',') && !r.endsCondition(end) {
			returns = returns || r.word(end) == wReturning
			end = r.past(end)
		}
		r.subqueries(at+1, end)
		a := Assign{d.Column, r.anyValue(at+1, end)}
		list = append(list, a)
		r.assign(sc, &d, a)
		if k = end; !r.op(k, ',') || k >= j || returns {
			return list, k
		}
		k++
	}
}

// assign gives an assignment to the tables that it may be of.
func (r *shapeReader) assign(sc *scope, d *demand, a Assign) {
	if sc == nil {
		return
	}
	if d.table != "" {
		it := sc.named(d, 0, len(sc.items))
		if it == nil {
			sc.ok = false
		} else if it.found >= 0 {
			f := &r.found[it.found]
			f.Assign = append(f.Assign, a)
		}
		return
	}
	for _, f := range sc.tables() {
		r.found[f].Assign = append(r.found[f].Assign, a)
	}
}

// update reads UPDATE behind that word.
func (r *shapeReader) update(k, j int) bool {
	for r.word(k) == wLowPriority || r.word(k) == wIgnore {
		k++
	}
	sc := scope{ok: true}
	k = r.tableRefs(&sc, k, j)
	if !sc.ok || r.word(k) != wSet {
		return false
	}
	set, k := r.assignments(k+1, j, &sc)
	if set == nil || !sc.ok {
		return false
	}
	k = r.where(&sc, k, j)
	r.commit(&sc)
	for _, f := range sc.tables() {
		t := &r.found[f]
		t.sure, t.Role = true, Reads
		if len(t.Assign) > 0 {
			t.Role = Writes
		}
	}
	r.tail(k, j, nil)
	return true
}

// delete reads DELETE behind that word.
func (r *shapeReader) delete(k, j int) bool {
	for {
		w := r.word(k)
		if w != wLowPriority && w != wIgnore && w != wQuick {
			break
		}
		k++
	}
	sc := scope{ok: true}
	from := r.word(k) == wFrom
	if from {
		k++
	}
	targets, end := r.deleted(k, j)
	switch {
	case !from && r.word(end) == wFrom, from && r.word(end) == wUsing:
		for i := k; i < end; i++ {
			if r.isName(i) {
				r.toks[i].target = true
				if at := r.add(ShapeTable{}, r.toks[i].Start); at >= 0 {
					r.found[at].drop = true
				}
			}
		}
		k = r.tableRefs(&sc, end+1, j)
	case from:
		k, targets = r.tableRefs(&sc, k, j), nil
	default:
		return false
	}
	if sc.ok && k < j && r.word(k) != wWhere && !r.endsCondition(k) && !r.maybeEnds(k) || !sc.ok {
		return false
	}
	k = r.where(&sc, k, j)
	r.commit(&sc)
	r.deletes(&sc, targets)
	r.tail(k, j, nil)
	return true
}

// deleted reads the list of tables that a DELETE of several deletes from.
func (r *shapeReader) deleted(k, j int) (list []demand, next int) {
	for k < j && r.isName(k) {
		var d demand
		d.table = r.name(k)
		if k++; r.op(k, '.') && r.isName(k+1) {
			d.schema, d.table = d.table, r.name(k+1)
			k += 2
		}
		if r.op(k, '.') && r.op(k+1, '*') {
			k += 2
		}
		list = append(list, d)
		if !r.op(k, ',') {
			break
		}
		k++
	}
	return list, k
}

// deletes gives the tables of a DELETE their roles; all are deleted from when
// some target is not found.
func (r *shapeReader) deletes(sc *scope, targets []demand) {
	var writes []*scopeItem
	for i := range targets {
		it := sc.named(&targets[i], 0, len(sc.items))
		if it == nil || it.found < 0 {
			return
		}
		writes = append(writes, it)
	}
	if len(targets) == 0 {
		return
	}
	for _, f := range sc.tables() {
		r.found[f].sure, r.found[f].Role = true, Reads
	}
	for _, it := range writes {
		r.found[it.found].Role = Writes
	}
}

// load reads LOAD DATA: what it sets.
func (r *shapeReader) load(j int) {
	k := 0
	for k < j && (r.word(k) != wInto || r.word(k+1) != wTable) {
		k = r.past(k)
	}
	k += 2
	if k >= j || !r.isName(k) {
		return
	}
	sc := scope{ok: true}
	k = r.insertTable(&sc, k, j)
	for ; k < j; k = r.past(k) {
		if w := r.word(k - 1); r.word(k) == wSet && w != wCharacter && w != wChar {
			if set, _ := r.assignments(k+1, j, &sc); set == nil {
				r.found = r.found[:0]
			}
			return
		}
	}
}
