package feed

import (
	"fmt"
	"maps"
	"slices"

	"myreplay/capfile"
	"myreplay/session"
)

// snapshot is what was open when a connection broke: the sessions as they were
// when the block before number ended. Whether they can be resumed is known when
// there is a connection again.
type snapshot struct {
	number   uint64
	sessions map[uint64]*open
}

// snapshot ends the block at hand and returns what is open after it.
func (b *buffer) snapshot() *snapshot {
	b.seal()
	for i := range b.owed {
		b.owed[i].old = true
	}
	return &snapshot{number: b.next(), sessions: b.sessions.copy()}
}

// restart is a stream that begins anew, because the assistant is another or has
// forgotten it. What may have been replayed is given up; the sessions that were
// open then are introduced anew; what came later follows.
type restart struct {
	from   *snapshot
	old    []block // from the snapshot's number on, to be filtered
	out    []block
	lost   int64
	filter filter
}

// restart takes the blocks of the old life out of the buffer. It is quick: what
// takes time is done by work.
func (b *buffer) restart(from *snapshot) *restart {
	b.seal()
	r := &restart{from: from}
	n := min(int(from.number-b.base), len(b.blocks)) // base is not above: nothing after a snapshot is acknowledged
	for i := range b.blocks[:n] {
		b.used -= b.blocks[i].size()
		r.lost += int64(b.blocks[i].events)
	}
	b.blocks = slices.Delete(b.blocks, 0, n)
	b.base, b.sent, b.wrote, b.flight = from.number, 0, 0, 0
	r.old = slices.Clone(b.blocks)
	b.owed = slices.DeleteFunc(b.owed, func(w owed) bool { return w.old })
	for id, was := range from.sessions {
		if o := b.sessions.sessions[id]; o != nil && o.start == was.start {
			o.since = was.seq
		}
	}
	return r
}

// work makes the blocks of the new life. It needs no lock.
func (r *restart) work() error {
	w := blockList{enc: capfile.NewBlockEncoder()}
	for _, id := range slices.Sorted(maps.Keys(r.from.sessions)) {
		if err := w.add(r.from.sessions[id].again()); err != nil {
			return fmt.Errorf("introducing session %d anew: %w", id, err)
		}
	}
	r.filter = filter{known: map[uint64]*open{}}
	for id, o := range r.from.sessions {
		c := *o
		c.since = o.seq
		r.filter.known[id] = &c
	}
	var dec capfile.BlockDecoder
	for _, x := range r.old {
		events, err := dec.Decode(x.data)
		if err != nil {
			return fmt.Errorf("reading a block of our own: %w", err)
		}
		for _, ev := range events {
			if !r.filter.passes(ev) {
				r.lost++
				continue
			}
			if err := w.add(ev); err != nil {
				return fmt.Errorf("writing a block anew: %w", err)
			}
		}
	}
	w.seal()
	r.out = w.blocks
	return nil
}

// finish puts the new blocks in place of the old ones.
func (b *buffer) finish(r *restart) {
	for i := range r.old {
		b.used -= r.old[i].size()
	}
	for i := range r.out {
		b.used += r.out[i].size()
	}
	b.blocks = append(r.out, b.blocks[len(r.old):]...)
	b.base, b.mark, b.sent, b.wrote, b.flight = 1, 1, 0, 0, 0
	b.lost += r.lost
	b.room()
}

// blockList makes blocks of events.
type blockList struct {
	enc    *capfile.BlockEncoder
	blocks []block
}

func (w *blockList) add(ev session.Event) error {
	err := w.enc.Add(ev)
	if err == capfile.ErrBlockFull {
		w.seal()
		err = w.enc.Add(ev)
	}
	if w.enc.Size() >= blockBytes {
		w.seal()
	}
	return err
}

func (w *blockList) seal() {
	if n := w.enc.Events(); n > 0 {
		w.blocks = append(w.blocks, block{w.enc.Append(nil), n})
	}
}

// filter lets those events pass that a new assistant can understand.
type filter struct {
	known map[uint64]*open // seq, query and since count
}

func (f *filter) passes(ev session.Event) bool {
	id, _ := ev.Key()
	if id == 0 {
		return true
	}
	if s, ok := ev.(*session.Start); ok {
		f.known[id] = &open{start: s}
		return true
	}
	o := f.known[id]
	if o == nil {
		return false
	}
	if c, ok := ev.(*session.Command); ok {
		o.seq = c.Seq
		if c.Kind != session.FileData {
			o.query = c.Seq
		}
	}
	return o.since == 0 || !o.unseen(ev)
}
