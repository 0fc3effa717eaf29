package capfile

import "myreplay/session"

func (e *encoder) reply(r *session.Reply) {
	types := byte(typeReply)
	if r.Lost {
		types |= flagLost
	}
	if len(r.Results) != 1 || r.Prepared != nil {
		types |= flagList
	}
	bs := e.head(types, r.ID)
	e.time(r.Last)
	if r.First != r.Last {
		e.flag(flagTimes)
		e.timeBy(r.First, r.Last)
	}
	e.seq(bs, r.Seq, bs.seq)
	if types&flagList != 0 {
		e.replyList(r)
	}
	if len(r.Results) == 0 {
		e.difference(stSizes, r.Bytes, e.bytes)
		e.bytes = r.Bytes
	}
	for i := range r.Results {
		state := e.result(&r.Results[i])
		if i == 0 {
			e.difference(stSizes, r.Bytes, state.bytes)
			state.bytes = r.Bytes
		}
	}
}

// replyList writes how many results follow, and what a Prepare made.
func (e *encoder) replyList(r *session.Reply) {
	n := uint64(len(r.Results)) << 1
	if r.Prepared != nil {
		n |= 1
	}
	e.uvarint(stRest, n)
	if p := r.Prepared; p != nil {
		e.uvarint(stRest, uint64(p.Statement))
		e.uvarint(stRest, uint64(p.Params))
		e.uvarint(stRest, uint64(p.Columns))
	}
}

// result writes a result and returns the state of its head.
func (e *encoder) result(r *session.Result) *headState {
	head := resultHead{outcome: r.Outcome, status: r.Status, warnings: r.Warnings, info: r.Info, flags: resultFlags(r)}
	newColumns := false
	if r.Columns != nil {
		var known bool
		head.columns, known = e.results.number(r.Columns)
		newColumns = !known
	}
	number, known := e.results.find(&head)
	e.uvarint(stResults, uint64(number))
	if !known {
		e.resultHead(&head)
	}
	if newColumns {
		e.columns(r.Columns)
		e.results.define(r.Columns)
	}
	state := e.results.state(number)
	e.counts(r, state)
	switch head.flags & resDigest {
	case digestOne:
		e.u64(stHashes, r.Digest.Ordered)
	case digestTwo, digestInvalid:
		e.u64(stHashes, r.Digest.Ordered)
		e.u64(stHashes, r.Digest.Unordered)
	}
	if head.flags&(resError|resKeyed|resKept|resChanges) != 0 {
		e.resultRest(r)
	}
	return state
}

// resultFlags returns which fields a result has.
func resultFlags(r *session.Result) uint16 {
	flags := digestMode(r.Digest)
	if r.Affected != 0 {
		flags |= resAffected
	}
	if r.InsertID != 0 {
		flags |= resInsertID
	}
	if r.Rows != 0 {
		flags |= resRows
	}
	if r.Error != nil {
		flags |= resError
	}
	if len(r.Keyed) > 0 {
		flags |= resKeyed
	}
	if r.Binary {
		flags |= resBinary
	}
	if len(r.Kept) > 0 {
		flags |= resKept
	}
	if len(r.Changes) > 0 {
		flags |= resChanges
	}
	if r.Info != "" {
		flags |= resInfo
	}
	if r.Columns != nil {
		flags |= resColumns
	}
	return flags
}

func digestMode(d session.Digest) uint16 {
	switch {
	case !d.Valid && d.Ordered == 0 && d.Unordered == 0:
		return digestNone
	case !d.Valid:
		return digestInvalid
	case d.Ordered != d.Unordered:
		return digestTwo
	case d.Ordered == 0:
		return digestZero
	}
	return digestOne
}

// counts writes the counts that are not 0, by their distance from the last
// ones of the head.
func (e *encoder) counts(r *session.Result, state *headState) {
	if r.Affected != 0 {
		e.difference(stCounts, r.Affected, state.affected)
		state.affected = r.Affected
	}
	if r.InsertID != 0 {
		e.difference(stCounts, r.InsertID, e.insertID)
		e.insertID = r.InsertID
	}
	if r.Rows != 0 {
		e.difference(stCounts, r.Rows, state.rows)
		state.rows = r.Rows
	}
}

// resultRest writes the parts that few results have.
func (e *encoder) resultRest(r *session.Result) {
	if r.Error != nil {
		e.error(r.Error)
	}
	if len(r.Keyed) > 0 {
		e.uvarint(stRest, uint64(len(r.Keyed)))
		for _, k := range r.Keyed {
			e.u64(stHashes, k.Key)
			e.u64(stHashes, k.Row)
		}
	}
	if len(r.Kept) > 0 {
		e.uvarint(stRest, uint64(len(r.Kept)))
		for _, row := range r.Kept {
			e.uvarint(stRest, uint64(len(row)))
			e.raw(stRows, row)
		}
	}
	if len(r.Changes) > 0 {
		e.uvarint(stRest, uint64(len(r.Changes)))
		for i := range r.Changes {
			c := &r.Changes[i]
			e.u8(stRest, byte(c.Kind))
			e.string(c.Name)
			e.string(c.Value)
		}
	}
}

// resultHead writes the definition of a head. The definition of its columns
// follows, if their number is new.
func (e *encoder) resultHead(h *resultHead) {
	e.u8(stRest, byte(h.outcome))
	e.uvarint(stRest, uint64(h.flags))
	e.uvarint(stRest, uint64(h.status))
	e.uvarint(stRest, uint64(h.warnings))
	if h.flags&resInfo != 0 {
		e.string(h.info)
	}
	if h.flags&resColumns != 0 {
		e.uvarint(stRest, uint64(h.columns))
	}
}

// columns writes the definition of columns.
func (e *encoder) columns(c *session.Columns) {
	e.u64(stRest, c.Hash)
	e.uvarint(stRest, uint64(len(c.List)))
	var previous session.Column
	for i := range c.List {
		e.column(&c.List[i], &previous)
		previous = c.List[i]
	}
}

func (e *encoder) column(c, previous *session.Column) {
	var flags byte
	if c.Schema == previous.Schema {
		flags |= colSchema
	}
	if c.Table == previous.Table {
		flags |= colTable
	}
	if c.OrgTable == c.Table {
		flags |= colOrgTable
	}
	if c.OrgName == c.Name {
		flags |= colOrgName
	}
	e.u8(stRest, flags)
	if flags&colSchema == 0 {
		e.string(c.Schema)
	}
	if flags&colTable == 0 {
		e.string(c.Table)
	}
	if flags&colOrgTable == 0 {
		e.string(c.OrgTable)
	}
	e.string(c.Name)
	if flags&colOrgName == 0 {
		e.string(c.OrgName)
	}
	e.uvarint(stRest, uint64(c.Collation))
	e.uvarint(stRest, uint64(c.Length))
	e.u8(stRest, c.Type)
	e.uvarint(stRest, uint64(c.Flags))
	e.u8(stRest, c.Decimals)
}
