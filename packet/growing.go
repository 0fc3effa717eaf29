package packet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// pump reads from a pipe in a goroutine of its own, so that its reader can look
// up from time to time (errIdle) and can be closed. The goroutine ends with the
// pipe; after Close it ends as soon as the pipe gives something.
type pump struct {
	full  chan pumped
	empty chan []byte
	done  <-chan struct{}
	rest  pumped
	whole []byte // the buffer that rest is in
	timer *time.Timer
}

type pumped struct {
	b   []byte
	err error
}

func newPump(r io.Reader, done <-chan struct{}) *pump {
	p := &pump{full: make(chan pumped, 2), empty: make(chan []byte, 2), done: done, timer: time.NewTimer(idlePoll)}
	p.empty <- make([]byte, inputBuffer)
	p.empty <- make([]byte, inputBuffer)
	go p.run(r)
	return p
}

func (p *pump) run(r io.Reader) {
	for {
		select {
		case <-p.done:
			return
		case b := <-p.empty:
			n, err := r.Read(b)
			p.full <- pumped{b[:n], err} // there are as many places as buffers
			if err != nil {
				return
			}
		}
	}
}

// Read returns what has come, errIdle when nothing has for a while.
func (p *pump) Read(b []byte) (int, error) {
	if len(p.rest.b) == 0 && p.rest.err == nil {
		if p.whole != nil {
			p.empty <- p.whole[:cap(p.whole)]
			p.whole = nil
		}
		if err := p.wait(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.rest.b)
	p.rest.b = p.rest.b[n:]
	if len(p.rest.b) == 0 && p.rest.err != nil {
		return n, p.rest.err
	}
	return n, nil
}

func (p *pump) wait() error {
	select {
	case p.rest = <-p.full:
	default:
		p.timer.Reset(idlePoll)
		select {
		case p.rest = <-p.full:
		case <-p.timer.C:
			return errIdle
		case <-p.done:
			return errStopped
		}
	}
	p.whole = p.rest.b
	return nil
}

// pipe opens a FIFO or device file with the first Read, since that may have to wait
// for a writer, and closes it at its end.
type pipe struct {
	path string
	f    *os.File
}

func (p *pipe) Read(b []byte) (n int, err error) {
	if p.f == nil {
		if p.f, err = os.Open(p.path); err != nil {
			return 0, err
		}
	}
	n, err = p.f.Read(b)
	if err != nil {
		p.f.Close()
	}
	return n, err
}

// errStopped: Close was called.
var errStopped = errors.New("the source is closed")

// errReplaced: the file that is followed has made way for another one.
var errReplaced = errors.New("the file was replaced")

// follower reads a growing file. At its end it waits.
type follower struct {
	path string
	f    *os.File
	off  int64
	done <-chan struct{}
	gone bool // the path is not there; said once
}

func (w *follower) Read(b []byte) (int, error) {
	for {
		n, err := w.f.Read(b)
		w.off += int64(n)
		if n > 0 || err != io.EOF {
			return n, err
		}
		if err := w.changed(); err != nil {
			return 0, err
		}
		t := time.NewTimer(idlePoll)
		select {
		case <-w.done:
			t.Stop()
			return 0, errStopped
		case <-t.C:
			return 0, errIdle
		}
	}
}

// changed tells whether the file is still what is at its path.
func (w *follower) changed() error {
	mine, err := w.f.Stat()
	if err != nil {
		return err
	}
	if mine.Size() < w.off {
		return fmt.Errorf("%w: it was %d bytes long and is now %d", errTruncated, w.off, mine.Size())
	}
	there, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !w.gone {
			w.gone = true
			return errRemoved
		}
		return nil
	case err != nil:
		return err
	}
	w.gone = false
	if os.SameFile(mine, there) {
		return nil
	}
	if now, err := w.f.Stat(); err != nil || now.Size() > w.off {
		return nil // written between our read and its end
	}
	return errReplaced
}

var (
	errTruncated = errors.New("the file was truncated while it was read")
	errRemoved   = errors.New("the file was removed while it was followed")
)
