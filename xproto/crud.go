package xproto

// dataModel tells what a message's collection is (Mysqlx.Crud.DataModel).
type dataModel byte

const (
	modelUnset    dataModel = 0 // the plugin's default is documents
	modelDocument dataModel = 1
	modelTable    dataModel = 2
)

// collection is the name of a collection or a table (Mysqlx.Crud.Collection).
type collection struct{ name, schema []byte }

func (c *collection) decode(payload []byte) error {
	f := read("Collection", payload)
	for f.next() {
		switch f.num {
		case 1:
			c.name = f.bytes()
		case 2:
			c.schema = f.bytes()
		}
	}
	return f.err
}

// crud is a Find, Insert, Update or Delete (Mysqlx.Crud). Its parts are
// undecoded and borrow: expressions are decoded where they are written, since a
// tree of them would be many times as long as the message.
type crud struct {
	target     collection
	model      dataModel
	projection list     // of Find: Projection; of Insert: Column
	criteria   []byte   // Expr
	limit      []byte   // Limit
	limitExpr  []byte   // LimitExpr
	order      list     // Order
	grouping   list     // Expr
	having     []byte   // Expr
	args       [][]byte // Scalar
	rows       list     // of Insert: TypedRow
	operations list     // of Update: UpdateOperation
	upsert     bool
	lock       byte // 1 shared, 2 exclusive
	lockWait   byte // 1 nowait, 2 skip locked
}

// part is a field of a crud message.
type part byte

// The parts.
const (
	noPart part = iota
	targetPart
	modelPart
	projectionPart
	criteriaPart
	limitPart
	limitExprPart
	orderPart
	groupingPart
	havingPart
	argsPart
	rowsPart
	operationsPart
	upsertPart
	lockPart
	lockWaitPart
)

// crudFields tells which part has which field number in which message.
var crudFields = map[ClientMessage][]part{
	CrudFind: {2: targetPart, 3: modelPart, 4: projectionPart, 5: criteriaPart, 6: limitPart, 7: orderPart,
		8: groupingPart, 9: havingPart, 11: argsPart, 12: lockPart, 13: lockWaitPart, 14: limitExprPart},
	CrudInsert: {1: targetPart, 2: modelPart, 3: projectionPart, 4: rowsPart, 5: argsPart, 6: upsertPart},
	CrudUpdate: {2: targetPart, 3: modelPart, 4: criteriaPart, 5: limitPart, 6: orderPart, 7: operationsPart,
		8: argsPart, 9: limitExprPart},
	CrudDelete: {1: targetPart, 2: modelPart, 3: criteriaPart, 4: limitPart, 5: orderPart, 6: argsPart, 7: limitExprPart},
}

// decode reads the message m from payload. A field that is not known is an
// error: it may change what the message says.
func (c *crud) decode(m ClientMessage, payload []byte) error {
	parts := crudFields[m]
	f := read(m.String(), payload)
	for f.next() {
		p := noPart
		if int(f.num) < len(parts) {
			p = parts[f.num]
		}
		if p == targetPart {
			f.err = firstError(f.err, c.target.decode(f.bytes()))
			continue
		}
		c.take(p, &f, payload)
	}
	return f.err
}

func (c *crud) take(p part, f *fields, message []byte) {
	switch p {
	case modelPart:
		c.model = dataModel(f.enum())
	case projectionPart:
		c.projection.note(f, message)
	case criteriaPart:
		c.criteria = f.bytes()
	case limitPart:
		c.limit = f.bytes()
	case limitExprPart:
		c.limitExpr = f.bytes()
	case orderPart:
		c.order.note(f, message)
	case groupingPart:
		c.grouping.note(f, message)
	case havingPart:
		c.having = f.bytes()
	case argsPart:
		c.args = f.more(c.args)
	case rowsPart:
		c.rows.note(f, message)
	case operationsPart:
		c.operations.note(f, message)
	case upsertPart:
		c.upsert = f.bool()
	case lockPart:
		c.lock = f.enum()
	case lockWaitPart:
		c.lockWait = f.enum()
	default:
		f.fail(unknownField)
	}
}

// Target returns the schema and the collection or table that a message names:
// CRUD and view messages, a Prepare of one, and the commands of the X Plugin
// that are about one. Both are "" where there is none; a schema that is "" is the
// session's.
func Target(m ClientMessage, payload []byte) (schema, name string) {
	switch m {
	case CrudFind, CrudInsert, CrudUpdate, CrudDelete, CrudCreateView, CrudModifyView, CrudDropView:
		c := targetOf(m, payload)
		return string(c.schema), string(c.name)
	case PreparePrepare:
		var p Prepare
		if p.Decode(payload) != nil || p.Kind.Message() == 0 {
			return "", ""
		}
		return Target(p.Kind.Message(), p.Body)
	case SQLStmtExecute:
		return commandTarget(payload)
	}
	return "", ""
}

// targetOf reads the collection of a message and skips all else.
func targetOf(m ClientMessage, payload []byte) (c collection) {
	field := 1
	if m == CrudFind || m == CrudUpdate {
		field = 2
	}
	f := read(m.String(), payload)
	for f.next() {
		if int(f.num) == field && c.decode(f.bytes()) != nil {
			return collection{}
		}
	}
	return c
}

// commandTarget returns what a command of the X Plugin is about.
func commandTarget(payload []byte) (schema, name string) {
	var s StmtExecute
	if s.Decode(payload) != nil || !s.forPlugin() || len(s.Args) == 0 {
		return "", ""
	}
	var a Any
	if a.Decode(s.Args[0]) != nil {
		return "", ""
	}
	name = a.Get("collection").String()
	if name == "" {
		name = a.Get("name").String()
	}
	return a.Get("schema").String(), name
}

// forPlugin tells whether the statement is a command of the X Plugin. Servers of
// 5.7 know its namespace by another name, too.
func (s *StmtExecute) forPlugin() bool {
	return s.Namespace == NamespacePlugin || s.Namespace == "xplugin"
}
