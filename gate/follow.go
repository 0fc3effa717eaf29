package gate

import (
	"slices"
	"sync"

	"myreplay/classic"
	"myreplay/flow"
)

// follower understands every frame of a connection in the classic protocol
// whose legs are not alike, or whose session is made to report its state.
type follower struct {
	*opening
	mixed       bool // a password may go in clear on one leg only
	tracks      bool
	certificate bool
	maria       bool

	mu    sync.Mutex
	turn  sync.Cond     // the end of busy, or of everything
	state classic.State // of the client's leg, as it is told
	x     *exchange     // nil unless an authentication goes on
	nonce []byte        // that the next CHANGE_USER answers
	// busy: no further command may pass until the reply that ends after left
	// others has ended, and what is hidden after it.
	busy bool
	left int
	// hidden is the statement of the gate's own whose answer comes next, from 1;
	// held is what waits for it.
	hidden int
	held   []out
	// blind: the frames are not understood any more, and pass as they are.
	blind bool
	over  bool
}

// out is something to tell and to send.
type out struct {
	to         flow.Side
	told, sent []byte
}

// verdict says what becomes of a frame.
type verdict uint8

const (
	asIs    verdict = iota // it passes
	changed                // what passes instead was returned
	wait                   // it must wait for its turn
)

// follow takes the login, and all that comes until its end.
func (c *classicOpening) follow(f *classic.Frame, tracks bool) (*Passage, error) {
	client, server := c.legs[flow.Client], c.legs[flow.Server]
	s := &follower{opening: c.opening, state: c.state, tracks: tracks, certificate: c.certificate,
		mixed: !client.alike(server), maria: c.greeting.Maria(), nonce: c.greeting.Nonce}
	s.turn.L = &s.mu
	outs, err := s.login(f)
	for err == nil {
		if err = s.emit(outs); err != nil || s.loggedIn() {
			break
		}
		side := flow.Server
		if s.hidden == 0 {
			side = s.legs.await(classic.HeaderLen)
		}
		var f classic.Frame
		if f, _, err = s.frame(side, "the client was logging in"); err == nil {
			outs, _, err = s.take(side, &f)
		}
	}
	if err != nil {
		return nil, err
	}
	p := &Passage{}
	if s.state.Phase == classic.Ready && (s.mixed || s.tracks) && s.state.Compressed == classic.Uncompressed {
		p.Follow = s.run
	}
	return p, nil
}

// loggedIn tells whether the login is over.
func (s *follower) loggedIn() bool { return s.state.Phase >= classic.Ready && s.hidden == 0 }

// login passes the client's login on.
func (s *follower) login(f *classic.Frame) ([]out, error) {
	payload := slices.Clone(f.Payload)
	if s.tracks {
		setLogin(payload, classic.SessionTrack, true)
	}
	told := *f
	told.Payload = payload
	if _, err := s.state.Client(&told); err != nil {
		return nil, refused(codeHandshake, err.Error())
	}
	up := slices.Clone(payload)
	setLogin(up, classic.SSL, s.legs[flow.Server].encrypted)
	s.x = &exchange{legs: &s.legs, plugin: s.state.Plugin, nonce: s.nonce, shared: s.nonce}
	toServer, toClient, err := s.x.begin(loginOpener(up))
	if err != nil {
		return nil, err
	}
	return s.answer(&told, toServer, toClient), nil
}

// take takes a frame of either side and says what becomes of it.
func (s *follower) take(side flow.Side, f *classic.Frame) ([]out, verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind {
		return nil, asIs, nil
	}
	if side == flow.Client {
		return s.fromClient(f)
	}
	return s.fromServer(f)
}

func (s *follower) fromClient(f *classic.Frame) ([]out, verdict, error) {
	if s.x != nil && (f.Seq != 0 || s.state.Phase == classic.Authenticating) {
		_, _ = s.state.Client(f) // a plugin's message may be any
		s.legs[flow.Client].next = f.Last + 1
		toServer, toClient, err := s.x.client(f.Payload)
		return s.answer(f, toServer, toClient), changed, err
	}
	if s.waits(f.Seq) {
		return nil, wait, nil
	}
	part, err := s.state.Client(f)
	if err != nil {
		return nil, asIs, s.lost(err)
	}
	if part != classic.ClientCommand {
		return nil, asIs, nil
	}
	switch classic.Code(f.Payload[0]) {
	case classic.ComChangeUser:
		return s.changeUser(f)
	case classic.ComResetConnection:
		s.blockUntilAnswered(s.tracks)
	}
	return nil, asIs, nil
}

// waits tells whether a client's frame that begins with the sequence id must
// wait.
func (s *follower) waits(seq byte) bool { return s.busy && seq == 0 && !s.over }

// blockUntilAnswered lets no command pass until the last one's answer has.
func (s *follower) blockUntilAnswered(yes bool) {
	if yes {
		s.busy, s.left = true, s.state.Waiting()
	}
}

// changeUser passes a CHANGE_USER on, a login of its own.
func (s *follower) changeUser(f *classic.Frame) ([]out, verdict, error) {
	s.blockUntilAnswered(true)
	var m classic.ChangeUser
	if m.Decode(f.Payload, s.state.Caps) != nil {
		return nil, asIs, nil
	}
	s.x = &exchange{legs: &s.legs, plugin: m.Plugin, nonce: s.nonce, shared: s.nonce}
	s.legs[flow.Client].next, s.legs[flow.Server].next = f.Last+1, 0
	toServer, toClient, err := s.x.begin(changeOpener(slices.Clone(f.Payload)))
	return s.answer(f, toServer, toClient), changed, err
}

// answer tells a client's frame and returns what to send for it.
func (s *follower) answer(f *classic.Frame, toServer, toClient []byte) []out {
	told, _ := classic.AppendFrames(nil, f.Seq, f.Payload)
	o := out{to: flow.Server, told: told}
	if toServer != nil {
		o.sent = s.frameFor(flow.Server, toServer)
	}
	outs := []out{o}
	if toClient != nil {
		b := s.frameFor(flow.Client, toClient)
		s.tellState(b)
		outs = append(outs, out{flow.Client, b, b})
	}
	return outs
}

// frameFor returns a payload as the next frame of an exchange.
func (s *follower) frameFor(to flow.Side, payload []byte) (b []byte) {
	l := s.legs[to]
	b, l.next = classic.AppendFrames(nil, l.next, payload)
	return b
}

// tellState tells the state a frame for the client that is not the server's.
func (s *follower) tellState(b []byte) {
	f := classic.Frame{Seq: b[3], Last: b[3], Payload: b[classic.HeaderLen:], Size: uint64(len(b) - classic.HeaderLen)}
	_, _, _ = s.state.Server(&f) // it is AuthMoreData
}

func (s *follower) fromServer(f *classic.Frame) ([]out, verdict, error) {
	switch {
	case s.hidden > 0:
		return s.hiddenAnswer(f), changed, nil
	case s.x != nil && (s.state.Phase == classic.Authenticating || s.left == 1):
		return s.authentication(f)
	}
	part, done, err := s.state.Server(f)
	if err != nil {
		return nil, asIs, s.lost(err)
	}
	last := done && s.busy && s.ended()
	instead := s.untracked(part, f)
	if instead == nil && !last {
		return nil, asIs, nil
	}
	told, _ := classic.AppendFrames(nil, f.Seq, f.Payload)
	o := out{flow.Client, told, told}
	if instead != nil {
		o.sent, _ = classic.AppendFrames(nil, f.Seq, instead)
	}
	return s.finish(last, f, []out{o}), changed, nil
}

// ended counts the end of a reply and tells whether it was the one that commands
// wait for.
func (s *follower) ended() bool {
	s.left--
	return s.left == 0
}

// authentication takes a server's message of an authentication.
func (s *follower) authentication(f *classic.Frame) ([]out, verdict, error) {
	s.legs[flow.Server].next = f.Last + 1
	toClient, toServer, err := s.x.server(f.Payload)
	if err != nil {
		return nil, changed, err
	}
	var outs []out
	if toServer != nil {
		outs = append(outs, out{to: flow.Server, sent: s.frameFor(flow.Server, toServer)})
	}
	if toClient == nil {
		return outs, changed, nil
	}
	over := len(toClient) > 0 && (toClient[0] == authOK || toClient[0] == authError)
	if over && toClient[0] == authError && s.certificate && s.state.Phase == classic.Authenticating {
		toClient = append(slices.Clip(toClient), noCertificate...)
	}
	told := s.frameFor(flow.Client, toClient)
	seen := classic.Frame{Seq: told[3], Last: told[3], Payload: toClient, Size: uint64(len(toClient))}
	part, _, err := s.state.Server(&seen)
	if err != nil && over {
		return nil, changed, refused(codeHandshake, err.Error())
	}
	o := out{flow.Client, told, told}
	if instead := s.untracked(part, &seen); instead != nil {
		o.sent, _ = classic.AppendFrames(nil, seen.Seq, instead)
	}
	outs = append(outs, o)
	if !over {
		return outs, changed, nil
	}
	s.nonce = s.x.shared
	s.x = nil
	return s.finish(true, f, outs), changed, nil
}

// finish ends what commands wait for. After a success the session is asked to
// report its state.
func (s *follower) finish(last bool, f *classic.Frame, outs []out) []out {
	if !last {
		return outs
	}
	if s.tracks && len(f.Payload) > 0 && f.Payload[0] == authOK {
		s.hidden, s.held = 1, outs
		return []out{s.hiddenStatement()}
	}
	s.release()
	return outs
}

// release lets commands pass again.
func (s *follower) release() {
	s.busy, s.left = false, 0
	s.turn.Broadcast()
}

// lost gives up understanding the frames: they pass as they are from here on,
// which they can't when the client must not see what the server reports.
func (s *follower) lost(err error) error {
	s.blind = true
	s.release()
	if s.tracks {
		return err
	}
	return nil
}
