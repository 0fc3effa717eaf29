package xproto

import "google.golang.org/protobuf/encoding/protowire"

// NamespaceSQL and NamespacePlugin are the namespaces of StmtExecute: SQL, and
// commands of the X Plugin.
const (
	NamespaceSQL    = "sql"
	NamespacePlugin = "mysqlx"
)

// StmtExecute runs SQL or a command of the X Plugin (Mysqlx.Sql.StmtExecute).
type StmtExecute struct {
	Namespace string
	// Stmt is the text or the command's name, borrowed.
	Stmt []byte
	// Args has the arguments, borrowed, each an Any.
	Args [][]byte
	// CompactMetadata: the server sends types only.
	CompactMetadata bool
}

// Decode reads the message from payload.
func (s *StmtExecute) Decode(payload []byte) error {
	*s = StmtExecute{Namespace: NamespaceSQL}
	f := read("StmtExecute", payload)
	for f.next() {
		switch f.num {
		case 1:
			s.Stmt = f.bytes()
		case 2:
			s.Args = f.more(s.Args)
		case 3:
			s.Namespace = string(f.bytes())
		case 4:
			s.CompactMetadata = f.bool()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (s *StmtExecute) Append(dst []byte) []byte {
	if s.Namespace != "" && s.Namespace != NamespaceSQL {
		dst = appendBytes(dst, 3, s.Namespace)
	}
	dst = appendBytes(dst, 1, s.Stmt)
	for _, a := range s.Args {
		dst = appendBytes(dst, 2, a)
	}
	if s.CompactMetadata {
		dst = appendBool(dst, 4, true)
	}
	return dst
}

// PreparedKind tells what a Prepare prepares
// (Mysqlx.Prepare.Prepare.OneOfMessage.Type).
type PreparedKind byte

// What can be prepared.
const (
	PrepareFind   PreparedKind = 0
	PrepareInsert PreparedKind = 1
	PrepareUpdate PreparedKind = 2
	PrepareDelete PreparedKind = 4
	PrepareStmt   PreparedKind = 5
)

// Message returns the client's message that runs what is prepared.
func (k PreparedKind) Message() ClientMessage {
	switch k {
	case PrepareFind:
		return CrudFind
	case PrepareInsert:
		return CrudInsert
	case PrepareUpdate:
		return CrudUpdate
	case PrepareDelete:
		return CrudDelete
	case PrepareStmt:
		return SQLStmtExecute
	}
	return 0
}

// Prepare prepares a statement (Mysqlx.Prepare.Prepare).
type Prepare struct {
	// ID is chosen by the client.
	ID   uint32
	Kind PreparedKind
	// Body is the payload of the message that is prepared, borrowed: that of
	// Kind.Message.
	Body []byte
}

// Decode reads the message from payload.
func (p *Prepare) Decode(payload []byte) error {
	*p = Prepare{}
	f := read("Prepare", payload)
	for f.next() {
		switch f.num {
		case 1:
			p.ID = f.uint32()
		case 2:
			g := read("Prepare", f.bytes())
			for g.next() {
				switch g.num {
				case 1:
					p.Kind = PreparedKind(g.enum())
				case 2, 3, 4, 5, 6:
					p.Body = g.bytes()
				}
			}
			if g.err != nil {
				return g.err
			}
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (p *Prepare) Append(dst []byte) []byte {
	field := map[PreparedKind]protowire.Number{PrepareFind: 2, PrepareInsert: 3, PrepareUpdate: 4, PrepareDelete: 5, PrepareStmt: 6}[p.Kind]
	one := appendVarint(nil, 1, uint64(p.Kind))
	if field != 0 {
		one = appendBytes(one, field, p.Body)
	}
	return appendBytes(appendVarint(dst, 1, uint64(p.ID)), 2, one)
}

// Execute runs a prepared statement (Mysqlx.Prepare.Execute).
type Execute struct {
	ID              uint32
	Args            [][]byte // each an Any, borrowed
	CompactMetadata bool
}

// Decode reads the message from payload.
func (e *Execute) Decode(payload []byte) error {
	*e = Execute{}
	f := read("Execute", payload)
	for f.next() {
		switch f.num {
		case 1:
			e.ID = f.uint32()
		case 2:
			e.Args = f.more(e.Args)
		case 3:
			e.CompactMetadata = f.bool()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (e *Execute) Append(dst []byte) []byte {
	dst = appendVarint(dst, 1, uint64(e.ID))
	for _, a := range e.Args {
		dst = appendBytes(dst, 2, a)
	}
	if e.CompactMetadata {
		dst = appendBool(dst, 3, true)
	}
	return dst
}

// Numbered is a message about a prepared statement or a cursor that holds
// nothing but its number (Mysqlx.Prepare.Deallocate, Mysqlx.Cursor.Close), and
// Mysqlx.Cursor.Fetch, with how many rows are wanted.
type Numbered struct {
	ID uint32
	// FetchRows is how many rows a Fetch asks for; 0 of the others.
	FetchRows uint64
}

// Decode reads the message from payload.
func (n *Numbered) Decode(payload []byte) error {
	*n = Numbered{}
	f := read("message with an id", payload)
	for f.next() {
		switch f.num {
		case 1:
			n.ID = f.uint32()
		case 5:
			n.FetchRows = f.uint64()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (n *Numbered) Append(dst []byte) []byte {
	dst = appendVarint(dst, 1, uint64(n.ID))
	if n.FetchRows != 0 {
		dst = appendVarint(dst, 5, n.FetchRows)
	}
	return dst
}

// Open opens a cursor over a prepared statement (Mysqlx.Cursor.Open).
type Open struct {
	// ID is the cursor's, chosen by the client.
	ID      uint32
	Execute Execute
	// FetchRows is how many rows come at once; the others by Fetch.
	FetchRows uint64
}

// Decode reads the message from payload.
func (o *Open) Decode(payload []byte) error {
	*o = Open{}
	f := read("Open", payload)
	for f.next() && f.err == nil {
		switch f.num {
		case 1:
			o.ID = f.uint32()
		case 4:
			g := read("Open", f.bytes())
			for g.next() && g.err == nil {
				if g.num == 2 {
					g.err = firstError(g.err, o.Execute.Decode(g.bytes()))
				}
			}
			f.err = firstError(f.err, g.err)
		case 5:
			o.FetchRows = f.uint64()
		}
	}
	return f.err
}

// Append appends the message's payload to dst.
func (o *Open) Append(dst []byte) []byte {
	one := appendBytes(appendVarint(nil, 1, 0), 2, o.Execute.Append(nil))
	dst = appendBytes(appendVarint(dst, 1, uint64(o.ID)), 4, one)
	if o.FetchRows != 0 {
		dst = appendVarint(dst, 5, o.FetchRows)
	}
	return dst
}

// Condition is one condition of an ExpectOpen.
type Condition struct {
	Key   uint32 // 1 no_error, 2 field exists, 3 document id generated
	Value []byte // borrowed
	Unset bool
}

// Expectations opens a block of expectations (Mysqlx.Expect.Open).
type Expectations struct {
	// CopyPrevious: the conditions of the block around it hold, too.
	CopyPrevious bool
	Conditions   []Condition
}

// Decode reads the message from payload.
func (e *Expectations) Decode(payload []byte) error {
	*e = Expectations{CopyPrevious: true}
	f := read("Expect.Open", payload)
	for f.next() {
		switch f.num {
		case 1:
			e.CopyPrevious = f.uint32() == 0
		case 2:
			var c Condition
			g := read("Expect.Open", f.bytes())
			for g.next() {
				switch g.num {
				case 1:
					c.Key = g.uint32()
				case 2:
					c.Value = g.bytes()
				case 3:
					c.Unset = g.uint32() == 1
				}
			}
			if g.err != nil {
				return g.err
			}
			if len(e.Conditions) >= maxColumns {
				f.fail(tooMany)
				break
			}
			e.Conditions = append(e.Conditions, c)
		}
	}
	return f.err
}
