// Package feed carries session events from a mirror to an assistant on another
// machine: over one TLS connection in which both sides prove who they are, in
// order, each event once, whatever the connection does meanwhile. The mirror's
// side (Client) never holds up who writes to it: what does not fit into its
// buffer is dropped by whole sessions and counted. Figures and reports come
// back as notes.
package feed

import "time"

// Version is the version of the protocol. Both sides must have the same.
const Version = 1

// The limits of a feed.
const (
	// DefaultBuffer is how many bytes of events a Client keeps that the assistant
	// has not taken over.
	DefaultBuffer = 64 << 20
	// MaxSessions is how many open sessions a Client follows; those beyond it are
	// not carried.
	MaxSessions = 1 << 16
	// DefaultStreams is how many streams a Listener has at once.
	DefaultStreams = 64
	// DefaultLinger is how long a Stream waits for a mirror whose connection broke.
	DefaultLinger = time.Minute
	// MaxNote is the highest length of a note in bytes, MaxKinds how many kinds of
	// notes a stream has.
	MaxNote  = 32 << 20
	MaxKinds = 16

	// blockBytes is from which size a block is sent: with its head it fits into one
	// TLS record.
	blockBytes = 15 << 10
	// blockWait is how long an event waits for others before it is sent.
	blockWait = 2 * time.Millisecond
	// window is how many bytes of blocks may be under way: sent, and not taken over
	// by the assistant's caller. It is what is lost when an assistant is killed.
	window = 1 << 20
	// ackWait is how long the mirror is not told what was taken over, unless that is
	// ackBytes.
	ackWait  = 20 * time.Millisecond
	ackBytes = window / 32
	// maxTexts is how many bytes of prepared statements a Client remembers.
	maxTexts = 8 << 20
	// maxPrepared is how many prepared statements of a session it remembers, and
	// maxAwaited how many commands whose answers it waits for.
	maxPrepared = 1 << 14
	maxAwaited  = 64

	// handshakeTime limits connecting, TLS and the greeting; decisionTime how long
	// the assistant's caller thinks about a new stream.
	handshakeTime = 10 * time.Second
	decisionTime  = 30 * time.Second
	// drainTime is how long a side that ends a connection waits for what it said
	// last to arrive.
	drainTime = time.Second
	// pingEvery is how often a Client asks for the assistant's clock, and deadAfter
	// how long either side waits for a sign of life.
	pingEvery = time.Second
	deadAfter = 10 * time.Second
	// The shortest and the longest pause before connecting again.
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
	// maxPending is how many connections a Listener has at once that have not said
	// who they are; a new one displaces the oldest.
	maxPending = 32
)
