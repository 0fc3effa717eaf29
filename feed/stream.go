package feed

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"myreplay/capfile"
	"myreplay/session"
)

// ErrGone tells that a stream's mirror has not come back, or that the stream was
// ended on this side.
var ErrGone = errors.New("the mirror is gone")

// Stream is what one mirror feeds, on as many connections as it takes.
type Stream struct {
	l       *Listener
	hello   Hello
	from    string
	decided chan struct{} // it was accepted or refused

	// These are the reader's.
	dec  capfile.BlockDecoder
	read uint64 // the number of the block that was read last

	mu       sync.Mutex
	news     chan struct{} // something has changed that Read waits for; it may be late
	accepted bool
	refusal  string
	peer     *peer // the connection there is; nil: none
	serial   int64 // of the latest connection that was taken
	linger   *time.Timer

	next   uint64 // the number of the block that is wanted
	acked  uint64
	blocks [][]byte // received and not read
	sizes  []int    // of those received and not acknowledged
	held   int      // their sum
	untold int      // bytes that were acknowledged, and the mirror not told
	last   uint64   // the number of the last block, if finish
	finish bool

	notes []*note
	done  bool          // all is said
	gone  chan struct{} // it has ended
	err   error         // why; nil while it has not
	skew  int64
}

// note is the latest note of a kind.
type note struct {
	kind    string
	payload []byte
	sent    bool // on the connection there is
}

func newStream(l *Listener, h Hello, from string) *Stream {
	return &Stream{l: l, hello: h, from: from, decided: make(chan struct{}), news: make(chan struct{}, 1),
		gone: make(chan struct{}), next: 1}
}

// Hello returns how the mirror introduced the stream.
func (s *Stream) Hello() Hello { return s.hello }

// From returns the address that the stream came from first.
func (s *Stream) From() string { return s.from }

// Accept takes the stream; from now on it is to be read.
func (s *Stream) Accept() { s.decide(true, "") }

// Refuse refuses the stream. The mirror is told why, and tries again.
func (s *Stream) Refuse(why string) {
	s.decide(false, why)
	s.end(ErrGone)
}

func (s *Stream) decide(accepted bool, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.decided:
	default:
		s.accepted, s.refusal = accepted, refusal
		close(s.decided)
	}
}

// Read returns the events of the next block, which own their bytes. It waits for
// one. It returns io.EOF when the mirror has said that no more come, ErrGone when
// the mirror did not come back in time, and another error when what it sent
// could not be read, which ends the stream. It is for one goroutine.
func (s *Stream) Read() ([]session.Event, error) {
	for {
		s.mu.Lock()
		switch {
		case len(s.blocks) > 0:
			block := s.blocks[0]
			s.blocks[0] = nil
			s.blocks = s.blocks[1:]
			s.mu.Unlock()
			return s.decode(block)
		case s.finish && s.next == s.last+1:
			s.mu.Unlock()
			return nil, io.EOF
		case s.err != nil:
			err := s.err
			s.mu.Unlock()
			return nil, err
		}
		s.mu.Unlock()
		select {
		case <-s.news:
		case <-s.gone:
		}
	}
}

func (s *Stream) decode(block []byte) ([]session.Event, error) {
	s.read++
	events, err := s.dec.Decode(block)
	if err != nil {
		err = protocolError("block %d: %v", s.read, err)
		s.end(err)
		return nil, err
	}
	return events, nil
}

// Ack tells that all blocks that were read are taken over: the mirror forgets
// them. It is for the goroutine that reads.
func (s *Stream) Ack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.acked < s.read; s.acked++ {
		s.held -= s.sizes[0]
		s.untold += s.sizes[0]
		s.sizes = s.sizes[1:]
	}
	p := s.peer
	switch {
	case p == nil:
	case s.untold >= ackBytes:
		p.tell = true
		p.rouse()
	case !p.late:
		p.late = true
		time.AfterFunc(ackWait, func() { s.tellLate(p) })
	}
}

// tellLate tells of what was taken over a while ago.
func (s *Stream) tellLate(p *peer) {
	s.mu.Lock()
	p.late, p.tell = false, true
	s.mu.Unlock()
	p.rouse()
}

// Note tells the mirror something. A later note of the same kind takes the place
// of one that waits; the latest of each kind is told again after a connection
// broke. The payload is not copied.
func (s *Stream) Note(kind string, payload []byte) error {
	if len(payload) > MaxNote || len(kind) > 255 {
		return fmt.Errorf("a note of %d bytes is over the limit of %d", len(payload), MaxNote)
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.notes, func(n *note) bool { return n.kind == kind })
	switch {
	case i >= 0:
		s.notes = slices.Delete(s.notes, i, i+1)
	case len(s.notes) >= MaxKinds:
		s.mu.Unlock()
		return fmt.Errorf("a stream has no more than %d kinds of notes", MaxKinds)
	}
	s.notes = append(s.notes, &note{kind: kind, payload: payload})
	s.mu.Unlock()
	s.rouse()
	return nil
}

// Done tells the mirror, after all notes, that everything is said. It waits
// until the mirror has heard it, or is gone for good.
func (s *Stream) Done() error {
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	s.rouse()
	<-s.gone
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// Skew returns how far our clock is ahead of the mirror's, in nanoseconds, as
// the mirror has measured it last; 0 until then.
func (s *Stream) Skew() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skew
}

// Up tells whether there is a connection now.
func (s *Stream) Up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer != nil
}

// Close ends the stream; the mirror is told why. If it comes again, it is a new
// one.
func (s *Stream) Close(why string) {
	if why == "" {
		why = "the assistant ended the stream"
	}
	s.decide(false, why)
	s.end(fmt.Errorf("%w: %s", ErrGone, why))
}

// end ends the stream for good.
func (s *Stream) end(err error) {
	s.l.remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	if s.linger != nil {
		s.linger.Stop()
	}
	close(s.gone)
	if s.peer != nil {
		s.peer.rouse()
	}
}

// rouse wakes the goroutine that writes.
func (s *Stream) rouse() {
	s.mu.Lock()
	p := s.peer
	s.mu.Unlock()
	if p != nil {
		p.rouse()
	}
}

// tell wakes Read.
func (s *Stream) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
