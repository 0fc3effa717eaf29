package report

import (
	"myreplay/compare"
	"myreplay/session"
)

// finish accounts for an entry of which both sides are final.
func (b *Builder) finish(e *entry, x, y *session.Reply) {
	p, q := &e.sides[recorded], &e.sides[replayed]
	if !e.described && e.kind.HasReply() && p.commanded {
		e.class = b.statements.ofKind(e.kind)
	}
	b.count(e)
	switch {
	case b.options.Sides == CaptureAlone:
		b.sample(e, x, nil)
	case !p.commanded && q.commanded:
		b.account.extra++
	case !p.commanded:
	case !q.commanded && b.stopped:
		b.account.run[min(int(e.kind), session.KindCount-1)][session.NotReached]++
		b.notCompared(e, func(r *reasons) *uint64 { return skipOf(r, session.NotReached) })
	case !q.commanded:
		b.account.missing++
		b.notCompared(e, func(r *reasons) *uint64 { return &r.missing })
	case q.skipped != session.NotSkipped:
		if p.skipped == session.NotSkipped {
			b.leave(e)
		}
		b.notCompared(e, func(r *reasons) *uint64 { return skipOf(r, q.skipped) })
	case p.skipped != session.NotSkipped:
		b.leave(e)
		b.notCompared(e, func(r *reasons) *uint64 { return skipOf(r, p.skipped) })
	case !e.kind.HasReply():
		b.account.noReply++
	default:
		b.compare(e, x, y)
	}
}

func skipOf(r *reasons, s session.Skip) *uint64 {
	return &r.skipped[min(int(s), session.SkipCount-1)]
}

// notCompared counts an entry for a reason, in its class and in all.
func (b *Builder) notCompared(e *entry, reason func(*reasons) *uint64) {
	*reason(&b.account.reasons)++
	if e.class != nil {
		*reason(&e.class.notCompared)++
	}
}

// pairless are the classes of differences after which the times of the two
// sides say nothing: something else was done.
var pairless = compare.Of(compare.ErrorNew, compare.ErrorGone, compare.ErrorOther, compare.ResultCount,
	compare.OutcomeKind, compare.Shape, compare.RowCount)

// compare compares the two replies of an entry.
func (b *Builder) compare(e *entry, x, y *session.Reply) {
	var why compare.NotCompared
	b.list, why = compare.Replies(b.list[:0], x, y, b.about(e), &b.options.Rules)
	counts, excused, pair := false, false, x != nil && y != nil && !e.sides[recorded].failed && !e.sides[replayed].failed
	for i, d := range b.list {
		counts = counts || d.Counts
		excused = excused || d.Cause == compare.MissingState
		pair = pair && !pairless.Has(d.Class)
		b.tally(e, i, x, y)
	}
	if pair {
		b.pair(e)
	}
	b.sample(e, x, y)
	b.account.excused += one(excused && !counts)
	e.join.lacks.anew(e.kind)
	switch {
	case counts:
		e.class.different++
		b.account.different++
		fallthrough
	case why == compare.Compared:
		e.class.compared++
		b.account.compared++
	default:
		if why == compare.NoReplayedReply && e.class.effect.writes {
			b.left.add(&e.class.effect, e.schema) // done or not, who knows
		}
		b.notCompared(e, func(r *reasons) *uint64 { return &r.replies[why] })
	}
}

// pair compares the times of an entry, unless it was sent before the reply to
// the command before it.
func (b *Builder) pair(e *entry) {
	p, q := &e.sides[recorded], &e.sides[replayed]
	switch {
	case p.overlapped:
		b.togetherRecorded++
	case q.overlapped:
		b.together++
	default:
		e.class.pairs.add(p.took, q.took)
		b.speed.add(p.took, q.took)
	}
}

// tally counts difference i of the list, with an example if there is room. A
// command counts once for each class and cause, and counts against the target
// once if any of them does.
func (b *Builder) tally(e *entry, i int, x, y *session.Reply) {
	d := b.list[i]
	key := tallyKey{d.Class, d.Cause}
	counted := d.Counts
	for j, other := range b.list {
		if (tallyKey{other.Class, other.Cause}) == key {
			if j < i {
				return
			}
			counted = counted || other.Counts
		}
	}
	t := e.class.tally(key)
	t.commands++
	t.counted += one(counted)
	b.totals.add(e.class, t, counted)
	if len(t.examples) < b.options.MaxExamples {
		t.examples = append(t.examples, b.example(e, x, y))
		t.examples[len(t.examples)-1].Evidence = evidence(d, x, y, b.words(e))
	}
}

// words returns the words for an entry's rows.
func (b *Builder) words(e *entry) compare.Protocol {
	if b.options.Words == nil {
		return compare.Protocol{}
	}
	return b.options.Words(e.protocol)
}

// evidence is compare's, made printable.
func evidence(d compare.Difference, x, y *session.Reply, p compare.Protocol) []string {
	lines := compare.Evidence(d, x, y, p)
	for i := range lines {
		lines[i] = reading(lines[i])
	}
	return lines
}
