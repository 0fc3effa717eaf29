package xproto

import "strconv"

// AppendSQL appends an SQL statement that says the same as a message of a client
// to dst: for people to read, and for sqltext to class and to fingerprint. It
// follows what the X Plugin itself runs for the message, without what the plugin
// adds to make document ids. The text depends on nothing but the message.
//
// A message has SQL when it is a CRUD or view message, a StmtExecute, or a
// Prepare (that of what it prepares). All others, and those of which a part is
// not known, are errors (a *FormatError), and dst comes back as it was.
// Placeholders that the message has no value for are written "?". Names, which
// come from the peer, are quoted.
func AppendSQL(dst []byte, m ClientMessage, payload []byte) ([]byte, error) {
	r := renderer{dst: dst, limit: len(dst) + maxGrowth*(len(payload)+slackSQL)}
	switch m {
	case CrudFind, CrudInsert, CrudUpdate, CrudDelete:
		r.crud(m, payload)
	case CrudCreateView, CrudModifyView:
		r.view(m, payload)
	case CrudDropView:
		r.dropView(payload)
	case SQLStmtExecute:
		r.execute(payload)
	case PreparePrepare:
		var p Prepare
		if err := p.Decode(payload); err != nil {
			return dst, err
		}
		if p.Kind.Message() == 0 {
			return dst, &FormatError{m.String(), "of what is not known"}
		}
		return AppendSQL(dst, p.Kind.Message(), p.Body)
	default:
		return dst, &FormatError{m.String(), "says nothing that SQL can say"}
	}
	if r.err != nil {
		return dst, r.err
	}
	return r.dst, nil
}

const (
	// maxGrowth and slackSQL bound how much longer than its message a statement
	// may be. Without arguments that stand in many places no message comes near.
	maxGrowth = 40
	slackSQL  = 100
)

// renderer writes a statement. The first failure sticks.
type renderer struct {
	dst   []byte
	limit int // of len(dst)
	depth int // of the expression being written
	model dataModel
	args  [][]byte
	err   error
}

func (r *renderer) fail(message, reason string) {
	if r.err == nil {
		r.err = &FormatError{message, reason}
	}
}

func (r *renderer) add(s string) { r.dst = append(r.dst, s...) }

// each calls write for every value, with what stands before each but the first.
func (r *renderer) each(l list, between string, write func([]byte)) {
	l.each(func(i int, b []byte) bool {
		if i > 0 {
			r.add(between)
		}
		write(b)
		return r.err == nil
	})
}

func (r *renderer) crud(m ClientMessage, payload []byte) {
	var c crud
	if r.err = c.decode(m, payload); r.err != nil {
		return
	}
	r.model, r.args = c.model, c.args
	switch {
	case r.model == modelUnset:
		r.model = modelDocument
	case r.model > modelTable:
		r.fail(m.String(), "an unknown data model")
		return
	}
	switch m {
	case CrudFind:
		r.find(&c)
	case CrudInsert:
		r.insert(&c)
	case CrudUpdate:
		r.update(&c)
	case CrudDelete:
		r.add("DELETE FROM ")
		r.table(&c.target)
		r.tail(&c)
	}
}

func (r *renderer) table(c *collection) {
	if len(c.name) == 0 {
		r.fail("Collection", "without a name")
	}
	if len(c.schema) > 0 {
		r.dst = append(appendIdentifier(r.dst, c.schema), '.')
	}
	r.dst = appendIdentifier(r.dst, c.name)
}

// unknownField is the reason of an error about a field that may change what a
// message says.
const unknownField = "a field that is not known"

// take takes over a reader's failure.
func (r *renderer) take(f *fields) { r.err = firstError(r.err, f.err) }

func (r *renderer) where(criteria []byte) {
	if criteria != nil {
		r.add(" WHERE ")
		r.expr(criteria)
	}
}

// tail writes what follows the table in UPDATE and DELETE.
func (r *renderer) tail(c *crud) {
	r.where(c.criteria)
	r.orderLimit(c)
}

func (r *renderer) orderLimit(c *crud) {
	if c.order.n > 0 {
		r.add(" ORDER BY ")
		r.each(c.order, ",", r.order)
	}
	switch {
	case c.limit != nil && c.limitExpr != nil:
		r.fail("Limit", "two of them")
	case c.limit != nil:
		r.limitNumbers(c.limit)
	case c.limitExpr != nil:
		r.limitExprs(c.limitExpr)
	}
}

func (r *renderer) order(b []byte) {
	f := read("Order", b)
	direction := byte(1)
	var expr []byte
	for f.next() {
		switch f.num {
		case 1:
			expr = f.bytes()
		case 2:
			direction = f.enum()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	r.expr(expr)
	switch direction {
	case 1:
	case 2:
		r.add(" DESC")
	default:
		r.fail("Order", "an unknown direction")
	}
}

func (r *renderer) limitNumbers(b []byte) {
	f := read("Limit", b)
	var count, offset uint64
	for f.next() {
		switch f.num {
		case 1:
			count = f.uint64()
		case 2:
			offset = f.uint64()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	r.add(" LIMIT ")
	r.dst = strconv.AppendUint(r.dst, count, 10)
	if offset > 0 {
		r.add(" OFFSET ")
		r.dst = strconv.AppendUint(r.dst, offset, 10)
	}
}

func (r *renderer) limitExprs(b []byte) {
	f := read("LimitExpr", b)
	var count, offset []byte
	for f.next() {
		switch f.num {
		case 1:
			count = f.bytes()
		case 2:
			offset = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	r.add(" LIMIT ")
	r.expr(count)
	if offset != nil {
		r.add(" OFFSET ")
		r.expr(offset)
	}
}
