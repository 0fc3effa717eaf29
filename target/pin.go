package target

import (
	"strconv"

	"myreplay/classic"
	"myreplay/session"
	"myreplay/xproto"
)

// Pin is what the server is to take for values that it would make up for one
// command. The zero Pin pins nothing.
type Pin struct {
	// InsertID is the first id that it generates for a row; 0: any.
	InsertID uint64
	// Spare: the id is one that no row is to keep: the command failed at the source, or
	// changed a row that was there.
	Spare bool
	// Time is what it takes for the command's time, in nanoseconds since the Unix
	// epoch, of which it gets the microseconds; 0: whatever the connection has.
	Time int64
	// Quiet: nothing is to be sent ahead of the command. It reads what the command
	// before it left (ROW_COUNT, warnings), which a SET would reset, or surely makes
	// no row.
	Quiet bool
	// Recorded is the recorded reply, where that notes values which the source made up
	// (session.MadeRow) and is known before the command is sent; else nil: Learn may
	// tell it.
	Recorded *session.Reply
}

// Pin says what to pin for the commands of the next Do or DoAll, in their order;
// it may be shorter than their list. The Conn keeps list until then.
//
// What is to be pinned is set by a SET statement that goes out in one write with
// the command; its reply is read and not shown. When the server refuses it, the
// command runs all the same, and nothing more is pinned on the connection.
//
// MySQL (9.7.4) and MariaDB (10.11.18) keep an INSERT_ID until some statement
// generates an id, in a trigger, too. Pin only ids that the command is sure to
// use, before any trigger. One that it did not use after all is taken back on
// MariaDB before the next command that is not Quiet; MySQL has no way to, so
// that such commands are counted (Stats.IDsLeft).
func (c *Conn) Pin(list []Pin) { c.pins.next = list }

// Pin is Conn.Pin for the X Protocol.
func (c *XConn) Pin(list []Pin) { c.pins.next = list }

// pins is what is pinned on a connection. The zero pins are those of a new one.
type pins struct {
	next []Pin // of the next Do or DoAll
	base int   // which of them is the first one's of the list at hand

	off    bool   // the server refused: nothing more is pinned
	time   int64  // the clock that the connection has, in microseconds; 0: its own
	thaw   bool   // that clock is to be let go again
	armed  uint64 // the id that was set and not seen used; 0: none
	spare  bool   // it is one that no row keeps: the row met another, or came to be with it
	left   bool   // armed can't be taken back, and a command may use it
	text   []byte // the latest SET
	ahead  []byte // the SET that goes out with the next command; nil: none
	answer Answer // of a SET in a batch
}

// pinned is the command that stands for a SET of the replay's own.
var pinned = session.Command{Kind: session.Query}

// of returns the i-th command's pin.
func (p *pins) of(i int) Pin {
	if i += p.base; i < len(p.next) {
		return p.next[i]
	}
	return Pin{}
}

// forget begins anew: the server has forgotten what was set.
func (p *pins) forget() {
	p.time, p.armed, p.thaw = 0, 0, false
}

// plan appends the SET statement that goes ahead of a command; nothing where
// none is needed. Nothing is noted yet: that is commit's.
func (p *pins) plan(dst []byte, k session.Kind, pin Pin, maria bool) []byte {
	p.left = false
	if pin.Quiet || !pinnable(k) {
		return dst
	}
	begin := len(dst)
	dst = append(dst, "SET "...)
	set := len(dst)
	switch {
	case p.off:
		if p.thaw {
			dst = append(dst, "TIMESTAMP=DEFAULT,"...)
		}
	case pin.InsertID != 0:
		dst = append(strconv.AppendUint(append(dst, "INSERT_ID="...), pin.InsertID, 10), ',')
	case p.armed != 0 && maria:
		dst = append(dst, "INSERT_ID=DEFAULT,"...)
	case p.armed != 0:
		p.left = true
	}
	if us := pin.Time / 1000; !p.off && us > 0 && us != p.time {
		dst = append(appendSeconds(append(dst, "TIMESTAMP="...), us), ',')
	}
	if len(dst) == set {
		return dst[:begin]
	}
	return dst[:len(dst)-1]
}

// pinnable tells whether commands of a kind may need a value that the server
// makes up.
func pinnable(k session.Kind) bool {
	switch k {
	case session.Query, session.Execute, session.BulkExecute, session.Find, session.Insert, session.Update, session.Delete,
		session.OpenCursor:
		return true
	}
	return false
}

// appendSeconds appends microseconds as seconds, and a third of one: servers read
// a floating-point number, and MariaDB (10.5 to 11.8) takes the microseconds below
// it, MySQL (9.7.4) the nearest.
func appendSeconds(dst []byte, us int64) []byte {
	dst = append(strconv.AppendInt(dst, us/1e6, 10), '.')
	var digits [8]byte
	return append(append(dst, strconv.AppendInt(digits[:0], us%1e6+1e6, 10)[1:]...), '3')
}

// commit takes note that what plan made goes out, ahead of a command that it was
// made for. It is called for each command, with nothing ahead or something.
func (p *pins) commit(pin Pin, ahead bool, counts *counters) {
	if p.left {
		counts.idsLeft.Add(1)
		p.left = false
	}
	if !ahead {
		return
	}
	if p.off {
		p.thaw = false
		return
	}
	p.spare = pin.Spare
	if p.armed = pin.InsertID; pin.InsertID != 0 {
		counts.pinnedIDs.Add(1)
	}
	if us := pin.Time / 1000; us > 0 {
		if us != p.time {
			counts.pinnedTimes.Add(1)
		}
		p.time = us
	}
}

// errDuplicate is the error of a row that has its id, and met another row. (Where a
// parent is missing, MySQL 9.7.4 has not used the id, MariaDB 10.11.18 has.)
const errDuplicate = 1062

// errQueryKilled is the error of a statement that somebody ended with KILL QUERY.
const errQueryKilled = 1317

// answered takes the reply to a SET. One that was refused ends the pinning; one
// that was killed was not meant.
func (p *pins) answered(r *session.Reply, counts *counters) {
	e := r.Err()
	if e == nil {
		return
	}
	if p.off { // the clock could not be let go: try again
		p.thaw = true
		return
	}
	thaw := p.time != 0
	p.forget()
	if e.Code == errQueryKilled {
		return
	}
	p.off, p.thaw = true, thaw
	counts.pinsRefused.Add(1)
	counts.pinError.Store(e)
}

// used takes the reply to a command: it tells whether the id that was set was
// used. That of a later one may tell it, too.
func (p *pins) used(r *session.Reply) {
	if p.armed == 0 || r == nil {
		return
	}
	for i := range r.Results {
		if res := &r.Results[i]; res.InsertID == p.armed || p.spare && (res.Error == nil || res.Error.Code == errDuplicate) {
			p.armed = 0
			return
		}
	}
}

// planPin makes the SET that goes ahead of a command, as a COM_QUERY; nil: none.
func (c *Conn) planPin(k session.Kind, pin Pin) []byte {
	p := &c.pins
	dst := append(p.text[:0], byte(classic.ComQuery))
	if c.state.Caps.Has(classic.QueryAttributes) {
		dst = append(dst, 0, 1)
	}
	head := len(dst)
	p.text = p.plan(dst, k, pin, isMaria(&c.state.Greeting))
	if len(p.text) == head {
		return nil
	}
	return p.text
}

// pinReply reads the reply to the SET that went ahead of a command whose reply
// follows. first is when that began to come; 0: it did not yet.
func (c *Conn) pinReply() (first int64, err error) {
	x := receiving{cmd: &pinned, code: classic.ComQuery, more: true}
	r, err := c.receive(&x)
	if err != nil {
		return 0, err
	}
	c.pins.answered(r, &c.server.counts)
	if !c.framer.Between() {
		first = r.Last
	}
	return first, nil
}

// pinDone takes the reply to a command of a batch, or to a SET in it.
func (l *link) pinDone(cmd *session.Command, r *session.Reply) {
	switch {
	case cmd != &pinned:
		l.pins.used(r)
	case r != nil:
		l.pins.answered(r, &l.server.counts)
		l.pins.answer = Answer{}
	}
}

// setMessage is the message of the X Protocol that runs a SET.
func setMessage(sql []byte) []byte {
	s := xproto.StmtExecute{Namespace: xproto.NamespaceSQL, Stmt: sql}
	return s.Append(nil)
}

// layPin adds the SET that goes ahead of a message to the pipeline.
func (c *XConn) layPin(k session.Kind, pin Pin) {
	p := &c.pins
	p.text = p.plan(p.text[:0], k, pin, false)
	p.commit(pin, len(p.text) > 0, &c.server.counts)
	if len(p.text) > 0 {
		c.batch = append(c.batch, xMessage{cmd: &pinned, answer: &p.answer, code: xproto.SQLStmtExecute, payload: setMessage(p.text)})
	}
}
