package feed

import (
	"slices"

	"myreplay/capfile"
	"myreplay/session"
)

// buffer holds what the assistant has not taken over: blocks in order, and the
// one at hand. What does not fit is given up, by whole sessions.
type buffer struct {
	limit int
	enc   *capfile.BlockEncoder

	blocks []block // without gaps
	base   uint64  // the number of blocks[0]
	sent   int     // how many of them were handed to the connection there is
	wrote  int     // how many of them it has taken
	used   int     // bytes of blocks
	flight int     // bytes of those that were sent
	spare  [][]byte

	sessions table
	full     bool   // events are being dropped
	owed     []owed // sessions that the assistant must be told about
	mark     uint64 // the number of the first block that no connection was given

	lost, ended int64
}

// block is a sealed block.
type block struct {
	data   []byte
	events int
}

// size returns what a block counts for.
func (x *block) size() int {
	const beside = 128
	return len(x.data) + beside
}

// owed is a session that was given up, of which the assistant has to hear.
type owed struct {
	id, seq uint64
	at      int64
	old     bool // it was given up before the snapshot
}

func newBuffer(limit int) *buffer {
	return &buffer{limit: limit, enc: capfile.NewBlockEncoder(), base: 1, mark: 1}
}

// next returns the number of the block at hand.
func (b *buffer) next() uint64 { return b.base + uint64(len(b.blocks)) }

// write takes an event. It tells whether there is something to send that was
// not there before.
func (b *buffer) write(ev session.Event) (news bool) {
	before, sealed := b.enc.Events(), len(b.blocks)
	b.take(ev)
	return before == 0 && b.enc.Events() > 0 || len(b.blocks) > sealed
}

// take puts an event into the block at hand, or drops it.
func (b *buffer) take(ev session.Event) {
	id, at := ev.Key()
	var o *open
	if id != 0 {
		if o = b.sessions.see(ev); o == nil || o.lost {
			b.lost++
			return
		}
		if o.since != 0 && o.unseen(ev) {
			b.lost++
			return
		}
	}
	if b.full || b.used+b.enc.Size()+weight(ev) > b.limit || !b.add(ev) {
		b.full = b.full || b.used+b.enc.Size()+weight(ev) > b.limit
		b.lost++
		b.giveUp(id, at, o, ev)
	}
}

// weight returns how much an event may add to the buffer, but for little.
func weight(ev session.Event) int {
	n := 0
	switch ev := ev.(type) {
	case *session.Command:
		n = len(ev.Payload)
	case *session.Reply:
		for i := range ev.Results {
			for _, row := range ev.Results[i].Kept {
				n += len(row)
			}
		}
	}
	return n
}

// unseen tells whether an event belongs to a command that the assistant has not
// seen.
func (o *open) unseen(ev session.Event) bool {
	switch ev := ev.(type) {
	case *session.Command:
		return ev.Kind == session.FileData && o.query <= o.since
	case *session.Reply:
		return ev.Seq <= o.since
	}
	return false
}

// add encodes an event; false: it can't be carried.
func (b *buffer) add(ev session.Event) bool {
	err := b.enc.Add(ev)
	if err == capfile.ErrBlockFull {
		b.seal()
		err = b.enc.Add(ev)
	}
	if b.enc.Size() >= blockBytes {
		b.seal()
	}
	return err == nil
}

// seal ends the block at hand.
func (b *buffer) seal() {
	n := b.enc.Events()
	if n == 0 {
		return
	}
	var data []byte // a spare one only where it is filled: it is counted by its length
	if k := len(b.spare); k > 0 && b.enc.Size() >= blockBytes/2 {
		data, b.spare = b.spare[k-1], b.spare[:k-1]
	}
	x := block{b.enc.Append(data), n}
	b.blocks = append(b.blocks, x)
	b.used += x.size()
}

// giveUp drops a session that lost an event.
func (b *buffer) giveUp(id uint64, at int64, o *open, ev session.Event) {
	if o == nil {
		return
	}
	b.ended++
	o.lost = true
	b.sessions.forget(o)
	o.awaited = nil
	if _, ok := ev.(*session.Start); ok {
		return // the assistant knows nothing of it
	}
	b.owed = append(b.owed, owed{id: id, seq: o.seq + 1, at: at})
	if !b.full {
		b.settle()
	}
}

// settle tells of the sessions that were given up.
func (b *buffer) settle() {
	for _, w := range b.owed {
		b.add(&session.Gap{ID: w.id, At: w.at, Seq: w.seq, Reason: session.QueueFull})
		b.add(&session.End{ID: w.id, At: w.at, Reason: session.QueueFull})
	}
	b.owed = nil
}

// room takes note that the buffer has shrunk.
func (b *buffer) room() {
	if b.full && b.used+b.enc.Size() <= b.limit/4*3 {
		b.full = false
		b.settle()
	}
}

// ack drops the blocks up to a number, which the assistant has taken over.
func (b *buffer) ack(number uint64) error {
	if number < b.base {
		return nil // again
	}
	n := int(min(number-b.base, uint64(len(b.blocks)))) + 1
	if n > b.sent {
		return protocolError("block %d was acknowledged, which was not sent", number)
	}
	for i := range n {
		const spares, small, large = 64, blockBytes / 2, 2 * blockBytes
		b.used -= b.blocks[i].size()
		b.flight -= b.blocks[i].size()
		data := b.blocks[i].data
		if i < b.wrote && len(b.spare) < spares && cap(data) >= small && cap(data) < large {
			b.spare = append(b.spare, data[:0])
		}
	}
	b.blocks = slices.Delete(b.blocks, 0, n)
	b.base += uint64(n)
	b.sent -= n
	b.wrote = max(0, b.wrote-n)
	b.room()
	return nil
}

// send returns the next block to be sent, if the window has room for it.
func (b *buffer) send(window int) (number uint64, data []byte, ok bool) {
	if b.sent == len(b.blocks) {
		return 0, nil, false
	}
	x := &b.blocks[b.sent]
	if b.flight > 0 && b.flight+x.size() > window {
		return 0, nil, false
	}
	number = b.base + uint64(b.sent)
	b.sent++
	b.flight += x.size()
	b.mark = max(b.mark, number+1)
	return number, x.data, true
}

// resume prepares for a connection on which the assistant wants block next and
// has taken over those up to acked. It fails if these were never sent.
func (b *buffer) resume(next, acked uint64) error {
	b.sent = len(b.blocks) // whatever was sent before
	if next > b.mark || next < b.base {
		return protocolError("block %d is wanted, of those from %d to %d", next, b.base, b.mark)
	}
	if err := b.ack(acked); err != nil {
		return err
	}
	b.sent = int(next - b.base)
	b.wrote, b.flight = 0, 0
	for i := range b.sent {
		b.flight += b.blocks[i].size()
	}
	return nil
}
