package capfile

import (
	"net/netip"
	"slices"

	"myreplay/session"
)

// Outcomes is the number of outcomes that Totals tell apart; index 0 counts
// those that this version does not know.
const Outcomes = int(session.Text) + 1

// MaxServers is how many server addresses Totals remember.
const MaxServers = 32

// Totals counts what a capture holds. Arrays are indexed by the enumeration's
// number; values that this version does not know count at index 0.
type Totals struct {
	// Events counts all events, of every type.
	Events uint64 `json:"events,omitzero"`
	// Sessions counts Starts, Joined those whose beginning was not seen,
	// Encrypted those in TLS, Refused those whose login failed, and Ended Ends.
	Sessions  uint64 `json:"sessions,omitzero"`
	Joined    uint64 `json:"joined,omitzero"`
	Encrypted uint64 `json:"encrypted,omitzero"`
	Refused   uint64 `json:"refused,omitzero"`
	Ended     uint64 `json:"ended,omitzero"`
	// Commands counts by Kind, Skips the commands of a run by reason; index 0 of
	// Skips counts commands that were sent.
	Commands [session.KindCount]uint64 `json:"commands,omitzero"`
	Skips    [session.SkipCount]uint64 `json:"skips,omitzero"`
	// Masked and Cut count commands that can't be replayed for that reason.
	Masked uint64 `json:"masked,omitzero"`
	Cut    uint64 `json:"cut,omitzero"`
	// Replies counts replies, LostReplies those that were not seen whole.
	Replies     uint64 `json:"replies,omitzero"`
	LostReplies uint64 `json:"lost_replies,omitzero"`
	// Results counts by Outcome; Rows sums their rows.
	Results [Outcomes]uint64 `json:"results,omitzero"`
	Rows    uint64           `json:"rows,omitzero"`
	// Gaps counts by Reason; LostBytes sums the bytes of those that belong to a
	// session, LostPackets the packets of those that do not.
	Gaps        [session.ReasonCount]uint64 `json:"gaps,omitzero"`
	LostBytes   [session.ReasonCount]uint64 `json:"lost_bytes,omitzero"`
	LostPackets uint64                      `json:"lost_packets,omitzero"`
	// First and Last are the times of the first and the last event in
	// nanoseconds since the Unix epoch, 0: none.
	First int64 `json:"first,omitzero,string"`
	Last  int64 `json:"last,omitzero,string"`
	// Servers are the server addresses of the sessions, at most MaxServers.
	Servers []netip.AddrPort `json:"servers,omitzero"`
	// Dropped counts events that are not in the capture because it could not be
	// written fast enough, or because one was over MaxEvent.
	Dropped Dropped `json:"dropped,omitzero"`
	// Deleted counts events that were written and then deleted to stay within
	// Options.MaxTotal. No segment holds it: the number of the first event that
	// is left tells.
	Deleted uint64 `json:"-"`
	// Blocks counts blocks, Raw sums their bytes before compression, Stored
	// their bytes on disk.
	Blocks uint64 `json:"blocks,omitzero"`
	Raw    uint64 `json:"raw,omitzero"`
	Stored uint64 `json:"stored,omitzero"`
}

// Dropped counts events that were dropped, by type.
type Dropped struct {
	Starts   uint64 `json:"starts,omitzero"`
	Commands uint64 `json:"commands,omitzero"`
	Replies  uint64 `json:"replies,omitzero"`
	Gaps     uint64 `json:"gaps,omitzero"`
	Ends     uint64 `json:"ends,omitzero"`
}

// Events returns the number of events of all types.
func (d *Dropped) Events() uint64 { return d.Starts + d.Commands + d.Replies + d.Gaps + d.Ends }

// CommandCount returns the number of commands of all kinds.
func (t *Totals) CommandCount() uint64 {
	var n uint64
	for _, c := range t.Commands {
		n += c
	}
	return n
}

// count counts an event.
func (t *Totals) count(ev session.Event) {
	t.Events++
	switch ev := ev.(type) {
	case *session.Start:
		t.countStart(ev)
	case *session.Command:
		t.Commands[known(int(ev.Kind), session.KindCount)]++
		t.Skips[known(int(ev.Skipped), session.SkipCount)]++
		if ev.Masked {
			t.Masked++
		}
		if ev.Cut {
			t.Cut++
		}
	case *session.Reply:
		t.Replies++
		if ev.Lost {
			t.LostReplies++
		}
		for i := range ev.Results {
			t.Results[known(int(ev.Results[i].Outcome), Outcomes)]++
			t.Rows += ev.Results[i].Rows
		}
	case *session.Gap:
		t.countGap(ev)
	case *session.End:
		t.Ended++
	}
	if _, at := ev.Key(); at != 0 {
		t.span(at, at)
	}
}

func (t *Totals) countStart(s *session.Start) {
	t.Sessions++
	if s.Joined {
		t.Joined++
	}
	if s.Encrypted {
		t.Encrypted++
	}
	if s.Refused != nil {
		t.Refused++
	}
	t.server(s.Server)
}

// server remembers an address. It never changes a list that others may hold.
func (t *Totals) server(a netip.AddrPort) {
	i, found := slices.BinarySearchFunc(t.Servers, a, netip.AddrPort.Compare)
	if !found && a.IsValid() && len(t.Servers) < MaxServers {
		t.Servers = slices.Insert(slices.Clone(t.Servers), i, a)
	}
}

func (t *Totals) countGap(g *session.Gap) {
	reason := known(int(g.Reason), session.ReasonCount)
	t.Gaps[reason]++
	if g.ID != 0 {
		t.LostBytes[reason] += g.Lost
	} else {
		t.LostPackets += g.Lost
	}
}

// drop counts the events of other as dropped here.
func (d *Dropped) drop(other *Totals) {
	d.Starts += other.Sessions
	d.Commands += other.CommandCount()
	d.Replies += other.Replies
	for _, n := range other.Gaps {
		d.Gaps += n
	}
	d.Ends += other.Ended
}

func (d *Dropped) add(o *Dropped) {
	d.Starts += o.Starts
	d.Commands += o.Commands
	d.Replies += o.Replies
	d.Gaps += o.Gaps
	d.Ends += o.Ends
}

// span widens First and Last.
func (t *Totals) span(first, last int64) {
	if first != 0 && (t.First == 0 || first < t.First) {
		t.First = first
	}
	if last != 0 && (t.Last == 0 || last > t.Last) {
		t.Last = last
	}
}

// Add adds the counts of another part of the same capture.
func (t *Totals) Add(o *Totals) {
	t.Events += o.Events
	t.Sessions += o.Sessions
	t.Joined += o.Joined
	t.Encrypted += o.Encrypted
	t.Refused += o.Refused
	t.Ended += o.Ended
	addAll(t.Commands[:], o.Commands[:])
	addAll(t.Skips[:], o.Skips[:])
	t.Masked += o.Masked
	t.Cut += o.Cut
	t.Replies += o.Replies
	t.LostReplies += o.LostReplies
	addAll(t.Results[:], o.Results[:])
	t.Rows += o.Rows
	addAll(t.Gaps[:], o.Gaps[:])
	addAll(t.LostBytes[:], o.LostBytes[:])
	t.LostPackets += o.LostPackets
	t.span(o.First, o.Last)
	for _, a := range o.Servers {
		t.server(a)
	}
	t.Dropped.add(&o.Dropped)
	t.Blocks += o.Blocks
	t.Raw += o.Raw
	t.Stored += o.Stored
}

func addAll(dst, src []uint64) {
	for i, n := range src {
		dst[i] += n
	}
}

// known returns i, or 0 when it is not below n.
func known(i, n int) int {
	if i < n {
		return i
	}
	return 0
}
