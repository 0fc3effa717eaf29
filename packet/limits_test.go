package packet

import (
	"runtime"
	"testing"
	"unsafe"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

// feeder gives an assembler segments of many connections.
type feeder struct {
	t     *testing.T
	a     *assembler
	stats Stats
	kinds map[flow.Kind]int
	data  int
}

func newFeeder(t *testing.T, o Options) *feeder {
	f := &feeder{t: t, kinds: map[flow.Kind]int{}}
	o.Ports = []uint16{3306}
	o = o.withDefaults()
	f.a = newAssembler(&o, &f.stats)
	return f
}

// feed gives a segment of the connection with a number.
func (f *feeder) feed(number int, s packettest.Segment) {
	p := packetOf(&s)
	if s.Side == flow.Client {
		p.src.lo += uint64(number) << 8
	} else {
		p.dst.lo += uint64(number) << 8
	}
	f.a.add(&p)
	f.take()
}

func (f *feeder) take() {
	var c flow.Chunk
	for ok := true; ok; ok = f.a.step() {
		for f.a.pop(&c) {
			f.kinds[c.Kind]++
			f.data += len(c.Data)
		}
		f.a.recycle()
	}
}

// heapBytes is the memory in use.
func heapBytes() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A million different addresses in a minute, each with a SYN that the server
// answers: the table stays small, nothing is announced, and a session in between
// is complete.
func TestSYNFlood(t *testing.T) {
	const flood, second = 1_000_000, int64(1e9)
	f := newFeeder(t, Options{})
	start := heapBytes()
	session := packettest.NewConversation(lawClient, lawServer)
	session.Open()
	for range 1000 {
		session.Send(flow.Client, []byte("question"))
		session.Send(flow.Server, []byte("answer"))
	}
	next := 0
	for i := range flood {
		at := int64(i) * 60 * second / flood
		f.feed(i+1, packettest.Segment{At: at, Side: flow.Client, Flags: packettest.SYN, Seq: uint32(i)})
		if i%2 == 0 {
			f.feed(i+1, packettest.Segment{At: at, Side: flow.Server, Flags: packettest.SYN | packettest.ACK, Ack: uint32(i + 1)})
		}
		if i%400 == 0 && next < len(session.Segments) {
			s := session.Segments[next]
			s.At = at
			f.feed(0, s)
			next++
		}
	}
	if want := 1000 * len("questionanswer"); f.kinds[flow.Open] != 1 || f.kinds[flow.Gap] != 0 || f.data != want {
		t.Errorf("%v, %d bytes, want %d", f.kinds, f.data, want)
	}
	if n := DefaultLimits.Conns / 4; f.a.table.n > n+1 || f.stats.Abandoned < flood-uint64(n) {
		t.Errorf("%d connections are kept, %d abandoned", f.a.table.n, f.stats.Abandoned)
	}
	if used := heapBytes() - start; used > 40<<20 {
		t.Errorf("%d MiB are in use", used>>20)
	}
	runtime.KeepAlive(f)
}

// Ten thousand connections with a hole each, and as much behind the hole as can
// be: what is held stays within the limit, and all of it comes in the end.
func TestHoles(t *testing.T) {
	const conns, size = 10_000, 1400
	f := newFeeder(t, Options{Limits: Limits{TotalBytes: 8 << 20}})
	payload := make([]byte, size)
	sent := 0
	for round := range 5 {
		for i := range conns {
			seq := uint32(round*size + min(round, 1)*100) // the hole is behind the first
			f.feed(i, packettest.Segment{At: int64(round) * 1e6, Side: flow.Client, Flags: packettest.ACK, Seq: seq, Data: payload})
			sent += size
		}
	}
	if f.stats.HeldPeak > 8<<20+segmentOverhead+classSizes[1]+holdOverhead {
		t.Errorf("%d bytes were held", f.stats.HeldPeak)
	}
	if f.stats.Gaps[flow.Memory] == 0 {
		t.Error("no hole was given up")
	}
	for f.a.end() {
		f.take()
	}
	if lost := f.stats.Lost(); f.data != sent || lost != conns*100 {
		t.Errorf("%d bytes of %d, %d lost", f.data, sent, lost)
	}
	if f.a.held != 0 {
		t.Errorf("%d bytes are held", f.a.held)
	}
}

// After a burst, memory goes back.
func TestBurstReturns(t *testing.T) {
	f := newFeeder(t, Options{})
	start := heapBytes()
	payload := make([]byte, 60_000)
	for i := range 200 {
		f.feed(i, packettest.Segment{Side: flow.Client, Flags: packettest.ACK, Seq: 0, Data: payload[:10]})
		for j := range 3 {
			f.feed(i, packettest.Segment{Side: flow.Client, Flags: packettest.ACK, Seq: uint32(100 + j*60_000), Data: payload})
		}
	}
	if f.stats.HeldBytes < 30<<20 {
		t.Fatalf("only %d bytes are held", f.stats.HeldBytes)
	}
	for f.a.end() {
		f.take()
	}
	if used := heapBytes() - start; used > 2*maxFreeBytes {
		t.Errorf("%d KiB are in use", used>>10)
	}
	runtime.KeepAlive(f)
}

// The table finds what is in it after any insertions and removals.
func TestTable(t *testing.T) {
	table := newTable()
	var conns []*conn
	for i := range 5000 {
		c := &conn{key: connKey{lo: addr{lo: uint64(i)}, hiPort: 3306}}
		c.hash = table.hash(&c.key) & 0xfff // many collide
		table.insert(c)
		conns = append(conns, c)
	}
	for round := range 3 {
		for i, c := range conns {
			if i%3 == round {
				table.remove(c)
			}
			want := c
			if i%3 <= round {
				want = nil
			}
			if got := table.find(&c.key, c.hash); got != want {
				t.Fatalf("round %d, %d: %v", round, i, got)
			}
		}
	}
	if table.n != 0 {
		t.Errorf("%d are left", table.n)
	}
}

// The comment of Limits.Conns says how large an entry is.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 216 {
		t.Errorf("a conn takes %d bytes", n)
	}
}
