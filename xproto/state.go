package xproto

// Phase is how far a connection has come.
type Phase uint8

// The phases.
const (
	// Opening: capabilities are agreed on, and the login is to come. A session
	// that was closed or reset is there again.
	Opening Phase = iota
	// InTLS: the server agreed to TLS; the bytes that follow are not frames. Who
	// ends TLS calls TLSDone.
	InTLS
	// Authenticating: the login goes on.
	Authenticating
	// Ready: logged in.
	Ready
	// Ended: the connection was closed by a message; nothing that matters follows.
	Ended
)

// maxPending limits how many messages may wait for their replies on one
// connection.
const maxPending = 1 << 16

// State is what decides how the next frame of either side reads: it is told
// every frame in causal order. It does no I/O and keeps no bytes of the
// frames. The zero State is a connection's beginning.
type State struct {
	Phase Phase
	// Known: the login was seen.
	Known bool
	// Encrypted: the connection switched to TLS.
	Encrypted bool
	// Compressed is the compression in force, from when the server agreed to it.
	Compressed Algorithm

	queue []pending
	first int // index of the oldest in queue
}

// pending is a client's message whose reply has not ended.
type pending struct {
	message  ClientMessage
	tls      bool      // a CapabilitiesSet that asks for TLS
	compress Algorithm // one that asks for compression
	keepOpen bool      // a Reset that keeps the session
}

// Waiting returns how many messages wait for the end of their reply.
func (s *State) Waiting() int { return len(s.queue) - s.first }

// Join makes the State that of a connection whose beginning was not seen, at a
// point where the client is about to send a message.
func (s *State) Join() { *s = State{Phase: Ready, queue: s.queue[:0]} }

// Resync forgets messages and replies under way, after bytes were lost.
func (s *State) Resync() {
	s.queue, s.first = s.queue[:0], 0
	if s.Phase != InTLS && s.Phase != Ended {
		s.Phase = Ready
	}
}

// TLSDone tells that TLS has been set up: what follows inside it is the login.
func (s *State) TLSDone() { s.Phase = Opening }

// Client takes note of a client's frame. The error is a *FormatError; State is
// then as before.
func (s *State) Client(f *Frame) error {
	switch {
	case s.Phase == InTLS:
		return &FormatError{"client message", "before TLS is set up"}
	case s.Phase == Ended:
		return &FormatError{"client message", "after the end of the connection"}
	case s.Waiting() >= maxPending:
		return &FormatError{"client message", "too many without a reply"}
	}
	p := pending{message: ClientMessage(f.Type)}
	switch p.message {
	case ConCapabilitiesSet:
		if f.Cut || f.Holed {
			break
		}
		var set CapabilitiesSet
		if err := set.Decode(f.Payload); err != nil {
			return err
		}
		p.tls = set.TLS()
		p.compress = set.Compression()
	case SessReset:
		if f.Cut || f.Holed {
			break
		}
		var r Reset
		if err := r.Decode(f.Payload); err != nil {
			return err
		}
		p.keepOpen = r.KeepOpen
	case SessAuthenticateStart:
		s.Phase = Authenticating
	}
	s.add(p)
	return nil
}

// add puts a message at the end of the queue, whose answered part goes before it
// grows.
func (s *State) add(p pending) {
	if s.first > len(s.queue)/2 || s.first == len(s.queue) {
		s.queue = append(s.queue[:0], s.queue[s.first:]...)
		s.first = 0
	}
	s.queue = append(s.queue, p)
}

// Server takes note of a server's frame. It returns the client's message that it
// answers, whether it ends the reply to it, and whether it answers one at all: a
// notice and a fatal error may come by themselves. The error is a *FormatError;
// State is then as before.
func (s *State) Server(f *Frame) (to ClientMessage, done, answers bool, err error) {
	m := ServerMessage(f.Type)
	switch {
	case s.Phase == InTLS:
		return 0, false, false, &FormatError{"server message", "before TLS is set up"}
	case !m.Known() || m == ServerCompression:
		return 0, false, false, &FormatError{"server message", "unknown type " + m.String()}
	}
	if s.first == len(s.queue) || m == Notice && !aboutSession(f) {
		switch {
		case m == Notice:
			return 0, false, false, nil
		case m == ServerError:
			s.Phase = Ended
			return 0, false, false, nil
		}
		return 0, false, false, &FormatError{m.String(), "without a client's message"}
	}
	p := s.queue[s.first]
	switch {
	case !m.EndsReply():
		if m != Notice && !p.message.mayHaveRows() && p.message.Known() {
			return 0, false, false, &FormatError{m.String(), "in a reply to " + p.message.String()}
		}
		return p.message, false, true, nil
	case !p.message.endsWith(m):
		return 0, false, false, &FormatError{m.String(), "ends a reply to " + p.message.String()}
	}
	s.first++
	s.answered(&p, m, f)
	return p.message, true, true, nil
}

// aboutSession tells whether a notice is about its session. Others, the server's
// hello among them, come by themselves, whatever waits for a reply.
func aboutSession(f *Frame) bool {
	var n NoticeFrame
	return !f.Cut && !f.Holed && n.Decode(f.Payload) == nil && !n.Global
}

// fatal tells whether an error is the last word of a connection.
func fatal(f *Frame) bool {
	var e Error
	return !f.Cut && !f.Holed && e.Decode(f.Payload) == nil && e.Fatal
}

// answered does what the end of a reply means for the connection.
func (s *State) answered(p *pending, m ServerMessage, f *Frame) {
	switch {
	case m == AuthenticateOK:
		s.Phase, s.Known = Ready, true
	case m == ServerError && fatal(f):
		s.Phase = Ended
	case m == ServerError:
		if s.Phase == Authenticating && (p.message == SessAuthenticateStart || p.message == SessAuthenticateContinue) {
			s.Phase = Opening
		}
	case p.message == ConCapabilitiesSet && m == OK:
		if p.tls {
			s.Phase, s.Encrypted = InTLS, true
		}
		if p.compress != Uncompressed {
			s.Compressed = p.compress
		}
	case p.message == SessClose, p.message == SessReset && !p.keepOpen:
		s.Phase = Opening
	case p.message == ConClose:
		s.Phase = Ended
	}
}
