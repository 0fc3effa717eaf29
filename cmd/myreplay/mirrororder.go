package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"myreplay/mirror"
	"myreplay/order"
	"myreplay/replay"
)

// liveOrderArgs are the flags that say how faithful a mirror is.
type liveOrderArgs struct {
	order  string
	pin    string
	window time.Duration
}

func (a *liveOrderArgs) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.order, "order", "none", "order between sessions: none, or row: what touches the same rows keeps the source's order (with --writes)")
	f.DurationVar(&a.window, "window", order.DefaultLiveWindow, "with --order row: how long a write waits for the source's reply, which tells its place; then it is guessed")
	f.StringVar(&a.pin, "pin", "", "values that the target is to make up as the source did: ids,time, values that it makes up and later commands name are mapped: values, or none (default: ids,time,values with --order row, else none)")
}

// check refuses what does not go together. targets is how many sources have one.
func (a *liveOrderArgs) check(readOnly bool, copies, targets int) error {
	p, err := parsePins(a.pin)
	switch {
	case err != nil:
		return err
	case a.order != "none" && a.order != "row":
		return fmt.Errorf("--order %s: a mirror has none and row", a.order)
	case a.window <= 0:
		return fmt.Errorf("--window %s: it must be more than nothing", a.window)
	case a.order == "none" && p.ids:
		return errors.New("--pin ids: the source's ids are known in time with --order row only")
	case a.order == "none":
		return nil
	case readOnly:
		return errors.New("--order row is of use with --writes only")
	case copies > 1:
		return errors.New("--order row: with copies there is no order between sessions")
	case targets > 1:
		return errors.New("--order row: one mirror keeps the order of one source; start one for each -x")
	}
	return nil
}

// liveOrder is what a mirror decides about the order between sessions.
type liveOrder struct {
	Order   string        `json:"order,omitempty"`
	Wait    time.Duration `json:"order_window,omitempty"`
	PinIDs  bool          `json:"pin_ids,omitempty"`
	PinTime bool          `json:"pin_time,omitempty"`
	Values  bool          `json:"map_values,omitempty"`
}

// decided returns what the flags say: they were checked.
func (a *liveOrderArgs) decided(writes bool) liveOrder {
	o := liveOrder{Order: a.order, Wait: a.window}
	if !writes {
		o.Order = "none"
	}
	pin := a.pin
	if pin == "" && o.Order == "row" {
		pin = "ids,time,values"
	}
	p, _ := parsePins(pin)
	o.PinIDs, o.PinTime, o.Values = p.ids && o.Order == "row", p.times, p.values
	return o
}

// apply readies a live replay. It asks the target for its tables.
func (s *liveOrder) apply(c *cobra.Command, to routes, t *targetArgs, o *replay.Options) (*faithful, error) {
	f := &faithful{}
	o.Values = s.Values
	if s.Order != "row" {
		if s.PinTime {
			o.Pins = replay.NewPins(false, true, nil)
		}
		return f, nil
	}
	f.mode = order.Row
	why := errors.New("only a mysql:// target can be asked")
	if u := classicTarget(to.urls()); u != nil {
		f.server, why = t.control(c.Context(), u, passwordPrompt())
	}
	if f.server != nil {
		var err error
		if f.schema, err = f.server.Schema(c.Context(), nil); err != nil {
			f.close()
			return nil, fmt.Errorf("--order row: the target's tables: %w", err)
		}
		f.asks(o)
	} else {
		fmt.Fprintf(c.ErrOrStderr(), "order: keys are not known (%v): rows are told apart by the statements' texts alone\n", why)
	}
	if s.PinIDs || s.PinTime {
		o.Pins = replay.NewPins(s.PinIDs, s.PinTime, f.schema)
	}
	live := order.NewLive(order.Options{Mode: f.mode, Schema: f.schema}, s.Wait)
	f.planner, o.Order = live, live
	return f, nil
}

// figures adds what the planner counts.
func (f *faithful) figures(o *mirror.OrderFigures) {
	if f.planner == nil || o == nil {
		return
	}
	s := f.planner.Stats()
	o.Proven, o.Guessed, o.Late = s.Waits[order.Proven], s.Waits[order.Guessed]+s.Waits[order.Inferred], s.Late
	o.Reads, o.Ambiguous, o.Deadlocks, o.LockTimeouts = s.Reads, s.Ambiguous, s.Deadlocks, s.LockTimeouts
}

// orderWords says in a few words what the order does; "" without one.
func orderWords(o *mirror.OrderFigures) string {
	if o == nil {
		return ""
	}
	words := fmt.Sprintf("%s held back now; %s proven, %s guessed", count(o.Blocked, "session"), count(o.Proven, "wait"), thousands(uint64(o.Guessed)))
	if o.Late > 0 {
		words += fmt.Sprintf(", %s sent before the source's reply", thousands(uint64(o.Late)))
	}
	if o.Dropped > 0 {
		words += fmt.Sprintf(", %s given up", thousands(uint64(o.Dropped)))
	}
	return words
}

// orderRemarks sums up what the order did.
func orderRemarks(out io.Writer, o *mirror.OrderFigures) {
	if o == nil {
		return
	}
	fmt.Fprintf(out, "order row: %s proven, %s guessed; %s of %s overlap with a commit; %s waited %s in all\n", count(o.Proven, "wait"), thousands(uint64(o.Guessed)),
		thousands(uint64(o.Ambiguous)), count(o.Reads, "read"), count(o.Waited, "command"), duration(time.Duration(o.SyncWait)))
	remark(out, o.Late, count(o.Late, "command")+" sent before the source's reply was seen, at a guess: --window was over")
	remark(out, o.Dropped, count(o.Dropped, "wait")+" given up so that the mirror went on")
	remark(out, o.Redone, count(o.Redone, "transaction")+" begun anew because the target refused a lock")
	remark(out, o.NotRedone, count(o.NotRedone, "refused lock")+" that could not be tried again")
	remark(out, o.Deadlocks+o.LockTimeouts, count(o.Deadlocks, "deadlock")+" and "+count(o.LockTimeouts, "lock timeout")+" replayed as recorded")
}

// orderMetrics are there where an order is kept.
var orderMetrics = []metric{
	counter("order_proven_waits_total", "Waits of commands for those of other sessions that the recording proves.", func(f *mirror.Figures) int64 { return f.Target.Order.Proven }),
	counter("order_guessed_waits_total", "Such waits that are guesses.", func(f *mirror.Figures) int64 { return f.Target.Order.Guessed }),
	counter("order_late_total", "Commands sent before the source's reply was seen, at a guess.", func(f *mirror.Figures) int64 { return f.Target.Order.Late }),
	counter("order_reads_total", "Commands that read a snapshot.", func(f *mirror.Figures) int64 { return f.Target.Order.Reads }),
	counter("order_ambiguous_reads_total", "Such commands that overlap with a commit.", func(f *mirror.Figures) int64 { return f.Target.Order.Ambiguous }),
	counter("order_waited_total", "Commands that were held back for other sessions.", func(f *mirror.Figures) int64 { return f.Target.Order.Waited }),
	{"order_wait_seconds_total", "How long they were, in all.", false, func(f *mirror.Figures) float64 { return time.Duration(f.Target.Order.SyncWait).Seconds() }},
	gauge("order_blocked_sessions", "Sessions that are held back now.", func(f *mirror.Figures) int64 { return f.Target.Order.Blocked }),
	counter("order_dropped_waits_total", "Waits given up so that the mirror went on.", func(f *mirror.Figures) int64 { return f.Target.Order.Dropped }),
	counter("order_redone_total", "Transactions begun anew because the target refused a lock.", func(f *mirror.Figures) int64 { return f.Target.Order.Redone }),
	counter("order_not_redone_total", "Refused locks that could not be tried again.", func(f *mirror.Figures) int64 { return f.Target.Order.NotRedone }),
}
