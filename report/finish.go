package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"myreplay/compare"
	"myreplay/session"
)

// stamp returns a time as RFC 3339 in UTC, with microseconds.
func stamp(ns int64) string {
	return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000Z")
}

func (s *sideTotals) model(name string) *Side {
	m := &Side{Name: name, Servers: some(s.servers.model()), From: stamp(s.from), To: stamp(s.to), Wall: us(s.to - s.from),
		Sessions: s.sessions, Joined: s.joined, Encrypted: s.encrypted, Refused: s.refused,
		Ends: some(countReasons(&s.ends)), Gaps: some(countReasons(&s.gaps)), LostBytes: s.lostBytes, LostPackets: s.lostPackets,
		Commands: s.commands, Replies: s.replies, Errors: s.errors, Rows: s.rows, Bytes: s.bytes,
		Took: s.took.model(), FirstByte: s.first.model(), Masked: s.masked, Cut: s.cut}
	if wall := float64(s.to - s.from); wall > 0 {
		m.CommandsPerSecond = float64(s.commands) / wall * 1e9
		m.Concurrency = float64(s.took.total) / wall
	}
	return m
}

func countReasons(list *[session.ReasonCount]uint64) (counts []Count) {
	for i, n := range list {
		if n > 0 {
			counts = append(counts, Count{session.Reason(i).String(), n})
		}
	}
	return counts
}

// model returns the reasons that there are, the most frequent first.
func (r *reasons) model() (list []Count) {
	add := func(name string, n uint64) {
		if n > 0 {
			list = append(list, Count{name, n})
		}
	}
	for i, n := range r.skipped {
		add(skipText(session.Skip(i)), n)
	}
	for i, n := range r.replies {
		add(compare.NotCompared(i).String(), n)
	}
	add("not mentioned in the run", r.missing)
	add("the other side came too late", r.apart)
	slices.SortStableFunc(list, func(a, b Count) int { return cmp.Compare(b.Count, a.Count) })
	return list
}

// causesModel returns the commands that differ by cause, the most frequent first.
func (a *accountTotals) causesModel() (list []Count) {
	for i, n := range a.causes {
		if n > 0 {
			list = append(list, Count{compare.Cause(i).String(), n})
		}
	}
	slices.SortStableFunc(list, func(a, b Count) int { return cmp.Compare(b.Count, a.Count) })
	return list
}

// skipText says why a command was not sent, so that it can be read alone.
func skipText(s session.Skip) string {
	if s == session.FailedSend || s == session.NotReached {
		return s.String()
	}
	return "skipped: " + s.String()
}

// speeds asks all classes how their times changed, and decides.
func (b *Builder) speeds(r *Report) {
	if b.options.Sides == CaptureAlone {
		return
	}
	var p []float64
	for _, c := range b.statements.list {
		if c.shift = c.pairs.shift(); c.shift.enough {
			p = append(p, c.shift.p)
		}
	}
	limit := benjaminiHochberg(p, b.options.Speed.FalseShare)
	r.Speed = Speed{Pairs: b.speed.pairs, Ratio: b.speed.shift().ratio}
	for _, c := range b.statements.list {
		c.speed = b.options.Speed.judge(c, limit)
		switch c.speed {
		case Slower:
			r.Speed.Slower++
			if f := b.options.Speed.Fail; f > 0 && c.shift.ratio >= f {
				r.Speed.Failing++
			}
		case Faster:
			r.Speed.Faster++
		case Steady:
			r.Speed.Same++
		default:
			r.Speed.TooFew++
		}
	}
}

// judge says whether a class got slower or faster; limit is the largest p-value
// that counts.
func (s *SpeedRules) judge(c *class, limit float64) string {
	if !c.shift.enough {
		return TooFew
	}
	typical := float64(c.sides[recorded].took.quantile(0.5)) * (c.shift.ratio - 1)
	average := c.pairs.added / float64(c.pairs.pairs)
	minShift := float64(s.MinShift)
	switch {
	case c.shift.p > limit:
	case c.shift.ratio >= s.MinRatio && max(typical, average) > minShift:
		return Slower
	case c.shift.ratio <= 1/s.MinRatio && min(typical, average) < -minShift:
		return Faster
	}
	return Steady
}

// setClasses fills in the classes, the longest response time first.
func (b *Builder) setClasses(r *Report) {
	by := replayed
	if b.options.Sides == CaptureAlone {
		by = recorded
	}
	list := slices.Clone(b.statements.list)
	slices.SortStableFunc(list, func(x, y *class) int {
		return cmp.Or(cmp.Compare(y.sides[by].took.total, x.sides[by].took.total),
			cmp.Compare(y.sides[recorded].took.total, x.sides[recorded].took.total), cmp.Compare(x.number, y.number))
	})
	r.Classes = make([]Class, 0, len(list))
	for i, c := range list {
		r.Classes = append(r.Classes, c.model(i+1, by == replayed))
	}
}

var groupNames = [...]string{"query", "prepare", "fetch", "command"}

func (c *class) model(rank int, replay bool) Class {
	m := Class{Rank: rank, ID: c.hex(), Kind: groupNames[c.group], Item: c.item,
		Fingerprint: c.fingerprint, Users: c.users.model(), Schemas: c.schemas.model(), From: stamp(c.from), To: stamp(c.to),
		Recorded: c.sides[recorded].model(), Compared: c.compared, Different: c.different,
		NotCompared: c.notCompared.model(), AsRecorded: c.asRecorded, tables: c.tables, Explain: c.explain}
	for _, t := range c.tables {
		m.Tables = append(m.Tables, t.String())
	}
	if c.sample.At != "" {
		sample := c.sample
		m.Sample = &sample
	}
	if replay {
		stats := c.sides[replayed].model()
		m.Replayed = &stats
		m.Speed, m.Pairs, m.Ratio, m.P = c.speed, c.pairs.pairs, c.shift.ratio, c.shift.p
	}
	tallies := slices.Clone(c.tallies)
	slices.SortStableFunc(tallies, func(x, y *tally) int {
		return cmp.Or(cmp.Compare(y.counted, x.counted), cmp.Compare(y.commands, x.commands), compareKeys(x.key, y.key))
	})
	for _, t := range tallies {
		m.Differences = append(m.Differences, ClassDifference{t.key.class.Name(), t.key.cause.Name(), t.commands, t.counted, some(slices.Clip(t.examples)), t.key})
	}
	return m
}

// hex returns the id as a reader sees it.
func (c *class) hex() string {
	if c.isOther {
		return otherName
	}
	return fmt.Sprintf("0x%016X", c.id)
}

func compareKeys(a, b tallyKey) int {
	return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.cause, b.cause))
}

func (f *figures) model() Stats {
	return Stats{Commands: f.commands, Replies: f.replies, Errors: f.errors, Rows: f.rows, Bytes: f.bytes,
		Took: f.took.model(), FirstByte: f.first.model()}
}

// setDifferences sums up the classes' differences.
func (b *Builder) setDifferences(r *Report) {
	r.Differences = []DifferenceTotal{}
	at := map[tallyKey]int{}
	most := map[tallyKey]uint64{}
	for i := range r.Classes {
		c := &r.Classes[i]
		for _, d := range c.Differences {
			n, ok := at[d.key]
			if !ok {
				n = len(r.Differences)
				at[d.key] = n
				r.Differences = append(r.Differences, DifferenceTotal{Class: d.Class, Cause: d.Cause, key: d.key})
			}
			t := &r.Differences[n]
			t.Commands += d.Commands
			t.Counted += d.Counted
			t.Classes++
			if d.Commands > most[d.key] {
				most[d.key], t.Most = d.Commands, c.ID
			}
		}
	}
	sortTotals(r.Differences)
}

// sortTotals puts those first that count, then those that are many.
func sortTotals(list []DifferenceTotal) {
	slices.SortFunc(list, func(x, y DifferenceTotal) int {
		return cmp.Or(cmp.Compare(y.Counted, x.Counted), cmp.Compare(y.Commands, x.Commands), compareKeys(x.key, y.key))
	})
}
