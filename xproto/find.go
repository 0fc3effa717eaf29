package xproto

func (r *renderer) find(c *crud) {
	list := r.projections(&c.projection)
	grouped := r.model == modelDocument && c.grouping.n > 0 && len(list) > 0
	if grouped {
		r.groupedDocument(list)
	}
	r.add("SELECT ")
	switch {
	case r.model == modelTable && len(list) == 0:
		r.add("*")
	case r.model == modelTable || grouped:
		r.columns(list)
	case len(list) == 0:
		r.add("doc")
	default:
		r.projectDocument(list)
	}
	r.add(" FROM ")
	r.table(&c.target)
	r.where(c.criteria)
	if c.grouping.n > 0 {
		r.add(" GROUP BY ")
		r.each(c.grouping, ",", r.expr)
	}
	if c.having != nil {
		r.add(" HAVING ")
		r.expr(c.having)
	}
	r.orderLimit(c)
	if grouped {
		r.add(") AS `_DERIVED_TABLE_`")
	}
	r.locking(c)
}

// groupedDocument writes the outer query of one that groups documents: what it
// projects are columns first, and then a document.
func (r *renderer) groupedDocument(list []projection) {
	r.add("SELECT JSON_OBJECT(")
	for i, p := range list {
		if i > 0 {
			r.add(",")
		}
		r.dst = appendString(r.dst, r.alias(p))
		r.add(", `_DERIVED_TABLE_`.")
		r.dst = appendIdentifier(r.dst, p.alias)
	}
	r.add(") AS doc FROM (")
}

// alias returns the name of a part of a document, which it must have.
func (r *renderer) alias(p projection) []byte {
	if p.alias == nil {
		r.fail("Projection", "of a document without a name")
	}
	return p.alias
}

// projectDocument writes the document that a projection makes. A single object
// without a name is the document itself.
func (r *renderer) projectDocument(list []projection) {
	if len(list) == 1 && list[0].alias == nil && r.kindOf(list[0].source) == exprObject {
		r.expr(list[0].source)
		r.add(" AS doc")
		return
	}
	r.add("JSON_OBJECT(")
	for i, p := range list {
		if i > 0 {
			r.add(",")
		}
		r.dst = appendString(r.dst, r.alias(p))
		r.add(", ")
		r.expr(p.source)
	}
	r.add(") AS doc")
}

func (r *renderer) columns(list []projection) {
	for i, p := range list {
		if i > 0 {
			r.add(",")
		}
		r.expr(p.source)
		if p.alias != nil {
			r.add(" AS ")
			r.dst = appendIdentifier(r.dst, p.alias)
		}
	}
}

type projection struct{ source, alias []byte }

func (r *renderer) projections(l *list) []projection {
	if l.n > maxColumns {
		r.fail("Projection", tooMany)
		return nil
	}
	all := make([]projection, 0, l.n)
	l.each(func(_ int, b []byte) bool {
		all = append(all, r.projection(b))
		return r.err == nil
	})
	return all
}

func (r *renderer) projection(b []byte) (p projection) {
	f := read("Projection", b)
	for f.next() {
		switch f.num {
		case 1:
			p.source = f.bytes()
		case 2:
			p.alias = f.bytes()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	return p
}

func (r *renderer) locking(c *crud) {
	switch c.lock {
	case 0:
	case 1:
		r.add(" FOR SHARE")
	case 2:
		r.add(" FOR UPDATE")
	default:
		r.fail("Find", "an unknown lock")
	}
	switch {
	case c.lockWait == 0:
	case c.lock == 0 || c.lockWait > 2:
		r.fail("Find", "an unknown way to lock")
	case c.lockWait == 1:
		r.add(" NOWAIT")
	case c.lockWait == 2:
		r.add(" SKIP LOCKED")
	}
}
