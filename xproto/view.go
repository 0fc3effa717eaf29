package xproto

import "bytes"

// view is a CreateView or a ModifyView (Mysqlx.Crud.CreateView, ModifyView).
type view struct {
	target                     collection
	definer                    []byte
	algorithm, security, check byte
	columns                    list
	find                       []byte
	replace                    bool
}

// The words of a view's options by their number.
var (
	viewAlgorithms = [...]string{0: "", 1: "ALGORITHM=UNDEFINED ", 2: "ALGORITHM=MERGE ", 3: "ALGORITHM=TEMPTABLE "}
	viewSecurity   = [...]string{0: "", 1: "SQL SECURITY INVOKER ", 2: "SQL SECURITY DEFINER "}
	viewChecks     = [...]string{0: "", 1: " WITH LOCAL CHECK OPTION", 2: " WITH CASCADED CHECK OPTION"}
)

func (v *view) decode(m ClientMessage, payload []byte) error {
	f := read(m.String(), payload)
	for f.next() {
		switch {
		case f.num == 1:
			f.err = firstError(f.err, v.target.decode(f.bytes()))
		case f.num == 2:
			v.definer = f.bytes()
		case f.num == 3:
			v.algorithm = f.enum()
		case f.num == 4:
			v.security = f.enum()
		case f.num == 5:
			v.check = f.enum()
		case f.num == 6:
			v.columns.note(&f, payload)
		case f.num == 7:
			v.find = f.bytes()
		case f.num == 8 && m == CrudCreateView:
			v.replace = f.bool()
		default:
			f.fail(unknownField)
		}
	}
	if int(v.algorithm) >= len(viewAlgorithms) || int(v.security) >= len(viewSecurity) || int(v.check) >= len(viewChecks) {
		f.fail("an unknown option")
	}
	return f.err
}

func (r *renderer) view(m ClientMessage, payload []byte) {
	var v view
	if r.err = v.decode(m, payload); r.err != nil {
		return
	}
	switch {
	case m == CrudModifyView:
		r.add("ALTER ")
	case v.replace:
		r.add("CREATE OR REPLACE ")
	default:
		r.add("CREATE ")
	}
	r.add(viewAlgorithms[v.algorithm])
	if len(v.definer) > 0 {
		r.definer(v.definer)
	}
	r.add(viewSecurity[v.security] + "VIEW ")
	r.table(&v.target)
	if v.columns.n > 0 {
		r.add(" (")
		r.each(v.columns, ",", func(b []byte) { r.dst = appendIdentifier(r.dst, b) })
		r.add(")")
	}
	if v.find == nil {
		r.fail(m.String(), "without a query")
		return
	}
	r.add(" AS ")
	r.crud(CrudFind, v.find)
	r.add(viewChecks[v.check])
}

// definer writes the clause about the view's owner, user@host.
func (r *renderer) definer(b []byte) {
	r.add("DEFINER=")
	user, host := b, []byte(nil)
	if i := bytes.LastIndexByte(b, '@'); i >= 0 {
		user, host = b[:i], b[i+1:]
	}
	r.dst = appendIdentifier(r.dst, user)
	if host != nil {
		r.dst = appendIdentifier(append(r.dst, '@'), host)
	}
	r.add(" ")
}

func (r *renderer) dropView(payload []byte) {
	f := read(CrudDropView.String(), payload)
	var target collection
	exists := false
	for f.next() {
		switch f.num {
		case 1:
			f.err = firstError(f.err, target.decode(f.bytes()))
		case 2:
			exists = f.bool()
		default:
			f.fail(unknownField)
		}
	}
	r.take(&f)
	r.add("DROP VIEW ")
	if exists {
		r.add("IF EXISTS ")
	}
	r.table(&target)
}

// execute writes what a StmtExecute runs: its text, or a command of the X Plugin
// as a CALL.
func (r *renderer) execute(payload []byte) {
	var s StmtExecute
	if r.err = s.Decode(payload); r.err != nil {
		return
	}
	switch {
	case s.Namespace == NamespaceSQL || s.Namespace == "":
		r.dst = append(r.dst, s.Stmt...)
		return
	case !s.forPlugin():
		r.fail("StmtExecute", "of an unknown namespace")
		return
	}
	r.add("CALL mysqlx.")
	if bareWord(s.Stmt) {
		r.dst = append(r.dst, s.Stmt...)
	} else {
		r.dst = appendIdentifier(r.dst, s.Stmt)
	}
	r.add("(")
	for i, b := range s.Args {
		if i > 0 {
			r.add(", ")
		}
		var a Any
		if r.err = a.Decode(b); r.err != nil {
			return
		}
		r.dst = a.AppendSQL(r.dst)
	}
	r.add(")")
}
