package target

import (
	"bytes"
	"encoding/binary"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/wire"
)

// layout is how the parameters lie in an execution's payload.
type layout struct {
	ok    bool // the payload reads to the end of the types
	typed bool // the types come with it
	count int  // parameters, query attributes included
	named bool // the types have names
	own   int  // the statement's own parameters among them
	types []byte
	// values are the parameters' values.
	values []byte
}

const (
	executeHead = 10 // COM_STMT_EXECUTE: code, id, flags, iterations
	bulkHead    = 7  // COM_STMT_BULK_EXECUTE: code, id, flags

	bulkTypes       = 128
	bulkUnitResults = 64
)

// layout reads an execution of st as the source laid it out.
func (s *statements) layout(cmd *session.Command, st *statement) layout {
	p := cmd.Payload
	l := layout{count: st.params, own: st.params}
	if cmd.Kind == session.BulkExecute {
		if len(p) < bulkHead {
			return l
		}
		l.typed = binary.LittleEndian.Uint16(p[5:])&bulkTypes != 0
		l.split(p[bulkHead:])
		return l
	}
	if len(p) < executeHead {
		return l
	}
	l.named = s.named(p[5])
	r := wire.NewReader(p[executeHead:])
	if l.named && (st.params > 0 || p[5]&classic.ExecuteParamCount != 0) {
		n := r.Lenenc()
		if n > 0xffff {
			return l
		}
		l.count = int(n)
	}
	if l.count > 0 {
		r.Skip((l.count + 7) / 8)
		l.typed = r.Uint8() == 1
	}
	if r.Err() == nil {
		l.split(r.Rest())
	}
	return l
}

// named tells whether an execution with the given flags is laid out with
// query attributes. On a session whose login is not known its flag gives it
// away.
func (s *statements) named(flags byte) bool {
	return s.hasAttributes() || s.caps == 0 && flags&classic.ExecuteParamCount != 0
}

// split parts the types from the values.
func (l *layout) split(rest []byte) {
	l.ok = true
	l.values = rest
	if !l.typed {
		return
	}
	r := wire.NewReader(rest)
	for range l.count {
		r.Skip(2)
		if l.named {
			r.LenencBytes()
		}
	}
	l.types = rest[:r.Offset()]
	l.values = r.Rest()
	l.ok = r.Err() == nil
}

// eachType calls yield for the types of the statement's own parameters, until
// it returns false.
func (l *layout) eachType(yield func(i int, t classic.ParamType) bool) {
	r := wire.NewReader(l.types)
	for i := range min(l.count, l.own) {
		t := classic.ParamType{Type: classic.Type(r.Uint8()), Unsigned: r.Uint8()&0x80 != 0}
		if l.named {
			r.LenencBytes()
		}
		if !yield(i, t) {
			return
		}
	}
}

// sameTypes tells whether the types that came along are those that the target
// knows.
func (l *layout) sameTypes(st *statement) bool {
	same := st.typed && len(st.types) == min(l.count, l.own)
	if !same {
		return false
	}
	l.eachType(func(i int, t classic.ParamType) bool {
		same = st.types[i].Type == t.Type && st.types[i].Unsigned == t.Unsigned
		return same
	})
	return same
}

// keepTypes notes the types that came along as those that the target knows.
func (l *layout) keepTypes(st *statement) {
	st.doubtful = false
	if !l.sameTypes(st) {
		st.types, st.typed = l.ownTypes(), true
	}
}

// ownTypes returns the types of the statement's own parameters; nil when they did
// not come along.
func (l *layout) ownTypes() []classic.ParamType {
	if !l.ok || !l.typed {
		return nil
	}
	list := make([]classic.ParamType, 0, min(l.count, l.own))
	l.eachType(func(_ int, t classic.ParamType) bool {
		list = append(list, t)
		return true
	})
	return list
}

// capsOf returns what decides the layout of an Execute.
func capsOf(attributes bool) classic.Capability {
	if attributes {
		return classic.QueryAttributes
	}
	return 0
}

// fits tells whether the values read from end to end with the types they would
// be read with.
func (l *layout) fits(payload []byte, st *statement) bool {
	if l.count == 0 {
		return len(l.values) == 0
	}
	var e classic.Execute
	caps := capsOf(l.named)
	if e.Decode(payload, caps, st.params) != nil {
		return false
	}
	list, err := e.Params(st.types, st.isLong)
	if err != nil {
		return false
	}
	for i := range list {
		list[i].Name = nil
	}
	again := classic.AppendExecute(nil, caps, e.Statement, e.Flags, list)
	head := executeHead + (l.count+7)/8 + 1 + 2*l.count
	if l.named {
		head += wire.LenencLen(uint64(l.count)) + l.count // an empty name each
	}
	return bytes.Equal(again[head:], l.values)
}

// execute readies an Execute or BulkExecute.
func (c *Conn) execute(cmd *session.Command) (m message, why session.Skip) {
	st, why := c.source.find(cmd.Statement)
	if why != session.NotSkipped {
		return m, why
	}
	cmd, l := c.source.withTypes(cmd, c.source.layout(cmd, st), st)
	if cmd.Kind == session.BulkExecute {
		why = c.bulkRefused(cmd, &l, st)
	} else {
		why = c.executeRefused(cmd, &l, st)
	}
	if why == session.NotSkipped {
		m, why = c.executeMessage(cmd, &l, st)
	}
	if why != session.NotSkipped {
		if l.typed && !(l.ok && l.sameTypes(st)) {
			st.typed = false
		}
		st.unexecuted(why)
		return m, why
	}
	if l.ok && l.typed {
		l.keepTypes(st)
	}
	return m, why
}

// cursorFlags are the flags of an Execute that ask for a cursor.
const cursorFlags = classic.ExecuteCursorReadOnly | classic.ExecuteCursorUpdate | classic.ExecuteScrollable

// executeRefused tells why an Execute can't be sent, if so.
func (c *Conn) executeRefused(cmd *session.Command, l *layout, st *statement) session.Skip {
	switch {
	case st.spoiled != session.NotSkipped:
		return st.spoiled
	case !l.ok:
		return session.SkipUnsupported
	case st.cursorFirst && cmd.Payload[5]&cursorFlags == 0 && isMySQL8(&c.state.Greeting):
		// MySQL (9.7.4 at least) answers an execution without a cursor, of a
		// statement whose first one had a cursor, with columns, no rows and no
		// end: any client waits for it forever.
		c.server.counts.cursors.Add(1)
		return session.SkipUnsupported
	case l.count > 0 && !l.typed && !st.typed:
		return session.SkipUnknownTypes
	case (st.doubtful || st.doubtfulLong || !st.learned) && !l.fits(cmd.Payload, st):
		return session.SkipUnknownTypes
	}
	return session.NotSkipped
}

// bulkRefused tells why a BulkExecute can't be sent, if so.
func (c *Conn) bulkRefused(cmd *session.Command, l *layout, st *statement) session.Skip {
	switch {
	case !c.state.Caps.Has(classic.MariaBulkOperations) || !l.ok || !st.learned,
		cmd.Payload[5]&bulkUnitResults != 0 && !c.state.Caps.Has(classic.MariaBulkUnitResults):
		return session.SkipUnsupported
	case !l.typed && (!st.typed || st.doubtful):
		return session.SkipUnknownTypes
	}
	return st.spoiled
}

// executeMessage returns what to send.
func (c *Conn) executeMessage(cmd *session.Command, l *layout, st *statement) (message, session.Skip) {
	m := message{code: classic.Code(cmd.Payload[0]), st: st}
	to := c.state.Caps.Has(classic.QueryAttributes)
	if cmd.Kind == session.BulkExecute || l.named == to {
		m.head, m.rest = c.onStatement(cmd.Payload, st.live)
		return m, session.NotSkipped
	}
	var e classic.Execute
	err := e.Decode(cmd.Payload, capsOf(l.named), st.params)
	if err == nil {
		c.scratch, err = e.Rewrite(c.scratch[:0], cmd.Payload, st.live, st.params, capsOf(l.named), capsOf(to), st.types, st.isLong)
	}
	if err != nil {
		return m, session.SkipUnsupported
	}
	if l.count > l.own {
		c.server.counts.attributes.Add(1)
	}
	m.head = c.scratch
	return m, session.NotSkipped
}
