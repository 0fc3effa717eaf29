package gate

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"myreplay/flow"
)

// opening is a connection whose beginning is under way.
type opening struct {
	gate *Gate
	legs both
	tell Teller
	ctx  context.Context
	// words puts a refusal into the protocol's form, for the client; nil as long
	// as the protocol is not known.
	words func(*refusal) []byte
}

// kindAt is where the first bytes of both protocols say what they are: the type
// of an X message, and the first byte of a classic payload.
const kindAt = 4

// The first messages of servers, by the byte at kindAt.
const (
	classicGreeting = 0x0a
	classicError    = 0xff
	xNotice         = 0x0b
	xError          = 0x01
)

// open finds out which protocol is spoken and takes it through its beginning.
func (o *opening) open() (*Passage, error) {
	if o.gate.options.Protocol == X {
		return o.x()
	}
	server := o.legs[flow.Server]
	for len(server.early) <= kindAt {
		side := o.legs.hear(kindAt + 1)
		switch err := o.legs[side].err; {
		case side == flow.Client && err == nil && len(server.early) == 0 && o.gate.options.Protocol == Detect:
			return o.x() // servers of the classic protocol speak first
		case err != nil && len(server.early) == 0:
			return nil, whose(side, "the server was to speak", err)
		case err != nil || side == flow.Client && len(server.early) <= kindAt:
			return &Passage{}, nil // something else than MySQL
		}
	}
	switch b := server.early; {
	case b[kindAt] == classicGreeting || b[kindAt] == classicError:
		if length24(b) > maxGreeting {
			return &Passage{}, nil
		}
		return o.classic()
	case (b[kindAt] == xNotice || b[kindAt] == xError) && o.gate.options.Protocol == Detect:
		return o.x()
	}
	return &Passage{}, nil
}

// more reads early until there are n bytes.
func (l *leg) more(n int) error {
	early := slices.Clone(l.early)
	l.early = nil
	for len(early) < n {
		b := make([]byte, n-len(early))
		got, err := l.Read(b)
		early = append(early, b[:got]...)
		if err != nil {
			l.early = early
			return err
		}
	}
	l.early = early
	return nil
}

// read fills b from a leg.
func (o *opening) read(side flow.Side, b []byte, doing string) error {
	if _, err := io.ReadFull(o.legs[side], b); err != nil {
		return whose(side, doing, err)
	}
	return nil
}

// send tells what the client's leg carries, and writes b to a leg. Either may
// be nil.
func (o *opening) send(to flow.Side, told, b []byte) error {
	l := o.legs[to]
	l.out.Lock()
	defer l.out.Unlock()
	if len(told) > 0 {
		o.tell.Data(to.Other(), told)
	}
	if len(b) == 0 {
		return nil
	}
	if !l.patient {
		l.writing(time.Now().Add(silence))
	}
	if _, err := l.Conn.Write(b); err != nil {
		return &broken{whose(to, "it was sent something", err)}
	}
	return nil
}

// broken is the error of a connection that failed: nobody can be told.
type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }

// pass tells what a side sent and passes it on as it is.
func (o *opening) pass(from flow.Side, b []byte) error { return o.send(from.Other(), b, b) }

// flush passes on what was read early.
func (o *opening) flush() error {
	for _, l := range o.legs {
		if b := l.early; len(b) > 0 {
			l.early = nil
			if err := o.pass(l.side, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusal is why a connection can't go on, for the client.
type refusal struct {
	code  uint16
	state string
	err   error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// The errors of servers that the gate's own are most like.
const (
	codeHandshake = 1043 // ER_HANDSHAKE_ERROR
	codeAuthMode  = 1251 // ER_NOT_SUPPORTED_AUTH_MODE
	codeNeedTLS   = 3159 // ER_SECURE_TRANSPORT_REQUIRED
)

var states = map[uint16]string{codeHandshake: "08S01", codeAuthMode: "08004", codeNeedTLS: "HY000"}

// refused returns a refusal with a code of the gate's own.
func refused(code uint16, text string) *refusal {
	return &refusal{code, states[code], errors.New(text)}
}

const (
	// lingerTime and lingerBytes limit how long, and through how much, the gate
	// waits for a client that was refused to close, so that it gets to read why.
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// refuse tells the client why its connection can't go on, if it can be told,
// and returns the error.
func (o *opening) refuse(err error) error {
	var r *refusal
	if !errors.As(err, &r) || o.words == nil {
		return err
	}
	client := o.legs[flow.Client]
	client.writing(time.Now().Add(silence))
	if _, e := client.Conn.Write(o.words(r)); e != nil {
		return err
	}
	o.linger()
	return err
}

// linger ends what is sent to the client and reads until it closes: closing
// first could take back what it has not read.
func (o *opening) linger() {
	client := o.legs[flow.Client]
	client.closeWrite()
	client.reading(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, client.Conn, lingerBytes) // whatever it says
}

var _ net.Conn = (*leg)(nil)
