package relay

import (
	"fmt"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"myreplay/flow"
)

const (
	// eventsAtOnce is how many ends may be reported at once.
	eventsAtOnce = 256
	// spareBuffers is how many unused buffers a loop keeps.
	spareBuffers = 8
)

// loop passes bytes between bare sockets, all of its connections in one
// goroutine: it waits with epoll for an end from which something came, reads it
// and writes it to the other end. An idle connection costs two descriptors and
// little else.
type loop struct {
	stats *Stats
	clock clock
	epoll int
	bell  int // eventfd: look at what is shared
	ended chan struct{}

	mu      sync.Mutex // what is shared:
	joining []*link
	cutting bool // links are cut, new ones at once
	closing bool

	// The goroutine's own:
	ends   []*end // by descriptor
	at     int64  // when the events came that are being handled
	buffer []byte // to read into
	spare  [][]byte
}

// newLoop starts a loop.
func newLoop(c clock, s *Stats) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	l := &loop{stats: s, clock: c, epoll: epoll, bell: bell, ended: make(chan struct{}), buffer: make([]byte, readBytes)}
	if err := l.control(unix.EPOLL_CTL_ADD, bell, unix.EPOLLIN); err != nil {
		l.free()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	go l.run()
	return l, nil
}

func (l *loop) free() {
	unix.Close(l.bell)
	unix.Close(l.epoll)
}

func (l *loop) control(operation, fd int, events uint32) error {
	return unix.EpollCtl(l.epoll, operation, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// join takes two bare sockets over, and tells whether it could. With look, what
// passes is told. done is called when both have ended, and must not wait.
func (l *loop) join(client, server net.Conn, told *teller, look bool, done func(flow.Side, flow.Reason)) bool {
	var fds [2]int
	var err error
	if fds[flow.Client], err = descriptor(client); err != nil {
		return false
	}
	if fds[flow.Server], err = descriptor(server); err != nil {
		unix.Close(fds[flow.Client])
		return false
	}
	client.Close() // the copies hold the connections
	server.Close()
	k := newLink(fds, done)
	if look {
		k.told = told
	}
	l.share(func() { l.joining = append(l.joining, k) })
	return true
}

// descriptor returns a copy of a socket's descriptor.
func descriptor(c net.Conn) (fd int, err error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return -1, syscall.ENOTSOCK
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(original uintptr) { fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0) })
	if failed != nil {
		return -1, failed
	}
	return fd, err
}

// cut ends all links, and those that join later.
func (l *loop) cut() { l.share(func() { l.cutting = true }) }

// close ends the loop.
func (l *loop) close() {
	l.share(func() { l.closing = true })
	<-l.ended
}

// share changes what is shared and makes the loop look at it.
func (l *loop) share(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return
	}
	change()
	_, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // when it is full, it rings already
}

// run handles events until the loop is closed.
func (l *loop) run() {
	defer close(l.ended)
	events := make([]unix.EpollEvent, eventsAtOnce)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil { // a signal came
			continue
		}
		l.at = l.clock.now()
		rung := false
		for _, event := range events[:n] {
			fd := int(event.Fd)
			if fd == l.bell {
				rung = true
			} else if e := l.ends[fd]; e != nil { // its link may have ended meanwhile
				l.handle(e, event.Events)
			}
		}
		// Only now: a new link may have the descriptors of one that ended.
		if rung && l.look() {
			l.free()
			return
		}
	}
}

// look looks at what is shared, and tells whether the loop is to end.
func (l *loop) look() (closing bool) {
	var count [8]byte
	_, _ = unix.Read(l.bell, count[:])
	l.mu.Lock()
	joining, cutting, closing := l.joining, l.cutting, l.closing
	l.joining = nil
	l.mu.Unlock()
	for _, k := range joining {
		l.take(k)
	}
	if cutting || closing {
		for _, e := range l.ends {
			if e != nil {
				e.link.note(e.side, flow.SourceEnded)
				l.end(e.link)
			}
		}
	}
	return closing
}

// take begins to pass a link's bytes on.
func (l *loop) take(k *link) {
	for i := range k.ends {
		e := &k.ends[i]
		for len(l.ends) <= e.fd {
			l.ends = append(l.ends, nil)
		}
		l.ends[e.fd] = e
	}
	for i := range k.ends {
		if !k.over {
			l.watch(&k.ends[i], unix.EPOLLIN)
		}
	}
}
