package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"myreplay/session"
)

var (
	errPasses  = errors.New("too many connections")
	errRefuses = errors.New("access denied")
	errUnsent  = errors.New("lost before it was sent")
	errSent    = errors.New("lost after it was sent")
)

// fake is a Target that says OK to everything, but for what its hooks say.
type fake struct {
	mu      sync.Mutex
	log     []string
	opened  int
	open    int
	most    int
	connect func(n int, s *session.Start) error
	do      func(c *session.Command, file File) (Answer, error)
	took    time.Duration
	// hangs tells whether the target never answers a command, or, of nil, never
	// lets a session in.
	hangs func(id uint64, c *session.Command) bool
	// starts are those that connections were made for.
	starts []session.Start
}

type fakeConn struct {
	f     *fake
	start *session.Start
	ctx   context.Context
}

func (f *fake) Now() int64 { return time.Now().UnixNano() }

func (f *fake) say(format string, args ...any) {
	f.mu.Lock()
	f.log = append(f.log, fmt.Sprintf(format, args...))
	f.mu.Unlock()
}

func (f *fake) Connect(ctx context.Context, s *session.Start) (Conn, error) {
	f.mu.Lock()
	f.opened++
	n := f.opened
	f.mu.Unlock()
	f.mu.Lock()
	f.starts = append(f.starts, *s)
	f.mu.Unlock()
	if f.hangs != nil && f.hangs(s.ID, nil) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if f.connect != nil {
		if err := f.connect(n, s); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	f.open++
	f.most = max(f.most, f.open)
	f.mu.Unlock()
	f.say("connect %d", s.ID)
	return &fakeConn{f, s, ctx}, nil
}

func (f *fake) Live(copy, recorded uint32) (uint32, bool) { return liveID + recorded, recorded != 404 }

func (c *fakeConn) Do(cmd *session.Command, file File) (Answer, error) {
	a := Answer{At: c.f.Now(), End: c.f.Now()}
	if c.ctx.Err() != nil {
		return Answer{}, errUnsent
	}
	if c.f.hangs != nil && c.f.hangs(c.start.ID, cmd) {
		c.f.say("%d.%d hangs", c.start.ID, cmd.Seq)
		<-c.ctx.Done()
		return a, errSent
	}
	if c.f.took > 0 {
		select {
		case <-time.After(c.f.took):
		case <-c.ctx.Done():
			return a, errSent
		}
	}
	c.f.say("%d.%d %s %s", c.start.ID, cmd.Seq, cmd.Kind, cmd.SQL)
	if c.f.do != nil {
		if b, err := c.f.do(cmd, file); err != nil || b.Skip != 0 || b.Reply != nil {
			b.At, b.End = a.At, a.End
			return b, err
		}
	}
	if cmd.Kind.HasReply() {
		a.Reply = &session.Reply{Seq: cmd.Seq, First: c.f.Now(), Last: c.f.Now(), Results: []session.Result{{Outcome: session.OK, Status: 2}}}
	}
	return a, nil
}

func (c *fakeConn) Learn(r *session.Reply) { c.f.say("learn %d.%d", r.ID, r.Seq) }
func (c *fakeConn) Skipped(cmd *session.Command, why session.Skip) {
	c.f.say("skipped %d.%d %v", cmd.ID, cmd.Seq, why)
}
func (c *fakeConn) Gap(g *session.Gap) { c.f.say("gap %d", g.ID) }

// liveID is by how much a fake's connection ids are larger than those recorded.
const liveID = 1000

func (c *fakeConn) Start() session.Start {
	return session.Start{Protocol: session.Classic, At: c.f.Now(), ConnectionID: liveID + c.start.ConnectionID}
}
func (c *fakeConn) Close() error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.start != nil {
		c.f.open--
		c.start = nil
	}
	return nil
}

// recording is a Source of events made beforehand.
type recording struct{ list []session.Event }

func (r *recording) Next() (session.Event, error) {
	if len(r.list) == 0 {
		return nil, io.EOF
	}
	e := r.list[0]
	r.list = r.list[1:]
	return e, nil
}

// run is a Sink that keeps events and checks that they come one at a time.
type run struct {
	mu     sync.Mutex
	events []session.Event
	err    error
}

func (r *run) Write(e session.Event) error {
	if !r.mu.TryLock() {
		panic("the sink is called by two goroutines at once")
	}
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	return r.err
}

const ms = int64(time.Millisecond)

// talk makes a session of queries, one every step.
func talk(id uint64, at, step int64, queries ...string) []session.Event {
	list := []session.Event{&session.Start{ID: id, At: at, ConnectionID: uint32(id), Protocol: session.Classic, Login: session.Login{Known: true, User: "app"}}}
	status := uint16(2) // autocommit
	for i, q := range queries {
		at += step
		switch q {
		case "begin":
			status |= statusInTrans
		case "commit", "rollback":
			status &^= statusInTrans
		}
		list = append(list, query(id, uint64(i+1), at, q),
			&session.Reply{ID: id, Seq: uint64(i + 1), First: at, Last: at, Results: []session.Result{{Outcome: session.OK, Status: status}}})
	}
	return append(list, &session.End{ID: id, At: at + step, Reason: session.ClientQuit})
}

func query(id, seq uint64, at int64, sql string) *session.Command {
	p := append([]byte{3}, sql...)
	return &session.Command{ID: id, Seq: seq, At: at, End: at, Kind: session.Query, Code: 3, Payload: p, SQL: p[1:], Size: uint64(len(p))}
}

// play replays events and checks what holds for every replay: the account
// closes, and within a session commands come in order, each once.
func play(t testing.TB, ctx context.Context, f *fake, o Options, events []session.Event) (*run, *Stats) {
	t.Helper()
	o.Temporary = func(err error) bool { return errors.Is(err, errPasses) }
	o.Unsent = func(err error) bool { return errors.Is(err, errUnsent) }
	sink := &run{}
	r := New(f, sink, o)
	if err := r.Run(ctx, &recording{events}); err != nil {
		t.Fatal(err)
	}
	account(t, sink, r.Stats())
	if f.open != 0 {
		t.Errorf("%d connections are still open", f.open)
	}
	return sink, r.Stats()
}

// account checks that every command of the run ended once, and that sessions
// are whole.
func account(t testing.TB, sink *run, s *Stats) {
	t.Helper()
	last := map[uint64]uint64{}
	ended := map[uint64]bool{}
	n := int64(0)
	for _, e := range sink.events {
		id, _ := e.Key()
		switch e := e.(type) {
		case *session.Start:
			last[id] = 0
		case *session.Command:
			n++
			if seq, ok := last[id]; !ok || e.Seq <= seq || ended[id] {
				t.Errorf("%s: out of order", session.Line(e))
			}
			last[id] = e.Seq
		case *session.End:
			ended[id] = true
		}
	}
	if n != s.Accounted() || n != s.Commands.Load() {
		t.Errorf("the account does not close: %d commands were read, %d in the run, %d counted", s.Commands.Load(), n, s.Accounted())
	}
}

// skips lists why commands were skipped.
func skips(r *run) string {
	var list []string
	for _, e := range r.events {
		if c, ok := e.(*session.Command); ok && c.Skipped != session.NotSkipped {
			list = append(list, fmt.Sprintf("%d:%v", c.Seq, c.Skipped))
		}
	}
	return strings.Join(list, " ")
}
