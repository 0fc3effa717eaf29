package relay

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"myreplay/flow"
)

// The law of the queue: whatever is told and read in whichever order, each side's
// data and gaps make up what it sent, every byte in its place; marks come after
// what was told before them; and no more waits than the limits allow.
func TestQueue(t *testing.T) {
	sent := [2][]byte{randomBytes(1, 8<<20), randomBytes(2, 8<<20)}
	rapid.Check(t, func(t *rapid.T) {
		q, stats := newQueue(), &Stats{}
		told := teller{queue: q, stats: stats}
		told.begin(&flow.Conn{ID: 1})
		var put, got [2]int
		read := func() bool {
			var c flow.Chunk
			if err := q.next(&c); err != nil {
				return false
			}
			switch c.Kind {
			case flow.Data:
				begin := got[c.Side] % len(sent[c.Side])
				got[c.Side] += len(c.Data)
				if !bytes.Equal(c.Data, sent[c.Side][begin:begin+len(c.Data)]) {
					t.Fatal("the data are not what was sent there")
				}
			case flow.Gap:
				got[c.Side] += int(c.Lost)
			case flow.TLS, flow.Close:
				if got != put {
					t.Fatalf("%v after %v bytes, told after %v", c.Kind, got, put)
				}
				return false
			}
			return true
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"data", "data", "data", "small", "read", "mark"}).Draw(t, "step") {
			case "data":
				side := rapid.SampledFrom([]flow.Side{flow.Client, flow.Server}).Draw(t, "side")
				begin := put[side] % len(sent[side])
				n := min(rapid.SampledFrom([]int{1, 100, 5000, 70_000, 300_000, 3 << 20}).Draw(t, "bytes"), len(sent[side])-begin)
				told.Data(side, sent[side][begin:begin+n])
				put[side] += n
			case "small":
				for range 3000 {
					told.Data(flow.Client, sent[0][put[0]%len(sent[0]):][:1])
					put[0]++
				}
			case "read":
				for range rapid.IntRange(1, 5000).Draw(t, "chunks") {
					if q.chunks > 0 && q.unread() {
						read()
					}
				}
			case "mark":
				told.TLS()
				for read() {
				}
			}
			if q.bytes > QueueBytes || q.chunks > queueChunks+4 {
				t.Fatalf("%d bytes and %d chunks wait", q.bytes, q.chunks)
			}
		}
		told.end(flow.Server, flow.Finished)
		q.end()
		for read() {
		}
		var c flow.Chunk
		if err := q.next(&c); !errors.Is(err, io.EOF) {
			t.Fatalf("after the end: %v", err)
		}
	})
}

// unread tells whether next has something to return at once.
func (q *queue) unread() bool {
	return len(q.filled) > 0 || len(q.taken) > 1 || len(q.taken) == 1 && q.at < len(q.taken[0].chunks)
}

// Several connections may tell while one reads; nothing is lost or mixed up.
func TestQueueTogether(t *testing.T) {
	q, stats := newQueue(), &Stats{}
	var tellers sync.WaitGroup
	const conns, pieces = 8, 5000
	for i := range conns {
		tellers.Go(func() {
			told := teller{queue: q, stats: stats}
			told.begin(&flow.Conn{ID: uint64(i)})
			for n := range pieces {
				told.Data(flow.Client, bytes.Repeat([]byte{byte(n)}, 1+n%90))
			}
			told.end(flow.Client, flow.Finished)
		})
	}
	go func() { tellers.Wait(); q.end() }()
	var c flow.Chunk
	var seen [conns]int
	at := int64(0)
	for !errors.Is(q.next(&c), io.EOF) {
		if c.Kind != flow.Data {
			continue
		}
		n := seen[c.Conn.ID]
		if len(c.Data) != 1+n%90 || c.Data[0] != byte(n) || c.At == 0 {
			t.Fatalf("piece %d of connection %d is not what was told", n, c.Conn.ID)
		}
		seen[c.Conn.ID]++
		at = c.At
	}
	for i, n := range seen {
		if n != pieces {
			t.Errorf("%d pieces of connection %d", n, i)
		}
	}
	if stats.Gaps.Load() != 0 || at > q.clock.now() {
		t.Error("there are gaps, or times to come")
	}
}
