package order

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"myreplay/session"
)

// A model of a server: rows with versions, row locks, REPEATABLE READ snapshots,
// deadlocks. It makes recordings whose truth is known, and replays them by the
// planner's steps in every order that these allow.

type modelRow struct{ versions []modelVersion }

type modelVersion struct{ commit, value int }

type model struct {
	rows    map[int]*modelRow
	holder  map[int]*modelTxn
	commits int
}

type modelTxn struct {
	id       int
	snapshot int // -1: none yet
	own      map[int]int
	waits    int // the row whose lock it waits for; 0: none
}

func newModel(rows int) *model {
	m := &model{rows: map[int]*modelRow{}, holder: map[int]*modelTxn{}}
	for i := range rows {
		m.rows[i+1] = &modelRow{versions: []modelVersion{{0, i + 1}}}
	}
	return m
}

// op is a statement of the model.
type op struct {
	kind   byte // b, r (read a range), u (update), c, a (abort)
	lo, hi int
	k      int // what an update adds; 0: it changes a column that nobody reads
}

func (o op) sql() string {
	switch o.kind {
	case 'b':
		return "BEGIN"
	case 'r':
		if o.lo == o.hi {
			return fmt.Sprintf("SELECT v FROM t WHERE id=%d", o.lo)
		}
		return fmt.Sprintf("SELECT v FROM t WHERE id BETWEEN %d AND %d", o.lo, o.hi)
	case 'u':
		if o.k == 0 {
			return fmt.Sprintf("UPDATE t SET w=w+1 WHERE id=%d", o.lo)
		}
		return fmt.Sprintf("UPDATE t SET v=v*31+%d WHERE id=%d", o.k, o.lo)
	case 'c':
		return "COMMIT"
	}
	return "ROLLBACK"
}

// read returns what a transaction sees of some rows.
func (m *model) read(t *modelTxn, o op) string {
	if t.snapshot < 0 {
		t.snapshot = m.commits
	}
	s := ""
	for i := o.lo; i <= o.hi; i++ {
		if v, ok := t.own[i]; ok {
			s += fmt.Sprint(v, " ")
			continue
		}
		for _, v := range slices.Backward(m.rows[i].versions) {
			if v.commit <= t.snapshot {
				s += fmt.Sprint(v.value, " ")
				break
			}
		}
	}
	return s
}

// update changes a row; false: another holds its lock.
func (m *model) update(t *modelTxn, o op) bool {
	if h := m.holder[o.lo]; h != nil && h != t {
		t.waits = o.lo
		return false
	}
	t.waits = 0
	m.holder[o.lo] = t
	old, ok := t.own[o.lo]
	if !ok {
		v := m.rows[o.lo].versions
		old = v[len(v)-1].value
	}
	if t.own[o.lo] = old; o.k != 0 {
		t.own[o.lo] = (old*31 + o.k) % 1_000_003
	}
	return true
}

func (m *model) end(t *modelTxn, commit bool) {
	if commit && len(t.own) > 0 {
		m.commits++
		for _, i := range slices.Sorted(maps.Keys(t.own)) {
			m.rows[i].versions = append(m.rows[i].versions, modelVersion{m.commits, t.own[i]})
		}
	}
	for i, h := range m.holder {
		if h == t {
			delete(m.holder, i)
		}
	}
	*t = modelTxn{id: t.id, snapshot: -1, own: map[int]int{}}
}

// deadlocked tells whether a transaction waits for itself.
func (m *model) deadlocked(t *modelTxn) bool {
	for u, n := t, 0; u != nil && u.waits != 0 && n < 1000; n++ {
		if u = m.holder[u.waits]; u == t {
			return true
		}
	}
	return false
}

// final is what is in the rows.
func (m *model) final() string {
	s := ""
	for _, i := range slices.Sorted(maps.Keys(m.rows)) {
		v := m.rows[i].versions
		s += fmt.Sprint(v[len(v)-1].value, " ")
	}
	return s
}

// client is a session of the model.
type client struct {
	id     int
	ops    []op
	next   int
	txn    *modelTxn
	auto   bool // no transaction is open
	state  int  // 0: idle, 1: sent, 2: done, not answered
	result string
	failed bool
}

// someClients returns clients that are at work on a few rows, and how many these are.
// locks: every write stands in a transaction.
func someClients(r *rand.Rand, locks bool) (rows int, clients []*client) {
	rows = 2 + r.IntN(12)
	for i := range 2 + r.IntN(6) {
		clients = append(clients, newClient(i+1, modelOps(r, rows, 12, locks)))
	}
	return rows, clients
}

func newClient(id int, ops []op) *client {
	return &client{id: id, ops: ops, txn: &modelTxn{id: id, snapshot: -1, own: map[int]int{}}, auto: true}
}

// do lets a statement take effect; false: it waits for a lock.
func (c *client) do(m *model, o op) bool {
	c.result, c.failed = "", false
	switch o.kind {
	case 'b':
		c.auto = false
	case 'r':
		c.result = m.read(c.txn, o)
		if c.auto {
			m.end(c.txn, true)
		}
	case 'u':
		if !m.update(c.txn, o) {
			if !m.deadlocked(c.txn) {
				return false
			}
			c.failed, c.auto = true, true
			m.end(c.txn, false)
			return true
		}
		if c.auto {
			m.end(c.txn, true)
		}
	default:
		m.end(c.txn, o.kind == 'c')
		c.auto = true
	}
	return true
}

// ops makes the statements of a session. locks: every write stands in a
// transaction.
func modelOps(r *rand.Rand, rows, n int, locks bool) (list []op) {
	k := 0
	write := func() op { k++; return op{kind: 'u', lo: 1 + r.IntN(rows), k: max(0, r.IntN(1300)-300)} }
	read := func() op {
		lo := 1 + r.IntN(rows)
		return op{kind: 'r', lo: lo, hi: min(rows, lo+r.IntN(3)*r.IntN(3))}
	}
	for range n {
		if x := r.IntN(10); x < 3 || locks && x < 4 {
			list = append(list, read())
			continue
		} else if x < 4 {
			list = append(list, write())
			continue
		}
		list = append(list, op{kind: 'b'})
		for range 1 + r.IntN(4) {
			if r.IntN(2) == 0 {
				list = append(list, read())
			} else {
				list = append(list, write())
			}
		}
		end := op{kind: 'c'}
		if r.IntN(8) == 0 {
			end.kind = 'a'
		}
		list = append(list, end)
	}
	return list
}

// recorded is what the model recorded.
type modelRecording struct {
	events  []session.Event
	results map[place]string // by session and seq
	commits map[place]int    // of those that changed rows, their numbers
	final   string
}

// record runs clients with random delays.
func record(r *rand.Rand, rows int, clients []*client) *modelRecording {
	m := newModel(rows)
	rec := &modelRecording{results: map[place]string{}, commits: map[place]int{}}
	for _, c := range clients {
		rec.events = append(rec.events, modelStart(c.id))
	}
	isLeft := func(i int) bool { return clients[i].next < len(clients[i].ops) }
	takeTurns(r, len(clients), isLeft, func(i int, now int64) { rec.act(m, clients[i], now) })
	rec.final = m.final()
	return rec
}

// act takes one of a client's next actions.
func (rec *modelRecording) act(m *model, c *client, now int64) {
	o := c.ops[c.next]
	seq := uint64(c.next + 1)
	switch c.state {
	case 0:
		rec.events = append(rec.events, modelQuery(uint64(c.id), seq, now, o.sql()))
		c.state = 1
	case 1:
		before := m.commits
		if c.do(m, o) {
			c.state = 2
		}
		if m.commits > before {
			rec.commits[place{session: uint64(c.id), seq: seq}] = m.commits
		}
	case 2:
		res := session.Result{Outcome: session.OK, Affected: 1}
		if o.kind == 'r' {
			res = session.Result{Outcome: session.Rows}
		}
		if c.failed {
			res = session.Result{Outcome: session.Failed, Error: &session.Error{Code: 1213}}
		} else if !c.auto {
			res.Status = 1
		}
		rec.results[place{session: uint64(c.id), seq: seq}] = c.result
		rec.events = append(rec.events, &session.Reply{ID: uint64(c.id), Seq: seq, First: now, Last: now, Results: []session.Result{res}})
		c.state = 0
		c.next++
		if c.failed { // the client gives the transaction up
			for c.next < len(c.ops) && c.ops[c.next].kind != 'b' {
				c.ops = slices.Delete(c.ops, c.next, c.next+1)
			}
		}
	}
}

// modelOutcome is what came of a replay.
type modelOutcome struct {
	differs []*Step // reads that differ
	final   string
	dropped int
	hung    string
}

// replayModel replays what was planned in some order that the steps allow.
func replayModel(r *rand.Rand, rows int, rec *modelRecording, steps map[uint64][]*Step, clients []*client) modelOutcome {
	m := newModel(rows)
	var out modelOutcome
	done := map[*Step]bool{}
	pace := make([]int, len(clients)) // of so many turns a client takes one
	for left := true; left; {
		left = false
		moved := false
		for _, i := range r.Perm(len(clients)) {
			c := clients[i]
			if c.next >= len(c.ops) {
				continue
			}
			left = true
			if pace[i] == 0 || r.IntN(20) == 0 {
				pace[i] = 1 + r.IntN(3)*r.IntN(12)
			}
			if r.IntN(pace[i]) != 0 {
				moved = true
				continue
			}
			s := steps[uint64(c.id)][c.next]
			switch c.state {
			case 0:
				if !slices.ContainsFunc(s.Waits, func(w Wait) bool { return !done[w.On] }) && out.fence(steps, done, s.Fence) {
					c.state, moved = 1, true
				}
			case 1:
				o := c.ops[c.next]
				if s.Force == ForceRollback {
					o = op{kind: 'a'}
				}
				if c.do(m, o) {
					c.state, moved = 2, true
				}
				if c.failed {
					out.hung = fmt.Sprintf("deadlock at %d.%d", s.Session, s.Seq)
					return out
				}
			case 2:
				if c.ops[c.next].kind == 'r' && s.Force == NoForce && c.result != rec.results[place{session: s.Session, seq: s.Seq}] {
					out.differs = append(out.differs, s)
				}
				done[s] = true
				c.state, moved = 0, true
				c.next++
			}
		}
		if left && !moved && !out.drop(clients, steps, done) {
			return out
		}
	}
	out.final = m.final()
	return out
}

// fence tells whether all steps up to a number are done.
func (out *modelOutcome) fence(steps map[uint64][]*Step, done map[*Step]bool, number uint64) bool {
	for _, list := range steps {
		for _, s := range list {
			if s.Number <= number && !s.Apart && !done[s] {
				return false
			}
		}
	}
	return true
}

// drop drops guessed waits; false: there are none.
func (out *modelOutcome) drop(clients []*client, steps map[uint64][]*Step, done map[*Step]bool) bool {
	for _, c := range clients {
		if c.next >= len(c.ops) || c.state != 0 {
			continue
		}
		s := steps[uint64(c.id)][c.next]
		before := len(s.Waits)
		s.Waits = slices.DeleteFunc(s.Waits, func(w Wait) bool { return w.Confidence != Proven && !done[w.On] })
		if len(s.Waits) < before {
			out.dropped++
			return true
		}
	}
	for _, c := range clients {
		if c.next < len(c.ops) {
			s := steps[uint64(c.id)][c.next]
			out.hung += fmt.Sprintf("%d.%d state %d %s waits", s.Session, s.Seq, c.state, c.ops[c.next].sql())
			for _, w := range s.Waits {
				if !done[w.On] {
					out.hung += fmt.Sprintf(" %d.%d(%s %s)", w.On.Session, w.On.Seq, w.Confidence, w.Reason)
				}
			}
			out.hung += "\n"
		}
	}
	return false
}
