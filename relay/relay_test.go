package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"myreplay/flow"
)

// What passes is told, both sides, the question before the answer.
func TestPass(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		r := serve(t, Options{Pairs: []Pair{{To: echoServer(t)}}, Look: true, Loops: loops})
		told := r.told(t)
		sums := talkers(t, r.addr)
		conns := told()
		if len(conns) != 20 {
			t.Errorf("told of %d connections", len(conns))
		}
		var total int64
		for id, s := range conns {
			total += int64(len(s.sides[0]))
			if !sums[sha256.Sum256(s.sides[0])] || len(s.sides[1]) != len(s.sides[0]) || !s.closed || s.lost != [2]uint64{} {
				t.Errorf("connection %d: %d and %d bytes, closed %v, lost %v", id, len(s.sides[0]), len(s.sides[1]), s.closed, s.lost)
			}
			if s.early {
				t.Error("the answer was told before the question")
			}
			if s.first != flow.Client || s.why != flow.Finished {
				t.Errorf("connection %d: %v ended it: %v", id, s.first, s.why)
			}
		}
		if n := [2]int64{r.Stats().Bytes[0].Load(), r.Stats().Bytes[1].Load()}; n != [2]int64{total, total} {
			t.Errorf("%d bytes were passed on, %v are counted", total, n)
		}
	})
}

// Without Look the same passes, and nothing is told.
func TestPassUntold(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		r := serve(t, Options{Pairs: []Pair{{To: echoServer(t)}}, Loops: loops})
		told := r.told(t)
		talkers(t, r.addr)
		talk(t, r.addr, 1, 1)
		if conns := told(); len(conns) > 0 {
			t.Errorf("told of %d connections", len(conns))
		}
		if n := r.Stats().Connections.Load(); n != 21 || r.Untold() != 0 {
			t.Errorf("%d connections counted, %d untold", n, r.Untold())
		}
	})
}

// While nobody reads the chunks, clients are served as ever; what did not fit is
// told as gaps of exactly the missing length.
func TestSlowRecorder(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		r := serve(t, Options{Pairs: []Pair{{To: echoServer(t)}}, Look: true, Loops: loops})
		const total = QueueBytes // and as much comes back
		sent := talk(t, r.addr, 1, total)
		if t.Failed() {
			return
		}
		r.end(t) // nobody waits for the reader here, either
		s := collect(t, r.Relay)[1]
		if s == nil || !bytes.HasPrefix(sent, s.sides[0][:1000]) {
			t.Fatal("the connection was not told of")
		}
		if len(s.sides[0]) >= total {
			t.Error("the queue has no limit")
		}
		if told := uint64(len(s.sides[0])) + s.lost[0]; told != total || !s.closed {
			t.Errorf("%d of %d bytes told or lost, closed %v", told, total, s.closed)
		}
		if n := r.Stats().LostBytes.Load(); n != int64(s.lost[0]+s.lost[1]) {
			t.Errorf("%d bytes are counted as lost", n)
		}
	})
}

// A server that does not accept is counted, with the reason, and the client sees
// its connection end.
func TestServerGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := serve(t, Options{Pairs: []Pair{{To: l.Addr().String()}}})
	c := dial(t, r.addr)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the client's connection goes on: %v", err)
	}
	r.end(t)
	want := []Failure{{fmt.Sprintf("connecting to %s: dial: connect: connection refused", l.Addr()), 1}}
	if got := r.Stats().Failures(); r.Refused() != 1 || len(got) != 1 || got[0] != want[0] {
		t.Errorf("refused %d, %v", r.Refused(), got)
	}
}

// The error of an address that can't be listened on names it.
func TestListenFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Listen(Options{Pairs: []Pair{{Listen: "127.0.0.1:0", To: "127.0.0.1:1"}, {Listen: taken.Addr().String(), To: "127.0.0.1:1"}}})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte(taken.Addr().String())) {
		t.Errorf("got %v", err)
	}
}

// A connection that is open when the relay ends goes on for the drain time, and
// then ends as one that the source left.
func TestDrain(t *testing.T) {
	eachWay(t, func(t *testing.T, loops int) {
		r := serve(t, Options{Pairs: []Pair{{To: echoServer(t)}}, Look: true, Loops: loops, Drain: 300 * time.Millisecond})
		told := r.told(t)
		c := dial(t, r.addr)
		answer := make([]byte, 10)
		ask := func() error {
			if _, err := c.Write(make([]byte, 10)); err != nil {
				return err
			}
			_, err := io.ReadFull(c, answer)
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		r.stop()
		if err := ask(); err != nil {
			t.Errorf("while draining: %v", err)
		}
		if _, err := io.ReadAll(c); errors.Is(err, context.DeadlineExceeded) {
			t.Error("the connection was not ended")
		}
		if s := told()[1]; s == nil || !s.closed || s.why != flow.SourceEnded || len(s.sides[1]) != 20 {
			t.Errorf("told %+v", s)
		}
	})
}

// A relay without connections does not wait for any.
func TestEndsAtOnce(t *testing.T) {
	r := serve(t, Options{Pairs: []Pair{{To: echoServer(t)}}, Drain: time.Hour})
	talk(t, r.addr, 1, 1000)
	r.end(t)
}
