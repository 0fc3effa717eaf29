package capfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"myreplay/session"
	"myreplay/wire"
)

// encoder turns events into the streams of one block. It is used by one
// goroutine and reused for all blocks; reset begins a new block.
type encoder struct {
	b [streamCount][]byte

	extent

	now      int64 // the running time
	newest   uint64
	insertID uint64
	bytes    uint64 // of the last reply without results
	ids      map[uint64]uint32
	sessions []blockSession
	slots    [slotCount]slot
	commands commandHeads
	results  resultHeads
}

// blockSession is what a block knows of a session.
type blockSession struct {
	id  uint64
	seq uint64 // of its last event that has one
	// whole: its life began in this block, as far as the capture tells. ended:
	// it ended here.
	whole, ended bool
}

// extent is what a block's header says of its events.
type extent struct {
	events      uint32
	first, last int64  // times, 0: no event has one
	low, high   uint64 // session ids
}

// note takes note of an event's key.
func (x *extent) note(id uint64, at int64) {
	if x.events == 0 || id < x.low {
		x.low = id
	}
	x.high = max(x.high, id)
	if at != 0 {
		if x.first == 0 || at < x.first {
			x.first = at
		}
		if x.last == 0 || at > x.last {
			x.last = at
		}
	}
	x.events++
}

// reset forgets the block.
func (e *encoder) reset() {
	for i := range e.b {
		e.b[i] = e.b[i][:0]
	}
	e.extent = extent{}
	e.now, e.newest, e.insertID, e.bytes = 0, 0, 0, 0
	if e.ids == nil {
		e.ids = map[uint64]uint32{}
	}
	clear(e.ids)
	e.sessions = e.sessions[:0]
	for i := range e.slots {
		e.slots[i].n, e.slots[i].keep, e.slots[i].rest = 0, 0, 0
	}
	e.commands.reset()
	e.results.reset()
}

// size returns the bytes of all streams.
func (e *encoder) size() int {
	n := 0
	for i := range e.b {
		n += len(e.b[i])
	}
	return n
}

// add encodes an event, which cost has found to be within the limits.
func (e *encoder) add(ev session.Event) error {
	switch ev := ev.(type) {
	case *session.Start:
		e.start(ev)
	case *session.Command:
		e.command(ev)
	case *session.Reply:
		e.reply(ev)
	case *session.Gap:
		e.gap(ev)
	case *session.End:
		e.end(ev)
	default:
		return fmt.Errorf("capture cannot hold an event of type %T", ev)
	}
	e.note(ev.Key())
	return nil
}

func (e *encoder) u8(s stream, v byte)               { e.b[s] = append(e.b[s], v) }
func (e *encoder) u64(s stream, v uint64)            { e.b[s] = wire.AppendUint64(e.b[s], v) }
func (e *encoder) varint(s stream, v int64)          { e.b[s] = wire.AppendVarint(e.b[s], v) }
func (e *encoder) string(s string)                   { e.b[stRest] = wire.AppendVarBytes(e.b[stRest], s) }
func (e *encoder) raw(s stream, b []byte)            { e.b[s] = append(e.b[s], b...) }
func (e *encoder) difference(s stream, v, of uint64) { e.varint(s, int64(v-of)) }

func (e *encoder) uvarint(s stream, v uint64) {
	if v < 0x80 {
		e.b[s] = append(e.b[s], byte(v))
		return
	}
	e.b[s] = wire.AppendUvarint(e.b[s], v)
}

// head begins an event: its type and flags, its session.
func (e *encoder) head(types byte, id uint64) *blockSession {
	e.u8(stTypes, types)
	n, ok := e.ids[id]
	if !ok {
		n = uint32(len(e.sessions))
		e.ids[id] = n
		e.sessions = append(e.sessions, blockSession{id: id})
		e.difference(stRest, id, e.newest)
		e.newest = id
	}
	e.uvarint(stSessions, uint64(n))
	return &e.sessions[n]
}

// flag sets flags of the event that head began.
func (e *encoder) flag(flags byte) { e.b[stTypes][len(e.b[stTypes])-1] |= flags }

// seq writes a sequence number, unless it is the expected one.
func (e *encoder) seq(s *blockSession, seq, expected uint64) {
	if seq != expected {
		e.flag(flagSeq)
		e.difference(stRest, seq, expected)
	}
	s.seq = seq
}

// time writes a time, which becomes the running time.
func (e *encoder) time(t int64) {
	e.timeBy(t, e.now)
	if t != 0 {
		e.now = t
	}
}

// timeBy writes a time as its distance from another: in microseconds if it is
// a whole number of them, else in nanoseconds. The time 0 is written as "no
// nanoseconds", which no distance is.
func (e *encoder) timeBy(t, by int64) {
	d := t - by
	unit := byte(0)
	switch {
	case t == 0:
		d, unit = 0, 1
	case d%1000 == 0:
		d /= 1000
	default:
		unit = 1
	}
	u := uint64(d)<<1 ^ uint64(d>>63)
	e.u8(stTime0, byte(u)<<1|unit)
	e.u8(stTime1, byte(u>>7))
	e.uvarint(stTime2, u>>15)
}

func (e *encoder) start(s *session.Start) {
	bs := e.head(typeStart, s.ID)
	bs.seq, bs.whole = 0, true
	e.time(s.At)
	var flags byte
	if s.Joined {
		flags |= startJoined
	}
	if s.Encrypted {
		flags |= startEncrypted
	}
	if s.Refused != nil {
		flags |= startRefused
	}
	if s.Of != 0 || s.Copy != 0 {
		flags |= startOf
	}
	if s.State != nil {
		flags |= startState
	}
	e.u8(stRest, flags)
	e.u8(stRest, byte(s.Protocol))
	if flags&startOf != 0 {
		e.uvarint(stRest, s.Of)
		e.uvarint(stRest, uint64(s.Copy))
	}
	e.addr(s.Client)
	e.addr(s.Server)
	e.string(s.ServerVersion)
	e.uvarint(stRest, uint64(s.ConnectionID))
	e.login(&s.Login)
	if s.Refused != nil {
		e.error(s.Refused)
	}
	if s.State != nil {
		e.state(s.State, s.At)
	}
}

// addr writes the length of the address and the address, its zone if it has
// 16 bytes, and the port.
func (e *encoder) addr(a netip.AddrPort) {
	ip := a.Addr()
	switch {
	case !ip.IsValid():
		e.u8(stRest, 0)
	case ip.Is4():
		b := ip.As4()
		e.u8(stRest, 4)
		e.raw(stRest, b[:])
	default:
		b := ip.As16()
		e.u8(stRest, 16)
		e.raw(stRest, b[:])
		e.string(ip.Zone())
	}
	e.b[stRest] = wire.AppendUint16(e.b[stRest], a.Port())
}

func (e *encoder) login(l *session.Login) {
	var flags byte
	if l.Known {
		flags |= loginKnown
	}
	e.u8(stRest, flags)
	e.string(l.User)
	e.string(l.Schema)
	e.uvarint(stRest, l.Capabilities)
	e.uvarint(stRest, uint64(l.Collation))
	e.string(l.Plugin)
	e.string(l.Compression)
	e.uvarint(stRest, uint64(len(l.Attributes)))
	for _, a := range l.Attributes {
		e.string(a.Name)
		e.string(a.Value)
	}
}

func (e *encoder) error(err *session.Error) {
	e.uvarint(stRest, uint64(err.Code))
	e.string(err.State)
	e.string(err.Message)
}

func (e *encoder) gap(g *session.Gap) {
	bs := e.head(typeGap, g.ID)
	e.time(g.At)
	var flags byte
	if g.Client {
		flags |= gapClient
	}
	if g.Seq != bs.seq+1 {
		flags |= gapSeq
	}
	if g.Lost != 0 {
		flags |= gapLost
	}
	if g.Detail != "" {
		flags |= gapDetail
	}
	e.u8(stRest, flags)
	e.u8(stRest, byte(g.Reason))
	if flags&gapSeq != 0 {
		e.difference(stRest, g.Seq, bs.seq+1)
	}
	bs.seq = g.Seq - 1
	if g.Lost != 0 {
		e.uvarint(stRest, g.Lost)
	}
	if g.Detail != "" {
		e.string(g.Detail)
	}
}

func (e *encoder) end(s *session.End) {
	e.head(typeEnd, s.ID).ended = true
	e.time(s.At)
	e.u8(stRest, byte(s.Reason))
}

func (e *encoder) command(c *session.Command) {
	bs := e.head(typeCommand, c.ID)
	e.time(c.At)
	if c.End != c.At {
		e.flag(flagTimes)
		e.time(c.End)
	}
	e.seq(bs, c.Seq, bs.seq+1)
	head, sqlAt := commandHeadOf(c)
	number, known := e.commands.find(head)
	e.uvarint(stCommands, uint64(number))
	if !known {
		e.commandHead(head)
	}
	if head.flags&cmdPayload != 0 {
		e.payload(c)
	}
	if head.flags&(cmdSize|cmdPlace|cmdSQL|cmdStatement|cmdLogin|cmdDue|cmdOrder) != 0 {
		e.commandRest(c, head.flags, sqlAt)
	}
}

// payload writes a payload by its slot: what it shares with the last one of
// the slot, and the rest.
func (e *encoder) payload(c *session.Command) {
	n := slotFor(c)
	s := &e.slots[n]
	p := c.Payload
	keep := s.share(p)
	mark := byte(n)
	if keep != s.keep {
		mark |= slotKeep
		e.uvarint(stLengths, uint64(keep))
		s.keep = keep
	}
	if rest := len(p) - keep; rest != s.rest {
		mark |= slotRest
		e.uvarint(stLengths, uint64(rest))
		s.rest = rest
	}
	e.u8(stSlots, mark)
	e.raw(stText, p[keep:])
	s.set(p, keep)
}

// commandRest writes the fields that few commands have.
func (e *encoder) commandRest(c *session.Command, flags uint16, sqlAt int) {
	if flags&cmdSize != 0 {
		e.uvarint(stRest, c.Size)
	}
	if flags&cmdPlace != 0 {
		e.uvarint(stRest, uint64(sqlAt))
		e.uvarint(stRest, uint64(len(c.SQL)))
	}
	if flags&cmdSQL != 0 {
		e.uvarint(stRest, uint64(len(c.SQL)))
		e.raw(stRest, c.SQL)
	}
	if flags&cmdStatement != 0 {
		e.uvarint(stRest, uint64(c.Statement))
	}
	if flags&cmdLogin != 0 {
		e.login(c.Login)
	}
	if flags&cmdDue != 0 {
		e.timeBy(c.Due, c.At)
	}
	if flags&cmdOrder != 0 {
		e.order(c.Order)
	}
}

// order writes what the order between sessions did to a command.
func (e *encoder) order(o *session.Order) {
	e.uvarint(stRest, uint64(max(o.Waited, 0)))
	e.uvarint(stRest, uint64(o.Dropped))
	e.uvarint(stRest, uint64(o.Redone))
	list := o.Guesses[:min(len(o.Guesses), session.MaxGuesses)]
	e.uvarint(stRest, uint64(len(list)))
	for _, g := range list {
		e.uvarint(stRest, g.Session)
		e.uvarint(stRest, g.Seq)
		e.u8(stRest, flagOf(g.Seen)|flagOf(g.Defines)<<1|flagOf(g.Rests)<<2)
	}
}

func flagOf(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}

// commandHead writes the definition of a head.
func (e *encoder) commandHead(h commandHead) {
	e.u8(stRest, byte(h.kind))
	e.u8(stRest, h.code)
	e.uvarint(stRest, uint64(h.flags))
	if h.flags&cmdTail != 0 {
		e.uvarint(stRest, uint64(h.sqlAt))
	}
	if h.flags&cmdSkipped != 0 {
		e.u8(stRest, byte(h.skipped))
	}
}

// commandHeadOf sums up the fields of a command that repeat. It also returns
// where its SQL is when the head does not say so.
func commandHeadOf(c *session.Command) (h commandHead, sqlAt int) {
	h = commandHead{kind: c.Kind, code: c.Code, skipped: c.Skipped}
	if c.Payload != nil {
		h.flags |= cmdPayload
	}
	if c.Size != uint64(len(c.Payload)) {
		h.flags |= cmdSize
	}
	if c.SQL != nil {
		sqlAt = h.placeSQL(c)
	}
	switch {
	case c.Statement == 0:
	case len(c.Payload) >= 5 && binary.LittleEndian.Uint32(c.Payload[1:]) == c.Statement:
		h.flags |= cmdPayloadStmt
	default:
		h.flags |= cmdStatement
	}
	if c.Login != nil {
		h.flags |= cmdLogin
	}
	if c.Masked {
		h.flags |= cmdMasked
	}
	if c.Cut {
		h.flags |= cmdCut
	}
	if c.Due != 0 {
		h.flags |= cmdDue
	}
	if c.Skipped != 0 {
		h.flags |= cmdSkipped
	}
	if c.Order != nil {
		h.flags |= cmdOrder
		if c.Order.Still {
			h.flags |= cmdStill
		}
	}
	return h, sqlAt
}

// placeSQL finds a command's SQL within its payload.
func (h *commandHead) placeSQL(c *session.Command) int {
	at := len(c.Payload) - len(c.SQL)
	if c.Payload != nil && at >= 0 {
		if at < 1<<16 && bytes.Equal(c.Payload[at:], c.SQL) {
			h.flags |= cmdTail
			h.sqlAt = uint16(at)
			return at
		}
		if at = bytes.Index(c.Payload, c.SQL); at >= 0 {
			h.flags |= cmdPlace
			return at
		}
	}
	h.flags |= cmdSQL
	return 0
}
