package feed

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"myreplay/session"
)

// TestFeed: what is written is read, in order, each event once; notes come back,
// the last one of a kind surely.
func TestFeed(t *testing.T) {
	noLeaks(t)
	for _, compress := range []bool{false, true} {
		ak, mk := pair(t)
		l := listen(t, ListenOptions{Keys: ak})
		notes := make(chan string, 100)
		c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk, Tool: "test 1", Settings: []byte(`{"copies":2}`), Compress: compress,
			Note: func(kind string, payload []byte) { notes <- kind + " " + string(payload) }})
		if err != nil {
			t.Fatal(err)
		}
		var wrote []session.Event
		src := newSource(1)
		write := func(ev session.Event) {
			wrote = append(wrote, ev)
			c.Write(ev)
		}
		for range 1000 {
			write(src.next(50))
		}
		r := accept(t, l, nil)
		if h := r.stream.Hello(); h.Tool != "test 1" || string(h.Options) != `{"copies":2}` || h.Again {
			t.Fatalf("hello %+v", h)
		}
		for i := range 20000 {
			write(src.next(50))
			if i%5000 == 0 {
				c.Tick(src.at)
				r.stream.Note("figures", figures(i))
			}
		}
		write(&session.Gap{At: src.at, Lost: 5, Reason: session.DroppedPackets})
		for _, ev := range src.rest() {
			write(ev)
		}
		r.stream.Note("report", []byte("the report"))
		same(t, finish(t, c, r), wrote)
		close(notes)
		var last string
		for n := range notes {
			last = n
		}
		if last != "report the report" {
			t.Fatalf("the last note is %q", last)
		}
		if s := c.Stats(); s.Lost != 0 || s.Ended != 0 || s.Broken != 0 || s.Waiting != 0 || s.Restarted != 0 || s.RoundTrip <= 0 {
			t.Fatalf("%+v", s)
		}
		l.Close()
	}
}

// TestLarge: commands larger than a frame, the window and any small buffer come
// through, those larger than what there is room for cost their session.
func TestLarge(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk, Buffer: 24 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := accept(t, l, nil)
	var wrote []session.Event
	for id, size := range map[uint64]int{1: 20 << 20, 2: 30 << 20} {
		sql := make([]byte, size)
		sql[0], sql[size-1] = 3, 4
		list := []session.Event{&session.Start{ID: id, Protocol: session.Classic},
			&session.Command{ID: id, Seq: 1, Kind: session.Query, Payload: sql, Size: uint64(size)},
			&session.Reply{ID: id, Seq: 1, Results: []session.Result{{Outcome: session.OK}}}, &session.End{ID: id}}
		for _, ev := range list {
			c.Write(ev)
		}
		for c.Stats().Waiting > 0 {
			time.Sleep(time.Millisecond)
		}
		if id == 1 {
			wrote = append(wrote, list...)
		}
	}
	got := finish(t, c, r)
	var whole []session.Event
	var other []string
	for _, ev := range got {
		if id, _ := ev.Key(); id == 1 {
			whole = append(whole, ev)
		} else {
			other = append(other, session.Line(ev))
		}
	}
	same(t, whole, wrote)
	if s := strings.Join(other, "; "); !strings.HasPrefix(s, "start 2 classic") || !strings.Contains(s, "gap 2 server (queue full)") || !strings.HasSuffix(s, "end 2 (queue full)") {
		t.Fatal(s)
	}
	if s := c.Stats(); s.Lost != 3 || s.Ended != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestCuts: the connection is cut again and again, after a random number of
// bytes of either direction, within handshakes and within messages. Nothing is
// lost and nothing comes twice.
func TestCuts(t *testing.T) {
	noLeaks(t)
	for seed := range uint64(4) {
		ak, mk := pair(t)
		l := listen(t, ListenOptions{Keys: ak})
		cuts := rand.New(rand.NewPCG(seed, 2))
		left := 12
		p := newProxy(t, func() string { return l.Addr().String() }, func() int {
			if left--; left < 0 {
				return 0
			}
			if cuts.IntN(3) == 0 {
				return 1 + cuts.IntN(6000)
			}
			return 1 + cuts.IntN(150000)
		})
		c, err := NewClient(Options{Addr: p.addr(), Keys: mk})
		if err != nil {
			t.Fatal(err)
		}
		var wrote []session.Event
		src := newSource(seed)
		accepted := make(chan *reader, 1)
		go func() { accepted <- accept(t, l, nil) }()
		for i := range 30000 {
			ev := src.next(50)
			wrote = append(wrote, ev)
			c.Write(ev)
			if i%1000 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		r := <-accepted
		same(t, finish(t, c, r), wrote)
		if s := c.Stats(); s.Lost != 0 || s.Ended != 0 || s.Restarted != 0 {
			t.Fatalf("%+v", s)
		}
		l.Close()
	}
}

// TestSlowReader: an assistant that takes its time holds up nobody, and all
// arrives while the buffer has room.
func TestSlowReader(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk})
	if err != nil {
		t.Fatal(err)
	}
	r := accept(t, l, func() { time.Sleep(time.Millisecond) })
	var wrote []session.Event
	src := newSource(3)
	for range 50000 {
		ev := src.next(20)
		wrote = append(wrote, ev)
		c.Write(ev)
	}
	same(t, finish(t, c, r), wrote)
}

// TestFull: events that do not fit are dropped by whole sessions: each session
// arrives from its beginning up to some point, and then ends with a reason. The
// account closes: what was written was read or is counted as lost.
func TestFull(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk, Buffer: 300 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var slow atomic.Bool
	slow.Store(true)
	var wrote []session.Event
	src := newSource(4)
	write := func(n int) {
		for range n {
			ev := src.next(60)
			wrote = append(wrote, ev)
			c.Write(ev)
		}
	}
	write(20000) // nobody reads
	r := accept(t, l, func() {
		if slow.Load() {
			time.Sleep(2 * time.Millisecond)
		}
	})
	for range 20 {
		write(4000)
		time.Sleep(5 * time.Millisecond)
	}
	slow.Store(false)
	for c.Stats().Waiting > 0 {
		time.Sleep(time.Millisecond)
		c.Tick(0)
	}
	write(5000)
	got := finish(t, c, r)
	s := c.Stats()
	if s.Lost == 0 || s.Ended == 0 {
		t.Fatalf("nothing was dropped: %+v", s)
	}
	if n := checkPrefixes(t, wrote, got); n+s.Lost != int64(len(wrote)) {
		t.Fatalf("%d written, %d read, %d lost", len(wrote), n, s.Lost)
	}
}

// checkPrefixes checks that each session was read from its beginning and ends
// with a Gap and an End where something is missing. It returns how many of the
// events are those that were written.
func checkPrefixes(t testing.TB, wrote, got []session.Event) (n int64) {
	t.Helper()
	want := map[uint64][]session.Event{}
	for _, ev := range wrote {
		id, _ := ev.Key()
		want[id] = append(want[id], ev)
	}
	marks := map[uint64]int{}
	for _, ev := range got {
		id, _ := ev.Key()
		if g, ok := ev.(*session.Gap); ok && g.Reason == session.QueueFull && id != 0 {
			marks[id]++
			continue
		}
		if e, ok := ev.(*session.End); ok && e.Reason == session.QueueFull {
			if marks[id] != 1 {
				t.Fatalf("session %d is given up without a gap", id)
			}
			marks[id]++
			continue
		}
		if marks[id] != 0 {
			t.Fatalf("after its end: %s", session.Line(ev))
		}
		if len(want[id]) == 0 || session.Line(want[id][0]) != session.Line(ev) {
			t.Fatalf("read %s: not what was written", session.Line(ev))
		}
		want[id] = want[id][1:]
		n++
	}
	for id, list := range want {
		if begun := marks[id] == 2; len(list) > 0 && !begun {
			if _, ok := list[0].(*session.Start); !ok {
				t.Fatalf("session %d misses %d events and nobody was told: %s", id, len(list), session.Line(list[0]))
			}
		}
	}
	return n
}

// TestAnotherAssistant: the assistant is killed and another takes its place, time
// and again. Nothing is replayed twice, and each session goes on from where a
// new assistant can understand it.
func TestAnotherAssistant(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	var target atomic.Value
	p := newProxy(t, func() string { return target.Load().(string) }, func() int { return 0 })
	target.Store("127.0.0.1:1")
	c, err := NewClient(Options{Addr: p.addr(), Keys: mk})
	if err != nil {
		t.Fatal(err)
	}
	var wrote []session.Event
	src := newSource(5)
	write := func(n int) {
		for i := range n {
			ev := src.next(40)
			wrote = append(wrote, ev)
			c.Write(ev)
			if i%200 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	write(500)
	var lives [][]session.Event
	for life := range 4 {
		l := listen(t, ListenOptions{Keys: ak})
		target.Store(l.Addr().String())
		r := accept(t, l, nil)
		if r.stream.Hello().Again != (life > 0) {
			t.Fatalf("life %d: %+v", life, r.stream.Hello())
		}
		write(10000)
		if life == 3 {
			lives = append(lives, finish(t, c, r))
			l.Close()
			break
		}
		l.Close()
		<-r.ended
		lives = append(lives, r.all())
		write(1000)
	}
	s := c.Stats()
	if s.Restarted != 3 || s.Ended != 0 {
		t.Fatalf("%+v", s)
	}
	n := checkLives(t, wrote, lives)
	t.Logf("%d written, %d read, %d counted as lost", len(wrote), n, s.Lost)
	if int64(len(wrote))-n > s.Lost || s.Lost > int64(len(wrote))/10 {
		t.Fatalf("%d written, %d read, %d counted as lost", len(wrote), n, s.Lost)
	}
}

// TestRefused: what the assistant's caller says against a stream is what the
// mirror reads; a stream that is taken at the second try is a first one.
func TestRefused(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	go func() {
		s, err := l.Accept(context.Background())
		if err == nil {
			s.Refuse("one copy, please")
		}
	}()
	_, err := Dial(context.Background(), Options{Addr: l.Addr().String(), Keys: mk})
	if err == nil || !strings.Contains(err.Error(), "one copy, please") {
		t.Fatal(err)
	}
	c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.Refuse("not now")
	ev := &session.Gap{Lost: 1}
	c.Write(ev)
	r := accept(t, l, nil)
	same(t, finish(t, c, r), []session.Event{ev})
	if got := c.Stats().Trouble; got != "" && !strings.Contains(got, "not now") {
		t.Fatal(got)
	}
}

// TestStreams: there are no more streams than allowed, and two mirrors share a
// key.
func TestStreams(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak, Streams: 2})
	o := Options{Addr: l.Addr().String(), Keys: mk}
	dial := func() (*Client, *reader, error) {
		var r *reader
		accepted := make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			defer close(accepted)
			if s, err := l.Accept(ctx); err == nil {
				r = &reader{}
				r.read(s, nil)
			}
		}()
		c, err := Dial(context.Background(), o)
		cancel()
		<-accepted
		return c, r, err
	}
	a, ra, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	b, rb, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := dial(); err == nil || !strings.Contains(err.Error(), "2 streams") {
		t.Fatalf("a third stream: %v", err)
	}
	a.Write(&session.Gap{Lost: 1})
	b.Write(&session.Gap{Lost: 2})
	same(t, finish(t, a, ra), []session.Event{&session.Gap{Lost: 1}})
	if c, rc, err := dial(); err != nil {
		t.Fatal(err)
	} else {
		finish(t, c, rc)
	}
	same(t, finish(t, b, rb), []session.Event{&session.Gap{Lost: 2}})
}

// TestMirrorEnds: a mirror that is closed says so, and its stream ends at once.
func TestMirrorEnds(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk})
	if err != nil {
		t.Fatal(err)
	}
	r := accept(t, l, nil)
	for !c.Stats().Up {
		time.Sleep(time.Millisecond)
	}
	c.Close()
	<-r.ended
	if !errors.Is(r.err, ErrGone) || !strings.Contains(r.err.Error(), "ended") {
		t.Fatal(r.err)
	}
	if c.Write(&session.Gap{}); c.Stats().Lost != 1 {
		t.Fatal("an event after Close is not counted as lost")
	}
}

// TestAssistantEnds: an assistant that gives a stream up tells why.
func TestAssistantEnds(t *testing.T) {
	noLeaks(t)
	ak, mk := pair(t)
	l := listen(t, ListenOptions{Keys: ak})
	c, err := NewClient(Options{Addr: l.Addr().String(), Keys: mk})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := accept(t, l, nil)
	for !c.Stats().Up {
		time.Sleep(time.Millisecond)
	}
	r.stream.Close("the disk is full")
	<-r.ended
	for !strings.Contains(c.Stats().Trouble, "the disk is full") {
		time.Sleep(time.Millisecond)
	}
	if s := c.Stats(); s.Up || s.Broken != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestUnfinished: Finish does not wait for ever.
func TestUnfinished(t *testing.T) {
	noLeaks(t)
	_, mk := pair(t)
	c, err := NewClient(Options{Keys: mk, Dial: func(context.Context) (net.Conn, error) { return nil, io.ErrClosedPipe }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := c.Finish(ctx); !errors.Is(err, ErrUnfinished) || !strings.Contains(err.Error(), "closed pipe") {
		t.Fatal(err)
	}
}
