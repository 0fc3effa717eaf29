package target

import (
	"slices"

	"myreplay/outcome"
	"myreplay/session"
)

const (
	// maxMadeCells is how many values of replies wait on one connection for what the
	// recorded ones tell of theirs.
	maxMadeCells = 1 << 9
	// maxKnown is how many of the recording's UUIDs are remembered, at least.
	maxKnown = 1 << 17
	// maxOwnTimes is how many times of its own replies a connection knows.
	maxOwnTimes = 1 << 8
)

// mapValues puts the target's values into a command that is about to be sent, in
// place of those of the recording. Its length stays.
func (c *Conn) mapValues(cmd *session.Command, m *message) {
	if !c.server.options.Values {
		return
	}
	switch cmd.Kind {
	case session.Query, session.Prepare:
		m.rest = c.mapped(m.rest, false)
	case session.Execute, session.BulkExecute, session.LongData:
		m.head, m.rest = c.mapped(m.head, true), c.mapped(m.rest, true)
	}
}

// mapped returns a part of a payload with the target's values. raw: it holds
// parameters.
func (c *Conn) mapped(part []byte, raw bool) []byte {
	s, times := c.server, 0
	part, ids := s.values.toLive(c.recorded.copy, s.options.Outcome.Seed, part, raw)
	if s.times.some.Load() {
		part, times = s.times.toLive(c.recorded.copy, s.options.Outcome.Seed, c.ownTimes, part, raw)
	}
	if ids+times > 0 {
		s.counts.valuesMapped.Add(uint64(ids + times))
	}
	return part
}

// madeReply is what the target made up in its reply to a command.
type madeReply struct {
	seq     uint64
	results []madeResult
	cells   int
}

// madeResult is what it made up in a result.
type madeResult struct {
	at, count int // the result's place in the reply, and its rows
	rows      []session.MadeRow
	values    [][]outcome.Made
}

// madeOf returns what the builder found in the reply that it has just made.
func (c *Conn) madeOf(r *session.Reply) (m madeReply) {
	m.seq = r.Seq
	for _, v := range c.build.Made() {
		n := len(m.results)
		if n == 0 || m.results[n-1].at != v.Result {
			if v.Result >= len(r.Results) {
				break // it was not whole
			}
			from := &r.Results[v.Result]
			rows := from.MadeRows()
			m.results = append(m.results, madeResult{v.Result, int(from.Rows), rows, make([][]outcome.Made, len(rows))})
			n++
		}
		res := &m.results[n-1]
		if v.Row < len(res.values) {
			res.values[v.Row] = append(res.values[v.Row], v)
			m.cells++
		}
	}
	return m
}

// replied takes the target's reply to a command. Where the recorded one is known
// the values in both are paired, else they wait for Learn.
func (c *Conn) replied(r, recorded *session.Reply) {
	if r == nil || !c.server.options.Values {
		return
	}
	if recorded != nil {
		c.server.values.see(recorded)
	}
	if len(c.build.Made()) == 0 {
		return
	}
	m := c.madeOf(r)
	if recorded != nil {
		c.pairMade(&m, recorded)
		return
	}
	for len(c.made) > 0 && (len(c.made) >= maxMade || c.madeCells+m.cells > maxMadeCells) {
		c.dropMade(0)
	}
	c.made = append(c.made, m)
	c.madeCells += m.cells
}

// dropMade forgets what waits at i.
func (c *Conn) dropMade(i int) {
	c.madeCells -= c.made[i].cells
	c.made = slices.Delete(c.made, i, i+1)
}

// learnMade pairs the values in the recorded reply to a command with the target's.
func (c *Conn) learnMade(r *session.Reply) {
	if c.server.options.Values && r.HasMade() {
		c.server.values.see(r)
	}
	for i := range c.made {
		if c.made[i].seq == r.Seq {
			c.pairMade(&c.made[i], r)
			c.dropMade(i)
			return
		}
	}
}

// pairMade pairs the values in the replies to one command: of results with as many
// rows, those of rows that are the same but for what was made up, where no other
// is.
func (c *Conn) pairMade(m *madeReply, recorded *session.Reply) {
	for i := range m.results {
		res := &m.results[i]
		if res.at >= len(recorded.Results) || recorded.Results[res.at].Rows != uint64(res.count) {
			continue
		}
		rows := recorded.Results[res.at].MadeRows()
		for k := range res.rows {
			live := &res.rows[k]
			of := only(rows, live.Rest)
			if of == nil || only(res.rows, live.Rest) == nil || !sameCells(of, live) || len(res.values[k]) != len(live.Cells) {
				continue
			}
			for cell, hash := range of.Cells {
				c.pairMadeCell(hash.Hash, live.Cells[cell].Hash, &res.values[k][cell])
			}
		}
	}
}

// pairMadeCell pairs two values, of which the hashes are given.
func (c *Conn) pairMadeCell(recorded, replayed uint64, v *outcome.Made) {
	s, copy := c.server, c.recorded.copy
	switch {
	case v.Time == nil && recorded != replayed:
		s.values.pair(copy, recorded, replayed, v.Value, &s.counts)
	case v.Time != nil && (recorded != replayed || s.times.some.Load()):
		if c.ownTimes == nil || len(c.ownTimes) >= maxOwnTimes {
			c.ownTimes = map[uint64]outcome.Micros{}
		}
		c.ownTimes[recorded] = *v.Time
		s.times.pair(copy, recorded, v.Time, &s.counts)
	}
}

// only returns the row with the given Rest; nil when there is none, or more.
func only(rows []session.MadeRow, rest uint64) (row *session.MadeRow) {
	for i := range rows {
		if rows[i].Rest != rest {
			continue
		}
		if row != nil {
			return nil
		}
		row = &rows[i]
	}
	return row
}

// sameCells tells whether the same columns of two rows are made up.
func sameCells(a, b *session.MadeRow) bool {
	return slices.EqualFunc(a.Cells, b.Cells, func(x, y session.MadeCell) bool { return x.Column == y.Column })
}
