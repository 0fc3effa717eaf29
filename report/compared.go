package report

import (
	"fmt"
	"slices"

	"myreplay/compare"
	"myreplay/session"
)

// maxGuessLines is how many guesses an example names.
const maxGuessLines = 3

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
	case b.isAsRecorded(e):
		b.asRecorded(e)
	case q.skipped != session.NotSkipped:
		if p.skipped == session.NotSkipped {
			b.leave(e)
		}
		if q.skipped == session.FailedSend {
			b.lose(e)
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
	about, of := b.about(e)
	var why compare.NotCompared
	about.MadeKey = e.madeKey(y)
	b.list, why = compare.Replies(b.list[:0], x, y, about, &b.options.Rules)
	pair := x != nil && y != nil && !e.sides[recorded].failed && !e.sides[replayed].failed
	follows := false
	for i, d := range b.list {
		follows = follows || d.Cause == compare.Follows
		pair = pair && !pairless.Has(d.Class)
		b.tally(e, i, x, y, of)
	}
	if follows {
		of.followers++
	}
	if pair {
		b.pair(e)
	}
	b.sample(e, x, y)
	b.tell(e, why == compare.Compared)
	counts := b.account.differences(b.list)
	e.join.lacks.anew(e.kind)
	if why == compare.NoReplayedReply {
		b.lose(e)
	}
	b.chain(e, x, y, of)
	switch {
	case counts:
		e.class.different++
		b.account.different++
		fallthrough
	case why == compare.Compared:
		e.class.compared++
		b.account.compared++
	default:
		b.notCompared(e, func(r *reasons) *uint64 { return &r.replies[why] })
	}
}

// tell tells of an entry that has guesses, or that differs in what an order
// between sessions may cause.
func (b *Builder) tell(e *entry, compared bool) {
	if b.options.Judged == nil {
		return
	}
	differs := slices.ContainsFunc(b.list, func(d compare.Difference) bool {
		return d.Cause != compare.Generated && d.Cause != compare.OrderUnknown && d.Class != compare.ColumnTypes
	})
	if differs || compared && len(e.guesses) > 0 && len(b.list) == 0 {
		b.options.Judged(e.join.key.of, e.seq, e.guesses, differs)
	}
}

// byWeight are the causes in the order in which a command with several
// differences is counted for them.
var byWeight = [...]compare.Cause{compare.Real, compare.Order, compare.Follows, compare.TargetError, compare.SourceError,
	compare.AfterLoss, compare.MissingState, compare.Generated, compare.OrderUnknown}

// differences counts a command by its differences, and tells whether one of them
// counts.
func (a *accountTotals) differences(list []compare.Difference) (counts bool) {
	var counted, any [compare.CauseCount]bool
	for _, d := range list {
		any[d.Cause] = true
		counted[d.Cause] = counted[d.Cause] || d.Counts
		counts = counts || d.Counts
	}
	a.excused += one(any[compare.MissingState] && !counts)
	from := &any
	if counts {
		from = &counted
	}
	for _, cause := range byWeight {
		if from[cause] {
			a.causes[cause]++
			a.follow += one(counts && cause == compare.Follows)
			return counts
		}
	}
	return counts
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
// once if any of them does. of is the earlier difference that it may follow from.
func (b *Builder) tally(e *entry, i int, x, y *session.Reply, of *first) {
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
		t.examples[len(t.examples)-1].Evidence = append(evidence(d, x, y, b.words(e)), proof(d.Cause, e, of)...)
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

// proof says what a cause rests on, where that is something of this command.
func proof(cause compare.Cause, e *entry, of *first) (lines []string) {
	switch cause {
	case compare.Follows:
		lines = append(lines, "follows from "+of.String())
	case compare.Order:
		for _, g := range e.guesses[:min(len(e.guesses), maxGuessLines)] {
			there := "not there yet"
			if g.Seen {
				there = "there already"
			}
			lines = append(lines, fmt.Sprintf("guessed: the effect of %d.%d was taken as %s", g.Session, g.Seq, there))
		}
		if n := len(e.guesses) - maxGuessLines; n > 0 {
			lines = append(lines, fmt.Sprintf("and %s more", plural(uint64(n), "guess", "guesses")))
		}
		if e.dropped > 0 {
			lines = append(lines, fmt.Sprintf("it did not wait for %s that it was to wait for", plural(uint64(e.dropped), "command", "commands")))
		}
		if e.redone > 0 {
			lines = append(lines, "its transaction was done again: it may have read what others committed meanwhile")
		}
		if len(e.rests) > 1 {
			lines = append(lines, fmt.Sprintf("guessed: which of %d.%d and %d.%d came first, whose rows it found", e.rests[0].Session, e.rests[0].Seq, e.rests[1].Session, e.rests[1].Seq))
		} else if !e.guessed() {
			lines = append(lines, "guessed: the place of an earlier command of its transaction")
		}
	}
	return lines
}
