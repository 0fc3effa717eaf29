package xproto

func (r *renderer) insert(c *crud) {
	r.add("INSERT INTO ")
	r.table(&c.target)
	if r.model == modelDocument {
		r.add(" (doc)")
		if c.projection.n > 0 {
			r.fail("Insert", "columns of a document")
		}
	} else if c.projection.n > 0 {
		r.add(" (")
		r.each(c.projection, ",", r.insertColumn)
		r.add(")")
	}
	if c.rows.n == 0 {
		r.fail("Insert", "without a row")
	}
	r.add(" VALUES ")
	r.each(c.rows, ",", r.insertRow)
	if c.upsert {
		r.add(" ON DUPLICATE KEY UPDATE doc=VALUES(doc)")
	}
}

func (r *renderer) insertColumn(b []byte) {
	f := read("Column", b)
	var name []byte
	for f.next() {
		switch f.num {
		case 1:
			name = f.bytes()
		case 2: // an alias means nothing here
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	r.dst = appendIdentifier(r.dst, name)
}

func (r *renderer) insertRow(b []byte) {
	f := read("TypedRow", b)
	r.add("(")
	n := 0
	for f.next() && r.err == nil {
		if f.num != 1 {
			f.fail(unknownField)
			break
		}
		if n++; n > 1 {
			r.add(",")
		}
		if r.model == modelDocument {
			r.document(f.bytes())
		} else {
			r.expr(f.bytes())
		}
	}
	r.take(&f)
	r.add(")")
	if r.model == modelDocument && n != 1 {
		r.fail("Insert", "a row that is not one document")
	}
}

// document writes a document that is inserted: a literal one as a string.
func (r *renderer) document(b []byte) {
	if s, ok := r.scalar(b); ok && s.Type == ScalarOctets {
		r.dst = appendBinary(r.dst, s.Bytes)
		r.checkLength()
		return
	}
	r.expr(b)
}
