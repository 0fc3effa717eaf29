package order

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"myreplay/session"
)

// A model of a table whose rows come, with generated ids, and go, and of reads that
// return their keys. Who deletes a row depends on its id, so that no two meet.

type keyRow struct {
	p, came, gone int // numbers of commits; gone 0: it is there
}

type keyWorld struct {
	rows    map[int]*keyRow
	ids     int
	commits int
}

// keyOp is a statement: b, c, a (abort), i (insert), d (delete), n (newest), o (oldest
// from an id), p (all of a value), e (one id).
type keyOp struct {
	kind byte
	k, n int
}

func (o keyOp) sql() string {
	switch o.kind {
	case 'b':
		return "BEGIN"
	case 'c':
		return "COMMIT"
	case 'a':
		return "ROLLBACK"
	case 'i':
		return fmt.Sprintf("INSERT INTO t (p) VALUES (%d)", o.k)
	case 'd':
		return fmt.Sprintf("DELETE FROM t WHERE id = %d", o.k)
	case 'n':
		return fmt.Sprintf("SELECT id FROM t ORDER BY id DESC LIMIT %d", o.n)
	case 'o':
		return fmt.Sprintf("SELECT id FROM t WHERE id >= %d ORDER BY id LIMIT %d", o.k, o.n)
	case 'e':
		return fmt.Sprintf("SELECT id FROM t WHERE id = %d", o.k)
	}
	return fmt.Sprintf("SELECT id FROM t WHERE p = %d", o.k)
}

type keyClient struct {
	id, next, state int
	ops             []keyOp
	snapshot        int
	in              bool
	came, gone      []int
	rows            []int
	made, affected  int
}

// read returns the ids that a read of a snapshot finds.
func (w *keyWorld) read(c *keyClient, o keyOp) (list []int) {
	if c.snapshot < 0 {
		c.snapshot = w.commits
	}
	for id, r := range w.rows {
		there := r.came > 0 && r.came <= c.snapshot || slices.Contains(c.came, id)
		if there && (r.gone == 0 || r.gone > c.snapshot) && !slices.Contains(c.gone, id) {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	switch o.kind {
	case 'n':
		slices.Reverse(list)
		list = list[:min(len(list), o.n)]
	case 'o':
		list = slices.DeleteFunc(list, func(id int) bool { return id < o.k })
		list = list[:min(len(list), o.n)]
	case 'e':
		list = slices.DeleteFunc(list, func(id int) bool { return id != o.k })
	default:
		list = slices.DeleteFunc(list, func(id int) bool { return w.rows[id].p != o.k })
	}
	return list
}

// do lets a statement take effect. pinned is the id of a row that comes; 0: the next.
func (w *keyWorld) do(c *keyClient, pinned int) (commit int) {
	o := c.ops[c.next]
	c.rows, c.made, c.affected = nil, 0, 0
	switch o.kind {
	case 'b':
		c.in = true
	case 'i':
		if pinned == 0 {
			w.ids++
			pinned = w.ids
		}
		c.made, c.affected = pinned, 1
		w.rows[pinned] = &keyRow{p: o.k}
		c.came = append(c.came, pinned)
	case 'd':
		r := w.rows[o.k]
		if r != nil && r.gone == 0 && (r.came > 0 || slices.Contains(c.came, o.k)) && !slices.Contains(c.gone, o.k) {
			c.affected = 1
			c.gone = append(c.gone, o.k)
		}
	case 'c', 'a':
		c.in = false
	default:
		c.rows = w.read(c, o)
	}
	if c.in {
		return 0
	}
	if o.kind != 'a' && len(c.came)+len(c.gone) > 0 {
		w.commits++
		commit = w.commits
		for _, id := range c.came {
			w.rows[id].came = commit
		}
		for _, id := range c.gone {
			w.rows[id].gone = commit
		}
	}
	c.came, c.gone, c.snapshot = nil, nil, -1
	return commit
}

func keyOps(r *rand.Rand) (list []keyOp) {
	one := func() keyOp {
		o := keyOp{k: 1 + r.IntN(3), n: 1 + r.IntN(4), kind: "iinnope"[r.IntN(7)]}
		if o.kind == 'o' || o.kind == 'e' {
			o.k = 1 + r.IntN(20)
		}
		if r.IntN(5) == 0 {
			o = keyOp{kind: 'd'} // which, the time will tell
		}
		return o
	}
	for range 10 {
		if r.IntN(2) == 0 {
			list = append(list, one())
			continue
		}
		list = append(list, keyOp{kind: 'b'})
		for range 1 + r.IntN(3) {
			list = append(list, one())
		}
		list = append(list, keyOp{kind: "ccca"[r.IntN(4)]})
	}
	return list
}

func keyClients(seed uint64) (list []*keyClient) {
	r := rand.New(rand.NewPCG(seed, 3))
	n := 2 + r.IntN(5)
	for i := range n {
		list = append(list, &keyClient{id: i + 1, ops: keyOps(r), snapshot: -1})
	}
	return list
}

// keyTruth is what the model knows of what it recorded.
type keyTruth struct {
	events    []session.Event
	results   map[place]string
	ids       map[place]int
	commits   map[place]int // by the command that ended the transaction
	snapshots map[place]int
	final     string
	ops       [][]keyOp
}

func (c *keyClient) place() place { return place{session: uint64(c.id), seq: uint64(c.next + 1)} }

func (w *keyWorld) final() string {
	var ids []int
	for id, r := range w.rows {
		if r.came > 0 && r.gone == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return fmt.Sprint(ids)
}

func recordKeys(seed uint64) *keyTruth {
	r := rand.New(rand.NewPCG(seed, 4))
	clients := keyClients(seed)
	w := &keyWorld{rows: map[int]*keyRow{}}
	k := &keyTruth{results: map[place]string{}, ids: map[place]int{}, commits: map[place]int{}, snapshots: map[place]int{}}
	for _, c := range clients {
		k.events = append(k.events, modelStart(c.id))
	}
	isLeft := func(i int) bool { return clients[i].next < len(clients[i].ops) }
	takeTurns(r, len(clients), isLeft, func(i int, now int64) { k.act(w, clients[i], len(clients), now) })
	k.final = w.final()
	for _, c := range clients {
		k.ops = append(k.ops, c.ops)
	}
	return k
}

// act takes one of a client's next actions.
func (k *keyTruth) act(w *keyWorld, c *keyClient, clients int, now int64) {
	o, at := c.ops[c.next], c.place()
	switch c.state {
	case 0:
		if o.kind == 'd' {
			o = w.target(c, clients)
			c.ops[c.next] = o
		}
		k.events = append(k.events, modelQuery(at.session, at.seq, now, o.sql()))
	case 1:
		snapshot := c.snapshot
		if snapshot < 0 {
			snapshot = w.commits
		}
		commit := w.do(c, 0)
		k.commits[at], k.ids[at], k.results[at] = commit, c.made, fmt.Sprint(c.rows, c.affected)
		if o.sql()[0] == 'S' {
			k.snapshots[at] = snapshot
		}
	case 2:
		k.events = append(k.events, &session.Reply{ID: at.session, Seq: at.seq, First: now, Last: now, Results: []session.Result{c.result(o)}})
		c.next++
	}
	c.state = (c.state + 1) % 3
}

// result is what a client is answered.
func (c *keyClient) result(o keyOp) session.Result {
	res := session.Result{Outcome: session.OK, Affected: uint64(c.affected), InsertID: uint64(c.made)}
	if o.sql()[0] == 'S' {
		text := "none"
		if len(c.rows) > 0 {
			text = strings.ReplaceAll(strings.Trim(fmt.Sprint(c.rows), "[]"), " ", ",")
		}
		res = returned(text)
	}
	if c.in {
		res.Status = 1
	}
	return res
}

// target makes a DELETE of a row that is there, and that only this client deletes; it
// is an INSERT where there is none.
func (w *keyWorld) target(c *keyClient, clients int) keyOp {
	best := 0
	for id, r := range w.rows {
		if id%clients == c.id%clients && r.came > 0 && r.gone == 0 && !slices.Contains(c.gone, id) {
			best = max(best, id)
		}
	}
	if best == 0 {
		return keyOp{kind: 'i', k: 1}
	}
	return keyOp{kind: 'd', k: best}
}

// again returns clients that run the statements that were recorded.
func (k *keyTruth) again() (list []*keyClient) {
	for i, ops := range k.ops {
		list = append(list, &keyClient{id: i + 1, ops: ops, snapshot: -1})
	}
	return list
}
