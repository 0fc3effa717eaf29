package replay

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"myreplay/session"
)

// Source gives a recording's events in order.
type Source interface {
	// Next returns the next event, or io.EOF at the end.
	Next() (session.Event, error)
}

// Sink takes a run's events. It is called by one goroutine at a time.
type Sink interface {
	Write(session.Event) error
}

// File gives the recorded FileData commands that follow a Query, one at each
// call; false when there are no more.
type File func() (*session.Command, bool)

// Answer is what became of a command at the target.
type Answer struct {
	// Skip is why it was not sent; 0: it was.
	Skip session.Skip
	// At and End are when sending it began and ended, in nanoseconds since the
	// Unix epoch.
	At, End int64
	// Reply is the target's reply, nil when there is none.
	Reply *session.Reply
}

// Conn is a connection to the target that replays one session. It is used by
// one goroutine.
type Conn interface {
	// Do sends a command and reads its whole reply. An error means that the
	// connection is lost; Reply may hold what was seen of the reply.
	Do(*session.Command, File) (Answer, error)
	// Learn is told the recorded reply to a Prepare or ChangeUser, with
	// Options.Values to what brought values that the source made up, and of the X
	// Protocol to all that brought no rows, after its Do.
	Learn(*session.Reply)
	// Skipped is told of a command that is not sent, and why.
	Skipped(*session.Command, session.Skip)
	// Gap is told of a gap in the recording.
	Gap(*session.Gap)
	// Start describes the connection as a run's Start.
	Start() session.Start
	// Close says goodbye.
	Close() error
}

// Heir is a Conn that takes over what a lost one of the same session knew of the
// recording (parameter types that only the first execution of a statement had).
type Heir interface {
	Conn
	// Inherit is called when what the session had prepared was prepared anew, and
	// learned. The lost connection is closed, and of no other use.
	Inherit(lost Conn)
}

// Target is a server to replay on.
type Target interface {
	// Connect opens the connection that replays the session, and gives it
	// start.State, if there is one. When ctx is done the connection is closed,
	// whatever goes on.
	Connect(ctx context.Context, start *session.Start) (Conn, error)
	// Live returns the target's id of the connection that replays the recorded
	// one, for KILL.
	Live(copy, recorded uint32) (uint32, bool)
	// Now is the clock that answers are stamped with, nanoseconds since the Unix
	// epoch.
	Now() int64
}

// Defaults of Options.
const (
	DefaultWindow    = 16 << 20
	DefaultReconnect = 30 * time.Second
	// grace is how long commands under way may take once a replay is told to
	// stop.
	grace = 3 * time.Second
	// lead is how far in the future a paced replay begins, so that the first
	// connections are there in time.
	lead = 200 * time.Millisecond
	// maxDials is how many connections are made at once at most.
	maxDials = 256
)

// Options say how a recording is replayed.
type Options struct {
	Pace   Pace
	Policy Policy
	Filter Filter
	// Choose is asked besides Filter about each session as it begins; nil: all are
	// replayed. It is called by the goroutine that calls Feed.Event, or Run.
	Choose func(*session.Start) bool
	// Copies is how many connections replay each recorded session; 0: one.
	Copies int
	// Halves: transactions that were open before a session's first command are
	// replayed from there on, in one that is begun for them. Otherwise they are left
	// out to their end (session.SkipHalf); without Policy.Writes only where the
	// session's State tells of one.
	Halves bool
	// Window limits the bytes of events that are read ahead, or, live, that wait. 0:
	// DefaultWindow.
	Window int64
	// Live: the recording is being made. Commands are due when they were recorded
	// (SetSkew), and are sent at once; Pace counts for nothing. When the window is
	// full, Feed.Event does not wait: sessions are given up, the one whose oldest
	// command not sent has waited longest first. What waits and what follows of
	// such a session is skipped as SkipBehind, its connection is closed. So is a
	// session of which one event takes three quarters of the window.
	Live bool
	// Flushed: whoever tells a live replay the events calls Feed.Flush when no more
	// come for the moment. Then a session is woken once for all that came for it.
	Flushed bool
	// MaxLag is how long a live replay's command may wait to be sent before its
	// session is given up. 0: any time.
	MaxLag time.Duration
	// CatchUp is how late a session may be before commands that wait are sent
	// together, on a connection that is a Pipeline. 0: never.
	CatchUp time.Duration
	// Reconnect is how long a session tries to reach the target again. 0:
	// DefaultReconnect; negative: not at all. In a live replay that is so for
	// sessions that have ended; others try until they are given up.
	Reconnect time.Duration
	// Temporary tells whether an error of Connect may pass (the target restarts,
	// or has too many connections). nil: none does.
	Temporary func(error) bool
	// Unsent tells whether after an error of Do the target has surely not
	// executed the command. nil: it is not known. A live replay sends it once more,
	// on a new connection, where no transaction was open.
	Unsent func(error) bool
	// Check may refuse a session's recorded server, before anything is sent: it
	// is asked once for each address. Its error ends the replay.
	Check func(server netip.AddrPort) error
	// Pins says which values the target is to take for those that it would make up,
	// on connections that are Pinners. nil: none. Ids can be taken only with an Order:
	// without one the recorded reply is not known in time.
	Pins *Pins
	// Values: recorded replies that note values which the source made up are told to
	// the connections: with the command (Pin.Recorded) where it waits for its reply,
	// else behind it (Conn.Learn).
	Values bool
	// Order keeps the order between the sessions of one pass, with one copy. nil:
	// each session keeps its own order, nothing more. It is called by the goroutine
	// that calls Feed, or Run.
	Order Orderer
	// Stall is how long a command may be at the target, beyond the time that it took
	// when it was recorded, before it is taken to be held up by a lock of a session
	// that waits for others. It counts only while this process runs and the target is
	// Alive. 0: DefaultStall.
	Stall time.Duration
	// Blockers asks the target, on a connection of its own, which connections wait for
	// locks of which: pairs of its connection ids, the waiting one first, the other 0
	// when that is not told. It is asked at most every AskEvery, while commands take
	// longer than they should or nothing moves. Then a circle through the target (a
	// session waits for a command that waits for that session's locks) is found at
	// once, not after Stall. nil: nobody tells.
	Blockers func(context.Context) ([][2]uint64, error)
	// AskEvery is how long there is between two calls of Blockers at least. After an
	// answer that was of no use there is more, up to AskInterval, and no more than a
	// tenth of the time is spent on quick answers. 0: AskInterval.
	AskEvery time.Duration
	// Alive asks the target, on a connection of its own, whether it answers at all.
	// nil: it does.
	Alive func(context.Context) bool
}

// Replayer replays recordings. Run it once for each pass; sessions of later
// passes count as further copies.
type Replayer struct {
	target  Target
	sink    Sink
	options Options
	stats   Stats

	ids      atomic.Uint64
	mu       sync.Mutex // guards sink and failed
	failed   error
	window   *window
	runners  sync.WaitGroup
	finished chan struct{} // a token when a session's runner has ended
	pass     uint32
	roster   roster
	skew     skew
	dials    chan struct{} // a token for each connection that is being made
	kept     atomic.Int64  // bytes that are not written before transactions end
	// scheduler is that of the pass; nil: no order is kept.
	scheduler *scheduler

	soft    <-chan struct{} // send nothing more
	hard    context.Context // close the connections
	fail    context.CancelFunc
	checked map[netip.AddrPort]bool
}

// New returns a Replayer that replays on target and writes the run to sink.
func New(target Target, sink Sink, o Options) *Replayer {
	if o.Copies <= 0 {
		o.Copies = 1
	}
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if o.Reconnect == 0 {
		o.Reconnect = DefaultReconnect
	}
	if o.Stall <= 0 {
		o.Stall = DefaultStall
	}
	never := func(error) bool { return false }
	if o.Temporary == nil {
		o.Temporary = never
	}
	if o.Unsent == nil {
		o.Unsent = never
	}
	return &Replayer{target: target, sink: sink, options: o, window: newWindow(o.Window),
		finished: make(chan struct{}, 1), checked: map[netip.AddrPort]bool{},
		dials: make(chan struct{}, maxDials)}
}

// Stats returns the running counts.
func (r *Replayer) Stats() *Stats { return &r.stats }

// Run replays one pass of a recording. It returns when every session has ended,
// or, once ctx is done, within seconds: commands under way get a moment to be
// answered, what was read and not reached is said so in the run, and a Gap with
// the reason RecordingEnded says that there may be more. The error is that
// of the source, of the sink, of Check or of Order, or a *CycleError; the end of
// ctx is none.
func (r *Replayer) Run(ctx context.Context, src Source) error {
	f := r.Begin(ctx)
	for !r.stopped() {
		e, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = f.Event(e)
		}
		if err != nil && !errors.Is(err, ErrStopped) {
			f.fail(err)
			break
		}
	}
	return f.End()
}

// SetSkew says how far the target's clock is ahead of the recorder's, in
// nanoseconds, for a live replay. It may be called at any time.
func (r *Replayer) SetSkew(ns int64) { r.skew.Store(ns) }

// stopped tells whether nothing more is to be sent.
func (r *Replayer) stopped() bool {
	return isClosed(r.soft)
}

// failure returns the sink's error, or nil.
func (r *Replayer) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// write writes events to the run. A sink that fails stops the replay.
func (r *Replayer) write(events ...session.Event) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		if r.failed != nil {
			return
		}
		if r.failed = r.sink.Write(e); r.failed != nil {
			r.fail()
		}
	}
}

// nextID returns the next session id of the run.
func (r *Replayer) nextID() uint64 { return r.ids.Add(1) }
