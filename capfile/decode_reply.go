package capfile

import (
	"slices"

	"myreplay/session"
)

func (d *decoder) reply(types byte) session.Event {
	bs := d.session()
	r := &d.replies.take(1, slabReplies)[0]
	r.ID = bs.id
	r.Last = d.time()
	r.First = r.Last
	if types&flagTimes != 0 {
		r.First = d.timeBy(r.Last)
	}
	r.Seq = d.seq(bs, types, bs.seq)
	r.Lost = types&flagLost != 0
	n := 1
	if types&flagList != 0 {
		n = d.replyList(r)
	} else {
		d.spend(costResult)
	}
	if d.err != nil {
		return nil
	}
	if n == 0 {
		d.bytes += uint64(d.r[stSizes].Varint())
		r.Bytes = d.bytes
		return r
	}
	r.Results = d.res.take(n, slabResults)
	for i := range r.Results {
		state := d.result(&r.Results[i])
		if i == 0 {
			state.bytes += uint64(d.r[stSizes].Varint())
			r.Bytes = state.bytes
		}
		if d.err != nil {
			return nil
		}
	}
	return r
}

// replyList reads how many results follow, and what a Prepare made.
func (d *decoder) replyList(r *session.Reply) int {
	n := d.uvarint()
	if n&1 != 0 {
		r.Prepared = &session.Prepared{Statement: d.u32(), Params: d.u16(), Columns: d.u16()}
	}
	n >>= 1
	if n > uint64(d.r[stResults].Len()) || !d.spend(int(n)*costResult) {
		d.fail()
		return 0
	}
	return int(n)
}

// result reads a result and returns the state of its head.
func (d *decoder) result(r *session.Result) *headState {
	t := d.resultHead()
	*r = t.result
	if t.flags&resAffected != 0 {
		t.state.affected += uint64(d.r[stCounts].Varint())
		r.Affected = t.state.affected
	}
	if t.flags&resInsertID != 0 {
		d.insertID += uint64(d.r[stCounts].Varint())
		r.InsertID = d.insertID
	}
	if t.flags&resRows != 0 {
		t.state.rows += uint64(d.r[stCounts].Varint())
		r.Rows = t.state.rows
	}
	switch t.flags & resDigest {
	case digestOne:
		r.Digest.Ordered = d.r[stHashes].Uint64()
		r.Digest.Unordered = r.Digest.Ordered
	case digestTwo, digestInvalid:
		r.Digest.Ordered, r.Digest.Unordered = d.r[stHashes].Uint64(), d.r[stHashes].Uint64()
	}
	if t.flags&(resError|resKeyed|resKept|resChanges) != 0 {
		d.resultRest(r, t.flags)
	}
	return &t.state
}

// resultRest reads the parts that few results have.
func (d *decoder) resultRest(r *session.Result, flags uint16) {
	if flags&resError != 0 {
		r.Error = d.error()
	}
	if flags&resKeyed != 0 {
		if n := d.list(stHashes, costHash); n > 0 {
			r.Keyed = make([]session.RowHash, n)
		}
		for i := range r.Keyed {
			r.Keyed[i] = session.RowHash{Key: d.r[stHashes].Uint64(), Row: d.r[stHashes].Uint64()}
		}
	}
	if flags&resKept != 0 {
		if n := d.list(stRest, costRow); n > 0 {
			r.Kept = make([][]byte, n)
		}
		for i := range r.Kept {
			r.Kept[i] = d.row()
		}
	}
	if flags&resChanges != 0 {
		if n := d.list(stRest, costPair); n > 0 {
			r.Changes = make([]session.Change, n)
		}
		for i := range r.Changes {
			r.Changes[i] = session.Change{Kind: session.ChangeKind(d.u8()), Name: d.string(), Value: d.string()}
		}
	}
}

// row reads a kept row.
func (d *decoder) row() []byte {
	n := d.uvarint()
	if n > uint64(d.r[stRows].Len()) || !d.spend(int(n)) {
		d.fail()
		return nil
	}
	return d.own(d.r[stRows].Bytes(int(n)))
}

// resultHead reads the number of a head, and its definition if it is new.
func (d *decoder) resultHead() *resultTemplate {
	n := d.r[stResults].Uvarint()
	if n < uint64(len(d.results)) {
		return &d.results[n]
	}
	t := &d.single
	*t = resultTemplate{}
	if n != uint64(len(d.results)) {
		d.fail()
		return t
	}
	if n < MaxHeads {
		d.results = append(d.results, resultTemplate{})
		t = &d.results[n]
	}
	r := &t.result
	r.Outcome = session.Outcome(d.u8())
	t.flags = d.u16()
	r.Status, r.Warnings = d.u16(), d.u16()
	r.Binary = t.flags&resBinary != 0
	mode := t.flags & resDigest
	r.Digest.Valid = mode == digestZero || mode == digestOne || mode == digestTwo
	if t.flags&resInfo != 0 {
		r.Info = d.string()
		d.remember(len(r.Info))
	}
	if t.flags&resColumns != 0 {
		r.Columns = d.columnsNumber()
	}
	return t
}

// remember takes n from what the block's definitions may cost.
func (d *decoder) remember(n int) {
	d.tables -= n
	if d.tables < 0 {
		d.fail()
	}
}

// columnsNumber reads the number of columns, and their definition if it is
// new.
func (d *decoder) columnsNumber() *session.Columns {
	n := d.uvarint()
	if n < uint64(len(d.columns)) {
		return d.columns[n]
	}
	if n != uint64(len(d.columns)) {
		d.fail()
		return nil
	}
	before := d.budget
	c := &session.Columns{Hash: d.r[stRest].Uint64()}
	d.spend(costPair)
	if n := d.list(stRest, costColumn); n > 0 {
		c.List = make([]session.Column, n)
	}
	var previous session.Column
	for i := range c.List {
		d.column(&c.List[i], &previous)
		previous = c.List[i]
	}
	cost := before - d.budget
	d.remember(cost)
	d.check()
	if d.err != nil {
		return nil
	}
	c = d.share(c, cost)
	d.columns = append(d.columns, c)
	return c
}

func (d *decoder) column(c, previous *session.Column) {
	flags := d.u8()
	c.Schema, c.Table = previous.Schema, previous.Table
	if flags&colSchema == 0 {
		c.Schema = d.string()
	}
	if flags&colTable == 0 {
		c.Table = d.string()
	}
	if c.OrgTable = c.Table; flags&colOrgTable == 0 {
		c.OrgTable = d.string()
	}
	c.Name = d.string()
	if c.OrgName = c.Name; flags&colOrgName == 0 {
		c.OrgName = d.string()
	}
	c.Collation, c.Length = d.u16(), d.u32()
	c.Type = d.u8()
	c.Flags = d.u16()
	c.Decimals = d.u8()
}

// share returns the columns of an earlier block that are equal to c, or c. It
// remembers columns up to a limit, and then begins anew.
func (d *decoder) share(c *session.Columns, cost int) *session.Columns {
	const remembered = 16 << 20
	for _, o := range d.described[c.Hash] {
		if slices.Equal(o.List, c.List) {
			return o
		}
	}
	if d.described == nil || d.kept+cost > remembered {
		d.described = map[uint64][]*session.Columns{}
		d.kept = 0
	}
	if list := d.described[c.Hash]; len(list) < 4 {
		d.described[c.Hash] = append(list, c)
		d.kept += cost
	}
	return c
}
