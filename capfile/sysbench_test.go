package capfile

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"myreplay/session"
)

// sysbench makes a stream of events like that of sysbench oltp_read_write
// with eight threads, as a live capture sees it: each transaction has ten
// point selects, four ranges of 100 rows, two updates with a random string of
// 120 characters, a delete, an insert, BEGIN and COMMIT. Times have the
// nanoseconds of a live device.
type sysbench struct {
	rand     *rand.Rand
	prepared bool
	clients  clients
	events   []session.Event
}

// client is one thread.
type client struct {
	id, seq uint64
	next    int64 // when its next event happens
	step    int   // statement within the transaction
	reply   *session.Reply
	deleted uint32
}

type clients []*client

func (c clients) Len() int           { return len(c) }
func (c clients) Less(i, j int) bool { return c[i].next < c[j].next }
func (c clients) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *clients) Push(x any)        { *c = append(*c, x.(*client)) }
func (c *clients) Pop() any          { old := *c; x := old[len(old)-1]; *c = old[:len(old)-1]; return x }

// sysbenchEvents returns the events of so many statements: a command and a
// reply each.
func sysbenchEvents(statements int, prepared bool) []session.Event {
	s := &sysbench{rand: rand.New(rand.NewPCG(1, 2)), prepared: prepared}
	for i := range 8 {
		s.clients = append(s.clients, &client{id: uint64(i + 1), next: 1763697000_123456789 + s.about(1e5, 0.5)})
	}
	heap.Init(&s.clients)
	for len(s.events) < 2*statements {
		c := s.clients[0]
		if c.reply != nil {
			s.events = append(s.events, c.reply)
			c.reply = nil
			c.next += s.about(20e3, 0.5) // think time
			c.step = (c.step + 1) % 20
		} else {
			s.statement(c)
		}
		heap.Fix(&s.clients, 0)
	}
	return s.events[:2*statements]
}

// about returns nanoseconds around a median, as latencies spread.
func (s *sysbench) about(median, sigma float64) int64 {
	return int64(median * math.Exp(sigma*s.rand.NormFloat64()))
}

// text returns a random string as sysbench makes them.
func (s *sysbench) text(groups int) []byte {
	var b []byte
	for g := range groups {
		if g > 0 {
			b = append(b, '-')
		}
		for range 11 {
			b = append(b, byte('0'+s.rand.IntN(10)))
		}
	}
	return b
}

var sysbenchColumns = &session.Columns{Hash: 0x1234567890abcdef, List: []session.Column{{Schema: "sbtest", Table: "sbtest1",
	OrgTable: "sbtest1", Name: "c", OrgName: "c", Collation: 45, Length: 480, Type: 254}}}

// statement emits a command and plans its reply.
func (s *sysbench) statement(c *client) {
	id := uint32(s.rand.IntN(100000) + 1)
	var sql string
	var args []byte
	u32 := binary.LittleEndian.AppendUint32
	str := func(b, v []byte) []byte { return append(append(b, byte(len(v))), v...) }
	took, last := s.about(250e3, 0.4), int64(0)
	size := uint64(11)
	res := session.Result{Outcome: session.OK, Status: 3}
	switch step := c.step; {
	case step == 0:
		sql = "BEGIN"
	case step <= 10:
		sql = fmt.Sprintf("SELECT c FROM sbtest1 WHERE id=%d", id)
		args = u32(nil, id)
		d := s.rand.Uint64()
		size = 211
		res = session.Result{Outcome: session.Rows, Status: 3, Rows: 1, Columns: sysbenchColumns, Binary: s.prepared,
			Digest: session.Digest{Ordered: d, Unordered: d, Valid: true}}
	case step <= 14:
		sql = fmt.Sprintf("SELECT c FROM sbtest1 WHERE id BETWEEN %d AND %d%s", id, id+99,
			[]string{"", " ORDER BY c", " AND k>0", " AND k>0 ORDER BY c"}[step-11])
		args = u32(u32(nil, id), id+99)
		took += s.about(150e3, 0.4)
		last = s.about(9e3, 0.5)
		size = 12487
		res = session.Result{Outcome: session.Rows, Status: 3, Rows: 100, Columns: sysbenchColumns, Binary: s.prepared,
			Digest: session.Digest{Ordered: s.rand.Uint64(), Unordered: s.rand.Uint64(), Valid: true}}
	case step <= 16:
		text := s.text(10)
		sql = fmt.Sprintf("UPDATE sbtest1 SET c='%s' WHERE id=%d", text, id)
		args = u32(str(nil, text), id)
		size = 52
		res.Affected, res.Info = 1, "Rows matched: 1  Changed: 1  Warnings: 0"
	case step == 17:
		sql = fmt.Sprintf("DELETE FROM sbtest1 WHERE id=%d", id)
		args = u32(nil, id)
		res.Affected = 1
		c.deleted = id
	case step == 18:
		text, pad := s.text(10), s.text(5)
		k := uint32(50000 + int(s.rand.NormFloat64()*5000))
		sql = fmt.Sprintf("INSERT INTO sbtest1 (id, k, c, pad) VALUES (%d, %d, '%s', '%s')", c.deleted, k, text, pad)
		args = str(str(u32(u32(nil, c.deleted), k), text), pad)
		res.Affected = 1
	default:
		sql = "COMMIT"
		res.Status = 2
		took += s.about(400e3, 0.6)
	}
	c.seq++
	s.events = append(s.events, s.command(c, sql, args))
	first := c.next + took
	c.reply = &session.Reply{ID: c.id, Seq: c.seq, First: first, Last: first + last, Bytes: size, Results: []session.Result{res}}
	c.next = c.reply.Last
}

func (s *sysbench) command(c *client, sql string, args []byte) *session.Command {
	cmd := &session.Command{ID: c.id, Seq: c.seq, At: c.next, End: c.next, Kind: session.Query, Code: 3}
	if s.prepared {
		cmd.Kind, cmd.Code = session.Execute, 0x17
		cmd.Statement = uint32(c.step + 1)
		if c.step > 0 && c.step <= 10 {
			cmd.Statement = 2 // the point selects are one statement
		}
		cmd.Payload = binary.LittleEndian.AppendUint32([]byte{0x17}, cmd.Statement)
		cmd.Payload = append(cmd.Payload, 0, 1, 0, 0, 0)
		if len(args) > 0 {
			cmd.Payload = append(append(cmd.Payload, 0, 0), args...)
		}
	} else {
		cmd.Payload = append([]byte{3}, sql...)
		cmd.SQL = cmd.Payload[1:]
	}
	cmd.Size = uint64(len(cmd.Payload))
	return cmd
}
