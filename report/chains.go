package report

import (
	"cmp"
	"fmt"
	"slices"

	"myreplay/compare"
	"myreplay/session"
)

const (
	// MaxChains is how many first differences a report lists.
	MaxChains = 20
	// maxFirsts is how many first differences are known one by one. What follows
	// from later ones has no cause of its own then.
	maxFirsts = 20_000
	// maxWrote is how many query classes are remembered that a transaction wrote
	// with. Beyond it all tables count as written.
	maxWrote = 32
	// inTransaction is the status flag of a session with an open transaction
	// (classic protocol: SERVER_STATUS_IN_TRANS).
	inTransaction = 1
)

// first is a difference in what a command changed, from which later ones may
// follow: from then on the tables that it writes are suspect. Or it is a write
// that did not wait for what it was to wait for.
type first struct {
	number    int // in the order of the run, from 1
	key       joinKey
	seq       uint64
	at        int64
	class     *class
	found     compare.Difference
	dropped   bool // no difference was found, but it went too early
	followers uint64
}

// earlier returns the one of two first differences that came first. nil is none.
func earlier(a, b *first) *first {
	if a == nil || b != nil && b.number < a.number {
		return b
	}
	return a
}

// String names the command and says what was with it.
func (f *first) String() string {
	name := fmt.Sprintf("%d.%d", f.key.of, f.seq)
	if f.key.copy > 0 {
		name += fmt.Sprintf(" of copy %d", f.key.copy+1)
	}
	if f.dropped {
		return name + " (it did not wait for what it was to wait for)"
	}
	return fmt.Sprintf("%s (%s, %s)", name, f.found.Class, f.found.Cause)
}

// changing are the classes of differences that tell, of a command that writes,
// that it changed something else.
var changing = compare.Of(compare.ErrorNew, compare.ErrorGone, compare.Affected, compare.InsertID, compare.ResultCount, compare.OutcomeKind)

// changed returns the first of an entry's differences that tells that it changed
// something else than it did when recorded. Where both sides failed nothing was
// changed, unless one of them undid the transaction.
func changed(list []compare.Difference, e *entry, x, y *session.Reply) (compare.Difference, bool) {
	f := &e.class.effect
	undoes := e.undoes(x, y)
	for _, d := range list {
		switch {
		case undoes && failure(d.Class):
		case f.sure.writes && changing.Has(d.Class):
		case f.sure.writes && !f.undone && failure(d.Class):
		case f.unsure && (d.Class == compare.Affected || d.Class == compare.InsertID):
		default:
			continue
		}
		return d, true
	}
	return compare.Difference{}, false
}

// undoes tells whether one side's error undid what the transaction wrote, or left
// open what became of it.
func (e *entry) undoes(x, y *session.Reply) bool {
	return e.class.effect.ends || compare.EndsTransaction(errorOf(x)) != compare.EndsTransaction(errorOf(y))
}

// failure tells whether a class of differences is about errors.
func failure(c compare.Class) bool {
	return c == compare.ErrorNew || c == compare.ErrorGone || c == compare.ErrorOther
}

// errorOf returns the error of a reply, or one without a code.
func errorOf(r *session.Reply) *session.Error {
	if r != nil {
		if err := r.Err(); err != nil {
			return err
		}
	}
	return &session.Error{}
}

// chain takes note of what the entry's differences mean to later ones. of is the
// earlier difference that they may follow from.
func (b *Builder) chain(e *entry, x, y *session.Reply, of *first) {
	if d, ok := changed(b.list, e, x, y); ok && d.Cause != compare.MissingState {
		why := of
		if d.Cause != compare.Follows {
			why = b.first(e, d, false)
		}
		b.spread(e, why)
		if failure(d.Class) && e.undoes(x, y) {
			b.spreadWrote(e.join, suspicion{first: why})
		}
	} else if (e.dropped > 0 || e.join.wrote.early) && e.class.effect.sure.writes {
		b.spread(e, b.first(e, compare.Difference{}, true))
	}
	e.join.wrote.see(e, y)
}

// first makes a first difference, nil when there are too many.
func (b *Builder) first(e *entry, d compare.Difference, dropped bool) *first {
	if len(b.firsts) >= maxFirsts {
		return nil
	}
	return &first{number: len(b.firsts) + 1, key: e.join.key, seq: e.seq, at: e.at, class: e.class, found: d, dropped: dropped}
}

// spread makes suspect what an entry writes, and remembers the first difference
// if that is news.
func (b *Builder) spread(e *entry, why *first) {
	if why != nil && b.suspects.add(&e.class.effect, e.schema, suspicion{first: why}) {
		b.remember(why)
	}
}

// lose takes note that a session's connection to the target was lost: its open
// transaction is undone, and whether e, which was not answered, was done is not
// known.
func (b *Builder) lose(e *entry) {
	why := suspicion{left: true}
	if e.class != nil && e.class.effect.writes {
		b.suspects.add(&e.class.effect, e.schema, why)
	}
	b.spreadWrote(e.join, why)
	e.join.wrote.end()
}

// spreadWrote does so with what the session's open transaction wrote.
func (b *Builder) spreadWrote(j *joined, why suspicion) {
	if why == (suspicion{}) {
		return
	}
	for _, w := range j.wrote.list {
		if b.suspects.add(&w.class.effect, w.schema, why) {
			b.remember(why.first)
		}
	}
	if j.wrote.more && b.suspects.addAll(why) {
		b.remember(why.first)
	}
}

func (b *Builder) remember(f *first) {
	if f != nil && f.number == len(b.firsts)+1 {
		b.firsts = append(b.firsts, f)
	}
}

// wrote is what a session's open transaction wrote on the target.
type wrote struct {
	list []writing
	more bool
	// guessed: a command of it had a guessed place, which may have been that of the
	// snapshot that all its reads share.
	guessed bool
	// early: one did not wait for all that it was to wait for. It may have had locks
	// too early, under which the transaction writes.
	early bool
}

// writing is a class that writes, and the session's schema.
type writing struct {
	class  *class
	schema string
}

// see takes note of a command; y is the target's reply.
func (w *wrote) see(e *entry, y *session.Reply) {
	if y == nil || len(y.Results) == 0 {
		return
	}
	last := &y.Results[len(y.Results)-1]
	if last.Error != nil {
		if compare.EndsTransaction(last.Error) {
			w.end() // else an error tells nothing of the transaction
		}
		return
	}
	if last.Status&inTransaction == 0 {
		w.end()
		return
	}
	w.guessed, w.early = w.guessed || e.guessed(), w.early || e.dropped > 0
	if n := (writing{e.class, e.schema}); e.class.effect.writes && !slices.Contains(w.list, n) {
		if len(w.list) == maxWrote {
			w.more = true
			return
		}
		w.list = append(w.list, n)
	}
}

func (w *wrote) end() { w.list, w.more, w.guessed, w.early = w.list[:0], false, false, false }

// Chains tell first differences from what follows from them: an answer that
// differs because an earlier command had changed something else.
type Chains struct {
	// Follow counts commands of which each difference that counts follows from an
	// earlier one, First those that they follow from.
	Follow uint64 `json:"follow"`
	First  int    `json:"first"`
	// List has those with the most followers, at most MaxChains.
	List []Chain `json:"list"`
}

// Chain is a first difference.
type Chain struct {
	// Session and Seq name the command in the recording, Copy the session's copy.
	Session uint64 `json:"session"`
	Copy    uint32 `json:"copy"`
	Seq     uint64 `json:"seq"`
	At      string `json:"at"`
	// Class and Cause are those of its difference; both are "" of a command
	// without one that did not wait for what it was to wait for.
	Class string `json:"class,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Query is the id of its query class.
	Query string `json:"query"`
	// Followers are the commands with a difference that follows from it.
	Followers uint64 `json:"followers"`
}

// chains returns the chains; nil when nothing follows.
func (b *Builder) chains() *Chains {
	list := slices.DeleteFunc(slices.Clone(b.firsts), func(f *first) bool { return f.followers == 0 })
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(x, y *first) int {
		return cmp.Or(cmp.Compare(y.followers, x.followers), cmp.Compare(x.number, y.number))
	})
	c := &Chains{Follow: b.account.follow, First: len(list), List: []Chain{}}
	for _, f := range list[:min(len(list), MaxChains)] {
		n := Chain{Session: f.key.of, Copy: f.key.copy, Seq: f.seq, At: stamp(f.at), Query: f.class.hex(), Followers: f.followers}
		if !f.dropped {
			n.Class, n.Cause = f.found.Class.Name(), f.found.Cause.Name()
		}
		c.List = append(c.List, n)
	}
	return c
}
