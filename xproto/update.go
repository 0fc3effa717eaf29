package xproto

import "bytes"

// updateOps are the operations of an Update by number
// (Mysqlx.Crud.UpdateOperation.UpdateType), as functions of a document. The
// first, SET, assigns a column.
var updateOps = [...]string{1: "JSON_SET", 2: "JSON_REMOVE", 3: "JSON_SET", 4: "JSON_REPLACE", 5: "JSON_MERGE_PRESERVE",
	6: "JSON_ARRAY_INSERT", 7: "JSON_ARRAY_APPEND", 8: "JSON_MERGE_PATCH"}

const (
	opSet        = 1
	opRemove     = 2
	opMerge      = 5
	opMergePatch = 8
)

// operation is an UpdateOperation.
type operation struct {
	source columnID
	kind   byte
	value  []byte // Expr
}

// assigns tells whether the operation gives a column a value.
func (o *operation) assigns() bool { return o.kind == opSet && o.source.path.n == 0 }

// wholeDocument tells whether the operation has no path in the document.
func (o *operation) wholeDocument() bool { return o.kind == opMerge || o.kind == opMergePatch }

func (r *renderer) update(c *crud) {
	r.add("UPDATE ")
	r.table(&c.target)
	r.add(" SET ")
	ops := r.operations(&c.operations)
	for n := 0; n < len(ops) && r.err == nil; {
		if n > 0 {
			r.add(",")
		}
		n += r.assignment(ops[n:])
	}
	r.tail(c)
}

func (r *renderer) operations(l *list) []operation {
	switch {
	case l.n == 0:
		r.fail("Update", "without an operation")
	case l.n > maxColumns:
		r.fail("Update", tooMany)
		return nil
	}
	ops := make([]operation, 0, l.n)
	l.each(func(_ int, b []byte) bool {
		ops = append(ops, r.operation(b))
		return r.err == nil
	})
	return ops
}

func (r *renderer) operation(b []byte) (o operation) {
	f := read("UpdateOperation", b)
	for f.next() {
		switch f.num {
		case 1:
			o.source = r.columnIdentifier(f.bytes())
		case 2:
			o.kind = f.enum()
		case 3:
			o.value = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	switch {
	case o.kind == 0 || int(o.kind) >= len(updateOps):
		f.fail("of an unknown type")
	case (o.value == nil) != (o.kind == opRemove):
		f.fail("a value missing, or too many")
	case o.kind == opSet && r.model == modelDocument && o.source.path.n == 0 && len(o.source.name) > 0:
		f.fail("a column of a document")
	}
	r.take(&f)
	return o
}

// assignment writes what the operations at the beginning of ops come to that
// change the same document or column, and returns how many they are. In a
// document all do, and what comes later stands further out:
// JSON_REMOVE(JSON_SET(doc,'$.a',1),'$.b'). In a table they are of the same kind.
func (r *renderer) assignment(ops []operation) int {
	if r.model == modelTable && len(ops[0].source.name) == 0 {
		r.fail("UpdateOperation", "without a column")
		return len(ops)
	}
	column := ops[0].source
	column.path = list{}
	r.columnName(column)
	r.add("=")
	if r.model == modelTable && ops[0].assigns() {
		r.expr(ops[0].value)
		return 1
	}
	n := 1
	for n < len(ops) && (r.model == modelDocument || sameColumn(&ops[0], &ops[n]) && ops[0].kind == ops[n].kind) {
		n++
	}
	opens := func(i int) bool { return i == 0 || updateOps[ops[i].kind] != updateOps[ops[i-1].kind] }
	for i := n - 1; i >= 0; i-- {
		if opens(i) {
			r.add(updateOps[ops[i].kind] + "(")
		}
	}
	r.columnName(column)
	for i := range ops[:n] {
		if i > 0 && opens(i) {
			r.add(")")
		}
		r.change(&ops[i])
	}
	r.add(")")
	return n
}

func sameColumn(a, b *operation) bool {
	x, y := &a.source, &b.source
	return bytes.Equal(x.name, y.name) && bytes.Equal(x.table, y.table) && bytes.Equal(x.schema, y.schema)
}

// change writes an operation's arguments.
func (r *renderer) change(o *operation) {
	if !o.wholeDocument() {
		r.add(",")
		r.path(o.source.path)
	}
	if o.value != nil {
		r.add(",")
		r.expr(o.value)
	}
}
