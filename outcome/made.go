package outcome

import (
	"time"

	"github.com/zeebo/xxh3"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/wire"
)

const (
	// maxMadeLook is how many rows of a result are looked at for made-up values.
	maxMadeLook = 1000
	// madeSlack is how far a server's clock may be behind the recorder's, and
	// madeAhead how far it may be ahead, for its values to be known as made up since
	// the recording began.
	madeSlack = int64(10 * time.Second)
	madeAhead = int64(24 * time.Hour)
	// maxTimeRows is how many rows of a result are noted of which only times are made
	// up.
	maxTimeRows = 16
	// maxMadeColumns is how many columns of a row are looked at.
	maxMadeColumns = 64
	// The lengths of columns, in bytes, that may hold a UUID.
	minMadeColumn, maxMadeColumn = rawLen, 4 * 255
)

// Made is a value that the server made up since the recording began.
type Made struct {
	// Result is the result's place in the reply, Row the row's among those noted of
	// it, Cell the value's among those noted of the row.
	Result, Row, Cell int
	// Value is a UUID, or, where Time is set, nothing.
	Value UUID
	// Time is a time with microseconds, which a server may take otherwise within a
	// second; nil: it is none.
	Time *Micros
}

// Since says when what a server makes up begins to count, in nanoseconds since the
// Unix epoch, and returns that. Only the first call decides: without any, the
// first reply does.
func (in *Interner) Since(at int64) int64 {
	if since := in.since.Load(); since != 0 {
		return since
	}
	in.since.CompareAndSwap(0, at)
	return in.since.Load()
}

// maker notes what of one reply's rows the server made up.
type maker struct {
	since  int64
	until  int64
	looked int
	packed []byte // of the result
	rows   int
	row    session.MadeRow
	cells  []Made
	times  int    // rows of times only
	made   []Made // of the reply
}

// mayBeMade tells whether a column may hold a UUID, or a time with microseconds.
func mayBeMade(c *session.Column) bool {
	switch classic.Type(c.Type) {
	case classic.TypeVarString, classic.TypeString, classic.TypeVarchar:
		return minMadeColumn <= c.Length && c.Length <= maxMadeColumn
	}
	return isTime(c)
}

// isTime tells whether a column holds times with microseconds.
func isTime(c *session.Column) bool {
	return c.Decimals == 6 && (c.Type == byte(classic.TypeDateTime) || c.Type == byte(classic.TypeTimestamp))
}

// fresh returns a value as a UUID that was made since the recording began.
func (m *maker) fresh(v []byte) (u UUID, ok bool) {
	if n := len(v); n != dashLen && n != hexLen && n != rawLen {
		return u, false
	}
	readings(v, func(_ Form, r UUID) {
		if at, sane := r.at(); !ok && sane && at >= m.since-madeSlack && at < m.until+madeAhead {
			u, ok = r, true
		}
	})
	return u, ok
}

// each calls yield for the values of a row.
func (d *digester) each(payload []byte, yield func(i int, v []byte, null bool)) error {
	if d.binary {
		return classic.BinaryRow(payload, len(d.columns), d.typeOf, yield)
	}
	return classic.TextRow(payload, len(d.columns), yield)
}

// anyMade tells whether a row may hold a value that the server made up: at the
// price of a look at each value's length.
func (d *digester) anyMade(payload []byte) (any bool) {
	if d.binary {
		err := classic.BinaryRow(payload, len(d.columns), d.typeOf, func(i int, v []byte, null bool) {
			any = any || !null && i < maxMadeColumns && d.made>>i&1 != 0 && looksMade(v, true)
		})
		return any && err == nil
	}
	const null, longer = 0xfb, 0xfc // first bytes that are no length
	for columns := d.made; columns != 0; columns >>= 1 {
		if len(payload) == 0 {
			return false
		}
		n := int(payload[0])
		if n >= longer { // too long for any
			r := wire.NewReader(payload)
			r.LenencBytes()
			payload = r.Rest()
			continue
		}
		payload = payload[1:]
		if n == null {
			continue
		}
		if n > len(payload) {
			return false
		}
		if columns&1 != 0 && looksMade(payload[:n], false) {
			return true
		}
		payload = payload[n:]
	}
	return false
}

// looksMade tells whether a value looks like one that a server makes up.
func looksMade(v []byte, binary bool) bool {
	switch len(v) {
	case dashLen:
		return v[8] == '-' && (v[14] == '1' || v[14] == '7')
	case hexLen:
		return v[12] == '1' || v[12] == '7' || v[0] == '1'
	case rawLen:
		return v[8]>>6 == 2 && (v[6]>>4 == 1 || v[6]>>4 == 7 || v[0]>>4 == 1)
	case microLen:
		return v[microLen-7] == '.'
	case binaryMicro:
		return binary
	}
	return false
}

// note notes a whole row with the given hash, if the server made up any of its
// values.
func (m *maker) note(d *digester, payload []byte, hash uint64, result int) {
	if m.looked++; m.looked > maxMadeLook || m.rows == session.MaxMadeRows {
		return
	}
	m.row = session.MadeRow{Row: hash, Cells: m.row.Cells[:0]}
	m.cells = m.cells[:0]
	ids := false
	err := d.each(payload, func(i int, v []byte, null bool) {
		if null || i >= maxMadeColumns || d.made>>i&1 == 0 || len(m.cells) == session.MaxMadeCells || !looksMade(v, d.binary) {
			return
		}
		cell := Made{Result: result, Row: m.rows, Cell: len(m.cells)}
		if t := d.micros(i, v); t != nil {
			cell.Time = t
			m.add(i, &cell, t.Hash(d.seed))
		} else if u, ok := m.fresh(v); ok {
			ids, cell.Value = true, u
			m.add(i, &cell, u.Hash(d.seed))
		}
	})
	if err != nil || len(m.cells) == 0 || !ids && m.times == maxTimeRows || m.rest(d, payload) != nil {
		return
	}
	if !ids {
		m.times++
	}
	m.made = append(m.made, m.cells...)
	m.rows++
	m.packed = session.AppendMade(m.packed, &m.row)
}

// add adds a value to the row's.
func (m *maker) add(column int, cell *Made, hash uint64) {
	m.cells = append(m.cells, *cell)
	m.row.Cells = append(m.row.Cells, session.MadeCell{Column: uint32(column), Hash: hash})
}

// micros returns the value of a time column with its microseconds.
func (d *digester) micros(i int, v []byte) *Micros {
	c := &d.columns[i]
	if !isTime(c) {
		return nil
	}
	var text [64]byte
	if d.binary {
		v = classic.AppendText(text[:0], v, classic.Type(c.Type), false)
	}
	t, ok := parseMicros(v)
	if !ok || len(v) != microLen {
		return nil
	}
	return &t
}

// rest hashes the other values of a row, as text; of times the seconds.
func (m *maker) rest(d *digester, payload []byte) error {
	rest := d.scratch[:0]
	next := 0
	err := d.each(payload, func(i int, v []byte, null bool) {
		switch isMade := next < len(m.row.Cells) && int(m.row.Cells[next].Column) == i; {
		case isMade && m.cells[next].Time != nil:
			rest = append(rest, m.cells[next].Time[:secondLen]...)
			next++
		case isMade:
			next++
		case d.binary:
			rest = d.appendText(rest, i, v, null)
		default:
			rest = appendValue(rest, v, null)
		}
	})
	d.scratch = rest
	m.row.Rest = xxh3.HashSeed(rest, d.seed)
	return err
}

// begin begins a reply.
func (m *maker) begin() {
	m.made, m.looked, m.rows, m.times, m.packed = m.made[:0], 0, 0, 0, m.packed[:0]
}

// change returns what was noted of a result, as a Change; false when there is
// nothing.
func (m *maker) change() (session.Change, bool) {
	packed := m.packed
	m.looked, m.rows, m.times, m.packed = 0, 0, 0, m.packed[:0]
	return session.Change{Kind: session.MadeValues, Value: string(packed)}, len(packed) > 0
}

// Made returns what of the rows of the reply that was taken last the server made
// up; the list is valid until the next Begin.
func (b *Builder) Made() []Made { return b.maker.made }

// noteMade notes a row of the result under way.
func (b *Builder) noteMade(payload []byte, hash uint64) {
	m := &b.maker
	if m.since == 0 {
		m.since = b.shared.Since(b.reply.First)
	}
	m.until = b.reply.Last
	m.note(&b.digest, payload, hash, len(b.reply.Results)-1)
}
