package gate

import (
	"errors"
	"io"

	"myreplay/classic"
	"myreplay/flow"
)

const (
	// bufferSize is how much is read from a connection at once.
	bufferSize = 32 << 10
	// maxWhole limits the frames that must be seen whole: OK packets, and those
	// of an authentication.
	maxWhole = 1 << 20
	// headBytes is how much of a longer frame is looked at.
	headBytes = 64
)

// pump passes one direction on, frame by frame. Frames that pass as they are go
// together; long ones pass as they come in.
type pump struct {
	s        *follower
	from, to *leg
	buf      []byte
	// buf[start:pos] passes as it is and was not sent yet; buf[pos:end] was not
	// looked at.
	start, pos, end int
	want            int // how long the frame at pos is, where it must be whole

	long  bool // a long frame passes
	frame classic.Frame
	head  [headBytes]byte
	rest  int  // of its payload
	more  bool // another frame goes on with it
}

var errWhole = errors.New("a message that must be understood is too long")

// errBroke: the connection broke, as connections do.
var errBroke = errors.New("the connection broke")

// run passes on until the side ends. The error is errBroke, or why the gate
// can't go on.
func (p *pump) run() error {
	for {
		if err := p.frames(); err != nil {
			return err
		}
		if err := p.fill(); err != nil {
			p.pos = p.end
			if e := p.flush(); e != nil {
				return e
			}
			if err == io.EOF || err == io.ErrUnexpectedEOF { // TLS may end without a word
				return nil
			}
			return errBroke
		}
	}
}

// fill reads more behind what was not looked at.
func (p *pump) fill() error {
	n := copy(p.buf, p.buf[p.pos:p.end])
	p.start, p.pos, p.end = 0, 0, n
	size := max(bufferSize, p.want)
	if size != len(p.buf) && n <= size {
		b := make([]byte, size)
		copy(b, p.buf[:n])
		p.buf = b
	}
	n, err := p.from.Read(p.buf[p.end:])
	p.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// flush sends what passes as it is.
func (p *pump) flush() error {
	b := p.buf[p.start:p.pos]
	p.start = p.pos
	if len(b) == 0 {
		return nil
	}
	return p.s.send(p.to.side, b, b)
}

// frames takes all frames that are there.
func (p *pump) frames() error {
	for {
		ready, err := p.step()
		if err != nil {
			_ = p.flush() // what was fine before it
			return err
		}
		if !ready {
			return p.flush()
		}
	}
}

// step takes the next frame, or the next piece of a long one. It returns false
// when it needs more bytes.
func (p *pump) step() (bool, error) {
	if p.rest > 0 {
		n := min(p.rest, p.end-p.pos)
		p.pos += n
		p.rest -= n
		return p.rest == 0, p.longEnds()
	}
	b := p.buf[p.pos:p.end]
	if len(b) < classic.HeaderLen {
		return false, nil
	}
	n := length24(b)
	if p.long {
		p.piece(b[3], n)
		return true, p.longEnds()
	}
	whole := classic.HeaderLen + n
	if n > 0 && len(b) < whole && len(b) < min(whole, classic.HeaderLen+headBytes) {
		return false, nil // its head is needed
	}
	if len(b) < whole {
		return p.unfinished(b, n)
	}
	p.want = 0
	return p.take(classic.Frame{Seq: b[3], Last: b[3], Payload: b[classic.HeaderLen:whole:whole], Size: uint64(n), Wire: uint64(whole)})
}

// unfinished waits for the rest of a frame, or lets its beginning pass.
func (p *pump) unfinished(b []byte, n int) (bool, error) {
	whole := classic.HeaderLen + n
	if p.s.needs(p.from.side, b[classic.HeaderLen], n) {
		if n > maxWhole {
			return false, errWhole
		}
		p.want = whole
		return false, nil
	}
	if whole <= bufferSize {
		return false, nil
	}
	if err := p.turn(b[3]); err != nil {
		return false, err
	}
	p.long, p.want = true, 0
	p.frame = classic.Frame{Seq: b[3], Cut: true, Payload: p.head[:copy(p.head[:], b[classic.HeaderLen:])]}
	p.piece(b[3], n)
	return true, nil
}

// piece begins a wire frame of a long one.
func (p *pump) piece(seq byte, n int) {
	p.frame.Last = seq
	p.frame.Size += uint64(n)
	p.rest, p.more = n, n == classic.MaxFrame
	p.pos += classic.HeaderLen
}

// longEnds tells the follower of a long frame that is complete.
func (p *pump) longEnds() error {
	if p.rest > 0 || p.more {
		return nil
	}
	p.long = false
	_, v, err := p.s.take(p.from.side, &p.frame)
	if err == nil && v != asIs {
		err = errWhole
	}
	return err
}

// take lets a whole frame pass, or what is to pass instead.
func (p *pump) take(f classic.Frame) (bool, error) {
	outs, v, err := p.s.take(p.from.side, &f)
	if v == wait && err == nil {
		if err = p.turn(f.Seq); err == nil {
			outs, v, err = p.s.take(p.from.side, &f)
		}
	}
	if err != nil {
		return false, err
	}
	size := classic.HeaderLen + int(f.Size)
	if v == asIs {
		p.pos += size
		return true, nil
	}
	if err := p.flush(); err != nil {
		return false, err
	}
	p.pos += size
	p.start = p.pos
	return true, p.s.emit(outs)
}

// turn waits until a client's frame may pass.
func (p *pump) turn(seq byte) error {
	if p.from.side == flow.Server {
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.waits(seq) {
		s.turn.Wait()
	}
	if s.over {
		return errBroke
	}
	return nil
}

// needs tells whether a frame that begins with b must be seen whole.
func (s *follower) needs(side flow.Side, b byte, size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.blind:
		return false
	case s.x != nil || s.hidden > 0:
		return true
	case side == flow.Client:
		return classic.Code(b) == classic.ComChangeUser
	}
	return s.tracks && s.state.Phase == classic.Ready && (b == authOK && !s.state.InRows() || b == authSwitch && size < classic.MaxFrame)
}

// said tells the client why a connection that was handed over can't go on, and
// returns the error: errBroke when it just broke.
func (s *follower) said(err error) error {
	var b *broken
	var r *refusal
	switch {
	case errors.As(err, &b):
		return errBroke
	case errors.As(err, &r):
		client := s.legs[flow.Client]
		client.out.Lock()
		defer client.out.Unlock()
		return s.refuse(err)
	}
	return err
}
