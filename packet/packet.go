// Package packet turns packets into chunks: pcap and pcapng files, pipes or live
// devices are read, IP is decoded, fragments are put together, and TCP streams
// are rebuilt in causal order with every lost byte named. It knows no MySQL.
package packet

import "time"

// Options tell a Source what to read and how. The zero Options read all TCP
// connections with the default limits.
type Options struct {
	// Ports are the server's ports: the end of a connection with one of them is
	// the server. When both ends or neither have one, the handshake tells, and
	// without a handshake the lower port is the server.
	Ports []uint16
	// Filter chooses packets. When it is nil and Ports is not empty, packets
	// from or to one of Ports are chosen.
	Filter *Filter
	// Follow makes OpenFiles wait at the end of the last file for it to grow,
	// with Tick chunks meanwhile, until Close. Compressed files cannot be
	// followed.
	Follow bool
	// GapWait is how long (by the packets' time) bytes that the other side has
	// acknowledged are waited for before they are declared lost. 0: DefaultGapWait.
	GapWait time.Duration
	// GapWaitUnacked is the same for bytes that nobody acknowledged yet: the
	// sender will repeat them. 0: DefaultGapWaitUnacked.
	GapWaitUnacked time.Duration
	// Limits bound memory; a zero field stands for its default.
	Limits Limits
}

// Defaults of Options.
const (
	DefaultGapWait        = 50 * time.Millisecond
	DefaultGapWaitUnacked = 2 * time.Second
)

// Limits bound what a Source keeps. Whatever is given up because of a limit is
// counted in Stats and reported by a Gap or Close chunk.
type Limits struct {
	// StreamBytes bounds the memory for held segments of one side of one
	// connection; TotalBytes that of all connections together. When one is
	// reached, the oldest hole is declared a Gap with the reason Memory.
	StreamBytes, TotalBytes int
	// StreamSegments bounds how many segments one side of one connection holds.
	StreamSegments int
	// Conns bounds the connections in the table (216 bytes each, and their flow.Conns). At most
	// a quarter of it is given to half-open connections, so that a flood of SYNs
	// evicts only itself, and at most a quarter to closed ones that linger for
	// late packets. When the table is full, lingering ones go first, then
	// half-open ones, then the connection that was silent for longest.
	Conns int
	// Idle closes a connection (reason Silent) of which nothing was seen for so
	// long. MySQL's own default wait_timeout is 8 hours.
	Idle time.Duration
	// FragmentBytes bounds the memory for IP fragments, Fragments the number of
	// datagrams that wait for some.
	FragmentBytes, Fragments int
}

// DefaultLimits stand in for the zero fields of Options.Limits.
var DefaultLimits = Limits{
	StreamBytes:    8 << 20,
	TotalBytes:     64 << 20,
	StreamSegments: 8192,
	Conns:          1 << 18,
	Idle:           24 * time.Hour,
	FragmentBytes:  4 << 20,
	Fragments:      1024,
}

// withDefaults fills in the zero fields.
func (o Options) withDefaults() Options {
	orElse := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orElseDuration := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orElseDuration(&o.GapWait, DefaultGapWait)
	orElseDuration(&o.GapWaitUnacked, DefaultGapWaitUnacked)
	l, d := &o.Limits, &DefaultLimits
	orElse(&l.StreamBytes, d.StreamBytes)
	orElse(&l.TotalBytes, d.TotalBytes)
	orElse(&l.StreamSegments, d.StreamSegments)
	orElse(&l.Conns, d.Conns)
	orElse(&l.FragmentBytes, d.FragmentBytes)
	orElse(&l.Fragments, d.Fragments)
	orElseDuration(&l.Idle, d.Idle)
	l.Conns = max(l.Conns, minConns)
	if o.Filter == nil && len(o.Ports) > 0 {
		o.Filter = NewFilter(o.Ports, nil, nil)
	}
	return o
}

// minConns keeps a quarter of the table above zero.
const minConns = 8

// portSet holds ports as bits.
type portSet [1 << 16 / 64]uint64

func newPortSet(ports []uint16) *portSet {
	if len(ports) == 0 {
		return nil
	}
	s := new(portSet)
	for _, p := range ports {
		s[p>>6] |= 1 << (p & 63)
	}
	return s
}

func (s *portSet) has(p uint16) bool { return s != nil && s[p>>6]>>(p&63)&1 != 0 }
