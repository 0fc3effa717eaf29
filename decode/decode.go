// Package decode turns the chunks of connections into events: one decoder a
// protocol, one value a connection. It never guesses. Bytes that it can't
// place become a Gap that says so, and after lost bytes it goes on only where
// the two sides together prove that a command begins.
package decode

import (
	"net/netip"

	"myreplay/flow"
	"myreplay/outcome"
	"myreplay/session"
)

// Emit takes an event. An error stops the decoder and is returned by Decode.
type Emit func(session.Event) error

// Protocol decodes one connection.
type Protocol interface {
	// Decode takes the connection's next chunk and emits what became clear.
	// Chunks must come in causal order, the first being Open. The only errors
	// are those of emit.
	Decode(c *flow.Chunk, emit Emit) error
}

const (
	// DefaultCommandLimit is how long a command may be that is kept: as long as
	// a capture can hold, which puts 64 MiB into an event with all that belongs
	// to it.
	DefaultCommandLimit = 64<<20 - 4<<10
	// maxCut is how many bytes are kept of a command that is longer than the
	// limit. It can't be replayed: they only tell what it was.
	maxCut = 64 << 10
	// DefaultMemory is how many bytes all decoders of a Shared may hold for
	// frames that are not complete.
	DefaultMemory = 256 << 20
)

// Options say how connections are decoded.
type Options struct {
	outcome.Options
	// CommandLimit is how many bytes of one command (and of one row) are kept;
	// a longer command is recorded Cut, with its first bytes. 0:
	// DefaultCommandLimit.
	CommandLimit int
	// Memory limits what all decoders together hold of unfinished frames. The
	// decoder that goes over it gives up what it holds. 0: DefaultMemory.
	Memory int
	// Protocol tells which protocol a server speaks; session.Unknown leaves it to
	// the first bytes. nil: always.
	Protocol func(server netip.AddrPort) session.Protocol
}

// Shared is what the decoders of one source have in common. It serves one
// goroutine.
type Shared struct {
	options Options
	columns *outcome.Interner
	slab    outcome.Slab
	held    int
}

// NewShared returns a Shared with the given options.
func NewShared(o Options) *Shared {
	if o.CommandLimit <= 0 {
		o.CommandLimit = DefaultCommandLimit
	}
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	return &Shared{options: o, columns: outcome.NewInterner()}
}

// teller emits the events of one session.
type teller struct {
	shared  *Shared
	emit    Emit
	err     error // of emit: sticky
	at      int64 // the latest time seen
	start   session.Start
	started bool
	quit    bool
	notice  string // what the server said before it closed
	seq     uint64
	held    int // bytes counted in shared.held
}

func (t *teller) out(e session.Event) {
	if t.err == nil {
		t.err = t.emit(e)
	}
}

// begin emits the Start, once.
func (t *teller) begin() {
	if t.started {
		return
	}
	t.started = true
	s := t.start
	t.out(&s)
}

// hold counts what the decoder holds, and tells whether all decoders together
// hold more than they may.
func (t *teller) hold(bytes int) bool {
	t.shared.held += bytes - t.held
	t.held = bytes
	return t.shared.held > t.shared.options.Memory
}

// reasonOf translates why a chunk is a Gap or a Close.
func reasonOf(r flow.Reason) session.Reason {
	switch r {
	case flow.Lost:
		return session.LostBytes
	case flow.Snapped:
		return session.Snapped
	case flow.Memory:
		return session.MemoryLimit
	case flow.Finished:
		return session.Finished
	case flow.Reset:
		return session.WasReset
	case flow.Silent:
		return session.Silent
	case flow.Reused:
		return session.Reused
	case flow.SourceEnded:
		return session.RecordingEnded
	}
	return session.Unstated
}
