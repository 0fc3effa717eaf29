package capfile

import (
	"bytes"
	"slices"

	"myreplay/session"
)

// vectors are the makers of the vectors, by file name. Add to them; what was
// made stays as it is.
var vectors = map[string]func() vector{
	"good":    plain("two blocks and a footer", "ok", "", both, func(d *draft) {}),
	"example": example,
	"good-empty": func() vector {
		return vector{comment: "a segment without blocks", expect: "ok", data: newDraft().bytes()}
	},
	"good-compressed": compressed,
	"good-optional-feature": plain("optional features that no reader needs to know", "ok", "", both, func(d *draft) {
		d.head.optional = 0x8001
	}),
	"good-meta-field": plain("the description has a field of a later version", "ok", "", both, func(d *draft) {
		d.meta = d.meta[:len(d.meta)-1] + `,"later":{"a":[1]}}`
	}),
	"good-unknown-stream": plain("a stream of a later version, by an unknown method", "ok", "", both, func(d *draft) {
		d.blocks[0].extra = &draftStream{200, 77, []byte("later")}
	}),
	"good-unknown-event": plain("an event of a later version's type between two others", "ok", "", both, func(d *draft) {
		b := d.blocks[0]
		b.streams[stTypes] = slices.Insert(b.streams[stTypes], 2, 0x2e)
		b.block.Events++
		d.blocks[1].block.FirstEvent++
	}),
	"good-unknown-flag": plain("a command head has a flag of a later version", "ok", "", both, func(d *draft) {
		s := d.blocks[1].streams[stRest]
		i := slices.Index(s, 3) + 1 // code 3, then the flags
		d.blocks[1].streams[stRest] = slices.Replace(s, i, i+1, s[i]|0x80, 0x80, 1)
	}),
	"good-unknown-values": unknownValues,
	"good-state":          state("the State of a session that was joined in mid-life, between two others", "ok", "", stateEvents(), nil),
	"state-list": state("a State with more variables than its stream has bytes", "damaged", "3", none(), func(s []byte) {
		s[len(stateHead)] = 0x7f
	}),
	"state-statement": state("a statement id of more than 32 bits", "damaged", "3", none(), func(s []byte) {
		copy(s[bytes.Index(s, stateStatement):], []byte{0xff, 0xff, 0xff, 0xff, 0x1f})
	}),
	"unfinished": plain("no footer: the writer was killed between two blocks", "unfinished", "", both, func(d *draft) {
		d.open = true
	}),

	"refused-version":          refused("a later format version", func(d *draft) { d.head.version = Version + 1 }),
	"refused-version-zero":     refused("format version 0", func(d *draft) { d.head.version = 0 }),
	"refused-required-feature": refused("a required feature that is not known", func(d *draft) { d.head.required = 1 << 5 }),
	"refused-magic": refused("another magic, no trailer", func(d *draft) {
		d.open = true
		flip(at(1))(d)
	}),
	"refused-head": refused("the head does not match its checksum, and there is no trailer", func(d *draft) {
		d.open = true
		flip(at(17))(d)
	}),
	"refused-short": refused("cut within the head", func(d *draft) {
		d.finish = func(data []byte) []byte { return data[:20] }
	}),

	"head":        plain("a byte of the head is wrong; the trailer has its copy", "damaged", "0", both, flip(at(17))),
	"description": plain("a byte of the description is wrong", "damaged", "0", both, flip(at(50))),
	"block-head":  plain("a byte of the first block's head is wrong", "damaged", "5", second, flip(inBlock(0, 33))),
	"block-magic": plain("a byte of the first block's magic is wrong", "damaged", "5", second, flip(inBlock(0, 0))),
	"block-payload": plain("a byte of the last block's payload is wrong", "damaged", "6", first,
		flip(inBlock(1, 100))),
	"block-cut": plain("the file ends within the last block", "damaged", "unknown", first, func(d *draft) {
		d.open = true
		d.finish = func(data []byte) []byte { return data[:d.blocks[1].block.Offset+90] }
	}),
	"block-noise": plain("noise between the description and the first block", "damaged", "0", both, func(d *draft) {
		d.lead = []byte("noise" + blockMagic + "more noise")
	}),
	"block-missing": plain("the number of the second block's first event is too high", "damaged", "3", both, func(d *draft) {
		d.blocks[1].block.FirstEvent += 3
	}),
	"block-repeated": plain("the number of the second block's first event is too low", "damaged", "0", first, func(d *draft) {
		d.open = true
		d.blocks[1].block.FirstEvent--
	}),
	"block-salt":  plain("the first block is of another segment", "damaged", "5", second, func(d *draft) { d.blocks[0].salt++ }),
	"block-raw":   plain("the first block says that it is larger than may be", "damaged", "5", second, func(d *draft) { d.blocks[0].block.Raw = MaxBlock + 1 }),
	"block-codec": content("the first stream is stored by an unknown method", func(p []byte) { p[2] = 9 }),
	"block-table": content("the first stream is said to be longer than it is", func(p []byte) { p[3] = 0x7f }),
	"block-order": content("the same stream twice", func(p []byte) { p[5] = p[1] }),
	"block-zstd":  content("the first stream is said to be zstd, and is not", func(p []byte) { p[2] = codecZstd }),
	"events-fewer": plain("a block holds fewer events than its head says", "damaged", "1", both, func(d *draft) {
		d.blocks[1].block.Events++
	}),
	"events-more": plain("a block holds more events than its head says", "damaged", "0", butLast, func(d *draft) {
		d.blocks[1].block.Events--
	}),
	"stream-short": plain("a stream ends too early", "damaged", "6", first, func(d *draft) {
		d.blocks[1].streams[stTime1] = nil
	}),
	"stream-long": plain("a stream has a byte left over", "damaged", "0", both, func(d *draft) {
		s := &d.blocks[1].streams[stSizes]
		*s = append(*s, 1)
	}),
	"session": plain("a session number that is not defined", "damaged", "6", first, func(d *draft) {
		d.blocks[1].streams[stSessions][0] = 9
	}),
	"command-head": plain("a command head that is not defined", "damaged", "6", first, func(d *draft) {
		d.blocks[1].streams[stCommands][0] = 9
	}),
	"result-head": plain("a result head that is not defined", "damaged", "5", firstAndCommand, func(d *draft) {
		d.blocks[1].streams[stResults][0] = 9
	}),
	"slot-keep": plain("a payload takes more than its slot holds", "damaged", "6", first, func(d *draft) {
		s := &d.blocks[1].streams
		s[stSlots][0] |= slotKeep
		s[stLengths] = append([]byte{5}, s[stLengths]...)
	}),
	"length": plain("a payload is longer than its stream", "damaged", "6", first, func(d *draft) {
		s := &d.blocks[1].streams[stLengths]
		*s = append([]byte{0xff, 0xff, 0x7f}, (*s)[1:]...)
	}),
	"length-varint": plain("a varint has more than 64 bits", "damaged", "6", first, func(d *draft) {
		s := &d.blocks[1].streams[stLengths]
		*s = append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, (*s)[1:]...)
	}),
	"sql-place": plain("SQL that begins after its payload's end", "damaged", "6", first, func(d *draft) {
		s := &d.blocks[1].streams[stRest]
		i := slices.Index(*s, 3) + 2 // the code, the flags, the place
		*s = slices.Replace(*s, i, i+1, 0xff, 0x01)
	}),
	"list": plain("a reply has more results than there are numbers of heads", "damaged", "5", firstAndCommand, func(d *draft) {
		_, b := vectorEvents()
		i := len(newDraft(b[:1]).blocks[0].streams[stRest]) // what the command needs
		s := &d.blocks[1].streams
		s[stTypes][1] |= flagList
		s[stRest] = slices.Insert(s[stRest], i, 0xfe, 0xff, 0xff, 0xff, 0x1f)
	}),

	"footer": plain("a byte of the footer is wrong", "damaged", "0", both, flip(func(d *draft, n int) int { return d.footer() + 30 })),
	"footer-cut": plain("the file ends within the footer", "damaged", "0", both, func(d *draft) {
		d.finish = func(data []byte) []byte { return data[:d.footer()+30] }
	}),
	"trailer": plain("a byte of the trailer is wrong", "damaged", "0", both, flip(func(_ *draft, n int) int { return n - 60 })),
}

// What of vectorEvents must be read.
func both() []session.Event            { a, b := vectorEvents(); return append(a, b...) }
func first() []session.Event           { a, _ := vectorEvents(); return a }
func second() []session.Event          { _, b := vectorEvents(); return b }
func none() []session.Event            { return nil }
func butLast() []session.Event         { e := both(); return e[:len(e)-1] }
func firstAndCommand() []session.Event { return both()[:6] }

// plain makes a vector of vectorEvents and one change.
func plain(comment, expect, lost string, events func() []session.Event, edit func(*draft)) func() vector {
	return func() vector {
		d := newDraft(vectorEvents())
		edit(d)
		return d.vector(comment, expect, lost, events())
	}
}

// refused makes a vector that no reader may accept.
func refused(comment string, edit func(*draft)) func() vector {
	return plain(comment, "refused", "", none, edit)
}

// content makes a vector whose first block has a payload with one change.
func content(comment string, edit func(payload []byte)) func() vector {
	return plain(comment, "damaged", "5", second, func(d *draft) { d.blocks[0].edit = edit })
}

func at(offset int) func(*draft, int) int { return func(*draft, int) int { return offset } }

func inBlock(block, offset int) func(*draft, int) int {
	return func(d *draft, _ int) int { return int(d.blocks[block].block.Offset) + offset }
}

// flip changes a bit of a byte of the finished file of n bytes.
func flip(at func(d *draft, n int) int) func(*draft) {
	return func(d *draft) {
		d.finish = func(data []byte) []byte {
			data[at(d, len(data))] ^= 4
			return data
		}
	}
}

// example is the worked example of FORMAT.md.
func example() vector {
	p := []byte("\x03DO 1")
	events := []session.Event{
		&session.Command{ID: 1, Seq: 1, At: 1763697000_000001000, End: 1763697000_000001000, Kind: session.Query, Code: 3,
			Payload: p, SQL: p[1:], Size: 5},
		&session.Reply{ID: 1, Seq: 1, First: 1763697000_000251007, Last: 1763697000_000251007, Bytes: 11,
			Results: []session.Result{{Outcome: session.OK, Status: 2}}},
	}
	d := newDraft(events)
	d.meta = `{"format":1,"segment":1,"kind":"capture"}`
	d.open = true
	return d.vector("the example of FORMAT.md: a command and its reply, no footer", "unfinished", "", events)
}

// compressed has streams that are worth compressing.
func compressed() vector {
	events := sysbenchEvents(60, false)
	return newDraft(events).vector("a block with compressed streams", "ok", "", events)
}

// stateHead begins the State of stateEvents in its stream: two times and flags.
var stateHead = []byte{0x80, 0xa8, 0xd6, 0xb9, 0x07, 0x80, 0xda, 0xc4, 0x09, 1}

// stateStatement is a statement id of stateEvents as a uvarint.
var stateStatement = []byte{0xfe, 0xff, 0xff, 0xff, 0x0f}

// stateEvents are three Starts: one with a whole State, one with an empty one,
// one without.
func stateEvents() []session.Event {
	const t = int64(1763697000_000000000)
	whole := &session.State{Asked: t + 1_000_000_000, Told: t + 1_010_000_000, Transaction: true,
		Variables: []session.Variable{{Name: "sql_mode", Value: "ANSI_QUOTES"}, {Name: "sort_buffer_size", Value: "65536", Number: true}},
		UserVariables: []session.Variable{{Name: "n", Null: true}, {Name: "b", Value: "\x00\xff'"},
			{Name: "d", Value: "-1.50", Number: true}},
		Prepared: []session.PreparedState{{Statement: 7, SQL: []byte("SELECT ?")}, {Statement: 8, Name: "s1"},
			{Statement: 0xfffffffe, SQL: []byte{}}},
		Unknown: []string{"temporary tables"}}
	return []session.Event{
		&session.Start{ID: 1, At: t, Joined: true, Protocol: session.Classic, Login: session.Login{User: "app"}, State: whole},
		&session.Start{ID: 2, At: t, Joined: true, Protocol: session.Classic, State: &session.State{}},
		&session.Start{ID: 3, At: t, Joined: true, Protocol: session.Classic},
	}
}

// state makes a vector of stateEvents and one change to the stream of States.
func state(comment, expect, lost string, events []session.Event, edit func(states []byte)) func() vector {
	return func() vector {
		d := newDraft(stateEvents())
		if edit != nil {
			edit(d.blocks[0].streams[stStates])
		}
		return d.vector(comment, expect, lost, events)
	}
}

// unknownValues has enumerations of a later version, which a reader keeps as
// they are.
func unknownValues() vector {
	events := []session.Event{
		&session.Start{ID: 1, At: 1000, Protocol: 9},
		&session.Command{ID: 1, Seq: 1, At: 2000, End: 2000, Kind: 200, Code: 250, Skipped: 77},
		&session.Reply{ID: 1, Seq: 1, First: 3000, Last: 3000, Results: []session.Result{{Outcome: 66}}},
		&session.Gap{ID: 1, Seq: 2, At: 4000, Reason: 99},
		&session.End{ID: 1, At: 5000, Reason: 98},
	}
	return newDraft(events).vector("enumerations have values of a later version", "ok", "", events)
}
