package replay

import (
	"bytes"
	"sync"

	"myreplay/order"
	"myreplay/session"
	"myreplay/sqltext"
)

// Pin is what the target is to take for values that it would make up for one
// command. The zero Pin pins nothing.
type Pin struct {
	// InsertID is the first id that it generates for a row; 0: any.
	InsertID uint64
	// Spare: the id is one that no row is to keep: the command failed at the source, or
	// changed a row that was there.
	Spare bool
	// Time is what it takes for the command's time, in nanoseconds since the Unix
	// epoch; 0: any.
	Time int64
	// Quiet: nothing is to be sent ahead of the command, which reads what the one
	// before it left, or makes up nothing.
	Quiet bool
	// Recorded is the recorded reply, where that notes values which the source made
	// up (Options.Values) and is known before the command is sent; else nil.
	Recorded *session.Reply
}

// Pinner is a Conn that can have its server take given values for those that it
// would make up.
type Pinner interface {
	Conn
	// Pin says what to pin for the commands of the next Do, or DoAll, in their
	// order. The list is not changed until then.
	Pin(list []Pin)
}

// pinner decides what is pinned for the commands of one session, which it is
// shown in their order. It serves one goroutine. A nil pinner pins nothing.
type pinner struct {
	pins *Pins
	// schema is the default schema; "" when it is not known.
	schema string
	// own: the session has set its clock itself (SET timestamp).
	own bool
	// found and changed: rows that an INSERT ... ON DUPLICATE KEY UPDATE found and
	// left as they are may count as affected, or may not.
	found, changed bool
	x              bool
	prepared       map[uint32]made // by the recorded id
	pending        map[uint64]made // by Seq of the Prepare
	last           made            // prepared last
}

// maxPinned is how many prepared statements of a session are remembered. Of
// others the time is pinned, no ids.
const maxPinned = 1 << 14

// startDelay is how long after a command was seen the server takes its time, in
// nanoseconds: the median of MySQL 9.7.4 and MariaDB 10.11.18 on the same machine.
// It matters where a second, or a day, ends in between.
const startDelay = 20_000

// clientFoundRows is the classic protocol's CLIENT_FOUND_ROWS.
const clientFoundRows = 2

// newPinner returns the pinner of a session that begins; nil when nothing is to
// be pinned.
func newPinner(p *Pins, s *session.Start) *pinner {
	if p == nil || !p.ids && !p.times {
		return nil
	}
	n := &pinner{pins: p, schema: s.Login.Schema, x: s.Protocol == session.X}
	known, found := s.Login.Known && !n.x, s.Login.Capabilities&clientFoundRows != 0
	n.found, n.changed = !known || found, !known || !found
	if s.State != nil {
		n.schema = ""
	}
	return n
}

// shapers are shared among sessions: each needs one only for a moment.
var shapers = sync.Pool{New: func() any { return new(sqltext.Shaper) }}

// pin says what to pin for a command. opt tells how its text is to be read,
// recorded is the recorded reply; nil when it is not known (then no id is
// pinned).
func (p *pinner) pin(c *session.Command, opt sqltext.Options, recorded *session.Reply) Pin {
	if p == nil {
		return Pin{Quiet: true}
	}
	m := made{quiet: true}
	switch c.Kind {
	case session.Query, session.Find, session.Insert, session.Update, session.Delete:
		if c.SQL == nil {
			m = unknownMade
			break
		}
		m = p.text(c.SQL, opt, succeeded(recorded))
	case session.Prepare:
		p.prepare(c, opt)
	case session.Execute, session.BulkExecute, session.OpenCursor:
		m = p.statement(c.Statement)
		if c.Kind == session.BulkExecute {
			m.id = noID // it makes many
		}
	default:
		p.other(c, succeeded(recorded))
	}
	return p.of(&m, c, recorded)
}

// of returns the pin of a command that may make up m.
func (p *pinner) of(m *made, c *session.Command, recorded *session.Reply) (pin Pin) {
	if m.quiet {
		return Pin{Quiet: true}
	}
	if m.clock && p.pins.times && !p.own {
		pin.Time = max(c.At, c.End) + startDelay // the server began when it had all of it
	}
	if p.pins.ids && recorded != nil && m.result < len(recorded.Results) {
		pin.InsertID = m.idOf(&recorded.Results[m.result], p.found, p.changed)
	}
	return pin
}

// spare pins an id that no row has for an INSERT that kept none: else it would take
// one that another row may just get.
func (p *pinner) spare(pin *Pin, step *order.Step) {
	if p != nil && p.pins.ids && step != nil && step.Spare != 0 && pin.InsertID == 0 && !pin.Quiet {
		pin.InsertID, pin.Spare = step.Spare, true
	}
}

// succeeded tells whether a command did what its text says, as far as is known.
func succeeded(r *session.Reply) bool { return r == nil || r.Err() == nil }

// text reads a text that runs, and takes note of what it changes for those
// behind it.
func (p *pinner) text(sql []byte, opt sqltext.Options, ok bool) made {
	s := shapers.Get().(*sqltext.Shaper)
	defer shapers.Put(s)
	shapes, literals := s.Shapes(sql, opt)
	m := p.pins.read(sql, shapes, literals, p.schema)
	if !ok {
		return m
	}
	for _, shape := range shapes {
		switch shape.Verb {
		case sqltext.Use:
			p.schema = shape.Name
		case sqltext.Set:
			if own, sets := setsClock(sql, opt); sets {
				p.own = own
			}
		}
	}
	return m
}

// prepare takes note of a statement that is prepared.
func (p *pinner) prepare(c *session.Command, opt sqltext.Options) {
	m := unknownMade
	if c.SQL != nil {
		own, schema := p.own, p.schema
		m = p.text(c.SQL, opt, false)
		p.own, p.schema = own, schema
	}
	p.last = m
	if p.x { // its Execute may come before the reply
		p.open(c.Statement, m)
		return
	}
	if p.pending == nil || len(p.pending) >= maxPinned {
		p.pending = map[uint64]made{}
	}
	p.pending[c.Seq] = m
}

// learn is told the recorded reply to a Prepare.
func (p *pinner) learn(r *session.Reply) {
	if p == nil || len(p.pending) == 0 {
		return
	}
	if m, ok := p.pending[r.Seq]; ok {
		delete(p.pending, r.Seq)
		if r.Prepared != nil {
			p.open(r.Prepared.Statement, m)
		}
	}
}

func (p *pinner) open(id uint32, m made) {
	if p.prepared == nil {
		p.prepared = map[uint32]made{}
	}
	if len(p.prepared) < maxPinned {
		p.prepared[id] = m
	}
}

// statement returns what a prepared statement may make up.
func (p *pinner) statement(id uint32) made {
	if id == session.LastPrepared {
		return p.last
	}
	if m, ok := p.prepared[id]; ok {
		return m
	}
	return unknownMade
}

// other takes note of a command that is no statement.
func (p *pinner) other(c *session.Command, ok bool) {
	switch c.Kind {
	case session.UseSchema:
		if ok && len(c.Payload) > 0 {
			p.schema = string(c.Payload[1:])
		}
	case session.ResetConnection, session.CloseSession, session.ChangeUser:
		p.own, p.prepared, p.pending, p.last = false, nil, nil, made{}
		if c.Login != nil {
			p.schema = c.Login.Schema
		}
	case session.CloseStatement, session.Deallocate:
		delete(p.prepared, c.Statement)
	}
}

// setsClock tells whether a text with a SET statement sets the session's clock,
// and whether that stands still then.
func setsClock(sql []byte, opt sqltext.Options) (own, sets bool) {
	if !mentions(sql, "timestamp") {
		return false, false
	}
	s := sqltext.NewScanner(sql, opt)
	for t := s.Next(); t.Kind != sqltext.EOF; t = s.Next() {
		if !bytes.EqualFold(bytes.Trim(t.Of(sql), "`"), []byte("timestamp")) {
			continue
		}
		if t = s.Next(); t.Op != '=' && string(t.Of(sql)) != ":=" {
			continue
		}
		t = s.Next()
		v := t.Of(sql)
		own, sets = !bytes.EqualFold(v, []byte("default")) && string(v) != "0", true
	}
	return own, sets
}

// mentions tells whether a text has a word of lower-case ASCII letters somewhere,
// in whatever case.
func mentions(text []byte, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 == word[0] && bytes.EqualFold(text[i:i+len(word)], []byte(word)) {
			return true
		}
	}
	return false
}
