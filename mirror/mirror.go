package mirror

import (
	"context"

	"myreplay/replay"
	"myreplay/report"
	"myreplay/session"
)

// Sink takes events that are kept beside the mirror: a capture on disk.
type Sink interface {
	Write(session.Event) error
	// Tick tells that time has passed, nanoseconds since the Unix epoch.
	Tick(at int64) error
}

// Options say how sessions are mirrored.
type Options struct {
	// Replay says how they are replayed; New makes it live.
	Replay replay.Options
	// Report says how the answers are compared.
	Report report.Options
	// Capture and Run, when not nil, get what was recorded and what the target
	// answered. One that fails gets nothing more, and the mirror goes on; closing it
	// tells why.
	Capture, Run Sink
	// Seen, when not nil, is told each recorded event before the report is, while
	// the report's functions are not called.
	Seen func(session.Event)
}

// Mirror replays events as they come. Write, Tick and Close are for one
// goroutine, the others for any.
type Mirror struct {
	replayer *replay.Replayer
	live     *replay.Feed
	stop     context.CancelFunc
	limit    int64
	ordered  bool
	ledger   ledger
}

// New begins to mirror to the target. It ends with Close.
func New(target replay.Target, o Options) *Mirror {
	o.Replay.Live = true
	if o.Replay.Window <= 0 {
		o.Replay.Window = DefaultWindow
	}
	if o.Report.Memory == 0 {
		o.Report.Memory = DefaultReportMemory
	}
	o.Report.Copies = o.Replay.Copies
	m := &Mirror{limit: o.Replay.Window, ordered: o.Replay.Order != nil}
	m.ledger = ledger{builder: report.New(o.Report), seen: o.Seen, capture: keeper{sink: o.Capture}, run: keeper{sink: o.Run}}
	m.replayer = replay.New(target, (*replayedSink)(m), o.Replay)
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	m.live = m.replayer.Begin(ctx)
	return m
}

// The defaults of Options.
const (
	// DefaultWindow is how many bytes of events may wait for the target.
	DefaultWindow = 128 << 20
	// DefaultReportMemory is how many bytes of commands are held of which only
	// one side has been seen.
	DefaultReportMemory = 64 << 20
)

// Write takes the next recorded event. It never waits for the target.
func (m *Mirror) Write(e session.Event) error {
	m.ledger.bring(e, false)
	return m.live.Event(e)
}

// Flush tells that the next event may be long in coming. It must be called where
// Options.Replay.Flushed says so.
func (m *Mirror) Flush() { m.live.Flush() }

// Tick tells that every event up to at, nanoseconds since the Unix epoch, was
// written.
func (m *Mirror) Tick(at int64) error {
	m.ledger.with(func() {
		m.ledger.capture.tick(at)
		m.ledger.run.tick(at)
	})
	m.live.Flush()
	m.live.Tick(at)
	return nil
}

// Close tells that nothing more comes. What waits for the target is replayed
// until ctx is done, the rest given up and counted; then it returns the report.
func (m *Mirror) Close(ctx context.Context) (r *report.Report, err error) {
	defer context.AfterFunc(ctx, m.stop)()
	err = m.live.End()
	m.stop()
	m.ledger.with(func() { r = m.ledger.builder.Finish() })
	return r, err
}

// Report returns the report so far.
func (m *Mirror) Report() (r *report.Report) {
	m.ledger.with(func() { r = m.ledger.builder.Snapshot() })
	return r
}

// Stats returns the replay's running counts.
func (m *Mirror) Stats() *replay.Stats { return m.replayer.Stats() }

// SetSkew says how far the target's clock is ahead of the recorder's, in
// nanoseconds.
func (m *Mirror) SetSkew(ns int64) { m.replayer.SetSkew(ns) }

// replayedSink takes what the target answered.
type replayedSink Mirror

// Write implements replay.Sink.
func (m *replayedSink) Write(e session.Event) error {
	m.ledger.bring(e, true)
	return nil
}

// keeper keeps events, until that fails.
type keeper struct {
	sink Sink
	err  error
}

func (k *keeper) write(e session.Event) {
	if k.sink != nil && k.err == nil {
		k.err = k.sink.Write(e)
	}
}

func (k *keeper) tick(at int64) {
	if k.sink != nil && k.err == nil {
		k.err = k.sink.Tick(at)
	}
}
