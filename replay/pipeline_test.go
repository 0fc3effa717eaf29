package replay

import (
	"context"
	"strings"
	"testing"

	"myreplay/session"
)

// pipes is a Target whose connections take commands in one go.
type pipes struct {
	*fake
	all func(cmds []*session.Command) ([]Answer, error)
}

type pipeConn struct {
	*fakeConn
	all func(cmds []*session.Command) ([]Answer, error)
}

func (p *pipes) Connect(ctx context.Context, s *session.Start) (Conn, error) {
	c, err := p.fake.Connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return &pipeConn{c.(*fakeConn), p.all}, nil
}

func (c *pipeConn) DoAll(cmds []*session.Command) ([]Answer, error) {
	c.f.say("together %d", len(cmds))
	if c.all != nil {
		return c.all(cmds)
	}
	answers := make([]Answer, len(cmds))
	for i, cmd := range cmds {
		var err error
		if answers[i], err = c.Do(cmd, nil); err != nil {
			return answers, err
		}
	}
	return answers, nil
}

// pipelined is a session whose client sent n queries before it read a reply.
func pipelined(n int, sql string) []session.Event {
	list := []session.Event{&session.Start{ID: 1, At: 1, Protocol: session.X, Login: session.Login{Known: true}}}
	for i := range n {
		list = append(list, &session.Command{ID: 1, Seq: uint64(i + 1), At: 2, End: 2, Kind: session.Query, Payload: []byte("\x0c" + sql), SQL: []byte(sql)})
	}
	for i := range n {
		list = append(list, &session.Reply{ID: 1, Seq: uint64(i + 1), First: 3, Last: 3, Results: []session.Result{{Outcome: session.OK}}})
	}
	return append(list, &session.End{ID: 1, At: 4})
}

// replayPipes replays events on p.
func replayPipes(t *testing.T, p *pipes, events []session.Event, o Options) *kept {
	t.Helper()
	sink := &kept{}
	o.Temporary = func(error) bool { return false }
	o.Unsent = func(err error) bool { return err == errUnsent }
	r := New(p, sink, o)
	if err := r.Run(context.Background(), &recording{events}); err != nil {
		t.Fatal(err)
	}
	return sink
}

// kept is a Sink that keeps everything.
type kept struct{ list []session.Event }

func (k *kept) Write(e session.Event) error { k.list = append(k.list, e); return nil }

// account counts what a run says of its commands.
func (k *kept) account() (sent, replies int, skipped map[session.Skip]int) {
	skipped = map[session.Skip]int{}
	for _, e := range k.list {
		switch e := e.(type) {
		case *session.Command:
			if e.Skipped == session.NotSkipped {
				sent++
			} else {
				skipped[e.Skipped]++
			}
		case *session.Reply:
			replies++
		}
	}
	return sent, replies, skipped
}

// TestPipeline: what a client sent without waiting is all sent and answered,
// however much of it went out together.
func TestPipeline(t *testing.T) {
	p := &pipes{fake: &fake{}}
	sent, replies, skipped := replayPipes(t, p, pipelined(100, "SELECT 1"), Options{}).account()
	if sent != 100 || replies != 100 || len(skipped) != 0 {
		t.Errorf("sent %d, %d replies, skipped %v", sent, replies, skipped)
	}
}

// TestPipelineSkips: a command that may not be sent ends what goes out together,
// and is accounted for.
func TestPipelineSkips(t *testing.T) {
	events := pipelined(10, "SELECT 1")
	c := events[5].(*session.Command)
	c.SQL = []byte("DROP TABLE t")
	p := &pipes{fake: &fake{}}
	sent, _, skipped := replayPipes(t, p, events, Options{}).account()
	if sent != 9 || skipped[session.SkipWrite] != 1 {
		t.Errorf("sent %d, skipped %v", sent, skipped)
	}
	if log := strings.Join(p.log, "\n"); !strings.Contains(log, "skipped 1.5") || strings.Contains(log, "DROP") {
		t.Error(log)
	}
}

// TestPipelineLost: when the connection is lost, what surely was not executed
// failed to send, and the rest was sent without an answer: all is accounted for.
func TestPipelineLost(t *testing.T) {
	p := &pipes{fake: &fake{do: func(*session.Command, File) (Answer, error) { return Answer{}, errSent }}}
	p.all = func(cmds []*session.Command) ([]Answer, error) {
		answers := make([]Answer, len(cmds))
		answers[0] = Answer{At: 5, End: 5, Reply: &session.Reply{Seq: cmds[0].Seq, Last: 6}}
		if len(cmds) > 1 {
			answers[1].At = 5 // sent, and perhaps executed
		}
		return answers, errSent
	}
	sent, replies, skipped := replayPipes(t, p, pipelined(50, "SELECT 1"), Options{Reconnect: -1}).account()
	n := sent
	for _, k := range skipped {
		n += k
	}
	if n != 50 || sent == 0 || replies > sent {
		t.Errorf("sent %d, %d replies, skipped %v", sent, replies, skipped)
	}
}
