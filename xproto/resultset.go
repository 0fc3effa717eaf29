package xproto

// FieldType is the type of a column (Mysqlx.Resultset.ColumnMetaData.FieldType).
type FieldType byte

// The types of columns.
const (
	TypeSint     FieldType = 1
	TypeUint     FieldType = 2
	TypeDouble   FieldType = 5
	TypeFloat    FieldType = 6
	TypeBytes    FieldType = 7
	TypeTime     FieldType = 10
	TypeDatetime FieldType = 12
	TypeSet      FieldType = 15
	TypeEnum     FieldType = 16
	TypeBit      FieldType = 17
	TypeDecimal  FieldType = 18
)

// The flags of columns.
const (
	FlagNotNull       = 0x10
	FlagPrimaryKey    = 0x20
	FlagUniqueKey     = 0x40
	FlagMultipleKey   = 0x80
	FlagAutoIncrement = 0x100
)

// Content types of TypeBytes and TypeDatetime columns.
const (
	ContentGeometry = 1
	ContentJSON     = 2
	ContentXML      = 3
	ContentDate     = 1
	ContentDatetime = 2
)

// Column describes one column of the rows that follow
// (Mysqlx.Resultset.ColumnMetaData). Its byte slices borrow.
type Column struct {
	Type                                                      FieldType
	Name, OriginalName, Table, OriginalTable, Schema, Catalog []byte
	Collation                                                 uint64
	FractionalDigits, Length, Flags, ContentType              uint32
}

// Decode reads the message from payload.
func (c *Column) Decode(payload []byte) error {
	*c = Column{}
	f := read("ColumnMetaData", payload)
	for f.next() {
		switch f.num {
		case 1:
			c.Type = FieldType(f.enum())
		case 2:
			c.Name = f.bytes()
		case 3:
			c.OriginalName = f.bytes()
		case 4:
			c.Table = f.bytes()
		case 5:
			c.OriginalTable = f.bytes()
		case 6:
			c.Schema = f.bytes()
		case 7:
			c.Catalog = f.bytes()
		case 8:
			c.Collation = f.uint64()
		case 9:
			c.FractionalDigits = f.uint32()
		case 10:
			c.Length = f.uint32()
		case 11:
			c.Flags = f.uint32()
		case 12:
			c.ContentType = f.uint32()
		}
	}
	return f.err
}

// Row calls each for every field of a Row message (Mysqlx.Resultset.Row), with
// its value as on the wire, borrowed; an empty one is NULL. It stops at a field
// past n, which is an error, as are fewer than n.
func Row(payload []byte, n int, each func(i int, v []byte)) error {
	f := read("Row", payload)
	i := 0
	for f.next() {
		if f.num != 1 {
			continue
		}
		if v := f.bytes(); i < n && f.err == nil {
			each(i, v)
		}
		i++
	}
	if f.err == nil && i != n {
		f.fail("not as many fields as columns")
	}
	return f.err
}
