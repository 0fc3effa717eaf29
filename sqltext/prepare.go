package sqltext

// prepareState is how far PREPARE or EXECUTE has been read.
type prepareState uint8

const (
	prepareName   prepareState = iota // the name or IMMEDIATE is to come
	prepareFrom                       // behind PREPARE's name
	prepareSource                     // the text is to come
	prepareText                       // behind a literal text
	prepareUsing                      // behind USING: parameters
	prepareBad                        // the text is an expression
)

// prepareToken takes a token of PREPARE, EXECUTE or DEALLOCATE PREPARE.
func (c *classifier) prepareToken(t Token) {
	c.callee = noCallee
	switch c.prepare {
	case prepareName:
		c.preparedName(t)
	case prepareFrom:
		if t.Word == wFrom {
			c.prepare = prepareSource
		}
	case prepareSource:
		c.prepare = prepareBad
		if t.Kind == String {
			c.prepare = prepareText
			c.source = t
		}
	case prepareText:
		c.prepare = prepareBad
		if t.Kind == Ident && t.Word == wUsing && c.verb == wExecute {
			c.prepare = prepareUsing
		}
	}
}

func (c *classifier) preparedName(t Token) {
	switch {
	case c.verb == wDeallocate && t.Kind == Ident && t.Word == wPrepare:
	case c.verb == wExecute && t.Kind == Ident && t.Word == wImmediate:
		c.prepare = prepareSource
	case t.Kind == Ident || t.Kind == Quoted:
		if c.st.Name.Empty() {
			c.st.Name = t.Span
		}
		if c.verb == wPrepare {
			c.prepare = prepareFrom
		}
	}
}

// prepareEnd classifies what is prepared or executed by its text, when that is
// a literal.
func (c *classifier) prepareEnd() {
	switch c.verb {
	case wDeallocate:
		return
	case wPrepare, wExecute:
		c.st.Flags |= MoreTables
	}
	if c.prepare == prepareName {
		return // EXECUTE: PREPARE told
	}
	if c.prepare != prepareText && c.prepare != prepareUsing || c.nested >= maxNested {
		c.st.SQLMode = unsureMode
		c.st.Flags |= CharsetUnknown
		return // Unknown
	}
	text := AppendString(nil, c.text[c.source.Start:c.source.End], c.opt)
	inner := Analyzer{nested: c.nested + 1}
	r := inner.Analyze(text, c.opt)
	c.st.Class = r.Class
	for i := range r.Statements {
		st := &r.Statements[i]
		c.st.Funcs |= st.Funcs
		c.st.Flags |= st.Flags &^ Conditional
		if st.changesReading() {
			c.st.SQLMode = unsureMode // it depends on whether it is executed
			c.st.Flags |= CharsetUnknown
		}
	}
	if len(r.Statements) != 1 {
		c.st.Class = Unknown
	}
}

// maxNested is how deep PREPARE ... FROM 'PREPARE ...' is looked into.
const maxNested = 2
