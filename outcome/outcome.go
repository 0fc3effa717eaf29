// Package outcome turns the frames of a server's reply into a session.Reply:
// what came out, how many rows, and digests of them. The decoder of a recording
// and the replaying client share it, so that both sides of a comparison are
// made by the same hand.
//
// docs/FORMAT.md, "Digests", says what the numbers are.
package outcome

import (
	"math/bits"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/wire"
)

const (
	// MaxKeyed is how many rows of a result get a RowHash.
	MaxKeyed = 100
	// maxKept limits the bytes of rows that are kept of one reply.
	maxKept = 32 << 20
	// maxDefinitions limits the bytes of column definitions that are looked at
	// in one result; beyond it the columns are not described.
	maxDefinitions = 1 << 20
)

// Options say how replies are recorded.
type Options struct {
	// Seed seeds the digests. Only digests with the same seed compare.
	Seed uint64
	// Keep is how many rows of each result are kept as they are; negative: all.
	Keep int
}

// Builder makes the Replies of one connection, one after the other. Begin one,
// tell it every frame, take it when it is done.
type Builder struct {
	options Options
	shared  *Interner
	slab    *Slab

	reply   *session.Reply
	result  *session.Result
	stmt    uint32
	code    classic.Code
	columns *session.Columns // of the rows that come
	digest  digester
	maker   maker
	defs    definitions
	info    string // the last OK's, to share equal ones

	// open holds, for statements with an open cursor, and on connections that
	// leave definitions out, what describes their rows.
	open map[uint32]*session.Columns
}

// NewBuilder returns a Builder. Columns are shared through in, memory comes from
// slab.
func NewBuilder(o Options, in *Interner, slab *Slab) *Builder {
	return &Builder{options: o, shared: in, slab: slab}
}

// Begin begins the reply to a command; statement is the id it names, or 0.
func (b *Builder) Begin(id, seq uint64, code classic.Code, statement uint32) {
	b.reply = b.slab.reply()
	b.reply.ID, b.reply.Seq = id, seq
	b.code, b.stmt = code, statement
	b.maker.begin()
	b.columns = nil
	b.result = nil
	if code == classic.ComStmtFetch {
		b.columns = b.open[statement]
		b.beginRows()
	}
}

// Begun tells whether a reply is under way.
func (b *Builder) Begun() bool { return b.reply != nil }

// Frame adds one frame of the reply, seen at the time at; st has just been told
// of it and said what it is.
func (b *Builder) Frame(st *classic.State, part classic.ServerPart, f *classic.Frame, at int64) {
	r := b.reply
	if r.Bytes == 0 {
		r.First = at
	}
	r.Last = at
	r.Bytes += f.Wire
	switch part {
	case classic.PartRow:
		b.row(f)
	case classic.PartOK:
		b.ok(&st.OK)
	case classic.PartError:
		b.failed(&st.ERR)
	case classic.PartColumnCount:
		b.columns = nil
		if b.code == classic.ComStmtExecute {
			b.columns = b.open[b.stmt]
		}
		b.beginRows()
		b.defs.reset()
	case classic.PartColumn, classic.PartField:
		b.definition(st, f)
	case classic.PartColumnsEnd:
		if st.OK.Status&classic.StatusCursorExists != 0 {
			b.rowsEnd(&st.OK)
		}
	case classic.PartRowsEnd:
		b.rowsEnd(&st.OK)
	case classic.PartPrepared:
		p := st.Prepared
		r.Prepared = &session.Prepared{Statement: p.Statement, Params: p.Params, Columns: p.Columns}
		b.defs.reset()
	case classic.PartPreparedColumn:
		b.preparedColumn(st, f)
	case classic.PartText:
		b.add(session.Result{Outcome: session.Text, Info: string(f.Payload)})
	case classic.PartStream:
		b.add(session.Result{Outcome: session.Text, Info: "a replication stream"})
	}
}

// Take ends the reply and returns it. lost tells that not all of it was seen.
func (b *Builder) Take(lost bool) *session.Reply {
	r := b.reply
	r.Lost = lost
	if lost && b.result != nil {
		// The result under way has no end: leave it out.
		r.Results = r.Results[:len(r.Results)-1]
	}
	b.reply, b.result = nil, nil
	return r
}

// Forget drops what is known of prepared statements: after a reset of the
// connection or a change of user, or when bytes were lost.
func (b *Builder) Forget() { clear(b.open) }

func (b *Builder) add(r session.Result) *session.Result {
	b.reply.Results = append(b.reply.Results, r)
	return &b.reply.Results[len(b.reply.Results)-1]
}

func (b *Builder) ok(o *classic.OK) {
	r := b.add(session.Result{Outcome: session.OK, Affected: o.Affected, InsertID: o.InsertID,
		Warnings: o.Warnings, Status: o.Status, Info: b.text(o.Info)})
	b.changes(r, o)
	if b.code == classic.ComChangeUser || b.code == classic.ComResetConnection {
		b.Forget()
	}
}

// text returns s as a string, sharing the one before when it is the same.
func (b *Builder) text(s []byte) string {
	if string(s) != b.info {
		b.info = string(s)
	}
	return b.info
}

func (b *Builder) changes(r *session.Result, o *classic.OK) {
	if len(o.Changes) == 0 {
		return
	}
	// What can't be read is left out: the reply itself is whole.
	_ = o.StateChanges(func(c classic.StateChange) {
		if session.ChangeKind(c.Kind) == session.SystemVariable && string(c.Name) == "statement_id" {
			return // MySQL counts statements, and says so with each when all variables are tracked
		}
		r.Changes = append(r.Changes, session.Change{Kind: session.ChangeKind(c.Kind), Name: string(c.Name), Value: string(c.Value)})
	})
}

func (b *Builder) failed(e *classic.ERR) {
	err := &session.Error{Code: e.Code, State: string(e.State), Message: string(e.Message)}
	if b.result == nil {
		b.add(session.Result{Outcome: session.Failed, Error: err})
		return
	}
	b.endRows()
	b.result.Outcome, b.result.Error = session.Failed, err
	b.result = nil
}

func (b *Builder) beginRows() {
	b.result = b.add(session.Result{Outcome: session.Rows, Columns: b.columns, Binary: b.code == classic.ComStmtExecute ||
		b.code == classic.ComStmtFetch || b.code == classic.ComStmtBulkExecute})
	b.digest.begin(b.options.Seed, b.result.Binary, b.columns)
}

func (b *Builder) definition(st *classic.State, f *classic.Frame) {
	if b.result == nil { // the answer to FIELD_LIST
		b.beginRows()
		b.defs.reset()
	}
	b.defs.add(f)
	if b.code == classic.ComFieldList || b.defs.count < st.Columns {
		return
	}
	b.columns = b.shared.columns(&b.defs)
	b.result.Columns = b.columns
	b.digest.begin(b.options.Seed, b.result.Binary, b.columns)
	if b.open != nil && b.open[b.stmt] != nil {
		b.remember(b.stmt, b.columns)
	}
}

func (b *Builder) preparedColumn(st *classic.State, f *classic.Frame) {
	if !st.Caps.Has(classic.MariaCacheMetadata) {
		return
	}
	b.defs.add(f)
	if b.defs.count == int(st.Prepared.Columns) {
		b.remember(st.Prepared.Statement, b.shared.columns(&b.defs))
	}
}

// maxRemembered limits how many statements' columns a connection remembers.
const maxRemembered = 1 << 14

func (b *Builder) remember(statement uint32, c *session.Columns) {
	if b.open == nil {
		b.open = map[uint32]*session.Columns{}
	}
	if len(b.open) < maxRemembered {
		b.open[statement] = c
	}
}

// Closed tells that a statement was closed.
func (b *Builder) Closed(statement uint32) { delete(b.open, statement) }

func (b *Builder) row(f *classic.Frame) {
	r := b.result
	r.Rows++
	whole := !f.Cut && !f.Holed
	hash := b.digest.row(f.Payload, whole)
	if whole && len(b.digest.keys) > 0 && len(r.Keyed) < MaxKeyed {
		if k, ok := b.digest.keyed(f.Payload, hash); ok {
			r.Keyed = append(r.Keyed, k)
		}
	}
	if whole && b.digest.made != 0 && b.digest.anyMade(f.Payload) {
		b.noteMade(f.Payload, hash)
	}
	if o := b.options.Keep; (o < 0 || len(r.Kept) < o) && whole && b.reply.Bytes < maxKept {
		r.Kept = append(r.Kept, b.slab.Copy(f.Payload))
	}
}

func (b *Builder) endRows() {
	b.result.Digest = b.digest.sum()
	if b.digest.made == 0 {
		return
	}
	if c, ok := b.maker.change(); ok {
		b.result.Changes = append(b.result.Changes, c)
	}
}

func (b *Builder) rowsEnd(o *classic.OK) {
	if b.code == classic.ComFieldList {
		if b.result == nil { // a table without columns
			b.beginRows()
		}
		b.result.Columns = b.shared.columns(&b.defs)
	}
	b.endRows()
	b.result.Warnings, b.result.Status = o.Warnings, o.Status
	b.changes(b.result, o)
	if b.code == classic.ComStmtExecute && o.Status&classic.StatusCursorExists != 0 {
		b.result.Outcome = session.Opened
		b.remember(b.stmt, b.columns)
	}
	b.result = nil
}

// digester digests the rows of one result.
type digester struct {
	seed    uint64
	binary  bool
	columns []session.Column
	known   bool   // the columns are known
	made    uint64 // bits of columns that may hold a value which the server makes up
	widen   bool   // some column is an integer of less than 8 bytes
	keys    []int  // indexes of the key columns
	sumUp   session.Digest
	scratch []byte // a row in its canonical form, or its keys
	text    []byte // a binary row as text
}

func (d *digester) begin(seed uint64, binary bool, c *session.Columns) {
	*d = digester{seed: seed, binary: binary, scratch: d.scratch, text: d.text, keys: d.keys[:0], sumUp: session.Digest{Valid: true}}
	if c == nil {
		return
	}
	d.known, d.columns = true, c.List
	for i := range d.columns {
		col := &d.columns[i]
		if t := classic.Type(col.Type); t.IsInteger() && t != classic.TypeLongLong {
			d.widen = binary
		}
		if i < maxMadeColumns && mayBeMade(col) {
			d.made |= 1 << i
		}
		if col.Flags&classic.FlagPrimaryKey != 0 {
			d.keys = append(d.keys, i)
		}
	}
}

// orderFactor spreads the digest of the rows so far before the next is added.
const orderFactor = 0x9e3779b97f4a7c15

// row adds a row and returns its hash.
func (d *digester) row(payload []byte, whole bool) uint64 {
	if !whole || d.binary && !d.known {
		d.sumUp.Valid = false
		return 0
	}
	canonical := payload
	if d.binary {
		canonical = payload[1:]
		if d.widen {
			if canonical = d.widened(payload); canonical == nil {
				d.sumUp.Valid = false
				return 0
			}
		}
	}
	h := xxh3.HashSeed(canonical, d.seed)
	fold(&d.sumUp, h)
	return h
}

// fold adds the hash of a row to the digest of those before it.
func fold(d *session.Digest, h uint64) {
	d.Ordered = bits.RotateLeft64(d.Ordered*orderFactor, 31) + h
	d.Unordered += h
}

func (d *digester) sum() session.Digest {
	if !d.sumUp.Valid {
		return session.Digest{}
	}
	return d.sumUp
}

// widened returns a binary row without its header and with every integer in 8
// bytes, so that the same number digests alike whatever width a server gave
// it; nil when the row can't be read.
func (d *digester) widened(payload []byte) []byte {
	nulls := 1 + (len(d.columns)+2+7)/8
	if len(payload) < nulls {
		return nil
	}
	out := append(d.scratch[:0], payload[1:nulls]...)
	err := classic.BinaryRow(payload, len(d.columns), d.typeOf, func(i int, v []byte, null bool) {
		if null {
			return
		}
		col := &d.columns[i]
		switch t := classic.Type(col.Type); {
		case t.IsInteger():
			out = wire.AppendUint64(out, classic.Integer(v, col.Flags&classic.FlagUnsigned != 0))
		case t == classic.TypeFloat || t == classic.TypeDouble:
			out = append(out, v...)
		case t == classic.TypeDate || t == classic.TypeTime || t == classic.TypeDateTime || t == classic.TypeTimestamp:
			out = append(append(out, byte(len(v))), v...)
		default:
			out = wire.AppendLenencBytes(out, v)
		}
	})
	d.scratch = out
	if err != nil {
		return nil
	}
	return out
}

func (d *digester) typeOf(i int) classic.Type { return classic.Type(d.columns[i].Type) }

// keyed returns the hashes of a row's key columns and of all of it, both over
// the values as text, so that a row read as text and the same row read by a
// prepared statement have the same. hash is the row's own.
func (d *digester) keyed(payload []byte, hash uint64) (session.RowHash, bool) {
	keys, all := d.scratch[:0], d.text[:0]
	next := 0
	each := func(i int, v []byte, null bool) {
		isKey := next < len(d.keys) && d.keys[next] == i
		if isKey {
			next++
		}
		if d.binary {
			from := len(all)
			all = d.appendText(all, i, v, null)
			if isKey {
				keys = append(keys, all[from:]...)
			}
		} else if isKey {
			keys = appendValue(keys, v, null)
		}
	}
	var err error
	if d.binary {
		err = classic.BinaryRow(payload, len(d.columns), d.typeOf, each)
		hash = xxh3.HashSeed(all, d.seed)
	} else {
		err = classic.TextRow(payload, len(d.columns), each)
	}
	d.scratch, d.text = keys, all
	return session.RowHash{Key: xxh3.HashSeed(keys, d.seed), Row: hash}, err == nil
}

func (d *digester) appendText(dst []byte, i int, v []byte, null bool) []byte {
	if null {
		return append(dst, 0xfb)
	}
	col := &d.columns[i]
	var text [64]byte
	return wire.AppendLenencBytes(dst, classic.AppendText(text[:0], v, classic.Type(col.Type), col.Flags&classic.FlagUnsigned != 0))
}

func appendValue(dst, v []byte, null bool) []byte {
	if null {
		return append(dst, 0xfb)
	}
	return wire.AppendLenencBytes(dst, v)
}

// First tells whether the next frame is the reply's first.
func (b *Builder) First() bool { return b.reply.Bytes == 0 }
