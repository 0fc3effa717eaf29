package relay

import (
	"errors"

	"golang.org/x/sys/unix"

	"myreplay/flow"
)

const (
	// readBytes is how much a loop reads at once, and how much at most waits to
	// be written to one end.
	readBytes = 32 << 10
	// readsAtOnce limits how often one end is read before others have their turn.
	readsAtOnce = 32
)

// link is a connection in a loop.
type link struct {
	ends  [2]end  // by flow.Side
	told  *teller // nil: nothing is told of what passes
	done  func(flow.Side, flow.Reason)
	first flow.Side // which side ended it, and
	why   flow.Reason
	over  bool // both descriptors are closed
}

// end is one of the two sockets of a link. What it does not take at once waits,
// and its peer is read no further meanwhile.
type end struct {
	link    *link
	side    flow.Side
	fd      int
	watched bool
	events  uint32 // what epoll reports while it is watched
	buffer  []byte // nil: nothing waits to be written
	waiting []byte // the part of buffer that does
	eof     bool   // nothing more comes from it
	shut    bool   // it was told that nothing more comes from its peer
	deaf    bool   // writing to it failed
	gone    bool   // it failed; its peer is still to get what came from it
}

func newLink(fds [2]int, done func(flow.Side, flow.Reason)) *link {
	k := &link{done: done}
	for side, fd := range fds {
		k.ends[side] = end{link: k, side: flow.Side(side), fd: fd}
	}
	return k
}

// note notes how the link ends; the first note holds.
func (k *link) note(first flow.Side, why flow.Reason) {
	if k.why == flow.Unstated {
		k.first, k.why = first, why
	}
}

func (e *end) peer() *end { return &e.link.ends[e.side.Other()] }

// handle does what there is to do at an end.
func (l *loop) handle(e *end, events uint32) {
	const bad = unix.EPOLLHUP | unix.EPOLLERR
	if e.buffer != nil && events&(unix.EPOLLOUT|bad) != 0 {
		l.flush(e)
	}
	switch {
	case e.link.over || e.gone:
	case events&(unix.EPOLLIN|bad) == 0:
	case e.events&unix.EPOLLIN != 0:
		l.read(e)
	case events&bad == 0:
	case e.eof:
		l.fail(e)
	case e.buffer == nil: // it is gone; what it left is read when its peer has taken the rest
		l.unwatch(e)
	}
}

// read passes on what came from an end.
func (l *loop) read(e *end) {
	for range readsAtOnce {
		n, err := unix.Read(e.fd, l.buffer)
		switch {
		case n > 0:
		case err == nil:
			l.eof(e)
			return
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return
		default:
			l.fail(e)
			return
		}
		l.stats.Bytes[e.side].Add(int64(n))
		if told := e.link.told; told != nil {
			told.data(e.side, l.at, l.buffer[:n])
		}
		if !l.write(e.peer(), l.buffer[:n]) || n < len(l.buffer) {
			return
		}
	}
}

// write passes b, a part of the loop's buffer, on to an end, and tells whether
// it took all of it.
func (l *loop) write(e *end, b []byte) bool {
	n, err := unix.Write(e.fd, b)
	if n == len(b) {
		return true
	}
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		l.refused(e)
		return false
	}
	e.buffer, e.waiting = l.buffer, b[max(n, 0):]
	l.buffer = l.newBuffer()
	l.watch(e.peer(), e.peer().events&^unix.EPOLLIN)
	if !e.link.over {
		l.watch(e, e.events|unix.EPOLLOUT)
	}
	return false
}

// flush writes what waits. When all is written, the peer's turn has come.
func (l *loop) flush(e *end) {
	n, err := unix.Write(e.fd, e.waiting)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		l.refused(e)
		return
	}
	e.waiting = e.waiting[max(n, 0):]
	if len(e.waiting) > 0 {
		return
	}
	l.release(e)
	l.watch(e, e.events&^unix.EPOLLOUT)
	switch peer := e.peer(); {
	case e.link.over:
	case peer.gone:
		l.end(e.link)
	case peer.eof:
		l.shut(e)
	default:
		l.watch(peer, peer.events|unix.EPOLLIN)
	}
}

// eof handles the end of what comes from an end: its peer is told once it has
// taken the rest.
func (l *loop) eof(e *end) {
	e.eof = true
	e.link.note(e.side, flow.Finished)
	l.watch(e, e.events&^unix.EPOLLIN)
	if !e.link.over && e.peer().buffer == nil {
		l.shut(e.peer())
	}
}

// shut tells an end that nothing more comes. When both know, the link is over.
func (l *loop) shut(e *end) {
	e.shut = true
	_ = unix.Shutdown(e.fd, unix.SHUT_WR) // it may be gone: that is seen when it is read
	if e.peer().shut {
		l.end(e.link)
	}
}

// refused handles an end that takes nothing any more. It may have said why.
func (l *loop) refused(e *end) {
	e.deaf = true
	l.release(e)
	if peer := e.peer(); !e.eof && !peer.deaf && !peer.gone && peer.buffer == nil {
		l.read(e)
	}
	if !e.link.over && !e.gone {
		l.fail(e)
	}
}

// fail gives up an end. Its peer gets the rest of what came from it.
func (l *loop) fail(e *end) {
	e.link.note(e.side, flow.Reset)
	e.gone = true
	l.release(e)
	l.unwatch(e)
	peer := e.peer()
	if peer.gone || peer.buffer == nil {
		l.end(e.link)
		return
	}
	l.watch(peer, unix.EPOLLOUT)
}

// end closes both ends of a link.
func (l *loop) end(k *link) {
	k.over = true
	for i := range k.ends {
		e := &k.ends[i]
		l.release(e)
		l.ends[e.fd] = nil
		unix.Close(e.fd) // which ends the watch, too
	}
	k.done(k.first, k.why)
}

// watch makes epoll report events of an end, and always its failures.
func (l *loop) watch(e *end, events uint32) {
	if e.gone || e.watched && e.events == events {
		return
	}
	operation := unix.EPOLL_CTL_MOD
	if !e.watched {
		operation = unix.EPOLL_CTL_ADD
	}
	e.watched, e.events = true, events
	if l.control(operation, e.fd, events) != nil { // out of memory
		e.watched = operation == unix.EPOLL_CTL_MOD
		l.fail(e)
	}
}

// unwatch makes epoll report nothing of an end, not even its failure.
func (l *loop) unwatch(e *end) {
	if e.watched {
		e.watched, e.events = false, 0
		_ = l.control(unix.EPOLL_CTL_DEL, e.fd, 0)
	}
}

// release gives back the buffer of what waits for an end.
func (l *loop) release(e *end) {
	if e.buffer != nil && len(l.spare) < spareBuffers {
		l.spare = append(l.spare, e.buffer)
	}
	e.buffer, e.waiting = nil, nil
}

func (l *loop) newBuffer() []byte {
	if n := len(l.spare); n > 0 {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b
	}
	return make([]byte, readBytes)
}
