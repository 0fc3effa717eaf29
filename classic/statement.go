package classic

import "myreplay/wire"

// StatementID returns the prepared statement's id in the payload of a
// STMT_EXECUTE, STMT_BULK_EXECUTE, STMT_FETCH, STMT_SEND_LONG_DATA, STMT_RESET
// or STMT_CLOSE.
func StatementID(payload []byte) (uint32, error) {
	r := wire.NewReader(payload)
	r.Skip(1)
	id := r.Uint32()
	return id, formatError("statement id", &r)
}

// LongData is a COM_STMT_SEND_LONG_DATA. Data borrows from the payload.
type LongData struct {
	Statement uint32
	Param     uint16
	Data      []byte
}

// Decode reads a command's payload.
func (l *LongData) Decode(payload []byte) error {
	r := wire.NewReader(payload)
	r.Skip(1)
	*l = LongData{r.Uint32(), r.Uint16(), r.Rest()}
	return formatError("COM_STMT_SEND_LONG_DATA", &r)
}

// Fetch is a COM_STMT_FETCH.
type Fetch struct{ Statement, Rows uint32 }

// Decode reads a command's payload.
func (f *Fetch) Decode(payload []byte) error {
	r := wire.NewReader(payload)
	r.Skip(1)
	*f = Fetch{r.Uint32(), r.Uint32()}
	return formatError("COM_STMT_FETCH", &r)
}

// PrepareOK is the server's answer to a successful COM_STMT_PREPARE.
type PrepareOK struct {
	Statement       uint32
	Columns, Params uint16
	Warnings        uint16
	// NoMetadata: the definitions do not follow (OPTIONAL_RESULTSET_METADATA).
	NoMetadata bool
}

// Decode reads the packet from payload.
func (p *PrepareOK) Decode(payload []byte) error {
	r := wire.NewReader(payload)
	r.Skip(1)
	*p = PrepareOK{Statement: r.Uint32(), Columns: r.Uint16(), Params: r.Uint16()}
	r.Skip(1)
	if r.Len() >= 2 {
		p.Warnings = r.Uint16()
	}
	if r.Len() >= 1 {
		p.NoMetadata = r.Uint8() == 0
	}
	return formatError("prepare OK", &r)
}

// Append appends the packet's payload to dst.
func (p *PrepareOK) Append(dst []byte) []byte {
	dst = wire.AppendUint32(append(dst, 0), p.Statement)
	dst = wire.AppendUint16(dst, p.Columns)
	dst = wire.AppendUint16(dst, p.Params)
	return wire.AppendUint16(append(dst, 0), p.Warnings)
}

// Column is one column's description ("Protocol::ColumnDefinition41"). Its
// slices borrow from the payload.
type Column struct {
	Schema, Table, OrgTable, Name, OrgName []byte
	Collation                              uint16
	Length                                 uint32
	Type                                   Type
	Flags                                  uint16
	Decimals                               byte
	// Extended is MariaDB's extra metadata, undecoded.
	Extended []byte
}

// fixedColumn is the length of a definition's part of fixed length.
const fixedColumn = 12

// Decode reads the packet from payload. MariaDB's extended metadata is
// recognised by the length of what is left.
func (c *Column) Decode(payload []byte) error {
	*c = Column{}
	r := wire.NewReader(payload)
	r.LenencBytes() // the catalog, always "def"
	c.Schema = r.LenencBytes()
	c.Table = r.LenencBytes()
	c.OrgTable = r.LenencBytes()
	c.Name = r.LenencBytes()
	c.OrgName = r.LenencBytes()
	if b, ok := r.Peek(); ok && (b != fixedColumn || r.Len() > 1+fixedColumn) {
		before := r
		c.Extended = r.LenencBytes()
		if b, _ := r.Peek(); b != fixedColumn || r.Len() < 1+fixedColumn {
			// Not extended: FIELD_LIST puts a default value after the fixed part.
			r, c.Extended = before, nil
		}
	}
	if n := r.Lenenc(); n < fixedColumn && r.Err() == nil {
		return &FormatError{"column definition", r.Offset(), "fixed part too short"}
	}
	c.Collation = r.Uint16()
	c.Length = r.Uint32()
	c.Type = Type(r.Uint8())
	c.Flags = r.Uint16()
	c.Decimals = r.Uint8()
	r.Skip(2)
	return formatError("column definition", &r)
}

// Append appends the packet's payload to dst.
func (c *Column) Append(dst []byte) []byte {
	dst = wire.AppendLenencBytes(dst, "def")
	for _, s := range [][]byte{c.Schema, c.Table, c.OrgTable, c.Name, c.OrgName} {
		dst = wire.AppendLenencBytes(dst, s)
	}
	dst = append(dst, fixedColumn)
	dst = wire.AppendUint16(dst, c.Collation)
	dst = wire.AppendUint32(dst, c.Length)
	dst = append(dst, byte(c.Type))
	dst = wire.AppendUint16(dst, c.Flags)
	return append(dst, c.Decimals, 0, 0)
}

// TextRow reads the values of a text row, in order, calling yield with each
// value, borrowed, or null. It stops at the first that it can't read.
func TextRow(payload []byte, columns int, yield func(i int, value []byte, null bool)) error {
	r := wire.NewReader(payload)
	for i := range columns {
		v, null := r.LenencBytesNull()
		if r.Err() != nil {
			break
		}
		yield(i, v, null)
	}
	if r.Err() == nil && r.Len() > 0 {
		return &FormatError{"text row", r.Offset(), "more values than columns"}
	}
	return formatError("text row", &r)
}

// BinaryRow reads the values of a binary row, in order, calling yield with each
// value, borrowed, or null. typeOf returns a column's type.
func BinaryRow(payload []byte, columns int, typeOf func(i int) Type, yield func(i int, value []byte, null bool)) error {
	r := wire.NewReader(payload)
	r.Skip(1)
	nulls := r.Bytes((columns + 2 + 7) / 8)
	for i := 0; i < columns && r.Err() == nil; i++ {
		if bit := i + 2; nulls[bit/8]&(1<<(bit%8)) != 0 {
			yield(i, nil, true)
			continue
		}
		if v := readBinary(&r, typeOf(i)); r.Err() == nil {
			yield(i, v, false)
		}
	}
	if r.Err() == nil && r.Len() > 0 {
		return &FormatError{"binary row", r.Offset(), "more values than columns"}
	}
	return formatError("binary row", &r)
}
