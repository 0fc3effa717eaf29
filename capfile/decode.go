package capfile

import (
	"encoding/binary"
	"net/netip"

	"myreplay/session"
	"myreplay/wire"
)

// decoder turns the streams of a block back into events. Every length is
// checked against what the block has left before anything is allocated, and
// what one event may cost is limited. The events own their bytes.
type decoder struct {
	r      [streamCount]wire.Reader
	events uint32 // left, by the block's header
	err    error
	budget int // cost left for the event
	tables int // cost left for what the block's definitions keep

	// Unknown counts events of types that this version does not know.
	unknown uint64

	now      int64
	newest   uint64
	insertID uint64
	bytes    uint64
	sessions []blockSession
	slots    [slotCount]slot
	commands []commandHead
	results  []resultTemplate
	single   resultTemplate
	columns  []*session.Columns

	// These live as long as the decoder.
	texts     slab[byte]
	cmds      slab[session.Command]
	replies   slab[session.Reply]
	res       slab[session.Result]
	described map[uint64][]*session.Columns
	kept      int // cost of described
}

// resultTemplate is a result head in the shape of the results it makes.
type resultTemplate struct {
	result session.Result
	flags  uint16
	state  headState
}

// begin starts a block of so many events. The decoder borrows the streams.
func (d *decoder) begin(streams *[streamCount][]byte, events uint32) {
	for i := range streams {
		d.r[i] = wire.NewReader(streams[i])
	}
	d.events, d.err, d.tables = events, nil, maxTables
	d.now, d.newest, d.insertID, d.bytes = 0, 0, 0, 0
	d.sessions = d.sessions[:0]
	for i := range d.slots {
		d.slots[i].n, d.slots[i].keep, d.slots[i].rest = 0, 0, 0
	}
	d.commands = d.commands[:0]
	clear(d.results)
	d.results = d.results[:0]
	clear(d.columns)
	d.columns = d.columns[:0]
}

// next returns the next event of the block, or nil at its end; then d.err
// tells whether all was as it should be.
func (d *decoder) next() session.Event {
	for d.events > 0 && d.err == nil {
		d.events--
		d.budget = MaxEvent
		d.spend(costEvent)
		types := d.r[stTypes].Uint8()
		var ev session.Event
		switch types & typeMask {
		case typeStart:
			ev = d.start()
		case typeCommand:
			ev = d.command(types)
		case typeReply:
			ev = d.reply(types)
		case typeGap:
			ev = d.gap()
		case typeEnd:
			ev = d.end()
		default:
			// A later version's: its fields stand in streams of their own.
			d.unknown++
		}
		d.check()
		if d.err == nil && ev != nil {
			return ev
		}
	}
	d.finish()
	return nil
}

// check makes a failed read of any stream the decoder's failure.
func (d *decoder) check() {
	for i := range d.r {
		if d.r[i].Err() != nil {
			d.fail()
			return
		}
	}
}

// finish demands that nothing is left over.
func (d *decoder) finish() {
	for i := range d.r {
		if d.r[i].Len() != 0 {
			d.fail()
		}
	}
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errBlock
	}
}

// spend takes n from what the event may cost, and tells whether it was there.
func (d *decoder) spend(n int) bool {
	d.budget -= n
	if d.budget < 0 {
		d.fail()
	}
	return d.err == nil
}

// list reads a number of parts of which each costs at least the given cost and
// has at least one byte in the stream.
func (d *decoder) list(s stream, cost int) int {
	n := d.r[stRest].Uvarint()
	if n > uint64(d.r[s].Len()) || !d.spend(int(n)*cost) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) u8() byte        { return d.r[stRest].Uint8() }
func (d *decoder) uvarint() uint64 { return d.r[stRest].Uvarint() }

// u16 and u32 read a number that must fit.
func (d *decoder) u16() uint16 { return uint16(d.upTo(1<<16 - 1)) }
func (d *decoder) u32() uint32 { return uint32(d.upTo(1<<32 - 1)) }

func (d *decoder) upTo(limit uint64) uint64 {
	n := d.uvarint()
	if n > limit {
		d.fail()
		return 0
	}
	return n
}

// string reads a string.
func (d *decoder) string() string {
	b := d.r[stRest].VarBytes()
	if len(b) == 0 || !d.spend(len(b)) {
		return ""
	}
	return string(b)
}

// own returns a copy of b that an event may keep; it is not nil.
func (d *decoder) own(b []byte) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	c := d.texts.take(len(b), slabBytes)
	copy(c, b)
	return c
}

// session reads which session an event belongs to.
func (d *decoder) session() *blockSession {
	n := d.r[stSessions].Uvarint()
	if n < uint64(len(d.sessions)) {
		return &d.sessions[n]
	}
	d.newest += uint64(d.r[stRest].Varint())
	if n > uint64(len(d.sessions)) || n >= MaxSessions {
		d.fail()
		return &blockSession{}
	}
	d.sessions = append(d.sessions, blockSession{id: d.newest})
	return &d.sessions[n]
}

// seq reads a sequence number.
func (d *decoder) seq(s *blockSession, types byte, expected uint64) uint64 {
	if types&flagSeq != 0 {
		expected += uint64(d.r[stRest].Varint())
	}
	s.seq = expected
	return expected
}

// time reads a time, which becomes the running time.
func (d *decoder) time() int64 {
	t := d.timeBy(d.now)
	if t != 0 {
		d.now = t
	}
	return t
}

// timeBy reads a time that is given by its distance from another.
func (d *decoder) timeBy(by int64) int64 {
	low := d.r[stTime0].Uint8()
	u := uint64(low>>1) | uint64(d.r[stTime1].Uint8())<<7 | d.r[stTime2].Uvarint()<<15
	distance := int64(u>>1) ^ -int64(u&1)
	switch {
	case low&1 == 0:
		return by + distance*1000
	case u == 0:
		return 0
	}
	return by + distance
}

func (d *decoder) start() session.Event {
	bs := d.session()
	bs.seq = 0
	s := &session.Start{ID: bs.id}
	s.At = d.time()
	flags := d.u8()
	s.Joined = flags&startJoined != 0
	s.Encrypted = flags&startEncrypted != 0
	s.Protocol = session.Protocol(d.u8())
	if flags&startOf != 0 {
		s.Of = d.uvarint()
		s.Copy = d.u32()
	}
	s.Client = d.addr()
	s.Server = d.addr()
	s.ServerVersion = d.string()
	s.ConnectionID = d.u32()
	d.login(&s.Login)
	if flags&startRefused != 0 {
		s.Refused = d.error()
	}
	if flags&startState != 0 {
		s.State = d.state(s.At)
	}
	return s
}

func (d *decoder) addr() netip.AddrPort {
	var ip netip.Addr
	switch d.u8() {
	case 0:
	case 4:
		if b := d.r[stRest].Bytes(4); b != nil {
			ip = netip.AddrFrom4([4]byte(b))
		}
	case 16:
		if b := d.r[stRest].Bytes(16); b != nil {
			ip = netip.AddrFrom16([16]byte(b))
		}
		ip = ip.WithZone(d.string())
	default:
		d.fail()
	}
	return netip.AddrPortFrom(ip, d.r[stRest].Uint16())
}

func (d *decoder) login(l *session.Login) {
	d.spend(costPair)
	l.Known = d.u8()&loginKnown != 0
	l.User = d.string()
	l.Schema = d.string()
	l.Capabilities = d.uvarint()
	l.Collation = d.u16()
	l.Plugin = d.string()
	l.Compression = d.string()
	if n := d.list(stRest, costPair); n > 0 {
		l.Attributes = make([]session.Attribute, n)
	}
	for i := range l.Attributes {
		l.Attributes[i] = session.Attribute{Name: d.string(), Value: d.string()}
	}
}

func (d *decoder) error() *session.Error {
	d.spend(costPair)
	return &session.Error{Code: d.u16(), State: d.string(), Message: d.string()}
}

func (d *decoder) gap() session.Event {
	bs := d.session()
	g := &session.Gap{ID: bs.id, At: d.time()}
	flags := d.u8()
	g.Client = flags&gapClient != 0
	g.Reason = session.Reason(d.u8())
	g.Seq = bs.seq + 1
	if flags&gapSeq != 0 {
		g.Seq += uint64(d.r[stRest].Varint())
	}
	bs.seq = g.Seq - 1
	if flags&gapLost != 0 {
		g.Lost = d.uvarint()
	}
	if flags&gapDetail != 0 {
		g.Detail = d.string()
	}
	return g
}

func (d *decoder) end() session.Event {
	bs := d.session()
	return &session.End{ID: bs.id, At: d.time(), Reason: session.Reason(d.u8())}
}

func (d *decoder) command(types byte) session.Event {
	bs := d.session()
	c := &d.cmds.take(1, slabCommands)[0]
	c.ID = bs.id
	c.At = d.time()
	c.End = c.At
	if types&flagTimes != 0 {
		c.End = d.time()
	}
	c.Seq = d.seq(bs, types, bs.seq+1)
	h := d.commandHead()
	c.Kind, c.Code, c.Skipped = h.kind, h.code, h.skipped
	c.Masked, c.Cut = h.flags&cmdMasked != 0, h.flags&cmdCut != 0
	if h.flags&cmdPayload != 0 {
		c.Payload = d.payload(h.kind)
	}
	c.Size = uint64(len(c.Payload))
	d.commandRest(c, &h)
	return c
}

// commandHead reads the number of a head, and its definition if it is new.
func (d *decoder) commandHead() (h commandHead) {
	n := d.r[stCommands].Uvarint()
	if n < uint64(len(d.commands)) {
		return d.commands[n]
	}
	if n != uint64(len(d.commands)) {
		d.fail()
		return h
	}
	h.kind, h.code, h.flags = session.Kind(d.u8()), d.u8(), d.u16()
	if h.flags&cmdTail != 0 {
		h.sqlAt = d.u16()
	}
	if h.flags&cmdSkipped != 0 {
		h.skipped = session.Skip(d.u8())
	}
	if n < MaxHeads {
		d.commands = append(d.commands, h)
	}
	return h
}

// payload reads a payload. That of a Prepare gets an allocation of its own: it
// is kept for long, and would keep its slab.
func (d *decoder) payload(kind session.Kind) []byte {
	mark := d.r[stSlots].Uint8()
	s := &d.slots[mark&slotMask]
	keep, rest := uint64(s.keep), uint64(s.rest)
	if mark&slotKeep != 0 {
		keep = d.r[stLengths].Uvarint()
	}
	if mark&slotRest != 0 {
		rest = d.r[stLengths].Uvarint()
	}
	if keep > uint64(s.n) || rest > uint64(d.r[stText].Len()) || !d.spend(int(keep+rest)) {
		d.fail()
		return nil
	}
	s.keep, s.rest = int(keep), int(rest)
	given := d.r[stText].Bytes(s.rest)
	if keep+rest == 0 {
		s.n = 0
		return []byte{}
	}
	var p []byte
	if kind == session.Prepare {
		p = make([]byte, s.keep+s.rest)
	} else {
		p = d.texts.take(s.keep+s.rest, slabBytes)
	}
	copy(p, s.text[:s.keep])
	copy(p[s.keep:], given)
	s.set(p, s.keep)
	return p
}

// commandRest reads the fields that the head announces.
func (d *decoder) commandRest(c *session.Command, h *commandHead) {
	flags := h.flags
	if flags&cmdSize != 0 {
		c.Size = d.uvarint()
	}
	if flags&cmdTail != 0 {
		c.SQL = d.span(c.Payload, uint64(h.sqlAt), uint64(len(c.Payload))-uint64(h.sqlAt))
	}
	if flags&cmdPlace != 0 {
		c.SQL = d.span(c.Payload, d.uvarint(), d.uvarint())
	}
	if flags&cmdSQL != 0 {
		if b := d.r[stRest].VarBytes(); b != nil && d.spend(len(b)) {
			c.SQL = d.own(b)
		}
	}
	if flags&cmdPayloadStmt != 0 {
		if len(c.Payload) < 5 {
			d.fail()
			return
		}
		c.Statement = binary.LittleEndian.Uint32(c.Payload[1:])
	}
	if flags&cmdStatement != 0 {
		c.Statement = d.u32()
	}
	if flags&cmdLogin != 0 {
		c.Login = &session.Login{}
		d.login(c.Login)
	}
	if flags&cmdDue != 0 {
		c.Due = d.timeBy(c.At)
	}
	if flags&cmdOrder != 0 {
		if c.Order = d.order(); c.Order != nil {
			c.Order.Still = flags&cmdStill != 0
		}
	}
}

// order reads what the order between sessions did to a command.
func (d *decoder) order() *session.Order {
	if !d.spend(costEvent) {
		return nil
	}
	o := &session.Order{Waited: int64(d.uvarint() & (1<<63 - 1)), Dropped: d.u32(), Redone: d.u32()}
	n := d.uvarint()
	if n > session.MaxGuesses {
		d.fail()
		return nil
	}
	for range n {
		g := session.Guess{Session: d.uvarint(), Seq: d.uvarint()}
		flags := d.u8()
		g.Seen, g.Defines, g.Rests = flags&1 != 0, flags&2 != 0, flags&4 != 0
		o.Guesses = append(o.Guesses, g)
	}
	return o
}

// span returns n bytes of p from an offset on; they are not nil.
func (d *decoder) span(p []byte, at, n uint64) []byte {
	if p == nil || at > uint64(len(p)) || n > uint64(len(p))-at {
		d.fail()
		return nil
	}
	return p[at : at+n : at+n]
}
