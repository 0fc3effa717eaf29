package packet

import (
	"bytes"
	"fmt"
	"net/netip"
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"

	"myreplay/flow"
	"myreplay/packet/packettest"
)

// world is a conversation as it was, for comparison with what is reported.
type world struct {
	conv  *packettest.Conversation
	isn   [2]uint32
	bytes [2][]byte // what each side sent
}

var (
	lawClient = netip.MustParseAddrPort("[fd00::1]:41000")
	lawServer = netip.MustParseAddrPort("[fd00::2]:3306")
)

// drawWorld makes a conversation: both sides send messages of various sizes, now
// and then several before they look at the other's, with sequence numbers that may
// wrap around anywhere. The handshake is the first three segments.
func drawWorld(t *rapid.T) *world {
	w := &world{conv: packettest.NewConversation(lawClient, lawServer)}
	c := w.conv
	for s := range w.isn {
		w.isn[s] = rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(1<<32-5000, 1<<32-1)).Draw(t, "isn")
		c.Seq[s] = w.isn[s]
	}
	c.MSS = rapid.IntRange(1, 1000).Draw(t, "mss")
	c.Step = time.Duration(rapid.IntRange(1, 2000).Draw(t, "step")) * time.Microsecond
	c.Open()
	for range rapid.IntRange(1, 20).Draw(t, "messages") {
		side := flow.Side(rapid.IntRange(0, 1).Draw(t, "side"))
		data := make([]byte, rapid.IntRange(0, 40).Draw(t, "size")*c.MSS/8)
		for i := range data {
			data[i] = byte(len(w.bytes[side]) + i*7 + i>>8)
		}
		w.bytes[side] = append(w.bytes[side], data...)
		if len(data) == 0 {
			c.Ack(side)
		} else if rapid.Bool().Draw(t, "without looking") {
			w.sendBlind(side, data)
		} else {
			c.Send(side, data)
		}
	}
	return w
}

// sendBlind sends data that acknowledges no more than the side's last segment did.
func (w *world) sendBlind(side flow.Side, data []byte) {
	ack := w.isn[side.Other()] + 1
	for _, s := range w.conv.Segments {
		if s.Side == side && s.Flags&packettest.ACK != 0 {
			ack = s.Ack
		}
	}
	from := len(w.conv.Segments)
	w.conv.Send(side, data)
	for i := from; i < len(w.conv.Segments); i++ {
		w.conv.Segments[i].Ack = ack
	}
}

// position returns where in its side's stream a segment begins.
func (w *world) position(s *packettest.Segment) int { return int(int32(s.Seq - w.isn[s.Side] - 1)) }

// acked returns how much of the other side's stream a segment acknowledges.
func (w *world) acked(s *packettest.Segment) int {
	return int(int32(s.Ack - w.isn[s.Side.Other()] - 1))
}

// needs returns, for each byte of a side, how much of the other side's stream was
// acknowledged when it was sent first.
func (w *world) needs(side flow.Side) []int {
	need := make([]int, len(w.bytes[side]))
	seen := make([]bool, len(need))
	for i := range w.conv.Segments {
		s := &w.conv.Segments[i]
		if s.Side != side {
			continue
		}
		for j, at := 0, w.position(s); j < len(s.Data); j++ {
			if !seen[at+j] {
				seen[at+j], need[at+j] = true, w.acked(s)
			}
		}
	}
	return need
}

// again makes a segment that repeats any part of what a side has sent before the
// i-th segment and does not know to have arrived, with the acknowledgement of its
// latest one.
func (w *world) again(t *rapid.T, i int) (packettest.Segment, bool) {
	last := w.conv.Segments[i]
	end := w.position(&last) + len(last.Data)
	if last.Flags&packettest.SYN != 0 || end == 0 {
		return last, false
	}
	known := 0
	for j := range w.conv.Segments[:i] {
		s := &w.conv.Segments[j]
		if s.Side != last.Side && w.position(s)+len(s.Data) <= w.acked(&last) && s.Flags&packettest.SYN == 0 {
			known = max(known, w.acked(s))
		}
	}
	from := rapid.IntRange(min(known, end), end).Draw(t, "from")
	to := rapid.IntRange(from, end).Draw(t, "to")
	last.Seq = w.isn[last.Side] + 1 + uint32(from)
	last.Data = w.bytes[last.Side][from:to]
	return last, true
}

// run gives segments to an assembler, with the times of their order, and returns
// the chunks that it makes. Data is copied.
func run(segments []packettest.Segment, o Options, stats *Stats) []flow.Chunk {
	o.Ports = []uint16{3306}
	o = o.withDefaults()
	a := newAssembler(&o, stats)
	var out []flow.Chunk
	take := func() {
		var c flow.Chunk
		for ok := true; ok; ok = a.step() {
			for a.pop(&c) {
				c.Data = bytes.Clone(c.Data)
				out = append(out, c)
			}
			a.recycle()
		}
	}
	for i := range segments {
		p := packetOf(&segments[i])
		a.add(&p)
		take()
	}
	for a.end() {
		take()
	}
	take()
	if a.held != 0 || len(a.heap) != 0 {
		panic(fmt.Sprintf("%d bytes held, %d waiting", a.held, len(a.heap)))
	}
	return out
}

func packetOf(s *packettest.Segment) tcpPacket {
	p := tcpPacket{
		at: s.At, v6: true, flags: s.Flags, seq: s.Seq, ack: s.Ack, data: s.Data, size: uint32(len(s.Data)),
		src: addrOf(lawClient.Addr()), dst: addrOf(lawServer.Addr()), srcPort: lawClient.Port(), dstPort: lawServer.Port(),
	}
	if s.Side == flow.Server {
		p.src, p.dst, p.srcPort, p.dstPort = p.dst, p.src, p.dstPort, p.srcPort
	}
	return p
}

// story is what the chunks of one connection say.
type story struct {
	missing [2][]span // by position
	end     [2]int
}

// check reads the chunks: every byte must be the one that was sent at its
// position, and nothing may come before what it acknowledges was delivered or
// declared lost.
func (w *world) check(t *rapid.T, chunks []flow.Chunk) *story {
	st := &story{}
	needs := [2][]int{w.needs(flow.Client), w.needs(flow.Server)}
	for i, c := range chunks {
		at := st.end[c.Side]
		switch c.Kind {
		case flow.Data:
			if at+len(c.Data) > len(w.bytes[c.Side]) || !bytes.Equal(c.Data, w.bytes[c.Side][at:at+len(c.Data)]) {
				t.Fatalf("chunk %d: %v's bytes at %d are not what was sent", i, c.Side, at)
			}
			for j := range c.Data {
				if need := needs[c.Side][at+j]; st.end[c.Side.Other()] < need {
					t.Fatalf("chunk %d: %v's byte %d before the other side's %d, only %d were told",
						i, c.Side, at+j, need, st.end[c.Side.Other()])
				}
			}
			st.end[c.Side] += len(c.Data)
		case flow.Gap:
			to := at + int(c.Lost)
			if m := st.missing[c.Side]; len(m) > 0 && m[len(m)-1].to == at {
				m[len(m)-1].to = to
			} else {
				st.missing[c.Side] = append(m, span{at, to})
			}
			st.end[c.Side] = to
		}
	}
	return st
}

// Law: reordered within a window, doubled, repeated in other pieces: each side's
// bytes are the same, nothing is lost, and causal order holds.
func TestLawReorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		segments := shuffle(t, w, rapid.IntRange(0, 8).Draw(t, "window"))
		var stats Stats
		chunks := run(segments, Options{}, &stats)
		st := w.check(t, chunks)
		for s := range st.end {
			if len(st.missing[s]) > 0 || st.end[s] != len(w.bytes[s]) {
				t.Fatalf("side %d: %d of %d bytes, missing %v", s, st.end[s], len(w.bytes[s]), st.missing[s])
			}
		}
		if stats.Conflicts+stats.Forced+stats.Resyncs+stats.Implausible > 0 {
			t.Fatalf("%+v", stats)
		}
	})
}

// shuffle returns the segments of w, some of them twice, some repeated in other
// pieces, each up to window places away from where it was. The handshake stays in
// front. The times are those of the new order.
func shuffle(t *rapid.T, w *world, window int) []packettest.Segment {
	type placed struct {
		packettest.Segment
		place float64
	}
	var all []placed
	for i, s := range w.conv.Segments {
		place := float64(i)
		if i >= 3 {
			place += float64(rapid.IntRange(0, window).Draw(t, "delay")) + 0.5
		}
		all = append(all, placed{s, place})
		switch rapid.IntRange(0, 5).Draw(t, "what else") {
		case 0:
			all = append(all, placed{s, place + float64(rapid.IntRange(0, 5).Draw(t, "delay of the copy"))})
		case 1:
			if again, ok := w.again(t, i); ok {
				all = append(all, placed{again, place + float64(rapid.IntRange(1, 5).Draw(t, "delay of the repetition"))})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].place < all[j].place })
	out := make([]packettest.Segment, len(all))
	for i := range all {
		out[i] = all[i].Segment
		out[i].At = w.conv.Segments[0].At + int64(i)*int64(w.conv.Step)
	}
	return out
}

// Law: with packets missing, every byte that comes is at its right position, and
// the gaps name exactly the missing bytes: those that were not recorded, as far as
// something later of the side, or an acknowledgement, proves that they were sent.
func TestLawMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.conv.Step *= time.Duration(rapid.IntRange(1, 50).Draw(t, "slower"))
		kept := w.conv.Segments[:3:3]
		for i, s := range w.conv.Segments[3:] {
			s.At = w.conv.Segments[0].At + int64(i+3)*int64(w.conv.Step)
			if rapid.IntRange(0, 4).Draw(t, "lost") > 0 {
				kept = append(kept, s)
			}
		}
		chunks := run(kept, Options{}, new(Stats))
		st := w.check(t, chunks)
		for s := range st.missing {
			if want := w.missing(flow.Side(s), kept); fmt.Sprint(want) != fmt.Sprint(st.missing[s]) {
				t.Fatalf("side %d: gaps %v, want %v", s, st.missing[s], want)
			}
		}
	})
}

// missing returns the ranges of a side's stream that the segments do not hold but
// prove.
func (w *world) missing(side flow.Side, segments []packettest.Segment) []span {
	have := make([]bool, len(w.bytes[side]))
	end := 0
	for i := range segments {
		s := &segments[i]
		switch {
		case s.Flags&packettest.SYN != 0:
		case s.Side != side:
			end = max(end, w.acked(s))
		case len(s.Data) > 0:
			at := w.position(s)
			for j := range s.Data {
				have[at+j] = true
			}
			end = max(end, at+len(s.Data))
		}
	}
	var out []span
	for i, h := range have[:end] {
		if h {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to == i {
			out[n-1].to++
		} else {
			out = append(out, span{i, i + 1})
		}
	}
	return out
}

// Law: joined after any number of packets, what is told of each side is a part of
// what it sent, in one piece but for gaps, and up to its end.
func TestLawJoined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		segments := w.conv.Segments[rapid.IntRange(1, len(w.conv.Segments)).Draw(t, "first"):]
		chunks := run(segments, Options{}, new(Stats))
		for side := range w.bytes {
			told, known := 0, false
			for _, c := range chunks {
				if int(c.Side) == side {
					told += len(c.Data) + int(c.Lost)
					known = known || c.Kind == flow.Data
				}
				if c.Kind == flow.Open && !c.Conn.Joined {
					return // the SYN-ACK was still there
				}
			}
			at := len(w.bytes[side]) - told
			if known && at < 0 {
				t.Fatalf("side %d: %d of %d bytes", side, told, len(w.bytes[side]))
			}
			for _, c := range chunks {
				if int(c.Side) != side || !known {
					continue
				}
				if c.Kind == flow.Data && !bytes.Equal(c.Data, w.bytes[side][at:at+len(c.Data)]) {
					t.Fatalf("side %d: other bytes at %d", side, at)
				}
				at += len(c.Data) + int(c.Lost)
			}
		}
	})
}

// Law: with the tightest limits no byte comes at a wrong position, causal order
// holds, and what is held stays within the limits.
func TestLawLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		segments := shuffle(t, w, 8)
		for i := 0; i < len(segments); i++ {
			if i > 3 && rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				segments = append(segments[:i], segments[i+1:]...)
			}
		}
		limits := Limits{
			StreamBytes:    rapid.IntRange(1, 5000).Draw(t, "stream"),
			TotalBytes:     rapid.IntRange(1, 8000).Draw(t, "total"),
			StreamSegments: rapid.IntRange(1, 10).Draw(t, "segments"),
		}
		var stats Stats
		w.check(t, run(segments, Options{Limits: limits}, &stats))
		largest := 0
		for _, s := range segments {
			largest = max(largest, len(s.Data))
		}
		// A segment is taken in before the limits are looked at, in a few pieces.
		most := limits.TotalBytes + 2*holdOverhead + 4*(segmentOverhead+classSizes[1])
		if largest > classSizes[1] {
			most += classSizes[3]
		}
		if stats.HeldPeak > most {
			t.Fatalf("%d bytes were held, more than %d", stats.HeldPeak, most)
		}
	})
}

// Law: the same segments give the same chunks.
func TestLawSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		segments := shuffle(t, w, 20)
		text := func() string {
			var out bytes.Buffer
			for _, c := range run(segments, Options{}, new(Stats)) {
				fmt.Fprintln(&out, chunkLine(&c), c.Data)
			}
			return out.String()
		}
		if a, b := text(), text(); a != b {
			t.Fatalf("%s\nand then\n%s", a, b)
		}
	})
}
