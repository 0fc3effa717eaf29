package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"myreplay/session"
)

// OrderTotals are what a run says of the order between sessions, in the file
// order.json beside it.
type OrderTotals struct {
	// Mode is "none", "commit", "table" or "row".
	Mode string `json:"mode"`
	// Steps are the commands that were given a place, Waits and Reasons what they
	// were to wait for.
	Steps   uint64       `json:"steps"`
	Waits   OrderWaits   `json:"waits"`
	Reasons OrderReasons `json:"reasons"`
	// Reads are the commands that read, Ambiguous those among them of which the
	// recording does not prove what they saw.
	Reads     uint64 `json:"reads"`
	Ambiguous uint64 `json:"ambiguous_reads"`
	// GTIDs are commits whose place among others their GTIDs or the binary log tell,
	// OddGTIDs are those that contradict what was seen when, and were not used.
	GTIDs    uint64 `json:"gtids,omitempty"`
	OddGTIDs uint64 `json:"odd_gtids,omitempty"`
	// Dropped are waits that were given up so that the replay went on, DroppedProven
	// those among them that were proven.
	Dropped       uint64 `json:"dropped"`
	DroppedProven uint64 `json:"dropped_proven"`
	// HeldUp counts how often a command waited on the target for the lock of a
	// session that waited for it in the replay.
	HeldUp uint64 `json:"held_up"`
	// Redone are transactions that were rolled back on the target and begun anew,
	// NotRedone those that could not be.
	Redone    uint64 `json:"redone"`
	NotRedone uint64 `json:"not_redone"`
	// Retaken is how often a read that passes over locked rows was undone because it
	// took other rows than when it was recorded.
	Retaken uint64 `json:"retaken,omitempty"`
	// SyncWait is how long commands were held back for others, in microseconds,
	// all together.
	SyncWait int64 `json:"sync_wait_us"`
	// Stalls are times when nothing moved, WindowForced places that were settled
	// early because too much was held.
	Stalls       uint64 `json:"stalls"`
	WindowForced uint64 `json:"window_forced"`
	// AsRecorded are failures that were replayed as they were recorded.
	AsRecorded AsRecorded `json:"as_recorded"`
}

// OrderWaits counts waits by how sure they are.
type OrderWaits struct {
	Proven   uint64 `json:"proven"`
	Inferred uint64 `json:"inferred"`
	Guessed  uint64 `json:"guessed"`
}

// OrderReasons counts waits by what they are for.
type OrderReasons struct {
	WriteWrite uint64 `json:"write_write"`
	WriteRead  uint64 `json:"write_read"`
	ReadWrite  uint64 `json:"read_write"`
	Barrier    uint64 `json:"barrier"`
}

// AsRecorded counts failures that were replayed as they were recorded.
type AsRecorded struct {
	Deadlocks    uint64 `json:"deadlocks"`
	LockTimeouts uint64 `json:"lock_timeouts"`
}

// Read reads the totals as JSON. It leaves o alone when it returns an error.
func (o *OrderTotals) Read(r io.Reader) error {
	var got OrderTotals
	if err := json.NewDecoder(r).Decode(&got); err != nil {
		return fmt.Errorf("no totals of an order: %w", err)
	}
	*o = got
	return nil
}

// Write writes the totals as JSON.
func (o *OrderTotals) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(o); err != nil {
		return fmt.Errorf("writing the totals of an order: %w", err)
	}
	return nil
}

// Order is what the order between sessions did to a run.
type Order struct {
	// Totals are those of the run; nil when it has none.
	Totals *OrderTotals `json:"totals,omitempty"`
	// The rest is summed up from the run's commands. Waited is how long commands
	// were held back for those of other sessions, of those that were. It is no part
	// of the times of answers, nor of the lag.
	Waited Times `json:"waited"`
	// Guessed are the commands with a guessed place, DroppedIn those that did not
	// wait for all that they were to wait for, RedoneIn those of transactions that
	// were begun anew.
	Guessed   uint64 `json:"guessed_commands"`
	DroppedIn uint64 `json:"commands_with_dropped_waits"`
	RedoneIn  uint64 `json:"commands_redone"`
}

// orderSums sums up the Order of a run's commands.
type orderSums struct {
	waited                   times
	guessed, dropped, redone uint64
}

func (s *orderSums) add(o *session.Order) {
	if o == nil {
		return
	}
	if o.Waited > 0 {
		s.waited.add(min(o.Waited, longest))
	}
	s.guessed += one(slices.ContainsFunc(o.Guesses, func(g session.Guess) bool { return !g.Rests }))
	s.dropped += one(o.Dropped > 0)
	s.redone += one(o.Redone > 0)
}

// orderModel returns the section; nil when the run says nothing of an order.
func (b *Builder) orderModel() *Order {
	s := &b.order
	if b.options.Order == nil && s.waited.count+s.guessed+s.dropped+s.redone == 0 {
		return nil
	}
	o := &Order{Waited: s.waited.model(), Guessed: s.guessed, DroppedIn: s.dropped, RedoneIn: s.redone}
	if b.options.Order != nil {
		totals := *b.options.Order
		o.Totals = &totals
	}
	return o
}

// isAsRecorded tells whether a command failed of locks in the recording, and was
// made to do so in the replay.
func (b *Builder) isAsRecorded(e *entry) bool {
	p, q := e.sides[recorded].skipped, e.sides[replayed].skipped
	return (q == session.SkipDeadlock || q == session.SkipLockTimeout) && (p == q || b.options.Sides != TwoRuns)
}

// asRecorded counts such a command.
func (b *Builder) asRecorded(e *entry) {
	if e.sides[replayed].skipped == session.SkipDeadlock {
		b.account.deadlocks++
		e.join.wrote.end() // it was rolled back
	} else {
		b.account.lockTimeouts++
	}
	if e.class != nil {
		e.class.asRecorded++
	}
}

// model returns the counts by name.
func (a *AsRecorded) model() (list []Count) {
	for _, c := range []Count{{session.SkipDeadlock.String(), a.Deadlocks}, {session.SkipLockTimeout.String(), a.LockTimeouts}} {
		if c.Count > 0 {
			list = append(list, c)
		}
	}
	return list
}

// order writes the section about the order between sessions.
func (t *text) order() {
	o := t.r.Order
	if o == nil {
		return
	}
	head := "# Order between sessions"
	if o.Totals != nil && o.Totals.Mode != "" {
		head += ": " + plain(printable([]byte(o.Totals.Mode)), false)
	}
	t.line("")
	t.line("%s %s", head, t.rule(len(head)+1))
	row := func(name, words string) { t.wrap(fmt.Sprintf("# %-16s ", name), "#                  ", words) }
	if s := o.Totals; s != nil {
		w, r := &s.Waits, &s.Reasons
		row("Waits", fmt.Sprintf("%s for %s: %s proven, %s inferred, %s guessed; %s write-write, %s write-read, %s read-write, %s barrier",
			number(w.Proven+w.Inferred+w.Guessed), plural(s.Steps, "command", "commands"), number(w.Proven), number(w.Inferred), number(w.Guessed),
			number(r.WriteWrite), number(r.WriteRead), number(r.ReadWrite), number(r.Barrier)))
		row("Ambiguous reads", fmt.Sprintf("%s of %s (%s)", number(s.Ambiguous), number(s.Reads), percent(float64(s.Ambiguous), float64(s.Reads))))
		if s.GTIDs+s.OddGTIDs > 0 {
			row("GTIDs", fmt.Sprintf("%s in their order; %s not used, for what was seen contradicts them", plural(s.GTIDs, "commit", "commits"), number(s.OddGTIDs)))
		}
		row("Given up", strings.Join([]string{plural(s.Dropped, "wait", "waits") + " dropped (" + number(s.DroppedProven) + " proven)",
			plural(s.HeldUp, "command", "commands") + " held up by locks",
			plural(s.Redone, "transaction", "transactions") + " begun anew", number(s.NotRedone) + " that could not be",
			plural(s.Stalls, "stall", "stalls"), plural(s.WindowForced, "place", "places") + " settled early"}, ", "))
	}
	row("Sync wait", syncWords(o))
	if o.Guessed+o.DroppedIn+o.RedoneIn > 0 {
		row("Commands", fmt.Sprintf("%s with a guessed place, %s that did not wait for all, %s redone", number(o.Guessed), number(o.DroppedIn), number(o.RedoneIn)))
	}
}

func syncWords(o *Order) string {
	if o.Waited.Count == 0 {
		if o.Totals != nil && o.Totals.SyncWait > 0 {
			return duration(o.Totals.SyncWait) + " in all"
		}
		return "none"
	}
	d := &o.Waited
	return fmt.Sprintf("%s in all: %s held back, median %s, 95%% %s, at most %s. It is no part of the times of answers, nor of the lag.",
		duration(d.Total), plural(d.Count, "command", "commands"), duration(d.P50), duration(d.P95), duration(d.Max))
}
