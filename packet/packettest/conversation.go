// Package packettest makes packets and capture files for tests: conversations
// over TCP with correct sequence numbers and checksums, and writers for pcap and
// pcapng.
package packettest

import (
	"net/netip"
	"time"

	"myreplay/flow"
)

// TCP flags of a Segment.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Segment is one TCP segment of a conversation.
type Segment struct {
	At       int64 // nanoseconds since the Unix epoch
	Side     flow.Side
	Seq, Ack uint32
	Flags    uint8
	Data     []byte
}

// Conversation makes the segments of one connection. Set its fields before the
// first call; the methods append to Segments.
type Conversation struct {
	Client, Server netip.AddrPort
	MSS            int           // the longest payload of a segment
	At             time.Time     // of the next segment
	Step           time.Duration // between two segments
	Seq            [2]uint32     // by flow.Side: the next sequence number

	Segments []Segment
}

// NewConversation returns a conversation between the two addresses, with segments
// of up to 1460 bytes every 100 µs from 2026-01-01 on.
func NewConversation(client, server netip.AddrPort) *Conversation {
	return &Conversation{
		Client: client, Server: server,
		MSS:  1460,
		At:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Step: 100 * time.Microsecond,
		Seq:  [2]uint32{1000, 5000},
	}
}

// segment appends a segment; ack is what side has seen of the other one.
func (c *Conversation) segment(side flow.Side, flags uint8, data []byte) {
	s := Segment{At: c.At.UnixNano(), Side: side, Seq: c.Seq[side], Flags: flags, Data: data}
	if flags&ACK != 0 {
		s.Ack = c.Seq[side.Other()]
	}
	c.Segments = append(c.Segments, s)
	c.At = c.At.Add(c.Step)
	c.Seq[side] += uint32(len(data))
	if flags&(SYN|FIN) != 0 {
		c.Seq[side]++
	}
}

// Open appends the handshake.
func (c *Conversation) Open() {
	c.segment(flow.Client, SYN, nil)
	c.segment(flow.Server, SYN|ACK, nil)
	c.Ack(flow.Client)
}

// Send appends data in as many segments as it takes. The other side does not
// acknowledge it until it sends something itself.
func (c *Conversation) Send(side flow.Side, data []byte) {
	for len(data) > 0 {
		n := min(len(data), c.MSS)
		flags := uint8(ACK)
		if n == len(data) {
			flags |= PSH
		}
		c.segment(side, flags, data[:n])
		data = data[n:]
	}
}

// Ack appends a segment of side without data.
func (c *Conversation) Ack(side flow.Side) { c.segment(side, ACK, nil) }

// Close appends both sides' FINs, side's first, and the last acknowledgement.
func (c *Conversation) Close(side flow.Side) {
	c.segment(side, FIN|ACK, nil)
	c.segment(side.Other(), FIN|ACK, nil)
	c.Ack(side)
}

// Reset appends a RST of side.
func (c *Conversation) Reset(side flow.Side) { c.segment(side, RST|ACK, nil) }

// Frame returns s as an Ethernet frame.
func (c *Conversation) Frame(s *Segment) []byte {
	return AppendEthernet(nil, nil, c.IP(s))
}

// IP returns s as an IP packet.
func (c *Conversation) IP(s *Segment) []byte {
	src, dst := c.Client, c.Server
	if s.Side == flow.Server {
		src, dst = dst, src
	}
	return AppendIP(nil, src, dst, s)
}

// Write writes all segments as Ethernet frames.
func (c *Conversation) Write(w *Writer) error {
	for i := range c.Segments {
		if err := w.Packet(c.Segments[i].At, c.Frame(&c.Segments[i])); err != nil {
			return err
		}
	}
	return nil
}
