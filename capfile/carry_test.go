package capfile

import (
	"bytes"
	"testing"

	"myreplay/session"

	"pgregory.net/rapid"
)

// TestCarry: law: what is decoded of carried blocks is what was added, wherever
// blocks end, compressed or not, and each block stands alone.
func TestCarry(t *testing.T) {
	pack, err := NewBlockPacker()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		events := genEvents(t)
		enc, dec := NewBlockEncoder(), &BlockDecoder{}
		var got []session.Event
		flush := func() {
			block := enc.Append(nil)
			if rapid.Bool().Draw(t, "packed") {
				block = pack.Append(nil, block)
			}
			if rapid.Bool().Draw(t, "another decoder") {
				dec = &BlockDecoder{}
			}
			list, err := dec.Decode(block)
			if err != nil {
				t.Fatal(err)
			}
			clear(block) // the events own their bytes
			got = append(got, list...)
		}
		for _, ev := range events {
			if err := enc.Add(ev); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 4).Draw(t, "flush") == 0 {
				flush()
			}
		}
		flush()
		same(t, got, events)
	})
}

// TestCarriedSize: a block of one event is small. The figures are those that
// package feed speaks of.
func TestCarriedSize(t *testing.T) {
	events := sysbenchEvents(100, false)
	enc := NewBlockEncoder()
	for _, ev := range events[:20] {
		if err := enc.Add(ev); err != nil {
			t.Fatal(err)
		}
		block := enc.Append(nil)
		over := len(block)
		if c, ok := ev.(*session.Command); ok {
			over -= len(c.Payload)
		}
		t.Logf("%d bytes, %d without the payload: %s", len(block), over, session.Line(ev))
		if _, ok := ev.(*session.Command); ok && over > 50 {
			t.Errorf("a command of one block takes %d bytes beside its payload", over)
		}
	}
}

// TestCarriedLimits: what is over the limits is refused by both sides.
func TestCarriedLimits(t *testing.T) {
	enc := NewBlockEncoder()
	big := &session.Command{ID: 1, Seq: 1, Kind: session.Query, Payload: make([]byte, MaxEvent), Size: MaxEvent}
	if err := enc.Add(big); err == nil || err == ErrBlockFull || enc.Events() != 0 {
		t.Fatalf("an event over the limit: %v", err)
	}
	big.Payload = big.Payload[:MaxEvent-costEvent]
	if err := enc.Add(big); err != nil {
		t.Fatal(err)
	}
	if err := enc.Add(big); err != ErrBlockFull {
		t.Fatalf("two large events: %v", err)
	}
	block := enc.Append(nil)
	if list, err := new(BlockDecoder).Decode(block); err != nil || len(list) != 1 {
		t.Fatalf("a large event: %v", err)
	}
	if len(block) > MaxCarried {
		t.Fatalf("%d bytes are over MaxCarried", len(block))
	}
	// Results take a byte each in the block, and hundreds in memory.
	many := &session.Reply{ID: 1, Seq: 1, Results: make([]session.Result, 200_000)}
	for i := range many.Results {
		many.Results[i].Outcome = session.OK
	}
	n := 0
	for ; enc.Add(many) == nil; n++ {
	}
	if n != 1 {
		t.Fatalf("%d replies of 50 MB were taken", n)
	}
	// A hostile block has as many.
	var e encoder
	e.reset()
	e.add(many)
	e.add(many)
	hostile := &BlockEncoder{enc: e}
	if _, err := new(BlockDecoder).Decode(hostile.Append(nil)); err == nil {
		t.Fatal("a block over the limit of cost was read")
	}
}

// FuzzCarried decodes carried blocks. Whatever they are: no panic, and what is
// read can be carried again.
func FuzzCarried(f *testing.F) {
	pack, err := NewBlockPacker()
	if err != nil {
		f.Fatal(err)
	}
	for _, prepared := range []bool{false, true} {
		enc := NewBlockEncoder()
		for _, ev := range sysbenchEvents(30, prepared) {
			enc.Add(ev)
		}
		block := enc.Append(nil)
		f.Add(block)
		f.Add(pack.Append(nil, block))
	}
	first, second := vectorEvents()
	for _, ev := range append(first, second...) {
		enc := NewBlockEncoder()
		enc.Add(ev)
		f.Add(enc.Append(nil))
	}
	dec := &BlockDecoder{}
	f.Fuzz(func(t *testing.T, block []byte) {
		kept := bytes.Clone(block)
		got, err := dec.Decode(block)
		if !bytes.Equal(block, kept) {
			t.Fatal("the block was changed")
		}
		if err != nil {
			return
		}
		enc := NewBlockEncoder()
		for _, ev := range got {
			if err := enc.Add(ev); err != nil {
				t.Fatal(err)
			}
		}
		again, err := new(BlockDecoder).Decode(enc.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		same(t, again, got)
	})
}

// BenchmarkCarry measures blocks of 16 KiB; an operation is one event.
func BenchmarkCarry(b *testing.B) {
	pack, err := NewBlockPacker()
	if err != nil {
		b.Fatal(err)
	}
	for _, mode := range benchModes {
		events := benchStream(mode.prepared)
		var blocks, packed [][]byte
		size, small := 0, 0
		enc := NewBlockEncoder()
		for _, ev := range events {
			if enc.Add(ev); enc.Size() >= 15<<10 {
				blocks = append(blocks, enc.Append(nil))
				packed = append(packed, pack.Append(nil, blocks[len(blocks)-1]))
				size += len(blocks[len(blocks)-1])
				small += len(packed[len(packed)-1])
			}
		}
		b.Run(mode.name+"/encode", func(b *testing.B) {
			var buf []byte
			for i := range b.N {
				if enc.Add(events[i%len(events)]); enc.Size() >= 15<<10 {
					buf = enc.Append(buf[:0])
				}
			}
			b.ReportMetric(float64(size)/float64(len(events))*2, "B/statement")
		})
		b.Run(mode.name+"/pack", func(b *testing.B) {
			var buf []byte
			for i := 0; i < b.N; i += len(events) / len(blocks) {
				buf = pack.Append(buf[:0], blocks[i%len(blocks)])
			}
			b.ReportMetric(float64(small)/float64(len(events))*2, "B/statement")
		})
		for name, list := range map[string][][]byte{"decode": blocks, "unpack": packed} {
			b.Run(mode.name+"/"+name, func(b *testing.B) {
				dec := &BlockDecoder{}
				b.ReportAllocs()
				for i, n := 0, 0; n < b.N; i++ {
					got, err := dec.Decode(list[i%len(list)])
					if err != nil {
						b.Fatal(err)
					}
					n += len(got)
				}
			})
		}
	}
}
