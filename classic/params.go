package classic

import (
	"encoding/binary"
	"errors"

	"myreplay/wire"
)

var (
	errUnknownType = errors.New("unknown type")
	errParamTypes  = errors.New("parameter types were not sent and are not known")
	errParamCount  = errors.New("more parameters than the statement has")
)

// ParamType is the type that a client sent for a parameter.
type ParamType struct {
	Type     Type
	Unsigned bool
	// Name is the query attribute's name; empty for a statement's parameters
	// and borrowed otherwise.
	Name []byte
}

// Param is one parameter of an execution, or one query attribute.
type Param struct {
	ParamType
	// Null: the value is NULL. Long: it was sent ahead with SEND_LONG_DATA.
	Null, Long bool
	// Value holds the bytes as in a binary row, borrowed.
	Value []byte
}

// params is the part that COM_QUERY's attributes and COM_STMT_EXECUTE share:
// null bitmap, flag, types, values.
type params struct {
	count int
	named bool
	nulls []byte
	// typed: the types came with it.
	typed bool
	types []ParamType
}

// head reads the null bitmap, the flag and the types.
func (p *params) head(r *wire.Reader) {
	p.nulls = r.Bytes((p.count + 7) / 8)
	p.typed = r.Uint8() == 1
	if !p.typed || r.Err() != nil {
		return
	}
	p.types = make([]ParamType, 0, min(p.count, r.Len()/2))
	for i := 0; i < p.count && r.Err() == nil; i++ {
		t := ParamType{Type: Type(r.Uint8()), Unsigned: r.Uint8()&0x80 != 0}
		if p.named {
			t.Name = r.LenencBytes()
		}
		p.types = append(p.types, t)
	}
}

// values reads the values in order. long tells for which parameters the value
// was sent ahead.
func (p *params) values(r *wire.Reader, long func(i int) bool) []Param {
	if p.count > 0 && len(p.types) < p.count {
		r.Fail(errParamTypes)
		return nil
	}
	list := make([]Param, 0, p.count)
	for i := 0; i < p.count && r.Err() == nil; i++ {
		v := Param{ParamType: p.types[i]}
		switch {
		case long != nil && long(i):
			v.Long = true
		case p.nulls[i/8]&(1<<(i%8)) != 0:
			v.Null = true
		default:
			v.Value = readBinary(r, v.Type)
		}
		list = append(list, v)
	}
	return list
}

// Query is a COM_QUERY. Its slices borrow from the payload.
type Query struct {
	// Attributes are the query attributes (QUERY_ATTRIBUTES).
	Attributes []Param
	// SQL is the statement text.
	SQL []byte
}

// Decode reads a command's payload. caps are the connection's; 0 stands for
// unknown, and whether there are attributes is then deduced: no statement text
// begins with the bytes that they begin with.
func (q *Query) Decode(payload []byte, caps Capability) error {
	*q = Query{}
	r := wire.NewReader(payload)
	r.Skip(1)
	if caps.Has(QueryAttributes) || caps == 0 && looksAttributed(payload) {
		count := r.Lenenc()
		r.Lenenc() // the number of parameter sets, always 1
		if count > 0 {
			if count > uint64(r.Len()) {
				r.Fail(errParamCount)
				return formatError("COM_QUERY", &r)
			}
			p := params{count: int(count), named: true}
			p.head(&r)
			q.Attributes = p.values(&r, nil)
		}
	}
	q.SQL = r.Rest()
	return formatError("COM_QUERY", &r)
}

// looksAttributed tells whether a COM_QUERY of a connection whose login was not
// seen carries query attributes: a count, then the number of sets, 1. No SQL
// text has a byte 0x01 there.
func looksAttributed(payload []byte) bool {
	return len(payload) > 2 && payload[1] < 0xfb && payload[2] == 1
}

// AppendQuery appends a COM_QUERY's payload for a connection with the
// capabilities caps, without attributes.
func AppendQuery[T []byte | string](dst []byte, caps Capability, sql T) []byte {
	dst = append(dst, byte(ComQuery))
	if caps.Has(QueryAttributes) {
		dst = append(dst, 0, 1)
	}
	return append(dst, sql...)
}

// The flags of an Execute ("COM_STMT_EXECUTE").
const (
	ExecuteCursorReadOnly byte = 1
	ExecuteCursorUpdate   byte = 2
	ExecuteScrollable     byte = 4
	ExecuteParamCount     byte = 8 // PARAMETER_COUNT_AVAILABLE
)

// Execute is a COM_STMT_EXECUTE. Its slices borrow from the payload.
type Execute struct {
	Statement uint32
	Flags     byte
	// Count is the number of parameters sent, attributes included.
	Count int
	// Typed: the parameters' types came with it. Else those of the statement's
	// last execution hold.
	Typed bool
	Types []ParamType

	params params
	rest   []byte
}

// Decode reads a command's payload. count is the number of the statement's
// parameters as its Prepare answered. It reads no values: see Params.
func (e *Execute) Decode(payload []byte, caps Capability, count int) error {
	*e = Execute{}
	r := wire.NewReader(payload)
	r.Skip(1)
	e.Statement = r.Uint32()
	e.Flags = r.Uint8()
	r.Skip(4)
	e.Count = count
	if caps.Has(QueryAttributes) && (count > 0 || e.Flags&ExecuteParamCount != 0) {
		n := r.Lenenc()
		if n > 0xffff {
			r.Fail(errParamCount)
		}
		e.Count = int(n)
	}
	if r.Err() == nil && e.Count > 0 {
		e.params = params{count: e.Count, named: caps.Has(QueryAttributes)}
		e.params.head(&r)
		e.Typed, e.Types = e.params.typed, e.params.types
	}
	e.rest = r.Rest()
	return formatError("COM_STMT_EXECUTE", &r)
}

// Params reads the parameters. known are the types of the statement's last
// execution, for when they did not come along; long tells which parameters were
// sent ahead with SEND_LONG_DATA (nil: none).
func (e *Execute) Params(known []ParamType, long func(i int) bool) ([]Param, error) {
	p := e.params
	if !p.typed {
		p.types = known
	}
	r := wire.NewReader(e.rest)
	list := p.values(&r, long)
	return list, formatError("COM_STMT_EXECUTE", &r)
}

// Rewrite appends to dst the payload that does the same on a connection with
// other capabilities and for the target's statement id: query attributes are
// left out when to lacks QUERY_ATTRIBUTES. count is the number of the
// statement's own parameters.
func (e *Execute) Rewrite(dst []byte, payload []byte, statement uint32, count int, from, to Capability, known []ParamType, long func(i int) bool) ([]byte, error) {
	if from.Has(QueryAttributes) == to.Has(QueryAttributes) {
		at := len(dst)
		dst = append(dst, payload...)
		if len(payload) >= 5 {
			binary.LittleEndian.PutUint32(dst[at+1:], statement)
		}
		return dst, nil
	}
	list, err := e.Params(known, long)
	if err != nil {
		return dst, err
	}
	flags := e.Flags &^ ExecuteParamCount
	dst = append(dst, byte(ComStmtExecute))
	dst = wire.AppendUint32(dst, statement)
	dst = append(dst, flags)
	dst = wire.AppendUint32(dst, 1)
	if to.Has(QueryAttributes) && count > 0 {
		dst = wire.AppendLenenc(dst, uint64(count))
	}
	return appendParams(dst, list[:min(count, len(list))], e.Typed, to.Has(QueryAttributes)), nil
}

// appendParams appends null bitmap, flag, types and values.
func appendParams(dst []byte, list []Param, typed, named bool) []byte {
	if len(list) == 0 {
		return dst
	}
	at := len(dst)
	dst = append(dst, make([]byte, (len(list)+7)/8)...)
	for i, p := range list {
		if p.Null {
			dst[at+i/8] |= 1 << (i % 8)
		}
	}
	if !typed {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
		for _, p := range list {
			dst = AppendParamType(dst, p.ParamType, named)
		}
	}
	for _, p := range list {
		if !p.Null && !p.Long {
			dst = appendBinary(dst, p)
		}
	}
	return dst
}

// AppendParamType appends a parameter's type as COM_STMT_EXECUTE has it, with its
// name where parameters are named (query attributes).
func AppendParamType(dst []byte, t ParamType, named bool) []byte {
	flags := byte(0)
	if t.Unsigned {
		flags = 0x80
	}
	dst = append(dst, byte(t.Type), flags)
	if named {
		dst = wire.AppendLenencBytes(dst, t.Name)
	}
	return dst
}

func appendBinary(dst []byte, p Param) []byte {
	switch binaryLen(p.Type) {
	case -1:
		return wire.AppendLenencBytes(dst, p.Value)
	case -2:
		dst = append(dst, byte(len(p.Value)))
	}
	return append(dst, p.Value...)
}

// AppendExecute appends a COM_STMT_EXECUTE's payload with the given parameters.
func AppendExecute(dst []byte, caps Capability, statement uint32, flags byte, list []Param) []byte {
	named := caps.Has(QueryAttributes)
	dst = append(dst, byte(ComStmtExecute))
	dst = wire.AppendUint32(dst, statement)
	dst = append(dst, flags)
	dst = wire.AppendUint32(dst, 1)
	if named && (len(list) > 0 || flags&ExecuteParamCount != 0) {
		dst = wire.AppendLenenc(dst, uint64(len(list)))
	}
	return appendParams(dst, list, true, named)
}
