package capfile

import (
	"errors"
	"fmt"
	"io"

	"myreplay/session"
)

// Reader reads a capture. Its methods are for one goroutine, except ReadBlock.
type Reader struct {
	// Strict makes the first damage an error (*DamageError) of Next. Set it
	// before the first call of Next.
	Strict bool

	lib  *library
	meta Meta

	// The ahead goroutine reads and decompresses blocks.
	units chan *unit // to decode
	spare chan *unit // to fill
	stop  chan struct{}

	dec        decoder
	unit       *unit // being decoded, nil: none
	count      uint32
	at         int64 // time of the last event
	err        error // of Next, for good
	damage     []Damage
	unfinished []string

	index index
}

// unit is an item with its block decompressed.
type unit struct {
	item    item
	streams [streamCount][]byte
	buf     []byte
	err     error
}

// maxDamage is how many damages a Reader or Verify lists.
const maxDamage = 1 << 16

// ahead is how many blocks are decompressed before they are asked for.
const ahead = 2

// Open opens a capture: a directory, or one segment file of one. It fails with
// a *FormatError when there is nothing that can be read as a capture.
func Open(path string) (*Reader, error) {
	lib, err := openLibrary(path)
	if err != nil {
		return nil, err
	}
	meta, err := lib.meta()
	if err != nil {
		lib.close()
		return nil, err
	}
	return &Reader{lib: lib, meta: meta}, nil
}

// meta returns the description from the first segment that has one that can be
// read.
func (l *library) meta() (Meta, error) {
	var first error
	readable := false
	for i := range l.names {
		f, s, err := l.open(i)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		f.Close()
		if s.hasMeta {
			return s.meta, nil
		}
		readable = true
	}
	if readable {
		return Meta{}, nil
	}
	return Meta{}, first
}

// Meta returns the capture's description. It is the zero Meta when all that
// hold it are damaged.
func (r *Reader) Meta() Meta { return r.meta }

// Damage returns the damage met by Next up to now, at most the first 65536.
func (r *Reader) Damage() []Damage { return r.damage }

// Unfinished returns the segments without a footer that Next has met: the
// Writer was killed, or is still at work. That alone is no damage.
func (r *Reader) Unfinished() []string { return r.unfinished }

// Unknown returns how many events Next has passed over because they are of
// types that a later version added.
func (r *Reader) Unknown() uint64 { return r.dec.unknown }

// Close frees what the Reader holds.
func (r *Reader) Close() error {
	if r.stop != nil {
		close(r.stop)
		for range r.units { // until the goroutine has ended
		}
		r.stop = nil
	}
	if r.err == nil {
		r.err = errors.New("capture reader is closed")
	}
	return r.lib.close()
}

// Next returns the next event, or io.EOF after the last one. Where events are
// lost to damage it returns a Gap with ID 0 and the reason LostBytes. The
// caller owns the event and its bytes.
func (r *Reader) Next() (session.Event, error) {
	for r.err == nil {
		if r.unit != nil {
			if ev := r.dec.next(); ev != nil {
				r.count++
				if _, at := ev.Key(); at != 0 {
					r.at = at
				}
				return ev, nil
			}
			if ev := r.blockEnd(); ev != nil {
				return ev, nil
			}
			continue
		}
		if ev := r.step(); ev != nil {
			return ev, nil
		}
	}
	return nil, r.err
}

// step takes the next unit. It returns the Gap that stands for it, if one
// does.
func (r *Reader) step() session.Event {
	if r.stop == nil {
		r.start()
	}
	u := <-r.units
	if u.err != nil {
		r.err = u.err
		return nil
	}
	it := u.item
	switch {
	case it.damage != nil:
		r.spare <- u
		return r.damaged(*it.damage)
	case it.unfinished != "":
		r.unfinished = append(r.unfinished, it.unfinished)
	case it.joined > 0:
		r.spare <- u
		return &session.Gap{At: it.block.First, Reason: session.JoinedLate,
			Detail: fmt.Sprintf("%d earlier events are not part of this recording any more", it.joined)}
	default:
		r.dec.begin(&u.streams, it.block.Events)
		r.unit, r.count = u, 0
		return nil
	}
	r.spare <- u
	return nil
}

// blockEnd ends the current block, and tells if it held less than it should.
func (r *Reader) blockEnd() session.Event {
	u := r.unit
	r.unit = nil
	b, file := u.item.block, u.item.file
	unknown := r.dec.err
	r.spare <- u
	if unknown == nil {
		return nil
	}
	return r.damaged(badBlock(file, &b, int64(b.Events-r.count), unknown))
}

// badBlock is the damage of a block whose checksum is right and whose contents
// are not.
func badBlock(file string, b *Block, lost int64, err error) Damage {
	return Damage{File: file, Offset: b.Offset, Bytes: int64(b.Stored), Events: lost, Reason: "a block's " + err.Error()}
}

// damaged notes a damage and returns the Gap that stands for it in the stream
// of events, if it costs any.
func (r *Reader) damaged(d Damage) session.Event {
	if len(r.damage) < maxDamage {
		r.damage = append(r.damage, d)
	}
	if r.Strict {
		r.err = &DamageError{d}
		return nil
	}
	if d.Events == 0 {
		return nil
	}
	return &session.Gap{At: r.at, Reason: session.LostBytes, Detail: d.String()}
}

// start begins to read ahead.
func (r *Reader) start() {
	r.stop = make(chan struct{})
	r.units = make(chan *unit, ahead)
	r.spare = make(chan *unit, ahead+1)
	for range ahead + 1 {
		r.spare <- &unit{}
	}
	go r.readAhead()
}

func (r *Reader) readAhead() {
	defer close(r.units)
	w := walker{lib: r.lib, id: r.meta.ID}
	defer w.close()
	unpack, err := newUnpacker()
	for {
		var u *unit
		select {
		case u = <-r.spare:
		case <-r.stop:
			return
		}
		if u.err = err; err == nil {
			u.fill(&w, unpack)
			err = u.err
		}
		select {
		case r.units <- u:
		case <-r.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// fill reads the next item into u.
func (u *unit) fill(w *walker, unpack *unpacker) {
	u.item, u.err = w.next()
	if u.err != nil {
		if u.err != io.EOF {
			u.err = fmt.Errorf("reading capture: %w", u.err)
		}
		return
	}
	b := &u.item.block
	if u.item.file == "" {
		return // not a block
	}
	var err error
	if u.buf, err = unpack.unpack(u.item.payload, b.Raw, u.buf, &u.streams); err != nil {
		d := badBlock(u.item.file, b, int64(b.Events), err)
		u.item = item{damage: &d}
	}
	u.item.payload = nil
}
