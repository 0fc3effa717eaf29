package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"myreplay/classic/classictest"
	"myreplay/flow"
	"myreplay/session"
)

// chunks is a Source of chunks made beforehand.
type chunks struct {
	list []flow.Chunk
	err  error // at the end; nil: io.EOF
}

func (s *chunks) Read(c *flow.Chunk) error {
	if len(s.list) == 0 {
		if s.err != nil {
			return s.err
		}
		return io.EOF
	}
	*c = s.list[0]
	s.list = s.list[1:]
	return nil
}

// talk makes the chunks of one connection from classictest lines.
func talk(t testing.TB, id uint64, text string) []flow.Chunk {
	var script classictest.Script
	messages, err := script.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	conn := &flow.Conn{ID: id}
	list := []flow.Chunk{{Kind: flow.Open, Conn: conn, At: 1}}
	for i, m := range messages {
		side := flow.Client
		if m.Server {
			side = flow.Server
		}
		list = append(list, flow.Chunk{Kind: flow.Data, Side: side, Conn: conn, At: int64(2 + i), Data: m.Bytes})
	}
	return append(list, flow.Chunk{Kind: flow.Close, Reason: flow.Finished, Conn: conn, At: int64(2 + len(messages))})
}

// lines is a Sink that prints events.
type lines struct {
	text   strings.Builder
	events []session.Event
	ticks  int
	err    error
}

func (s *lines) Write(e session.Event) error {
	s.events = append(s.events, e)
	fmt.Fprintln(&s.text, session.Line(e))
	return s.err
}

func (s *lines) Tick(int64) error { s.ticks++; return nil }

// TestSecrets records the conversations in testdata/secrets, in which every
// secret holds the word CANARY: no event may hold it.
func TestSecrets(t *testing.T) {
	datadriven.RunTest(t, "testdata/secrets", func(t *testing.T, td *datadriven.TestData) string {
		var sink lines
		o := Options{}
		o.Decode.Keep = -1
		r := New(&sink, o)
		if err := r.Run(context.Background(), &chunks{list: talk(t, 1, "S greeting\nC login user=app\nS ok\n"+td.Input)}); err != nil {
			t.Fatal(err)
		}
		for _, e := range sink.events {
			if all := fmt.Sprintf("%+v", e) + everything(e); strings.Contains(all, "CANARY") {
				t.Errorf("%s: a secret is in %s", td.Pos, all)
			}
		}
		return sink.text.String()
	})
}

// everything returns the bytes of an event that Sprintf hides behind pointers
// and slices.
func everything(e session.Event) string {
	switch e := e.(type) {
	case *session.Command:
		return string(e.Payload) + string(e.SQL)
	case *session.Reply:
		s := ""
		for _, r := range e.Results {
			s += r.Info + fmt.Sprint(r.Error) + string(bytes.Join(r.Kept, nil))
		}
		return s
	}
	return ""
}

// TestRun: sessions that the source leaves open are ended, ticks and drops are
// passed on, and the counts are right.
func TestRun(t *testing.T) {
	a := talk(t, 1, "S greeting\nC login user=app\nS ok\nC query select 1\nS rows a:int | 1\nC quit")
	b := talk(t, 2, "S greeting\nC login user=app\nS ok\nC query select 1\nS rows a:int | 1")
	src := &chunks{list: append(a, b[:len(b)-1]...)}
	src.list = append(src.list, flow.Chunk{Kind: flow.Drop, Lost: 7, At: 90}, flow.Chunk{Kind: flow.Tick, At: 100})
	var sink lines
	r := New(&sink, Options{})
	if err := r.Run(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if s.Sessions.Load() != 2 || s.Open.Load() != 0 || s.Commands.Load() != 3 || s.Replies.Load() != 2 || s.Dropped.Load() != 7 || s.At.Load() != 100 || sink.ticks != 1 {
		t.Errorf("%+v, %d ticks", s, sink.ticks)
	}
	if text := sink.text.String(); !strings.HasSuffix(text, "gap 0 server lost=7 (dropped packets)\nend 2 (recording ended)\n") {
		t.Error(text)
	}
}

// TestFailures: what fails is returned; a source that fails leaves no session
// without its end.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	list := talk(t, 1, "S greeting\nC login user=app\nS ok")
	var sink lines
	err := New(&sink, Options{}).Run(context.Background(), &chunks{list: list[:len(list)-1], err: broken})
	if !errors.Is(err, broken) || !strings.Contains(sink.text.String(), "end 1 (recording ended)") {
		t.Errorf("%v\n%s", err, sink.text.String())
	}
	full := lines{err: broken}
	if err := New(&full, Options{}).Run(context.Background(), &chunks{list: list}); !errors.Is(err, broken) || len(full.events) != 1 {
		t.Errorf("%v after %d events", err, len(full.events))
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := New(&sink, Options{}).Run(ctx, &chunks{list: list}); err != nil {
		t.Error(err)
	}
}
