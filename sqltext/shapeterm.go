package sqltext

// comparison appends what toks[i:j] demands, if it is a comparison of columns
// with values and nothing else.
func (r *shapeReader) comparison(i, j int, out []demand) []demand {
	if d, k, ok := r.columnRef(i, j); ok {
		return r.columnTest(d, k, j, out)
	}
	row := i
	if r.word(row) == wRow {
		row++
	}
	if r.op(row, '(') && row+1 < j {
		return r.rowTest(row, j, out)
	}
	v, k, ok := r.valuePrefix(i, j)
	if !ok || k >= j || v.Kind == NullValue {
		return out
	}
	op, equal := r.compares(k)
	if d, end, ok := r.columnRef(k+1, j); ok && end == j && op != 0 {
		switch op {
		case AtLeast:
			op = AtMost
		case AtMost:
			op = AtLeast
		}
		return appendTest(out, d, op, equal, v)
	}
	return out
}

// compares returns what the operator at k demands of a column on its left, 0 for
// none. equal: it is <=>, to which NULL equals NULL.
func (r *shapeReader) compares(k int) (op Demand, equal bool) {
	if r.kind(k) != Op {
		return 0, false
	}
	switch string(r.toks[k].Of(r.text)) {
	case "=":
		return Equal, false
	case "<=>":
		return Equal, true
	case ">", ">=":
		return AtLeast, false
	case "<", "<=":
		return AtMost, false
	}
	return 0, false
}

// appendTest appends that a column compares with a value.
func appendTest(out []demand, d demand, op Demand, equal bool, v Value) []demand {
	switch {
	case v.Kind == NullValue && equal:
		d.Op = IsNull
		return append(out, d)
	case v.Kind == Literal, v.Kind == Placeholder && !equal: // which may be NULL
		d.Op, d.Values = op, []Value{v}
		return append(out, d)
	}
	return out
}

// columnTest appends what is demanded of the column d by toks[k:j].
func (r *shapeReader) columnTest(d demand, k, j int, out []demand) []demand {
	switch r.word(k) {
	case wIs:
		if k+2 == j && r.word(k+1) == wNull {
			d.Op = IsNull
			return append(out, d)
		}
		return out
	case wIn:
		if r.op(k+1, '(') && r.past(k+1) == j {
			if values, ok := r.values(k+2, j-1); ok && len(values) > 0 {
				d.Op, d.Values = Equal, values
				return append(out, d)
			}
		}
		return out
	case wBetween:
		return r.betweenTest(d, k+1, j, out)
	}
	op, equal := r.compares(k)
	if op == 0 {
		return out
	}
	if o, end, ok := r.columnRef(k+1, j); ok && end == j && op == Equal && !equal && !d.Document && !o.Document {
		d.other = &o
		return append(out, d)
	}
	return appendTest(out, d, op, equal, r.anyValue(k+1, j))
}

func (r *shapeReader) betweenTest(d demand, k, j int, out []demand) []demand {
	and := k
	for and < j && r.word(and) != wAnd {
		and = r.past(and)
	}
	if and >= j {
		return out
	}
	from, to := r.anyValue(k, and), r.anyValue(and+1, j)
	known := func(v Value) bool { return v.Kind == Literal || v.Kind == Placeholder }
	switch {
	case known(from) && known(to):
		d.Op, d.Values = Between, []Value{from, to}
		return append(out, d)
	case known(from) && to.Kind != Absent:
		return appendTest(out, d, AtLeast, false, from)
	case known(to) && from.Kind != Absent:
		return appendTest(out, d, AtMost, false, to)
	}
	return out
}

// values reads the list of values toks[i:j]; false when one is not known. NULL is
// left out, since nothing equals it.
func (r *shapeReader) values(i, j int) (list []Value, ok bool) {
	for i < j {
		end := r.listEnd(i, j)
		switch v := r.anyValue(i, end); v.Kind {
		case Literal, Placeholder:
			list = append(list, v)
		case NullValue:
		default:
			return nil, false
		}
		i = end + 1
	}
	return list, true
}

// listEnd returns where the element of a list that begins at i ends: at its comma
// or at j.
func (r *shapeReader) listEnd(i, j int) int {
	for i < j && !r.op(i, ',') {
		i = r.past(i)
	}
	return i
}

// rowTest appends what (a, b) = (1, 2) and (a, b) IN ((1, 2), ...) demand; the
// row's parenthesis is at i.
func (r *shapeReader) rowTest(i, j int, out []demand) []demand {
	k := r.past(i)
	var columns []demand
	for c := i + 1; c < k-1; {
		end := r.listEnd(c, k-1)
		d, at, ok := r.columnRef(c, end)
		if !ok || at != end {
			d.Column = "" // an expression
		}
		columns = append(columns, d)
		c = end + 1
	}
	rows, in := k+1, r.word(k) == wIn
	op, null := r.compares(k)
	switch {
	case in && r.op(rows, '(') && r.past(rows) == j && !r.startsQuery(rows+1):
		rows, j = rows+1, j-1
	case op != Equal || null || in:
		return out
	}
	lists := make([][]Value, len(columns))
	for rows < j {
		if r.word(rows) == wRow {
			rows++
		}
		end := r.listEnd(rows, j)
		if !r.op(rows, '(') || r.past(rows) != end || !r.rowValues(rows+1, end-1, lists) {
			return out
		}
		rows = end + 1
	}
	for c := range columns {
		if columns[c].Column != "" && len(lists[c]) > 0 {
			columns[c].Op, columns[c].Values = Equal, lists[c]
			out = append(out, columns[c])
		}
	}
	return out
}

// rowValues appends the values of the row toks[i:j] to the lists of its columns;
// false when it is not a row of known values. (One with NULL equals nothing.)
func (r *shapeReader) rowValues(i, j int, lists [][]Value) bool {
	n := 0
	for ; i < j && n < len(lists); n++ {
		end := r.listEnd(i, j)
		v := r.anyValue(i, end)
		switch v.Kind {
		case Literal, Placeholder:
			lists[n] = append(lists[n], v)
		case NullValue:
			// the other columns' values do no harm
		default:
			return false
		}
		i = end + 1
	}
	return n == len(lists) && i >= j
}

// anyValue returns the value of toks[i:j]: Expression when it is not one of the
// others, Absent when there is nothing.
func (r *shapeReader) anyValue(i, j int) Value {
	for j-i > 2 && r.op(i, '(') && r.past(i) == j {
		i, j = i+1, j-1
	}
	if i >= j {
		return Value{}
	}
	if v, k, ok := r.valuePrefix(i, j); ok && k == j {
		return v
	}
	if j-i == 3 && r.word(i) == wLastInsertId && r.op(i+1, '(') && r.op(i+2, ')') && r.toks[i].End == r.toks[i+1].Start {
		return Value{Kind: LastInsertID}
	}
	return Value{Kind: Expression}
}

// valuePrefix reads a value at the beginning of toks[i:j], and returns what is
// behind it.
func (r *shapeReader) valuePrefix(i, j int) (v Value, next int, ok bool) {
	k := i
	signed := r.op(k, '-')
	if signed || r.op(k, '+') {
		k++
	}
	if k >= j {
		return v, k, false
	}
	t := &r.toks[k]
	number := t.Kind == Int || t.Kind == Decimal || t.Kind == Float
	if k > i && !number {
		return v, k, false
	}
	if t.Kind == String && r.opt.Guessed && r.text[t.Start] == '"' {
		return v, k, false // a name, perhaps
	}
	v.Index = int(t.num)
	switch t.Kind {
	case Int, Decimal, Float, String, Hex, Bits:
		v.Kind, v.Negative = Literal, signed
	case Param:
		v.Kind = Placeholder
	case Null:
		v.Kind = NullValue
	case Ident:
		switch r.word(k) {
		case wNull:
			v.Kind = NullValue
		case wDefault:
			v.Kind = DefaultValue
		default:
			return v, k, false
		}
	default:
		return v, k, false
	}
	return v, k + 1, true
}

// columnRef reads a column at the beginning of toks[i:j], or what stands for the
// _id of a document, and returns what is behind it.
func (r *shapeReader) columnRef(i, j int) (d demand, next int, ok bool) {
	switch r.word(i) {
	case wJsonUnquote, wJsonExtract:
		if r.op(i+1, '(') {
			return r.documentID(i, j)
		}
	}
	d, k, ok := r.plainColumn(i, j)
	if !ok || k >= j || r.toks[k].Kind != Op || r.toks[k].Op != OpArrow {
		return d, k, ok
	}
	if d.Column != "doc" || k+1 >= j || !isText(r.text, r.toks[k+1].Token, idPath) {
		return d, i, false
	}
	d.Column, d.Document = idMember, true
	return d, k + 2, true
}

// plainColumn reads a column's name, perhaps with its table's and schema's.
func (r *shapeReader) plainColumn(i, j int) (d demand, next int, ok bool) {
	k, n := i, 1
	for k < j && n < 3 && r.isName(k) && r.op(k+1, '.') {
		k, n = k+2, n+1
	}
	if k >= j || !r.isName(k) || r.op(k+1, '(') || r.op(k+1, '.') {
		return d, i, false
	}
	d.Column = r.column(k)
	if n > 1 {
		d.table = r.name(k - 2)
	}
	if n > 2 {
		d.schema = r.name(k - 4)
	}
	return d, k + 1, true
}

// documentID reads JSON_EXTRACT(doc, '$._id'), perhaps in JSON_UNQUOTE, as a
// condition on the _id of a document is rendered.
func (r *shapeReader) documentID(i, j int) (d demand, next int, ok bool) {
	inner, end := i, r.past(i+1)
	if r.word(i) == wJsonUnquote {
		if inner = i + 2; r.word(inner) != wJsonExtract || !r.op(inner+1, '(') || r.past(inner+1) != end-1 {
			return d, i, false
		}
	}
	close := r.past(inner+1) - 1
	d, k, ok := r.plainColumn(inner+2, close)
	if !ok || end > j || d.Column != "doc" || !r.op(k, ',') || k+2 != close || !isText(r.text, r.toks[k+1].Token, idPath) {
		return d, i, false
	}
	d.Column, d.Document = idMember, true
	return d, end, true
}
