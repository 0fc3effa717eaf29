package classic

// Phase is how far a connection has come.
type Phase uint8

// The phases.
const (
	// AwaitGreeting: the server speaks first.
	AwaitGreeting Phase = iota
	// AwaitLogin: the client's SSLRequest or Login is next.
	AwaitLogin
	// InTLS: the client asked for TLS; the bytes that follow are not frames.
	// Who ends TLS calls TLSDone.
	InTLS
	// Authenticating: the exchange goes on until OK or ERR.
	Authenticating
	// Ready: commands and replies.
	Ready
	// Streaming: the server sends a replication stream.
	Streaming
	// Ended: nothing that matters follows.
	Ended
)

// ClientPart tells what a client's frame means.
type ClientPart uint8

// What a client's frame means.
const (
	ClientSSLRequest ClientPart = iota + 1 // State.Login.Capabilities is what it asks for
	ClientLogin                            // State.Login
	ClientAuthData                         // a secret
	ClientCommand                          // a command
	ClientFileData                         // a piece of the LOCAL INFILE file; empty: its end
	ClientStream                           // within a replication stream
)

// ServerPart tells what a server's frame means.
type ServerPart uint8

// What a server's frame means.
const (
	PartGreeting       ServerPart = iota + 1 // State.Greeting
	PartAuthSwitch                           // State.Switch
	PartAuthMore                             // AuthMoreData
	PartAuthFactor                           // AuthNextFactor: multi-factor authentication
	PartLoginOK                              // State.OK; compression begins after it
	PartLoginError                           // State.ERR
	PartOK                                   // State.OK ends a result
	PartError                                // State.ERR ends the reply
	PartProgress                             // MariaDB's progress report
	PartFileRequest                          // LOCAL INFILE: the payload names the file
	PartColumnCount                          // State.Columns: a result with rows begins
	PartColumn                               // a column definition
	PartColumnsEnd                           // the EOF packet after definitions; State.OK
	PartRow                                  // a row
	PartRowsEnd                              // State.OK ends the rows and the result
	PartPrepared                             // State.Prepared
	PartParam                                // the definition of a placeholder
	PartPreparedColumn                       // the definition of a prepared result's column
	PartDefinitionEnd                        // the EOF packet within the answer to a Prepare
	PartField                                // a definition in the answer to FIELD_LIST
	PartText                                 // bare text
	PartStream                               // a packet of a replication stream
	PartNotice                               // State.ERR came without a command: the server is about to close
	PartTrailing                             // bytes after the end
)

// tri is a fact that may be unknown.
type tri uint8

const (
	unknown tri = iota
	no
	yes
)

// maxPending limits how many commands may wait for their replies on one
// connection.
const maxPending = 1 << 16

// pending is a command whose reply has not ended.
type pending struct {
	code Code
	next byte // sequence id of the reply's first frame
}

// State is what decides how the next frame of either side reads: it is told
// every frame in causal order and tells what each one means. It does no I/O
// and keeps no bytes of the frames. The zero State is a connection's
// beginning.
type State struct {
	Phase Phase
	// Greeting and Login are set once they were seen; their byte slices are nil,
	// but for Greeting.Nonce, which State owns.
	Greeting Greeting
	Login    Login
	// Known: the login was seen, so Caps hold. Otherwise what decides the
	// layout is deduced from what comes.
	Known bool
	// Caps are the capabilities that both sides agreed on.
	Caps Capability
	// Plugin is the authentication plugin in force.
	Plugin string
	// Encrypted: the connection switched to TLS.
	Encrypted bool
	// Compressed is the compression in force: from the frame after the
	// login's OK on.
	Compressed Compression

	// The last message of its kind, valid until the next call; its slices borrow
	// from the frame.
	OK       OK
	ERR      ERR
	Switch   AuthSwitch
	Prepared PrepareOK
	Columns  int

	eof     tri // whether EOF packets are used
	queue   []pending
	first   int // index of the oldest entry in queue
	reply   replyState
	authing bool // CHANGE_USER: the client's answer is next
}

// Waiting returns how many commands wait for the end of their reply.
func (s *State) Waiting() int { return len(s.queue) - s.first }

// Join makes the State that of a connection whose beginning was not seen, at a
// point where the client is about to send a command.
func (s *State) Join() {
	*s = State{Phase: Ready, queue: s.queue[:0]}
}

// Resync forgets commands and replies under way, after bytes were lost: the
// client is about to send a command. What the login said still holds.
func (s *State) Resync() {
	s.queue, s.first = s.queue[:0], 0
	s.reply = replyState{}
	s.authing = false
}

// TLSDone tells that TLS has been set up: what follows inside it is the login.
func (s *State) TLSDone() { s.Phase = AwaitLogin }

// strict tells whether the sequence ids of replies are to be enforced: under
// compression servers number as they like.
func (s *State) strict() bool { return s.Compressed == Uncompressed }

// Client tells what a client's frame means. The error is a *FormatError; State
// is then as before.
func (s *State) Client(f *Frame) (ClientPart, error) {
	switch s.Phase {
	case AwaitLogin:
		return s.clientLogin(f)
	case Authenticating:
		return ClientAuthData, nil
	case Ready:
		return s.clientReady(f)
	case Streaming:
		return ClientStream, nil
	case AwaitGreeting:
		return 0, &FormatError{"client frame", 0, "before the server's greeting"}
	}
	return 0, &FormatError{"client frame", 0, "after the end of the session"}
}

func (s *State) clientLogin(f *Frame) (ClientPart, error) {
	if IsSSLRequest(f.Payload) && !s.Encrypted {
		s.Encrypted = true
		s.Phase = InTLS
		return ClientSSLRequest, nil
	}
	var l Login
	if err := l.Decode(f.Payload); err != nil {
		return 0, err
	}
	l.Auth = nil
	s.Login = l
	s.Caps = s.Greeting.Capabilities & l.Capabilities
	s.Known = true
	s.Plugin = l.Plugin
	if s.Plugin == "" {
		s.Plugin = s.Greeting.Plugin
	}
	s.eof = yes
	if s.Caps.Has(DeprecateEOF) {
		s.eof = no
	}
	s.Phase = Authenticating
	return ClientLogin, nil
}

func (s *State) clientReady(f *Frame) (ClientPart, error) {
	if head := s.head(); head != nil {
		if s.reply.step == stepFile {
			s.reply.next = f.Last + 1
			if f.Size == 0 {
				s.reply.step = stepFirst
			}
			return ClientFileData, nil
		}
		if s.authing && f.Seq != 0 {
			s.authing = false
			s.reply.next = f.Last + 1
			return ClientAuthData, nil
		}
	}
	if f.Seq != 0 { // a command begins anew, under compression too
		return 0, &FormatError{"command", 0, "sequence id is not 0"}
	}
	if f.Size == 0 {
		return 0, &FormatError{"command", 0, "empty"}
	}
	return ClientCommand, s.command(Code(f.Payload[0]), f.Last)
}

// command takes note of a command that was sent.
func (s *State) command(code Code, last byte) error {
	if s.Waiting() >= maxPending {
		return &FormatError{"command", 0, "too many commands without a reply"}
	}
	switch code.answer() {
	case answerNone:
		if code == ComQuit {
			s.Phase = Ended
		}
		return nil
	}
	if s.first == len(s.queue) {
		s.queue, s.first = s.queue[:0], 0
	}
	s.queue = append(s.queue, pending{code, last + 1})
	return nil
}

// head returns the oldest command whose reply has not ended, or nil.
func (s *State) head() *pending {
	if s.first == len(s.queue) {
		return nil
	}
	return &s.queue[s.first]
}

// Server tells what a server's frame means, and whether it ends the reply to
// the oldest waiting command. The error is a *FormatError.
func (s *State) Server(f *Frame) (part ServerPart, done bool, err error) {
	switch s.Phase {
	case Ready:
		return s.serverReady(f)
	case AwaitGreeting:
		part, err = s.serverGreeting(f)
		return part, false, err
	case Authenticating:
		part, err = s.serverAuth(f, PartLoginOK, PartLoginError)
		return part, false, err
	case Streaming:
		return PartStream, false, nil
	case Ended:
		return PartTrailing, false, nil
	}
	return 0, false, &FormatError{"server frame", 0, "before the client's login"}
}

func (s *State) serverGreeting(f *Frame) (ServerPart, error) {
	if len(f.Payload) > 0 && f.Payload[0] == 0xff {
		s.Phase = Ended
		return PartLoginError, s.ERR.Decode(f.Payload)
	}
	if err := s.Greeting.Decode(f.Payload); err != nil {
		return 0, err
	}
	s.Greeting.Nonce = append([]byte(nil), s.Greeting.Nonce...)
	s.Phase = AwaitLogin
	return PartGreeting, nil
}

// serverAuth reads a server's frame of an authentication exchange.
func (s *State) serverAuth(f *Frame, ok, failed ServerPart) (ServerPart, error) {
	if len(f.Payload) == 0 {
		return 0, &FormatError{"authentication", 0, "empty frame"}
	}
	switch f.Payload[0] {
	case 0x00:
		if err := s.OK.Decode(f.Payload, s.Caps); err != nil {
			return 0, err
		}
		if ok == PartLoginOK {
			s.Phase = Ready
			s.Compressed = CompressionOf(s.Caps)
		}
		return ok, nil
	case 0xff:
		if ok == PartLoginOK {
			s.Phase = Ended
		}
		return failed, s.ERR.Decode(f.Payload)
	case 0xfe:
		if err := s.Switch.Decode(f.Payload); err != nil {
			return 0, err
		}
		s.Plugin = s.Switch.Plugin
		s.authing = true
		return PartAuthSwitch, nil
	case 0x01:
		// 03: the password's hash was in the server's cache; OK follows.
		s.authing = len(f.Payload) != 2 || f.Payload[1] != 3
		return PartAuthMore, nil
	case 0x02:
		s.authing = true
		return PartAuthFactor, nil
	}
	return 0, &FormatError{"authentication", 0, "unknown message"}
}

// InRows tells whether rows of the reply under way come next, or their end.
func (s *State) InRows() bool { return s.Phase == Ready && s.reply.begun && s.reply.step == stepRows }

// Resume puts the State, after bytes were lost, where the client is about to
// send a command: as Resync does, and past the login if that was not over.
func (s *State) Resume(c Compression) {
	s.Resync()
	s.Phase = Ready
	s.Compressed = c
}
