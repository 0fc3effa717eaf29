package outcome

import (
	"github.com/zeebo/xxh3"

	"myreplay/session"
	"myreplay/wire"
	"myreplay/xproto"
)

// xSeed keeps the hashes of X descriptions apart from those of the classic
// protocol.
const xSeed = 'x'

// contentShift is where a column's content type begins within
// session.Column.Flags; below it are the flags of ColumnMetaData.
const contentShift = 12

// addX adds the description of a column. It holds no length of its own, so that
// is put before it.
func (d *definitions) addX(f *xproto.Frame) {
	d.count++
	if f.Cut || f.Holed || len(d.raw)+len(f.Payload) > maxDefinitions {
		d.bad = true
	}
	if d.bad {
		return
	}
	d.raw = wire.AppendLenencBytes(d.raw, f.Payload)
	d.ends = append(d.ends, len(d.raw))
}

// xColumns returns the description that the definitions make, or nil when they
// can't be read.
func (in *Interner) xColumns(d *definitions) *session.Columns {
	if d.bad || d.count == 0 {
		return nil
	}
	return in.shared(xxh3.HashSeed(d.raw, xSeed), d, d.parseX)
}

func (d *definitions) parseX(hash uint64) *session.Columns {
	c := &session.Columns{Hash: hash, List: make([]session.Column, 0, d.count)}
	r := wire.NewReader(d.raw)
	for range d.ends {
		var col xproto.Column
		if col.Decode(r.LenencBytes()) != nil {
			return nil
		}
		name, org := string(col.Name), string(col.OriginalName)
		c.List = append(c.List, session.Column{Schema: string(col.Schema), Table: string(col.Table),
			OrgTable: string(col.OriginalTable), Name: name, OrgName: org,
			Collation: uint16(col.Collation), Length: col.Length, Type: byte(col.Type),
			Flags:    uint16(col.Flags)&(1<<contentShift-1) | uint16(col.ContentType)<<contentShift,
			Decimals: byte(min(col.FractionalDigits, 255))})
	}
	return c
}

// xDigester digests the rows of one result. A row's canonical form is that of
// the classic text protocol: values as text with their length, 0xfb for NULL.
type xDigester struct {
	seed      uint64
	columns   []session.Column
	known     bool // the columns are known
	hasKey    bool
	digest    session.Digest
	canonical []byte // a row
	keys      []byte // its key columns
	text      []byte // a value
}

func (d *xDigester) begin(seed uint64, c *session.Columns) {
	*d = xDigester{seed: seed, digest: session.Digest{Valid: true}, canonical: d.canonical, keys: d.keys, text: d.text}
	if c == nil {
		return
	}
	d.known, d.columns = true, c.List
	for i := range d.columns {
		d.hasKey = d.hasKey || d.columns[i].Flags&xproto.FlagPrimaryKey != 0
	}
}

// row adds a row. ok tells that its hashes are there: it was read, and there are
// key columns.
func (d *xDigester) row(payload []byte, whole bool) (h session.RowHash, ok bool) {
	if !d.digest.Valid && !d.hasKey {
		return h, false
	}
	if !whole || !d.known || !d.canonicalize(payload) {
		d.digest.Valid = false
		return h, false
	}
	h.Row = xxh3.HashSeed(d.canonical, d.seed)
	fold(&d.digest, h.Row)
	if d.hasKey {
		h.Key = xxh3.HashSeed(d.keys, d.seed)
	}
	return h, d.hasKey
}

// canonicalize reads a row into its canonical form, and tells whether it could.
func (d *xDigester) canonicalize(payload []byte) bool {
	d.canonical, d.keys = d.canonical[:0], d.keys[:0]
	failed := false
	err := xproto.Row(payload, len(d.columns), func(i int, v []byte) {
		col := &d.columns[i]
		from := len(d.canonical)
		if len(v) == 0 {
			d.canonical = append(d.canonical, 0xfb)
		} else {
			c := xproto.Column{Type: xproto.FieldType(col.Type), Length: col.Length, FractionalDigits: uint32(col.Decimals),
				Flags: uint32(col.Flags) & (1<<contentShift - 1), ContentType: uint32(col.Flags) >> contentShift}
			var err error
			d.text, err = c.AppendText(d.text[:0], v)
			failed = failed || err != nil
			d.canonical = wire.AppendLenencBytes(d.canonical, d.text)
		}
		if col.Flags&xproto.FlagPrimaryKey != 0 {
			d.keys = append(d.keys, d.canonical[from:]...)
		}
	})
	return err == nil && !failed
}

// keepRow is the largest memory for a row that is kept for the next result.
const keepRow = 4 << 10

func (d *xDigester) sum() session.Digest {
	if cap(d.canonical)+cap(d.keys)+cap(d.text) > keepRow {
		d.canonical, d.keys, d.text = nil, nil, nil
	}
	if !d.digest.Valid {
		return session.Digest{}
	}
	return d.digest
}
