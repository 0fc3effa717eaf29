// Package flow is the seam between where bytes come from and what they mean:
// bytes of one connection, of one direction, of one moment, or the word that
// some were lost. Packets and sockets end here; protocols begin here.
package flow

import "net/netip"

// Side tells which end of a connection sent something.
type Side uint8

// The two sides of a connection.
const (
	Client Side = iota
	Server
)

// String returns "client" or "server".
func (s Side) String() string {
	if s == Server {
		return "server"
	}
	return "client"
}

// Other returns the opposite side.
func (s Side) Other() Side { return s ^ 1 }

// Kind tells what a Chunk reports.
type Kind uint8

// The kinds of chunks.
const (
	// Open: the connection was seen for the first time. Conn.Joined tells
	// whether its beginning was missed. It comes before every other chunk of
	// its connection.
	Open Kind = iota + 1
	// Data: Chunk.Data follows directly on what the side sent before.
	Data
	// Gap: Chunk.Lost bytes of the side were sent but not seen (0: an unknown
	// number). What follows is not adjacent to what came before.
	Gap
	// Close: the connection ended; no chunk of it follows.
	Close
	// Tick: the source is alive and time has passed. It belongs to no
	// connection.
	Tick
	// Drop: the source lost Chunk.Lost packets before it could read them and
	// cannot tell whose. It belongs to no connection; the gaps that follow
	// from it are reported as Gap where they are noticed.
	Drop
	// TLS: the connection has switched to TLS, and the source ends it: the Data
	// that follow are what passes inside. It belongs to no side.
	TLS
)

var kindNames = [...]string{"?", "open", "data", "gap", "close", "tick", "drop", "tls"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "?"
}

// Reason tells why a Gap or a Close happened.
type Reason uint8

// The reasons of gaps and closes.
const (
	// Unstated is the zero Reason: an Open, Data, Tick or Drop chunk.
	Unstated Reason = iota
	// Lost: a gap in the sequence numbers that the other side acknowledged or
	// that outlived the time limit.
	Lost
	// Snapped: the packet was recorded shorter than it was on the wire.
	Snapped
	// Memory: buffered bytes were given up because a limit was reached.
	Memory
	// Finished: both sides ended their streams (FIN), or a socket was closed.
	Finished
	// Reset: the connection was torn down (RST).
	Reset
	// Silent: nothing was seen for longer than the idle limit.
	Silent
	// Reused: a new connection with the same addresses and ports began.
	Reused
	// SourceEnded: the source ended while the connection was open.
	SourceEnded
)

var reasonNames = [...]string{"", "lost", "snapped", "memory limit", "finished", "reset", "silent", "reused", "source ended"}

// String returns the reason in words, "" for Unstated.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "?"
}

// Conn names one connection. A source makes one Conn per connection and puts
// the same pointer into all its chunks; nobody else changes it.
type Conn struct {
	// ID is the number of the connection within its source, from 1.
	ID uint64
	// Client and Server are the two ends. Both may be the zero AddrPort when
	// the transport has no addresses (a unix socket).
	Client, Server netip.AddrPort
	// Joined: the source did not see the beginning of the connection.
	Joined bool
}

// Chunk is one piece of a connection's life. Chunks of one connection come in
// causal order: bytes that one side acknowledged come before what it sent
// with that acknowledgement.
type Chunk struct {
	Kind Kind
	// Side tells who sent the data or whose bytes are lost (Data, Gap) and who
	// ended first (Close).
	Side Side
	// Reason is set in Gap and Close chunks.
	Reason Reason
	// Conn is nil in Tick and Drop chunks.
	Conn *Conn
	// At is when the bytes came in: nanoseconds since the Unix epoch by the
	// clock of the machine that saw them.
	At int64
	// Data is borrowed: it is valid until the source is read again. Data chunks
	// are never empty.
	Data []byte
	// Lost counts bytes in a Gap (0: unknown), packets in a Drop.
	Lost uint64
}
