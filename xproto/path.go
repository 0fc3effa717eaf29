package xproto

import "strconv"

// identifier writes a ColumnIdentifier: a column, a part of a document, or a part
// of a document in a column.
func (r *renderer) identifier(b []byte) {
	id := r.columnIdentifier(b)
	if id.path.n == 0 && (r.model == modelTable || len(id.name) > 0) {
		r.columnName(id)
		return
	}
	r.add("JSON_EXTRACT(")
	r.columnName(id)
	r.add(",")
	r.path(id.path)
	r.add(")")
}

type columnID struct {
	path                list // DocumentPathItem
	name, table, schema []byte
}

func (r *renderer) columnIdentifier(b []byte) (id columnID) {
	f := read("ColumnIdentifier", b)
	for f.next() {
		switch f.num {
		case 1:
			id.path.note(&f, b)
		case 2:
			id.name = f.bytes()
		case 3:
			id.table = f.bytes()
		case 4:
			id.schema = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	return id
}

func (r *renderer) columnName(id columnID) {
	switch {
	case len(id.schema) > 0 && len(id.table) == 0:
		r.fail("ColumnIdentifier", "a schema without a table")
	case len(id.name) > 0 || r.model == modelDocument:
	case len(id.table) > 0 || id.path.n == 0:
		r.fail("ColumnIdentifier", "without a name")
	}
	if len(id.schema) > 0 {
		r.dst = append(appendIdentifier(r.dst, id.schema), '.')
	}
	if len(id.table) > 0 {
		r.dst = append(appendIdentifier(r.dst, id.table), '.')
	}
	if len(id.name) > 0 {
		r.dst = appendIdentifier(r.dst, id.name)
	} else {
		r.add("doc")
	}
}

// path writes a document path as a string literal.
func (r *renderer) path(items list) {
	r.add("'$")
	r.each(items, "", r.pathItem)
	r.add("'")
}

func (r *renderer) pathItem(b []byte) {
	f := read("DocumentPathItem", b)
	var kind byte
	var value []byte
	var index uint32
	for f.next() {
		switch f.num {
		case 1:
			kind = f.enum()
		case 2:
			value = f.bytes()
		case 3:
			index = f.uint32()
		default:
			f.fail(unknownField)
		}
	}
	switch kind {
	case 1:
		r.add(".")
		if bareWord(value) {
			r.dst = append(r.dst, value...)
		} else {
			r.dst = appendEscaped(r.dst, appendJSONString(nil, value))
		}
	case 2:
		r.add(".*")
	case 3:
		r.add("[")
		r.dst = strconv.AppendUint(r.dst, uint64(index), 10)
		r.add("]")
	case 4:
		r.add("[*]")
	case 5:
		r.add("**")
	default:
		f.fail("of an unknown type")
	}
	r.take(&f)
}
