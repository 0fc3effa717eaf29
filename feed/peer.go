package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// peer is a connection to a mirror.
type peer struct {
	conn   net.Conn // below TLS
	from   string
	r      *messageReader
	w      *messageWriter
	serial int64
	wake   chan struct{}

	// These are the stream's, under its lock.
	pong  uint64 // the clock of a Ping that waits for its answer, 0: none
	acked uint64 // told
	tell  bool   // the mirror is to be told what was taken over
	late  bool   // it will be, by a timer
	done  bool   // told
}

func (p *peer) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// greet reads how a mirror introduces itself.
func (p *peer) greet() (Hello, error) {
	if err := errors.Join(p.r.preamble(), p.w.preamble()); err != nil {
		return Hello{}, err
	}
	m, body, err := p.r.next()
	if err != nil {
		return Hello{}, err
	}
	if m != msgHello {
		return Hello{}, protocolError("a %s in place of a hello", m)
	}
	return parseHello(body)
}

// bye tells the mirror why it is sent away, if it can be told.
func (p *peer) bye(why error) {
	text := why.Error()
	p.w.write(msgBye, nil, []byte(text[:min(len(text), msgBye.limit())]))
	p.w.flush()
}

// refuse tells the mirror why its stream is not taken, and returns why.
func (p *peer) refuse(why error) error {
	err := errors.Join(why, p.w.json(msgReply, helloReply{Error: why.Error(), Clock: now()}), p.w.flush())
	p.drain()
	return err
}

// drain waits a little for a mirror to close its side: else what was said to it
// last might be lost with what it said.
func (p *peer) drain() {
	const most = 1 << 20
	p.conn.SetReadDeadline(time.Now().Add(drainTime))
	io.CopyN(io.Discard, p.conn, most)
}

// errNewer: the mirror has made another connection for the stream.
var errNewer = errors.New("the mirror has made a new connection")

// serve serves a connection of the stream until it ends; nil when it ended as
// it should.
func (s *Stream) serve(p *peer) error {
	select {
	case <-s.decided:
	case <-s.gone:
	case <-time.After(decisionTime):
		s.Refuse("the assistant did not decide in time whether to take the stream")
	}
	reply, err := s.attach(p)
	if err != nil {
		return p.refuse(err)
	}
	defer s.detach(p)
	if err := errors.Join(p.w.json(msgReply, reply), p.w.flush()); err != nil {
		return err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		s.write(p, stop)
	}()
	err = s.listen(p)
	close(stop)
	if errors.Is(err, errProtocol) {
		<-stopped
		p.bye(err)
	}
	p.conn.Close()
	<-stopped
	return err
}

// attach makes a connection the one of the stream, if there is no newer one.
func (s *Stream) attach(p *peer) (*helloReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil && s.refusal == "":
		return nil, ErrGone
	case !s.accepted:
		return nil, errors.New(s.refusal)
	case p.serial < s.serial:
		return nil, errNewer
	}
	known := s.serial != 0
	if s.peer != nil {
		s.peer.conn.Close()
	}
	if s.linger != nil {
		s.linger.Stop()
	}
	s.peer, s.serial = p, p.serial
	p.acked = s.acked
	for _, n := range s.notes {
		n.sent = false
	}
	return &helloReply{Instance: s.l.instance, Known: known, Next: s.next, Acked: s.acked, Window: window, Clock: now()}, nil
}

// detach takes note that a connection has ended.
func (s *Stream) detach(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peer != p {
		return
	}
	s.peer = nil
	if s.err == nil {
		s.linger = time.AfterFunc(s.l.options.Linger, func() { s.expire(p.serial) })
	}
}

// expire ends a stream whose mirror has not come back.
func (s *Stream) expire(serial int64) {
	s.mu.Lock()
	back := s.serial != serial
	s.mu.Unlock()
	if !back {
		s.end(ErrGone)
	}
}

// listen reads what the mirror says.
func (s *Stream) listen(p *peer) error {
	for {
		m, body, err := p.r.next()
		if err != nil {
			return err
		}
		switch m {
		case msgBlock:
			err = s.take(p, body)
		case msgPing:
			var skew, trip, clock uint64
			if err = readNumbers(m, body, &clock, &skew, &trip); err == nil {
				s.mu.Lock()
				s.skew, p.pong = int64(skew), clock
				s.mu.Unlock()
				p.rouse()
			}
		case msgFinish:
			err = s.finished(p, body)
		case msgBye:
			s.leave(string(body))
			return nil
		default:
			err = protocolError("a %s from the mirror", m)
		}
		if err != nil {
			return err
		}
	}
}

// leave notes that the mirror has heard that all is said, or gives up.
func (s *Stream) leave(why string) {
	s.mu.Lock()
	err := io.EOF
	if !s.done {
		err = fmt.Errorf("%w: %s", ErrGone, why)
	}
	s.mu.Unlock()
	s.end(err)
}

// take takes a block: each once, in order.
func (s *Stream) take(p *peer, body []byte) error {
	if len(body) < 8 {
		return protocolError("a block of %d bytes", len(body))
	}
	var number uint64
	readNumbers(msgBlock, body[:8], &number) // it has 8 bytes
	body = body[8:]
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.peer != p:
		return errNewer
	case s.finish:
		return protocolError("block %d after the end", number)
	case number > s.next:
		return protocolError("block %d in place of %d", number, s.next)
	case number < s.next:
		return nil // again
	case s.held > 0 && s.held+len(body) > window:
		return protocolError("block %d is over the window of %d bytes", number, window)
	}
	s.next++
	s.blocks = append(s.blocks, bytes.Clone(body))
	s.sizes = append(s.sizes, len(body))
	s.held += len(body)
	s.tell()
	return nil
}

// finished notes that no more events come.
func (s *Stream) finished(p *peer, body []byte) error {
	var last uint64
	if err := readNumbers(msgFinish, body, &last); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.peer != p:
		return errNewer
	case last != s.next-1:
		return protocolError("the end after block %d, and not %d", last, s.next-1)
	}
	s.finish, s.last = true, last
	s.tell()
	return nil
}

// write writes what there is to say, until stop or the connection breaks.
func (s *Stream) write(p *peer, stop chan struct{}) {
	for {
		wrote, err := s.say(p)
		if err == nil && wrote {
			continue // and see whether there is more
		}
		if err == nil {
			err = p.w.flush()
		}
		if err != nil {
			p.conn.Close() // which ends listen
			return
		}
		select {
		case <-p.wake:
		case <-stop:
			return
		}
	}
}

// say writes one message, if there is something to say.
func (s *Stream) say(p *peer) (wrote bool, err error) {
	s.mu.Lock()
	if s.peer != p {
		s.mu.Unlock()
		return false, errNewer
	}
	if clock := p.pong; clock != 0 {
		p.pong = 0
		s.mu.Unlock()
		return true, p.w.write(msgPong, nil, numbers(clock, uint64(now())))
	}
	if acked := s.acked; (p.tell || s.done) && acked > p.acked {
		p.acked, p.tell, s.untold = acked, false, 0
		s.mu.Unlock()
		return true, p.w.write(msgAck, nil, numbers(acked))
	}
	if s.err != nil {
		err := s.err
		s.mu.Unlock()
		if err != io.EOF {
			p.bye(err)
		}
		return false, err
	}
	for _, n := range s.notes {
		if !n.sent {
			n.sent = true
			s.mu.Unlock()
			return true, p.w.write(msgNote, append([]byte{byte(len(n.kind))}, n.kind...), n.payload)
		}
	}
	done := s.done && !p.done
	p.done = p.done || done
	s.mu.Unlock()
	if done {
		return true, p.w.write(msgDone, nil, nil)
	}
	return false, nil
}
